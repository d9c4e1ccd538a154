"""Who may do what, decided from objects; and that a picture once taken never changes."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.core.api.question import Question
from sentinel.core.api.rbac import (
    ANONYMOUS,
    MOST_OF_A_RULE,
    Binding,
    Made,
    Rbac,
    Requirement,
    Role,
    Rule,
    Subject,
    Who,
    who_of_account,
    who_of_group,
)
from sentinel.core.api.rbac_object import MOST_WORDS, parse
from sentinel.core.api.resources import NAMESPACES, SECRETS, Resource
from sentinel.core.api.rules import Grant
from tests.support import manifests
from tests.support.manifests import of_account, of_group, of_user, rule

ANN = who_of_account("team-a", "ann")
TO_ANN = of_account("team-a", "ann")
READ = rule(["get", "list"], ["secrets"])
PODS = Resource("pods", "", "v1", "api/workloads")


def world(*objects: dict[str, Any]) -> Rbac:
    return Rbac.of([found for found in map(parse, objects) if found is not None])


def asks(verb: str, resource: Resource, namespace: str | None, name: str = "", sub: str = "") -> Question:
    return Question("self", verb, resource, namespace, namespace or "*", name, sub)


LIST = asks("list", SECRETS, "team-b")
GET = asks("get", SECRETS, "team-b", "beacon")
LOG = asks("get", PODS, "team-b", "web", "log")


def granted(*rules: dict[str, Any], to: dict[str, Any] = TO_ANN) -> Rbac:
    return world(*manifests.grant("team-b", "r", to, *rules))


@pytest.mark.parametrize(
    ("rbac", "question", "lets_in"),
    [
        pytest.param(granted(READ), LIST, True, id="bound there"),
        pytest.param(granted(READ), asks("list", SECRETS, "team-c"), False, id="bound elsewhere"),
        pytest.param(granted(READ), asks("list", SECRETS, None), False, id="a namespace is not the cluster"),
        pytest.param(granted(READ, to=of_account("team-b", "ann")), LIST, False, id="a namesake"),
        pytest.param(granted(READ, to=of_user(ANN.user)), LIST, True, id="by user name"),
        pytest.param(granted(READ, to={"kind": "ServiceAccount", "name": "ann"}), LIST, False, id="of its own space"),
        pytest.param(granted(READ, to=of_group("system:serviceaccounts:team-a")), LIST, True, id="by its namespace"),
        pytest.param(granted(READ, to=of_group("system:authenticated")), LIST, True, id="by the widest group"),
        pytest.param(granted(READ, to=of_group("system:unauthenticated")), LIST, False, id="it is no stranger"),
        pytest.param(granted(rule(["get"], ["secrets"])), LIST, False, id="get is no list"),
        pytest.param(granted(rule(["*"], ["*"], groups=["*"])), LIST, True, id="wildcards"),
        pytest.param(granted(rule(["list"], ["secrets"], groups=["apps"])), LIST, False, id="another group"),
        pytest.param(granted(rule(["get"], ["secrets"], names=["beacon"])), GET, True, id="its name"),
        pytest.param(granted(rule(["get"], ["secrets"], names=["x"])), GET, False, id="another name"),
        pytest.param(granted(rule(["list"], ["secrets"], names=["x"])), LIST, False, id="a name does not list"),
        pytest.param(granted(rule(["get"], ["pods"])), LOG, False, id="pods are no logs"),
        pytest.param(granted(rule(["get"], ["pods/log"])), LOG, True, id="pods/log"),
        pytest.param(granted(rule(["get"], ["*/log"])), LOG, True, id="any log"),
        pytest.param(granted(rule(["get"], ["*/log"])), asks("get", PODS, "team-b", "log"), False, id="not a name"),
        pytest.param(
            granted(rule(["get"], ["namespaces"])), asks("get", NAMESPACES, None, "team-b"), True, id="in itself"
        ),
    ],
)
def test_a_grant_allows_exactly_what_it_says(rbac: Rbac, question: Question, lets_in: bool) -> None:
    assert bool(rbac.paths(ANN, question)) is lets_in


def test_a_path_names_the_binding_the_role_and_the_subject_as_the_api_server_does() -> None:
    (path,) = granted(READ).paths(ANN, LIST)

    assert path.text == 'RoleBinding "r/team-b" of Role "r" to ServiceAccount "ann/team-a"'
    assert (path.role.name, path.rule.verbs) == ("r", ("get", "list"))


def test_every_way_in_is_told_since_closing_one_leaves_the_others() -> None:
    two = manifests.role_binding("team-b", "r", TO_ANN, of_group("system:serviceaccounts"))
    wide = [manifests.cluster_role("w", READ), manifests.cluster_role_binding("w", of_user(ANN.user))]

    paths = world(manifests.role("team-b", "r", READ), two, *wide).paths(ANN, LIST)

    assert [(path.binding.name, path.subject.kind) for path in paths] == [
        ("w", "User"), ("r", "ServiceAccount"), ("r", "Group"),
    ]  # fmt: skip


def test_a_subject_without_a_namespace_is_an_account_of_the_bindings_own() -> None:
    home = manifests.role_binding("team-a", "r", {"kind": "ServiceAccount", "name": "ann"}, role="r")
    rbac = world(manifests.role("team-a", "r", READ), home)

    assert rbac.paths(ANN, asks("list", SECRETS, "team-a"))


def test_a_binding_of_a_role_that_nobody_made_lets_nobody_in() -> None:
    ghost = world(manifests.role_binding("team-b", "ghost", TO_ANN, role="gone"))

    assert not ghost.paths(ANN, LIST)
    assert not ghost.rules_of(ANN, "team-b")


def test_a_role_of_another_namespace_is_another_role() -> None:
    bound = manifests.role_binding("team-b", "r", TO_ANN, role="r")

    assert not world(manifests.role("team-c", "r", READ), bound).paths(ANN, LIST)


def aggregated(*sources: dict[str, Any]) -> Rbac:
    taker = manifests.cluster_role("taker", READ) | {
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "taker"}}]}
    }
    return world(taker, manifests.cluster_role_binding("taker", TO_ANN), *sources)


def labelled(name: str, *rules: dict[str, Any], **labels: str) -> dict[str, Any]:
    made = manifests.cluster_role(name, *rules)
    made["metadata"]["labels"] = labels
    return made


def test_of_an_aggregated_role_the_one_in_which_the_rule_was_written_is_named() -> None:
    rbac = aggregated(labelled("wrote", READ, to="taker"), labelled("other", rule(["get"], ["pods"]), to="taker"))

    (path,) = rbac.paths(ANN, LIST)

    assert [role.name for role in path.sources] == ["wrote"]
    assert [role.name for role in rbac.takers_of(path.sources[0])] == ["taker"]


def test_aggregation_through_another_aggregated_role_and_in_a_circle_is_followed_to_its_end() -> None:
    middle = labelled("middle", READ, to="taker") | {
        "aggregationRule": {
            "clusterRoleSelectors": [{"matchLabels": {"to": "middle"}}, {"matchLabels": {"to": "taker"}}]
        }
    }
    rbac = aggregated(middle, labelled("wrote", READ, to="middle"))

    (path,) = rbac.paths(ANN, LIST)

    assert [role.name for role in path.sources] == ["wrote"]


@pytest.mark.parametrize(
    ("needed", "labels", "accepted"),
    [
        (Requirement("a", "In", frozenset("xy")), {"a": "x"}, True),
        (Requirement("a", "In", frozenset("xy")), {"a": "z"}, False),
        (Requirement("a", "In", frozenset("xy")), {}, False),
        (Requirement("a", "NotIn", frozenset("xy")), {"a": "x"}, False),
        (Requirement("a", "NotIn", frozenset("xy")), {}, True),
        (Requirement("a", "Exists"), {"a": ""}, True),
        (Requirement("a", "Exists"), {}, False),
        (Requirement("a", "DoesNotExist"), {}, True),
        (Requirement("a", "DoesNotExist"), {"a": ""}, False),
        (Requirement("a", "Like", frozenset("x")), {"a": "x"}, False),
    ],
)
def test_a_label_selector_means_what_it_means_to_kubernetes(
    needed: Requirement, labels: dict[str, str], accepted: bool
) -> None:
    assert needed.accepts(labels) is accepted


def test_groups_of_accounts_of_strangers_and_of_humans() -> None:
    assert ANN.groups == ("system:serviceaccounts", "system:serviceaccounts:team-a", "system:authenticated")
    assert granted(READ, to=of_group("system:unauthenticated")).paths(ANONYMOUS, LIST)
    assert granted(READ, to=of_group("devs")).paths(who_of_group("devs"), LIST)
    assert not granted(READ, to=of_group("devs")).paths(who_of_group("ops"), LIST)


def test_the_rules_of_a_namespace_hold_the_cluster_wide_ones_and_none_of_another() -> None:
    wide = [manifests.cluster_role("w", rule(["get"], ["pods"])), manifests.cluster_role_binding("w", TO_ANN)]
    there = manifests.grant("team-b", "r", TO_ANN, rule(["get"], ["secrets"], names=["x"]))
    rbac = world(*wide, *there)

    assert rbac.rules_of(ANN, None) == {Grant("get", "", "pods")}
    assert rbac.rules_of(ANN, "team-b") == {Grant("get", "", "pods"), Grant("get", "", "secrets", "x")}
    assert rbac.rules_of(ANN, "team-c") == rbac.rules_of(ANN, None)


def test_a_rule_of_a_million_grants_counts_as_wildcards_and_misses_none() -> None:
    many = Rule(tuple(f"v{n}" for n in range(1000)), ("",), tuple(f"r{n}" for n in range(900)), ("a", "b"))

    grants = set(many.grants())

    assert len(grants) <= MOST_OF_A_RULE
    assert grants == {Grant("*", "", f"r{n}", name) for n in range(900) for name in ("a", "b")}


def test_the_rules_of_somebody_with_thousands_of_such_roles_stay_bounded() -> None:
    big = Rule(("get",), ("",), tuple(f"r{n}" for n in range(4000)))
    roles = [Role("Role", "n", f"r{i}", (Rule((f"v{i}",), ("",), big.resources),)) for i in range(40)]
    bindings = [Binding("RoleBinding", "n", f"b{i}", "Role", f"r{i}", (Subject("User", "ann"),)) for i in range(40)]

    grants = Rbac.of([*roles, *bindings]).rules_of(Who("ann"), "n")

    assert len(grants) < 30_000
    assert any(grant.resource == "*" for grant in grants)


def test_bindings_of_a_cluster_role_are_found_in_every_namespace_and_of_a_role_in_its_own() -> None:
    wide, own = Role("ClusterRole", "", "r"), Role("Role", "team-b", "r")
    rbac = world(
        manifests.role_binding("team-a", "x", TO_ANN, role="r", kind="ClusterRole"),
        manifests.role_binding("team-b", "y", TO_ANN, role="r"),
        manifests.role_binding("team-c", "z", TO_ANN, role="r"),
        manifests.cluster_role_binding("w", TO_ANN, role="r"),
    )

    assert {binding.name for binding in rbac.bindings_of(wide)} == {"x", "w"}
    assert {binding.name for binding in rbac.bindings_of(own)} == {"y"}


def test_who_made_an_object_is_read_from_the_part_that_decides() -> None:
    made = manifests.role_binding("team-b", "r", TO_ANN)
    made["metadata"] |= {
        "creationTimestamp": "2026-11-20T10:00:00Z",
        "managedFields": [
            {"manager": "kubectl", "time": "2026-11-20T10:00:00Z", "fieldsV1": {"f:subjects": {}}},
            {"manager": "helm\n", "time": "2026-11-21T10:00:00Z", "fieldsV1": {"f:subjects": {}}},
            {"manager": "labeller", "time": "2026-11-22T10:00:00Z", "fieldsV1": {"f:metadata": {}}},
        ],
    }

    found = parse(made)

    assert found is not None
    assert found.made == Made(1795168800.0, "helm?", 1795255200.0)


NONSENSE: list[Any] = [None, 3, "x", [], {}, [None], [3], ["x"], [{"a": {}}], {"a": [1]}, [[["x"]]], "*" * 99, True]


@given(st.data())
@settings(max_examples=300)
def test_nonsense_is_refused_or_left_out_and_never_an_error(data: st.DataObject) -> None:
    obj: Any = data.draw(
        st.sampled_from(
            [
                manifests.role("n", "r", READ),
                manifests.role_binding("n", "r", TO_ANN),
                labelled("c", READ, a="b")
                | {
                    "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}, "matchExpressions": [{}]}]}
                },
                manifests.cluster_role_binding("c", TO_ANN),
            ]
        )
    )
    broken = distorted(obj, data)

    found = parse(broken)

    if found is not None:
        rbac = Rbac.of([found])
        assert rbac.paths(ANN, LIST) == ()
        hash(found)


def distorted(value: Any, data: st.DataObject) -> Any:
    """One place somewhere in it says something else."""
    if not isinstance(value, (dict, list)) or not value or data.draw(st.integers(0, 3)) == 0:
        return data.draw(st.sampled_from(NONSENSE))
    if isinstance(value, list):
        return [distorted(value[0], data), *value[1:]]
    key = data.draw(st.sampled_from(sorted(value)))
    return value | {key: distorted(value[key], data)}


def test_what_is_no_role_and_no_binding_is_none() -> None:
    assert parse(manifests.secret("n", "s")) is None
    assert parse({"kind": "Role"}) is None
    assert parse({"metadata": {"name": "r", "namespace": "n"}}, "Role") == Role("Role", "n", "r")
    assert parse({"metadata": {"name": "r", "namespace": "n"}}, "ClusterRole") is None
    assert parse({"metadata": {"name": "r"}}, "RoleBinding") is None


def test_a_list_longer_than_we_read_counts_as_all_of_them() -> None:
    found = parse(manifests.role("n", "r", rule([f"v{n}" for n in range(MOST_WORDS + 1)], ["pods"], ["x"])))

    assert isinstance(found, Role)
    assert found.rules == (Rule(("*",), ("",), ("pods",), ("x",)),)


def test_names_longer_than_we_read_count_as_every_name() -> None:
    many = rule(["get"], ["secrets"], [f"n{n}" for n in range(MOST_WORDS + 1)])

    assert granted(many).paths(ANN, GET)


def test_a_role_binding_may_give_a_cluster_role_in_its_namespace_alone() -> None:
    inside = manifests.role_binding("team-b", "r", TO_ANN, role="reader", kind="ClusterRole")
    rbac = world(manifests.cluster_role("reader", READ), inside)

    assert rbac.paths(ANN, LIST)
    assert not rbac.paths(ANN, asks("list", SECRETS, "team-c"))
    assert not rbac.paths(ANN, asks("list", SECRETS, None))


# A picture never changes: whatever is done with objects gives another one.

NAMES = st.sampled_from(["a", "b"])
SPACES = st.sampled_from(["", "n1", "n2"])
SUBJECTS = st.sampled_from(
    [
        Subject("User", "system:serviceaccount:n1:a"),
        Subject("Group", "g"),
        Subject("ServiceAccount", "a"),
        Subject("ServiceAccount", "a", "n1"),
        Subject("ServiceAccount", "b", "n2"),
        Subject("Robot", "a"),
    ]
)
RULES = st.builds(
    Rule,
    st.lists(st.sampled_from(["get", "list", "*"]), max_size=2).map(tuple),
    st.sampled_from([("",), ("*",), ("apps",)]),
    st.sampled_from([("secrets",), ("pods", "pods/log"), ("*",), ("*/log",)]),
    st.sampled_from([(), ("x",)]),
)


@st.composite
def objects(draw: st.DrawFn) -> Role | Binding:
    space, name = draw(SPACES), draw(NAMES)
    if draw(st.booleans()):
        return Role("Role" if space else "ClusterRole", space, name, tuple(draw(st.lists(RULES, max_size=2))))
    kind = draw(st.sampled_from(["Role", "ClusterRole"])) if space else "ClusterRole"
    subjects = tuple(draw(st.lists(SUBJECTS, max_size=3)))
    return Binding("RoleBinding" if space else "ClusterRoleBinding", space, name, kind, draw(NAMES), subjects)


WHO = st.sampled_from([who_of_account("n1", "a"), who_of_account("n2", "b"), Who("u", ("g",)), ANONYMOUS])
QUESTIONS = st.sampled_from(
    [
        asks("list", SECRETS, "n1"),
        asks("get", SECRETS, "n2", "x"),
        asks("get", PODS, "n1", "x", "log"),
        asks("list", SECRETS, None),
    ]
)


@given(st.lists(st.tuples(objects(), st.booleans()), max_size=25), WHO, QUESTIONS)
def test_step_by_step_comes_to_the_same_as_all_at_once_and_readers_see_nothing_of_it(
    steps: list[tuple[Role | Binding, bool]], who: Who, question: Question
) -> None:
    held: dict[tuple[str, str, str], Role | Binding] = {}
    rbac, seen = Rbac(), []
    for changed, removed in steps:
        before = rbac.rules_of(who, "n1"), rbac.paths(who, question)
        seen.append((rbac, before))
        key = changed.kind, changed.namespace, changed.name
        rbac = rbac.without_object(*key) if removed else rbac.with_object(changed)
        held.pop(key, None)
        held |= {} if removed else {key: changed}

    assert set(rbac.objects()) == set(held.values())
    for namespace in (None, "n1", "n2"):
        assert rbac.rules_of(who, namespace) == Rbac.of(held.values()).rules_of(who, namespace)
    assert rbac.paths(who, question) == Rbac.of(held.values()).paths(who, question)
    for picture, before in seen:
        assert (picture.rules_of(who, "n1"), picture.paths(who, question)) == before


@given(st.lists(objects(), max_size=20), WHO, QUESTIONS)
def test_taking_away_every_subject_of_every_path_shuts_everything(
    found: list[Role | Binding], who: Who, question: Question
) -> None:
    rbac = Rbac.of(found)

    for path in rbac.paths(who, question):
        binding = rbac.binding(path.binding.namespace, path.binding.name)
        assert binding is not None
        kept = tuple(subject for subject in binding.subjects if subject != path.subject)
        rbac = rbac.with_object(
            Binding(binding.kind, binding.namespace, binding.name, binding.role_kind, binding.role_name, kept)
        )

    assert not rbac.paths(who, question)


@given(st.lists(objects(), max_size=20), WHO, QUESTIONS)
def test_a_path_exists_exactly_when_a_listed_rule_allows_it(
    found: list[Role | Binding], who: Who, question: Question
) -> None:
    rbac = Rbac.of(found)
    rules = [
        Rule((grant.verb,), (grant.group,), (grant.resource,), (grant.name,) if grant.name else ())
        for grant in rbac.rules_of(who, question.asked_namespace)
    ]

    assert bool(rbac.paths(who, question)) is any(rule.allows(question) for rule in rules)
