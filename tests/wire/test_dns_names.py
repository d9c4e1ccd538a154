"""What DNS tells about other tenants, asked of a real CoreDNS, of servers that break, and of nobody."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from sentinel.clients.clock import Clock
from sentinel.clients.resolver import Resolver, configured
from sentinel.core.answer import Answer
from sentinel.core.net.enumeration import Look, control_of
from sentinel.core.net.roster import Beacon, Roster
from sentinel.core.verdict import Reason
from sentinel.probes.dns import DnsProbe
from tests.support.coredns import KNOWN, coredns

ZONE = "cluster.local"
B = Beacon("team-b", "team-b", "u-b", 7462, addresses=("10.244.1.9",), services=("10.244.1.90",), ready=True)
EXACT = KNOWN | {"sentinel.team-b.svc": "SRV 0 100 8080 sentinel.team-b.svc.cluster.local."}
SHUT = {Look.WILDCARD: Answer.DENIED, Look.ANY: Answer.DENIED, Look.SERVICE: Answer.DENIED}


def probe(port, roster=None, timeout=20.0, **more):
    roster = roster or Roster(beacons=(B,))
    resolver = Resolver("127.0.0.1", timeout, Clock(), port)
    return DnsProbe(resolver, lambda: roster, ZONE, ("team-b",), ("team-b",), ("team-a",), control_of(ZONE), **more)


async def answers(asking):
    """What each way gives, and which of them the controls do not vouch for."""
    questions = asking.questions()
    red = await asking.controls(questions)
    return {q.look: (await asking.ask(q)).answer for q in questions}, {q.look: why for q, why in red.items()}


async def test_a_dns_that_knows_exact_names_only_tells_nothing_that_cannot_be_guessed(tmp_path):
    with coredns(tmp_path, KNOWN) as port:
        seen, red = await answers(probe(port))

    assert seen == SHUT | {Look.TRANSFER: Answer.DENIED, Look.REVERSE: Answer.DENIED}
    assert red == {}


async def test_a_wildcard_that_is_answered_is_seen_in_both_spellings(tmp_path):
    row = {"*.team-b.svc": "SRV 0 100 80 web.team-b.svc.cluster.local."}
    with coredns(tmp_path, KNOWN | row) as port:
        seen, red = await answers(probe(port))

    assert (seen[Look.WILDCARD], seen[Look.ANY]) == (Answer.SERVED, Answer.SERVED)
    assert red == {}


async def test_the_ports_of_a_service_whose_name_can_be_guessed_are_seen(tmp_path):
    with coredns(tmp_path, EXACT) as port:
        seen, red = await answers(probe(port))

    assert seen == SHUT | {Look.SERVICE: Answer.SERVED, Look.TRANSFER: Answer.DENIED, Look.REVERSE: Answer.DENIED}
    assert red == {}


async def test_a_service_of_a_target_that_has_none_proves_nothing(tmp_path):
    with coredns(tmp_path, KNOWN) as port:
        _, red = await answers(probe(port, Roster()))

    assert red == {Look.SERVICE: Reason.LIVE}


async def test_a_zone_that_is_given_to_everybody_is_seen_and_one_that_is_given_to_others_is_not(tmp_path):
    for name in ("open", "shut"):
        (tmp_path / name).mkdir()
    with coredns(tmp_path / "open", EXACT, transfer="*") as port:
        given, _ = await answers(probe(port))
    with coredns(tmp_path / "shut", EXACT, transfer="192.0.2.1") as port:
        kept, red = await answers(probe(port))

    assert given[Look.TRANSFER] is Answer.SERVED
    assert kept[Look.TRANSFER] is Answer.DENIED
    assert red == {}


@pytest.mark.parametrize(
    ("pointers", "own", "answer"),
    [
        ({"9": "PTR web.team-b.svc.cluster.local."}, "", Answer.SERVED),
        ({"90": "PTR sentinel.team-b.svc.cluster.local."}, "", Answer.SERVED),
        ({"44": "PTR db.team-c.svc.cluster.local."}, "10.244.1.7", Answer.SERVED),
        ({"44": "PTR db.team-c.svc.cluster.local."}, "", Answer.DENIED),
        ({"44": "PTR web.team-a.svc.cluster.local."}, "10.244.1.7", Answer.DENIED),
        ({}, "10.244.1.7", Answer.DENIED),
    ],
)
async def test_names_of_addresses_are_a_finding_when_they_are_somebody_elses(tmp_path, pointers, own, answer):
    with coredns(tmp_path, KNOWN, pointers) as port:
        seen, _ = await answers(probe(port, address=lambda: own))

    assert seen[Look.REVERSE] is answer


async def test_a_server_that_fails_for_the_question_alone_denies_nothing(tmp_path):
    failing = "template IN SRV team-b.svc.cluster.local {\n rcode SERVFAIL\n }"
    with coredns(tmp_path, KNOWN, more=failing) as port:
        seen, red = await answers(probe(port))

    assert {seen[look] for look in SHUT} == {Answer.BROKEN}
    assert red == {}


async def test_a_server_that_answers_everything_vouches_for_nothing(tmp_path):
    liar = 'template IN ANY cluster.local {\n answer "{{ .Name }} 60 IN SRV 0 0 80 portal.example.org."\n }'
    with coredns(tmp_path, KNOWN, more=liar) as port:
        _, red = await answers(probe(port))

    assert set(red.values()) == {Reason.RESOLVER}
    assert len(red) == len(Look)


async def test_a_server_that_does_not_know_the_cluster_vouches_for_nothing(tmp_path):
    with coredns(tmp_path, {}) as port:
        seen, red = await answers(probe(port))

    assert seen[Look.WILDCARD] is Answer.DENIED
    assert set(red.values()) == {Reason.RESOLVER}


async def test_a_server_that_is_silent_is_silent_and_vouches_for_nothing():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        seen, red = await answers(probe(deaf.getsockname()[1], timeout=0.2))

    assert {seen[look] for look in SHUT} == {Answer.SILENT}
    assert seen[Look.TRANSFER] is Answer.ABSENT
    assert set(red.values()) == {Reason.RESOLVER}


async def test_nobody_there_is_absent_and_vouches_for_nothing():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    seen, red = await answers(probe(port))

    assert set(seen.values()) == {Answer.ABSENT}
    assert set(red.values()) == {Reason.RESOLVER}


@asynccontextmanager
async def datagrams(reply):
    """Answers each query with what `reply` makes of it."""

    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            for one in reply(data):
                self.transport.sendto(one, addr)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


QUESTION = slice(12, None)


def replied(query, flags, answers=0):
    return query[:2] + flags + b"\x00\x01" + answers.to_bytes(2, "big") + b"\x00" * 4 + query[QUESTION]


@pytest.mark.parametrize(
    ("reply", "code", "error"),
    [
        (lambda q: [q[:2] + b"\xff"], "", "MALFORMED"),
        (lambda q: [q[:2] + b"\x00" * 4000], "", "MALFORMED"),
        (lambda q: [q], "", "MALFORMED"),
        (lambda q: [replied(q, b"\x81\x80")[:-4] + b"\x00\x02\x00\x01"], "", "MALFORMED"),
        (lambda q: [bytes([q[0] ^ 1]) + q[1:], replied(q, b"\x81\x83")], "NXDOMAIN", ""),
        (lambda q: [replied(q, b"\x81\x85")] * 3, "REFUSED", ""),
    ],
    ids=["short", "zeroes", "echo", "another question", "a forged number first", "thrice"],
)
async def test_what_is_no_answer_to_this_question_is_taken_for_none(reply, code, error):
    async with datagrams(reply) as port:
        heard = await Resolver("127.0.0.1", 20.0, Clock(), port).ask("*.team-b.svc.cluster.local", "SRV")

    assert (heard.code, heard.error) == (code, error)


async def test_an_answer_that_did_not_fit_is_an_answer():
    async with datagrams(lambda query: [replied(query, b"\x83\x80")]) as port:
        heard = await Resolver("127.0.0.1", 20.0, Clock(), port).ask("*.team-b.svc.cluster.local", "SRV")

    assert (heard.code, heard.records) == ("NOERROR", 1)


async def test_of_a_zone_that_is_given_away_the_first_message_is_enough():
    """Its header says so; the records are never read, whatever they are."""
    cut = asyncio.Event()

    async def talk(reader, writer):
        size = int.from_bytes(await reader.readexactly(2), "big")
        query = await reader.readexactly(size)
        message = replied(query, b"\x84\x00", 500) + b"\xfe" * 60_000
        writer.write(len(message).to_bytes(2, "big") + message)
        try:
            while True:
                writer.write(b"\x00" * 65536)
                await writer.drain()
        except ConnectionError:
            cut.set()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        heard = await Resolver("127.0.0.1", 20.0, Clock(), server.sockets[0].getsockname()[1]).ask(
            ZONE, "AXFR", stream=True
        )
        await asyncio.wait_for(cut.wait(), 30)

    assert (heard.code, heard.records, heard.names) == ("NOERROR", 500, ())


async def test_a_connection_that_ends_before_the_answer_is_no_denial():
    async def talk(reader, writer):
        await reader.readexactly(2)
        writer.write(b"\x00\xff half")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        heard = await Resolver("127.0.0.1", 20.0, Clock(), port).ask(ZONE, "AXFR", stream=True)

    assert heard.code == ""
    assert heard.error in ("MALFORMED", "ECONNRESET")


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("search team-a.svc.cluster.local\nnameserver 10.96.0.10\nnameserver 10.96.0.11\n", "10.96.0.10"),
        ("nameserver\n# nameserver 1.1.1.1\nnameserver fd00::a\n", "fd00::a"),
        ("options ndots:5\n", None),
        (None, None),
    ],
)
def test_the_server_is_the_first_that_the_pod_itself_would_ask(tmp_path, text, server):
    if text is not None:
        (tmp_path / "resolv.conf").write_text(text)

    assert configured(tmp_path / "resolv.conf") == server
