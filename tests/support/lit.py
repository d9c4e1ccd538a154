"""A beacon as a process of its own, to be measured under a flood: `python -m tests.support.lit HOST [unlimited]`.

Prints its port; what it has counted so far, when it gets SIGUSR1. Its asker is ASKER, its own key BEACON.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator

import uvloop

from sentinel.core.net import challenge
from sentinel.core.net.challenge import Challenge, Signer
from sentinel.core.net.crossing import Family, Path, Protocol
from sentinel.core.net.roster import Beacon
from sentinel.web import beacon
from sentinel.web.beacon import Listener
from sentinel.web.respondent import Respondent
from sentinel.web.turnstile import Rates, Turnstile
from tests.support.child import Child
from tests.support.eventually import eventually

LONG = 30.0
"""Seconds, on a machine that is busy."""
ASKER, STRANGER, BEACON = (Signer(bytes([number]) * 32) for number in (1, 2, 3))
KNOWN = Beacon("team-a", "team-a", "uid-a", 7462, key=ASKER.public)


def asked(
    uid: str = "uid-a",
    meant: str = "uid-b",
    protocol: Protocol = Protocol.TCP,
    signer: Signer = ASKER,
    family: Family = Family.V4,
) -> bytes:
    """A fresh challenge, by default one that is answered."""
    return challenge.asked(Challenge(os.urandom(16), "team-a", uid, meant, protocol, family, Path.POD), signer)


@contextlib.contextmanager
def process(folder: pathlib.Path, *words: str, host: str = "127.0.0.1") -> Iterator[tuple[Child, int]]:
    """The process and its port."""
    root = pathlib.Path(__file__).parents[2]
    child = Child([sys.executable, "-m", "tests.support.lit", host, *words], folder / "lit.log", cwd=root)
    try:
        eventually(lambda: child.log.read_text().endswith("\n"), LONG, child.log_tail)
        yield child, int(child.log.read_text())
        child.must_run()
    finally:
        child.terminate()


def counts(child: Child) -> dict[str, int]:
    """What it has counted so far."""
    lines = len(child.log.read_text().splitlines())
    child.send(signal.SIGUSR1)
    eventually(lambda: len(child.log.read_text().splitlines()) > lines, LONG)
    found: dict[str, int] = json.loads(child.log.read_text().splitlines()[-1])
    return found


def flood(port: int, over: threading.Event, which: int) -> None:
    """Garbage and forgeries, as datagrams and as connections, from many addresses, until it is over."""
    forged = [asked(protocol=Protocol.UDP, signer=STRANGER) for _ in range(20)] + [b"x" * 224, b"x" * 60_000]
    number = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind((f"127.0.7.{which + 1}", 0))
        while not over.is_set():
            number += 1
            with contextlib.suppress(OSError):
                datagrams.sendto(forged[number % len(forged)], ("127.0.0.1", port))
            if number % 20 == 0:
                with socket.socket() as sock, contextlib.suppress(OSError):
                    sock.settimeout(0.2)
                    sock.bind((f"127.0.7.{number % 250 + 1}", 0))
                    sock.connect(("127.0.0.1", port))
                    sock.sendall((b"GET /" + b"a" * 4000, asked(signer=STRANGER), b"\0" * 10)[number // 20 % 3])
                time.sleep(0.001)  # the machine is not ours alone


async def burn(host: str, turnstile: Turnstile) -> None:
    counts: Counter[str] = Counter()
    respondent = Respondent(
        "team-b",
        "uid-b",
        BEACON,
        {KNOWN.uid: KNOWN}.get,
        arrived=lambda _: counts.update(["arrived"]),
        answered=lambda protocol: counts.update([protocol.value]),
        refused=lambda why: counts.update([why.value]),
        turnstile=turnstile,
    )
    listener = Listener(
        respondent.reply,
        lambda why: counts.update([why.value]),
        lambda number: counts.update({"most": max(0, number - counts["most"])}),
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: print(json.dumps(counts), flush=True))
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    async with listener.serve(0, host) as port:
        print(port, flush=True)
        await stop.wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        unlimited = "unlimited" in sys.argv
        if unlimited:
            beacon.ACCEPTS = beacon.DATAGRAMS = 1e9
        rates = Rates(1e9, 1e9, 1e9) if unlimited else Rates()
        runner.run(burn(sys.argv[1], Turnstile(rates)))
