"""A beacon as a process of its own, to be measured under a flood: `python -m tests.support.lit HOST`.

Prints its port; what it has counted so far, when it gets SIGUSR1. Its asker is ASKER, its own key BEACON.
"""

import asyncio
import json
import signal
import sys
from collections import Counter

import uvloop

from sentinel.core.challenge import Signer
from sentinel.core.roster import Beacon
from sentinel.web.beacon import Listener
from sentinel.web.respondent import Respondent

ASKER, BEACON = Signer(b"\1" * 32), Signer(b"\3" * 32)
KNOWN = Beacon("team-a", "team-a", "uid-a", 7462, key=ASKER.public)


async def burn(host: str) -> None:
    counts: Counter[str] = Counter()
    respondent = Respondent(
        "team-b",
        "uid-b",
        BEACON,
        {KNOWN.uid: KNOWN}.get,
        arrived=lambda _: counts.update(["arrived"]),
        answered=lambda protocol: counts.update([protocol.value]),
        refused=lambda why: counts.update([why.value]),
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
        runner.run(burn(sys.argv[1]))
