"""Whom a changed role or binding concerns: nobody who is newly let in is left out, and few others are named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.api.affected import Affected, People, Person, affected
from sentinel.core.api.rbac import ANONYMOUS, Binding, Rbac, Role, Rule, Subject, who_of_account, who_of_group
from sentinel.core.api.rules import Grant, door

A, B, SYSTEM = "team-a", "team-b", "kube-system"


def person(subject, identity, who):
    return Person(subject, identity, who, frozenset({A, B, SYSTEM} - {subject}))


PEOPLE = People(
    (
        person(A, "self", who_of_account(A, "sentinel")),
        person(A, "default", who_of_account(A, "default")),
        person(A, "group:humans", who_of_group("humans")),
        person(A, "anonymous", ANONYMOUS),
        person(B, "self", who_of_account(B, "sentinel")),
    )
)
READ = Rule(("get", "list"), ("",), ("secrets",))
LISTED = frozenset({Grant("get", "", "secrets"), Grant("list", "", "secrets")})
NOBODY = Rbac()


def role(space=B, *rules, name="hole"):
    return Role("Role" if space else "ClusterRole", space, name, rules or (READ,))


def binding(*subjects, space=B, name="hole", kind="Role", to="hole"):
    return Binding("RoleBinding" if space else "ClusterRoleBinding", space, name, kind, to, subjects)


def account(space=A, name="sentinel"):
    return Subject("ServiceAccount", name, space)


def group(name):
    return Subject("Group", name)


def user(name):
    return Subject("User", name)


def rbac(*objects):
    return Rbac.of(objects)


def told(before, after, created=()):
    return {(row.subject, row.identity, row.target) for row in affected(before, after, PEOPLE, created)}


SELF_A, DEFAULT_A, HUMANS_A, ANON_A, SELF_B = [(p.subject, p.identity) for p in PEOPLE.all]
EVERY_ACCOUNT = {SELF_A, DEFAULT_A, SELF_B}


class TestABinding:
    @pytest.mark.parametrize(
        ("subject", "whom"),
        [
            (account(), {SELF_A}),
            (account(A, "default"), {DEFAULT_A}),
            (account(A, "stranger"), set()),
            (account(B), {SELF_B}),
            (user("system:serviceaccount:team-a:sentinel"), {SELF_A}),
            (user("system:serviceaccount:team-a:stranger"), set()),
            (group("system:serviceaccounts:team-a"), {SELF_A, DEFAULT_A}),
            (group("system:serviceaccounts"), EVERY_ACCOUNT),
            (group("system:authenticated"), {*EVERY_ACCOUNT, HUMANS_A}),
            (group("system:unauthenticated"), {ANON_A}),
            (user("system:anonymous"), {ANON_A}),
            (group("humans"), {HUMANS_A}),
            (group("others"), set()),
        ],
    )
    def test_concerns_those_whom_its_subject_means(self, subject, whom):
        after = rbac(role(SYSTEM), binding(subject, space=SYSTEM))

        assert told(NOBODY, after) == {(*who, SYSTEM) for who in whom}

    def test_names_what_is_newly_granted(self):
        (row,) = affected(rbac(role()), rbac(role(), binding(account())), PEOPLE)

        assert row == Affected(A, "self", B, LISTED)

    def test_in_ones_own_namespace_is_nobodys_business(self):
        assert told(rbac(role(A)), rbac(role(A), binding(account(), space=A))) == set()

    def test_in_a_namespace_that_nobody_watches_is_not_either(self):
        assert told(NOBODY, rbac(role("elsewhere"), binding(account(), space="elsewhere"))) == set()

    def test_at_cluster_scope_concerns_all_targets_at_once(self):
        after = rbac(role(""), binding(account(), space="", kind="ClusterRole"))

        assert affected(NOBODY, after, PEOPLE) == {Affected(A, "self", "*", LISTED)}

    def test_of_a_cluster_role_in_a_namespace_concerns_that_target(self):
        after = rbac(role(""), binding(account(), kind="ClusterRole"))

        assert affected(rbac(role("")), after, PEOPLE) == {Affected(A, "self", B, LISTED)}

    def test_that_gets_another_subject_concerns_the_new_one_alone(self):
        before = rbac(role(SYSTEM), binding(account(B), space=SYSTEM))
        after = rbac(role(SYSTEM), binding(account(B), account(), space=SYSTEM))

        assert told(before, after) == {(*SELF_A, SYSTEM)}

    def test_that_is_taken_away_closes(self):
        (row,) = affected(rbac(role(), binding(account())), rbac(role()), PEOPLE)

        assert row == Affected(A, "self", B, frozenset(), closes=True)

    def test_that_refers_to_another_role_opens_and_closes(self):
        other = role(B, Rule(("create",), ("",), ("pods",)), name="other")
        objects = [role(), other]
        before, after = rbac(*objects, binding(account())), rbac(*objects, binding(account(), to="other"))

        (row,) = affected(before, after, PEOPLE)

        assert row == Affected(A, "self", B, frozenset({Grant("create", "", "pods")}), closes=True)

    def test_that_is_the_same_as_before_concerns_nobody(self):
        assert told(rbac(role(), binding(account())), rbac(role(), binding(account()))) == set()

    def test_of_a_role_that_nobody_made_is_looked_at(self):
        assert affected(NOBODY, rbac(binding(account())), PEOPLE) == {Affected(A, "self", B)}


class TestARole:
    def test_that_is_made_concerns_who_was_bound_to_it_before(self):
        before = rbac(binding(account()))

        assert affected(before, before.with_object(role()), PEOPLE) == {Affected(A, "self", B, LISTED)}

    def test_that_gets_a_rule_concerns_all_bindings_that_refer_to_it(self):
        bindings = [
            binding(account(), kind="ClusterRole"),
            binding(group("humans"), space=SYSTEM, kind="ClusterRole"),
            binding(account(B), space="", kind="ClusterRole"),
        ]
        before = rbac(role("", Rule(("get",), ("",), ("pods",))), *bindings)
        after = before.with_object(role("", Rule(("get",), ("",), ("pods",)), READ))

        found = affected(before, after, PEOPLE)

        assert {(r.subject, r.identity, r.target) for r in found} == {(*SELF_A, B), (*HUMANS_A, SYSTEM), (*SELF_B, "*")}
        assert {r.grants for r in found} == {LISTED}

    def test_that_loses_a_rule_closes(self):
        before = rbac(role(B, READ, Rule(("get",), ("",), ("pods",))), binding(account()))

        (row,) = affected(before, before.with_object(role()), PEOPLE)

        assert (row.grants, row.closes) == (frozenset(), True)

    def test_of_the_same_name_elsewhere_is_another(self):
        before = rbac(role(), binding(account()))

        assert told(before, before.with_object(role(SYSTEM))) == set()

    def test_whose_labels_change_gives_nothing_yet(self):
        before = rbac(role(""), binding(account(), space="", kind="ClusterRole"))
        labelled = Role("ClusterRole", "", "hole", (READ,), labels=frozenset({("a", "b")}))

        assert told(before, before.with_object(labelled)) == set()

    def test_that_took_over_anothers_rules_concerns_who_is_bound_to_it(self):
        taker = Role("ClusterRole", "", "view", aggregates=((),))
        before = rbac(taker, binding(account(), space="", kind="ClusterRole", to="view"))
        after = before.with_object(role("")).with_object(Role("ClusterRole", "", "view", (READ,), ((),)))

        assert affected(before, after, PEOPLE) == {Affected(A, "self", "*", LISTED)}

    def test_of_more_grants_than_are_listed_is_looked_at_when_it_changes(self):
        many = tuple(f"name-{number}" for number in range(30_000))
        before = rbac(role(B, Rule(("get",), ("",), ("secrets",), many)), binding(account()))
        after = before.with_object(role(B, Rule(("get",), ("",), ("secrets",), (*many, "more"))))

        assert told(before, after) == {(*SELF_A, B)}

    def test_beside_another_is_told_apart(self):
        other = role(B, Rule(("create",), ("",), ("pods",)), name="other")
        before = rbac(role(), binding(account()))
        after = before.with_object(other).with_object(binding(account(), name="second", to="other"))

        assert affected(before, after, PEOPLE) == {Affected(A, "self", B, frozenset({Grant("create", "", "pods")}))}


class TestANamespace:
    def test_that_is_new_is_looked_at_by_all_who_must_be_denied_there(self):
        assert told(NOBODY, NOBODY, [B]) == {(*who, B) for who in (SELF_A, DEFAULT_A, HUMANS_A, ANON_A)}

    def test_that_is_nobodys_target_is_nobodys_business(self):
        assert told(NOBODY, NOBODY, ["elsewhere"]) == set()

    def test_with_its_bindings_is_told_once(self):
        rows = affected(NOBODY, rbac(role(), binding(account())), PEOPLE, [B])

        assert [row.grants for row in rows if row.identity == "self"] == [LISTED]


class TestWhatTheChartGives:
    def test_is_wanted(self):
        given_ = Rule(("get",), ("",), ("namespaces",), (B,))

        (row,) = affected(NOBODY, rbac(role(B, given_), binding(account())), PEOPLE)

        assert row.grants == {door(B)}
        assert row.is_wanted("sentinel-system")

    def test_with_one_thing_more_is_not(self):
        given_ = Rule(("get", "list"), ("",), ("namespaces",), (B,))

        (row,) = affected(NOBODY, rbac(role(B, given_), binding(account())), PEOPLE)

        assert not row.is_wanted("sentinel-system")

    def test_is_looked_at_when_it_goes(self):
        given_ = Rule(("get",), ("",), ("namespaces",), (B,))

        (row,) = affected(rbac(role(B, given_), binding(account())), NOBODY, PEOPLE)

        assert not row.is_wanted("sentinel-system")


SPACES = st.sampled_from(["", "", B, B, B, A, SYSTEM, "elsewhere"])
SUBJECTS = st.sampled_from(
    [
        account(),
        account(A, "default"),
        account(B),
        account(B, "stranger"),
        group("system:serviceaccounts"),
        group("system:serviceaccounts:team-a"),
        group("system:authenticated"),
        group("system:unauthenticated"),
        group("humans"),
        user("system:anonymous"),
        user("system:serviceaccount:team-b:sentinel"),
        Subject("ServiceAccount", "sentinel"),
    ]
)
RULES = st.builds(
    Rule,
    st.sampled_from([("get",), ("get", "list"), ("*",)]),
    st.sampled_from([("",), ("apps",), ("*",)]),
    st.sampled_from([("secrets",), ("pods", "pods/log"), ("*",)]),
    st.sampled_from([(), ("one",)]),
)
NAMES = st.sampled_from(["x", "y"])


@st.composite
def roles(draw):
    space = draw(SPACES)
    return Role("Role" if space else "ClusterRole", space, draw(NAMES), tuple(draw(st.lists(RULES, max_size=2))))


@st.composite
def bindings(draw):
    space = draw(SPACES)
    kind = draw(st.sampled_from(["Role", "ClusterRole"])) if space else "ClusterRole"
    return binding(*draw(st.lists(SUBJECTS, max_size=3)), space=space, name=draw(NAMES), kind=kind, to=draw(NAMES))


WORLDS = st.builds(
    lambda made, bound: Rbac.of([*made, *bound]), st.lists(roles(), max_size=5), st.lists(bindings(), max_size=8)
)


@st.composite
def changes(draw):
    """A world, and the same one after some objects came, changed or went."""
    before = draw(WORLDS)
    after = before
    for _ in range(draw(st.integers(0, 3))):
        changed = draw(roles() | bindings())
        if draw(st.booleans()):
            after = after.with_object(changed)
        else:
            after = after.without_object(changed.kind, changed.namespace, changed.name)
    return before, after


class TestWhateverChanges:
    @given(changes() | st.tuples(WORLDS, WORLDS))
    def test_what_is_newly_listed_for_somebody_is_in_the_answer(self, worlds):
        before, after = worlds
        answer = {(row.subject, row.identity, row.target): row for row in affected(before, after, PEOPLE)}
        nothing = Affected("", "", "")
        for someone in PEOPLE.all:
            key = (someone.subject, someone.identity)
            wide = answer.get((*key, "*"), nothing)
            for target in [*someone.targets, "*"]:
                old, new = (listed(world, someone.who, target) for world in worlds)
                row = answer.get((*key, target), nothing)
                assert new - old <= row.grants | wide.grants
                if old - new:
                    assert row.closes or wide.closes

    @given(changes())
    def test_nobody_is_named_for_whom_all_is_as_it_was(self, worlds):
        before, after = worlds
        for row in affected(before, after, PEOPLE):
            (someone,) = (p for p in PEOPLE.all if (p.subject, p.identity) == (row.subject, row.identity))
            assert rules_behind(before, someone.who, row.target) != rules_behind(after, someone.who, row.target)


def listed(world, who, target):
    return world.rules_of(who, None if target == "*" else target)


def rules_behind(world, who, target):
    """Each binding that means them there, with the rules behind it."""
    bound = world.bindings_to(who, None if target == "*" else target)
    rows = [(b.kind, b.namespace, b.name, b.role_kind, b.role_name, b.means(who), world.role_of(b)) for b in bound]
    return [(*row, made.rules if made else None) for *row, made in rows]
