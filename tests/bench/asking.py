"""The network's part of a tenant's sentinel as a process of its own: `python -m tests.bench.asking CONFIG`.

Everything of `sentinel run` that asks and answers over the network, and nothing that asks the API server. It
prints a line of JSON for each breach, and for each round.
"""

import asyncio
import contextlib
import gc
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from sentinel.clients.clock import Clock
from sentinel.core.record import Record, Round
from sentinel.core.standing import Turn
from sentinel.engine import tasks
from sentinel.engine.crossings import Crossings
from sentinel.joins.networking import Networking
from sentinel.joins.relaying import client_of
from sentinel.settings.load import load
from sentinel.sinks.metrics import Metrics


class Printed:
    """A sink that says the least that can be measured."""

    def put(self, record: Record) -> None:
        if record.change is not None and record.change.turn is Turn.OPENED:
            say(breach=record.question.target, at=time.time())

    def end_round(self, report: Round) -> None:
        red = sorted({f"{row.gate.value}: {row.light.detail}" for row in report.gates if not row.light.up})
        say(round=report.number, took=report.took, coverage=report.coverage, red=red[:3])


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


async def main(path: Path) -> None:
    settings = load(path, os.environ)
    clock, metrics = Clock(), Metrics()
    book = Crossings(clock.wall(), (metrics, Printed()))
    networking = Networking(metrics, book, clock)
    async with (
        client_of(settings) as way,
        networking.generation(settings, way) as found,
        tasks.running() as start,
    ):
        for name, task in found.tasks.items():
            start(name, task)
        gc.collect()
        gc.freeze()
        await asyncio.Event().wait()


def lines(log: Path) -> Iterator[dict[str, object]]:
    """What such a process has said so far."""
    for line in log.read_text(errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            yield json.loads(line)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the daemon runs
        runner.run(main(Path(sys.argv[1])))
