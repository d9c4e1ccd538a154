"""A token as we see it ourselves, before anybody else does.

All 401s look alike, whatever is wrong with the token. So what can be known is read from its claims,
unverified: that is for the API server. Only times and names are kept, never the token.
"""

import base64
import binascii
import json
import math
from dataclasses import dataclass

from sentinel.core.api.gates import Light


@dataclass(frozen=True, slots=True)
class Claims:
    """What a ServiceAccount's token says of itself; `expires` in wall seconds, None when never.

    `pod`: the uid of the pod that it is bound to, empty for one that is bound to none.
    """

    subject: str
    audiences: tuple[str, ...]
    expires: float | None
    pod: str = ""


def claims_of(token: str) -> Claims | None:
    """The claims of a JWT, None when it is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None
    if not isinstance(payload, dict):
        return None
    subject, audiences = str(payload.get("sub", "")), _audiences(payload.get("aud"))
    return Claims(subject, audiences, _seconds(payload.get("exp")), _pod(payload.get("kubernetes.io")))


def _audiences(found: object) -> tuple[str, ...]:
    if isinstance(found, str):
        return (found,)
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _pod(found: object) -> str:
    pod = found.get("pod") if isinstance(found, dict) else None
    return str(pod.get("uid", "")) if isinstance(pod, dict) else ""


def _seconds(found: object) -> float | None:
    """Wall seconds; None for what is no moment (JSON as Python reads it has NaN, and 10^400)."""
    if not isinstance(found, int | float):
        return None
    try:
        seconds = float(found)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None


def light_of(claims: Claims | None, expect: str, now: float, needed: float) -> Light:
    """The gate `token`: ours, and fresh for `needed` more seconds."""
    if claims is None:
        return Light(up=False, detail="not a token that names its subject")
    if claims.subject != expect:
        return Light(up=False, detail="the token is another account's", identity=True)
    if claims.expires is not None and claims.expires <= now:
        return Light(up=False, detail=f"expired {now - claims.expires:.0f} s ago")
    if claims.expires is not None and claims.expires < now + needed:
        left = claims.expires - now
        return Light(up=False, detail=f"expires in {left:.0f} s, before two more rounds end")
    return Light(up=True)
