"""A moment as people write it: `2026-11-21T02:43:06Z`, or how long ago, `2h`."""

from __future__ import annotations

from datetime import datetime, timezone

from sentinel.settings import duration


def parse(text: str, now: datetime) -> float | None:
    """Wall seconds, None for an empty text; raises ValueError. Without a zone it is UTC, as logs are."""
    if not text:
        return None
    try:
        return (now - duration.parse(text)).timestamp()
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"found {text!r}, expected a moment such as 2026-11-21T02:43:06Z, or 2h") from None
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()  # noqa: UP017
