"""A town in which every panel has something to show, scraped by a real Prometheus with the shipped rules.

    three real `sentinel run` --ask--> stand-in API server, a small gateway with two providers
                  ^
                  | scraped every second, timers ten times as fast, as in the demo
              Prometheus <--- the witness's, the visitor's and the network's own metric sinks, over HTTP

The town is the demo's: a border is opened, a door is taken away, a provider is killed. What the demo has no process
for (a witness asks a whole API server with everybody's accounts, a visitor needs a browser, the network needs
namespaces of its own) is the sink of that process, given the values that the process gives it: rounds, visits,
inspections, drills. No line of an exposition is written here.
"""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server

from sentinel.clients.clock import Clock
from sentinel.clients.watch import Health
from sentinel.core.api.gates import Light
from sentinel.core.api.plan import Scope, make
from sentinel.core.claim import Result, Told
from sentinel.core.gateway import outcome as worth
from sentinel.core.gateway.chat_page import Judged, Outcome, Visited
from sentinel.core.gateway.news import Probed, Stand
from sentinel.core.gateway.provider import Served
from sentinel.core.net.net_gates import NetGate
from sentinel.core.paging import ours
from sentinel.core.paging.formula import Path, Term
from sentinel.core.paging.inspection import Inspection, Row
from sentinel.core.record import GateRow, Round, Series
from sentinel.core.verdict import Reason
from sentinel.demo import failover, world
from sentinel.demo.stage import GATEWAY, PROVIDERS, Stage
from sentinel.demo.story import Story
from sentinel.sinks.gateway_metrics import GatewayMetrics
from sentinel.sinks.metrics import Metrics
from sentinel.sinks.page_metrics import PageMetrics
from sentinel.sinks.page_time_metrics import PageTimeMetrics
from sentinel.sinks.witness_metrics import WitnessMetrics
from tests.alerts.rules import rule_files
from tests.dashboards import built
from tests.dashboards.files import Asked, Json, everything, queries, substituted, variables
from tests.demo import rendered
from tests.deploy import chart
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus, config

READER, VICTIM, THIRD = world.TENANTS
SCRAPE = 1.0
PATIENCE = 3.0
"""Seconds after which the gateway gives a dead provider up."""
DEADLINE = 120.0
"""Seconds that anything may take on a machine that is busy with something else."""
STAND = Stand(PROVIDERS[1], None, fast=False, waiting=0, period=2.0, spent=0.02, spent_tokens=1, spent_money=0.0)
POINTS = 120
"""Of a course."""


@dataclass(frozen=True)
class Answers:
    """What Prometheus said: rows as its API gives them, by the query's name. `values`: what each variable offers."""

    began: float
    ended: float
    rows: Mapping[str, list[Json]]
    alone: Mapping[str, list[Json]]  # the same queries, with one tenant and one gateway chosen
    values: Mapping[tuple[str, str], list[str]]


@dataclass
class Others:
    """The sinks of the processes that the demo does not have; `tick` tells each what its process would."""

    clock: Clock = field(default_factory=Clock)
    witness: WitnessMetrics = field(default_factory=WitnessMetrics)
    visited: CollectorRegistry = field(default_factory=CollectorRegistry)
    pods: dict[str, Metrics] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Every child that is there from the start."""
        rows = tuple((name, (name,)) for name in world.TENANTS)
        scopes = {
            name: Scope(name, rows, world.SYSTEM, ("self",), ("anonymous",), 1.0, 12.0, 180.0, 1.0, 300.0)
            for name in world.TENANTS
        }
        self.plans = {name: make(scope) for name, scope in scopes.items()}
        self.subjects = {name: self.witness.of(name, plan) for name, plan in self.plans.items()}
        self.witness.note_config(taken=True, checksum=1)
        self.witness.expect_beacons(world.TENANTS)
        for kind in ("rolebindings", "roles", "namespaces"):
            self.witness.expect_watch(kind)
            self.witness.show_watch(Health(kind, up=True))
        self.page_times = PageTimeMetrics(self.witness.registry, self.clock)
        self.page_times.show(inspection())
        self.gateways = GatewayMetrics(self.witness.registry)
        self.gateways.expect(GATEWAY, PROVIDERS, PROVIDERS, lambda: STAND)
        self.pages = PageMetrics(self.visited)
        self.pages.expect([GATEWAY])
        for name, plan in self.plans.items():
            pod = self.pods[name] = Metrics()
            pod.expect_network(("net/tcp", "net/dns"), plan.scope.targets, "self", 1.0)
            pod.note_config(taken=True, checksum=1)
        self.ticks = 0

    def tick(self) -> None:
        """One second of their lives."""
        now, self.ticks = self.clock.wall(), self.ticks + 1
        for name in world.TENANTS:
            self._round(name, now)
        self.witness.count_change("rolebindings", missed=False)
        self.witness.count_push("accepted")
        self.witness.page_delay.observe(0.02)
        self.witness.count_anchor("accepted", now)
        self.witness.show_beacons({(name, "known"): 2 for name in world.TENANTS})
        self.witness.show_beacons({(name, "ready"): 2 - (name == THIRD) for name in world.TENANTS})
        self.witness.relay_requests.labels(Result.TAKEN.value).inc()
        self.witness.relay_alerts.labels(READER, Told.ACCEPTED.value).inc()
        for name in PROVIDERS:
            self.gateways.put(Probed(GATEWAY, now, answered(name), "", target=name))
        self.gateways.put(Probed(GATEWAY, now, answered(PROVIDERS[1]), ""))
        outcome = Outcome.GRACEFUL if self.ticks % 5 == 0 else Outcome.GOOD
        judged = Judged(outcome, "", 2.1, 200, opened=0.4, first=0.9)
        self.pages.put(Visited(GATEWAY, now, judged, "", 0))

    def _round(self, name: str, now: float) -> None:
        plan = self.plans[name]
        proofs = dict.fromkeys(plan.scope.targets, now - 1)
        seen = Round(
            self.ticks, now, 0.4, 300, 1.0, {tier: plan.period(tier) for tier in (1, 2, 3)}, oldest_proof=proofs
        )
        opened = {Series("api/secrets", "self", VICTIM): now} if name == READER and self.ticks > 10 else {}
        self.subjects[name].end_round(dataclasses.replace(seen, breach_since=opened))
        self.witness.show_match(name, matches=True)
        self.witness.unwatched.labels(name).set(name == THIRD)
        doubts = {"kube-system": frozenset({Reason.LIGHTHOUSE})} if name == THIRD else {}
        unknown = {("net/tcp", VICTIM): now - self.ticks} if name == THIRD else {}
        crossed = {Series("net/tcp", "self", READER): now - self.ticks} if name == THIRD else {}
        gates = tuple(GateRow(gate, "self", Light(up=True), now) for gate in NetGate)
        network = dataclasses.replace(
            seen, periods={"network": 1.0}, gates=gates, inconclusive=doubts, breach_since=crossed
        )
        self.pods[name].end_round(dataclasses.replace(network, unattributed=unknown))


def answered(provider: str) -> worth.Judged:
    """A good answer of this provider; the first one is dead."""
    dead = provider == PROVIDERS[0]
    outcome = worth.Outcome.GATEWAY_UNREACHABLE if dead else worth.Outcome.FAILED_OVER
    level = worth.Level.UNGRACEFUL if dead else worth.Level.GOOD
    return worth.Judged(outcome, "", Served(provider), level, stream=True, status=200, took=0.4, first_token=0.1)


def inspection() -> Inspection:
    """What verify-alerting works out of the shipped settings, in round figures; one page has no way."""
    rows = [Row(name, Path.RULE, ours.PAGES, (Term("all", 75.0 + 20 * at, ""),)) for at, name in enumerate(ours.ALWAYS)]
    rows += [Row(name, Path.PUSH, ours.PAGES, (Term("all", 25.0, ""),)) for name in ours.PUSHED]
    return Inspection(300.0, tuple(rows))


async def play(calm: float = 0.0) -> Answers:
    """The story, and at its end what each panel shows. `calm`: seconds that each part of it lasts longer."""
    clock = Clock()
    story = Story(clock.wall, READER, VICTIM, lambda _: None)
    others = Others(clock)
    async with contextlib.AsyncExitStack() as stack:
        stage = await stack.enter_async_context(Stage(clock.wall, lambda _: None, PATIENCE))
        prometheus = await stack.enter_async_context(_scraped(stage, others))
        began = clock.wall()
        await stack.enter_async_context(_ticking(others))
        await _until(prometheus, f"count(sentinel_coverage_ratio == 1) >= {2 * len(world.TENANTS)}")
        await asyncio.sleep(calm)
        stage.standin.cluster.apply(*world.hole(READER, VICTIM))
        stage.standin.cluster.delete(*_door("kube-system"))
        await _until(prometheus, 'sum(ALERTS{alertname="SentinelIsolationBreach",alertstate="firing"}) >= 2')
        await _until(prometheus, 'sum(sentinel_inconclusive{job="sentinel",reason!="lighthouse"}) > 0')
        await asyncio.sleep(calm)
        await failover.play(stage, story, stage.daemons[READER])
        await _until(prometheus, 'sum(increase(sentinel_gateway_failover_events_total{verdict="pass"}[5m])) > 0')
        await asyncio.sleep(calm)
        return await asyncio.to_thread(_ask, prometheus, began)


def _door(namespace: str) -> list[dict[str, Any]]:
    """What lets everybody look through the border on purpose: without it nothing there is proven."""
    return [
        one
        for one in world.installed()
        if one["kind"] == "RoleBinding"
        and (one["metadata"]["name"], one["metadata"].get("namespace")) == (world.DOOR, namespace)
    ]


@contextlib.asynccontextmanager
async def _ticking(others: Others) -> AsyncIterator[None]:
    async def tick() -> None:
        while True:
            others.tick()
            await asyncio.sleep(SCRAPE)

    task = asyncio.create_task(tick(), name="the others")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def _scraped(stage: Stage, others: Others) -> AsyncIterator[Prometheus]:
    """The jobs and labels that the chart's PodMonitors give."""
    tenants = {daemon.listen: {"tenant": name, "namespace": name} for name, daemon in stage.daemons.items()}
    of_release = {"namespace": world.RELEASE}
    with contextlib.ExitStack() as stack:
        pods = {
            stack.enter_context(_served(pod.registry)): {"tenant": name, "namespace": name}
            for name, pod in others.pods.items()
        }
        witness = {stack.enter_context(_served(others.witness.registry)): of_release}
        visitor = {stack.enter_context(_served(others.visited)): of_release}
        made = config(tenants | pods, interval="1s")
        for job, scrapes in (("sentinel-witness", witness), ("sentinel-visitor", visitor)):
            made["scrape_configs"] += config(scrapes, job=job)["scrape_configs"]
        rules = list(rule_files(await asyncio.to_thread(_rules)).values())
        prometheus = await asyncio.to_thread(stack.enter_context, Prometheus(made, rules))
        yield prometheus


@contextlib.contextmanager
def _served(registry: CollectorRegistry) -> Iterator[str]:
    """Where a registry is scraped."""
    port = free_port()
    server, thread = start_http_server(port, "127.0.0.1", registry)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _rules() -> dict[str, str]:
    """The shipped rules for the demo's tenants, with everything that can be switched on."""
    gateway = {
        "name": GATEWAY,
        "url": "https://gateway.llm.svc/v1/chat/completions",
        "model": "counts",
        "providers": [{"name": name} for name in PROVIDERS],
    }
    chosen = rendered.VALUES | {
        "witness": {"tls": chart.TLS},
        "network": {"enabled": True},
        "prometheus": "http://prometheus.monitoring.svc:9090",
        "config": rendered.VALUES["config"] | {"gateways": [gateway]},
    }
    objects = chart.render(chosen)
    found: dict[str, str] = chart.one(objects, "ConfigMap", "sentinel-rules")["data"]
    return found


async def _until(prometheus: Prometheus, expression: str) -> None:
    """Waits until that query has an answer."""
    async with asyncio.timeout(DEADLINE):
        while not await asyncio.to_thread(prometheus.query, expression):
            await asyncio.sleep(0.2)


def _ask(prometheus: Prometheus, began: float) -> Answers:
    ended = time.time()
    own = [asked for board in built.IN_TOWN for asked in queries(board.name)]
    rows = {asked.name: _rows(prometheus, asked, everything(asked.board), began, ended) for asked in own}
    alone = {}
    for asked in own:
        chosen = {"tenant": READER, "gateway": GATEWAY}
        picked = everything(asked.board) | {name: chosen[name] for name in variables(asked.board) if name in chosen}
        alone[asked.name] = _rows(prometheus, asked, picked, began, ended)
    values = {
        (board.name, name): _values(prometheus, variable, everything(board.name))
        for board in built.IN_TOWN
        for name, variable in variables(board.name).items()
    }
    return Answers(began, ended, rows, alone, values)


def _rows(prometheus: Prometheus, asked: Asked, chosen: Mapping[str, str], began: float, ended: float) -> list[Json]:
    span = ended - began
    step = max(SCRAPE, span / POINTS)
    text = substituted(asked.query["expr"], chosen, span=round(span), scrape=SCRAPE, step=step)
    if asked.query.get("instant"):
        answer = prometheus.get("/api/v1/query", query=text, time=f"{ended:.3f}")
    else:
        answer = prometheus.get(
            "/api/v1/query_range", query=text, start=f"{began:.3f}", end=f"{ended:.3f}", step=f"{step:.3f}"
        )
    found: list[Json] = answer["data"]["result"]
    return found


def _values(prometheus: Prometheus, variable: Json, chosen: Mapping[str, str]) -> list[str]:
    """As Grafana fills a variable: `label_values(series, label)`."""
    series, _, label = variable["definition"].removeprefix("label_values(").removesuffix(")").rpartition(", ")
    query = {"match[]": substituted(series, chosen, span=1)}
    found: list[str] = prometheus.get(f"/api/v1/label/{label}/values", **query)["data"]
    return found
