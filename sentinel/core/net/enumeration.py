"""What the cluster's DNS tells about somebody else's namespace, to whoever asks.

    control resolves, absent name does not | the question | the same two again

DNS in Kubernetes is nobody's in particular: exact names, and names of addresses, are answered to all.
So whether that is a breach is for the operator to say (`network.dns.private`).
"""

import ipaddress
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from sentinel.core.answer import Answer, Observation
from sentinel.core.api.resources import ABSENT_NAME, ABSENT_NAMESPACE
from sentinel.core.net.landing import TIMEOUT

CHECK = "net/dns"
_NO = ("NXDOMAIN", "REFUSED", "NOTAUTH", "NOTIMP")
"""Codes by which a server says that it will not tell, or has nothing to tell (RFC 1035, 2136)."""

MALFORMED = "MALFORMED"
"""In the place of an errno's name: what came is no answer to this question, or the connection ended before it."""
_SPOILT = (MALFORMED, "ECONNRESET", "EPIPE")


class Look(StrEnum):
    """Ways to find names."""

    WILDCARD = "wildcard"  # `*` in the place of a Service: CoreDNS answered with all of them before 1.9
    ANY = "any"  # `any`, the same in the older spelling
    SERVICE = "srv"  # the ports of a Service whose name can be guessed
    TRANSFER = "axfr"  # the whole zone at once
    REVERSE = "reverse"  # the names of addresses, one after the other


@dataclass(frozen=True, slots=True)
class NameQuestion:
    """One way, about one namespace or (`*`) all of them."""

    identity: str
    look: Look
    target: str
    zone: str

    @property
    def check(self) -> str:
        """The class of promise, a closed label."""
        return CHECK

    @property
    def name(self) -> str:
        """What is asked for; of reverse look-ups, each address has its own."""
        match self.look:
            case Look.WILDCARD:
                return f"*.{self.target}.svc.{self.zone}"
            case Look.ANY:
                return f"any.{self.target}.svc.{self.zone}"
            case Look.SERVICE:
                return f"sentinel.{self.target}.svc.{self.zone}"
            case Look.TRANSFER | Look.REVERSE:
                return self.zone

    @property
    def kind(self) -> str:
        """The type of record that is asked for."""
        # SRV of whatever a wildcard finds: a Service has them in either family, an A in one.
        return {Look.TRANSFER: "AXFR", Look.REVERSE: "PTR"}.get(self.look, "SRV")

    @property
    def stream(self) -> bool:
        """Whether it is asked over TCP. A transfer is never given over UDP."""
        return self.look is Look.TRANSFER

    @property
    def text(self) -> str:
        """For people: `resolve SRV sentinel.team-b.svc.cluster.local`."""
        if self.look is Look.REVERSE:
            return "resolve names of foreign addresses"
        return f"resolve {self.kind} {self.name}"

    @property
    def chosen(self) -> tuple[str, ...]:
        """None: namespaces and zone are the configuration's."""
        return ()

    def reproduce(self, user: str, groups: tuple[str, ...] = ()) -> str:
        """The same question, for a shell in a pod of the tenant."""
        del user, groups
        if self.look is Look.REVERSE:
            return ""
        return shlex.join(["dig", "+short", self.kind, self.name])


@dataclass(frozen=True, slots=True)
class Heard:
    """What a DNS server said. Times in seconds; `began` wall.

    `code`: the response's, by name, empty when none came. `records`: how many answers it counts.
    `names`: of a reverse look-up, those it gave. `error` as in a `Landing`.
    """

    began: float
    took: float = 0.0
    code: str = ""
    records: int = 0
    names: tuple[str, ...] = ()
    error: str = ""


def control_of(zone: str) -> str:
    """The name that every cluster has, and every pod may resolve."""
    return f"kubernetes.default.svc.{zone}"


def absent_in(zone: str) -> str:
    """A name that no cluster has: a server that answers it would answer anything."""
    return f"{ABSENT_NAME}.{ABSENT_NAMESPACE}.svc.{zone}"


def observe(heard: Heard) -> Observation:
    """What came back to one question."""
    return Observation(_answer(heard), heard.began, heard.took, detail=heard.code or heard.error)


def observe_names(heard: Collection[Heard], zone: str, own: Collection[str], now: float) -> Observation:
    """What came back to reverse look-ups: served if one gave a name in somebody else's namespace.

    `own`: our tenant's namespaces. `now` stands for when none was made.
    """
    told = [_strangest(one, zone, own) for one in heard]
    for answer in (Answer.SERVED, Answer.UNASKED, Answer.BROKEN, Answer.ABSENT, Answer.SILENT, Answer.DENIED):
        for one, found in zip(heard, told, strict=True):
            if found is answer:
                return Observation(found, one.began, one.took, detail=one.code or one.error)
    return Observation(Answer.UNASKED, now, detail="no address is known")


def is_sound(controls: Collection[Heard], absent: Heard) -> bool:
    """Whether these controls show a server that knows the cluster and makes nothing up.

    `controls`: of the same name, one for each family; one answer is enough.
    """
    return any(_answer(control) is Answer.SERVED for control in controls) and _answer(absent) is Answer.DENIED


def reverse_of(address: str) -> str:
    """The name under which an address's names are found."""
    return ipaddress.ip_address(address).reverse_pointer


def neighbours(address: str) -> tuple[str, ...]:
    """The addresses beside this one: its /24, or none of IPv6, whose ranges have no end."""
    found = ipaddress.ip_address(address)
    if found.version == 6:
        return ()
    network = ipaddress.ip_network(f"{address}/24", strict=False)
    return tuple(str(other) for other in network.hosts() if other != found)


def _answer(heard: Heard) -> Answer:
    if heard.code == "NOERROR":
        return Answer.SERVED if heard.records else Answer.DENIED
    if heard.code in _NO:
        return Answer.DENIED
    if heard.code:
        return Answer.BROKEN
    if heard.error == TIMEOUT:
        return Answer.SILENT
    if heard.error == "ECONNREFUSED":
        return Answer.ABSENT
    return Answer.BROKEN if heard.error in _SPOILT else Answer.UNASKED


def _strangest(heard: Heard, zone: str, own: Collection[str]) -> Answer:
    found = _answer(heard)
    if found is Answer.SERVED and not any(_is_foreign(name, zone, own) for name in heard.names):
        return Answer.DENIED
    return found


def _is_foreign(name: str, zone: str, own: Collection[str]) -> bool:
    inside, _, rest = name.rstrip(".").lower().rpartition(f".svc.{zone}".lower())
    return bool(inside) and not rest and inside.rpartition(".")[2] not in own
