"""From the configuration to an episode, on real sockets: the primary dies, and the truth lies between the bounds."""

import asyncio
import json
import re
import socket
import sys
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from sentinel import settings
from sentinel.clients.clock import Clock
from sentinel.core.gateway import canary
from sentinel.core.gateway.failover import Verdict
from sentinel.core.gateway.news import Ended, Probed
from sentinel.core.gateway.outcome import Outcome
from sentinel.engine.apart import TIER
from sentinel.engine.crossings import Crossings
from sentinel.joins import gateways
from sentinel.joins.gateways import Asker
from tests.support.rawserver import raw_server
from tests.support.switching import Stub

pytestmark = pytest.mark.asyncio

CONFIG = """\
cluster: c
tenant: team-a
tenants: [{name: team-a, namespaces: [team-a]}, {name: team-b, namespaces: [team-b]}]
gateways:
  - name: chat
    url: URL/v1/chat/completions
    preset: litellm
    model: chat
    key: {file: KEY}
    headers: [{name: X-Team, value: sre}, {name: X-Config, file: KEY}]
    providers: [{name: openai, direct: {url: URL/direct, model: m, every: 1s}}, {name: backup}]
    baseline: 1s
    burst: 500ms
    every: 1s
"""


@dataclass
class Heard:
    told: list[Any] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, news):
        self.told.append(news)
        self.changed.set()

    def of(self, kind):
        return [news for news in self.told if isinstance(news, kind)]

    async def until(self, done):
        async with asyncio.timeout(90):
            while not done():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def watched(stub, tmp_path, *, asker=None, host="127.0.0.1"):
    key = tmp_path / "key"
    key.write_text("abc\n")
    heard = Heard()
    async with raw_server(None, stub.behave) as server:
        path = tmp_path / "s.yaml"
        path.write_text(CONFIG.replace("URL", server.url.replace("127.0.0.1", host)).replace("KEY", str(key)))
        loaded = settings.load(path, {})
        asker = asker or Asker("witness", fast=True)
        async with gateways.asked(loaded.gateways, asker, Clock(), [heard]) as drivers:
            yield heard, drivers


async def test_the_primary_dies_and_the_truth_lies_between_the_bounds(tmp_path):
    for _ in range(3):
        stub = Stub()
        async with watched(stub, tmp_path) as (heard, drivers):
            await heard.until(lambda: len(heard.of(Probed)) >= 6)
            stub.switch, stub.dies = 3.0, time.monotonic()
            await heard.until(lambda: heard.of(Ended))
            shown = drivers[0].stand()
        episode = heard.of(Ended)[0].episode
        if episode.verdict is not Verdict.INVALID:  # this machine was too busy for us
            break

    assert episode.verdict is Verdict.PASS
    assert episode.stable.lower <= 3.0 <= episode.stable.upper
    assert (episode.source, episode.to) == ("openai", "backup")
    assert shown.steady == "backup"
    assert {news.judged.outcome for news in heard.of(Probed) if not news.target} >= {
        Outcome.SERVED_PRIMARY,
        Outcome.UNGRACEFUL_ERROR,
        Outcome.FAILED_OVER,
    }


async def test_while_no_resolver_answers_nothing_is_said_of_the_gateway_and_nobody_is_woken(tmp_path, monkeypatch):
    loop, dead = asyncio.get_running_loop(), asyncio.Event()
    lookup = loop.getaddrinfo

    async def resolve(host, *args, **kwargs):
        if dead.is_set():
            raise socket.gaierror(socket.EAI_AGAIN, "as a dead one is told of")
        return await lookup(host, *args, **kwargs)

    monkeypatch.setattr(loop, "getaddrinfo", resolve, raising=False)
    async with watched(Stub(), tmp_path, host="localhost") as (heard, _):
        await heard.until(lambda: outcomes(heard)[Outcome.SERVED_PRIMARY] >= 2)
        dead.set()
        await heard.until(lambda: outcomes(heard)[Outcome.HARNESS_ERROR] >= 3)
        dead.clear()
        before = outcomes(heard)[Outcome.SERVED_PRIMARY]
        await heard.until(lambda: outcomes(heard)[Outcome.SERVED_PRIMARY] > before)

    assert set(outcomes(heard)) == {Outcome.SERVED_PRIMARY, Outcome.HARNESS_ERROR}
    assert {news.episode.verdict for news in heard.of(Ended)} == {Verdict.INVALID}
    assert not any(news.pages for news in heard.of(Ended))


def outcomes(heard):
    return Counter(news.judged.outcome for news in heard.of(Probed) if not news.target)


async def test_key_headers_and_nonce_are_those_of_the_configuration(tmp_path):
    stub = Stub()
    async with watched(stub, tmp_path) as (heard, _):
        await heard.until(lambda: {news.target for news in heard.of(Probed)} == {"", "openai"})

    gateway = next(asked for asked in stub.headers if "x-team" in asked)
    direct = next(asked for asked in stub.headers if "x-team" not in asked)
    assert (gateway["authorization"], gateway["x-team"], gateway["x-config"]) == ("Bearer abc", "sre", "abc")
    assert "authorization" not in direct, "the gateway's key is sent to nobody else"
    assert gateway["x-request-id"].startswith(f"tenant-sentinel-{canary.tag('witness')}")


async def test_a_tenant_asks_slowly_never_in_bursts_and_no_provider_itself(tmp_path):
    asker = Asker("team-a", fast=False)
    async with watched(Stub(), tmp_path, asker=asker) as (heard, drivers):
        await heard.until(lambda: heard.of(Probed))

    plan = drivers[0].plan
    assert (plan.burst, plan.direct, plan.every) == (None, (), 1.0)
    assert heard.of(Probed)[0].nonce.startswith(canary.tag("team-a"))


async def test_without_gateways_nothing_is_opened_and_nothing_runs(tmp_path):
    async with gateways.asked((), Asker("team-a", fast=False), Clock(), []) as drivers:
        assert drivers == ()
        assert {task.get_name() for task in asyncio.all_tasks()}.isdisjoint({"our own disturbances"})


async def test_stopping_in_the_middle_of_an_outage_tells_it_and_leaves_no_probe(tmp_path, caplog):
    stub = Stub(switch=1e9)
    async with watched(stub, tmp_path) as (heard, _):
        await heard.until(lambda: heard.of(Probed))
        stub.dies = time.monotonic()
        await heard.until(lambda: any(not news.judged.good and not news.target for news in heard.of(Probed)))

    assert [news.episode.verdict for news in heard.of(Ended)] == [Verdict.RIGHT_CENSORED]
    assert Outcome.HARNESS_ERROR not in {news.judged.outcome for news in heard.of(Probed)}


@pytest.mark.parametrize(("dies", "code", "outcome"), [(1e18, 0, "served_primary"), (0.0, 1, "ungraceful_error")])
async def test_once_tells_all_of_one_probe_and_no_word_of_it(tmp_path, dies, code, outcome):
    key = tmp_path / "key"
    key.write_text("sk-secret")
    path = tmp_path / "s.yaml"
    async with raw_server(None, Stub(dies=dies, switch=1e18).behave) as server:
        path.write_text(CONFIG.replace("URL", server.url).replace("KEY", str(key)))
        command = [sys.executable, "-m", "sentinel", "once", "gateway/chat", "--config", str(path)]
        told = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-1)
        out, err = await told.communicate()
        program = await asyncio.create_subprocess_exec(*command, "--output", "json", stdout=-1, stderr=-1)
        seen = json.loads((await program.communicate())[0])

    text = out.decode()
    assert (told.returncode, program.returncode) == (code, code), err.decode()
    assert outcome in text
    assert (seen["outcome"], seen["gateway"]) == (outcome, "chat")
    came = [moment["what"] for moment in seen["timeline"]]
    assert came[:4] == ["asked", "connected", "headers", "first byte"]
    assert came[-1] == "end"
    assert ("token 1" in came) is (outcome == "served_primary")
    assert [moment["at_ms"] for moment in seen["timeline"]] == sorted(moment["at_ms"] for moment in seen["timeline"])
    assert all(re.search(rf"ms  {re.escape(what)}\b", text) for what in came)
    assert "not shown" in text
    assert all(word not in text + str(seen) for word in ("sk-secret", "ECONNREFUSED", "Count from", "10 11 12"))


async def test_once_of_an_unknown_gateway_names_those_that_are_known(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(CONFIG.replace("URL", "http://127.0.0.1:1").replace("KEY", "/none"))

    told = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sentinel", "once", "gateway/x", "--config", str(path)), stdout=-1, stderr=-1
    )
    out, err = await told.communicate()

    assert (told.returncode, out) == (2, b"")
    assert b"expected one of gateway/chat" in err


async def test_a_ca_file_that_is_none_is_told_and_ends_nothing_of_the_process(tmp_path, capsys):
    (tmp_path / "key").write_text("abc")
    path = tmp_path / "s.yaml"
    text = CONFIG.replace("URL", "http://127.0.0.1:9").replace("KEY", str(tmp_path / "key"))
    path.write_text(text.replace("model: chat", f"model: chat\n    ca: {tmp_path / 'none.crt'}"))
    heard = Heard()

    asker = Asker("team-a", fast=False)
    async with gateways.asked(settings.load(path, {}).gateways, asker, Clock(), [heard]):
        await heard.until(lambda: heard.of(Probed))

    assert heard.of(Probed)[0].judged.outcome is Outcome.HARNESS_ERROR
    assert "none.crt" in capsys.readouterr().out


async def test_a_gateway_that_was_taken_out_is_shown_no_more_and_one_that_is_new_is_shown_at_once(tmp_path):
    path, registry = tmp_path / "s.yaml", CollectorRegistry()
    text = CONFIG.replace("URL", "http://127.0.0.1:9").replace("KEY", str(tmp_path / "key"))
    known = gateways.Gateways(registry, Clock(), Crossings(0.0, tier=TIER))

    def shown(name):
        return registry.get_sample_value("sentinel_gateway_period_seconds", {"gateway": name})

    async with known.generation(loaded(path, text)):
        assert (shown("chat"), shown("other")) == (1.0, None)
    async with known.generation(loaded(path, text.replace("name: chat", "name: other"))):
        assert (shown("chat"), shown("other")) == (None, 1.0)
    async with known.generation(loaded(path, text), asks=False):
        assert (shown("chat"), shown("other")) == (None, None)


def loaded(path, text):
    path.write_text(text)
    return settings.load(path, {})


@dataclass
class File:
    """A file of settings that is read again and again beside one gateway; `before` is all that lasts."""

    url: str
    folder: Path
    heard: Heard = field(default_factory=Heard)
    ends: bool = False

    def __post_init__(self):
        (self.folder / "key").write_text("abc")
        self.before = gateways.Before(lambda: self.ends)

    @asynccontextmanager
    async def read(self, old="", new=""):
        text = CONFIG.replace("URL", self.url).replace("KEY", str(self.folder / "key")).replace(old, new)
        read = loaded(self.folder / "s.yaml", text).gateways
        async with gateways.asked(read, Asker("witness", fast=True), Clock(), [self.heard], self.before) as drivers:
            yield drivers

    @property
    def verdicts(self):
        return [news.episode.verdict for news in self.heard.of(Ended)]

    async def until_it_ended(self):
        await self.heard.until(lambda: self.verdicts)

    async def until_it_fails(self, stub):
        await self.heard.until(lambda: len(self.heard.of(Probed)) >= 6)
        stub.switch, stub.dies = 1e9, time.monotonic()
        await self.heard.until(lambda: any(not news.judged.good and not news.target for news in self.heard.of(Probed)))


async def test_an_outage_goes_on_when_the_file_is_read_again_and_so_do_pace_and_what_is_spent(tmp_path):
    for _ in range(3):
        stub = Stub()
        async with raw_server(None, stub.behave) as server:
            file = File(server.url, tmp_path)
            async with file.read() as (driver,):
                await file.until_it_fails(stub)
                began, spent, fast = driver.stand().live, driver.stand().spent_tokens, driver.stand().fast
                at = time.monotonic()
            async with file.read("burst: 500ms", "burst: 500ms\n    failover: {within: 40s}") as (driver,):
                stand = driver.stand()
                assert file.verdicts == []
                stub.switch = time.monotonic() - stub.dies
                await file.until_it_ended()
        if file.verdicts[0] is not Verdict.INVALID:  # this machine was too busy for us
            break

    assert began is not None
    assert stand.live is not None
    assert stand.live.user >= began.user
    assert (stand.fast, fast) == (True, True)
    assert stand.spent_tokens >= spent > 0
    ended = file.heard.of(Ended)[0]
    assert (ended.episode.verdict, ended.episode.source, ended.within) == (Verdict.PASS, "openai", 40.0)
    assert ended.episode.stable.upper >= time.monotonic() - at - 60


@pytest.mark.parametrize(
    ("old", "new"), [("/v1/chat", "/v2/chat"), ("name: chat", "name: other"), ("name: openai", "name: azure")]
)
async def test_an_outage_of_what_is_another_gateway_now_is_told_as_censored_and_the_day_is_the_same(tmp_path, old, new):
    stub = Stub()
    async with raw_server(None, stub.behave) as server:
        file = File(server.url, tmp_path)
        async with file.read() as (driver,):
            await file.until_it_fails(stub)
            spent = driver.stand().spent_tokens
        assert file.verdicts == []
        async with file.read(old, new) as (driver,):
            assert file.verdicts == [Verdict.RIGHT_CENSORED]
            assert driver.stand().live is None
            assert driver.stand().spent_tokens == (0 if "other" in new else spent)


async def test_at_the_end_of_the_process_an_outage_is_told_as_censored(tmp_path):
    stub = Stub()
    async with raw_server(None, stub.behave) as server:
        file = File(server.url, tmp_path)
        async with file.read():
            await file.until_it_fails(stub)
        async with file.read():
            file.ends = True

    assert file.verdicts == [Verdict.RIGHT_CENSORED]
