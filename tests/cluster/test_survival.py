"""A page, once sent, outlives whoever sent it and everything on its way; it ends by proof only.

    kill -9, SIGTERM, scale to zero        the sentinel that saw it
    API server, Prometheus, Alertmanager   what it asks, what remembers, what pages

Stories of different tenants and targets are told at the same time. The longest of them spans the
file: one tenant is scaled to zero in a breach, for longer than any rule can look back.
"""

import contextlib
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import durationpy
import pytest
import yaml

from tests import conftest
from tests.cluster.town import CLUSTER, ISOLATION, SETTLED, TENANTS, Town
from tests.cluster.vigil import Border, Vigil, instant
from tests.deploy import chart
from tests.support import prometheus
from tests.support.eventually import eventually
from tests.support.monitoring import MonitoringServer
from tests.support.prometheus import Prometheus

PAGED = 20.0
"""Seconds from a hole to its page on both paths; one is usual here."""
STOP = 5.0
"""Seconds from SIGTERM to the end of the process, as promised."""
HASTE = 0.002
"""The time scale of a second Prometheus: the rules' memory of six hours lasts for less than a minute."""
HASTY = "hasty-tests"
BOTH = ("push", "rule")
METRIC = "sentinel_breach_since_timestamp_seconds"

KILLED = Border("team-a", "team-b")
CLOSED_MEANWHILE = Border("team-b", "team-c")
STOPPED = Border("team-c", "team-e")
ABSENT = Border("team-d", "kube-system")
GONE = {"alertname": "SentinelDown", "tenant": ABSENT.tenant, "cluster": CLUSTER}
UNREACHABLE = Border("team-e", "team-a")
BOTH_DEAD = Border("team-c", "team-d")
REMEMBERED = Border("team-a", "team-d")
UNPAGED = Border("team-b", "team-a")


@dataclass(frozen=True)
class Scene:
    """The town, and who watches its pages."""

    town: Town
    vigil: Vigil

    @contextlib.contextmanager
    def hole(self, border: Border) -> Iterator[float]:
        """Open until the block ends; gives the monotonic time at which both paths had paged it."""
        started = time.monotonic()
        with self.town.hole(*border.hole):
            self.is_paged_after(started, border)
            self.has_both_paths(border)
            yield time.monotonic()

    def is_paged_after(self, moment: float, border: Border) -> None:
        """A notification that is later than this, monotonic seconds."""
        self.town.pages.wait_for(
            lambda d: d.monotonic > moment and d.status == "firing" and d.alerts(**border.labels()), PAGED
        )

    def has_both_paths(self, border: Border) -> None:
        eventually(lambda: self.paths(border) == set(BOTH), SETTLED, self.town.story)

    def push_has_run_out(self, border: Border) -> None:
        """As it does some seconds after the death of its sentinel."""
        eventually(lambda: "push" not in self.paths(border), SETTLED, "a dead sentinel's push ends by itself")

    def paths(self, border: Border) -> set[str]:
        """On which of the two it stands in Alertmanager."""
        return {alert["labels"]["path"] for alert in self.town.alertmanager.alerts(**border.labels())}

    def push_ends(self, border: Border) -> float:
        """Until when the pushed page stands if nothing more is heard, wall seconds."""
        alerts = self.town.alertmanager.alerts(**border.labels(), path="push")
        return max((instant(alert["endsAt"]) for alert in alerts), default=0.0)

    def remembered(self, border: Border) -> float | None:
        """Since when it stands, as the rules know it."""
        return self.town.prometheus.value(f"sentinel:breach_since:latched{selector(border)} > 0")

    def is_unheard(self, border: Border) -> bool:
        """Whether Prometheus has nothing of it left but what its own rules remember."""
        return not self.town.prometheus.query(f"{METRIC}{selector(border)}")

    def first_report(self, border: Border) -> float:
        """The first that a new process says of it: when it opened, or 0 for proven shut."""
        sentinel = self.town.sentinels[border.tenant]
        found = eventually(lambda: sentinel.metrics().all(METRIC, **border.series), SETTLED, self.town.story)
        (value,) = found.values()
        return value

    def is_seen_again(self, border: Border, after: float) -> bool:
        """Whether its sentinel was let in once more since then, wall seconds."""
        rows = self.town.sentinels[border.tenant].console("/api/v1/breaches")
        return any(row["active"] and row["target"] == border.target and row["last"] > after for row in rows)


def selector(border: Border) -> str:
    labels = {"tenant": border.tenant, **border.series}
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


@pytest.fixture(scope="module", autouse=True)
def _no_process_left_behind(town: Town) -> Iterator[None]:
    """Over the whole file: a sentinel that is ended in one test comes back in another."""
    assert town.sentinels, "its processes are no leak"
    before = Counter(map(conftest.name_of, conftest.children()))
    yield
    left = Counter(map(conftest.name_of, conftest.children())) - before
    if left:
        pytest.fail(f"child processes left behind: {', '.join(sorted(left))}")


@pytest.fixture(scope="module")
def scene(town: Town) -> Iterator[Scene]:
    town.settle()
    with Vigil(town) as vigil:
        yield Scene(town, vigil)
    # What was told before Alertmanager lost its memory is never called over by it.
    town.pages.clear()
    town.settle()


# --- stories of one sentinel each, told at the same time


def killed_in_a_breach(scene: Scene) -> None:
    sentinel = scene.town.sentinels[KILLED.tenant]
    with scene.hole(KILLED) as paged:
        since = scene.remembered(KILLED)

        sentinel.kill()
        try:
            eventually(lambda: scene.is_unheard(KILLED), SETTLED)
        finally:
            sentinel.start()
        targets = eventually(sentinel.metrics, SETTLED).all("sentinel_oldest_proof_timestamp_seconds")
        again = scene.first_report(KILLED)
        scene.has_both_paths(KILLED)

        assert len(targets) > len(TENANTS), "before its first round it is judged by the proofs of the one before"
        assert again > (since or math.inf), "a restart looked like proof"
        assert scene.remembered(KILLED) == since, "the page tells another hour than before"
        scene.vigil.must_have_stood(KILLED.labels(path="rule"), paged)
        closing = time.time()
    scene.vigil.must_be_closed_by_proof(KILLED, closing, SETTLED, paths=BOTH)


def closed_while_the_sentinel_is_dead(scene: Scene) -> None:
    sentinel = scene.town.sentinels[CLOSED_MEANWHILE.tenant]
    with scene.hole(CLOSED_MEANWHILE) as paged:
        sentinel.kill()
    closed = time.time()
    try:
        scene.push_has_run_out(CLOSED_MEANWHILE)
    finally:
        sentinel.start()

    scene.vigil.must_be_closed_by_proof(CLOSED_MEANWHILE, closed, SETTLED, paths=("rule",))

    proven = time.monotonic() - (time.time() - scene.vigil.proven(CLOSED_MEANWHILE, closed))
    scene.vigil.must_have_stood(CLOSED_MEANWHILE.labels(path="rule"), paged, proven)


def stopped_in_a_breach(scene: Scene) -> None:
    sentinel = scene.town.sentinels[STOPPED.tenant]
    with scene.hole(STOPPED) as paged:
        announced = scene.push_ends(STOPPED)

        took = sentinel.stop()
        try:
            code, left = sentinel.process.exit_code, scene.push_ends(STOPPED)
            scene.push_has_run_out(STOPPED)
            ran_out = time.time()
        finally:
            sentinel.start()
        again = scene.first_report(STOPPED)
        scene.has_both_paths(STOPPED)

        assert code == 0
        assert took < STOP
        assert announced <= left <= ran_out, "the end took the push back"
        assert again > 0, "a restart looked like proof"
        scene.vigil.must_have_stood(STOPPED.labels(path="rule"), paged)
        closing = time.time()
    scene.vigil.must_be_closed_by_proof(STOPPED, closing, SETTLED, paths=BOTH)


Story = Callable[[Scene], None]
STORIES: tuple[Story, ...] = (killed_in_a_breach, closed_while_the_sentinel_is_dead, stopped_in_a_breach)


@pytest.fixture(scope="module")
def told(scene: Scene, absence: "Absence") -> Callable[[Story], None]:
    """Tells how a story ended, once all have."""
    assert absence.since < math.inf, "begins before them, and outlasts them"
    with ThreadPoolExecutor(len(STORIES)) as tellers:
        ends = {story: tellers.submit(story, scene) for story in STORIES}
    return lambda story: ends[story].result()


def test_a_page_outlives_a_sentinel_that_is_killed_and_the_new_one_takes_it_up(told: Callable[[Story], None]) -> None:
    told(killed_in_a_breach)


def test_a_hole_closed_while_its_sentinel_is_dead_stays_paged_until_the_new_one_has_proven_it(
    told: Callable[[Story], None],
) -> None:
    told(closed_while_the_sentinel_is_dead)


def test_a_sentinel_told_to_stop_ends_within_five_seconds_and_takes_nothing_back(told: Callable[[Story], None]) -> None:
    told(stopped_in_a_breach)


# --- what all of them need


def test_a_page_outlives_the_api_server_and_its_return(scene: Scene) -> None:
    town, sentinel = scene.town, scene.town.sentinels[BOTH_DEAD.tenant]
    with scene.hole(UNREACHABLE) as paged, scene.hole(BOTH_DEAD) as paged_too:
        since, announced = scene.remembered(UNREACHABLE), scene.push_ends(UNREACHABLE)
        with without_api_server(town):
            sentinel.kill()
            eventually(lambda: scene.is_unheard(BOTH_DEAD), SETTLED)
            sentinel.start()
            eventually(lambda: "SentinelApiUnreachable" in town.prometheus.firing(), SETTLED, town.story)
            eventually(lambda: scene.push_ends(UNREACHABLE) > announced, SETTLED, "it is said again meanwhile")
        back = time.time()
        again = scene.first_report(BOTH_DEAD)
        eventually(lambda: scene.is_seen_again(UNREACHABLE, back), SETTLED, town.story)
        # Everything overdue has been asked again when this one ends.
        eventually(lambda: "SentinelApiUnreachable" not in town.prometheus.firing(), SETTLED, town.story)

        assert again > 0, "a start without an API server looked like proof"
        assert scene.remembered(UNREACHABLE) == since, "the page tells another hour than before"
        for path in BOTH:
            scene.vigil.must_have_stood(UNREACHABLE.labels(path=path), paged)
        scene.vigil.must_have_stood(BOTH_DEAD.labels(path="rule"), paged_too)
        closing = time.time()
    scene.vigil.must_be_closed_by_proof(UNREACHABLE, closing, SETTLED, paths=BOTH)
    scene.vigil.must_be_closed_by_proof(BOTH_DEAD, closing, SETTLED, paths=BOTH)


@contextlib.contextmanager
def without_api_server(town: Town) -> Iterator[None]:
    """Gone without a word; there again when the block ends."""
    town.cluster.kill_apiserver()
    try:
        yield
    finally:
        town.cluster.start_apiserver()


# --- a tenant scaled to zero, for longer than any rule can look back


@dataclass
class Absence:
    """A breach whose sentinel is not there any more. `paged` and `since` in monotonic seconds."""

    hasty: Prometheus
    memory: float
    paged: float
    hole: ExitStack
    since: float = math.inf

    def outlast_the_rules(self) -> None:
        """The promise is about this much time, whatever happens in it."""
        time.sleep(max(0.0, self.since + self.memory + 1.0 - time.monotonic()))
        reach = f"{math.ceil(self.memory * 1000)}ms"
        assert not self.hasty.query(f"last_over_time({METRIC}{selector(ABSENT)}[{reach}])"), "still within reach"


@pytest.fixture(scope="module")
def absence(scene: Scene) -> Iterator[Absence]:
    """Begins with a page; the tenant is away until a test brings it back."""
    town, rules = scene.town, hasty_rules()
    with hasty_prometheus(town, rules) as hasty, ExitStack() as hole:
        hole.enter_context(scene.hole(ABSENT))
        eventually(lambda: town.alertmanager.alerts(**ABSENT.labels(HASTY)), PAGED, hasty.log_tail)
        away = Absence(hasty, longest_range(rules), time.monotonic(), hole)
        town.scale(ABSENT.tenant, 0)
        try:
            eventually(lambda: scene.is_unheard(ABSENT), SETTLED)
            away.since = time.monotonic()
            yield away
        finally:
            if town.sentinels[ABSENT.tenant].process.exit_code is not None:
                town.scale(ABSENT.tenant, 1)


def hasty_prometheus(town: Town, rules: list[chart.Object]) -> Prometheus:
    """Watches that sentinel by the same rules on a faster clock, and pages through the same Alertmanager."""
    scraped = {town.sentinels[ABSENT.tenant].address: {"tenant": ABSENT.tenant}}
    config = prometheus.config(scraped, [town.alertmanager.address], interval="200ms")
    return Prometheus(config, rules, resend_delay="750ms")


def hasty_rules() -> list[chart.Object]:
    """What is said of a breach, for this one tenant: the others would only cost time."""
    values = {
        "cluster": HASTY,
        "tenants": [{"name": ABSENT.tenant, "namespaces": [ABSENT.tenant]}],
        "timeScale": HASTE,
        "config": {"isolation": ISOLATION},
        "monitor": {"enabled": False},
    }
    files = chart.one(chart.render(chart.values() | values), "ConfigMap", "sentinel-rules")["data"]
    rules = yaml.safe_load(files["breach.rules.yaml"])
    for group in rules["groups"]:
        # Ten times slower than scaled, for the sake of this machine: it is the ranges that are tried.
        group["interval"] = "200ms"
    return [rules]


def longest_range(rules: list[chart.Object]) -> float:
    """Seconds that the farthest look back in these rules goes."""
    expressions = [rule["expr"] for file in rules for group in file["groups"] for rule in group["rules"]]
    ranges = [found for text in expressions for found in re.findall(r"\[(\d\w*)\]", text)]
    return max(float(durationpy.from_str(found).total_seconds()) for found in ranges)


def test_a_page_outlives_an_absence_longer_than_any_rule_looks_back(scene: Scene, absence: Absence) -> None:
    town, vigil = scene.town, scene.vigil
    absence.outlast_the_rules()

    assert scene.paths(ABSENT) == {"rule"}
    assert vigil.rings(GONE, absence.paged) == 1
    assert town.alertmanager.alerts(**GONE)

    town.scale(ABSENT.tenant, 1)
    assert scene.first_report(ABSENT) > 0, "a return looked like proof"
    eventually(lambda: not town.alertmanager.alerts(**GONE), SETTLED, town.story)
    for cluster in (CLUSTER, HASTY):
        vigil.must_have_stood(ABSENT.labels(cluster, path="rule"), absence.paged)

    closing = time.time()
    absence.hole.close()
    vigil.must_be_closed_by_proof(ABSENT, closing, SETTLED, paths=BOTH)
    vigil.must_be_closed_by_proof(ABSENT, closing, SETTLED, paths=("rule",), cluster=HASTY)
    assert vigil.rings(GONE, absence.paged) == 1


# --- those who remember and page


def test_a_page_outlives_prometheus_which_remembers_it_without_a_sentinel(scene: Scene) -> None:
    town, sentinel = scene.town, scene.town.sentinels[REMEMBERED.tenant]
    with scene.hole(REMEMBERED) as paged:
        since = scene.remembered(REMEMBERED)

        restart(town.prometheus)
        eventually(lambda: scene.remembered(REMEMBERED) == since, SETTLED, town.story)
        scene.has_both_paths(REMEMBERED)
        scene.vigil.must_have_stood(REMEMBERED.labels(), paged)

        sentinel.kill()
        try:
            scene.push_has_run_out(REMEMBERED)
            # Whether Alertmanager waits for it is a matter of how long this takes: it drops what nobody repeats.
            restart(town.prometheus)
            eventually(lambda: scene.remembered(REMEMBERED) == since, SETTLED, town.story)
            eventually(lambda: scene.paths(REMEMBERED) == {"rule"}, SETTLED, town.story)
        finally:
            sentinel.start()
        scene.has_both_paths(REMEMBERED)
        assert scene.remembered(REMEMBERED) == since, "the page tells another hour than before"
        closing = time.time()
    scene.vigil.must_be_closed_by_proof(REMEMBERED, closing, SETTLED, paths=BOTH)


def test_a_page_is_there_again_after_alertmanager_has_lost_everything(scene: Scene) -> None:
    town = scene.town
    with scene.hole(UNPAGED) as paged:
        restart(town.alertmanager)
        back = time.monotonic()
        scene.is_paged_after(back, UNPAGED)
        scene.has_both_paths(UNPAGED)

        scene.vigil.must_not_be_called_over(UNPAGED.labels(), paged)
        closing = time.time()
    scene.vigil.must_be_closed_by_proof(UNPAGED, closing, SETTLED, paths=BOTH)


def restart(server: MonitoringServer) -> None:
    """SIGKILL, and up again on what it had written down by then."""
    server.kill()
    server.start()
