"""`sentinel explain` as an SRE runs it: their own kubeconfig, the real API server, and its audit log."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from sentinel.core import page
from tests.support import manifests
from tests.support.alertmanager import Alertmanager
from tests.support.apiclient import ApiClient
from tests.support.authorizer import WebhookAuthorizer, breaks, grants
from tests.support.breaches import SENDER, Belief
from tests.support.controlplane import ADMIN, CONTROLLERS, ControlPlane
from tests.support.eventually import eventually
from tests.support.manifests import Dict, of_account, of_group, of_user, rule
from tests.support.sentinels import COMMAND

USER = "system:serviceaccount:team-a:sentinel"
TO_US = of_account("team-a")
READ = rule(["get", "list"], ["secrets"])
SECRETS = "/api/v1/namespaces/team-b/secrets"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Place"]:
    with ControlPlane(controllers=CONTROLLERS) as cluster:
        cluster.admin.apply(*map(manifests.namespace, ("team-a", "team-b", "sre")))
        cluster.admin.apply(
            manifests.account("team-a"), manifests.account("team-a", "other"), manifests.account("sre", "none")
        )
        yield Place(cluster, tmp_path_factory.mktemp("explain"))


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def commands(self) -> list[str]:
        return [line.strip() for line in self.out.splitlines() if line.startswith("  kubectl ")]


class Place:
    def __init__(self, cluster: ControlPlane, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        self.kubeconfig = cluster.kubeconfig(folder / "admin.yaml", ADMIN)

    def explain(self, *words: str, kubeconfig: Path | None = None, stdin: bytes | None = None) -> Said:
        ended = subprocess.run(
            [COMMAND, "explain", "--kubeconfig", kubeconfig or self.kubeconfig, *words],
            input=stdin, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        return Said(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    def about(self, *words: str, user: str = USER, **more: Any) -> Said:
        return self.explain("--user", user, *words, **more)

    def hole(self, *objects: Dict) -> "Hole":
        return Hole(self.cluster.admin, objects)


class Hole:
    def __init__(self, admin: ApiClient, objects: tuple[Dict, ...]) -> None:
        self.admin, self.objects = admin, objects

    def __enter__(self) -> None:
        self.admin.apply(*self.objects)

    def __exit__(self, *_: object) -> None:
        self.admin.delete(*reversed(self.objects))


def carry_out(admin: ApiClient, command: str) -> None:
    """What kubectl would do with it, word by word as a shell makes them."""
    words = subprocess.run(["bash", "-c", f'printf "%s\\0" {command}'], capture_output=True, check=True).stdout
    program, verb, what, *rest = words.decode().split("\0")[:-1]
    kind, _, name = what.partition("/")
    assert program == "kubectl" and kind in ("rolebinding", "clusterrolebinding"), command
    space = f"/namespaces/{rest[rest.index('-n') + 1]}" if "-n" in rest else ""
    path = f"/apis/rbac.authorization.k8s.io/v1{space}/{kind}s/{name}"
    if verb == "delete":
        admin.must("DELETE", path)
    elif verb == "annotate":
        key, _, value = rest[0].partition("=")
        admin.must(
            "PATCH",
            path,
            {"metadata": {"annotations": {key: value}}},
            headers={"Content-Type": "application/merge-patch+json"},
        )
    else:
        assert "--type=json" in rest
        patch = json.loads(rest[rest.index("-p") + 1])
        admin.must("PATCH", path, patch, headers={"Content-Type": "application/json-patch+json"})


def test_nothing_lets_them_in(place: Place) -> None:
    said = place.about("list", "secrets", "-n", "team-b")

    assert (said.code, said.err) == (0, "")
    assert "denied: list secrets in team-b" in said.out


def test_the_binding_is_named_with_when_and_by_whom_it_was_made_and_its_command_closes_it(place: Place) -> None:
    with place.hole(*manifests.grant("team-b", "breach", TO_US, READ)):
        said = place.about("list", "secrets", "-n", "team-b")
        assert said.code == 1, said.err
        assert 'RoleBinding "breach/team-b" of Role "breach" to ServiceAccount "sentinel/team-a"' in said.out
        assert "last written 2" in said.out and "by tests" in said.out
        assert said.commands == ["kubectl delete rolebinding/breach -n team-b"]

        carry_out(place.cluster.admin, said.commands[0])
        eventually(lambda: place.about("list", "secrets", "-n", "team-b").code == 0, 20)


def test_of_several_subjects_only_theirs_is_taken_out(place: Place) -> None:
    others = [of_user("eve"), TO_US, of_account("team-a", "other"), of_user(USER)]
    objects = [manifests.role("team-b", "shared", READ), manifests.role_binding("team-b", "shared", *others)]
    with place.hole(*objects):
        said = place.about("get", "secrets/beacon", "-n", "team-b")
        assert said.code == 1
        (command,) = said.commands

        carry_out(place.cluster.admin, command)

        left = place.cluster.admin.get(objects[1])["subjects"]
        assert [subject["name"] for subject in left] == ["eve", "other"]
        eventually(lambda: place.about("get", "secrets/beacon", "-n", "team-b").code == 0, 20)


def test_a_subject_that_moved_meanwhile_is_not_mistaken_for_theirs(place: Place) -> None:
    binding = manifests.role_binding("team-b", "moved", of_user("eve"), TO_US, role="moved")
    with place.hole(manifests.role("team-b", "moved", READ), binding):
        (command,) = place.about("list", "secrets", "-n", "team-b").commands
        place.cluster.admin.apply(binding | {"subjects": [of_user("new"), of_user("eve"), TO_US]})

        with pytest.raises(Exception, match="422"):
            carry_out(place.cluster.admin, command)


def test_every_way_in_is_told_and_all_commands_together_close_it(place: Place) -> None:
    group = manifests.role_binding("team-b", "grouped", of_group("system:serviceaccounts:team-a"), role="reader")
    wide = manifests.cluster_role_binding("everywhere", TO_US, of_user("eve"), role="wide-reader")
    objects = [
        manifests.role("team-b", "reader", READ), manifests.cluster_role("wide-reader", READ),
        manifests.role_binding("team-b", "direct", TO_US, role="reader"), group, wide,
    ]  # fmt: skip
    with place.hole(*objects):
        said = place.about("list", "secrets", "-n", "team-b")
        assert len(said.commands) == 3
        assert "every account of namespace team-a" in said.out
        for command in said.commands[:-1]:
            carry_out(place.cluster.admin, command)
        eventually(lambda: len(place.about("list", "secrets", "-n", "team-b").commands) == 1, 20)
        assert place.about("list", "secrets", "-n", "team-b").code == 1

        carry_out(place.cluster.admin, said.commands[-1])
        eventually(lambda: place.about("list", "secrets", "-n", "team-b").code == 0, 20)


def test_of_an_aggregated_role_the_source_and_the_label_are_named(place: Place) -> None:
    source = manifests.cluster_role("wrote-it", READ)
    source["metadata"]["labels"] = {"to": "sum"}
    taker = manifests.cluster_role("sum") | {
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "sum"}}]}
    }
    del taker["rules"]
    with place.hole(source, taker, manifests.cluster_role_binding("sum", TO_US)):
        said = until(lambda: place.about("list", "secrets", "-n", "team-b"), "wrote-it")

        assert "kubectl label clusterrole/wrote-it to-" in said.out


def until(ask: Callable[[], Said], word: str) -> Said:
    """The first time that it says so."""
    said = ask()

    def asked() -> bool:
        nonlocal said
        said = ask()
        return word in said.out

    eventually(asked, 30, lambda: said.out + said.err)
    return said


def test_a_default_binding_is_kept_from_coming_back(place: Place) -> None:
    wide = manifests.cluster_role_binding("defaulted", TO_US, role="view")
    wide["metadata"]["annotations"] = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
    with place.hole(wide):
        said = until(lambda: place.about("list", "pods", "-n", "team-b"), "defaulted")

        assert [command.split()[1] for command in said.commands] == ["annotate", "delete"]


@pytest.mark.parametrize("name", ["--all", "-A", "a b;reboot", "x\n$(reboot)\x1b[2J", "it's", "ünï"])
def test_whatever_somebody_calls_a_binding_stays_one_word(place: Place, name: str) -> None:
    from urllib.parse import quote

    binding = manifests.role_binding("team-b", name, TO_US, role="odd")
    base = "/apis/rbac.authorization.k8s.io/v1/namespaces/team-b/rolebindings"
    admin = place.cluster.admin
    with place.hole(manifests.role("team-b", "odd", READ)):
        admin.must("POST", base, binding)
        try:
            said = place.about("list", "secrets", "-n", "team-b")
            assert said.out.isascii() and "\x1b" not in said.out
            (command,) = said.commands
            words = subprocess.run(["bash", "-c", f'printf "%s\\0" {command}'], capture_output=True, check=True).stdout
            assert words.decode().split("\0")[:-1] == ["kubectl", "delete", f"rolebinding/{name}", "-n", "team-b"]
        finally:
            admin.must("DELETE", f"{base}/{quote(name, safe='')}")


def test_who_may_not_read_bindings_is_told_what_is_missing(place: Place, tmp_path: Path) -> None:
    mine = place.cluster.kubeconfig(tmp_path / "none.yaml", place.cluster.token_for("sre", "none"))

    said = place.about("list", "secrets", "-n", "team-b", kubeconfig=mine)

    assert said.code == 3
    assert "not read: list rolebindings.rbac.authorization.k8s.io in team-b: you may not (403)" in said.out
    assert "create subjectaccessreviews.authorization.k8s.io: you may not (403)" in said.out


def test_who_may_only_ask_for_decisions_gets_the_api_servers_words(place: Place, tmp_path: Path) -> None:
    asks = [
        manifests.cluster_role("reviewer", rule(["create"], ["subjectaccessreviews"], groups=["authorization.k8s.io"])),
        manifests.cluster_role_binding("reviewer", of_account("sre", "none")),
    ]
    mine = place.cluster.kubeconfig(tmp_path / "none.yaml", place.cluster.token_for("sre", "none"))
    with place.hole(*asks, *manifests.grant("team-b", "breach", TO_US, READ)):
        said = until(lambda: place.about("list", "secrets", "-n", "team-b", kubeconfig=mine), "LET IN")

        assert said.code == 1
        assert 'RBAC: allowed by RoleBinding "breach/team-b"' in said.out


def test_a_client_certificate_will_do(place: Place, tmp_path: Path) -> None:
    config = yaml.safe_load(place.kubeconfig.read_text())
    authority = place.cluster.authority
    config["users"][0]["user"] = {
        "client-certificate": str(authority.certificate_file),
        "client-key": str(authority.key_file),
    }
    file = tmp_path / "certificate.yaml"
    file.write_text(yaml.safe_dump(config))

    said = place.about("list", "secrets", "-n", "team-b", kubeconfig=file)

    # The API server of the tests trusts no client certificate: it was asked as a stranger, which is what counts.
    assert said.code == 3
    assert "you may not (403)" in said.out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["list"], 2, "expected VERB RESOURCE"),
        (["list", "secrets"], 2, "expected VERB RESOURCE"),
        (["list", "secrets", "--user", "x", "--since", "yesterday"], 2, "expected a moment"),
        (["--from-alert", "/nowhere.json"], 4, "/nowhere.json: No such file"),
        (["list", "secrets", "--user", "x", "--context", "none"], 4, "kubeconfig"),
        (["--from-alert", "http://127.0.0.1:9/api/v2/alerts"], 3, "ClientConnectorError"),
        (["list", "secrets", "--tenant", "team-x"], 4, "give --user"),
        (["list", "secrets", "--user", "x", "--audit-log", "/nowhere"], 4, "/nowhere: No such file"),
    ],
)
def test_wrong_use_is_told_in_one_line(place: Place, words: list[str], code: int, told: str) -> None:
    said = place.explain(*words)

    assert (said.code, said.out) == (code, "")
    assert told in said.err and "Traceback" not in said.err


def test_a_tenants_identities_are_found_by_the_configuration(place: Place, tmp_path: Path) -> None:
    config = tmp_path / "sentinel.yaml"
    config.write_text(yaml.safe_dump({"tenants": [{"name": "payments", "namespaces": ["team-a", "team-c"]}]}))
    named = {"self": USER, "other": "system:serviceaccount:team-a:other", "x/y": "system:serviceaccount:x:y"}

    for identity, user in named.items():
        words = ["list", "secrets", "-n", "team-b", "--tenant", "payments", "--identity", identity, "-c", str(config)]
        assert place.explain(*words, "-o", "json").json["cases"][0]["user"] == user


def test_a_group_of_people_is_looked_up_as_such(place: Place) -> None:
    with place.hole(*manifests.grant("team-b", "humans", of_group("oidc:devs"), READ)):
        said = place.explain("--group", "oidc:devs", "list", "secrets", "-n", "team-b")

        assert said.code == 1
        assert 'to Group "oidc:devs"' in said.out and "whom the identity provider knows" in said.out


def test_json_says_the_same(place: Place) -> None:
    with place.hole(*manifests.grant("team-b", "breach", TO_US, READ)):
        case = place.about("list", "secrets", "-n", "team-b", "-o", "json").json["cases"][0]

    (answer,) = case["answers"]
    assert (case["state"], answer["allowed"]) == ("open", True)
    assert answer["paths"][0]["binding"]["manager"] == "tests"
    assert case["closings"][0]["commands"] == ["kubectl delete rolebinding/breach -n team-b"]


# From a page.

NOON = 1795262400.0  # 2026-11-21T12:00:00Z


def pushed() -> Dict:
    """What a sentinel pushes about itself, as it stands in the code."""
    record = Belief(proven=NOON - 10).served(NOON)
    case = page.learn(None, record)
    assert case is not None
    return page.body(page.breach_page(SENDER, case), NOON + 4e8)


def by_rule(pushed: Dict) -> Dict:
    labels = {key: value for key, value in pushed["labels"].items() if key != "path"}
    return pushed | {
        "labels": labels,
        "annotations": {"description": "Tenant team-a, asking as identity self, gets in."},
    }


def test_from_alertmanagers_own_list(place: Place) -> None:
    with Alertmanager({"route": {"receiver": "none"}, "receivers": [{"name": "none"}]}) as manager:
        manager.send(pushed(), by_rule(pushed()), {"labels": {"alertname": "Other", "tenant": "team-a"}})
        eventually(lambda: len(manager.alerts()) == 3, 10)
        with place.hole(*manifests.grant("team-b", "breach", TO_US, READ)):
            said = place.explain("--from-alert", f"{manager.url}/api/v2/alerts", "-o", "json")

    (case,) = said.json["cases"]
    assert said.code == 1
    assert case["user"] == USER
    assert {(answer["question"], answer["namespace"]) for answer in case["answers"]} == {("list secrets", "team-b")}
    assert case["closings"][0]["commands"] == ["kubectl delete rolebinding/breach -n team-b"]


def test_from_a_webhooks_message_of_a_rule_that_names_no_question_the_planned_ones_are_looked_at(
    place: Place, tmp_path: Path
) -> None:
    message = tmp_path / "message.json"
    message.write_text(json.dumps({"version": "4", "alerts": [by_rule(pushed()) | {"status": "firing"}]}))
    config = tmp_path / "sentinel.yaml"
    config.write_text(yaml.safe_dump({"tenants": [{"name": "team-a", "namespaces": ["team-a"]}]}))

    nobody = place.explain("--from-alert", str(message))
    by_config = place.explain("--from-alert", str(message), "-c", str(config), "-o", "json")
    by_user = place.explain("--from-alert", str(message), "--user", USER, "-o", "json")

    assert nobody.code == 3 and "give --user" in nobody.out
    assert by_config.json == by_user.json
    asked = {answer["question"] for answer in by_user.json["cases"][0]["answers"]}
    assert {"list secrets", "get secrets/sentinel-beacon"} <= asked
    assert by_user.code == 0


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[1, null, {}]", '{"alerts": {"a": 1}}', "[" * 2000, '[{"labels": 3}]']
)
def test_alerts_that_are_none_are_no_breach_and_no_error(place: Place, tmp_path: Path, text: str) -> None:
    file = tmp_path / "alerts.json"
    file.write_text(text)

    said = place.explain("--from-alert", str(file))

    assert said.code == 3
    assert "Traceback" not in said.err


def test_what_a_webhook_authorizer_allows_no_binding_explains_and_that_is_said() -> None:
    with ControlPlane() as cluster, WebhookAuthorizer(cluster) as authorizer, tempfile.TemporaryDirectory() as folder:
        cluster.flags |= authorizer.flags
        cluster.stop_apiserver()
        cluster.start_apiserver()
        place = Place(cluster, Path(folder))
        authorizer.answer = grants(USER, "list", "secrets", "team-b")
        by_policy = place.about("list", "secrets", "-n", "team-b")
        authorizer.answer = breaks
        broken = place.about("list", "secrets", "-n", "team-b")

    assert by_policy.code == 1
    assert "no binding that could be read does this; the API server says it is allowed: policy 17" in by_policy.out
    assert by_policy.commands == []
    assert broken.code == 3
    assert "an authorizer could not decide" in broken.out
