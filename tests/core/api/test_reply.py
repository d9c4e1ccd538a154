"""What a reply proves: every row of what a real kube-apiserver 1.36 was recorded to answer."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.answer import Answer
from sentinel.core.api.question import CLUSTER, Question, at_cluster_scope, in_namespace
from sentinel.core.api.reply import ANONYMOUS, BODY_LIMIT, Caller, Fault, Reply, classify, clean
from sentinel.core.api.resources import CONFIGMAPS, NAMESPACES, RESOURCES, SECRETS, Resource, named
from sentinel.core.api.wire import attributes

ME = "system:serviceaccount:team-a:sentinel"
FLOW = "5cbd0b4c-3ca1-4e6b-a5f4-flow"
CALLER = Caller(ME, FLOW)
NOBODY = Caller(ANONYMOUS, FLOW, anonymous=True)
LEASES = next(row for row in RESOURCES if row.plural == "leases")
PODS = next(row for row in RESOURCES if row.plural == "pods")
ACCOUNTS, USERS, ROLES = named("serviceaccounts"), named("users"), named("roles.rbac.authorization.k8s.io")
WIDGETS = Resource("widgets", "acme.example.com", "v1", "api/custom")
NODES = Resource("nodes", "", "v1", "api/metadata", namespaced=False)

LIST = in_namespace("self", "list", SECRETS, "team-b")
GET = in_namespace("self", "get", SECRETS, "team-b")


def status(message, /, **kinds):
    """A `Status` as the API server writes it for any Accept but JSON: indented by two."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "Forbidden",
        "details": {"kind": "secrets"},
        "code": 403,
    }
    return json.dumps({**body, **kinds}, indent=2).encode()


def denial(
    verb="list",
    resource="secrets",
    group="",
    where='in the namespace "team-b"',
    name=None,
    user=ME,
    why="",
    kind=None,
):
    kind = kind or resource.partition("/")[0] + (f".{group}" if group else "")
    subject = f'{kind} "{name}"' if name else kind
    return (
        f'{subject} is forbidden: User "{user}" cannot {verb} resource "{resource}" in API group "{group}" {where}{why}'
    )


def reply(code=403, message=None, body=b"", **changes):
    """A reply with all that an authorizer's refusal has; what a row is about is changed."""
    body = status(message) if message is not None else body
    whole = Reply(
        at=1.0,
        took=0.01,
        status=code,
        audit_id="sentinel-1",
        nonce="sentinel-1",
        flow=FLOW,
        nosniff=code == 403,
        body=body,
    )
    return replace(whole, **changes)


def answer(question, received, caller=CALLER):
    return classify(question, received, caller).answer


def q(verb, resource, target="team-b", **changes):
    return replace(in_namespace("self", verb, resource, target), **changes)


DENIED = {
    "list-secrets": (LIST, denial()),
    "get-a-secret-that-is-there-or-not": (GET, denial("get", name="sentinel-beacon")),
    "watch": (q("watch", SECRETS), denial("watch")),
    "pods-log": (
        q("get", PODS, subresource="log", name="beacon"),
        denial("get", "pods/log", name="beacon"),
    ),
    "a-custom-resource": (
        q("list", WIDGETS),
        denial("list", "widgets", "acme.example.com"),
    ),
    "leases-with-their-group": (q("list", LEASES), denial("list", "leases", "coordination.k8s.io")),
    "a-namespace-is-asked-for-in-itself": (
        Question("self", "get", NAMESPACES, None, "team-b", "team-b"),
        denial("get", "namespaces", name="team-b"),
    ),
    "an-absent-namespace-in-itself-too": (
        in_namespace("self", "get", NAMESPACES, "*"),
        denial("get", "namespaces", where='in the namespace "sentinel-absent"', name="sentinel-absent"),
    ),
    "cluster-scope": (
        at_cluster_scope("self", "list", SECRETS),
        denial(where="at the cluster scope"),
    ),
    "a-cluster-scoped-type-with-a-name": (
        Question("self", "get", NODES, None, "team-b", "n1"),
        denial("get", "nodes", where="at the cluster scope", name="n1"),
    ),
    "create-which-has-no-name-yet": (q("create", CONFIGMAPS), denial("create", "configmaps")),
    "delete-at-an-absent-name": (q("delete", CONFIGMAPS), denial("delete", "configmaps", name="sentinel-absent")),
    "at-cluster-scope-a-name-is-asked-in-an-absent-namespace": (
        at_cluster_scope("self", "get", CONFIGMAPS),
        denial(
            "get",
            "configmaps",
            where='in the namespace "sentinel-absent-namespace"',
            name="sentinel-absent",
        ),
    ),
    "a-webhooks-reason-behind-it": (LIST, denial(why=": no policy matched")),
    "everything-is-forbidden": (LIST, denial(why=": Everything is forbidden.")),
    "the-node-authorizers-reason": (LIST, denial(why=": No Object name found")),
    "a-reason-of-several-lines": (LIST, denial(why=": one\ntwo")),
    "a-reason-with-colons-and-quotes": (LIST, denial(why=': a "b": c')),
    "a-missing-role": (
        LIST,
        denial(why=': RBAC: role.rbac.authorization.k8s.io "gone-role" not found'),
    ),
}


@pytest.mark.parametrize(("question", "message"), DENIED.values(), ids=DENIED.keys())
def test_an_authorizers_refusal_of_what_was_asked_is_denied(question, message):
    assert answer(question, reply(message=message)) is Answer.DENIED


def test_the_body_of_the_real_server_compact_and_html_escaped_is_read():
    body = (
        b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"secrets is forbidden: '
        b'User \\"system:serviceaccount:team-a:sentinel\\" cannot list resource \\"secrets\\" in API group \\"\\" '
        b'in the namespace \\"team-b\\": a \\u0026 b \\u003c c","reason":"Forbidden","details":{"kind":"secrets"},'
        b'"code":403}\n'
    )

    assert answer(LIST, reply(body=body)) is Answer.DENIED


@pytest.mark.parametrize(
    ("why", "latent"),
    [
        ("", False),
        (': RBAC: role.rbac.authorization.k8s.io "gone-role" not found', True),
        (': RBAC: clusterrole.rbac.authorization.k8s.io "x" not found', True),
        (': RBAC: [clusterrole.rbac.authorization.k8s.io "a" not found, role "b" not found]', True),
        (": no policy matched", False),
        (": a webhook says RBAC: x not found", False),
    ],
)
def test_only_the_missing_role_that_rbac_names_is_a_latent_grant(why, latent):
    assert classify(LIST, reply(message=denial(why=why)), CALLER).latent is latent


NOT_DENIED = {
    "another-user": (LIST, denial(user="system:serviceaccount:team-b:sentinel"), {}),
    "a-user-that-only-begins-like-us": (LIST, denial(user=ME + "-2"), {}),
    "anonymous": (LIST, denial(user=ANONYMOUS), {}),
    "a-user-with-an-escaped-quote": (LIST, denial(user='a\\"b'), {}),
    "another-verb": (LIST, denial("get"), {}),
    "another-verb-the-other-way-round": (GET, denial("list", name="sentinel-beacon"), {}),
    "no-verb-as-for-options": (LIST, denial(""), {}),
    "another-resource": (LIST, denial("list", "configmaps"), {}),
    "a-subresource-not-asked-for": (GET, denial("get", "secrets/x", name="sentinel-beacon"), {}),
    "the-type-for-its-subresource": (
        q("get", PODS, subresource="log", name="beacon"),
        denial("get", "pods", name="beacon"),
        {},
    ),
    "another-group": (q("list", LEASES), denial("list", "leases", "other.k8s.io"), {}),
    "no-group": (q("list", LEASES), denial("list", "leases", ""), {}),
    "another-namespace": (LIST, denial(where='in the namespace "team-c"'), {}),
    "cluster-scope-for-a-namespace": (LIST, denial(where="at the cluster scope"), {}),
    "a-namespace-for-cluster-scope": (at_cluster_scope("self", "list", SECRETS), denial(), {}),
    "another-name": (GET, denial("get", name="other"), {}),
    "no-name": (GET, denial("get"), {}),
    "a-name-where-none-was-asked-as-a-field-selector-gives": (LIST, denial(name="s1"), {}),
    "another-flow-schema": (LIST, denial(), {"flow": "another"}),
    "no-flow-schema": (LIST, denial(), {"flow": ""}),
    "no-nosniff": (LIST, denial(), {"nosniff": False}),
    "no-audit-id": (LIST, denial(), {"audit_id": ""}),
    "a-foreign-audit-id": (LIST, denial(), {"audit_id": "f00-ba1"}),
    "a-path-instead-of-a-resource": (LIST, f'forbidden: User "{ME}" cannot get path "/metrics"', {}),
    "the-impersonation-filter": (LIST, denial("impersonate-on:serviceaccount:list"), {"flow": ""}),
    "text-before-it": (LIST, "so: " + denial(), {}),
    "text-after-it-without-a-colon": (LIST, denial(why=" or so"), {}),
    "nothing": (LIST, "", {}),
}


@pytest.mark.parametrize(("question", "message", "changes"), NOT_DENIED.values(), ids=NOT_DENIED.keys())
def test_a_refusal_that_is_not_about_what_we_asked_proves_nothing(question, message, changes):
    assert answer(question, reply(message=message, **changes)) is Answer.BROKEN


def test_a_refusal_of_another_user_names_that_user():
    seen = classify(LIST, reply(message=denial(user="someone\x1b[31m" + "x" * 500)), CALLER)

    assert seen.user.startswith("someone?[31mxxx")
    assert len(seen.user) == 200


def test_who_was_not_named_by_whoami_is_denied_nothing():
    assert answer(LIST, reply(message=denial()), Caller("", "")) is Answer.BROKEN
    assert answer(LIST, reply(message=denial(user=""), flow=""), Caller("", "")) is Answer.BROKEN


BODIES = {
    "html": b"<html><body><h1>403 Forbidden</h1></body></html>",
    "empty": b"",
    "broken-json": b'{"kind":"Status","mess',
    "a-list": b"[]",
    "null": b"null",
    "text": b"Forbidden",
    "not-text": b"\xff\xfe\x00\xd8" * 20,
    "deep-nesting": b"[" * (BODY_LIMIT - 1),
    "deeper-nesting-of-objects": (b'{"a":' * 1000)[: BODY_LIMIT - 1],
    "a-number-too-long-to-read": b"9" * (BODY_LIMIT - 1),
    "another-kind": status(denial(), kind="Secret"),
    "no-kind": status(denial(), kind=None),
    "another-reason": status(denial(), reason="Unauthorized"),
    "a-message-that-is-a-list": status(denial(), message=[denial()]),
    "a-message-that-is-null": status(denial(), message=None),
    "yaml": b"apiVersion: v1\nkind: Status\nmessage: 'secrets is forbidden'\n",
    "cut-at-the-limit": status(denial(why=": " + "x" * BODY_LIMIT))[:BODY_LIMIT],
    "of-exactly-the-limit": status(denial()).ljust(BODY_LIMIT),
    "json-of-a-proxy-about-another-user": status(denial(user="kubernetes-admin")),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_403_of_any_other_form_proves_nothing(body):
    assert answer(LIST, reply(body=body)) is Answer.BROKEN
    assert answer(LIST, reply(body=body, audit_id="")) is Answer.BROKEN


def test_a_body_one_byte_below_the_limit_is_still_read():
    assert answer(LIST, reply(body=status(denial()).ljust(BODY_LIMIT - 1))) is Answer.DENIED


ADMISSION = {
    "quota": (
        'configmaps "x" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=0, '
        "limited: configmaps=0"
    ),
    "pod-security": 'pods "beacon" is forbidden: violates PodSecurity "restricted:latest": ...',
    "no-default-account": (
        'pods "x" is forbidden: error looking up service account team-b/default: serviceaccount "default" not found'
    ),
    "a-policy": (
        "pods \"beacon\" is forbidden: ValidatingAdmissionPolicy 'noexec' with binding 'noexec' denied request: no"
    ),
    "a-terminating-namespace": (
        'configmaps "x" is forbidden: unable to create new content in namespace dying because it is being terminated'
    ),
    "exec-with-get-but-not-create": 'pods "x" is forbidden: ',
}


@pytest.mark.parametrize("message", ADMISSION.values(), ids=ADMISSION.keys())
def test_who_is_stopped_by_admission_was_authorised(message):
    seen = classify(q("create", CONFIGMAPS), reply(message=message, nosniff=False), CALLER)

    assert (seen.answer, seen.admission) == (Answer.SERVED, True)


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        pytest.param(ADMISSION["quota"], {"nosniff": True}, id="with-nosniff-it-is-not-admissions"),
        pytest.param(denial(), {"nosniff": False}, id="with-cannot-it-is-not-admissions"),
        pytest.param(ADMISSION["quota"], {"nosniff": False, "audit_id": "x"}, id="with-a-foreign-audit-id"),
        pytest.param(ADMISSION["quota"], {"nosniff": False, "audit_id": ""}, id="without-audit-id"),
    ],
)
def test_what_only_looks_like_admission_is_no_breach(message, changes):
    seen = classify(q("create", CONFIGMAPS), reply(message=message, **changes), CALLER)

    assert (seen.answer, seen.admission) == (Answer.BROKEN, False)


EXEC = in_namespace("self", "create", PODS, "team-b", "exec")
LOG = in_namespace("self", "get", PODS, "team-b", "log")
BECOME = in_namespace("self", "impersonate", ACCOUNTS, "team-b")
BECOME_USER = in_namespace("self", "impersonate", USERS, CLUSTER)
BIND = in_namespace("self", "bind", ROLES, "team-b")
THE_OTHER = "system:serviceaccount:team-b:sentinel-absent"


def streamed(verb="create", below="exec", **changes):
    return denial(verb, f"pods/{below}", name="sentinel-absent", **changes)


class TestLongRunning:
    """Their replies lack the flow schema."""

    @pytest.mark.parametrize("flow", ["", FLOW])
    @pytest.mark.parametrize(
        ("question", "message"), [(EXEC, streamed()), (LOG, streamed("get", "log"))], ids=["exec", "log"]
    )
    def test_a_refusal_needs_no_flow_schema(self, question, message, flow):
        assert answer(question, reply(message=message, flow=flow)) is Answer.DENIED

    @pytest.mark.parametrize(
        ("message", "changes"),
        [
            pytest.param(streamed(), {"flow": "another"}, id="another-flow-schema"),
            pytest.param(streamed(), {"nosniff": False}, id="no-nosniff"),
            pytest.param(streamed(), {"audit_id": "x"}, id="a-foreign-audit-id"),
            pytest.param(streamed(user="x"), {}, id="another-user"),
            pytest.param(streamed("get"), {}, id="another-verb"),
            pytest.param(streamed(below="attach"), {}, id="another-subresource"),
            pytest.param(streamed(where='in the namespace "team-c"'), {}, id="another-namespace"),
            pytest.param(denial("create", "pods/exec", name="other"), {}, id="another-name"),
        ],
    )
    def test_all_else_must_fit(self, message, changes):
        assert answer(EXEC, reply(message=message, **{"flow": ""} | changes)) is Answer.BROKEN

    def test_without_a_whoami_nothing_is_denied(self):
        assert answer(EXEC, reply(message=streamed(user=""), flow=""), Caller("", "")) is Answer.BROKEN
        assert answer(EXEC, reply(message=streamed(), flow=""), Caller(ME, "")) is Answer.BROKEN

    @pytest.mark.parametrize("code", [400, 404, 405, 409, 410, 413, 415, 422, 500])
    def test_an_error_that_the_server_wrote_is_past_the_authorizer(self, code):
        body = status('pods "sentinel-absent" not found', reason="NotFound", code=code)

        assert answer(EXEC, reply(code, body=body, flow="")) is Answer.SERVED
        assert answer(EXEC, reply(code, body=body, flow="", audit_id="x")) is Answer.BROKEN
        assert answer(EXEC, reply(code, body=b"Internal Server Error", flow="")) is Answer.BROKEN
        assert answer(EXEC, reply(code, body=b"", flow="")) is Answer.BROKEN

    @pytest.mark.parametrize("code", [502, 503, 504])
    def test_an_error_that_comes_before_it_is_not(self, code):
        assert answer(EXEC, reply(code, body=status("shutting down"), flow="")) is Answer.BROKEN

    def test_the_picture_of_a_log_is_refused_to_who_was_let_in(self):
        assert answer(LOG, reply(406, flow="")) is Answer.SERVED
        assert answer(LOG, reply(406, flow="", audit_id="x")) is Answer.BROKEN
        assert answer(EXEC, reply(406, flow="")) is Answer.BROKEN

    def test_who_may_get_and_not_create_was_let_in_halfway(self):
        seen = classify(EXEC, reply(message=ADMISSION["exec-with-get-but-not-create"], nosniff=False, flow=""), CALLER)

        assert (seen.answer, seen.admission) == (Answer.SERVED, True)
        assert seen.detail == "get is granted, create is not"

    def test_a_policy_may_say_that_we_cannot(self):
        message = "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' denied request: you cannot do this"
        seen = classify(EXEC, reply(message=message, nosniff=False, flow=""), CALLER)

        assert (seen.answer, seen.admission) == (Answer.SERVED, True)


def named_by_whoami(user):
    body = {"kind": "SelfSubjectReview", "status": {"userInfo": {"username": user}}}
    return json.dumps(body).encode()


def constrained(verb="impersonate-on:serviceaccount:create", resource="selfsubjectreviews", **changes):
    return denial(verb, resource, "authentication.k8s.io", "at the cluster scope", **changes)


def not_the_older_way(**changes):
    return denial("impersonate", "serviceaccounts", name="sentinel-absent", **changes)


class TestImpersonation:
    """Whoami in somebody else's name."""

    def test_who_is_named_as_the_other_was_let_in(self):
        assert answer(BECOME, reply(201, body=named_by_whoami(THE_OTHER))) is Answer.SERVED

    @pytest.mark.parametrize("user", [ME, "somebody", "", THE_OTHER + "x"])
    def test_who_is_named_as_anybody_else_proved_nothing(self, user):
        assert answer(BECOME, reply(201, body=named_by_whoami(user))) is Answer.BROKEN

    @pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"status":{"userInfo":{"username":"x"}}}', b"\xff"])
    def test_another_reply_proves_nothing(self, body):
        assert answer(BECOME, reply(201, body=body)) is Answer.BROKEN

    def test_the_other_being_denied_means_that_we_were_let_in(self):
        message = constrained("create", user=THE_OTHER)

        assert answer(BECOME, reply(message=message)) is Answer.SERVED

    @pytest.mark.parametrize("flow", ["", FLOW])
    @pytest.mark.parametrize("message", [constrained(), not_the_older_way()], ids=["constrained", "the-older-way"])
    def test_a_refusal_of_the_name_itself_is_a_denial(self, message, flow):
        assert answer(BECOME, reply(message=message, flow=flow)) is Answer.DENIED

    def test_a_user_is_denied_in_its_own_words(self):
        older = denial("impersonate", "users", where="at the cluster scope", name="sentinel-absent")

        assert answer(BECOME_USER, reply(message=older, flow="")) is Answer.DENIED
        assert answer(BECOME_USER, reply(message=constrained("impersonate-on:user-info:create"))) is Answer.DENIED

    @pytest.mark.parametrize(
        ("message", "changes"),
        [
            pytest.param(constrained("create"), {}, id="we-were-denied-whoami-itself"),
            pytest.param(constrained("impersonate-on:serviceaccount:list"), {}, id="another-request"),
            pytest.param(constrained(resource="secrets"), {}, id="another-type"),
            pytest.param(constrained(user="somebody"), {}, id="another-user"),
            pytest.param(constrained("list", user=THE_OTHER), {}, id="the-other-asked-something-else"),
            pytest.param(not_the_older_way(where='in the namespace "team-c"'), {}, id="another-namespace"),
            pytest.param(not_the_older_way(user="somebody"), {}, id="another-user-the-older-way"),
            pytest.param(denial("impersonate", "serviceaccounts", name="x"), {}, id="another-name"),
            pytest.param(constrained(), {"nosniff": False}, id="no-nosniff"),
            pytest.param(constrained(user=THE_OTHER, verb="create"), {"nosniff": False}, id="forged"),
            pytest.param(constrained(), {"audit_id": "x"}, id="a-foreign-audit-id"),
            pytest.param("no", {}, id="another-text"),
        ],
    )
    def test_any_other_refusal_proves_nothing(self, message, changes):
        assert answer(BECOME, reply(message=message, **changes)) is Answer.BROKEN

    def test_a_403_about_another_user_stays_broken_in_every_other_form(self):
        for question, message in ((LIST, denial(user=THE_OTHER)), (EXEC, streamed(user=THE_OTHER))):
            assert answer(question, reply(message=message)) is Answer.BROKEN

    def test_without_a_whoami_nothing_is_denied(self):
        assert answer(BECOME, reply(message=constrained(user="")), Caller("", FLOW)) is Answer.BROKEN

    @pytest.mark.parametrize(
        ("code", "expected"), [(200, Answer.BROKEN), (406, Answer.BROKEN), (500, Answer.BROKEN), (429, Answer.LIMITED)]
    )
    def test_another_status_proves_nothing(self, code, expected):
        assert answer(BECOME, reply(code, body=named_by_whoami(THE_OTHER))) is expected


SURE = Caller(ME, FLOW, reviews=True)


def review(allowed, question=BIND, **changes):
    about = {"spec": {"resourceAttributes": attributes(question)}}
    body = {"kind": "SelfSubjectAccessReview", **about, "status": {"allowed": allowed}}
    return json.dumps({**body, **changes}).encode()


class TestReview:
    """What is no request is asked of the authorizer."""

    def test_a_yes_is_a_yes_and_said_to_be_a_review(self):
        seen = classify(BIND, reply(201, body=review(True)), CALLER)

        assert (seen.answer, seen.review) == (Answer.SERVED, True)

    def test_a_no_is_one_beside_a_yes_that_must_be(self):
        assert answer(BIND, reply(201, body=review(False)), SURE) is Answer.DENIED
        assert answer(BIND, reply(201, body=review(False)), CALLER) is Answer.BROKEN

    @pytest.mark.parametrize(
        ("body", "changes"),
        [
            pytest.param(review(False, status={"allowed": False, "evaluationError": "no"}), {}, id="an-error-in-it"),
            pytest.param(review(False, in_namespace("self", "bind", ROLES, "team-c")), {}, id="another-namespace"),
            pytest.param(review(False, in_namespace("self", "escalate", ROLES, "team-b")), {}, id="another-verb"),
            pytest.param(review(False, spec={}), {}, id="about-nothing"),
            pytest.param(review(False, kind="SubjectAccessReview"), {}, id="about-somebody"),
            pytest.param(review("no"), {}, id="a-text"),
            pytest.param(review(None), {}, id="null"),
            pytest.param(review(False), {"flow": "another"}, id="another-flow-schema"),
            pytest.param(review(False), {"flow": ""}, id="no-flow-schema"),
            pytest.param(review(False), {"audit_id": "x"}, id="a-foreign-audit-id"),
            pytest.param(review(True), {"audit_id": "x"}, id="a-yes-with-a-foreign-audit-id"),
            pytest.param(review(False), {"status": 200}, id="another-status"),
            pytest.param(review(False)[:-9], {}, id="cut"),
            pytest.param(b"", {}, id="nothing"),
        ],
    )
    def test_anything_else_proves_nothing(self, body, changes):
        assert answer(BIND, reply(201, body=body, **changes), SURE) is Answer.BROKEN

    @pytest.mark.parametrize(
        ("why", "latent"), [('RBAC: role.rbac.authorization.k8s.io "gone" not found', True), ("a webhook says", False)]
    )
    def test_a_missing_role_is_latent(self, why, latent):
        body = review(False, status={"allowed": False, "reason": why})

        seen = classify(BIND, reply(201, body=body), SURE)
        assert (seen.answer, seen.latent) == (Answer.DENIED, latent)

    def test_a_403_is_no_review(self):
        message = denial("create", "selfsubjectaccessreviews", "authorization.k8s.io", "at the cluster scope")

        assert answer(BIND, reply(message=message), SURE) is Answer.BROKEN


# status: with our Audit-Id and the flow schema | without the flow schema | without our Audit-Id
STATUSES = """
101  served   served   served
200  served   served   broken
201  served   served   broken
204  served   served   broken
400  served   broken   broken
404  served   broken   broken
405  served   broken   broken
406  served   broken   broken
409  served   broken   broken
410  served   broken   broken
413  served   broken   broken
415  served   broken   broken
422  served   broken   broken
503  served   broken   broken
301  broken   broken   broken
302  broken   broken   broken
307  broken   broken   broken
402  broken   broken   broken
407  broken   broken   broken
408  broken   broken   broken
418  broken   broken   broken
431  broken   broken   broken
500  broken   broken   broken
502  broken   broken   broken
504  broken   broken   broken
599  broken   broken   broken
401  unasked  unasked  unasked
429  limited  limited  limited
"""
ROWS = [line.split() for line in STATUSES.strip().splitlines()]


@pytest.mark.parametrize(
    ("code", "whole", "no_flow", "no_audit"), ROWS, ids=[f"{row[0]}-is-{row[1]}-when-all-is-there" for row in ROWS]
)
def test_each_status_with_and_without_the_headers_that_vouch_for_it(code, whole, no_flow, no_audit):
    seen = reply(int(code))

    assert answer(LIST, seen) == whole
    assert answer(LIST, replace(seen, flow="")) == no_flow
    assert answer(LIST, replace(seen, audit_id="another")) == no_audit
    assert answer(LIST, replace(seen, audit_id="")) == no_audit


@pytest.mark.parametrize("code", [200, 201, 403, 404, 406, 429, 500])
def test_a_warning_about_our_own_request_means_we_did_not_ask_as_we_should(code):
    assert answer(LIST, reply(code, message=denial(), warning=True)) is Answer.UNASKED


def test_without_an_audit_id_of_ours_nothing_is_echoed():
    assert answer(LIST, reply(406, audit_id="", nonce="")) is Answer.BROKEN


class TestAnonymous:
    """An identity that is anonymous on purpose."""

    def test_a_401_is_a_denial(self):
        assert answer(LIST, reply(401, flow=""), NOBODY) is Answer.DENIED

    def test_a_401_of_somebody_else_is_not(self):
        assert answer(LIST, reply(401, audit_id=""), NOBODY) is Answer.UNASKED

    def test_a_403_that_names_anonymous_is_a_denial(self):
        assert answer(LIST, reply(message=denial(user=ANONYMOUS)), NOBODY) is Answer.DENIED

    def test_a_403_that_names_us_is_not(self):
        assert answer(LIST, reply(message=denial()), NOBODY) is Answer.BROKEN

    def test_a_403_from_another_flow_schema_than_its_version_is_not(self):
        assert answer(LIST, reply(message=denial(user=ANONYMOUS), flow="other"), NOBODY) is Answer.BROKEN

    def test_what_is_served_is_served(self):
        assert answer(LIST, reply(406), NOBODY) is Answer.SERVED


FAULTS = {
    Fault.TIMEOUT: Answer.SILENT,
    Fault.REFUSED: Answer.ABSENT,
    Fault.RESET: Answer.BROKEN,
    Fault.TLS: Answer.BROKEN,
    Fault.DNS: Answer.UNASKED,
    Fault.PROTOCOL: Answer.BROKEN,
    Fault.OWN: Answer.UNASKED,
}


@pytest.mark.parametrize("fault", Fault)
def test_no_reply_is_told_by_its_fault_whatever_else_is_there(fault):
    seen = classify(LIST, reply(406, fault=fault), CALLER)

    assert seen.answer is FAULTS[fault]
    assert seen.detail == fault.value


def test_the_audit_id_kept_is_the_one_we_sent():
    assert classify(LIST, reply(500, audit_id="x" * 8000), CALLER).audit_id == "sentinel-1"


@given(
    st.builds(
        Reply,
        at=st.just(1.0),
        status=st.sampled_from([0, 101, 200, 204, 302, 400, 401, 403, 404, 406, 429, 500, 503]),
        audit_id=st.sampled_from(["", "n", "other"]),
        nonce=st.just("n"),
        flow=st.sampled_from(["", FLOW, "other"]),
        nosniff=st.booleans(),
        warning=st.booleans(),
        body=st.one_of(
            st.binary(max_size=BODY_LIMIT),
            st.text(max_size=200).map(status),
            st.builds(
                denial,
                user=st.sampled_from([ME, "x"]),
                verb=st.sampled_from(["list", "get"]),
                why=st.text(max_size=20),
            ).map(status),
        ),
        fault=st.one_of(st.none(), st.sampled_from(Fault)),
    )
)
def test_law_whatever_comes_back_is_one_answer_and_denied_only_when_all_of_it_fits(received):
    seen = classify(LIST, received, CALLER)

    assert seen.detail.isprintable() and len(seen.detail) < 100
    if seen.answer is Answer.DENIED:
        assert (received.status, received.nosniff, received.flow) == (403, True, FLOW)
        assert received.audit_id == received.nonce
        assert denial() in json.loads(received.body)["message"]
    if seen.answer is Answer.SERVED and received.status != 101:
        assert received.audit_id == received.nonce


@given(st.text())
def test_cleaned_text_is_printable_ascii_and_cut(text):
    assert clean(text).isascii() and clean(text).isprintable()
    assert len(clean(text)) == min(len(text), 200)
