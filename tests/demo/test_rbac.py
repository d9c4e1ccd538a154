"""Who may do what, decided from objects: one line per rule of the game."""

import pytest

from sentinel.demo.rbac import Access, Act, User
from tests.support import manifests
from tests.support.manifests import Dict, grant, of_account, of_group, of_user, rule

ANN = User("system:serviceaccount:team-a:ann", ("system:serviceaccounts", "system:authenticated"))
LIST = Act("list", "", "secrets", namespace="team-b")
GET = Act("get", "", "secrets", namespace="team-b", name="beacon")
LOG = Act("get", "", "pods", "log", "team-b", "web")

READ = rule(["get", "list"], ["secrets"])
TO_ANN = of_account("team-a", "ann")


@pytest.mark.parametrize(
    ("granted", "act", "allowed"),
    [
        pytest.param(grant("team-b", "r", TO_ANN, READ), LIST, True, id="bound there"),
        pytest.param(grant("team-c", "r", TO_ANN, READ), LIST, False, id="bound elsewhere"),
        pytest.param(grant("team-b", "r", of_account("team-b", "ann"), READ), LIST, False, id="a namesake"),
        pytest.param(grant("team-b", "r", of_user(ANN.name), READ), LIST, True, id="by user name"),
        pytest.param(grant("team-b", "r", of_group("system:authenticated"), READ), LIST, True, id="by group"),
        pytest.param(
            grant("team-b", "r", TO_ANN, rule(["get"], ["secrets"])), LIST, False, id="get is no list"
        ),
        pytest.param(
            grant("team-b", "r", TO_ANN, rule(["*"], ["*"], groups=["*"])), LIST, True, id="wildcards"
        ),
        pytest.param(
            grant("team-b", "r", TO_ANN, rule(["get", "list"], ["secrets"], names=["beacon"])),
            LIST, False, id="a rule for one name does not list",
        ),
        pytest.param(
            grant("team-b", "r", TO_ANN, rule(["get"], ["secrets"], names=["beacon"])), GET, True, id="its name"
        ),
        pytest.param(
            grant("team-b", "r", TO_ANN, rule(["get"], ["secrets"], names=["x"])), GET, False, id="other name"
        ),
        pytest.param(grant("team-b", "r", TO_ANN, rule(["get"], ["pods"])), LOG, False, id="pods is no log"),
        pytest.param(grant("team-b", "r", TO_ANN, rule(["get"], ["pods/log"])), LOG, True, id="pods/log"),
        pytest.param(grant("team-b", "r", TO_ANN, rule(["get"], ["*/log"])), LOG, True, id="any log"),
        pytest.param(
            grant("team-b", "r", TO_ANN, rule(["list"], ["secrets"], groups=["apps"])), LIST, False, id="other group"
        ),
    ],
)  # fmt: skip
def test_a_grant_allows_exactly_what_it_says(granted: list[Dict], act: Act, allowed: bool) -> None:
    assert Access(granted).decide(ANN, act).allowed is allowed


def test_the_reason_names_the_binding_the_role_and_the_subject() -> None:
    reason = Access(grant("team-b", "breach", TO_ANN, READ)).decide(ANN, LIST).reason

    assert reason == ('RBAC: allowed by RoleBinding "breach/team-b" of Role "breach" to ServiceAccount "ann/team-a"')


def test_a_binding_without_its_role_is_told_and_allows_nothing() -> None:
    ghost = manifests.role_binding("team-b", "ghost", TO_ANN, role="gone")

    decision = Access([ghost]).decide(ANN, LIST)

    assert not decision.allowed
    assert decision.reason == 'RBAC: role.rbac.authorization.k8s.io "gone" not found'


def test_a_cluster_wide_binding_reaches_every_namespace() -> None:
    wide = [manifests.cluster_role("wide", READ), manifests.cluster_role_binding("wide", TO_ANN)]

    access = Access(wide)

    assert access.decide(ANN, LIST).allowed
    assert access.decide(ANN, Act("list", "", "secrets")).allowed
    assert [rule for _, rule in access.grants(ANN, "no-such-namespace").rules] == [READ]


def test_a_role_binding_says_nothing_at_cluster_scope() -> None:
    access = Access(grant("team-b", "r", TO_ANN, READ))

    assert not access.decide(ANN, Act("list", "", "secrets")).allowed


def test_members_of_masters_need_no_binding() -> None:
    assert Access([]).decide(User("root", ("system:masters",)), LIST).allowed
