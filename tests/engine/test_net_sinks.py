"""What the sinks tell of packets: metrics, pages, the console, the journal; from the records of real rounds."""

import json

import pytest

from sentinel.clients.clock import Clock
from sentinel.core.audit.rows import record_row, round_row
from sentinel.engine.planes import LEAD, Planes
from sentinel.sinks.history import History
from sentinel.sinks.log import LogSink
from sentinel.sinks.metrics import Metrics
from sentinel.sinks.pager import Pager
from sentinel.web import pages
from tests.engine.net_scripted import Fate, Net, on_virtual_time
from tests.engine.test_planes import API
from tests.support.breaches import SENDER

UNKNOWN = ("sentinel_unattributed_since_timestamp_seconds", "net/tcp", "team-b")
OPEN = ("sentinel_breach_since_timestamp_seconds", "net/tcp", "self", "team-b")


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
    }


class Told:
    """All sinks behind one network, after these rounds."""

    def __init__(self, *fates: Fate, nobody: Fate = Fate.SILENT) -> None:
        self.metrics, self.history = Metrics(), History("team-a")
        self.metrics.expect_network(("net/tcp", "net/udp", "net/http"), ("team-b",), "self", 10.0)
        self.pages: list[dict[str, str]] = []
        self.now = 0.0
        self.net = on_virtual_time(self._story(fates, nobody))

    async def _story(self, fates: tuple[Fate, ...], nobody: Fate) -> Net:
        net = Net(nobody=nobody)
        pager = Pager(["http://a"], SENDER, None, Clock(), count=lambda _: None, delay=lambda _: None)  # type: ignore[arg-type]
        both = Planes((self.metrics, self.history, LogSink(), pager))
        net.book.sinks = (*net.book.sinks, both.plane("network"))
        both.plane(LEAD).end_round(API)
        for fate in fates:
            net.policy = lambda asked, _, fate=fate: fate if asked.protocol == "tcp" else Fate.SILENT
            await net.rounds()
        self.pages = [dict(notice.page.labels) for notice in pager._notices.values() if notice.closed is None]
        self.now = net.clock.wall()
        return net


def test_a_breach_is_published_paged_and_shown_with_who_answered():
    told = Told(Fate.SERVED)

    assert values(told.metrics)[OPEN] > 0 and UNKNOWN not in values(told.metrics)
    (labels,) = told.pages
    assert (labels["check"], labels["target"], labels["identity"]) == ("net/tcp", "team-b", "self")
    breaches = told.history.breaches()
    assert {row["question"] for row in breaches} == {"reach tcp pod v4", "reach tcp pod v6", "reach tcp service v4"}
    assert {row["reproduce"] for row in breaches} == {"kubectl -n team-a exec svc/sentinel -- sentinel once net/tcp"}
    html = pages.page(told.history.snapshot(), told.now)
    assert "reached over the" in html and "pod team-b-1" in html and "rights to exec" in html


def test_somebody_who_does_not_say_who_it_is_is_a_series_of_its_own_and_pages_nobody():
    told = Told(Fate.TAKEN)

    assert values(told.metrics)[UNKNOWN] > 0 and OPEN not in values(told.metrics)
    assert told.pages == []
    assert told.history.status()["round"]["unattributed"][0]["check"] == "net/tcp"


def test_who_gets_a_name_is_paged_about_with_the_first_evidence():
    told = Told(Fate.TAKEN, Fate.SERVED)
    found = values(told.metrics)

    assert found[UNKNOWN] == 0.0
    assert 0 < found[OPEN] < told.now - 12.0  # of the first round, not of the second
    assert len(told.pages) == 1


def test_the_end_of_an_unattributed_breach_is_0_in_its_own_series():
    told = Told(Fate.TAKEN, Fate.SILENT, Fate.SILENT)

    assert values(told.metrics)[UNKNOWN] == 0.0
    assert values(told.metrics)[OPEN] == 0.0 and told.pages == []


def test_a_page_ends_with_two_rounds_of_proof():
    assert Told(Fate.SERVED, Fate.SILENT).pages
    assert not Told(Fate.SERVED, Fate.SILENT, Fate.SILENT).pages


def test_what_cannot_be_proven_is_told_by_reason_and_gate():
    told = Told(Fate.TAKEN, nobody=Fate.TAKEN)
    found = values(told.metrics)

    assert found["sentinel_inconclusive", "team-b", "proxied"] == 1.0
    assert found["sentinel_gate_up", "proxied", "self"] == 0.0
    assert found["sentinel_gate_up", "lighthouse", "self"] == 1.0
    html = pages.page(told.history.snapshot(), told.now)
    assert "which is nobody" in html and "even an address of nobody is connected" in html


def test_the_console_says_which_ways_are_not_there_and_how_often_the_network_is_asked():
    told = Told(Fate.SILENT)

    assert told.history.status()["round"]["not_applicable"] == {"team-b": ["service v6"]}
    html = pages.page(told.history.snapshot(), told.now)
    assert "team-b: service v6" in html and "Network asked every" in html


@pytest.mark.parametrize("fate", [Fate.SERVED, Fate.TAKEN, Fate.ONE_WAY])
def test_the_journal_has_the_place_and_the_challenge(fate):
    told = Told(fate)
    rows = [record_row(r) for r in told.net.ledger.records if r.change is not None and r.change.breach is not None]

    if fate is Fate.ONE_WAY:
        assert rows and {row["reason"] for row in rows} == {"arrived"}
    assert all("pod team-b-1" in row["breach"]["place"] and len(row["breach"]["audit_id"]) == 32 for row in rows)
    assert json.dumps([*rows, round_row(told.net.last)])
