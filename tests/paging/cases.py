"""The configurations that are tried: good ones with each timer the longest in turn, and each thing that swallows a page."""

from collections.abc import Sequence
from dataclasses import replace

from sentinel.core.paging.obstacles import Fault
from tests.paging.scene import Case


def timers(scale: int) -> Sequence[Case]:
    """Good ones, in each another timer dominates. `scale`: seconds of the longest, at least 6."""
    return (
        Case("Scrape", scrape=scale, exhausted=True),
        Case("Evaluation", evaluation=scale, replicas=32, exhausted=True),
        Case("For", waits=scale - 1, evaluation=2, exhausted=True),
        Case("Interval", interval=scale, replicas=12, exhausted=True),
        Case("Wait", wait=scale, live=False, exhausted=True),
        Case("Recorded", recorded=scale // 2, evaluation=scale // 2, replicas=12),
        Case("Even", scrape=scale // 3, evaluation=scale // 3, interval=scale // 3, replicas=16),
        Case(
            "Below",
            interval=scale,
            route={"group_interval": "1s"},
            below={"group_interval": f"{scale}s", "matchers": ['namespace=~"sentinel-.+"']},
            replicas=12,
            exhausted=True,
        ),
        Case(
            "Mutedabove",
            route={"mute_time_intervals": ["always"]},
            below={"receiver": "page", "matchers": ['path="rule"'], "group_interval": "2s"},
        ),
        Case("Slow", scrape=scale // 2, slow=scale // 2 - 0.7, failing=frozenset({"scrape timeout"})),
        Case("Legacy", route={"match_re": {"severity": "critical|page"}, "match": {"cluster": "tests"}}),
        Case("Defaultroute", route={"continue": True}, interval=2),
    )


FAULTS: Sequence[Case] = (
    Case("Muted", route={"mute_time_intervals": ["always"]}, fault=Fault.MUTED),
    Case("Inactive", route={"active_time_intervals": ["then"]}, fault=Fault.MUTED),
    Case("Silenced", silenced=True, fault=Fault.SILENCED),
    Case(
        "Inhibited",
        inhibitions=[
            {"source_matchers": ['alertname="SomebodyElses"'], "target_matchers": ['alertname=~"SentinelInhibited.+"']}
        ],
        fault=Fault.INHIBITED,
    ),
    Case("Nobody", nobody=True, fault=Fault.NO_DESTINATION),
    Case(
        "Dropped",
        alert_steps=[{"source_labels": ["alertname"], "regex": "SentinelDropped.+", "action": "drop"}],
        fault=Fault.ALERT_DROPPED,
    ),
    Case(
        "Noseries",
        metric_steps=[{"source_labels": ["__name__"], "regex": "sentinel_.*", "action": "drop"}],
        fault=Fault.SERIES_DROPPED,
    ),
    Case("Nolabel", metric_steps=[{"regex": "targ.*", "action": "labeldrop"}], fault=Fault.SERIES_DROPPED),
    Case("Nojob", metric_steps=[{"target_label": "job", "replacement": "all"}], fault=Fault.SERIES_DROPPED),
    Case("Elsewhere", route={"matchers": ['severity="page"']}, fault=Fault.NO_DESTINATION),
    Case("Notarget", expr='sentinel_open{job="sentinels"} > 0', fault=Fault.TARGET_MISSING),
    Case("Failing", expr='sentinel_open{job="sentinel-failing"} + on () sentinel_open > 0', fault=Fault.RULE_FAILS),
)

FEW = {"Scrape", "Evaluation", "For", "Interval", "Wait", "Below", "Mutedabove", "Slow"}
SAMPLE: Sequence[Case] = (
    *(case for case in timers(6) if case.name in FEW),
    *(replace(case, replicas=1) for case in FAULTS),
)
"""For the gate."""
