"""What Alertmanager's counters prove of one alert, and what they leave open."""

from typing import Any

import pytest

from sentinel.core.paging.delivery import Case, Group, Key, Outcome, Row, Tally, groups, judge

PAGE, TICKET = Group("page", frozenset({"SentinelNotifyTest"}), ours=True), Group("ticket", frozenset(), ours=True)
WAYS = {"page": ("pagerduty",), "ticket": ("slack", "webhook", "webhook"), "elsewhere": ("slack",), "nobody": ()}
DELIVERED, FAILED, UNPROVEN = Outcome.DELIVERED, Outcome.FAILED, Outcome.UNPROVEN


def case(*ours: Group, others: tuple[Group, ...] = (), moved: Any = None, **more: Any) -> Case:
    found = {Key(kind): tally for kind, tally in (moved or {}).items()}
    return Case(ours or (PAGE,), frozenset(others), WAYS, found, **more)


def judged(**more: Any) -> Row:
    """Of the page's PagerDuty."""
    (row,) = judge(case(**more))
    return row


@pytest.mark.parametrize(
    ("tally", "outcome", "detail"),
    [
        (Tally(1), DELIVERED, "1 of 1 requests taken"),
        (Tally(3, 2), DELIVERED, "1 of 3 requests taken"),
        (Tally(1, 1, {"clientError": 1}), FAILED, "0 of 1 requests taken, 1 given up: clientError"),
        (Tally(1, 1, {"": 1}), FAILED, "0 of 1 requests taken, 1 given up"),
        (Tally(0, 0, {"contextCanceled": 1}), FAILED, "0 of 0 requests taken, 1 given up: contextCanceled"),
        (Tally(4, 4), FAILED, "0 of 4 requests taken; Alertmanager goes on trying"),
        (Tally(), UNPROVEN, "no request was counted"),
        (None, UNPROVEN, "its counters are not there, or began anew: was the configuration loaded again?"),
        (Tally(2), UNPROVEN, "2 of 2 requests taken; more than the 1 of this test: something else was told meanwhile"),
    ],
)
def test_a_request_that_was_taken_is_a_delivery_and_what_else_was_counted_is_not(
    tally: Tally | None, outcome: Outcome, detail: str
) -> None:
    row = judged(moved={"pagerduty": tally})

    assert (row.outcome, row.detail) == (outcome, detail)


def test_of_two_webhooks_both_have_to_take_it() -> None:
    def webhooks(tally: Tally) -> Row:
        return judge(case(TICKET, moved={"slack": Tally(1), "webhook": tally}))[1]

    assert (webhooks(Tally(2)).outcome, webhooks(Tally(2)).count) == (DELIVERED, 2)
    assert webhooks(Tally(1)).outcome is UNPROVEN
    assert webhooks(Tally(2, 1)).outcome is FAILED
    assert webhooks(Tally(2, 1, {"clientError": 1})).outcome is FAILED


def test_an_alert_that_goes_the_same_way_leaves_it_open_whether_it_moved_the_counter() -> None:
    beside = Group("elsewhere", frozenset({"TargetDown", "KubePodCrashLooping", "Watchdog", "NodeDown"}))
    apart = Group("page", frozenset({"TargetDown"}))

    slack, webhook = judge(case(TICKET, others=(beside, apart), moved={"slack": Tally(1), "webhook": Tally(2)}))

    assert (slack.outcome, webhook.outcome) == (UNPROVEN, DELIVERED)
    assert "KubePodCrashLooping, NodeDown, TargetDown and 1 more" in slack.detail


def test_where_each_receiver_is_counted_by_itself_only_its_own_alerts_leave_it_open() -> None:
    moved = {Key("slack", "ticket"): Tally(1), Key("webhook", "ticket"): Tally(2), Key("slack", "elsewhere"): Tally(9)}

    def outcomes(receiver: str) -> list[Outcome]:
        beside = frozenset({Group(receiver, frozenset({"TargetDown"}))})
        return [row.outcome for row in judge(Case((TICKET,), beside, WAYS, moved, by_receiver=True))]

    assert outcomes("elsewhere") == [DELIVERED, DELIVERED]
    assert outcomes("ticket") == [UNPROVEN, UNPROVEN]


def test_what_ended_lately_may_be_told_just_now_and_leaves_everything_open() -> None:
    row = judged(moved={"pagerduty": Tally(1)}, over=2)

    assert row.outcome is UNPROVEN
    assert "alerts that ended lately (2)" in row.detail


def test_a_receiver_without_destination_tells_nobody() -> None:
    rows = judge(case(Group("nobody", frozenset(), ours=True)))

    assert [(row.receiver, row.outcome, row.detail) for row in rows] == [
        ("nobody", FAILED, "it has no destination: nobody is told")
    ]


def test_what_is_silenced_has_failed_unless_it_was_told_all_the_same() -> None:
    held = Group("page", frozenset(), ours=True, held="silenced by 4f2a")

    assert judge(case(held, moved={"pagerduty": Tally()}))[0] == Row("page", "pagerduty", 1, FAILED, "silenced by 4f2a")
    assert judge(case(held, moved={"pagerduty": Tally(1)}))[0].outcome is DELIVERED


def test_two_that_do_not_gossip_tell_it_twice() -> None:
    assert judged(moved={"pagerduty": Tally(2)}, copies=2).outcome is DELIVERED
    assert judged(moved={"pagerduty": Tally(1)}, copies=2).outcome is UNPROVEN


def test_nothing_is_waited_for_when_each_is_taken_given_up_or_held() -> None:
    moved = {"slack": Tally(1, 1, {"clientError": 1}), "webhook": Tally(3, 1)}

    assert case(TICKET, moved=moved).is_over()
    assert not case(TICKET, moved=moved | {"webhook": Tally(3, 2)}).is_over()
    assert not case(TICKET, moved=moved | {"webhook": None}).is_over()
    assert not Case((), frozenset(), WAYS, {}).is_over()
    held = Group("page", frozenset(), ours=True, held="silenced by 4f2a")
    assert case(held, moved={"pagerduty": Tally()}).is_over()
    assert case(held, TICKET, moved=moved | {"pagerduty": Tally()}).is_over()
    assert not case(held, TICKET, moved={"pagerduty": Tally(), "slack": Tally(), "webhook": Tally()}).is_over()


def test_counters_that_fall_began_anew() -> None:
    before = Tally(5, 2, {"clientError": 1})

    assert Tally(6, 2, {"clientError": 1}).since(before) == Tally(1)
    assert Tally(6, 3, {"clientError": 1, "other": 1}).since(before) == Tally(1, 1, {"other": 1})
    for anew in (Tally(1, 2), Tally(6, 1), Tally(6, 2, {"clientError": 0})):
        assert anew.since(before) is None


def test_ours_is_found_among_the_groups_by_its_number() -> None:
    def group(receiver: str, number: str, **status: Any) -> dict[str, Any]:
        alert = {"labels": {"alertname": "A\n", "drill": number}, "status": {"state": "active"} | status}
        return {"receiver": {"name": receiver}, "alerts": [alert, {"labels": {"alertname": "B"}}]}

    said = [group("page", "7", silencedBy=["4f2a"], inhibitedBy=["c"], mutedBy=None), group("page", "8")]

    assert groups(said, "drill", "7") == (
        Group("page", frozenset({"A?", "B"}), ours=True, held="silenced by 4f2a; inhibited by c"),
        Group("page", frozenset({"A?", "B"})),
    )
    broken: tuple[Any, ...] = ({}, ["x"], [{"alerts": 3}], [{"receiver": {"name": []}}])
    for nonsense in broken:
        with pytest.raises(ValueError, match="expected"):
            groups(nonsense, "drill", "7")
