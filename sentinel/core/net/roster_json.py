"""The roster as the witness hands it out: JSON, bounded both ways.

    Roster --written--> {"number", "life", "heard", "arrivals",
                         "beacons", "lighthouse", "askers", "refused"} --parse--> Roster

Where nothing changed since the number that was asked about, the second line is left
out, and the reader keeps those it knows: what changes each second (who has reported, what has arrived)
is small. Reading never raises: what makes no sense is no roster.
"""

import base64
import binascii
import json
import math
from collections.abc import Mapping
from typing import Any

from sentinel.core.net.crossing import Protocol
from sentinel.core.net.roster import Arrival, Beacon, Roster

MOST_BEACONS = 20_000
"""In one roster; a thousand tenants of twenty pods."""
MOST_ARRIVALS = 10_000
"""In one answer."""
MOST_CHALLENGES = 500
"""In one report: 150 KB in base64."""
KEY_BYTES = 32
"""Of an Ed25519 public key."""
_MOST_TEXT = 253
"""Characters of a name; the longest that Kubernetes has."""
_MOST_ADDRESSES = 8
_MOST_REFUSED = 1000
_MOST_NONCE = 64


class _NoRosterError(ValueError):
    """Something in it is not what it should be."""


def written(roster: Roster, *, after: int = -1) -> dict[str, Any]:
    """As an object for JSON; without what does not change while the number does not, if it is `after`."""
    arrivals = [
        {"target": one.target, "uid": one.uid, "nonce": one.nonce.hex(), "protocol": one.protocol}
        for one in roster.arrivals
    ]
    always = {"number": roster.number, "life": roster.life, "heard": dict(roster.heard), "arrivals": arrivals}
    if roster.number == after:
        return always
    lighthouse = None if roster.lighthouse is None else _beacon_written(roster.lighthouse)
    beacons = [_beacon_written(beacon) for beacon in roster.beacons]
    askers = [[one.target, one.tenant, one.uid, base64.b64encode(one.key).decode("ascii")] for one in roster.askers]
    return always | {"beacons": beacons, "lighthouse": lighthouse, "askers": askers, "refused": [*roster.refused]}


def parse(body: bytes, known: Roster) -> Roster | None:
    """The roster of a reply, None when it is none. `known`: the one we had, for what it leaves out."""
    try:
        found = json.loads(body)
        return _roster(found, known)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def key_of(text: Any) -> bytes | None:
    """A public key in base64; None for anything else."""
    try:
        key = base64.b64decode(text, validate=True)
    except (ValueError, TypeError, binascii.Error):
        return None
    return key if len(key) == KEY_BYTES else None


def _beacon_written(beacon: Beacon) -> dict[str, Any]:
    return {
        "target": beacon.target,
        "tenant": beacon.tenant,
        "uid": beacon.uid,
        "port": beacon.port,
        "addresses": [*beacon.addresses],
        "services": [*beacon.services],
        "key": base64.b64encode(beacon.key).decode("ascii"),
        "ready": beacon.ready,
        "since": beacon.since,
        "born": beacon.born,
        "node": beacon.node,
        "host": beacon.host,
        "neutral": beacon.neutral,
    }


def _roster(found: Mapping[str, Any], known: Roster) -> Roster:
    number, life = _number(found["number"]), _text(found["life"])
    heard = {_text(uid): _number(count) for uid, count in _at_most(found["heard"].items(), MOST_BEACONS)}
    arrivals = tuple(_arrival(one) for one in _at_most(found["arrivals"], MOST_ARRIVALS))
    if "beacons" not in found:
        if (number, life) != (known.number, known.life):
            raise _NoRosterError("it leaves out what we do not know")
        return Roster(number, known.beacons, known.lighthouse, heard, arrivals, known.refused, life, known.askers)
    beacons = tuple(_beacon(one) for one in _at_most(found["beacons"], MOST_BEACONS))
    lighthouse = None if found["lighthouse"] is None else _beacon(found["lighthouse"])
    askers = tuple(_asker(*one) for one in _at_most(found["askers"], MOST_BEACONS))
    refused = tuple(_text(why, 1000) for why in _at_most(found["refused"], _MOST_REFUSED))
    return Roster(number, beacons, lighthouse, heard, arrivals, refused, life, askers)


def _beacon(found: Mapping[str, Any]) -> Beacon:
    key = b"" if found["key"] == "" else key_of(found["key"])
    if key is None:
        raise _NoRosterError("no key")
    return Beacon(
        target=_text(found["target"]),
        tenant=_text(found["tenant"]),
        uid=_text(found["uid"]),
        port=_port(found["port"]),
        addresses=tuple(_text(one) for one in _at_most(found["addresses"], _MOST_ADDRESSES)),
        services=tuple(_text(one) for one in _at_most(found["services"], _MOST_ADDRESSES)),
        key=key,
        ready=_truth(found["ready"]),
        since=_seconds(found["since"]),
        born=_seconds(found["born"]),
        node=_text(found["node"]),
        host=_text(found["host"]),
        neutral=_truth(found["neutral"]),
    )


def _asker(target: Any, tenant: Any, uid: Any, text: Any) -> Beacon:
    key = key_of(text)
    if key is None:
        raise _NoRosterError("no key")
    return Beacon(_text(target), _text(tenant), _text(uid), 0, key=key)


def _arrival(found: Mapping[str, Any]) -> Arrival:
    nonce = bytes.fromhex(_text(found["nonce"], 2 * _MOST_NONCE))
    return Arrival(_text(found["target"]), _text(found["uid"]), nonce, Protocol(found["protocol"]))


def _at_most(found: Any, most: int) -> list[Any]:
    if isinstance(found, str | Mapping):
        raise _NoRosterError("expected a list")
    items = [*found]
    if len(items) > most:
        raise _NoRosterError("too many")
    return items


def _text(found: Any, most: int = _MOST_TEXT) -> str:
    if not isinstance(found, str) or len(found) > most or not found.isprintable():
        raise _NoRosterError("expected a short text")
    return found


def _number(found: Any) -> int:
    if type(found) is not int or not 0 <= found < 2**63:
        raise _NoRosterError("expected a number")
    return found


def _port(found: Any) -> int:
    port = _number(found)
    if port > 65535:
        raise _NoRosterError("expected a port")
    return port


def _truth(found: Any) -> bool:
    if not isinstance(found, bool):
        raise _NoRosterError("expected a truth value")
    return found


def _seconds(found: Any) -> float:
    if isinstance(found, bool) or not math.isfinite(found):
        raise _NoRosterError("expected seconds")
    return float(found)
