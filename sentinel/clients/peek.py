"""One HTTP request on a socket of its own, of whose reply nothing is read that we need not know.

The status and the headers, of a denial the first words; then the connection is cut. Nothing is followed,
nothing is sent twice, and nobody's certificate is checked, since nothing secret is ever said here.
"""

import asyncio
import errno
import re
import socket
import ssl
from dataclasses import dataclass, field

from sentinel import __version__
from sentinel.clients.clock import Clock
from sentinel.core.net.landing import TIMEOUT, Landing

MOST_HEAD = 4096
"""Bytes of status and headers."""
MOST_BODY = 1024
"""Bytes of a denial's body."""
_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d{1,9}) *(?:\r\n|$)", re.IGNORECASE)
"""Who does not close the connection need not be waited for."""
_DENIAL = re.compile(rb"HTTP/1\.[01] 40[13]\b")


@dataclass
class _Seen:
    """What is known when time is up."""

    connected: bool = False
    reply: bytes = b""
    error: str = ""
    writer: asyncio.StreamWriter | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Peek:
    """Looks at ports. `timeout` in seconds, for all of one look."""

    timeout: float
    clock: Clock

    async def at(self, address: str, port: int, path: str, header: str = "", *, tls: bool = False) -> Landing:
        """What `GET path` gives there. Never raises: how it ended is in the landing."""
        began, start, seen = self.clock.wall(), self.clock.monotonic(), _Seen()
        try:
            async with asyncio.timeout(self.timeout):
                await _talk(seen, address, port, _request(address, path, header), tls=tls)
        except TimeoutError:
            seen.error = TIMEOUT
        except ssl.SSLError:
            seen.error = "TLS"
        except OSError as error:
            seen.error = errno.errorcode.get(error.errno or 0, "EIO")
        finally:
            if seen.writer is not None:
                seen.writer.transport.abort()
        took = self.clock.monotonic() - start
        late = max(0.0, took - self.timeout) if seen.error == TIMEOUT else 0.0
        return Landing(began, took, seen.connected, seen.error, seen.reply, late)


def _request(address: str, path: str, header: str) -> bytes:
    host = f"[{address}]" if ":" in address else address
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", f"User-Agent: tenant-sentinel/{__version__}", "Accept: */*"]
    return "\r\n".join([*lines, *([header] if header else []), "Connection: close", "", ""]).encode()


async def _talk(seen: _Seen, address: str, port: int, request: bytes, *, tls: bool) -> None:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        # What is not read waits over there, and not in our kernel's memory.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MOST_HEAD)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
        seen.connected = True
        context = _trusting() if tls else None
        reader, seen.writer = await asyncio.open_connection(
            sock=sock, ssl=context, server_hostname=address if tls else None, limit=MOST_HEAD
        )
    except BaseException:
        sock.close()
        raise
    seen.writer.write(request)
    await seen.writer.drain()
    await _read(seen, reader)


async def _read(seen: _Seen, reader: asyncio.StreamReader) -> None:
    while _END not in seen.reply and len(seen.reply) < MOST_HEAD:
        if not (more := await reader.read(MOST_HEAD - len(seen.reply))):
            return
        seen.reply += more
    head, end, begun = seen.reply.partition(_END)
    if not _DENIAL.match(head):
        # Whatever follows is somebody's data.
        seen.reply = head + end
        return
    length = _LENGTH.search(head)
    wanted = min(MOST_BODY, int(length[1])) if length else MOST_BODY
    while len(begun) < wanted and (more := await reader.read(wanted - len(begun))):
        begun += more
        seen.reply = head + end + begun


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
