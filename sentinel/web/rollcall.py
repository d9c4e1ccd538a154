"""Three more sentences that a tenant's sentinel may say to the relay: all of them about beacons.

    PUT  /api/v1/beacon    {"key", "port"}      by this key the listener in my pod answers
    GET  /api/v1/roster?after=N[&wait=1]        which beacons are there, and what of mine has arrived?
    POST /api/v1/arrivals  {"challenges": [..]} this has reached mine since I last said so

Which pod speaks is what the API server says of its token; a token that is bound to none says nothing
here. What a tenant asks for costs that tenant: there is one bucket for each, and another one for what has
to be verified.
"""

import asyncio
import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from sentinel.clients.clock import Clock
from sentinel.clients.relay import ARRIVALS, BEACON, ROSTER
from sentinel.core.claim import Bucket, Result
from sentinel.core.net import roster_json
from sentinel.core.net.roster_json import MOST_CHALLENGES
from sentinel.engine.roll import Registration, Roll
from sentinel.web.refusal import SOON, OneOf, TurnedAway, body_of

ROUTES = frozenset({("PUT", BEACON), ("GET", ROSTER), ("POST", ARRIVALS)})
WAIT_SECONDS = 25.0
"""For which a request that waits for news waits; less than any proxy on the way."""
RATE = 100.0
"""Requests per second of one tenant: each of its pods reports once a second, and looks a few times a round."""
BURST = 300.0
VERIFIED_RATE = 200.0
"""Challenges per second of one tenant that are verified, at 120 us each."""
VERIFIED_BURST = 1000.0
AT_ONCE = 32
"""Challenges, before somebody else has their turn."""
BEACONS_A_REQUEST = 20
"""So many beacons in an answer cost as much as a request."""
MOST_OF_A_POD = 2
"""Requests of one kind at the same time."""
_AFTER = re.compile(r"[0-9]{1,18}")

_UNSEEN = "no pod of this tenant's that is known here has this token; try again soon"
_WHY = {
    Registration.STRANGER: (
        Result.STRANGER,
        "no pod of this tenant's that is known here has this token; try again soon",
    ),
    Registration.SECOND: (Result.CONFLICT, "another key is known, and the pod has not restarted since; try again soon"),
    Registration.PORT: (Result.MALFORMED, "port: expected network.beacon.port of the witness's configuration"),
}


@dataclass
class _Tenant:
    requests: Bucket
    verified: Bucket


@dataclass
class RollCall:
    """The three requests and their limits."""

    roll: Roll
    clock: Clock
    _tenants: dict[str, _Tenant] = field(default_factory=dict, init=False)
    _busy: Counter[str] = field(default_factory=Counter, init=False)

    async def answer(self, tenant: str, pod: str, request: web.BaseRequest) -> tuple[Result, object]:
        """What is said to this pod of this tenant. Raises TurnedAway."""
        if not pod:
            raise TurnedAway(Result.STRANGER, "the token is bound to no pod; mount a projected one")
        match request.path:
            case "/api/v1/beacon":
                kind, told = Result.REGISTERED, self._register
            case "/api/v1/arrivals":
                kind, told = Result.REPORTED, self._report
            case _:
                kind, told = Result.ROSTER, self._roster
        most = 1 if kind is Result.REPORTED else MOST_OF_A_POD
        with OneOf(self._busy, f"{kind} {pod}", most):
            return kind, await told(tenant, pod, request)

    async def _register(self, tenant: str, pod: str, request: web.BaseRequest) -> object:
        self._spend(tenant, 1)
        said = _object(await body_of(request))
        key, port = roster_json.key_of(said.get("key")), said.get("port")
        if key is None or type(port) is not int:
            raise TurnedAway(Result.MALFORMED, "expected key, an Ed25519 public key in base64, and port, a number")
        found = self.roll.register(tenant, pod, key, port)
        if found in _WHY:
            result, why = _WHY[found]
            raise TurnedAway(result, why, 0.0 if result is Result.MALFORMED else SOON)
        return {"uid": pod}

    async def _roster(self, tenant: str, pod: str, request: web.BaseRequest) -> object:
        after = request.query.get("after", "")
        if not _AFTER.fullmatch(after):
            raise TurnedAway(Result.MALFORMED, "after: expected the number of the last roster, 0 for the first time")
        self._spend(tenant, 1)
        seconds = WAIT_SECONDS if request.query.get("wait") == "1" else 0.0
        found = await self.roll.told(tenant, pod, int(after), seconds)
        if found is None:
            raise TurnedAway(Result.STRANGER, _UNSEEN, SOON)
        if found.number != int(after):
            self._spend(tenant, len(found.beacons) // BEACONS_A_REQUEST)
        return roster_json.written(found, after=int(after))

    async def _report(self, tenant: str, pod: str, request: web.BaseRequest) -> object:
        self._spend(tenant, 1)
        said = _object(await body_of(request)).get("challenges")
        if not isinstance(said, list) or len(said) > MOST_CHALLENGES:
            raise TurnedAway(Result.MALFORMED, f"expected challenges, a list of at most {MOST_CHALLENGES}")
        if not self.roll.is_member(tenant, pod):
            raise TurnedAway(Result.STRANGER, _UNSEEN, SOON)
        bucket = self._of(tenant)
        bucket.verified, early = bucket.verified.spend(len(said), self.clock.monotonic())
        if early:
            raise TurnedAway(Result.THROTTLED, f"more than {VERIFIED_RATE:g} challenges a second", early)
        return {"known": await self._deliver(tenant, pod, [_bytes(one) for one in said])}

    async def _deliver(self, tenant: str, pod: str, raws: list[bytes]) -> bool:
        """In small parts: a whole report of real ones takes 60 ms."""
        while len(raws) > AT_ONCE:
            part, raws = raws[:AT_ONCE], raws[AT_ONCE:]
            if not self.roll.report(tenant, pod, part, more=True):
                return False
            await asyncio.sleep(0)
        return self.roll.report(tenant, pod, raws)

    def _spend(self, tenant: str, requests: int) -> None:
        bucket = self._of(tenant)
        bucket.requests, early = bucket.requests.spend(requests, self.clock.monotonic())
        if early:
            raise TurnedAway(Result.THROTTLED, f"more than {RATE:g} requests a second", early)

    def _of(self, tenant: str) -> _Tenant:
        now = self.clock.monotonic()
        full = _Tenant(Bucket(RATE, BURST, BURST, now), Bucket(VERIFIED_RATE, VERIFIED_BURST, VERIFIED_BURST, now))
        return self._tenants.setdefault(tenant, full)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise TurnedAway(Result.MALFORMED, "the body is no JSON object")
    return found


def _bytes(text: Any) -> bytes:
    """What was base64; nothing for what was not, which is no challenge."""
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError, binascii.Error):
        return b""
