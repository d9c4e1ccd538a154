"""Who is proven closed to whom, how old the proof is, and what cannot be told."""

from tests.dashboards.board import COLUMNS, GOOD_AT_ZERO, Board, Json, Query, Row, variable
from tests.dashboards.panels import history, lines, link, matrix, stacked, stat, states, table

ASKED = 'cluster=~"$cluster",tenant=~"$tenant"'
PAIRS = f'{ASKED},target=~"$target"'
BY_WITNESS = 'cluster=~"$cluster",subject=~"$tenant",target=~"$target"'
OPEN = f"sentinel:breach_since:latched{{{PAIRS}}} > 0"
AGE = f"max by (tenant, target) (time() - sentinel_oldest_proof_timestamp_seconds{{{PAIRS}}})"
AGES = ((None, "green"), (120, "yellow"), (180, "orange"))
LET_IN = 1_000_000
"""Stands for an open border where others have an age: eleven days, so that it comes first."""
BORDER = f"{LET_IN} * (max by (tenant, target) ({OPEN}) > bool 0) or {AGE}"
BORDERS_AGES = (*AGES, (LET_IN, "red"))
NETWORK_REASONS = "roster|live|beacon|lighthouse|neutral|proxied|arrivals|moved|resolver|way"

TENANT = variable("tenant", "Tenant", "sentinel_round_timestamp_seconds", everything=".+")
"""All are not the witness, whose own series have no tenant."""
CLUSTER = variable("cluster", "Cluster", "sentinel_build_info")
TARGET = variable("target", "Target", 'sentinel_oldest_proof_timestamp_seconds{tenant=~"$tenant"}')


AS_OPEN: Json = {"type": "value", "options": {str(LET_IN): {"text": "OPEN", "color": "red", "index": 0}}}


KEPT = Row(
    "Is anybody let in, and could we tell?",
    (
        stat(
            "Open breaches",
            "Borders that let somebody through and are not proven closed yet. A recording rule keeps them, so that they "
            "survive the death of the sentinel that saw them.",
            "short",
            f"count({OPEN}) or vector(0)",
            steps=GOOD_AT_ZERO,
        ),
        stat(
            "Lowest coverage",
            "Share of the expected questions that were proven in time, at the tenant where it is lowest. What is missing is "
            "neither held nor breached.",
            "percentunit",
            f"min(sentinel_coverage_ratio{{{ASKED}}})",
            steps=((None, "red"), (0.95, "orange"), (0.999, "green")),
            more={"fieldConfig": {"defaults": {"min": 0, "max": 1, "decimals": 1}}},
        ),
        stat(
            "Oldest proof",
            "Age of the oldest last proof among the questions that are asked every round or within two minutes. Above three "
            "minutes SentinelBlind pages, with the default timers.",
            "s",
            f"max({AGE})",
            steps=AGES,
        ),
        stat(
            "Time to detect, at worst",
            "The longest that a hole in what is asked about every round stays unseen: one stretched period, and the "
            "slowest answer in a hundred.",
            "s",
            f'max(sentinel_period_seconds{{{ASKED},tier="1"}}) + scalar(histogram_quantile(0.99, sum by (le) '
            f"(rate(sentinel_probe_duration_seconds_bucket{{{ASKED}}}[$__rate_interval]))))",
            steps=((None, "green"), (60, "orange"), (180, "red")),
        ),
        stat(
            "Not proven now",
            "Pairs of a tenant and a target of which something is inconclusive. They are neither held nor breached.",
            "short",
            f"count(max by (tenant, target) (sentinel_inconclusive{{{PAIRS}}}) > 0) or vector(0)",
            steps=((None, "green"), (1, "orange")),
        ),
        stat(
            "Red gates",
            "Controls whose answer is known and came out wrong: while one is red, no denial of that identity counts.",
            "short",
            f"count(sentinel_gate_up{{{ASKED}}} == 0) or vector(0)",
            steps=GOOD_AT_ZERO,
        ),
        table(
            "Open breaches, one by one",
            "Who gets in where, and since when. The sentinel's log has the request, its Audit-Id, the guilty binding and the "
            "command that reproduces it. A row ends by proof only.",
            "dateTimeFromNow",
            f"sentinel:breach_since:latched{{{PAIRS}}} * 1000 > 0",
            {"tenant": "Who gets in", "target": "Where", "check": "Check", "identity": "As", "Value": "Open since"},
            width=COLUMNS,
            height=6,
        ),
    ),
)

BORDERS = Row(
    "Who is proven closed to whom",
    (
        matrix(
            "Age of the proof, by tenant and target",
            "Each cell is one border: the tenant of the row asks for the namespace of the column, and the value is how old "
            "the oldest of its last proofs is. Green is proven, orange is not proven any more, red lets somebody in. "
            "The column * is what belongs to the whole cluster. Choose a cell to see only that border.",
            "s",
            BORDER,
            "tenant",
            "target",
            steps=BORDERS_AGES,
            mappings=(AS_OPEN,),
            width=14,
            link=link("Only this border", "isolation", tenant="${__data.fields[0]}", target="${__field.name}"),
        ),
        table(
            "Not proven, and why",
            "What is inconclusive now, by its reason. The runbook of SentinelBlind explains each.",
            "short",
            f"max by (tenant, target, reason) (sentinel_inconclusive{{{PAIRS}}}) == 1",
            {"tenant": "Tenant", "target": "Target", "reason": "Reason"},
            width=10,
            height=9,
        ),
        history(
            "The same over time",
            "The borders that were open, and those whose proofs were the oldest: twenty, or those that were chosen above.",
            "s",
            Query(f"topk(20, {BORDER})", "{{tenant}} → {{target}}"),
            BORDERS_AGES,
            mappings=(AS_OPEN,),
        ),
        history(
            "The same by the witness's word",
            "The second opinion: the same questions, asked with the same accounts by the one process that no tenant controls.",
            "s",
            Query(
                "topk(20, max by (subject, target) "
                f"(time() - sentinel_witness_oldest_proof_timestamp_seconds{{{BY_WITNESS}}}))",
                "{{subject}} → {{target}}",
            ),
            AGES,
        ),
    ),
)

PROOF = Row(
    "Proof",
    (
        lines(
            "Coverage",
            "Share of the expected questions proven in time, for each tenant, by its own word and by the witness's.",
            "percentunit",
            Query(f"min by (tenant) (sentinel_coverage_ratio{{{ASKED}}})", "{{tenant}}"),
            Query(
                'min by (subject) (sentinel_witness_coverage_ratio{cluster=~"$cluster",subject=~"$tenant"})',
                "{{subject}}, by the witness",
            ),
        ),
        stacked(
            "Inconclusive, by reason",
            "How many targets could not be judged, and why.",
            "short",
            Query(f"sum by (reason) (sentinel_inconclusive{{{PAIRS}}}) > 0", "{{reason}}"),
        ),
        states(
            "Gates",
            "Green: every control of that kind gave its known answer, at each of the chosen tenants. Red: what was denied "
            "meanwhile is inconclusive.",
            Query(f"min by (gate) (sentinel_gate_up{{{ASKED}}})", "{{gate}}"),
            {0: ("red", "red"), 1: ("green", "green")},
        ),
        lines(
            "Periods",
            "How often each tier is asked, stretched where the budget of requests is short. A hole is seen at the latest one "
            "period after it opened: tier 1 is every round, tier 2 what is asked within two minutes, tier 3 the sweep.",
            "s",
            Query(f"max by (tier) (sentinel_period_seconds{{{ASKED}}})", "tier {{tier}}"),
            Query(
                'max by (tier) (sentinel_witness_period_seconds{cluster=~"$cluster",subject=~"$tenant"})',
                "tier {{tier}}, witness",
            ),
        ),
        lines(
            "Verdicts",
            "Questions judged each second. Held is a proven denial, inconclusive is neither good nor bad.",
            "cps",
            Query(f"sum by (verdict) (rate(sentinel_verdicts_total{{{ASKED}}}[$__rate_interval]))", "{{verdict}}"),
        ),
        lines(
            "Accounts that nobody asks as",
            "ServiceAccounts in tenants' namespaces that the configuration does not name: what they may read is not proven.",
            "short",
            Query(
                'max by (subject) (sentinel_accounts_unwatched{cluster=~"$cluster",subject=~"$tenant"})', "{{subject}}"
            ),
        ),
    ),
)

BUDGET = Row(
    "Error budget",
    (
        stat(
            "Left of this month's",
            "Of what may stay unproven in thirty days: 1 is all of it, below 0 more was unproven than there was. That a proven "
            "answer was a breach has no budget: it pages.",
            "percentunit",
            'min(cluster:sentinel_isolation_error_budget:remaining{cluster=~"$cluster"})',
            steps=((None, "red"), (0, "orange"), (0.25, "green")),
        ),
        stat(
            "Denied, of what was proven",
            "In the last hour, at the tenant where it is lowest. All of it is the promise.",
            "percentunit",
            'min(cluster:sentinel_isolation_denied:ratio_rate1h{cluster=~"$cluster"})',
            steps=((None, "red"), (1, "green")),
            more={"fieldConfig": {"defaults": {"decimals": 3}}},
        ),
        lines(
            "Proven, of all that was asked",
            "Answers that prove something, held or breached, in each tenant's last five minutes; and of the whole cluster over "
            "thirty days, by which the budget goes.",
            "percentunit",
            Query(f"min by (tenant) (tenant:sentinel_isolation_proven:ratio_rate5m{{{ASKED}}})", "{{tenant}}"),
            Query('min(cluster:sentinel_isolation_proven:ratio_rate30d{cluster=~"$cluster"})', "cluster, 30 days"),
            width=16,
        ),
    ),
)

ASKING = Row(
    "Asking",
    (
        stacked(
            "Denials",
            "Proven denials each second, by status code: 403 to an account, 401 to nobody.",
            "cps",
            Query(
                f"sum by (code, identity) (rate(sentinel_denials_total{{{ASKED}}}[$__rate_interval]))",
                "{{code}} to {{identity}}",
            ),
        ),
        stacked(
            "Denials, by check",
            "Proven denials each second, by what was asked for.",
            "cps",
            Query(f"sum by (check) (rate(sentinel_denials_total{{{ASKED}}}[$__rate_interval]))", "{{check}}"),
        ),
        stacked(
            "Answers",
            "Questions asked each second, by what came back. Served where it should be denied is a breach at once.",
            "cps",
            Query(f"sum by (answer) (rate(sentinel_attempts_total{{{ASKED}}}[$__rate_interval]))", "{{answer}}"),
        ),
        lines(
            "Replies",
            "Replies each second, by class of status code.",
            "cps",
            Query(f"sum by (code) (rate(sentinel_responses_total{{{ASKED}}}[$__rate_interval]))", "{{code}}"),
        ),
        lines(
            "Time to an answer",
            "The slowest in a hundred questions of each kind.",
            "s",
            Query(
                "histogram_quantile(0.99, sum by (le, check) "
                f"(rate(sentinel_probe_duration_seconds_bucket{{{ASKED}}}[$__rate_interval])))",
                "{{check}}",
            ),
        ),
        lines(
            "Skipped",
            "What was due and was not asked, each second, by reason.",
            "cps",
            Query(
                f"sum by (reason) (rate(sentinel_attempts_skipped_total{{{ASKED}}}[$__rate_interval]))", "{{reason}}"
            ),
        ),
    ),
)

NETWORK = Row(
    "The network",
    (
        lines(
            "Beacons that do not answer",
            "Listeners that the witness knows of and that are not ready, for each tenant.",
            "short",
            Query(
                'max by (subject) (sentinel_witness_beacons{cluster=~"$cluster",subject=~"$tenant",state="known"}) - '
                'max by (subject) (sentinel_witness_beacons{cluster=~"$cluster",subject=~"$tenant",state="ready"})',
                "{{subject}}",
            ),
        ),
        lines(
            "Packets that cross",
            "Open breaches over the network, and places where somebody takes our packets without saying who it is.",
            "short",
            Query(
                f'count by (tenant, check) (sentinel:breach_since:latched{{{PAIRS},check=~"net/.+"}} > 0)',
                "{{tenant}} {{check}}",
            ),
            Query(
                f"count by (tenant, check) (sentinel_unattributed_since_timestamp_seconds{{{PAIRS}}} > 0)",
                "{{tenant}} {{check}}, by nobody knows whom",
            ),
        ),
        lines(
            "Why the network is not proven",
            "Targets whose network could not be judged, by reason.",
            "short",
            Query(
                f'sum by (reason) (sentinel_inconclusive{{{PAIRS},reason=~"{NETWORK_REASONS}"}})',
                "{{reason}}",
            ),
        ),
    ),
)

BOARD = Board(
    "isolation",
    "Tenant sentinel: isolation",
    "Whether no tenant can read another tenant's things, and whether that is proven.",
    (CLUSTER, TENANT, TARGET),
    (KEPT, BORDERS, PROOF, BUDGET, ASKING, NETWORK),
)
