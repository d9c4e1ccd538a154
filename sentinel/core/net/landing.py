"""How one fresh socket ended: bytes and an errno, without judgement. `core/net/net_reply.py` says what it means."""

from dataclasses import dataclass

from sentinel.core.net.crossing import Protocol

TIMEOUT = "TIMEOUT"
"""In the place of an errno's name: nothing came back in time."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One socket to be opened. `after`: seconds from the start of the batch; `payload`: what is said once through."""

    address: str
    port: int
    protocol: Protocol
    payload: bytes
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Landing:
    """What became of it. `began` in wall seconds, `took` and `late` in seconds.

    `error` is an errno's name (`ECONNREFUSED`), `TIMEOUT`, or empty when something came back or the
    far side closed. `late`: by how much our own loop was late while this one waited; such a silence is ours.
    """

    began: float
    took: float
    connected: bool = False
    error: str = ""
    reply: bytes = b""
    late: float = 0.0
