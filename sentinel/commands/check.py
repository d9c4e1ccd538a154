"""`sentinel check`: what a configuration would ask, and whether that keeps the promise."""

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from sentinel.commands.common import BAD_CONFIG, DEFAULT_CONFIG, AsWhat, Config, Output, print_json, refuse
from sentinel.errors import ConfigError

if TYPE_CHECKING:
    from sentinel.reports import page_plan
    from sentinel.reports.net_forecast import NetForecast
    from sentinel.settings import Settings
    from sentinel.settings.chat_page import Page


def check(
    config: Config = DEFAULT_CONFIG,
    output: AsWhat = Output.TEXT,
    questions: Annotated[bool, typer.Option(help="Print every question.")] = False,
) -> None:
    """Validate the configuration and print the plan, without touching the network."""
    from sentinel.settings import examine

    examined = examine(config, os.environ, datetime.now(UTC).date())
    if examined.settings is None:
        if output is Output.JSON:
            print_json({"valid": False, "problems": [vars(problem) for problem in examined.problems]})
        refuse(ConfigError(examined.problems))
    if examined.settings.is_witness:
        _check_witness(examined.settings, output)
    _check_tenants(examined.settings, [str(note) for note in examined.notes], output, listed=questions)


def _check_tenants(settings: "Settings", notes: list[str], output: Output, *, listed: bool) -> NoReturn:
    from sentinel.joins.world import plan_of
    from sentinel.reports import forecast, net_forecast, page_plan

    plan = plan_of(settings)
    seen = forecast.forecast(plan, settings.paging.promise.total_seconds())
    crossings, pages = _network_forecast(settings), _pages(settings)
    rows = forecast.questions(plan) if listed else ""
    if output is Output.JSON:
        network = crossings.as_json() if crossings is not None else None
        whole = {"valid": True, "notes": notes, **seen.as_json(), "network": network, "listed": rows.splitlines()}
        print_json({**whole, "pages": [page.as_json() for page in pages]})
    else:
        typer.echo(forecast.text(seen))
        typer.echo(forecast.roles(plan, settings.home, settings.isolation.release), nl=False)
        typer.echo(forecast.exceptions(plan, datetime.now(UTC).timestamp()), nl=False)
        typer.echo(net_forecast.text(crossings) if crossings is not None else "", nl=False)
        typer.echo(page_plan.text(pages), nl=False)
        typer.echo(f"\n{rows}" if rows else "", nl=False)
        for note in notes:
            typer.echo(f"note: {note}", err=True)
    kept = seen.kept and (crossings is None or crossings.kept)
    raise typer.Exit(0 if kept else BAD_CONFIG)


def _check_witness(settings: "Settings", output: Output) -> NoReturn:
    from sentinel.joins.subject import lanes_of
    from sentinel.reports import page_plan, witness_plan

    promise = settings.paging.promise.total_seconds()
    seen = witness_plan.witness_plan(lanes_of(settings), promise, alone=settings.disclosure == "opaque")
    pages = _pages(settings)
    if output is Output.JSON:
        print_json({**seen.as_json(), "pages": [page.as_json() for page in pages]})
    else:
        typer.echo(witness_plan.text(seen) + page_plan.text(pages), nl=False)
    raise typer.Exit(0 if seen.kept else BAD_CONFIG)


def _network_forecast(settings: "Settings") -> "NetForecast | None":
    """What is asked over the network, where anything is."""
    from sentinel.joins.world import net_checks_of, net_terms_of
    from sentinel.reports import net_forecast

    if not settings.network.enabled:
        return None
    promise = settings.paging.promise.total_seconds()
    return net_forecast.forecast(net_terms_of(settings), net_checks_of(settings), promise)


def _pages(settings: "Settings") -> "list[page_plan.Row]":
    """The pages that `sentinel visit` opens."""
    from sentinel.reports import page_plan

    def row(gateway: str, page: "Page") -> "page_plan.Row":
        every, timeout = page.every.total_seconds(), page.timeout.total_seconds()
        kept = 0 if page.screenshots is None else page.screenshots.keep
        return page_plan.row(gateway, page.url, every, timeout, page.memory_mib, kept)

    return [row(gateway.name, gateway.page) for gateway in settings.gateways if gateway.page is not None]
