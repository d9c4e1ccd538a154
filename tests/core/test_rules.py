"""The trip-wire: from a rules review to the real questions it leads to, and what it must not lead to."""

import json
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.question import CLUSTER, METHODS, Question, at_cluster_scope, in_namespace
from sentinel.core.resources import ABSENT_NAME, CONFIGMAPS, NAMESPACES, RESOURCES, SECRETS, Resource
from sentinel.core.rules import (
    BASELINE,
    MOST_GRANTS,
    MOST_QUESTIONS,
    Grant,
    Review,
    controls,
    covers,
    door,
    parse,
    suspects,
    suspicious,
    wide,
    wide_suspects,
)

HOME = "sentinel-system"
PODS = next(resource for resource in RESOURCES if resource.plural == "pods")
WIDGETS = Resource("widgets", "acme.example.com", "v2", "api/custom")
OTHER_WIDGETS = Resource("widgets", "other.example.com", "v1", "api/custom")
NODES = Resource("nodes", "", "v1", "api/metadata", namespaced=False)
SERVED = (*RESOURCES, WIDGETS, OTHER_WIDGETS, NODES)


def body(*rules, **status):
    rows = [
        {"verbs": verbs, "apiGroups": groups, "resources": resources, **({"resourceNames": names} if names else {})}
        for verbs, groups, resources, names in rules
    ]
    status = {"resourceRules": rows, "nonResourceRules": [], "incomplete": False, **status}
    return json.dumps({"kind": "SelfSubjectRulesReview", "spec": {}, "status": status}).encode()


BASIC: tuple[Any, ...] = (
    (["create"], ["authorization.k8s.io"], ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], []),
    (["create"], ["authentication.k8s.io"], ["selfsubjectreviews"], []),
)
DOOR = (["get"], [""], ["namespaces"], ["team-b"])
OPEN_DECOY = (["get"], [""], ["secrets"], ["sentinel-decoy"])
CLOSED_DECOY = (["get"], [""], ["secrets"], ["sentinel-decoy-closed"])


def read(*rules, **status) -> Review:
    review = parse(body(*rules, **status))
    assert review is not None
    return review


def beyond(*rules, target="team-b", wide_=frozenset()):
    return suspicious(read(*rules), wide_, target, HOME)


class TestParsing:
    def test_a_review_is_a_set_of_single_grants(self):
        review = read((["get", "list"], ["", "apps"], ["pods"], ["a", "b"]))

        assert review.grants == {
            Grant(verb, group, "pods", name) for verb in ("get", "list") for group in ("", "apps") for name in "ab"
        }

    def test_order_and_repetition_do_not_matter(self):
        assert parse(body(*BASIC, DOOR)) == parse(body(DOOR, *BASIC, *BASIC))

    @pytest.mark.parametrize("rules", [None, []])
    def test_no_rules_are_no_grants(self, rules):
        assert parse(body(resourceRules=rules)) == Review(frozenset())

    @pytest.mark.parametrize(("said", "incomplete"), [(True, True), (False, False), (None, False)])
    def test_incomplete_is_what_the_server_says(self, said, incomplete):
        assert read(incomplete=said).incomplete is incomplete

    def test_an_evaluation_error_alone_is_not_incompleteness(self):
        assert not read(evaluationError='[role "gone" not found]').incomplete

    @pytest.mark.parametrize(
        "hostile",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(b"{", id="broken-json"),
            pytest.param(b"null", id="null"),
            pytest.param(b"[]", id="a-list"),
            pytest.param(b"7", id="a-number"),
            pytest.param(b'"status"', id="a-text"),
            pytest.param(b"{}", id="no-status"),
            pytest.param(b'{"status":null}', id="status-null"),
            pytest.param(b'{"status":[1]}', id="status-a-list"),
            pytest.param(body(resourceRules=[7]), id="a-rule-that-is-a-number"),
            pytest.param(body(resourceRules=["x"]), id="a-rule-that-is-text"),
            pytest.param(body(resourceRules=[[]]), id="a-rule-that-is-a-list"),
            pytest.param(body(resourceRules=7), id="rules-that-are-a-number"),
            pytest.param(body((7, [""], ["pods"], [])), id="verbs-that-are-a-number"),
            pytest.param(b"[" * 200_000, id="nested-without-end"),
            pytest.param(b"\xff\xfe" * 50, id="not-text"),
            pytest.param(
                body(([f"v{n}" for n in range(150)], [f"g{n}" for n in range(150)], ["pods"], [])), id="too-many-grants"
            ),
            pytest.param(
                body(
                    *[([f"v{n}" for n in range(1000)], [f"g{n}" for n in range(1000)], ["pods"] * 1000, ["x"] * 1000)]
                ),
                id="a-product-that-would-never-end",
            ),
        ],
    )
    def test_what_is_no_review_is_none(self, hostile):
        assert parse(hostile) is None

    def test_as_many_grants_as_are_looked_at_are_looked_at(self):
        names = [f"n{number}" for number in range(MOST_GRANTS)]

        assert len(read((["get"], [""], ["secrets"], names)).grants) == MOST_GRANTS
        assert parse(body((["get"], [""], ["secrets"], [*names, "one-more"]))) is None


class TestSuspicion:
    def test_what_every_account_has_and_our_own_controls_are_none(self):
        assert beyond(*BASIC, DOOR) == set()
        assert beyond(*BASIC, (["get"], [""], ["namespaces"], [HOME]), OPEN_DECOY, CLOSED_DECOY, target=HOME) == set()

    def test_the_baseline_is_what_a_real_account_without_bindings_may(self):
        assert read(*BASIC).grants == BASELINE

    @pytest.mark.parametrize(
        "rule",
        [
            pytest.param((["get"], [""], ["namespaces"], ["team-c"]), id="the-door-of-another-target"),
            pytest.param((["get"], [""], ["namespaces"], []), id="a-door-without-a-name"),
            pytest.param((["list"], [""], ["namespaces"], ["team-b"]), id="another-verb-at-our-door"),
            pytest.param((["get"], ["x"], ["namespaces"], ["team-b"]), id="another-group-at-our-door"),
            pytest.param(OPEN_DECOY, id="a-decoy-where-none-should-be"),
            pytest.param((["get"], [""], ["secrets"], ["sentinel-beacon"]), id="the-beacon-by-name"),
            pytest.param((["*"], ["authorization.k8s.io"], ["selfsubjectrulesreviews"], []), id="more-of-the-baseline"),
        ],
    )
    def test_anything_but_the_exact_tuple_is_suspicious(self, rule):
        assert len(beyond(*BASIC, DOOR, rule)) == 1

    def test_cluster_wide_rules_are_subtracted_from_every_target(self):
        everywhere: Any = (["list"], [""], ["secrets"], [])
        found = wide(read(*BASIC, everywhere))

        assert found == {Grant("list", "", "secrets")}
        assert beyond(*BASIC, DOOR, everywhere, wide_=found) == set()
        assert beyond(*BASIC, DOOR, everywhere, (["get"], [""], ["secrets"], []), wide_=found) == {
            Grant("get", "", "secrets")
        }

    def test_the_closed_decoy_is_a_control_and_no_question(self):
        assert controls(HOME, HOME) - controls("team-b", HOME) - {door(HOME)} == {
            Grant("get", "", "secrets", "sentinel-decoy"),
            Grant("get", "", "secrets", "sentinel-decoy-closed"),
        }


def asked(*grants, target="team-b"):
    return suspects(grants, "self", target, SERVED)


def planned(verb, resource, **changes):
    return replace(in_namespace("self", verb, resource, "team-b"), **changes)


class TestQuestions:
    def test_a_rule_is_asked_as_verb_times_type(self):
        found = asked(Grant("get", "", "secrets"), Grant("list", "", "secrets"), Grant("watch", "", "pods"))

        assert set(found.questions) == {
            planned("get", SECRETS),
            planned("list", SECRETS),
            planned("watch", PODS),
        }
        assert found.review_only == ()

    def test_secrets_are_asked_first_and_reads_before_writes(self):
        grants = [Grant(verb, "", kind) for kind in ("pods", "secrets") for verb in METHODS]

        order = [(q.resource.plural, q.verb) for q in asked(*grants).questions]

        assert [kind for kind, _ in order] == ["secrets"] * 7 + ["pods"] * 7
        assert [verb for _, verb in order[:7]] == ["list", "get", "watch", "create", "update", "patch", "delete"]

    @pytest.mark.parametrize("verb", ["create", "update", "patch", "delete"])
    @pytest.mark.parametrize("resource", [SECRETS, CONFIGMAPS, PODS])
    def test_writes_go_to_an_absent_name_also_where_a_beacon_is(self, verb, resource):
        (question,) = asked(Grant(verb, "", resource.plural)).questions

        assert question.name == ("" if verb == "create" else ABSENT_NAME)
        assert question.path.endswith("?dryRun=All")

    def test_every_verb_is_all_that_can_be_asked(self):
        assert {q.verb for q in asked(Grant("*", "", "secrets")).questions} == set(METHODS)

    def test_every_type_is_our_list_in_the_rules_group(self):
        core = {r for r in RESOURCES if r.group == ""}

        assert {q.resource for q in asked(Grant("list", "", "*")).questions} == core
        assert {q.resource for q in asked(Grant("list", "*", "*")).questions} == set(RESOURCES)
        assert {q.resource for q in asked(Grant("list", "apps", "*")).questions} == {
            r for r in RESOURCES if r.group == "apps"
        }

    def test_every_group_is_every_served_type_of_that_name(self):
        assert {q.resource for q in asked(Grant("list", "*", "widgets")).questions} == {WIDGETS, OTHER_WIDGETS}

    def test_everything_fits_under_the_cap(self):
        found = asked(Grant("*", "*", "*"))

        assert len(found.questions) == len(METHODS) * len(RESOURCES) - 3  # writes of the namespace itself: review-only
        assert len(found.questions) <= MOST_QUESTIONS

    def test_a_custom_type_is_asked_in_its_served_version(self):
        (question,) = asked(Grant("list", "acme.example.com", "widgets")).questions

        assert question.path == "/apis/acme.example.com/v2/namespaces/team-b/widgets?limit=1"

    def test_a_cluster_scoped_type_in_a_namespaces_rule_is_asked_where_it_lives(self):
        (question,) = asked(Grant("get", "", "nodes")).questions

        assert (question.namespace, question.target) == (None, "team-b")
        assert question.path == "/api/v1/nodes/sentinel-absent"

    def test_a_rule_with_names_is_asked_at_each_of_them(self):
        names = ("sentinel-beacon", "db-password", "a:b")
        found = asked(*(Grant("get", "", "secrets", name) for name in names))

        assert {q.name for q in found.questions} == set(names)

    def test_a_namespace_is_asked_for_at_an_absent_name(self):
        (question,) = asked(Grant("get", "", "namespaces")).questions

        assert question.path == "/api/v1/namespaces/sentinel-absent"

    def test_a_subresource_is_asked_at_an_absent_name(self):
        found = asked(Grant("get", "", "pods/status"), Grant("patch", "", "pods/ephemeralcontainers"))

        assert {q.path for q in found.questions} == {
            "/api/v1/namespaces/team-b/pods/sentinel-absent/status",
            "/api/v1/namespaces/team-b/pods/sentinel-absent/ephemeralcontainers?dryRun=All",
        }

    def test_the_same_question_from_two_rules_is_asked_once(self):
        assert len(asked(Grant("list", "", "secrets"), Grant("list", "*", "secrets")).questions) == 1

    def test_more_than_the_cap_is_cut_and_the_gravest_stay(self):
        many = [Grant("get", "", "pods", f"p{number}") for number in range(500)]

        found = asked(*many, Grant("delete", "", "pods"), Grant("list", "", "secrets"))

        assert len(found.questions) == MOST_QUESTIONS
        assert found.questions[0] == planned("list", SECRETS)


REVIEW_ONLY = {
    "a-named-write": Grant("update", "", "secrets", "db"),
    "a-named-list": Grant("list", "", "secrets", "db"),
    "escalate": Grant("escalate", "rbac.authorization.k8s.io", "roles"),
    "bind": Grant("bind", "rbac.authorization.k8s.io", "clusterroles"),
    "impersonate": Grant("impersonate", "", "serviceaccounts"),
    "deletecollection": Grant("deletecollection", "", "secrets"),
    "an-unknown-verb": Grant("use", "policy", "podsecuritypolicies"),
    "a-type-that-is-not-served": Grant("list", "gone.example.com", "ghosts"),
    "a-working-token-even-as-a-dry-run": Grant("create", "", "serviceaccounts/token"),
    "exec": Grant("create", "", "pods/exec"),
    "a-proxy-whose-backend-may-forge-anything": Grant("get", "", "services/proxy"),
    "deleting-the-namespace-itself-which-no-absent-name-stands-for": Grant("delete", "", "namespaces"),
    "the-door-of-another-target-where-it-opens-nothing": Grant("get", "", "namespaces", "team-c"),
    "changing-the-namespace-itself": Grant("patch", "", "namespaces"),
}


@pytest.mark.parametrize("grant", REVIEW_ONLY.values(), ids=REVIEW_ONLY.keys())
def test_what_cannot_be_asked_for_real_is_shown_as_such(grant):
    found = asked(grant)

    assert found.questions == ()
    assert found.review_only == (grant,)


UNFIT = [
    "..",
    ".",
    "a/b",
    "../../../kube-system/secrets/x",
    "a%2fb",
    "a%",
    "",
    "x" * 254,
    "a\nb",
    "a\x00b",
    "a\x1b[2Jb",
]


@pytest.mark.parametrize("name", [name for name in UNFIT if name])
def test_a_name_that_no_object_can_have_is_never_part_of_a_path(name):
    """A Role's resourceNames are not checked by the API server, and who writes it may be a tenant."""
    found = asked(Grant("get", "", "secrets", name))

    assert found.questions == ()
    assert found.review_only == (Grant("get", "", "secrets", name),)


@pytest.mark.parametrize(
    "tail", ["../sentinel-beacon", "x/../../y", "status#", "status?dryRun=", "*", "..", "a b", "Ä", "", "x" * 64]
)
def test_a_subresource_of_another_form_is_never_part_of_a_path(tail):
    grant = Grant("delete", "", f"secrets/{tail}")

    assert asked(grant).questions == ()
    assert wide_suspects([grant], "self", SERVED).questions == ()


class TestWide:
    def test_each_rule_opens_one_question_its_gravest(self):
        grants = [Grant(verb, "", "secrets") for verb in ("delete", "get", "list", "watch")]

        assert wide_suspects(grants, "self", SERVED).questions == (at_cluster_scope("self", "list", SECRETS),)

    def test_a_verb_with_a_name_is_asked_in_an_absent_namespace(self):
        (question,) = wide_suspects([Grant("get", "", "secrets")], "self", SERVED).questions

        assert question.path == "/api/v1/namespaces/sentinel-absent-namespace/secrets/sentinel-absent"
        assert question.target == CLUSTER

    def test_everything_opens_one_question_of_the_gravest_kind(self):
        (question,) = wide_suspects([Grant("*", "*", "*")], "self", SERVED).questions

        assert question == at_cluster_scope("self", "list", SECRETS)

    def test_a_rule_with_a_name_is_asked_at_it_in_an_absent_namespace(self):
        (question,) = wide_suspects([Grant("get", "", "secrets", "db")], "self", SERVED).questions

        assert question.path == "/api/v1/namespaces/sentinel-absent-namespace/secrets/db"
        assert question.target == CLUSTER

    @pytest.mark.parametrize(
        "grant",
        [
            pytest.param(Grant("bind", "", "roles"), id="a-verb-that-is-no-request"),
            pytest.param(Grant("update", "", "secrets", "db"), id="a-named-write"),
            pytest.param(Grant("get", "", "secrets", ".."), id="a-name-that-no-object-has"),
            pytest.param(Grant("get", "", "namespaces", "team-b"), id="a-namespace-where-our-own-door-may-let-us-in"),
            pytest.param(Grant("get", "", "pods/log"), id="a-subresource"),
        ],
    )
    def test_what_can_only_be_reviewed_is_shown_as_such(self, grant):
        found = wide_suspects([grant], "self", SERVED)

        assert found.questions == ()
        assert found.review_only == (grant,)

    def test_names_without_end_are_cut(self):
        many = [Grant("get", "", "secrets", f"s{number}") for number in range(1000)]

        assert len(wide_suspects(many, "self", SERVED).questions) == MOST_QUESTIONS

    def test_the_order_in_which_the_server_lists_them_changes_nothing(self):
        """The API server's order varies between calls; a list that looks changed would be asked again for ever."""
        grants = [Grant("list", "", kind) for kind in ("pods", "secrets", "configmaps", "services")]

        assert len({wide_suspects(order, "self", SERVED) for order in permutations(grants)}) == 1
        assert len({suspects(order, "self", "team-b", SERVED) for order in permutations(grants)}) == 1


COVERED = [
    (Grant("list", "", "secrets"), "list", SECRETS, "", True),
    (Grant("*", "", "secrets"), "list", SECRETS, "", True),
    (Grant("list", "*", "secrets"), "list", SECRETS, "", True),
    (Grant("list", "", "*"), "list", SECRETS, "", True),
    (Grant("*", "*", "*"), "get", WIDGETS, "", True),
    (Grant("get", "", "secrets"), "list", SECRETS, "", False),
    (Grant("list", "", "configmaps"), "list", SECRETS, "", False),
    (Grant("list", "apps", "secrets"), "list", SECRETS, "", False),
    (Grant("get", "", "secrets", "sentinel-beacon"), "get", SECRETS, "", True),
    (Grant("get", "", "secrets", "other"), "get", SECRETS, "", False),
    (Grant("get", "", "pods"), "get", PODS, "log", False),
    (Grant("get", "", "pods/log"), "get", PODS, "log", True),
    (Grant("get", "", "pods/log"), "get", PODS, "", False),
]


@pytest.mark.parametrize(("grant", "verb", "resource", "subresource", "expected"), COVERED)
def test_what_a_rule_covers(grant, verb, resource, subresource, expected):
    question = planned(verb, resource, subresource=subresource)

    assert covers(frozenset({grant}), question) is expected


GRANTS = st.builds(
    Grant,
    st.sampled_from([*METHODS, "*", "bind", "deletecollection", ""]),
    st.sampled_from(["", "apps", "*", "acme.example.com", "x"]),
    st.one_of(
        st.sampled_from(["*", "secrets", "pods", "pods/log", "pods/exec", "*/scale", "widgets", "nodes", "namespaces"]),
        st.text(max_size=20),
    ),
    st.one_of(st.just(""), st.text(max_size=20)),
)


@given(st.lists(GRANTS, max_size=30))
def test_law_whatever_is_granted_every_question_is_in_its_target_and_harmless(grants):
    found = asked(*grants)

    assert len(found.questions) <= MOST_QUESTIONS
    for question in found.questions:
        safe_to_ask(question)
        where = question.namespace or "*"
        assert question.target == "team-b" and where in ("team-b", "*")


@given(st.lists(GRANTS, max_size=30))
def test_law_no_grant_is_lost_it_is_asked_for_or_shown(grants):
    for grant in grants:
        found = asked(grant)
        assert found.questions or found.review_only == (grant,)
        found = wide_suspects([grant], "self", SERVED)
        assert found.questions or found.review_only == (grant,)


@given(st.lists(GRANTS, max_size=30))
def test_law_wide_questions_are_harmless_too(grants):
    for question in wide_suspects(grants, "self", SERVED).questions:
        safe_to_ask(question)
        assert question.target == CLUSTER and question.namespace in (None, "sentinel-absent-namespace")


def safe_to_ask(question: Question) -> None:
    path, _, query = question.path.partition("?")
    assert question.resource in SERVED
    assert path.isascii() and path.isprintable() and "//" not in path and "#" not in question.path
    assert not {".", ".."} & set(path.split("/"))
    if question.method != "GET":
        assert query == "dryRun=All"
        assert question.method == "POST" or f"/{ABSENT_NAME}" in path
    assert question.subresource not in ("exec", "attach", "portforward", "proxy", "token")
    assert (
        question.resource is not NAMESPACES
        or question.target == CLUSTER
        or question.verb in ("get", "list", "watch", "create")
    )
