"""A breach by cross-talk stands until two clean answers, a round apart, that began after the last unclean one."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from sentinel.clients.clock import Clock
from sentinel.core.gateway import foreign
from sentinel.core.gateway.apart import Apart
from sentinel.core.gateway.completion import Trouble
from sentinel.core.gateway.news import Probed, Skipped
from sentinel.core.gateway.outcome import judge
from sentinel.core.record import Series
from sentinel.core.standing import Turn
from sentinel.core.verdict import Reason
from sentinel.engine.apart import TIER, Keeping
from sentinel.engine.book import FORGET_SECONDS
from sentinel.engine.crossings import Crossings
from tests.core.gateway import recorded as r

SERIES = Series("crosstalk", "self", "gateway/chat")
HEARD = {
    "clean": r.heard(body=r.ROLE + r.said() + r.STOP + r.DONE),
    "foreign": r.heard(body=r.chunk(f"1 2 3 {r.THEIR_MARK}") + r.STOP),
    "error": r.heard(500, r.NGINX_502),
    "silence": r.heard(None, trouble=Trouble.REFUSED),
    "ours": r.heard(None, trouble=Trouble.RESOLVER),
}


class Hands(Clock):
    """A clock that stands where the test puts it."""

    now = 0.0

    def wall(self):
        return self.now


@dataclass
class Scene:
    clock: Hands = field(default_factory=Hands)
    records: list[Any] = field(default_factory=list)
    reports: list[Any] = field(default_factory=list)

    def __post_init__(self):
        self.keeping = Keeping(
            Crossings(0.0, (self,), tier=TIER), self.clock, 20.0, foreign.whose(["team-a", "team-b"])
        )
        self.keeping.expect(["chat"], 2.0)

    def put(self, record):
        self.records.append(record)

    def end_round(self, report):
        self.reports.append(report)

    def hears(self, what, start, gateway="chat", target=""):
        """An answer that began at `start`; it takes a second."""
        self.clock.now = start + 1
        self.keeping.put(Probed(gateway, start, judge(HEARD[what], r.ASKED, r.expected()), r.ASKED.nonce, target))

    @property
    def turns(self):
        return [record.change.turn for record in self.records if record.change is not None]

    @property
    def since(self):
        return self.reports[-1].breach_since.get(SERIES) if self.reports else None

    @property
    def open(self):
        return self.keeping.book.standings[Apart("chat")].breach is not None


def test_one_sign_of_somebody_else_opens_it_at_once_with_its_evidence():
    scene = Scene()

    scene.hears("foreign", 100)

    assert (scene.turns, scene.since) == ([Turn.OPENED], 101)
    breach = scene.records[-1].standing.breach
    assert (breach.reason, breach.code) == (Reason.FOREIGN, 200)
    assert breach.place == f"its text bears mark {r.THEIRS}, of tenant team-b"
    assert breach.audit_id == f"tenant-sentinel-{r.ASKED.nonce}"


def test_two_clean_answers_a_round_apart_close_it_and_say_so_at_once():
    scene = Scene()
    scene.hears("foreign", 100)

    for start in (102, 104, 119):
        scene.hears("clean", start)
    assert (scene.turns, scene.since) == ([Turn.OPENED], 101)
    scene.hears("clean", 121)

    assert (scene.turns, scene.since) == ([Turn.OPENED, Turn.CLOSED], 0)


@pytest.mark.parametrize("what", ["error", "silence", "ours", "foreign"])
def test_whatever_comes_between_two_clean_answers_and_is_not_clean_begins_it_anew(what):
    scene = Scene()
    scene.hears("foreign", 100)

    for minute in range(1, 30):
        scene.hears("clean", 100 + 60 * minute)
        scene.hears(what, 130 + 60 * minute)

    assert scene.open
    assert scene.since == 101


def test_an_answer_that_began_before_the_unclean_one_had_ended_proves_nothing():
    scene = Scene()
    scene.hears("foreign", 100)

    scene.hears("clean", 100.5)
    scene.hears("clean", 125)
    assert scene.open

    scene.hears("clean", 146)
    assert not scene.open


def test_blindness_and_a_file_that_is_read_again_close_nothing():
    scene = Scene()
    scene.hears("foreign", 100)

    scene.keeping.put(Skipped("chat", "budget"))
    scene.keeping.expect(["chat", "other"], 2.0)
    for start in range(200, 2000, 60):
        scene.hears("silence", start)

    assert (scene.turns, scene.since) == ([Turn.OPENED], 101)


def test_a_gateway_that_was_taken_out_is_let_go_after_a_quarter_of_an_hour_and_that_is_told():
    scene = Scene()
    scene.hears("foreign", 100)

    scene.keeping.expect([], 0.0)
    for later in (FORGET_SECONDS - 1, FORGET_SECONDS + 2):
        scene.clock.now = 101 + later
        scene.keeping.tell()

    assert scene.turns == [Turn.OPENED, Turn.FORGOTTEN]


def test_only_answers_of_gateways_that_are_asked_for_here_count_and_none_of_a_provider_itself():
    scene = Scene()

    scene.hears("foreign", 100, gateway="another")
    scene.hears("foreign", 100, target="openai")

    assert scene.records == []


def test_what_another_pod_asks_now_is_no_longer_ours_to_tell():
    scene = Scene()
    scene.hears("foreign", 100)

    scene.keeping.stand_by()
    scene.keeping.expect(["chat"], 2.0)
    scene.keeping.tell()

    assert scene.since is None
