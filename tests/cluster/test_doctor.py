"""The doctor on a real cluster: well it finds nothing, and each thing that is taken away it names."""

import asyncio
import contextlib
import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from sentinel.clients import reach
from sentinel.clients.reach import Reach
from sentinel.reports.diagnosis import Diagnosis, State
from sentinel.settings import load
from sentinel.tools import doctor
from sentinel.tools.doctor import Doctor, Place, place_of, usual_places
from tests.cluster.ground import Ground
from tests.deploy import chart
from tests.support.alertmanager import Alertmanager, config
from tests.support.authority import Authority
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.proxy import Answer, Forward, Request
from tests.support.sentinels import COMMAND
from tests.support.webhook import Webhook
from tests.wire.test_relay import TENANTS, Stand, install


@pytest.fixture(autouse=True)
def _no_usual_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """What names of other clusters mean on the machine of a test is nobody's business."""
    monkeypatch.setattr(doctor, "usual_places", lambda _: iter(()))


class Patient:
    """Team-a's sentinel in its place. `config` may be changed before `examine`."""

    def __init__(self, ground: Ground, folder: Path) -> None:
        self.folder = folder
        self.config: dict[str, Any] = yaml.safe_load(chart.configuration(ground.objects, "team-a"))
        # As shipped: the ground's 80 ms are too short for a process that only just begins.
        self.config["isolation"] |= {"every": "10s", "timeout": "4s", "within": "120s", "sweep": "30m"}
        (folder / "namespace").write_text("team-a")
        (folder / "ca.crt").write_bytes(ground.cluster.ca_file.read_bytes())
        (folder / "token").write_text(ground.cluster.token_for("team-a"))
        self.environ = {
            "KUBERNETES_SERVICE_HOST": ground.front.host,
            "KUBERNETES_SERVICE_PORT": str(ground.front.port),
            "SENTINEL_SERVICE_ACCOUNT_DIR": str(folder),
        }

    @property
    def file(self) -> Path:
        file = self.folder / "sentinel.yaml"
        file.write_text(yaml.safe_dump(self.config))
        return file

    async def examine(self, *places: Place) -> Diagnosis:
        return await Doctor(load(self.file, self.environ), self.environ, places).examine()


@pytest.fixture
def patient(scene: Ground, tmp_path: Path) -> Iterator[Patient]:
    made = Patient(scene, tmp_path)
    made.config["paging"] = {}
    yield made
    scene.install()


def rows(seen: Diagnosis, state: State) -> dict[str, str]:
    return {finding.topic: finding.detail for finding in seen.findings if finding.state is state}


async def test_where_all_is_well_nothing_is_missing(patient: Patient) -> None:
    seen = await patient.examine()

    assert rows(seen, State.FAIL) == rows(seen, State.WARN) == {}
    assert seen.exit_code == 0
    assert rows(seen, State.OK).keys() == {
        "API server",
        "token (self)",
        "whoami (self)",
        "canary (self)",
        "decoy (self)",
        "version",
        "discovery",
        "doors",
        "clock",
        "no way to Alertmanager",
    }
    assert rows(seen, State.LEFT_OUT).keys() == {"CRDs", "relay", "roster", "DNS"}
    assert "v1.36" in rows(seen, State.OK)["version"]


async def test_a_door_that_is_shut_is_named(scene: Ground, patient: Patient) -> None:
    scene.cluster.admin.delete(scene.door)

    seen = await patient.examine()

    assert list(rows(seen, State.FAIL)) == ["door of team-b (self)"]
    assert seen.exit_code == 1


async def test_decoys_that_are_gone_are_named(scene: Ground, patient: Patient) -> None:
    scene.cluster.admin.delete(scene.decoy)

    seen = await patient.examine()

    assert list(rows(seen, State.FAIL)) == ["decoy (self)"]


async def test_a_beacon_that_we_may_not_read_is_named(scene: Ground, patient: Patient) -> None:
    scene.cluster.admin.delete(scene.own_binding)

    seen = await patient.examine()

    assert list(rows(seen, State.FAIL)) == ["canary (self)"]


async def test_the_token_of_somebody_else_is_named(scene: Ground, patient: Patient) -> None:
    (patient.folder / "token").write_text(scene.cluster.token_for("team-b"))

    missing = rows(await patient.examine(), State.FAIL)

    assert {"token (self)", "whoami (self)"} <= missing.keys()
    assert "system:serviceaccount:team-b:sentinel" in missing["whoami (self)"]


async def test_without_a_token_that_is_said(patient: Patient) -> None:
    (patient.folder / "token").unlink()

    seen = await patient.examine()

    assert "token file" in rows(seen, State.FAIL)["token (self)"]
    assert seen.exit_code == 1


async def test_an_api_server_that_is_not_there_is_what_is_missing_and_the_rest_is_unknown(patient: Patient) -> None:
    patient.environ["KUBERNETES_SERVICE_PORT"] = str(free_port())

    seen = await patient.examine()

    assert list(rows(seen, State.FAIL)) == ["API server"]
    assert {"whoami (self)", "door of team-b (self)", "discovery", "clock"} <= rows(seen, State.WARN).keys()
    assert "no way to Alertmanager" in rows(seen, State.OK)
    assert seen.exit_code == 1


async def test_another_ca_is_what_is_missing(patient: Patient, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Authority(tmp_path_factory.mktemp("other"))
    (patient.folder / "ca.crt").write_bytes(other.ca_file.read_bytes())

    assert "tls" in rows(await patient.examine(), State.FAIL)["API server"]


async def test_a_clock_that_is_wrong_is_named(scene: Ground, patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.front.fault = at_another_time

    missing = rows(await patient.examine(), State.FAIL)

    assert "ahead of the API server's" in missing["clock"]
    assert missing.keys() == {"clock"}


def at_another_time(request: Request, forward: Forward) -> Answer:
    if request.path != "/version":
        return forward(request)
    return Answer(raw=[b"HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2020 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n"])


async def test_an_alertmanager_that_connects_is_a_failure(patient: Patient) -> None:
    with Webhook() as phone, Alertmanager(config(phone.url)) as alertmanager:
        place = place_of(alertmanager.url)

        seen = await patient.examine(place, Place("127.0.0.1", free_port()))

    assert rows(seen, State.FAIL) == {"no way to Alertmanager": f"{place} connects from here"}
    assert seen.exit_code == 1


async def test_what_is_given_on_purpose_is_said_and_no_failure(patient: Patient) -> None:
    patient.config["paging"] = {"direct": ["http://127.0.0.1:9"]}

    seen = await patient.examine()

    assert "paging.direct" in rows(seen, State.LEFT_OUT)["no way to Alertmanager"]
    assert seen.exit_code == 0


async def test_where_everything_connects_nothing_is_known(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    with Webhook() as anybody:
        host, port = anybody.url.split("/")[2].split(":")
        monkeypatch.setattr(doctor, "NOWHERE", Place(host, int(port)))

        seen = await patient.examine(Place(host, int(port)))

    assert rows(seen, State.WARN).keys() == {"no way to Alertmanager"}
    assert seen.exit_code == 3


async def test_a_relay_that_takes_our_token_is_fine_and_nothing_is_pushed(
    scene: Ground, patient: Patient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with relay(scene, patient, tmp_path_factory.mktemp("relay")) as stand:
        seen = await patient.examine()

        assert "takes our token" in rows(seen, State.OK)["relay"]
        assert stand.results == {"taken": 1}
        assert not stand.taken


async def test_a_relay_that_does_not_know_us_is_named_with_what_to_do(
    scene: Ground, patient: Patient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with relay(scene, patient, tmp_path_factory.mktemp("relay"), audience="somebody-else"):
        found = next(row for row in (await patient.examine()).findings if row.topic == "relay")

    assert found.state is State.FAIL
    assert "401" in found.detail
    assert "audience" in found.hint


async def test_a_relay_that_is_not_there_is_named(patient: Patient) -> None:
    patient.config["paging"] = {
        "relay": f"https://127.0.0.1:{free_port()}",
        "relay_token": str(patient.folder / "token"),
        "relay_ca": str(patient.folder / "ca.crt"),
    }

    found = next(row for row in (await patient.examine()).findings if row.topic == "relay")

    assert found.state is State.FAIL
    assert "NetworkPolicy" in found.hint


@contextlib.asynccontextmanager
async def relay(scene: Ground, patient: Patient, folder: Path, audience: str = "tenant-sentinel") -> Any:
    install(scene.cluster)
    stand = Stand(scene.cluster, folder)
    async with stand.open():
        token = stand.file("token", stand.token(TENANTS[0], audience=audience))
        ca = str(stand.authority.ca_file)
        patient.config["paging"] = {"relay": stand.url, "relay_token": str(token), "relay_ca": ca}
        yield stand


def test_the_command_prints_a_table_or_json_and_ends_with_what_was_found(patient: Patient) -> None:
    with Webhook() as phone:
        address = "/".join(phone.url.split("/")[:3])
        told = command(patient, "--alertmanager", address, "--output", "json")
        table = command(patient, "--alertmanager", address)

    found: Mapping[str, Any] = json.loads(told.stdout)
    assert (told.returncode, found["verdict"]) == (1, "fail")
    assert [row["topic"] for row in found["findings"] if row["state"] == "fail"] == ["no way to Alertmanager"]
    assert table.returncode == 1
    assert f"fail      no way to Alertmanager  {address.removeprefix('http://')} connects from here" in table.stdout
    assert "-> apply deploy/network-policy-monitoring.yaml" in table.stdout
    assert table.stderr == ""


def test_an_address_that_is_none_is_a_wrong_use(patient: Patient) -> None:
    ended = command(patient, "--alertmanager", "http://[")

    assert ended.returncode == 2
    assert "--alertmanager: found 'http://['" in ended.stderr


class TestWitness:
    """The witness's own lines, with its own rights on a real API server."""

    @pytest.fixture
    def witness(self, scene: Ground, tmp_path: Path) -> Iterator[Patient]:
        made = Patient(scene, tmp_path)
        objects = chart.render(chart.values() | WITNESSED)
        made.config = yaml.safe_load(witness_file(objects))
        made.config["paging"] = {}
        rights = [one for one in objects if is_rights(one)]
        scene.cluster.admin.apply(*rights)
        (tmp_path / "token").write_text(scene.cluster.token_for("sentinel-system", "sentinel-witness"))
        yield made
        scene.cluster.admin.delete(*rights)

    async def test_with_the_charts_rights_they_are_ok_and_each_that_is_taken_is_named(
        self, scene: Ground, witness: Patient
    ) -> None:
        seen = await witness.examine()
        assert rows(seen, State.FAIL) == rows(seen, State.WARN) == {}
        assert {"API server", "version", "rights"} == rows(seen, State.OK).keys()

        binding = next(one for one in chart.render(chart.values() | WITNESSED) if is_cluster_binding(one))
        scene.cluster.admin.delete(binding)
        await asyncio.to_thread(
            eventually, lambda: "rights" in rows(asyncio.run(witness.examine()), State.FAIL), 20, "RBAC is seen"
        )
        lacking = rows(await witness.examine(), State.FAIL)["rights"]
        assert "may not get roles.rbac.authorization.k8s.io" in lacking
        assert "20 in all" in lacking

    async def test_as_somebody_else_its_rights_are_not_seen_from_here(self, scene: Ground, witness: Patient) -> None:
        (witness.folder / "token").write_text(scene.cluster.token_for("team-a"))

        seen = await witness.examine()

        assert "not seen from here: we are system:serviceaccount:team-a:sentinel" in rows(seen, State.WARN)["rights"]
        assert seen.exit_code == 3


WITNESSED = {
    "tenants": [{"name": name, "namespaces": [name]} for name in ("team-a", "team-b")],
    "witness": {"enabled": True},
    "monitor": {"enabled": False},
}


def witness_file(objects: list[chart.Object]) -> str:
    return str(chart.one(objects, "ConfigMap", "sentinel-witness", "sentinel-system")["data"]["witness.yaml"])


def is_rights(one: chart.Object) -> bool:
    return one["metadata"]["name"] == "sentinel-witness" and one["kind"] in (
        *("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
    )


def is_cluster_binding(one: chart.Object) -> bool:
    return is_rights(one) and one["kind"] == "ClusterRoleBinding"


def command(patient: Patient, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [COMMAND, "doctor", "--config", patient.file, *words],
        env=patient.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("http://am:9093", ("am", 9093)),
        ("am.monitoring.svc:9094", ("am.monitoring.svc", 9094)),
        ("https://am/path", ("am", 443)),
        ("am", ("am", 9093)),
        ("[::1]:9093", ("::1", 9093)),
    ],
)
def test_an_address_is_read_as_people_write_it(text: str, place: tuple[str, int]) -> None:
    assert place_of(text) == place


def test_the_usual_places_are_each_tried_once() -> None:
    places = [*usual_places("sentinel-system")]

    assert len(places) == len(set(places))
    assert Place("alertmanager-operated.monitoring.svc", 9093) in places
    assert Place("alertmanager.sentinel-system.svc", 9093) in places


class TestReach:
    async def test_what_listens_is_open_and_what_does_not_is_shut(self) -> None:
        with Webhook() as server:
            host, port = server.url.split("/")[2].split(":")
            assert await reach.connect(host, int(port), 2) is Reach.OPEN
        assert await reach.connect("127.0.0.1", free_port(), 2) is Reach.SHUT

    async def test_a_name_that_nobody_could_look_up_was_not_tried(self) -> None:
        assert await reach.connect("x" * 70 + ".svc", 9093, 2) is Reach.UNTRIED

    async def test_a_date_is_told_to_the_second(self) -> None:
        with Webhook() as server:
            at = await reach.date_of(server.url, None, 2)
        assert at is None or abs(at - time.time()) < 5
        assert reach.seconds_of("Sat, 21 Nov 2026 00:00:00 GMT") == 1795219200
        assert reach.seconds_of("tomorrow") is None
