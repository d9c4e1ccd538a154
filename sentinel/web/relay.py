"""The relay: where tenants' sentinels hand the witness their pages, and learn where to look.

    POST /api/v2/alerts --token--> tenant --limits--> core.claim.read --> take, one by one
    GET  /api/v1/hints?after=N --> what may have changed, as soon as it does

It speaks Alertmanager's API as far as a sentinel needs it, and nothing else of it: whoever gets in
can neither silence nor look. Who speaks is what the API server says of the token. All that a
tenant sends is bounded before it is read, and what is too much costs that tenant alone.
"""

import asyncio
import json
import math
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from sentinel.clients.clock import Clock
from sentinel.core import claim
from sentinel.core.claim import Bucket, Claim, Expected, Malformed, Names, Refusal, Result, Told
from sentinel.engine.hints import Hints
from sentinel.errors import ClientError, Throttled
from sentinel.settings.words import Address
from sentinel.web.tls import Certificate, Doorkeeper, listening

ALERTS = "/api/v2/alerts"
HINTS = "/api/v1/hints"
MOST_BODY = 256 * 1024
"""Bytes. A page has about two thousand."""
BODY_SECONDS = 5.0
"""For a body, from its first byte to its last."""
HINT_SECONDS = 25.0
"""For which a request for hints waits; less than any proxy on the way."""
MOST_PUSHES = 4
"""Of one tenant at the same time."""
MOST_WAITING = 4
"""Requests for hints of one tenant at the same time: two pods during a roll-out, twice."""
SHOWN = 20
"""Refusals that are told; the rest are counted."""
_SOON = 1.0
_AFTER = re.compile(r"[0-9]{1,18}")


_STATUS = {
    Result.MALFORMED: 400,
    Result.UNKNOWN_TOKEN: 401,
    Result.FOREIGN: 403,
    Result.NOT_FOUND: 404,
    Result.SLOW: 408,
    Result.TOO_LARGE: 413,
    Result.THROTTLED: 429,
    Result.UNAVAILABLE: 503,
}


class Reviewer(Protocol):
    """Who knows whose a token is; `clients.token_review.TokenReviews` is the real one."""

    async def user_of(self, token: str, address: str = "") -> str | None:
        """The user, None for nobody's token; raises ClientError when nobody can tell."""
        ...


class _NoError(Exception):
    """A request is refused: how, a sentence, and for how many seconds it should wait."""

    def __init__(self, result: Result, why: str, after: float = 0.0) -> None:
        super().__init__(why)
        self.result = result
        self.after = after


@dataclass(frozen=True, slots=True)
class Door:
    """What one tenant may say. `name`: the label `tenant`."""

    name: str
    expected: Expected


@dataclass
class _Tenant:
    """What one tenant is doing here now."""

    door: Door
    bucket: Bucket
    names: Names = field(default_factory=Names)
    busy: Counter[str] = field(default_factory=Counter)


@dataclass
class Relay:
    """The requests and their limits. `doors`: user name of a tenant's sentinel -> what it may say.

    `take` is handed each claim and says whether it changes anything. `count` is told how each request
    ended, `count_alerts` (tenant, `Told`, how many) and `count_hint` (tenant) the rest. `rate` in
    alerts per second of one tenant, `burst` in alerts.
    """

    doors: Mapping[str, Door]
    reviewer: Reviewer
    take: Callable[[str, Claim], bool]
    hints: Hints
    clock: Clock
    rate: float
    burst: float
    count: Callable[[str], None]
    count_alerts: Callable[[str, str, int], None]
    count_hint: Callable[[str], None]

    def __post_init__(self) -> None:
        """Full buckets for everybody."""
        now = self.clock.monotonic()
        fresh = Bucket(self.rate, self.burst, self.burst, now)
        self._tenants = {user: _Tenant(door, fresh) for user, door in self.doors.items()}

    @asynccontextmanager
    async def serve(self, where: Address, certificate: Certificate) -> AsyncIterator[Address]:
        """Serve until the block ends; gives the real address. Raises OwnFault."""
        async with listening(
            self.answer,
            where,
            certificate,
            malformed=lambda: self.count(Result.MALFORMED),
            dropped=lambda: self.count(Result.DROPPED),
        ) as address:
            yield address

    async def answer(self, keeper: Doorkeeper, request: web.BaseRequest) -> web.Response:
        """One request; whatever it is, it is answered and counted."""
        try:
            result, found = await self._serve(keeper, request)
        except _NoError as error:
            self.count(error.result)
            return _refusal(error)
        self.count(result)
        return _json(200, found)

    async def _serve(self, keeper: Doorkeeper, request: web.BaseRequest) -> tuple[Result, object]:
        kind = (request.method, request.path)
        if kind not in {("POST", ALERTS), ("GET", HINTS)}:
            raise _NoError(Result.NOT_FOUND, f"only POST {ALERTS} and GET {HINTS} are served here")
        if (request.content_length or 0) > MOST_BODY:
            raise _too_large()
        tenant = await self._tenant(request)
        keeper.vouch(request.protocol, tenant.door.name)
        if kind[0] == "GET":
            return Result.HINTED, await self._hint(tenant, request)
        return Result.TAKEN, await self._push(tenant, request)

    async def _tenant(self, request: web.BaseRequest) -> _Tenant:
        """Who asks, by the API server's word."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _NoError(Result.UNKNOWN_TOKEN, "a bearer token is needed")
        try:
            user = await self.reviewer.user_of(token.strip(), request.remote or "")
        except Throttled as error:
            raise _NoError(Result.THROTTLED, str(error), error.after or _SOON) from error
        except ClientError as error:
            why = "the API server does not say whose token this is"
            raise _NoError(Result.UNAVAILABLE, why, _SOON) from error
        if user is None:
            raise _NoError(Result.UNKNOWN_TOKEN, "the token is not valid here")
        if user not in self._tenants:
            raise _NoError(Result.FOREIGN, "this account is no tenant's sentinel")
        return self._tenants[user]

    async def _push(self, tenant: _Tenant, request: web.BaseRequest) -> object:
        with _one_of(tenant, "push", MOST_PUSHES):
            self._spend(tenant, 1)
            body = await _body(request)
            now = self.clock.wall()
            try:
                claims, refusals = claim.read(body, tenant.door.expected, now)
            except Malformed as error:
                raise _NoError(Result.MALFORMED, str(error)) from error
            self._spend(tenant, len(claims) + len(refusals) - 1)
            return self._take(tenant, claims, refusals)

    def _spend(self, tenant: _Tenant, alerts: int) -> None:
        if alerts <= 0:
            return
        tenant.bucket, early = tenant.bucket.spend(alerts, self.clock.monotonic())
        if early:
            self.count_alerts(tenant.door.name, Told.THROTTLED, alerts)
            raise _NoError(Result.THROTTLED, f"more than {self.rate:g} alerts a second", early)

    def _take(self, tenant: _Tenant, claims: tuple[Claim, ...], refusals: tuple[Refusal, ...]) -> object:
        name, told, why = tenant.door.name, Counter[Told](), [refusal.why for refusal in refusals]
        for made in claims:
            names = tenant.names.use(made.series.identity, self.clock.monotonic())
            if names is None:
                why.append(f"more than {claim.MOST_IDENTITIES} identities")
                continue
            tenant.names = names
            told[Told.ACCEPTED if self.take(name, made) else Told.IGNORED] += 1
        told[Told.REFUSED] = len(why)
        for result, number in told.items():
            self.count_alerts(name, result, number)
        shown = [{"why": text} for text in why[:SHOWN]]
        return {"accepted": told[Told.ACCEPTED], "ignored": told[Told.IGNORED], "refused": shown}

    async def _hint(self, tenant: _Tenant, request: web.BaseRequest) -> object:
        after = request.query.get("after", "")
        if not _AFTER.fullmatch(after):
            raise _NoError(Result.MALFORMED, "after: expected the number of the last hint, 0 for the first time")
        with _one_of(tenant, "hint", MOST_WAITING):
            found = await self.hints.wait(tenant.door.name, int(after), HINT_SECONDS)
        targets = sorted(found.targets & tenant.door.expected.targets)
        if targets:
            self.count_hint(tenant.door.name)
        return {"next": found.next, "targets": targets}


class _one_of:  # noqa: N801  # read as a phrase
    """One of the few requests of this kind that a tenant may have under way."""

    def __init__(self, tenant: _Tenant, kind: str, most: int) -> None:
        self._tenant, self._kind, self._most = tenant, kind, most

    def __enter__(self) -> None:
        if self._tenant.busy[self._kind] >= self._most:
            raise _NoError(Result.THROTTLED, f"more than {self._most} requests at the same time", _SOON)
        self._tenant.busy[self._kind] += 1

    def __exit__(self, *_: object) -> None:
        self._tenant.busy[self._kind] -= 1


async def _body(request: web.BaseRequest) -> bytes:
    """All of it, bounded in size and time."""
    chunks, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > MOST_BODY:
                    raise _too_large()
                chunks.append(chunk)
    except TimeoutError:
        raise _NoError(Result.SLOW, f"the body took longer than {BODY_SECONDS:g} s") from None
    except web.RequestPayloadError:
        raise _NoError(Result.MALFORMED, "the body is not what its headers say") from None
    return b"".join(chunks)


def _too_large() -> _NoError:
    return _NoError(Result.TOO_LARGE, f"more than {MOST_BODY // 1024} KiB")


def _refusal(error: _NoError) -> web.Response:
    response = _json(_STATUS[error.result], {"error": str(error)})
    if error.after:
        response.headers["Retry-After"] = str(math.ceil(error.after))
    if error.result not in (Result.THROTTLED, Result.MALFORMED):
        # The next try costs whoever makes it a handshake.
        response.force_close()
    return response


def _json(status: int, found: object) -> web.Response:
    headers = {
        "Content-Type": "application/json",
        "Server": "tenant-sentinel",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return web.Response(status=status, body=json.dumps(found).encode(), headers=headers)
