"""The doctor among real servers only: an API server with the whole chart, a Prometheus that scrapes, an Alertmanager.

two `sentinel run`, one `sentinel witness` <--scrape-- Prometheus --> Alertmanager
      |                                                    ^               ^
kube-apiserver with the chart and the operator's CRDs <-- doctor, as typed by an SRE, or in the witness's pod
"""

import asyncio
import base64
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from sentinel.settings import load
from sentinel.tools.doctor import Doctor
from tests.cluster.ground import Ground
from tests.cluster.test_doctor import is_cluster_binding
from tests.cluster.test_outside import with_user
from tests.cluster.witnessed import ACCOUNT, RELEASE, Witness, under_witness
from tests.deploy import chart, operator_crds
from tests.support import prometheus
from tests.support.alertmanager import Alertmanager, config
from tests.support.controlplane import ADMIN
from tests.support.eventually import eventually
from tests.support.prometheus import Prometheus
from tests.support.sentinels import COMMAND, Sentinel

TENANTS = ("team-a", "team-b")
SOON = 60.0
"""Seconds for anything that should take a few, on a machine that may be busy."""
OK, FAIL, WARN, LEFT_OUT = "ok", "fail", "warn", "left out"
KINDS = ("podmonitors", "prometheusrules")
EVERYWHERE = {"API server", "version", "CRDs", "rights", "DNS"}
ALERTING = {"Prometheus", "scrapes", "rules", "Alertmanager"}


@dataclass
class Street:
    """All of it, at work. `ruleless` has no rules of ours, `deaf` knows no Alertmanager."""

    ground: Ground
    folder: Path
    objects: list[chart.Object]
    definitions: list[chart.Object]
    sentinels: Mapping[str, Sentinel]
    witness: Witness
    alertmanager: Alertmanager
    good: Prometheus
    ruleless: Prometheus
    deaf: Prometheus

    @property
    def of_admin(self) -> dict[str, str]:
        """An SRE's machine, which is no pod: a kubeconfig."""
        return {"KUBECONFIG": str(self.ground.cluster.kubeconfig(self.folder / "admin.kubeconfig", ADMIN))}

    @property
    def of_certified(self) -> dict[str, str]:
        """The same with a client certificate, as most installers hand it out."""
        # Without a name of a host its list of names would be empty, which Go takes for an extension that it does not know.
        leaf = self.ground.people.issue_cert("sre.example", common_name="sre", organization_name="system:masters")
        user = {
            "client-certificate-data": base64.b64encode(leaf.cert_chain_pems[0].bytes()).decode(),
            "client-key-data": base64.b64encode(leaf.private_key_pem.bytes()).decode(),
        }
        return {"KUBECONFIG": str(with_user(self.ground.cluster, self.folder, user))}

    def by_admin(self, server: Prometheus | None = None) -> "Seen":
        """With the witness's file, and another Prometheus than it names."""
        return looked(self.witness.config_file, self.of_admin, server)

    def by_tenant(self) -> "Seen":
        """With the kubeconfig of team-a's own account, and that tenant's file."""
        token = self.ground.cluster.token_for("team-a")
        path = self.ground.cluster.kubeconfig(self.folder / "tenant.kubeconfig", token)
        sentinel = self.sentinels["team-a"]
        return looked(sentinel.config_file, sentinel._env | {"KUBECONFIG": str(path)}, self.good)

    def is_at_work(self) -> bool:
        told = self.good.get("/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
        return bool(told) and all(map(is_scraping, (self.good, self.ruleless, self.deaf)))

    def may_list_roles(self) -> bool:
        """The witness."""
        account = self.ground.cluster.account(RELEASE, ACCOUNT)
        return account.request("GET", "/apis/rbac.authorization.k8s.io/v1/roles?limit=1").status == 200

    def without_kinds(self) -> None:
        """No Prometheus Operator any more."""
        admin = self.ground.cluster.admin
        admin.delete(*self.definitions)
        eventually(lambda: not any(is_served(self.ground, kind) for kind in KINDS), SOON, "they are gone")


@dataclass(frozen=True)
class Seen:
    """What the command said, line by line."""

    code: int
    rows: Sequence[Mapping[str, str]]

    def of(self, state: str) -> dict[str, str]:
        return {row["topic"]: row["detail"] for row in self.rows if row["state"] == state}

    def hint(self, topic: str) -> str:
        return next(row["hint"] for row in self.rows if row["topic"] == topic and row["hint"])


def typed(file: Path, environ: Mapping[str, str]) -> Seen:
    """As a command."""
    ended = subprocess.run(
        [COMMAND, "doctor", "--config", file, "-o", "json"],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | dict(environ),
        capture_output=True,
        text=True,
        timeout=SOON,
        check=False,
    )
    assert ended.stdout, ended.stderr
    return Seen(ended.returncode, json.loads(ended.stdout)["findings"])


def looked(file: Path, environ: Mapping[str, str], server: Prometheus | None = None) -> Seen:
    """The same in this process, which costs less."""
    doctor = Doctor(load(file, environ), environ, prometheus=server.url if server is not None else None)
    found = asyncio.run(doctor.examine())
    return Seen(found.exit_code, [{**asdict(row), "state": row.state.value} for row in found.findings])


def installed(alertmanager: Alertmanager, server: Prometheus) -> list[chart.Object]:
    """The whole chart for the ground's two tenants, as with the Prometheus Operator."""
    return chart.render(
        chart.values()
        | {
            "tenants": [{"name": name, "namespaces": [name]} for name in TENANTS],
            "witness": {"tls": chart.TLS},
            "prometheus": server.url,
            "alertmanagers": [alertmanager.url],
            "paging": {"drill": {"every": ""}},
            "monitor": {"enabled": True},
        }
    )


def scraping(sentinels: Mapping[str, Sentinel], witness: Witness, told: Sequence[str]) -> dict[str, Any]:
    made = prometheus.config({one.address: {"tenant": name} for name, one in sentinels.items()}, told)
    made["scrape_configs"].append({"job_name": ACCOUNT, "static_configs": [{"targets": [witness.address]}]})
    return made


def write_rules(folder: Path, objects: Sequence[chart.Object]) -> None:
    """What the operator would make of the PrometheusRules."""
    for one in chart.of_kind(objects, "PrometheusRule"):
        (folder / f"{one['metadata']['name']}.rules.yaml").write_text(json.dumps(one["spec"]))


def key_of(one: chart.Object) -> tuple[str, str, str]:
    return one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]


@contextmanager
def operators_kinds(ground: Ground) -> Iterator[list[chart.Object]]:
    """The two that the chart uses; every kind costs the API server a second."""
    definitions = [one for one in operator_crds.crds() if one["spec"]["names"]["plural"] in KINDS]
    ground.cluster.admin.apply(*definitions)
    eventually(lambda: all(is_served(ground, kind) for kind in KINDS), SOON, "they are served")
    yield definitions
    ground.cluster.admin.delete(*definitions)
    eventually(lambda: not any(is_served(ground, kind) for kind in KINDS), SOON, "they are gone")


def is_served(ground: Ground, kind: str) -> bool:
    return operator_crds.is_served(ground.cluster, kind)


@pytest.fixture(scope="module")
def street(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    admin = ground.cluster.admin
    with ExitStack() as stack:
        alertmanager = stack.enter_context(Alertmanager(config("http://127.0.0.1:9/")))
        good, ruleless, deaf = servers = (Prometheus({}), Prometheus({}), Prometheus({}))
        objects = installed(alertmanager, good)
        definitions = stack.enter_context(operators_kinds(ground))
        stack.callback(ground.install)
        there = {key_of(one) for one in ground.objects}
        stack.callback(admin.delete, *(one for one in objects if key_of(one) not in there))
        admin.apply(*objects)
        witness = stack.enter_context(Witness(ground.cluster, objects))
        sentinels = {
            name: stack.enter_context(under_witness(ground.cluster, objects, name, witness)) for name in TENANTS
        }
        folder = tmp_path_factory.mktemp("street")
        write_rules(folder, objects)
        good.configure(scraping(sentinels, witness, [alertmanager.address]), [f"{folder}/*.rules.yaml"])
        ruleless.configure(scraping(sentinels, witness, [alertmanager.address]))
        deaf.configure(scraping(sentinels, witness, []), [f"{folder}/*.rules.yaml"])
        for server in servers:
            stack.enter_context(server)
        made = Street(ground, folder, objects, definitions, sentinels, witness, alertmanager, good, ruleless, deaf)
        eventually(made.is_at_work, SOON, "each Prometheus scrapes, and tells")
        yield made


def is_scraping(server: Prometheus) -> bool:
    return [target["health"] for target in server.targets()] == ["up"] * 3


@pytest.mark.parametrize(("kubeconfig", "name"), [("of_admin", "admin"), ("of_certified", "sre")])
def test_an_sre_with_an_admin_kubeconfig_finds_everything_as_it_should_be(
    street: Street, kubeconfig: str, name: str
) -> None:
    seen = typed(street.witness.config_file, getattr(street, kubeconfig))

    assert (seen.code, seen.of(FAIL), seen.of(WARN), seen.of(LEFT_OUT)) == (0, {}, {}, {})
    ok = seen.of(OK)
    assert ok.keys() == {*EVERYWHERE, *ALERTING}
    assert ok["API server"] == f"knows us as {name}"
    assert ok["scrapes"] == "3 targets, one of each of 2 tenants"
    assert ok["Alertmanager"] == f"0.34.2 at {street.alertmanager.url}"


def test_the_witness_in_its_pod_finds_the_same(street: Street) -> None:
    seen = typed(street.witness.config_file, street.witness._environment())

    assert (seen.code, {*seen.of(OK)}) == (0, {*EVERYWHERE, *ALERTING}), seen.rows
    assert seen.of(OK)["API server"] == f"knows us as system:serviceaccount:{RELEASE}:{ACCOUNT}"


def test_with_a_tenants_own_kubeconfig_its_controls_are_looked_at_and_who_pages_but_no_border(street: Street) -> None:
    seen = street.by_tenant()

    assert (seen.code, seen.of(FAIL), seen.of(WARN)) == (0, {}, {}), seen.rows
    assert {"whoami (self)", "decoy (self)", "doors", "clock", "CRDs", *ALERTING} <= seen.of(OK).keys()
    assert "says nothing of a tenant's pod" in seen.of(LEFT_OUT)["no way to Alertmanager"]


def test_rules_that_prometheus_does_not_have_are_named_with_what_selects_them(street: Street) -> None:
    seen = street.by_admin(street.ruleless)

    assert (seen.code, {*seen.of(FAIL)}) == (1, {"rules"})
    assert "SentinelIsolationBreach" in seen.of(FAIL)["rules"]
    assert "ruleSelector" in seen.hint("rules")


def test_an_alertmanager_that_prometheus_does_not_post_to_is_named(street: Street) -> None:
    seen = street.by_admin(street.deaf)

    assert (seen.code, seen.of(FAIL)) == (1, {"Alertmanager": f"Prometheus does not post to {street.alertmanager.url}"})
    assert "alerting.alertmanagers" in seen.hint("Alertmanager")


def test_rights_that_the_chart_gives_are_missed_from_outside_too(street: Street) -> None:
    binding = next(one for one in street.objects if is_cluster_binding(one))
    admin = street.ground.cluster.admin
    admin.delete(binding)
    try:
        eventually(lambda: not street.may_list_roles(), SOON, "RBAC is seen")
        seen = street.by_admin()
    finally:
        admin.apply(binding)

    assert (seen.code, {*seen.of(FAIL)}) == (1, {"rights"})
    assert "may not get roles.rbac.authorization.k8s.io" in seen.of(FAIL)["rights"]


def test_a_sentinel_that_is_dead_is_the_sample_that_is_missing(street: Street) -> None:
    street.sentinels["team-b"].kill()
    eventually(lambda: not is_scraping(street.good), SOON, "the scrape fails")

    seen = street.by_admin()

    assert (seen.code, {*seen.of(FAIL)}) == (1, {"scrapes"})
    assert "no sample of team-b: " in seen.of(FAIL)["scrapes"]
    assert "PodMonitor" in seen.hint("scrapes")
    street.sentinels["team-b"].start()
    eventually(lambda: is_scraping(street.good), SOON, "it is scraped again")


def test_without_the_operators_kinds_that_is_said_with_what_to_install_instead(street: Street) -> None:
    street.without_kinds()

    seen = street.by_admin()

    assert (seen.code, {*seen.of(LEFT_OUT)}) == (0, {"CRDs"})
    assert "podmonitors.monitoring.coreos.com" in seen.of(LEFT_OUT)["CRDs"]
    assert "monitor.enabled: false" in seen.hint("CRDs")
