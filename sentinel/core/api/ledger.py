"""The ledger: every request that a process of ours sent, so that any other one in our name is a stranger's.

    {"event": "asked", "process": "6f…", "from": …, "forms": {"7": [user, as, "GET", "/api/…"]},
     "asked": "1001:7-31=403 2=200"}

The Audit-Id `sentinel-<process>-<number>` is the process's own and counts up, so a line needs the
first number only. `asked` is a row of runs: `number:` where one is skipped, the form (what was
asked, written out where it is first used), `-last` for forms that follow one another, `=status`
where it is another one than before; 0 is no answer.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

PREFIX = "sentinel-"
"""Of every Audit-Id of ours. Anybody can write it: alone it proves nothing."""
MOST_RUNS = 5_000_000
"""Kept of the ledgers that are read: about 500 MB; a day of a busy sentinel is 200,000."""
_ID = re.compile(r"sentinel-([0-9a-f]{12})-([0-9]{1,15})")
_RUN = re.compile(r"(?:([0-9]{1,15}):)?([0-9]{1,9})(?:-([0-9]{1,9}))?(?:=([0-9]{1,3}))?")


class Form(NamedTuple):
    """What was asked: by which user, in whose name, and the request itself.

    `user` is empty without credentials, and `*` where the token does not say whose it is.
    """

    user: str
    impersonated: str
    method: str
    path: str


class Asked(NamedTuple):
    """One request: its number in the process, its form's, and the status of the answer."""

    number: int
    form: int
    status: int


class _Run(NamedTuple):
    """Requests in a row: of forms in a row too, or of one."""

    first: int
    length: int
    form: int
    status: int


class Written(StrEnum):
    """What the ledger says of an Audit-Id."""

    HERE = "here"  # with the request it belongs to
    LOST = "lost"  # its number lies in a gap, or behind the last that its process wrote down
    NOT = "not"  # no process of ours ever had it


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the ledger. `since` and `until`: wall seconds."""

    process: str
    since: float
    until: float
    forms: Mapping[int, Form]
    runs: tuple[_Run, ...]


@dataclass
class Ledger:
    """What was read of one or more journals; grows as lines are taken."""

    forms: dict[str, dict[int, Form]] = field(default_factory=lambda: defaultdict(dict))
    runs: dict[str, list[_Run]] = field(default_factory=lambda: defaultdict(list))
    since: float | None = None
    until: float | None = None
    broken: int = 0
    _count: int = 0
    _sorted: bool = True

    def take(self, line: Line) -> None:
        """Add a line, in whatever order they come."""
        self._count += len(line.runs)
        if self._count > MOST_RUNS:
            raise OverflowError("more of a ledger than fits into memory: give the days of the window only")
        self.forms[line.process].update(line.forms)
        self.runs[line.process] += line.runs
        self.since = line.since if self.since is None else min(self.since, line.since)
        self.until = line.until if self.until is None else max(self.until, line.until)
        self._sorted = False

    @property
    def users(self) -> frozenset[str]:
        """Everybody as whom it asked with credentials."""
        return frozenset(
            form.user for forms in self.forms.values() for form in forms.values() if form.user not in ("", "*")
        )

    def covers(self, at: float) -> bool:
        """Whether it was kept at this time, wall seconds."""
        return self.since is not None and self.until is not None and self.since <= at <= self.until

    def look(self, audit_id: str) -> tuple[Written, Form | None, int]:
        """What it says of an Audit-Id, what was asked under it, and the status of the answer."""
        match = _ID.fullmatch(audit_id)
        runs = self._of(match[1]) if match else []
        if match is None or not runs:
            return Written.NOT, None, 0
        number = int(match[2])
        at = bisect_right(runs, number, key=lambda run: run.first) - 1
        if at < 0 or number >= runs[at].first + runs[at].length:
            return Written.LOST, None, 0
        run = runs[at]
        return Written.HERE, self.forms[match[1]].get(run.form + number - run.first), run.status

    def is_ahead(self, audit_id: str) -> bool:
        """Whether its number comes after the last that its process, one that is here, wrote down."""
        match = _ID.fullmatch(audit_id)
        runs = self._of(match[1]) if match else []
        return match is not None and bool(runs) and int(match[2]) >= runs[-1].first + runs[-1].length

    def _of(self, process: str) -> list[_Run]:
        if not self._sorted:
            for runs in self.runs.values():
                runs.sort()
            self._sorted = True
        return self.runs.get(process, [])


def number_of(audit_id: str) -> tuple[str, int] | None:
    """Process and number of an Audit-Id of our form."""
    match = _ID.fullmatch(audit_id)
    return (match[1], int(match[2])) if match else None


def row(process: str, since: float, forms: Mapping[int, Form], asked: Iterable[Asked]) -> dict[str, Any]:
    """A line of the ledger; `forms` are those that are new in its file."""
    told = {str(number): list(form) for number, form in forms.items()}
    return {
        "event": "asked",
        "process": process,
        "from": round(since, 3),
        "forms": told,
        "asked": " ".join(_written(sorted(asked))),
    }


def parse(found: Any, until: float) -> Line | None:
    """A line as it was written, None for one that is none or is broken."""
    try:
        forms = {int(number): _form(form) for number, form in found["forms"].items()}
        runs = tuple(_read(str(found["asked"])))
        return Line(str(found["process"]), float(found["from"]), until, forms, runs)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _form(found: Any) -> Form:
    user, impersonated, method, path = map(str, found)
    return Form(user, impersonated, method, path)


def _written(asked: list[Asked]) -> Iterator[str]:
    number, status = -1, -1
    for run in _runs(asked):
        text = f"{run.first}:" if run.first != number else ""
        text += str(run.form) + (f"-{run.form + run.length - 1}" if run.length > 1 else "")
        yield text + (f"={run.status}" if run.status != status else "")
        number, status = run.first + run.length, run.status


def _runs(asked: list[Asked]) -> Iterator[_Run]:
    run: _Run | None = None
    for number, form, status in asked:
        follows = run is not None and (number, form, status) == (
            run.first + run.length,
            run.form + run.length,
            run.status,
        )
        if run is not None and follows:
            run = run._replace(length=run.length + 1)
            continue
        if run is not None:
            yield run
        run = _Run(number, 1, form, status)
    if run is not None:
        yield run


def _read(text: str) -> Iterator[_Run]:
    number = status = -1
    for word in text.split():
        match = _RUN.fullmatch(word)
        if match is None:
            raise ValueError("no run")
        first, form, last, code = match.groups()
        number = int(first) if first else number
        status = int(code) if code else status
        count = int(last) - int(form) + 1 if last else 1
        if number < 0 or status < 0 or count < 1:
            raise ValueError("no run")
        yield _Run(number, count, int(form), status)
        number += count
