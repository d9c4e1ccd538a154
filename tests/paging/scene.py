"""Many configurations at once through one Prometheus and one Alertmanager, and what a page took in each.

Every case has its own scrape job, rule groups and routes, so each has its own timers. Its value flips right after a
scrape, the worst moment there is; its replicas differ in when their group is evaluated (Prometheus spreads groups by
their names) and in when their Alertmanager group is due (a primer alert, posted at staggered times, makes it live).

    exporter --scrape--> Prometheus --> Alertmanager --> webhook
       | flips                              ^ primers       | arrives
       +---------------------- measured --------------------+
"""

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from sentinel.core.paging.formula import When
from sentinel.core.paging.inspection import Inspection, Row, Wishes
from sentinel.core.paging.obstacles import Fault
from sentinel.joins.verify_alerting import Places, verify
from tests.support.alertmanager import Alertmanager
from tests.support.eventually import eventually
from tests.support.pairs import NEWEST, Pair
from tests.support.prometheus import Prometheus
from tests.support.threaded import Threaded
from tests.support.webhook import Webhook

COMMON = {"severity": "critical", "cluster": "tests", "namespace": "sentinel-system", "path": "rule"}
FAR = timedelta(hours=1)


@dataclass(frozen=True)
class Case:
    """One configuration. Seconds. `fault`: the page must not come, and the computation must say why.

    `failing`: terms that count only in a failure, and that this case provokes.
    `exhausted`: its phases are, so that the largest time that is measured must come near the computed one.
    """

    name: str
    scrape: int = 1
    evaluation: int = 1
    waits: int = 0
    recorded: int = 0
    wait: int = 0
    interval: int = 1
    replicas: int = 6
    live: bool = True
    exhausted: bool = False
    fault: Fault | None = None
    failing: frozenset[str] = frozenset()
    slow: float = 0.0
    metric_steps: Sequence[Mapping[str, Any]] = ()
    alert_steps: Sequence[Mapping[str, Any]] = ()
    inhibitions: Sequence[Mapping[str, Any]] = ()
    route: Mapping[str, Any] = field(default_factory=dict)
    below: Mapping[str, Any] = field(default_factory=dict)
    silenced: bool = False
    nobody: bool = False
    expr: str = ""

    @property
    def members(self) -> list[str]:
        """The alerts of its replicas."""
        return [f"Sentinel{self.name}{number:02}" for number in range(self.replicas)]

    @property
    def job(self) -> str:
        return f"sentinel-{self.name.lower()}"

    def receiver(self) -> str:
        return "nobody" if self.nobody else "page"

    def groups(self) -> Iterator[dict[str, Any]]:
        """One per replica, and one that records for it where something does."""
        for member in self.members:
            expr = self.expr or f'max by (target) (sentinel_open{{job="{self.job}", target!=""}}) > 0'
            if self.recorded:
                name = f"sentinel:{member}"
                yield group(f"{member}-records", self.recorded, {"record": name, "expr": expr})
                expr = f"{name} > 0"
            labels = COMMON | {"member": member}
            yield group(
                member, self.evaluation, {"alert": member, "expr": expr, "for": f"{self.waits}s", "labels": labels}
            )

    def routes(self) -> Iterator[dict[str, Any]]:
        for member in self.members:
            timers = {"group_wait": f"{self.wait}s", "group_interval": f"{self.interval}s", "group_by": ["member"]}
            found = {"matchers": [f'member="{member}"'], "receiver": self.receiver(), **timers, **self.route}
            if self.below:
                found["routes"] = [dict(self.below)]
            yield found

    def scrape_config(self, address: str) -> dict[str, Any]:
        return {
            "job_name": self.job,
            "metrics_path": f"/{self.name}",
            "scrape_interval": f"{self.scrape}s",
            "scrape_timeout": f"{self.scrape}s",
            "static_configs": [{"targets": [address]}],
            "metric_relabel_configs": list(self.metric_steps),
        }

    def allowed(self, row: Row) -> float:
        """The computed seconds: what always counts, and what this case makes fail."""
        return sum(term.seconds for term in row.terms if term.when is When.ALWAYS or term.name in self.failing)


def group(name: str, interval: int, *rules: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "interval": f"{interval}s", "rules": list(rules)}


@dataclass
class Measured:
    """Of one case: seconds per replica that arrived."""

    case: Case
    rows: list[Row]
    took: dict[str, float] = field(default_factory=dict)
    disturbed: bool = False
    """A scrape failed, which costs its whole interval: on a busy machine, and no part of the formula."""

    @property
    def computed(self) -> float:
        return max(self.case.allowed(row) for row in self.rows)

    @property
    def largest(self) -> float:
        return max(self.took.values(), default=0.0)

    def line(self) -> str:
        if self.case.fault is not None:
            return f"{self.case.name:<14} never: {self.case.fault.value}; arrived {len(self.took)}"
        spread = (
            f"{min(self.took.values()):6.2f} to {self.largest:6.2f} s of {self.computed:6.2f}" if self.took else "none"
        )
        return (
            f"{self.case.name:<14} {spread}, {len(self.took)} of {self.case.replicas}{' (disturbed)' * self.disturbed}"
        )


class Exporter(Threaded):
    """One gauge per case. Once armed, it flips right after the next scrape has read it."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._cases = {f"/{case.name}": case for case in cases}
        self.armed = False
        self.flipped: dict[str, float] = {}
        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), self._handler()), "exporter")

    def read(self, path: str) -> tuple[str, float]:
        case = self._cases[path]
        value = int(case.name in self.flipped)
        if self.armed and not value:
            self.flipped[case.name] = time.monotonic()
        return f'sentinel_open{{target="victim"}} {value}\n', case.slow

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text, slow = exporter.read(self.path)
                exporter.closing.wait(slow)
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                with suppress(OSError):
                    self.wfile.write(text.encode())

            def log_message(self, format: str, *values: object) -> None:
                pass

        return Handler


class Stall:
    """How late this machine lets a sleeper wake: what a page may be late by for no fault of the formula."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stall")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(0.02):
            due, late = time.monotonic(), time.monotonic() - due - 0.02
            self.worst = max(self.worst, late)


@dataclass
class Scene:
    """The servers while they run."""

    cases: Sequence[Case]
    exporter: Exporter
    pager: Webhook
    prometheus: Prometheus
    managers: Sequence[Alertmanager]
    stall: Stall
    wishes: Wishes
    told: int
    """To how many Alertmanagers Prometheus posts."""
    seen: Inspection | None = None

    def prime(self) -> None:
        """Makes every group live, each at another moment of its interval."""
        began = time.monotonic()
        due = sorted(
            (number / case.replicas * case.interval, member)
            for case in self.cases
            if case.live
            for number, member in enumerate(case.members)
        )
        for after, member in due:
            time.sleep(max(0.0, began + after - time.monotonic()))
            self.managers[0].send(lasting(**COMMON, alertname="Primer", member=member))

    def look(self) -> Inspection:
        """What the computation says."""
        named = tuple(manager.url for manager in self.managers)
        self.seen = asyncio.run(verify(Places(self.prometheus.url, named), self.wishes))
        return self.seen

    def measure(self) -> list[Measured]:
        """Flips every value, and waits for the pages, and for those that must not come as long as for the slowest."""
        self.flip()
        return self.wait()

    def flip(self) -> None:
        self.exporter.armed = True
        eventually(lambda: len(self.exporter.flipped) == len(self.cases), 60, "every value has flipped")

    def wait(self) -> list[Measured]:
        assert self.seen is not None
        rows = {case.name: [r for r in self.seen.rows if r.alert in case.members] for case in self.cases}
        found = [Measured(case, rows[case.name]) for case in self.cases]
        until = max(self.exporter.flipped[one.case.name] + one.computed for one in found)
        with suppress(TimeoutError):
            eventually(lambda: self._arrived(found) and time.monotonic() > until, until - time.monotonic() + 15)
        for one in found:
            one.disturbed = self.prometheus.value(f'min_over_time(up{{job="{one.case.job}"}}[3m])') != 1
        return found

    def _arrived(self, found: Sequence[Measured]) -> bool:
        for delivery in self.pager.deliveries:
            for alert in delivery.alerts():
                name = alert["labels"]["alertname"]
                for one in found:
                    if name in one.case.members and alert["status"] == "firing":
                        one.took.setdefault(name, delivery.monotonic - self.exporter.flipped[one.case.name])
        return all(len(one.took) == one.case.replicas for one in found if one.case.fault is None)


def lasting(**labels: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {"labels": labels, "startsAt": now.isoformat(), "endsAt": (now + FAR).isoformat()}


def silence(member: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    matcher = {"name": "alertname", "value": member[:-2] + ".+", "isRegex": True, "isEqual": True}
    times = {"startsAt": now.isoformat(), "endsAt": (now + FAR).isoformat()}
    return {"matchers": [matcher], "createdBy": "tests", "comment": "on purpose"} | times


def routing(cases: Sequence[Case], webhook: str) -> dict[str, Any]:
    """Alertmanager's configuration for all of them."""
    slow = {"group_wait": "0s", "group_interval": "1s"}
    return {
        "route": {"receiver": "nobody", "routes": [route for case in cases for route in case.routes()]} | slow,
        "receivers": [{"name": "page", "webhook_configs": [{"url": webhook}]}, {"name": "nobody"}],
        "inhibit_rules": [dict(one) for case in cases for one in case.inhibitions],
        "time_intervals": [
            {"name": "always", "time_intervals": [{}]},
            {"name": "then", "time_intervals": [{"years": ["2020"]}]},
        ],
    }


def scraping(cases: Sequence[Case], exporter: str, told: Sequence[str]) -> dict[str, Any]:
    """Prometheus' configuration for all of them."""
    steps = [dict(step) for case in cases for step in case.alert_steps]
    return {
        "scrape_configs": [case.scrape_config(exporter) for case in cases],
        "alerting": {
            "alert_relabel_configs": steps,
            "alertmanagers": [{"static_configs": [{"targets": list(told)}]}],
        },
    }


@contextmanager
def scene(
    cases: Sequence[Case],
    *,
    pair: Pair = NEWEST,
    resend: str = "15s",
    offset: str = "",
    gossip: int = 0,
    told: slice = slice(None),
    peer_timeout: float = 15.0,
) -> Iterator[Scene]:
    """Everything started, primed and at work. `gossip`: how many Alertmanagers, of which Prometheus is told `told`."""
    with ExitStack() as stack:
        exporter, pager, stall = Exporter(cases), Webhook(), Stall()
        for one in (exporter, pager, stall):
            stack.enter_context(one)
        managers: list[Alertmanager] = []
        for _ in range(gossip or 1):
            config = routing(cases, pager.url)
            own = Alertmanager(
                config,
                gossip=bool(gossip),
                peers=list(managers),
                peer_timeout=f"{peer_timeout:g}s",
                binary=pair.alertmanager,
            )
            managers.append(stack.enter_context(own))
        addresses = [manager.address for manager in managers][told]
        config = scraping(cases, exporter.address, addresses)
        if offset:
            config["global"] = {"rule_query_offset": offset}
        rules = {"groups": [found for case in cases for found in case.groups()]}
        server = stack.enter_context(Prometheus(config, [rules], resend_delay=resend, binary=pair.prometheus))
        wishes = Wishes(promise=60, peer_timeout=peer_timeout)
        made = Scene(cases, exporter, pager, server, managers, stall, wishes, len(addresses))
        for case in cases:
            if case.silenced:
                managers[0].post("/api/v2/silences", silence(case.members[0]))
            if case.inhibitions:
                managers[0].send(lasting(alertname="SomebodyElses"))
        made.prime()
        eventually(lambda: is_at_work(made), 120, "it scrapes, evaluates and tells")
        yield made


def is_at_work(made: Scene) -> bool:
    server = made.prometheus
    told = server.get("/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    targets = [found["health"] for found in server.targets()]
    groups = server.get("/api/v1/rules")["data"]["groups"]
    evaluated = all(not found["lastEvaluation"].startswith("0001") for found in groups)
    settled = all(one.get("/api/v2/status")["cluster"]["status"] != "settling" for one in made.managers)
    return len(told) == made.told and targets == ["up"] * len(made.cases) and evaluated and settled
