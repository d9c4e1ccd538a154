"""What `sentinel verify-alerting` says: how long each page takes at worst, what can swallow it, what to change."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict

from sentinel.core.paging.formula import When
from sentinel.core.paging.inspection import Inspection, Row

KEPT, BROKEN, UNKNOWN = 0, 1, 3


def exit_code(seen: Inspection) -> int:
    """0 the promise is kept, 1 it is not, 3 something could not be read."""
    if seen.broken:
        return BROKEN
    return UNKNOWN if seen.unknown or seen.slowest is None else KEPT


def as_json(seen: Inspection) -> dict[str, object]:
    """For programs. Seconds; `worst_seconds` is null where the page may never come, or its way was not read."""
    first = seen.first_change
    return {
        "verdict": {KEPT: "kept", BROKEN: "broken", UNKNOWN: "inconclusive"}[exit_code(seen)],
        "promise_seconds": seen.promise,
        "first_change": None if first is None else asdict(first) | {"enough_seconds": seen.enough},
        "alerts": [_row(row) for row in seen.rows],
        "unknown": list(seen.unknown),
        "notes": list(seen.notes),
    }


def _row(row: Row) -> dict[str, object]:
    sure = not row.obstacles and not row.unjudged
    return {
        "alert": row.alert,
        "path": row.path.value,
        "severity": row.severity,
        "receiver": row.receiver,
        "route": row.route,
        "calm_seconds": row.calm if sure else None,
        "worst_seconds": row.worst if sure else None,
        "terms": [asdict(term) | {"when": term.when.value} for term in row.terms],
        "obstacles": [asdict(obstacle) | {"fault": obstacle.fault.value} for obstacle in row.obstacles],
    }


def text(seen: Inspection) -> str:
    """For people: a line for each alert and path, the terms of the slowest page, what stands in the way."""
    parts = [_table(seen), _slowest(seen), _in_the_way(seen)]
    parts += [[f"not known: {line}" for line in seen.unknown], [f"note: {line}" for line in seen.notes]]
    parts.append([_verdict(seen)])
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _table(seen: Inspection) -> list[str]:
    rows = sorted(seen.rows, key=lambda row: (not row.pages, not row.obstacles, -row.worst, row.alert))
    wide = max((len(row.alert) for row in rows), default=5)
    broad = max((len(row.receiver) for row in rows), default=8)
    if not rows:
        return []
    head = f"{'alert':<{wide}}  path  severity  {'calm':>7}  {'worst':>7}  {'receiver':<{broad}}  route"
    return [head, *(_line(row, wide, broad) for row in rows)]


def _line(row: Row, wide: int, broad: int) -> str:
    if row.obstacles:
        calm, worst = "", "never"
    elif row.unjudged:
        calm, worst = "", "?"
    else:
        calm, worst = f"{row.calm:.0f} s", f"{row.worst:.0f} s"
    line = f"{row.alert:<{wide}}  {row.path.value}  {row.severity or '-':<8}  {calm:>7}  {worst:>7}"
    return f"{line}  {row.receiver or '-':<{broad}}  {row.route or '-'}"


def _slowest(seen: Inspection) -> list[str]:
    row, first = seen.slowest, seen.first_change
    if row is None:
        return []
    lines = [f"{row.alert} by {row.path.value}, the slowest page that arrives:"]
    for term in row.terms:
        failing = "" if term.when is When.ALWAYS else "+ "
        mark = "  <- change this first" if term is first and row.worst > seen.promise else ""
        lines.append(f"  {failing:>2}{term.name:<20} {term.seconds:>7.1f} s  {term.setting}{mark}")
    lines.append(f"    {'together':<20} {row.worst:>7.1f} s  (+ counts while something fails; {row.calm:g} s without)")
    if seen.enough is not None and first is not None:
        lines.append(f"    {first.name} of {seen.enough:g} s would do")
    return lines


def _in_the_way(seen: Inspection) -> list[str]:
    """Each obstacle once, with the alerts that it stops."""
    stopped: dict[tuple[str, str, str], list[str]] = {}
    for row in seen.rows:
        for obstacle in row.obstacles:
            names = stopped.setdefault((obstacle.fault.value, obstacle.detail, obstacle.hint), [])
            names.append(row.alert + ("" if row.pages else f" ({row.severity or 'no severity'})"))
    return [line for key, names in stopped.items() for line in _obstacle(*key, names)]


def _obstacle(fault: str, detail: str, hint: str, names: Iterable[str]) -> Iterator[str]:
    yield f"{fault}: {detail}"
    found = list(dict.fromkeys(names))
    yield f"  stops {', '.join(found[:4])}{f' and {len(found) - 4} more' if len(found) > 4 else ''}"
    yield f"  -> {hint}"


def _verdict(seen: Inspection) -> str:
    promise = f"{seen.promise:g} s"
    never = sum(bool(row.obstacles) for row in seen.broken)
    match exit_code(seen):
        case 1:
            late = len(seen.broken) - never
            return f"the promise of {promise} is not kept: {never} pages may never come, {late} come late"
        case 3:
            return f"inconclusive: not everything could be read, so nothing is said of the promise of {promise}"
        case _:
            worst = f"{seen.slowest.worst:g} s" if seen.slowest else ""
            return f"the promise of {promise} is kept: {worst} at worst, counted from when the series shows it"
