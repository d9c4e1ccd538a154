"""What the accounts may really do once the chart is there: their controls, and nothing else.

Asked with real tokens, as a sentinel asks: 406 and 200 are a grant, 403 is a denial.
"""

import pytest

from tests.support.apiclient import ApiClient
from tests.support.controlplane import ControlPlane

IMAGE = {"Accept": "image/png"}

MAY = {
    "its own beacon, the Secret": "/api/v1/namespaces/team-1/secrets/sentinel-beacon",
    "its own beacon, the ConfigMap": "/api/v1/namespaces/team-1/configmaps/sentinel-beacon",
    "the door of its own namespace": "/api/v1/namespaces/team-1",
    "the door of another tenant": "/api/v1/namespaces/team-2",
    "the door of another tenant's second namespace": "/api/v1/namespaces/team-2-jobs",
    "the door of kube-system": "/api/v1/namespaces/kube-system",
    "the door of the release's namespace": "/api/v1/namespaces/sentinel-system",
    "the open decoy": "/api/v1/namespaces/sentinel-system/secrets/sentinel-decoy",
}

MAY_NOT = {
    "the closed decoy": "/api/v1/namespaces/sentinel-system/secrets/sentinel-decoy-closed",
    "the beacon of another tenant": "/api/v1/namespaces/team-2/secrets/sentinel-beacon",
    "the ConfigMap beacon of another tenant": "/api/v1/namespaces/team-2/configmaps/sentinel-beacon",
    "another tenant's configuration": "/api/v1/namespaces/team-2/configmaps/sentinel",
    "its own configuration": "/api/v1/namespaces/team-1/configmaps/sentinel",
    "any other namespace": "/api/v1/namespaces/default",
    "all namespaces": "/api/v1/namespaces?limit=1",
    "all secrets": "/api/v1/secrets?limit=1",
    "its own secrets": "/api/v1/namespaces/team-1/secrets?limit=1",
    "another tenant's secrets": "/api/v1/namespaces/team-2/secrets?limit=1",
    "the secrets of the release": "/api/v1/namespaces/sentinel-system/secrets?limit=1",
    "the configmaps of kube-system": "/api/v1/namespaces/kube-system/configmaps?limit=1",
    "another tenant's roles": "/apis/rbac.authorization.k8s.io/v1/namespaces/team-2/roles?limit=1",
    "another tenant's deployments": "/apis/apps/v1/namespaces/team-2/deployments?limit=1",
}

TOKEN = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}


@pytest.fixture(params=["sentinel", "ci", "robot", "default"])
def account(request: pytest.FixtureRequest, installed: ControlPlane) -> ApiClient:
    return installed.account("team-1", request.param)


@pytest.mark.parametrize("what", MAY)
def test_it_may_read(account: ApiClient, what: str) -> None:
    assert account.request("GET", MAY[what], headers=IMAGE).status == 406
    assert account.request("GET", MAY[what]).status == 200


@pytest.mark.parametrize("what", MAY_NOT)
def test_it_may_not_read(account: ApiClient, what: str) -> None:
    for headers in ({}, IMAGE):
        assert account.request("GET", MAY_NOT[what], headers=headers).status == 403


def test_a_rules_review_of_another_tenant_shows_the_door_and_what_everybody_has(account: ApiClient) -> None:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": "team-2"},
    }

    status = account.must("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review)["status"]

    beyond = [rule for rule in status["resourceRules"] if not rule["resources"][0].startswith("selfsubject")]
    assert beyond == [{"verbs": ["get"], "apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["team-2"]}]
    assert not status["incomplete"]


def test_the_sentinel_may_request_tokens_of_the_account_it_was_given(installed: ControlPlane) -> None:
    sentinel = installed.account("team-1")

    given = sentinel.request("POST", "/api/v1/namespaces/team-1/serviceaccounts/ci/token", TOKEN)

    assert given.status == 201
    assert installed.client(given.json["status"]["token"]).whoami() == "system:serviceaccount:team-1:ci"


@pytest.mark.parametrize(
    "path", ["team-1/serviceaccounts/robot", "team-1/serviceaccounts/default", "team-2/serviceaccounts/sentinel"]
)
def test_and_of_no_other(installed: ControlPlane, path: str) -> None:
    refused = installed.account("team-1").request("POST", f"/api/v1/namespaces/{path}/token", TOKEN)

    assert refused.status == 403


def test_another_tenants_sentinel_and_the_account_itself_may_request_none(installed: ControlPlane) -> None:
    path = "/api/v1/namespaces/team-1/serviceaccounts/ci/token"

    assert installed.account("team-2").request("POST", path, TOKEN).status == 403
    assert installed.account("team-1", "ci").request("POST", path, TOKEN).status == 403


def test_each_sentinel_asks_in_our_lane_and_other_accounts_stay_in_theirs(installed: ControlPlane) -> None:
    path = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/tenant-sentinel"
    ours = installed.admin.must("GET", path)["metadata"]["uid"]

    def lane(namespace: str, name: str) -> str:
        reply = installed.account(namespace, name).request("GET", "/api/v1/namespaces/team-1")
        return reply.headers["x-kubernetes-pf-flowschema-uid"]

    assert lane("team-1", "sentinel") == lane("team-2", "sentinel") == ours
    assert lane("team-1", "ci") != ours
