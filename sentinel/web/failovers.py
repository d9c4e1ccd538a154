"""The section of gateways on a status page: each one's failovers along time, the last in words, the latest drawn.

The picture is a file of its own (`/gateways/NAME/MOMENT.svg`), since the page's policy allows it no style
but its own sheet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

from sentinel.core.gateway.course import Course
from sentinel.core.gateway.failover import Bounds
from sentinel.reports import failover_svg
from sentinel.web.rendering import render
from sentinel.web.words import count, span

MOST_SHOWN = 3
"""Of each gateway; the rest is in the JSON."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Of a picture, which has its style within. It has no scripts, and nothing could load any."""
_WIDTH = 1000.0
_LEAST = 6.0
"""Of a mark: what lasted seconds is seen on a line of hours."""
_LEAD = 0.02
"""The share of the line before the first failover."""


def section(gateways: Mapping[str, Sequence[Course]], now: float) -> Markup:
    """What is told of them. `now`: wall seconds."""
    latest = [courses[-1] for courses in gateways.values() if courses]
    return render(
        "gateways.html",
        now=now,
        timelines=[_timeline(name, courses, now) for name, courses in gateways.items() if courses],
        rows=[row for name, courses in gateways.items() for row in _rows(name, courses)],
        pictures=[{"path": _path(course), "alt": failover_svg.described(course)} for course in latest],
    )


def picture(gateways: Mapping[str, Sequence[Course]], name: str, moment: str) -> str | None:
    """The SVG of this episode; None when it is not, or no longer, kept."""
    found = (course for course in gateways.get(name, ()) if _moment(course) == moment)
    return next(map(failover_svg.render, found), None)


@dataclass(frozen=True, slots=True)
class _Mark:
    """One failover on the line, in thousandths of its length."""

    x: str
    width: str
    mood: str


@dataclass(frozen=True, slots=True)
class _Timeline:
    """From before the first failover that is kept until now."""

    name: str
    since: float
    told: str
    marks: Sequence[_Mark]


def _timeline(name: str, courses: Sequence[Course], now: float) -> _Timeline:
    first = courses[0].at
    since = first - max(60.0, _LEAD * (now - first))
    whole = max(1.0, now - since)
    told = f"{count(len(courses), 'failover')} in the last {span(now - first)}"
    return _Timeline(name, since, told, [_mark(course, since, whole) for course in courses])


def _mark(course: Course, since: float, whole: float) -> _Mark:
    x = _WIDTH * (course.at - since) / whole
    width = max(_LEAST, _WIDTH * (course.episode.ended - course.episode.began) / whole)
    at = min(max(x, 0.0), _WIDTH - _LEAST)
    return _Mark(f"{at:.1f}", f"{min(width, _WIDTH - at):.1f}", failover_svg.VERDICTS[course.episode.verdict][0])


@dataclass(frozen=True, slots=True)
class _Row:
    """One failover in words; of a gateway without any, only its name."""

    name: str
    course: Course | None = None
    mood: str = ""
    verdict: str = ""
    path: str = ""
    bounds: str = ""
    felt: str = ""


def _rows(name: str, courses: Sequence[Course]) -> list[_Row]:
    """The latest first."""
    return [_row(course) for course in reversed(courses[-MOST_SHOWN:])] or [_Row(name)]


def _row(course: Course) -> _Row:
    episode = course.episode
    mood, meaning = failover_svg.VERDICTS[episode.verdict]
    return _Row(
        course.gateway,
        course,
        mood,
        f"{episode.verdict.value.replace('_', ' ')}, {meaning}",
        _path(course),
        _bounds(episode.stable),
        "nothing" if episode.user is None else f"{episode.user:.2f} s",
    )


def _path(course: Course) -> str:
    return f"/gateways/{quote(course.gateway, safe='')}/{_moment(course)}.svg"


def _moment(course: Course) -> str:
    """An episode's name in its address: when it began, milliseconds."""
    return f"{1000 * course.at:.0f}"


def _bounds(bounds: Bounds | None) -> str:
    return "no figure" if bounds is None else f"{bounds.lower:.2f} to {bounds.upper:.2f} s"
