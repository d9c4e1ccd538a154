"""Drills: what is told while one is run, what pages, and what no death of a process can hide."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from tests.alerts import rules
from tests.alerts.pages import common, links
from tests.alerts.table import At, Given, Table
from tests.alerts.test_gateway import counted
from tests.alerts.world import FOREVER, Life, Value, World

OURS = ("drill",)
NODE = 'job="node",instance="laptop:9100"'


Count = Callable[[int], float]


class Drill:
    """One process of a drill, as it is scraped from `start` to `end`. Seconds; what never happens is FOREVER.

    `wound`, `undo`, `back`: the receipt, the proof of its undo, the primary's first answer after. `judged`: over, and up
    for a few scrapes more.
    """

    def __init__(
        self,
        start: int,
        end: int = FOREVER,
        *,
        well: int = FOREVER,
        wound: int = FOREVER,
        undo: int = FOREVER,
        back: int = FOREVER,
        judged: int = FOREVER,
        allowed: int = 90,
        bad: Count = lambda now: 0.0,
        asked: Count = lambda now: 0.0,
        took: Mapping[int, Count] | None = None,
        of: str = 'job="sentinel-drill",instance="10.0.3.1:8080"',
        gaps: Sequence[Life] = (),
        name: str = "outage",
    ) -> None:
        self._lives, self._of = (start, end), of
        self._gaps = gaps
        recovering = undo if back != undo else FOREVER
        moments: dict[str, Value] = {
            "wounded": since(wound),
            "overdue": lambda now: float(wound + allowed) if now >= wound else 0.0,
            "healed": since(undo),
            "recovering": since(recovering),
            "well": lambda now: float(back if now >= back else well if now >= well else 0),
        }
        self.series: dict[str, Value] = {
            'sentinel_drill_active{drill="outage",fault="kill"}': lambda now: float(now < judged),
            'sentinel_drill_active{drill="outage",fault="slow"}': lambda now: 0.0,
            'sentinel_drill_recovery_seconds{drill="outage"}': lambda now: float(max(0, min(now, back, judged) - undo)),
            'sentinel_drill_answers_total{drill="outage",stage="during",result="bad"}': bad,
            'sentinel_drill_answers_total{drill="outage",stage="during",result="elsewhere"}': asked,
            'sentinel_drill_answers_total{drill="outage",stage="post",result="primary"}': lambda now: 0.0,
        }
        self.series |= {
            f'sentinel_drill_{name}_timestamp_seconds{{drill="outage"}}': value for name, value in moments.items()
        }
        times = 'sentinel_drill_answer_seconds_%s{drill="outage",stage="during"%s}'
        self.series[times % ("count", "")] = up_to(took, FOREVER)
        for bound, written in ((1, "1"), (2, "2"), (3, "3"), (FOREVER, "+Inf")):
            self.series[times % ("bucket", f',le="{written}"')] = up_to(took, bound)

        self.series = {series.replace("outage", name): value for series, value in self.series.items()}

    def put(self, world: World) -> None:
        for name, value in self.series.items():
            world.also(name.replace("{", f"{{{self._of},"), self._scraped(value))

    def _scraped(self, value: Value) -> Value:
        def found(now: int) -> float | None:
            start, end = self._lives
            away = any(begin <= now < back for begin, back in self._gaps)
            return value(now) if start <= now < end and not away else None

        return found


def up_to(took: Mapping[int, Count] | None, bound: int) -> Value:
    """How many answers took no longer; `took` has those between a bound and the one before."""
    return lambda now: sum(count(now) for limit, count in (took or {}).items() if limit <= bound)


def since(moment: int) -> Value:
    """The moment, once it has come."""
    return lambda now: float(moment) if now >= moment else 0.0


def world(until: int, *drills: Drill) -> World:
    made = World(until=until, tenants=1, only=OURS, config={"gateways": rules.GATEWAYS})
    for drill in drills:
        drill.put(made)
    return made


def test_a_drill_that_goes_well_is_told_and_wakes_nobody() -> None:
    seen = world(900, Drill(400, 530, well=420, wound=420, undo=440, back=450, judged=500))

    seen.fires("ChaosExperimentActive", at=400, until=500, drill="outage", fault="kill")
    seen.value(
        "max(chaos:recovery:duration_seconds)", at=410, wanted=0
    )  # before anything was well, nothing is waited for
    seen.value("max(chaos:recovery:duration_seconds)", at=520, wanted=10)
    seen.value("count(chaos:slo:error_rate:1m) or vector(0)", at=450, wanted=0)  # nothing was asked
    seen.nothing_else()
    seen.judge()


def test_where_nobody_runs_drills_nothing_is_said() -> None:
    seen = world(600)

    seen.value("count(sentinel:drill_wounded:timestamp) or vector(0)", at=600, wanted=0)
    seen.nothing_else()
    seen.judge()


def test_a_drill_that_is_not_scraped_once_or_twice_is_no_page() -> None:
    seen = world(
        900, Drill(100, 330, well=110, wound=110, undo=190, back=200, judged=300, gaps=((130, 140), (160, 180)))
    )

    seen.stands("ChaosExperimentActive", at=120, drill="outage", fault="kill")
    seen.value('count(ALERTS{alertstate="firing",severity="critical"}) or vector(0)', at=140, wanted=0)
    seen.value('count_over_time(ALERTS{alertstate="firing",severity="critical"}[900s]) or vector(0)', at=900, wanted=0)
    seen.judge()


def test_a_prometheus_that_was_away_for_a_minute_takes_no_drill_for_dead() -> None:
    seen = world(900, Drill(100, 330, well=110, wound=110, undo=200, back=210, judged=300))
    seen.unscraped(130, 190)

    seen.fires("ChaosExperimentActive", at=100, drill="outage", fault="kill")
    seen.nothing_else()
    seen.judge()


def test_what_a_killed_drill_broke_pages_as_soon_as_it_is_gone_until_somebody_has_healed_it() -> None:
    killed = Drill(100, 130, well=110, wound=110)
    undone = Drill(700, 740, wound=110, undo=700, judged=0, of='job="sentinel-drill",instance="10.0.3.2:8080"')
    seen = world(900, killed, undone)

    seen.fires("ChaosExperimentActive", at=100, until=130, drill="outage", fault="kill")
    seen.fires("SentinelDrillUnreverted", at=150, until=700, drill="outage")
    seen.nothing_else()
    seen.judge()


def test_the_next_drill_that_heals_its_own_wound_ends_it_too() -> None:
    again = Drill(400, 530, well=410, wound=410, undo=440, back=450, judged=500, of=NODE)
    seen = world(900, Drill(100, 130, well=110, wound=110), again)

    seen.stands("SentinelDrillUnreverted", at=390, drill="outage")
    seen.gone("SentinelDrillUnreverted", at=440, drill="outage")
    seen.gone("SentinelDrillUnreverted", at=900, drill="outage")
    seen.judge()


@pytest.mark.parametrize(("hours", "stands"), [(5, True), (7, False)])
def test_what_stands_is_remembered_over_the_hours_that_prometheus_itself_was_away(hours: int, stands: bool) -> None:
    away = hours * 3600
    seen = World(until=2 * away, tenants=1, step=away, only=OURS, config={"gateways": rules.GATEWAYS})
    for name in ("wounded", "healed"):
        series = f'sentinel_drill_{name}_timestamp_seconds{{{NODE},drill="outage"}}'
        seen.also(series, lambda now: 1.0 if now == 0 else None)

    for name in ("wounded", "healed"):
        seen.value(f"count(sentinel:drill_{name}:timestamp) or vector(0)", at=away, wanted=float(stands))
    seen.judge()


def test_a_drill_that_could_not_heal_pages_at_its_end_and_on_after_its_process() -> None:
    seen = world(1800, Drill(100, 190, well=110, wound=110, judged=160, allowed=900))

    seen.fires("ChaosExperimentActive", at=100, until=160, drill="outage", fault="kill")
    seen.fires("SentinelDrillUnreverted", at=180, drill="outage")
    seen.stands("SentinelDrillUnreverted", at=1800, drill="outage")
    seen.nothing_else()
    seen.judge()


def test_what_a_file_left_behind_says_pages_when_the_drill_should_have_been_over() -> None:
    frozen = Drill(100, well=110, wound=110, of=NODE)
    frozen.series = {name: frozen_at(value, 120) for name, value in frozen.series.items()}
    seen = world(900, frozen)

    seen.fires("ChaosExperimentActive", at=100, drill="outage", fault="kill")
    seen.fires("SentinelDrillUnreverted", at=220, drill="outage")
    seen.nothing_else()
    seen.judge()


def frozen_at(value: Value, moment: int) -> Value:
    return lambda now: value(min(now, moment))


def test_a_primary_that_does_not_come_back_pages_five_minutes_after_the_undo_though_the_drill_is_over() -> None:
    stalled = Drill(100, 230, well=110, wound=110, undo=140, judged=200)
    again = Drill(800, 900, well=820, judged=870, of='job="sentinel-drill",instance="10.0.3.2:8080"')
    seen = world(1000, stalled, again)

    seen.fires("ChaosExperimentActive", at=100, drill="outage", fault="kill")
    seen.fires("ChaosRecoveryStalled", at=440, until=820, drill="outage")
    seen.value("max(chaos:recovery:duration_seconds)", at=430, wanted=290)
    seen.nothing_else()
    seen.judge()


def test_one_that_took_six_minutes_pages_until_it_is_back_and_not_for_having_been_slow() -> None:
    seen = world(900, Drill(100, 900, well=110, wound=110, undo=140, back=500, judged=600))

    seen.fires("ChaosExperimentActive", at=100, until=600, drill="outage", fault="kill")
    seen.fires("ChaosRecoveryStalled", at=440, until=500, drill="outage")
    seen.value("max(chaos:recovery:duration_seconds)", at=800, wanted=360)
    seen.nothing_else()
    seen.judge()


def test_a_stalled_recovery_that_nobody_looked_at_again_is_forgotten_after_an_hour() -> None:
    seen = world(4200, Drill(100, 230, well=110, wound=110, undo=140, judged=200))

    seen.stands("ChaosRecoveryStalled", at=3800, drill="outage")
    seen.gone("ChaosRecoveryStalled", at=3840, drill="outage")
    seen.judge()


def said(word: str, more: str = "") -> str:
    return f'sentinel_drill_{word}_timestamp_seconds{{job="sentinel-drill",drill="outage"{more}}}'


def test_each_word_of_a_recovery_is_remembered_for_an_hour_by_itself_and_the_latest_counts() -> None:
    table = Table("sentinel:drill_recovering:since_timestamp", rules.shipped(1, gateways=True), slot=9000)
    both = {"recovering": At(-8000), "well": At(-8010)}

    def row(name: str, more: Mapping[str, Given], *, stands: bool) -> None:
        given: dict[str, Given] = {said(word): moment for word, moment in both.items()}
        table.row(name, given | dict(more), {'{drill="outage"}': At(-8000)} if stands else {})

    def until(last: int, word: str) -> dict[str, Given]:
        moment = both[word]
        return {said(word): lambda now: moment if now <= last else None}

    for word in ("recovering", "well"):
        row(f"{word}, said until fifty minutes ago", until(-3000, word), stands=True)
        row(f"{word}, said until an hour ago", until(-3610, word), stands=False)
    row("another process recovered before", {said("recovering", ',instance="b"'): At(-8500)}, stands=True)
    row("another process was well since", {said("well", ',instance="b"'): At(-7000)}, stands=False)
    table.judge()


SECOND = 'job="sentinel-drill",instance="10.0.3.2:8080"'


def test_what_one_drill_does_is_not_said_of_another() -> None:
    dead, stalled = (
        Drill(100, 130, well=110, wound=110),
        Drill(100, 230, well=110, wound=110, undo=140, judged=200, name="b"),
    )
    slow = Drill(
        100,
        600,
        well=110,
        wound=110,
        undo=500,
        back=510,
        judged=560,
        took={3: counted((100, 600, 3))},
        allowed=900,
        name="c",
        of=SECOND,
    )
    bad = Drill(100, 600, well=110, bad=counted((100, 600, 3)), asked=counted((100, 600, 3)), name="d", of=SECOND)
    seen = world(600, dead, stalled, slow, bad)

    for name, until in (("outage", 130), ("b", 200), ("c", 560), ("d", 600)):
        seen.fires("ChaosExperimentActive", at=100, until=until, drill=name, fault="kill")
    seen.fires("SentinelDrillUnreverted", at=150, drill="outage")
    seen.fires("ChaosRecoveryStalled", at=440, drill="b")
    seen.fires("ChaosLatencyHigh", at=110, drill="c")
    seen.fires("ChaosErrorRateHigh", at=110, drill="d")
    seen.value('max(chaos:recovery:duration_seconds{drill="c"})', at=580, wanted=10)
    seen.nothing_else()
    seen.judge()


def test_one_that_is_at_it_excuses_no_other_and_one_that_recovers_makes_no_other_stall() -> None:
    back, left = (
        Drill(0, well=0, wound=0, undo=10, back=320, judged=330),
        Drill(0, wound=5, allowed=50, name="c", of=NODE),
    )
    at_it = Drill(330, well=335, wound=340, undo=380, allowed=90, name="b", of=SECOND)
    seen = world(400, back, left, at_it)

    seen.stands("SentinelDrillUnreverted", at=370, drill="c")
    seen.stands("ChaosRecoveryStalled", at=310, drill="outage")
    seen.gone("ChaosRecoveryStalled", at=390, drill="outage")
    seen.judge()


def test_what_a_file_of_the_last_run_says_beside_a_process_of_this_one_is_the_older_word() -> None:
    last = Drill(0, well=0, wound=0, undo=10, back=20, judged=30, of=NODE)
    this = Drill(50, 280, well=60, wound=60, undo=200, back=240, judged=250, allowed=300)
    seen = world(290, last, this)

    seen.stands("ChaosExperimentActive", at=240, drill="outage", fault="kill")
    seen.gone("ChaosExperimentActive", at=250, drill="outage", fault="kill")
    seen.gone("SentinelDrillUnreverted", at=190, drill="outage")
    seen.value("max(chaos:recovery:duration_seconds)", at=270, wanted=40)
    seen.judge()


def test_a_drill_that_broke_nothing_leaves_nothing_to_heal() -> None:
    seen = world(400, Drill(100, 300, judged=130))

    seen.fires("ChaosExperimentActive", at=100, until=130, drill="outage", fault="kill")
    seen.nothing_else()
    seen.judge()


def test_two_processes_that_began_anew_are_summed_and_no_start_is_a_step_back() -> None:
    def anew(count: Count) -> Count:
        return lambda now: count(now) - (count(250) if now >= 250 else 0)

    bad, asked = anew(counted((100, 600, 1))), anew(counted((100, 600, 19)))
    took: dict[int, Count] = {1: anew(counted((100, 600, 9))), 2: anew(counted((100, 600, 1)))}
    other: dict[int, Count] = {2: anew(counted((100, 600, 10)))}
    seen = world(
        600, Drill(100, well=110, took=took, bad=bad, asked=asked), Drill(100, well=110, bad=bad, took=other, of=SECOND)
    )

    seen.fires("ChaosExperimentActive", at=100, drill="outage", fault="kill")
    for at in (240, 270):
        seen.value("round(max(chaos:slo:error_rate:1m), 0.0001)", at=at, wanted=0.0952)
        seen.value("round(max(chaos:slo:latency:p95:1m), 0.0001)", at=at, wanted=1.9091)
    seen.judge()


def test_exactly_as_many_as_may_be_are_not_too_many_and_one_answer_is_a_figure() -> None:
    limit = Drill(
        100,
        well=110,
        bad=counted((100, 600, 7)),
        asked=counted((100, 600, 133)),
        took={2: counted((100, 600, 19)), 3: counted((100, 600, 1))},
    )
    one = Drill(
        100, well=110, asked=lambda now: float(now >= 300), took={1: lambda now: float(now >= 300)}, name="b", of=SECOND
    )
    seen = world(320, limit, one)

    seen.fires("ChaosExperimentActive", at=100, drill="outage", fault="kill")
    seen.fires("ChaosExperimentActive", at=100, drill="b", fault="kill")
    for alert in ("ChaosErrorRateHigh", "ChaosLatencyHigh"):
        seen.gone(alert, at=300, drill="outage")
    seen.value('sum(chaos:slo:error_rate:1m{drill="b"}) + 1 or vector(0)', at=300, wanted=1)
    seen.value('sum(chaos:slo:latency:p95:1m{drill="b"}) or vector(0)', at=300, wanted=0.95)
    seen.nothing_else()
    seen.judge()


def test_each_says_what_it_is_about_and_leads_to_the_drill() -> None:
    bad, asked, took = counted((100, 600, 3)), counted((100, 600, 9)), {3: counted((100, 600, 20))}
    seen = world(600, Drill(100, well=110, wound=110, undo=140, took=took, bad=bad, asked=asked))
    Drill(100, 130, well=110, wound=110, name="b", of=SECOND).put(seen)

    def says(alert: str, at: int, severity: str, drill: str, summary: str, description: str, **more: str) -> None:
        texts = links(alert, f"?var-drill={drill}", "drills") | {"summary": summary, "description": description}
        seen.annotated(alert, at, common(alert, severity, drill=drill, **more), texts)

    says(
        "ChaosExperimentActive",
        200,
        "info",
        "outage",
        "A drill is being run.",
        "Drill outage breaks a provider on purpose, by kill. What users notice meanwhile pages as ever.",
        fault="kill",
    )
    says(
        "ChaosErrorRateHigh",
        200,
        "critical",
        "outage",
        "A drill keeps users from their answers.",
        "Of what drill outage asked its gateway in the last minute 25% got neither an answer nor the agreed message. "
        "Others who ask it get no more.",
    )
    says(
        "ChaosLatencyHigh",
        200,
        "warning",
        "outage",
        "Answers are slow during a drill.",
        "Of the answers that drill outage got in the last minute one in twenty took longer than 2.95s.",
    )
    says(
        "ChaosRecoveryStalled",
        440,
        "critical",
        "outage",
        "What a drill broke is healed and does not come back.",
        "The fault of drill outage was taken away 5m 0s ago, and the primary provider has not answered since.",
    )
    says(
        "SentinelDrillUnreverted",
        200,
        "critical",
        "b",
        "What a drill broke may still be broken.",
        "Drill b broke a provider at 1970-01-01 00:01:50 +0000 UTC, and nobody has proved that it is healed. Nobody is at "
        "it any more. Its receipt heals it: sentinel drill undo.",
    )
    seen.judge()


@pytest.mark.parametrize(("bad", "pages"), [(0.98, False), (1.04, True)])
def test_more_than_one_answer_in_twenty_that_is_none_pages_until_a_minute_after(bad: float, pages: bool) -> None:
    asked = counted((100, 200, 20), (200, 400, 20 - bad), (400, 900, 20))
    seen = world(900, Drill(100, 900, well=110, bad=counted((200, 400, bad)), asked=asked))

    seen.fires("ChaosExperimentActive", at=100, drill="outage", fault="kill")
    if pages:
        seen.fires("ChaosErrorRateHigh", at=260, until=410, drill="outage")
        seen.value("round(max(chaos:slo:error_rate:1m), 0.0001)", at=300, wanted=0.052)
    seen.nothing_else()
    seen.judge()


@pytest.mark.parametrize(
    ("slow", "fair", "pages"),
    [
        (0.049, 0.0, False),
        (0.0, 1.0, False),  # all of them between one second and two
        (0.052, 0.0, True),
    ],
)
def test_more_than_one_answer_in_twenty_beyond_two_seconds_is_a_ticket(slow: float, fair: float, pages: bool) -> None:
    took = {
        1: counted((100, 200, 3), (200, 400, 3 * (1 - slow - fair)), (400, 500, 3)),
        2: counted((200, 400, 3 * fair)),
        3: counted((200, 400, 3 * slow)),
    }
    seen = world(620, Drill(100, 620, well=110, took=took, asked=counted((100, 620, 3))))

    seen.fires("ChaosExperimentActive", at=100, drill="outage", fault="kill")
    if pages:
        seen.fires("ChaosLatencyHigh", at=250, until=410, drill="outage")
    seen.value('count(ALERTS{alertname="ChaosLatencyHigh"}) or vector(0)', at=300, wanted=float(pages))
    # Nobody is answered any more, and nothing is said of it.
    seen.value("count(chaos:slo:latency:p95:1m) or vector(0)", at=600, wanted=0)
    seen.nothing_else()
    seen.judge()


def test_no_tenant_can_make_up_a_drill_nor_the_proof_that_one_is_healed() -> None:
    tenant = 'job="sentinel",tenant="team-a",instance="10.0.0.7:8080"'
    made_up = Drill(100, well=110, wound=110, undo=300, bad=counted((100, 900, 3)), of=tenant)
    silenced = world(900, made_up)
    silenced.nothing_else()
    silenced.judge()

    killed = world(900, made_up, Drill(100, 130, well=110, wound=110))
    killed.stands("SentinelDrillUnreverted", at=900, drill="outage")
    killed.judge()
