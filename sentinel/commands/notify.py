"""`sentinel notify test`: whoever changed a receiver's URL or key sees whether it is told."""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sentinel.commands.common import AsWhat, Output, ask, end, load, place, seconds, wrong

if TYPE_CHECKING:
    from sentinel.tools.notify import Wishes

app = typer.Typer(help="Try whether those who are to be told are told.", no_args_is_help=True)


class Severity(StrEnum):
    """Which of the shipped routes it takes."""

    WARNING = "warning"  # a ticket
    CRITICAL = "critical"  # wakes whoever is on call


@app.callback()
def _notify() -> None:
    """Without this typer would take `test` for the command itself."""


@app.command("test")
def send(
    alertmanager: Annotated[
        list[str] | None,
        typer.Option(help="Its URL, dns+http:// for all replicas. Repeatable. Without: the configuration's."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The witness's file: its paging.direct, and its cluster.")
    ] = None,
    severity: Annotated[
        Severity, typer.Option(help="Of the test. critical wakes whoever is on call.")
    ] = Severity.WARNING,
    within: Annotated[str, typer.Option(help="For how long it is watched. Without: group_wait and 20s.")] = "",
    settle: Annotated[
        str, typer.Option(help="How long to wait, before, until the end of other alerts is told; 1ms: not at all.")
    ] = "1m",
    output: AsWhat = Output.TEXT,
) -> None:
    """Send an alert that says it is a test, and say which receivers took it, which did not, and what is not known."""
    from sentinel import logs
    from sentinel.tools import notify

    wishes = replace(
        _wishes(alertmanager or [], config, severity),
        within=seconds(within, "--within") if within else None,
        settle=seconds(settle, "--settle"),
    )
    logs.configure("error", "console")
    seen = ask(notify.send(wishes))
    end(seen, notify.text(seen), output)


def _wishes(named: list[str], config: Path | None, severity: Severity) -> "Wishes":
    from sentinel.tools.notify import Wishes

    urls = [place("--alertmanager", url, "http", "https", "dns+http", "dns+https") for url in named]
    settings = load(config) if config is not None else None
    if settings is not None:
        urls = urls or [str(url) for url in settings.paging.direct]
    if not urls:
        wrong("no Alertmanager: name one with --alertmanager, or a file that has paging.direct with --config")
    cluster, namespace = (settings.cluster, settings.isolation.release) if settings is not None else ("", "")
    return Wishes(tuple(urls), severity.value, cluster, namespace)
