"""Whether the sentinels and the witness are well enough to be believed."""

from tests.dashboards.board import GOOD_AT_ZERO, Board, Query, Row, variable
from tests.dashboards.isolation import TENANT
from tests.dashboards.panels import lines, stacked, stat, states, table

TENANTS = 'cluster=~"$cluster",tenant=~"$tenant"'
PROCESSES = 'cluster=~"$cluster",namespace=~"$namespace",job=~"sentinel.*",tenant=~"$tenant|"'
"""Of the chosen tenants, and those that are no tenant's: the witness, the visitor."""
WITNESS = 'cluster=~"$cluster",job="sentinel-witness"'
SUBJECTS = 'cluster=~"$cluster",subject=~"$tenant"'
WHO = "{{job}} {{tenant}}"

CLUSTER = variable("cluster", "Cluster", "sentinel_build_info")
NAMESPACE = variable("namespace", "Namespace of the pod", 'process_start_time_seconds{job=~"sentinel.*"}')

ALIVE = Row(
    "Are they there?",
    (
        stat(
            "Sentinels that answer",
            "Share of the expected tenants whose sentinel gives samples. SentinelDown pages for each that does not.",
            "percentunit",
            f'count(max by (tenant) (up{{{TENANTS},job="sentinel"}}) == 1) / count(sentinel:expected_tenant{{{TENANTS}}})',
            steps=((None, "red"), (1, "green")),
        ),
        stat(
            "Witness",
            "1 while the one process that no tenant controls answers the scrape.",
            "short",
            f"max(up{{{WITNESS}}})",
            steps=((None, "red"), (1, "green")),
            more={
                "fieldConfig": {
                    "defaults": {
                        "mappings": [
                            {"type": "value", "options": {"0": {"text": "down", "color": "red", "index": 0}}},
                            {"type": "value", "options": {"1": {"text": "up", "color": "green", "index": 1}}},
                        ]
                    }
                }
            },
        ),
        stat(
            "Oldest last round",
            "Age of the last finished round of the sentinel that is the latest. Above three stretched rounds SentinelStale "
            "pages.",
            "s",
            f"max(time() - sentinel_round_timestamp_seconds{{{TENANTS}}})",
            steps=((None, "green"), (30, "orange"), (60, "red")),
        ),
        stat(
            "Restarts in the last hour",
            "Of all sentinels together. SentinelRestarting warns of one that keeps beginning.",
            "short",
            'sum(changes(sentinel:latest_start:timestamp{cluster=~"$cluster",tenant=~"$tenant"}[1h]))',
            steps=((None, "green"), (3, "orange")),
        ),
        stat(
            "Token that ends first",
            "Time until a token of a sentinel is no longer good. The kubelet renews it at four fifths of its hour; "
            "SentinelTokenExpiring warns when it does not.",
            "s",
            f"min(sentinel_token_expiry_timestamp_seconds{{{TENANTS}}} > 0) - time()",
            steps=((None, "red"), (300, "orange"), (600, "green")),
        ),
        stat(
            "Journals that fail",
            "Processes whose last line of the journal could not be written. What they see goes on being judged and paged.",
            "short",
            f"sum(sentinel_journal_failing{{{PROCESSES}}})",
            steps=GOOD_AT_ZERO,
        ),
    ),
)

ROUNDS = Row(
    "Rounds",
    (
        lines(
            "Age of the last round",
            "A saw tooth as high as a round, for each tenant.",
            "s",
            Query(f"max by (tenant) (time() - sentinel_round_timestamp_seconds{{{TENANTS}}})", "{{tenant}}"),
            width=6,
        ),
        lines(
            "Lag of rounds",
            "How late rounds begin: the slowest in a hundred, of each tenant.",
            "s",
            Query(
                "histogram_quantile(0.99, sum by (le, tenant) "
                f"(rate(sentinel_schedule_lag_seconds_bucket{{{TENANTS}}}[$__rate_interval])))",
                "{{tenant}}",
            ),
            width=6,
        ),
        lines(
            "Lag of the loop",
            "How late each process is to its own appointments: the slowest in a hundred. What is silent meanwhile is our own "
            "fault, and is told as that.",
            "s",
            Query(
                "histogram_quantile(0.99, sum by (le, job, tenant) "
                f"(rate(sentinel_loop_lag_seconds_bucket{{{PROCESSES}}}[$__rate_interval])))",
                WHO,
            ),
            width=6,
        ),
        stacked(
            "Skipped by our own fault",
            "Rounds whose slot had passed, and rounds that ended by a bug, each second.",
            "cps",
            Query(
                "sum by (tenant, reason) (rate(sentinel_attempts_skipped_total"
                f'{{{TENANTS},reason=~"late|round-failed"}}[$__rate_interval]))',
                "{{tenant}} {{reason}}",
            ),
            width=6,
        ),
    ),
)

COST = Row(
    "What they cost",
    (
        lines(
            "CPU",
            "Cores used by each process.",
            "short",
            Query(
                f"sum by (job, tenant) (rate(process_cpu_seconds_total{{{PROCESSES}}}[$__rate_interval]))",
                WHO,
            ),
        ),
        lines(
            "Memory",
            "Resident memory of each process. The chart's limits: 128 MiB for a sentinel, 1 GiB for the witness.",
            "bytes",
            Query(f"max by (job, tenant) (process_resident_memory_bytes{{{PROCESSES}}})", WHO),
        ),
        lines(
            "Open files",
            "File descriptors and sockets, as a share of what is allowed.",
            "percentunit",
            Query(
                f"max by (job, tenant) (process_open_fds{{{PROCESSES}}} / process_max_fds{{{PROCESSES}}})",
                WHO,
            ),
        ),
    ),
)

GIVEN = Row(
    "What they were given",
    (
        lines(
            "Time until tokens end",
            "For each identity. A saw tooth is well; a slope is a token that nobody renews.",
            "s",
            Query(
                f"min by (tenant, identity) (sentinel_token_expiry_timestamp_seconds{{{TENANTS}}} > 0) - time()",
                "{{tenant}} {{identity}}",
            ),
            width=6,
        ),
        states(
            "Configuration taken",
            "Whether the file as it stands is in use; refused: it is wrong, and the one before is kept.",
            Query(
                f"min by (job, tenant) (sentinel_config_last_reload_successful{{{PROCESSES}}})",
                WHO,
            ),
            {0: ("refused", "red"), 1: ("in use", "green")},
            width=6,
        ),
        states(
            "Configuration as the chart wrote it",
            "By the witness, which reads each tenant's ConfigMap: changed means that somebody edited it.",
            Query(f"min by (subject) (sentinel_witness_config_match{{{SUBJECTS}}})", "{{subject}}"),
            {0: ("changed", "red"), 1: ("as given", "green")},
            width=6,
        ),
        table(
            "Versions",
            "What runs where.",
            "short",
            f"count by (job, version) (sentinel_build_info{{{PROCESSES}}})",
            {"job": "Process", "version": "Version", "Value": "How many"},
            width=6,
        ),
    ),
)

TOLD = Row(
    "What they tell others",
    (
        stacked(
            "Pushes",
            "Pushes to Alertmanager each second, by how they ended. While a breach stands it is pushed every 30 s.",
            "cps",
            Query(
                f"sum by (job, result) (rate(sentinel_page_pushes_total{{{PROCESSES}}}[$__rate_interval]))",
                "{{job}} {{result}}",
            ),
        ),
        lines(
            "Lines that the journal lost",
            "Lines each second that could not be written, as on a full disk.",
            "cps",
            Query(
                f"sum by (job, tenant) (rate(sentinel_journal_lost_total{{{PROCESSES}}}[$__rate_interval]))",
                WHO,
            ),
        ),
        lines(
            "Heads of the journal told outside",
            "Each second, by how it ended. What is not anchored outside, its owner could rewrite.",
            "cps",
            Query(
                f"sum by (job, result) (rate(sentinel_journal_anchors_total{{{PROCESSES}}}[$__rate_interval]))",
                "{{job}} {{result}}",
            ),
        ),
    ),
)

SECOND = Row(
    "The witness",
    (
        lines(
            "Its last round, of each tenant",
            "Age of the last round in which it asked with that tenant's accounts.",
            "s",
            Query(f"max by (subject) (time() - sentinel_witness_round_timestamp_seconds{{{SUBJECTS}}})", "{{subject}}"),
            width=6,
        ),
        states(
            "Watches",
            "Whether it is told at once of each kind of change.",
            Query(f"min by (kind) (sentinel_watch_up{{{WITNESS}}})", "{{kind}}"),
            {0: ("deaf", "red"), 1: ("told", "green")},
            width=6,
        ),
        lines(
            "What watches told, and missed",
            "Changes each second. A missed one was found by a list: the watch is not to be trusted.",
            "cps",
            Query(f"sum by (kind) (rate(sentinel_watch_events_total{{{WITNESS}}}[$__rate_interval]))", "{{kind}}"),
            Query(
                f"sum by (kind) (rate(sentinel_watch_missed_total{{{WITNESS}}}[$__rate_interval]))", "{{kind}}, missed"
            ),
            width=6,
        ),
        lines(
            "The relay",
            "Requests of tenants' sentinels each second, by how they ended.",
            "cps",
            Query(
                f"sum by (result) (rate(sentinel_relay_requests_total{{{WITNESS}}}[$__rate_interval]))", "{{result}}"
            ),
            width=6,
        ),
    ),
)

BOARD = Board(
    "self",
    "Tenant sentinel: itself",
    "Whether the sentinels and the witness are well enough to be believed: rounds, lag, cost, tokens, configuration, pushes.",
    (CLUSTER, NAMESPACE, TENANT),
    (ALIVE, ROUNDS, COST, GIVEN, TOLD, SECOND),
)
