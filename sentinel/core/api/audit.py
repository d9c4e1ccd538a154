"""Was it used? What an API server's audit log says of a hole, and of our own account.

    event --> in the window? --> granted, and theirs or through their binding? --> ours? --> a use
          \\-> of our own account? --> in the ledger, once, and the same request? --> a finding

Events come one by one and may be millions: what is kept of them is counted, and a few are shown.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sentinel.core.api.ledger import Form, Ledger, Written, number_of
from sentinel.core.api.reply import clean

SHOWN = 200
"""Uses and findings that are told one by one; all are counted."""
MOST_OPEN = 100_000
"""Requests that were begun and not ended yet (watches), kept at once."""
MOST_KINDS = 5_000
_MOST_NUMBER = 2**30
"""Of a request in its process: years. Somebody may have written another one into a ledger."""
ANONYMOUS = "system:anonymous"
READS = ("get", "list", "watch")
_UNENDED = "ResponseStarted"
_STAGES = ("ResponseStarted", "ResponseComplete", "Panic")
_EXTRA = "authentication.kubernetes.io/"
_POD_UID = f"{_EXTRA}pod-uid"
_POD_NAME = f"{_EXTRA}pod-name"
_METHODS = {"get": "GET", "list": "GET", "watch": "GET", "create": "POST", "update": "PUT", "patch": "PATCH",
            "delete": "DELETE", "deletecollection": "DELETE"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """One audit event, as far as it matters here. `at` is wall seconds; text from outside is as it came."""

    audit_id: str
    stage: str
    at: float
    verb: str
    uri: str
    user: str
    impersonated: str = ""
    pod: str = ""
    pod_uid: str = ""
    ips: tuple[str, ...] = ()
    agent: str = ""
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    code: int = 0
    granted: bool = False
    reason: str = ""

    @property
    def acting(self) -> str:
        """As whom it was decided."""
        return self.impersonated or self.user

    def as_json(self) -> dict[str, Any]:
        """For programs; clean, so that a terminal may show it."""
        return {
            "at": datetime.fromtimestamp(self.at).astimezone().isoformat(),
            "user": clean(self.user),
            "impersonated": clean(self.impersonated),
            "verb": clean(self.verb),
            "resource": clean(self.resource),
            "group": clean(self.group),
            "namespace": clean(self.namespace),
            "name": clean(self.name),
            "code": self.code,
            "reason": clean(self.reason, 400),
            "pod": clean(self.pod),
            "pod_uid": clean(self.pod_uid),
            "source_ips": [clean(ip, 64) for ip in self.ips[:10]],
            "user_agent": clean(self.agent),
            "audit_id": clean(self.audit_id, 80),
            "uri": clean(self.uri, 400),
        }


def parse(line: bytes | str) -> Event | None:
    """An audit event (audit.k8s.io/v1) out of one line, None for one that is broken or something else."""
    try:
        found = json.loads(line)
        if not isinstance(found, dict) or found.get("kind") != "Event" or "auditID" not in found:
            return None
        return _event(found)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def _event(found: Mapping[str, Any]) -> Event:
    user, ref = found.get("user") or {}, found.get("objectRef") or {}
    extra, notes = user.get("extra") or {}, found.get("annotations") or {}
    sub = ref.get("subresource")
    return Event(
        audit_id=str(found["auditID"]),
        stage=str(found.get("stage")),
        at=datetime.fromisoformat(found.get("requestReceivedTimestamp") or "").timestamp(),
        verb=str(found.get("verb") or ""),
        uri=str(found.get("requestURI") or ""),
        user=str(user.get("username") or ""),
        impersonated=str((found.get("impersonatedUser") or {}).get("username") or ""),
        pod=_first(extra.get(_POD_NAME)),
        pod_uid=_first(extra.get(_POD_UID)),
        ips=tuple(str(ip) for ip in found.get("sourceIPs") or ()),
        agent=str(found.get("userAgent") or ""),
        group=str(ref.get("apiGroup") or ""),
        resource=str(ref.get("resource") or "") + (f"/{sub}" if sub else ""),
        namespace=str(ref.get("namespace") or ""),
        name=str(ref.get("name") or ""),
        code=int((found.get("responseStatus") or {}).get("code") or 0),
        granted=notes.get("authorization.k8s.io/decision") == "allow",
        reason=str(notes.get("authorization.k8s.io/reason") or ""),
    )


def _first(values: Any) -> str:
    return str(values[0]) if isinstance(values, list) and values else ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for. `users` with `groups` empty are they themselves; times in wall seconds, None: no bound.

    `reasons` are the API server's words for the bindings of the hole; `spaces` are the namespaces
    that it opened, empty for all of them. `own` are the accounts that nobody but us has.
    """

    users: frozenset[str] = frozenset()
    reasons: tuple[str, ...] = ()
    spaces: frozenset[str] = frozenset()
    since: float | None = None
    until: float | None = None
    own: frozenset[str] = frozenset()

    def is_in_time(self, event: Event) -> bool:
        """Whether it came in the window."""
        return (self.since is None or event.at >= self.since) and (self.until is None or event.at <= self.until)

    def is_use(self, event: Event) -> bool:
        """Whether the hole was used: granted, there, and theirs or through the binding."""
        if not event.granted or (self.spaces and event.namespace not in self.spaces):
            return False
        return event.acting in self.users or any(reason in event.reason for reason in self.reasons)


class Odd(StrEnum):
    """What is wrong with a request in the name of an account that only we have."""

    UNKNOWN = "not in the ledger"  # somebody else has the token
    OTHER = "another request than the ledger has under this Audit-Id"  # somebody copies our marks
    TWICE = "a second request with an Audit-Id of ours"  # a copy, or a repeat over a lost connection
    LOST = "not written down: the ledger has a gap there"  # our process died, or somebody knows when


@dataclass(frozen=True, slots=True)
class Finding:
    """One odd event of our own account."""

    odd: Odd
    event: Event


@dataclass
class Sifted:
    """What was found in a log, growing as events are taken. Counts are of requests, not of events."""

    wanted: Wanted
    ledger: Ledger | None = None
    lines: int = 0
    broken: int = 0
    first: float | None = None
    last: float | None = None
    ours: int = 0
    claimed: int = 0
    """Uses with our marks while there is no ledger to check them against, or none that is as new."""
    uncovered: int = 0
    """Requests of our own accounts at a time of which no ledger is there."""
    uses: list[Event] = field(default_factory=list)
    used: int = 0
    reads: int = 0
    kinds: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    found: Counter[Odd] = field(default_factory=Counter)
    _open: dict[str, Event] = field(default_factory=dict)
    _seen: dict[tuple[str, str], bytearray] = field(default_factory=dict)

    def take(self, event: Event | None) -> None:
        """One line of the log, None for a broken one."""
        self.lines += 1
        if event is None:
            self.broken += 1
        elif event.stage in _STAGES:
            self._place(event)

    def end(self) -> None:
        """After the last line: what was begun and never ended counts too."""
        for event in self._open.values():
            self._judge(event)
        self._open.clear()

    def _place(self, event: Event) -> None:
        self.first = event.at if self.first is None else min(self.first, event.at)
        self.last = event.at if self.last is None else max(self.last, event.at)
        if not self.wanted.is_in_time(event):
            return
        if event.user in self.wanted.own:
            self._check(event)
        # A watch has two events: the second takes the place of the first.
        begun = self._open.pop(event.audit_id, None)
        if begun is not None and _differ(begun, event):
            self._judge(begun)
        if event.stage == _UNENDED and len(self._open) < MOST_OPEN:
            self._open[event.audit_id] = event
        else:
            self._judge(event)

    def _judge(self, event: Event) -> None:
        if not self.wanted.is_use(event):
            return
        if self._is_ours(event):
            return
        self.used += 1
        self.reads += event.verb in READS
        key = (event.acting, event.verb, event.resource)
        if key in self.kinds or len(self.kinds) < MOST_KINDS:
            self.kinds[key] += 1
        if len(self.uses) < SHOWN:
            self.uses.append(event)

    def _is_ours(self, event: Event) -> bool:
        written, form = Written.NOT, None
        if self.ledger is not None:
            written, form, _ = self.ledger.look(event.audit_id)
        if self._is_claimed(event):
            # Anybody can write such an Audit-Id: it is told apart, and not taken away.
            self.claimed += 1
            return True
        ours = written is Written.HERE and form is not None and _same(form, event)
        self.ours += ours
        return ours

    def _is_claimed(self, event: Event) -> bool:
        """Whether it bears our marks, and no ledger can say more: none is there, or it was not written down yet."""
        if self.ledger is None:
            return number_of(event.audit_id) is not None
        # The ledger is read first, and a process that goes on asking writes at the end of each round.
        newer = self.ledger.until is not None and event.at > self.ledger.until
        return newer and event.user in (*self.wanted.own, ANONYMOUS) and self.ledger.is_ahead(event.audit_id)

    def _check(self, event: Event) -> None:
        if self.ledger is None:
            return
        if not self.ledger.covers(event.at):
            self.uncovered += event.stage != _UNENDED
            return
        odd = self._odd(event, self.ledger)
        # A watch that is odd is told when it begins, and not again when it ends.
        if odd is not None and not (odd is not Odd.TWICE and event.audit_id in self._open):
            self.found[odd] += 1
            if len(self.findings) < SHOWN:
                self.findings.append(Finding(odd, event))

    def _odd(self, event: Event, ledger: Ledger) -> Odd | None:
        written, form, _ = ledger.look(event.audit_id)
        if written is not Written.HERE or form is None:
            return Odd.LOST if written is Written.LOST else Odd.UNKNOWN
        if not _same(form, event):
            return Odd.OTHER
        return Odd.TWICE if self._again(event) else None

    def _again(self, event: Event) -> bool:
        """Whether this Audit-Id had this stage before: one bit each, and no number beyond the ledger's."""
        mark = number_of(event.audit_id)
        if mark is None or mark[1] > _MOST_NUMBER:
            return False
        process, number = mark
        bits = self._seen.setdefault((process, event.stage), bytearray())
        at, bit = divmod(number, 8)
        if at >= len(bits):
            bits.extend(bytes(at + 1 - len(bits)))
        again = bool(bits[at] >> bit & 1)
        bits[at] |= 1 << bit
        return again


def sift(lines: Iterable[bytes | str], into: Iterable[Sifted]) -> None:
    """Everything that a log says, into each of these; the lines are looked at one by one."""
    sieves = tuple(into)
    for line in lines:
        if line.strip():
            event = parse(line)
            for sieve in sieves:
                sieve.take(event)
    for sieve in sieves:
        sieve.end()


def odd_ones(findings: Iterable[Finding]) -> Iterator[str]:
    """Findings for people."""
    for finding in findings:
        row = finding.event.as_json()
        where = f" in {row['namespace']}" if row["namespace"] else ""
        yield (
            f"{row['at']} {finding.odd.value}: {row['user']} {row['verb']} {row['resource']}{where} ({row['code']})"
            f" from {', '.join(row['source_ips'])} pod {row['pod'] or '?'} uid {row['pod_uid'] or '?'}"
            f" Audit-Id {row['audit_id']} User-Agent {row['user_agent']}"
        )


def _same(form: Form, event: Event) -> bool:
    method = _METHODS.get(event.verb)
    return (
        form.path == event.uri
        and form.user in ("*", "" if event.user == ANONYMOUS else event.user)
        and (form.impersonated == event.impersonated or _was_refused(event))
        and (method is None or method == form.method)
    )


def _was_refused(event: Event) -> bool:
    """An impersonation that is refused leaves no trace of whom it was meant for."""
    return not event.impersonated and event.code == 403


def _differ(one: Event, other: Event) -> bool:
    return (one.uri, one.user, one.verb) != (other.uri, other.user, other.verb)
