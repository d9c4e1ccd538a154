"""One structured line for each turn of a gateway: what its answers are worth now, and each episode that ended.

An outage of an hour is a line when it begins, one for each further way of failing, and one when it
is over, and not one for each of seven thousand probes. Only closed words and numbers are told, and
the request id, so that the probe can be found in the gateway's own log.
"""

from typing import Any

import structlog

from sentinel.core.gateway.canary import REQUEST_ID
from sentinel.core.gateway.failover import Bounds, Episode, Verdict
from sentinel.core.gateway.news import CameBack, Ended, News, Probed, Skipped, Tail
from sentinel.core.gateway.outcome import Outcome


class GatewayLog:
    """The sink that writes the lines."""

    def __init__(self) -> None:
        """Takes the level that is configured now."""
        self._log = structlog.get_logger()
        self._last: dict[tuple[str, str], tuple[Outcome, str]] = {}
        self._used_up: set[tuple[str, str]] = set()

    def put(self, news: News) -> None:
        """Tell it if it turned."""
        match news:
            case Probed():
                self._probed(news)
            case Ended():
                self._ended(news.gateway, news.episode, pages=news.pages)
            case CameBack():
                self._log.info(
                    "gateway.came_back", gateway=news.gateway, source=news.source, seconds=_round(news.seconds)
                )
            case Tail():
                self._log.warning("gateway.cooldown_tail", gateway=news.gateway, seconds=_round(news.seconds))
            case Skipped():
                self._skipped(news)

    def _probed(self, news: Probed) -> None:
        judged = news.judged
        self._used_up.discard((news.gateway, news.target))
        # Who answers is part of it; that it is nobody knows whom for once is not.
        now = (judged.outcome, judged.served.provider if judged.good else "")
        before = self._last.get((news.gateway, news.target))
        self._last[news.gateway, news.target] = now
        if now == before:
            return
        if not judged.good:
            self._log.warning("gateway.failing", **_of(news))
        elif before is not None:
            self._log.info("gateway.answering", **_of(news))

    def _ended(self, gateway: str, episode: Episode, *, pages: bool) -> None:
        loud = pages or episode.verdict in (Verdict.VIOLATION, Verdict.INDETERMINATE)
        tell = self._log.error if pages else self._log.warning if loud else self._log.info
        tell(
            "gateway.episode",
            gateway=gateway,
            verdict=episode.verdict.value,
            source=episode.source,
            to=episode.to,
            first=_bounds(episode.first),
            stable=_bounds(episode.stable),
            user=_round(episode.user),
            bad=episode.bad,
            pages=pages,
        )

    def _skipped(self, news: Skipped) -> None:
        """That the budget is used up is told once, loudly; the rest is counted."""
        key = (news.gateway, news.target)
        if news.reason == "budget" and key not in self._used_up:
            self._used_up.add(key)
            self._log.error("gateway.budget_used_up", gateway=news.gateway, target=news.target)


def _of(news: Probed) -> dict[str, Any]:
    judged = news.judged
    return {
        "gateway": news.gateway,
        "target": news.target,
        "outcome": judged.outcome.value,
        "rule": judged.rule,
        "provider": judged.served.provider,
        "evidence": judged.served.evidence,
        "status": judged.status,
        "took": round(judged.took, 3),
        "request_id": f"{REQUEST_ID}{news.nonce}",
    }


def _bounds(bounds: Bounds | None) -> list[float] | None:
    return None if bounds is None else [round(bounds.lower, 3), round(bounds.upper, 3)]


def _round(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
