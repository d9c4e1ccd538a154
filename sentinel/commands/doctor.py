"""`sentinel doctor`: what is missing around a tenant's sentinel, or around the witness."""

import os
from typing import Annotated

import typer

from sentinel.commands.common import DEFAULT_CONFIG, AsWhat, Config, Output, end, load, place, run_async, wrong


def doctor(
    config: Config = DEFAULT_CONFIG,
    output: AsWhat = Output.TEXT,
    alertmanager: Annotated[
        list[str] | None,
        typer.Option(help="A URL or host:port that a tenant must not reach, besides the usual ones. Repeatable."),
    ] = None,
    prometheus: Annotated[
        str, typer.Option(help="Its URL, where this runs on a machine that may reach it; else alerting.prometheus.")
    ] = "",
) -> None:
    """What is missing around a tenant's sentinel or the witness, seen from where this runs."""
    from sentinel import logs
    from sentinel.reports import diagnosis
    from sentinel.tools.doctor import Doctor, place_of

    try:
        places = [place_of(text) for text in alertmanager or []]
    except ValueError as error:
        wrong(f"--alertmanager: {error}")
    where = place("--prometheus", prometheus, "http", "https") if prometheus else None
    settings = load(config)
    logs.configure("error", "console")
    seen = run_async(Doctor(settings, os.environ, places, where).examine())
    end(seen, diagnosis.text(seen), output)
