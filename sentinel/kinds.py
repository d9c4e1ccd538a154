"""The contracts between the rooms. The engine knows these and never a kind by name.

Probe --connect--> Vantage: open -> suspect -> ask* -> close      one round, one connection
Record --put--> Sink*                                             must not block
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sentinel.core.answer import Observation
from sentinel.core.api.discovery import Catalog
from sentinel.core.api.gates import Lights
from sentinel.core.api.question import Question
from sentinel.core.api.rules import Grant
from sentinel.core.asked import Asked
from sentinel.core.drill.fault import Fault, Receipt, Status, Steps
from sentinel.core.net.landing import Attempt, Landing
from sentinel.core.net.roster import Roster
from sentinel.core.record import Record, Round
from sentinel.core.verdict import Reason

Kind = TypeVar("Kind", bound=Asked)
"""One kind of what is asked."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What the trip-wire found in one review: questions to ask for real, at once."""

    identity: str
    target: str
    questions: tuple[Question, ...] = ()
    review_only: tuple[Grant, ...] = ()
    clean: bool = False  # the review came back well and lists nothing beyond what is known
    incomplete: bool = False
    known: bool = True  # False: the review failed, and what it said before still stands
    grants: frozenset[Grant] = frozenset()  # of target `*`: the cluster-wide rules themselves
    wanted: frozenset[str] = frozenset()  # exceptions that want a rule of this review; it is left out


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A second look at a breach: whether somebody else was asking, and which binding lets us in."""

    somebody_else: bool = False
    cause: str = ""


class Vantage(Protocol):
    """One connection, from which the questions of one round are asked."""

    @property
    def intact(self) -> bool:
        """Whether it is still the connection that the opening controls were asked on."""
        ...

    async def open(self, targets: Collection[str]) -> str:
        """Ask the opening controls, with the doors of these targets.

        Gives the reason why the round ends here, empty when it can go on.
        """
        ...

    async def suspect(self, only: Collection[str] | None = None) -> list[Suspicion]:
        """Ask the trip-wire of every target, or of these only."""
        ...

    async def doors(self, targets: Collection[str]) -> None:
        """Open the doors of further targets."""
        ...

    def lights(self) -> Mapping[str, Lights]:
        """The lights of each identity, as they stand now."""
        ...

    async def ask(self, question: Question) -> Observation:
        """Ask one question."""
        ...

    async def confirm(self, question: Question) -> Confirmation:
        """Look again before a breach is published."""
        ...

    def catalog(self) -> Catalog | None:
        """What is served, as of the last time that discovery was read; None before."""
        ...

    async def close(self) -> None:
        """Ask the closing controls; `lights` shows them, and those alone, from then on."""
        ...

    def user(self, identity: str) -> str:
        """The user name of this identity, as far as known."""
        ...


class Probe(Protocol):
    """A way to ask. It neither counts, logs, retries nor judges."""

    def connect(self) -> AbstractAsyncContextManager[Vantage]:
        """A fresh connection for one round."""
        ...


class Lookout(Protocol[Kind]):
    """A way to ask something that needs no beacon of the target's. It neither counts, logs, retries nor judges.

    `check`: the class of promise. `silence_counts`: whether no reply is a denial there, when the controls
    are green. `allowed`: the key of the configuration by which being let in is no breach, empty when it is one.
    """

    @property
    def check(self) -> str:
        """See above."""
        ...

    @property
    def silence_counts(self) -> bool:
        """See above."""
        ...

    @property
    def allowed(self) -> str:
        """See above."""
        ...

    def questions(self) -> Collection[Kind]:
        """What there is to ask now."""
        ...

    async def controls(self, questions: Collection[Kind]) -> Mapping[Kind, Reason]:
        """Ask what must be answered for these questions' denials to count; the reasons of those where it is not."""
        ...

    async def ask(self, question: Kind) -> Observation:
        """Ask one question."""
        ...


class Dial(Protocol):
    """Opens many fresh sockets beside the loop."""

    async def __call__(
        self, attempts: Sequence[Attempt], seconds: float, landed: Callable[[int, Landing], None]
    ) -> list[Landing]:
        """How each ended, in order; each may take so many seconds. `landed` is told of each as soon as it has."""
        ...


class Lines(Protocol):
    """Connections that are kept from one round to another, one at most for each address and port."""

    def places(self) -> frozenset[tuple[str, int]]:
        """Where one is held."""
        ...

    def keep_only(self, places: Collection[tuple[str, int]]) -> None:
        """Close those to everywhere else."""
        ...

    async def open(self, attempts: Sequence[Attempt], seconds: float) -> list[Landing]:
        """Connect and ask; who answers is held from now on."""
        ...

    async def ask(self, attempts: Sequence[Attempt], seconds: float) -> list[Landing]:
        """Ask over what is held."""
        ...


class Directory(Protocol):
    """Who says which beacons there are."""

    async def roster(self, known: Roster | None = None, *, wait: bool = False) -> Roster:
        """The roster of now; `wait`: when there is news, or after a while. Raises ClientError."""
        ...


class Injector(Protocol):
    """A way to break something, and to heal it. All but `plan` raise ClientError. `revert` may be called again."""

    def plan(self, fault: Fault) -> Steps:
        """What would be done; touches nothing."""
        ...

    async def look(self) -> Mapping[str, Any]:
        """What is there now, for the receipt. Raises ClientError too where a drill's wound stands already."""
        ...

    async def inject(self, receipt: Receipt) -> None:
        """Put the fault there."""
        ...

    async def status(self, receipt: Receipt) -> Status:
        """Read back what is there of it."""
        ...

    async def revert(self, receipt: Receipt) -> None:
        """Take away what is there of it, and nothing else; what was there before is there again."""
        ...


class Sink(Protocol):
    """A place a record goes to."""

    def put(self, record: Record) -> None:
        """Take a record; must not block. A slow sink has its own bounded queue."""
        ...

    def end_round(self, report: Round) -> None:
        """Take what is believed after a round; must not block."""
        ...
