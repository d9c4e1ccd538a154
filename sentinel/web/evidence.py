"""The evidence as a page of its own: no script, nothing from elsewhere, light and dark, to be kept or printed.

Two pictures, then the sections of `reports/evidence.py` as they are: when what was open or unseen,
and of each pair which part of the time was proven. No colour says what no word says.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sentinel.core.audit.account import Account
from sentinel.core.audit.pairs import Pair, least_proven
from sentinel.core.gateway.failover import Verdict
from sentinel.reports import evidence, failover_svg
from sentinel.reports.evidence import Section, Table, span, when
from sentinel.web.html import Html, document, drawing, style, tag
from sentinel.web.style import CSS

WIDTH, LEFT, RIGHT = 960, 210, 20
ROW = 26
MOST_COURSES = 5
MOST_LANES = 40
"""Rows of one picture; more are in the tables."""
TICKS = 6
_THIN = 2.0
"""Pixels: what lasted a second of thirty days is seen, too."""
_OWN = """
svg { display: block; width: 100%; height: auto; background: var(--card); border: 1px solid var(--line); }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); } svg .tick { fill: var(--faint); }
svg .grid { stroke: var(--line); } svg .is-bad { fill: var(--bad); } svg .is-warn { fill: var(--warn); }
svg .is-ok { fill: var(--ok); } svg .is-calm { fill: var(--calm); } svg .is-none { fill: var(--line); }
.wide td, .wide th { overflow-wrap: break-word; }
.legend { color: var(--faint); font-size: .9rem; } .wide { overflow-x: auto; }
@media print { body { max-width: none; } }
"""


class Bar(NamedTuple):
    """One stretch of time of a lane, wall seconds, and what it is."""

    since: float
    until: float
    mood: str
    text: str


class Lane(NamedTuple):
    """A row of the picture."""

    name: str
    bars: tuple[Bar, ...]


def page(account: Account) -> str:
    """The whole page."""
    mood, sentence = evidence.headline(account)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", evidence.title(account)),
        style(CSS + _OWN),
    )
    body = tag(
        "body",
        tag("header", tag("p", "tenant-sentinel", cls="brand"), tag("h1", sentence, cls=f"top {mood}")),
        tag("p", evidence.title(account), ", ", evidence.subtitle(account), cls="faint"),
        tag("main", _timeline(account), _shares(account), map(_section, evidence.sections(account)), _courses(account)),
    )
    return document("en", head, body)


def lanes(account: Account) -> tuple[Lane, ...]:
    """What happened when: holes by tenant, outages by gateway, gaps by journal."""
    rows: dict[str, list[Bar]] = {}
    for one in account.incidents:
        until = account.until if one.ended is None else one.ended
        where = f"{one.subject.target}, {one.subject.check}, {when(one.since)}, {span(until - one.since)}"
        rows.setdefault(f"breach: {one.subject.tenant}", []).append(Bar(one.since, until, "bad", where))
    for outage in account.outages:
        mood = {Verdict.PASS: "ok", Verdict.VIOLATION: "bad"}.get(outage.verdict, "calm")
        text = f"{outage.verdict.value}, {when(outage.began)}, {span(outage.ended - outage.began)}"
        rows.setdefault(f"outage: {outage.course.gateway}", []).append(Bar(outage.began, outage.ended, mood, text))
    for gap in account.gaps:
        text = f"{gap.why.value}, {when(gap.since)}, {span(gap.seconds)}"
        rows.setdefault(f"nobody: {gap.journal}", []).append(Bar(gap.since, gap.until, "warn", text))
    return tuple(Lane(name, tuple(bars)) for name, bars in rows.items())


def _timeline(account: Account) -> list[Html]:
    found = lanes(account)
    if not found:
        return []
    shown, height = found[:MOST_LANES], ROW * (min(len(found), MOST_LANES) + 1) + 8
    drawn = [_lane(lane, number, account) for number, lane in enumerate(shown)]
    picture = _picture(height, "What was open, out or unseen, along time", [*_ticks(account, height), *drawn])
    return [tag("h2", "Along time"), tag("div", picture, cls="wide"), *_more(len(found))]


def _lane(lane: Lane, number: int, account: Account) -> list[Html]:
    y = ROW * number
    bars = [
        tag("rect", tag("title", bar.text), x=_px(x), y=y + 8, width=_px(max(_THIN, width)), height=ROW - 10,
            cls=f"is-{bar.mood}")
        for bar in lane.bars
        for x, width in [_place(bar, account)]
    ]  # fmt: skip
    return [_label(lane.name, y), *bars]


def _place(bar: Bar, account: Account) -> tuple[float, float]:
    whole = WIDTH - LEFT - RIGHT
    begin, end = max(bar.since, account.since), min(bar.until, account.until)
    return LEFT + whole * (begin - account.since) / account.seconds, whole * max(0.0, end - begin) / account.seconds


def _ticks(account: Account, height: int) -> list[Html]:
    found = []
    for number in range(TICKS):
        at = account.since + account.seconds * number / (TICKS - 1)
        x = LEFT + (WIDTH - LEFT - RIGHT) * number / (TICKS - 1)
        form = "%m-%d %H:%M" if account.seconds < 10 * 86400 else "%Y-%m-%d"
        text = datetime.fromtimestamp(at, UTC).strftime(form)
        anchor = "end" if number == TICKS - 1 else "middle"
        found.append(tag("line", x1=_px(x), x2=_px(x), y1=4, y2=height - ROW, cls="grid"))
        found.append(tag("text", text, x=_px(x), y=height - 10, text_anchor=anchor, cls="tick"))
    return found


def _shares(account: Account) -> list[Html]:
    """Of each pair, the worst first, which part of the time was proven, open, not proven, and nobody's."""
    pairs = least_proven(account.pairs)
    if not pairs or account.seconds <= 0:
        return []
    bars = [_stack(pair, number, account.seconds) for number, pair in enumerate(pairs[:MOST_LANES])]
    picture = _picture(ROW * len(bars) + 8, "Of each pair, the part of the time that was proven", bars)
    legend = tag(
        "p",
        "From the left: proven (green), open (red), not proven (amber), nobody looked (grey). Least proven first.",
        cls="legend",
    )
    return [tag("h2", "Pair by pair"), tag("div", picture, cls="wide"), legend, *_more(len(pairs))]


def _stack(pair: Pair, number: int, whole: float) -> list[Html]:
    parts = (("ok", "proven", pair.held), ("bad", "open", pair.open), ("warn", "not proven", pair.unproven),
             ("none", "nobody", max(0.0, whole - pair.looked)))  # fmt: skip
    found, x = [_label(f"{pair.tenant} → {pair.target}", ROW * number)], float(LEFT)
    for mood, word, seconds in parts:
        width = (WIDTH - LEFT - RIGHT) * seconds / whole
        if width > 0:
            text = tag("title", f"{word}: {span(seconds)}")
            found.append(
                tag("rect", text, x=_px(x), y=ROW * number + 8, width=_px(width), height=ROW - 10, cls=f"is-{mood}")
            )
        x += width
    return found


def _picture(height: int, about: str, drawn: Iterable[Html | list[Html]]) -> Html:
    return tag("svg", tag("title", about), drawn, viewBox=f"0 0 {WIDTH} {height}", role="img")


def _label(text: str, y: int) -> Html:
    cut = text if len(text) <= 30 else f"{text[:29]}…"
    return tag("text", tag("title", text), cut, x=8, y=y + 22)


def _more(rows: int) -> list[Html]:
    text = f"{rows - MOST_LANES} more are in the tables below."
    return [tag("p", text, cls="legend")] if rows > MOST_LANES else []


def _courses(account: Account) -> list[Html]:
    """The worst failovers, probe by probe."""
    drawn = sorted((one for one in account.outages if one.course.traces), key=lambda one: one.weight, reverse=True)
    if not drawn:
        return []
    pictures = [tag("div", drawing(failover_svg.render(one.course)), cls="wide") for one in drawn[:MOST_COURSES]]
    return [tag("h2", f"The worst {len(pictures)} of the failovers, probe by probe"), *pictures]


def _section(section: Section) -> list[Html]:
    found = [tag("h2", section.title), *(tag("p", text) for text in section.sentences)]
    return [*found, *_table(section.table)] if section.table is not None else found


def _table(table: Table) -> list[Html]:
    def cls(column: int) -> str | None:
        return "number" if column in table.numbers else None

    head = tag("tr", [tag("th", text, scope="col", cls=cls(column)) for column, text in enumerate(table.head)])
    rows = [_row(table.head, row, cls_of=[cls(column) for column in range(len(row))]) for row in table.rows]
    drawn = tag("div", tag("table", tag("thead", head), tag("tbody", rows)), cls="wide")
    left = [tag("p", f"{table.more:,} more are left out here; the JSON has them.", cls="legend")] if table.more else []
    return [drawn, *left]


def _row(head: Sequence[str], row: Sequence[str], cls_of: Sequence[str | None]) -> Html:
    cells = zip(head, row, cls_of, strict=True)
    return tag("tr", [tag("td", text, data_label=name, cls=cls) for name, text, cls in cells])


def _px(pixels: float) -> str:
    return f"{pixels:.1f}"
