"""The evidence as a page of its own: no script, nothing from elsewhere, light and dark, to be kept or printed.

Two pictures, then the sections of `reports/evidence.py` as they are: when what was open or unseen,
and of each pair which part of the time was proven. No colour says what no word says.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from markupsafe import Markup

from sentinel.core.audit.account import Account
from sentinel.core.audit.pairs import Pair, least_proven
from sentinel.core.gateway.failover import Verdict
from sentinel.reports import evidence, failover_svg
from sentinel.reports.evidence import span, when
from sentinel.web.rendering import render
from sentinel.web.style import CSS, EVIDENCE

WIDTH, LEFT, RIGHT = 960, 210, 20
ROW = 26
MOST_COURSES = 5
MOST_LANES = 40
"""Rows of one picture; more are in the tables."""
TICKS = 6
_MOST_NAME = 28
_THIN = 2.0
"""Pixels: what lasted a second of thirty days is seen, too."""
_SHARES = "From the left: proven (green), open (red), not proven (amber), nobody looked (grey). Least proven first."
_MOODS = {Verdict.PASS: "ok", Verdict.VIOLATION: "bad"}


class Bar(NamedTuple):
    """One stretch of time of a lane, wall seconds, and what it is."""

    since: float
    until: float
    mood: str
    text: str


class Lane(NamedTuple):
    """A row of a picture, in seconds."""

    name: str
    bars: tuple[Bar, ...]


class Block(NamedTuple):
    """A bar in pixels, as they are written."""

    x: str
    width: str
    mood: str
    text: str


class Row(NamedTuple):
    """A lane in pixels; `short` is what of its name has room."""

    name: str
    short: str
    blocks: tuple[Block, ...]


class Tick(NamedTuple):
    """A moment on the line of time."""

    x: str
    anchor: str
    text: str


class Picture(NamedTuple):
    """Rows of blocks below a heading. `more`: rows for which there was no room."""

    heading: str
    about: str
    height: int
    rows: tuple[Row, ...]
    more: int
    ticks: tuple[Tick, ...] = ()
    legend: str = ""


def page(account: Account) -> str:
    """The whole page."""
    mood, sentence = evidence.headline(account)
    return render(
        "evidence.html",
        title=evidence.title(account),
        subtitle=evidence.subtitle(account),
        css=Markup(CSS + EVIDENCE),  # noqa: S704  # our own, and not escaped
        mood=mood,
        sentence=sentence,
        width=WIDTH,
        row_height=ROW,
        pictures=[*_timeline(account), *_shares(account)],
        sections=evidence.sections(account),
        courses=_courses(account),
    )


def _timeline(account: Account) -> Iterator[Picture]:
    """When what was open, out or unseen."""
    if found := _lanes(account):
        rows = tuple(_row(lane, account, _THIN) for lane in found[:MOST_LANES])
        about, height = "What was open, out or unseen, along time", ROW * (len(rows) + 1) + 8
        yield Picture("Along time", about, height, rows, len(found) - len(rows), tuple(_ticks(account)))


def _shares(account: Account) -> Iterator[Picture]:
    """Of each pair, the worst first, which part of the time was proven, open, not proven, and nobody's."""
    if (pairs := least_proven(account.pairs)) and account.seconds > 0:
        rows = tuple(_row(_stack(pair, account), account) for pair in pairs[:MOST_LANES])
        about, height = "Of each pair, the part of the time that was proven", ROW * len(rows) + 8
        yield Picture("Pair by pair", about, height, rows, len(pairs) - len(rows), legend=_SHARES)


def _lanes(account: Account) -> list[Lane]:
    """Holes by tenant, outages by gateway, gaps by journal."""
    lanes: dict[str, list[Bar]] = {}
    for name, bar in (*_holes(account), *_outages(account), *_gaps(account)):
        lanes.setdefault(name, []).append(bar)
    return [Lane(name, tuple(bars)) for name, bars in lanes.items()]


def _holes(account: Account) -> Iterator[tuple[str, Bar]]:
    for one in account.incidents:
        until = account.until if one.ended is None else one.ended
        text = f"{one.subject.target}, {one.subject.check}, {when(one.since)}, {span(until - one.since)}"
        yield f"breach: {one.subject.tenant}", Bar(one.since, until, "bad", text)


def _outages(account: Account) -> Iterator[tuple[str, Bar]]:
    for one in account.outages:
        text = f"{one.verdict.value}, {when(one.began)}, {span(one.ended - one.began)}"
        yield f"outage: {one.course.gateway}", Bar(one.began, one.ended, _MOODS.get(one.verdict, "calm"), text)


def _gaps(account: Account) -> Iterator[tuple[str, Bar]]:
    for one in account.gaps:
        text = f"{one.why.value}, {when(one.since)}, {span(one.seconds)}"
        yield f"nobody: {one.journal}", Bar(one.since, one.until, "warn", text)


def _stack(pair: Pair, account: Account) -> Lane:
    """Parts of the whole one after the other, as if they had been so."""
    parts = (("ok", "proven", pair.held), ("bad", "open", pair.open), ("warn", "not proven", pair.unproven),
             ("none", "nobody", max(0.0, account.seconds - pair.looked)))  # fmt: skip
    bars, at = [], account.since
    for mood, word, seconds in parts:
        bars.append(Bar(at, at + seconds, mood, f"{word}: {span(seconds)}"))
        at += seconds
    return Lane(f"{pair.tenant} → {pair.target}", tuple(bar for bar in bars if bar.until > bar.since))


def _row(lane: Lane, account: Account, least: float = 0.0) -> Row:
    """`least`: pixels that a block has at any rate."""
    short = lane.name if len(lane.name) <= _MOST_NAME else f"{lane.name[: _MOST_NAME - 1]}…"
    return Row(lane.name, short, tuple(_block(bar, account, least) for bar in lane.bars))


def _block(bar: Bar, account: Account, least: float) -> Block:
    since, until = max(bar.since, account.since), min(bar.until, account.until)
    x = _x((since - account.since) / account.seconds)
    width = _x((until - account.since) / account.seconds) - x
    return Block(_px(x), _px(max(least, width)), bar.mood, bar.text)


def _ticks(account: Account) -> Iterator[Tick]:
    form = "%m-%d %H:%M" if account.seconds < 10 * 86400 else "%Y-%m-%d"
    for number in range(TICKS):
        share = number / (TICKS - 1)
        text = datetime.fromtimestamp(account.since + account.seconds * share, UTC).strftime(form)
        yield Tick(_px(_x(share)), "end" if number == TICKS - 1 else "middle", text)


def _courses(account: Account) -> list[Markup]:
    """The worst failovers, probe by probe. What comes from outside our own XML writer has escaped."""
    drawn = sorted((one for one in account.outages if one.course.traces), key=lambda one: one.weight, reverse=True)
    return [Markup(failover_svg.render(one.course)) for one in drawn[:MOST_COURSES]]  # noqa: S704  # see above


def _x(share: float) -> float:
    """Pixels from the left, of a share of the time."""
    return LEFT + (WIDTH - LEFT - RIGHT) * share


def _px(pixels: float) -> str:
    return f"{pixels:.1f}"
