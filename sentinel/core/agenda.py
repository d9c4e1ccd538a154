"""What one round asks: open questions, the tiers' turns, and what is overdue, within the budget.

The rotations are round-robin over batches, so nothing is forgotten and nothing needs a timetable:
what is due is a number, by Bresenham's line over the slots.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from sentinel.core.api.plan import Batch, Plan
from sentinel.core.api.question import CLUSTER, Question, widened
from sentinel.core.schedule import quota_between
from sentinel.core.standing import PROOFS_TO_CLOSE, Standing

_NEW = Standing()


@dataclass(frozen=True, slots=True)
class Rotation:
    """Where a tier's round-robin stands: the next batch, and the last slot served."""

    next: int = 0
    slot: int = -1


def turn(rotation: Rotation, batches: Sequence[Batch], slot: int, slots: int) -> tuple[Batch, Rotation]:
    """The questions whose turn it is in this slot; all come round within `slots` slots."""
    due = quota_between(rotation.slot, slot, len(batches), slots)
    picked = (batches[(rotation.next + step) % len(batches)] for step in range(due))
    following = (rotation.next + due) % max(1, len(batches))
    return tuple(chain.from_iterable(picked)), Rotation(following, slot)


@dataclass(frozen=True, slots=True)
class Agenda:
    """The planned part of a round, in the order of asking."""

    open: Batch
    tier1: Batch
    tier2: Batch
    overdue: Batch
    tier3: Batch
    wide: Batch = ()

    @property
    def questions(self) -> Batch:
        """Each question once, the open ones first; before them only what may stand for several."""
        parts = (self.wide, self.open, self.tier1, self.tier2, self.overdue, self.tier3)
        return tuple(dict.fromkeys(chain.from_iterable(parts)))


def make(
    plan: Plan,
    standings: Mapping[Question, Standing],
    urgent: Iterable[Question],
    turns: tuple[Batch, Batch],
    is_subsumed: Callable[[Question], bool] = lambda _: False,
) -> Agenda:
    """The agenda of a round whose tiers' turns were taken.

    `urgent`, the open and suspected questions, takes at most half the share, oldest evidence first;
    what is overdue (never asked, inconclusive, or held only once) takes what they leave. What a
    wider breach stands for must not use up the budget: it would not be asked.
    """
    overdue = [question for question in _overdue(plan, standings) if not is_subsumed(question)]
    quiet = Agenda((), plan.tier1, turns[0], tuple(overdue), turns[1])
    return suspecting(quiet, plan, standings, [q for q in urgent if not is_subsumed(q)])


def suspecting(
    agenda: Agenda, plan: Plan, standings: Mapping[Question, Standing], suspects: Iterable[Question]
) -> Agenda:
    """The same round with further questions to ask at once; it costs no more for it."""
    budget = plan.round_budget
    suspects = [*suspects]
    urgent = sorted(dict.fromkeys([*agenda.open, *suspects]), key=lambda q: _asked(standings, q))
    urgent = urgent[:budget]
    wide, overdue = tuple(_wider(suspects)), agenda.overdue[: budget - len(urgent)]
    return replace(agenda, open=tuple(urgent), overdue=overdue, wide=wide)


def _wider(suspects: Iterable[Question]) -> list[Question]:
    """What shows in two targets at once may be a cluster-wide rule that came after its own review.

    It is asked as such first, or one hole would page once for every target.
    """
    found: dict[Question, set[str]] = defaultdict(set)
    for question in suspects:
        if question.target != CLUSTER and question.resource.namespaced:
            wide = widened(question)
            found[wide].add(question.target)
    return [wide for wide, targets in found.items() if len(targets) > 1]


def _overdue(plan: Plan, standings: Mapping[Question, Standing]) -> list[Question]:
    """What was not held twice in a row: tier 2 before tier 3, the longest unasked first."""
    late: list[tuple[int, float, int, Question]] = []
    for tier, batches in ((2, plan.tier2), (3, plan.tier3)):
        for question in chain.from_iterable(batches):
            standing = standings.get(question, _NEW)
            if standing.streak < PROOFS_TO_CLOSE and standing.breach is None:
                late.append((tier, standing.last_asked or 0.0, len(late), question))
    return [row[-1] for row in sorted(late, key=lambda row: row[:3])]


def _asked(standings: Mapping[Question, Standing], question: Question) -> float:
    return standings.get(question, _NEW).last_asked or 0.0


def targets(questions: Iterable[Question]) -> tuple[str, ...]:
    """The namespaces whose doors bracket these questions."""
    return tuple(dict.fromkeys(q.target for q in questions if q.target != CLUSTER))
