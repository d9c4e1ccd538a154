"""What is broken on purpose, what users have of it meanwhile, and how it heals."""

from tests.dashboards.board import GOOD_AT_ZERO, Board, Json, Panel, Query, Row, expression, variable
from tests.dashboards.panels import lines, stat, states

OURS = 'job!="sentinel",drill=~"$drill"'
"""Of a drill's process, or of a node exporter that reads its file; no tenant's word counts."""
CHAOS = 'drill=~"$drill"'
SHARE: Json = {"fieldConfig": {"defaults": {"min": 0, "max": 1}}}
LAST: Json = {"options": {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}}
PASSED: Json = {
    "fieldConfig": {
        "defaults": {
            "mappings": [
                {
                    "type": "value",
                    "options": {
                        "0": {"text": "failed", "color": "red", "index": 0},
                        "1": {"text": "passed", "color": "green", "index": 1},
                    },
                }
            ]
        }
    }
}

DRILL = variable("drill", "Drill", "sentinel_drill_active")
PODS = expression(
    "pods", "Pods of yours, 1 for each that is ready", 'max by (pod) (kube_pod_status_ready{condition="true"})'
)
POOL = expression(
    "pool",
    "Share of the pool in use",
    "sum by (pool) (hikaricp_connections_active) / sum by (pool) (hikaricp_connections_max)",
)
CACHE = expression(
    "cache",
    "Share of look-ups that hit",
    "sum(rate(redis_keyspace_hits_total[5m])) "
    "/ (sum(rate(redis_keyspace_hits_total[5m])) + sum(rate(redis_keyspace_misses_total[5m])))",
)

DONE = Row(
    "What is done",
    (
        states(
            "Active Chaos Experiments",
            "Drills that were run, by fault: from the first look at the provider until the verdict. ChaosExperimentActive.",
            Query(f"max by (drill, fault) (sentinel_drill_active{{{OURS}}}) > 0", "{{drill}}, {{fault}}"),
            {1: ("runs", "orange")},
            width=12,
        ),
        Panel(
            "gauge",
            "Blast Radius Gauge",
            "Of the answers while the fault stood, in the last drill of each name, the share that the primary did not "
            "give: from elsewhere, the agreed message, or none.",
            "percentunit",
            (
                Query(
                    # A process is one drill and counts from 0; a short one may be over before the second scrape.
                    "1 - sum by (drill) "
                    f'(last_over_time(sentinel_drill_answers_total{{{OURS},stage="during",result="primary"}}[$__range])) '
                    "/ (sum by (drill) "
                    f'(last_over_time(sentinel_drill_answers_total{{{OURS},stage="during"}}[$__range])) > 0)',
                    "{{drill}}",
                    now=True,
                ),
            ),
            5,
            steps=((None, "green"), (0.5, "orange")),
            more=SHARE | LAST,
        ),
        stat(
            "SLO Compliance",
            "Whether the last run of each drill passed, by its own verdict. Without a value: nothing was proven.",
            "short",
            f"min by (drill) (last_over_time(chaos_slo_passed{{{CHAOS}}}[$__range]))",
            steps=((None, "red"), (1, "green")),
            width=4,
            more=PASSED,
        ),
        stat(
            "Not proved healed",
            "Wounds that may stand while nobody is at it, and those of drills that run now. SentinelDrillUnreverted.",
            "short",
            f"count(sentinel:drill_wounded:timestamp{{{CHAOS}}} > on (drill) sentinel:drill_healed:timestamp) or vector(0)",
            steps=GOOD_AT_ZERO,
            width=3,
        ),
    ),
)

FELT = Row(
    "What it does to those who run, and how it heals",
    (
        states(
            "Pod Availability Timeline",
            "Our pods as Prometheus scrapes them, and yours by the expression of the variable: whether each was there.",
            Query('max by (job, pod, instance) (up{job=~"sentinel.*"}) or ($pods)', "{{job}} {{pod}} {{instance}}"),
            {0: ("away", "red"), 1: ("there", "green")},
            width=12,
        ),
        lines(
            "Recovery Time Tracking",
            "From the undo to the primary's first answer, growing while it is waited for; and from the fault to the first "
            "of a row of good answers. From five minutes on ChaosRecoveryStalled pages.",
            "s",
            Query(f"max by (drill) (chaos:recovery:duration_seconds{{{CHAOS}}})", "{{drill}}, recovery"),
            Query(f"max by (drill) (chaos_mttr_seconds{{{CHAOS}}})", "{{drill}}, until answers came again"),
            width=12,
            limit=300,
        ),
    ),
)

APPS = Row(
    "What your applications say meanwhile",
    (
        lines(
            "Database Connection Pool",
            "By the expression of the variable above; the default is that of HikariCP.",
            "percentunit",
            Query("$pool", "in use {{pool}}"),
            width=12,
        ),
        lines(
            "Cache Hit Rate",
            "By the expression of the variable above; the default is that of Redis.",
            "percentunit",
            Query("$cache", "hits"),
            width=12,
        ),
    ),
)

BOARD = Board(
    "drills",
    "Tenant sentinel: drills",
    "What is broken on purpose, what users have of it meanwhile, and how it heals.",
    (DRILL, PODS, POOL, CACHE),
    (DONE, FELT, APPS),
)
