"""What is put on the terminal: a picture that changes on a real one, plain lines elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sentinel.core.gateway.failover import Verdict
from sentinel.demo.receiver import Page
from sentinel.demo.story import Event, Story
from sentinel.demo.truth import Measured
from sentinel.demo.view import Scene

_MOODS = {"plain": "", "good": "green", "bad": "bold red"}
_PICTURES_PER_SECOND = 4


class Screen:
    """Shows a story. `headline` is said once, above everything."""

    def __init__(self, console: Console, headline: str) -> None:
        """Nothing is shown yet."""
        self._console = console
        self._headline = headline
        self._live = console.is_terminal

    def tell(self, event: Event) -> None:
        """A new line of the story; on a live picture it appears with the next one."""
        if not self._live:
            self._console.print(_line(event), soft_wrap=True)

    @contextlib.contextmanager
    def showing(self, story: Story) -> Iterator[None]:
        """Shows the story as it grows; the last picture stays."""
        if not self._live:
            self._console.print(self._headline, soft_wrap=True)
            yield
            return
        picture = _Picture(self._headline, story)
        with Live(picture, console=self._console, refresh_per_second=_PICTURES_PER_SECOND):
            yield

    def summary(self, story: Story) -> None:
        """How long each step took."""
        self._console.print(_summary(story))

    def state(self, scene: Scene) -> None:
        """What is proven now, as a table; a live picture has it already."""
        if not self._live:
            self._console.print(_table(scene), _gates(scene))

    def failover(self, measured: Measured) -> None:
        """What was measured, beside the truth; a live picture has it already."""
        if not self._live:
            self._console.print(_failover(measured))

    def page(self, page: Page) -> None:
        """A page in full; a live picture has it already."""
        if not self._live:
            self._console.print(_page(page))


class _Picture:
    """The whole screen, drawn anew from the story each time."""

    def __init__(self, headline: str, story: Story) -> None:
        self._headline = headline
        self._story = story

    def __rich__(self) -> RenderableType:
        story = self._story
        # A terminal has some forty lines: the second act has them for itself.
        second = story.killed > 0
        parts: list[RenderableType] = [Text(self._headline, style="bold")]
        if story.scene is not None and not second:
            parts += [_table(story.scene), _gates(story.scene)]
        parts.append(Panel(Group(*(_line(event) for event in story.events)), title="so far", title_align="left"))
        if story.measured is not None:
            parts.append(_failover(story.measured))
        elif story.pages and not second:
            parts.append(_page(story.pages[-1] if story.pages[-1].resolved else story.pages[0]))
        return Group(*parts)


def _table(scene: Scene) -> Table:
    table = Table(title="what team-a may not do, asked for real", title_justify="left")
    table.add_column("target")
    for name in ("questions", "held", "breached", "unproven"):
        table.add_column(name, justify="right")
    for one in scene.targets:
        style = "bold red" if one.breached else "yellow" if one.inconclusive else "green"
        numbers = (one.held + one.breached + one.inconclusive, one.held, one.breached, one.inconclusive)
        table.add_row(one.name, *(str(number) for number in numbers), style=style)
    return table


def _failover(measured: Measured) -> Table:
    course, episode = measured.course, measured.course.episode
    table = Table(title=f"how long nobody answered: {episode.source} to {episode.to}", title_justify="left")
    table.add_column("figure")
    table.add_column("seconds", justify="right")
    table.add_column("what it is")
    bounds = episode.stable
    if bounds is not None:
        table.add_row("F_lower", f"{bounds.lower:.2f}", "beyond dispute: from the first failure seen to the last begun")
    table.add_row("true", f"{measured.truth.outage:.2f}", "as only the gateway knows", style="bold")
    if bounds is not None:
        table.add_row("F_upper", f"{bounds.upper:.2f}", "from the last good answer to the next, received")
    if episode.user is not None:
        table.add_row("F_user", f"{episode.user:.2f}", "who asked first, and tried again, waited as long")
    style = "green" if episode.verdict is Verdict.PASS else "yellow"
    table.add_row(episode.verdict.value, f"{course.within:.2f}", "promised", style=style)
    return table


def _gates(scene: Scene) -> Text:
    text = Text("gates ")
    for name, up in scene.gates.items():
        text.append(f"{name} ", style="green" if up else "bold red")
    text.append(f"  coverage {scene.coverage:.0%}")
    return text


def _line(event: Event) -> Text:
    after = f"  (+{event.after:.2f} s)" if event.after is not None else ""
    return Text(f"{event.at:6.2f} s  {event.text}{after}", style=_MOODS[event.mood])


def _summary(story: Story) -> Table:
    table = Table(title="how long each step took", title_justify="left")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    table.add_column("counted from")
    for event in story.events:
        if event.after is not None:
            table.add_row(event.text.partition(":")[0].partition(",")[0], f"{event.after:.2f}", event.since)
    return table


def _page(page: Page) -> Panel:
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in [*page.labels.items(), *page.annotations.items()]:
        table.add_row(name, Text(value))
    title = "resolved" if page.resolved else "the page"
    return Panel(table, title=title, title_align="left", border_style="green" if page.resolved else "red")
