"""What a network policy may be like, as rules for `Lab.policy`: who may not, who may, and how it is said.

    lab.policy(ESTABLISHED, *opened(a, b, protocol="udp"), *shut(a, b, Refusal.RESET))

The first rule that speaks of a packet decides, and what none speaks of passes.
"""

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from tests.support.netns import Pod, Space

ESTABLISHED = "ct state established,related accept"
"""Who was let in once stays: most firewalls, and what makes a connection outlive its policy."""
FAMILIES = {"v4": "ip", "v6": "ip6"}
LARGEST_HANDSHAKE = 120
"""Bytes of a packet: those of a handshake are smaller, and every answer of a beacon is larger."""
PROXY_PORT = 15001
PROXY_MARK = 0x15


class Refusal(StrEnum):
    """How a policy says no."""

    DROP = "drop"  # most: not at all
    RESET = "reset"  # in the name of the far side
    ICMP = "icmp"  # in its own


@dataclass(frozen=True)
class Rule:
    """Which packets, and what becomes of them; `str` is nft's text. None: any."""

    verdict: str
    source: Pod | None = None
    target: Pod | None = None
    protocol: str | None = None
    family: str | None = None
    port: int | None = None
    also: str = ""

    def __str__(self) -> str:
        return "\n    ".join(self._line(family) for family in FAMILIES if self.family in (None, family))

    def _line(self, family: str) -> str:
        kind = FAMILIES[family]
        words = [f"meta nfproto {'ipv4' if family == 'v4' else 'ipv6'}"]
        if self.source:
            words.append(f"{kind} saddr {self.source.address(family)}")
        if self.target:
            words.append(f"{kind} daddr {self.target.address(family)}")
        if self.port:
            words.append(f"th dport {self.port}")
        if self.protocol:
            words.insert(1, f"meta l4proto {self.protocol}")
        return " ".join((*words, self.also, self.verdict))


def shut(source: Pod | None, target: Pod | None, by: Refusal = Refusal.DROP, **only: str | int) -> tuple[Rule, ...]:
    """What is sent from here to there is refused. Answers to what came from there are not."""
    packet = {"source": source, "target": target, "also": "ct direction original"} | only
    icmp = "reject with icmpx type admin-prohibited"
    match by:
        case Refusal.DROP:
            return (Rule("drop", **packet),)  # type: ignore[arg-type]
        case Refusal.ICMP:
            return (Rule(icmp, **packet),)  # type: ignore[arg-type]
        case Refusal.RESET:
            reset = Rule("reject with tcp reset", **packet | {"protocol": "tcp"})  # type: ignore[arg-type]
            return (reset, Rule("reject with icmpx type port-unreachable", **packet))  # type: ignore[arg-type]


def opened(source: Pod | None, target: Pod | None, *, also: str = "", **only: str | int) -> tuple[Rule, ...]:
    """What is sent from here to there passes; so do the answers, which nobody speaks of."""
    return (Rule("accept", source, target, also=f"ct direction original {also}", **only),)  # type: ignore[arg-type]


def by_service(address: str) -> str:
    """For `also`: only what was sent to this Service's address."""
    return f"ct original {'ip6' if ':' in address else 'ip'} daddr {address}"


NOT_BY_SERVICE = "ct status ! dnat"
"""For `also`: only what was sent to the pod's own address."""


def answers_cut(source: Pod, target: Pod, **only: str | int) -> tuple[Rule, ...]:
    """One way: what source asks arrives, what target answers does not. A handshake passes."""
    size = f"ct direction reply meta length > {LARGEST_HANDSHAKE}"
    return (Rule("drop", source=target, target=source, also=size, **only),)  # type: ignore[arg-type]


@contextlib.contextmanager
def blinking(switch: Callable[[bool], None], open_for: float, every: float) -> Iterator[None]:
    """`switch(True)` for `open_for` seconds out of `every`, over and over; False at the end."""
    over = threading.Event()

    def blink() -> None:
        for is_open in itertools.cycle((True, False)):
            switch(is_open)
            if over.wait(open_for if is_open else every - open_for):
                return

    thread = threading.Thread(target=blink, name="blinking")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        switch(False)


def through_proxy(pod: Space) -> None:
    """Whatever leaves this pod by TCP goes to a listener in it, as a service mesh does it."""
    pod.nft(
        "table inet mesh {\n  chain output {\n    type nat hook output priority -100;\n"
        f"    meta mark {PROXY_MARK} return\n    oif lo return\n"
        f"    meta l4proto tcp redirect to :{PROXY_PORT}\n  }}\n}}\n"
    )


def past_proxy(pod: Space) -> None:
    pod.nft("delete table inet mesh")
