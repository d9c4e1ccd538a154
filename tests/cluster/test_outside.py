"""Outside a pod, where a kubeconfig says who we are: only as ourselves; and the commands that one types there."""

import base64
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from sentinel.clients.clock import Clock
from sentinel.core.api.resources import CHECKS
from sentinel.core.net import crossing
from sentinel.joins.world import World
from sentinel.settings import load
from tests.cluster.ground import Ground
from tests.cluster.town import SETTLED, proves_everything
from tests.deploy import chart
from tests.support import manifests, proxy
from tests.support.controlplane import ADMIN, ControlPlane
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.sentinels import COMMAND, Sentinel

READS = manifests.rule(["get", "list"], ["secrets"])
OWN = "system:serviceaccount:team-a:sentinel"
OUTSIDE = {"KUBERNETES_SERVICE_HOST": "", "KUBERNETES_SERVICE_PORT": ""}
REFUSED_TO_CONNECT = ["socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"]


@dataclass(frozen=True)
class Ended:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Desk:
    """Where somebody types commands: a folder with the chart's sentinel.yaml, nothing of a pod."""

    ground: Ground
    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def config_file(self) -> Path:
        return self.folder / "sentinel.yaml"

    def with_kubeconfig(self, path: Path) -> None:
        self.config["kubernetes"] = {"kubeconfig": str(path)}

    def type(self, *words: str, command: list[str] | None = None) -> Ended:
        """The command's end, whatever it is."""
        self.config_file.write_text(yaml.safe_dump(self.config))
        started = [*(command or [str(COMMAND)]), *words, "--config", str(self.config_file)]
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        ended = subprocess.run(
            started, env=kept | self.environ, capture_output=True, text=True, timeout=SETTLED, check=False
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def in_pod(self, port: int) -> None:
        """The three files and two variables."""
        (self.folder / "token").write_text(self.ground.cluster.token_for("team-a"))
        (self.folder / "ca.crt").write_bytes(self.ground.cluster.ca_file.read_bytes())
        (self.folder / "namespace").write_text("team-a")
        self.environ |= {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(port),
            "SENTINEL_SERVICE_ACCOUNT_DIR": str(self.folder),
        }


@pytest.fixture
def desk(ground: Ground, tmp_path: Path) -> Iterator[Desk]:
    ground.install()
    config = yaml.safe_load(chart.configuration(ground.objects, "team-a"))
    # `once` has all the time it needs for a request; rounds of a second, where there are any.
    config["isolation"] |= {"every": "500ms", "timeout": "400ms", "within": "1s", "sweep": "1s"}
    config["web"] = {name: f"127.0.0.1:{free_port()}" for name in ("listen", "console")}
    yield Desk(ground, tmp_path, config)
    ground.front.fault = proxy.passes


@pytest.fixture
def hole(ground: Ground) -> Iterator[None]:
    objects = manifests.grant("team-b", "hole", manifests.of_account("team-a"), READS)
    ground.cluster.admin.apply(*objects)
    yield
    ground.cluster.admin.delete(*objects)


def by_token(cluster: ControlPlane, folder: Path) -> Path:
    return cluster.kubeconfig(folder / "kubeconfig", cluster.token_for("team-a"))


def with_user(cluster: ControlPlane, folder: Path, user: dict[str, Any]) -> Path:
    """A kubeconfig of which the user is this."""
    path = cluster.kubeconfig(folder / "kubeconfig", "x")
    content = yaml.safe_load(path.read_text())
    content["users"][0]["user"] = user
    path.write_text(yaml.safe_dump(content))
    return path


def plug_in(folder: Path, token: str) -> dict[str, Any]:
    """A program that hands out credentials, as cloud providers have it."""
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": token, "expirationTimestamp": "2026-01-01T00:00:00Z"},
    }
    program = folder / "plug-in"
    program.write_text(f"#!/bin/sh\necho called >> {folder}/calls\ncat <<'END'\n{json.dumps(credential)}\nEND\n")
    program.chmod(0o755)
    return {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "interactiveMode": "Never"}
    }


def by_plug_in(cluster: ControlPlane, folder: Path) -> Path:
    return with_user(cluster, folder, plug_in(folder, cluster.token_for("team-a")))


@pytest.mark.parametrize("made", [by_token, by_plug_in])
def test_with_the_sentinels_own_account_it_watches_from_outside_as_from_inside(
    desk: Desk, made: Callable[[ControlPlane, Path], Path]
) -> None:
    desk.with_kubeconfig(made(desk.ground.cluster, desk.folder))

    with Sentinel(desk.ground.cluster, desk.config, namespace="team-a", env=OUTSIDE) as daemon:
        # Nothing of a pod is there to fall back on.
        daemon.token_file.unlink()
        eventually(lambda: proves_everything(daemon), SETTLED, lambda: f"{daemon.process.log_tail()}")
        seen = daemon.metrics()

    assert seen.value("sentinel_gate_up", gate="whoami", identity="self") == 1
    assert seen.sum("sentinel_denials_total", identity="self") > 0
    assert seen.sum("sentinel_breaches_total") == 0


@pytest.mark.parametrize("who", ["admin", "system:serviceaccount:team-a:other"])
@pytest.mark.parametrize("command", ["run", "once"])
def test_an_administrator_and_a_stranger_are_refused_with_a_sentence(desk: Desk, who: str, command: str) -> None:
    """The one is served everything, so that all would be a breach; the other's denials are not ours."""
    cluster = desk.ground.cluster
    token = ADMIN if who == "admin" else cluster.token_for("team-a", "other")
    desk.with_kubeconfig(cluster.kubeconfig(desk.folder / "kubeconfig", token))

    ended = desk.type(command)

    assert ended.code == 2, ended
    assert ended.out == ""
    assert f"kubernetes.kubeconfig: found {who}, expected {OWN}" in ended.err
    assert "use a kubeconfig with that account's token" in ended.err
    assert "Traceback" not in ended.err
    assert token not in ended.err


def test_a_context_with_a_client_certificate_only_is_told_that_a_token_is_needed(desk: Desk) -> None:
    """A certificate is a person's or a node's; a ServiceAccount has none."""
    leaf = trustme.CA().issue_cert("sentinel.example")
    user = {
        "client-certificate-data": base64.b64encode(leaf.cert_chain_pems[0].bytes()).decode(),
        "client-key-data": base64.b64encode(leaf.private_key_pem.bytes()).decode(),
    }
    desk.with_kubeconfig(with_user(desk.ground.cluster, desk.folder, user))

    ended = desk.type("once", "api/secrets")

    assert ended.code == 3, ended
    assert "found no token, expected a context with one" in ended.out
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "kubeconfig"),
        ("clusters: [", "kubeconfig"),
        ("{apiVersion: v1, kind: Config}", "kubeconfig"),
        (None, "kubeconfig"),
    ],
    ids=["empty", "cut", "nothing in it", "missing"],
)
def test_a_kubeconfig_that_is_none_is_said_and_nothing_is_called_held(
    desk: Desk, content: str | None, said: str
) -> None:
    path = desk.folder / "kubeconfig"
    if content is not None:
        path.write_text(content)
    desk.with_kubeconfig(path)

    ended = desk.type("once", "api/secrets", "--output", "json")

    assert ended.code == 3, ended
    assert any(f"{said} {path}" in reason for reason in ended.json["reasons"]), ended.json["reasons"]
    assert {row["verdict"] for row in ended.json["questions"]} == {"inconclusive"}
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    "script", ["exit 7", "echo '{'", "echo null", "echo '{\"status\": null}'", "printf '\\377'"], ids=str
)
def test_a_plug_in_that_gives_no_credentials_is_said(desk: Desk, script: str) -> None:
    user = plug_in(desk.folder, "x")
    (desk.folder / "plug-in").write_text(f"#!/bin/sh\n{script}\n")
    desk.with_kubeconfig(with_user(desk.ground.cluster, desk.folder, user))

    ended = desk.type("once", "api/secrets", "--output", "json")

    assert ended.code == 3, ended
    assert any("kubeconfig" in reason for reason in ended.json["reasons"]), ended.json["reasons"]
    assert "Traceback" not in ended.err


class Later(Clock):
    """The real time, and some seconds more."""

    seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.seconds


@dataclass
class Outside(World):
    """What the daemon keeps up to date, in process."""

    clock: Later


def outside(desk: Desk) -> Outside:
    desk.config_file.write_text(yaml.safe_dump(desk.config))
    return Outside(load(desk.config_file, OUTSIDE), OUTSIDE, Later())


def calls(desk: Desk) -> int:
    return len((desk.folder / "calls").read_text().splitlines())


async def test_a_kubeconfig_that_comes_late_is_taken_when_it_is_there(desk: Desk) -> None:
    path = desk.folder / "kubeconfig"
    desk.with_kubeconfig(path)
    world = outside(desk)

    await world.prepare()
    before, why = world.found, world.why
    by_token(desk.ground.cluster, desk.folder)
    await world.prepare()

    assert before is None
    assert str(path) in why
    assert world.endpoint().url == desk.ground.cluster.url


async def test_a_plug_in_is_asked_again_every_minute_and_its_new_token_taken(desk: Desk) -> None:
    cluster = desk.ground.cluster
    desk.with_kubeconfig(by_plug_in(cluster, desk.folder))
    world = outside(desk)
    await world.prepare()
    first = world.endpoint().own.read()

    plug_in(desk.folder, cluster.token_for("team-a"))
    called = calls(desk)
    await world.prepare()
    same = calls(desk) - called
    world.clock.seconds = 61.0
    await world.prepare()
    second = world.endpoint().own.read()

    assert same == 0
    assert first is not None
    assert second is not None
    assert second.text != first.text


async def test_a_plug_in_that_fails_later_leaves_the_token_that_there_is(desk: Desk) -> None:
    desk.with_kubeconfig(by_plug_in(desk.ground.cluster, desk.folder))
    world = outside(desk)
    await world.prepare()
    first = world.endpoint().own.read()

    (desk.folder / "plug-in").write_text("#!/bin/sh\necho null\n")
    world.clock.seconds = 61.0
    await world.prepare()

    assert world.endpoint().own.read() == first


def test_once_ends_with_0_and_a_table_when_all_is_held(desk: Desk) -> None:
    desk.in_pod(desk.ground.cluster.port)

    ended = desk.type("once")

    assert ended.code == 0, ended
    head, *rows = ended.out.splitlines()
    assert head.split() == ["TARGET", "HELD", "BREACHED", "INCONCLUSIVE"]
    counts = {row.split()[0]: [int(word) for word in row.split()[1:]] for row in rows if row}
    assert set(counts) == {"*", "team-b", "kube-system", "sentinel-system"}
    assert all(held > 0 and (breached, unknown) == (0, 0) for held, breached, unknown in counts.values())
    assert ended.err == ""


def test_once_ends_with_1_and_says_who_may_what_and_how_to_see_it(desk: Desk, hole: None) -> None:
    desk.in_pod(desk.ground.cluster.port)

    ended, same = desk.type("once"), desk.type("once", "--output", "json")

    assert (ended.code, same.code) == (1, 1), ended
    (line,) = [line for line in ended.out.splitlines() if "list secrets" in line and "BREACHED" in line]
    assert line.startswith("BREACHED self may list secrets in team-b (HTTP 406, Audit-Id ")
    assert f"kubectl auth can-i list secrets --as={OWN} -n team-b" in ended.out
    breached = [row for row in same.json["questions"] if row["verdict"] == "breached"]
    assert same.json["verdict"] == "breached"
    assert {(row["identity"], row["target"], row["code"]) for row in breached} == {("self", "team-b", 406)}
    assert all(row["audit_id"] for row in breached)


def test_once_says_of_what_is_wanted_who_wants_it_and_ends_with_0(desk: Desk, hole: None) -> None:
    wanted = {"from": "team-a", "to": "team-b", "verbs": ["get", "list"], "resources": ["secrets"]}
    desk.config["isolation"]["allow"] = [wanted | {"reason": "Until the move", "owner": "Payments"}]
    desk.in_pod(desk.ground.cluster.port)

    ended = desk.type("once", "api/secrets")

    assert ended.code == 0, ended
    (line,) = [line for line in ended.out.splitlines() if line.startswith("ALLOWED self may list secrets in team-b: ")]
    assert line.endswith("by Payments: Until the move")


def test_once_ends_with_3_when_the_api_server_is_dead(desk: Desk) -> None:
    desk.in_pod(free_port())

    ended = desk.type("once")

    assert ended.code == 3, ended
    assert "not ready: readyz: refused" in ended.out
    assert "INCONCLUSIVE" in ended.out
    held = [row.split()[1] for row in ended.out.splitlines()[1:] if row.startswith(("*", "team", "kube", "sentinel"))]
    assert held
    assert set(held) == {"0"}


def test_once_asks_one_check_when_told_to(desk: Desk) -> None:
    desk.in_pod(desk.ground.cluster.port)

    ended = desk.type("once", "api/secrets", "--output", "json")

    assert ended.code == 0, ended
    assert {row["check"] for row in ended.json["questions"]} == {"api/secrets"}
    assert {row["question"] for row in ended.json["questions"]} >= {"list secrets", "get secrets/sentinel-beacon"}
    assert ended.json["verdict"] == "held"


def test_once_refuses_a_check_that_there_is_not(desk: Desk) -> None:
    ended = desk.type("once", "api/secrest")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"check 'api/secrest' is unknown, expected one of {', '.join((*CHECKS, *crossing.CHECKS))}\n"


def without_network(folder: Path) -> list[str]:
    """The same command in a process that dies of its first look at the network."""
    program = folder / "offline.py"
    program.write_text(
        textwrap.dedent(f"""
            import os, sys
            def watch(event, arguments):
                if event in {REFUSED_TO_CONNECT!r} and "AF_UNIX" not in str(arguments[:1]):
                    os.write(2, f"looked at the network: {{event}}".encode())
                    os._exit(99)
            sys.addaudithook(watch)
            sys.argv[0] = "sentinel"
            from sentinel.cli import main
            main()
        """)
    )
    return [sys.executable, str(program)]


def test_check_ends_with_0_and_touches_no_network(desk: Desk) -> None:
    desk.in_pod(desk.ground.front.port)
    desk.config["isolation"] |= {"every": "10s", "timeout": "4s", "within": "120s", "sweep": "30m"}
    desk.config["paging"] = {"promise": "5m", "direct": ["http://alertmanager.example:9093"]}

    ended = desk.type("check", command=without_network(desk.folder))

    assert ended.code == 0, ended
    assert "requests" in ended.out
    assert "looked at the network" not in ended.err


def test_the_watch_over_the_network_sees_it_when_there_is_something_to_see(desk: Desk) -> None:
    desk.in_pod(desk.ground.front.port)

    assert desk.type("once", command=without_network(desk.folder)).code == 99


def test_check_ends_with_2_and_every_problem_when_the_file_is_wrong(desk: Desk) -> None:
    desk.in_pod(desk.ground.front.port)
    desk.config["isolation"] |= {"every": "soon", "qbs": 5}

    ended = desk.type("check", command=without_network(desk.folder))
    run = desk.type("run", command=without_network(desk.folder))

    for refused in (ended, run):
        assert (refused.code, refused.out) == (2, "")
        assert "isolation.every: found soon, expected" in refused.err
        assert "isolation.qbs" in refused.err
        assert refused.err.endswith("2 problems in the configuration\n")


def test_check_ends_with_2_when_the_page_would_come_later_than_promised(desk: Desk) -> None:
    desk.in_pod(desk.ground.front.port)
    desk.config["paging"] = {"promise": "1s"}

    ended = desk.type("check", command=without_network(desk.folder))

    assert ended.code == 2, ended
    assert "1 s promised" in ended.out
    assert "the promise is not kept" in ended.out
