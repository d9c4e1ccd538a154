"""The course of a failover as JSON: the console gives it, the demo and reports read it.

    Course --written--> {"gateway", "at", "within", "pages", "episode": {...}, "probes": [[start, end, outcome, who]]}
                                                                                 --read--> Course

Times are seconds from the first probe of the outage, to the millisecond; `at` is wall time of that.
"""

from collections.abc import Mapping
from typing import Any

from sentinel.core.gateway.course import Course, Trace
from sentinel.core.gateway.failover import Bounds, Episode, Verdict
from sentinel.core.gateway.outcome import Outcome


def written(course: Course) -> dict[str, Any]:
    """As an object for JSON."""
    episode = course.episode
    return {
        "gateway": course.gateway,
        "at": round(course.at, 3),
        "within": course.within,
        "pages": course.pages,
        "episode": {
            "verdict": episode.verdict.value,
            "source": episode.source,
            "to": episode.to,
            "began": _ms(episode.began),
            "ended": _ms(episode.ended),
            "first": _pair(episode.first),
            "stable": _pair(episode.stable),
            "user": None if episode.user is None else _ms(episode.user),
            "bad": episode.bad,
        },
        "probes": [[_ms(row.start), _ms(row.end), row.outcome.value, row.provider] for row in course.traces],
    }


def read(doc: Mapping[str, Any]) -> Course:
    """The course that `written` made this of. Raises ValueError for anything else."""
    try:
        told = doc["episode"]
        episode = Episode(
            Verdict(told["verdict"]),
            str(told["source"]),
            str(told["to"]),
            float(told["began"]),
            float(told["ended"]),
            first=_bounds(told["first"]),
            stable=_bounds(told["stable"]),
            user=None if told["user"] is None else float(told["user"]),
            bad=int(told["bad"]),
        )
        traces = tuple(Trace(float(a), float(b), Outcome(what), str(who)) for a, b, what, who in doc["probes"])
        at, within = float(doc["at"]), float(doc["within"])
        return Course(str(doc["gateway"]), at, within, episode, bool(doc["pages"]), traces)
    except (LookupError, TypeError) as error:
        raise ValueError(f"no course of a failover: {error}") from error


def _ms(seconds: float) -> float:
    return round(seconds, 3)


def _pair(bounds: Bounds | None) -> list[float] | None:
    return None if bounds is None else [_ms(bounds.lower), _ms(bounds.upper)]


def _bounds(pair: Any) -> Bounds | None:
    return None if pair is None else Bounds(float(pair[0]), float(pair[1]))
