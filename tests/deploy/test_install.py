"""Helm's own install, upgrade and uninstall, against a real API server."""

import base64
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


class Release:
    """`s`, as Helm has it."""

    def __init__(self, *where: str) -> None:
        self._where = (*WHERE, *where)

    def install(self, values: chart.Object, *more: str) -> str:
        return self._with(values, "install", "s", str(chart.CHART), "--create-namespace", *more)

    def upgrade(self, values: chart.Object) -> str:
        return self._with(values, "upgrade", "s", str(chart.CHART))

    def uninstall(self) -> None:
        chart.helm("uninstall", "s", *self._where)

    def _with(self, values: chart.Object, *words: str) -> str:
        with chart.values_file(values) as file:
            return chart.helm(*words, *self._where, "-f", file)


@pytest.fixture
def release(kubeconfig: tuple[str, str]) -> Release:
    return Release(*kubeconfig)


def plain(count: int, **more: Any) -> chart.Object:
    """Values as a user writes them: nothing is said of the witness, so it is there, with a certificate of its own."""
    values = chart.values(count, **more)
    if "witness" not in more:
        del values["witness"]
    return values


def test_install_add_a_tenant_and_leave_nothing_behind(empty: ControlPlane, release: Release) -> None:
    said = release.install(plain(2, alertmanagers=["http://am:9093"]))
    assert "watches 2 tenant(s) of tests" in said
    assert "team-2  (sentinel in team-2; also team-2-jobs)" in said
    assert "get configmap sentinel-route" in said
    assert "rollout status deployment/sentinel-witness" in said
    assert "WARNING" not in said
    assert "alertmanagers is empty" not in said

    release.upgrade(plain(3))
    empty.account("team-3").must("GET", "/api/v1/namespaces/team-2")
    empty.account("team-1").must("GET", "/api/v1/namespaces/team-3")
    witness = empty.account("sentinel-system", "sentinel-witness")
    witness.must("GET", "/api/v1/namespaces/team-3/configmaps/sentinel")

    release.uninstall()
    left = [f for f in chart.render(plain(3)) if empty.admin.exists(f)]
    assert not left


def generations(cluster: ControlPlane) -> dict[str, int]:
    """How often each Deployment was changed: a changed pod template is a restart."""
    found = cluster.admin.must("GET", "/apis/apps/v1/deployments")["items"]
    return {f"{f['metadata']['namespace']}/{f['metadata']['name']}": f["metadata"]["generation"] for f in found}


def test_a_new_tenant_restarts_nobody_and_the_certificate_stays(empty: ControlPlane, release: Release) -> None:
    release.install(plain(2))
    try:
        before, kept = generations(empty), certificate(empty)

        release.upgrade(plain(3))

        after = generations(empty)
        assert after.keys() - before.keys() == {"team-3/sentinel"}
        assert {name: after[name] for name in before} == before
        assert certificate(empty) == kept
        for home in ("team-1", "team-3"):
            assert authority(empty, home) == kept["ca.crt"].strip()
    finally:
        release.uninstall()


def certificate(cluster: ControlPlane) -> dict[str, str]:
    secret = cluster.admin.must("GET", "/api/v1/namespaces/sentinel-system/secrets/sentinel-witness-tls")
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


def authority(cluster: ControlPlane, home: str) -> str:
    """What this tenant's sentinel verifies the witness by."""
    config = cluster.admin.must("GET", f"/api/v1/namespaces/{home}/configmaps/sentinel")
    return str(config["data"]["ca.crt"]).strip()


def test_the_certificate_is_the_witnesss_by_that_authority_and_for_no_other_name(
    empty: ControlPlane, release: Release, tmp_path: Path
) -> None:
    release.install(plain(2))
    try:
        made, trusted = certificate(empty), authority(empty, "team-2")
    finally:
        release.uninstall()

    assert is_taken(made, trusted, "sentinel-witness.sentinel-system.svc", tmp_path)
    assert is_taken(made, trusted, "sentinel-witness.sentinel-system.svc.cluster.local", tmp_path)
    assert not is_taken(made, trusted, "sentinel-witness.elsewhere.svc", tmp_path)


def is_taken(made: dict[str, str], trusted: str, name: str, folder: Path) -> bool:
    """Whether a client that trusts this authority alone, and asks for this name, ends its handshake."""
    client = ssl.create_default_context(cadata=trusted)
    # What Python from 3.13 on asks for by itself.
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    for key in ("tls.crt", "tls.key"):
        (folder / key).write_text(made[key])
    server.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = client.wrap_bio(back, there, server_hostname=name), server.wrap_bio(there, back, server_side=True)
    try:
        return [ended(side) for _ in range(3) for side in sides][-2:] == [True, True]
    except ssl.SSLCertVerificationError:
        return False


def ended(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def test_a_release_can_be_given_a_witness_and_lose_it_again(empty: ControlPlane, release: Release) -> None:
    own = [f for f in chart.render(plain(2)) if "witness" in f["metadata"]["name"]]
    release.install(chart.values(2))
    try:
        assert not [f for f in own if empty.admin.exists(f)]

        release.upgrade(plain(2))
        assert all(empty.admin.exists(f) for f in own)
        assert authority(empty, "team-1")

        release.upgrade(chart.values(2))
        assert not [f for f in own if empty.admin.exists(f)]
        found = empty.admin.must("GET", "/api/v1/namespaces/team-1/configmaps/sentinel")["data"]
        assert found.keys() == {"sentinel.yaml"}
        assert "relay" not in found["sentinel.yaml"]
    finally:
        release.uninstall()


def test_somebody_elses_certificate_is_left_alone(empty: ControlPlane, release: Release) -> None:
    own = {"tls": chart.TLS}
    empty.admin.apply(manifests.namespace(chart.RELEASE))
    secret = manifests.secret(chart.RELEASE, "its-tls", **{"tls.crt": "theirs", "tls.key": "theirs"})
    empty.admin.apply(secret)

    release.install(plain(2, witness=own))
    try:
        assert authority(empty, "team-1") == chart.TLS["ca"].strip()
    finally:
        release.uninstall()
    assert empty.admin.exists(secret)


def test_an_id_outlives_an_upgrade(empty: ControlPlane, release: Release) -> None:
    def ids() -> set[str]:
        config = empty.admin.must("GET", "/api/v1/namespaces/team-1/configmaps/sentinel")["data"]["sentinel.yaml"]
        return set(re.findall(r"t-[0-9a-f]{8}", config))

    release.install(plain(2, disclosure="opaque"))
    try:
        before = ids()
        release.upgrade(plain(3, disclosure="opaque"))

        assert before < ids()
        assert len(before) == 1
    finally:
        release.uninstall()


def test_what_is_risky_is_said_at_the_end(release: Release) -> None:
    risky = chart.values(
        2, paging={"direct": True}, alertmanagers=["http://am:9093"], timeScale=0.5, monitor={"enabled": False}
    )

    said = release.install(risky, "--dry-run=server")

    assert "WARNING: paging.direct is true" in said
    assert "WARNING: witness.enabled is false" in said
    assert "WARNING: timeScale is 0.5" in said
    assert "monitor.enabled is false: load these into Prometheus yourself" in said


def test_what_nobody_reads_is_said_too(release: Release) -> None:
    unused = chart.values(2, alertmanagers=["http://am:9093"], rules={"enabled": False})

    said = release.install(unused, "--dry-run=server")

    assert "alertmanagers is set and unused" in said
    assert "WARNING: rules.enabled is false" in said
    assert "alertmanagers is empty: it has nobody to push to" in release.install(plain(2), "--dry-run=server")
