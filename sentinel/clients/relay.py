"""The tenant's way to the witness: hand it pages, ask it where to look, learn which beacons there are.

It is the pager's client as `clients.alertmanager` is, with a token of an audience of its own and
the CA of the witness alone. Both files are read again whenever they change.
"""

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from sentinel import __version__
from sentinel.clients.alertmanager import TIMEOUT, Receiver
from sentinel.clients.endpoint import Endpoint
from sentinel.clients.session import Session
from sentinel.clients.tokens import FileToken
from sentinel.core.api.reply import clean
from sentinel.core.claim import MOST_ALERTS
from sentinel.core.net import hint, roster_json
from sentinel.core.net.hint import Hint
from sentinel.core.net.roster import Roster
from sentinel.errors import BadReply, ClientError, Refused, Throttled, TimedOut, Unreachable

ALERTS = "/api/v2/alerts"
HINTS = "/api/v1/hints"
BEACON = "/api/v1/beacon"
ROSTER = "/api/v1/roster"
ARRIVALS = "/api/v1/arrivals"
MOST_BYTES = 200 * 1024
"""Of one request; the witness takes 256 KiB."""
HINT_SECONDS = 35.0
"""For a request for hints: the witness answers after 25 at the latest."""
ROSTER_SECONDS = 35.0
"""For a request for a roster that waits for news: as for hints."""
_MOST_REPLY = 64 * 1024
_MOST_ROSTER = 16 * 1024 * 1024
_SAID = 200
_CONNECTIONS = 4  # two may wait for news, of hints and of the roster
_KEPT_SECONDS = 5.0  # less than the witness keeps one that says nothing


class RelayClient(Session):
    """A session to the witness, used as `async with`."""

    def __init__(self, url: str, token: Path, ca: Path, timeout: float = TIMEOUT) -> None:
        """`timeout` in seconds, for each post."""
        self._way = Endpoint(url.rstrip("/"), FileToken(token), ca_file=ca)
        self._timeout = timeout

    def _options(self) -> dict[str, Any]:
        return {
            "connector": aiohttp.TCPConnector(
                limit_per_host=_CONNECTIONS, ttl_dns_cache=10, keepalive_timeout=_KEPT_SECONDS
            ),
            "auto_decompress": False,
            "headers": {"User-Agent": f"tenant-sentinel/{__version__}", "Accept-Encoding": "identity"},
        }

    async def resolve(self, url: str) -> tuple[Receiver, ...]:
        """The witness; there is one, behind one name."""
        return (Receiver(url.rstrip("/")),)

    async def post(self, receiver: Receiver, alerts: Sequence[Mapping[str, Any]]) -> None:
        """Hand over alerts, in several requests if they are many.

        Raises Refused when even one of them is, Throttled with the seconds to wait, Unreachable,
        TimedOut, BadReply, or OwnFault for a token or a CA that cannot be read.
        """
        for body in _bodies(alerts):
            _must_be_taken(await self._ask("POST", f"{receiver.url}{ALERTS}", self._timeout, body), receiver.url)

    async def greet(self) -> tuple[Mapping[str, str], float]:
        """A push of nothing: what the witness's headers say, and how many seconds it took. Raises as `post`."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        status, headers, said = await self._ask("POST", f"{self._way.url}{ALERTS}", self._timeout, b"[]")
        _must_be_taken((status, headers, said), self._way.url)
        return headers, loop.time() - start

    async def hints(self, after: int) -> Hint:
        """What was told since `after`; comes when there is something, or after 25 s. Raises as `post`."""
        url = f"{self._way.url}{HINTS}?after={after}"
        status, headers, said = await self._ask("GET", url, HINT_SECONDS)
        _must_be_well(status, headers, said, url)
        found = hint.parse(said)
        if found is None:
            raise BadReply(f"{url}: answered something that is no hint")
        return found

    async def register(self, key: bytes, port: int) -> None:
        """Say by which Ed25519 public key (32 bytes) the beacon of this pod answers, and on which port.

        The pod is the one that our token is bound to. Again with the same key: changes nothing. Raises as
        `post`; Refused also while the witness has not seen the pod yet, or not yet that it restarted and so
        has a new key: to be tried again.
        """
        said = {"key": base64.b64encode(key).decode("ascii"), "port": port}
        await self._say("PUT", BEACON, said)

    async def roster(self, known: Roster | None = None, *, wait: bool = False) -> Roster:
        """Which beacons there are now, who has reported how often, and what of ours has arrived.

        `known`: the last one, so that only what is new is sent. `wait`: until something changes in the
        beacons or something of ours has arrived, for at most 25 s. Raises as `post`.
        """
        known = known or Roster()
        url = f"{self._way.url}{ROSTER}?after={known.number}{'&wait=1' if wait else ''}"
        seconds = ROSTER_SECONDS if wait else self._timeout
        status, headers, said = await self._ask("GET", url, seconds, most=_MOST_ROSTER)
        _must_be_well(status, headers, said, url)
        found = roster_json.parse(said, known)
        if found is None:
            raise BadReply(f"{url}: answered something that is no roster")
        return found

    async def arrivals(self, challenges: Sequence[bytes]) -> bool:
        """Report the challenges that reached this pod's beacon since the last report, as they came; 500 at most.

        One report after the other, also when there are none: the next one when this one has returned.
        False when the witness does not know our key (it was restarted): register again. Raises as `post`;
        what was in a report that failed belongs into the next one.
        """
        said = {"challenges": [base64.b64encode(one).decode("ascii") for one in challenges]}
        found = await self._say("POST", ARRIVALS, said)
        return found.get("known") is True

    async def _say(self, method: str, path: str, what: Mapping[str, Any]) -> Mapping[str, Any]:
        url = f"{self._way.url}{path}"
        status, headers, said = await self._ask(method, url, self._timeout, json.dumps(what).encode("ascii"))
        _must_be_well(status, headers, said, url)
        try:
            found = json.loads(said)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise BadReply(f"{url}: answered something that is no relay's")
        return found

    async def _ask(
        self, method: str, url: str, seconds: float, body: bytes | None = None, *, most: int = _MOST_REPLY
    ) -> tuple[int, Mapping[str, str], bytes]:
        token = self._way.own.read()
        tls = self._way.trust()
        assert self._session is not None and token is not None and tls is not None, "inside `async with`, with files"  # noqa: PT018
        try:
            async with self._session.request(
                method,
                url,
                data=body,
                ssl=tls,
                headers={"Authorization": f"Bearer {token.text}", "Content-Type": "application/json"},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as response:
                said = await _read(response, most)
                return response.status, response.headers, said
        except TimeoutError as error:
            raise TimedOut(f"{url}: no answer within {seconds:g} s") from error
        except (aiohttp.ClientConnectionError, OSError) as error:
            raise Unreachable(f"{url}: {type(error).__name__}: {clean(str(error), _SAID)}") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise BadReply(f"{url}: {type(error).__name__}") from error


def _bodies(alerts: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
    """Requests of a size that is taken; one at least, for an empty one is taken, too."""
    batch: list[str] = []
    size = 0
    for text in map(json.dumps, alerts):
        if batch and (size + len(text) > MOST_BYTES or len(batch) >= MOST_ALERTS):
            yield f"[{','.join(batch)}]".encode()
            batch, size = [], 0
        batch.append(text)
        size += len(text) + 1
    yield f"[{','.join(batch)}]".encode()


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    said = bytearray(await response.content.read(most))
    while not response.content.at_eof() and len(said) < most:
        said += await response.content.read(most - len(said))
    if not response.content.at_eof():
        response.close()
    return bytes(said)


def _must_be_taken(reply: tuple[int, Mapping[str, str], bytes], url: str) -> None:
    status, headers, said = reply
    _must_be_well(status, headers, said, url)
    try:
        refused = [str(entry["why"]) for entry in json.loads(said)["refused"]]
    except (ValueError, KeyError, TypeError) as error:
        raise BadReply(f"{url}: answered something that is no relay's") from error
    if refused:
        raise Refused(f"{url}: {len(refused)} refused, the first: {clean(refused[0], _SAID)}")


def _must_be_well(status: int, headers: Mapping[str, str], said: bytes, url: str) -> None:
    if status == 200:
        return
    text = f"{url}: answered {status}: {clean(said.decode('latin-1'), _SAID)}"
    if status == 429:
        raise Throttled(text, _seconds(headers.get("Retry-After", "")))
    kind: type[ClientError] = Refused if 400 <= status < 500 else BadReply
    raise kind(text)


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1.0
