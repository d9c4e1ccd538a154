"""A new file is taken as a whole or not at all, and never at the price of what is believed.

The daemon is the real one in its process; `sentinel.yaml` is exchanged under it as a ConfigMap is.
"""

import signal
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sentinel.clients.clock import Clock
from sentinel.core.standing import Turn
from sentinel.engine.round import RoundRunner
from sentinel.joins.world import World, plan_of
from sentinel.settings import load
from tests.cluster.ground import MOST_ROUNDS, Ground
from tests.cluster.lookout import Lookout
from tests.cluster.town import SETTLED, proves_everything, resident
from tests.deploy import chart
from tests.support import manifests
from tests.support.eventually import eventually
from tests.support.sentinels import Metrics, Sentinel

TWO = ("team-a", "team-b")
THREE = (*TWO, "team-c")
READS = manifests.rule(["get", "list"], ["secrets"])
BREACH = {"check": "api/secrets", "identity": "self"}


def rendered(tenants: tuple[str, ...], **isolation: str) -> list[chart.Object]:
    """Rounds of 300 ms; every question within two seconds."""
    config = {"isolation": {"within": "60s", "sweep": "60s", "qps": 5000} | isolation}
    named = [{"name": name, "namespaces": [name]} for name in tenants]
    values = {"tenants": named, "timeScale": 0.06, "config": config, "monitor": {"enabled": False}}
    return chart.render(chart.values() | values)


def hole(namespace: str) -> list[chart.Object]:
    return manifests.grant(namespace, "hole", manifests.of_account("team-a"), READS)


@pytest.fixture
def daemon(ground: Ground) -> Iterator[Sentinel]:
    """team-a's, with everything proven."""
    ground.install()
    with resident(ground.cluster, rendered(TWO), "team-a") as started:
        eventually(lambda: proves_everything(started), SETTLED, lambda: story(started))
        yield started


@pytest.fixture
def grown(ground: Ground) -> Iterator[list[chart.Object]]:
    """The objects of the chart for three tenants, which are there; two tenants again when it is over."""
    objects = rendered(THREE)
    ground.cluster.admin.apply(manifests.namespace("team-c"))
    ground.cluster.admin.apply(*objects)
    yield objects
    ground.install()
    ground.cluster.admin.delete(manifests.namespace("team-c"))


def exchange(daemon: Sentinel, text: str) -> None:
    """As the kubelet does it: the new file takes the old one's name at once."""
    fresh = daemon.config_file.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(daemon.config_file)


def adler32(daemon: Sentinel) -> int:
    return zlib.adler32(daemon.config_file.read_bytes())


def attempts(daemon: Sentinel) -> float:
    return daemon.metrics().sum("sentinel_attempts_total")


def story(daemon: Sentinel) -> str:
    return f"{daemon.get('/readyz')} {daemon.process.log_tail(12)}"


def test_a_wrong_file_is_refused_once_with_every_problem_and_the_old_one_is_still_asked_for(daemon: Sentinel) -> None:
    right, in_use = daemon.config_file.read_text(), adler32(daemon)
    wrong = right.replace("every: 600ms", "every: soon").replace("qps: 5000", "qbs: 5000")

    exchange(daemon, wrong)
    eventually(lambda: daemon.log_lines(event="config.refused"), SETTLED, lambda: story(daemon))
    refused = daemon.metrics()
    asked = attempts(daemon)
    # Two more looks at the file, and rounds meanwhile.
    eventually(lambda: daemon.metrics().value("sentinel_round_timestamp_seconds") > last_round(refused) + 4.5, SETTLED)
    later = daemon.metrics()
    (line,) = daemon.log_lines(event="config.refused")
    exchange(daemon, right)
    eventually(lambda: daemon.metrics().value("sentinel_config_last_reload_successful") == 1, SETTLED)

    assert line["level"] == "error"
    places = [f"{daemon.config_file}:{number_of(wrong, key)}: isolation.{key}: " for key in ("every", "qbs")]
    assert sorted(place for place in places if any(place in found for found in line["problems"])) == sorted(places)
    assert len(line["problems"]) == 2
    assert refused.value("sentinel_config_last_reload_successful") == 0
    assert later.value("sentinel_config_last_reload_successful") == 0
    # The hash is of what is in use, so that the rules see the difference.
    assert later.value("sentinel_config_hash") == in_use
    assert attempts(daemon) > later.sum("sentinel_attempts_total") > asked
    assert later.value("sentinel_coverage_ratio") == 1.0
    assert len(daemon.log_lines(event="config.refused")) == 1


def last_round(metrics: Metrics) -> float:
    return metrics.value("sentinel_round_timestamp_seconds")


def number_of(text: str, key: str) -> int:
    """The line on which this key stands."""
    return next(n for n, line in enumerate(text.splitlines(), 1) if line.strip().startswith(f"{key}:"))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"cluster: [", None], ids=["empty", "bytes", "cut", "gone"])
def test_a_file_that_is_none_is_refused_like_a_wrong_one(daemon: Sentinel, content: bytes | None) -> None:
    in_use = adler32(daemon)

    daemon.config_file.unlink()
    if content is not None:
        daemon.config_file.write_bytes(content)
    daemon.process.send(signal.SIGHUP)
    eventually(lambda: daemon.log_lines(event="config.refused"), SETTLED, lambda: story(daemon))

    asked = attempts(daemon)
    eventually(lambda: attempts(daemon) > asked, SETTLED)
    assert daemon.metrics().value("sentinel_config_last_reload_successful") == 0
    assert daemon.metrics().value("sentinel_config_hash") == in_use
    assert str(daemon.config_file) in daemon.log_lines(event="config.refused")[0]["problems"][0]


def test_a_new_tenant_is_asked_about_and_held_without_a_restart(daemon: Sentinel, grown: list[chart.Object]) -> None:
    before = daemon.metrics()

    exchange(daemon, chart.configuration(grown, "team-a"))

    def held() -> bool:
        seen = daemon.metrics()
        known = seen.all("sentinel_oldest_proof_timestamp_seconds", target="team-c")
        if not known or not proves_everything(daemon):
            return False
        return {row["verdict"] for row in about_c()} == {"held"}

    def about_c() -> list[dict[str, object]]:
        return [row for row in daemon.console("/api/v1/status")["standings"] if row["target"] == "team-c"]

    eventually(held, SETTLED, lambda: story(daemon))
    after = daemon.metrics()
    assert not before.all("sentinel_oldest_proof_timestamp_seconds", target="team-c")
    assert {row["identity"] for row in about_c()} == {"self", "anonymous"}
    assert len(daemon.log_lines(event="sentinel.started")) == 1
    assert after.value("process_start_time_seconds") == before.value("process_start_time_seconds")
    assert after.value("sentinel_config_hash") == adler32(daemon) != before.value("sentinel_config_hash")
    # What was counted goes on being counted: a restart would begin at 0.
    assert after.sum("sentinel_denials_total") > before.sum("sentinel_denials_total")


def test_the_hash_is_that_of_the_file_as_the_chart_writes_it_into_the_rules(daemon: Sentinel) -> None:
    assert daemon.metrics().value("sentinel_config_hash") == adler32(daemon)
    assert daemon.metrics().value("sentinel_config_last_reload_successful") == 1


def test_sighup_takes_the_file_even_when_it_did_not_change(daemon: Sentinel) -> None:
    daemon.process.send(signal.SIGHUP)

    eventually(lambda: daemon.log_lines(event="config.taken"), SETTLED, lambda: story(daemon))
    eventually(lambda: proves_everything(daemon), SETTLED, lambda: story(daemon))
    assert daemon.log_lines(event="config.taken")[0]["hash"] == adler32(daemon)
    assert len(daemon.log_lines(event="sentinel.started")) == 1


def test_an_open_breach_stays_the_same_breach_over_a_reload(daemon: Sentinel, ground: Ground) -> None:
    ground.cluster.admin.apply(*hole("team-b"))
    try:
        eventually(lambda: since(daemon, "team-b"), SETTLED, lambda: story(daemon))
        opened = since(daemon, "team-b")
        text = daemon.config_file.read_text().replace("qps: 5000", "qps: 4000")
        exchange(daemon, text)
        daemon.process.send(signal.SIGHUP)
        seen = set()

        def reloaded() -> bool:
            seen.add(since(daemon, "team-b"))
            return daemon.metrics().value("sentinel_config_hash") == zlib.adler32(text.encode())

        eventually(reloaded, SETTLED, lambda: story(daemon))
        asked = attempts(daemon)
        eventually(lambda: attempts(daemon) > asked + 50, SETTLED)
        seen.add(since(daemon, "team-b"))
        (breach, *_) = daemon.console("/api/v1/breaches")
    finally:
        ground.cluster.admin.delete(*hole("team-b"))
    eventually(lambda: proves_everything(daemon), SETTLED, lambda: story(daemon))

    assert opened
    assert seen == {opened}
    assert breach["active"]
    lines = daemon.log_lines(event="breach.opened", question="list secrets", target="team-b")
    assert len(lines) == 1
    assert len(daemon.log_lines(event="breach.closed", question="list secrets", target="team-b")) == 1
    assert since(daemon, "team-b") == 0


def since(daemon: Sentinel, target: str) -> float:
    series = daemon.metrics().all("sentinel_breach_since_timestamp_seconds", target=target, **BREACH)
    return max(series.values(), default=0.0)


def test_what_an_identity_left_behind_ages_no_more_when_it_is_taken_out(daemon: Sentinel) -> None:
    with_ci = yaml.safe_load(daemon.config_file.read_text())
    token = daemon.folder / "ci-token"
    token.write_text(daemon.token_file.read_text())
    without = daemon.config_file.read_text()
    ci = {"name": "ci", "token": {"file": str(token)}, "expect": "system:serviceaccount:team-a:other"}

    exchange(daemon, yaml.safe_dump(with_ci | {"identities": [*with_ci["identities"], ci]}))
    daemon.process.send(signal.SIGHUP)
    eventually(lambda: wrong(daemon, "ci") == [1.0], SETTLED, lambda: story(daemon))
    told = daemon.metrics().all("sentinel_token_expiry_timestamp_seconds", identity="ci")
    exchange(daemon, without)
    daemon.process.send(signal.SIGHUP)
    eventually(lambda: proves_everything(daemon), SETTLED, lambda: story(daemon))

    assert told
    # SentinelTokenExpiring looks at every series there is.
    assert not daemon.metrics().all("sentinel_token_expiry_timestamp_seconds", identity="ci")
    assert not daemon.metrics().all("sentinel_gate_up", identity="ci")
    assert wrong(daemon, "ci") == [0.0]


def wrong(daemon: Sentinel, identity: str) -> list[float]:
    return list(daemon.metrics().all("sentinel_wrong_identity", identity=identity).values())


class Later(Clock):
    """The real time, and some seconds more."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def wall(self) -> float:
        return super().wall() + self.seconds


def take(look: Lookout, text: str) -> None:
    """What the daemon does with a right file: another plan for the book, another probe."""
    (look.folder / "sentinel.yaml").write_text(text)
    environ = look.world.environ
    world = World(load(look.folder / "sentinel.yaml", environ), environ, look.world.clock)
    look.plan = plan_of(world.settings)
    look.book.replan(look.plan)
    look.runner = RoundRunner(world.probe(look.plan), look.book, look.world.clock)


async def test_the_breach_of_a_tenant_that_is_taken_out_stays_for_15_minutes_and_then_ends_with_a_word(
    ground: Ground, grown: list[chart.Object]
) -> None:
    with tempfile.TemporaryDirectory(prefix="sentinel-scene-") as folder:
        text = chart.configuration(grown, "team-a")
        look = Lookout(ground.cluster, Path(folder), text, namespace="team-a")
        ground.cluster.admin.apply(*hole("team-c"))
        await look.until(lambda seen: open_in(seen, "team-c"), MOST_ROUNDS, "the hole is seen")
        asked_before = max(s.last_asked or 0.0 for s in look.book.standings.values())

        take(look, chart.configuration(rendered(TWO), "team-a"))
        await look.rounds(3)
        shortly = open_in(look, "team-c")
        look.clock = Later(asked_before + 890 - look.clock.wall())
        await look.rounds()
        still = open_in(look, "team-c")
        look.clock = Later(910)
        records = await look.rounds()
        print(
            look.clock.wall(),
            look.now.number,
            [(q, s.last_asked, s.breach) for q, s in look.book.standings.items() if q.target == "team-c"],
            [q.text for q in look.book.doubts],
            look.book.plan.scope.everywhere,
            [str(r.change) for r in records if r.question.target == "team-c"],
        )
        gone = [row for row in records if row.change is not None and row.change.turn is Turn.FORGOTTEN]

    assert shortly
    assert still == shortly
    assert {row.question.target for row in gone} == {"team-c"}
    assert not open_in(look, "team-c")
    zero = look.metrics().all("sentinel_breach_since_timestamp_seconds", target="team-c", **BREACH)
    assert list(zero.values()) == [0.0]
    assert not [row for row in look.records if row.question.target == "team-c" and row.change is None]


def open_in(look: Lookout, target: str) -> dict[str, float]:
    found = look.now.breach_since.items()
    return {series.check: since for series, since in found if since and series.target == target}
