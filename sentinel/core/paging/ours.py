"""What we ship, as far as somebody has to know who looks from outside: which alerts page, and what tells them apart."""

import re

PREFIX = "Sentinel"
"""Every alert of ours begins so, and no other: the shipped route rests on it. But for those of DRILLS."""
DRILLS = frozenset({"ChaosExperimentActive", "ChaosErrorRateHigh", "ChaosLatencyHigh", "ChaosRecoveryStalled"})
"""Of drills, by the names that people who come from chaos engineering know; theirs may begin so, too."""
PAGES = "critical"

ALWAYS = (
    "SentinelIsolationBreach",
    "SentinelWrongIdentity",
    "SentinelBlind",
    "SentinelApiUnreachable",
    "SentinelDown",
    "SentinelStale",
)
"""The alerts that wake somebody in every installation."""
TOGETHER = (
    ("SentinelWitnessDown", "SentinelWitnessStale", "SentinelWitnessBlind"),
    (
        "SentinelGatewayDown",
        "SentinelFailoverSlow",
        "SentinelUngracefulError",
        "SentinelSilentTruncation",
        "SentinelGatewayErrors",
    ),
    ("SentinelPagePathBroken",),
    ("SentinelDrillUnreverted", "ChaosErrorRateHigh", "ChaosRecoveryStalled"),
)
"""Alerts of a part that not everybody has: where there is one of them, there are all."""
PUSHED = ("SentinelIsolationBreach", "SentinelWrongIdentity")
"""What a sentinel tells Alertmanager itself, besides its rule, in every installation."""
PUSHED_TOO = (
    "SentinelGatewayDown",
    "SentinelFailoverSlow",
    "SentinelUngracefulError",
    "SentinelSilentTruncation",
    "SentinelPagePathBroken",
    "SentinelPageDrill",
)
"""The same of gateways and of the page drill, where these are."""

OPEN_LABELS = frozenset(
    {
        "tenant",
        "target",
        "check",
        "identity",
        "gateway",
        "provider",
        "node",
        "kind",
        "exception",
        "why",
        "seen_by",
        "alert",
        "drill",
        "fault",
        "broken",
    }
)
"""Labels that our expressions leave: their values are known only at the page. Others are in the rule, or missing."""
NEEDED_LABELS = frozenset({"tenant", "target", "check", "identity", "gateway"})
"""Of these, the ones without which a page does not say what it is about, or does not come."""
SERIES_LABELS = OPEN_LABELS | {"tier", "reason", "gate", "result", "outcome", "protocol", "family"}
"""The same of our series."""
TENANTS_JOB = "sentinel"
"""The `job` of tenants' sentinels, on whose targets the scrape sets `tenant`."""


def expected(found: set[str]) -> tuple[str, ...]:
    """The alerts that must be there, given those that are."""
    parts = (part for part in TOGETHER if found & set(part))
    return (*ALWAYS, *(name for part in parts for name in part))


def is_ours(name: str) -> bool:
    """Whether this is the name of an alert of ours."""
    return name.startswith(PREFIX) or name in DRILLS


def only_ours(pattern: str) -> bool:
    """Whether a regular expression on `alertname` can match alerts of ours only. In doubt, no.

    So it is where each alternative at the top level begins with our name: `SentinelDown|SentinelWitness(A|B)`.
    """
    return all(re.match(rf"{PREFIX}(?![*?{{])", part) for part in _alternatives(pattern))


def _alternatives(pattern: str) -> list[str]:
    parts, depth = [""], 0
    for char in pattern:
        depth += (char in "([{") - (char in ")]}")
        if char == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts
