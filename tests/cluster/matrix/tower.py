"""Where the witness's own disturbances are played: a real witness, a real tenant's sentinel, and what joins them.

    kube-apiserver <-- watch -- [streams] -- witness -- pages --> Alertmanager
          ^                                    ^
          '------- sentinel of team-a -- [pipe] -- relay               Prometheus (shipped rules) scrapes both

Each row is a story: quiet under it, a hole that opens under it and must be found by whoever can look and paged by the
rules, nobody who calls it shut before it is, and proof by both when all is well again.
"""

import contextlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.cluster.ground import Ground
from tests.cluster.matrix.stage import Misjudged
from tests.cluster.town import proves_everything
from tests.cluster.vigil import BREACH
from tests.cluster.witnessed import Witness, jobs, under_witness
from tests.deploy import chart
from tests.support import manifests, proxy
from tests.support.alertmanager import Alertmanager
from tests.support.eventually import eventually
from tests.support.pipe import Pipe
from tests.support.prometheus import Prometheus
from tests.support.proxy import Answer, Forward, Proxy, Request
from tests.support.sentinels import Sentinel
from tests.support.streams import Streams

PATIENCE = 120.0
"""Seconds for anything; a watch that was refused waits for half a minute before it asks again."""
ROUNDS = 4
"""That each of those who are left ends under a disturbance, before the hole and after it."""
SEED = 4
SAMPLE = 2
TOLD = "sentinel_breach_since_timestamp_seconds"
WITNESSED = "sentinel_witness_breach_since_timestamp_seconds"
BORDER = {"check": "api/secrets", "identity": "self", "target": "team-b"}


class Tower:
    """Running while the `with` block lasts; `pipe` and `streams` are whole between two rows."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.cluster = ground.cluster
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.manager = stack.enter_context(
                Alertmanager({"route": {"receiver": "none"}, "receivers": [{"name": "none"}]})
            )
            stack.callback(self._put_back, self.ground.objects)
            self.ground.objects = objects = chart.render(values(self.manager.url))
            self.ground.install()
            front = stack.enter_context(Proxy(self.cluster))
            self.streams = stack.enter_context(Streams(self.cluster))
            front.fault = self._watched
            self.witness = stack.enter_context(Witness(self.cluster, objects, front))
            host, _, port = self.witness.relay.rpartition(":")
            self.pipe = stack.enter_context(Pipe(host, int(port)))
            self.tenant = stack.enter_context(
                under_witness(self.cluster, objects, "team-a", self.witness, relay=self.pipe.address)
            )
            self.prometheus = stack.enter_context(self._prometheus(objects))
            self.witness.wait_up()
            self.tenant.wait_up()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _prometheus(self, objects: list[chart.Object]) -> Prometheus:
        rules = list(chart.one(objects, "ConfigMap", "sentinel-rules")["data"].values())
        config = {"scrape_configs": jobs(objects, {"team-a": self.tenant.address}, self.witness)}
        return Prometheus(config, rules)

    def _put_back(self, objects: list[chart.Object]) -> None:
        self.ground.objects = objects
        self.ground.install()

    def _watched(self, request: Request, forward: Forward) -> Answer:
        """To watch secrets is a question too, and has nothing to do with the watches."""
        is_question = ("Accept", "image/png") in request.headers
        return forward(request) if is_question else self.streams(request, forward)

    def suffer(self, row: "Unwitnessed") -> None:
        """Break, look, open, look, mend, prove. Raises Misjudged with what was held or called a breach."""
        eventually(self._is_quiet, PATIENCE, self.story)
        breaches = self._breaches()
        hole = self._hole
        try:
            with row.around(self):
                eventually(lambda: row.is_felt(self), PATIENCE, self.story)
                self._go_on(row, lambda: self._must_be_quiet(row, breaches))
                self.cluster.admin.apply(*hole)
                eventually(lambda: self._is_open(row) and self._is_paged, PATIENCE, self.story)
                self._go_on(row, lambda: self._must_stand(row))
            eventually(lambda: self._is_open_everywhere(row), PATIENCE, self.story)
        finally:
            self.cluster.admin.delete(*hole)
        eventually(self._is_quiet, PATIENCE, self.story)

    @property
    def _hole(self) -> list[chart.Object]:
        reads = manifests.rule(["get", "list"], ["secrets"])
        return manifests.grant("team-b", "hole", manifests.of_account("team-a"), reads)

    def _go_on(self, row: "Unwitnessed", look: Callable[[], None]) -> None:
        """Until whoever is left has ended some rounds more, looking all the while."""
        ends: list[set[float]] = [{at} for at in self._rounds(row)]

        def is_enough() -> bool:
            look()
            for seen, at in zip(ends, self._rounds(row), strict=True):
                seen.add(at)
            return all(len(seen) > ROUNDS for seen in ends)

        eventually(is_enough, PATIENCE, self.story)

    def _rounds(self, row: "Unwitnessed") -> list[float]:
        """When each of those who are left last ended a round."""
        ended = [self.tenant.metrics().value("sentinel_round_timestamp_seconds")]
        if row.witnessed:
            ended.append(self.witness.metrics().value("sentinel_witness_round_timestamp_seconds", subject="team-a"))
        return ended

    def _breaches(self) -> float:
        return self.tenant.metrics().sum("sentinel_breaches_total")

    def _must_be_quiet(self, row: "Unwitnessed", breaches: float) -> None:
        told = {
            "a breach": self._breaches() - breaches,
            "a push": [alert["labels"] for alert in self.manager.alerts(alertname=BREACH)],
            "a page": self._is_paged,
            "the witness's breach": self._seen_by_the_witness(row),
        }
        if wrong := {what: seen for what, seen in told.items() if seen}:
            raise Misjudged(f"{row.name}: {wrong}")

    def _must_stand(self, row: "Unwitnessed") -> None:
        """Nobody who could see it says that it is shut, or nothing."""
        if not (self._is_open(row) and self._is_paged):
            raise Misjudged(f"{row.name}: open, and held by {self.story()}")

    def _seen_by_the_witness(self, row: "Unwitnessed") -> list[float]:
        if not row.witnessed:
            return []
        return [since for since in self.witness.metrics().all(WITNESSED).values() if since]

    def _is_open(self, row: "Unwitnessed") -> bool:
        by_tenant = self._since(self.tenant, TOLD) > 0
        return by_tenant and (not row.witnessed or self._since(self.witness, WITNESSED, subject="team-a") > 0)

    def _is_open_everywhere(self, row: "Unwitnessed") -> bool:
        """Seen by both and paged by the witness too. Who comes back and knows nothing yet has no proof either."""
        said = self._since(self.witness, WITNESSED, subject="team-a")
        if not self._is_paged or (said == 0 and not row.remembers):
            raise Misjudged(f"{row.name}: what is open was called shut\n{self.story()}")
        return said > 0 and self._since(self.tenant, TOLD) > 0 and bool(self.manager.alerts(alertname=BREACH))

    @property
    def _is_paged(self) -> bool:
        """By the rules, which know whose 0 is about what."""
        return any(alert["state"] == "firing" for alert in self.prometheus.alerts(BREACH))

    def _since(self, who: Sentinel, name: str, **labels: str) -> float:
        """-1 where nothing is said."""
        return next(iter(who.metrics().all(name, **BORDER, **labels).values()), -1.0)

    def _is_quiet(self) -> bool:
        """All proven by both, the watches told, nothing paged."""
        seen = self.witness.metrics()
        covered = seen.all("sentinel_witness_coverage_ratio")
        open_ = [since for since in seen.all(WITNESSED).values() if since]
        return (
            len(covered) == 2
            and set(covered.values()) == {1.0}
            and not seen.sum("sentinel_witness_inconclusive")
            and set(seen.all("sentinel_watch_up").values()) == {1.0}
            and proves_everything(self.tenant)
            and not open_
            and not self.manager.alerts(alertname=BREACH)
            and not self._is_paged
        )

    def story(self) -> str:
        """Who says what, for a failing test."""
        told = [f"paged: {[alert['labels'] for alert in self.manager.alerts()]}"]
        for name, who in (("tenant", self.tenant), ("witness", self.witness)):
            with contextlib.suppress(OSError):
                told.append(f"{name}: {who.get('/readyz')}")
                seen = who.metrics().samples.items()
                words = ("breach_since", "inconclusive", "coverage", "watch_up")
                told += [
                    f"{sample} {dict(labels)} {value}"
                    for (sample, labels), value in seen
                    if value not in (0, 1) and any(word in sample for word in words)
                ]
            told.append(who.process.log_tail(6))
        return "\n".join(told)


@dataclass(frozen=True)
class Unwitnessed:
    """`around` breaks and mends; `is_felt` is what shows that it is broken.

    witnessed: the witness looks all the same. remembers: it does not, and says for a while what it knew before.
    """

    name: str
    around: Callable[[Tower], contextlib.AbstractContextManager[object]]
    is_felt: Callable[[Tower], bool] = lambda tower: True
    witnessed: bool = True
    remembers: bool = False


def values(manager: str) -> chart.Object:
    """Two tenants, of whom only the sentinels' accounts are asked with; rounds of a second."""
    return chart.values() | {
        "tenants": [{"name": name, "namespaces": [name], "accounts": []} for name in ("team-a", "team-b")],
        "timeScale": 0.1,
        "config": {"isolation": {"sweep": "150s", "qps": 5000}},
        "monitor": {"enabled": False},
        "alertmanagers": [manager],
        "witness": {"enabled": True},
    }


def relay(break_: Callable[[Pipe], None]) -> Callable[[Tower], contextlib.AbstractContextManager[object]]:
    """The relay is not there, for the tenant."""

    @contextmanager
    def around(tower: Tower) -> Iterator[None]:
        break_(tower.pipe)
        try:
            yield
        finally:
            tower.pipe.mend()

    return around


@contextmanager
def dead(tower: Tower) -> Iterator[None]:
    tower.witness.kill()
    try:
        yield
    finally:
        tower.witness.start()
        tower.witness.wait_up()


@contextmanager
def stopped(tower: Tower) -> Iterator[None]:
    """Alive, and doing nothing at all."""
    tower.witness.process.pause()
    try:
        yield
    finally:
        tower.witness.process.resume()


def watches(break_: Callable[[Streams], None]) -> Callable[[Tower], contextlib.AbstractContextManager[object]]:
    """Of the witness. What breaks them is taken away, and those that are open end."""

    @contextmanager
    def around(tower: Tower) -> Iterator[None]:
        break_(tower.streams)
        try:
            yield
        finally:
            tower.streams.mend()

    return around


def refused(status: int) -> Callable[[Streams], None]:
    def break_(streams: Streams) -> None:
        streams.watches = proxy.answers(status)
        streams.end()

    return break_


def lying(streams: Streams) -> None:
    streams.swallow = lambda line: True


def is_down(tower: Tower) -> bool:
    return not tower.witness.metrics().sum("sentinel_watch_up")


UNWITNESSED = (
    Unwitnessed("relay dead", relay(Pipe.cut)),
    Unwitnessed("relay that takes and never answers", relay(Pipe.hush)),
    Unwitnessed("witness dead", dead, witnessed=False),
    Unwitnessed("witness standing still", stopped, witnessed=False, remembers=True),
    Unwitnessed("watch broken", watches(refused(500)), is_down),
    Unwitnessed("watch that is always too old", watches(refused(410)), is_down),
    Unwitnessed("watch that falls silent", watches(Streams.freeze)),
    Unwitnessed("watch that lies", watches(lying)),
)


def sample() -> tuple[Unwitnessed, ...]:
    """The same few in every run."""
    return tuple(random.Random(SEED).sample(UNWITNESSED, SAMPLE))
