"""One kind of object as the API server tells it: the pages of a list, and the lines of a watch.

Tenants write these objects, so nothing here may grow with what they write: a page that is too
large is asked for in smaller pieces, a line that is too long is passed over. Whatever ends a feed
is a `Broken` with a reason from a closed list.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from sentinel.clients.endpoint import Endpoint
from sentinel.clients.kube import JSON, USER_AGENT
from sentinel.clients.tokens import Source
from sentinel.core.api.reply import clean
from sentinel.errors import ClientError, OwnFault

PAGE = 500
"""Objects asked for at once, as kubectl does."""
PAGE_BYTES = 4 * 1024 * 1024
"""Of a page: parsing more would hold up the loop for longer than 50 ms."""
OBJECT_BYTES = 16 * 1024 * 1024
"""Of a page of one object: etcd takes 1.5 MB, which JSON can make eight times as long."""
LINE_BYTES = 1024 * 1024
"""Of a line of a watch; what is longer is fetched by a list."""
_READ_BUFFER = 64 * 1024
_SHRINK = 8
_LIST_SECONDS = 30.0
_CONNECT_SECONDS = 10.0


class Restart(StrEnum):
    """Why a watch had to begin anew: a closed set, since it is a label."""

    EOF = "eof"  # the stream ended before its time
    GONE = "gone"  # 410: what we knew was compacted away
    ERROR = "error"  # an error, or something that makes no sense
    SILENT = "silent"  # no line in time, not even a bookmark
    REFUSED = "refused"  # 401, 403, 429, or a token of ours that is missing
    LIST = "list"  # the list could not be had
    LIED = "lied"  # a list showed what the watch had not told


class Broken(ClientError):
    """The feed ended. `retry_after` in seconds, when the far side named a time."""

    def __init__(self, reason: Restart, detail: str = "", retry_after: float = 0.0) -> None:
        """`detail` is cut and cleaned: it may come from outside."""
        self.reason = reason
        self.detail = clean(detail)
        self.retry_after = retry_after
        super().__init__(f"{reason.value}: {self.detail}")


@dataclass(frozen=True, slots=True)
class Page:
    """Some objects of a list, and the version of the whole list."""

    items: Sequence[Mapping[str, Any]]
    version: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a watch: `type` as the API server writes it, empty when it could not be read."""

    type: str = ""
    object: Mapping[str, Any] | None = None
    cut: bool = False  # longer than we read


class Feed:
    """Lists and watches one path with one account's token, which is read anew for each."""

    def __init__(self, path: str, endpoint: Callable[[], Endpoint], source: Source, labels: str = "") -> None:
        """Nothing is opened yet. `path` has no query; `labels`: a label selector, empty for everything."""
        self._path = path
        self._selected = {"labelSelector": labels} if labels else {}
        self._endpoint = endpoint
        self._source = source

    async def pages(self) -> AsyncGenerator[Page, None]:
        """The whole list as it is now, consistently, in pieces. Raises Broken."""
        # A list that is slow is as good as none, but one that has many pages may take its time.
        async with self._session() as (session, url):
            version, more, limit = "", "", PAGE
            while True:
                query = {"limit": str(limit)} | self._selected | ({"continue": more} if more else {})
                body = await _page(session, f"{url}?{urlencode(query)}", limit)
                if body is None:
                    limit = max(1, limit // _SHRINK)
                    continue
                page, more = _parse_page(body)
                version = version or page.version
                yield Page(page.items, version)
                if not more:
                    return
                limit = min(PAGE, limit * _SHRINK)

    @asynccontextmanager
    async def watch(self, version: str, lasts: int, silence: float) -> AsyncIterator["Stream"]:
        """What happens after `version`, for `lasts` seconds. Raises Broken.

        `silence`: seconds without a line after which the stream is taken for dead.
        """
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(lasts),
        } | self._selected
        async with self._session() as (session, url):
            with _translated(Restart.EOF):
                # Not wait_for: until Python 3.12 it loses a cancellation that comes with the answer.
                async with asyncio.timeout(silence):
                    response = await session.get(URL(f"{url}?{urlencode(query)}", encoded=True), allow_redirects=False)
            try:
                _refuse(response, Restart.ERROR)
                yield Stream(response, silence)
            finally:
                response.close()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
        try:
            endpoint, token = self._endpoint(), self._source.read()
            trust = endpoint.trust()
        except OwnFault as error:
            raise Broken(Restart.REFUSED, str(error)) from error
        if token is None:
            raise Broken(Restart.REFUSED, "no token")
        async with aiohttp.ClientSession(
            connector=_Connector(limit=1, ssl=trust or True, ttl_dns_cache=10),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=_READ_BUFFER,
            headers={
                "User-Agent": USER_AGENT,
                "Accept": JSON,
                "Accept-Encoding": "identity",
                "Authorization": f"Bearer {token.text}",
            },
        ) as session:
            yield session, endpoint.url.rstrip("/") + self._path


class _Connector(aiohttp.TCPConnector):
    """What is not read to its end is dropped at once."""

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        ends = should_close or protocol.should_close
        if ends:
            # Closing politely, TLS reads on for half a minute what a server without end still sends.
            protocol.abort()
        super()._release(key, protocol, should_close=ends)


class Stream:
    """The open watch."""

    def __init__(self, response: aiohttp.ClientResponse, silence: float) -> None:
        """`silence` in seconds, from one line to the next."""
        self._response = response
        self._silence = silence
        self._why: Broken | None = None

    def abort(self, why: Broken) -> None:
        """End it; whoever reads gets this reason."""
        self._why = why
        self._response.close()

    async def lines(self) -> AsyncGenerator[Line, None]:
        """Each line as it comes; ends when the server ends the stream in good order. Raises Broken."""
        splitter = Splitter(LINE_BYTES)
        while True:
            # Bytes that never become a line are silence, too: each line has its whole time.
            async with _deadline(self._silence):
                found: list[bytes | None] = []
                while not found:
                    with _translated(Restart.EOF):
                        chunk = await self._read()
                    if not chunk:
                        return
                    found = list(splitter.feed(chunk))
            for line in found:
                yield Line(cut=True) if line is None else _parse_line(line)

    async def _read(self) -> bytes:
        try:
            chunk = await self._response.content.readany()
        except aiohttp.ClientError as error:
            if self._why is not None:
                raise self._why from error
            raise
        if self._why is not None:
            raise self._why
        return chunk


class Splitter:
    """Bytes into lines of at most `most` bytes; None stands for one that was longer."""

    def __init__(self, most: int) -> None:
        """Nothing is held yet."""
        self._most = most
        self._held = bytearray()
        self._skipping = False

    def feed(self, chunk: bytes) -> Iterator[bytes | None]:
        """The lines that end in this chunk; empty ones are left out."""
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            self._add(piece)
            line, skipped = bytes(self._held), self._skipping
            self._held.clear()
            self._skipping = False
            if skipped or line.strip():
                yield None if skipped else line
        self._add(rest)

    def _add(self, piece: bytes) -> None:
        if self._skipping or len(self._held) + len(piece) > self._most:
            self._held.clear()
            self._skipping = True
        else:
            self._held += piece


@asynccontextmanager
async def _deadline(silence: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(silence):
            yield
    except TimeoutError as error:
        raise Broken(Restart.SILENT, f"no line for {silence:g} s") from error


async def _page(session: aiohttp.ClientSession, url: str, limit: int) -> bytes | None:
    """The body of one page, None when it is too long and can be asked for in smaller pieces."""
    most = PAGE_BYTES if limit > 1 else OBJECT_BYTES
    with _translated(Restart.LIST):
        async with (
            asyncio.timeout(_LIST_SECONDS),
            session.get(URL(url, encoded=True), allow_redirects=False) as response,
        ):
            _refuse(response, Restart.LIST)
            body = bytearray()
            while chunk := await response.content.readany():
                body += chunk
                if len(body) > most:
                    response.close()
                    break
    if len(body) <= most:
        return bytes(body)
    if limit > 1:
        return None
    raise Broken(Restart.LIST, f"a page of one object of more than {most} bytes")


def _parse_page(body: bytes) -> tuple[Page, str]:
    try:
        listed = json.loads(body)
        meta, items = listed["metadata"], listed.get("items") or []
        found = [item for item in items if isinstance(item, dict)]
        return Page(found, str(meta["resourceVersion"])), str(meta.get("continue") or "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Broken(Restart.LIST, "not a list") from error


def _parse_line(line: bytes) -> Line:
    try:
        event = json.loads(line)
        if isinstance(event["type"], str) and isinstance(event["object"], dict):
            return Line(event["type"], event["object"])
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return Line()


def _refuse(response: aiohttp.ClientResponse, otherwise: Restart) -> None:
    """Raises Broken for everything but 200."""
    status = response.status
    if status == 200:
        return
    response.close()
    reason = _REASONS.get(status, otherwise)
    raise Broken(reason, f"status {status}", _seconds(response.headers.get("Retry-After", "")))


_REASONS = {401: Restart.REFUSED, 403: Restart.REFUSED, 429: Restart.REFUSED, 410: Restart.GONE}


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0.0


@contextmanager
def _translated(reason: Restart) -> Iterator[None]:
    """Turns what aiohttp and the system raise into Broken."""
    try:
        yield
    except TimeoutError as error:
        raise Broken(Restart.SILENT if reason is Restart.EOF else reason, "no answer in time") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Broken(reason, type(error).__name__) from error
