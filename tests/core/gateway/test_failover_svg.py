"""The picture of a failover: every probe in its place, figures as long as they are, in words too, on light and dark."""

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from sentinel.core.gateway.course import Course, Trace
from sentinel.core.gateway.failover import Bounds, Episode, Verdict
from sentinel.core.gateway.outcome import EXCLUDED, GOOD, Outcome
from sentinel.reports import failover_svg
from sentinel.reports.failover_svg import described, render
from tests.core.gateway.test_course import seen

SVG = "{http://www.w3.org/2000/svg}"
EPISODE = Episode(Verdict.PASS, "openai", "backup", 0.0, 8.0, stable=Bounds(6.0, 8.5), user=7.0, bad=2)
TRACES = (
    Trace(-1.0, -0.5, Outcome.SERVED_PRIMARY, "openai"),
    Trace(0.0, 0.5, Outcome.STRUCTURED_ERROR, "unknown"),
    Trace(6.5, 6.6, Outcome.STALLED_STREAM, "openai"),
    Trace(7.5, 8.0, Outcome.FAILED_OVER, "backup"),
)
COURSE = Course("chat", 1_764_000_000.0, 30.0, EPISODE, False, TRACES)


class Drawn:
    """What a reader of the file finds in it."""

    def __init__(self, course: Course) -> None:
        self.text = render(course)
        self.root = ET.fromstring(self.text)
        self.words = [node.text for node in self.root.iter(f"{SVG}text")]

    def told(self, begin: str) -> ET.Element:
        """The part whose title begins so."""
        found = [g for g in self.root.iter(f"{SVG}g") if (g.findtext(f"{SVG}title") or "").startswith(begin)]
        assert len(found) == 1, f"{begin}: {len(found)}"
        return found[0]

    def bar(self, name: str) -> tuple[float, float]:
        """Where it begins, and its length, in pixels."""
        box = self.told(name).find(f"{SVG}rect")
        assert box is not None
        return float(box.attrib["x"]), float(box.attrib["width"])

    @property
    def limit(self) -> float:
        return next(float(one.attrib["x1"]) for one in self.root.iter(f"{SVG}line") if "stroke-dasharray" in one.attrib)

    @property
    def marks(self) -> list[tuple[str, str, float, float]]:
        """Of each probe its title, its shape, and where it is."""
        found = []
        for group in self.root.iter(f"{SVG}g"):
            path, title = group.find(f"{SVG}path"), group.findtext(f"{SVG}title")
            if path is not None and title is not None:
                x, y = re.findall(r"[\d.]+", path.attrib["transform"])
                found.append((title, path.attrib["d"], float(x), float(y)))
        return found


def test_lengths_are_seconds_and_the_limit_is_counted_from_where_the_upper_bound_begins():
    drawn = Drawn(COURSE)
    (upper, length), (lower, short), (user, felt) = (drawn.bar(name) for name in ("F_upper", "F_lower", "F_user"))
    second = length / 8.5

    assert short == pytest.approx(6.0 * second, abs=0.3)
    assert felt == pytest.approx(7.0 * second, abs=0.3)
    assert drawn.limit - upper == pytest.approx(30.0 * second, abs=0.3)
    assert upper < lower < lower + short < upper + length
    assert user - upper == pytest.approx(0.5 * second, abs=0.3), "who asked first asked half a second later"


@pytest.mark.parametrize("fault", ["fast", "hang", "retry"])
def test_every_probe_is_there_once_at_the_moment_it_ended(fault):
    course = seen(8.0, fault)
    drawn = Drawn(course)
    begin, length = drawn.bar("F_upper")
    assert course.episode.stable is not None
    second = length / course.episode.stable.upper

    assert len(drawn.marks) == len(course.traces)
    for trace in course.traces:
        x = begin + second * (trace.end - course.alive)
        title = f"{trace.outcome.value}{f' of {trace.provider}' if trace.good else ''}, from "
        assert any(told.startswith(title) and abs(at - x) < 0.5 for told, _, at, _ in drawn.marks)


@pytest.mark.parametrize("outcome", Outcome)
def test_a_shape_has_one_meaning_whatever_its_colour(outcome):
    drawn = Drawn(replace(COURSE, traces=(Trace(1.0, 2.0, outcome, "openai"),)))
    elsewhere = Drawn(replace(COURSE, traces=(Trace(1.0, 2.0, outcome, "backup"),)))

    words = dict(zip(_legend(drawn, "path", "d"), _legend(drawn, "text", None), strict=True))
    shape, other = drawn.marks[0][1], elsewhere.marks[0][1]
    if outcome in EXCLUDED:
        assert words[shape] == words[other] == "our own fault"
    elif outcome in GOOD:
        assert (words[shape], words[other]) == ("answer, as before", "answer from another provider")
    else:
        assert words[shape] == words[other] == "no answer, or no good one"
    assert len(words) == 4


def _legend(drawn, tag, attribute):
    """The last four of the file."""
    nodes = list(drawn.root.findall(f"{SVG}{tag}"))[-4:]
    return [node.text if attribute is None else node.attrib[attribute] for node in nodes]


def test_rows_are_who_answered_before_who_answered_after_and_below_them_what_was_no_answer():
    mixed = (
        Trace(-3.0, -2.9, Outcome.HARNESS_ERROR, "unknown"),
        *TRACES,
        Trace(9.0, 9.5, Outcome.FAILED_OVER, "aaa"),
    )
    drawn = Drawn(replace(COURSE, traces=mixed))

    rows = ["openai", "backup", "aaa", "stalled stream", "structured error", "our own fault"]
    assert [word for word in drawn.words if word in rows][:6] == rows
    heights = {title.split(",")[0]: y for title, _, _, y in drawn.marks}
    assert heights["served_primary of openai"] < heights["failed_over of backup"] < heights["structured_error"]


def test_probes_that_hang_do_not_hide_each_other():
    hanging = tuple(Trace(0.5 * number, 0.5 * number + 10, Outcome.TIMEOUT_HEADERS, "unknown") for number in range(6))

    heights = [y for _, _, _, y in Drawn(replace(COURSE, traces=hanging)).marks]

    assert all(one != other for one, other in pairwise(heights))
    assert len(set(heights)) == 3


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_is_said_in_words(verdict):
    drawn = Drawn(replace(COURSE, episode=replace(EPISODE, verdict=verdict)))

    meaning = failover_svg.VERDICTS[verdict][1]
    assert verdict.value.replace("_", " ").upper() in drawn.words
    assert meaning in drawn.words
    assert meaning in (drawn.root.findtext(f"{SVG}title") or "")


def test_who_does_not_see_it_is_told_the_same():
    drawn = Drawn(COURSE)
    first, second = list(drawn.root)[:2]

    assert (first.tag, second.tag) == (f"{SVG}title", f"{SVG}desc")
    assert drawn.root.attrib["role"] == "img"
    assert second.text == described(COURSE)
    for said in (
        "openai answered before, backup after",
        "1 openai, 1 structured error, 1 stalled stream, 1 backup",
        "F_upper  8.50 s",
        "F_lower  6.00 s",
        "F_user  7.00 s",
        "Promised: 30 s. Verdict: pass, within the promise.",
    ):
        assert said in described(COURSE)
    assert "woken" in described(replace(COURSE, pages=True))


@pytest.mark.parametrize("bounds", [None, Bounds(0.0, 0.0)])
def test_without_a_figure_none_is_drawn_and_what_was_seen_is(bounds):
    episode = Episode(Verdict.INVALID, "openai", "unknown", 0.0, 0.0, stable=bounds)
    drawn = Drawn(replace(COURSE, episode=episode, traces=()))

    assert ("F_upper" in drawn.text) is (bounds is not None)
    assert "F_user" not in drawn.text
    assert drawn.marks == []
    assert any("seconds since" in (word or "") for word in drawn.words)


@pytest.mark.parametrize("outage", [0.01, 3.0, 29.9, 60.0, 700.0, 90_000.0])
def test_everything_lies_inside_the_frame_and_the_axis_can_be_read(outage):
    episode = replace(EPISODE, ended=outage, stable=Bounds(outage / 2, outage), user=outage)
    traces = (*TRACES[:2], Trace(outage / 2, outage / 2, Outcome.STALLED_STREAM, "x"), *TRACES[3:])
    drawn = Drawn(replace(COURSE, episode=episode, traces=traces))
    numbers = [word for word in drawn.words if re.fullmatch(r"-?[\d.]+", word or "")]

    assert 2 <= len(numbers) <= 14
    assert "0" in numbers
    for node in drawn.root.iter():
        for name in ("x", "x1", "x2"):
            assert 0 <= float(node.attrib.get(name, 0)) <= failover_svg.WIDTH


HOSTILE = '<script>alert("x")</script>&\x00\x1b\ud800\u202e'


def test_a_name_is_text_whatever_it_is():
    episode = replace(EPISODE, source=HOSTILE, to="b" * 200)
    traces = (replace(TRACES[0], provider=HOSTILE), *TRACES[1:3], replace(TRACES[3], provider="b" * 200))
    drawn = Drawn(Course(HOSTILE, 0.0, 30.0, episode, False, traces))

    assert not list(drawn.root.iter(f"{SVG}script"))
    assert "<script" not in drawn.text
    drawn.text.encode()
    assert "\u202e" not in drawn.text, "nothing turns round what comes after it"
    assert any(word and word.endswith("…") for word in drawn.words), "what is too long for its place is cut"


def test_it_is_a_file_of_its_own_that_runs_nothing_and_asks_for_nothing():
    text = Drawn(COURSE).text

    assert text.count("http") == text.count("http://www.w3.org/2000/svg") == 1
    assert not re.search(r"<script|<image|<foreignObject|href|url\(|@import|\son\w+=", text)
    assert render(COURSE) == text


def test_everything_has_a_colour_on_light_and_on_dark():
    traces = tuple(Trace(number, number + 1.0, outcome, "openai") for number, outcome in enumerate(Outcome))
    for verdict in Verdict:
        root = Drawn(replace(COURSE, traces=traces, episode=replace(EPISODE, verdict=verdict))).root
        light, _, dark = (root.findtext(f"{SVG}style") or "").partition("@media")
        for node in root.iter():
            if (cls := node.attrib.get("class", "failover")) != "failover":
                assert f".failover .{cls} {{" in light
                assert f".failover .{cls} {{" in dark


@pytest.mark.parametrize("place", [0, 1], ids=["light", "dark"])
def test_every_word_can_be_read_on_light_and_on_dark(place):
    colours = {name: pair[place] for name, pair in failover_svg._PALETTE.items()}
    for name in ("ink", "faint", "ok", "calm", "bad", "warn"):
        for ground in ("page", "band"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    assert "prefers-color-scheme: dark" in render(COURSE)


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)
