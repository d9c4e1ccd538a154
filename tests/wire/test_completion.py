"""One completion on real sockets: whatever a gateway does, it is called what it was, in bounded time and memory."""

import asyncio
import gzip
import socket
import ssl
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme

from sentinel.clients import completions, exchange
from sentinel.clients.clock import Clock
from sentinel.clients.completions import Completions
from sentinel.clients.tokens import FileToken
from sentinel.core.gateway.completion import Deadlines, Trouble
from sentinel.core.gateway.dialect import SPEAKERS, Dialect
from sentinel.core.gateway.outcome import Kind, Outcome, judge
from sentinel.probes import completion
from sentinel.probes.completion import CompletionProbe
from tests.core.gateway import recorded as r
from tests.core.gateway.recorded import ASKED, DONE, ROLE, STOP, chat, event, said, words
from tests.support.authority import Authority
from tests.support.rawserver import Asked, Peer, raw_server

pytestmark = pytest.mark.asyncio

Behave = Callable[[Peer, Asked], Awaitable[None]]
QUICK = Deadlines(connect=5.0, first_token=2.5, idle=2.0, total=5.0)
PATIENT = Deadlines(connect=20.0, first_token=60.0, idle=60.0, total=60.0)
O = Outcome  # noqa: E741


@pytest.fixture(autouse=True)
def _on_a_busy_machine(request, monkeypatch):
    """Our own loop is late there now and then, which only one test is about."""
    if "slept" not in request.node.name:
        monkeypatch.setattr(completion, "LATE", 60.0)


@dataclass
class Far:
    """A gateway that behaves as the test says, and the probe of it."""

    probe: CompletionProbe
    server: Any
    tokens: list[float]

    async def ask(self, *, stream=True, preset="litellm", canary=ASKED):
        heard = await self.probe.ask(
            canary, stream=stream, on_token=lambda: self.tokens.append(asyncio.get_running_loop().time())
        )
        return heard, judge(heard, canary, r.expected(preset))


@asynccontextmanager
async def gateway(behave: Behave, *, authority: Any = None, tls=None, deadlines=PATIENT, **options):
    async with raw_server(authority, behave) as server:
        url = f"{server.url}/v1/chat/completions"
        settings: dict[str, Any] = {"dialect": Dialect.OPENAI_CHAT, "model": "chat"} | options
        probe = CompletionProbe(url=url, completions=Completions(tls), clock=Clock(), deadlines=deadlines, **settings)
        yield Far(probe, server, [])


def head(status: str = "200 OK", kind: str = "text/event-stream", *more: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Type: {kind}", *more, "", ""]).encode()


CHUNKED = "Transfer-Encoding: chunked"


def pieces(*texts: str) -> list[bytes]:
    """Each as one chunk of HTTP."""
    return [f"{len(text.encode()):x}\r\n{text}\r\n".encode() for text in texts]


def whole(status: str, body: str, kind="application/json", *more: str) -> Behave:
    async def behave(peer: Peer, asked: Asked) -> None:
        await peer.send(head(status, kind, f"Content-Length: {len(body.encode())}", *more) + body.encode())

    return behave


def streamed(*texts: str, end: bytes = b"0\r\n\r\n", more: tuple[str, ...] = ()) -> Behave:
    async def behave(peer: Peer, asked: Asked) -> None:
        await peer.send(head("200 OK", "text/event-stream", CHUNKED, *more), *pieces(*texts))
        if end:
            await peer.send(end)

    return behave


def then(first: Behave, last: Callable[[Peer], Awaitable[None] | None]) -> Behave:
    async def behave(peer: Peer, asked: Asked) -> None:
        await first(peer, asked)
        if (left := last(peer)) is not None:
            await left

    return behave


async def hangs(peer: Peer) -> None:
    await peer.reader.read()  # until the client goes


FINE = streamed(ROLE, *words(13), STOP, DONE)


async def test_a_good_stream_has_all_its_times_in_order():
    async with gateway(FINE) as far:
        heard, judged = await far.ask()

    assert judged.outcome is O.SERVED_UNKNOWN
    assert heard.connected is not None
    assert heard.answered is not None
    assert heard.first_token is not None
    assert 0 < heard.connected <= heard.answered <= heard.first_token <= heard.took
    assert heard.transcript.first_byte is not None
    assert heard.transcript.first_byte < heard.transcript.first_token, "the role alone is no token"
    assert 0 < heard.transcript.gap < heard.took
    assert heard.transcript.tokens == 13
    assert len(far.tokens) == 1


async def test_each_probe_has_a_connection_of_its_own():
    async with gateway(FINE) as far:
        for _ in range(3):
            await far.ask()

    assert far.server.connections == 3


async def test_a_stream_ends_with_its_mark_and_not_with_the_connection():
    async with gateway(then(streamed(ROLE, *words(13), STOP, DONE, end=b""), hangs)) as far:
        heard, judged = await far.ask()

    assert (judged.outcome, heard.trouble) == (O.SERVED_UNKNOWN, None)


# Every fault of the measured matrix, as the gateways passed it on, streamed and not.


def reset(peer: Peer) -> None:
    linger = SimpleNamespace(on=1, seconds=0)
    sock = peer.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger.on.to_bytes(4, "little") + bytes(4))
    peer.abort()


async def nothing(peer: Peer, asked: Asked) -> None:
    """Not a word."""


FAULTS = [
    ("reset at once", then(nothing, reset), O.GATEWAY_UNREACHABLE, O.GATEWAY_UNREACHABLE),
    ("closed at once", then(nothing, lambda peer: peer.writer.close()), O.GATEWAY_UNREACHABLE, O.GATEWAY_UNREACHABLE),
    ("429 with a time", whole("429 Too Many Requests", r.OPENAI_429, "application/json", "Retry-After: 7"), O.STRUCTURED_ERROR, O.STRUCTURED_ERROR),
    ("500 of litellm", whole("500 Internal Server Error", r.LITELLM_BOTH_500), O.UNGRACEFUL_ERROR, O.UNGRACEFUL_ERROR),
    ("500 of Portkey", whole("500 Internal Server Error", r.PORTKEY_BOTH_DEAD), O.UNGRACEFUL_ERROR, O.UNGRACEFUL_ERROR),
    ("cooldown", whole("429 Too Many Requests", r.LITELLM_COOLDOWN, "application/json", "Retry-After: 10"), O.UNGRACEFUL_ERROR, O.UNGRACEFUL_ERROR),
    ("HTML 502", whole("502 Bad Gateway", r.NGINX_502, "text/html"), O.UNGRACEFUL_ERROR, O.UNGRACEFUL_ERROR),
    ("dies before the first chunk", streamed(end=b"0\r\n\r\n"), O.EMPTY_SUCCESS, O.EMPTY_SUCCESS),
    ("abort after 4", then(streamed(ROLE, *words(4), end=b""), lambda peer: peer.abort()), O.TRUNCATED_STREAM, O.TRUNCATED_STREAM),
    ("reset after 4", then(streamed(ROLE, *words(4), end=b""), reset), O.TRUNCATED_STREAM, O.TRUNCATED_STREAM),
    ("clean end after 4", streamed(ROLE, *words(4)), O.TRUNCATED_STREAM, O.TRUNCATED_STREAM),
    ("a fabricated end after 4", streamed(ROLE, *words(4), STOP, DONE), O.TRUNCATED_STREAM, O.TRUNCATED_STREAM),
    ("an error after 4", streamed(ROLE, *words(4), event(r.LITELLM_IN_BAND)), O.ERROR_IN_STREAM, O.ERROR_IN_STREAM),
    ("an error after 4, then an abort", then(streamed(ROLE, *words(4), event(r.BUSY), end=b""), lambda peer: peer.abort()), O.ERROR_IN_STREAM, O.ERROR_IN_STREAM),
    ("an empty answer", streamed(ROLE, STOP, DONE), O.EMPTY_SUCCESS, O.EMPTY_SUCCESS),
    ("text twice", streamed(ROLE, *words(4), *words(13), STOP, DONE), O.CORRUPTED_STREAM, O.CORRUPTED_STREAM),
    ("a whole answer", whole("200 OK", chat(ASKED.song)), O.SERVED_UNKNOWN, O.SERVED_UNKNOWN),
    ("half an answer", whole("200 OK", chat("1 2 3 4")), O.TRUNCATED_STREAM, O.TRUNCATED_STREAM),
    ("a body shorter than promised", then(whole("200 OK", chat(ASKED.song), "application/json", "X: y"), lambda peer: peer.abort()), O.SERVED_UNKNOWN, O.SERVED_UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(
    ("behave", "if_streamed", "if_not"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS]
)
async def test_every_fault_is_called_what_it_is_streamed_or_not(behave, if_streamed, if_not):
    async with gateway(behave) as far:
        _, of_stream = await far.ask(stream=True)
        _, of_whole = await far.ask(stream=False)

    assert (of_stream.outcome, of_whole.outcome) == (if_streamed, if_not), (of_stream, of_whole)


async def test_a_body_that_ends_too_early_is_truncated():
    async def behave(peer: Peer, asked: Asked) -> None:
        await peer.send(head("200 OK", "application/json", "Content-Length: 5000") + chat(ASKED.song).encode())
        peer.writer.close()

    async with gateway(behave) as far:
        heard, judged = await far.ask(stream=False)

    assert (judged.outcome, judged.kind, heard.trouble) == (O.TRUNCATED_STREAM, Kind.ABORT, Trouble.ABORT)


@pytest.mark.parametrize("secure", [False, True], ids=["in the clear", "over TLS"])
async def test_what_came_in_the_same_packet_as_the_end_of_the_connection_is_heard(tmp_path, secure):
    authority = Authority(tmp_path) if secure else None
    tls = completions.trust(authority.ca_file) if authority else None

    async def behave(peer: Peer, asked: Asked) -> None:
        await peer.send(head("200 OK", "text/event-stream", CHUNKED) + b"".join(pieces(ROLE, *words(4), event(r.BUSY))))
        peer.writer.close()

    async with gateway(behave, authority=authority, tls=tls) as far:
        heard, judged = await far.ask()

    assert (heard.trouble, heard.transcript.tokens) == (Trouble.ABORT, 4)
    assert (judged.outcome, judged.tokens_before) == (O.ERROR_IN_STREAM, 4)


@pytest.mark.parametrize(
    ("behave", "stream", "outcome"),
    [
        (then(nothing, hangs), True, O.TIMEOUT_HEADERS),
        (then(nothing, hangs), False, O.TIMEOUT_HEADERS),
        (then(streamed(ROLE, end=b""), hangs), True, O.TIMEOUT_FIRST_TOKEN),
        (then(streamed(ROLE, *words(4), end=b""), hangs), True, O.STALLED_STREAM),
        (then(streamed(ROLE, *words(4), end=b""), hangs), False, O.STALLED_STREAM),
        (then(whole("200 OK", "", "application/json", "Content-Length: 10"), hangs), False, O.GATEWAY_UNREACHABLE),
    ],
    ids=["headers", "headers, whole", "first token", "between tokens", "between tokens, unasked", "two lengths"],
)
async def test_silence_is_called_by_the_place_where_it_begins(behave, stream, outcome):
    async with gateway(behave, deadlines=QUICK) as far:
        heard, judged = await far.ask(stream=stream)

    assert judged.outcome is outcome, heard.trouble


async def test_comments_and_pings_do_not_count_as_tokens_while_one_waits():
    async def behave(peer: Peer, asked: Asked) -> None:
        await peer.send(head("200 OK", "text/event-stream", CHUNKED))
        while True:
            await peer.send(*pieces(": ping\n\n", ROLE))
            await asyncio.sleep(0.05)

    async with gateway(behave, deadlines=QUICK) as far:
        heard, judged = await far.ask()

    assert judged.outcome is O.TIMEOUT_FIRST_TOKEN
    assert heard.trouble is Trouble.LATE_TOKEN, "and not when all of the time was over"


async def test_tokens_without_end_are_stopped_when_all_of_the_time_is_over():
    async def behave(peer: Peer, asked: Asked) -> None:
        await peer.send(head("200 OK", "text/event-stream", CHUNKED))
        while True:
            await peer.send(*pieces(*words(1)))
            await asyncio.sleep(0.05)

    async with gateway(behave, deadlines=QUICK) as far:
        heard, judged = await far.ask()

    assert (heard.trouble, judged.outcome) == (Trouble.TOO_LONG, O.STALLED_STREAM)


async def test_after_the_first_token_the_time_between_tokens_counts():
    impatient = replace(PATIENT, idle=0.5)
    async with gateway(then(streamed(ROLE, *words(4), end=b""), hangs), deadlines=impatient) as far:
        heard, judged = await far.ask()

    assert (heard.trouble, judged.outcome) == (Trouble.IDLE, O.STALLED_STREAM)
    assert heard.took < PATIENT.first_token


async def test_tokens_that_are_still_to_be_read_are_no_silence(monkeypatch):
    monkeypatch.setattr(exchange, "GATHER_SECONDS", 1000.0)

    async def behave(peer: Peer, asked: Asked) -> None:
        await peer.send(head("200 OK", "text/event-stream", CHUNKED), *pieces(ROLE))
        for word in words(13):
            await peer.send(*pieces(word))
            await asyncio.sleep(0.1)
        await peer.send(*pieces(STOP, DONE))
        await hangs(peer)

    async with gateway(behave, deadlines=replace(PATIENT, idle=1.0)) as far:
        heard, judged = await far.ask()

    assert (heard.trouble, judged.outcome) == (None, O.SERVED_UNKNOWN)


async def test_an_answer_took_until_its_end_came_and_not_until_that_was_read(monkeypatch):
    monkeypatch.setattr(exchange, "GATHER_SECONDS", 2.0)

    async with gateway(then(streamed(ROLE, *words(13), STOP, DONE, end=b""), hangs)) as far:
        start = asyncio.get_running_loop().time()
        heard, _ = await far.ask()
        waited = asyncio.get_running_loop().time() - start

    assert waited - heard.took > 1.0
    assert heard.transcript.last_token is not None
    assert heard.transcript.last_token - heard.start <= heard.took


async def test_nobody_listens_there():
    async with gateway(FINE) as far:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            far.probe = replace(far.probe, url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1/chat/completions")
            heard, judged = await far.ask()

    assert (heard.trouble, judged.outcome) == (Trouble.REFUSED, O.GATEWAY_UNREACHABLE)


@pytest.mark.parametrize(
    ("number", "trouble", "outcome"),
    [
        (socket.EAI_NONAME, Trouble.DNS, O.GATEWAY_UNREACHABLE),
        (socket.EAI_AGAIN, Trouble.RESOLVER, O.HARNESS_ERROR),
        (socket.EAI_FAIL, Trouble.RESOLVER, O.HARNESS_ERROR),
    ],
)
async def test_a_name_that_does_not_exist_is_the_gateways_and_a_dead_resolver_is_ours(
    monkeypatch, number, trouble, outcome
):
    async def lookup(*args, **kwargs):
        raise socket.gaierror(number, "as the system says it")

    async with gateway(FINE) as far:
        far.probe = replace(far.probe, url="http://gateway.invalid:1/v1/chat/completions")
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup, raising=False)
        heard, judged = await far.ask()

    assert (heard.trouble, judged.outcome) == (trouble, outcome)


async def test_a_resolver_that_says_nothing_is_ours_too(monkeypatch):
    async def lookup(*args, **kwargs):
        await asyncio.sleep(1000)

    async with gateway(FINE, deadlines=replace(QUICK, connect=0.3)) as far:
        far.probe = replace(far.probe, url="http://gateway.invalid:1/v1/chat/completions")
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup, raising=False)
        heard, judged = await far.ask()

    assert (heard.trouble, judged.outcome) == (Trouble.RESOLVER, O.HARNESS_ERROR)


async def test_a_connection_that_nobody_accepts_has_a_time_of_its_own():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        queued = []
        for _ in range(8):  # until its queue is full, so that the kernel drops the next one's packets
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
            queued.append(waiting)
        async with gateway(FINE, deadlines=replace(PATIENT, connect=0.5)) as far:
            far.probe = replace(far.probe, url=f"http://127.0.0.1:{port}/v1/chat/completions")
            heard, judged = await far.ask()
        for waiting in queued:
            waiting.close()

    assert (heard.trouble, judged.outcome) == (Trouble.CONNECT, O.GATEWAY_UNREACHABLE)


# Wrong input: each has an outcome, and a bound.


def pair(folder: Path, name: str) -> Any:
    """A certificate for this name, and who trusts it."""
    authority = trustme.CA()
    leaf = authority.issue_cert(name)
    made = SimpleNamespace(certificate_file=folder / "a.pem", key_file=folder / "a.key", ca_file=folder / "ca.pem")
    authority.cert_pem.write_to_path(str(made.ca_file))
    leaf.private_key_pem.write_to_path(str(made.key_file))
    for part in leaf.cert_chain_pems:
        part.write_to_path(str(made.certificate_file), append=True)
    return made


async def test_a_certificate_for_another_name_is_no_gateway(tmp_path):
    other = pair(tmp_path, "other.example")

    async with gateway(FINE, authority=other, tls=completions.trust(other.ca_file)) as far:
        heard, judged = await far.ask()

    assert (heard.trouble, judged.outcome) == (Trouble.TLS, O.GATEWAY_UNREACHABLE)
    assert far.server.asked == [], "no key was sent there"


async def test_who_closes_in_the_middle_of_the_handshake_has_ended_the_connection():
    async def closes(reader, writer):
        await reader.read(10)
        writer.close()

    server = await asyncio.start_server(closes, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/chat/completions"
    async with server:
        probe = CompletionProbe(url, Dialect.OPENAI_CHAT, "chat", Completions(), Clock(), deadlines=PATIENT)
        heard = await probe.ask(ASKED, stream=True)

    assert heard.trouble is Trouble.RESET


async def test_a_header_that_would_be_two_is_ours_and_nothing_is_sent():
    async with gateway(FINE, headers={"X-Team": "sre\r\nX-Other: y"}) as far:
        heard, judged = await far.ask()

    assert (heard.trouble, judged.outcome) == (Trouble.BUG, O.HARNESS_ERROR)
    assert far.server.connections == 0


async def test_over_tls_to_who_is_trusted_all_is_the_same(tmp_path):
    authority = Authority(tmp_path)
    trusted = ssl.create_default_context(cafile=str(authority.ca_file))

    async with gateway(FINE, authority=authority, tls=trusted) as far:
        _, judged = await far.ask()

    assert judged.outcome is O.SERVED_UNKNOWN


def endless(chunk: bytes, sent: list[int], begin: bytes) -> Behave:
    async def behave(peer: Peer, asked: Asked) -> None:
        peer.writer.write(begin)
        while True:
            peer.writer.write(chunk)
            await peer.writer.drain()
            sent.append(len(chunk))
            await asyncio.sleep(0)

    return behave


@pytest.mark.parametrize(
    ("chunk", "kind"),
    [
        (b"x" * 65536, "text/event-stream"),
        (b"data: " + b"x" * 65536, "text/event-stream"),
        (b"data: x\n" * 8192, "text/event-stream"),
        (said(3).encode() * 100, "text/event-stream"),
        (b": ping\n\n" * 8192, "text/event-stream"),
        (b"[" * 65536, "application/json"),
        (b"\0" * 65536, "application/octet-stream"),
    ],
    ids=["a line without end", "an event without end", "an event of lines", "tokens", "comments", "JSON", "bytes"],
)
async def test_what_has_no_end_is_left_after_half_a_megabyte_and_takes_little_memory(chunk, kind):
    sent: list[int] = []
    async with gateway(endless(chunk, sent, head("200 OK", kind))) as far:
        tracemalloc.start()
        _, judged = await far.ask()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert judged.outcome is O.CORRUPTED_STREAM
    assert judged.rule == "more than an answer can be"
    assert peak < 8_000_000
    assert sum(sent) < 64_000_000, "what lies in the sockets' buffers, and no more"


STATUS = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("begin", "chunk"),
    [
        (b"HTTP/1.1 200 ", b"y" * 65536),
        (STATUS, b"X-A: y\r\n" * 8192),
        (STATUS + b"X-A: ", b"y" * 65536),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1024),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: <y>\r\n\r\n" * 1024),
        (head("200 OK", "text/event-stream", CHUNKED), b"0" * 65536),
        (head("200 OK", "text/event-stream", CHUNKED) + b"5;", b"y" * 65536),
        (head("200 OK", "text/event-stream", CHUNKED), b"4\r\n:::\n\r\n" * 8192),
        (head("200 OK", "text/event-stream", CHUNKED) + b"0\r\n", b"X-A: y\r\n" * 8192),
    ],
    ids=["status", "headers", "header", "100", "103", "chunk size", "chunk extension", "tiny chunks", "trailers"],
)
async def test_what_never_becomes_an_answer_is_left_after_a_megabyte_whoever_would_go_on_sending(begin, chunk):
    sent: list[int] = []
    async with gateway(endless(chunk, sent, begin)) as far:
        tracemalloc.start()
        heard, judged = await far.ask()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert heard.trouble in (Trouble.PROTOCOL, Trouble.ABORT)
    assert judged.outcome in (O.GATEWAY_UNREACHABLE, O.TRUNCATED_STREAM)
    assert peak < 8_000_000
    assert sum(sent) < 64_000_000, "what lies in the sockets' buffers, and no more"


@pytest.mark.parametrize(
    ("encoding", "bomb"),
    [("gzip", gzip.compress(bytes(100_000_000))), ("deflate", zlib.compress(bytes(100_000_000)))],
)
async def test_a_bomb_of_zeros_is_not_unpacked(encoding, bomb):
    async def behave(peer: Peer, asked: Asked) -> None:
        how = f"Content-Encoding: {encoding}", f"Content-Length: {len(bomb)}"
        await peer.send(head("200 OK", "application/json", *how))
        await peer.send(bomb)

    async with gateway(behave) as far:
        tracemalloc.start()
        _, judged = await far.ask(stream=False)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert (judged.outcome, judged.rule) == (O.CORRUPTED_STREAM, "compressed, though it was not asked for")
    assert peak < 8_000_000
    assert far.server.asked[0].headers["accept-encoding"] == "identity"


async def test_a_letter_cut_in_two_by_the_network_is_whole_and_one_cut_by_the_sender_is_not():
    text = (
        event({"id": "chatcmpl-1", "choices": [{"delta": {"content": "é"}}]}).encode().replace(b"\\u00e9", "é".encode())
    )
    place = text.index("é".encode()) + 1

    async def cut_by_the_network(peer: Peer, asked: Asked) -> None:
        await peer.send(head(), text[:place], text[place:] + STOP.encode())
        peer.writer.close()

    async def cut_by_the_sender(peer: Peer, asked: Asked) -> None:
        await peer.send(head(), text[:place] + text[place + 1 :] + STOP.encode())
        peer.writer.close()

    async with gateway(cut_by_the_network) as far:
        _, fine = await far.ask()
    async with gateway(cut_by_the_sender) as far:
        _, cut = await far.ask()

    assert fine.outcome is O.WRONG_CONTENT
    assert (cut.outcome, cut.rule) == (O.CORRUPTED_STREAM, "bytes that are no text")


@pytest.mark.parametrize("size", [b"FFFFFFFFFFFFFFFFFFFFFF\r\n", b"-1\r\n", b"zz\r\n", b"5\r\nabcdefghij\r\n"])
@pytest.mark.parametrize("together", [True, False], ids=["in one packet", "in many"])
async def test_chunk_sizes_that_lie_are_a_broken_connection(size, together):
    packets = [head("200 OK", "text/event-stream", CHUNKED), *pieces(ROLE, *words(4)), size]

    async def behave(peer: Peer, asked: Asked) -> None:
        await peer.send(*([b"".join(packets)] if together else packets))
        await hangs(peer)

    async with gateway(behave) as far:
        heard, judged = await far.ask()

    broken = {(Trouble.ABORT, O.TRUNCATED_STREAM)}
    unheard = {(Trouble.PROTOCOL, O.GATEWAY_UNREACHABLE)} if together else set()
    assert (heard.trouble, judged.outcome) in broken | unheard


@pytest.mark.parametrize(
    "lines",
    [
        [f"X-{number}: y" for number in range(10_000)],
        [f"X-Long: {'y' * 1_000_000}"],
    ],
    ids=["ten thousand headers", "a header of a megabyte"],
)
async def test_headers_without_end_are_no_answer_or_little_of_it_is_kept(lines):
    async def behave(peer: Peer, asked: Asked) -> None:
        await peer.send(head("200 OK", "application/json", *lines, "Content-Length: 2") + b"{}")

    async with gateway(behave) as far:
        heard, judged = await far.ask(stream=False)

    assert judged.outcome in (O.GATEWAY_UNREACHABLE, O.UNGRACEFUL_ERROR)
    assert len(heard.headers) <= 100
    assert sum(map(len, heard.headers.values())) <= 100_000


async def test_what_is_no_http_is_no_answer():
    async def behave(peer: Peer, asked: Asked) -> None:
        await peer.send(b"SSH-2.0-OpenSSH_9.2\r\n")
        peer.writer.close()

    async with gateway(behave) as far:
        heard, judged = await far.ask()

    assert (heard.trouble, judged.outcome) == (Trouble.PROTOCOL, O.GATEWAY_UNREACHABLE)


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
)
async def test_a_redirect_is_never_followed(status, tmp_path):
    key = tmp_path / "key"
    key.write_text("sk-secret-1\n")

    async with gateway(FINE) as elsewhere:
        behave = whole(status, "", "text/html", f"Location: {elsewhere.server.url}/v1/chat/completions")
        async with gateway(behave, key=FileToken(key)) as far:
            _, judged = await far.ask()

    assert (judged.outcome, judged.rule) == (O.UNGRACEFUL_ERROR, "a redirect, which is not followed")
    assert elsewhere.server.asked == []


async def test_a_key_is_sent_without_its_line_end_and_appears_nowhere_else(tmp_path):
    file = tmp_path / "key"
    file.write_text("sk-secret-1\n")

    async with gateway(FINE, key=FileToken(file)) as far:
        heard, judged = await far.ask()

    assert far.server.asked[0].headers["authorization"] == "Bearer sk-secret-1"
    assert "sk-secret" not in repr(far.probe) + repr(heard) + repr(judged)


@pytest.mark.parametrize("content", [None, "", "\n", "two words", "two\nlines", "bad\x00key", "schlüssel"])
async def test_a_key_that_is_missing_or_unfit_is_ours_and_nothing_is_sent(tmp_path, content):
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content)

    async with gateway(FINE, key=FileToken(file)) as far:
        heard, judged = await far.ask()

    assert (heard.trouble, judged.outcome) == (Trouble.KEY, O.HARNESS_ERROR)
    assert far.server.connections == 0


@pytest.mark.parametrize("spoiled", ["\n", "\t", "\x00"])
async def test_a_header_from_a_file_may_have_spaces_and_nothing_that_could_begin_another_header(tmp_path, spoiled):
    file = tmp_path / "config"
    said = '{"strategy": {"mode": "fallback"}, "targets": []}'
    file.write_text(f"{said}\n")

    async with gateway(FINE, secret_headers={"x-portkey-config": FileToken(file, spaces=True)}) as far:
        _, fine = await far.ask()
        file.write_text(said + spoiled + "x-other: 1")
        heard, judged = await far.ask()

    assert fine.outcome is O.SERVED_UNKNOWN
    assert [asked.headers["x-portkey-config"] for asked in far.server.asked] == [said]
    assert (heard.trouble, judged.outcome) == (Trouble.KEY, O.HARNESS_ERROR)


async def test_a_key_that_was_replaced_is_sent_from_then_on(tmp_path):
    file = tmp_path / "key"
    file.write_text("first-key")

    async with gateway(FINE, key=FileToken(file)) as far:
        await far.ask()
        file.write_text("second-key")
        await far.ask()

    assert [asked.headers["authorization"] for asked in far.server.asked] == ["Bearer first-key", "Bearer second-key"]


@pytest.mark.parametrize(
    ("dialect", "body", "header"),
    [
        (Dialect.OPENAI_CHAT, ROLE + said() + STOP + DONE, "authorization"),
        (Dialect.OPENAI_RESPONSES, r.responses(r.WORDS), "authorization"),
        (Dialect.ANTHROPIC, r.claude(r.WORDS), "x-api-key"),
        (Dialect.GEMINI, r.gemini(r.WORDS), "x-goog-api-key"),
    ],
)
async def test_each_dialect_asks_in_its_own_way_and_understands_the_answer(dialect, body, header, tmp_path):
    key = tmp_path / "key"
    key.write_text("abc")

    async with gateway(streamed(body), dialect=dialect, key=FileToken(key)) as far:
        _, judged = await far.ask()

    assert judged.outcome is O.SERVED_UNKNOWN
    assert "abc" in far.server.asked[0].headers[header]
    assert dialect in SPEAKERS


async def test_our_own_loop_that_slept_is_not_the_gateways_silence():
    async with gateway(then(nothing, hangs), deadlines=QUICK) as far:
        task = asyncio.ensure_future(far.ask())
        await asyncio.sleep(0.2)
        stall(4)
        heard, judged = await task

    assert (heard.trouble, judged.outcome) == (Trouble.LAG, O.HARNESS_ERROR)


def stall(seconds: float) -> None:
    """As a bug of ours would: nothing else runs meanwhile."""
    import time

    time.sleep(seconds)


@pytest.mark.parametrize("behave", [then(nothing, hangs), then(streamed(ROLE, *words(2), end=b""), hangs)])
async def test_a_probe_that_is_cancelled_leaves_nothing_behind(behave):
    async with gateway(behave) as far:
        task = asyncio.ensure_future(far.ask())
        while not far.server.asked:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_probes_do_not_wait_for_each_other():
    release = asyncio.Event()

    async def behave(peer: Peer, asked: Asked) -> None:
        if len(far.server.asked) < 30:
            await release.wait()
        release.set()
        await FINE(peer, asked)

    async with gateway(behave) as far:
        results = await asyncio.gather(*(far.ask() for _ in range(30)))

    assert {judged.outcome for _, judged in results} == {O.SERVED_UNKNOWN}
