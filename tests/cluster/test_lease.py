"""Several pods of one tenant at a real API server: one asks, and what its audit log shows is that never two do."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from sentinel.core.lease import LASTS, RETRY, STOPS
from tests.deploy import chart
from tests.support import manifests
from tests.support.controlplane import CONTROLLERS, ControlPlane
from tests.support.eventually import eventually
from tests.support.sentinels import Sentinel

USER = "system:serviceaccount:team-a:sentinel"
PROCESS = re.compile(r"sentinel-([0-9a-f]+)-\d+")
PATIENCE = 6 * LASTS
"""For a turn that should take a lease and a look, on a machine that may be busy."""


class Place:
    """One tenant with three pods, each with a token of its own, by the chart's own Role."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "audit.log"
        values = chart.values() | {
            "tenants": [{"name": name, "namespaces": [name]} for name in ("team-a", "team-b")],
            "kind": "DaemonSet",
            "witness": {"enabled": True},
            "network": {"enabled": True},
            "timeScale": 0.1,
            "monitor": {"enabled": False},
        }
        self.objects = chart.render(values)
        # The network's own is tested elsewhere, and three pods on one machine have one port.
        config = yaml.safe_load(chart.configuration(self.objects, "team-a"))
        config["network"] = config.get("network", {}) | {"enabled": False}
        config["paging"].pop("relay", None)
        self.config: dict[str, Any] = config

    def policy(self) -> dict[str, str | None]:
        file = self.folder / "policy.yaml"
        rules = [{"level": "Metadata", "users": [USER]}, {"level": "None"}]
        content = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}
        file.write_text(yaml.safe_dump(content | {"omitStages": ["ResponseComplete", "ResponseStarted"]}))
        return {"audit-policy-file": str(file), "audit-log-path": str(self.log), "audit-log-mode": "blocking"}

    def asked(self) -> dict[str, list[float]]:
        """When each process asked anything but its Lease, by the API server's own clock."""
        found: dict[str, list[float]] = {}
        for line in self.log.read_text().splitlines():
            event = json.loads(line)
            process = PROCESS.fullmatch(event["auditID"])
            if process and "/leases/" not in event["requestURI"]:
                at = datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp()
                found.setdefault(process[1], []).append(at)
        return found

    def turns(self) -> list[tuple[str, float, float]]:
        """Who asked from when to when, in order."""
        events = sorted((at, who) for who, moments in self.asked().items() for at in moments)
        found: list[tuple[str, float, float]] = []
        for at, who in events:
            if found and found[-1][0] == who:
                found[-1] = (who, found[-1][1], at)
            else:
                found.append((who, at, at))
        return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Place, list[Sentinel]]]:
    made = Place(tmp_path)
    with ControlPlane(controllers=CONTROLLERS, flags=made.policy()) as cluster:
        cluster.admin.apply(*map(manifests.namespace, ("team-a", "team-b", "sentinel-system")))
        cluster.admin.apply(*made.objects)
        pods = [Sentinel(cluster, made.config, namespace="team-a", env={"HOSTNAME": f"pod-{n}"}) for n in range(3)]
        try:
            for pod in pods:
                pod.start()
            for pod in pods:
                pod.wait_up(60)
            yield made, pods
        finally:
            for pod in pods:
                if pod.child:
                    pod.child.resume()
                pod.__exit__(None, None, None)


def holders(pods: list[Sentinel]) -> list[Sentinel]:
    found = []
    for pod in pods:
        try:
            held = pod.metrics().value("sentinel_lease_since_timestamp_seconds") > 0
        except (OSError, KeyError):
            continue
        found += [pod] if held else []
    return found


def settled(pods: list[Sentinel], *, but: Sentinel | None = None) -> Sentinel:
    """The one that holds it and has finished a round."""
    others = [pod for pod in pods if pod is not but]

    def asks() -> bool:
        held = holders(others)
        return len(held) == 1 and held[0].metrics().value("sentinel_round_timestamp_seconds") > 0

    eventually(asks, PATIENCE, lambda: "\n".join(pod.process.log_tail(5) for pod in others))
    (found,) = holders(others)
    return found


def test_one_asks_and_the_others_stand_by_ready_and_say_nothing(place: tuple[Place, list[Sentinel]]) -> None:
    made, pods = place
    first = settled(pods)
    standing = [pod for pod in pods if pod is not first]

    first.wait_ready(60)

    assert len(made.asked()) == 1
    for pod in standing:
        metrics = pod.metrics()
        assert pod.is_ready() and pod.get("/healthz")[0] == 200
        assert not metrics.all("sentinel_oldest_proof_timestamp_seconds")
        assert not metrics.all("sentinel_inconclusive")
        assert not metrics.all("sentinel_breach_since_timestamp_seconds")
    assert first.metrics().all("sentinel_oldest_proof_timestamp_seconds")


def test_when_the_holder_is_killed_another_begins_and_proves_from_nothing(place: tuple[Place, list[Sentinel]]) -> None:
    made, pods = place
    first = settled(pods)
    first.wait_ready(60)

    first.kill()
    second = settled(pods, but=first)

    began = second.metrics().value("sentinel_lease_since_timestamp_seconds")
    proofs = second.metrics().all("sentinel_oldest_proof_timestamp_seconds").values()
    assert proofs and min(proofs) >= began - 1
    second.wait_ready(60)
    turns = made.turns()
    assert len(turns) == 2 and turns[1][1] - turns[0][2] >= LASTS - STOPS - RETRY


def test_a_paused_holder_asks_nothing_more_once_another_has_begun(place: tuple[Place, list[Sentinel]]) -> None:
    made, pods = place
    first = settled(pods)
    first.process.pause()
    second = settled(pods, but=first)

    first.process.resume()
    eventually(lambda: bool(first.log_lines(event="lease.lost")), PATIENCE, first.process.log_tail)
    eventually(lambda: second.metrics().value("sentinel_round_timestamp_seconds") > made.turns()[-1][1] + 5, PATIENCE)

    assert len(made.turns()) == 2, made.turns()
    assert holders(pods) == [second]
    assert not first.metrics().all("sentinel_oldest_proof_timestamp_seconds")


def test_who_ends_in_order_leaves_it_to_the_next_at_once(place: tuple[Place, list[Sentinel]]) -> None:
    made, pods = place
    first = settled(pods)

    first.stop()
    settled(pods, but=first)

    turns = made.turns()
    assert len(turns) == 2
    lease = next(one for one in made.objects if one["kind"] == "Lease" and one["metadata"]["namespace"] == "team-a")
    assert lease["metadata"]["name"] == "sentinel" and "spec" not in lease
