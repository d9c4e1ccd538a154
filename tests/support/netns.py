"""A real network for tests: a namespace for each pod, a hub between them, nftables as the policy.

    pod a            hub                  pod b
    eth0 ---veth--- bridge ---veth------- eth0         10.244.0.0/16   fd00:10:244::/64
                      |
              forward: the policy      prerouting: Services (10.96.0.0/16, fd00:10:96::/112)

Each pod has an address of its own and nothing beside it: every packet is routed by the hub, as Calico
does it, and passes the one chain that `Lab.policy` fills. (Bridged packets would pass it too, but the
kernel answers none of them with ICMPv6.) Nothing of this is in the machine's own namespace.

Where the kernel refuses, `CannotIsolate` says what it said: a test that did not run proves nothing.
"""

import atexit
import contextlib
import ctypes
import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from tests import parts
from tests.support.child import Child

P = ParamSpec("P")
T = TypeVar("T")

NAMES = Path("/run/netns")
PREFIX = "sentinel-test"
NEWNET = 0x40000000
"""CLONE_NEWNET, linux/sched.h."""
POD4, POD6 = "10.244.0.{}", "fd00:10:244::{:x}"
SERVICE4, SERVICE6 = "10.96.0.{}", "fd00:10:96::{:x}"
HUB = 1
"""The hub's own number: the pods' way out."""
FIRST = 10

_libc = ctypes.CDLL(None, use_errno=True)
_serial = itertools.count()
_open: "set[Lab]" = set()


class CannotIsolate(RuntimeError):
    """This machine gives us no network of our own; the text is what it said."""


@dataclass(eq=False)
class Space:
    """One network namespace, by its name under /run/netns."""

    name: str
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def do(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`act` in a thread of ours that stands in here: its sockets, and the processes it starts, are of here."""
        ended: list[T] = []
        failed: list[BaseException] = []

        def inside() -> None:
            try:
                enter(self.name)
                ended.append(act(*args, **kwargs))
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=inside, name=f"in {self.name}")
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return ended[0]

    def start(self, command: Sequence[str | Path], log: Path, env: dict[str, str] | None = None) -> Child:
        """A process in here; killed at the latest when the lab ends."""
        child = self.do(Child, command, log, env=env)
        self.stack.callback(child.kill)
        return child

    def nft(self, rules: str) -> None:
        """Rules as `nft -f` reads them, all at once or none."""
        self.do(run, "nft", "-f", "-", said=rules)


@dataclass(eq=False)
class Pod(Space):
    """A namespace with an address of each family. `number`: the last digits of both."""

    number: int = 0
    link: str = ""
    """The hub's end of its wire."""

    @property
    def v4(self) -> str:
        return POD4.format(self.number)

    @property
    def v6(self) -> str:
        return POD6.format(self.number)

    def address(self, family: str) -> str:
        """`v4` or `v6`."""
        return self.v4 if family == "v4" else self.v6


@dataclass(frozen=True)
class Service:
    """A cluster address in front of pods. No pod: refused, as kube-proxy does it."""

    number: int
    port: int
    pods: tuple[Pod, ...]

    @property
    def v4(self) -> str:
        return SERVICE4.format(self.number)

    @property
    def v6(self) -> str:
        return SERVICE6.format(self.number)

    def address(self, family: str) -> str:
        return self.v4 if family == "v4" else self.v6


class Lab:
    """The network while the `with` block lasts; afterwards nothing of it is left."""

    def __init__(self) -> None:
        self._prefix = f"{PREFIX}-{os.getpid()}-{next(_serial)}"
        self._numbers = itertools.count(FIRST)
        self._links = itertools.count()
        self._spaces: list[Space] = []
        self._policy: tuple[str, ...] = ()
        self._services: dict[str, Service] = {}
        self._folder = contextlib.ExitStack()

    def __enter__(self) -> Self:
        sweep()
        self.folder = Path(self._folder.enter_context(tempfile.TemporaryDirectory(prefix=f"{PREFIX}-{os.getpid()}-")))
        _open.add(self)
        try:
            self.hub = self._make_hub()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends what was started in it and takes every namespace away; twice is once."""
        _open.discard(self)
        for space in reversed(self._spaces):
            space.stack.close()
        for space in self._spaces:
            remove(space.name)
        self._spaces.clear()
        self._folder.close()

    def _make_hub(self) -> Space:
        hub = Space(f"{self._prefix}-hub")
        self._spaces.append(hub)
        ip(f"netns add {hub.name}")
        hub.do(write_settings, HUB_SETTINGS)
        ip(
            "link set lo up",
            # Else it has that of one of its wires, and another one when that pod goes.
            "link add br0 address 02:00:00:00:00:01 type bridge",
            f"addr add {POD4.format(HUB)}/16 dev br0",
            f"addr add {POD6.format(HUB)}/64 dev br0 nodad",
            "link set br0 up",
            # The rest of the world: what goes there is never heard of again.
            "link add world type bridge",
            "link set world arp off up",
            "route add default dev world",
            "route add ::/0 dev world",
            within=hub.name,
        )
        return hub

    def pod(self, name: str, number: int | None = None) -> Pod:
        """A pod with the next free addresses, or with those of `number`, which another one may have had before."""
        number = next(self._numbers) if number is None else number
        pod = Pod(f"{self._prefix}-{name}", number=number, link=f"v{next(self._links)}")
        self._spaces.append(pod)
        ip(f"netns add {pod.name}")
        pod.do(write_settings, POD_SETTINGS)
        ip(
            f"link add eth0 netns {pod.name} type veth peer name {pod.link}",
            f"link set {pod.link} master br0 up",
            within=self.hub.name,
        )
        # Alone on its link: what it sends to another pod is routed by the hub.
        ip(
            "link set lo up",
            f"addr add {pod.v4}/32 dev eth0",
            f"addr add {pod.v6}/128 dev eth0 nodad",
            "link set eth0 up",
            f"route add {POD4.format(HUB)} dev eth0 scope link",
            f"route add default via {POD4.format(HUB)} dev eth0",
            f"route add {POD6.format(HUB)} dev eth0",
            f"route add default via {POD6.format(HUB)} dev eth0",
            within=pod.name,
        )
        # Who had these addresses before is forgotten, as by a node's agent when a pod goes.
        ip(f"neigh flush to {pod.v4}", f"neigh flush to {pod.v6}", within=self.hub.name)
        return pod

    def remove(self, pod: Pod) -> None:
        """The pod is gone, and so is whatever ran in it; its addresses are free."""
        pod.stack.close()
        self._spaces.remove(pod)
        # The kernel takes a namespace apart when it finds the time; a wire that is cut is cut.
        ip(f"link delete {pod.link}", within=self.hub.name)
        remove(pod.name)

    def service(self, name: str, port: int, *pods: Pod) -> Service:
        """In front of these pods, on their port `port`; said again, it has others."""
        known = self._services.get(name)
        number = known.number if known else FIRST + len(self._services)
        self._services[name] = service = Service(number, port, pods)
        self._apply()
        return service

    def policy(self, *rules: object) -> None:
        """These rules in this order and no others; what none of them speaks of passes.

        Each is a line (or lines) of nft, or something whose `str` is: `tests/support/policies.py` has them.
        """
        self._policy = tuple(str(rule) for rule in rules)
        self._apply()

    def _apply(self) -> None:
        forward = ["type filter hook forward priority filter", *self._policy]
        forward += [refused for service in self._services.values() if not service.pods for refused in refusals(service)]
        services = ["type nat hook prerouting priority dstnat"]
        services += [line for service in self._services.values() for line in translations(service)]
        hairpins = ["type nat hook postrouting priority srcnat"]
        hairpins += dict.fromkeys(line for service in self._services.values() for line in hairpinned(service))
        tables = {
            "tenants": ("forward", forward),
            "services": ("prerouting", services),
            "hairpins": ("postrouting", hairpins),
        }
        self.hub.nft("flush ruleset\n" + "".join(table(name, *chain) for name, chain in tables.items()))


HUB_SETTINGS = {
    # Where the module is loaded, packets to a Service would be bridged, and not routed.
    "net/bridge/bridge-nf-call-iptables": "0",
    "net/bridge/bridge-nf-call-ip6tables": "0",
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    # All pods are behind one bridge: the hub would tell them a shorter way.
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv6/conf/default/accept_dad": "0",
    # Every packet that must be refused is refused, however many there are.
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv6/icmp/ratelimit": "0",
    "net/ipv4/icmp_msgs_per_sec": "100000",
}
POD_SETTINGS = {
    "net/ipv4/conf/default/accept_redirects": "0",
    "net/ipv6/conf/default/accept_redirects": "0",
    # No second of silence before an address may be used.
    "net/ipv6/conf/default/accept_dad": "0",
}


def write_settings(settings: dict[str, str]) -> None:
    """Of the namespace that the calling thread stands in. One that this kernel does not know is none."""
    for name, value in settings.items():
        with contextlib.suppress(FileNotFoundError):
            Path("/proc/sys", name).write_text(value)


def translations(service: Service) -> Iterator[str]:
    """A share of the connections to each of its pods."""
    for kind, family in (("ip", "v4"), ("ip6", "v6")):
        pods = [pod.address(family) for pod in service.pods]
        if not pods:
            continue
        choice = ", ".join(f"{share} : {address}" for share, address in enumerate(pods))
        match = f"{kind} daddr {service.address(family)} meta l4proto {{ tcp, udp }}"
        yield f"{match} dnat {kind} to numgen inc mod {len(pods)} map {{ {choice} }}"


def hairpinned(service: Service) -> Iterator[str]:
    """A pod that reaches itself by its Service hears from the node: it would drop what comes from itself."""
    for pod in service.pods:
        yield f"ip saddr {pod.v4} ip daddr {pod.v4} masquerade"
        yield f"ip6 saddr {pod.v6} ip6 daddr {pod.v6} masquerade"


def refusals(service: Service) -> Iterator[str]:
    for kind, family in (("ip", "v4"), ("ip6", "v6")):
        yield f"{kind} daddr {service.address(family)} reject with icmpx type port-unreachable"


def table(name: str, chain: str, lines: list[str]) -> str:
    body = "\n".join(f"    {line};" if index == 0 else f"    {line}" for index, line in enumerate(lines))
    return f"table inet {name} {{\n  chain {chain} {{\n{body}\n  }}\n}}\n"


def enter(name: str) -> None:
    """The calling thread, and no other, stands in this namespace from now on."""
    file = os.open(NAMES / name, os.O_RDONLY)
    try:
        enter_file(file)
    finally:
        os.close(file)


def enter_file(file: int) -> None:
    """The same by an open file, as of /proc/thread-self/ns/net."""
    if _libc.setns(file, NEWNET):
        raise CannotIsolate(f"setns (uid {os.getuid()}): {os.strerror(ctypes.get_errno())}")


def ip(*commands: str, within: str = "") -> None:
    """Several commands of `ip`, one process; those after a failed one are not tried."""
    words = ["-batch", "-"]
    run("ip", *(("-n", within) if within else ()), *words, said="\n".join(commands) + "\n")


def run(program: str, *arguments: str, said: str = "") -> str:
    """A part's output; CannotIsolate with its own words when it fails."""
    ended = subprocess.run(
        [parts.find(program), *arguments], input=said, capture_output=True, text=True, check=False, timeout=60
    )
    if ended.returncode:
        tail = (ended.stderr or ended.stdout).strip()[-2000:]
        raise CannotIsolate(f"`{program} {' '.join(arguments)}` (uid {os.getuid()}): {tail}\n{said}")
    return ended.stdout


def remove(name: str) -> None:
    """The namespace and every process that still is in it: we made it, so we started them."""
    with contextlib.suppress(CannotIsolate):
        for pid in run("ip", "netns", "pids", name).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    with contextlib.suppress(CannotIsolate):
        run("ip", "netns", "delete", name)


def sweep() -> None:
    """Takes away what a test left that was killed: its process is in the name, and is gone."""
    for name in ours():
        if is_orphan(name):
            remove(name)
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}-*"):
        if is_orphan(folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def is_orphan(name: str) -> bool:
    owner = re.match(rf"{PREFIX}-(\d+)-", name)
    return owner is not None and not Path("/proc", owner[1]).exists()


def ours() -> list[str]:
    """The names of all namespaces that tests made, on this machine."""
    return sorted(file.name for file in NAMES.glob(f"{PREFIX}-*")) if NAMES.is_dir() else []


@atexit.register
def _close_all() -> None:
    for lab in list(_open):
        lab.close()
