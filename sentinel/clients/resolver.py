"""DNS questions to one server, as bytes on a socket of their own: no cache, no search list, no second try.

A reply is read up to its header: the code and how many answers there are. What these answers are is
nobody's business here, except the names of reverse look-ups, which say whose they are.
"""

import asyncio
import contextlib
import errno
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from sentinel.clients.clock import Clock
from sentinel.core.net.enumeration import MALFORMED, Heard
from sentinel.core.net.landing import TIMEOUT

PORT = 53
_CONFIGURED = Path("/etc/resolv.conf")
_MOST_NAMES = 16


@dataclass(frozen=True)
class Resolver:
    """One server. `timeout` in seconds, for one question."""

    address: str
    timeout: float
    clock: Clock
    port: int = PORT

    async def ask(self, name: str, kind: str, *, stream: bool = False) -> Heard:
        """What the server says to this question. Never raises: how it ended is in what was heard."""
        query = dns.message.make_query(name, kind)
        began, start = self.clock.wall(), self.clock.monotonic()
        code, records, error = "", 0, ""
        names: tuple[str, ...] = ()
        try:
            async with asyncio.timeout(self.timeout):
                wire = await (self._over_tcp(query) if stream else self._over_udp(query))
            code, records, names = _read(wire, query, named=kind == "PTR")
        except TimeoutError:
            error = TIMEOUT
        except (asyncio.IncompleteReadError, dns.exception.DNSException):
            error = MALFORMED
        except OSError as failure:
            error = errno.errorcode.get(failure.errno or 0, "EIO")
        return Heard(began, self.clock.monotonic() - start, code, records, names, error)

    async def _over_tcp(self, query: dns.message.QueryMessage) -> bytes:
        """The first message of the reply: a zone that is given away need not be taken."""
        reader, writer = await asyncio.open_connection(self.address, self.port)
        try:
            wire = query.to_wire()
            writer.write(len(wire).to_bytes(2, "big") + wire)
            await writer.drain()
            return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        finally:
            writer.transport.abort()

    async def _over_udp(self, query: dns.message.QueryMessage) -> bytes:
        loop = asyncio.get_running_loop()
        transport, talk = await loop.create_datagram_endpoint(
            lambda: _Talk(query.id, loop.create_future()), remote_addr=(self.address, self.port)
        )
        try:
            transport.sendto(query.to_wire())
            return await talk.reply
        finally:
            transport.abort()


@dataclass
class _Talk(asyncio.DatagramProtocol):
    """Waits for the datagram that has our number."""

    number: int
    reply: asyncio.Future[bytes]

    def datagram_received(self, data: bytes, addr: object) -> None:
        del addr
        if data[:2] == self.number.to_bytes(2, "big") and not self.reply.done():
            self.reply.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(exc)


def _read(wire: bytes, query: dns.message.QueryMessage, *, named: bool) -> tuple[str, int, tuple[str, ...]]:
    reply = dns.message.from_wire(wire, question_only=not named, ignore_trailing=True, one_rr_per_rrset=True)
    if not query.is_response(reply):
        raise dns.exception.FormError
    records = int.from_bytes(wire[6:8], "big")
    if reply.flags & dns.flags.TC:
        # Too much for one datagram: there is something, whether any of it came along or not.
        records = max(1, records)
    pointers = (str(row) for rows in reply.answer if rows.rdtype == dns.rdatatype.PTR for row in rows)
    return dns.rcode.to_text(reply.rcode()), records, tuple(pointers)[:_MOST_NAMES] if named else ()


def configured(path: Path = _CONFIGURED) -> str | None:
    """The first server that the pod itself would ask, None where there is none."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in path.read_text().splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver":
                return words[1]
    return None
