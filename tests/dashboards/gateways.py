"""Whether users of an LLM gateway are answered, by whom, and for how long nobody answered when a provider died."""

from tests.dashboards.board import GOOD_AT_ZERO, Board, Query, Row, variable
from tests.dashboards.panels import lines, stacked, stat, states, table

ASKED = 'cluster=~"$cluster",gateway=~"$gateway"'
SEEN = f'{ASKED},job=~"$job"'
"""By whom: witness and tenants see the same outage, each with bounds of its own."""
GOOD = "served_primary|failed_over|served_unknown|degraded_graceful"
UPPER = 'bound="upper",stage="stable"'
BOUND = "gateway, from, to, stage, bound"
OURS = "harness_error"
"""Says nothing about the gateway."""


def rate(name: str, *labels: str) -> str:
    """How much of a counter each second."""
    # A browser visits pages, and nobody else does.
    chosen = ",".join((ASKED if name.startswith("page_") else SEEN, *labels))
    return f"rate(sentinel_gateway_{name}{{{chosen}}}[$__rate_interval])"


def slowest(quantile: float, name: str, *by: str, more: str = "") -> str:
    """That quantile of a histogram, over the last few scrapes."""
    grouped = ", ".join(("le", "gateway", *by))
    return f"histogram_quantile({quantile}, sum by ({grouped}) ({rate(f'{name}_bucket', *filter(None, [more]))}))"


def grown(name: str, more: str = "") -> str:
    """By how much a counter grew in the chosen time. What began within it began at 0, which no scrape saw."""
    series = f"sentinel_gateway_{name}{{{','.join(filter(None, (SEEN, more)))}}}"
    return f"(increase({series}[$__range]) and {series} offset $__range or {series})"


def longest(name: str, *by: str, more: str = "") -> str:
    """The bucket in which the longest of the chosen time lies: its upper edge."""
    grouped = ", ".join(("le", "gateway", *by))
    # Without an episode it is NaN, which is no row.
    return f"histogram_quantile(1, sum by ({grouped}) ({grown(f'{name}_bucket', more)})) >= 0"


CLUSTER = variable("cluster", "Cluster", "sentinel_build_info")
GATEWAY = variable("gateway", "Gateway", "sentinel_gateway_period_seconds")
JOB = variable("job", "Seen by", "sentinel_gateway_period_seconds")

ANSWERED = Row(
    "Are users answered?",
    (
        stat(
            "Gateways that are down",
            "Nobody gets as far as an answer there: no name, no connection, or no TLS. SentinelGatewayDown pages.",
            "short",
            'count(sentinel:gateway_down:since_timestamp{cluster=~"$cluster",gateway=~"$gateway"}) or vector(0)',
            steps=GOOD_AT_ZERO,
        ),
        stat(
            "Users wait now",
            "For how long who asked first in an outage that lasts has been waiting; 0 while there is none. Above the limit "
            "of the gateway SentinelFailoverSlow pages.",
            "s",
            f"max(sentinel_gateway_failover_open_user_seconds{{{SEEN}}})",
            steps=((None, "green"), (5, "yellow"), (20, "orange"), (30, "red")),
        ),
        stat(
            "Good or graceful",
            "Share of the completions of the chosen time that were whole answers, or the message agreed on for bad times.",
            "percentunit",
            f'sum(increase(sentinel_gateway_probes_total{{{SEEN},outcome=~"{GOOD}"}}[$__range])) / '
            f'sum(increase(sentinel_gateway_probes_total{{{SEEN},outcome!="{OURS}"}}[$__range]))',
            steps=((None, "red"), (0.95, "orange"), (0.99, "green")),
            more={"fieldConfig": {"defaults": {"min": 0, "max": 1, "decimals": 2}}},
        ),
        stat(
            "Longest failover, at most",
            "The upper bound of the longest episode in the chosen time, as the edge of its bucket: no user who kept asking "
            "waited longer for a stable answer.",
            "s",
            f"max({longest('failover_seconds', more=UPPER)})",
            steps=((None, "green"), (20, "orange"), (30.1, "red")),
        ),
        stat(
            "Beyond the promise",
            "Episodes of the chosen time that were felt, or proven, to be longer than the gateway's limit.",
            "short",
            f"sum(increase(sentinel_gateway_failover_pages_total{{{SEEN}}}[$__range]))",
            steps=((None, "green"), (0.5, "red")),
            more={"fieldConfig": {"defaults": {"decimals": 0}}},
        ),
        stat(
            "Budget spent",
            "Share of the day's tokens that are spent. At 1 nobody is asked any more until tomorrow.",
            "percentunit",
            f"max(sentinel_gateway_budget_ratio{{{SEEN}}})",
            steps=((None, "green"), (0.8, "orange"), (1, "red")),
            more={"fieldConfig": {"defaults": {"min": 0, "max": 1}}},
        ),
    ),
)

FAILOVERS = Row(
    "Failover",
    (
        lines(
            "For how long nobody was answered",
            "An episode is a mountain: it grows while users wait, and ends with a good answer. The line is the default "
            "limit, 30 s. Felt: by who asked first and kept asking. Lower bound: proven by who asked later.",
            "s",
            Query(f"max by (gateway) (sentinel_gateway_failover_open_user_seconds{{{SEEN}}})", "{{gateway}}, felt"),
            Query(f"max by (gateway) (sentinel_gateway_failover_open_seconds{{{SEEN}}})", "{{gateway}}, lower bound"),
            width=12,
            limit=30,
        ),
        states(
            "Who answers",
            "The provider that gave the last answers, for each gateway.",
            Query(
                f"max by (gateway, provider) (sentinel_gateway_serving_provider{{{SEEN}}})", "{{gateway}} {{provider}}"
            ),
            {0: ("does not", "transparent"), 1: ("answers", "green")},
            width=12,
        ),
        table(
            "Episodes, by verdict",
            "How the episodes of the chosen time ended, each as often as somebody saw it. Indeterminate: the limit lies between the bounds. Invalid: we were "
            "disturbed ourselves.",
            "short",
            f"round(sum by (gateway, from, to, verdict) (increase(sentinel_gateway_failover_events_total{{{SEEN}}}[$__range]))) > 0",
            {"gateway": "Gateway", "from": "From", "to": "To", "verdict": "Verdict", "Value": "Episodes"},
            width=9,
        ),
        table(
            "Bounds, on average",
            "Between these the truth lies, for the episodes of the chosen time: first is the first good answer, stable is the "
            "first of three in a row.",
            "s",
            f"sum by ({BOUND}) ({grown('failover_seconds_sum')}) / (sum by ({BOUND}) ({grown('failover_seconds_count')}) > 0)",
            {
                "gateway": "Gateway",
                "from": "From",
                "to": "To",
                "stage": "Until",
                "bound": "Bound",
                "Value": "Seconds",
            },
            width=9,
        ),
        table(
            "Felt, and afterwards",
            "The longest of the chosen time. Felt: until an answer, for who kept asking. Tail: a provider could have answered "
            "and was not asked. Failback: from the primary's recovery to its first answer.",
            "s",
            f'label_replace({longest("failover_user_seconds")}, "what", "felt", "", "") or '
            f'label_replace({longest("cooldown_tail_seconds")}, "what", "tail", "", "") or '
            f'label_replace({longest("failback_seconds")}, "what", "failback", "", "")',
            {"gateway": "Gateway", "what": "What", "Value": "Seconds"},
            width=6,
        ),
    ),
)

BUDGET = Row(
    "Error budget",
    (
        lines(
            "Good or graceful, by the hour and the month",
            "Share of the gateway's answers in the last hour, and over thirty days, by which the budget goes.",
            "percentunit",
            Query(f"min by (gateway) (gateway:sentinel_answers_good:ratio_rate1h{{{ASKED}}})", "{{gateway}}, 1 hour"),
            Query(f"min by (gateway) (gateway:sentinel_answers_good:ratio_rate30d{{{ASKED}}})", "{{gateway}}, 30 days"),
            width=10,
        ),
        table(
            "Left of this month's",
            "Of what may be bad in thirty days (`gatewayObjective`): 1 is all of it, below 0 more was bad than there was.",
            "percentunit",
            f"min by (gateway) (gateway:sentinel_answers_error_budget:remaining{{{ASKED}}})",
            {"gateway": "Gateway", "Value": "Left"},
            width=7,
        ),
        table(
            "Failovers in time",
            "Share of the failovers of thirty days that were proven to be within the gateway's limit. All of them is the "
            "promise.",
            "percentunit",
            f"min by (gateway) (gateway:sentinel_failover_in_time:ratio_increase30d{{{ASKED}}})",
            {"gateway": "Gateway", "Value": "In time"},
            width=7,
        ),
    ),
)

ANSWERS = Row(
    "What answers were worth",
    (
        stacked(
            "Outcomes",
            "Completions each second, by what they were worth.",
            "cps",
            Query(f"sum by (outcome) ({rate('probes_total')}) > 0", "{{outcome}}"),
        ),
        stacked(
            "How it looked to who waited",
            "Good: an answer. Graceful: the agreed message. Structured: an error for programs. Ungraceful: silence, or "
            "something that nobody should read.",
            "cps",
            Query(f"sum by (level) ({rate('graceful_total')})", "{{level}}"),
        ),
        lines(
            "What no user may read",
            "Stack traces, keys, internal names in answers, by rule; answers cut in the middle; answers meant for somebody "
            "else. All of it is to be 0.",
            "cps",
            Query(f"sum by (rule) ({rate('leaks_total')})", "{{rule}}"),
            Query(f"sum by (kind) ({rate('truncated_total')})", "cut: {{kind}}"),
            Query(f"sum by (gateway) ({rate('cross_talk_total')})", "somebody else's, {{gateway}}"),
        ),
        lines(
            "Time to the whole answer",
            "Of good answers: the median, and the slowest in a hundred.",
            "s",
            Query(slowest(0.5, "probe_duration_seconds", more='result="good"'), "{{gateway}}, median"),
            Query(slowest(0.99, "probe_duration_seconds", more='result="good"'), "{{gateway}}, 99 %"),
        ),
        lines(
            "Time to the first token",
            "Of streamed answers, the slowest in a hundred, by who answered; and the longest pause between two tokens.",
            "s",
            Query(slowest(0.99, "first_token_seconds", "provider"), "{{gateway}} {{provider}}"),
            Query(slowest(0.99, "max_token_gap_seconds", "provider"), "{{gateway}} {{provider}}, pause"),
        ),
        lines(
            "Retry-After",
            "Promises of when to come back that ran out: it was good by then, or it was not.",
            "cps",
            Query(f"sum by (gateway) ({rate('retry_after_kept_total')})", "{{gateway}}, kept"),
            Query(f"sum by (gateway) ({rate('retry_after_broken_total')})", "{{gateway}}, broken"),
        ),
    ),
)

PROVIDERS = Row(
    "Providers, asked themselves",
    (
        states(
            "Who could answer",
            "Whether a provider answered when it was last asked itself, past the gateway.",
            Query(f"max by (gateway, provider) (sentinel_gateway_provider_up{{{SEEN}}})", "{{gateway}} {{provider}}"),
            {0: ("no", "red"), 1: ("yes", "green")},
            width=12,
        ),
        stacked(
            "Their answers",
            "Completions asked of providers each second, by what they were worth.",
            "cps",
            Query(f"sum by (provider, outcome) ({rate('provider_probes_total')}) > 0", "{{provider}} {{outcome}}"),
            width=12,
        ),
    ),
)

COST = Row(
    "What asking costs",
    (
        lines(
            "Tokens",
            "Tokens used each second by our own questions.",
            "cps",
            Query(f"sum by (gateway, direction) ({rate('probe_tokens_total')})", "{{gateway}} {{direction}}"),
            width=6,
        ),
        lines(
            "Between two questions",
            "Bounds are at best as narrow as this; 0 while the budget is used up.",
            "s",
            Query(f"max by (gateway) (sentinel_gateway_period_seconds{{{SEEN}}})", "{{gateway}}"),
            width=6,
        ),
        lines(
            "Slots not used",
            "Questions that were due and not asked, each second: late, too many under way, or no budget. The bounds are wider "
            "for it.",
            "cps",
            Query(f"sum by (gateway, reason) ({rate('probes_skipped_total')})", "{{gateway}} {{reason}}"),
            width=6,
        ),
        lines(
            "Under way",
            "Questions that wait for their answer now.",
            "short",
            Query(f"max by (gateway) (sentinel_gateway_probes_inflight{{{SEEN}}})", "{{gateway}}"),
            width=6,
        ),
    ),
)

PAGE = Row(
    "The page where users chat",
    (
        stacked(
            "Visits",
            "Visits by a browser each second, by what they were worth.",
            "cps",
            Query(f"sum by (outcome) ({rate('page_visits_total')})", "{{outcome}}"),
        ),
        lines(
            "What the browser waits for",
            "The slowest in a hundred: until there was a field to write in, until the first visible piece of the answer, "
            "until all of it.",
            "s",
            Query(slowest(0.99, "page_open_seconds"), "{{gateway}}, field"),
            Query(slowest(0.99, "page_first_token_seconds"), "{{gateway}}, first piece"),
            Query(slowest(0.99, "page_visit_seconds"), "{{gateway}}, all"),
        ),
        lines(
            "Visits in a row without answer or message",
            "Neither an answer nor the agreed message was seen. SentinelUngracefulError pages from the third on.",
            "short",
            Query(f"max by (gateway) (sentinel_gateway_page_breaches{{{ASKED}}})", "{{gateway}}"),
            limit=3,
        ),
    ),
)

BOARD = Board(
    "gateways",
    "Tenant sentinel: gateways",
    "Whether users of LLM gateways are answered, by whom, and for how long nobody answered when a provider died.",
    (CLUSTER, GATEWAY, JOB),
    (ANSWERED, FAILOVERS, BUDGET, ANSWERS, PROVIDERS, COST, PAGE),
)
