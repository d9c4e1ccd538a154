"""Keeps the last episodes of each gateway with the probes they were seen by, for whoever looks at the console.

What is kept is bounded: probes of the last minutes, and a few episodes. Of an outage that is longer
than that the end is kept; its figures are whole all the same.
"""

from collections import deque
from collections.abc import Iterable

from sentinel.core.gateway.course import MOST_PROBES, Course, Trace, course, trace_of
from sentinel.core.gateway.news import Ended, News, Probed

MOST_EPISODES = 8
"""Of each gateway."""


class GatewayCourses:
    """The sink. Gateways that are not expected are not kept."""

    def __init__(self) -> None:
        """Nothing happened yet."""
        self._kept: dict[str, _Kept] = {}

    def expect(self, gateways: Iterable[str]) -> None:
        """These are asked from now on, by name. Others are forgotten."""
        self._kept = {name: self._kept.get(name, _Kept()) for name in gateways}

    def put(self, news: News) -> None:
        """Keep it if it belongs to a course."""
        kept = self._kept.get(news.gateway)
        match news:
            case Probed(target="") if kept is not None:
                kept.apart = news.at - news.start
                kept.traces.append(trace_of(news))
            case Ended() if kept is not None:
                kept.courses.append(course(news, kept.apart, kept.traces))

    def told(self) -> dict[str, tuple[Course, ...]]:
        """The last episodes by gateway, the latest last."""
        return {name: tuple(kept.courses) for name, kept in self._kept.items()}


class _Kept:
    """What is kept of one gateway."""

    def __init__(self) -> None:
        self.apart = 0.0  # the wall clock is ahead by so much
        self.traces: deque[Trace] = deque(maxlen=MOST_PROBES)
        self.courses: deque[Course] = deque(maxlen=MOST_EPISODES)
