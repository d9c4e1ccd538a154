"""The network that other tests stand on does what it says: each policy, seen through plain sockets."""

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.support import netns, policies
from tests.support.eventually import eventually
from tests.support.netns import CannotIsolate, Lab, Pod, Space
from tests.support.policies import ESTABLISHED, Refusal, answers_cut, by_service, opened, shut

PORT = 7462
SHORT = 0.4
"""Seconds until silence is silence: what passes here takes less than a millisecond."""
SECOND_SYN = 1.5
"""ICMPv6 that comes back while `connect` is still being called, as on a wire without length, is only taken
for a hint: the socket hears of it when the kernel has asked again, a second later."""
FAMILIES = ("v4", "v6")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


@pytest.fixture(scope="module")
def asker(lab: Lab) -> Pod:
    return lab.pod("a")


@pytest.fixture(scope="module")
def target(lab: Lab) -> Iterator[Pod]:
    pod = lab.pod("b")
    with Echo(pod):
        yield pod


@pytest.fixture(autouse=True)
def _nothing_forbidden(lab: Lab) -> None:
    lab.policy()


class Echo:
    """Says back what it hears, by TCP and UDP, over both families; remembers what arrived."""

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.heard: list[bytes] = []
        self._over = threading.Event()

    def __enter__(self) -> Self:
        self._sockets = [
            self.pod.do(listening, socket.AF_INET6 if family == "v6" else socket.AF_INET, kind)
            for family in FAMILIES
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)
        ]
        self._threads = [threading.Thread(target=self._serve, args=(one,)) for one in self._sockets]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()

    def _serve(self, one: socket.socket) -> None:
        with contextlib.ExitStack() as kept:
            while not self._over.is_set():
                with contextlib.suppress(TimeoutError):
                    self._answer(one, kept)

    def _answer(self, one: socket.socket, kept: contextlib.ExitStack) -> None:
        if one.type == socket.SOCK_DGRAM:
            said, who = one.recvfrom(2000)
            self.heard.append(said)
            one.sendto(said, who)
            return
        talk = kept.enter_context(one.accept()[0])
        talk.settimeout(SHORT)
        threading.Thread(target=self._talk, args=(talk,), daemon=True).start()

    def _talk(self, talk: socket.socket) -> None:
        while not self._over.is_set():
            try:
                said = talk.recv(2000)
            except TimeoutError:
                continue
            except OSError:
                return
            if not said:
                return
            self.heard.append(said)
            talk.sendall(said)


def listening(family: int, kind: int) -> socket.socket:
    made = socket.socket(family, kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.bind(("", PORT))
    if kind == socket.SOCK_STREAM:
        made.listen(50)
    made.settimeout(0.05)
    return made


def ask(
    pod: Space, address: str, protocol: str = "tcp", port: int = PORT, said: bytes = b"x" * 200, within: float = SHORT
) -> str:
    """`answered`, `connected`, or the errno's name."""
    return pod.do(_ask, address, protocol, port, said, within)


def _ask(address: str, protocol: str, port: int, said: bytes, within: float) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    told = "silent"
    with socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM) as asking:
        asking.settimeout(within)
        try:
            asking.connect((address, port))
            if protocol == "tcp":
                told = "connected"
            asking.send(said)
            return "answered" if asking.recv(2000) == said else "nonsense"
        except TimeoutError:
            return told
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, str(error))


def ways(asker: Pod, target: Pod, within: float = SHORT) -> dict[str, str]:
    return {
        f"{protocol} {family}": ask(asker, target.address(family), protocol, within=within)
        for protocol in ("tcp", "udp")
        for family in FAMILIES
    }


def each(tcp4: str, tcp6: str, udp4: str, udp6: str) -> dict[str, str]:
    return {"tcp v4": tcp4, "tcp v6": tcp6, "udp v4": udp4, "udp v6": udp6}


OPEN = each("answered", "answered", "answered", "answered")


def test_without_a_policy_everybody_reaches_everybody(lab: Lab, asker: Pod, target: Pod) -> None:
    assert ways(asker, target) == OPEN


@pytest.mark.parametrize(
    ("by", "seen"),
    [
        (Refusal.DROP, each("silent", "silent", "silent", "silent")),
        (Refusal.RESET, each("ECONNREFUSED", "ECONNREFUSED", "ECONNREFUSED", "ECONNREFUSED")),
        # Over IPv4 this ICMP means "host unreachable" to a socket, over IPv6 it means what it says.
        (Refusal.ICMP, each("EHOSTUNREACH", "EACCES", "EHOSTUNREACH", "EACCES")),
    ],
)
def test_each_way_to_refuse_has_its_errno(lab: Lab, asker: Pod, target: Pod, by: Refusal, seen: dict[str, str]) -> None:
    lab.policy(*shut(asker, target, by))

    assert ways(asker, target, SECOND_SYN) == seen


def test_an_opening_is_as_narrow_as_it_says(lab: Lab, asker: Pod, target: Pod) -> None:
    lab.policy(*opened(asker, target, family="v6"), *shut(asker, target))
    assert ways(asker, target) == each("silent", "answered", "silent", "answered")

    lab.policy(*opened(asker, target, protocol="udp"), *shut(asker, target))
    assert ways(asker, target) == each("silent", "silent", "answered", "answered")

    lab.policy(*opened(asker, target, protocol="tcp", family="v4"), *shut(asker, target))
    assert ways(asker, target) == each("answered", "silent", "silent", "silent")


def test_a_policy_in_one_direction_lets_the_other_ask(lab: Lab, asker: Pod, target: Pod) -> None:
    with Echo(asker):
        lab.policy(*shut(asker, target))

        assert ask(asker, target.v4) == "silent"
        assert ways(target, asker) == OPEN


def test_a_cut_answer_was_asked_for(lab: Lab, asker: Pod) -> None:
    pod = lab.pod("c")
    with Echo(pod) as echo:
        lab.policy(*answers_cut(asker, pod))
        marks = [f"{protocol} {family}".encode() * 40 for protocol in ("tcp", "udp") for family in FAMILIES]

        seen = [ask(asker, pod.address(mark[4:6].decode()), mark[:3].decode(), said=mark) for mark in marks]

        assert seen == ["connected", "connected", "silent", "silent"]
        assert set(marks) <= set(echo.heard)
    lab.remove(pod)


def test_a_service_leads_to_its_pods_and_a_policy_may_tell_the_two_paths_apart(
    lab: Lab, asker: Pod, target: Pod
) -> None:
    service = lab.service("b", PORT, target)
    for family in FAMILIES:
        assert ask(asker, service.address(family)) == "answered"
        assert ask(asker, service.address(family), "udp") == "answered"

        lab.policy(
            *opened(asker, target, also=by_service(service.address(family)), family=family), *shut(asker, target)
        )
        assert ask(asker, service.address(family)) == "answered"
        assert ask(asker, target.address(family)) == "silent"

        lab.policy(*opened(asker, target, also=policies.NOT_BY_SERVICE), *shut(asker, target))
        assert ask(asker, service.address(family)) == "silent"
        assert ask(asker, target.address(family)) == "answered"
        lab.policy()


def test_a_pod_reaches_itself_by_its_service(lab: Lab, target: Pod) -> None:
    service = lab.service("b", PORT, target)

    for family in FAMILIES:
        assert ask(target, service.address(family)) == "answered"
        assert ask(target, service.address(family), "udp") == "answered"


def test_a_service_without_pods_is_refused(lab: Lab, asker: Pod) -> None:
    empty = lab.service("empty", PORT)

    assert [ask(asker, empty.address(family), within=SECOND_SYN) for family in FAMILIES] == [
        "ECONNREFUSED",
        "ECONNREFUSED",
    ]


def test_a_service_spreads_over_its_pods(lab: Lab, asker: Pod) -> None:
    pods = lab.pod("s1"), lab.pod("s2")
    with Echo(pods[0]) as first, Echo(pods[1]) as second:
        both = lab.service("both", PORT, *pods)

        assert [ask(asker, both.v4) for _ in range(4)] == ["answered"] * 4

        assert (len(first.heard), len(second.heard)) == (2, 2)
    for pod in pods:
        lab.remove(pod)


def test_what_was_let_in_stays_only_where_established_connections_do(lab: Lab, asker: Pod, target: Pod) -> None:
    lab.policy(ESTABLISHED)
    with asker.do(socket.create_connection, (target.v4, PORT), SHORT) as kept:
        lab.policy(ESTABLISHED, *shut(asker, target))
        assert ask(asker, target.v4) == "silent"
        kept.send(b"still here")
        assert kept.recv(100) == b"still here"

        lab.policy(*shut(asker, target))
        kept.send(b"and now")
        with pytest.raises(TimeoutError):
            kept.recv(100)


def test_a_hole_that_blinks_is_open_now_and_then(lab: Lab, asker: Pod, target: Pod) -> None:
    changes: list[tuple[bool, float]] = []

    def switch(is_open: bool) -> None:
        lab.policy(*(opened(asker, target) if is_open else ()), *shut(asker, target))
        changes.append((is_open, time.monotonic()))

    with policies.blinking(switch, open_for=0.2, every=0.6):
        seen: set[str] = set()

        def both_seen() -> bool:
            seen.add(ask(asker, target.v4))
            return seen >= {"answered", "silent"}

        eventually(both_seen, 20, lambda: f"open and shut, not only {seen}")

    assert changes[-1][0] is False
    assert ask(asker, target.v4) == "silent"


def test_behind_a_proxy_even_nobody_accepts(lab: Lab) -> None:
    pod = lab.pod("meshed")
    with contextlib.closing(pod.do(socket.create_server, ("", policies.PROXY_PORT))):
        assert ask(pod, "192.0.2.1") == "silent"

        policies.through_proxy(pod)
        assert ask(pod, "192.0.2.1") == "connected"

        policies.past_proxy(pod)
        assert ask(pod, "192.0.2.1") == "silent"
    lab.remove(pod)


def test_an_address_may_be_given_to_another_pod(lab: Lab, asker: Pod) -> None:
    first = lab.pod("first")
    with Echo(first):
        assert ask(asker, first.v4) == "answered"
    lab.remove(first)
    assert ask(asker, first.v4) == "silent"

    second = lab.pod("second", number=first.number)
    with Echo(second) as echo:
        eventually(lambda: ask(asker, first.v6) == ask(asker, first.v4) == "answered", 20, "the new pod is found")
        assert echo.heard
    lab.remove(second)


def test_a_process_stands_where_it_was_started_and_ends_with_the_lab() -> None:
    with Lab() as small:
        pod = small.pod("p")
        child = pod.start(["sleep", "60"], small.folder / "log")
        here = (netns.NAMES / pod.name).stat().st_ino
        assert Path(f"/proc/{child.pid}/ns/net").stat().st_ino == here
        assert Path("/proc/self/ns/net").stat().st_ino != here
        names = {name for name in netns.ours() if f"-{os.getpid()}-" in name}
        assert {pod.name, small.hub.name} <= names

    assert child.exit_code == -signal.SIGKILL
    assert not {pod.name, small.hub.name} & set(netns.ours())


def test_what_a_killed_test_left_is_swept_away_with_its_processes() -> None:
    script = (
        "import os, time, pathlib\n"
        "from tests.support.netns import Lab\n"
        "lab = Lab().__enter__()\n"
        "child = lab.pod('p').start(['sleep', '600'], pathlib.Path(os.devnull))\n"
        "print(child.pid, lab.folder, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as doomed:
        assert doomed.stdout is not None
        pid, folder = doomed.stdout.readline().split()
        doomed.kill()
    left = [name for name in netns.ours() if f"-{doomed.pid}-" in name]
    assert len(left) == 2

    netns.sweep()

    assert [name for name in netns.ours() if f"-{doomed.pid}-" in name] == []
    assert not Path(folder).exists()
    eventually(lambda: not is_running(int(pid)), 10, "its process is gone")


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_where_it_is_forbidden_the_reason_is_told(lab: Lab) -> None:
    with pytest.raises(CannotIsolate, match=r"ip netns add no/such/place.*uid \d+.*Invalid netns name"):
        netns.run("ip", "netns", "add", "no/such/place")
    with pytest.raises(CannotIsolate, match=r"nft -f.*syntax error"):
        lab.hub.nft("table inet broken { chain x { nonsense } }")
