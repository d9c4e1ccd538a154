"""How challenge and answer travel: bare over TCP and UDP, in a header and a body over HTTP.

    GET /beacon HTTP/1.1               HTTP/1.1 200 OK
    Sentinel-Challenge: <base64>       Content-Length: 220
                                       <answer>

A policy that reads HTTP sees a request like any other. All that is here is decided on bytes that
came so far, so that both ends can be tested without a socket.
"""

import base64
import binascii
from dataclasses import dataclass
from enum import Enum

from sentinel.core.net.challenge import ANSWER_BYTES, ANSWERED
from sentinel.core.net.crossing import Protocol

HTTP_PATH = "/beacon"
READY_PATH = "/readyz"
HEADER = "Sentinel-Challenge"
MOST_REQUEST = 2048
"""Bytes of one request's head. Ours has about 450, a kubelet's probe 150."""
_END = b"\r\n\r\n"
_METHODS = (b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"OPTI", b"PATC", b"TRAC", b"CONN")


class Part(Enum):
    """What is not there, or not readable."""

    MORE = "more"  # it may still become something
    WRONG = "wrong"  # it never will


@dataclass(frozen=True, slots=True)
class Request:
    """What of an HTTP request counts here. `size`: bytes of it; `challenge`: None where there is none."""

    method: str
    path: str
    size: int
    challenge: bytes | None
    keep: bool  # the connection stays


def payload(protocol: Protocol, raw: bytes, host: str, port: int) -> bytes:
    """What is sent for the challenge `raw`. `host` is an address."""
    if protocol is not Protocol.HTTP:
        return raw
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    head = (
        f"GET {HTTP_PATH} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: tenant-sentinel\r\n"
        f"{HEADER}: {base64.b64encode(raw).decode()}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii")


def is_whole(protocol: Protocol, got: bytes) -> bool:
    """Whether nothing that is still to come could change what this is.

    What does not begin as an answer does is whole at once: somebody else is speaking.
    """
    if protocol is not Protocol.HTTP:
        return len(got) >= ANSWER_BYTES or not _begins(got, ANSWERED)
    if not _begins(got, b"HTTP/1."):
        return True
    head, end, body = got.partition(_END)
    if not end:
        return False
    length = _header(head, b"content-length")
    return length.isdigit() and len(length) < 9 and len(body) >= int(length)


def answer(protocol: Protocol, got: bytes) -> bytes:
    """The bytes in which `challenge.answer_in` looks."""
    if protocol is not Protocol.HTTP:
        return got
    head, end, body = got.partition(_END)
    return body if end and head.split(b" ", 2)[1:2] == [b"200"] else b""


def is_http(first: bytes) -> bool:
    """Whether these first four bytes begin a request of HTTP."""
    return first[:4] in _METHODS


def request_in(got: bytes) -> Request | Part:
    """The first request in what came so far. Bodies are not taken: who sends one is not ours."""
    head, end, _ = got.partition(_END)
    if not end:
        return Part.WRONG if len(got) > MOST_REQUEST else Part.MORE
    parts = head.split(b"\r\n", 1)[0].split(b" ")
    if len(head) > MOST_REQUEST or len(parts) != 3 or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        return Part.WRONG
    if _header(head, b"transfer-encoding") or _header(head, b"content-length") not in (b"", b"0"):
        return Part.WRONG
    wanted = _header(head, b"connection").lower()
    keep = wanted != b"close" and (parts[2] == b"HTTP/1.1" or wanted == b"keep-alive")
    path = parts[1].split(b"?", 1)[0].decode("latin-1")
    return Request(parts[0].decode("latin-1"), path, len(head) + len(_END), _challenge(head), keep)


def response(status: str, body: bytes, *, keep: bool, kind: str = "application/octet-stream") -> bytes:
    """A response with all that ours have. `status` as in `200 OK`."""
    head = (
        f"HTTP/1.1 {status}\r\nServer: tenant-sentinel\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
    )
    return head.encode("ascii") + body


def _challenge(head: bytes) -> bytes | None:
    found = _header(head, HEADER.lower().encode())
    try:
        return base64.b64decode(found, validate=True) if found else None
    except (binascii.Error, ValueError):
        return b""


def _header(head: bytes, name: bytes) -> bytes:
    """The value of the first header of this name, empty where there is none."""
    for line in head.split(b"\r\n")[1:]:
        key, colon, value = line.partition(b":")
        if colon and key.lower() == name:
            return value.strip(b" \t")
    return b""


def _begins(got: bytes, how: bytes) -> bool:
    return got[: len(how)] == how[: len(got)]
