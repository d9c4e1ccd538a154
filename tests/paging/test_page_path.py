"""The page drill on a real Prometheus and Alertmanager, with the rules and the route that we ship, and broken on purpose.

    our own metrics --scraped--> Prometheus --\\
                                               Alertmanager --> door (the drill), pager (everything else)
    our own pager ---------------------------/
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager
from pathlib import Path as FilePath
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, start_http_server

from sentinel.clients.alertmanager import Alertmanagers
from sentinel.clients.clock import Clock
from sentinel.core.paging.formula import Path
from sentinel.core.paging.page_drill import NUMBER, Health, Limits, Stage
from sentinel.joins.page_drill import PageDrill, door_of, page_drill_of
from sentinel.joins.paging import pager_to
from sentinel.settings import load
from sentinel.sinks.page_path_metrics import PagePathMetrics
from tests.alerts import rules
from tests.support import prometheus
from tests.support.alertmanager import Alertmanager
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus
from tests.support.webhook import Webhook

pytestmark = pytest.mark.asyncio

BROKEN = "SentinelPagePathBroken"
PATIENCE = 60.0
"""Seconds for what takes two, on a machine that may be busy."""
FILES = rules.rendered(timeScale=0.02, witness={"enabled": True}, **rules.BELL)
SHIPPED = [text for name, text in rules.rule_files(FILES).items() if name == "paging.rules.yaml"]


class Town:
    """The servers, and where everybody listens."""

    def __init__(self, pager: Webhook) -> None:
        self.pager = pager
        self.metrics, self.door = free_port(), free_port()
        self.manager = Alertmanager(self.route())
        self.prometheus = self._prometheus(SHIPPED)

    def route(self, **more: Any) -> dict[str, Any]:
        """The shipped one; `more` replaces the webhooks of receivers."""
        found: dict[str, Any] = yaml.safe_load(FILES["route.yaml"])
        for receiver in found["receivers"]:
            url = f"{self.pager.url}/{receiver['name']}"
            if receiver["name"] == "sentinel-drill":
                url = f"http://127.0.0.1:{self.door}/page-drill"
            receiver["webhook_configs"] = [{"url": more.get(receiver["name"], url), "send_resolved": True}]
        return found

    def is_quiet(self) -> bool:
        return not (self.manager.alerts(alertname=BROKEN) or self.manager.alerts(drill="page-path"))

    def reroute(self, found: dict[str, Any]) -> None:
        (self.manager.folder / "alertmanager.yml").write_text(yaml.safe_dump(found))
        self.manager.post("/-/reload")

    def _prometheus(self, shipped: list[str]) -> Prometheus:
        scraped = {f"127.0.0.1:{self.metrics}": dict[str, str]()}
        config = prometheus.config(scraped, [self.manager.address], interval="200ms", job="sentinel-witness")
        return Prometheus(config, shipped, resend_delay="1s")


@pytest.fixture(scope="module")
def pager() -> Iterator[Webhook]:
    with Webhook() as found:
        yield found


@pytest.fixture(scope="module")
def town(pager: Webhook) -> Iterator[Town]:
    made = Town(pager)
    with made.manager, made.prometheus:
        yield made


class Bell:
    """The witness's drill, as its settings make it, with the patience of a test."""

    def __init__(self, town: Town, folder: FilePath, client: Alertmanagers, **chosen: Any) -> None:
        self.town, self.clock, self.registry = town, Clock(), CollectorRegistry()
        whole: dict[str, Any] = {
            "cluster": "tests",
            "tenants": [{"name": "team-a", "namespaces": ["team-a"]}],
            "relay": {},
            "isolation": {"witness_share": 0.25},
            "alerting": {"prometheus": town.prometheus.url},
            "paging": {
                "direct": chosen.pop("direct", [town.manager.url]),
                "repeat": "400ms",
                "drill": {"listen": f"127.0.0.1:{town.door}"} | chosen.pop("drill", {}),
            },
        }
        file = folder / "witness.yaml"
        file.write_text(yaml.safe_dump(whole))
        self.settings = load(file, {})
        urls = chosen.pop("pushed_to", self.settings.paging.direct)
        self.metrics = PagePathMetrics(self.registry, self.clock)
        self.pager = pager_to(urls, client, self.settings, self.clock, count=lambda _: None, delay=lambda _: None)
        self.drill: PageDrill = page_drill_of(
            self.settings, self.pager, self.metrics, self.clock, dict.fromkeys(Path, Health())
        )
        self.drill.limits = Limits(PATIENCE, PATIENCE)
        self._take, self.posted = self.drill.take, list[Any]()
        self.drill.take = self._record  # type: ignore[method-assign]

    def _record(self, said: Any) -> None:
        self.posted.append(said)
        self._take(said)

    def ended(self, arrived: Collection[tuple[Path, Stage]]) -> bool:
        """Whether Alertmanager has told the end, too. What stands again before would be no news to it."""
        waited = {str(self.drill.runs[path].number) for path, stage in arrived if stage is Stage.RECEIVER}
        alerts = [alert for said in self.posted for alert in said["alerts"] if alert["status"] == "resolved"]
        return waited <= {alert["annotations"][NUMBER] for alert in alerts}

    async def until(self, holds: Callable[[], object], what: str) -> None:
        """Waits for it while our own loop goes on."""
        async with asyncio.timeout(PATIENCE):
            while not holds():  # what is waited for is other processes' doing
                await asyncio.sleep(0.05)

    async def drilled(self, *arrived: tuple[Path, Stage]) -> None:
        """One drill; given up as soon as it has arrived here, and Prometheus has seen it."""
        task = asyncio.create_task(self.drill.drill())
        await self.until(lambda: self.seen() >= set(arrived) and self.scraped(), f"it has arrived at {arrived}")
        self.drill.limits = Limits(PATIENCE, 0.0)
        await task
        self.drill.limits = Limits(PATIENCE, PATIENCE)
        await self.until(lambda: not self.town.manager.alerts(drill="page-path"), "it was taken back")
        await self.until(lambda: self.ended(arrived), "its end is told")

    def seen(self) -> set[tuple[Path, Stage]]:
        return {(path, place.stage) for path, run in self.drill.runs.items() for place in run.seen}

    def scraped(self) -> bool:
        number = self.drill.runs[Path.RULE].number
        return self.town.prometheus.value("max(sentinel_page_drill)") == number

    def value(self, name: str, **labels: str) -> float:
        found = self.registry.get_sample_value(f"sentinel_page_path_{name}", labels)
        assert found is not None, name
        return found

    async def told(self, broken: str, path: str, status: str = "firing") -> str:
        """What the page about a way says, told by this one to the pager's receiver."""
        wanted = {"alertname": BROKEN, "broken": broken, "path": path}
        found = await asyncio.to_thread(self.town.pager.wait_for_alert, status, PATIENCE, **wanted)
        assert found.path.endswith("/sentinel-page")
        return str(found.alerts(**wanted)[0]["annotations"]["description"])

    def tells_of(self) -> set[tuple[str, str]]:
        rows = [alert["labels"] for alert in self.town.manager.alerts(alertname=BROKEN)]
        return {(row["broken"], row["path"]) for row in rows}


@asynccontextmanager
async def ringing(town: Town, folder: FilePath, **chosen: Any) -> AsyncIterator[Bell]:
    """The drill beside those servers; its metrics are scraped, its door is open, its pager runs."""
    town.pager.clear()
    async with Alertmanagers() as client:
        bell = Bell(town, folder, client, **chosen)
        server, thread = start_http_server(town.metrics, "127.0.0.1", bell.registry)
        pages = asyncio.create_task(bell.pager.run())
        try:
            async with door_of(bell.settings, bell.drill):
                up = 'up{job="sentinel-witness"} == 1'
                await asyncio.to_thread(eventually, lambda: town.prometheus.query(up), PATIENCE, "we are scraped")
                yield bell
        finally:
            pages.cancel()
            await asyncio.to_thread(server.shutdown)
            server.server_close()
            thread.join()
            await asyncio.to_thread(eventually, town.is_quiet, PATIENCE, "what stood has run out")


EVERYWHERE = [(path, stage) for path in Path for stage in Stage]


async def test_a_drill_is_timed_by_both_ways_and_up_to_the_receiver_and_wakes_nobody(town, tmp_path):
    async with ringing(town, tmp_path) as bell:
        await bell.drilled(*EVERYWHERE)
        await bell.drilled(*EVERYWHERE)

        for path in Path:
            shown, posted = (bell.value("seconds", path=path.value, stage=stage.value) for stage in Stage)
            assert 0 < shown <= PATIENCE, path
            assert 0 < posted <= PATIENCE, path
            assert bell.value("runs_total", path=path.value, result="arrived") == 2
            assert bell.value("broken", path=path.value) == 0
            print(f"\n{path.value}: Alertmanager {shown:.3f} s, receiver {posted:.3f} s")
        assert bell.tells_of() == set()
    woken = [found for found in town.pager.deliveries if found.path.endswith(("/sentinel-page", "/sentinel-ticket"))]
    assert woken == []


async def test_without_the_rule_the_push_tells_that_the_rule_s_way_is_broken_until_it_is_there_again(town, tmp_path):
    async with ringing(town, tmp_path) as bell:
        town.prometheus.configure(bare := config_of(town, rule_files=[]))
        town.prometheus.reload()
        for _ in range(2):
            assert bell.value("broken", path="rule") == 0
            await bell.drilled((Path.PUSH, Stage.ALERTMANAGER), (Path.PUSH, Stage.RECEIVER))

        said = await bell.told("rule", "push")
        assert "alertmanager http" in said
        assert bell.tells_of() == {("rule", "push")}
        assert bell.value("seconds", path="rule", stage="alertmanager") == math.inf
        assert bell.value("runs_total", path="rule", result="lost") == 2
        assert bell.value("broken", path="push") == 0

        town.prometheus.configure(bare | {"rule_files": ["rules-0.yml"]})
        town.prometheus.reload()
        await bell.drilled(*EVERYWHERE)
        assert bell.value("broken", path="rule") == 0
        await bell.told("rule", "push", "resolved")


def config_of(town: Town, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((town.prometheus.folder / "prometheus.yml").read_text())
    return found | more


async def test_when_pushes_do_not_arrive_the_rule_tells(town, tmp_path):
    nobody = f"http://127.0.0.1:{free_port()}"
    async with ringing(town, tmp_path, pushed_to=(nobody,)) as bell:
        for _ in range(2):
            await bell.drilled((Path.RULE, Stage.ALERTMANAGER), (Path.RULE, Stage.RECEIVER))

        await bell.told("push", "rule")
        assert bell.tells_of() == {("push", "rule")}
        assert bell.value("broken", path="rule") == 0


@pytest.mark.parametrize("how", ["the route is not there", "the receiver answers 500"])
async def test_what_is_lost_behind_alertmanager_is_told_by_both_ways(how, town, pager, tmp_path):
    shipped, changed = town.route(), town.route()
    if how == "the route is not there":
        ours = changed["route"]["routes"][0]
        ours["routes"] = [route for route in ours["routes"] if "SentinelPageDrill" not in str(route["matchers"])]
    with Webhook(answer=500) as refusing:
        if how == "the receiver answers 500":
            changed = town.route(**{"sentinel-drill": refusing.url})
        town.reroute(changed)
        try:
            async with ringing(town, tmp_path) as bell:
                for _ in range(2):
                    await bell.drilled((Path.RULE, Stage.ALERTMANAGER), (Path.PUSH, Stage.ALERTMANAGER))

                await bell.told("rule", "push")
                await bell.told("push", "rule")
                for path in ("rule", "push"):
                    assert bell.value("seconds", path=path, stage="alertmanager") < PATIENCE
                    assert bell.value("seconds", path=path, stage="receiver") == math.inf
        finally:
            town.reroute(shipped)


async def test_one_of_two_alertmanagers_that_is_dead_is_one_where_the_drill_is_lost(town, tmp_path):
    dead = f"http://127.0.0.1:{free_port()}"
    async with ringing(town, tmp_path, direct=[town.manager.url, dead]) as bell:
        for _ in range(2):
            await bell.drilled(*EVERYWHERE)

        said = await bell.told("rule", "push")
        assert dead in said
        assert town.manager.url not in said
        assert bell.value("seconds", path="push", stage="alertmanager") == math.inf
        assert bell.value("seconds", path="push", stage="receiver") < PATIENCE


async def test_without_a_door_it_is_measured_up_to_alertmanager_and_nothing_is_said_of_the_rest(town, tmp_path):
    async with ringing(town, tmp_path, drill={"listen": None}) as bell:
        await bell.drilled((Path.RULE, Stage.ALERTMANAGER), (Path.PUSH, Stage.ALERTMANAGER))

        assert math.isnan(bell.value("seconds", path="rule", stage="receiver"))
        assert bell.value("runs_total", path="rule", result="arrived") == 1
