"""Relabelling as Prometheus does it, of labels that are not all known: what is dropped, and what becomes of labels.

A step that reads an open label may drop or not, replace or not: it makes the outcome open, never wrong.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sentinel.core.paging.matcher import Labels, Truth, whole


@dataclass(frozen=True, slots=True)
class Step:
    """One of a list of relabelling steps, as `/api/v1/status/config` gives it."""

    action: str
    source: tuple[str, ...] = ()
    regex: str = "(.*)"
    target: str = ""
    replacement: str = "$1"
    separator: str = ";"

    def __str__(self) -> str:
        """Short, for people."""
        return f"{self.action} {','.join(self.source)} {self.regex!r}".replace("  ", " ")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is left. `dropped` by the step `by`, where it is not NO."""

    labels: Labels
    dropped: Truth = Truth.NO
    by: Step | None = None


def relabel(labels: Labels, steps: tuple[Step, ...]) -> Outcome:
    """All steps in their order."""
    outcome = Outcome(labels)
    for step in steps:
        after = _ACTIONS.get(step.action, _unknown)(outcome.labels, step)
        outcome = after if outcome.dropped is Truth.NO else replace(outcome, labels=after.labels)
        if after.dropped is Truth.YES:
            return after
    return outcome


def _value(labels: Labels, step: Step) -> str | None:
    """What the step looks at; None where a part of it is open."""
    if labels.open & set(step.source):
        return None
    return step.separator.join(labels.known.get(name, "") for name in step.source)


def _matched(labels: Labels, step: Step) -> bool | None:
    value = _value(labels, step)
    if value is None:
        # Whatever an open label says, these match.
        return True if step.regex in ("(.*)", ".*") else None
    return whole(step.regex, value)


def _drop(labels: Labels, step: Step) -> Outcome:
    matched = _matched(labels, step)
    return Outcome(labels, Truth.OPEN if matched is None else Truth.YES if matched else Truth.NO, step)


def _keep(labels: Labels, step: Step) -> Outcome:
    matched = _matched(labels, step)
    return Outcome(labels, Truth.OPEN if matched is None else Truth.NO if matched else Truth.YES, step)


def _compare(labels: Labels, step: Step) -> Outcome:
    """Both dropequal and keepequal, whose one source is compared with the target."""
    if labels.open & {*step.source, step.target}:
        return Outcome(labels, Truth.OPEN, step)
    same = _value(labels, step) == labels.known.get(step.target, "")
    dropped = same is (step.action == "dropequal")
    return Outcome(labels, Truth.YES if dropped else Truth.NO, step)


def _replace(labels: Labels, step: Step) -> Outcome:
    value = _value(labels, step)
    if value is None or "$" in step.target:
        return Outcome(_opened(labels, step.target))
    try:
        match = re.fullmatch(step.regex, value)
    except re.error:
        return Outcome(_opened(labels, step.target))
    if match is None:
        return Outcome(labels)
    return Outcome(_with(labels, step.target, _expanded(step.replacement, match)))


def _case(labels: Labels, step: Step) -> Outcome:
    value = _value(labels, step)
    if value is None:
        return Outcome(_opened(labels, step.target))
    return Outcome(_with(labels, step.target, value.lower() if step.action == "lowercase" else value.upper()))


def _hash(labels: Labels, step: Step) -> Outcome:
    return Outcome(_opened(labels, step.target))


def _label_drop(labels: Labels, step: Step) -> Outcome:
    return Outcome(_filtered(labels, lambda name: whole(step.regex, name) is False))


def _label_keep(labels: Labels, step: Step) -> Outcome:
    return Outcome(_filtered(labels, lambda name: whole(step.regex, name) is not False))


def _label_map(labels: Labels, step: Step) -> Outcome:
    outcome = labels
    for name in sorted({*labels.known, *labels.open}):
        match = re.fullmatch(step.regex, name) if whole(step.regex, name) else None
        if match is not None:
            new = _expanded(step.replacement, match)
            outcome = _opened(outcome, new) if name in labels.open else _with(outcome, new, labels.known[name])
    return Outcome(outcome)


def _unknown(labels: Labels, step: Step) -> Outcome:
    return Outcome(labels, Truth.OPEN, step)


_ACTIONS: Mapping[str, Callable[[Labels, Step], Outcome]] = {
    "drop": _drop,
    "keep": _keep,
    "dropequal": _compare,
    "keepequal": _compare,
    "replace": _replace,
    "lowercase": _case,
    "uppercase": _case,
    "hashmod": _hash,
    "labeldrop": _label_drop,
    "labelkeep": _label_keep,
    "labelmap": _label_map,
}


def _filtered(labels: Labels, stays: Callable[[str], bool]) -> Labels:
    known = {name: value for name, value in labels.known.items() if stays(name)}
    return Labels(known, frozenset(filter(stays, labels.open)))


def _with(labels: Labels, name: str, value: str) -> Labels:
    """An empty value is a label that is missing."""
    known = {key: old for key, old in labels.known.items() if key != name} | ({name: value} if value else {})
    return Labels(known, labels.open - {name})


def _opened(labels: Labels, name: str) -> Labels:
    return Labels({key: old for key, old in labels.known.items() if key != name}, labels.open | {name})


_GROUP = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")


def _expanded(template: str, match: re.Match[str]) -> str:
    """Go's `$1` and `${name}`; a group that is not there is empty."""

    def group(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name is None:
            return "$"
        try:
            return match[int(name) if name.isdigit() else name] or ""
        except (IndexError, KeyError):
            return ""

    return _GROUP.sub(group, template)
