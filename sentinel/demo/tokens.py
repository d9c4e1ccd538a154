"""Tokens of service accounts: real JWTs, signed with a key that lives as long as the server.

What a reader can see of a token (subject, audience, times, the kubernetes.io claims) is what
a real one carries; only the signature is symmetric, since nobody but the stand-in checks it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

AUDIENCE = "https://kubernetes.default.svc.cluster.local"
# The API server accepts an expired token for this long (measured: 59 s yes, 60 s no).
_LEEWAY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Account:
    """A service account, as a token names it."""

    namespace: str
    name: str
    uid: str

    @property
    def user(self) -> str:
        """Its user name."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"


@dataclass(frozen=True, slots=True)
class Mint:
    """Signs tokens and reads them back."""

    key: bytes

    def issue(self, account: Account, now: float, seconds: int, audiences: Sequence[str] = (AUDIENCE,)) -> str:
        """A token of `account` that lives `seconds` from `now` (epoch seconds)."""
        issued = int(now)
        claims = {
            "aud": list(audiences),
            "exp": issued + seconds,
            "iat": issued,
            "iss": AUDIENCE,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {
                "namespace": account.namespace,
                "serviceaccount": {"name": account.name, "uid": account.uid},
            },
            "nbf": issued,
            "sub": account.user,
        }
        head = _part({"alg": "HS256", "kid": "stand-in"})
        signed = f"{head}.{_part(claims)}"
        return f"{signed}.{self._sign(signed)}"

    def claims(self, token: str, now: float) -> Mapping[str, Any] | None:
        """What the token says; None unless we signed it, for us, and it is of this time."""
        signed, _, signature = token.rpartition(".")
        # Compared as bytes: compare_digest refuses text that is not ASCII, and this is from outside.
        if not hmac.compare_digest(signature.encode(), self._sign(signed).encode()):
            return None
        try:
            claims: Mapping[str, Any] = json.loads(_bytes(signed.partition(".")[2]))
        except (ValueError, binascii.Error):
            return None
        is_ours = AUDIENCE in claims["aud"]
        is_timely = claims["nbf"] - _LEEWAY_SECONDS <= now < claims["exp"] + _LEEWAY_SECONDS
        return claims if is_ours and is_timely else None

    def _sign(self, signed: str) -> str:
        return _text(hmac.digest(self.key, signed.encode(), hashlib.sha256))


def _part(value: Mapping[str, Any]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
