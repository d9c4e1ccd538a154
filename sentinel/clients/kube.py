"""One connection to the API server, over which a whole round is asked.

A denial means something only on the connection whose controls were good: another connection may
lead to another, starting server. So there is one at a time, every one that is opened is counted,
and what aiohttp does silently (a reconnect) is seen. No redirects, no proxies from the environment,
no cookies, no retries, no decompression, small buffers: what is not read cannot leak.
"""

import errno
import functools
import itertools
import secrets
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.tracing import Trace
from yarl import URL

from sentinel import __version__
from sentinel.clients.clock import Clock
from sentinel.clients.session import Session
from sentinel.core.api import wire
from sentinel.core.api.ledger import PREFIX
from sentinel.core.api.reply import BODY_LIMIT, Fault, Reply, clean
from sentinel.core.api.wire import FORBIDDEN, MERGE_PATCH, Wire
from sentinel.errors import OwnFault

JSON = wire.JSON
NO_DATA = wire.NO_DATA
USER_AGENT = f"tenant-sentinel/{__version__}"
MOST_WAIT = 60
"""Seconds for which a server may silence us: who is silenced for longer is blind for longer."""
_READ_BUFFER = 1024
_MOST_HEADERS = 8190
_LATE = 0.25
"""Seconds by which a timeout may fire late; beyond that it was our own loop that slept."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `token` None asks without credentials; `keep` is how much of a 2xx is read.

    `errors`: the statuses whose text is kept, cut at `BODY_LIMIT`. `impersonate`: in whose name.
    """

    method: str
    path: str
    token: str | None = None
    accept: str = NO_DATA
    body: bytes | None = None
    keep: int = 0
    content_type: str = ""
    impersonate: str = ""
    errors: frozenset[int] = FORBIDDEN


def request_of(asked: Wire, token: str | None) -> Request:
    """What is sent for a question, with our credentials."""
    return Request(
        asked.method,
        asked.path,
        token,
        asked.accept,
        asked.body,
        asked.keep,
        asked.content_type,
        asked.impersonate,
        asked.errors,
    )


class Sent(NamedTuple):
    """One request that left: its number in this process, and the status of the answer, 0 for none.

    `at`: when, wall seconds. Its Audit-Id is `PREFIX`, `PROCESS`, a dash and the number.
    """

    number: int
    request: Request
    status: int
    at: float


PROCESS = secrets.token_hex(6)
"""Of all Audit-Ids of this process."""
_NOTE: ContextVar[Callable[[Sent], None] | None] = ContextVar("note", default=None)


@contextmanager
def noted_by(note: Callable[[Sent], None]) -> Iterator[None]:
    """Every request of every connection in this task, and in the tasks it starts, is told; must not block."""
    mark = _NOTE.set(note)
    try:
        yield
    finally:
        _NOTE.reset(mark)


_ALLOW: ContextVar[Callable[[], bool] | None] = ContextVar("allow", default=None)


@contextmanager
def allowed_by(allow: Callable[[], bool]) -> Iterator[None]:
    """Before every request of every connection in this task, and in the tasks it starts, this is asked."""
    mark = _ALLOW.set(allow)
    try:
        yield
    finally:
        _ALLOW.reset(mark)


class _Connector(aiohttp.TCPConnector):
    """At most one connection at a time, and a count of how many there have been.

    aiohttp's own tracing tells the same, at a fifth of the cost of a request.
    """

    opened = 0

    async def _create_connection(  # aiohttp's own signature
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
    ) -> ResponseHandler:
        # Counted before it is there: one that hangs is not the one that the controls were asked on.
        self.opened += 1
        return await super()._create_connection(req, traces, timeout)

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        ends = should_close or protocol.should_close
        if ends:
            # Closing politely, TLS reads on for half a minute what a server without end still sends.
            protocol.abort()
        super()._release(key, protocol, should_close=ends)


class Connection(Session):
    """A session of at most one connection; `opened` counts how many were begun."""

    def __init__(self, url: str, tls: ssl.SSLContext | None, timeout: float, clock: Clock) -> None:
        """Prepare; nothing is opened before the first request. `timeout` in seconds, for each."""
        self._url = url.rstrip("/")
        self._tls = tls
        self._timeout = timeout
        self._clock = clock
        self._connector: _Connector | None = None

    @property
    def opened(self) -> int:
        """Connections begun so far: more than one means that some question went over another."""
        return self._connector.opened if self._connector is not None else 0

    def _options(self) -> dict[str, Any]:
        self._connector = _Connector(limit=1, ssl=self._tls or True, ttl_dns_cache=10)
        return {
            "connector": self._connector,
            "timeout": aiohttp.ClientTimeout(total=self._timeout),
            "auto_decompress": False,
            "read_bufsize": _READ_BUFFER,
            "max_field_size": _MOST_HEADERS,
            "max_line_size": _MOST_HEADERS,
            "headers": {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        }

    async def ask(self, request: Request) -> Reply:
        """Send one request; whatever comes back, or does not, is a Reply and never an error.

        Raises OwnFault where we may not ask any more.
        """
        allow = _ALLOW.get()
        if allow is not None and not allow():
            raise OwnFault("another pod of this tenant asks now: the lease is not ours")
        number = next(_COUNTER)
        start, at = self._clock.monotonic(), self._clock.wall()
        status = 0
        try:
            reply = await self._asked(request, f"{PREFIX}{PROCESS}-{number}", at, start)
            status = reply.status
            return reply
        finally:
            # Also when the round ends in the middle of it: the API server has it in its audit log.
            note = _NOTE.get()
            if note is not None:
                note(Sent(number, request, status, at))

    async def _asked(self, request: Request, nonce: str, at: float, start: float) -> Reply:
        try:
            return await self._send(request, nonce, at, start)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            took = self._clock.monotonic() - start
            fault = self._fault(error, took)
            detail = clean(f"{fault.value}: {type(error).__name__}")
            return Reply(at, took, nonce=nonce, fault=fault, detail=detail)

    async def _send(self, request: Request, nonce: str, at: float, start: float) -> Reply:
        assert self._session is not None, "ask is called inside `async with`"
        async with self._session.request(
            request.method,
            _address(self._url, request.path),
            headers=_headers(request, nonce),
            data=request.body,
            allow_redirects=False,
        ) as response:
            body = await _read(response, request)
            headers = response.headers
            return Reply(
                at=at,
                took=self._clock.monotonic() - start,
                status=response.status,
                audit_id=headers.get("Audit-Id", ""),
                nonce=nonce,
                flow=headers.get("X-Kubernetes-Pf-Flowschema-Uid", ""),
                nosniff=headers.get("X-Content-Type-Options", "") == "nosniff",
                warning="Warning" in headers,
                retry_after=_seconds(headers.get("Retry-After", "")),
                body=body,
            )

    def _fault(self, error: Exception, took: float) -> Fault:
        if isinstance(error, TimeoutError):
            # While our own loop was late, the far side's silence proves nothing.
            return Fault.TIMEOUT if took < self._timeout + _LATE else Fault.OWN
        return next((fault for kind, fault in _FAULTS if isinstance(error, kind)), _os(error))


async def _read(response: aiohttp.ClientResponse, request: Request) -> bytes:
    """At most `BODY_LIMIT` of an error, `keep` of a success. What is longer drops the connection."""
    success = 200 <= response.status < 300
    limit = request.keep if success else BODY_LIMIT
    chunks, size = [], 0
    while size < limit:
        chunk = await response.content.read(limit - size)
        if not chunk:
            break
        chunks.append(chunk)
        size += len(chunk)
    if not response.content.at_eof():
        response.close()
    # Where the text of an error is no evidence, the status is, and the text is forgotten.
    return b"".join(chunks) if success or response.status in request.errors else b""


@functools.lru_cache(maxsize=8192)
def _address(url: str, path: str) -> URL:
    """The URL as it is sent; parsing it anew for each request would be a tenth of its cost."""
    return URL(url + path, encoded=True)


def _headers(request: Request, nonce: str) -> dict[str, str]:
    headers = {"Accept": request.accept, "Audit-ID": nonce}
    if request.token is not None:
        headers["Authorization"] = f"Bearer {request.token}"
    if request.body is not None:
        headers["Content-Type"] = request.content_type or _CONTENT_TYPES.get(request.method, JSON)
    if request.impersonate:
        headers["Impersonate-User"] = request.impersonate
    return headers


def _seconds(text: str) -> float:
    """Of a Retry-After in digits, which is all that an API server sends."""
    return float(min(int(text), MOST_WAIT)) if text.isascii() and text.isdigit() and len(text) < 7 else 0.0


def _os(error: Exception) -> Fault:
    number = getattr(error, "errno", None)
    if number == errno.ECONNREFUSED:
        return Fault.REFUSED
    if number in (errno.ECONNRESET, errno.EPIPE):
        return Fault.RESET
    # No route, no descriptor, no permission: nothing the far side said.
    return Fault.OWN


_FAULTS: tuple[tuple[type[BaseException], Fault], ...] = (
    (aiohttp.ClientConnectorDNSError, Fault.DNS),
    (aiohttp.ClientSSLError, Fault.TLS),
    (ssl.SSLError, Fault.TLS),
    (aiohttp.ServerDisconnectedError, Fault.RESET),
    (aiohttp.ClientPayloadError, Fault.PROTOCOL),
    (aiohttp.ClientResponseError, Fault.PROTOCOL),
)
_CONTENT_TYPES = {"PATCH": MERGE_PATCH}
_COUNTER = itertools.count(1)
