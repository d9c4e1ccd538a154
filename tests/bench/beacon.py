"""A beacon: what an answer costs, what a flood does to it; and what a socket costs the one who asks."""

import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from sentinel.clients.dial import dial
from sentinel.core.net import carried, challenge
from sentinel.core.net.crossing import Protocol
from sentinel.core.net.landing import Attempt
from tests.bench.table import Row, spread
from tests.support.child import Child
from tests.support.lit import BEACON, asked, counts, flood, process

RUNS = 5
SOCKETS = 600
"""Of one run: what 100 targets by three protocols over two families are."""
FLOOD_SECONDS = 10.0
TIMEOUT = 2.0


def measure() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="sentinel-beacon-") as name, ExitStack() as stack:
        child, port = stack.enter_context(process(Path(name), "unlimited"))
        yield from _answers(child, port)
        yield from _dials(port, stack)
    with tempfile.TemporaryDirectory(prefix="sentinel-beacon-") as name, process(Path(name)) as (child, port):
        yield from _flood(child, port)


def _answers(child: Child, port: int) -> Iterator[Row]:
    for protocol in Protocol:
        costs = []
        for _ in range(RUNS):
            before = child.cpu_seconds()
            _ask(port, protocol, SOCKETS)
            costs.append((child.cpu_seconds() - before) / SOCKETS)
        rates = [1 / cost for cost in costs]
        yield Row(f"beacon: answers per second of one core, {protocol}, each to a fresh challenge", spread(rates))


def _dials(port: int, stack: ExitStack) -> Iterator[Row]:
    for protocol in Protocol:
        costs = _costs(lambda protocol=protocol: _ask(port, protocol, SOCKETS))  # type: ignore[misc]  # mypy knows no such default
        yield Row(f"dial: CPU of a socket that is answered, {protocol}, signature included", costs, "≤ 150 µs")
    mute = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    mute.bind(("127.0.0.1", 0))
    full = stack.enter_context(socket.socket())
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    stack.enter_context(socket.create_connection(full.getsockname()))
    for sock, protocol in ((full, Protocol.TCP), (mute, Protocol.UDP)):
        place = sock.getsockname()[1]
        costs = _costs(lambda place=place, protocol=protocol: _dial(_batch(place, protocol, SOCKETS)))  # type: ignore[misc]
        note = ", sent seven times" if protocol is Protocol.UDP else ""
        goal = "" if protocol is Protocol.UDP else "≤ 150 µs"
        yield Row(f"dial: CPU of a socket that is silent for 2 s, {protocol}{note}", costs, goal)


def _costs(work: Callable[[], object]) -> str:
    costs = []
    for _ in range(RUNS):
        before = time.process_time()
        work()
        costs.append((time.process_time() - before) / SOCKETS * 1e6)
    return spread(costs, unit="µs")


def _ask(port: int, protocol: Protocol, number: int) -> None:
    batch = _batch(port, protocol, number)
    replies = _dial(batch)
    assert all(replies), f"{sum(not reply for reply in replies)} of {number} had no answer"


def _batch(port: int, protocol: Protocol, number: int) -> list[Attempt]:
    return [
        Attempt("127.0.0.1", port, protocol, carried.payload(protocol, asked(protocol=protocol), "127.0.0.1", port))
        for _ in range(number)
    ]


def _dial(batch: Sequence[Attempt]) -> list[bytes]:
    return [landing.reply for landing in dial(batch, TIMEOUT)]


def _flood(child: Child, port: int) -> Iterator[Row]:
    over = threading.Event()
    _good(port)
    quiet, cpu, began = child.resident_mib(), child.cpu_seconds(), time.monotonic()
    flooders = [threading.Thread(target=flood, args=(port, over, which)) for which in range(4)]
    for thread in flooders:
        thread.start()
    peak, good = quiet, []
    while time.monotonic() - began < FLOOD_SECONDS:
        good.append(_good(port))
        peak = max(peak, child.resident_mib())
        time.sleep(0.1)
    share = (child.cpu_seconds() - cpu) / (time.monotonic() - began)
    over.set()
    for thread in flooders:
        thread.join()
    found = counts(child)
    refused = sum(number for name, number in found.items() if name in set(challenge.Refusal))
    yield Row(
        f"beacon: memory before and at most under a flood of 10 s ({refused} refused), of one core {share:.0%}",
        f"{quiet:.1f} → {peak:.1f} MiB",
        "flat",
    )
    yield Row(
        "beacon: good askers answered meanwhile, three sockets by each protocol", f"{sum(good)} of {3 * len(good)}"
    )


def _good(port: int) -> int:
    """How many protocols were answered rightly."""
    right = 0
    for protocol in Protocol:
        raw = asked(protocol=protocol)
        payload = carried.payload(protocol, raw, "127.0.0.1", port)
        replies = _dial([Attempt("127.0.0.1", port, protocol, payload)] * 3)
        right += any(challenge.is_answer(carried.answer(protocol, reply), raw, BEACON.public) for reply in replies)
    return right
