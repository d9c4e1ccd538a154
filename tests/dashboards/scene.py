"""A town in which every panel has something to show, scraped by a real Prometheus with the shipped rules.

    three real `sentinel run` --ask--> stand-in API server, a small gateway with two providers
                  ^
                  | scraped every second, timers ten times as fast, as in the demo
              Prometheus <--- the witness's, the visitor's and the network's own metric sinks, over HTTP

The town is the demo's: a border is opened, a door is taken away, a provider is killed. What the demo has no process
for is in others.py.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from prometheus_client import CollectorRegistry, start_http_server

from sentinel.clients.clock import Clock
from sentinel.demo import failover, world
from sentinel.demo import stage as demo
from sentinel.demo.stage import GATEWAY, PROVIDERS
from sentinel.demo.story import Story
from tests.alerts.rules import rule_files
from tests.dashboards import built
from tests.dashboards.files import Asked, Json, everything, queries, substituted, variables
from tests.dashboards.others import READER, VICTIM, Others
from tests.demo import rendered
from tests.deploy import chart
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus, config

SCRAPE = 1.0
PATIENCE = 3.0
"""Seconds after which the gateway gives a dead provider up."""
DEADLINE = 120.0
"""Seconds that anything may take on a machine that is busy with something else."""
PROVEN = f"count(sum by (tenant) (sentinel_denials_total) > 0) >= {len(world.TENANTS)}"
"""Each has proofs. Not all of them at the same time: a busy machine is behind with the one or the other."""
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


async def play(calm: float = 0.0) -> Answers:
    """The story, and at its end what each panel shows. `calm`: seconds that each part of it lasts longer."""
    clock = Clock()
    story = Story(clock.wall, READER, VICTIM, lambda _: None)
    others = Others(clock)
    async with contextlib.AsyncExitStack() as stack:
        stage = await stack.enter_async_context(demo.Stage(clock.wall, lambda _: None, PATIENCE))
        prometheus = await stack.enter_async_context(_scraped(stage, others))
        began = clock.wall()
        await stack.enter_async_context(_ticking(others))
        await _until(prometheus, PROVEN)
        await asyncio.sleep(calm)
        stage.standin.cluster.apply(*world.hole(READER, VICTIM))
        stage.standin.cluster.delete(*_door("kube-system"))
        await _until(prometheus, 'sum(ALERTS{alertname="SentinelIsolationBreach",alertstate="firing"}) >= 2')
        await _until(prometheus, 'sum(sentinel_inconclusive{job="sentinel",reason!="lighthouse"}) > 0')
        await asyncio.sleep(calm)
        await failover.play(stage, story, stage.daemons[READER])
        others.kill()
        await _until(prometheus, 'sum(increase(sentinel_gateway_failover_events_total{verdict="pass"}[5m])) > 0')
        await _until(prometheus, "gateway:sentinel_failover_in_time:ratio_increase30d")
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
async def _scraped(stage: demo.Stage, others: Others) -> AsyncIterator[Prometheus]:
    """The jobs and labels that the chart's PodMonitors give."""
    tenants = {daemon.listen: {"tenant": name, "namespace": name} for name, daemon in stage.daemons.items()}
    of_release = {"namespace": world.RELEASE}
    with contextlib.ExitStack() as stack:
        pods = {
            stack.enter_context(served(pod.registry)): {"tenant": name, "namespace": name}
            for name, pod in others.pods.items()
        }
        witness = {stack.enter_context(served(others.witness.registry)): of_release}
        visitor = {stack.enter_context(served(others.visited)): of_release}
        made = config(tenants | pods, interval="1s")
        # The two pods of a tenant here are a process of its own, and a sink within ours.
        ours_ = {"source_labels": ["instance", "__name__"], "regex": f"({'|'.join(pods)});process_.*", "action": "drop"}
        made["scrape_configs"][0]["metric_relabel_configs"] = [ours_]
        for job, scrapes in (("sentinel-witness", witness), ("sentinel-visitor", visitor)):
            made["scrape_configs"] += config(scrapes, job=job)["scrape_configs"]
        rules = list(rule_files(await asyncio.to_thread(_rules)).values())
        prometheus = await asyncio.to_thread(stack.enter_context, Prometheus(made, rules))
        yield prometheus


@contextlib.contextmanager
def served(registry: CollectorRegistry) -> Iterator[str]:
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
    # The demo's sentinels run what the chart wrote for a town that has less.
    rules = {name: _without(text, "SentinelConfigDrift") for name, text in found.items()}
    # A month is read a moment in each hour, which this story does not last.
    rules["budget.rules.yaml"] = re.sub(r"\[\w+:\w+\]", "[5m:1s]", rules["budget.rules.yaml"])
    return rules


def _without(rules: str, alert: str) -> str:
    """A rule file less one alert."""
    told = yaml.safe_load(rules)
    for group in told["groups"]:
        group["rules"] = [rule for rule in group["rules"] if rule.get("alert") != alert]
    return yaml.safe_dump(told)


async def _until(prometheus: Prometheus, expression: str) -> None:
    """Waits until that query has an answer."""
    try:
        async with asyncio.timeout(DEADLINE):
            while not await asyncio.to_thread(prometheus.query, expression):
                await asyncio.sleep(0.2)
    except TimeoutError:
        targets = [(found["scrapeUrl"], found["health"], found["lastError"]) for found in prometheus.targets()]
        raise TimeoutError(f"not within {DEADLINE:g} s: {expression}\n{targets}\n{prometheus.log_tail()}") from None


def _ask(prometheus: Prometheus, began: float) -> Answers:
    ended = time.time()
    own = [asked for board in built.IN_TOWN for asked in queries(board.name)]
    rows = {asked.name: rows_of(prometheus, asked, everything(asked.board), began, ended) for asked in own}
    alone = {}
    for asked in own:
        chosen = {"tenant": READER, "gateway": GATEWAY}
        picked = everything(asked.board) | {name: chosen[name] for name in variables(asked.board) if name in chosen}
        alone[asked.name] = rows_of(prometheus, asked, picked, began, ended)
    values = {
        (board.name, name): _values(prometheus, variable, everything(board.name))
        for board in built.IN_TOWN
        for name, variable in variables(board.name).items()
    }
    return Answers(began, ended, rows, alone, values)


def rows_of(prometheus: Prometheus, asked: Asked, chosen: Mapping[str, str], began: float, ended: float) -> list[Json]:
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
