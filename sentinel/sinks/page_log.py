"""One structured line for each turn of a chat page: what its users see now. And one for each picture.

A page that is broken for an hour is a line when it begins, one for each further way of being
broken, and one when it is over. No word of the page's is in any of them.
"""

from typing import Any

import structlog

from sentinel.core.gateway.chat_page import EXCLUDED, KEPT, Outcome, Visited


class PageLog:
    """The sink that writes the lines."""

    def __init__(self) -> None:
        """Takes the level that is configured now."""
        self._log = structlog.get_logger()
        self._last: dict[str, Outcome] = {}

    def put(self, news: Visited) -> None:
        """Tell it if it turned, or if there is something to look at."""
        outcome, before = news.judged.outcome, self._last.get(news.gateway)
        self._last[news.gateway] = outcome
        if outcome == before and not news.picture:
            return
        if outcome in KEPT:
            if before is not None:
                self._log.info("page.well", **_of(news))
        elif outcome in EXCLUDED:
            self._log.warning("page.unproven", **_of(news))
        else:
            self._log.warning("page.failing", **_of(news))


def _of(news: Visited) -> dict[str, Any]:
    judged = news.judged
    return {
        "gateway": news.gateway,
        "outcome": judged.outcome.value,
        "rule": judged.rule,
        "status": judged.status,
        "took": round(judged.took, 3),
        "first_token": None if judged.first is None else round(judged.first, 3),
        "in_a_row": news.row,
        "nonce": news.nonce,
        "picture": news.picture or None,
    }
