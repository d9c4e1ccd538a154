"""Exceptions over time: what is let in by one, what it does not excuse, and what happens when it ends."""

# A None where a value belongs fails the test as well as any assertion would.
# mypy: disable-error-code="union-attr, operator"

from dataclasses import replace
from datetime import date

import pytest

from sentinel.core.answer import Answer
from sentinel.core.api.allowed import Allowance
from sentinel.core.api.gates import Gate
from sentinel.core.api.plan import make
from sentinel.core.api.question import at_cluster_scope, in_namespace
from sentinel.core.api.resources import CHECKS, CONFIGMAPS, SECRETS
from sentinel.core.api.rules import Grant
from sentinel.core.record import Series
from sentinel.core.standing import Turn
from sentinel.core.verdict import Reason, State
from sentinel.sinks.history import History
from sentinel.sinks.metrics import Metrics
from sentinel.web import pages
from tests.core.scopes import scope
from tests.engine.scripted import Watch, ample

LIST = in_namespace("self", "list", CONFIGMAPS, "team-001")
GET = in_namespace("self", "get", CONFIGMAPS, "team-001")
WIDE = at_cluster_scope("self", "list", CONFIGMAPS)
SERIES = Series("api/configmaps", "self", "team-001")
NAME = "team-000->team-001"
LAST_DAY = date(1970, 1, 12)  # the scripted clock begins on it
MIDNIGHT = 1_036_800.0


def wanting(*verbs, to="team-001", until=None, resources=("configmaps",), source="team-000"):
    return Allowance(f"{source}->{to}", source, to, frozenset(verbs), resources, until=until, reason="r", owner="o")


def plan(*allow, tenants=2):
    return ample(scope(tenants, allow=allow))


async def test_what_an_exception_wants_is_held_and_named():
    watch = Watch(plan(wanting("list")))
    watch.far.answers[LIST] = Answer.SERVED

    await watch.until_all_held()
    standing = watch.book.standings[LIST]

    assert (standing.state, standing.reason, standing.verdict.by) == (State.HELD, Reason.ALLOWED, NAME)
    assert (standing.breach, standing.last_proven) == (None, None)
    assert watch.last.breach_since[SERIES] == 0.0
    assert watch.last.coverage == 1.0
    assert [(row.allowance.name, row.in_use, row.unused) for row in watch.last.exceptions] == [(NAME, 1, False)]


async def test_what_is_next_to_it_is_a_breach():
    watch = Watch(plan(wanting("list")))
    watch.far.answers |= {LIST: Answer.SERVED, GET: Answer.SERVED}

    await watch.rounds(12)

    opened = [r.question for r in watch.ledger.records if r.change is not None and r.change.turn is Turn.OPENED]
    assert opened == [GET]


async def test_who_is_somebody_else_is_not_excused():
    watch = Watch(plan(wanting("list")))
    watch.far.answers[LIST] = Answer.SERVED
    watch.far.somebody_else = True

    await watch.rounds(8)

    assert watch.book.standings[LIST].reason is Reason.IDENTITY


async def test_the_day_after_its_last_it_is_a_breach_within_one_round():
    slow = make(scope(2, allow=(wanting("list", until=LAST_DAY),), qps=100_000.0))
    watch = Watch(slow)
    await watch.until_all_held()
    proven = watch.book.standings[LIST].last_proven
    watch.far.answers[LIST] = Answer.SERVED
    await watch.rounds(200)  # more than a sweep
    assert watch.book.standings[LIST].reason is Reason.ALLOWED

    watch.clock.now = MIDNIGHT
    await watch.rounds()
    breach = watch.book.standings[LIST].breach

    assert watch.last.breach_since[SERIES] == breach.since > MIDNIGHT
    assert breach.closed_before >= proven
    assert breach.closed_before < MIDNIGHT - 600  # it was not shut while it was wanted
    assert [(row.expired, row.in_use) for row in watch.last.exceptions] == [(True, 0)]


async def test_an_exception_that_comes_closes_a_breach_after_two_rounds_and_says_why():
    watch = Watch(plan())
    await watch.until_all_held()
    watch.far.answers[LIST] = Answer.SERVED
    await watch.rounds(8)
    assert watch.last.breach_since[SERIES] > 0
    watch.take(plan(wanting("list")))

    await watch.rounds()
    assert watch.last.breach_since[SERIES] > 0
    records = await watch.rounds()

    assert [r.change.turn for r in records if r.question == LIST] == [Turn.ALLOWED]
    assert watch.book.standings[LIST].breach is None


async def test_one_that_is_taken_out_opens_the_breach_within_one_round():
    watch = Watch(make(scope(2, allow=(wanting("list"),), qps=100_000.0)))
    watch.far.answers[LIST] = Answer.SERVED
    await watch.until_all_held()
    watch.take(make(scope(2, qps=100_000.0)))

    await watch.rounds()

    assert watch.last.breach_since[SERIES] > 0


class TestClusterWide:
    async def test_a_grant_in_the_whole_cluster_is_wanted_in_each_namespace_too(self):
        watch = Watch(plan(wanting("list", to="*"), tenants=3))
        everywhere = [q for q in watch.plan.questions if (q.verb, q.resource) == ("list", CONFIGMAPS)]
        watch.far.answers = {q: Answer.SERVED for q in everywhere if q.identity == "self"}

        await watch.until_all_held()

        assert not [q for q, s in watch.book.standings.items() if s.breach]
        assert {s.reason for q, s in watch.book.standings.items() if q in watch.far.answers} == {Reason.ALLOWED}

    async def test_a_grant_in_one_namespace_is_not_excused_by_it(self):
        watch = Watch(plan(wanting("list", to="*")))
        watch.far.answers[LIST] = Answer.SERVED  # at cluster scope it is denied

        await watch.rounds(12)

        assert watch.book.standings[LIST].breach is not None

    async def test_nor_is_a_namespace_once_the_grant_in_the_cluster_is_gone(self):
        watch = Watch(plan(wanting("list", to="*")))
        watch.far.answers = {LIST: Answer.SERVED, WIDE: Answer.SERVED}
        await watch.until_all_held()
        del watch.far.answers[WIDE]

        await watch.rounds(8)

        assert watch.book.standings[LIST].breach is not None


class TestTheTripWire:
    GRANT = Grant("delete", "", "configmaps")

    async def test_a_rule_that_is_wanted_leaves_it_clean(self):
        watch = Watch(plan(wanting("delete")))
        watch.far.grants["team-001"] = frozenset({self.GRANT})

        await watch.until_all_held()
        await watch.rounds(2)

        assert watch.last.breach_since[SERIES] == 0.0
        assert in_namespace("self", "delete", CONFIGMAPS, "team-001") not in watch.book.doubts

    async def test_one_that_is_wanted_no_more_is_asked_for_real_in_the_next_round(self):
        watch = Watch(plan(wanting("delete", until=LAST_DAY)))
        watch.far.grants["team-001"] = frozenset({self.GRANT})
        deleting = in_namespace("self", "delete", CONFIGMAPS, "team-001")
        watch.far.answers[deleting] = Answer.SERVED
        await watch.until_all_held()

        watch.clock.now = MIDNIGHT
        await watch.rounds()

        assert watch.last.breach_since[Series("api/escalation", "self", "team-001")] > 0

    async def test_a_wider_rule_is_asked_for_what_is_not_wanted(self):
        watch = Watch(plan(wanting("delete")))
        watch.far.grants["team-001"] = frozenset({self.GRANT, replace(self.GRANT, verb="patch")})

        await watch.rounds()

        assert in_namespace("self", "patch", CONFIGMAPS, "team-001") in watch.far.asked
        assert in_namespace("self", "delete", CONFIGMAPS, "team-001") not in watch.far.asked


class TestWhatIsNotNeeded:
    SWEEPS = 13  # rounds in two sweeps of the ample plan, and one

    async def test_what_was_denied_for_two_sweeps_is_reported(self):
        watch = Watch(plan(wanting("list")))
        await watch.rounds(self.SWEEPS - 3)
        assert not watch.last.exceptions[0].unused

        await watch.rounds(5)

        assert watch.last.exceptions[0].unused

    @pytest.mark.parametrize("source", ["team-000", "*"])
    async def test_what_is_let_in_or_listed_is_needed(self, source):
        row = wanting("list", "delete", source=source)
        let_in, listed = Watch(plan(row)), Watch(plan(row))
        let_in.far.answers[LIST] = Answer.SERVED
        listed.far.grants["team-001"] = frozenset({TestTheTripWire.GRANT})

        for watch in (let_in, listed):
            await watch.rounds(3 * self.SWEEPS)
            assert not watch.last.exceptions[0].unused

    async def test_blindness_is_no_reason_to_take_one_out(self):
        blind, unreviewed = Watch(plan(wanting("list"))), Watch(plan(wanting("list")))
        blind.far.red = {("before", Gate.DECOY)}
        unreviewed.far.review_fails = True

        for watch in (blind, unreviewed):
            await watch.rounds(3 * self.SWEEPS)
            assert not watch.last.exceptions[0].unused

    async def test_nobody_speaks_for_whom_it_does_not_ask_as(self):
        others = [wanting("list", source="anonymous", to="team-001"), wanting("list", source="team-001", to="team-000")]
        watch = Watch(plan(*others))
        asks = [q for q in watch.plan.questions if q.identity == "anonymous" and others[0].covers(q)]

        await watch.rounds(3 * self.SWEEPS)

        told = {row.allowance.source: row.unused for row in watch.last.exceptions}
        assert told == {"anonymous": bool(asks)}

    async def test_secrets_can_be_wanted_too(self):
        watch = Watch(plan(wanting("list", resources=("secrets",))))
        watch.far.answers[in_namespace("self", "list", SECRETS, "team-001")] = Answer.SERVED

        await watch.until_all_held()

        assert watch.last.breach_since[Series("api/secrets", "self", "team-001")] == 0.0


class TestShown:
    async def test_metrics_name_each_and_count_none_of_it_as_a_denial(self):
        wanted = plan(wanting("list", until=LAST_DAY), wanting("get", to="kube-system"))
        watch, sink = Watch(wanted), Metrics()
        sink.expect(wanted)
        watch.book.sinks = (watch.ledger, sink)
        value = sink.registry.get_sample_value
        assert value("sentinel_exception_until_timestamp_seconds", {"exception": NAME}) == MIDNIGHT
        watch.far.answers[LIST] = Answer.SERVED
        await watch.until_all_held()
        await watch.rounds(20)

        told = [value(f"sentinel_exception_{name}", {"exception": NAME}) for name in ("in_use", "unused")]
        other = [
            value(f"sentinel_exception_{name}", {"exception": "team-000->kube-system"}) for name in ("in_use", "unused")
        ]
        held = sum(value("sentinel_verdicts_total", {"check": check, "verdict": "held"}) or 0 for check in CHECKS)
        denials = sum(
            value("sentinel_denials_total", {"check": check, "identity": who, "code": "403"}) or 0
            for check in CHECKS
            for who in ("self", "anonymous")
        )
        allowed = [r for r in watch.ledger.records if r.verdict.reason is Reason.ALLOWED]

        assert (told, other) == ([1.0, 0.0], [0.0, 1.0])
        assert held - denials == len(allowed) > 0
        assert value("sentinel_exception_until_timestamp_seconds", {"exception": "team-000->kube-system"}) is None

    async def test_one_that_was_taken_out_is_in_no_metric(self):
        sink = Metrics()
        sink.expect(plan(wanting("list", until=LAST_DAY)))

        sink.expect(plan())

        names = {sample.name for family in sink.registry.collect() for sample in family.samples}
        assert not [name for name in names if name.startswith("sentinel_exception")]

    async def test_the_console_says_until_when_by_whom_and_why(self):
        watch, kept = (
            Watch(plan(wanting("list", until=LAST_DAY), wanting("get", to="kube-system"))),
            History("team-000"),
        )
        watch.book.sinks = (watch.ledger, kept)
        watch.far.answers[LIST] = Answer.SERVED
        await watch.until_all_held()

        first, second = kept.status()["exceptions"]
        row = next(row for row in kept.status()["standings"] if row["allowed_by"])
        seen = pages.page(kept.snapshot(), watch.clock.now)
        watch.clock.now = MIDNIGHT
        await watch.rounds()
        later = pages.page(kept.snapshot(), watch.clock.now)

        assert (first["until"], first["in_use"], first["expired"]) == ("1970-01-12", 1, False)
        assert (second["exception"], second["until"]) == ("team-000->kube-system", None)
        assert (row["question"], row["reason"], row["allowed_by"]) == ("list configmaps", "allowed", NAME)
        assert "Wanted grants (2)" in seen
        assert "lets in 1 question" in seen
        assert "1 by exceptions" in seen
        assert "ran out: a breach again" in later
        assert "BREACH" in later

    async def test_a_breach_that_an_exception_ends_is_not_called_proven(self):
        watch, kept = Watch(plan()), History("team-000")
        watch.book.sinks = (watch.ledger, kept)
        watch.far.answers[LIST] = Answer.SERVED
        await watch.rounds(10)
        watch.take(plan(wanting("list")))
        await watch.rounds(3)

        assert [row["ending"] for row in kept.breaches()] == ["allowed"]
        assert "an exception that wants it" in pages.page(kept.snapshot(), watch.clock.now)
