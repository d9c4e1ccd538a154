"""The control plane answers as a real one does, because it is one."""

import pytest

from tests.support import manifests
from tests.support.apiclient import Refused
from tests.support.controlplane import ControlPlane
from tests.support.eventually import eventually

SECRETS = "/api/v1/namespaces/wire-b/secrets?limit=1"


@pytest.fixture(scope="module")
def tenants(cluster: ControlPlane) -> ControlPlane:
    cluster.admin.apply(manifests.namespace("wire-a"), manifests.namespace("wire-b"))
    cluster.admin.apply(manifests.account("wire-a"))
    return cluster


def test_a_denied_read_is_403_and_a_granted_one_200(tenants: ControlPlane) -> None:
    sentinel = tenants.account("wire-a")
    hole = manifests.grant("wire-b", "hole", manifests.of_account("wire-a"), manifests.rule(["list"], ["secrets"]))

    denied = sentinel.request("GET", SECRETS)
    tenants.admin.apply(*hole)
    granted = eventually(lambda: is_status(sentinel.request("GET", SECRETS).status, 200), 5)
    tenants.admin.delete(*hole)
    closed = eventually(lambda: is_status(sentinel.request("GET", SECRETS).status, 403), 5)

    assert denied.status == 403
    assert denied.headers["x-content-type-options"] == "nosniff"
    assert 'User "system:serviceaccount:wire-a:sentinel" cannot list' in denied.message
    assert granted
    assert closed


def is_status(found: int, wanted: int) -> bool:
    return found == wanted


def test_it_is_the_version_that_the_facts_are_about(tenants: ControlPlane) -> None:
    assert tenants.admin.must("GET", "/version")["gitVersion"] == "v1.36.3"


def test_tokens_name_their_account_and_anonymous_is_asked_without_one(
    tenants: ControlPlane,
) -> None:
    assert tenants.account("wire-a").whoami() == "system:serviceaccount:wire-a:sentinel"
    assert "system:anonymous" in tenants.client(None).request("GET", SECRETS).message


@pytest.mark.parametrize(("seconds", "status"), [(600, 403), (-20, 403), (-120, 401)])
def test_a_signed_token_is_as_old_as_the_test_wants(tenants: ControlPlane, seconds: int, status: int) -> None:
    token = tenants.signed_token("wire-a", seconds=seconds)

    assert tenants.client(token).request("GET", SECRETS).status == status


def test_unknown_fields_are_refused(tenants: ControlPlane) -> None:
    wrong = manifests.config_map("wire-a", "wrong") | {"dta": {"a": "typo"}}

    with pytest.raises(Refused, match="dta"):
        tenants.admin.apply(wrong)


def test_a_namespace_that_enforces_restricted_refuses_a_privileged_pod(
    tenants: ControlPlane,
) -> None:
    strict = {"pod-security.kubernetes.io/enforce": "restricted"}
    tenants.admin.apply(manifests.namespace("wire-strict", **strict))
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "wire-strict", "name": "rude"},
        "spec": {"containers": [{"name": "a", "image": "example.invalid/a:1"}]},
    }

    with pytest.raises(Refused, match="violates PodSecurity"):
        tenants.admin.create(pod)


def test_a_deleted_namespace_goes_away(tenants: ControlPlane) -> None:
    doomed = manifests.namespace("wire-doomed")
    tenants.admin.apply(doomed)

    tenants.admin.delete(doomed)

    assert eventually(lambda: not tenants.admin.exists(doomed), 30, "the namespace is gone")


def test_it_comes_back_on_the_same_port_with_the_same_data() -> None:
    with ControlPlane(anonymous=False) as own:
        own.admin.apply(manifests.namespace("kept"), manifests.account("kept"))
        token = own.token_for("kept")

        own.stop_apiserver()
        with pytest.raises(OSError):
            own.client(token).whoami()
        own.start_apiserver()
        anonymous = own.client(None).request("GET", "/version").status
        own.kill_apiserver()
        own.flags["anonymous-auth"] = "true"
        own.start_apiserver()

        assert own.client(token).whoami() == "system:serviceaccount:kept:sentinel"
        assert anonymous == 401
        assert own.client(None).request("GET", "/version").status == 200
        folder = own.folder
    assert not folder.exists()
