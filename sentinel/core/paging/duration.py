"""Durations as Prometheus and Alertmanager write them: `1h30m`, `15s`, `0s`, `500ms`, `1d`, `2w`, `1y`."""

import re

_UNITS = {"y": 365 * 86_400.0, "w": 7 * 86_400.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_WRITTEN = re.compile("".join(rf"(?:(?P<{unit}>[0-9]{{1,12}}){unit})?" for unit in _UNITS))


def seconds(value: object, name: str) -> float:
    """Seconds of a duration, text or (in JSON) a number of seconds. Raises ValueError that says `name`."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    if value == "0":
        return 0.0
    match = _WRITTEN.fullmatch(value) if isinstance(value, str) and value else None
    if match is None:
        raise ValueError(f"{name}: found {str(value)[:40]!r}, expected a duration such as 1m30s")
    return sum(int(match[unit] or 0) * size for unit, size in _UNITS.items())
