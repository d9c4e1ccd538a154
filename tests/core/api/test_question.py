"""A question is its wire form: the path that is asked and the words that the denial must repeat."""

# A None where a value belongs fails the test as well as any assertion would.
# mypy: disable-error-code="union-attr, arg-type"

import json
from dataclasses import replace

import pytest

from sentinel.core.answer import CODE_CLASSES, code_class
from sentinel.core.api.question import (
    CLUSTER,
    Form,
    Question,
    at_cluster_scope,
    in_namespace,
    of_namespace,
    widened,
)
from sentinel.core.api.resources import CHECKS, CONFIGMAPS, NAMESPACES, RESOURCES, SECRETS, Resource, check_of, named
from sentinel.core.api.wire import NO_DATA, NO_UID, wire_of

BY = {resource.label: resource for resource in RESOURCES}
JOBS, PODS = BY["jobs.batch"], BY["pods"]
WIDGETS = Resource("widgets", "acme.example.com", "v2", "api/custom")

PATHS = [
    (in_namespace("self", "list", SECRETS, "team-b"), "GET /api/v1/namespaces/team-b/secrets?limit=1"),
    (in_namespace("self", "get", SECRETS, "team-b"), "GET /api/v1/namespaces/team-b/secrets/sentinel-beacon"),
    (in_namespace("self", "get", CONFIGMAPS, "team-b"), "GET /api/v1/namespaces/team-b/configmaps/sentinel-beacon"),
    (in_namespace("self", "get", PODS, "team-b"), "GET /api/v1/namespaces/team-b/pods/sentinel-absent"),
    (in_namespace("self", "list", JOBS, "team-b"), "GET /apis/batch/v1/namespaces/team-b/jobs?limit=1"),
    (
        in_namespace("self", "watch", SECRETS, "team-b"),
        "GET /api/v1/namespaces/team-b/secrets?watch=1&timeoutSeconds=1",
    ),
    (in_namespace("self", "create", PODS, "team-b"), "POST /api/v1/namespaces/team-b/pods?dryRun=All"),
    (in_namespace("self", "update", PODS, "team-b"), "PUT /api/v1/namespaces/team-b/pods/sentinel-absent?dryRun=All"),
    (
        in_namespace("self", "patch", PODS, "team-b"),
        "PATCH /api/v1/namespaces/team-b/pods/sentinel-absent?dryRun=All",
    ),
    (
        in_namespace("self", "delete", PODS, "team-b"),
        "DELETE /api/v1/namespaces/team-b/pods/sentinel-absent?dryRun=All",
    ),
    (at_cluster_scope("self", "list", SECRETS), "GET /api/v1/secrets?limit=1"),
    (at_cluster_scope("self", "list", NAMESPACES), "GET /api/v1/namespaces?limit=1"),
    (at_cluster_scope("self", "get", NAMESPACES), "GET /api/v1/namespaces/sentinel-absent"),
    (
        at_cluster_scope("self", "get", SECRETS),
        "GET /api/v1/namespaces/sentinel-absent-namespace/secrets/sentinel-absent",
    ),
    (
        at_cluster_scope("self", "create", SECRETS),
        "POST /api/v1/namespaces/sentinel-absent-namespace/secrets?dryRun=All",
    ),
    (at_cluster_scope("self", "list", WIDGETS), "GET /apis/acme.example.com/v2/widgets?limit=1"),
    (
        replace(in_namespace("self", "get", PODS, "team-b"), subresource="log"),
        "GET /api/v1/namespaces/team-b/pods/sentinel-absent/log",
    ),
    (
        Question("self", "get", SECRETS, "team-b", "team-b", "a b/../c?x#y%2e"),
        "GET /api/v1/namespaces/team-b/secrets/a%20b%2F..%2Fc%3Fx%23y%252e",
    ),
]


@pytest.mark.parametrize(("question", "line"), PATHS, ids=[line for _, line in PATHS])
def test_the_real_request_is(question, line):
    assert f"{question.method} {question.path}" == line


NOWHERE = "/api/v1/namespaces/team-b"
REVIEW = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WHOAMI = "POST /apis/authentication.k8s.io/v1/selfsubjectreviews"
ACCOUNTS, ROLES = BY["serviceaccounts"], BY["roles.rbac.authorization.k8s.io"]

# question | what is sent | as kubectl asks it
SENT = [
    (
        in_namespace("self", "create", PODS, "team-b", "exec"),
        f"POST {NOWHERE}/pods/sentinel-absent/exec",
        "create pods/sentinel-absent --as=u --subresource=exec -n team-b",
    ),
    (
        in_namespace("self", "get", BY["services"], "team-b", "proxy"),
        f"GET {NOWHERE}/services/sentinel-absent/proxy",
        "get services/sentinel-absent --as=u --subresource=proxy -n team-b",
    ),
    (
        at_cluster_scope("self", "get", named("nodes"), "proxy"),
        "GET /api/v1/nodes/sentinel-absent/proxy",
        "get nodes/sentinel-absent --as=u --subresource=proxy --all-namespaces",
    ),
    (
        in_namespace("self", "get", PODS, "team-b", "log"),
        f"GET {NOWHERE}/pods/sentinel-absent/log",
        "get pods/sentinel-absent --as=u --subresource=log -n team-b",
    ),
    (
        in_namespace("self", "patch", PODS, "team-b", "ephemeralcontainers"),
        f"PATCH {NOWHERE}/pods/sentinel-absent/ephemeralcontainers?dryRun=All",
        "patch pods/sentinel-absent --as=u --subresource=ephemeralcontainers -n team-b",
    ),
    (
        in_namespace("self", "create", ACCOUNTS, "team-b", "token"),
        f"POST {NOWHERE}/serviceaccounts/sentinel-absent/token",
        "create serviceaccounts/sentinel-absent --as=u --subresource=token -n team-b",
    ),
    (
        in_namespace("self", "create", PODS, "team-b", "eviction"),
        f"POST {NOWHERE}/pods/sentinel-absent/eviction?dryRun=All",
        "create pods/sentinel-absent --as=u --subresource=eviction -n team-b",
    ),
    (
        in_namespace("self", "deletecollection", SECRETS, "team-b"),
        f"DELETE {NOWHERE}/secrets?dryRun=All",
        "deletecollection secrets --as=u -n team-b",
    ),
    (
        of_namespace("self", "patch", "team-b"),
        f"PATCH {NOWHERE}?dryRun=All",
        "patch namespaces/team-b --as=u -n team-b",
    ),
    (
        at_cluster_scope("self", "update", named("certificatesigningrequests.certificates.k8s.io"), "approval"),
        "PUT /apis/certificates.k8s.io/v1/certificatesigningrequests/sentinel-absent/approval?dryRun=All",
        "update certificatesigningrequests.certificates.k8s.io/sentinel-absent --as=u --subresource=approval"
        " --all-namespaces",
    ),
    (
        in_namespace("self", "impersonate", ACCOUNTS, "team-b"),
        WHOAMI,
        "impersonate serviceaccounts/sentinel-absent --as=u -n team-b",
    ),
    (
        at_cluster_scope("self", "impersonate", named("users")),
        WHOAMI,
        "impersonate users/sentinel-absent --as=u --all-namespaces",
    ),
    (
        at_cluster_scope("self", "impersonate", named("groups")),
        REVIEW,
        "impersonate groups/sentinel-absent --as=u --all-namespaces",
    ),
    (
        in_namespace("self", "escalate", ROLES, "team-b"),
        REVIEW,
        "escalate roles.rbac.authorization.k8s.io --as=u -n team-b",
    ),
    (
        at_cluster_scope("self", "approve", named("signers.certificates.k8s.io")),
        REVIEW,
        "approve signers.certificates.k8s.io --as=u --all-namespaces",
    ),
    (
        Question("self", "get", BY["services"], "team-b", "team-b", "db:80", "proxy"),
        REVIEW,
        "get services/db:80 --as=u --subresource=proxy -n team-b",
    ),
]


@pytest.mark.parametrize(("question", "line", "command"), SENT, ids=[question.text for question, _, _ in SENT])
def test_what_is_as_good_as_reading_is_sent_as(question, line, command):
    sent = wire_of(question)

    assert f"{sent.method} {sent.path}" == f"{question.method} {question.path}" == line
    assert question.reproduce("u") == f"kubectl auth can-i {command}"


def test_in_whose_name_it_is_asked():
    names = {
        in_namespace("self", "impersonate", ACCOUNTS, "team-b"): "system:serviceaccount:team-b:sentinel-absent",
        Question("self", "impersonate", ACCOUNTS, "team-b", "team-b", "ci"): "system:serviceaccount:team-b:ci",
        Question("self", "impersonate", named("users"), None, CLUSTER, "jane@x"): "jane@x",
    }

    assert {question: wire_of(question).impersonate for question in names} == names


@pytest.mark.parametrize("name", ["a\r\nImpersonate-Group: system:masters", "a\nb", " a", "Ä", ""])
def test_a_name_that_could_become_another_header_is_asked_about_in_a_review(name):
    question = Question("self", "impersonate", named("users"), None, CLUSTER, name)

    assert question.form is Form.REVIEW
    assert wire_of(question).impersonate == ""


def test_a_token_is_asked_for_too_short_a_time_and_never_as_a_dry_run():
    sent = wire_of(in_namespace("self", "create", ACCOUNTS, "team-b", "token"))

    assert json.loads(sent.body) == {"spec": {"expirationSeconds": 599}}
    assert "dryRun" not in sent.path


@pytest.mark.parametrize(
    "question",
    [
        in_namespace("self", "deletecollection", SECRETS, "team-b"),
        of_namespace("self", "patch", "team-b"),
        Question("self", "update", SECRETS, "team-b", "team-b", "db"),
        Question("self", "patch", SECRETS, "team-b", "team-b", "db"),
    ],
    ids=lambda question: question.text,
)
def test_where_something_may_be_there_are_three_locks(question):
    sent = wire_of(question)

    assert sent.accept == NO_DATA
    assert sent.path.endswith("?dryRun=All")
    assert NO_UID in sent.body.decode()
    assert question.verb != "deletecollection" or json.loads(sent.body)["dryRun"] == ["All"]


LIVE = [
    Question("self", "delete", SECRETS, "team-b", "team-b", "db"),
    Question("self", "delete", NAMESPACES, None, "team-b", "team-b"),
    Question("self", "create", PODS, "team-b", "team-b", "db", "exec"),
    Question("self", "get", PODS, "team-b", "team-b", "db", "proxy"),
    Question("self", "update", WIDGETS, "team-b", "team-b", "w"),
    in_namespace("self", "deletecollection", WIDGETS, "team-b"),
    in_namespace("self", "deletecollection", PODS, "team-b"),
    Question("self", "list", SECRETS, "team-b", "team-b", "db"),
]


@pytest.mark.parametrize("question", LIVE, ids=lambda question: question.text)
def test_what_could_delete_or_reach_somebody_is_only_asked_of_the_authorizer(question):
    assert question.form is Form.REVIEW
    assert (wire_of(question).method, wire_of(question).path) == ("POST", REVIEW.partition(" ")[2])


def test_a_wider_question_is_about_the_same_thing():
    exec_ = in_namespace("self", "create", PODS, "team-b", "exec")

    assert widened(exec_) == at_cluster_scope("self", "create", PODS, "exec")
    assert widened(exec_) != at_cluster_scope("self", "create", PODS)


@pytest.mark.parametrize("question", [question for question, _ in PATHS])
def test_no_question_has_a_selector_since_that_would_be_another_question(question):
    assert "elector" not in question.path


@pytest.mark.parametrize("verb", ["create", "update", "patch", "delete"])
def test_writes_are_dry_runs_at_names_that_nothing_has(verb):
    for resource in RESOURCES:
        for asked in (in_namespace("self", verb, resource, "team-b"), at_cluster_scope("self", verb, resource)):
            assert asked.path.endswith("?dryRun=All")
            assert "/sentinel-absent?" in asked.path or verb == "create"


NAMED_BY_THE_AUTHORIZER = [
    (in_namespace("self", "list", SECRETS, "team-b"), "team-b", ""),
    (in_namespace("self", "get", SECRETS, "team-b"), "team-b", "sentinel-beacon"),
    (in_namespace("self", "create", SECRETS, "team-b"), "team-b", ""),
    (at_cluster_scope("self", "list", SECRETS), None, ""),
    (at_cluster_scope("self", "list", NAMESPACES), None, ""),
    (at_cluster_scope("self", "get", NAMESPACES), "sentinel-absent", "sentinel-absent"),
    (Question("self", "get", NAMESPACES, None, "team-b", "team-b"), "team-b", "team-b"),
    (at_cluster_scope("self", "get", SECRETS), "sentinel-absent-namespace", "sentinel-absent"),
]


@pytest.mark.parametrize(("question", "namespace", "name"), NAMED_BY_THE_AUTHORIZER)
def test_what_the_authorizer_repeats(question, namespace, name):
    assert (question.asked_namespace, question.asked_name) == (namespace, name)


CLASSES = [
    (in_namespace("self", "list", SECRETS, "team-b"), "api/secrets", "list secrets"),
    (in_namespace("self", "watch", SECRETS, "team-b"), "api/secrets", "watch secrets"),
    (in_namespace("self", "get", CONFIGMAPS, "team-b"), "api/configmaps", "get configmaps/sentinel-beacon"),
    (in_namespace("self", "list", JOBS, "team-b"), "api/workloads", "list jobs.batch"),
    (in_namespace("self", "list", BY["roles.rbac.authorization.k8s.io"], "team-b"), "api/access", None),
    (in_namespace("self", "list", BY["leases.coordination.k8s.io"], "team-b"), "api/metadata", None),
    (in_namespace("self", "list", WIDGETS, "team-b"), "api/custom", "list widgets.acme.example.com"),
    (in_namespace("self", "create", SECRETS, "team-b"), "api/escalation", "create secrets"),
    (in_namespace("self", "delete", WIDGETS, "team-b"), "api/escalation", None),
    (
        replace(in_namespace("self", "get", PODS, "team-b"), subresource="exec"),
        "api/exec",
        "get pods/exec/sentinel-absent",
    ),
    (replace(in_namespace("self", "patch", PODS, "team-b"), subresource="ephemeralcontainers"), "api/exec", None),
    (in_namespace("self", "get", PODS, "team-b", "log"), "api/exec", "get pods/log/sentinel-absent"),
    (in_namespace("self", "create", BY["services"], "team-b", "proxy"), "api/exec", None),
    (in_namespace("self", "patch", SECRETS, "team-b"), "api/secrets", "patch secrets/sentinel-absent"),
    (in_namespace("self", "deletecollection", SECRETS, "team-b"), "api/secrets", "deletecollection secrets"),
    (in_namespace("self", "update", SECRETS, "team-b"), "api/escalation", None),
    (in_namespace("self", "patch", CONFIGMAPS, "team-b"), "api/escalation", None),
    (in_namespace("self", "create", BY["serviceaccounts"], "team-b", "token"), "api/escalation", None),
    (in_namespace("self", "impersonate", BY["serviceaccounts"], "team-b"), "api/escalation", None),
    (at_cluster_scope("self", "bind", named("clusterroles.rbac.authorization.k8s.io")), "api/escalation", None),
    (at_cluster_scope("self", "approve", named("signers.certificates.k8s.io")), "api/escalation", None),
    (of_namespace("self", "patch", "team-b"), "api/escalation", "patch namespaces/team-b"),
    (at_cluster_scope("self", "list", SECRETS), "api/secrets", "list secrets"),
]


@pytest.mark.parametrize(("question", "check", "text"), CLASSES)
def test_the_class_of_promise_and_the_words_for_people(question, check, text):
    assert question.check == check
    assert check in CHECKS
    assert text is None or question.text == text


@pytest.mark.parametrize(
    ("plural", "group", "check"),
    [
        ("endpoints", "", "api/metadata"),
        ("replicasets", "apps", "api/workloads"),
        ("certificatesigningrequests", "certificates.k8s.io", "api/metadata"),
        ("widgets", "acme.example.com", "api/custom"),
        ("secrets", "acme.example.com", "api/custom"),
    ],
)
def test_types_beyond_our_list_have_a_class_too(plural, group, check):
    assert check_of(plural, group) == check


def test_the_target_of_a_cluster_scope_question_is_the_star():
    for resource in RESOURCES:
        for verb in ("list", "get", "create"):
            assert at_cluster_scope("self", verb, resource).target == CLUSTER


def test_a_person_can_see_the_same_decision():
    question = in_namespace("self", "get", SECRETS, "team-b")

    assert question.reproduce("u", ("g",)) == (
        "kubectl auth can-i get secrets/sentinel-beacon --as=u --as-group=g -n team-b"
    )
    assert at_cluster_scope("self", "list", SECRETS).reproduce("u").endswith("--all-namespaces")


@pytest.mark.parametrize(
    ("code", "label"),
    [
        (None, "none"),
        (0, "none"),
        (101, "none"),
        (200, "2xx"),
        (302, "3xx"),
        (401, "401"),
        (403, "403"),
        (404, "404"),
        (406, "4xx"),
        (429, "429"),
        (500, "5xx"),
        (599, "5xx"),
        (600, "none"),
        (999, "none"),
    ],
)
def test_codes_are_counted_under_a_closed_set_of_labels(code, label):
    assert code_class(code) == label
    assert label in CODE_CLASSES
