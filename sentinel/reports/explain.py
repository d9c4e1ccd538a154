"""What `sentinel explain` says: which binding lets in, what closes it, and whether it was used.

Every text from outside is cleaned here: whoever writes a Role chooses its name and its rules.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sentinel.core.api.audit import Sifted, odd_ones
from sentinel.core.api.question import Question
from sentinel.core.api.rbac import MASTERS, Made, Path, Who
from sentinel.core.api.remedy import Closing, rule_text
from sentinel.core.api.reply import clean
from sentinel.core.page import rfc3339
from sentinel.reports import explain_net
from sentinel.reports.explain_net import OPEN, SHUT, UNKNOWN, Crossed

EXIT_CODES = {SHUT: 0, OPEN: 1, UNKNOWN: 3}
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """One question. `allowed`: the API server's word, None where it did not say, with the reason why."""

    question: Question
    allowed: bool | None
    reason: str
    paths: tuple[Path, ...] = ()

    @property
    def state(self) -> str:
        """Open, shut, or not found out."""
        if self.allowed is None:
            return OPEN if self.paths else UNKNOWN
        if self.allowed:
            return OPEN
        # Two that should agree do not: something changed meanwhile, or is not as we read it.
        return UNKNOWN if self.paths else SHUT


@dataclass(frozen=True, slots=True)
class Explained:
    """One identity with its questions, what closes what is open, and what could not be read."""

    title: str
    who: Who
    answers: tuple[Answer, ...]
    closings: tuple[Closing, ...] = ()
    missing: tuple[str, ...] = ()
    used: Sifted | None = None

    @property
    def state(self) -> str:
        """The gravest: open, then unknown. A use or a finding means that somebody was let in."""
        states = {answer.state for answer in self.answers}
        if OPEN in states or (self.used is not None and (self.used.used or self.used.findings)):
            return OPEN
        return UNKNOWN if UNKNOWN in states or not self.answers else SHUT


@dataclass(frozen=True, slots=True)
class Report:
    """All that was asked for."""

    cases: tuple[Explained | Crossed, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def exit_code(self) -> int:
        """0 nothing lets in, 1 something does or did, 3 could not find out."""
        states = {case.state for case in self.cases}
        return next((EXIT_CODES[state] for state in (OPEN, UNKNOWN) if state in states), 0 if states else 3)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"cases": [_case(case) for case in self.cases], "notes": list(self.notes)}


def text(report: Report) -> str:
    """For people."""
    lines = [line for case in report.cases for line in (*_told(case), "")]
    return "\n".join([*lines, *(f"note: {note}" for note in report.notes)]).rstrip() + "\n"


def _told(case: Explained | Crossed) -> Iterator[str]:
    if isinstance(case, Crossed):
        yield from explain_net.told(case)
        return
    yield clean(case.title, 400)
    if MASTERS in case.who.groups:
        yield f"  a member of {MASTERS} is allowed everything, by no binding: nothing here closes that"
    for answer in case.answers:
        yield from _answered(answer)
    if case.closings:
        yield "to close it (nothing is run; each line is needed):"
    for closing in case.closings:
        yield from _closing(closing)
    yield from (f"not read: {what}" for what in case.missing)
    if case.used is not None:
        yield from _used(case.used)


def _answered(answer: Answer) -> Iterator[str]:
    question = answer.question
    where = f"in {question.asked_namespace}" if question.asked_namespace else "in the whole cluster"
    words = {OPEN: "LET IN", SHUT: "denied", UNKNOWN: "UNKNOWN"}[answer.state]
    yield f"  {words}: {clean(question.text)} {clean(where)}"
    for number, path in enumerate(answer.paths, 1):
        yield f"    {number}. {clean(path.text, 600)}"
        yield f"       binding {made(path.binding.made)}"
        yield f"       role {made(path.role.made)}; its rule: {rule_text(path.rule)}"
        for source in path.sources:
            yield f"       the rule is ClusterRole {clean(source.name)}'s, taken over by label; {made(source.made)}"
        if path.role.aggregates and not path.sources:
            yield "       the role takes over rules by label, and none of its sources has this one now"
    if told := _said(answer):
        yield f"    {told}"


def _said(answer: Answer) -> str:
    if answer.allowed is None:
        return f"the API server was not asked: {answer.reason}"
    if answer.allowed and not answer.paths:
        why = f": {answer.reason}" if answer.reason else ""
        return f"no binding that could be read does this; the API server says it is allowed{why}"
    if not answer.allowed and answer.paths:
        return "these bindings should let them in, and the API server says they do not"
    return f"the API server says: {answer.reason}" if answer.reason else ""


def _closing(closing: Closing) -> Iterator[str]:
    yield from (f"  {command}" for command in closing.commands)
    if closing.losers:
        yield f"      it shuts out, too: {'; '.join(closing.losers)}"
    yield from (f"      {clean(note, 400)}" for note in closing.notes)
    yield from (f"      or, if the binding is meant: {one}" for one in closing.instead)


def made(found: Made) -> str:
    """When and by whom, as far as the API server kept it."""
    parts = [f"made {rfc3339(found.created)}" if found.created is not None else "made at an unknown time"]
    if found.changed is not None or found.manager:
        when = rfc3339(found.changed) if found.changed is not None else "?"
        parts.append(f"last written {when} by {found.manager or '?'}")
    return ", ".join(parts)


def _used(used: Sifted) -> Iterator[str]:
    yield f"audit log: {_span(used)}"
    if used.used:
        yield f"USED: {used.used} granted requests that were not ours, {used.reads} of them reads"
        for (user, verb, resource), count in used.kinds.most_common(_SHOWN):
            yield f"  {count} x {clean(user)} {clean(verb)} {clean(resource)}"
        yield from _rows(used)
    else:
        yield "not used: no granted request in this time but our own" + ("" if used.lines else " (the log is empty)")
    if used.claimed:
        yield f"{used.claimed} more have an Audit-Id of our form; {_unknown(used)}"
    if used.uncovered:
        yield f"{used.uncovered} requests of our accounts at times of which no ledger was given"
    for odd, count in used.found.most_common():
        yield f"SUSPICIOUS: {count} requests in our name, {odd.value}"
    yield from (f"  {row}" for row in odd_ones(used.findings[:_SHOWN]))


def _unknown(used: Sifted) -> str:
    why = "without --ledger" if used.ledger is None else "they are newer than the ledger: until it is read again"
    return f"{why} nobody knows whether they are ours"


def _rows(used: Sifted) -> Iterator[str]:
    for event in used.uses[:_SHOWN]:
        row = event.as_json()
        name = f"/{row['name']}" if row["name"] else ""
        where = f" in {row['namespace']}" if row["namespace"] else ""
        yield (
            f"  {row['at']} {row['impersonated'] or row['user']} {row['verb']} {row['resource']}{name}{where}"
            f" ({row['code']}) from {', '.join(row['source_ips'])} Audit-Id {row['audit_id']}"
        )


def _span(used: Sifted) -> str:
    span = ""
    if used.first is not None and used.last is not None:
        span = f", {rfc3339(used.first)} to {rfc3339(used.last)}"
    return f"{used.lines} lines{span}; {used.broken} broken; {used.ours} of ours among those granted"


def _case(case: Explained | Crossed) -> dict[str, Any]:
    if isinstance(case, Crossed):
        return explain_net.as_json(case)
    return {
        "title": clean(case.title, 400),
        "state": case.state,
        "user": clean(case.who.user),
        "groups": [clean(group) for group in case.who.groups],
        "answers": [_answer(answer) for answer in case.answers],
        "closings": [_shut(closing) for closing in case.closings],
        "missing": list(case.missing),
        "used": None if case.used is None else _usage(case.used),
    }


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "question": clean(answer.question.text),
        "namespace": answer.question.asked_namespace,
        "state": answer.state,
        "allowed": answer.allowed,
        "reason": answer.reason,
        "paths": [_path(path) for path in answer.paths],
    }


def _path(path: Path) -> dict[str, Any]:
    binding, subject = path.binding, path.subject
    return {
        "text": clean(path.text, 600),
        "binding": {"kind": binding.kind, "namespace": binding.namespace, "name": binding.name, **_made(binding.made)},
        "role": {"kind": path.role.kind, "name": path.role.name, **_made(path.role.made)},
        "subject": {"kind": subject.kind, "name": subject.name, "namespace": subject.namespace},
        "rules": [rule_text(rule) for rule in path.rules],
        "written_in": [{"name": source.name, **_made(source.made)} for source in path.sources],
    }


def _made(found: Made) -> dict[str, Any]:
    moments = {"created": found.created, "changed": found.changed}
    return {key: None if at is None else rfc3339(at) for key, at in moments.items()} | {"manager": found.manager}


def _shut(closing: Closing) -> dict[str, Any]:
    return {
        "commands": list(closing.commands),
        "also_shut_out": list(closing.losers),
        "notes": [clean(note, 400) for note in closing.notes],
        "instead": list(closing.instead),
    }


def _usage(used: Sifted) -> dict[str, Any]:
    kinds: Iterable[tuple[tuple[str, str, str], int]] = used.kinds.most_common()
    return {
        "lines": used.lines,
        "broken": used.broken,
        "first": None if used.first is None else rfc3339(used.first),
        "last": None if used.last is None else rfc3339(used.last),
        "used": used.used,
        "reads": used.reads,
        "ours": used.ours,
        "claimed": used.claimed,
        "uncovered": used.uncovered,
        "by": [{"user": clean(u), "verb": clean(v), "resource": clean(r), "count": n} for (u, v, r), n in kinds],
        "uses": [event.as_json() for event in used.uses],
        "suspicious": {odd.value: count for odd, count in used.found.items()},
        "findings": [{"why": finding.odd.value, **finding.event.as_json()} for finding in used.findings],
    }
