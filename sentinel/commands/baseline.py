"""`sentinel baseline …`: what is open today, so that an old cluster can begin in silence."""

import os
from datetime import UTC, datetime
from typing import Annotated

import typer

from sentinel.commands.common import DEFAULT_CONFIG, UNKNOWN, Config, load, run_async, seconds, wrong

app = typer.Typer(help="What is open today, for the first week.", no_args_is_help=True)


@app.command()
def propose(
    config: Config = DEFAULT_CONFIG,
    length: Annotated[str, typer.Option("--for", help="Look for so long, e.g. 10m.")] = "",
    once: Annotated[bool, typer.Option("--once", help="One look (the default).")] = False,
) -> None:
    """Print, as YAML for isolation.allow, the exceptions that would make what is open silent."""
    from sentinel import logs
    from sentinel.core.verdict import State
    from sentinel.reports import baseline
    from sentinel.tools.once import find_open

    if once and length:
        wrong("--once and --for exclude each other")
    settings = load(config)
    logs.configure("error", "console")
    found, seen = run_async(find_open(settings, os.environ, seconds(length) if length else 0.0))
    typer.echo(baseline.propose(found, settings.isolation.system, datetime.now(UTC).date()), nl=False)
    blind = sum(record.verdict.state is State.INCONCLUSIVE for record in seen.records)
    if blind or seen.reasons:
        typer.echo(f"not all could be seen: {blind} questions inconclusive. {'; '.join(seen.reasons)}", err=True)
        raise typer.Exit(UNKNOWN)
