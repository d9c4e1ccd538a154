"""`python -m tests.bench [peers] [part ...]`: the table of README, measured here; parts: beacon console cost daemon gateway page pushed
relay scrape network watch witness."""

import sys
import time
from collections.abc import Callable, Iterable

from tests.bench import (
    beacon,
    console,
    cost,
    daemon,
    gateway,
    network,
    page,
    peers,
    pushed,
    relay,
    scrape,
    table,
    watch,
    witness,
)
from tests.bench.table import Row

PARTS: dict[str, Callable[[], Iterable[Row]]] = {
    "beacon": beacon.measure,
    "console": console.measure,
    "cost": cost.measure,
    "daemon": daemon.measure,
    "gateway": gateway.measure,
    "network": network.measure,
    "page": page.measure,
    "pushed": pushed.measure,
    "relay": relay.measure,
    "scrape": scrape.measure,
    "watch": watch.measure,
    "witness": witness.measure,
}


def main(words: list[str]) -> None:
    """Rows are printed as they are found: it takes some minutes."""
    started = time.monotonic()
    if words == ["peers"]:
        peers.main()
    else:
        print(*table.machine("kube-apiserver", "etcd", "prometheus", "alertmanager"), "", sep="\n")
        print(table.head("figure", "measured", "goal"), flush=True)
        for part in words or PARTS:
            for row in PARTS[part]():
                print(table.line(row), flush=True)
    print(f"\nMeasured in {(time.monotonic() - started) / 60:.1f} minutes.")


if __name__ == "__main__":
    main(sys.argv[1:])
