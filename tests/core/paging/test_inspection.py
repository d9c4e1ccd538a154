"""Is the page on time: the formula on known installations, and every fault that is looked for."""

from dataclasses import replace

import pytest

from sentinel.core.paging import duration, ours
from sentinel.core.paging.formula import When
from sentinel.core.paging.inspection import Wishes, inspect
from sentinel.core.paging.obstacles import Fault
from tests.core.paging.stack import BREACH, Spoil, Stack, alert, group


def terms(stack: Stack, name: str = BREACH, path: str = "rule") -> dict[str, float]:
    return {term.name: term.seconds for term in stack.row(name, path).terms}


def faults(stack: Stack, name: str = BREACH, path: str = "rule") -> set[Fault]:
    return {obstacle.fault for obstacle in stack.row(name, path).obstacles}


def test_as_shipped_each_term_is_what_was_measured_and_the_promise_is_kept() -> None:
    stack = Stack()

    assert terms(stack) == {
        "scrape interval": 10,
        "scrape timeout": 5,
        "evaluation": 10,
        "group_interval": 15,
        "delivery": 1,
        "receiver's retry": 9,
        "resend": 25,
    }
    assert terms(stack, path="push") == {"group_interval": 15, "delivery": 1, "receiver's retry": 9}
    assert (stack.row().calm, stack.row().worst) == (36, 75)
    seen = stack.look()
    assert (seen.broken, seen.unknown, seen.notes) == ((), (), ())


def test_the_usual_settings_of_others_break_it_and_the_first_term_to_change_is_theirs() -> None:
    """Scrape and evaluation 30 s, `for: 1m`, a group that lives for five minutes: measured as 585 s with two attempts."""
    stack = Stack()
    stack.groups[0]["interval"] = 30
    stack.rule()["duration"] = 60
    stack.targets[0] |= {"scrapeInterval": "30s", "scrapeTimeout": "10s"}
    stack.flags["rules.alert.resend-delay"] = "1m"
    stack.peers = [{"name": "a"}, {"name": "b"}]
    stack.told *= 2
    stack.told[1] = "http://10.0.0.8:9093/api/v2/alerts"
    stack.ours["matchers"] = ['alertname="somebody else\'s"']
    stack.route |= {"receiver": "page"}
    stack.wishes = Wishes(detection=50)

    seen = stack.look()

    assert stack.row().worst == 585 + 10  # and the way to the phone
    assert seen.slowest is not None
    assert seen.slowest.route == "route"
    assert seen.first_change is not None
    assert (seen.first_change.name, seen.first_change.seconds) == ("group_interval", 300)
    assert seen.enough == 5


@pytest.mark.parametrize(
    ("waits", "interval", "term"), [(30, 15, 30), (60, 15, 60), (20, 15, 30), (1, 10, 10), (0.3, 0.1, 0.3)]
)
def test_for_is_waited_for_in_whole_evaluations(waits: float, interval: float, term: float) -> None:
    stack = Stack()
    stack.rule()["duration"] = waits
    stack.groups[0]["interval"] = interval

    assert terms(stack)["for"] == pytest.approx(term)


def test_a_group_may_make_a_new_alert_wait_for_the_longer_of_its_two_timers() -> None:
    stack = Stack()
    stack.ours["group_wait"] = "40s"

    assert terms(stack)["group_wait"] == 40


def test_a_recording_costs_its_groups_interval_unless_it_stands_before_in_the_same_group() -> None:
    stack = Stack()
    scraped = {"type": "recording", "name": "sentinel:seen", "query": 'max(sentinel_seen{job="sentinel"})'}
    static = {"type": "recording", "name": "sentinel:expected", "query": "vector(1)"}
    reader = alert("SentinelReader", "sentinel:seen * sentinel:expected > 0")

    stack.groups = [group("ours", scraped, *map(alert, ours.ALWAYS), reader), group("static", static, interval=60)]
    assert "recordings" not in terms(stack, "SentinelReader")

    stack.groups = [group("ours", *map(alert, ours.ALWAYS), reader, scraped), group("static", static, interval=60)]
    assert terms(stack, "SentinelReader")["recordings"] == 10

    between = {"type": "recording", "name": "sentinel:between", "query": "sentinel:seen or sentinel:between"}
    last = alert("SentinelReader", "sentinel:between > 0")
    stack.groups = [
        group("a", scraped, interval=7),
        group("b", between, interval=20),
        group("c", *map(alert, ours.ALWAYS), last),
    ]
    assert terms(stack, "SentinelReader")["recordings"] == 27


def test_each_alert_waits_for_the_targets_that_it_reads() -> None:
    stack = Stack()
    other = {"labels": {"job": "sentinel-witness", "instance": "w"}, "scrapeInterval": "40s", "scrapeTimeout": "20s"}
    stack.targets.append(stack.targets[0] | other)
    stack.groups.append(group("w", alert("SentinelOfWitness", 'sentinel_witness_x{job="sentinel-witness"}')))

    assert terms(stack)["scrape interval"] == 10
    assert terms(stack, "SentinelOfWitness")["scrape interval"] == 40


def test_a_query_offset_is_waited_for() -> None:
    stack = Stack()
    stack.config["global"]["rule_query_offset"] = "1m"

    assert terms(stack)["query offset"] == 60


def test_who_is_not_told_waits_for_the_peers_before_it() -> None:
    stack = Stack()
    stack.peers = [{"name": name} for name in "abc"]
    stack.wishes = Wishes(peer_timeout=10)

    assert terms(stack)["position in the ring"] == 20
    assert terms(stack)["dead peer"] == 10
    assert "position in the ring" not in terms(stack, path="push")
    assert "1 of 3" in stack.look().notes[0]

    stack.told.append("http://10.0.0.8:9093/api/v2/alerts")
    assert terms(stack)["position in the ring"] == 10


def drop_the_rule(stack: Stack) -> None:
    stack.groups[0]["rules"].remove(stack.rule())


def spoil_receiver(stack: Stack) -> None:
    stack.receivers[0] = {"name": "page", "webhook_configs": []}


def mute(stack: Stack) -> None:
    stack.ours["mute_time_intervals"] = ["nights"]


def only_by_day(stack: Stack) -> None:
    stack.ours["active_time_intervals"] = ["days"]


def silence(*matchers: tuple[str, str, bool, bool], state: str = "active") -> Spoil:
    def spoil(stack: Stack) -> None:
        keys = ("name", "value", "isRegex", "isEqual")
        rows = [dict(zip(keys, matcher, strict=True)) for matcher in matchers]
        stack.silences.append(
            {"id": "s1", "status": {"state": state}, "matchers": rows, "endsAt": "2026-11-29T00:00:00Z"}
        )

    return spoil


def inhibit(source: list[str], target: list[str], *equal: str) -> Spoil:
    def spoil(stack: Stack) -> None:
        stack.inhibit_rules.append({"source_matchers": source, "target_matchers": target, "equal": list(equal)})

    return spoil


def series(*steps: dict[str, object]) -> Spoil:
    def spoil(stack: Stack) -> None:
        stack.config["scrape_configs"][0]["metric_relabel_configs"] = list(steps)

    return spoil


def alerts(*steps: dict[str, object]) -> Spoil:
    def spoil(stack: Stack) -> None:
        stack.config["alerting"]["alert_relabel_configs"] = list(steps)

    return spoil


def set_to(attribute: str, value: object) -> Spoil:
    return lambda stack: setattr(stack, attribute, value)


BOTH, RULE = ("rule", "push"), ("rule",)


@pytest.mark.parametrize(
    ("spoil", "fault", "paths"),
    [
        (drop_the_rule, Fault.RULE_MISSING, RULE),
        (lambda s: s.rule().update(health="err", lastError="vector mismatch"), Fault.RULE_FAILS, RULE),
        (set_to("targets", []), Fault.TARGET_MISSING, RULE),
        (lambda s: s.targets[0]["labels"].update(job="pods"), Fault.TARGET_MISSING, RULE),
        (lambda s: s.targets[0].update(health="down", lastError="refused"), Fault.TARGETS_DOWN, RULE),
        (lambda s: s.targets[0]["labels"].pop("tenant"), Fault.SERIES_DROPPED, RULE),
        (series({"source_labels": ["__name__"], "regex": "sentinel_.*", "action": "drop"}), Fault.SERIES_DROPPED, RULE),
        (series({"source_labels": ["__name__"], "regex": "node_.*", "action": "keep"}), Fault.SERIES_DROPPED, RULE),
        (series({"regex": "target|pod", "action": "labeldrop"}), Fault.SERIES_DROPPED, RULE),
        (series({"target_label": "job", "replacement": "all"}), Fault.SERIES_DROPPED, RULE),
        (alerts({"source_labels": ["severity"], "regex": "critical", "action": "drop"}), Fault.ALERT_DROPPED, RULE),
        (alerts({"source_labels": ["tenant"], "regex": "team-a", "action": "drop"}), Fault.ALERT_DROPPED, RULE),
        (alerts({"regex": "alertname", "action": "labeldrop"}), Fault.ALERT_DROPPED, RULE),
        (set_to("told", []), Fault.NOBODY_TOLD, RULE),
        (spoil_receiver, Fault.NO_DESTINATION, BOTH),
        (lambda s: s.ours.update(matchers=['alertname="x"']), Fault.NO_DESTINATION, BOTH),
        (lambda s: s.ours.update(matchers=['path="rule"']), Fault.NO_DESTINATION, ("push",)),
        (set_to("wishes", Wishes(pager="pagerduty.*")), Fault.NOT_THE_PAGER, BOTH),
        (mute, Fault.MUTED, BOTH),
        (only_by_day, Fault.MUTED, BOTH),
        (silence(("alertname", "Sentinel.*", True, True)), Fault.SILENCED, BOTH),
        (silence(("severity", "warning", False, False)), Fault.SILENCED, BOTH),
        (silence(("tenant", "team-a", False, True)), Fault.SILENCED, BOTH),
        (silence(("path", "push", False, True)), Fault.SILENCED, ("push",)),
        (inhibit(['alertname="ClusterDown"'], ['severity="critical"']), Fault.INHIBITED, BOTH),
        (inhibit(['alertname=~"Sentinel.+|KubeDown"'], ['path="rule"'], "cluster"), Fault.INHIBITED, RULE),
        (inhibit(['severity="critical"'], ['alertname=~".*Breach"'], "tenant"), Fault.INHIBITED, BOTH),
        (inhibit(['alertname=~"Sentinel.*Down|.+"'], ['severity="critical"']), Fault.INHIBITED, BOTH),
        (inhibit(['alertname=~"Sentinel?.+"'], ['severity="critical"']), Fault.INHIBITED, BOTH),
    ],
)
def test_what_can_swallow_a_page_is_named(spoil: Spoil, fault: Fault, paths: tuple[str, ...]) -> None:
    stack = Stack()
    spoil(stack)

    for path in ("rule", "push"):
        assert faults(stack, path=path) == ({fault} if path in paths else set()), path
    assert stack.look().broken


@pytest.mark.parametrize(
    "spoil",
    [
        silence(("alertname", "Sentinel.*", True, True), state="expired"),
        silence(("alertname", "Kube.*", True, True)),
        silence(("severity", "critical", False, False)),
        inhibit(['alertname=~"SentinelDown|SentinelWitness(Down|Stale)"'], ['alertname=~"Sentinel.+"'], "tenant"),
        inhibit(['severity="critical"'], ['severity=~"warning|info"'], "namespace", "alertname"),
        inhibit(['severity=~"critical|warning"'], ['severity="critical"'], "alertname"),
        inhibit(['alertname="InfoInhibitor"'], ['severity="info"'], "namespace"),
        series({"source_labels": ["__name__"], "regex": "(sentinel|chaos|process)_[a-zA-Z0-9_]+", "action": "keep"}),
        series({"regex": "pod|container", "action": "labeldrop"}),
        alerts({"regex": "prometheus_replica", "action": "labeldrop"}),
        lambda s: s.config["global"].update(external_labels={"prometheus": "monitoring/k8s"}),
        lambda s: s.route["routes"].append({"receiver": "elsewhere", "matchers": ['severity="critical"']}),
    ],
)
def test_what_cannot_touch_our_pages_is_no_obstacle(spoil: Spoil) -> None:
    stack = Stack()
    spoil(stack)

    assert stack.look().broken == ()


def test_of_several_receivers_the_slowest_counts_unless_it_is_said_which_one_wakes_people() -> None:
    stack = Stack()
    stack.ours["continue"] = True
    stack.route["routes"].append({"receiver": "archive", "matchers": ['severity="critical"']})
    stack.receivers.append({"name": "archive", "webhook_configs": [{"url": "<secret>"}]})

    assert stack.row().receiver == "archive"
    stack.wishes = Wishes(pager="page")
    assert (stack.row().receiver, stack.look().broken) == ("page", ())


def test_a_route_that_only_some_tenants_take_counts() -> None:
    stack = Stack()
    slow = {"receiver": "page", "matchers": ['tenant="team-a"'], "group_interval": "10m"}
    stack.ours["routes"] = [slow]

    assert stack.row().route == "route.routes[0].routes[0]"
    assert stack.look().broken


def test_the_worst_of_several_alertmanagers_counts() -> None:
    good, bad = Stack(), Stack()
    bad.ours["group_interval"] = "5m"

    seen = inspect(good.prometheus(), [good.alertmanager("http://a"), bad.alertmanager("http://b")], Wishes())

    assert {row.worst for row in seen.broken} == {360, 310}


def test_an_alertmanager_that_prometheus_does_not_know_is_an_obstacle_unless_gossip_brings_it_there() -> None:
    stack = Stack()
    stranger = replace(stack.alertmanager("http://stranger"), told=False)

    seen = inspect(stack.prometheus(), [stack.alertmanager(), stranger], Wishes())
    assert {obstacle.fault for row in seen.broken for obstacle in row.obstacles} == {Fault.NOT_TOLD}
    assert {row.path for row in seen.broken} == {"rule"}

    gossiping = inspect(stack.prometheus(), [replace(stranger, peers=2)], Wishes())
    assert not gossiping.broken


def test_tickets_and_the_shadow_may_take_their_time() -> None:
    stack = Stack()
    stack.groups[0]["rules"].append(alert("SentinelReviewOnly", labels={"severity": "warning"}, duration=3600))
    stack.rule()["labels"]["severity"] = "none"
    stack.ours["routes"] = [{"matchers": ['severity="none"'], "receiver": "elsewhere"}]

    assert faults(stack) == {Fault.NO_DESTINATION}
    assert stack.look().broken == ()


def test_of_a_part_that_is_there_all_alerts_are_expected() -> None:
    stack = Stack()
    stack.groups[0]["rules"].append(alert("SentinelWitnessDown"))

    missing = [row.alert for row in stack.look().broken]

    assert missing == ["SentinelWitnessStale", "SentinelWitnessBlind"]


def test_what_is_pushed_about_gateways_is_looked_at_where_there_are_gateways() -> None:
    stack = Stack()
    pushed = {row.alert for row in stack.look().rows if row.path == "push"}
    assert pushed == {"SentinelIsolationBreach", "SentinelWrongIdentity"}

    stack.groups[0]["rules"].append(alert("SentinelGatewayDown"))
    assert stack.row("SentinelGatewayDown", "push").worst == 25


def test_what_could_not_be_read_is_told_and_no_sum_is_made_of_it() -> None:
    stack = Stack()

    seen = inspect(stack.prometheus(), [], Wishes(), ["http://alertmanager: no answer"])

    assert seen.unknown == ("http://alertmanager: no answer",)
    assert seen.slowest is None
    assert all(row.unjudged for row in seen.rows)


def test_rules_that_take_longer_than_their_interval_make_every_sum_doubtful() -> None:
    stack = Stack()
    stack.groups[0]["evaluationTime"] = 11.5

    assert "takes 11.5 s" in stack.look().unknown[0]


def test_one_section_of_alertmanagers_that_drops_ours_is_told_as_unknown() -> None:
    stack = Stack()
    drop = {"source_labels": ["alertname"], "regex": "Sentinel.*", "action": "drop"}
    stack.config["alerting"]["alertmanagers"].append({"alert_relabel_configs": [drop]})

    assert "drops our alerts" in stack.look().unknown[0]
    assert stack.look().broken == ()


def test_every_failure_term_is_apart_from_what_always_counts() -> None:
    failing = {term.name for term in Stack().row().terms if term.when is When.FAILURE}

    assert failing == {"scrape timeout", "resend", "receiver's retry"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h30m", 5400), ("15s", 15), ("0s", 0), ("0", 0), ("500ms", 0.5), ("1d", 86400), ("1m0s", 60), (10, 10)],
)
def test_a_duration_is_read_as_prometheus_writes_it(text: object, seconds: float) -> None:
    assert duration.seconds(text, "x") == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "ten", "-5s", None, True, "1s1m", [1]])
def test_what_is_no_duration_is_refused_by_its_name(text: object) -> None:
    with pytest.raises(ValueError, match="group_wait"):
        duration.seconds(text, "group_wait")


def test_an_inhibition_with_keys_of_a_later_version_is_not_guessed_at() -> None:
    stack = Stack()
    stack.inhibit_rules.append({"sources": [{"matchers": ["a=b"]}], "target_matchers": ["c=d"]})

    with pytest.raises(ValueError, match="'sources'"):
        stack.alertmanager()


def test_an_agent_is_told_apart_from_a_prometheus_that_has_no_rules() -> None:
    stack = Stack()
    stack.flags["enable-feature"] = "agent"

    with pytest.raises(ValueError, match="agent"):
        stack.prometheus()
