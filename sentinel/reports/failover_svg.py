"""One failover as a picture: its probes along time, the two bounds, what a user felt, and the limit.

    chat: openai -> backup                                              PASS, within the promise
    openai            o-- o-- o--                                                   |
    backup                                          <>-- <>-- <>--                  |
    ungraceful error             x x x x x x x x                                    |  promised: 30 s
    F_upper  9.1 s           |==========================|                           |
    F_lower  8.0 s               |==============|                                   |
    F_user   8.9 s              |=======================|                           |
                             0        2        4      ...     seconds since openai was last heard

Value in, text out: a file of its own, without scripts, fonts or anything from elsewhere, readable on
light and on dark, and in words for who does not see it. Each shape has one meaning; colour repeats it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from xml.etree.ElementTree import Element

from sentinel.core.gateway.course import Course, Trace
from sentinel.core.gateway.failover import Verdict
from sentinel.reports.svg import picture, tag

WIDTH = 960.0
_LEFT, _RIGHT = 190.0, 930.0
_TOP, _ROW = 96.0, 30.0
_MOST_LABEL = 24
_MOST_TICKS = 12
_STEPS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)
_PALETTE = {
    "page": ("#ffffff", "#15181b"),
    "band": ("#f2f3f5", "#1f2429"),
    "ink": ("#1c1e21", "#e7e9eb"),
    "faint": ("#5d646c", "#a3abb3"),
    "line": ("#c9cdd2", "#434a52"),
    "ok": ("#14683a", "#7fdba2"),
    "calm": ("#2c5585", "#a4c8f3"),
    "bad": ("#b3211b", "#ff9d96"),
    "warn": ("#8a4b00", "#ffc46b"),
}
"""Every pair of text and ground has a contrast of at least 4.5 to 1 (WCAG AA)."""
VERDICTS = {
    Verdict.PASS: ("ok", "within the promise"),
    Verdict.VIOLATION: ("bad", "beyond the promise"),
    Verdict.INDETERMINATE: ("warn", "the promise lies between the bounds"),
    Verdict.RIGHT_CENSORED: ("warn", "it lasted when watching ended"),
    Verdict.LEFT_CENSORED: ("calm", "it had begun before watching did"),
    Verdict.SELF_RECOVERED: ("calm", "the same provider came back"),
    Verdict.INVALID: ("calm", "we were disturbed ourselves"),
}
"""The colour and the words of each."""
_OURS = "our own fault"


@dataclass(frozen=True, slots=True)
class _Scale:
    """Seconds of a course to pixels."""

    begin: float
    end: float

    def x(self, at: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (at - self.begin) / (self.end - self.begin)


@dataclass(frozen=True, slots=True)
class _Bar:
    """One of the figures, as a stretch of time."""

    name: str
    begin: float
    end: float
    cls: str
    meaning: str

    @property
    def text(self) -> str:
        return f"{self.name}  {self.end - self.begin:.2f} s"


def render(course: Course) -> str:
    """The SVG file of this course."""
    rows, bars, scale = _rows(course), _bars(course), _scale(course)
    bottom = _TOP + _ROW * len(rows)
    under = bottom + 12
    axis = under + _ROW * len(bars) + 8
    height = axis + 90
    return picture(
        WIDTH,
        height,
        "failover",
        _PALETTE,
        tag("title", f"{_headline(course)}: {_verdict(course)}"),
        tag("desc", described(course)),
        tag("rect", cls="page", width=WIDTH, height=height),
        *_head(course),
        *(part for place, row in enumerate(rows) for part in _row(row, _TOP + _ROW * place, course, scale)),
        *(part for place, bar in enumerate(bars) for part in _drawn(bar, under + _ROW * place, scale)),
        *_limit(course, scale, axis),
        *_axis(course, scale, axis),
        *_legend(axis + 72),
    )


def described(course: Course) -> str:
    """The same in sentences, for who does not see it."""
    episode = course.episode
    when = datetime.fromtimestamp(course.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    counts = Counter(_label(trace) for trace in course.traces)
    probes = ", ".join(f"{count} {label}" for label, count in counts.items())
    return " ".join(
        (
            f"Gateway {course.gateway}, {when}. {episode.source} answered before, {episode.to} after.",
            f"Probes, in the order in which their kinds came: {probes}.",
            *(f"{bar.text}: {bar.meaning}." for bar in _bars(course)),
            f"Promised: {_seconds(course.within)}. Verdict: {_verdict(course)}.",
            *(["Somebody is woken for it."] if course.pages else []),
        )
    )


def _headline(course: Course) -> str:
    return f"{course.gateway}: {course.episode.source} → {course.episode.to}"


def _verdict(course: Course) -> str:
    return f"{course.episode.verdict.value.replace('_', ' ')}, {VERDICTS[course.episode.verdict][1]}"


def _label(trace: Trace) -> str:
    """The row of a probe: who gave the answer, or why there was none."""
    if trace.ours:
        return _OURS
    return trace.provider if trace.good else trace.outcome.value.replace("_", " ")


def _rows(course: Course) -> list[list[Trace]]:
    """Probes by row: who answered before, who answered after, others, and below them what was no answer."""
    first = [course.episode.source, course.episode.to]

    def order(trace: Trace) -> tuple[bool, bool, int, str]:
        label = _label(trace)
        return trace.ours, not trace.good, first.index(label) if label in first else len(first), label

    return [list(row) for _, row in groupby(sorted(course.traces, key=order), key=_label)]


def _bars(course: Course) -> list[_Bar]:
    """The figures that there are."""
    episode, bars = course.episode, []
    if episode.stable is not None:
        meaning = f"from when {episode.source} was last heard to the next good answer, received"
        bars.append(_Bar("F_upper", course.alive, episode.ended, "calm", meaning))
        begin, end = course.undisputed or (episode.began, episode.began)
        bars.append(_Bar("F_lower", begin, end, "ok", "beyond dispute: first failure seen to last failure begun"))
    if episode.user is not None:
        meaning = "who asked with the first failure, and tried again, waited as long"
        bars.append(_Bar("F_user", episode.began, episode.began + episode.user, "warn", meaning))
    return bars


def _scale(course: Course) -> _Scale:
    times = [time for trace in course.traces for time in (trace.start, trace.end)]
    times += [course.alive, course.episode.ended, course.alive + course.within]
    room = 0.03 * (max(times) - min(times)) or 1.0
    return _Scale(min(times) - room / 2, max(times) + room)


def _head(course: Course) -> Iterator[Element]:
    mood, meaning = VERDICTS[course.episode.verdict]
    yield tag("text", _headline(course), x=24, y=36, cls="ink", style="font-size: 20px; font-weight: 600")
    word = course.episode.verdict.value.replace("_", " ").upper()
    yield tag("text", word, x=_RIGHT, y=36, cls=mood, text_anchor="end", style="font-size: 20px; font-weight: 700")
    yield tag("text", _summary(course), x=24, y=60, cls="faint")
    yield tag("text", meaning, x=_RIGHT, y=60, cls="faint", text_anchor="end")


def _summary(course: Course) -> str:
    when = datetime.fromtimestamp(course.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    bounds = course.episode.stable
    if bounds is None:
        return f"{when} · without a figure"
    return f"{when} · nobody answered for {bounds.lower:.2f} to {bounds.upper:.2f} s"


def _row(traces: Sequence[Trace], top: float, course: Course, scale: _Scale) -> Iterator[Element]:
    label = _label(traces[0])
    yield tag("rect", x=_LEFT, y=top + 2, width=_RIGHT - _LEFT, height=_ROW - 4, cls="band")
    yield _gutter(label, top, "ink")
    before, lane = float("-inf"), 0
    for trace in traces:
        # Where one begins before the one beside it has ended, it goes below, then above.
        lane = (lane + 1) % 3 if trace.start < before else 0
        before = trace.end
        yield _mark(trace, top + _ROW / 2 + (0, 7, -7)[lane], course, scale)


def _gutter(text: str, top: float, cls: str) -> Element:
    short = text if len(text) <= _MOST_LABEL else text[: _MOST_LABEL - 1] + "…"
    return tag("text", short, x=_LEFT - 12, y=top + _ROW / 2 + 4.5, cls=cls, text_anchor="end")


def _mark(trace: Trace, y: float, course: Course, scale: _Scale) -> Element:
    """One probe: a thin line for as long as it took, and at its end what it was."""
    cls, path = _glyph(trace, course)
    begin, end = scale.x(trace.start), scale.x(trace.end)
    zero = course.alive
    who = f" of {trace.provider}" if trace.good else ""
    told = f"{trace.outcome.value}{who}, from {trace.start - zero:.2f} to {trace.end - zero:.2f} s"
    return tag(
        "g",
        tag("title", told),
        tag(
            "line",
            x1=begin,
            x2=end,
            y1=y,
            y2=y,
            cls=f"s-{cls.removeprefix('s-')}",
            stroke_width=2,
            stroke_opacity="0.5",
        ),
        tag("path", d=path, transform=f"translate({end:.1f} {y:.1f})", cls=cls, stroke_width=2.2),
    )


_CIRCLE = "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z"
_DIAMOND = "M0 -6L6 0L0 6L-6 0z"
_CROSS = "M-4 -4L4 4M-4 4L4 -4"
_SQUARE = "M-4 -4H4V4H-4z"


def _glyph(trace: Trace, course: Course) -> tuple[str, str]:
    if trace.ours:
        return "s-faint", _SQUARE
    if not trace.good:
        return "s-bad", _CROSS
    return ("ok", _CIRCLE) if trace.provider == course.episode.source else ("calm", _DIAMOND)


def _drawn(bar: _Bar, top: float, scale: _Scale) -> Iterator[Element]:
    begin, end = scale.x(bar.begin), scale.x(bar.end)
    yield _gutter(bar.text, top, bar.cls)
    yield tag(
        "g",
        tag("title", f"{bar.text}: {bar.meaning}"),
        tag("rect", x=begin, y=top + 9, width=max(2.0, end - begin), height=_ROW - 18, rx=3, cls=bar.cls),
    )


def _limit(course: Course, scale: _Scale, bottom: float) -> Iterator[Element]:
    """Where the promise ends, counted as F_upper is."""
    x = scale.x(course.alive + course.within)
    yield tag("line", x1=x, x2=x, y1=_TOP - 6, y2=bottom, cls="s-bad", stroke_width=1.5, stroke_dasharray="6 4")
    anchor = "end" if x > (_LEFT + _RIGHT) / 2 else "start"
    yield tag("text", f"promised: {_seconds(course.within)}", x=x, y=_TOP - 12, cls="bad", text_anchor=anchor)


def _axis(course: Course, scale: _Scale, y: float) -> Iterator[Element]:
    yield tag("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, cls="s-line", stroke_width=1)
    zero, span = course.alive, scale.end - scale.begin
    step = next((step for step in _STEPS if span / step <= _MOST_TICKS), span)
    place = -int((zero - scale.begin) // step)
    while (at := zero + place * step) <= scale.end:
        yield tag("line", x1=scale.x(at), x2=scale.x(at), y1=y, y2=y + 5, cls="s-line", stroke_width=1)
        yield tag("text", f"{place * step:g}", x=scale.x(at), y=y + 19, cls="faint", text_anchor="middle")
        place += 1
    yield tag(
        "text", f"seconds since {_zero(course)}", x=(_LEFT + _RIGHT) / 2, y=y + 40, cls="faint", text_anchor="middle"
    )


def _zero(course: Course) -> str:
    """What the axis counts from: what F_upper does, where there is one."""
    return "the first failure began" if course.episode.stable is None else f"{course.episode.source} was last heard"


def _legend(y: float) -> Iterator[Element]:
    rows = (
        (0, _CIRCLE, "ok", "answer, as before"),
        (150, _DIAMOND, "calm", "answer from another provider"),
        (370, _CROSS, "s-bad", "no answer, or no good one"),
        (570, _SQUARE, "s-faint", _OURS),
    )
    for place, path, cls, words in rows:
        x = _LEFT + place
        yield tag("path", d=path, transform=f"translate({x + 6:.1f} {y - 4.5:.1f})", cls=cls, stroke_width=2.2)
        yield tag("text", words, x=x + 18, y=y, cls="faint", style="font-size: 12px")


def _seconds(seconds: float) -> str:
    """As it was promised: 30 s, 2.5 s."""
    return f"{seconds:.2f}".rstrip("0").rstrip(".") + " s"
