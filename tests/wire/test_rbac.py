"""Our reading of RBAC beside the API server's own, in a world drawn at random: they never differ."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from sentinel.core.api import rules
from sentinel.core.api.question import Question
from sentinel.core.api.rbac import Rbac, Role, Who, who_of_account
from sentinel.core.api.rbac_object import BINDINGS, ROLES, parse
from sentinel.core.api.resources import Resource
from sentinel.core.api.rules import Grant
from tests.support import manifests
from tests.support.apiclient import ApiClient
from tests.support.controlplane import CONTROLLERS, ControlPlane
from tests.support.eventually import eventually
from tests.support.manifests import Dict, of_account, of_group, of_user, rule

SEED = 20261121
SPACES = [f"rbac-{letter}" for letter in "abcd"]
NAMES = ("ann", "bob", "cat")
ACCOUNTS = [(space, name) for space in SPACES for name in NAMES]
PEOPLE = [Who("eve", ("devs", "system:authenticated")), Who("kim", ("ops", "devs", "system:authenticated"))]
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "escalate", "bind", "use")
GROUPS = ("", "apps", "rbac.authorization.k8s.io", "widgets.example.com")
KINDS = ("secrets", "configmaps", "pods", "deployments", "roles", "widgets", "nodes", "users", "serviceaccounts")
SUBS = ("log", "exec", "token", "status")
OBJECTS = ("beacon", "web", "x")


class World:
    """Two hundred roles and bindings, made from one seed."""

    def __init__(self) -> None:
        self.rng = Random(SEED)

    def some(self, words: tuple[str, ...], wild: float = 0.1) -> list[str]:
        if self.rng.random() < wild:
            return ["*"]
        return self.rng.sample(words, self.rng.randint(1, min(3, len(words))))

    def rule(self) -> Dict:
        kinds = self.some(KINDS)
        if self.rng.random() < 0.3:
            kinds.append(f"{self.rng.choice([*KINDS, '*'])}/{self.rng.choice(SUBS)}")
        names = self.some(OBJECTS, 0) if self.rng.random() < 0.3 else []
        return rule(self.some(VERBS), kinds, names, self.some(GROUPS))

    def rules(self) -> list[Dict]:
        return [self.rule() for _ in range(self.rng.randint(1, 3))]

    def subject(self, space: str) -> Dict:
        account = self.rng.choice(ACCOUNTS)
        return self.rng.choice(
            [
                of_account(*account),
                of_account(*account),
                {"kind": "ServiceAccount", "name": account[1], "namespace": space or account[0]},
                of_user(f"system:serviceaccount:{account[0]}:{account[1]}"),
                of_user(self.rng.choice(["eve", "kim"])),
                of_group(f"system:serviceaccounts:{account[0]}"),
                of_group(self.rng.choice(["devs", "ops"])),
                of_group("system:serviceaccounts" if self.rng.random() < 0.2 else "nobody"),
            ]
        )

    def subjects(self, space: str = "") -> list[Dict]:
        found = [self.subject(space) for _ in range(self.rng.randint(1, 3))]
        return [one for at, one in enumerate(found) if one not in found[:at]]

    def cluster_role(self, name: str) -> Dict:
        made = manifests.cluster_role(name, *self.rules())
        labels = {"to": self.rng.choice(["one", "two", "none"]), "colour": self.rng.choice(["red", "blue"])}
        made["metadata"]["labels"] = labels if self.rng.random() < 0.8 else {}
        return made

    def aggregated(self, name: str, number: int) -> Dict:
        selectors: list[Dict] = [
            {"matchLabels": {"to": "one"}},
            {"matchLabels": {"to": "two", "colour": "red"}},
            {"matchExpressions": [{"key": "to", "operator": "In", "values": ["one", "nested"]}]},
            {"matchExpressions": [{"key": "to", "operator": "Exists"}, {"key": "colour", "operator": "NotIn", "values": ["red"]}]},
        ]  # fmt: skip
        made = manifests.cluster_role(name)
        if number == 0:
            made["metadata"]["labels"] = {"to": "nested"}
        return made | {"aggregationRule": {"clusterRoleSelectors": [selectors[number % 4]]}}

    def objects(self) -> Iterator[Dict]:
        roles = [(space, f"role-{n}") for space in SPACES for n in range(11)]
        wide = [f"wide-{n}" for n in range(30)]
        yield from (manifests.role(space, name, *self.rules()) for space, name in roles)
        yield from (self.cluster_role(name) for name in wide)
        yield from (self.aggregated(f"sum-{n}", n) for n in range(8))
        wide += [f"sum-{n}" for n in range(8)]
        for number in range(100):
            space, name = self.rng.choice(roles)
            kind, role = ("Role", name) if number % 2 else ("ClusterRole", self.rng.choice([*wide, "gone"]))
            yield manifests.role_binding(space, f"bind-{number}", *self.subjects(space), role=role, kind=kind)
        for number in range(24):
            yield manifests.cluster_role_binding(f"wide-{number}", *self.subjects(), role=self.rng.choice(wide))

    def question(self) -> Question:
        verb, kind = self.rng.choice(VERBS), self.rng.choice(KINDS)
        sub = self.rng.choice(SUBS) if self.rng.random() < 0.2 else ""
        space = self.rng.choice([*SPACES, *SPACES, "rbac-absent", None])
        named = verb not in ("list", "watch", "create", "deletecollection")
        name = self.rng.choice([*OBJECTS, "other"]) if named else ""
        resource = Resource(kind, self.rng.choice(GROUPS[:3] if kind != "widgets" else GROUPS), "v1", "api/custom")
        return Question("self", verb, resource, space, space or "*", name, sub)


@pytest.fixture(scope="module")
def drawn() -> Iterator[ControlPlane]:
    with ControlPlane(controllers=CONTROLLERS) as cluster:
        cluster.admin.apply(*map(manifests.namespace, SPACES))
        cluster.admin.apply(*(manifests.account(*account) for account in ACCOUNTS))
        made = [*World().objects()]
        assert len(made) > 200
        cluster.admin.apply(*made)
        eventually(lambda: aggregation_settled(picture(cluster.admin)), 30)
        yield cluster


def picture(admin: ApiClient) -> Rbac:
    """Everything that is in the cluster, what Kubernetes itself made included."""
    found = []
    for kind in (*ROLES, *BINDINGS):
        listed = admin.must("GET", f"/apis/rbac.authorization.k8s.io/v1/{kind.lower()}s")
        found += [parse(item, kind) for item in listed["items"]]
    assert None not in found
    return Rbac.of([one for one in found if one is not None])


def aggregation_settled(rbac: Rbac) -> bool:
    """The controller has written into each what its selectors select."""
    wide = [role for role in rbac.objects() if isinstance(role, Role) and role.kind == "ClusterRole"]
    return all(
        set(taker.rules) == {rule for source in wide if taker.takes_over(source) for rule in source.rules}
        for taker in wide
        if taker.aggregates
    )


def everybody() -> list[Who]:
    return [
        *(who_of_account(*account) for account in ACCOUNTS),
        *PEOPLE,
        Who("system:anonymous", ("system:unauthenticated",)),
    ]


def decided(admin: ApiClient, who: Who, question: Question) -> dict[str, Any]:
    attributes = {
        "namespace": question.asked_namespace or "",
        "verb": question.verb,
        "group": question.resource.group,
        "resource": question.resource.plural,
        "subresource": question.subresource,
        "name": question.asked_name,
    }
    spec = {"user": who.user, "groups": [*who.groups], "resourceAttributes": attributes}
    body = {"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": spec}
    return dict(admin.must("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)["status"])


def test_rules_are_those_that_the_api_server_lists(drawn: ControlPlane) -> None:
    rbac = picture(drawn.admin)
    compared = 0

    for account in ACCOUNTS:
        who = who_of_account(*account)
        own = drawn.account(*account)
        for space in (*SPACES, "rbac-absent"):
            listed = self_reviewed(own, space)
            ours = rbac.rules_of(who, None if space == "rbac-absent" else space)
            assert ours == listed, f"{who.user} in {space}: {sorted(ours ^ listed)}"
            compared += len(listed)

    print(f"{len(ACCOUNTS) * 5} reviews, {compared} grants")
    assert compared > 2000


def self_reviewed(own: ApiClient, space: str) -> frozenset[Grant]:
    body = {"kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1", "spec": {"namespace": space}}
    found = rules.parse(
        json.dumps(own.must("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", body)).encode()
    )
    assert found is not None
    return found.grants


def test_paths_are_there_exactly_when_the_api_server_allows_and_its_reason_is_one_of_them(
    drawn: ControlPlane,
) -> None:
    rbac, world = picture(drawn.admin), World()
    world.rng = Random(SEED + 1)
    allowed = 0

    for _ in range(700):
        who, question = world.rng.choice(everybody()), world.question()
        decision, paths = decided(drawn.admin, who, question), rbac.paths(who, question)
        told = f"{who.user} {question.text} in {question.asked_namespace}: {decision} / {[path.text for path in paths]}"
        assert decision["allowed"] is bool(paths), told
        if paths:
            allowed += 1
            assert decision["reason"].removeprefix("RBAC: allowed by ") in {path.text for path in paths}, told

    print(f"700 questions, {allowed} allowed")
    assert 100 < allowed < 600


def test_every_rule_of_an_aggregated_role_has_its_source(drawn: ControlPlane) -> None:
    rbac, found = picture(drawn.admin), 0
    world = World()
    for _ in range(400):
        for path in rbac.paths(world.rng.choice(everybody()), world.question()):
            if path.role.aggregates:
                found += 1
                assert path.sources, path.text
                assert all(not source.aggregates for source in path.sources)
    assert found > 5
