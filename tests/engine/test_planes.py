"""What the sinks get of two books that end their rounds at their own times."""

from dataclasses import replace

from sentinel.core.api.gates import Gate, Light
from sentinel.core.net.net_gates import NetGate
from sentinel.core.record import GateRow, Round, Series
from sentinel.core.verdict import Reason
from sentinel.engine.planes import Planes
from tests.engine.scripted import Ledger

API = Round(
    number=7,
    ended=100.0,
    took=1.0,
    questions=30,
    coverage=1.0,
    periods={1: 10.0, 2: 120.0, 3: 1800.0},
    gates=(GateRow(Gate.READY, "self", Light(up=True), 1.0),),
    breach_since={Series("api/secrets", "self", "team-b"): 0.0},
    oldest_proof={"team-b": 90.0, "*": 95.0},
    inconclusive={"team-b": frozenset({Reason.DOOR})},
    reasons=("canary of self: gone",),
    expiry={"self": 9000.0},
    planned=300,
)
NET = Round(
    number=3,
    ended=104.0,
    took=9.0,
    questions=9,
    coverage=0.0,
    periods={"network": 10.0},
    gates=(GateRow(NetGate.LIVE, "self", Light(up=False), 2.0, "team-b"),),
    breach_since={Series("net/tcp", "self", "team-b"): 103.0},
    oldest_proof={"team-b": 50.0, "team-c": 60.0},
    inconclusive={"team-b": frozenset({Reason.LIVE})},
    planned=100,
    unattributed={("net/udp", "team-b"): 99.0},
    not_applicable={"team-b": ("pod v6",)},
)


def planes(*reports: tuple[str, Round]) -> Ledger:
    ledger = Ledger()
    both = Planes((ledger,))
    for name, report in reports:
        both.plane(name).end_round(report)
    return ledger


def test_of_one_plane_the_report_is_its_own():
    assert planes(("api", API)).rounds == [API]


def test_a_report_says_what_both_believe_whichever_ended_last():
    for order in ((("api", API), ("network", NET)), (("network", NET), ("api", API))):
        told = planes(*order).rounds[-1]

        assert told.breach_since == {**API.breach_since, **NET.breach_since}
        assert told.gates == (*API.gates, *NET.gates) or told.gates == (*NET.gates, *API.gates)
        assert told.oldest_proof == {"team-b": 50.0, "team-c": 60.0, "*": 95.0}
        assert told.inconclusive == {"team-b": {Reason.DOOR, Reason.LIVE}}
        assert told.periods == {1: 10.0, 2: 120.0, 3: 1800.0, "network": 10.0}
        assert (told.unattributed, told.not_applicable) == (NET.unattributed, NET.not_applicable)
        assert (told.reasons, told.expiry, told.number) == (API.reasons, API.expiry, 7)


def test_coverage_is_weighed_by_what_is_planned():
    told = planes(("api", API), ("network", NET)).rounds[-1]

    assert told.coverage == 0.75 and told.planned == 400


def test_the_end_is_now_and_the_oldest_end_that_of_the_one_that_lags():
    told = planes(("api", API), ("network", NET), ("network", replace(NET, ended=204.0))).rounds[-1]

    assert (told.ended, told.oldest_end) == (204.0, 100.0)


def test_a_plane_that_is_slower_on_purpose_does_not_lag_for_it():
    slow = replace(NET, periods={"network": 60.0})
    told = planes(("network", slow), ("api", replace(API, ended=150.0))).rounds[-1]

    assert told.oldest_end == 150.0


def test_a_plane_that_never_ends_a_round_is_as_old_as_its_beginning():
    ledger = Ledger()
    both = Planes((ledger,))
    both.open("network", 40.0, 10.0)
    both.plane("api").end_round(API)

    assert ledger.rounds[-1].oldest_end == 40.0
    assert ledger.rounds[-1].coverage == 1.0


def test_nothing_is_told_before_it_is_known_whether_we_are_ready():
    assert planes(("network", NET)).rounds == []


def test_a_plane_that_is_closed_is_not_heard_any_more():
    ledger = Ledger()
    both = Planes((ledger,))
    both.plane("network").end_round(NET)
    both.close("network")
    both.plane("api").end_round(API)

    assert ledger.rounds == [API]


def test_records_go_through_as_they_are():
    ledger = Ledger()
    record = object()

    Planes((ledger,)).plane("network").put(record)  # type: ignore[arg-type]

    assert ledger.records == [record]
