"""Asks a gateway, or a provider, for one small completion, as a user's program would.

    key, canary -> POST -> headers .. first byte .. first token .. gaps .. end -> Heard

It waits as long as a user would and no longer, and says what came: `core.outcome` judges it.
`engine.gateway` decides when to ask.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sentinel.clients.clock import Clock
from sentinel.clients.completions import Broken, Completions
from sentinel.clients.tokens import NoToken, Source
from sentinel.core.gateway.canary import REQUEST_ID, Canary
from sentinel.core.gateway.completion import Deadlines, Heard, Trouble
from sentinel.core.gateway.dialect import SPEAKERS, Dialect
from sentinel.core.gateway.piece import Wanted
from sentinel.core.gateway.transcript import Listener, Transcript
from sentinel.errors import OwnFault

LATE = 0.5
"""Seconds by which a deadline may be noticed late; beyond that it was our own loop that slept."""
MOST_TOKENS = 64
"""The canary has about 45, in the tokenizers of the large models."""


def _nothing() -> None:
    """For those who need not know."""


@dataclass
class _Ear:
    """What was heard of one answer so far. `turn` is set when what we wait for becomes another thing."""

    dialect: Dialect
    on_token: Callable[[], None]
    turn: asyncio.Event = field(default_factory=asyncio.Event)
    connected_at: float | None = None
    answered_at: float | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    listener: Listener | None = None
    ended_at: float | None = None
    why: Trouble | Exception | None = None

    @property
    def hurry(self) -> bool:
        """Until the first token somebody waits for it."""
        return self.listener is None or self.listener.first_token is None

    @property
    def over(self) -> bool:
        return self.ended_at is not None

    def connected(self, at: float) -> None:
        self.connected_at = at

    def answered(self, status: int, headers: Mapping[str, str], at: float) -> None:
        self.answered_at, self.status, self.headers = at, status, headers
        self.listener = Listener(self.dialect, headers.get("content-type", ""))
        self.turn.set()

    def heard(self, chunk: bytes, at: float) -> bool:
        listener, hurry = self.listener, self.hurry
        assert listener is not None, "the headers come before"
        listener.feed(chunk, at)
        if hurry and not self.hurry:
            self.on_token()
            self.turn.set()
        return not (listener.enough or listener.complete)

    def ended(self, why: Trouble | Exception | None, at: float) -> None:
        self.ended_at, self.why = at, why
        self.turn.set()


@dataclass(frozen=True)
class CompletionProbe:
    """What is asked, and where. The headers are what this gateway wants besides; none is ever shown."""

    url: str
    dialect: Dialect
    model: str
    completions: Completions = field(repr=False)
    clock: Clock = field(repr=False)
    key: Source = field(default_factory=NoToken, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_headers: Mapping[str, Source] = field(default_factory=dict, repr=False)
    deadlines: Deadlines = field(default_factory=Deadlines)
    most_tokens: int = MOST_TOKENS

    async def ask(self, canary: Canary, *, stream: bool, on_token: Callable[[], None] = _nothing) -> Heard:
        """Ask once. Whatever comes, or does not, is a `Heard`. `on_token` is told of the first token, at once."""
        start, at = self.clock.monotonic(), self.clock.wall()
        ear = _Ear(self.dialect, on_token)
        try:
            trouble = await self._asked(canary, ear, start, stream=stream)
        except Broken as broken:
            trouble = broken.trouble
        except OwnFault:
            trouble = Trouble.KEY
        end = self.clock.monotonic() if ear.ended_at is None else ear.ended_at
        return Heard(
            start=start,
            at=at,
            took=end - start,
            stream=stream,
            status=ear.status,
            headers=ear.headers,
            connected=None if ear.connected_at is None else ear.connected_at - start,
            answered=None if ear.answered_at is None else ear.answered_at - start,
            trouble=trouble,
            transcript=ear.listener.finish(end) if ear.listener is not None else Transcript(),
        )

    async def _asked(self, canary: Canary, ear: _Ear, start: float, *, stream: bool) -> Trouble | None:
        wanted = Wanted(self.model, canary.prompt, self.most_tokens, stream)
        speaker = SPEAKERS[self.dialect]
        connect = min(start + self.deadlines.connect, self._until(ear, start, stream=stream))
        post = self.completions.post(
            speaker.path(self.url, wanted),
            self._headers(canary, stream=stream),
            json.dumps(speaker.body(wanted)).encode(),
            ear,
            until=self._on_loop(connect),
        )
        async with post as exchange:
            while not ear.over:
                until = self._until(ear, start, stream=stream)
                if not await self._turned(ear, until):
                    exchange.catch_up()
                    if self._nothing_since(ear, start, until, stream=stream):
                        return self._late(ear, start, until)
        if isinstance(ear.why, Exception):
            raise ear.why
        return ear.why

    async def _turned(self, ear: _Ear, until: float) -> bool:
        ear.turn.clear()
        try:
            async with asyncio.timeout_at(self._on_loop(until)):
                return await ear.turn.wait()
        except TimeoutError:
            return False

    def _nothing_since(self, ear: _Ear, start: float, until: float, *, stream: bool) -> bool:
        """Each token lets us wait longer; that is looked at only when the time would be over."""
        return not ear.over and self._until(ear, start, stream=stream) <= until

    def _until(self, ear: _Ear, start: float, *, stream: bool) -> float:
        """Until when what is waited for must be there, on our clock."""
        limits, listener = self.deadlines, ear.listener
        end = start + limits.total
        if not stream:
            return end
        if listener is not None and listener.first_token is not None and listener.last_sign is not None:
            return min(end, listener.last_sign + limits.idle)
        return min(end, start + limits.first_token)

    def _late(self, ear: _Ear, start: float, until: float) -> Trouble:
        if self.clock.monotonic() - until > LATE:
            return Trouble.LAG
        if ear.listener is None:
            return Trouble.LATE_HEADERS
        if until >= start + self.deadlines.total:
            return Trouble.TOO_LONG
        return Trouble.LATE_TOKEN if ear.listener.first_token is None else Trouble.IDLE

    def _on_loop(self, at: float) -> float:
        """The same moment on the loop's clock, which need not be ours."""
        return asyncio.get_running_loop().time() + at - self.clock.monotonic()

    def _headers(self, canary: Canary, *, stream: bool) -> dict[str, str]:
        key = self.key.read()
        secret = {name: token.text for name, source in self.secret_headers.items() if (token := source.read())}
        return {
            "Content-Type": "application/json",
            "Accept": "text/event-stream" if stream else "application/json",
            "X-Request-Id": f"{REQUEST_ID}{canary.nonce}",
            **(SPEAKERS[self.dialect].headers(key.text) if key is not None else {}),
            **self.headers,
            **secret,
        }
