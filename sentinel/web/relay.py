"""The relay: where tenants' sentinels hand the witness their pages, and learn where to look.

    POST /api/v2/alerts --token--> tenant --limits--> core.claim.read --> take, one by one
    GET  /api/v1/hints?after=N --> what may have changed, as soon as it does
    and what `web.rollcall` is for, where the network is proven too

It speaks Alertmanager's API as far as a sentinel needs it, and nothing else of it: whoever gets in
can neither silence nor look. Who speaks is what the API server says of the token. All that a
tenant sends is bounded before it is read, and what is too much costs that tenant alone.
"""

import re
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from sentinel.clients.clock import Clock
from sentinel.clients.token_review import Speaker
from sentinel.core import claim
from sentinel.core.claim import Bucket, Claim, Expected, Malformed, Names, Refusal, Result, Told
from sentinel.engine.hints import Hints
from sentinel.errors import ClientError, Throttled
from sentinel.settings.words import Address
from sentinel.web.refusal import MOST_BODY, SOON, OneOf, TurnedAway, body_of, granted, refusal, too_large
from sentinel.web.rollcall import ROUTES, RollCall
from sentinel.web.tls import Certificate, Doorkeeper, listening

ALERTS = "/api/v2/alerts"
HINTS = "/api/v1/hints"
_ROUTES = frozenset({("POST", ALERTS), ("GET", HINTS)})
HINT_SECONDS = 25.0
"""For which a request for hints waits; less than any proxy on the way."""
MOST_PUSHES = 4
"""Of one tenant at the same time."""
MOST_WAITING = 4
"""Requests for hints of one tenant at the same time: two pods during a roll-out, twice."""
SHOWN = 20
"""Refusals that are told; the rest are counted."""
_AFTER = re.compile(r"[0-9]{1,18}")
_SLOTS = 32
"""Parts of one tenant whose connections are counted apart: with a pod on each node it needs more than one pod's."""


class Reviewer(Protocol):
    """Who knows whose a token is; `clients.token_review.TokenReviews` is the real one."""

    async def speaker_of(self, token: str, address: str = "") -> Speaker | None:
        """The user and the pod, None for nobody's token; raises ClientError when nobody can tell."""
        ...


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
    alerts per second of one tenant, `burst` in alerts. `rollcall`: where the network is proven too.
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
    rollcall: RollCall | None = None

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
        except TurnedAway as error:
            self.count(error.result)
            return refusal(error)
        self.count(result)
        return granted(found)

    async def _serve(self, keeper: Doorkeeper, request: web.BaseRequest) -> tuple[Result, object]:
        kind, rollcall = (request.method, request.path), self.rollcall
        if kind not in _ROUTES and (rollcall is None or kind not in ROUTES):
            raise TurnedAway(Result.NOT_FOUND, f"only POST {ALERTS}, GET {HINTS} and the like are served here")
        if (request.content_length or 0) > MOST_BODY:
            raise too_large()
        speaker = await self._speaker(request)
        tenant = self._tenants[speaker.user]
        keeper.vouch(request.protocol, self._guest(tenant, speaker))
        if kind in ROUTES and rollcall is not None:
            return await rollcall.answer(tenant.door.name, speaker.pod, request)
        if kind[0] == "GET":
            return Result.HINTED, await self._hint(tenant, request)
        return Result.TAKEN, await self._push(tenant, request)

    async def _speaker(self, request: web.BaseRequest) -> Speaker:
        """Who asks, by the API server's word: a tenant's sentinel."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise TurnedAway(Result.UNKNOWN_TOKEN, "a bearer token is needed")
        try:
            speaker = await self.reviewer.speaker_of(token.strip(), request.remote or "")
        except Throttled as error:
            raise TurnedAway(Result.THROTTLED, str(error), error.after or SOON) from error
        except ClientError as error:
            why = "the API server does not say whose token this is"
            raise TurnedAway(Result.UNAVAILABLE, why, SOON) from error
        if speaker is None:
            raise TurnedAway(Result.UNKNOWN_TOKEN, "the token is not valid here")
        if speaker.user not in self._tenants:
            raise TurnedAway(Result.FOREIGN, "this account is no tenant's sentinel")
        return speaker

    def _guest(self, tenant: _Tenant, speaker: Speaker) -> str:
        """By what its connections are counted: its tenant's, and where there are pods of it, a few of them together."""
        name = tenant.door.name
        if self.rollcall is None or not self.rollcall.roll.is_member(name, speaker.pod):
            return name
        return f"{name}/{zlib.crc32(speaker.pod.encode()) % _SLOTS}"

    async def _push(self, tenant: _Tenant, request: web.BaseRequest) -> object:
        with OneOf(tenant.busy, "push", MOST_PUSHES):
            self._spend(tenant, 1)
            body = await body_of(request)
            now = self.clock.wall()
            try:
                claims, refusals = claim.read(body, tenant.door.expected, now)
            except Malformed as error:
                raise TurnedAway(Result.MALFORMED, str(error)) from error
            self._spend(tenant, len(claims) + len(refusals) - 1)
            return self._take(tenant, claims, refusals)

    def _spend(self, tenant: _Tenant, alerts: int) -> None:
        if alerts <= 0:
            return
        tenant.bucket, early = tenant.bucket.spend(alerts, self.clock.monotonic())
        if early:
            self.count_alerts(tenant.door.name, Told.THROTTLED, alerts)
            raise TurnedAway(Result.THROTTLED, f"more than {self.rate:g} alerts a second", early)

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
            raise TurnedAway(Result.MALFORMED, "after: expected the number of the last hint, 0 for the first time")
        with OneOf(tenant.busy, "hint", MOST_WAITING):
            found = await self.hints.wait(tenant.door.name, int(after), HINT_SECONDS)
        targets = sorted(found.targets & tenant.door.expected.targets)
        if targets:
            self.count_hint(tenant.door.name)
        return {"next": found.next, "targets": targets}
