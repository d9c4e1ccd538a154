"""The witness on a real API server: what it sees by itself, with tokens of every account it was given."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.cluster.town import SETTLED, proves_everything
from tests.cluster.witnessed import Witness, under_witness
from tests.core.paging.stack import Stack
from tests.deploy import chart
from tests.paging import impostor
from tests.paging.impostor import Impostor
from tests.support import manifests
from tests.support.alertmanager import Alertmanager
from tests.support.controlplane import CONTROLLERS, ControlPlane
from tests.support.eventually import eventually
from tests.support.sentinels import COMMAND, Sentinel
from tests.support.webhook import Webhook

READS = manifests.rule(["get", "list"], ["secrets"])
SINCE = "sentinel_witness_breach_since_timestamp_seconds"


@dataclass
class Scene:
    cluster: ControlPlane
    objects: list[chart.Object]
    witness: Witness
    tenant: Sentinel
    pages: Webhook


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """Two tenants, one of them in two namespaces, with further accounts; rounds of half a second."""
    with ExitStack() as stack:
        pages = stack.enter_context(Webhook())
        route = {"receiver": "all", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
        receivers = [{"name": "all", "webhook_configs": [{"url": pages.url, "send_resolved": True}]}]
        manager = stack.enter_context(Alertmanager({"route": route, "receivers": receivers}))
        monitoring = Stack()
        monitoring.told = [f"{manager.url}/api/v2/alerts"]
        prometheus = stack.enter_context(Impostor(impostor.prometheus(monitoring)))
        cluster = stack.enter_context(ControlPlane(controllers=CONTROLLERS))
        tenants = [
            {
                "name": "team-a",
                "namespaces": ["team-a"],
                "accounts": ["default", "builder"],
                "groups": ["oidc:developers"],
            },
            {"name": "team-b", "namespaces": ["team-b", "team-b-jobs"], "accounts": ["default", "team-b-jobs/runner"]},
        ]
        values = {
            "tenants": tenants,
            "timeScale": 0.1,
            "config": {"isolation": {"sweep": "200s", "qps": 5000}},
            "monitor": {"enabled": False},
            "alertmanagers": [manager.url],
            "prometheus": prometheus.url,
            # Nothing here tells Prometheus about the witness: the drill would be lost, and that pages.
            "paging": {"drill": {"every": ""}},
            "witness": {"enabled": True},
        }
        objects = chart.render(chart.values() | values)
        spaces = ("sentinel-system", "team-a", "team-b", "team-b-jobs")
        cluster.admin.apply(*(manifests.namespace(name) for name in spaces))
        cluster.admin.apply(manifests.account("team-a", "builder"), manifests.account("team-b-jobs", "runner"))
        cluster.admin.apply(*objects)
        witness = Witness(cluster, objects)
        witness._env["SENTINEL__JOURNAL__PATH"] = str(witness.folder / "journal.jsonl")
        stack.enter_context(witness)
        tenant = stack.enter_context(under_witness(cluster, objects, "team-a", witness))
        witness.wait_up()
        tenant.wait_up()
        yield Scene(cluster, objects, witness, tenant, pages)


def proven(witness: Witness) -> bool:
    seen = witness.metrics()
    cover = seen.all("sentinel_witness_coverage_ratio")
    return len(cover) == 2 and set(cover.values()) == {1.0} and not seen.sum("sentinel_witness_inconclusive")


def story(witness: Witness) -> str:
    seen = witness.metrics()
    open_ = [key for key, value in seen.all("sentinel_witness_inconclusive").items() if value]
    return f"{witness.get('/readyz')} {open_} {witness.process.log_tail(15)}"


def test_every_account_of_every_tenant_is_proven_by_the_witness_itself(scene: Scene) -> None:
    eventually(lambda: proven(scene.witness), SETTLED, lambda: story(scene.witness))

    status = scene.witness.console("/api/v1/status?tenant=team-b")

    asked = {row["identity"] for row in status["standings"]}
    assert asked == {"self", "anonymous", "default", "team-b-jobs/runner"}
    assert {row["verdict"] for row in status["standings"]} == {"held"}


def opened(witness: Witness, **labels: str) -> dict[frozenset[tuple[str, str]], float]:
    return {key: since for key, since in witness.metrics().all(SINCE, **labels).items() if since}


def settle(scene: Scene) -> None:
    """Everything is proven by both, and whatever was paged is over: a page that stands rings no second time."""

    def is_quiet() -> bool:
        last = {found.body["groupKey"]: found.status for found in scene.pages.deliveries}
        return proven(scene.witness) and proves_everything(scene.tenant) and set(last.values()) <= {"resolved"}

    eventually(is_quiet, SETTLED, lambda: told(scene))
    scene.pages.clear()


def shut(witness: Witness, **labels: str) -> bool:
    """Proven so: a 0, and not merely no value."""
    return list(witness.metrics().all(SINCE, **labels).values()) == [0]


def paged(scene: Scene, **labels: str) -> bool:
    return any(found.status == "firing" and found.alerts(**labels) for found in scene.pages.deliveries)


@pytest.mark.parametrize(
    ("subject", "identity", "account"),
    [
        ("team-a", "self", manifests.of_account("team-a", "sentinel")),
        ("team-a", "default", manifests.of_account("team-a", "default")),
        ("team-b", "team-b-jobs/runner", manifests.of_account("team-b-jobs", "runner")),
    ],
)
def test_a_hole_for_any_account_is_a_page_with_its_cause_and_is_closed_by_proof(
    scene: Scene, subject: str, identity: str, account: chart.Object
) -> None:
    settle(scene)
    target = "team-b" if subject == "team-a" else "team-a"
    labels = {"check": "api/secrets", "identity": identity, "target": target}

    hole = manifests.grant(target, "hole", account, READS)
    scene.cluster.admin.apply(*hole)
    try:
        eventually(lambda: opened(scene.witness, subject=subject, **labels), SETTLED, lambda: story(scene.witness))
        eventually(lambda: paged(scene, tenant=subject, **labels), SETTLED, lambda: str(scene.pages.summary()))
        others = [dict(key)["subject"] for key in opened(scene.witness) if dict(key)["subject"] != subject]
    finally:
        scene.cluster.admin.delete(*hole)
    eventually(lambda: shut(scene.witness, subject=subject, **labels), SETTLED, lambda: story(scene.witness))

    first = next(d for d in scene.pages.deliveries if d.alerts(**labels)).alerts(**labels)[0]
    assert first["labels"]["path"] == "push"
    assert f'RoleBinding "hole/{target}"' in first["annotations"]["description"]
    assert others == []


def test_it_works_out_how_long_a_page_takes_from_what_runs(scene: Scene) -> None:
    def worst(path: str) -> float | None:
        labels = {"alert": "SentinelIsolationBreach", "path": path}
        return scene.witness.metrics().value("sentinel_page_worst_case_seconds", **labels)

    # The real Alertmanager's group_interval, its answer, its pause; by rule Prometheus' timers as well.
    eventually(lambda: worst("push") == 1 + 1 + 9, SETTLED, lambda: f"{worst('push')}")
    assert worst("rule") == 11 + 10 + 5 + 10 + 25


def test_an_account_that_nobody_asks_with_is_counted(scene: Scene) -> None:
    settle(scene)

    assert scene.witness.metrics().value("sentinel_accounts_unwatched", subject="team-a") == 0
    assert scene.witness.metrics().value("sentinel_accounts_unwatched", subject="team-b") == 1  # default of -jobs


def test_a_binding_is_looked_at_because_the_watch_told_and_not_because_a_round_was_due(scene: Scene) -> None:
    settle(scene)
    before = {name: glances(scene, name) for name in ("team-a", "team-b")}
    events = scene.witness.metrics().value("sentinel_watch_events_total", kind="rolebindings")

    hole = manifests.grant("team-b", "told", manifests.of_account("team-a"), READS)
    scene.cluster.admin.apply(*hole)
    try:
        eventually(lambda: opened(scene.witness, identity="self", target="team-b"), SETTLED)
        eventually(lambda: glances(scene, "team-a") > before["team-a"], SETTLED)
    finally:
        scene.cluster.admin.delete(*hole)
    eventually(lambda: not opened(scene.witness), SETTLED, lambda: story(scene.witness))

    seen = scene.witness.metrics()
    assert glances(scene, "team-b") == before["team-b"], "whom it does not concern is not asked about"
    assert seen.value("sentinel_watch_events_total", kind="rolebindings") >= events + 2
    assert set(seen.all("sentinel_watch_up").values()) == {1}


def glances(scene: Scene, subject: str) -> float:
    return scene.witness.metrics().sum("sentinel_witness_glances_total", subject=subject)


def test_nobody_at_all_is_asked_as_too_when_a_binding_names_them(scene: Scene) -> None:
    """No rules review tells what is granted to who has no token; the watched objects do."""
    settle(scene)
    patch = manifests.rule(["patch"], ["services"])
    hole = manifests.grant("team-b", "nobody", manifests.of_group("system:unauthenticated"), patch)

    scene.cluster.admin.apply(*hole)
    try:
        labels = {"identity": "anonymous", "target": "team-b", "check": "api/escalation"}
        eventually(lambda: opened(scene.witness, **labels), SETTLED, lambda: story(scene.witness))
    finally:
        scene.cluster.admin.delete(*hole)
    eventually(lambda: not opened(scene.witness), SETTLED, lambda: story(scene.witness))


def test_a_tenant_hands_in_its_page_and_it_ends_only_when_the_witness_agrees(scene: Scene) -> None:
    settle(scene)
    labels = {"tenant": "team-a", "identity": "self", "target": "team-b", "check": "api/secrets"}

    hole = manifests.grant("team-b", "told", manifests.of_account("team-a"), READS)
    scene.cluster.admin.apply(*hole)
    try:
        eventually(lambda: paged(scene, **labels), SETTLED, lambda: told(scene))
        accepted = {"subject": "team-a", "result": "accepted"}
        eventually(
            lambda: scene.witness.metrics().value("sentinel_relay_alerts_total", **accepted) >= 1,
            SETTLED,
            lambda: told(scene),
        )
    finally:
        scene.cluster.admin.delete(*hole)
    eventually(lambda: resolved(scene, **labels), SETTLED, lambda: told(scene))

    assert scene.tenant.metrics().value("sentinel_page_pushes_total", result="accepted") >= 1
    assert scene.tenant.metrics().value("sentinel_page_pushes_total", result="refused") == 0
    assert all(found.alerts()[0]["labels"]["tenant"] == "team-a" for found in scene.pages.deliveries)


def test_a_tenant_is_told_where_to_look_and_looks_before_its_round_is_due(scene: Scene) -> None:
    settle(scene)
    before = scene.witness.metrics().value("sentinel_hints_total", subject="team-a")

    hole = manifests.grant("team-b", "hinted", manifests.of_account("team-a"), READS)
    scene.cluster.admin.apply(*hole)
    try:
        eventually(lambda: scene.witness.metrics().value("sentinel_hints_total", subject="team-a") > before, SETTLED)
    finally:
        scene.cluster.admin.delete(*hole)
    eventually(lambda: proven(scene.witness) and proves_everything(scene.tenant), SETTLED, lambda: told(scene))


def told(scene: Scene) -> str:
    return f"{story(scene.witness)}\ntenant: {scene.tenant.get('/readyz')} {scene.tenant.process.log_tail(10)}"


def resolved(scene: Scene, **labels: str) -> bool:
    return any(found.status == "resolved" and found.alerts(**labels) for found in scene.pages.deliveries)


def test_a_group_of_people_is_a_breach_by_the_words_of_a_review_and_says_so(scene: Scene) -> None:
    settle(scene)
    labels = {"identity": "group:oidc:developers", "target": "team-b", "check": "api/secrets"}
    hole = manifests.grant("team-b", "people", manifests.of_group("oidc:developers"), READS)

    scene.cluster.admin.apply(*hole)
    try:
        eventually(lambda: opened(scene.witness, subject="team-a", **labels), SETTLED, lambda: story(scene.witness))
        eventually(lambda: paged(scene, tenant="team-a", **labels), SETTLED, lambda: str(scene.pages.summary()))
        rows = scene.witness.console("/api/v1/breaches?tenant=team-a/people")
    finally:
        scene.cluster.admin.delete(*hole)
    eventually(lambda: shut(scene.witness, subject="team-a", **labels), SETTLED, lambda: story(scene.witness))

    assert {row["reason"] for row in rows if row["active"]} == {"review"}


def test_what_it_saw_is_in_its_journal_for_an_auditor(scene: Scene) -> None:
    """The last one: of all that the tests before did."""
    scene.witness.stop()
    journal, heads = scene.witness.folder / "journal.jsonl", scene.witness.process.log
    said = [
        json.loads(subprocess.run([COMMAND, "report", *words, "--journal", journal, "-o", "json"],
                                  capture_output=True, timeout=60, check=False).stdout)
        for words in (["verify", "--anchors", heads], ["--since", "1h"])
    ]  # fmt: skip
    (verified,), seen = said[0]["journals"], said[1]

    assert (verified["standing"], verified["anchored"]) == ("ok", verified["last"])
    proven = {(pair["tenant"], pair["target"]): pair["proofs"] for pair in seen["pairs"]}
    assert min(proven["team-a", "team-b"], proven["team-b", "team-a"], proven["team-a/people", "team-b"]) > 0
    paged = {found["identity"] for found in seen["breaches"] if found["to_page_seconds"] is not None}
    assert {"self", "default", "team-b-jobs/runner", "group:oidc:developers"} <= paged
    assert {found["ending"] for found in seen["breaches"]} == {"closed"}
