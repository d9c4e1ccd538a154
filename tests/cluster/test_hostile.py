"""A developer of team-a, with the stock ClusterRole `edit` there, turns against the monitor. Each attempt fails.

He may edit and stop its sentinel, act as its account, read and mount whatever lies in the namespace,
and write what he likes there. He must not be able to hide a breach of team-a, to page about team-b, to
silence, to send anybody to an address of his choice, to learn others' names under `opaque`, to take the
relay from the others, or to find a credential that opens anything.
"""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.cluster.fort import AUDIENCE, ROUND, Fort
from tests.cluster.town import SETTLED
from tests.deploy import chart
from tests.support import manifests
from tests.support.apiclient import ApiClient, Reply
from tests.support.eventually import eventually

BREACH = "SentinelIsolationBreach"
PAGED = 30.0
STANDS = 3 * ROUND
"""Seconds for which a page is watched after an attempt: a few rounds, scrapes and evaluations of the rules."""
LOOK = 0.1
READS = manifests.rule(["get", "list", "watch"], ["secrets"])
OURS = {"alertname": BREACH, "tenant": "team-a", "target": "team-b", "check": "api/secrets", "identity": "self"}
CONFIG = manifests.config_map("team-a", "sentinel")
MERGE = "application/merge-patch+json"


@pytest.fixture(scope="module")
def fort() -> Iterator[Fort]:
    with Fort() as built:
        yield built


@pytest.fixture
def calm(fort: Fort) -> Iterator[Fort]:
    """The fort when everything is proven and nothing pages; mended when the test is over."""
    fort.settle()
    yield fort
    fort.restore()


def hole(tenant: str = "team-a", target: str = "team-b") -> list[chart.Object]:
    return manifests.grant(target, "hole", manifests.of_account(tenant), READS)


# To hide a breach.


def rewrites_the_configuration(fort: Fort) -> None:
    """The target is nobody's any more, and whoever looks finds a valid file."""
    text = chart.configuration(fort.objects, "team-a").replace("team-b", "team-c")
    fort.developer.patch(CONFIG, {"data": {"sentinel.yaml": text}})
    fort.mount()


def breaks_the_configuration(fort: Fort) -> None:
    fort.developer.patch(CONFIG, {"data": {"sentinel.yaml": "{]\x00" * 1000}})
    fort.mount()


def stops_it(fort: Fort) -> None:
    deployment = chart.one(fort.objects, "Deployment", "sentinel", "team-a")
    fort.developer.patch(deployment, {"spec": {"replicas": 0}})
    fort.sentinels["team-a"].stop()
    fort.discover(team_a="")


def deletes_its_account(fort: Fort) -> None:
    fort.developer.delete(manifests.account("team-a"))


def says_that_it_is_over(fort: Fort) -> None:
    assert push(fort, stolen_relay_token(fort), alert(over=True)).status == 200


def deletes_its_beacon(fort: Fort) -> None:
    fort.developer.delete(
        manifests.secret("team-a", "sentinel-beacon"), manifests.config_map("team-a", "sentinel-beacon")
    )


ATTEMPTS = (
    rewrites_the_configuration,
    breaks_the_configuration,
    deletes_its_beacon,
    says_that_it_is_over,
    stops_it,
    says_that_it_is_over,  # and nobody contradicts him
    deletes_its_account,
)


def test_a_breach_that_was_paged_is_not_hidden(calm: Fort) -> None:
    """Each of these alone, and all of them together."""
    with calm.hole(*hole()):
        paged_twice(calm)
        for attempt in ATTEMPTS:
            attempt(calm)
            must_stand(calm, STANDS, attempt.__name__)
        # A deleted account's token is good for ten seconds more, and what is denied to it is denied.
        eventually(lambda: is_blind_about_team_a(calm), SETTLED, calm.story)
    # Longer than an end is held back for the rule's.
    must_stand(calm, 3 * STANDS, "without its account the witness cannot prove anything shut")
    calm.restore()
    eventually(lambda: not calm.firing(BREACH), SETTLED, calm.story)


def test_a_breach_is_not_hidden_by_one_who_says_that_all_is_well(calm: Fort) -> None:
    """Neither when it opens nor afterwards, nor when nobody can look; the witness's proof ends it, whatever is said."""
    calm.sentinels["team-a"].stop()
    with impostor(all_is_well) as pod:
        calm.discover(team_a=pod.address)
        eventually(lambda: pod.scrapes > 3, SETTLED, "the impostor is scraped")
        with calm.hole(*hole()):
            paged_twice(calm)
            must_stand(calm, 2 * STANDS, "the tenant's word closes nothing")
            deletes_its_account(calm)
            eventually(lambda: is_blind_about_team_a(calm), SETTLED, calm.story)
            must_stand(calm, STANDS, "neither where the witness cannot look")
            # Rolled out anew it knows of nothing, and pushes nothing: then there is the tenant's word alone.
            calm.witness.kill()
            calm.witness.start()
            calm.witness.wait_up(SETTLED)
            eventually(lambda: is_blind_about_team_a(calm), SETTLED, calm.story)
            until = time.monotonic() + 2 * STANDS
            while time.monotonic() < until:
                assert calm.firing(BREACH, **OURS), "the rule took the tenant's word"
                time.sleep(LOOK)
        calm.cluster.admin.apply(*calm.objects)
        eventually(lambda: not calm.firing(BREACH), SETTLED, calm.story)


# To page about somebody else, and to silence.


def test_a_push_is_about_its_own_tenant_only_and_what_is_made_up_is_refuted(calm: Fort) -> None:
    token = stolen_relay_token(calm)
    made_up = [
        alert(tenant="team-b", target="team-a"),
        alert(tenant="team-b", cluster="prod", namespace="x", severity="none", path="rule"),
        alert(alertname="Watchdog"),
        alert(alertname="SentinelWitnessDown"),
        alert(check="api/imagined"),
        alert(target="team-z"),
        alert(identity="self\nteam-b"),
        alert(instance="10.0.0.1"),
        [],
        "alert",
    ]

    answers = [push(calm, token, one) for one in made_up]
    seen: list[Any] = []
    until = time.monotonic() + STANDS
    while time.monotonic() < until:
        seen += [found["labels"] for found in calm.alertmanager.alerts()]
        time.sleep(LOOK)

    assert [answer.status for answer in answers] == [200] * len(made_up)
    taken = [answer.json["accepted"] for answer in answers]
    assert taken == [0, 1, *[0] * 8], "only what is about its own tenant and a target that it asks about"
    assert [len(answer.json["refused"]) for answer in answers] == [1, 0, *[1] * 8]
    names = {(found["alertname"], found.get("tenant")) for found in seen if found["severity"] == "critical"}
    assert names <= {(BREACH, "team-a")}
    assert not {found["alertname"] for found in seen} & {"Watchdog", "SentinelWitnessDown"}
    assert {(f["severity"], f["cluster"], f["namespace"]) for f in seen if f["alertname"] == BREACH} <= {
        ("critical", "tests", "sentinel-system")
    }
    eventually(lambda: not calm.paging(), SETTLED, calm.story)


def test_what_a_push_says_is_text_and_no_link(fort: Fort) -> None:
    token = stolen_relay_token(fort)
    lure = "https://evil.example.com/login"
    told = {"runbook_url": lure, "dashboard_url": lure, "owner": lure, "contact": lure, "generatorURL": lure}
    made = alert() | {"annotations": told | {"description": f"see\n{lure}"}}
    plain = alert() | {"annotations": told | {"description": "x" * 100_000}}

    linked = push(fort, token, made | {"generatorURL": lure})
    assert linked.json["accepted"] == 0, "a link beside the texts is no part of an alert of ours"
    assert push(fort, token, made).json["accepted"] == 1
    # Its text is passed on before the next push writes another one over it.
    seen = eventually(lambda: saying(fort, "see"), SETTLED, "it was passed on")
    push(fort, token, plain)
    until = time.monotonic() + 4 * ROUND
    while time.monotonic() < until:
        seen += fort.alertmanager.alerts(alertname=BREACH)
        time.sleep(LOOK)

    links = [
        (a.get("generatorURL", ""), a["annotations"].get("runbook_url", ""), a["annotations"].get("owner"))
        for a in seen
    ]
    assert not [found for found in links if any(lure in str(word) for word in found)]
    assert not [a for a in seen if lure in json.dumps(a)], "a second line looks like a command of ours"
    assert all(len(text) < 10_000 for a in seen for text in a["annotations"].values())


def saying(fort: Fort, word: str) -> list[Any]:
    """The breaches at Alertmanager whose text has this word."""
    found = fort.alertmanager.alerts(alertname=BREACH)
    return [alert for alert in found if word in alert["annotations"]["description"].split()]


@pytest.mark.parametrize(
    "path", ["/api/v2/silences", "/api/v2/silence/x", "/api/v2/status", "/metrics", "/", "/-/reload"]
)
def test_the_relay_is_no_alertmanager(fort: Fort, path: str) -> None:
    caller = fort.at_relay(stolen_relay_token(fort))
    ends = datetime.now(UTC).isoformat()
    silence = {"matchers": [{"name": "alertname", "value": ".*", "isRegex": True}], "endsAt": ends, "comment": "x"}

    answers = [
        caller.request(method, path, body) for method, body in (("GET", None), ("POST", silence), ("DELETE", None))
    ]

    assert [answer.status for answer in answers] == [404, 404, 404]
    assert fort.alertmanager.get("/api/v2/silences") == []


def test_only_tenants_sentinels_are_heard(fort: Fort) -> None:
    """Forged, foreign, expired, for another audience, or nobody's: a refusal each, and nothing is passed on."""
    cluster = fort.cluster
    uid = cluster.admin.must("GET", "/api/v1/namespaces/team-a/serviceaccounts/sentinel")["metadata"]["uid"]
    expired = cluster.account_key.claims("team-a", "sentinel", uid, -3600) | {"aud": [AUDIENCE]}
    tokens = {
        "nobody's": (None, 401),
        "garbage": ("x.y.z", 401),
        "for the API server": (cluster.token_for("team-a"), 401),
        "expired": (cluster.sign(expired), 401),
        "of the developer": (cluster.token_for("team-a", "developer", audiences=[AUDIENCE]), 403),
        "of another account of that name": (cluster.token_for("team-a", "default", audiences=[AUDIENCE]), 403),
    }

    said = {name: push(fort, token, alert(identity="stranger")).status for name, (token, _) in tokens.items()}

    assert said == {name: wanted for name, (_, wanted) in tokens.items()}
    assert not fort.alertmanager.alerts(alertname=BREACH, identity="stranger")


# To take the relay from the others.


def test_a_flood_is_at_the_cost_of_who_makes_it(calm: Fort) -> None:
    token = stolen_relay_token(calm)
    many = [alert(identity=f"flood-{number}") for number in range(400)]
    before = calm.witness.process.resident_mib()
    answers: list[Reply] = []

    with flood(lambda: answers.append(push(calm, token, *many))), flood(lambda: answers.append(push(calm, "x", *many))):
        eventually(lambda: any(answer.status == 429 for answer in answers), PAGED, "somebody is throttled")
        with calm.hole(*hole("team-b", "team-a")):
            eventually(
                lambda: calm.alertmanager.alerts(alertname=BREACH, tenant="team-b", path="push"), PAGED, calm.story
            )
            eventually(lambda: calm.firing(BREACH, tenant="team-b"), PAGED, calm.story)

    assert {answer.status for answer in answers} <= {200, 401, 429}
    assert all("retry-after" in answer.headers for answer in answers if answer.status == 429)
    assert calm.witness.process.resident_mib() < before + 40
    eventually(lambda: not calm.paging(), SETTLED, calm.story)


def test_connections_that_say_nothing_keep_nobody_out(calm: Fort) -> None:
    host, _, where = calm.witness.relay.partition(":")
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(socket.create_connection((host, int(where))))
        with calm.hole(*hole("team-b", "team-a")):
            eventually(
                lambda: calm.alertmanager.alerts(alertname=BREACH, tenant="team-b", path="push"), PAGED, calm.story
            )


# To send somebody to an address of his choice.


def test_nobody_goes_to_an_address_that_a_tenant_has_written(calm: Fort) -> None:
    """Annotations, Leases, ConfigMaps, Services: the witness and the other tenants ask the API server and nobody else."""
    calm.sentinels["team-a"].stop()  # it is the developer's own, and goes where he sends it
    with lure() as trap:
        url = f"http://127.0.0.1:{trap.port}/"
        written = [calm.developer.request("PATCH", path, body, {"Content-Type": MERGE}) for path, body in lures(url)]
        made = [calm.developer.apply(found) for found in objects_with(url, trap.port)]
        rounds = {name: rounds_of(calm, name) for name in ("witness", "team-b")}
        eventually(lambda: all(rounds_of(calm, name) > seen + 8 for name, seen in rounds.items()), SETTLED, calm.story)
        calm.developer.delete(*(found for found in objects_with(url, trap.port)))

        assert trap.calls == 0
    assert [answer.status for answer in written] == [200] * len(written)
    assert made


def test_nonsense_of_a_tenant_costs_the_witness_nothing(calm: Fort) -> None:
    before = calm.witness.process.resident_mib()
    nonsense = "\u202e\x7f{{ $labels }}" + "\n- " * 300_000
    calm.developer.patch(CONFIG, {"data": {"sentinel.yaml": nonsense[:900_000]}})
    rules = [manifests.rule(["*"], [f"x{number}"], groups=[f"g{number}"]) for number in range(500)]
    roles = [manifests.role("team-a", f"nonsense-{number}", *rules) for number in range(5)]
    calm.cluster.admin.apply(*roles)
    try:
        seen = rounds_of(calm, "witness")
        eventually(lambda: rounds_of(calm, "witness") > seen + 8, SETTLED, calm.story)
        covered = calm.witness.metrics().all("sentinel_witness_coverage_ratio")
    finally:
        calm.cluster.admin.delete(*roles)

    assert set(covered.values()) == {1.0}
    assert calm.witness.process.resident_mib() < before + 40


# To learn names.


def test_under_opaque_nothing_that_a_developer_may_read_names_another_tenant(fort: Fort) -> None:
    plain = everything_readable(fort)
    own = fort.sentinels["team-a"]
    with fort.rendered(disclosure="opaque"):
        # What it was told before, it may remember: this is about what it is told now.
        own.stop()
        own.process.log.write_text("")
        own.start()
        eventually(lambda: restarted_as_opaque(fort), SETTLED, fort.story)
        opaque = everything_readable(fort)

    names = ("team-b", "owner of team-b")
    assert any("team-b" in text for text in plain.values()), "this would find it"
    found = {where: [name for name in names if name in text] for where, text in opaque.items()}
    assert not {where: seen for where, seen in found.items() if seen}


# To steal a credential.


def test_what_the_sentinel_may_is_this_and_no_more(fort: Fort) -> None:
    stolen = ApiClient(fort.cluster.url, fort.cluster.ca_file, stolen_token(fort))

    assert rights(stolen, "team-a") == {
        "get namespaces/team-a",
        "get secrets/sentinel-beacon",
        "get configmaps/sentinel-beacon",
    }
    assert rights(stolen, "team-b") == {"get namespaces/team-b"}
    assert rights(stolen, "kube-system") == {"get namespaces/kube-system"}
    assert rights(stolen, "sentinel-system") == {"get namespaces/sentinel-system", "get secrets/sentinel-decoy"}
    assert rights(stolen, "default") == rights(stolen, "nowhere") == set()


def test_the_token_for_the_relay_opens_nothing_else(fort: Fort) -> None:
    for path in ("/version", "/api/v1/namespaces/team-a", "/api/v1/namespaces/team-a/secrets/sentinel-beacon"):
        stolen = fort.cluster.client(stolen_relay_token(fort))
        assert stolen.request("GET", path).status == 401


def test_nothing_in_the_namespace_holds_a_credential_or_the_address_of_an_alertmanager(fort: Fort) -> None:
    secrets = fort.developer.must("GET", "/api/v1/namespaces/team-a/secrets")["items"]
    text = json.dumps(everything_readable(fort))

    assert {found["metadata"]["name"] for found in secrets} == {"sentinel-beacon"}
    assert fort.alertmanager.address not in text
    for word in ("PRIVATE KEY", "Bearer ", "eyJhbGciOi", "password"):
        assert word not in text


def test_a_developer_does_not_reach_beyond_his_namespace(fort: Fort) -> None:
    token = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": [AUDIENCE]}}
    attempts = [
        fort.developer.request("POST", f"/api/v1/namespaces/{where}/serviceaccounts/{who}/token", token)
        for where, who in (("sentinel-system", "sentinel-witness"), ("team-b", "sentinel"), ("kube-system", "default"))
    ]
    assert [answer.status for answer in attempts] == [403] * 3
    for where in ("sentinel-system", "team-b", "kube-system"):
        assert rights(fort.developer, where) <= {f"get namespaces/{where}", "get secrets/sentinel-decoy"}


# Last, since the witness takes two sweeps to refute what nobody has told it.


def test_a_forged_metric_is_about_its_own_tenant_at_most(calm: Fort) -> None:
    calm.sentinels["team-a"].stop()
    with impostor(about_everybody_else) as pod:
        calm.discover(team_a=pod.address)
        eventually(lambda: pod.scrapes > 3, SETTLED, "the impostor is scraped")
        until = time.monotonic() + STANDS
        while time.monotonic() < until:
            assert not calm.firing(BREACH, tenant="team-b")
            assert {a["labels"].get("tenant") for a in calm.firing(BREACH)} <= {"team-a"}
            assert not [a for a in calm.alertmanager.alerts(alertname=BREACH) if a["labels"]["tenant"] != "team-a"]
            time.sleep(LOOK)
        forged = calm.prometheus.query(f'{{job="sentinel-witness", instance!="{calm.witness.address}"}}')
        spoken = calm.prometheus.query(f'{{tenant="team-b", instance="{pod.address}"}}')
        recorded = calm.prometheus.query('sentinel:breach_since:latched{tenant="team-b"} > 0')
    assert (forged, spoken, recorded) == ([], [], [])


# What these tests do by hand.


def is_blind_about_team_a(fort: Fort) -> bool:
    """The witness's token of its sentinel is worth nothing any more, or there is none to be had."""
    seen = fort.witness.metrics()
    about = {"subject": "team-a", "target": "team-b"}
    return any(seen.sum("sentinel_witness_inconclusive", **about, reason=why) for why in ("whoami", "token"))


def paged_twice(fort: Fort) -> None:
    """By the rule and by a push."""
    eventually(lambda: fort.firing(BREACH, **OURS), PAGED, fort.story)
    eventually(lambda: paths(fort) == {"rule", "push"}, PAGED, fort.story)


def paths(fort: Fort) -> set[str]:
    """On which it stands in Alertmanager."""
    return {alert["labels"]["path"] for alert in fort.alertmanager.alerts(**OURS)}


def must_stand(fort: Fort, seconds: float, why: str) -> None:
    """At every look the rule fires and Alertmanager has it, on both paths; nobody is told that it is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert fort.firing(BREACH, **OURS), f"the rule does not fire any more: {why}"
        assert paths(fort) == {"rule", "push"}, f"Alertmanager does not have it any more: {why}"
        assert not [d for d in fort.pages.deliveries if d.status == "resolved" and d.alerts(**OURS)]
        time.sleep(LOOK)


def alert(*, over: bool = False, **labels: str) -> dict[str, Any]:
    """What team-a's sentinel would push, with these labels over its own."""
    now = datetime.now(UTC).isoformat()
    made = {"labels": {k: v for k, v in OURS.items() if k != "tenant"} | labels, "startsAt": now}
    return made | ({"endsAt": now} if over else {})


def push(fort: Fort, token: str | None, *alerts: Any) -> Reply:
    return fort.at_relay(token).request("POST", "/api/v2/alerts", list(alerts))


def stolen_relay_token(fort: Fort) -> str:
    """With `edit` one may act as every account of the namespace."""
    return stolen_token(fort, AUDIENCE)


def stolen_token(fort: Fort, *audiences: str) -> str:
    spec = {"audiences": list(audiences)} if audiences else {}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    path = "/api/v1/namespaces/team-a/serviceaccounts/sentinel/token"
    return str(fort.developer.must("POST", path, body)["status"]["token"])


def rights(who: ApiClient, namespace: str) -> set[str]:
    """What the API server lists for them there, beyond what everybody has."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    status = who.must("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review)["status"]
    assert not status["incomplete"]
    return {
        f"{verb} {kind}" + (f"/{name}" if name else "")
        for rule in status["resourceRules"]
        for verb in rule["verbs"]
        for kind in rule["resources"]
        for name in rule.get("resourceNames", [""])
        if not kind.startswith("selfsubject")
    }


def everything_readable(fort: Fort) -> dict[str, str]:
    """Whatever team-a's developer gets to see: all types in his namespace and beyond, reviews, the sentinel itself, the relay."""
    found: dict[str, str] = {}
    for root in roots(fort.developer):
        for row in fort.developer.must("GET", root)["resources"]:
            if "list" in row["verbs"]:
                places = [f"{root}/namespaces/team-a/{row['name']}"] if row["namespaced"] else []
                for path in [*places, f"{root}/{row['name']}"]:
                    reply = fort.developer.request("GET", path)
                    if reply.status == 200:
                        found[path] = reply.body.decode()
    sentinel = fort.cluster.client(stolen_token(fort))
    for who in (fort.developer, sentinel):
        for namespace in ("team-a", "sentinel-system", "kube-system", "nowhere"):
            found[f"rights of {id(who)} in {namespace}"] = " ".join(sorted(rights(who, namespace)))
    # His is the pod: its log, its pages and its memory.
    own = fort.sentinels["team-a"]
    found["metrics"] = str(own.get("/metrics")[1])
    found["status"] = json.dumps(own.console("/api/v1/status"))
    found["log"] = "\n".join(own.process.log.read_text(errors="replace").splitlines()[-20:])
    caller = fort.at_relay(stolen_relay_token(fort))
    found["hints"] = caller.request("GET", "/api/v1/hints?after=-1").body.decode()
    found["refusal"] = push(fort, stolen_relay_token(fort), alert(target="nowhere")).body.decode()
    return found


def roots(who: ApiClient) -> list[str]:
    groups = who.must("GET", "/apis")["groups"]
    return ["/api/v1", *(f"/apis/{version['groupVersion']}" for group in groups for version in group["versions"])]


def restarted_as_opaque(fort: Fort) -> bool:
    """The sentinel of team-a has taken its new file, and proven what that asks for."""
    own = fort.sentinels["team-a"]
    standings = own.console("/api/v1/status")["standings"]
    known = {row["target"] for row in standings}
    return "team-b" not in known and own.metrics().value("sentinel_coverage_ratio") == 1.0


def rounds_of(fort: Fort, name: str) -> float:
    """How many have ended so far, by the questions that were answered."""
    if name == "witness":
        return fort.witness.metrics().value("sentinel_witness_round_timestamp_seconds", subject="team-b") / ROUND
    return fort.sentinels[name].metrics().value("sentinel_round_timestamp_seconds") / ROUND


@contextlib.contextmanager
def flood(once: Callable[[], object]) -> Iterator[None]:
    """Again and again, in two threads."""
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                once()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


@dataclass
class Impostor:
    address: str
    scrapes: int = 0


@contextlib.contextmanager
def impostor(says: Callable[[], str]) -> Iterator[Impostor]:
    """A pod of the developer's own making, with a /metrics."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = says().encode()
            pod.scrapes += 1
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *values: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    pod = Impostor(f"127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield pod
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


CHECKS = ("secrets", "configmaps", "workloads", "access", "metadata", "exec", "escalation", "custom")


def all_is_well() -> str:
    """What a perfect sentinel would publish, and more: it also answers for the witness."""
    now = time.time()
    lines = [f"sentinel_round_timestamp_seconds {now}", "sentinel_coverage_ratio 1", "sentinel_build_info 1"]
    for check in CHECKS:
        for target in ("team-b", "kube-system", "sentinel-system", "*"):
            series = f'check="api/{check}",identity="self",target="{target}"'
            lines.append(f"sentinel_breach_since_timestamp_seconds{{{series}}} 0")
            lines.append(f'sentinel_witness_breach_since_timestamp_seconds{{subject="team-a",{series}}} 0')
            lines.append(
                f'sentinel_witness_breach_since_timestamp_seconds{{job="sentinel-witness",subject="team-a",{series}}} 0'
            )
            lines.append(f'sentinel_oldest_proof_timestamp_seconds{{target="{target}"}} {now}')
    return "\n".join(dict.fromkeys(lines)) + "\n"


def about_everybody_else() -> str:
    """A breach of team-b, in every way in which one could be told."""
    now = time.time()
    series = 'check="api/secrets",identity="self",target="kube-system"'
    lines = [
        f'sentinel_breach_since_timestamp_seconds{{tenant="team-b",{series}}} {now}',
        f'sentinel_breach_since_timestamp_seconds{{tenant="team-b",job="sentinel-witness",{series}}} {now}',
        f'sentinel_witness_breach_since_timestamp_seconds{{subject="team-b",{series}}} {now}',
        f'sentinel_witness_breach_since_timestamp_seconds{{job="sentinel-witness",subject="team-b",{series}}} {now}',
        f'sentinel:breach_since:latched{{tenant="team-b",{series}}} {now}',
        f'sentinel:breach_since:open{{tenant="team-b",{series}}} {now}',
        f'ALERTS{{alertname="{BREACH}",alertstate="firing",tenant="team-b",{series}}} 1',
        'sentinel:expected_tenant{tenant="team-z"} 1',
        'sentinel_wrong_identity{tenant="team-b",identity="self"} 1',
    ]
    return "\n".join(lines) + "\n"


@dataclass
class Trap:
    port: int
    calls: int = 0


@contextlib.contextmanager
def lure() -> Iterator[Trap]:
    """Counts who comes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        trap = Trap(listener.getsockname()[1])
        listener.settimeout(0.1)
        over = threading.Event()

        def run() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    listener.accept()[0].close()
                    trap.calls += 1

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield trap
        finally:
            over.set()
            thread.join()


def lures(url: str) -> list[tuple[str, object]]:
    """What the chart has put into his namespace, with the address in it."""
    told = {"metadata": {"annotations": dict.fromkeys(ANNOTATIONS, url)}}
    text = f"paging: {{relay: {url}, direct: [{url}]}}\nkubernetes: {{kubeconfig: {url}}}\ngateways: [{{url: {url}}}]\n"
    core, apps = "/api/v1/namespaces/team-a", "/apis/apps/v1/namespaces/team-a"
    return [
        (f"{core}/configmaps/sentinel", told | {"data": {"sentinel.yaml": text, "ca.crt": url, "url": url}}),
        (f"{core}/configmaps/sentinel-beacon", told | {"data": {"note": url}}),
        (f"{core}/secrets/sentinel-beacon", told | {"stringData": {"note": url}}),
        (f"{core}/serviceaccounts/sentinel", told),
        (f"{apps}/deployments/sentinel", told),
    ]


ANNOTATIONS = ("tenant-sentinel/probe", "sentinel.io/address", "prometheus.io/scrape-url", "runbook_url", "webhook")


def objects_with(url: str, where: int) -> list[chart.Object]:
    """More of his own making."""
    metadata = {"namespace": "team-a", "name": "sentinel-witness", "annotations": dict.fromkeys(ANNOTATIONS, url)}
    named = {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": where}]}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": named},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"witness.yaml": url}},
        manifests.account("team-a", "sentinel-witness"),
    ]
