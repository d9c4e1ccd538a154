"""Five tenants and everything that watches over them, each part the real one.

    helm template --> kube-apiserver <-- five `sentinel run`, each with its own account's token
                                                |        \\ push
                                   Prometheus --'         \\
                                   (shipped rules) --> Alertmanager (shipped route) --> webhook

Only time is scaled, by the chart's own `timeScale`; and since there are no nodes, Prometheus is told
about the pods what its discovery would have told it, and does with it what the chart says.
"""

import contextlib
import json
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from tests.deploy import chart
from tests.support import manifests
from tests.support.alertmanager import Alertmanager
from tests.support.controlplane import CONTROLLERS, ControlPlane
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus
from tests.support.sentinels import Sentinel, Server
from tests.support.webhook import Webhook

SCALE = 0.05
"""Rounds and scrapes of half a second, `within` of six, SentinelDown after six."""
TENANTS = tuple(f"team-{letter}" for letter in "abcde")
CLUSTER = "tests"
ISOLATION = {"sweep": "300s", "qps": 5000}
ROUND = 10 * SCALE
SWEEP = 300 * SCALE
"""Seconds: a round, and the time in which every question is asked."""
SETTLED = 60.0
"""Seconds for anything that should take a few, on a machine that may be busy."""


class Town:
    """All of it, running while the `with` block lasts."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.sentinels: dict[str, Sentinel] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._build(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _build(self, stack: ExitStack) -> None:
        self.pages = stack.enter_context(Webhook())
        self.tickets = stack.enter_context(Webhook())
        self.alertmanager = Alertmanager({"route": {"receiver": "none"}, "receivers": [{"name": "none"}]})
        self.objects = chart.render(self.values)
        (self.alertmanager.folder / "alertmanager.yml").write_text(yaml.safe_dump(self._route()))
        stack.enter_context(self.alertmanager)
        self.audit_log = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sentinel-audit-"))) / "log"
        flags = audit_flags(self.audit_log)
        self.cluster = stack.enter_context(ControlPlane(controllers=CONTROLLERS, flags=flags))
        self.cluster.admin.apply(*(manifests.namespace(name) for name in ("sentinel-system", *TENANTS)))
        self.cluster.admin.apply(*self.objects)
        for tenant in TENANTS:
            self.sentinels[tenant] = stack.enter_context(resident(self.cluster, self.objects, tenant))
        self.prometheus = stack.enter_context(self._prometheus())

    @property
    def values(self) -> chart.Object:
        tenants = [{"name": name, "namespaces": [name], "owner": f"owner of {name}"} for name in TENANTS]
        return chart.values() | {
            "cluster": CLUSTER,
            "tenants": tenants,
            "timeScale": SCALE,
            "config": {"isolation": ISOLATION},
            "monitor": {"enabled": False},
            "alertmanagers": [self.alertmanager.url],
            "paging": {"direct": True},
        }

    def _route(self) -> chart.Object:
        """The shipped one; only the receivers, which are everybody's own, are filled in."""
        route = yaml.safe_load(chart.one(self.objects, "ConfigMap", "sentinel-route")["data"]["route.yaml"])
        hooks = {"sentinel-page": self.pages, "sentinel-ticket": self.tickets}
        for receiver in route["receivers"]:
            if hook := hooks.get(receiver["name"]):
                receiver["webhook_configs"] = [{"url": hook.url, "send_resolved": True}]
        return dict(route)

    def _prometheus(self) -> Prometheus:
        managers = [{"static_configs": [{"targets": [self.alertmanager.address]}]}]
        config = {"scrape_configs": [self.job(TENANTS)], "alerting": {"alertmanagers": managers}}
        return Prometheus(config, self.rules, resend_delay=f"{int(15_000 * SCALE)}ms")

    def job(self, tenants: Iterable[str]) -> chart.Object:
        """The shipped one, with these tenants' pods in place of their discovery."""
        text = chart.one(self.objects, "ConfigMap", "sentinel-scrape")["data"]["sentinel.scrape.yaml"]
        (job,) = yaml.safe_load(text)["scrape_configs"]
        del job["kubernetes_sd_configs"]
        pods = [(self.sentinels[tenant].address, discovered(tenant)) for tenant in tenants]
        # A quarter of a second is short for six processes on two cores; the interval is what counts.
        job["scrape_timeout"] = job["scrape_interval"]
        static = [{"targets": [address], "labels": found} for address, found in pods]
        return dict(job) | {"static_configs": static}

    @property
    def rules(self) -> list[str]:
        return list(chart.one(self.objects, "ConfigMap", "sentinel-rules")["data"].values())

    def scale(self, tenant: str, replicas: int) -> None:
        """Zero: the process is told to end, and its pod is not there any more. One: back again."""
        if replicas:
            self.sentinels[tenant].start()
        else:
            self.sentinels[tenant].stop()
        file = self.prometheus.folder / "prometheus.yml"
        config = yaml.safe_load(file.read_text())
        pods = [name for name in TENANTS if replicas or name != tenant]
        file.write_text(yaml.safe_dump(config | {"scrape_configs": [self.job(pods)]}))
        self.prometheus.reload()

    def audited(self, audit_id: str) -> chart.Object:
        """The API server's own record of this request."""
        for line in self.audit_log.read_text().splitlines():
            if audit_id in line and (event := json.loads(line))["auditID"] == audit_id:
                return dict(event)
        raise LookupError(f"no audit event {audit_id}")

    def denials(self, user: str, verb: str, namespace: str | None, after: float) -> int:
        """How often the API server has denied this user Secrets since then (wall seconds), by its own record."""
        found = 0
        for line in self.audit_log.read_text().splitlines():
            event = json.loads(line)
            asked = (event["user"].get("username"), event["verb"], event["objectRef"].get("namespace"))
            at = datetime.fromisoformat(event["requestReceivedTimestamp"])
            denied = event["responseStatus"]["code"] == 403 and asked == (user, verb, namespace)
            found += denied and at.timestamp() > after
        return found

    def is_quiet(self) -> bool:
        """Everything is proven, nothing fires, nothing is left in Alertmanager."""
        return all(map(proves_everything, self.sentinels.values())) and not self.critical() and not self.unresolved()

    def unresolved(self) -> list[str]:
        """Notification groups of which the last word that was delivered is not `resolved`."""
        last = {found.body["groupKey"]: found.status for found in self.pages.deliveries}
        return [group for group, status in last.items() if status != "resolved"]

    def critical(self) -> list[str]:
        """Whatever would page, in Prometheus or Alertmanager."""
        rules = [a["labels"] for a in self.prometheus.alerts() if a["state"] == "firing"]
        labels = [*rules, *(alert["labels"] for alert in self.alertmanager.alerts())]
        return sorted({named(found) for found in labels if found["severity"] == "critical"})

    def settle(self, within: float = SETTLED) -> None:
        """Until it is quiet; then what was delivered so far is forgotten."""
        eventually(self.is_quiet, within, self.story)
        self.pages.clear()
        self.tickets.clear()

    def story(self) -> str:
        """Why it is not quiet, for a failing test."""
        told = [f"critical: {self.critical()}", f"unresolved: {self.unresolved()}", f"pages: {self.pages.summary()}"]
        for tenant, found in self.sentinels.items():
            with contextlib.suppress(OSError):
                if not proves_everything(found):
                    seen = found.metrics()
                    told.append(f"{tenant}: {found.get('/readyz')[1]} {seen.value('sentinel_coverage_ratio')}")
                    told.append(found.process.log_tail(6))
        return "\n".join(told)

    @contextlib.contextmanager
    def hole(self, *objects: chart.Object) -> Iterator[float]:
        """Opens with the last of these objects; gives the monotonic time when it was there."""
        try:
            self.cluster.admin.apply(*objects[:-1])
            started = time.monotonic()
            self.cluster.admin.apply(objects[-1])
            yield started
        finally:
            self.cluster.admin.delete(*reversed(objects))


def resident(
    cluster: ControlPlane,
    objects: Sequence[chart.Object],
    tenant: str,
    server: Server | None = None,
    env: Mapping[str, str] | None = None,
) -> Sentinel:
    """The process that the tenant's pod would run: the chart's own file, byte by byte."""
    text = chart.configuration(objects, tenant)
    addresses = {name: f"127.0.0.1:{free_port()}" for name in ("listen", "console")}
    made = Sentinel(
        cluster,
        yaml.safe_load(text) | {"web": addresses},
        namespace=tenant,
        server=server,
        env={f"SENTINEL__WEB__{name.upper()}": address for name, address in addresses.items()} | dict(env or {}),
    )
    made.config_file.write_text(text)
    return made


def audit_flags(log: Path) -> dict[str, str | None]:
    """Every request about Secrets, written before it is answered: what an auditor would look at."""
    policy = log.with_suffix(".policy")
    rules = [{"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}]}, {"level": "None"}]
    content = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules}
    policy.write_text(yaml.safe_dump(content))
    return {"audit-policy-file": str(policy), "audit-log-path": str(log), "audit-log-mode": "blocking"}


def discovered(tenant: str) -> dict[str, str]:
    """What Prometheus' discovery of pods says of this tenant's."""
    return {
        "__meta_kubernetes_namespace": tenant,
        "__meta_kubernetes_pod_name": "sentinel-0",
        "__meta_kubernetes_pod_container_port_name": "http",
        "__meta_kubernetes_pod_phase": "Running",
    }


def proves_everything(sentinel: Sentinel) -> bool:
    """Ready, every question proven in time, none in doubt."""
    if not sentinel.is_ready():
        return False
    seen = sentinel.metrics()
    open_ = [since for since in seen.all("sentinel_breach_since_timestamp_seconds").values() if since]
    return seen.value("sentinel_coverage_ratio") == 1.0 and not seen.sum("sentinel_inconclusive") and not open_


def named(labels: Any) -> str:
    """An alert in one word, for messages."""
    keys = ("alertname", "tenant", "identity", "check", "target", "path")
    return "/".join(labels[key] for key in keys if key in labels)
