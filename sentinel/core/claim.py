"""The claim: what a tenant's sentinel says of its own tenant, as far as we take its word.

    bytes --read--> Claim      an alert of ours, about a series that this tenant can have
               \\--> Refusal    everything else, with a sentence

Everybody in a tenant can act as its sentinel. So who speaks is taken from the token and never from
here, what an alert is about comes from closed sets, and of its text only what people read is kept:
no link, no address, no command. Whatever a tenant writes, it can say something about itself only.
"""

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sentinel.core.api import resources
from sentinel.core.api.reply import clean
from sentinel.core.asked import CROSSTALK
from sentinel.core.net import crossing
from sentinel.core.page import MOST_TEXT, Alert
from sentinel.core.record import Series

MOST_ALERTS = 500
"""In one request. A sentinel with more to say says it in several."""
AHEAD_SECONDS = 300.0
"""By which a tenant's clock may be fast; a start in the future is taken as now."""
OLDEST_SECONDS = 366 * 86400.0
"""What began earlier is no evidence but a mistake: a clock that was never set, or a joke."""
MOST_IDENTITIES = 32
"""Names of identities that one tenant may use at the same time; a page is kept for each."""
IDENTITY_SECONDS = 3600.0
"""After which a name that was not used any more makes room."""

TAKEN = frozenset({"alertname", "check", "identity", "target"})
"""Labels that are read."""
OVERWRITTEN = frozenset({"severity", "cluster", "namespace", "tenant", "path"})
"""Labels that our own pages have, too, and that are set here whatever they say."""
TOLD = frozenset({"summary", "description"})
"""Annotations that are kept. Links and contacts are ours: whoever is woken follows them."""

CLAIMED = (Alert.BREACH, Alert.IDENTITY)
"""Of all that we page: a gateway is everybody's, and a tenant speaks of itself only."""

_KEYS = frozenset({"labels", "annotations", "startsAt", "endsAt"})
_IDENTITY = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_SHOWN = 80


class Result(StrEnum):
    """How a request at the relay ended."""

    TAKEN = "taken"  # 200, a push; of its alerts some may be refused
    HINTED = "hinted"  # 200, a request for hints
    REGISTERED = "registered"  # 200, the key of a beacon
    ROSTER = "roster"  # 200, which beacons there are
    REPORTED = "reported"  # 200, what has reached a beacon
    MALFORMED = "malformed"  # 400, makes no sense
    UNKNOWN_TOKEN = "unknown_token"  # 401, forged, expired, for another audience, of a deleted account
    FOREIGN = "foreign"  # 403, a good token of an account that is no tenant's sentinel
    STRANGER = "stranger"  # 403, a good token, but of no pod that the watch has seen (yet)
    CONFLICT = "conflict"  # 409, a second key for a pod that did not restart
    NOT_FOUND = "not_found"  # 404, of Alertmanager's API or anything else that is not ours
    SLOW = "slow"  # 408, a body that trickles
    TOO_LARGE = "too_large"  # 413
    THROTTLED = "throttled"  # 429, too much of one tenant or one address
    UNAVAILABLE = "unavailable"  # 503, the API server does not say whose token it is
    DROPPED = "dropped"  # no answer: a connection that had to give way


class Told(StrEnum):
    """What became of one alert."""

    ACCEPTED = "accepted"  # passed on
    IGNORED = "ignored"  # changes nothing that we can check, such as an end without proof
    REFUSED = "refused"  # none of ours, or not this tenant's
    THROTTLED = "throttled"  # too many at once


@dataclass(frozen=True, slots=True)
class Expected:
    """What one tenant's sentinel can speak of: the targets that it may not enter, `*` for the cluster, and gateways."""

    targets: frozenset[str]
    checks: frozenset[str] = frozenset((*resources.CHECKS, *crossing.CHECKS, CROSSTALK))
    gateways: frozenset[str] = frozenset()  # targets of cross-talk, and of nothing else


@dataclass(frozen=True, slots=True)
class Claim:
    """One alert on a tenant's word. `since` in wall seconds; `over`: it says that it has ended."""

    alert: Alert
    series: Series
    since: float
    annotations: Mapping[str, str] = field(default_factory=dict)
    over: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """One alert that is not passed on. `index`: its place in the request, from 0."""

    index: int
    why: str


class Malformed(ValueError):
    """The request as a whole makes no sense; the text says why."""


def read(body: bytes, expected: Expected, now: float) -> tuple[tuple[Claim, ...], tuple[Refusal, ...]]:
    """What a request claims, and what of it is refused. `now` in wall seconds. Raises Malformed."""
    claims, refusals = [], []
    for index, alert in enumerate(_alerts(body)):
        try:
            claims.append(_claim(alert, expected, now))
        except _NoClaimError as error:
            refusals.append(Refusal(index, str(error)))
    return tuple(claims), tuple(refusals)


class _NoClaimError(ValueError):
    """One alert is refused; the text says why."""


def _alerts(body: bytes) -> list[Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise Malformed("the body is not JSON, expected a list of alerts") from None
    if not isinstance(found, list):
        raise Malformed(f"the body is {_kind(found)}, expected a list of alerts")
    if len(found) > MOST_ALERTS:
        raise Malformed(f"{len(found)} alerts in one request, expected at most {MOST_ALERTS}")
    return found


def _claim(alert: Any, expected: Expected, now: float) -> Claim:
    if not isinstance(alert, dict):
        raise _NoClaimError(f"found {_kind(alert)}, expected an alert")
    if unknown := alert.keys() - _KEYS:
        raise _NoClaimError(f"{_shown(min(unknown))} is no part of an alert of ours")
    labels, annotations = _texts(alert, "labels"), _texts(alert, "annotations")
    name, series = _about(labels, expected)
    told = {name: _first_line(annotations[name]) for name in sorted(TOLD & annotations.keys())}
    return Claim(name, series, _since(alert.get("startsAt"), now), told, _is_over(alert.get("endsAt"), now))


def _texts(alert: Mapping[str, Any], key: str) -> dict[str, str]:
    found = alert.get(key, {})
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise _NoClaimError(f"{key}: expected an object of texts")
    return found


def _about(labels: Mapping[str, str], expected: Expected) -> tuple[Alert, Series]:
    if unknown := labels.keys() - TAKEN - OVERWRITTEN:
        raise _NoClaimError(f"label {_shown(min(unknown))} is none of ours")
    name, identity = labels.get("alertname", ""), labels.get("identity", "")
    check, target = labels.get("check", ""), labels.get("target", "")
    if name not in CLAIMED:
        raise _NoClaimError(f"alertname {_shown(name)} is none of ours, expected {' or '.join(CLAIMED)}")
    if not _IDENTITY.fullmatch(identity):
        raise _NoClaimError(f"identity {_shown(identity)} is no name of an identity")
    if name == Alert.IDENTITY:
        check, target = _absent(check), _absent(target)
    elif check not in expected.checks:
        raise _NoClaimError(f"check {_shown(check)} is none of ours")
    elif target not in (expected.gateways if check == CROSSTALK else expected.targets):
        # The same words for what is not there and what is not this tenant's to know.
        raise _NoClaimError(f"target {_shown(target)} is none that this tenant's sentinel asks about")
    return Alert(name), Series(check, identity, target)


def _absent(found: str) -> str:
    if found:
        raise _NoClaimError(f"a wrong identity has neither check nor target, found {_shown(found)}")
    return ""


def _since(found: Any, now: float) -> float:
    at = _moment(found, "startsAt")
    if at > now + AHEAD_SECONDS:
        raise _NoClaimError(f"startsAt is {at - now:.0f} s in the future: compare the clocks")
    if at < now - OLDEST_SECONDS:
        raise _NoClaimError(f"startsAt is {(now - at) / 86400:.0f} days ago, which is no evidence but a mistake")
    return min(at, now)


def _is_over(found: Any, now: float) -> bool:
    """An alert without an end fires."""
    return found is not None and _moment(found, "endsAt") <= now


def _moment(found: Any, key: str) -> float:
    """Wall seconds of RFC 3339."""
    if isinstance(found, str) and _TIME.fullmatch(found):
        with contextlib.suppress(ValueError, OverflowError):
            return datetime.fromisoformat(found).timestamp()
    raise _NoClaimError(f"{key}: {_shown(found)} is no time, expected one such as 2026-11-21T02:43:06Z")


def _first_line(text: str) -> str:
    """What is below it is a command to be copied, and this one a stranger wrote."""
    line = text[:MOST_TEXT].partition("\n")[0]
    return line if line.isascii() and line.isprintable() else clean(line, MOST_TEXT)


def _shown(found: Any) -> str:
    return repr(clean(found, _SHOWN)) if isinstance(found, str) else _kind(found)


def _kind(found: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "nothing"}
    return names.get(type(found), "a number")


@dataclass(frozen=True, slots=True)
class Bucket:
    """What one tenant may still send: `rate` alerts per second, `burst` at once; `at` in monotonic seconds.

    A request is taken whole or not at all, and one that is larger than the burst when the bucket is
    full: it goes below zero, and is paid for afterwards. So the rate holds for every size.
    """

    rate: float
    burst: float
    level: float
    at: float

    def spend(self, alerts: int, now: float) -> "tuple[Bucket, float]":
        """The bucket afterwards, and 0, or how many seconds too early this was."""
        level = min(self.burst, self.level + self.rate * max(0.0, now - self.at))
        missing = min(float(alerts), self.burst) - level
        if missing > 0:
            return replace(self, level=level, at=now), missing / self.rate
        return replace(self, level=level - alerts, at=now), 0.0


@dataclass(frozen=True, slots=True)
class Names:
    """The identities that one tenant has spoken of, and when last (monotonic seconds).

    A namespace, a check and a tenant are known in advance; an identity is whatever its sentinel's
    configuration says, and whoever may invent names without end fills our memory and the pager's.
    """

    seen: Mapping[str, float] = field(default_factory=dict)

    def use(self, identity: str, now: float) -> "Names | None":
        """The names afterwards; None when there are too many already."""
        kept = {name: at for name, at in self.seen.items() if now - at < IDENTITY_SECONDS or name == identity}
        if identity not in kept and len(kept) >= MOST_IDENTITIES:
            return None
        return Names(kept | {identity: now})
