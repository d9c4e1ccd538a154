"""What is counted of gateways, and that nothing they say becomes a label."""

import random

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from sentinel.core.gateway.completion import Trouble
from sentinel.core.gateway.news import Probed
from sentinel.core.gateway.outcome import Outcome, judge
from sentinel.sinks.gateway_metrics import GatewayMetrics
from tests.core.gateway import recorded as r
from tests.core.gateway.gateway import Gateway
from tests.engine.gateways import Run, truth

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime(start=1000.0)]


class Counted(Run):
    """A driver whose news are counted too."""

    def __post_init__(self):
        super().__post_init__()
        self.registry = CollectorRegistry()
        self.metrics = GatewayMetrics(self.registry)
        self.metrics.expect("chat", ["openai", "backup"], ["openai"], self.driver.stand)

    def put(self, news):
        super().put(news)
        self.metrics.put(news)

    def value(self, name, **labels):
        return self.registry.get_sample_value(f"sentinel_gateway_{name}", {"gateway": "chat", **labels})

    def total(self, name, **labels):
        """Over all other labels."""
        return sum(
            sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == f"sentinel_gateway_{name}" and labels.items() <= sample.labels.items()
        )


async def test_every_child_is_there_at_zero_before_anything_happened():
    run = Counted(lambda start: (0.5, "openai"))

    assert run.value("probes_total", provider="openai", outcome="truncated_stream", stream="true") == 0
    assert run.value("failover_events_total", **{"from": "openai", "to": "backup", "verdict": "violation"}) == 0
    assert run.value("failover_open_seconds") == 0
    assert run.value("graceful_total", level="ungraceful") == 0
    assert run.value("probes_skipped_total", reason="budget") == 0
    assert run.value("provider_probes_total", provider="openai", outcome="gateway_unreachable") == 0


async def test_a_failover_is_counted_with_both_bounds_and_both_stages():
    run = Counted(truth(Gateway(1020.1, 33, "fast", random.Random(1), takes=(0.3, 0.35))))

    await run.for_seconds(120)

    ways = {"from": "openai", "to": "backup"}
    assert run.value("failover_events_total", **ways, verdict="violation") == 1
    for bound in ("lower", "upper"):
        for stage in ("first", "stable"):
            assert run.value("failover_seconds_count", **ways, bound=bound, stage=stage) == 1
    assert run.value("failover_seconds_sum", **ways, bound="lower", stage="stable") < 33
    assert run.value("failover_seconds_sum", **ways, bound="upper", stage="stable") > 33
    assert run.value("failover_pages_total") == 1
    assert run.value("serving_provider", provider="backup") == 1
    assert run.value("serving_provider", provider="openai") == 0
    assert run.total("probes_total") == len(run.of(Probed))


async def test_while_an_outage_lasts_each_scrape_shows_it_as_it_is_now():
    run = Counted(lambda start: (0.1, "refused") if start >= 1020 else (0.5, "openai"))

    await run.for_seconds(60)

    assert run.value("failover_open_user_seconds") == pytest.approx(40, abs=1)
    assert 38 <= run.value("failover_open_seconds") <= 40
    assert run.value("fast") == 1


async def test_what_says_nothing_of_the_gateway_is_counted_and_has_no_duration():
    run = Counted(lambda start: (2.0, "resolver"))

    await run.for_seconds(20)

    assert run.total("probes_total", outcome="harness_error") > 0
    assert run.total("probe_duration_seconds_count") == 0
    assert run.total("graceful_total") == 0


@pytest.mark.parametrize(
    ("heard", "name", "labels"),
    [
        (r.heard(body=r.said(4) + r.STOP), "truncated_total", {"kind": "silent"}),
        (r.heard(500, r.PORTKEY_BOTH_DEAD), "leaks_total", {"rule": "system-error"}),
        (r.heard(429, r.OPENAI_429), "graceful_total", {"level": "structured"}),
        (r.heard(body=r.chunk(f"1 2 {r.THEIR_MARK}") + r.STOP), "cross_talk_total", {}),
        (r.heard(body=r.chunk(f"1 2 {r.OUR_OLD_MARK}") + r.STOP), "stale_total", {}),
        (r.heard(body=r.said() + r.STOP), "identity_unknown_total", {}),
        (r.heard(429, r.OPENAI_429, headers={"retry-after": "5"}), "retry_after_seconds_count", {}),
        (r.heard(None, trouble=Trouble.REFUSED), "probe_duration_seconds_count",
         {"provider": "unknown", "stream": "true", "result": "bad"}),
    ],
)  # fmt: skip
async def test_each_thing_has_its_own_count(heard, name, labels):
    run = Counted(lambda start: (0.5, "openai"))

    run.metrics.put(Probed("chat", 0.0, judge(heard, r.ASKED, r.expected()), r.ASKED.nonce))

    assert run.value(name, **labels) == 1


async def test_a_gateway_that_was_taken_out_is_shown_no_longer():
    run = Counted(lambda start: (0.5, "openai"))

    run.metrics.forget_others(["chat"])
    kept = run.value("period_seconds")
    run.metrics.forget_others([])

    assert kept == 2.0
    assert run.value("period_seconds") is None
    assert run.value("identity_unknown_total") == 0


async def test_a_provider_that_nobody_configured_is_other_and_no_word_of_a_gateway_is_a_label():
    run = Counted(lambda start: (0.5, "openai"))
    run.metrics.expect("chat", ["openai"], [], run.driver.stand)

    for body in (r.LITELLM_COOLDOWN, r.PORTKEY_BOTH_DEAD):
        heard = r.heard(500, body, headers={"x-litellm-model-id": "backup-evil-1"})
        run.metrics.put(Probed("chat", 0.0, judge(heard, r.ASKED, r.expected()), r.ASKED.nonce))

    # Without the values: among them are times, and any four digits.
    text = "\n".join(line.rpartition(" ")[0] for line in generate_latest(run.registry).decode().splitlines())
    assert run.value("probes_total", provider="other", outcome="ungraceful_error", stream="true") == 2
    assert "evil" not in text
    assert "9102" not in text
    assert r.ASKED.nonce not in text
    assert {
        Outcome(sample.labels["outcome"])
        for family in run.registry.collect()
        for sample in family.samples
        if "outcome" in sample.labels
    } == {*Outcome}
