"""Helm's own install, upgrade and uninstall, against a real API server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import chart, operator_crds
from tests.support import manifests
from tests.support.controlplane import ADMIN, CONTROLLERS, ControlPlane

WHERE = ("--namespace", chart.RELEASE)


@pytest.fixture(scope="module")
def empty() -> Iterator[ControlPlane]:
    with ControlPlane(controllers=CONTROLLERS) as cluster:
        cluster.admin.apply(
            *(manifests.namespace(f"team-{n}") for n in range(1, 4)), manifests.namespace("team-2-jobs")
        )
        operator_crds.apply(cluster)
        yield cluster


@pytest.fixture
def kubeconfig(empty: ControlPlane, tmp_path: Path) -> tuple[str, str]:
    return "--kubeconfig", str(empty.kubeconfig(tmp_path / "kubeconfig", ADMIN))


def test_install_add_a_tenant_and_leave_nothing_behind(empty: ControlPlane, kubeconfig: tuple[str, str]) -> None:
    with chart.values_file(chart.values(2)) as file:
        said = chart.helm("install", "s", str(chart.CHART), *WHERE, *kubeconfig, "-f", file, "--create-namespace")
    assert "watches 2 tenant(s) of tests" in said
    assert "team-2  (sentinel in team-2; also team-2-jobs)" in said
    assert "get configmap sentinel-route" in said

    with chart.values_file(chart.values(3)) as file:
        chart.helm("upgrade", "s", str(chart.CHART), *WHERE, *kubeconfig, "-f", file)
    empty.account("team-3").must("GET", "/api/v1/namespaces/team-2")
    empty.account("team-1").must("GET", "/api/v1/namespaces/team-3")

    chart.helm("uninstall", "s", *WHERE, *kubeconfig)
    left = [f for f in chart.render(chart.values(3)) if empty.admin.exists(f)]
    assert not left


def test_what_is_risky_is_said_at_the_end(empty: ControlPlane, kubeconfig: tuple[str, str]) -> None:
    risky = chart.values(
        2, paging={"direct": True}, alertmanagers=["http://am:9093"], timeScale=0.5, monitor={"enabled": False}
    )

    with chart.values_file(risky) as file:
        said = chart.helm("install", "s", str(chart.CHART), *WHERE, *kubeconfig, "-f", file, "--dry-run=server")

    assert "WARNING: paging.direct is true" in said
    assert "WARNING: witness.enabled is false" in said
    assert "WARNING: timeScale is 0.5" in said
    assert "monitor.enabled is false: load these into Prometheus yourself" in said


def test_what_nobody_reads_yet_is_said_too(empty: ControlPlane, kubeconfig: tuple[str, str]) -> None:
    unused = chart.values(2, alertmanagers=["http://am:9093"], rules={"enabled": False})

    with chart.values_file(unused) as file:
        said = chart.helm("install", "s", str(chart.CHART), *WHERE, *kubeconfig, "-f", file, "--dry-run=server")

    assert "alertmanagers is set and unused" in said
    assert "WARNING: rules.enabled is false" in said
