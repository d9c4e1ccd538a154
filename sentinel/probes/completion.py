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
from sentinel.clients.completions import Answer, Broken, Completions
from sentinel.clients.tokens import NoToken, Source
from sentinel.core.gateway.canary import Canary
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
class _Progress:
    """How far one answer has come."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    connected: float | None = None
    answered: float | None = None
    listener: Listener | None = None


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
        progress = _Progress()
        try:
            trouble = await self._asked(canary, progress, start, on_token, stream=stream)
        except Broken as broken:
            trouble = broken.trouble
        except OwnFault:
            trouble = Trouble.KEY
        end = self.clock.monotonic()
        listener = progress.listener
        return Heard(
            start=start,
            at=at,
            took=end - start,
            stream=stream,
            status=progress.status,
            headers=progress.headers,
            connected=None if progress.connected is None else progress.connected - start,
            answered=None if progress.answered is None else progress.answered - start,
            trouble=trouble,
            transcript=listener.finish(end) if listener is not None else Transcript(),
        )

    async def _asked(
        self, canary: Canary, progress: _Progress, start: float, on_token: Callable[[], None], *, stream: bool
    ) -> Trouble | None:
        wanted = Wanted(self.model, canary.prompt, self.most_tokens, stream)
        speaker = SPEAKERS[self.dialect]
        limits = self.deadlines
        until = start + min(limits.total, limits.first_token if stream else limits.total)
        post = self.completions.post(
            speaker.path(self.url, wanted),
            self._headers(canary, stream=stream),
            json.dumps(speaker.body(wanted)).encode(),
            connect=limits.connect,
            until=self._on_loop(until),
        )
        try:
            async with post as answer:
                progress.status, progress.headers = answer.status, answer.headers
                progress.connected, progress.answered = answer.connected, self.clock.monotonic()
                progress.listener = Listener(self.dialect, answer.headers.get("content-type", ""))
                return await self._listened(answer, progress.listener, start, on_token, stream=stream)
        except Broken as broken:
            if broken.trouble is Trouble.LATE_HEADERS and self.clock.monotonic() - until > LATE:
                raise Broken(Trouble.LAG) from broken
            raise

    async def _listened(
        self, answer: Answer, listener: Listener, start: float, on_token: Callable[[], None], *, stream: bool
    ) -> Trouble | None:
        while not _over(listener):
            until = self._until(listener, start, stream=stream)
            try:
                async with asyncio.timeout_at(self._on_loop(until)):
                    chunk = await answer.read()
            except TimeoutError:
                return self._late(listener, start, until)
            except Broken as broken:
                return broken.trouble
            if not chunk:
                return None
            before = listener.first_token
            listener.feed(chunk, self.clock.monotonic())
            if before != listener.first_token:  # it is set once
                on_token()
        return None

    def _until(self, listener: Listener, start: float, *, stream: bool) -> float:
        """Until when the next bytes must be there, on our clock."""
        limits = self.deadlines
        end = start + limits.total
        if not stream:
            return end
        if listener.last_sign is not None and listener.first_token is not None:
            return min(end, listener.last_sign + limits.idle)
        return min(end, start + limits.first_token)

    def _late(self, listener: Listener, start: float, until: float) -> Trouble:
        if self.clock.monotonic() - until > LATE:
            return Trouble.LAG
        if until >= start + self.deadlines.total:
            return Trouble.TOO_LONG
        return Trouble.LATE_TOKEN if listener.first_token is None else Trouble.IDLE

    def _on_loop(self, at: float) -> float:
        """The same moment on the loop's clock, which need not be ours."""
        return asyncio.get_running_loop().time() + at - self.clock.monotonic()

    def _headers(self, canary: Canary, *, stream: bool) -> dict[str, str]:
        key = self.key.read()
        secret = {name: token.text for name, source in self.secret_headers.items() if (token := source.read())}
        return {
            "Content-Type": "application/json",
            "Accept": "text/event-stream" if stream else "application/json",
            "X-Request-Id": f"tenant-sentinel-{canary.nonce}",
            **(SPEAKERS[self.dialect].headers(key.text) if key is not None else {}),
            **self.headers,
            **secret,
        }


def _over(listener: Listener) -> bool:
    return listener.enough or listener.complete
