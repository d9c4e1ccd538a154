"""`sentinel demo`: the whole story on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from sentinel.commands.common import OWN_FAULT, run_async, wrong
from sentinel.commands.common import seconds as seconds_of


def demo(
    seconds: Annotated[str, typer.Option("--for", help="How long, e.g. 60s.")] = "60s",
    failover_svg: Annotated[Path | None, typer.Option(help="Draw the failover into this file.")] = None,
) -> None:
    """Everything on this machine with nothing installed: a hole opens, pages, is closed; a provider dies."""
    try:
        from sentinel.demo import show
    except ModuleNotFoundError as error:
        typer.echo(f"demo needs {error.name}: pip install 'tenant-sentinel[demo]'", err=True)
        raise typer.Exit(OWN_FAULT) from None
    length = seconds_of(seconds)
    if failover_svg is not None and not failover_svg.parent.is_dir():
        wrong(f"--failover-svg: {failover_svg}: no such folder")
    raise typer.Exit(run_async(show.demo(length, picture=failover_svg)))
