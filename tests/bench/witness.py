"""Tenant and witness at default settings, as the cluster grows: requests, CPU, memory, and what the API server pays."""

import time
from collections.abc import Iterator

from tests.bench.table import Row
from tests.bench.town import Town, tenants, town
from tests.cluster.witnessed import Witness
from tests.support.sentinels import Sentinel

SIZES = (10, 50, 100)
SETTLED = 30.0
"""Seconds until tokens are there and the first rounds are over."""
WATCHED = 40.0


def measure() -> Iterator[Row]:
    for size in SIZES:
        with town(size, witnessed=True) as here:
            # One after the other: what the API server pays is then paid for one of them.
            with here.sentinel(tenants(size)[0]) as sentinel:
                yield Row(f"tenant among {size}, default settings", _measured(here, sentinel))
            with Witness(here.cluster, here.rendered) as witness:
                yield Row(f"witness of {size} tenants with one account more each", _measured(here, witness))


def _measured(here: Town, daemon: Sentinel) -> str:
    daemon.wait_up(60)
    time.sleep(SETTLED)
    before, began = _spent(here, daemon), time.monotonic()
    time.sleep(WATCHED)
    after, took = _spent(here, daemon), time.monotonic() - began
    requests, own, theirs = ((now - then) / took for now, then in zip(after, before, strict=True))
    each = f", API server {theirs:.2%} of a core"
    return f"{requests:.1f} requests/s, {own:.1%} of a core, {daemon.process.resident_mib():.0f} MiB{each}"


def _spent(here: Town, daemon: Sentinel) -> tuple[float, float, float]:
    """Requests so far, by the API server's count, and CPU seconds of both."""
    reply = here.cluster.admin.request("GET", "/metrics").body.decode()
    lines = (line for line in reply.splitlines() if line.startswith("apiserver_request_total{"))
    asked = sum(float(line.rpartition(" ")[2]) for line in lines)
    return asked, daemon.process.cpu_seconds(), here.apiserver.cpu_seconds()
