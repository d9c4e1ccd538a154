"""A challenge and its answer: who asks whom over the network, and who it was that answered.

    asker                                       beacon
      | nonce, tenant, uid, meant, way, signature |
      |------------------ 224 bytes ------------->|   knows the asker's key from the roster
      |<----------------- 220 bytes --------------|
      |    nonce, tenant, uid, asker, signature   |   knows the beacon's key from the roster

The answer's signature covers the digest of the challenge, so that it answers this one and no other.
Both have one size each, and the answer is the smaller: whoever sends a challenge under somebody else's
address throws no more at them than they threw. What is no challenge is None, never an error: it
comes from strangers.
"""

import hashlib
import struct
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sentinel.core.net.crossing import Family, Path, Protocol

ASKED = b"TSC\x01"
"""How a challenge begins: no HTTP method does. The last byte is the version."""
ANSWERED = b"TSA\x01"
"""How an answer begins. Being different, what is signed as the one is never taken for the other."""
NONCE_BYTES = 16
SEED_BYTES = 32
KEY_BYTES = 32
"""A public key of Ed25519 (RFC 8032); a signature has twice as many."""
MOST_TENANT = 63
"""Characters: an RFC 1123 label, as everywhere."""
MOST_UID = 36
"""Characters of a pod's uid: a UUID as it is written."""

_ASKED = struct.Struct(f"!4s{NONCE_BYTES}s64s{MOST_UID}s{MOST_UID}sBBBx")
_ANSWERED = struct.Struct(f"!4s{NONCE_BYTES}s64s{MOST_UID}s{MOST_UID}s")
_SIGNATURE = 64

CHALLENGE_BYTES = _ASKED.size + _SIGNATURE
ANSWER_BYTES = _ANSWERED.size + _SIGNATURE

_PROTOCOLS, _FAMILIES, _PATHS = tuple(Protocol), tuple(Family), tuple(Path)


@dataclass(frozen=True, slots=True)
class Challenge:
    """Who asks, and whom they mean. `uid`: the asker's pod; `beacon`: the uid of the pod that is meant.

    `tenant` is what the asker calls itself: whose it is, the roster says by `uid`.
    """

    nonce: bytes
    tenant: str
    uid: str
    beacon: str
    protocol: Protocol
    family: Family
    path: Path


@dataclass(frozen=True, slots=True)
class Answer:
    """Who answered whom. `uid`: the beacon's pod; `asker`: the uid of the pod that asked."""

    nonce: bytes
    tenant: str
    uid: str
    asker: str


class Refusal(StrEnum):
    """What a beacon refuses, a closed label. Nobody who is refused is told anything."""

    GARBAGE = "garbage"  # no challenge, nor anything else that is taken here
    STRANGER = "stranger"  # the asker is not on the roster, or has handed over no key yet
    FORGED = "forged"  # the signature is not the asker's
    ASTRAY = "astray"  # meant for another tenant (answered all the same: it says whose), or another protocol
    REPEATED = "repeated"  # the same challenge more often than any asker sends it
    FLOODED = "flooded"  # too many at once, from one address or from all
    CROWDED = "crowded"  # too many connections: the oldest that had asked nothing yet, or the new one
    SLOW = "slow"  # nothing whole in time, or nothing read


class Signer:
    """A private key. It lives as long as the process, and nobody is told."""

    __slots__ = ("_key", "public")

    def __init__(self, seed: bytes) -> None:
        """`seed`: 32 bytes of chance."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The signature, 64 bytes; about 35 microseconds."""
        return self._key.sign(message)


def asked(challenge: Challenge, signer: Signer) -> bytes:
    """The challenge as it is sent. Raises ValueError for what has no place in one: that is our own mistake."""
    body = _ASKED.pack(
        ASKED,
        _exactly(challenge.nonce),
        _text(challenge.tenant, MOST_TENANT),
        _text(challenge.uid, MOST_UID),
        _text(challenge.beacon, MOST_UID),
        _PROTOCOLS.index(challenge.protocol),
        _FAMILIES.index(challenge.family),
        _PATHS.index(challenge.path),
    )
    return body + signer.sign(body)


def challenge_in(raw: bytes) -> Challenge | None:
    """What a stranger sent, if it has the form of a challenge. Whether it is theirs: `is_asked_by`."""
    if len(raw) != CHALLENGE_BYTES or not raw.startswith(ASKED):
        return None
    _, nonce, tenant, uid, beacon, protocol, family, path = _ASKED.unpack_from(raw)
    names = _read(tenant), _read(uid), _read(beacon)
    if None in names or raw[_ASKED.size - 1]:
        return None
    if protocol >= len(_PROTOCOLS) or family >= len(_FAMILIES) or path >= len(_PATHS):
        return None
    who, whose, whom = (name or "" for name in names)
    return Challenge(nonce, who, whose, whom, _PROTOCOLS[protocol], _FAMILIES[family], _PATHS[path])


def is_asked_by(raw: bytes, key: bytes) -> bool:
    """Whether who holds this key made the challenge `raw`. About 120 microseconds."""
    return len(raw) == CHALLENGE_BYTES and _is_signed(raw[: _ASKED.size], raw[_ASKED.size :], key)


def answered(raw: bytes, tenant: str, uid: str, signer: Signer) -> bytes:
    """The answer to the challenge `raw`, by the beacon of this tenant and uid. Raises ValueError as `asked`."""
    challenge = challenge_in(raw)
    if challenge is None:
        raise ValueError("only a challenge is answered")
    own, pod = _text(tenant, MOST_TENANT), _text(uid, MOST_UID)
    body = _ANSWERED.pack(ANSWERED, challenge.nonce, own, pod, _text(challenge.uid, MOST_UID))
    return body + signer.sign(body + _digest(raw))


def answer_in(raw: bytes) -> Answer | None:
    """What came back, if it has the form of an answer. Whose it is: `is_answer`."""
    if len(raw) != ANSWER_BYTES or not raw.startswith(ANSWERED):
        return None
    _, nonce, tenant, uid, asker = _ANSWERED.unpack_from(raw)
    names = _read(tenant), _read(uid), _read(asker)
    if None in names:
        return None
    who, whose, whom = (name or "" for name in names)
    return Answer(nonce, who, whose, whom)


def is_answer(raw: bytes, challenge: bytes, key: bytes) -> bool:
    """Whether who holds this key made `raw` as the answer to this very challenge."""
    found, meant = answer_in(raw), challenge_in(challenge)
    if found is None or meant is None or (found.nonce, found.asker) != (meant.nonce, meant.uid):
        return False
    return _is_signed(raw[: _ANSWERED.size] + _digest(challenge), raw[_ANSWERED.size :], key)


def _is_signed(message: bytes, signature: bytes, key: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        # A key that is none: the roster's owner may not have handed one over yet.
        return False
    return True


def _digest(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


def _exactly(nonce: bytes) -> bytes:
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes, found {len(nonce)}")
    return nonce


def _text(name: str, most: int) -> bytes:
    """A name as it is packed. What is read back is the same, or it is refused here."""
    packed = name.encode("ascii")
    if len(packed) > most or _read(packed) != name:
        raise ValueError(f"{name!r:.80} is no name of at most {most} printable characters")
    return packed


def _read(packed: bytes) -> str | None:
    """The name in a field, None unless it is printable ASCII with nothing but zeros behind it."""
    name = packed.rstrip(b"\0")
    if not name or not name.isascii():
        return None
    text = name.decode("ascii")
    return text if text.isprintable() and " " not in text else None
