"""An episode with the probes it was seen by: what belongs to it, and that nothing is lost on its way as JSON."""

import json
import random

import pytest

from sentinel.core.gateway import course_json
from sentinel.core.gateway.course import LEAD, Course, Trace, course
from sentinel.core.gateway.failover import Bounds, Episode, Kind, Sample, Verdict
from sentinel.core.gateway.news import Ended
from sentinel.core.gateway.outcome import Outcome
from tests.core.gateway.gateway import BACKUP, PRIMARY, Gateway, Watch

APART = 100_000.0


def trace(sample: Sample) -> Trace:
    if sample.kind is Kind.GOOD:
        outcome = Outcome.SERVED_PRIMARY if sample.provider == PRIMARY else Outcome.FAILED_OVER
    else:
        long = sample.end - sample.start > 5
        outcome = Outcome.TIMEOUT_FIRST_TOKEN if long else Outcome.STRUCTURED_ERROR
    return Trace(sample.start, sample.end, outcome, sample.provider)


def seen(switch: float = 8.0, fault: str = "fast", *, seed: int = 1, within: float = 30.0) -> Course:
    """The course of one failover of a gateway that dies at 20.3 s and switches so many seconds later."""
    watch = Watch(Gateway(20.3, switch, fault, random.Random(seed)), within=within)
    watch.until(40 + switch)
    episode = watch.episodes[0]
    return course(Ended("chat", episode, episode.pages(within), within), APART, map(trace, watch.samples))


@pytest.mark.parametrize("fault", ["fast", "hang", "retry"])
@pytest.mark.parametrize("seed", range(5))
def test_the_stretches_of_the_bounds_lie_where_they_were_measured(fault: str, seed: int) -> None:
    found = seen(8.0, fault, seed=seed)
    died = 20.3 + APART - found.at + 1e-9  # what floating point loses

    assert found.episode.stable is not None
    assert found.alive <= died
    assert found.episode.ended - found.alive == pytest.approx(found.episode.stable.upper)
    begin, end = found.undisputed or (0.0, 0.0)
    assert end - begin == pytest.approx(found.episode.stable.lower)
    if fault != "retry":
        assert died <= begin <= end <= died + 8.0


def test_it_begins_some_seconds_before_and_has_the_last_good_answer() -> None:
    found = seen()

    assert found.traces[0].end >= found.alive - LEAD
    assert any(abs(trace.end - found.alive) < 1e-6 and trace.good for trace in found.traces)
    assert [trace.start for trace in found.traces] == sorted(trace.start for trace in found.traces)
    assert found.traces[-1].outcome is Outcome.FAILED_OVER


def test_zero_is_the_first_probe_of_the_outage() -> None:
    found = seen()

    assert found.episode.began == 0.0
    assert next(trace for trace in found.traces if not trace.good).start == 0.0
    assert found.at == pytest.approx(APART + 20.3, abs=2.0)


def test_without_a_failure_nothing_is_beyond_dispute() -> None:
    found = seen(0.0, "retry")

    assert found.episode.bad == 0
    assert found.undisputed is None
    assert (found.episode.source, found.episode.to) == (PRIMARY, BACKUP)


def test_what_failed_after_it_was_over_is_no_part_of_it() -> None:
    bad, later = (Trace(start, start + 0.5, Outcome.STRUCTURED_ERROR, "unknown") for start in (2.0, 4.2))
    episode = Episode(Verdict.PASS, PRIMARY, BACKUP, 0.0, 4.0, stable=Bounds(1.5, 4.5), bad=1)

    assert Course("chat", APART, 30.0, episode, False, (bad, later)).undisputed == (0.5, 2.0)


def test_probes_that_say_nothing_of_the_gateway_measure_nothing() -> None:
    ours = Trace(3.0, 3.1, Outcome.HARNESS_ERROR, "unknown")
    bad = Trace(0.0, 0.5, Outcome.STRUCTURED_ERROR, "unknown")
    episode = Episode(Verdict.PASS, PRIMARY, BACKUP, 0.0, 4.0, stable=Bounds(0.0, 4.5), bad=1)

    assert Course("chat", APART, 30.0, episode, False, (bad, ours)).undisputed == (0.0, 0.0)


@pytest.mark.parametrize("verdict", Verdict)
def test_what_was_written_is_read_to_the_millisecond(verdict: Verdict) -> None:
    measured = verdict in (Verdict.PASS, Verdict.VIOLATION, Verdict.INDETERMINATE)
    bounds = Bounds(1.25, 3.5) if measured else None
    episode = Episode(verdict, PRIMARY, BACKUP, 0.0, 4.125, first=bounds, stable=bounds, user=4.5, bad=3)
    traces = (Trace(-1.5, -1.0, Outcome.SERVED_PRIMARY, PRIMARY), Trace(0.0, 0.25, Outcome.STALLED_STREAM, "unknown"))
    one = Course("chat", APART, 30.0, episode, True, traces)

    assert course_json.read(json.loads(json.dumps(course_json.written(one)))) == one


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda doc: doc.pop("episode"), id="no episode"),
        pytest.param(lambda doc: doc["episode"].update(verdict="fine"), id="another verdict"),
        pytest.param(lambda doc: doc["probes"].append([1.0]), id="half a probe"),
        pytest.param(lambda doc: doc["probes"].append([0, 1, "eaten", "x"]), id="another outcome"),
        pytest.param(lambda doc: doc["episode"].update(stable=[1]), id="half of the bounds"),
        pytest.param(lambda doc: doc.update(at=None), id="no time"),
    ],
)
def test_what_is_no_course_is_refused(spoil) -> None:
    doc = course_json.written(seen())
    spoil(doc)

    with pytest.raises(ValueError, match=r".+"):
        course_json.read(doc)
