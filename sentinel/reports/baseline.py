"""What `sentinel baseline propose` prints: the exceptions that would make what was found silent.

Each is as narrow as what was seen: verbs are put together only where they were seen of the same
types. Nobody can paste it unread: the loader refuses it until a person has filled in why and who.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from sentinel.core.api.question import CLUSTER, Question
from sentinel.core.api.reply import clean
from sentinel.core.api.resources import ABSENT_NAME, BEACON
from sentinel.core.standing import Breach

DAYS = 30
"""For how long it is proposed: time to find out who needs it, not time to forget it."""
FILL_IN = "FILL IN"
_OURS = (ABSENT_NAME, BEACON)


@dataclass(frozen=True, slots=True)
class Seen:
    """One question that was let in: on whose behalf, and the evidence."""

    source: str
    question: Question
    breach: Breach


class _Where(NamedTuple):
    source: str
    target: str


class _What(NamedTuple):
    """All that is written in one entry besides its types."""

    verbs: tuple[str, ...]
    names: tuple[str, ...]
    grave: bool


def propose(found: Iterable[Seen], system: Iterable[str], today: date) -> str:
    """The whole text, YAML below `isolation.allow`; `system` are the namespaces of nobody."""
    places: dict[_Where, list[Seen]] = defaultdict(list)
    for seen in found:
        places[_Where(seen.source, seen.question.target)].append(seen)
    if not places:
        return "# Nothing was let in: no exception is needed.\n"
    until, grave = today + timedelta(days=DAYS), {CLUSTER, *system}
    lines = ["# Found now. An exception is a hole that somebody answers for: rather close it where you can.", *_HEAD]
    for where, rows in sorted(places.items()):
        for what, kinds in _entries(rows, where.target in grave).items():
            lines += _entry(where, what, sorted(kinds), until, rows)
    return "\n".join(lines) + "\n"


_HEAD = ("isolation:", "  allow:")


def _entries(rows: Iterable[Seen], grave: bool) -> dict[_What, set[str]]:  # noqa: FBT001
    """Types by what may be done with them: the same verbs, the same names."""
    verbs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for seen in rows:
        question = seen.question
        name = "" if question.asked_name in _OURS else question.asked_name
        verbs[_kind(question), name].add(question.verb)
    entries: dict[_What, set[str]] = defaultdict(set)
    for (kind, name), done in sorted(verbs.items()):
        secret = kind.partition("/")[0] == "secrets"
        entries[_What(tuple(sorted(done)), (name,) if name else (), grave and secret)].add(kind)
    return entries


def _kind(question: Question) -> str:
    return question.resource.label + (f"/{question.subresource}" if question.subresource else "")


def _entry(where: _Where, what: _What, kinds: list[str], until: date, rows: list[Seen]) -> Iterator[str]:
    body = [
        f"- from: {json.dumps(where.source)}",
        f"  to: {json.dumps(where.target)}",
        f"  verbs: {json.dumps(list(what.verbs))}",
        f"  resources: {json.dumps(kinds)}",
        *([f"  names: {json.dumps(list(what.names))}"] if what.names else []),
        f"  reason: {FILL_IN}",
        f"  owner: {FILL_IN}",
        f"  until: {until.isoformat()}",
    ]
    yield from (f"    # {line}" for line in _evidence(what, kinds, rows))
    if what.grave:
        yield "    # WARNING: who reads these has the keys of the cluster. Not proposed; close it."
        yield from (f"    # {line}" for line in body)
    else:
        yield from (f"    {line}" for line in body)


def _evidence(what: _What, kinds: list[str], rows: list[Seen]) -> Iterator[str]:
    for seen in rows:
        question, breach = seen.question, seen.breach
        if _kind(question) in kinds and question.verb in what.verbs:
            cause = f", {clean(breach.cause, 120)}" if breach.cause else ""
            yield clean(
                f"{question.identity}: {question.text}: HTTP {breach.code}, Audit-Id {breach.audit_id}{cause}", 300
            )
