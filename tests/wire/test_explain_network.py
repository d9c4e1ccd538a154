"""`sentinel explain` about the network, as an SRE runs it: policies and pods out of the real API server."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sentinel.clients.network_objects import FOREIGN
from tests.support import manifests
from tests.support.apiclient import ApiClient
from tests.support.controlplane import CONTROLLERS, ControlPlane
from tests.support.eventually import eventually
from tests.support.manifests import Dict, of_account, rule
from tests.wire.test_explain import Place, Said

USER = "system:serviceaccount:team-a:sentinel"
REACH = ("reach", "tcp", "-n", "team-b")
PATCH = {"Content-Type": "application/json-patch+json"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with ControlPlane(controllers=CONTROLLERS) as cluster:
        admin = cluster.admin
        admin.apply(manifests.namespace("team-a", zone="blue"), manifests.namespace("team-b"))
        admin.apply(manifests.namespace("sre"), manifests.account("sre", "none"))
        admin.apply(manifests.account("team-a"), manifests.account("team-b"))
        stands(admin, "team-a", "10.0.1.5", "fd00:1::5")
        stands(admin, "team-b", "10.0.2.7", "fd00:2::7")
        yield Place(cluster, tmp_path_factory.mktemp("explain"))


def stands(admin: ApiClient, namespace: str, *addresses: str) -> None:
    """The pod of a sentinel, with a status as the kubelet writes it."""
    labels = {"app.kubernetes.io/name": "sentinel", "app.kubernetes.io/component": "tenant"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": "sentinel-x", "labels": labels},
        "spec": {
            "serviceAccountName": "sentinel",
            "automountServiceAccountToken": False,
            "containers": [
                {"name": "sentinel", "image": "x", "ports": [{"name": "beacon", "containerPort": 7462}]},
            ],
        },
    }
    admin.apply(pod)
    status = {"phase": "Running", "podIP": addresses[0], "podIPs": [{"ip": one} for one in addresses]}
    admin.must(
        "PATCH",
        f"{admin.path_of(pod)}/status",
        {"status": status},
        headers={"Content-Type": "application/merge-patch+json"},
    )


def policy(name: str, namespace: str = "team-b", **spec: Any) -> Dict:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"podSelector": {}, **spec},
    }


def carry_out(admin: ApiClient, command: str) -> Dict:
    """What kubectl would do with it, word by word as a shell makes them. Gives what was made."""
    if command.startswith("kubectl apply -f - <<<"):
        (made,) = admin.apply(
            subprocess.check_output(["bash", "-c", f"cat {command.removeprefix('kubectl apply -f -')}"]).decode()
        )
        return dict(made)
    words = subprocess.check_output(["bash", "-c", f'printf "%s\\0" {command}']).decode().split("\0")[:-1]
    assert words[:2] == ["kubectl", "patch"] and words[3] == "-n"
    name = words[2].removeprefix("networkpolicy/")
    path = f"/apis/networking.k8s.io/v1/namespaces/{words[4]}/networkpolicies/{name}"
    return dict(admin.must("PATCH", path, json.loads(words[words.index("-p") + 1]), headers=PATCH))


def breach(**more: Any) -> Dict:
    labels = {"alertname": "SentinelIsolationBreach", "tenant": "team-a", "identity": "self", "target": "team-b"}
    text = f"Tenant team-a, asking as identity self ({USER}), is let in. Let in: reach tcp pod v4."
    return {"labels": labels | {"check": "net/tcp"}, "annotations": {"description": text}} | more


def about(place: Place, folder: Path, *alerts: Dict, words: tuple[str, ...] = ()) -> Said:
    file = folder / "alerts.json"
    file.write_text(json.dumps(list(alerts)))
    return place.explain("--from-alert", str(file), *words)


def test_a_missing_policy_is_named_and_the_one_that_is_proposed_closes_it(place: Place) -> None:
    said = place.about(*REACH)

    assert said.code == 1, said.err
    assert "into team-b: no policy selects the pod for ingress, so everything may pass" in said.out
    assert "from team-a/sentinel-x to port 7462 of team-b/sentinel-x, and 1 more like it" in said.out
    (command,) = said.commands
    made = carry_out(place.cluster.admin, command)
    try:
        assert place.about(*REACH).code == 0
        assert 'selected by NetworkPolicy "keep-out-team-a/team-b"' in place.about(*REACH).out
    finally:
        place.cluster.admin.delete(made)
    assert place.about(*REACH).code == 1


def test_the_rule_that_lets_in_is_named_and_narrowed_where_it_stands(place: Place) -> None:
    wide = policy("wide", ingress=[{"ports": [{"port": 80}]}, {"from": [{"namespaceSelector": {}}]}])
    with place.hole(policy("deny"), wide):
        said = place.about(*REACH)
        assert said.code == 1
        assert 'NetworkPolicy "wide/team-b" lets it pass by its rule 2: from every pod of every namespace' in said.out
        assert "last written by tests" in said.out
        (command,) = said.commands

        carry_out(place.cluster.admin, command)

        assert place.about(*REACH).code == 0


def test_a_policy_that_changed_meanwhile_is_not_patched_blindly(place: Place) -> None:
    wide = policy("moved", ingress=[{}])
    with place.hole(wide):
        (command,) = place.about(*REACH).commands
        place.cluster.admin.apply(policy("moved", ingress=[{"ports": [{"port": 80}]}, {}]))

        with pytest.raises(Exception, match="422"):
            carry_out(place.cluster.admin, command)


def test_v6_may_be_open_where_v4_is_shut(place: Place) -> None:
    with place.hole(policy("only-v6", ingress=[{"from": [{"ipBlock": {"cidr": "::/0"}}]}])):
        assert place.about("reach", "tcp/v4", "-n", "team-b").code == 0
        assert place.about("reach", "tcp/v6", "-n", "team-b").code == 1
        case = place.about(*REACH, "-o", "json").json["cases"][0]

    assert {row["family"]: row["open"] for row in case["readings"]} == {"v4": False, "v6": True}


def test_what_gets_through_a_policy_that_should_block_it_is_called_not_enforced(place: Place, tmp_path: Path) -> None:
    with place.hole(policy("deny")):
        said = about(place, tmp_path, breach())
        case = about(place, tmp_path, breach(), words=("-o", "json")).json["cases"][0]

    assert said.code == 1
    assert "GOT THROUGH: reach tcp pod v4 to team-b" in said.out
    assert 'NOT ENFORCED: NetworkPolicy "deny/team-b" should block this, and it got through' in said.out
    assert said.commands == []
    assert case["not_enforced"] == ["team-b/deny"]


def test_a_policy_that_another_family_gets_past_is_not_called_unenforced(place: Place, tmp_path: Path) -> None:
    by_rule = breach(annotations={"description": f"{USER} gets in."})
    with place.hole(policy("only-v6", ingress=[{"from": [{"ipBlock": {"cidr": "::/0"}}]}])):
        said = about(place, tmp_path, by_rule)

    assert said.code == 1 and len(said.commands) == 1
    assert "NOT ENFORCED" not in said.out


def test_what_is_missing_is_not_called_unenforced(place: Place, tmp_path: Path) -> None:
    said = about(place, tmp_path, breach())

    assert said.code == 1 and len(said.commands) == 1
    assert "NOT ENFORCED" not in said.out


def test_a_page_that_ended_is_read_as_things_are_now(place: Place, tmp_path: Path) -> None:
    ended = breach(status="resolved", endsAt="2026-11-21T12:00:00Z")
    with place.hole(policy("deny")):
        said = about(place, tmp_path, ended)

    assert said.code == 0
    assert "NOT ENFORCED" not in said.out


def test_a_page_by_rule_lists_nothing_and_both_families_are_read(place: Place, tmp_path: Path) -> None:
    plain = breach(annotations={"description": "Tenant team-a gets in."})
    unattributed = plain | {"labels": plain["labels"] | {"alertname": "SentinelUnattributed", "check": "net/udp"}}

    cases = about(place, tmp_path, plain, unattributed, words=("--user", USER, "-o", "json")).json["cases"]

    assert [[row["question"] for row in case["crossings"]] for case in cases] == [
        ["reach tcp pod v4", "reach tcp pod v6"],
        ["reach udp pod v4", "reach udp pod v6"],
    ]


def test_what_no_policy_of_pods_decides_is_said_to_be_not_covered(place: Place, tmp_path: Path) -> None:
    node = breach(annotations={})
    said = about(place, tmp_path, node | {"labels": node["labels"] | {"check": "net/node"}}, words=("--user", USER))

    assert said.code == 1
    assert "this reading covers net/tcp, net/udp and net/http" in said.out


def test_bindings_and_policies_can_stand_in_one_list(place: Place, tmp_path: Path) -> None:
    api = breach()
    said = about(place, tmp_path, api | {"labels": api["labels"] | {"check": "api/secrets"}}, breach())

    assert "denied: list secrets in team-b" in said.out
    assert "GOT THROUGH: reach tcp pod v4" in said.out


def test_policies_of_other_kinds_are_named_and_nothing_is_called_shut_beside_them(place: Place, tmp_path: Path) -> None:
    admin = place.cluster.admin
    kinds = {"adminnetworkpolicies": "AdminNetworkPolicy", "ciliumnetworkpolicies": "CiliumNetworkPolicy"}
    definitions = [
        definition(kind.group, kind.plural, kinds[kind.plural], inside=kind.inside)
        for kind in FOREIGN
        if kind.plural in kinds
    ]
    with place.hole(policy("deny"), *definitions):
        assert place.about(*REACH).code == 0

        objects = [
            {
                "apiVersion": f"{row['spec']['group']}/v1",
                "kind": row["spec"]["names"]["kind"],
                "metadata": {"name": "other"}
                | ({"namespace": "team-b"} if row["spec"]["scope"] == "Namespaced" else {}),
            }
            for row in definitions
        ]
        eventually(lambda: all(is_served(admin, one) for one in objects), 30)
        with place.hole(*objects):
            said = place.about(*REACH)
            measured = about(place, tmp_path, breach())

    assert said.code == 3
    assert "does not cover: adminnetworkpolicies.policy.networking.k8s.io: other" in said.out
    assert "does not cover: ciliumnetworkpolicies.cilium.io: team-b/other" in said.out
    assert "one of another kind allows it before it is asked" in measured.out


def definition(group: str, plural: str, kind: str, *, inside: bool) -> Dict:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    annotations = {"api-approved.kubernetes.io": "unapproved, for a test"} if group.endswith(".k8s.io") else {}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": annotations},
        "spec": {
            "group": group,
            "scope": "Namespaced" if inside else "Cluster",
            "names": {"plural": plural, "kind": kind, "singular": kind.lower()},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def is_served(admin: ApiClient, manifest: Dict) -> bool:
    try:
        admin.exists(manifest)
    except Exception:
        return False
    return True


def test_who_may_not_read_policies_is_told_so_and_nothing_is_called_missing(place: Place, tmp_path: Path) -> None:
    mine = place.cluster.kubeconfig(tmp_path / "none.yaml", place.cluster.token_for("sre", "none"))

    said = place.about(*REACH, kubeconfig=mine)

    assert said.code == 3
    assert "not read: get team-b: you may not (403)" in said.out
    assert "no policy selects" not in said.out and "no pods" not in said.out


def test_reading_rights_for_policies_and_pods_are_enough(place: Place, tmp_path: Path) -> None:
    rules = [
        rule(["get"], ["namespaces"]),
        rule(["list"], ["pods"]),
        rule(["list"], ["networkpolicies"], groups=["networking.k8s.io"]),
    ]
    reads = [
        manifests.cluster_role("net-reader", *rules),
        manifests.cluster_role_binding("net-reader", of_account("sre", "none")),
    ]
    mine = place.cluster.kubeconfig(tmp_path / "none.yaml", place.cluster.token_for("sre", "none"))
    with place.hole(*reads):
        eventually(lambda: place.about(*REACH, kubeconfig=mine).code == 1, 30)


def test_without_pods_nothing_is_known(place: Place) -> None:
    said = place.about("reach", "tcp", "-n", "sre")

    assert said.code == 3
    assert "no pods of sentinel were found" in said.out


@pytest.mark.parametrize("words", [["reach", "icmp"], ["reach", "tcp/v5"]])
def test_a_question_that_is_none_is_refused(place: Place, words: list[str]) -> None:
    said = place.about(*words, "-n", "team-b")

    assert (said.code, said.out) == (2, "")
    assert "expected tcp, udp or http" in said.err
