"""`sentinel verify-alerting`: how long a page takes at worst where Prometheus and Alertmanager run."""

import re
from pathlib import Path
from typing import Annotated

import typer

from sentinel.commands.common import AsWhat, Output, load, place, print_json, run_async, seconds, wrong


def verify_alerting(
    prometheus: Annotated[str, typer.Option(help="Its URL, with its path prefix if it has one.")],
    alertmanager: Annotated[
        list[str] | None,
        typer.Option(help="Its URL, dns+http:// for all replicas. Repeatable. Without: those Prometheus posts to."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="A sentinel's file: its promise, and how soon it sees a hole.")
    ] = None,
    promise: Annotated[str, typer.Option(help="In place of the configuration's paging.promise.")] = "",
    pager: Annotated[str, typer.Option(help="A pattern of the receivers that wake people. Without: the slowest.")] = "",
    peer_timeout: Annotated[
        str, typer.Option(help="Alertmanager's --cluster.peer-timeout, which no API tells.")
    ] = "15s",
    output: AsWhat = Output.TEXT,
) -> None:
    """How long a page takes at worst, and what can swallow it, from the live Prometheus and Alertmanagers."""
    from sentinel import logs
    from sentinel.core.paging.inspection import Wishes
    from sentinel.joins.verify_alerting import Places, verify
    from sentinel.reports import page_time

    urls = [place("--prometheus", prometheus, "http", "https")]
    urls += [place("--alertmanager", url, "http", "https", "dns+http", "dns+https") for url in alertmanager or []]
    try:
        re.compile(pager)
    except re.error as error:
        wrong(f"--pager: found {pager!r}, expected a regular expression: {error}")
    promised, detection = _promised(config)
    if promise:
        promised = seconds(promise, "--promise")
    logs.configure("error", "console")
    wishes = Wishes(promised, detection, seconds(peer_timeout, "--peer-timeout"), pager)
    seen = run_async(verify(Places(urls[0], tuple(urls[1:])), wishes))
    print_json(page_time.as_json(seen)) if output is Output.JSON else typer.echo(page_time.text(seen), nl=False)
    raise typer.Exit(page_time.exit_code(seen))


def _promised(config: Path | None) -> tuple[float, float | None]:
    """The promise, and how soon a hole is seen at worst; seconds."""
    from sentinel.core.api.plan import PAGE_SECONDS
    from sentinel.core.paging.inspection import Wishes
    from sentinel.joins.world import plan_of

    if config is None:
        return Wishes().promise, None
    settings = load(config)
    promise = settings.paging.promise.total_seconds()
    if settings.is_witness:
        return promise, None
    return promise, plan_of(settings).worst_page - PAGE_SECONDS
