"""The witness's own look at it: what its series and its log say."""

import math

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from sentinel.clients.clock import Clock
from sentinel.core.paging.inspection import Wishes
from sentinel.core.paging.ours import ALWAYS
from sentinel.joins.page_times import PageTimes
from sentinel.joins.verify_alerting import Places
from sentinel.sinks.page_time_metrics import PageTimeMetrics
from tests.core.paging.stack import BREACH, Stack, alert
from tests.paging.impostor import Impostor, Said, alertmanager, prometheus


class Town:
    """Both servers, and the witness's look at them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.stack = Stack()
        self.manager = Impostor(alertmanager(self.stack))
        self.stack.told = [f"{self.manager.url}/api/v2/alerts"]
        self.server = Impostor(prometheus(self.stack))
        metrics = PageTimeMetrics(self.registry, Clock())
        self.times = PageTimes(Places(self.server.url), Wishes(), 300, metrics)

    async def look(self) -> list[str]:
        """What is logged meanwhile."""
        self.server.says, self.manager.says = prometheus(self.stack), alertmanager(self.stack) | self.manager.says
        with capture_logs() as lines:
            await self.times.look()
        return [str(line["verdict"]) for line in lines if line["event"] == "pages.verified"]

    def worst(self, alert: str = BREACH, path: str = "rule") -> float | None:
        return self.registry.get_sample_value("sentinel_page_worst_case_seconds", {"alert": alert, "path": path})


@pytest.fixture
def town():
    made = Town()
    with made.manager, made.server:
        yield made


async def test_until_the_first_look_everything_is_there_and_unknown(town: Town) -> None:
    assert all(math.isnan(town.worst(name) or 0) for name in ALWAYS)
    assert math.isnan(town.worst(path="push") or 0)


async def test_each_look_says_how_long_a_page_takes_and_logs_what_is_new(town: Town) -> None:
    assert await town.look() == ["kept"]
    assert (town.worst(), town.worst(path="push")) == (75, 25)
    assert town.registry.get_sample_value("sentinel_page_promise_seconds") == 300
    assert await town.look() == []

    town.stack.ours["group_interval"] = "10m"
    town.manager.says = {}
    assert await town.look() == ["broken"]
    assert (town.worst(), town.worst(path="push")) == (660, 610)


async def test_a_page_that_may_never_come_takes_for_ever(town: Town) -> None:
    town.stack.groups[0]["rules"].remove(town.stack.rule())

    await town.look()

    assert (town.worst(), town.worst(path="push")) == (math.inf, 25)


async def test_what_cannot_be_read_any_more_is_unknown_and_not_as_it_was(town: Town) -> None:
    await town.look()
    verified = town.registry.get_sample_value("sentinel_page_verified_timestamp_seconds")
    town.manager.says = dict.fromkeys(("/api/v2/status", "/api/v2/silences"), Said(401))

    assert await town.look() == ["inconclusive"]

    assert math.isnan(town.worst() or 0)
    assert town.registry.get_sample_value("sentinel_page_verified_timestamp_seconds") == verified


@pytest.mark.parametrize("who", ["server", "manager"])
@pytest.mark.parametrize(
    "said",
    [Said(403), Said(200, "<!doctype html>"), Said(302, "", {"Location": "https://login.example"}), Said(500)],
    ids=lambda said: f"{said.status}",
)
async def test_a_login_or_a_page_in_place_of_either_server_is_no_number(who: str, said: Said, town: Town) -> None:
    assert await town.look() == ["kept"]
    wrong = getattr(town, who)
    wrong.says = {"": said}

    with capture_logs() as lines:
        await town.times.look()

    assert [line["verdict"] for line in lines if line["event"] == "pages.verified"] == ["inconclusive"]
    assert math.isnan(town.worst() or 0)
    assert math.isnan(town.worst(path="push") or 0) or who == "server"


async def test_a_ticket_has_no_series_since_it_may_take_its_time(town: Town) -> None:
    town.stack.groups[0]["rules"].append(alert("SentinelReviewOnly", labels={"severity": "warning"}))

    await town.look()

    assert town.worst("SentinelReviewOnly") is None


async def test_an_alert_that_is_no_longer_there_has_no_series(town: Town) -> None:
    extra = town.stack.rule("SentinelDown") | {"name": "SentinelExtra"}
    town.stack.groups[0]["rules"].append(extra)
    await town.look()
    assert town.worst("SentinelExtra") == 75

    town.stack.groups[0]["rules"].remove(extra)
    await town.look()

    assert town.worst("SentinelExtra") is None
