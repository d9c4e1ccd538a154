"""Whose token this is, by the API server's word: TokenReviews with an account of our own.

    token --hash--> remembered? --> the user and the pod, or nobody
                 \\-> asked already? -> the same answer for all who wait
                  \\-> TokenReview with our audience

Nothing is kept of a token but its hash, for a minute where it was good and for ten seconds where it
was not. Strangers pay for what they make us ask: each address may bring so many bad tokens, and is
then told to wait, while tokens that were good before are reviewed without a queue.
"""

import asyncio
import hashlib
import json
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from sentinel.clients.clock import Clock
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.kube import JSON, Connection, Request
from sentinel.core.api.reply import Reply
from sentinel.core.api.token import claims_of
from sentinel.core.claim import Bucket
from sentinel.errors import BadReply, OwnFault, Throttled, Unreachable

POD_UID = "authentication.kubernetes.io/pod-uid"
"""In what the API server says of a token besides its user, since Kubernetes 1.20; a list of one."""
PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
GOOD_SECONDS = 60.0
"""For which a good token is believed: so long may an account that was deleted still speak."""
BAD_SECONDS = 10.0
MOST_REMEMBERED = 4096
"""Tokens, good and bad, and addresses. The oldest are forgotten."""
MOST_TOKEN = 16 * 1024
"""Characters; a ServiceAccount's has about 1,200."""
BAD_RATE = 10.0
"""Bad tokens a second from one address, ..."""
BAD_BURST = 100.0
"""... and at once: all tenants may come from one address, where a proxy stands before us."""
MOST_ASKED = 64
"""Tokens that are asked about at the same time; there is one connection."""
_BODY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Speaker:
    """Whose a token is. `pod`: the uid of the pod that it is bound to, empty where it is bound to none."""

    user: str
    pod: str = ""


@dataclass(frozen=True, slots=True)
class _Known:
    """What was said of a token: whose it is, None for nobody's. `until` in wall seconds."""

    speaker: Speaker | None
    until: float


class TokenReviews:
    """Used as `async with`. `endpoint` is asked again for each connection, as its CA may change."""

    def __init__(self, endpoint: Callable[[], Endpoint], audience: str, clock: Clock, timeout: float = 4.0) -> None:
        """`timeout` in seconds, for each review."""
        self._endpoint = endpoint
        self._audience = audience
        self._clock = clock
        self._timeout = timeout
        self._known: dict[bytes, _Known] = {}
        self._asking: dict[bytes, asyncio.Task[Speaker | None]] = {}
        self._strangers: dict[str, Bucket] = {}
        self._stack = AsyncExitStack()
        self._connection: Connection | None = None
        self._tls: ssl.SSLContext | None = None
        self._connecting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Nothing is opened before the first review."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection; whoever still waits for an answer is cancelled."""
        waiting = [*self._asking.values()]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await self._stack.aclose()

    async def speaker_of(self, token: str, address: str = "") -> Speaker | None:
        """Whose this token is, None when it is not good for our audience. `address`: who brings it.

        Raises ClientError when nobody can tell, Throttled when this address brought too many bad ones.
        """
        mark = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        known, now = self._known.get(mark), self._clock.wall()
        if known is not None and now < known.until:
            return known.speaker
        ends = self._ends(token)
        if ends is None or ends <= now:
            return None
        task = self._asking.get(mark)
        if task is None:
            task = self._begin(mark, token, ends, address, was_good=known is not None and known.speaker is not None)
        # One who hangs up must not take the answer away from the others.
        return await asyncio.shield(task)

    def _ends(self, token: str) -> float | None:
        """When it ends, by its own word; None for what need not be asked about: it names other audiences."""
        claims = claims_of(token) if len(token) <= MOST_TOKEN else None
        if claims is None or self._audience not in claims.audiences:
            return None
        return claims.expires

    def _begin(
        self, mark: bytes, token: str, ends: float, address: str, *, was_good: bool
    ) -> "asyncio.Task[Speaker | None]":
        if not was_good:
            self._charge(address)
            if len(self._asking) >= MOST_ASKED:
                raise Throttled(f"{MOST_ASKED} tokens are being reviewed already", 1.0)
        work = self._learn(mark, token, ends, address, was_good=was_good)
        task = self._asking[mark] = asyncio.create_task(work, name="token review")
        task.add_done_callback(lambda done: self._forget(mark, done))
        return task

    async def _learn(self, mark: bytes, token: str, ends: float, address: str, *, was_good: bool) -> Speaker | None:
        speaker = await self._ask(token)
        life = BAD_SECONDS if speaker is None else GOOD_SECONDS
        self._known.pop(mark, None)
        self._known[mark] = _Known(speaker, min(ends, self._clock.wall() + life))
        _bound(self._known)
        if speaker is not None and not was_good:
            self._refund(address)
        return speaker

    def _forget(self, mark: bytes, done: "asyncio.Task[Speaker | None]") -> None:
        del self._asking[mark]
        if not done.cancelled():
            done.exception()  # told to whoever waited; if nobody did any more, nobody misses it

    async def _ask(self, token: str) -> Speaker | None:
        spec = {"token": token, "audiences": [self._audience]}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        connection = await self._connected()
        own = self._endpoint().own.read()
        asked = Request("POST", PATH, own.text if own else "", JSON, json.dumps(body).encode("ascii"), keep=_BODY_BYTES)
        return _speaker(await connection.ask(asked), self._audience)

    async def _connected(self) -> Connection:
        """The connection; a new one when the CA changed. Raises OwnFault."""
        found = self._endpoint()
        async with self._connecting:
            tls = found.trust()
            if self._connection is None or tls is not self._tls:
                await self._stack.aclose()
                made = Connection(found.url, tls, self._timeout, self._clock)
                self._connection, self._tls = await self._stack.enter_async_context(made), tls
            return self._connection

    def _charge(self, address: str) -> None:
        now = self._clock.monotonic()
        bucket = self._strangers.pop(address, None) or Bucket(BAD_RATE, BAD_BURST, BAD_BURST, now)
        self._strangers[address], early = bucket.spend(1, now)
        _bound(self._strangers)
        if early:
            raise Throttled("too many bad tokens from this address", early)

    def _refund(self, address: str) -> None:
        bucket = self._strangers.get(address)
        if bucket is not None:
            self._strangers[address] = replace(bucket, level=bucket.level + 1)


def _bound(table: dict[Any, Any]) -> None:
    while len(table) > MOST_REMEMBERED:
        del table[next(iter(table))]


def _speaker(reply: Reply, audience: str) -> Speaker | None:
    """Whose it is by this reply; None when it is nobody's. Raises ClientError for any other reply."""
    if reply.fault is not None or reply.status >= 500:
        raise Unreachable(f"token review: {reply.detail or reply.status}")
    if reply.status == 429:
        raise Throttled("token review: 429", 1.0)
    if reply.status != 201:
        raise OwnFault(f"token review: {reply.status}, expected 201: may the witness's account create tokenreviews?")
    try:
        status = json.loads(reply.body)["status"]
        if status.get("authenticated") is not True or audience not in status.get("audiences", ()):
            return None
        pods = (status["user"].get("extra") or {}).get(POD_UID) or [""]
        return Speaker(str(status["user"]["username"]), str(pods[0]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadReply("token review: the reply is not understood") from error
