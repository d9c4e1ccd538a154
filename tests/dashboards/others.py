"""The processes that the demo does not have: the sink of each, given second by second what the process gives it.

A witness asks a whole API server with everybody's accounts, a visitor needs a browser, the network needs namespaces of
its own. Their numbers come from rounds, visits, inspections and drills through the sinks' own functions: no line of an
exposition is written here.
"""

import dataclasses
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from sentinel.clients import watch
from sentinel.clients.clock import Clock
from sentinel.core.api.gates import Light
from sentinel.core.api.plan import Scope, make
from sentinel.core.claim import Result, Told
from sentinel.core.gateway import outcome as worth
from sentinel.core.gateway.chat_page import Judged, Outcome, Visited
from sentinel.core.gateway.failover import Bounds, Episode, Verdict
from sentinel.core.gateway.news import Ended, Probed, Stand
from sentinel.core.gateway.provider import Served
from sentinel.core.net.net_gates import NetGate
from sentinel.core.paging import ours, page_drill
from sentinel.core.paging.formula import Path, Term
from sentinel.core.paging.inspection import Inspection, Row
from sentinel.core.paging.page_drill import RECEIVER, Limits, Place, Run
from sentinel.core.record import GateRow, Round, Series
from sentinel.core.verdict import Reason
from sentinel.demo import world
from sentinel.demo.stage import GATEWAY, PROVIDERS
from sentinel.sinks.gateway_metrics import GatewayMetrics
from sentinel.sinks.heartbeat_metrics import HeartbeatMetrics
from sentinel.sinks.metrics import Metrics
from sentinel.sinks.page_metrics import PageMetrics
from sentinel.sinks.page_path_metrics import PagePathMetrics
from sentinel.sinks.page_time_metrics import PageTimeMetrics
from sentinel.sinks.witness_metrics import WitnessMetrics

READER, VICTIM, THIRD = world.TENANTS
PLAIN = "plain"
"""Another gateway, of which nothing is told but that it answers."""


@dataclass
class Others:
    """The sinks of the processes that the demo does not have; `tick` tells each what its process would."""

    clock: Clock = field(default_factory=Clock)
    witness: WitnessMetrics = field(default_factory=WitnessMetrics)
    visited: CollectorRegistry = field(default_factory=CollectorRegistry)
    pods: dict[str, Metrics] = field(default_factory=dict)
    killed: bool = False  # the first provider

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
            self.witness.show_watch(watch.Health(kind, up=True))
        self.page_times = PageTimeMetrics(self.witness.registry, self.clock)
        self.page_times.show(inspection())
        self.page_paths = PagePathMetrics(self.witness.registry, self.clock)
        self.heartbeat = HeartbeatMetrics(self.witness.registry, self.clock)
        self.gateways = GatewayMetrics(self.witness.registry)
        self.gateways.expect(GATEWAY, PROVIDERS, PROVIDERS, self.stand)
        self.gateways.expect(PLAIN, PROVIDERS, (), self.stand)
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
        self.heartbeat.count(taken=self.ticks % 7 > 0)
        if self.ticks % 10 == 1:
            self._drill(now)
        for name in PROVIDERS:
            self.gateways.put(Probed(GATEWAY, now, answered(name, dead=self.killed), "", target=name))
        for gateway in (GATEWAY, PLAIN):
            self.gateways.put(Probed(gateway, now, answered(PROVIDERS[self.killed]), ""))
        outcome = Outcome.GRACEFUL if self.ticks % 5 == 0 else Outcome.GOOD
        judged = Judged(outcome, "", 2.1, 200, opened=0.4, first=0.9)
        self.pages.put(Visited(GATEWAY, now, judged, "", 0))

    def kill(self) -> None:
        """The first provider is dead, and the second one answers."""
        self.killed = True
        bounds = Bounds(2.8, 3.6)
        episode = Episode(Verdict.PASS, *PROVIDERS, 0.0, 3.6, first=bounds, stable=bounds, user=3.3, bad=6)
        self.gateways.put(Ended(GATEWAY, episode, pages=False, within=30.0))

    def _drill(self, now: float) -> None:
        """A page drill of each way is over; the rule's is late in the end."""
        for path, shown, told in ((Path.RULE, 27.5, 28.1), (Path.PUSH, 0.6, 5.7)):
            seen = {
                Place(page_drill.Stage.ALERTMANAGER, "one"): shown,
                RECEIVER: told + 40 * (path is Path.RULE and self.ticks > 40),
            }
            run = Run(path, self.ticks, 0.0, frozenset(seen), seen)
            self.page_paths.show(run, Limits(60.0, 120.0), page_drill.Health(), now - told)

    def stand(self) -> Stand:
        """Who answers, and what asking has cost."""
        steady = PROVIDERS[self.killed]
        return Stand(steady, None, fast=False, waiting=0, period=2.0, spent=0.02, spent_tokens=1, spent_money=0.0)

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


def answered(provider: str, *, dead: bool = False) -> worth.Judged:
    """An answer of this provider; `dead`: of the first one there is none."""
    first = provider == PROVIDERS[0]
    good = worth.Outcome.SERVED_PRIMARY if first else worth.Outcome.FAILED_OVER
    outcome = worth.Outcome.GATEWAY_UNREACHABLE if dead and first else good
    level = worth.Level.GOOD if outcome is good else worth.Level.UNGRACEFUL
    return worth.Judged(outcome, "", Served(provider), level, stream=True, status=200, took=0.4, first_token=0.1)


def inspection() -> Inspection:
    """What verify-alerting works out of the shipped settings, in round figures; one page has no way."""
    rows = [Row(name, Path.RULE, ours.PAGES, (Term("all", 75.0 + 20 * at, ""),)) for at, name in enumerate(ours.ALWAYS)]
    rows += [Row(name, Path.PUSH, ours.PAGES, (Term("all", 25.0, ""),)) for name in ours.PUSHED]
    return Inspection(300.0, tuple(rows))
