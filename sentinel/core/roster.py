"""The roster: which beacons there are, by the word of the witness and of the kubelet, never of a tenant.

    pod status (kubelet) --\\
    Service (API server) ---> witness --> roster --> every sentinel
    key (the pod itself, with its token) --/

A sentinel connects to nothing but what stands here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Beacon:
    """One pod that answers challenges. `born` and `since` in wall seconds of the witness.

    `target`: what others know its namespace by. `key`: its Ed25519 public key, 32 bytes, empty until it
    handed it over. `ready` since `since`, through a probe that goes through the listener itself. `neutral`:
    no policy of ours selects it.
    """

    target: str
    tenant: str
    uid: str
    port: int
    addresses: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    key: bytes = b""
    ready: bool = False
    since: float = 0.0
    born: float = 0.0
    node: str = ""
    host: str = ""  # the node's own address
    neutral: bool = True


@dataclass(frozen=True, slots=True)
class Arrival:
    """A challenge of ours that a beacon received, by that beacon's word and our own signature."""

    target: str
    uid: str
    nonce: bytes
    protocol: str


@dataclass(frozen=True, slots=True)
class Roster:
    """What the witness says at one moment.

    `heard`: uid of a beacon -> how many reports of arrivals it has handed in so far. Two more than when a
    question was over mean that whatever had arrived by then is in `arrivals`: reports are sent one after
    the other. `refused`: addresses that no roster may hold, each with why.
    """

    number: int = 0
    beacons: tuple[Beacon, ...] = ()
    lighthouse: Beacon | None = None
    heard: Mapping[str, int] = field(default_factory=dict)
    arrivals: tuple[Arrival, ...] = ()
    refused: tuple[str, ...] = ()
