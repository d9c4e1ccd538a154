"""Kubelets and metadata services that answer as documented, and others that answer anything else."""

import asyncio
import resource
import socket
from contextlib import ExitStack, contextmanager

import pytest

from sentinel.clients.clock import Clock
from sentinel.clients.peek import MOST_BODY, MOST_HEAD, Peek
from sentinel.core.answer import Answer
from sentinel.core.net.crossing import Family
from sentinel.core.net.kubelet import NodeQuestion, Port
from sentinel.core.net.landing import TIMEOUT
from sentinel.core.net.metadata import CLOUDS
from sentinel.core.net.roster import Beacon, Roster
from sentinel.core.verdict import Reason
from sentinel.probes.cloud import CloudProbe
from sentinel.probes.node import MOST_NODES, NodeProbe
from tests.support.authority import Authority
from tests.support.rawserver import raw_server

PATIENT, HASTY = 30.0, 0.3
"""Seconds for what must come, and for what must not."""


def replying(status, body="", *headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", body]
    data = "\r\n".join(lines).encode()

    async def behave(peer, asked):
        del asked
        await peer.send(data)

    return behave


def sending(data):
    async def behave(peer, asked):
        del asked
        await peer.send(data)
        peer.writer.close()

    return behave


async def endless(peer, asked):
    del asked
    while True:
        await peer.send(b"x" * 65536)


async def silence(peer, asked):
    del asked
    await peer.reader.read()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def port_of(server):
    return int(server.url.rpartition(":")[2])


async def lit(family):
    del family


def kubelets(ports, roster=None, timeout=PATIENT, egress=lit):
    return NodeProbe(Peek(timeout, Clock()), lambda: roster or Roster(), egress, "team-a", ports=ports)


def at_loopback(port):
    return NodeQuestion("self", "node-7", "127.0.0.1", port)


@pytest.mark.parametrize(
    ("behave", "answer", "code"),
    [
        (replying("200 OK", '{"kind":"PodList","items":[]}'), Answer.SERVED, 200),
        (replying("401 Unauthorized", "Unauthorized"), Answer.DENIED, 401),
        (replying("403 Forbidden", "Forbidden (user=system:anonymous, verb=get, resource=nodes, subresource=proxy)"),
         Answer.DENIED, 403),
        (replying("403 Forbidden", "Forbidden (user=system:anonymous, verb=get, resource=nodes, subresource(s)=[pods proxy])\n"),
         Answer.DENIED, 403),
        (replying("403 Forbidden", "<html>"), Answer.BROKEN, 403),
        (replying("503 Service Unavailable", "starting"), Answer.BROKEN, 503),
        (sending(b"SSH-2.0-OpenSSH_9.9\r\n"), Answer.BROKEN, None),
        (sending(b""), Answer.BROKEN, None),
    ],
)  # fmt: skip
async def test_a_kubelet_is_asked_as_nobody_and_judged_by_its_own_words(authority, behave, answer, code):
    async with raw_server(authority, behave) as server:
        probe = kubelets({Port.SECURE: port_of(server)})
        seen = await probe.ask(at_loopback(Port.SECURE))

    assert (seen.answer, seen.code) == (answer, code)
    assert seen.took < PATIENT  # although the other side keeps the connection
    assert [asked.line for asked in server.asked] == ["GET /pods HTTP/1.1"]
    assert not {"authorization", "cookie"} & set(server.asked[0].headers)


async def test_the_read_only_port_is_asked_without_tls():
    async with raw_server(None, replying("200 OK", "{}")) as server:
        seen = await kubelets({Port.READ_ONLY: port_of(server)}).ask(at_loopback(Port.READ_ONLY))

    assert (seen.answer, seen.code) == (Answer.SERVED, 200)


async def test_somebody_who_speaks_no_tls_is_no_kubelet_and_proves_nothing():
    async with raw_server(None, replying("200 OK", "{}")) as server:
        seen = await kubelets({Port.SECURE: port_of(server)}, timeout=1.0).ask(at_loopback(Port.SECURE))

    assert seen.answer is Answer.BROKEN


async def test_a_list_of_pods_is_cut_off_unread(authority):
    gone = asyncio.Event()

    async def behave(peer, asked):
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"secret" * 100)
        try:
            await endless(peer, asked)
        finally:
            gone.set()

    async with raw_server(authority, behave) as server:
        landing = await Peek(PATIENT, Clock()).at("127.0.0.1", port_of(server), "/pods", tls=True)
        await asyncio.wait_for(gone.wait(), 30)

    assert landing.reply == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert landing.error == ""


@pytest.mark.parametrize("head", [b"HTTP/1.1 403 Forbidden\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Long: ", b""])
async def test_what_has_no_end_is_read_no_further_than_it_is_needed(authority, head):
    async def behave(peer, asked):
        await peer.send(head)
        await endless(peer, asked)

    async with raw_server(authority, behave) as server:
        landing = await Peek(PATIENT, Clock()).at("127.0.0.1", port_of(server), "/pods", tls=True)

    assert len(landing.reply) <= MOST_HEAD + MOST_BODY
    assert landing.took < PATIENT


async def test_a_redirect_is_not_followed():
    async with raw_server(None, replying("302 Found", "", "Location: /elsewhere")) as server:
        seen = await kubelets({Port.READ_ONLY: port_of(server)}).ask(at_loopback(Port.READ_ONLY))

    assert (seen.answer, seen.code) == (Answer.BROKEN, 302)
    assert len(server.asked) == 1
    assert server.connections == 1


async def test_who_takes_the_connection_and_says_nothing_proves_nothing(authority):
    async with raw_server(authority, silence) as server:
        seen = await kubelets({Port.SECURE: port_of(server)}, timeout=HASTY).ask(at_loopback(Port.SECURE))

    assert seen.answer is Answer.BROKEN
    assert seen.detail == f"connected, then {TIMEOUT}"


async def test_a_handshake_without_end_is_cut_and_proves_nothing():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        probe = kubelets({Port.SECURE: listener.getsockname()[1]}, timeout=HASTY)
        seen = await probe.ask(at_loopback(Port.SECURE))

    assert seen.answer is Answer.BROKEN


async def test_a_port_that_nobody_listens_on_is_a_denial():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        seen = await kubelets({Port.SECURE: free.getsockname()[1]}).ask(at_loopback(Port.SECURE))

    assert (seen.answer, seen.detail) == (Answer.DENIED, "ECONNREFUSED")


@contextmanager
def full():
    """A listener whose queue is full: the kernel drops what comes, as a firewall does."""
    with ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def test_a_dropped_packet_is_silence():
    with full() as port:
        seen = await kubelets({Port.SECURE: port}, timeout=HASTY).ask(at_loopback(Port.SECURE))

    assert seen.answer is Answer.SILENT


async def test_without_descriptors_nothing_was_asked():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = kubelets({Port.SECURE: 1})
    with socket.socket() as last:
        resource.setrlimit(resource.RLIMIT_NOFILE, (last.fileno() + 1, limits[1]))
        taken = []
        try:
            while True:
                taken.append(last.dup())
        except OSError:
            pass
        try:
            seen = await probe.ask(at_loopback(Port.SECURE))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for one in taken:
                one.close()

    assert (seen.answer, seen.detail) == (Answer.UNASKED, "EMFILE")


def on(node, host, ready=True):
    return Beacon("team-b", "team-b", f"u-{node}", 7462, ready=ready, node=node, host=host)


async def test_every_node_with_a_beacon_is_asked_at_both_ports_our_own_first():
    nodes = [on(f"node-{number}", f"10.0.0.{number}") for number in range(1, 4)]
    probe = NodeProbe(
        Peek(1.0, Clock()), lambda: Roster(beacons=(*nodes, *nodes)), lit, "team-a", own_node=lambda: "node-2"
    )

    questions = list(probe.questions())

    assert [(q.node, int(q.port)) for q in questions[:2]] == [("node-2", 10250), ("node-2", 10255)]
    assert {q.address for q in questions} == {"10.0.0.1", "10.0.0.2", "10.0.0.3"}
    assert len(questions) == 6


@pytest.mark.parametrize(
    "host", ["", "127.0.0.1", "::1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1", "node-7", "fd00:ec2::254"]
)
async def test_what_cannot_be_a_node_is_not_asked(host):
    assert kubelets({}, Roster(beacons=(on("a", host), on("b", "10.0.0.2")))).questions()[0].address == "10.0.0.2"


async def test_a_large_cluster_costs_no_more_than_a_medium_one_and_tenants_look_at_different_nodes():
    roster = Roster(
        beacons=tuple(on(f"node-{number}", f"10.0.{number // 250}.{number % 250}") for number in range(400))
    )
    mine, theirs = (
        {q.node for q in NodeProbe(Peek(1.0, Clock()), lambda: roster, lit, tenant).questions()} for tenant in "ab"
    )

    assert len(mine) == len(theirs) == MOST_NODES
    assert mine != theirs


async def test_a_denial_needs_our_lighthouse_of_that_family_and_a_node_that_lives():
    async def dark(family):
        return Reason.LIGHTHOUSE if family is Family.V6 else None

    roster = Roster(beacons=(on("a", "10.0.0.1"), on("b", "10.0.0.2", ready=False), on("c", "fd00::3")))
    probe = kubelets({}, roster, egress=dark)

    red = await probe.controls(probe.questions())

    assert {(q.node, reason) for q, reason in red.items()} == {("b", Reason.LIVE), ("c", Reason.LIGHTHOUSE)}


def clouds(cloud, port, timeout=PATIENT, families=tuple(Family), egress=lit):
    return CloudProbe(cloud, Peek(timeout, Clock()), egress, lambda: families, place=lambda _: ("127.0.0.1", port))


@pytest.mark.parametrize("cloud", sorted(CLOUDS))
@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized", "404 Not Found"])
async def test_a_metadata_service_that_replies_is_reached_whatever_it_says(cloud, status):
    async with raw_server(None, replying(status, "x" * 100)) as server:
        probe = clouds(cloud, port_of(server))
        seen = [await probe.ask(question) for question in probe.questions()]

    assert {(one.answer, one.code) for one in seen} == {(Answer.SERVED, int(status[:3]))}
    wanted = [(f"GET {row.path} HTTP/1.1", row.header.partition(":")[2].strip()) for row in CLOUDS[cloud]]
    names = [row.header.partition(":")[0].lower() for row in CLOUDS[cloud]]
    sent = [(asked.line, asked.headers.get(name, "")) for asked, name in zip(server.asked, names, strict=True)]
    assert sent == wanted


async def test_a_metadata_service_that_is_dropped_rejected_or_taken_by_a_proxy():
    with full() as port:
        dropped = clouds("gcp", port, timeout=HASTY)
        silent = await dropped.ask(next(iter(dropped.questions())))
    async with raw_server(None, sending(b"\x15\x03\x01\x00\x02\x02\x46")) as server:
        proxied = clouds("gcp", port_of(server))
        taken = await proxied.ask(next(iter(proxied.questions())))

    assert (silent.answer, taken.answer) == (Answer.SILENT, Answer.BROKEN)


async def test_an_address_of_a_family_that_our_pod_does_not_have_is_not_asked():
    probe = clouds("aws", 1, families=(Family.V4,))

    assert [question.endpoint.address for question in probe.questions()] == ["169.254.169.254"]


async def test_a_cloud_out_of_reach_counts_only_while_our_lighthouse_answers():
    async def dark(family):
        return Reason.LIGHTHOUSE if family is Family.V6 else None

    probe = clouds("aws", 1, egress=dark)

    red = await probe.controls(probe.questions())

    assert {(q.endpoint.address, why) for q, why in red.items()} == {("fd00:ec2::254", Reason.LIGHTHOUSE)}
