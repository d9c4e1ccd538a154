"""The trip-wire: from a rules review to the real questions it leads to, and what it must not lead to."""

import json
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.api.question import (
    CLUSTER,
    METHODS,
    REVIEW_PATH,
    WHOAMI_PATH,
    Form,
    Question,
    at_cluster_scope,
    in_namespace,
)
from sentinel.core.api.resources import (
    ABSENT_NAME,
    ABSENT_NAMESPACE,
    CONFIGMAPS,
    FURTHER,
    RESOURCES,
    SECRETS,
    VIRTUAL,
    Resource,
)
from sentinel.core.api.rules import (
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
from sentinel.core.api.wire import wire_of

HOME = "sentinel-system"
RBAC = "rbac.authorization.k8s.io"
CERTIFICATES = "certificates.k8s.io"
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

        assert [kind for kind, _ in order] == ["secrets"] * 8 + ["pods"] * 8
        assert [verb for _, verb in order[:3]] == ["list", "get", "watch"]

    @pytest.mark.parametrize("verb", ["create", "update", "patch", "delete"])
    @pytest.mark.parametrize("resource", [SECRETS, CONFIGMAPS, PODS])
    def test_writes_go_to_an_absent_name_also_where_a_beacon_is(self, verb, resource):
        (question,) = asked(Grant(verb, "", resource.plural)).questions

        assert question.name == ("" if verb == "create" else ABSENT_NAME)
        assert question.path.endswith("?dryRun=All")

    def test_every_verb_is_all_that_can_be_asked(self):
        assert {q.verb for q in asked(Grant("*", "", "secrets")).questions} == set(METHODS)

    @pytest.mark.parametrize(
        ("group", "resource", "verbs"),
        [
            ("", "serviceaccounts", {"impersonate"}),
            (RBAC, "roles", {"escalate", "bind"}),
            (RBAC, "clusterroles", {"escalate", "bind"}),
            ("", "pods", set()),
        ],
    )
    def test_every_verb_is_more_than_the_requests_where_that_gives_something_away(self, group, resource, verbs):
        requests = set(METHODS) - {"deletecollection"}

        assert {q.verb for q in asked(Grant("*", group, resource)).questions} == requests | verbs

    @pytest.mark.parametrize(
        ("below", "verbs"),
        [
            ("exec", {"get", "create"}),
            ("proxy", {"get", "create"}),
            ("log", {"get"}),
            ("ephemeralcontainers", {"patch", "update"}),
            ("status", {"patch", "update", "get"}),
        ],
    )
    def test_every_verb_of_a_subresource_is_those_it_has(self, below, verbs):
        assert {q.verb for q in asked(Grant("*", "", f"pods/{below}")).questions} == verbs
        assert asked(Grant("*", "", f"pods/{below}")).review_only == ()

    def test_every_type_means_its_subresources_too(self):
        found = {q.text.rpartition("/")[0] for q in asked(Grant("create", "", "*")).questions if q.subresource}

        assert found == {
            "create pods/exec",
            "create pods/attach",
            "create pods/portforward",
            "create pods/proxy",
            "create services/proxy",
            "create serviceaccounts/token",
        }

    def test_a_subresource_of_every_type_is_asked_where_there_is_one(self):
        found = asked(Grant("create", "", "*/proxy"), Grant("get", "", "*/log"))

        assert {q.text for q in found.questions} == {
            "create pods/proxy/sentinel-absent",
            "create services/proxy/sentinel-absent",
            "get pods/log/sentinel-absent",
        }

    def test_every_type_is_our_list_in_the_rules_group(self):
        ours = {*RESOURCES, *(r for r in FURTHER if r.namespaced)}

        assert {q.resource for q in asked(Grant("list", "", "*")).questions} == {r for r in ours if r.group == ""}
        assert {q.resource for q in asked(Grant("list", "*", "*")).questions} == ours
        assert {q.resource for q in asked(Grant("list", "apps", "*")).questions} == {
            r for r in ours if r.group == "apps"
        }

    def test_every_group_is_every_served_type_of_that_name(self):
        assert {q.resource for q in asked(Grant("list", "*", "widgets")).questions} == {WIDGETS, OTHER_WIDGETS}

    def test_everything_fits_under_the_cap(self):
        found = asked(Grant("*", "*", "*"))

        assert 7 * len(RESOURCES) < len(found.questions) < MOST_QUESTIONS

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
    "what-is-to-be-created-has-no-name": Grant("create", "", "secrets", "db"),
    "below-an-object-there-is-no-collection": Grant("list", "", "pods/log"),
    "a-type-that-is-not-served": Grant("list", "gone.example.com", "ghosts"),
    "the-door-of-another-target-where-it-opens-nothing": Grant("get", "", "namespaces", "team-c"),
    "our-own-door": Grant("get", "", "namespaces", "team-b"),
    "another-namespace-in-this-one": Grant("patch", "", "namespaces", "team-c"),
    "a-verb-of-another-form": Grant("List It", "", "secrets"),
    "a-verb-that-no-type-of-ours-has": Grant("use", "", "*"),
    "every-subresource-which-rbac-does-not-know": Grant("create", "", "pods/*"),
}

# grant | the question | its form
ASKED = {
    "a-named-write": (Grant("update", "", "secrets", "db"), "update secrets/db", Form.REQUEST),
    "a-named-patch": (Grant("patch", "", "secrets", "db"), "patch secrets/db", Form.REQUEST),
    "a-named-delete": (Grant("delete", "", "secrets", "db"), "delete secrets/db", Form.REVIEW),
    "a-named-list": (Grant("list", "", "secrets", "db"), "list secrets/db", Form.REVIEW),
    "escalate": (Grant("escalate", RBAC, "roles"), f"escalate roles.{RBAC}", Form.REVIEW),
    "bind": (Grant("bind", RBAC, "clusterroles"), f"bind clusterroles.{RBAC}", Form.REVIEW),
    "bind-one-by-name": (Grant("bind", RBAC, "clusterroles", "admin"), f"bind clusterroles.{RBAC}/admin", Form.REVIEW),
    "impersonate": (
        Grant("impersonate", "", "serviceaccounts"),
        "impersonate serviceaccounts/sentinel-absent",
        Form.IMPERSONATE,
    ),
    "impersonate-one": (
        Grant("impersonate", "", "serviceaccounts", "deployer"),
        "impersonate serviceaccounts/deployer",
        Form.IMPERSONATE,
    ),
    "a-constrained-impersonation": (
        Grant("impersonate:serviceaccount", "authentication.k8s.io", "serviceaccounts"),
        "impersonate:serviceaccount serviceaccounts.authentication.k8s.io",
        Form.REVIEW,
    ),
    "deletecollection": (Grant("deletecollection", "", "secrets"), "deletecollection secrets", Form.REQUEST),
    "deletecollection-of-what-gives-nothing-back": (
        Grant("deletecollection", "", "pods"),
        "deletecollection pods",
        Form.REVIEW,
    ),
    "deletecollection-of-a-backends-own": (
        Grant("deletecollection", "acme.example.com", "widgets"),
        "deletecollection widgets.acme.example.com",
        Form.REVIEW,
    ),
    "a-named-write-of-a-backends-own": (
        Grant("update", "acme.example.com", "widgets", "w"),
        "update widgets.acme.example.com/w",
        Form.REVIEW,
    ),
    "a-verb-that-is-no-request": (Grant("use", "", "pods"), "use pods", Form.REVIEW),
    "a-token": (
        Grant("create", "", "serviceaccounts/token"),
        "create serviceaccounts/token/sentinel-absent",
        Form.REQUEST,
    ),
    "a-token-of-one": (
        Grant("create", "", "serviceaccounts/token", "db"),
        "create serviceaccounts/token/db",
        Form.REQUEST,
    ),
    "exec": (Grant("create", "", "pods/exec"), "create pods/exec/sentinel-absent", Form.LONG),
    "exec-by-name": (Grant("create", "", "pods/exec", "db"), "create pods/exec/db", Form.REVIEW),
    "log": (Grant("get", "", "pods/log"), "get pods/log/sentinel-absent", Form.LONG),
    "log-by-name": (Grant("get", "", "pods/log", "db"), "get pods/log/db", Form.LONG),
    "a-proxy": (Grant("get", "", "services/proxy"), "get services/proxy/sentinel-absent", Form.LONG),
    "a-proxy-to-a-live-backend": (Grant("get", "", "services/proxy", "db:80"), "get services/proxy/db:80", Form.REVIEW),
    "deleting-the-namespace": (Grant("delete", "", "namespaces"), "delete namespaces/team-b", Form.REVIEW),
    "changing-the-namespace": (Grant("patch", "", "namespaces"), "patch namespaces/team-b", Form.REQUEST),
    "changing-it-by-name": (Grant("patch", "", "namespaces", "team-b"), "patch namespaces/team-b", Form.REQUEST),
}


@pytest.mark.parametrize(("grant", "text", "form"), ASKED.values(), ids=ASKED.keys())
def test_a_grant_is_asked_in_a_form_that_touches_nothing(grant, text, form):
    found = asked(grant)

    assert [(q.text, q.form) for q in found.questions] == [(text, form)]
    assert found.review_only == ()


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
            pytest.param(Grant("bind", "", "roles"), id="a-type-that-is-not-served"),
            pytest.param(Grant("create", "", "secrets", "db"), id="a-named-create"),
            pytest.param(Grant("get", "", "secrets", ".."), id="a-name-that-no-object-has"),
            pytest.param(Grant("get", "", "namespaces", "team-b"), id="a-namespace-where-our-own-door-may-let-us-in"),
        ],
    )
    def test_what_can_only_be_reviewed_is_shown_as_such(self, grant):
        found = wide_suspects([grant], "self", SERVED)

        assert found.questions == ()
        assert found.review_only == (grant,)

    @pytest.mark.parametrize(
        ("grant", "text", "namespace", "form"),
        [
            (Grant("create", "", "pods/exec"), "create pods/exec/sentinel-absent", ABSENT_NAMESPACE, Form.LONG),
            (Grant("*", "", "pods/exec"), "create pods/exec/sentinel-absent", ABSENT_NAMESPACE, Form.LONG),
            (Grant("create", "", "pods/exec", "db"), "create pods/exec/db", ABSENT_NAMESPACE, Form.LONG),
            (Grant("get", "", "nodes/proxy"), "get nodes/proxy/sentinel-absent", None, Form.LONG),
            (Grant("get", "", "nodes/proxy", "n1"), "get nodes/proxy/n1", None, Form.REVIEW),
            (Grant("update", "", "secrets", "db"), "update secrets/db", ABSENT_NAMESPACE, Form.REQUEST),
            (Grant("update", RBAC, "clusterroles", "x"), f"update clusterroles.{RBAC}/x", None, Form.REQUEST),
            (Grant("delete", RBAC, "clusterroles", "x"), f"delete clusterroles.{RBAC}/x", None, Form.REVIEW),
            (Grant("deletecollection", "", "secrets"), "deletecollection secrets", ABSENT_NAMESPACE, Form.REQUEST),
            (Grant("deletecollection", "", "nodes"), "deletecollection nodes", None, Form.REVIEW),
            (Grant("impersonate", "", "users"), "impersonate users/sentinel-absent", None, Form.IMPERSONATE),
            (Grant("impersonate", "", "users", "jane@x"), "impersonate users/jane@x", None, Form.IMPERSONATE),
            (Grant("impersonate", "", "users", "a/b"), "impersonate users/a/b", None, Form.IMPERSONATE),
            (Grant("impersonate", "", "groups", "g"), "impersonate groups/g", None, Form.REVIEW),
            (Grant("impersonate", "", "*"), "impersonate serviceaccounts/sentinel-absent", None, Form.IMPERSONATE),
            (Grant("*", "", "users"), "impersonate users/sentinel-absent", None, Form.IMPERSONATE),
            (Grant("escalate", RBAC, "clusterroles"), f"escalate clusterroles.{RBAC}", None, Form.REVIEW),
            (Grant("bind", RBAC, "roles"), f"bind roles.{RBAC}", ABSENT_NAMESPACE, Form.REVIEW),
            (Grant("approve", CERTIFICATES, "signers"), f"approve signers.{CERTIFICATES}", None, Form.REVIEW),
            (Grant("patch", "", "namespaces"), "patch namespaces/sentinel-absent", None, Form.REQUEST),
            (Grant("patch", "", "namespaces", "team-b"), "patch namespaces/team-b", None, Form.REQUEST),
            (Grant("delete", "", "namespaces", "team-b"), "delete namespaces/team-b", None, Form.REVIEW),
        ],
        ids=lambda value: value.text if isinstance(value, Grant) else None,
    )
    def test_what_is_as_good_as_reading_is_asked_for_the_whole_cluster(self, grant, text, namespace, form):
        (question,) = wide_suspects([grant], "self", SERVED).questions

        assert (question.text, question.target, question.form) == (text, CLUSTER, form)
        assert question.namespace == namespace or "serviceaccounts" in text

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
    (Grant("get", "", "*/log"), "get", PODS, "log", True),
    (Grant("get", "", "*/exec"), "get", PODS, "log", False),
    (Grant("get", "", "*"), "get", PODS, "log", True),
]


@pytest.mark.parametrize(("grant", "verb", "resource", "subresource", "expected"), COVERED)
def test_what_a_rule_covers(grant, verb, resource, subresource, expected):
    question = planned(verb, resource, subresource=subresource)

    assert covers(frozenset({grant}), question) is expected


GRANTS = st.builds(
    Grant,
    st.sampled_from([*METHODS, "*", "bind", "impersonate", "use", ""]),
    st.sampled_from(["", "apps", "*", "acme.example.com", "x"]),
    st.one_of(
        st.sampled_from(["*", "secrets", "pods", "pods/log", "pods/exec", "*/scale", "widgets", "nodes", "namespaces"]),
        st.sampled_from(["serviceaccounts", "serviceaccounts/token", "services/proxy", "nodes/proxy", "users"]),
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
        assert question.target == "team-b" and question.namespace in ("team-b", None)


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
    sent = wire_of(question)
    path, _, query = sent.path.partition("?")
    assert question.resource in (*SERVED, *FURTHER, *VIRTUAL)
    assert path.isascii() and path.isprintable() and "//" not in path and "#" not in sent.path
    assert not {".", ".."} & set(path.split("/"))
    if question.form is Form.REVIEW:
        assert (sent.method, sent.path) == ("POST", REVIEW_PATH)
        return
    if question.form is Form.IMPERSONATE:
        assert (sent.method, sent.path) == ("POST", WHOAMI_PATH) and sent.impersonate.isprintable()
        return
    nowhere = f"/{ABSENT_NAME}" in path or f"/namespaces/{ABSENT_NAMESPACE}/" in path
    if question.subresource in ("exec", "attach", "portforward", "proxy"):
        assert nowhere and query == ""
        return
    assert sent.accept == "image/png"
    if sent.method == "GET":
        return
    assert question.subresource == "token" or query == "dryRun=All"
    bare = sent.method == "POST" and not question.subresource
    locked = b"00000000-0000" in (sent.body or b"") or b"599" in (sent.body or b"") or question.subresource != ""
    assert nowhere or bare or (locked and question.resource.group in ("", "apps"))
    if sent.method == "DELETE":
        assert nowhere or question.text == "deletecollection secrets"
