"""The plan: every question exactly once, the budget kept, and the figures that stand in docs/questions.md."""

from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.api.plan import BATCH, PAGE_SECONDS, enough_qps, make
from sentinel.core.api.question import CLUSTER, Form, Question, at_cluster_scope, in_namespace
from sentinel.core.api.resources import ABSENT_NAME, BEACON, CONFIGMAPS, NAMESPACES, RESOURCES, SECRETS, named
from tests.core.scopes import scope

NAMESPACED = [resource for resource in RESOURCES if resource is not NAMESPACES]
ASKED_FOR = [
    "secrets",
    "configmaps",
    "pods",
    "serviceaccounts",
    "events",
    "endpointslices",
    "services",
    "leases",
    "persistentvolumeclaims",
    "roles",
    "rolebindings",
    "deployments",
    "statefulsets",
    "daemonsets",
    "jobs",
    "cronjobs",
    "ingresses",
    "networkpolicies",
    "namespaces",
]

# At the default settings (every 10 s, within 120 s, sweep 30 m, timeout 4 s, 100 qps of the cluster), seen from
# the first tenant: periods in seconds, requests/s of the cluster, audit GB a day, worst case from hole to page and
# the same for what only the sweep finds (seconds), and the qps with which the page comes within five minutes.
TABLE = """
tenants  questions  every  within    sweep  requests/s  GB/day   page  by sweep  enough qps
2               427   10.0     120     1800        5.60    0.66    208      1888        10
10              926   10.0     120     1800       38.28    4.53    208      1888        40
24             1920   12.8     210     4460      100.00   11.84    298      4548       100
50             3766   48.3     615    16902      100.00   11.84    703     16990       300
100            7349  180.0    2041    63228      100.00   11.84   2129     63316       970
170           12319  504.3    5238   177100      100.00   11.84   5326    177188      2480
"""
FIGURES = [tuple(map(float, line.split())) for line in TABLE.strip().splitlines()[1:]]


@pytest.mark.parametrize("row", FIGURES, ids=[f"{row[0]:.0f}-tenants" for row in FIGURES])
def test_the_figures_for_a_cluster_of(row):
    plan = make(scope(int(row[0])))

    assert (
        row[0],
        float(len(plan.questions)),
        round(plan.every, 1),
        float(round(plan.within)),
        float(round(plan.sweep)),
        round(plan.cluster_rate, 2),
        round(plan.audit_gb_per_day, 2),
        float(round(plan.worst_page)),
        float(round(plan.worst_page_sweep)),
        enough_qps(plan, 300.0),
    ) == row


@pytest.mark.parametrize("tenants", [2, 10, 50])
def test_the_qps_that_is_said_to_do_does_and_ten_less_does_not(tenants):
    enough = enough_qps(make(scope(tenants)), 300.0) or 0.0

    assert make(scope(tenants, qps=enough)).worst_page <= 300
    assert enough == 10 or make(scope(tenants, qps=enough - 10)).worst_page > 300


def test_no_budget_makes_up_for_periods_that_are_too_long_by_themselves():
    assert enough_qps(make(scope(3, within=300.0)), 300.0) is None


def test_the_worst_page_is_the_slower_tier_two_timeouts_and_the_way_to_the_phone():
    plan = make(scope(3, every=30.0, within=30.0, timeout=2.0))

    assert plan.worst_page == 30 + 2 * 2 + PAGE_SECONDS


def test_every_type_that_was_asked_for_is_in_the_list_once():
    plurals = Counter(resource.plural for resource in RESOURCES)

    assert set(plurals) == set(ASKED_FOR)
    assert {plural for plural, count in plurals.items() if count > 1} == {"events"}


def expected_of_accounts(given_, who):
    for target, resource in product(given_.targets, NAMESPACED):
        name = BEACON if resource in (SECRETS, CONFIGMAPS) else ABSENT_NAME
        yield Question(who, "list", resource, target, target)
        yield Question(who, "get", resource, target, target, name)
    for resource in RESOURCES:
        yield Question(who, "list", resource, None, CLUSTER)
    yield Question(who, "get", NAMESPACES, None, CLUSTER, ABSENT_NAME)
    for target in given_.targets:
        yield from as_good_as_reading_in(who, target)
    yield from as_good_as_reading_for_all(who)


# Written down by hand, and not taken from the product.
AS_GOOD_AS_READING = """
watch secrets
patch secrets
deletecollection secrets
get pods/log
get pods/exec
create pods/exec
get pods/attach
create pods/attach
get pods/portforward
create pods/portforward
get pods/proxy
create pods/proxy
get services/proxy
create services/proxy
patch pods/ephemeralcontainers
create serviceaccounts/token
impersonate serviceaccounts
escalate roles.rbac.authorization.k8s.io
bind roles.rbac.authorization.k8s.io
create rolebindings.rbac.authorization.k8s.io
create endpoints
patch endpoints
create endpointslices.discovery.k8s.io
patch endpointslices.discovery.k8s.io
create pods
create deployments.apps
create statefulsets.apps
create daemonsets.apps
create replicasets.apps
create jobs.batch
create cronjobs.batch
create replicationcontrollers
"""
FOR_ALL = """
get nodes/proxy
create nodes/proxy
impersonate users
impersonate groups
impersonate serviceaccounts
create pods
create pods/exec
create serviceaccounts/token
create clusterrolebindings.rbac.authorization.k8s.io
escalate clusterroles.rbac.authorization.k8s.io
bind clusterroles.rbac.authorization.k8s.io
patch clusterroles.rbac.authorization.k8s.io
create certificatesigningrequests.certificates.k8s.io
update certificatesigningrequests.certificates.k8s.io/approval
approve signers.certificates.k8s.io
create mutatingwebhookconfigurations.admissionregistration.k8s.io
patch mutatingwebhookconfigurations.admissionregistration.k8s.io
create validatingwebhookconfigurations.admissionregistration.k8s.io
patch validatingwebhookconfigurations.admissionregistration.k8s.io
"""
AUTHORIZERS_OWN = ("escalate", "bind", "approve", "impersonate groups")


def as_good_as_reading_in(who, target):
    for line in AS_GOOD_AS_READING.split("\n"):
        verb, _, kind = line.partition(" ")
        label, _, below = kind.partition("/")
        if line and not (who == "anonymous" and line.startswith(AUTHORIZERS_OWN)):
            yield in_namespace(who, verb, named(label), target, below)
    yield Question(who, "patch", NAMESPACES, None, target, target)


def as_good_as_reading_for_all(who):
    for line in FOR_ALL.split("\n"):
        verb, _, kind = line.partition(" ")
        label, _, below = kind.partition("/")
        if line and not (who == "anonymous" and line.startswith(AUTHORIZERS_OWN)):
            yield at_cluster_scope(who, verb, named(label), below)


def test_what_is_as_good_as_reading_is_asked_in_four_forms():
    forms = {(q.verb, q.resource.label, q.subresource): q.form for q in make(scope(2)).questions}

    assert forms["create", "pods", "exec"] is Form.LONG
    assert forms["create", "serviceaccounts", "token"] is Form.REQUEST
    assert forms["impersonate", "serviceaccounts", ""] is Form.IMPERSONATE
    assert forms["escalate", "roles.rbac.authorization.k8s.io", ""] is Form.REVIEW
    assert set(forms.values()) == set(Form)


def test_who_has_no_token_is_not_asked_for_what_only_a_review_can_tell():
    asked = [q for me in range(3) for q in make(scope(3, me)).questions if q.identity == "anonymous"]

    assert {q.form for q in asked} == set(Form) - {Form.REVIEW}


@pytest.mark.parametrize("accounts", [("self",), ("self", "billing")], ids=["self", "two-accounts"])
def test_every_type_verb_and_target_is_asked_exactly_once_by_each_account(accounts):
    given_ = scope(4, 1, spaces=2, accounts=accounts)
    plan = make(given_)

    asked = Counter(q for tier in (*plan.tier2, *plan.tier3) for q in tier if q.identity != "anonymous")
    asked.update(plan.tier1)

    assert asked == Counter(q for who in accounts for q in expected_of_accounts(given_, who))


def test_our_own_namespaces_are_no_targets_and_the_systems_are():
    given_ = scope(3, 1, spaces=2)

    assert given_.targets == ("team-000", "team-000-1", "team-002", "team-002-1", "kube-system", "sentinel-system")


@pytest.mark.parametrize("tenants", [1, 2, 3, 10, 31])
def test_all_daemons_together_ask_each_anonymous_question_exactly_once(tenants):
    asked = Counter(q for me in range(tenants) for q in make(scope(tenants, me)).questions if q.identity == "anonymous")

    everywhere = scope(tenants).everywhere
    due = {in_namespace("anonymous", verb, kind, ns) for ns in everywhere for kind in NAMESPACED for verb in LG}
    due |= {at_cluster_scope("anonymous", "list", resource) for resource in RESOURCES}
    due |= {in_namespace("anonymous", "get", NAMESPACES, CLUSTER)}
    due |= {q for ns in everywhere for q in as_good_as_reading_in("anonymous", ns)}
    due |= set(as_good_as_reading_for_all("anonymous"))
    assert asked == Counter(due)


LG = ("list", "get")


def test_anonymous_is_asked_about_our_own_namespace_too():
    assert "team-000" in scope(3).everywhere


def test_the_shares_of_anonymous_differ_by_one_target_at_most():
    counts = [len({q.target for q in make(scope(10, me)).questions if q.identity == "anonymous"}) for me in range(10)]

    assert max(counts) - min(counts) <= 1


def test_the_tiers_are_those_of_the_design():
    plan = make(scope(3))

    assert plan.tier1 == (at_cluster_scope("self", "list", SECRETS),)
    second = {q for batch in plan.tier2 for q in batch}
    third = {q for batch in plan.tier3 for q in batch}
    assert {q for q in second if q.identity == "self" and q.target != CLUSTER} == {
        in_namespace("self", verb, SECRETS, target) for target in scope(3).targets for verb in LG
    }
    assert not second & third
    nobodys = {q for me in range(3) for q in batched(make(scope(3, me)).tier2) if q.identity == "anonymous"}
    assert {q.verb for q in nobodys if not q.subresource} == {"list", "get", "create", "impersonate"}
    assert {in_namespace("anonymous", "create", named("pods"), "team-002", "exec")} <= nobodys
    assert nobodys >= {in_namespace("anonymous", verb, SECRETS, ns) for ns in scope(3).everywhere for verb in LG}


def batched(tier):
    return {question for batch in tier for question in batch}


SCOPES = st.builds(
    scope,
    st.integers(1, 25),
    st.just(0),
    spaces=st.integers(1, 3),
    accounts=st.sampled_from([("self",), ("self", "a", "b")]),
    anonymous=st.sampled_from([(), ("anonymous",)]),
    every=st.floats(0.2, 60),
    within=st.floats(1, 600),
    sweep=st.floats(10, 7200),
    qps=st.floats(1, 5000),
)


@given(SCOPES)
def test_law_a_batch_is_about_one_identity_and_one_target_and_not_longer_than_twenty(given_):
    plan = make(given_)

    for batch in (*plan.tier2, *plan.tier3):
        assert 1 <= len(batch) <= BATCH == 20
        assert len({(q.identity, q.target) for q in batch}) == 1


@given(SCOPES)
def test_law_the_budget_is_never_exceeded_and_no_period_is_shorter_than_wished(given_):
    plan = make(given_)

    assert plan.cluster_rate <= given_.qps * (1 + 1e-9)
    assert plan.every >= given_.every
    assert plan.within >= max(given_.within, plan.every)
    assert plan.sweep >= max(given_.sweep, plan.within)


@given(SCOPES)
def test_law_a_tier_has_at_least_one_round_and_its_rounds_fit_its_period(given_):
    plan = make(given_)

    for tier in (1, 2, 3):
        assert plan.slots(tier) >= 1
        assert plan.slots(tier) * plan.every <= plan.period(tier) * (1 + 1e-6)


@given(SCOPES)
def test_law_the_same_scope_gives_the_same_plan_in_every_pod(given_):
    assert make(given_) == make(given_)


@given(st.integers(2, 40), st.floats(1, 2000), st.floats(1.1, 10))
def test_law_more_qps_never_makes_a_period_longer(tenants, qps, more):
    poor, rich = make(scope(tenants, qps=qps)), make(scope(tenants, qps=qps * more))

    assert all(rich.period(tier) <= poor.period(tier) * (1 + 1e-9) for tier in (1, 2, 3))


def test_a_round_may_always_ask_two_open_questions():
    assert make(scope(170, qps=1.0)).round_budget >= 2
    assert make(scope(10)).round_budget == 50
