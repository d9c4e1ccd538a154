"""What every alert must bring along, so that whoever is paged at night knows what, who, since when and what to do."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests import parts
from tests.alerts import lint, rules

SHIPPED = (
    rules.shipped(),
    rules.shipped(witness=True),
    rules.shipped(witness=True, network=True),
    rules.shipped(gateways=True),
    rules.shipped(witness=True, network=True, gateways=True, verified=True, kind="DaemonSet"),
)
ALONE, WITNESSED, _, _, ALERTS = map(rules.alerts, SHIPPED)
ALWAYS = {
    "SentinelIsolationBreach": "critical",
    "SentinelWrongIdentity": "critical",
    "SentinelBlind": "critical",
    "SentinelApiUnreachable": "critical",
    "SentinelDown": "critical",
    "SentinelStale": "critical",
    "SentinelTripwireIncomplete": "warning",
    "SentinelReviewOnly": "warning",
    "SentinelLatentGrant": "warning",
    "SentinelCoverageLow": "warning",
    "SentinelTokenExpiring": "warning",
    "SentinelConfigDrift": "warning",
    "SentinelRestarting": "warning",
    "SentinelJournalFailing": "warning",
    "SentinelExceptionExpired": "warning",
    "SentinelExceptionUnused": "none",
    "SentinelTypesUncovered": "warning",
    "SentinelWatchdog": "none",
}
OF_THE_WITNESS = {
    "SentinelWitnessDown": "critical",
    "SentinelWitnessStale": "critical",
    "SentinelWitnessBlind": "critical",
    "SentinelDisagreement": "warning",
    "SentinelWatchBroken": "warning",
    "SentinelAccountsUnwatched": "warning",
    "SentinelRelayRefusing": "warning",
}
OF_THE_NETWORK = {
    "SentinelUnattributed": "warning",
    "SentinelNetworkBlind": "critical",
    "SentinelBeaconDown": "warning",
    "SentinelNodeUncovered": "warning",
}
OF_GATEWAYS = {
    "SentinelGatewayDown": "critical",
    "SentinelFailoverSlow": "critical",
    "SentinelUngracefulError": "critical",
    "SentinelSilentTruncation": "critical",
    "SentinelGatewayErrors": "critical",
    "SentinelGatewayErrorBudget": "warning",
    "SentinelFailoverIndeterminate": "warning",
    "SentinelProviderDegraded": "warning",
    "SentinelProviderUnknown": "warning",
    "SentinelGatewayBudgetUsedUp": "warning",
    "SentinelGatewayUnproven": "warning",
    "SentinelPageUnproven": "warning",
}
OF_PAGES = {
    "SentinelPagingTooSlow": "warning",
    "SentinelPagingUnverified": "warning",
    "SentinelPagePathBroken": "critical",
    "SentinelPageDrill": "none",
    "SentinelHeartbeatMissing": "warning",
}
OF_DRILLS = {
    "ChaosExperimentActive": "info",
    "ChaosErrorRateHigh": "critical",
    "ChaosLatencyHigh": "warning",
    "ChaosRecoveryStalled": "critical",
    "SentinelDrillUnreverted": "critical",
}
"""Where there are gateways, since a drill needs one."""
EXPECTED = ALWAYS | OF_THE_WITNESS | OF_THE_NETWORK | OF_GATEWAYS | OF_PAGES | OF_DRILLS


def test_these_alerts_are_shipped_with_these_severities() -> None:
    assert {name: rule["labels"]["severity"] for name, rule in ALERTS.items()} == EXPECTED
    without = {name: rule["labels"]["severity"] for name, rule in WITNESSED.items()}
    assert without == ALWAYS | OF_THE_WITNESS
    assert {name: rule["labels"]["severity"] for name, rule in ALONE.items()} == ALWAYS


@pytest.mark.parametrize("name", EXPECTED)
def test_every_alert_has_what_its_reader_needs(name: str) -> None:
    labels, texts = ALERTS[name]["labels"], ALERTS[name]["annotations"]

    assert labels["severity"] == EXPECTED[name]
    if "tenant" in series_labels(name):
        assert {"owner", "contact"} <= set(texts)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_description_names_all_that_tells_this_alert_from_another(name: str) -> None:
    description = ALERTS[name]["annotations"]["description"]

    for label in series_labels(name):
        assert f"$labels.{label}" in description, label


def series_labels(name: str) -> list[str]:
    """The labels that the expression leaves, which the tests of each second confirm."""
    whole = ["tenant", "target", "check", "identity"]
    kept = {
        "SentinelIsolationBreach": whole,
        "SentinelWrongIdentity": ["tenant", "identity"],
        "SentinelTokenExpiring": ["tenant", "identity"],
        "SentinelBlind": ["tenant", "target"],
        "SentinelReviewOnly": ["tenant", "target"],
        "SentinelLatentGrant": ["tenant", "target"],
        "SentinelApiUnreachable": [],
        "SentinelUnattributed": ["tenant", "target", "check"],
        "SentinelNetworkBlind": ["tenant", "target"],
        "SentinelWitnessDown": [],
        "SentinelWitnessBlind": ["tenant", "target"],
        "SentinelDisagreement": [*whole, "seen_by"],
        "SentinelWatchBroken": ["kind"],
        "SentinelExceptionExpired": ["exception"],
        "SentinelExceptionUnused": ["exception"],
        "SentinelTypesUncovered": ["tenant", "why"],
        "SentinelJournalFailing": ["tenant", "why"],
        "SentinelPagingTooSlow": ["alert"],
        "SentinelPagingUnverified": [],
        "ChaosExperimentActive": ["drill", "fault"],
        "SentinelWatchdog": [],
        "SentinelPageDrill": [],
        "SentinelPagePathBroken": ["broken"],
        "SentinelHeartbeatMissing": [],
    }
    rest = ["gateway"] if name in OF_GATEWAYS else ["drill"] if name in OF_DRILLS else ["tenant"]
    return kept.get(name, rest)


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    assert {path.stem for path in lint.RUNBOOKS.glob("*.md")} == set(ALERTS)


@pytest.mark.parametrize("path", sorted(lint.RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_a_runbook_says_what_it_means_what_to_do_first_how_it_ends_and_what_it_is_not(path: Path) -> None:
    text = path.read_text()

    assert text.startswith(f"# {path.stem}\n")
    for part in ("**Means:**", "**First", "**Close it:**", "**It is not:**"):
        assert part in text, part
    assert "kubectl" in text
    assert len(text.split()) < 400, "whoever reads this has just been woken"


EVERY_RULE = [rule for files in SHIPPED for rule in rules.every_rule(files)]


def test_no_rule_is_what_the_linter_complains_about() -> None:
    """Among it: how long pages wait, what growth is waited on, whose labels, whose metrics, by which job."""
    assert {said for rule in EVERY_RULE for said in lint.complaints(rule)} == set()


def test_what_waits_longer_than_pages_do_and_what_waits_on_growth_is_named_with_the_reason() -> None:
    recorded = {rule["record"]: rule for rule in EVERY_RULE if "record" in rule}
    waits = {name for name in lint.WAITS_LONGER if ALERTS[name].get("for")}

    assert waits == set(lint.WAITS_LONGER), "an exception that nobody needs"
    by_itself = {
        name for name in ("SentinelGatewayUnproven", "SentinelPageUnproven") if "increase(" in ALERTS[name]["expr"]
    }
    assert lint.waiting_on_growth(ALERTS, recorded) | by_itself == set(lint.GROWTH_THEN_WAIT)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"for": "40s"}, "SentinelBlind pages and waits for 40 s"),
        ({"labels": {"severity": "critical", "why": "{{ $value }}"}}, "labels that are not those of every alert"),
        ({"expr": 'max by (message) (sentinel_inconclusive{job="sentinel"})'}, "no closed set: {'message'}"),
        ({"expr": 'sentinel_made_up{job="sentinel"}'}, "nobody exports sentinel_made_up"),
        ({"expr": "sentinel_inconclusive"}, "without the job that vouches for it"),
        ({"expr": 'increase(sentinel_breaches_total{job="sentinel"}[5m]) > 0', "for": "10s"}, "waits on an increase"),
        ({"annotations": {"summary": "Somebody."}}, "SentinelBlind lacks"),
    ],
)
def test_the_linter_says_what_is_wrong(wrong: rules.Rule, said: str) -> None:
    assert any(said in one for one in lint.complaints(ALERTS["SentinelBlind"] | wrong))


def test_a_recorded_name_says_its_level() -> None:
    assert list(lint.complaints({"record": "breach_count", "expr": "vector(1)"}))


@pytest.mark.parametrize("files", SHIPPED, ids=["alone", "witness", "network", "gateways", "nodes"])
def test_every_recorded_series_is_recorded_before_it_is_read(files: dict[str, str]) -> None:
    # Only a cluster with exceptions has these; without the network what stood of it ends after a while.
    seen: set[str] = {"sentinel:expected_exception", "sentinel:expected_exception:until_timestamp"}
    seen |= {"sentinel:expected_network"}
    # What pages already is meant to be the last evaluation's.
    seen |= {"sentinel:blind_paged:proof_timestamp", "sentinel:witness_blind_paged:proof_timestamp"}
    for name in rules.order(files):
        for group in yaml.safe_load(files[f"{name}.rules.yaml"])["groups"]:
            for rule in group["rules"]:
                own = rule.get("record", "")
                # What is read over a range is meant to be yesterday's.
                used = set(re.findall(r"sentinel:[\w:]+(?![\w:\[])", rule["expr"])) - {own}
                assert used <= seen, f"{own or rule.get('alert')} reads {used - seen} too early"
                seen.add(own)


@pytest.mark.parametrize("tool", ["promtool2", "promtool"])
@pytest.mark.parametrize("scale", [1, 0.1, 0.013])
@pytest.mark.parametrize("tenants", [1, 5])
@pytest.mark.parametrize("witness", [False, True])
def test_both_versions_of_prometheus_accept_every_rule_file(
    tool: str, scale: float, tenants: int, witness: bool, tmp_path: Path
) -> None:
    chosen = {"timeScale": scale, "tenants": rules.TENANTS[:tenants], "witness": {"enabled": witness}}
    chosen |= rules.EVERYTHING if witness else {"config": {"gateways": rules.GATEWAYS}}
    files = rules.rule_files(rules.rendered(**chosen))
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    ended = subprocess.run(
        [str(parts.find(tool)), "check", "rules", *files],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_time_scale_reaches_every_duration_and_every_number_of_seconds() -> None:
    slow = rules.shipped(witness=True, network=True, gateways=True, verified=True)
    fast = rules.rendered(timeScale=0.1, witness={"enabled": True}, **rules.EVERYTHING, **rules.BELL)

    for before, after in zip(rules.every_rule(slow), rules.every_rule(fast), strict=True):
        for key in ("for", "keep_firing_for"):
            assert (key in before) == (key in after)
        assert durations(after) == [round(value / 10, 3) for value in durations(before)], before
    for name in rules.rule_files(slow):
        (group,) = yaml.safe_load(fast[name])["groups"]
        assert group["interval"] == "1s"


def durations(rule: rules.Rule) -> list[float]:
    """Seconds of each range, `for` and bare number that stands for seconds."""
    text = rule["expr"] + f" [{rule.get('for', '0s')}] [{rule.get('keep_firing_for', '0s')}]"
    ranges = [
        float(n) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]
        for n, unit in re.findall(r"[\[:](\d+)(ms|s|m|h)(?=[\]:])", text)
    ]
    no_seconds = ("sentinel:expected_", "tenant:", "cluster:", "gateway:")  # hashes and shares
    if rule.get("record", "").startswith(no_seconds):
        return ranges
    seconds = re.findall(
        r"(?:time\(\) [-+] |- |vector\(|\}\), |^\s*)(\d+(?:\.\d+)?)(?=\s*$|\)|\n| \*| -)", rule["expr"], re.MULTILINE
    )
    return ranges + [float(n) for n in seconds if float(n) not in (0, 0.8, 1.5, 2)]


def test_in_its_first_week_nothing_has_a_severity_that_pages() -> None:
    config = {"paging": {"mode": "shadow"}, "gateways": rules.GATEWAYS}
    shadow = rules.alerts(rules.rendered(config=config, witness={"enabled": True}))

    assert {rule["labels"]["severity"] for rule in shadow.values()} == {"none"}


def test_a_tenant_s_own_namespaces_are_no_targets_of_its_own() -> None:
    (pair,) = [
        r
        for r in rules.every_rule(rules.shipped())
        if (r.get("record"), r.get("labels")) == ("sentinel:expected_pair", {"tenant": "team-b"})
    ]

    assert 'target_tenant!="team-b"' in pair["expr"]


def test_names_with_quotes_and_braces_stay_names() -> None:
    owner = 'The "A" {{ .Values }} team'
    tenant = rules.TENANTS[0] | {"owner": owner}
    files = rules.rendered(tenants=[tenant])

    (rule,) = [r for r in rules.every_rule(files) if r.get("record") == "sentinel:expected_tenant"]
    assert rule["labels"]["owner"] == owner
