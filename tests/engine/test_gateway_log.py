"""The lines that an operator reads of a gateway: a handful for an outage, and none for what stays as it was."""

import io
import json
import random

import pytest
import structlog

from sentinel import logs
from sentinel.core.gateway.allowance import Allowance
from sentinel.core.gateway.news import Probed
from sentinel.core.gateway.outcome import judge
from sentinel.sinks.gateway_log import GatewayLog
from tests.core.gateway import recorded as r
from tests.core.gateway.gateway import Gateway
from tests.engine.gateways import Run, truth

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime(start=1000.0)]


@pytest.fixture
def out():
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    yield stream
    structlog.reset_defaults()


class Logged(Run):
    """A driver whose news are logged too."""

    def __post_init__(self):
        super().__post_init__()
        self.log = GatewayLog()

    def put(self, news):
        super().put(news)
        self.log.put(news)


def lines(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


async def test_an_outage_is_a_handful_of_lines_and_the_last_has_its_bounds(out):
    run = Logged(truth(Gateway(1020.9, 33, "fast", random.Random(1), takes=(0.3, 0.35))))

    await run.for_seconds(120)

    said = lines(out)
    assert [line["event"] for line in said] == ["gateway.failing", "gateway.answering", "gateway.episode"]
    failing, answering, episode = said
    assert (failing["outcome"], failing["rule"]) == ("gateway_unreachable", "refused")
    assert answering["provider"] == "backup"
    assert (episode["level"], episode["verdict"], episode["pages"]) == ("error", "violation", True)
    assert episode["stable"][0] <= 33 <= episode["stable"][1]


async def test_ten_healthy_minutes_are_not_one_line(out):
    await Logged(lambda start: (0.5, "openai")).for_seconds(600)

    assert lines(out) == []


async def test_a_budget_that_is_used_up_is_told_once(out):
    run = Logged(lambda start: (0.5, "openai"), {"allowance": Allowance(tokens=90), "burst": None})

    await run.for_seconds(600)

    assert [line["event"] for line in lines(out)] == ["gateway.budget_used_up"]


async def test_nothing_that_a_gateway_said_is_in_a_line(out):
    sink = GatewayLog()
    for text in (r.LITELLM_COOLDOWN, r.PORTKEY_BOTH_DEAD, r.NGINX_502):
        heard = r.heard(500, text, headers={"x-litellm-model-id": "evil-1"})
        sink.put(Probed("chat", 0.0, judge(heard, r.ASKED, r.expected()), r.ASKED.nonce))

    text = out.getvalue()
    assert "gateway.failing" in text
    assert all(word not in text for word in ("evil", "9102", "dep-primary", "Bad Gateway", "fetch failed"))
