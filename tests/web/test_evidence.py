"""The evidence's page: its pictures lie where the figures say, and nothing from a journal is more than text on it."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.core.audit.account import Account, Outage, Source, Uncovered
from sentinel.core.audit.incidents import Incident, Subject
from sentinel.core.audit.pairs import Blind, Pair, State
from sentinel.core.audit.presence import Gap, Why
from sentinel.core.audit.verified import Standing, Verified
from sentinel.core.gateway.failover import Verdict
from sentinel.web import evidence
from sentinel.web.evidence import LEFT, MOST_LANES, RIGHT, WIDTH
from tests.core.gateway.test_course import seen as a_course
from tests.web.test_pages import HOSTILE, Seen

BEGIN, HOURS = 1_793_491_200.0, 100
END = BEGIN + 3600.0 * HOURS
NOTHING = Account("", BEGIN, END, (), (), (), (), (), (), (), requests=0, left_out=0)
WHOLE = WIDTH - LEFT - RIGHT
DRAWN = "svg title rect text line g path desc"
WORDS = "html head meta title style body header main h1 h2 p div table thead tbody tr th td"
ATTRIBUTES = (
    "lang charset name content class scope data-label viewBox role tabindex aria-label x y x1 x2 y1 y2 width height "
    "text-anchor xmlns d transform stroke-width stroke-opacity stroke-dasharray rx style"
)


def page(account: Account) -> Seen:
    return Seen(evidence.page(account))


def bars(account: Account) -> list[tuple[str, float, float]]:
    """Mood, hours from the left, and hours in length, as drawn."""
    found = re.findall(r'<rect x="([\d.]+)" .*?width="([\d.]+)".*?class="is-(\w+)"', evidence.page(account))
    return [
        (mood, round((float(x) - LEFT) * HOURS / WHOLE, 1), round(float(w) * HOURS / WHOLE, 1)) for x, w, mood in found
    ]


def hour(number: float) -> float:
    return BEGIN + 3600 * number


def hole(since: float, ended: float | None) -> Incident:
    return Incident(Subject("team-a", "api/secrets", "self", "team-b"), ("witness",), since, None, ended)


def pair(**hours: float) -> Pair:
    seconds = {"held": 0.0, "open": 0.0, "unproven": 0.0} | {name: 3600 * value for name, value in hours.items()}
    return Pair("j", "team-a", "team-b", **seconds, proofs=1, last=State.HELD)


@pytest.mark.parametrize(
    ("since", "ended", "drawn"),
    [
        (hour(25), hour(50), ("bad", 25, 25)),
        (hour(-10), hour(10), ("bad", 0, 10)),
        (hour(90), hour(110), ("bad", 90, 10)),
        (hour(60), None, ("bad", 60, 40)),
        (hour(50), hour(50) + 1, ("bad", 50, 0.3)),
    ],
    ids=["within", "from before", "beyond the end", "it still stands", "a second is seen, too"],
)
def test_a_hole_is_drawn_when_it_stood(since, ended, drawn):
    assert bars(replace(NOTHING, incidents=(hole(since, ended),))) == [drawn]


def test_what_nobody_saw_is_amber_and_in_a_row_of_its_own():
    gap = Gap("witness", hour(10), hour(20), Why.STOPPED)

    account = replace(NOTHING, incidents=(hole(hour(1), hour(2)),), gaps=(gap,))

    assert bars(account) == [("bad", 1, 1), ("warn", 10, 10)]
    assert re.findall(r'<text x="8" y="(\d+)"><title>(.*?)</title>', evidence.page(account)) == [
        ("22", "breach: team-a"),
        ("48", "nobody: witness"),
    ]


def test_an_outage_has_the_colour_of_its_verdict():
    course, moods = replace(a_course(), at=hour(5), traces=()), {}
    for verdict in Verdict:
        told = replace(course, episode=replace(course.episode, verdict=verdict))
        ((moods[verdict], _, _),) = bars(replace(NOTHING, outages=(Outage(told, "witness"),)))

    assert moods.pop(Verdict.PASS) == "ok"
    assert moods.pop(Verdict.VIOLATION) == "bad"
    assert set(moods.values()) == {"calm"}


def test_of_a_pair_the_parts_lie_one_after_the_other_and_what_is_left_is_nobodys():
    account = replace(NOTHING, pairs=(pair(held=50, open=10, unproven=20),))

    assert bars(account) == [("ok", 0, 50), ("bad", 50, 10), ("warn", 60, 20), ("none", 80, 20)]


def test_a_part_that_was_not_is_not_drawn():
    assert bars(replace(NOTHING, pairs=(pair(held=HOURS),))) == [("ok", 0, HOURS)]


def test_of_very_many_pairs_the_least_proven_are_drawn_and_the_others_are_counted():
    pairs = tuple(replace(pair(held=number), target=f"team-{number}") for number in range(MOST_LANES + 5))

    html = evidence.page(replace(NOTHING, pairs=pairs))

    assert len(re.findall("<title>team-a → ", html)) == MOST_LANES
    assert "<title>team-a → team-0</title>" in html and f"<title>team-a → team-{MOST_LANES}</title>" not in html
    assert "5 more are in the tables below." in html


def test_a_time_without_anything_is_a_page_without_pictures():
    seen = page(NOTHING)

    assert not seen.all("svg")
    assert len(seen.all("h1")) == len(seen.all("main")) == 1


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_nothing_hostile_gets_from_a_journal_onto_the_page(data):
    def draw() -> str:
        text: str = data.draw(HOSTILE)
        return text

    course = a_course()
    episode = replace(course.episode, source=draw(), to=draw())
    verified = Verified(draw(), Standing.OK, last_at=draw(), anchored_at=draw())
    told = replace(course, gateway=draw(), episode=episode)
    account = replace(
        NOTHING,
        cluster=draw(),
        sources=(Source("j", draw(), draw(), 1, 1, 0, verified),),
        pairs=(replace(pair(held=1), journal=draw(), tenant=draw(), target=draw()),),
        blinds=(Blind(draw(), draw(), draw(), draw(), 1.0, 1, 1.0),),
        incidents=(replace(hole(hour(1), None), subject=Subject(draw(), draw(), draw(), draw()), cause=draw()),),
        outages=(Outage(replace(told, traces=()), draw()),),
        gaps=(Gap(draw(), hour(1), hour(2), Why.DIED),),
        uncovered=(Uncovered(draw(), "uncovered", (draw(), draw()), last=True),),
    )

    seen, drawn = page(account), page(replace(NOTHING, outages=(Outage(told, "j"),)))

    for found in (seen, drawn):
        assert {tag for tag, _ in found.tags} <= {*DRAWN.split(), *WORDS.split()}
        names = {name for _, attributes in found.tags for name in attributes}
        assert names <= {name.lower() for name in ATTRIBUTES.split()}
        assert all(char.isprintable() or char == "\n" for char in found.html)
        assert "eyJhbGciOi" not in found.html
    assert len(seen.all("style")) == 1
