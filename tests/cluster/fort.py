"""Two tenants, the witness and everything that pages, as the chart joins them; and a developer of team-a.

    developer (ClusterRole edit in team-a) --> kube-apiserver <-- sentinels of team-a and team-b
                                                     ^                 | relay
                             Prometheus --------> witness <------------'
                                   `--> Alertmanager (shipped route) --> webhook

What the kubelet would do with the ConfigMap of team-a is done by `mount`; Prometheus is told about the
pods what its discovery would have told it, and does with it what the chart says.
"""

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from tests.cluster.town import SETTLED, named, proves_everything, resident
from tests.cluster.witnessed import Witness, jobs
from tests.deploy import chart
from tests.support import manifests
from tests.support.alertmanager import Alertmanager
from tests.support.apiclient import ApiClient
from tests.support.controlplane import CONTROLLERS, ControlPlane
from tests.support.eventually import eventually
from tests.support.prometheus import Prometheus
from tests.support.sentinels import Sentinel
from tests.support.webhook import Webhook

SCALE = 0.1
ROUND = 10 * SCALE
"""Seconds. Nine processes on two cores: faster rounds would only measure the machine."""
TENANTS = ("team-a", "team-b")
DEVELOPER = "developer"
AUDIENCE = "tenant-sentinel"


class Fort:
    """All of it, running while the `with` block lasts."""

    def __init__(self, **values: Any) -> None:
        self._more = values
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
        self.alertmanager = Alertmanager({"route": {"receiver": "none"}, "receivers": [{"name": "none"}]})
        self.objects = chart.render(self.values)
        (self.alertmanager.folder / "alertmanager.yml").write_text(yaml.safe_dump(self._route()))
        stack.enter_context(self.alertmanager)
        self.cluster = stack.enter_context(ControlPlane(controllers=CONTROLLERS))
        admin = self.cluster.admin
        admin.apply(*(manifests.namespace(name) for name in ("sentinel-system", *TENANTS)))
        admin.apply(*self.objects)
        edit = manifests.role_binding(
            "team-a", "developers", manifests.of_account("team-a", DEVELOPER), role="edit", kind="ClusterRole"
        )
        admin.apply(manifests.account("team-a", DEVELOPER), edit)
        self.developer = self.cluster.account("team-a", DEVELOPER)
        self.witness = stack.enter_context(self._witness())
        for tenant in TENANTS:
            self.sentinels[tenant] = stack.enter_context(self._resident(tenant))
        self.prometheus = stack.enter_context(self._prometheus())
        for found in (self.witness, *self.sentinels.values()):
            found.wait_up(SETTLED)

    @property
    def values(self) -> chart.Object:
        tenants = [{"name": name, "namespaces": [name], "owner": f"owner of {name}"} for name in TENANTS]
        return (
            chart.values()
            | {
                "tenants": tenants,
                "timeScale": SCALE,
                "config": {"isolation": {"sweep": "150s", "qps": 5000}},
                "monitor": {"enabled": False},
                "alertmanagers": [self.alertmanager.url],
                "witness": {"enabled": True},
            }
            | self._more
        )

    def _route(self) -> chart.Object:
        route = yaml.safe_load(chart.one(self.objects, "ConfigMap", "sentinel-route")["data"]["route.yaml"])
        for receiver in route["receivers"]:
            if receiver["name"].startswith("sentinel-"):
                receiver["webhook_configs"] = [{"url": self.pages.url, "send_resolved": True}]
        return dict(route)

    def _witness(self) -> Witness:
        """With a certificate for loopback in place of the one for its Service."""
        made = Witness(self.cluster, self.objects)
        authority = self.cluster.authority
        made._env |= {
            "SENTINEL__RELAY__CERT": str(authority.certificate_file),
            "SENTINEL__RELAY__KEY": str(authority.key_file),
        }
        return made

    def _resident(self, tenant: str) -> Sentinel:
        made = resident(self.cluster, self.objects, tenant)
        token = made.folder / "relay-token"
        token.write_text(self.relay_token(tenant))
        made._env |= {
            "SENTINEL__PAGING__RELAY": f"https://{self.witness.relay}",
            "SENTINEL__PAGING__RELAY_TOKEN": str(token),
            "SENTINEL__PAGING__RELAY_CA": str(self.cluster.ca_file),
        }
        return made

    def relay_token(self, tenant: str) -> str:
        """As the kubelet projects it."""
        return self.cluster.token_for(tenant, audiences=[AUDIENCE])

    @property
    def relay(self) -> str:
        return f"https://{self.witness.relay}"

    def at_relay(self, token: str | None) -> ApiClient:
        """Requests to the relay with this token."""
        return ApiClient(self.relay, Path(self.cluster.ca_file), token)

    def _prometheus(self) -> Prometheus:
        managers = [{"static_configs": [{"targets": [self.alertmanager.address]}]}]
        config = {"scrape_configs": self.jobs(), "alerting": {"alertmanagers": managers}}
        rules = list(chart.one(self.objects, "ConfigMap", "sentinel-rules")["data"].values())
        return Prometheus(config, rules, resend_delay=f"{int(15_000 * SCALE)}ms")

    def jobs(self, **addresses: str) -> list[chart.Object]:
        """The shipped ones; `team_a="127.0.0.1:1"` puts another pod in the place of team-a's, an empty one none."""
        at = {tenant: found.address for tenant, found in self.sentinels.items()}
        at |= {name.replace("_", "-"): address for name, address in addresses.items()}
        return jobs(self.objects, {tenant: address for tenant, address in at.items() if address}, self.witness)

    def discover(self, **addresses: str) -> None:
        """What Prometheus finds from now on; see `jobs`."""
        file = self.prometheus.folder / "prometheus.yml"
        config = yaml.safe_load(file.read_text())
        file.write_text(yaml.safe_dump(config | {"scrape_configs": self.jobs(**addresses)}))
        self.prometheus.reload()

    def mount(self) -> None:
        """What the kubelet does with the ConfigMap of team-a."""
        found = self.cluster.admin.must("GET", "/api/v1/namespaces/team-a/configmaps/sentinel")
        self.sentinels["team-a"].config_file.write_text(found["data"]["sentinel.yaml"])

    @contextlib.contextmanager
    def rendered(self, **values: Any) -> Iterator[None]:
        """The chart with other values while the block lasts, as after `helm upgrade`."""
        before, more = self.objects, self._more
        self._more = more | values
        try:
            self._upgrade(chart.render(self.values))
            yield
        finally:
            self._more = more
            self._upgrade(before)

    def _upgrade(self, objects: list[chart.Object]) -> None:
        self.objects = objects
        self.cluster.admin.apply(*objects)
        for tenant, found in self.sentinels.items():
            found.config_file.write_text(chart.configuration(objects, tenant))
        text = chart.one(objects, "ConfigMap", "sentinel-witness")["data"]["witness.yaml"]
        self.witness.config_file.write_text(text)
        eventually(self._has_taken_it, SETTLED, self.story)

    def _has_taken_it(self) -> bool:
        """The witness has its new file, and listens again."""
        taken = self.witness.metrics().value("sentinel_config_hash") == self.witness.config_hash
        return taken and self.at_relay(None).request("GET", "/").status == 404

    def restore(self) -> None:
        """What the chart gives, again, and every process as it was."""
        self.cluster.admin.apply(*self.objects)
        self.mount()
        self.discover()
        self.sentinels["team-a"].write_token(self.cluster.token_for("team-a"))
        for found in (self.witness, *self.sentinels.values()):
            if found.process.exit_code is not None:
                found.start()
            found.wait_up(SETTLED)

    def is_quiet(self) -> bool:
        """Everything is proven by everybody, and nothing pages."""
        covered = self.witness.metrics().all("sentinel_witness_coverage_ratio")
        return (
            set(covered.values()) == {1.0}
            and not self.witness.metrics().sum("sentinel_witness_inconclusive")
            and all(map(proves_everything, self.sentinels.values()))
            and not self.paging()
            and not self.unresolved()
        )

    def unresolved(self) -> list[str]:
        """Notification groups of which the last word that was delivered is not `resolved`."""
        last = {found.body["groupKey"]: found for found in self.pages.deliveries}
        critical = {key: d for key, d in last.items() if d.alerts(severity="critical")}
        return [key for key, found in critical.items() if found.status != "resolved"]

    def paging(self, **labels: str) -> list[str]:
        """What pages now, in Prometheus or Alertmanager."""
        rules = [a["labels"] for a in self.prometheus.alerts() if a["state"] == "firing"]
        seen = [*rules, *(alert["labels"] for alert in self.alertmanager.alerts())]
        return sorted({named(a) for a in seen if a["severity"] == "critical" and labels.items() <= a.items()})

    def firing(self, name: str, **labels: str) -> list[Any]:
        """Alerts of Prometheus that fire."""
        found = self.prometheus.alerts(name)
        return [a for a in found if a["state"] == "firing" and labels.items() <= a["labels"].items()]

    def settle(self) -> None:
        eventually(self.is_quiet, SETTLED, self.story)
        self.pages.clear()

    def story(self) -> str:
        """Why it is not quiet, for a failing test."""
        told = [f"paging: {self.paging()}", f"pages: {self.pages.summary()}"]
        for name, found in {"witness": self.witness, **self.sentinels}.items():
            told.append(f"{name}: {found.process.log_tail(4)}")
            with contextlib.suppress(OSError):
                told.append(f"{found.get('/readyz')}")
        return "\n".join(told)

    @contextlib.contextmanager
    def hole(self, *objects: chart.Object) -> Iterator[None]:
        """Open while the block lasts."""
        try:
            self.cluster.admin.apply(*objects)
            yield
        finally:
            self.cluster.admin.delete(*reversed(objects))
