"""From the creation of a binding to a breach that the witness has confirmed, because its watch told it."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.table import Row
from tests.bench.town import hole, readers, tenants
from tests.cluster.witnessed import Witness
from tests.deploy import chart
from tests.support import manifests
from tests.support.controlplane import CONTROLLERS, ControlPlane
from tests.support.eventually import eventually

HOLES = 30
TENANTS = 6
"""Each may be let into five others: thirty holes."""
APART = 4.0
"""Seconds between two holes, so that each finds the budget rested."""
PAUSE = 0.01
"""Seconds between two looks at the metrics: the resolution of the second figure."""
SINCE = "sentinel_witness_breach_since_timestamp_seconds"


def measure() -> Iterator[Row]:
    """Shipped settings: rounds of ten seconds, 100 requests a second, a quarter of them the witness's."""
    evidence, shown = _timed()
    goal = "median ≤ 300 ms, max ≤ 1 s"
    yield _row("the witness was let in itself (first evidence)", evidence, "")
    yield _row("confirmed, and on its /metrics", shown, goal)


def _timed() -> tuple[list[float], list[float]]:
    """Both in milliseconds."""
    evidence, shown = [], []
    with _witnessed() as (cluster, witness):
        pairs = [(reader, victim) for reader in tenants(TENANTS) for victim in tenants(TENANTS) if reader != victim]
        for number, (reader, victim) in enumerate(pairs[:HOLES]):
            time.sleep(APART + 0.137 * (number % 7))  # at all phases of a round
            wall, start = time.time(), time.monotonic()
            cluster.admin.create(hole(reader, victim))
            since = _wait(witness, reader, victim)
            shown.append((time.monotonic() - start) * 1000)
            evidence.append((since - wall) * 1000)
            cluster.admin.delete(hole(reader, victim))
    return evidence, shown


def _wait(witness: Witness, reader: str, victim: str) -> float:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = witness.metrics().all(SINCE, subject=reader, target=victim, identity="self", check="api/secrets")
        if since := max(found.values(), default=0.0):
            return since
        time.sleep(PAUSE)
    raise TimeoutError(f"{reader} in {victim}: {witness.process.log_tail(10)}")


@contextmanager
def _witnessed() -> Iterator[tuple[ControlPlane, Witness]]:
    chosen = chart.values(monitor={"enabled": False}, witness={"enabled": True})
    chosen["tenants"] = [{"name": name, "namespaces": [name]} for name in tenants(TENANTS)]
    rendered = chart.render(chosen)
    with ControlPlane(controllers=CONTROLLERS) as cluster:
        cluster.admin.apply(*(manifests.namespace(name) for name in (*tenants(TENANTS), chart.RELEASE)))
        cluster.admin.apply(*rendered, *map(readers, tenants(TENANTS)))
        with Witness(cluster, rendered) as witness:
            eventually(lambda: _is_settled(witness), 120, lambda: witness.process.log_tail(20))
            yield cluster, witness


def _is_settled(witness: Witness) -> bool:
    """All watches are up, and every tenant had its first rounds."""
    seen = witness.metrics()
    up, rounds = seen.all("sentinel_watch_up"), seen.all("sentinel_witness_round_timestamp_seconds")
    return len(up) >= 6 and min(up.values()) == 1 and len(rounds) == TENANTS and min(rounds.values()) > 0


def _row(what: str, took: list[float], goal: str) -> Row:
    figures = f"median {statistics.median(took):.0f} ms, max {max(took):.0f} ms, n {len(took)}"
    return Row(f"binding created to breach, with the watch on: {what}", figures, goal)
