"""The plot: what is waited for, what counts as the page, and what is said when nothing comes."""

import io
from typing import Any

import pytest
from rich.console import Console

from sentinel.core.gateway.course import Course
from sentinel.core.gateway.failover import Bounds, Episode, Verdict
from sentinel.demo.receiver import Page
from sentinel.demo.screen import Screen
from sentinel.demo.story import ALERT, Event, Story
from sentinel.demo.truth import Measured, Truth
from sentinel.demo.view import Scene, Target
from sentinel.errors import OwnFault

PROVEN = Scene(True, (), 1.0, (Target("team-b", 40, 0, 0),), {"canary": True}, ())


def breach(target: str = "team-b", *, active: bool = True) -> dict[str, Any]:
    return {"target": target, "active": active, "since": 1.0}


def story(told: list[Event] | None = None) -> Story:
    clock = iter(range(1000, 2000))
    lines: list[Event] = [] if told is None else told
    return Story(lambda: float(next(clock)), "team-a", "team-b", lines.append)


def course(bounds: Bounds | None = Bounds(7.5, 8.5)) -> Course:  # noqa: B008  # frozen
    episode = Episode(Verdict.PASS, "north", "south", 0.0, 8.3, stable=bounds, user=8.2, bad=15)
    return Course("chat", 1010.0, 30.0, episode, False, ())


def page(at: float, *, via: str = "push", resolved: bool = False, **labels: str) -> Page:
    return Page(at, via, resolved, {"alertname": ALERT, "target": "team-b", **labels}, {})


@pytest.mark.parametrize(
    ("scene", "proven"),
    [
        pytest.param(PROVEN, True, id="all held, all green"),
        pytest.param(Scene(True, (), 1.0, (), {"canary": True}, ()), False, id="nothing asked"),
        pytest.param(
            Scene(True, (), 0.9, (Target("team-b", 40, 0, 0),), {"canary": True}, ()), False, id="not all asked"
        ),
        pytest.param(Scene(True, (), 1.0, (Target("team-b", 40, 0, 0),), {}, ()), False, id="no gate seen yet"),
        pytest.param(
            Scene(True, (), 1.0, (Target("team-b", 39, 0, 1),), {"canary": True}, ()), False, id="one unproven"
        ),
        pytest.param(
            Scene(True, (), 1.0, (Target("team-b", 40, 0, 0),), {"canary": False}, ()), False, id="a red gate"
        ),
    ],
)
def test_proven_means_every_question_and_every_gate(scene: Scene, proven: bool) -> None:
    assert scene.proven is proven


def test_only_an_active_breach_at_the_target_is_open() -> None:
    seen = Scene(True, (), 1.0, (), {}, (breach(), breach(active=False), breach("team-c")))

    assert seen.open_breaches("team-b") == [breach()]


async def test_what_is_true_already_is_not_waited_for() -> None:
    one = story()
    one.see(PROVEN)

    assert await one.until("it is proven", lambda scene: scene.proven, 1.0) is PROVEN


async def test_what_never_comes_is_named_with_the_sentinels_own_reasons() -> None:
    one = story()
    with pytest.raises(OwnFault, match="not within 0 s: it is proven; its console does not answer"):
        await one.until("it is proven", lambda scene: scene.proven, 0.01)

    one.see(Scene(False, ("no token",), 0.0, (), {}, ()))
    with pytest.raises(OwnFault, match="it is proven; no token"):
        await one.until("it is proven", lambda scene: scene.proven, 0.01)


def test_a_page_about_something_else_or_from_before_is_not_ours() -> None:
    one = story()
    one.opened = 1100.0
    for other in (page(1090), page(1150, target="team-c"), page(1151, alertname="SentinelDown"), page(1160)):
        one.arrived(other)

    assert one.page("push") == page(1160)
    assert one.page("webhook") is None


def test_it_is_all_clear_when_the_last_word_on_every_path_is_that_it_ended() -> None:
    one = story()
    one.opened, one.closed = 1100.0, 1200.0
    clear = []
    for came in (
        page(1150, path="push"),
        page(1190, path="push", resolved=True),
        page(1210, path="push", resolved=True),
        page(1211, path="rule"),
        page(1220, path="rule", resolved=True),
    ):
        one.arrived(came)
        clear.append(one.all_clear("push"))

    assert [found.at if found else None for found in clear] == [None, None, 1210, None, 1220]


def test_lines_without_a_terminal_have_no_colour_codes_and_no_markup_of_others() -> None:
    console = Console(force_terminal=False, width=200, record=True, file=io.StringIO())
    screen = Screen(console, "headline")
    told = story()
    told.tell = screen.tell

    told.opened = 1002.0
    with screen.showing(told):
        told.happened("hole opened: [bold]RoleBinding[/bold]", at=1003.5, since="opening")
        screen.state(PROVEN)
        screen.page(page(1004, target="[red]x[/red]"))
    text = console.export_text()

    assert "headline" in text
    assert "hole opened: [bold]RoleBinding[/bold]  (+1.50 s)" in text
    assert "[red]x[/red]" in text
    assert "\x1b" not in text


MEASURED = Measured(course(), Truth(1010.0, 1018.0))


def test_the_second_act_has_the_terminal_for_itself() -> None:
    told = story()
    told.see(PROVEN)
    told.arrived(page(1004))
    told.opened = 1003.0

    first = on_a_terminal(told)
    told.killed = 1010.0
    dark = on_a_terminal(told)
    told.measured = MEASURED
    second = on_a_terminal(told)

    assert "what team-a may not do" in first
    assert "the page" in first
    assert all(word not in dark + second for word in ("what team-a may not do", "the page"))
    assert "F_upper" in second
    assert len(second.splitlines()) < 30


def on_a_terminal(told: Story) -> str:
    """What is seen on a terminal of a hundred columns."""
    console = Console(force_terminal=True, width=100, height=60, file=io.StringIO(), record=True)
    with Screen(console, "headline").showing(told):
        pass
    return console.export_text()


def test_the_truth_stands_between_the_bounds_it_is_compared_with() -> None:
    console = Console(force_terminal=False, width=200, record=True, file=io.StringIO())

    Screen(console, "headline").failover(MEASURED)
    rows = [line.split() for line in console.export_text().splitlines() if line.startswith("│")]

    assert [(row[1], row[3]) for row in rows] == [
        ("F_lower", "7.50"),
        ("true", "8.00"),
        ("F_upper", "8.50"),
        ("F_user", "8.20"),
        ("pass", "30.00"),
    ]


@pytest.mark.parametrize(("outage", "holds"), [(7.4, False), (7.5, True), (8.5, True), (8.6, False)])
def test_the_truth_holds_when_it_lies_between_the_bounds(outage: float, holds: bool) -> None:
    assert Measured(course(), Truth(1000.0, 1000.0 + outage)).holds is holds
    assert not Measured(course(None), Truth(1000.0, 1000.0 + outage)).holds
