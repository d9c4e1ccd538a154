"""The section of gateways on a status page: each one's last failovers, and a picture of the latest.

The picture is a file of its own (`/gateways/NAME/MOMENT.svg`), since the page's policy allows it no style
but its own sheet.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from sentinel.core.gateway.course import Course
from sentinel.core.gateway.failover import Bounds
from sentinel.reports import failover_svg
from sentinel.web.html import Html, tag
from sentinel.web.words import when

MOST_SHOWN = 3
"""Of each gateway; the rest is in the JSON."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Of a picture, which has its style within. It has no scripts, and nothing could load any."""
_HEADS = ("Gateway", "When", "From, to", "Verdict", "Nobody answered for", "Felt")


def section(gateways: Mapping[str, Sequence[Course]], now: float) -> Html:
    """What is told of them. `now`: wall seconds."""
    head = tag("thead", tag("tr", [tag("th", name, scope="col") for name in _HEADS]))
    rows = [line for name, courses in gateways.items() for line in _lines(name, courses, now)]
    pictures = [_picture(courses[-1]) for courses in gateways.values() if courses]
    table = tag("table", head, tag("tbody", rows), cls="failovers")
    return tag("section", tag("h2", "LLM gateways"), table, pictures)


def picture(gateways: Mapping[str, Sequence[Course]], name: str, moment: str) -> str | None:
    """The SVG of this episode; None when it is not, or no longer, kept."""
    found = (course for course in gateways.get(name, ()) if _moment(course) == moment)
    return next(map(failover_svg.render, found), None)


def _lines(name: str, courses: Sequence[Course], now: float) -> list[Html]:
    if not courses:
        nothing = tag("td", "no failover seen since this process began", colspan=len(_HEADS) - 1, cls="faint")
        return [tag("tr", tag("th", name, scope="row"), nothing)]
    return [_line(course, now) for course in reversed(courses[-MOST_SHOWN:])]


def _line(course: Course, now: float) -> Html:
    episode = course.episode
    mood, meaning = failover_svg.VERDICTS[episode.verdict]
    cells = (
        when(course.at, now),
        f"{episode.source} → {episode.to}",
        tag("span", f"{episode.verdict.value.replace('_', ' ')}, {meaning}", cls=mood),
        tag("a", _bounds(episode.stable), href=_path(course)),
        "nothing" if episode.user is None else f"{episode.user:.2f} s",
    )
    labelled = zip(_HEADS[1:], cells, strict=True)
    row = [tag("td", cell, data_label=head) for head, cell in labelled]
    return tag("tr", tag("th", course.gateway, scope="row"), row)


def _picture(course: Course) -> Html:
    return tag("p", tag("img", src=_path(course), alt=failover_svg.described(course), cls="failover"))


def _path(course: Course) -> str:
    return f"/gateways/{quote(course.gateway, safe='')}/{_moment(course)}.svg"


def _moment(course: Course) -> str:
    """An episode's name in its address: when it began, milliseconds."""
    return f"{1000 * course.at:.0f}"


def _bounds(bounds: Bounds | None) -> str:
    return "no figure" if bounds is None else f"{bounds.lower:.2f} to {bounds.upper:.2f} s"
