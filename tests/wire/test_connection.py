"""One connection against servers that behave as badly as they can: nothing raises, nothing grows, nothing is uncut."""

import asyncio
import gzip
import json
import os
import socket
import ssl
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from sentinel.clients.clock import Clock
from sentinel.clients.kube import JSON, Connection, Request
from sentinel.core.api.reply import BODY_LIMIT, Fault
from tests.support.authority import Authority
from tests.support.ports import free_port
from tests.support.rawserver import raw_server

TIMEOUT = 0.6
ASK = Request("GET", "/api/v1/namespaces/team-b/secrets?limit=1", "our-token")
FORBIDDEN = json.dumps({"kind": "Status", "message": "x" * 300, "reason": "Forbidden"}).encode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trust(authority):
    return ssl.create_default_context(cafile=str(authority.ca_file))


def response(status="403 Forbidden", *headers, body=b"", length=None):
    length = len(body) if length is None else length
    rows = [f"HTTP/1.1 {status}", f"Content-Length: {length}", *headers]
    return "\r\n".join([*rows, "", ""]).encode() + body


def connection(url, trust, timeout=TIMEOUT, clock=None):
    return Connection(url, trust, timeout, clock or Clock())


async def one_reply(authority, trust, *packets, ask=ASK, close=False, **options):
    """What one request gets from a server that answers with these packets."""

    async def behave(peer, _):
        await peer.send(*packets)
        if close:
            peer.writer.close()

    async with raw_server(authority, behave) as server, connection(server.url, trust, **options) as line:
        return await line.ask(ask)


def fit_for_a_log(reply):
    assert len(reply.detail) <= 200
    assert reply.detail.isascii() and reply.detail.isprintable()


def memory():
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class TestKeepAlive:
    @pytest.mark.parametrize("split", [None, 1, 200], ids=["one-packet", "body-apart", "body-in-two-packets"])
    async def test_a_hundred_denials_come_over_one_connection(self, authority, trust, split):
        whole = response("403 Forbidden", "X-Content-Type-Options: nosniff", body=FORBIDDEN)
        at = len(whole) - len(FORBIDDEN) + (0 if split == 1 else 200)
        packets = (whole,) if split is None else (whole[:at], whole[at:])

        async def behave(peer, _):
            await peer.send(*packets)

        async with raw_server(authority, behave) as server, connection(server.url, trust, 5.0) as line:
            replies = [await line.ask(ASK) for _ in range(100)]

        assert {(reply.status, reply.body) for reply in replies} == {(403, FORBIDDEN)}
        assert (line.opened, server.connections) == (1, 1)

    async def test_a_chunked_body_whose_end_comes_late_does_not_cost_the_connection(self, authority, trust):
        head = b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n"

        async def behave(peer, _):
            await peer.send(head, b"5\r\nhello\r\n", b"0\r\n\r\n")

        async with raw_server(authority, behave) as server, connection(server.url, trust, 5.0) as line:
            replies = [await line.ask(ASK) for _ in range(5)]

        assert [reply.body for reply in replies] == [b"hello"] * 5
        assert line.opened == 1

    async def test_the_connection_lives_on_after_406_404_and_an_empty_204(self, authority, trust):
        answers = ["406 Not Acceptable", "404 Not Found", "204 No Content", "403 Forbidden"]

        async def behave(peer, _):
            status = answers[len(server.asked) - 1]
            await peer.send(response(status, body=b"" if "204" in status else b"x" * 400))

        async with raw_server(authority, behave) as server, connection(server.url, trust) as line:
            statuses = [(await line.ask(ASK)).status for _ in answers]

        assert statuses == [406, 404, 204, 403]
        assert line.opened == 1

    async def test_a_silent_reconnect_is_counted(self, authority, trust):
        async def behave(peer, _):
            await peer.send(response(body=FORBIDDEN))
            if len(server.asked) == 2:
                peer.writer.close()

        async with raw_server(authority, behave) as server, connection(server.url, trust) as line:
            opened = []
            for _ in range(4):
                reply = await line.ask(ASK)
                opened.append((reply.status, line.opened))
                await asyncio.sleep(0.02)

        assert opened == [(403, 1), (403, 1), (403, 2), (403, 2)]

    async def test_a_reconnect_that_fails_is_counted_too(self, authority, trust):
        """Else a network that swallows packets would look like the connection of the opening controls."""

        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(
                raw_server(authority, lambda peer, _: peer.send(response(body=FORBIDDEN)))
            )
            line = connection(server.url, trust)
            async with line:
                assert (await line.ask(ASK)).status == 403
                assert line.opened == 1
                await stack.aclose()
                await line.ask(ASK)  # finds the connection closed, or the port
                reply = await line.ask(ASK)

        assert reply.fault is Fault.REFUSED
        assert line.opened > 1


class TestWhatIsAsked:
    async def test_the_request_is_ours_to_the_byte(self, authority, trust):
        async def behave(peer, _):
            await peer.send(response("406 Not Acceptable"))

        async with raw_server(authority, behave) as server, connection(server.url, trust) as line:
            first, second = await line.ask(ASK), await line.ask(ASK)

        asked = server.asked[0]
        assert asked.line == "GET /api/v1/namespaces/team-b/secrets?limit=1 HTTP/1.1"
        assert asked.headers["accept"] == "image/png"
        assert asked.headers["authorization"] == "Bearer our-token"
        assert asked.headers["user-agent"].startswith("tenant-sentinel/")
        assert asked.headers["accept-encoding"] == "identity"
        assert (asked.nonce, server.asked[1].nonce) == (first.nonce, second.nonce)
        assert first.nonce != second.nonce
        assert set(asked.headers) == {"host", "accept", "authorization", "user-agent", "accept-encoding", "audit-id"}

    async def test_without_a_token_nothing_of_one_is_sent(self, authority, trust):
        async def behave(peer, _):
            await peer.send(response("401 Unauthorized"))

        async with raw_server(authority, behave) as server, connection(server.url, trust) as line:
            await line.ask(ASK)
            await line.ask(Request("GET", "/version"))

        assert "authorization" in server.asked[0].headers
        assert "authorization" not in server.asked[1].headers

    async def test_a_path_with_odd_characters_arrives_as_it_was_quoted(self, authority, trust):
        async def behave(peer, _):
            await peer.send(response("406 Not Acceptable"))

        path = "/api/v1/namespaces/team-b/secrets/a%20b%2F..%2Fc%3Fx%23y%252e"
        async with raw_server(authority, behave) as server, connection(server.url, trust) as line:
            await line.ask(Request("GET", path, "t"))

        assert server.asked[0].line == f"GET {path} HTTP/1.1"

    async def test_cookies_are_neither_kept_nor_sent(self, authority, trust):
        async def behave(peer, _):
            await peer.send(response("200 OK", "Set-Cookie: a=b"))

        async with raw_server(authority, behave) as server, connection(server.url, trust) as line:
            await line.ask(ASK)
            await line.ask(ASK)

        assert all("cookie" not in asked.headers for asked in server.asked)


class TestHeaders:
    async def test_what_vouches_for_a_reply_is_read(self, authority, trust):
        async def behave(peer, asked):
            rows = [f"audit-id: {asked.nonce}", "x-kubernetes-pf-flowschema-uid: f", "x-content-type-options: nosniff"]
            await peer.send(response("403 Forbidden", *rows, "warning: 299 - x", body=FORBIDDEN))

        async with raw_server(authority, behave) as server, connection(server.url, trust) as line:
            reply = await line.ask(ASK)

        assert reply.audit_id == reply.nonce
        assert (reply.flow, reply.nosniff, reply.warning, reply.body) == ("f", True, True, FORBIDDEN)
        assert server.connections == 1

    async def test_endless_headers_end_with_the_timeout_at_the_latest_and_grow_nothing(self, authority, trust):
        async def behave(peer, _):
            await peer.send(b"HTTP/1.1 403 Forbidden\r\n")
            while True:
                await peer.send(b"".join(b"X-%d: %s\r\n" % (n, b"y" * 900) for n in range(100)))

        before = memory()
        async with raw_server(authority, behave) as server, connection(server.url, trust) as line:
            reply = await line.ask(ASK)

        assert reply.fault in (Fault.PROTOCOL, Fault.TIMEOUT)
        assert memory() - before < 30 * 2**20
        fit_for_a_log(reply)

    async def test_one_header_without_end_is_cut(self, authority, trust):
        async def behave(peer, _):
            await peer.send(b"HTTP/1.1 403 Forbidden\r\nX-Long: ")
            while True:
                await peer.send(b"y" * 65536)

        before = memory()
        async with raw_server(authority, behave) as server, connection(server.url, trust) as line:
            reply = await line.ask(ASK)

        assert reply.fault is Fault.PROTOCOL
        assert memory() - before < 30 * 2**20
        fit_for_a_log(reply)

    async def test_thousands_of_headers_neither_crash_nor_stay(self, authority, trust):
        rows = [f"X-{number}: {'y' * 50}" for number in range(5000)]

        reply = await one_reply(authority, trust, response("403 Forbidden", *rows, body=FORBIDDEN))

        assert reply.fault is Fault.PROTOCOL or (reply.status, reply.body) == (403, FORBIDDEN)
        fit_for_a_log(reply)

    async def test_control_characters_in_a_header_reach_no_log(self, authority, trust):
        reply = await one_reply(
            authority, trust, response("403 \x1b[31mForbidden", "X-A: \x1b[2J\x07", "Audit-Id: \x1b[31m", body=b"{}")
        )

        fit_for_a_log(reply)


BAD = {
    "not-http": b"\x1b[31mSSH-2.0-hello\r\n\r\n",
    "bytes": os.urandom(4000) + b"\r\n\r\n",
    "no-status": b"HTTP/1.1 \r\n\r\n",
    "a-status-that-is-no-number": b"HTTP/1.1 abc Forbidden\r\n\r\n",
    "a-status-beyond-999": b"HTTP/1.1 99999 X\r\nContent-Length: 0\r\n\r\n",
    "http-9": b"HTTP/9.9 200 OK\r\n\r\n",
    "two-content-lengths": b"HTTP/1.1 403 X\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "a-negative-content-length": b"HTTP/1.1 403 X\r\nContent-Length: -5\r\n\r\nhello",
    "a-content-length-in-words": b"HTTP/1.1 403 X\r\nContent-Length: many\r\n\r\n",
    "a-content-length-beyond-all-bounds": b"HTTP/1.1 403 X\r\nContent-Length: " + b"9" * 400 + b"\r\n\r\n",
    "length-and-chunks": b"HTTP/1.1 403 X\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a-header-without-a-colon": b"HTTP/1.1 403 X\r\nnonsense\r\n\r\n",
    "a-header-with-a-null": b"HTTP/1.1 403 X\r\nA: \x00\r\nContent-Length: 0\r\n\r\n",
    "an-encoding-nobody-knows": b"HTTP/1.1 403 X\r\nTransfer-Encoding: \x1b[31m\r\n\r\n",
    "a-chunk-size-in-words": b"HTTP/1.1 403 X\r\nTransfer-Encoding: chunked\r\n\r\n\x1b[31m\r\nhello\r\n0\r\n\r\n",
    "a-negative-chunk": b"HTTP/1.1 403 X\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    "a-chunk-longer-than-said": b"HTTP/1.1 403 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
    "an-informational-status-for-ever": b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
    "switching-protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n\x00\x01",
    "http-1-0": b"HTTP/1.0 403 Forbidden\r\n\r\n{}",
}


class TestBrokenAnswers:
    @pytest.mark.parametrize("close", [False, True], ids=["held-open", "closed"])
    @pytest.mark.parametrize("bytes_", BAD.values(), ids=BAD.keys())
    async def test_whatever_is_sent_is_a_reply_and_no_error(self, authority, trust, bytes_, close):
        reply = await one_reply(authority, trust, bytes_, close=close)

        assert reply.fault is not None or reply.status >= 100
        fit_for_a_log(reply)

    async def test_a_content_length_that_promises_more_is_silence_or_an_end(self, authority, trust):
        lie = response(body=FORBIDDEN, length=len(FORBIDDEN) + 10)

        held = await one_reply(authority, trust, lie)
        ended = await one_reply(authority, trust, lie, close=True)

        assert held.fault is Fault.TIMEOUT
        assert ended.fault in (Fault.PROTOCOL, Fault.RESET)

    async def test_a_content_length_that_promises_less_spoils_the_next_reply_and_not_us(self, authority, trust):
        async def behave(peer, _):
            await peer.send(response(body=FORBIDDEN, length=10))

        async with raw_server(authority, behave) as server, connection(server.url, trust) as line:
            first, second = await line.ask(ASK), await line.ask(ASK)

        for reply in (first, second):
            assert reply.fault is Fault.PROTOCOL or reply.body == FORBIDDEN[:10]
            fit_for_a_log(reply)
        assert line.opened == 2

    async def test_an_early_close_is_a_reset(self, authority, trust):
        async def behave(peer, _):
            peer.abort()

        async with raw_server(authority, behave) as server, connection(server.url, trust) as line:
            reply = await line.ask(ASK)

        assert reply.fault is Fault.RESET
        assert server.connections <= 2, "aiohttp tries a GET once more on a connection that it had before"

    async def test_a_close_in_the_middle_of_the_head_is_a_reset(self, authority, trust):
        reply = await one_reply(authority, trust, b"HTTP/1.1 403 Forb", close=True)

        assert reply.fault in (Fault.RESET, Fault.PROTOCOL)

    async def test_a_slow_loris_is_silence(self, authority, trust):
        async def behave(peer, _):
            for byte in response(body=FORBIDDEN):
                await peer.send(bytes([byte]))
                await asyncio.sleep(0.05)

        start = time.monotonic()
        async with raw_server(authority, behave) as server, connection(server.url, trust) as line:
            reply = await line.ask(ASK)

        assert reply.fault is Fault.TIMEOUT
        assert TIMEOUT <= time.monotonic() - start < TIMEOUT + 1

    async def test_nothing_at_all_is_silence(self, authority, trust):
        reply = await one_reply(authority, trust)

        assert reply.fault is Fault.TIMEOUT

    async def test_a_redirect_is_not_followed(self, authority, trust):
        async with raw_server(authority, lambda peer, _: peer.send(response("200 OK"))) as elsewhere:
            reply = await one_reply(authority, trust, response("302 Found", f"Location: {elsewhere.url}/"))

            assert reply.status == 302
            assert elsewhere.connections == 0


class TestBodies:
    async def test_a_huge_body_is_cut_and_its_connection_dropped(self, authority, trust):
        sent = 0

        async def behave(peer, _):
            nonlocal sent
            await peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 1000000000\r\n\r\n")
            while True:
                await peer.send(b"x" * 65536)
                sent += 65536

        before = memory()
        async with raw_server(authority, behave) as server, connection(server.url, trust) as line:
            for _ in range(5):
                reply = await line.ask(ASK)
                assert reply.body == b"x" * BODY_LIMIT

            assert line.opened == 5
        assert memory() - before < 30 * 2**20

    async def test_of_a_success_nothing_is_kept_and_hardly_anything_read(self, authority, trust):
        """What a tenant keeps secret must not even be in our memory."""
        secret = b'{"kind":"SecretList","items":["c2VjcmV0"]}' * 10_000
        reply = await one_reply(authority, trust, response("200 OK", body=secret))

        assert (reply.status, reply.body) == (200, b"")

    async def test_of_what_is_about_us_as_much_is_kept_as_we_asked_for(self, authority, trust):
        small = Request("POST", "/whoami", "t", JSON, b"{}", keep=100)

        assert (await one_reply(authority, trust, response("201 Created", body=b"y" * 99), ask=small)).body == b"y" * 99
        assert (
            await one_reply(authority, trust, response("201 Created", body=b"y" * 500), ask=small)
        ).body == b"y" * 100

    @pytest.mark.parametrize("status", ["401 X", "404 X", "406 X", "500 X", "503 X", "302 X"])
    async def test_the_text_of_other_errors_is_forgotten(self, authority, trust, status):
        assert (await one_reply(authority, trust, response(status, body=b"secret" * 20))).body == b""

    async def test_a_gzip_bomb_is_not_unpacked(self, authority, trust):
        bomb = gzip.compress(b"\0" * 200_000_000)
        whole = response("403 Forbidden", "Content-Encoding: gzip", body=bomb)

        before = memory()
        reply = await one_reply(authority, trust, whole)

        assert reply.body == bomb[:BODY_LIMIT]
        assert memory() - before < 30 * 2**20

    async def test_a_thousand_hostile_replies_leave_memory_where_it_was(self, authority, trust):
        async def behave(peer, _):
            await peer.send(response("403 Forbidden", "X-A: " + "b" * 4000, body=b"z" * 20_000))

        async with raw_server(authority, behave) as server:
            async with connection(server.url, trust) as line:
                for _ in range(50):
                    await line.ask(ASK)
            before = memory()
            async with connection(server.url, trust) as line:
                for _ in range(500):
                    await line.ask(ASK)
            assert memory() - before < 10 * 2**20


class TestNoWayThere:
    async def test_proxies_from_the_environment_are_ignored(self, authority, trust, monkeypatch):
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")

        reply = await one_reply(authority, trust, response(body=FORBIDDEN))

        assert reply.status == 403

    async def test_another_authoritys_certificate_is_tls(self, authority, tmp_path):
        stranger = Authority(tmp_path)
        wrong = ssl.create_default_context(cafile=str(stranger.ca_file))

        reply = await one_reply(authority, wrong, response(body=FORBIDDEN))

        assert reply.fault is Fault.TLS
        fit_for_a_log(reply)

    async def test_a_certificate_for_another_name_is_tls(self, authority, trust):
        async with raw_server(authority, lambda peer, _: peer.send(response())) as server:
            url = server.url.replace("127.0.0.1", "127.0.0.2")
            async with connection(url, trust) as line:
                reply = await line.ask(ASK)

        assert reply.fault in (Fault.TLS, Fault.REFUSED)
        assert server.asked == []

    async def test_plain_http_where_tls_should_be_is_no_answer(self, trust):
        async with (
            raw_server(None, lambda peer, _: peer.send(response())) as server,
            connection(server.url.replace("http:", "https:"), trust) as line,
        ):
            reply = await line.ask(ASK)

        assert reply.fault in (Fault.TLS, Fault.RESET, Fault.TIMEOUT)
        assert server.asked == [], "no token was sent in the clear"

    async def test_nobody_listening_is_refused(self, trust):
        async with connection(f"https://127.0.0.1:{free_port()}", trust) as line:
            reply = await line.ask(ASK)

        assert reply.fault is Fault.REFUSED

    async def test_a_name_that_nobody_knows_is_our_own_resolver(self, trust):
        async with connection("https://sentinel.invalid:6443", trust, 5.0) as line:
            reply = await line.ask(ASK)

        assert reply.fault is Fault.DNS
        fit_for_a_log(reply)

    async def test_a_listener_that_accepts_nobody_is_silence(self, trust):
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(0)
            async with connection(f"https://127.0.0.1:{deaf.getsockname()[1]}", trust) as line:
                reply = await line.ask(ASK)

        assert reply.fault is Fault.TIMEOUT

    async def test_a_timeout_while_our_own_loop_slept_is_our_own_fault(self, authority, trust):
        async def behave(peer, _):
            await asyncio.sleep(60)

        async with raw_server(authority, behave) as server, connection(server.url, trust) as line:
            asyncio.get_running_loop().call_later(TIMEOUT / 2, time.sleep, TIMEOUT + 0.5)
            reply = await line.ask(ASK)

        assert reply.fault is Fault.OWN

    async def test_a_token_that_no_header_can_carry_is_our_own_fault(self, authority, trust):
        async with (
            raw_server(authority, lambda peer, _: peer.send(response())) as server,
            connection(server.url, trust) as line,
        ):
            reply = await line.ask(Request("GET", "/", "a\r\nX-Evil: b"))

        assert reply.fault is Fault.OWN
        assert "Evil" not in reply.detail
        assert server.asked == []

    async def test_being_cancelled_is_no_reply(self, authority, trust):
        async def behave(peer, _):
            await asyncio.sleep(60)

        async with raw_server(authority, behave) as server, connection(server.url, trust, 30.0) as line:
            task = asyncio.ensure_future(line.ask(ASK))
            while not server.asked:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
