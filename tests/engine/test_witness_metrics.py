"""The witness's 0 closes pages, so an old one must never stand for what was opened since."""

from sentinel.core.answer import Answer
from sentinel.core.api.question import in_namespace
from sentinel.core.api.resources import SECRETS
from sentinel.core.record import Series
from sentinel.sinks.witness_metrics import WitnessMetrics
from tests.core.scopes import scope
from tests.engine.scripted import Watch, ample

LIST = in_namespace("self", "list", SECRETS, "team-001")
SERIES = Series("api/secrets", "self", "team-001")


def watched():
    watch, metrics = Watch(ample(scope(3))), WitnessMetrics()
    watch.book.sinks = (watch.ledger, metrics.of("team-000", watch.plan))
    return watch, metrics


def shown(metrics):
    labels = {"subject": "team-000", **SERIES._asdict()}
    return metrics.registry.get_sample_value("sentinel_witness_breach_since_timestamp_seconds", labels)


async def test_nothing_is_said_before_it_is_proven_and_then_it_is_a_zero():
    watch, metrics = watched()
    await watch.rounds()
    first = shown(metrics)

    await watch.until_all_held()

    assert first is None
    assert shown(metrics) == 0


async def test_a_breach_is_its_time_and_its_end_a_zero_at_once():
    watch, metrics = watched()
    await watch.until_all_held()
    watch.far.answers = {LIST: Answer.SERVED}
    await watch.runner.glance(["team-001"], [LIST])
    since = shown(metrics)
    watch.far.answers = {}

    await watch.rounds(3)

    assert since > 0
    assert shown(metrics) == 0


async def test_a_contested_zero_is_away_for_two_scrapes_however_soon_it_is_proven_anew():
    watch, metrics = watched()
    await watch.until_all_held()

    members = watch.book.contest(SERIES)
    seen = []
    for _ in range(3):
        watch.clock.now += 1
        await watch.runner.glance(["team-001"], members)
        seen.append(shown(metrics))
    proven = watch.last.breach_since[SERIES]
    await watch.rounds(3)

    assert seen == [None, None, None]
    assert proven == 0
    assert shown(metrics) == 0


async def test_a_zero_from_before_the_configuration_changed_does_not_outlive_what_it_said():
    watch, metrics = watched()
    await watch.until_all_held()
    watch.book.sinks = (watch.ledger, metrics.of("team-000", watch.plan))
    watch.book.contest(SERIES)
    before = shown(metrics)

    await watch.runner.glance(["team-001"], [])

    assert before == 0
    assert shown(metrics) is None


async def test_what_was_never_red_costs_no_line_and_what_was_is_a_zero_after():
    watch, metrics = watched()
    await watch.until_all_held()
    never = reasons_of(metrics)
    watch.far.answers = {LIST: Answer.LIMITED}
    await watch.rounds(8)
    red = reasons_of(metrics)
    watch.far.answers = {}

    await watch.until_all_held()

    assert set(never.values()) <= {0}
    assert red.keys() - never.keys() == {("team-001", "limited")}
    assert red["team-001", "limited"] == 1
    assert set(reasons_of(metrics).values()) == {0}


async def test_a_reason_from_before_the_configuration_changed_is_a_zero_once_it_is_gone():
    watch, metrics = watched()
    watch.far.answers = {LIST: Answer.LIMITED}
    await watch.rounds(8)
    red = reasons_of(metrics)
    watch.book.sinks = (watch.ledger, metrics.of("team-000", watch.plan))
    watch.far.answers = {}

    await watch.until_all_held()

    assert red["team-001", "limited"] == 1
    assert reasons_of(metrics)["team-001", "limited"] == 0


def test_of_a_tenant_that_is_gone_there_is_no_row():
    metrics = WitnessMetrics()
    for subject in ("team-000", "team-001"):
        metrics.breach_since.set((subject, *SERIES), 0.0)
        metrics.oldest_proof.set((subject, "team-002"), 1.0)
        metrics.coverage.labels(subject).set(1)

    metrics.forget_others(["team-001"])

    rows = [row for family in metrics.registry.collect() for row in family.samples if "subject" in row.labels]
    assert len(rows) == 3
    assert {row.labels["subject"] for row in rows} == {"team-001"}


def reasons_of(metrics):
    """Value by target and reason."""
    rows = (row for family in metrics.registry.collect() for row in family.samples)
    of = [row for row in rows if row.name == "sentinel_witness_inconclusive"]
    return {(row.labels["target"], row.labels["reason"]): row.value for row in of}
