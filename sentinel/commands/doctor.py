"""`sentinel doctor`: what is missing around a tenant's sentinel."""

import os
from typing import Annotated

import typer

from sentinel.commands.common import DEFAULT_CONFIG, AsWhat, Config, Output, end, load_tenants, run_async, wrong


def doctor(
    config: Config = DEFAULT_CONFIG,
    output: AsWhat = Output.TEXT,
    alertmanager: Annotated[
        list[str] | None,
        typer.Option(help="A URL or host:port that a tenant must not reach, besides the usual ones. Repeatable."),
    ] = None,
) -> None:
    """What is missing around a tenant's sentinel, seen from where this runs."""
    from sentinel import logs
    from sentinel.doctor import Doctor, place_of
    from sentinel.reports import diagnosis

    try:
        places = [place_of(text) for text in alertmanager or []]
    except ValueError as error:
        wrong(f"--alertmanager: {error}")
    settings = load_tenants(config)
    logs.configure("error", "console")
    seen = run_async(Doctor(settings, os.environ, places).examine())
    end(seen, diagnosis.text(seen), output)
