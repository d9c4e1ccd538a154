"""A crossing: one question to the network, as `core/api/question.py` has those to the API server.

    may a packet of ours reach this target, by this protocol, over this family, on this path?

It is asked with several fresh sockets, of every beacon that the target has: one that gets through is
a breach. What it needs of the world (addresses, keys) is not in it: it is the same question tomorrow,
when the target's pods have other addresses.
"""

import shlex
from dataclasses import dataclass
from enum import StrEnum


class Protocol(StrEnum):
    """What is spoken to a beacon."""

    TCP = "tcp"  # the challenge and its answer, bare
    UDP = "udp"  # the same in one datagram each
    HTTP = "http"  # the same in a request and its response, for policies that read so far


class Family(StrEnum):
    """Which addresses: a policy has to hold for each."""

    V4 = "v4"
    V6 = "v6"


class Path(StrEnum):
    """Which way: policies are enforced before or behind a Service's address, and may miss one of them."""

    POD = "pod"  # the pod's own address
    SERVICE = "service"  # the cluster address of the Service in front of it
    KEPT = "kept"  # a connection that was open when it was allowed, and was never closed


CHECKS = ("net/tcp", "net/udp", "net/http", "net/dns", "net/node", "net/cloud")
"""The classes of promise that are about the network; labels."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """One way to one target. `target` is a namespace, as in a `Question`."""

    identity: str
    target: str
    protocol: Protocol
    family: Family
    path: Path

    @property
    def check(self) -> str:
        """The class of promise, a closed label."""
        return f"net/{self.protocol.value}"

    @property
    def text(self) -> str:
        """For people: `reach tcp pod v4`."""
        return f"reach {self.protocol.value} {self.path.value} {self.family.value}"

    @property
    def chosen(self) -> tuple[str, ...]:
        """None: every word is ours."""
        return ()

    def reproduce(self, user: str, groups: tuple[str, ...] = ()) -> str:
        """The command that has the sentinel which got through try again, from where it stands.

        Its key is in no file, so nobody else's packet would be answered. Empty where `user` is no
        ServiceAccount, which says whose pod that is.
        """
        del groups
        home, _, name = user.removeprefix(_ACCOUNTS).partition(":")
        if not user.startswith(_ACCOUNTS) or not name:
            return ""
        # The Service has a pod of it, whether these are a Deployment's or a DaemonSet's.
        return shlex.join(["kubectl", "-n", home, "exec", "svc/sentinel", "--", "sentinel", "once", self.check])


_ACCOUNTS = "system:serviceaccount:"
