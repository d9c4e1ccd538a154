"""Who pages about gateways is told once when something stands, once when it ends, and again by a new generation."""

from dataclasses import dataclass, field, replace

from sentinel.core.gateway.completion import Trouble
from sentinel.core.gateway.failover import Live
from sentinel.core.gateway.news import Probed, Skipped, Stand
from sentinel.core.gateway.outcome import judge
from sentinel.core.page import Alert
from sentinel.engine.alarms import Alarms, Asked
from tests.core.gateway import recorded as r
from tests.engine.test_apart import Hands

CALM = Stand("openai", None, fast=False, waiting=0, period=2.0, spent=0.0, spent_tokens=0, spent_money=0.0)
REFUSED, FINE = r.heard(None, trouble=Trouble.REFUSED), r.heard(body=r.ROLE + r.said() + r.STOP + r.DONE)


@dataclass
class Told:
    """Whoever pages."""

    said: list[tuple[str, Alert, float]] = field(default_factory=list)

    def open(self, alert: Alert, gateway: str, since: float, within: float) -> None:
        self.said.append((f"{gateway} stands, of {within:g}", alert, since))

    def over(self, alert: Alert, gateway: str, at: float) -> None:
        self.said.append((f"{gateway} is over", alert, at))


class Scene:
    def __init__(self):
        self.clock, self.told, self.shown = Hands(), Told(), CALM
        self.alarms = Alarms(self.clock)
        self.alarms.expect({"chat": Asked(lambda: self.shown, 30.0)})
        self.alarms.tell(self.told)

    def hears(self, heard, at, gateway="chat", target=""):
        self.clock.now = at
        self.alarms.put(Probed(gateway, at - heard.took, judge(heard, r.ASKED, r.expected()), r.ASKED.nonce, target))


def test_it_is_told_once_when_it_stands_and_once_when_an_answer_ends_it():
    scene = Scene()
    for at in (1, 2, 3, 4, 5):
        scene.hears(REFUSED, at)
    scene.hears(FINE, 6)

    assert scene.told.said == [
        ("chat stands, of 30", Alert.GATEWAY_DOWN, 1),
        ("chat is over", Alert.GATEWAY_DOWN, 6),
    ]


def test_who_is_told_from_now_on_hears_all_that_stands_and_what_was_known_is_kept():
    scene, later = Scene(), Told()
    for at in (1, 2, 3):
        scene.hears(REFUSED, at)

    scene.alarms.expect({"chat": Asked(lambda: scene.shown, 10.0), "new": Asked(lambda: scene.shown, 30.0)})
    scene.alarms.tell(later)
    scene.alarms.put(Skipped("chat", "budget"))
    scene.hears(REFUSED, 4)

    assert later.said == [("chat stands, of 10", Alert.GATEWAY_DOWN, 1)]


def test_an_outage_that_grows_while_nothing_is_heard_is_told_by_itself():
    scene = Scene()
    scene.clock.now, scene.shown = 100.0, replace(CALM, live=Live(20.0, 31.0))

    scene.alarms.look("chat")

    assert scene.told.said == [("chat stands, of 30", Alert.FAILOVER_SLOW, 69.0)]


def test_what_a_provider_itself_or_a_gateway_of_nobody_does_pages_nobody():
    scene = Scene()
    for at in (1, 2, 3, 4):
        scene.hears(REFUSED, at, target="openai")
        scene.hears(REFUSED, at, gateway="another")

    assert scene.told.said == []
