"""The plot: what is waited for, what counts as the page, and what is said when nothing comes."""

import io
from typing import Any

import pytest
from rich.console import Console

from sentinel.demo.receiver import Page
from sentinel.demo.screen import Screen
from sentinel.demo.story import ALERT, Event, Story
from sentinel.demo.view import Scene, Target
from sentinel.errors import OwnFault

PROVEN = Scene(True, (), 1.0, (Target("team-b", 40, 0, 0),), {"canary": True}, ())


def breach(target: str = "team-b", *, active: bool = True) -> dict[str, Any]:
    return {"target": target, "active": active, "since": 1.0}


def story(told: list[Event] | None = None) -> Story:
    clock = iter(range(1000, 2000))
    lines: list[Event] = [] if told is None else told
    return Story(lambda: float(next(clock)), "team-a", "team-b", lines.append)


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
