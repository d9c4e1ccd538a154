"""A small page where users chat, served here: a field, a button, tokens as they come, and every way to go wrong."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from sentinel.core.gateway.canary import LAST

GRACEFUL = "We are very busy. Please try again in a minute."
TRACE = 'Traceback (most recent call last):\n  File "/app/chat.py", line 12, in answer\nKeyError: openai'

PAGE = """\
<!doctype html><meta charset=utf-8><title>Chat</title><link rel=icon href=data:,>
<style>body {font: 16px sans-serif} .answer {white-space: pre-wrap} .gone {display: none}</style>
<h1>Acme Chat</h1><div id=log></div>
<form id=form><textarea id=prompt></textarea><button id=send>Send</button></form>
<script>
const log = document.getElementById('log'), field = document.getElementById('prompt');
function shown() { fetch('/shown', {method: 'POST'}); }
function say(kind, text) {
  const line = document.createElement('div');
  line.className = kind; line.textContent = text; log.append(line);
  return line;
}
document.getElementById('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const asked = field.value;
  field.value = '';
  say('question', asked);
  SENT
  const reply = await fetch('/ask', {method: 'POST', body: asked});
  if (!reply.ok) return say('answer', await reply.text());
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  const line = say('answer', '');
  for (;;) {
    const {value, done} = await reader.read();
    if (done) break;
    for (const event of value.split('\\n\\n')) if (event) line.textContent += event.replace('data: ', '') + ' ';
  }
  shown();
});
LOADED
</script>
"""

ON_SEND = {
    "alert": "alert('Error: ECONNREFUSED 10.0.0.7:8080'); return;",
    "spinner": "say('answer', '\\u2026'); shown(); return;",
    "hidden": f"say('answer gone', '{GRACEFUL}'); shown(); return;",
    "loop": "for (;;) ;",
    "memory": "const kept = []; for (;;) { kept.push(new Uint8Array(64 << 20).fill(1)); await 0; }",
    "away": "location.href = 'http://localhost:' + location.port + '/other'; return;",
    "apology": "say('notice', 'Oops, something went wrong.'); shown(); return;",
}
"""What the page's own script does in place of asking; `hidden` is said, and shown to nobody."""
SHADES = """\
<!doctype html><meta charset=utf-8><link rel=icon href=data:,><style>body {font: 16px sans-serif}</style>
<p>seen <b>at once</b></p><p style="margin-top: 3000px">seen below</p><x-shade></x-shade>
<p style="display: none">unseen: none</p><p style="visibility: hidden">unseen: hidden</p>
<p style="opacity: 0">unseen: transparent</p><p style="position: absolute; left: -9999px">unseen: aside</p>
<p style="height: 0; overflow: hidden">unseen: cut</p><p style="font-size: 0">unseen: small</p>
<p style="color: transparent">unseen: clear</p><p style="clip-path: inset(50%)">unseen: clipped</p>
<details><summary>seen summary</summary>unseen: folded</details><textarea id=prompt>unseen: typed</textarea>
<script>const text = 'unseen: script';
document.querySelector('x-shade').attachShadow({mode: 'open'}).innerHTML = '<p class=answer>seen in shade</p>';</script>
"""
"""What a user sees of it says so, and so does what no user sees."""


@dataclass
class ChatPage:
    """The server's behaviour. `fault`: what is wrong, empty when all is well; `slow`: seconds to the first token."""

    fault: str = ""
    slow: float = 0.0
    port: int = 0
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    on_shown: Callable[[], None] = lambda: None
    """Called when all is on the page that will be."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def page(self, request: web.Request) -> web.StreamResponse:
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        match self.fault:
            case "blank":
                return web.Response(text="<script>fetch('/shown', {method: 'POST'})</script>", content_type="text/html")
            case "500":
                return web.Response(status=500, text=TRACE)
            case "503":
                return web.Response(status=503, text=f"<h1>{GRACEFUL}</h1>", content_type="text/html")
            case "redirect":
                raise web.HTTPFound(f"http://localhost:{self.port}/other")
            case "hang":
                await asyncio.sleep(60)
        text = SHADES if self.fault == "shades" else PAGE.replace("SENT", ON_SEND.get(self.fault, ""))
        text = text.replace("LOADED", "alert('Welcome');" if self.fault == "welcome" else "")
        return web.Response(text=text, content_type="text/html")

    async def other(self, request: web.Request) -> web.Response:
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        return web.Response(text=PAGE.replace("SENT", ""), content_type="text/html")

    async def shown(self, _request: web.Request) -> web.Response:
        self.on_shown()
        return web.Response()

    async def ask(self, request: web.Request) -> web.StreamResponse:
        asked = await request.text()
        self.asked.append(asked)
        match self.fault:
            case "graceful":
                return web.Response(status=503, text=GRACEFUL)
            case "trace":
                return web.Response(status=500, text=TRACE)
            case "json":
                return web.json_response({"error": {"message": "no", "type": "server_error"}}, status=500)
            case "late":
                await asyncio.sleep(self.slow)
                return web.Response(status=503, text=GRACEFUL)
        return await self._streamed(request, asked)

    async def _streamed(self, request: web.Request, asked: str) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await reply.prepare(request)
        await asyncio.sleep(self.slow)
        mark = re.search(r"END-\w+", asked)
        assert mark is not None, "the canary was asked for"
        song = [*map(str, range(1, LAST + 1)), mark[0]]
        for word in song[:5] if self.fault == "cut" else song:
            await reply.write(f"data: {word}\n\n".encode())
            await asyncio.sleep(0.005)
        return reply


@asynccontextmanager
async def chat_page(fault: str = "", slow: float = 0.0) -> AsyncIterator[ChatPage]:
    made = ChatPage(fault, slow)
    app = web.Application()
    app.add_routes(
        [
            web.get("/", made.page),
            web.get("/other", made.other),
            web.post("/ask", made.ask),
            web.post("/shown", made.shown),
        ]
    )
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()
