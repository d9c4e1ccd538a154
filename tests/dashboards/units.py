"""Numbers as Grafana writes them, as far as our dashboards have such units."""

import math

SECONDS = ((86_400.0, "day", "days"), (3_600.0, "hour", "hours"), (60.0, "min", "mins"))


def words(number: float, unit: str, now: float = 0.0) -> str:
    """A number with its unit; `now` in wall seconds, for moments."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "∞"
    match unit:
        case "s":
            return _duration(number)
        case "percentunit":
            return f"{round(100 * number, 1):g}%"
        case "bytes":
            return f"{number / 2**20:.3g} MiB"
        case "cps":
            return f"{_short(number)} c/s"
        case "dateTimeFromNow":
            return f"{_duration(now - number / 1000)} ago"
        case _:
            return _short(number)


def whole(seconds: float) -> float:
    """The unit in which a duration is written: 86 400, 3 600, 60 or 1 s."""
    return next((size for size, _, _ in SECONDS if seconds >= size), 1.0)


def _duration(seconds: float) -> str:
    for size, one, many in SECONDS:
        if abs(seconds) >= size:
            return f"{seconds / size:.3g} {one if seconds == size else many}"
    return f"{seconds * 1000:.3g} ms" if 0 < abs(seconds) < 1 else f"{seconds:.3g} s"


def _short(number: float) -> str:
    return f"{number / 1000:.3g} K" if abs(number) >= 1000 else f"{number:.3g}"
