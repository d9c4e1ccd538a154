"""Two tenants, one of them watched by a real sentinel with a journal, on an API server that writes an audit log."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.deploy import chart
from tests.support import manifests
from tests.support.controlplane import ADMIN, CONTROLLERS, ControlPlane
from tests.support.eventually import eventually
from tests.support.manifests import rule
from tests.support.sentinels import COMMAND, Sentinel

USER = "system:serviceaccount:team-a:sentinel"
SECRETS = "/api/v1/namespaces/team-b/secrets"
READ = rule(["get", "list", "watch"], ["secrets"])
OMITTED = ["RequestReceived"]


class Place:
    """Two tenants, one of them watched by a real sentinel with a journal, and an API server that audits all."""

    def __init__(self, cluster: ControlPlane, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        self.audit_log, self.journal = folder / "audit.log", folder / "journal.jsonl"
        self.kubeconfig = cluster.kubeconfig(folder / "admin.yaml", ADMIN)
        self.sentinel: Sentinel

    def explain(self, *words: str, log: str = "", stdin: bytes | None = None) -> Any:
        words = (*words, "--user", USER, "--audit-log", log or str(self.audit_log), "-o", "json")
        return self.run(*words, "list", "secrets", "-n", "team-b", stdin=stdin)["cases"][0]["used"]

    def run(self, *words: str, stdin: bytes | None = None) -> Any:
        ended = subprocess.run(
            [COMMAND, "explain", "--kubeconfig", self.kubeconfig, *words],
            input=stdin, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert ended.stdout, ended.stderr
        return json.loads(ended.stdout)

    def events(self) -> list[Any]:
        return [json.loads(line) for line in self.audit_log.read_text().splitlines()]

    @contextlib.contextmanager
    def hole(self, *subjects: Any) -> Iterator[None]:
        objects = [manifests.role("team-b", "hole", READ), manifests.role_binding("team-b", "hole", *subjects)]
        self.cluster.admin.apply(*objects)
        try:
            yield
        finally:
            self.cluster.admin.delete(*objects)

    def asked(self, breached: bool) -> None:
        """Until the sentinel has asked, and written down that it did."""
        was = self.written()
        rounds = self.rounds()
        eventually(lambda: self.rounds() > rounds + 3 and self.written() > was and self.open() is breached, 60)

    def written(self) -> int:
        return self.journal.read_text().count('"event":"asked"')

    def rounds(self) -> int:
        return self.journal.read_text().count('"event":"round"')

    def open(self) -> bool:
        last = [row for row in self.journal.read_text().splitlines() if '"event":"round"' in row][-1]
        return bool(json.loads(last)["breaches"])


@contextlib.contextmanager
def audited(folder: Path) -> Iterator[Place]:
    """Running and proving while the `with` block lasts; everything in the name of the sentinel is in the log."""
    policy = folder / "policy.yaml"
    rules = [
        {"level": "Metadata", "users": [USER]},
        {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}]},
        {"level": "None"},
    ]
    content = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": OMITTED, "rules": rules}
    policy.write_text(yaml.safe_dump(content))
    flags: dict[str, str | None] = {
        "audit-policy-file": str(policy), "audit-log-path": str(folder / "audit.log"), "audit-log-mode": "blocking",
    }  # fmt: skip
    values = chart.values() | {
        "tenants": [{"name": name, "namespaces": [name]} for name in ("team-a", "team-b")],
        "timeScale": 0.05, "config": {"isolation": {"within": "20s", "sweep": "60s", "qps": 1000}}, "monitor": {"enabled": False},
    }  # fmt: skip
    with ControlPlane(controllers=CONTROLLERS, flags=flags) as cluster:
        made = Place(cluster, folder)
        objects = chart.render(values)
        cluster.admin.apply(*map(manifests.namespace, ("team-a", "team-b", "sentinel-system")))
        cluster.admin.apply(*objects, manifests.account("team-a", "other"), manifests.account("team-b", "app"))
        config = yaml.safe_load(chart.configuration(objects, "team-a")) | {"journal": {"path": str(made.journal)}}
        with Sentinel(cluster, config, namespace="team-a") as made.sentinel:
            eventually(
                lambda: made.journal.exists() and made.rounds() > 5, 60, lambda: made.sentinel.process.log_tail(5)
            )
            yield made
