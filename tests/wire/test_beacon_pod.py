"""`sentinel beacon` as a process: it hands over its key, answers whom the roster names, reports, and ends."""

import asyncio
import base64
import contextlib
import json
import os
import ssl
import sys
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from sentinel.clients.dial import dial
from sentinel.core.net import challenge, crossing, roster_json
from sentinel.core.net.challenge import Challenge, Signer
from sentinel.core.net.crossing import Family, Protocol
from sentinel.core.net.landing import Attempt
from sentinel.core.net.roster import Beacon, Roster
from tests.support.authority import Authority
from tests.support.child import Child
from tests.support.ports import free_port

LONG = 30.0
ASKER = Signer(b"\1" * 32)
UID = "0e7f0ba5-6c6f-4a4e-9a53-d5a94a2a9a02"


class Relay:
    """As much of the witness's as a beacon needs."""

    def __init__(self):
        self.key = b""
        self.reports = []
        self.port = 0
        self.over = asyncio.Event()

    async def register(self, request):
        said = await request.json()
        self.key, self.port = base64.b64decode(said["key"]), said["port"]
        return web.json_response({"uid": UID})

    async def roster(self, request):
        if request.query.get("wait") and request.query["after"] == "7":
            await self.over.wait()
        asker = Beacon("team-a", "team-a", "uid-a", 7462, key=ASKER.public)
        return web.json_response(roster_json.written(Roster(7, (asker,))))

    async def arrivals(self, request):
        self.reports.append([base64.b64decode(one) for one in (await request.json())["challenges"]])
        return web.json_response({"known": True})

    @contextlib.asynccontextmanager
    async def serving(self, authority):
        app = web.Application()
        app.router.add_put("/api/v1/beacon", self.register)
        app.router.add_get("/api/v1/roster", self.roster)
        app.router.add_post("/api/v1/arrivals", self.arrivals)
        runner = web.AppRunner(app, shutdown_timeout=LONG)
        await runner.setup()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(authority.certificate_file, authority.key_file)
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        try:
            yield f"https://127.0.0.1:{port}"
        finally:
            self.over.set()
            await runner.cleanup()


def token(pod):
    claims = {"sub": "system:serviceaccount:team-b:sentinel", "kubernetes.io": {"pod": pod} if pod else {}}
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}.c2ln"


def started(folder, relay, ca, pod):
    (folder / "token").write_text(token(pod))
    ports = {"beacon": free_port(), "web": free_port()}
    paging = f"paging: {{relay: '{relay}', relay_token: {folder}/token, relay_ca: {ca}}}" if relay else ""
    (folder / "s.yaml").write_text(
        f"cluster: c\ntenant: team-b\ntenants: [{{name: team-b, namespaces: [team-b]}}]\n"
        f"network: {{enabled: true, beacon: {{port: {ports['beacon']}}}}}\n"
        f"web: {{listen: '127.0.0.1:{ports['web']}'}}\n{paging}\n"
    )
    sentinel = Path(sys.executable).parent / "sentinel"
    child = Child([sentinel, "beacon", "--config", folder / "s.yaml"], folder / "log", env={"PATH": os.environ["PATH"]})
    return child, ports


async def until(look, child):
    async with asyncio.timeout(LONG):
        while not (found := await look()):
            child.must_run()
            await asyncio.sleep(0.05)
    return found


async def got(url):
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status, await response.text()
    except aiohttp.ClientError:
        return None


async def test_it_registers_answers_reports_and_ends(tmp_path):
    relay, authority = Relay(), Authority(tmp_path)
    async with relay.serving(authority) as url:
        child, ports = started(tmp_path, url, authority.ca_file, {"name": "x", "uid": UID})
        try:
            assert await until(lambda: got(f"http://127.0.0.1:{ports['beacon']}/readyz"), child) == (200, "ready\n")

            async def registered():
                return relay.key

            key = await until(registered, child)
            raw = challenge.asked(
                Challenge(b"n" * 16, "team-a", "uid-a", UID, Protocol.TCP, Family.V4, crossing.Path.POD), ASKER
            )
            attempt = Attempt("127.0.0.1", ports["beacon"], Protocol.TCP, raw)

            async def answered():
                (landing,) = await asyncio.to_thread(dial, [attempt], LONG)
                return challenge.is_answer(landing.reply, raw, key)

            await until(answered, child)  # not before it has the roster

            async def reported():
                return [raw] in relay.reports and relay.reports[-1] == []

            await until(reported, child)
            assert relay.port == ports["beacon"]
            _, metrics = await until(lambda: got(f"http://127.0.0.1:{ports['web']}/metrics"), child)
            assert 'sentinel_beacon_answers_total{protocol="tcp"} 1.0' in metrics
            status, _ = await until(lambda: got(f"http://127.0.0.1:{ports['web']}/readyz"), child)
            assert status == 200
        finally:
            child.terminate()
    assert child.exit_code == 0
    assert "Traceback" not in child.log_tail()


@pytest.mark.parametrize(
    ("relay", "pod", "code", "said"),
    [
        ("", {"uid": UID}, 2, "paging.relay: found nothing, expected the relay of the witness"),
        ("https://127.0.0.1:1", None, 4, "paging.relay_token: the token in "),
    ],
    ids=["no relay", "a token that is bound to no pod"],
)
async def test_without_what_it_needs_it_says_so_and_ends(tmp_path, relay, pod, code, said):
    authority = Authority(tmp_path)
    child, _ = started(tmp_path, relay, authority.ca_file, pod)
    try:
        assert await asyncio.to_thread(child.wait, LONG) == code
    finally:
        child.kill()
    assert said in child.log.read_text()
