"""What `sentinel check` promises of the network: the slowest way in which a hole is found."""

import pytest

from sentinel.core.api.plan import PAGE_SECONDS
from sentinel.core.net.net_plan import ROUNDS_BETWEEN, Terms
from sentinel.reports import net_forecast

CROSSINGS = ("net/tcp", "net/udp", "net/http")
TERMS = Terms(expected=("team-b",), every=10.0, timeout=2.0)


def test_without_anything_around_only_the_beacons_are_promised() -> None:
    seen = net_forecast.forecast(TERMS, CROSSINGS, 300.0)

    assert seen.around_page_seconds is None
    assert (seen.found_seconds, seen.page_seconds) == (10.0 + 2.0, 10.0 + 2.0 + PAGE_SECONDS)
    assert "asked less often" not in net_forecast.text(seen)


def test_what_surrounds_the_pods_is_asked_less_often_and_has_its_own_figure() -> None:
    seen = net_forecast.forecast(TERMS, (*CROSSINGS, "net/node", "net/dns"), 300.0)

    assert seen.around_page_seconds == ROUNDS_BETWEEN * 10.0 + 2.0 + PAGE_SECONDS
    assert "for net/node, net/dns, which are asked less often" in net_forecast.text(seen)
    assert "net/tcp, net/udp, net/http, by pod" in net_forecast.text(seen)


@pytest.mark.parametrize(("promise", "kept"), [(300.0, True), (120.0, False)])
def test_the_promise_is_about_the_slower_of_both(promise: float, kept: bool) -> None:
    assert net_forecast.forecast(TERMS, (*CROSSINGS, "net/cloud"), promise).kept is kept
    assert net_forecast.forecast(TERMS, CROSSINGS, promise).kept
