"""One completion asked for: what was expected, and what came, without judgement.

`probes.completion` gives a `Heard`; `core.outcome` says what it means. Times are seconds since the
probe began, as the user would have waited. Of the reply's words only the judge sees anything:
they are in no repr.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sentinel.core.gateway.transcript import Transcript


class Trouble(StrEnum):
    """Why the answer did not come, or did not come to its end; a closed set."""

    DNS = "dns"  # there is no such name
    REFUSED = "refused"  # nobody listens there
    UNROUTED = "unrouted"  # the network says that it cannot be reached
    RESET = "reset"  # the connection ended before there was an answer
    TLS = "tls"  # no certificate for this name, or no TLS at all
    CONNECT = "connect"  # no connection in the time allowed
    PROTOCOL = "protocol"  # not HTTP, or headers without end
    LATE_HEADERS = "late-headers"  # nothing came in the time allowed
    LATE_TOKEN = "late-token"  # headers, and no token in the time allowed
    IDLE = "idle"  # tokens, and then silence
    TOO_LONG = "too-long"  # it went on for longer than is allowed for all of it
    ABORT = "abort"  # the connection ended in the middle of the answer
    RESOLVER = "resolver"  # ours: no resolver answers
    KEY = "key"  # ours: the key's file is missing, empty or unfit
    RESOURCES = "resources"  # ours: no sockets, no files, no memory left
    LAG = "lag"  # ours: our own loop slept meanwhile
    CLOCK = "clock"  # ours: a clock jumped meanwhile
    BUG = "bug"  # ours: it says so in the log


OURS = frozenset(
    (Trouble.RESOLVER, Trouble.KEY, Trouble.RESOURCES, Trouble.LAG, Trouble.CLOCK, Trouble.BUG),
)
"""What says nothing about the gateway."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a user waits, in seconds. Defaults: `total` is below the promise's 30 s, so that a hang is seen."""

    connect: float = 2.0
    first_token: float = 10.0  # of a stream; an answer in one piece has all of `total`
    idle: float = 5.0  # between two tokens
    total: float = 25.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of one probe. Headers have lower-case names."""

    start: float  # the caller's monotonic clock
    at: float  # wall clock, for evidence
    took: float  # seconds from start to the end, whatever the end was
    stream: bool
    status: int | None = None  # None: it did not come to that
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    connected: float | None = None
    answered: float | None = None  # the headers
    trouble: Trouble | None = None
    transcript: Transcript = field(default_factory=Transcript, repr=False)

    @property
    def end(self) -> float:
        """When it ended, on the clock of `start`."""
        return self.start + self.took

    @property
    def first_token(self) -> float | None:
        """Seconds to the first token, None when there was none."""
        at = self.transcript.first_token
        return None if at is None else at - self.start
