"""All that the witness may do once the chart is there, compared as exact tuples, and tried with its real token."""

from typing import Any

import pytest

from tests.deploy import chart
from tests.support import manifests
from tests.support.apiclient import ApiClient
from tests.support.controlplane import ControlPlane

Grant = tuple[str, str, str, str]
"""Verb, group, resource, name (empty: all names)."""

RBAC = "rbac.authorization.k8s.io"
WATCHED = (
    ("", "namespaces"),
    ("networking.k8s.io", "networkpolicies"),
    *((RBAC, kind) for kind in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")),
)

EVERYWHERE: set[Grant] = {
    *((verb, group, kind, "") for verb in ("get", "list", "watch") for group, kind in WATCHED),
    ("create", "authentication.k8s.io", "tokenreviews", ""),
    ("create", "authorization.k8s.io", "subjectaccessreviews", ""),
}


def tokens(*names: str) -> set[Grant]:
    return {("create", "", "serviceaccounts/token", name) for name in names}


HOME: set[Grant] = {("list", "", "serviceaccounts", ""), ("get", "", "configmaps", "sentinel")}

IN: dict[str, set[Grant]] = {
    "team-1": HOME | tokens("sentinel", "ci", "robot", "default"),
    "team-2": HOME | tokens("sentinel", "default"),
    "team-2-jobs": {("list", "", "serviceaccounts", "")} | tokens("runner"),
    "kube-system": set(),
    "kube-public": set(),
    "default": set(),
    "sentinel-system": set(),
    "there-is-no-such-namespace": set(),
}
"""What it may do besides EVERYWHERE; doors and decoys are not for it."""

TOKEN = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}


@pytest.fixture
def witness(installed: ControlPlane) -> ApiClient:
    return installed.account("sentinel-system", "sentinel-witness")


def grants(client: ApiClient, namespace: str) -> set[Grant]:
    """What the API server lists of this account's rights there."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    status = client.must("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review)["status"]
    assert not status["incomplete"]
    return {
        (verb, group, resource, name)
        for rule in status["resourceRules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames") or [""]
    }


@pytest.mark.parametrize("namespace", IN)
def test_what_it_may_do_is_exactly_this(installed: ControlPlane, witness: ApiClient, namespace: str) -> None:
    everybodys = grants(installed.account("kube-public", "default"), "there-is-no-such-namespace")

    assert grants(witness, namespace) - everybodys == EVERYWHERE | IN[namespace]


def ask_for_a_token(client: ApiClient, account: str) -> Any:
    namespace, name = account.split("/")
    return client.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", TOKEN)


LISTED = [f"{space}/{name}" for space, found in IN.items() for _, _, kind, name in sorted(found) if "token" in kind]


@pytest.mark.parametrize("account", LISTED)
def test_it_is_given_the_token_of_every_listed_account(
    installed: ControlPlane, witness: ApiClient, account: str
) -> None:
    given = ask_for_a_token(witness, account)

    assert given.status == 201
    whom = installed.client(given.json["status"]["token"]).whoami()
    assert whom == "system:serviceaccount:" + account.replace("/", ":")


@pytest.mark.parametrize(
    "account",
    [
        "kube-system/default",
        "kube-system/generic-garbage-collector",
        "kube-public/default",
        "default/default",
        "sentinel-system/sentinel-witness",
        "sentinel-system/default",
        "team-1/another",
        "team-2/ci",
        "team-2-jobs/default",
        "team-2-jobs/sentinel",
    ],
)
def test_and_of_no_other(installed: ControlPlane, witness: ApiClient, account: str) -> None:
    installed.admin.apply(manifests.account(*account.split("/")))

    assert ask_for_a_token(witness, account).status == 403
    # Else a 403 would show nothing: the administrator is given this very token.
    assert ask_for_a_token(installed.admin, account).status == 201


MAY = {
    "all bindings": f"/apis/{RBAC}/v1/rolebindings?limit=1",
    "the bindings of the system": f"/apis/{RBAC}/v1/namespaces/kube-system/rolebindings?limit=1",
    "all cluster-wide bindings": f"/apis/{RBAC}/v1/clusterrolebindings?limit=1",
    "all roles": f"/apis/{RBAC}/v1/roles?limit=1",
    "a cluster role": f"/apis/{RBAC}/v1/clusterroles/edit",
    "all namespaces": "/api/v1/namespaces?limit=1",
    "all network policies": "/apis/networking.k8s.io/v1/networkpolicies?limit=1",
    "the accounts of a tenant": "/api/v1/namespaces/team-1/serviceaccounts?limit=1",
    "the accounts of its other namespace": "/api/v1/namespaces/team-2-jobs/serviceaccounts?limit=1",
    "a tenant's configuration": "/api/v1/namespaces/team-2/configmaps/sentinel",
}

MAY_NOT = {
    "all secrets": "/api/v1/secrets?limit=1",
    **{f"the secrets of {space}": f"/api/v1/namespaces/{space}/secrets?limit=1" for space in IN},
    "a tenant's beacon": "/api/v1/namespaces/team-1/secrets/sentinel-beacon",
    "the open decoy": "/api/v1/namespaces/sentinel-system/secrets/sentinel-decoy",
    "the key of its own certificate": "/api/v1/namespaces/sentinel-system/secrets/its-tls",
    "all config maps": "/api/v1/configmaps?limit=1",
    "another config map of a tenant": "/api/v1/namespaces/team-1/configmaps/sentinel-beacon",
    "a tenant's pods": "/api/v1/namespaces/team-1/pods?limit=1",
    "all pods": "/api/v1/pods?limit=1",
    "all accounts": "/api/v1/serviceaccounts?limit=1",
    "the accounts of the system": "/api/v1/namespaces/kube-system/serviceaccounts?limit=1",
    "a tenant's deployments": "/apis/apps/v1/namespaces/team-1/deployments?limit=1",
    "nodes": "/api/v1/nodes?limit=1",
}


@pytest.mark.parametrize("what", MAY)
def test_it_may_read(witness: ApiClient, what: str) -> None:
    assert witness.request("GET", MAY[what]).status == 200


@pytest.mark.parametrize("what", MAY_NOT)
def test_it_may_not_read(witness: ApiClient, what: str) -> None:
    assert witness.request("GET", MAY_NOT[what]).status == 403


CHANGES: dict[str, tuple[str, str]] = {
    "bind itself": ("POST", f"/apis/{RBAC}/v1/clusterrolebindings"),
    "bind in a tenant's namespace": ("POST", f"/apis/{RBAC}/v1/namespaces/team-1/rolebindings"),
    "widen its role": ("DELETE", f"/apis/{RBAC}/v1/clusterroles/sentinel-witness"),
    "make an account": ("POST", "/api/v1/namespaces/team-1/serviceaccounts"),
    "remove a tenant": ("DELETE", "/api/v1/namespaces/team-1"),
    "start a pod": ("POST", "/api/v1/namespaces/team-1/pods"),
    "change a tenant's configuration": ("DELETE", "/api/v1/namespaces/team-1/configmaps/sentinel"),
    "remove a policy": ("DELETE", "/apis/networking.k8s.io/v1/namespaces/team-1/networkpolicies/any"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_it_may_change_nothing(witness: ApiClient, what: str) -> None:
    method, path = CHANGES[what]

    assert witness.request(method, f"{path}?dryRun=All", {}).status == 403


def test_it_may_act_as_nobody_without_a_token(witness: ApiClient) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    for headers in ({"Impersonate-User": "system:serviceaccount:team-1:sentinel"}, {"Impersonate-User": "admin"}):
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

        assert witness.request("POST", path, review, headers).status == 403


def test_it_reviews_the_tokens_that_tenants_show_it(installed: ControlPlane, witness: ApiClient) -> None:
    token = installed.token_for("team-2", audiences=["tenant-sentinel"])
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": ["tenant-sentinel"]},
    }

    status = witness.must("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]

    assert status["user"]["username"] == "system:serviceaccount:team-2:sentinel"
    assert status["audiences"] == ["tenant-sentinel"]
    assert installed.client(token).request("GET", "/api/v1/namespaces/team-2").status == 401


def test_it_watches_what_can_open_a_hole(witness: ApiClient) -> None:
    for group, kind in WATCHED:
        root = f"/apis/{group}/v1" if group else "/api/v1"

        reply = witness.request("GET", f"{root}/{kind}?watch=1&timeoutSeconds=1")

        assert reply.status == 200, kind


def test_it_asks_in_our_lane_and_the_accounts_it_asks_as_stay_in_theirs(installed: ControlPlane) -> None:
    path = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/tenant-sentinel"
    ours = installed.admin.must("GET", path)["metadata"]["uid"]

    def lane(namespace: str, name: str) -> str:
        reply = installed.account(namespace, name).request("GET", "/api/v1/namespaces/team-1")
        return reply.headers["x-kubernetes-pf-flowschema-uid"]

    assert lane("sentinel-system", "sentinel-witness") == ours
    assert lane("team-2-jobs", "runner") != ours
    assert lane("team-1", "default") != ours


def test_a_tenants_accounts_may_do_none_of_what_it_may(installed: ControlPlane) -> None:
    for account in ("team-1/sentinel", "team-1/default", "team-2-jobs/runner"):
        client = installed.account(*account.split("/"))

        assert not grants(client, "there-is-no-such-namespace") & EVERYWHERE


def test_the_only_cluster_role_is_its_own() -> None:
    found = chart.render(chart.witnessed(2))

    for kind in ("ClusterRole", "ClusterRoleBinding"):
        (one,) = chart.of_kind(found, kind)
        assert one["metadata"]["name"] == "sentinel-witness"
    assert chart.subjects(one) == ["sentinel-system/sentinel-witness"]
