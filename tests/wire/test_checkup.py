"""Each line of the doctor that needs no API server, well and in its failing form; and what cannot be seen is not ok."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from sentinel.cli import app
from sentinel.clients import reach
from sentinel.clients.reach import Reach
from sentinel.clients.relay import RelayClient
from sentinel.core.net.roster import Beacon, Roster
from sentinel.errors import Unreachable
from sentinel.joins.verify_alerting import Places
from sentinel.reports.diagnosis import Finding, State
from sentinel.settings import Settings, load
from sentinel.tools import checkup, cluster_checkup
from sentinel.tools.checkup import alerting, border, keys, names
from tests.core.paging.stack import Stack, alert
from tests.paging.impostor import Impostor, Said, alertmanager, prometheus
from tests.support.ports import free_port
from tests.support.webhook import Webhook

ROOT = Path(__file__).parents[2]
TENANTS = ["team-a", "team-b"]


def settings_of(folder: Path, example: str, **sections: Any) -> Settings:
    config = yaml.safe_load((ROOT / "config" / example).read_text()) | sections
    file = folder / "sentinel.yaml"
    file.write_text(yaml.safe_dump(config))
    return load(file, {})


def by_topic(found: Sequence[Finding]) -> dict[str, Finding]:
    return {one.topic: one for one in found}


class TestPagers:
    """Prometheus and Alertmanager, as the witness sees them."""

    @pytest.fixture
    def stack(self) -> Stack:
        made = Stack()
        target = made.targets[0]
        made.targets = [
            *({**target, "labels": {"job": "sentinel", "instance": name, "tenant": name}} for name in TENANTS),
            {**target, "labels": {"job": "sentinel-witness", "instance": "10.0.0.3:8080"}},
        ]
        return made

    @pytest.fixture
    def pair(self, stack: Stack) -> Iterator[tuple[Impostor, Impostor]]:
        with Impostor(alertmanager(stack)) as manager:
            stack.told = [f"{manager.url}/api/v2/alerts"]
            with Impostor(prometheus(stack)) as server:
                yield server, manager

    async def look(self, pair: tuple[Impostor, Impostor], stack: Stack | None = None) -> dict[str, Finding]:
        if stack is not None:
            pair[0].says = prometheus(stack)
        return by_topic(await alerting(Places(pair[0].url), TENANTS))

    async def test_where_all_is_well_each_line_is_ok_and_names_the_version(
        self, pair: tuple[Impostor, Impostor]
    ) -> None:
        found = await self.look(pair)

        assert {topic: one.state for topic, one in found.items()} == dict.fromkeys(
            ("Prometheus", "scrapes", "rules", "Alertmanager"), State.OK
        )
        assert found["Prometheus"].detail.startswith("3.15.0 at")
        assert found["Alertmanager"].detail.startswith("0.34.2 at")

    @pytest.mark.parametrize(
        ("said", "sentence"),
        [
            (Said(401), "is it behind a login?"),
            (Said(200, "<!doctype html>"), "with a page, which its API never does"),
            (Said(302, "", {"Location": "https://login.example"}), "is it behind a login?"),
            (Said(500, "boom"), "answered 500: boom"),
        ],
    )
    async def test_a_server_that_will_not_talk_fails_and_what_it_would_have_told_is_not_ok(
        self, said: Said, sentence: str, pair: tuple[Impostor, Impostor]
    ) -> None:
        pair[0].says = {"": said}
        found = await self.look(pair)
        assert (found["Prometheus"].state, sentence in found["Prometheus"].detail) == (State.FAIL, True)
        assert {found[topic].state for topic in ("scrapes", "rules", "Alertmanager")} == {State.WARN}

    async def test_an_alertmanager_behind_a_login_fails_alone(self, pair: tuple[Impostor, Impostor]) -> None:
        pair[1].says = {"": Said(403)}

        found = await self.look(pair)

        assert found["Alertmanager"].state is State.FAIL
        assert "behind a login" in found["Alertmanager"].detail
        assert found["rules"].state is State.OK

    async def test_a_prometheus_that_tells_nobody_fails(self, pair: tuple[Impostor, Impostor], stack: Stack) -> None:
        stack.told = []

        found = await self.look(pair, stack)

        assert found["Alertmanager"].state is State.FAIL
        assert "Prometheus posts to none" in found["Alertmanager"].detail

    async def test_a_tenant_that_is_not_scraped_is_named_and_why(
        self, pair: tuple[Impostor, Impostor], stack: Stack
    ) -> None:
        stack.targets[1] |= {"health": "down", "lastError": "connection refused"}

        found = await self.look(pair, stack)

        assert found["scrapes"].state is State.FAIL
        assert found["scrapes"].detail == "no sample of team-b: connection refused"

    async def test_a_witness_that_is_not_scraped_is_named(self, pair: tuple[Impostor, Impostor], stack: Stack) -> None:
        stack.targets.pop()

        assert (await self.look(pair, stack))["scrapes"].detail == "no sample of the witness"

    async def test_a_rule_that_is_not_there_and_one_that_fails_are_named(
        self, pair: tuple[Impostor, Impostor], stack: Stack
    ) -> None:
        down = stack.rule("SentinelDown")
        stack.groups[0]["rules"].remove(down)
        assert "not there: SentinelDown" in (await self.look(pair, stack))["rules"].detail

        stack.groups[0]["rules"].append(alert("SentinelDown", lastError="many-to-many", health="err"))
        found = (await self.look(pair, stack))["rules"]
        assert (found.state, found.detail) == (State.FAIL, "SentinelDown: many-to-many")


class TestNames:
    async def test_a_name_that_nobody_has_fails_and_one_that_cannot_be_asked_is_not_ok(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = settings_of(tmp_path, "witness.yaml", alerting={"prometheus": "http://localhost:9090"})
        assert (await names(settings)).state is State.OK

        strange = settings_of(tmp_path, "witness.yaml", alerting={"prometheus": f"http://{'x' * 70}.svc:9090"})
        assert (await names(strange)).state is State.WARN

        async def nobody(host: str) -> Reach:
            return Reach.SHUT

        monkeypatch.setattr(reach, "look_up", nobody)
        found = await names(settings)
        assert (found.state, found.detail) == (State.FAIL, "no such name: localhost")

    async def test_without_a_name_nothing_is_looked_up(self, tmp_path: Path) -> None:
        assert (await names(settings_of(tmp_path, "witness.yaml"))).state is State.LEFT_OUT


class TestKeys:
    def settings(self, folder: Path, **gateway: Any) -> Settings:
        config = yaml.safe_load((ROOT / "config/examples/gateway.yaml").read_text())
        known = config["gateways"][0]
        return settings_of(folder, "examples/gateway.yaml", gateways=[{**known, "ca": None, "headers": [], **gateway}])

    def test_a_key_that_can_be_read_is_ok_and_its_content_is_not_told(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("sk-hunter2")

        (found,) = keys(self.settings(tmp_path, key={"file": str(tmp_path / "key")}))

        assert found.state is State.OK
        assert "hunter2" not in str(found)

    @pytest.mark.parametrize("content", [None, "", "two\nlines"])
    def test_a_key_that_is_missing_empty_or_unfit_fails_with_its_path(
        self, content: str | None, tmp_path: Path
    ) -> None:
        if content is not None:
            (tmp_path / "key").write_text(content)

        (found,) = keys(self.settings(tmp_path, key={"file": str(tmp_path / "key")}))

        assert found.state is State.FAIL
        assert str(tmp_path / "key") in found.detail
        assert "gatewaySecrets" in found.hint

    def test_a_ca_that_is_none_fails(self, tmp_path: Path) -> None:
        (tmp_path / "ca").write_text("no PEM")

        (found,) = keys(self.settings(tmp_path, key=None, ca=str(tmp_path / "ca")))

        assert (found.state, "expected PEM" in found.detail) == (State.FAIL, True)


class TestBorder:
    """Whether another tenant's beacon is out of reach, by a roster."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        paging = {"relay": "https://127.0.0.1:9"}
        return settings_of(tmp_path, "examples/two-tenants.yaml", network={"enabled": True}, paging=paging)

    @pytest.fixture
    def own(self) -> Iterator[Beacon]:
        with Webhook() as listening:
            port = int(listening.url.split("/")[2].rpartition(":")[2])
            yield beacon("team-a", port)

    @pytest.fixture(autouse=True)
    def _nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(checkup, "NOWHERE", "127.0.0.2")
        monkeypatch.setattr(checkup, "CONNECT_SECONDS", 5.0)

    @pytest.fixture
    def roster(self, monkeypatch: pytest.MonkeyPatch) -> "Heard":
        heard = Heard()
        monkeypatch.setattr(RelayClient, "roster", heard.roster)
        return heard

    async def test_a_pair_that_is_cut_while_our_own_beacon_answers_is_ok(
        self, settings: Settings, own: Beacon, roster: "Heard"
    ) -> None:
        roster.beacons = (own, beacon("team-b", free_port()))

        found = by_topic(await border(settings))

        assert {topic: one.state for topic, one in found.items()} == {"roster": State.OK, "closed pair": State.OK}

    async def test_a_pair_that_connects_fails_and_names_the_beacon(
        self, settings: Settings, own: Beacon, roster: "Heard"
    ) -> None:
        roster.beacons = (own, beacon("team-b", own.port))

        found = by_topic(await border(settings))["closed pair"]

        assert found.state is State.FAIL
        assert f"a beacon of team-b connects from here (127.0.0.1:{own.port})" in found.detail

    async def test_silence_proves_nothing_where_our_own_beacon_is_silent_too(
        self, settings: Settings, roster: "Heard"
    ) -> None:
        roster.beacons = (beacon("team-a", free_port()), beacon("team-b", free_port()))

        assert by_topic(await border(settings))["closed pair"].state is State.WARN

    async def test_where_everybody_connects_nothing_is_known(
        self, settings: Settings, own: Beacon, roster: "Heard", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(checkup, "NOWHERE", "127.0.0.1")
        roster.beacons = (own, beacon("team-b", own.port))

        assert by_topic(await border(settings))["closed pair"].state is State.WARN

    async def test_a_tenant_without_a_beacon_that_is_ready_is_named(
        self, settings: Settings, own: Beacon, roster: "Heard"
    ) -> None:
        roster.beacons = (own, replace(beacon("team-b", 1), ready=False))

        found = by_topic(await border(settings))

        assert (found["roster"].state, found["roster"].detail) == (State.FAIL, "no beacon is ready of team-b")
        assert found["closed pair"].state is State.WARN

    async def test_without_a_roster_the_line_is_not_ok(self, settings: Settings, roster: "Heard") -> None:
        roster.error = Unreachable("the witness is away")

        (found,) = await border(settings)

        assert (found.state, found.detail) == (State.WARN, "the witness is away")

    async def test_where_no_connection_is_tried_that_is_said(self, tmp_path: Path) -> None:
        (found,) = await border(settings_of(tmp_path, "examples/two-tenants.yaml"))

        assert found.state is State.LEFT_OUT


def beacon(tenant: str, port: int) -> Beacon:
    return Beacon(tenant, tenant, f"uid-{tenant}", port, ("127.0.0.1",), key=b"k" * 32, ready=True)


class Heard:
    """In place of what the witness says."""

    def __init__(self) -> None:
        self.beacons: tuple[Beacon, ...] = ()
        self.error: Exception | None = None

    async def roster(self) -> Roster:
        if self.error is not None:
            raise self.error
        return Roster(1, self.beacons)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("v1.36.3", State.OK),
        ("v1.29.0-gke.1", State.OK),
        ("v1.28.9", State.FAIL),
        ("soon", State.WARN),
        (None, State.WARN),
    ],
)
def test_a_version_is_old_new_or_not_told(said: str | None, state: State) -> None:
    assert cluster_checkup.version(said).state is state


def test_the_operators_types_are_there_absent_or_not_told() -> None:
    assert cluster_checkup.types(frozenset(cluster_checkup.OPERATOR)).state is State.OK
    assert cluster_checkup.types(frozenset({"secrets"})).state is State.LEFT_OUT
    assert cluster_checkup.types(None).state is State.WARN


def test_the_witness_is_examined_too_and_what_is_not_seen_from_here_is_not_ok(tmp_path: Path) -> None:
    """Without an API server everything of it fails or is unknown, and the rest is looked at all the same."""
    place = {"SENTINEL_SERVICE_ACCOUNT_DIR": str(tmp_path), "KUBERNETES_SERVICE_HOST": "127.0.0.1"}
    environ = place | {"KUBERNETES_SERVICE_PORT": str(free_port())}
    prom = f"http://127.0.0.1:{free_port()}"

    ended = CliRunner(env=environ).invoke(
        app, ["doctor", "--config", str(ROOT / "config/witness.yaml"), "--prometheus", prom]
    )

    lines = {line[10:30].split("  ")[0].strip(): line[:9].strip() for line in ended.stdout.splitlines()}
    assert ended.exit_code == 1, ended.output
    assert {lines["API server"], lines["Prometheus"]} == {"fail"}
    assert {lines["rights"], lines["scrapes"], lines["rules"]} == {"warn"}
