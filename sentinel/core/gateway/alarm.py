"""What about a gateway wakes somebody: the same as `alerts/gateway.rules.yaml` decides, probe by probe.

    DOWN        three of three take no connection within 35 s     ends with anything that comes from it
    SLOW        whoever asked first waits for longer than a       ends with three good answers in a row,
                failover may take, or did                         five minutes later
    UNGRACEFUL  the third ungraceful error within 5 minutes       ends when it is fewer, and it was heard
    CUT         the second silent truncation within 5 minutes     to do better after the last one

A rule forgets when it hears nothing; here only an answer ends anything. One outage is one page: a gateway
that takes no connection is not slow, nor for six minutes after. `engine.alarms` feeds it, and pushes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sentinel.core.gateway.failover import STABLE, Live
from sentinel.core.gateway.outcome import EXCLUDED, Judged, Kind, Outcome
from sentinel.core.page import Alert

OUT, NOW, LASTING, AFTER = 35.0, 25.0, 300.0, 360.0
"""Seconds, as in the rules: without any connection; at present; of errors, and of an outage afterwards; of DOWN."""
_UNREACHED = 3
_ENOUGH = {Alert.UNGRACEFUL: 3, Alert.TRUNCATED: 2}
"""One can be a proxy's hiccup, or a model that forgets the end of what it was told to write."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known of one gateway. Times are wall seconds; `unit`: how long a second is, in tests less."""

    within: float = 30.0
    unit: float = 1.0
    unreached: tuple[float, ...] = ()  # the last three that found no connection
    ungraceful: tuple[float, ...] = ()  # the last three
    cut: tuple[float, ...] = ()  # the last two
    reached: float | None = None  # when anything came from it
    graceful: float | None = None  # when what came was not ungraceful
    whole: float | None = None  # when a good answer came
    goods: int = 0  # in a row
    well: float | None = None  # since the third good one in a row
    slow: float | None = None  # when an episode ended that was too long
    down: float | None = None  # when it was down last
    open: Mapping[Alert, float] = field(default_factory=dict)  # what stands, and since when


def heard(watch: Watch, judged: Judged, at: float) -> Watch:
    """A probe ended at this moment."""
    if judged.outcome in EXCLUDED:
        return watch if judged.outcome is Outcome.HARNESS_ERROR else replace(watch, reached=at)
    if judged.outcome is Outcome.GATEWAY_UNREACHABLE:
        return replace(watch, unreached=(*watch.unreached, at)[-_UNREACHED:], goods=0, well=None)
    goods = watch.goods + 1 if judged.good else 0
    ungraceful, cut = judged.outcome is Outcome.UNGRACEFUL_ERROR, judged.kind is Kind.SILENT
    return replace(
        watch,
        reached=at,
        graceful=watch.graceful if ungraceful else at,
        whole=at if judged.good else watch.whole,
        ungraceful=(*watch.ungraceful, at)[-_ENOUGH[Alert.UNGRACEFUL] :] if ungraceful else watch.ungraceful,
        cut=(*watch.cut, at)[-_ENOUGH[Alert.TRUNCATED] :] if cut else watch.cut,
        goods=goods,
        well=(watch.well if goods > STABLE else at) if goods >= STABLE else None,
    )


def ended(watch: Watch, at: float, *, pages: bool) -> Watch:
    """An episode ended at this moment; `pages`: it was too long."""
    return replace(watch, slow=at) if pages else watch


def advance(watch: Watch, live: Live | None, now: float) -> Watch:
    """What stands now. `live`: the outage that lasts, if one does."""
    found = dict(watch.open)
    down = _down(watch, now)
    watch = replace(watch, down=now if down is not None else watch.down)
    rows = (
        (Alert.GATEWAY_DOWN, down),
        (Alert.FAILOVER_SLOW, _slow(watch, live, now)),
        (Alert.UNGRACEFUL, _again(watch, Alert.UNGRACEFUL, watch.ungraceful, watch.graceful, now)),
        (Alert.TRUNCATED, _again(watch, Alert.TRUNCATED, watch.cut, watch.whole, now)),
    )
    for alert, since in rows:
        if since is None:
            found.pop(alert, None)
        else:
            found.setdefault(alert, since)
    return replace(watch, open=found)


def _down(watch: Watch, now: float) -> float | None:
    """Since when it takes no connection; None where it is not known to take none."""
    since = watch.open.get(Alert.GATEWAY_DOWN)
    if since is not None:
        return None if watch.reached is not None and watch.reached > watch.unreached[-1] else since
    out = now - OUT * watch.unit
    many = len(watch.unreached) == _UNREACHED and watch.unreached[0] >= out
    return watch.unreached[0] if many and (watch.reached is None or watch.reached < out) else None


def _slow(watch: Watch, live: Live | None, now: float) -> float | None:
    lasts = live is not None and live.user >= watch.within
    since = watch.open.get(Alert.FAILOVER_SLOW)
    if since is not None:
        over = not lasts and watch.well is not None and now >= watch.well + LASTING * watch.unit
        return None if over else since
    if _is_other_page(watch, now):
        return None
    if live is not None and lasts:
        return now - live.user
    recent = watch.slow is not None and watch.slow >= now - LASTING * watch.unit
    return watch.slow if recent else None


def _is_other_page(watch: Watch, now: float) -> bool:
    """Whether it takes no connection, or did lately: that is what is told of it."""
    recently = now - NOW * watch.unit
    nobody = bool(watch.unreached) and watch.unreached[-1] >= recently
    silent = nobody and (watch.reached is None or watch.reached < recently)
    return silent or (watch.down is not None and watch.down >= now - AFTER * watch.unit)


def _again(watch: Watch, alert: Alert, times: tuple[float, ...], better: float | None, now: float) -> float | None:
    """Since when it was so often that somebody must know; it ends with fewer, and something better after the last."""
    many = len(times) == _ENOUGH[alert] and times[0] >= now - LASTING * watch.unit
    since = watch.open.get(alert)
    if since is None:
        return times[0] if many else None
    return None if not many and better is not None and better > times[-1] else since
