"""A dashboard as a page of HTML, from its JSON and what Prometheus answered: near what Grafana shows, and not Grafana.

Each kind of panel that we use has a function here, and none of Grafana's thousand options but those that we set.
"""

import html
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, tostring

from sentinel.reports.svg import tag
from tests.dashboards.files import BOARDS, Json, variables
from tests.dashboards.scene import POINTS, SCRAPE, Answers
from tests.dashboards.units import whole, words

WIDTH, UNIT, GAP = 1360, 30, 8
"""Pixels: of the page, of a line of the grid, between two panels."""
NAMED = {
    "green": "#2f8f4e",
    "red": "#c4313d",
    "orange": "#d97418",
    "yellow": "#b8930f",
    "blue": "#3567b8",
    "transparent": "#2a2d33",
    "text": "#ccccdc",
}
PALETTE = [
    "#73bf69",
    "#f2cc0c",
    "#8ab8ff",
    "#ff780a",
    "#f2495c",
    "#b877d9",
    "#37872d",
    "#fade2a",
    "#447ebc",
    "#c15c17",
    "#890f02",
    "#0a50a1",
]
LEGEND = 8
"""More names than this are counted."""
STYLE = """
* { box-sizing: border-box } body { margin: 0; background: #111217; color: #ccccdc; font: 13px "DejaVu Sans", sans-serif }
main { position: relative } header { padding: 12px 16px 4px } header b { font-size: 18px; color: #fff }
header i { color: #8e8e9e; font-style: normal; float: right; font-size: 12px }
.chip { display: inline-block; border: 1px solid #34373f; border-radius: 3px; padding: 3px 8px; margin: 8px 8px 0 0 }
.chip em { color: #6e9fff; font-style: normal }
section { position: absolute; background: #181b1f; border: 1px solid #2a2d33; border-radius: 3px; overflow: hidden }
section h3 { margin: 0; padding: 6px 9px 2px; font-size: 13px; font-weight: 600; white-space: nowrap }
.row { position: absolute; font-weight: 600; color: #fff; font-size: 14px; padding-top: 7px }
.stat { display: flex; align-items: center; justify-content: center; font-size: 30px; color: #fff; font-weight: 600; margin: 0 }
table { border-collapse: collapse; width: 100%; font-size: 12px } td, th { padding: 4px 9px; text-align: left;
border-bottom: 1px solid #24272c; white-space: nowrap } th { color: #6e9fff; font-weight: 600 }
.cells td, .cells th { text-align: center; border: 2px solid #181b1f; color: #fff } .cells td:first-child { text-align: left }
.legend { position: absolute; left: 9px; right: 9px; bottom: 4px; font-size: 11px; max-height: 30px; overflow: hidden;
line-height: 15px } .legend span { white-space: nowrap; margin-right: 10px } .legend u { display: inline-block; width: 12px;
height: 3px; margin-right: 4px; vertical-align: middle } svg text { fill: #8e8e9e; font-size: 11px } svg { display: block }
.none { color: #8e8e9e; padding: 20px; text-align: center }
"""


@dataclass(frozen=True)
class Course:
    """One series: its name in the legend, and its points (moment, value)."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Seen:
    """A panel, and what each of its queries was answered; pixels of the room it has under its title."""

    panel: Json
    rows: Sequence[tuple[Json, Sequence[Json]]]  # (query, its rows)
    answers: Answers
    width: float
    height: float

    @property
    def unit(self) -> str:
        """Of its numbers."""
        return str(self.panel["fieldConfig"]["defaults"]["unit"])

    def courses(self) -> list[Course]:
        """All series of all queries, in the order of their names."""
        found = [
            Course(_legend(query["legendFormat"], row["metric"]), [(at, float(text)) for at, text in row["values"]])
            for query, rows in self.rows
            for row in rows
        ]
        return sorted(found, key=lambda course: course.name)

    def x(self, at: float, left: float) -> float:
        """Where a moment is, right of `left`."""
        share = (at - self.answers.began) / (self.answers.ended - self.answers.began)
        return left + share * (self.width - left - 8)

    def colour(self, value: float) -> str:
        """By the panel's words for a value, else by its thresholds."""
        for mapping in self.panel["fieldConfig"]["defaults"]["mappings"]:
            if found := mapping["options"].get(f"{value:.12g}"):
                return NAMED[found["color"]]
        steps = self.panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        return NAMED[[step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1]]

    def says(self, value: float) -> str:
        """A value as a cell or a stat shows it."""
        for mapping in self.panel["fieldConfig"]["defaults"]["mappings"]:
            if found := mapping["options"].get(f"{value:.12g}"):
                return str(found["text"])
        return words(value, self.unit)


def page(board: str, answers: Answers, rows: int) -> str:
    """The first `rows` rows of a dashboard."""
    told = BOARDS[board]
    panels, until = [], 0
    for panel in told["panels"]:
        rows -= panel["type"] == "row"
        if rows < 0:
            break
        place = panel["gridPos"]
        until = max(until, place["y"] + place["h"])
        panels.append(_placed(board, panel, answers))
    height = until * (UNIT + GAP) + GAP
    return (
        f"<!doctype html><meta charset=utf-8><style>{STYLE} body {{ width: {WIDTH}px }} main {{ height: {height}px }}"
        f"</style>{_header(board, told)}<main>{''.join(panels)}</main>"
    )


def _header(board: str, told: Json) -> str:
    chosen = "".join(f"<span class=chip>{one['label']} <em>All</em></span>" for one in variables(board).values())
    others = "".join(
        f"<span class=chip>▦ {html.escape(other['title'])}</span>" for name, other in BOARDS.items() if name != board
    )
    note = "preview drawn from the dashboard's JSON and a real Prometheus; not Grafana"
    return f"<header><i>{note}</i><b>{html.escape(told['title'])}</b><br>{chosen}{others}</header>"


def _placed(board: str, panel: Json, answers: Answers) -> str:
    place, column = panel["gridPos"], (WIDTH - GAP) / 24
    x, y = GAP + place["x"] * column, place["y"] * (UNIT + GAP)
    width, height = place["w"] * column - GAP, place["h"] * (UNIT + GAP) - GAP
    where = f"left:{x:.0f}px;top:{y:.0f}px;width:{width:.0f}px;height:{height:.0f}px"
    if panel["type"] == "row":
        return f'<div class=row style="{where}">⌄ {html.escape(panel["title"])}</div>'
    rows = [(query, answers.rows[f"{board}: {panel['title']}, {query['refId']}"]) for query in panel["targets"]]
    seen = Seen(panel, rows, answers, width - 2, height - 28)
    return f'<section style="{where}"><h3>{html.escape(panel["title"])}</h3>{KINDS[panel["type"]](seen)}</section>'


def _stat(seen: Seen) -> str:
    ((_, rows),) = seen.rows
    if not rows:
        return "<p class=none>no data</p>"
    value = float(rows[0]["value"][1])
    return f'<p class=stat style="background:{seen.colour(value)};height:{seen.height:.0f}px">{seen.says(value)}</p>'


def _table(seen: Seen) -> str:
    ((_, rows),) = seen.rows
    (step,) = seen.panel["transformations"]
    if step["id"] == "groupingToMatrix":
        return _matrix(seen, rows, step["options"])
    heads: Mapping[str, str] = step["options"]["renameByName"]
    shown = sorted(rows, key=lambda row: -float(row["value"][1]))
    cells = [
        [
            words(float(row["value"][1]), seen.unit, seen.answers.ended)
            if name == "Value"
            else row["metric"].get(name, "")
            for name in heads
        ]
        for row in shown
    ]
    return _html_table(heads.values(), [[f"<td>{html.escape(cell)}</td>" for cell in line] for line in cells], "")


def _matrix(seen: Seen, rows: Sequence[Json], options: Mapping[str, str]) -> str:
    down, across = options["rowField"], options["columnField"]
    values = {(row["metric"][down], row["metric"][across]): float(row["value"][1]) for row in rows}
    names = [sorted({pair[place] for pair in values}) for place in (0, 1)]
    lines = []
    for one in names[0]:
        cells = [f"<td>{html.escape(one)}</td>"]
        for other in names[1]:
            value = values.get((one, other), math.nan)
            fill = "#1f2227" if math.isnan(value) else seen.colour(value)
            said = "" if math.isnan(value) else seen.says(value)
            cells.append(f'<td style="background:{fill}">{said}</td>')
        lines.append(cells)
    return _html_table([f"{down}\\{across}", *names[1]], lines, "cells")


def _html_table(heads: Iterable[str], lines: Iterable[Iterable[str]], cls: str) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(line)}</tr>" for line in lines)
    return f'<table class="{cls}"><tr>{head}</tr>{body}</table>'


def _lines(seen: Seen) -> str:
    courses = seen.courses()
    defaults = seen.panel["fieldConfig"]["defaults"]
    stacked = "stacking" in defaults["custom"]
    limit = [step["value"] for step in defaults["thresholds"]["steps"] if step["value"] is not None]
    top = _top(courses, seen.unit, stacked=stacked, floor=max(limit, default=0.0) if len(courses) <= LEGEND else 0.0)
    left, bottom = 62.0, seen.height - 56
    drawn = [*_scale(seen, top, left, bottom)]

    def y(value: float) -> float:
        return bottom - (bottom - 6) * min(value / top, 1.0)

    below: dict[float, float] = {}
    for number, course in enumerate(courses):
        colour = PALETTE[number % len(PALETTE)]
        points = [(at, value) for at, value in course.points if math.isfinite(value)]
        if stacked:
            points = [(at, value + below.get(at, 0.0)) for at, value in points]
            edge = [(seen.x(at, left), y(below.get(at, 0.0))) for at, _ in reversed(points)]
            below |= dict(points)
            drawn.append(_shape([*((seen.x(at, left), y(value)) for at, value in points), *edge], colour, filled=True))
        drawn.append(_shape([(seen.x(at, left), y(value)) for at, value in points], colour, filled=False))
    ends: dict[str, str | float] = {"x1": left, "x2": seen.width - 8, "stroke": "#f2495c", "stroke_dasharray": "6 4"}
    drawn += [tag("line", y1=y(value), y2=y(value), **ends) for value in limit if value <= top]
    return _svg(seen, drawn, seen.height - 36) + _names(course.name for course in courses)


def _top(courses: Sequence[Course], unit: str, *, stacked: bool, floor: float) -> float:
    """The upper end of the scale: a round number in the unit that is written there."""
    sums: dict[float, float] = {}
    for course in courses:
        for at, value in course.points:
            if math.isfinite(value):
                sums[at] = sums.get(at, 0.0) + value if stacked else max(sums.get(at, 0.0), value)
    highest = max([*sums.values(), floor]) * 1.05 or 1.0
    if unit == "percentunit" and highest > 0.5:
        return 1.0
    base = 2.0**20 if unit == "bytes" else whole(highest) if unit == "s" else 1.0
    size = base * 10.0 ** math.floor(math.log10(highest / base))
    steps: tuple[float, ...] = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
    return next(step * size for step in steps if step * size >= highest)


def _scale(seen: Seen, top: float, left: float, bottom: float) -> Iterable[Element]:
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * (bottom - 6)
        yield tag("line", x1=left, x2=seen.width - 8, y1=y, y2=y, stroke="#24272c")
        yield tag("text", words(share * top, seen.unit), x=left - 6, y=y + 4, text_anchor="end")
    yield from _moments(seen, left, bottom)


def _moments(seen: Seen, left: float, bottom: float) -> Iterable[Element]:
    span = seen.answers.ended - seen.answers.began
    for share in (0.0, 0.5, 1.0):
        anchor = {0.0: "start", 1.0: "end"}.get(share, "middle")
        ago = f"{(1 - share) * span:.0f} s ago" if share < 1 else "now"
        yield tag("text", ago, x=seen.x(seen.answers.began + share * span, left), y=bottom + 15, text_anchor=anchor)


def _shape(points: Sequence[tuple[float, float]], colour: str, *, filled: bool) -> Element:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    if filled:
        return tag("polygon", points=path, fill=colour, fill_opacity=0.45)
    return tag("polyline", points=path, fill="none", stroke=colour, stroke_width=1.3)


def _states(seen: Seen) -> str:
    """Cells over time, a row for each series: of a timeline and of a history alike."""
    courses = seen.courses()
    left = min(190.0, 14 + 6.6 * max((len(course.name) for course in courses), default=0))
    bottom = seen.height - 36
    size = (bottom - 4) / max(len(courses), 1)
    drawn: list[Element] = []
    for number, course in enumerate(courses):
        y = 4 + number * size
        # A name for each row that has room for one.
        if size >= 11 or number % math.ceil(11 / size) == 0:
            drawn.append(tag("text", course.name[:28], x=left - 6, y=y + size / 2 + 4, text_anchor="end"))
        for colour, began, ended in _spells(seen, course):
            x = seen.x(began, left)
            wide = max(seen.x(ended, left) - x, 1.0)
            drawn.append(tag("rect", x=x, y=y, width=wide, height=max(size - 2, 1.0), fill=colour))
    drawn += _moments(seen, left, bottom)
    return _svg(seen, drawn, seen.height - 16, "crispEdges") + _key(seen)


def _spells(seen: Seen, course: Course) -> Iterable[tuple[str, float, float]]:
    """Colour, from when, until when; a gap of more than three steps is one."""
    step = max(SCRAPE, (seen.answers.ended - seen.answers.began) / POINTS)
    colour, began, last = "", 0.0, 0.0
    for at, value in course.points:
        if seen.colour(value) != colour or at - last > 3 * step:
            if colour:
                yield colour, began, min(at, last + 3 * step)
            colour, began = seen.colour(value), at
        last = at
    if colour:
        yield colour, began, min(last + step, seen.answers.ended)


def _key(seen: Seen) -> str:
    """What the colours mean."""
    defaults = seen.panel["fieldConfig"]["defaults"]
    said = [(one["text"], one["color"]) for mapping in defaults["mappings"] for one in mapping["options"].values()]
    steps = [
        (f"from {words(step['value'] or 0, seen.unit)}", step["color"]) for step in defaults["thresholds"]["steps"]
    ]
    if seen.panel["type"] == "status-history":
        # What has a word is one of the steps.
        said = steps[: len(steps) - len(said)] + said
    marks = (
        f'<span><u style="height:9px;background:{NAMED[colour]}"></u>{text}</span>' for text, colour in said or steps
    )
    return f"<div class=legend>{''.join(marks)}</div>"


def _names(names: Iterable[str]) -> str:
    told = list(names)
    marks = [
        f'<span><u style="background:{PALETTE[at % len(PALETTE)]}"></u>{html.escape(name)}</span>'
        for at, name in enumerate(told[:LEGEND])
    ]
    more = f"<span>and {len(told) - LEGEND} more</span>" if len(told) > LEGEND else ""
    return f"<div class=legend>{''.join(marks)}{more}</div>"


def _svg(seen: Seen, drawn: Iterable[Element], height: float, edges: str = "auto") -> str:
    return tostring(tag("svg", *drawn, width=seen.width, height=height, shape_rendering=edges), encoding="unicode")


def _legend(form: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), form).strip()


KINDS: Mapping[str, Callable[[Seen], str]] = {
    "stat": _stat,
    "gauge": _stat,
    "table": _table,
    "timeseries": _lines,
    "state-timeline": _states,
    "status-history": _states,
}
