"""How long a page takes from the first evidence to somebody who is told: computed, drilled, and as it was."""

from tests.dashboards.board import GOOD_AT_ZERO, Board, Query, Row, variable
from tests.dashboards.panels import lines, matrix, stacked, stat, states, table

OURS = 'cluster=~"$cluster"'
WITNESS = 'cluster=~"$cluster",namespace=~"$namespace"'
FIRING = 'ALERTS{alertname=~"Sentinel.+",alertstate="firing",cluster=~"$cluster",namespace=~"$namespace"}'
PROMISE = ((None, "green"), (240, "orange"), (300, "red"))

CLUSTER = variable("cluster", "Cluster", "sentinel_build_info")
NAMESPACE = variable("namespace", "Namespace of the release", "sentinel_page_promise_seconds")

IN_TIME = Row(
    "Would a page come in time?",
    (
        stat(
            "Promise",
            "paging.promise: the longest that may pass from the first evidence to somebody who is told.",
            "s",
            f"max(sentinel_page_promise_seconds{{{WITNESS}}})",
            steps=((None, "blue"),),
        ),
        stat(
            "Computed, at worst",
            "The slowest page of all, by the quicker of its paths, worked out from what Prometheus and Alertmanager run now. "
            "SentinelPagingTooSlow warns above the promise.",
            "s",
            f"max(min by (alert) (sentinel_page_worst_case_seconds{{{WITNESS}}}))",
            steps=PROMISE,
        ),
        stat(
            "Measured, at worst",
            "The slowest path of the last page drill, from the synthetic breach to the receiver.",
            "s",
            f'max(sentinel_page_path_seconds{{{WITNESS},stage="receiver"}})',
            steps=PROMISE,
        ),
        stat(
            "Last drill that arrived",
            "Age of the last page drill that arrived in time, of the path where it is the oldest.",
            "s",
            f"max(time() - sentinel_page_path_last_success_timestamp_seconds{{{WITNESS}}})",
            steps=((None, "green"), (7200, "orange"), (21600, "red")),
        ),
        stat(
            "Last heartbeat",
            "Age of the last beat that somebody outside took. Without one for 200 s they are to page.",
            "s",
            f"max(time() - sentinel_heartbeat_last_success_timestamp_seconds{{{WITNESS}}})",
            steps=((None, "green"), (60, "orange"), (200, "red")),
        ),
        stat(
            "Critical alerts that fire",
            "Each is a page, unless it is silenced or inhibited.",
            "short",
            f'count({FIRING[:-1]},severity="critical"}}) or vector(0)',
            steps=GOOD_AT_ZERO,
        ),
    ),
)

COMPUTED = Row(
    "Computed from the live systems, every five minutes",
    (
        matrix(
            "Worst case of each alert, by path",
            "From the series to somebody who is told. ∞ is a page that may never come: `sentinel verify-alerting` says why, "
            "and which term to change first. Empty: not known, or the alert has no push.",
            "s",
            f"max by (alert, path) (sentinel_page_worst_case_seconds{{{WITNESS}}})",
            "alert",
            "path",
            steps=PROMISE,
            width=10,
            height=10,
        ),
        lines(
            "Worst case against the promise",
            "The slowest page of each path. A step is a change in the configuration of Prometheus or Alertmanager.",
            "s",
            Query(f"max by (path) (sentinel_page_worst_case_seconds{{{WITNESS}}})", "{{path}}"),
            Query(f"max(sentinel_page_promise_seconds{{{WITNESS}}})", "promise"),
            width=8,
            height=10,
        ),
        lines(
            "Age of the computation",
            "Above half an hour SentinelPagingUnverified warns: what was computed may no longer be so.",
            "s",
            Query(f"max(time() - sentinel_page_verified_timestamp_seconds{{{WITNESS}}})", "age"),
            width=6,
            height=10,
            limit=1800,
        ),
    ),
)

DRILLED = Row(
    "Drilled: a synthetic breach goes all the way",
    (
        lines(
            "Time of the page drill",
            "Until each Alertmanager shows it, and until the receiver has it, by the rule and by the push.",
            "s",
            Query(f"max by (path, stage) (sentinel_page_path_seconds{{{WITNESS}}})", "{{path}}, {{stage}}"),
        ),
        table(
            "Page drills",
            "How those of the chosen time ended. Late or lost fires SentinelPagePathBroken by the other path.",
            "short",
            f"round(sum by (path, result) (increase(sentinel_page_path_runs_total{{{WITNESS}}}[$__range])))",
            {"path": "Path", "result": "Ended", "Value": "Drills"},
            width=6,
        ),
        states(
            "Ways that are broken",
            "After two drills in a row that came late or not at all. SentinelPagePathBroken goes by the other way.",
            Query(f"max by (path) (sentinel_page_path_broken{{{WITNESS}}})", "{{path}}"),
            {0: ("well", "green"), 1: ("broken", "red")},
            width=10,
        ),
        lines(
            "Heartbeats",
            "Beats each second to somebody outside, by how they ended.",
            "cps",
            Query(
                f"sum by (result) (rate(sentinel_heartbeat_beats_total{{{WITNESS}}}[$__rate_interval]))", "{{result}}"
            ),
            width=12,
        ),
        states(
            "What holds the heartbeat back",
            "While one of these is not well nobody inside could page, and so whoever waits for the beat has to.",
            Query(f"max by (lack) (sentinel_heartbeat_held{{{WITNESS}}})", "{{lack}}"),
            {0: ("no", "green"), 1: ("holds it back", "red")},
            width=12,
        ),
    ),
)

PUSHED = Row(
    "Pushed, as it was",
    (
        lines(
            "First evidence to accepted push",
            "Of pages that were sent: the median, and the slowest in a hundred.",
            "s",
            Query(
                "histogram_quantile(0.5, sum by (le) "
                f"(rate(sentinel_page_delay_seconds_bucket{{{OURS}}}[$__rate_interval])))",
                "median",
            ),
            Query(
                "histogram_quantile(0.99, sum by (le) "
                f"(rate(sentinel_page_delay_seconds_bucket{{{OURS}}}[$__rate_interval])))",
                "99 %",
            ),
        ),
        stacked(
            "Pushes",
            "Pushes each second, by how they ended.",
            "cps",
            Query(f"sum by (result) (rate(sentinel_page_pushes_total{{{OURS}}}[$__rate_interval]))", "{{result}}"),
        ),
        stacked(
            "Handed in at the relay",
            "Alerts of tenants' sentinels each second, by what the witness made of them.",
            "cps",
            Query(f"sum by (result) (rate(sentinel_relay_alerts_total{{{OURS}}}[$__rate_interval]))", "{{result}}"),
        ),
    ),
)

FIRED = Row(
    "Firing now",
    (
        table(
            "Our alerts",
            "What Prometheus holds to be so; Alertmanager may silence or inhibit it.",
            "short",
            FIRING,
            {
                "alertname": "Alert",
                "severity": "Severity",
                "tenant": "Tenant",
                "target": "Target",
                "gateway": "Gateway",
                "check": "Check",
                "identity": "As",
            },
            width=14,
            height=9,
        ),
        stacked(
            "Our alerts over time",
            "How many series of each fire.",
            "short",
            Query(f"count by (alertname) ({FIRING})", "{{alertname}}"),
            width=10,
        ),
    ),
)

BOARD = Board(
    "paging",
    "Tenant sentinel: paging",
    "How long a page takes from the first evidence to somebody who is told: computed, drilled, and as it was.",
    (CLUSTER, NAMESPACE),
    (IN_TIME, COMPUTED, DRILLED, PUSHED, FIRED),
)
