"""What an exception covers, and all that is next to it and not covered."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from sentinel.core.api import distribution
from sentinel.core.api.allowed import Allowance, Exceptions, named
from sentinel.core.api.question import CLUSTER, Question, at_cluster_scope, in_namespace
from sentinel.core.api.resources import CONFIGMAPS, RESOURCES, SECRETS, Resource, known
from sentinel.core.api.rules import Grant

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
DEPLOYMENTS = known("deployments", "apps")
PODS = known("pods", "")
WIDGETS = Resource("widgets", "example.com", "v1", "api/custom")
TEMPLATE = Allowance("team-a->team-b", "team-a", "team-b", frozenset({"get"}), ("configmaps",))


def exception(**changes):
    sets = {key: frozenset(value) for key, value in changes.items() if key in ("verbs", "names")}
    return replace(TEMPLATE, **{**changes, **sets})


def asked(verb="get", resource=CONFIGMAPS, target="team-b", **changes):
    return replace(in_namespace("self", verb, resource, target), **changes)


# What is written, what is asked, whether the one covers the other.
COVERED = {
    "just-that": ({}, asked(), True),
    "another-verb": ({}, asked("list"), False),
    "get-and-list-are-two": ({"verbs": ["get", "list"]}, asked("list"), True),
    "list-is-no-watch": ({"verbs": ["list"]}, asked("watch"), False),
    "a-read-is-no-write": ({}, asked("patch"), False),
    "every-verb": ({"verbs": ["*"]}, asked("delete"), True),
    "another-type": ({}, asked(resource=SECRETS), False),
    "another-namespace": ({}, asked(target="team-c"), False),
    "a-group-is-part-of-the-type": ({"resources": ("deployments",)}, asked(resource=DEPLOYMENTS), False),
    "written-with-its-group": ({"resources": ("deployments.apps",)}, asked(resource=DEPLOYMENTS), True),
    "of-another-group": ({"resources": ("widgets.example.org",)}, asked(resource=WIDGETS), False),
    "every-type": ({"resources": ("*",)}, asked(resource=WIDGETS), True),
    "a-type-is-not-its-subresource": ({"resources": ("pods",)}, asked(resource=PODS, subresource="log"), False),
    "a-subresource-by-name": ({"resources": ("pods/log",)}, asked(resource=PODS, subresource="log"), True),
    "a-subresource-is-not-its-type": ({"resources": ("pods/log",)}, asked(resource=PODS), False),
    "one-subresource-is-not-another": ({"resources": ("pods/log",)}, asked(resource=PODS, subresource="exec"), False),
    "all-its-subresources": ({"resources": ("pods/*",)}, asked(resource=PODS, subresource="exec"), True),
    "which-are-not-the-type": ({"resources": ("pods/*",)}, asked(resource=PODS), False),
    "a-name": ({"names": ["rates"]}, asked(name="rates"), True),
    "another-name": ({"names": ["rates"]}, asked(), False),
    "a-name-is-no-list": ({"names": ["rates"], "verbs": ["list"]}, asked("list"), False),
    "nor-a-create": ({"names": ["rates"], "verbs": ["create"]}, asked("create", name="rates"), False),
    "the-cluster": ({"target": "*", "verbs": ["list"]}, at_cluster_scope("self", "list", CONFIGMAPS), True),
    "the-cluster-is-no-namespace": ({"target": "*", "verbs": ["list"]}, asked("list"), False),
    "a-namespace-is-not-the-cluster": ({"verbs": ["list"]}, at_cluster_scope("self", "list", CONFIGMAPS), False),
}  # fmt: skip


@pytest.mark.parametrize(("written", "question", "covered"), COVERED.values(), ids=COVERED)
def test_an_exception_is_never_wider_than_written(written, question, covered):
    assert exception(**written).covers(question) is covered


@pytest.mark.parametrize(
    ("source", "tenant", "identity", "covered"),
    [
        pytest.param("team-a", "team-a", "self", True, id="the-tenants-own-account"),
        pytest.param("team-a", "team-a", "default", True, id="and-its-others"),
        pytest.param("team-a", "team-c", "self", False, id="another-tenant"),
        pytest.param("team-a", "team-a", "anonymous", False, id="nobody-is-not-the-tenant"),
        pytest.param("anonymous", "team-a", "anonymous", True, id="nobody"),
        pytest.param("anonymous", "team-a", "self", False, id="the-tenant-is-not-nobody"),
        pytest.param("*", "team-c", "self", True, id="every-tenant"),
        pytest.param("*", "team-c", "anonymous", True, id="and-nobody"),
        pytest.param("system:authenticated", "team-c", "self", True, id="every-account"),
        pytest.param("system:authenticated", "team-c", "anonymous", False, id="which-nobody-is-not"),
    ],
)
def test_it_is_for_whom_it_says(source, tenant, identity, covered):
    known_ = Exceptions(tenant, frozenset({"anonymous"}), (exception(source=source),))

    found = known_.covering(replace(asked(), identity=identity), NOW)

    assert (found is not None) is covered


@pytest.mark.parametrize(
    ("until", "moment", "holds"),
    [
        pytest.param(None, datetime(2099, 1, 1, tzinfo=UTC), True, id="for-good"),
        pytest.param(date(2026, 11, 21), datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC), True, id="on-its-last-day"),
        pytest.param(date(2026, 11, 21), datetime(2026, 11, 22, tzinfo=UTC), False, id="not-the-day-after"),
    ],
)
def test_it_holds_to_the_end_of_its_last_day(until, moment, holds):
    known_ = Exceptions("team-a", frozenset(), (exception(until=until),))

    assert (known_.covering(asked(), moment.timestamp()) is not None) is holds
    unwanted, used = known_.split({Grant("get", "", "configmaps")}, "self", "team-b", moment.timestamp())
    assert (not unwanted, bool(used)) == (holds, holds)


# What is written, what a review lists, whether nobody has to look at it.
GRANTS = {
    "just-that": ({}, Grant("get", "", "configmaps"), True),
    "by-name-too": ({}, Grant("get", "", "configmaps", "rates"), True),
    "another-verb": ({}, Grant("list", "", "configmaps"), False),
    "all-verbs": ({}, Grant("*", "", "configmaps"), False),
    "all-verbs-where-all-are-wanted": ({"verbs": ["*"]}, Grant("*", "", "configmaps"), True),
    "all-groups": ({}, Grant("get", "*", "configmaps"), False),
    "all-types-of-a-group": ({}, Grant("get", "", "*"), False),
    "all-types-where-all-are-wanted": ({"resources": ("*",)}, Grant("get", "*", "*"), True),
    "all-subresources": ({"resources": ("pods/log",)}, Grant("get", "", "pods/*"), False),
    "a-subresource-of-all": ({"resources": ("pods/*",)}, Grant("get", "", "*/log"), False),
    "every-name-where-one-is-wanted": ({"names": ["rates"]}, Grant("get", "", "configmaps"), False),
    "another-name": ({"names": ["rates"]}, Grant("get", "", "configmaps", "keys"), False),
    "the-name": ({"names": ["rates"]}, Grant("get", "", "configmaps", "rates"), True),
    "a-verb-that-is-never-a-request": ({"verbs": ["use"]}, Grant("use", "", "configmaps"), True),
}  # fmt: skip


@pytest.mark.parametrize(("written", "grant", "wanted"), GRANTS.values(), ids=GRANTS)
def test_a_rule_is_no_suspicion_only_when_all_of_it_is_wanted(written, grant, wanted):
    known_ = Exceptions("team-a", frozenset(), (exception(**written),))

    unwanted, used = known_.split({grant}, "self", "team-b", NOW)

    assert unwanted == (frozenset() if wanted else {grant})
    assert used == ({"team-a->team-b"} if wanted else frozenset())
    assert known_.split({grant}, "self", "team-c", NOW)[0] == {grant}


def test_what_it_says_to_people():
    row = exception(names=["rates"], until=date(2027, 6, 30), owner="Payments", reason="The feed moves")

    assert row.what == "get configmaps (rates)"
    assert row.text == "allowed until 2027-06-30 by Payments: The feed moves"
    assert exception(owner="Payments", reason="r").text == "allowed by Payments: r"


def test_names_are_unique_and_do_not_hang_on_their_place_in_the_file():
    pairs = [("a", "b"), ("a", "*"), ("a", "b"), ("*", "b")]

    assert named(pairs) == ["a->b", "a->*", "a->b #2", "*->b"]
    assert named(pairs[1:]) == ["a->*", "a->b", "*->b"]


class TestDistributions:
    def test_none_grants_nothing(self):
        assert distribution.grants("none") == ()

    @pytest.mark.parametrize(
        ("identity", "question", "covered"),
        [
            ("self", at_cluster_scope("self", "list", Resource("storageclasses", "storage.k8s.io", "v1", "x", False)), 1),
            ("anonymous", at_cluster_scope("", "list", Resource("storageclasses", "storage.k8s.io", "v1", "x", False)), 0),
            ("self", at_cluster_scope("self", "watch", Resource("storageclasses", "storage.k8s.io", "v1", "x", False)), 0),
            ("self", Question("", "get", Resource("users", "", "v1", "x"), None, CLUSTER, "~"), 1),
            ("self", Question("", "get", Resource("users", "", "v1", "x"), None, CLUSTER, "root"), 0),
            ("self", at_cluster_scope("self", "list", SECRETS), 0),
        ],
    )  # fmt: skip
    def test_openshift_is_known_tuple_by_tuple(self, identity, question, covered):
        known_ = Exceptions("team-a", frozenset({"anonymous"}), distribution.grants("openshift"))

        found = known_.covering(replace(question, identity=identity), NOW)

        assert (found is not None) == covered
        assert found is None or (found.builtin and found.owner == "openshift")

    def test_no_distribution_covers_a_planned_read(self):
        for name in distribution.DISTRIBUTIONS:
            rows = distribution.grants(name)
            assert not [
                r for r in rows for t in RESOURCES for v in ("get", "list") if r.covers(at_cluster_scope("s", v, t))
            ]
