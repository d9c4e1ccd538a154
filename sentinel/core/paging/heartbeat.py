"""The heartbeat: told to somebody outside while a breach would page, so that its silence is the last page.

Whoever is dead cannot say so. So the witness beats only while itself works, Prometheus evaluates our rules, and an
Alertmanager shows what Prometheus sends: the alert SentinelWatchdog, which always fires, has gone all that way.

    killed --> last beat (before it) ---- the outside's patience, 120 s ----> somebody else pages
    stuck  --> last beat (FRESH later) -- the same ------------------------->
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sentinel.core.paging.formula import Path

WATCHDOG = "SentinelWatchdog"
"""Fires always, by the rule that we ship."""
FRESH = 60.0
"""Seconds since its last evaluation. It is due every ten; five may be missed."""


class Lack(StrEnum):
    """Why a beat is held back: a label, and a sentence for people."""

    WITNESS = "witness"  # our own rounds do not go on
    PROMETHEUS = "prometheus"  # it gives no answer, or has not evaluated our rules lately
    ALERTMANAGER = "alertmanager"  # none answers and shows what Prometheus sends
    PAGE_PATH = "page_path"  # the page drill has found both ways broken


@dataclass(frozen=True, slots=True)
class Pulse:
    """What was seen just now. `evaluated`: seconds since Prometheus evaluated our Watchdog last; None: not known.

    `showing`: how many Alertmanagers show it. `broken`: the ways that the page drill calls so.
    """

    works: bool
    evaluated: float | None
    showing: int
    broken: AbstractSet[Path] = frozenset()


def lacking(pulse: Pulse, fresh: float = FRESH) -> tuple[Lack, ...]:
    """Why there must be no beat; nothing: let it beat.

    One Alertmanager of several is enough to page. That another one is dead is for those who can still be told.
    """
    found = {
        Lack.WITNESS: not pulse.works,
        Lack.PROMETHEUS: pulse.evaluated is None or pulse.evaluated > fresh,
        Lack.ALERTMANAGER: pulse.showing < 1,
        Lack.PAGE_PATH: pulse.broken >= set(Path),
    }
    return tuple(lack for lack, lacks in found.items() if lacks)


def question(cluster: str) -> str:
    """What Prometheus is asked: how old its last evaluation of our Watchdog is, by its own clock."""
    return f'time() - max(timestamp(ALERTS{{alertname="{WATCHDOG}",alertstate="firing",cluster="{cluster}"}}))'


def evaluated(said: Any) -> float | None:
    """The answer to that in seconds; None where there is none."""
    data = said.get("data") if isinstance(said, dict) else None
    rows = data.get("result") if isinstance(data, dict) else None
    try:
        age = float(rows[0]["value"][1])  # type: ignore[index]  # whatever it is, it is caught
    except (TypeError, KeyError, IndexError, ValueError):
        return None
    return age if age >= 0 else None


def shown(said: Any) -> bool:
    """Whether an Alertmanager's list of alerts has our Watchdog. Anything else that answers has not."""
    rows = said if isinstance(said, list) else ()
    labels = [row.get("labels") for row in rows if isinstance(row, dict)]
    return any(isinstance(found, dict) and found.get("alertname") == WATCHDOG for found in labels)
