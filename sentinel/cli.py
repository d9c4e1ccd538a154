"""The commands: they parse, call, print and exit. Results go to stdout, everything else to stderr.

Exit codes: 0 held, 1 breached, 2 usage or configuration, 3 inconclusive, 4 our own fault.
"""

import contextlib
import json
import os
import re
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from sentinel import __version__
from sentinel.cli_drill import drill_app
from sentinel.command import BAD_CONFIG, DEFAULT_CONFIG, OWN_FAULT, UNKNOWN, AsWhat, Config, Output
from sentinel.command import load as _load
from sentinel.command import refuse as _refuse
from sentinel.command import run_async as _asyncio
from sentinel.errors import ClientError, ConfigError, OwnFault, Problem, SentinelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sentinel.reports import page_plan
    from sentinel.reports.net_forecast import NetForecast
    from sentinel.settings import Settings
    from sentinel.settings.chat_page import Page

DEFAULT_WITNESS = Path("/etc/sentinel/witness.yaml")

app = typer.Typer(
    help="Proves, day and night and from inside, that no tenant reads another's things.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
config_app = typer.Typer(help="The configuration: its schema, and what is in effect.")
app.add_typer(config_app, name="config")
baseline_app = typer.Typer(help="What is open today, for the first week.", no_args_is_help=True)
app.add_typer(baseline_app, name="baseline")
report_app = typer.Typer(help="Evidence from the journal, and whether the journal is what was written.")
app.add_typer(report_app, name="report")
app.add_typer(drill_app, name="drill")


class Form(StrEnum):
    """How evidence is written."""

    MARKDOWN = "markdown"
    HTML = "html"
    JSON = "json"


DEFAULT_JOURNALS = [Path("/var/lib/sentinel")]
Journals = Annotated[
    list[Path],
    typer.Option("--journal", help="A folder of journals, or a file. Repeatable."),
]
Heads = Annotated[
    str, typer.Option("--anchors", help="A file, or - for standard input: log lines journal.head, or what was posted.")
]


def _print_version(wanted: bool) -> None:  # noqa: FBT001  # typer calls it so
    if wanted:
        typer.echo(f"sentinel {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,  # typer reads the default
) -> None:
    """Every command has its own help."""


@app.command()
def run(config: Config = DEFAULT_CONFIG) -> None:
    """Run the daemon until it is told to stop."""
    from sentinel import logs
    from sentinel.daemon import Daemon

    settings = _load(config)
    if settings.is_witness:
        _refuse(_wrong_kind(config, witness=False))
    logs.configure(settings.log.level, settings.log.format)
    _asyncio(Daemon(config, os.environ, settings).run())


@app.command()
def witness(config: Config = DEFAULT_WITNESS) -> None:
    """Run the witness until it is told to stop: the second opinion that no tenant controls."""
    from sentinel import logs
    from sentinel.witness import Witness

    settings = _load(config)
    if not settings.is_witness:
        _refuse(_wrong_kind(config, witness=True))
    logs.configure(settings.log.level, settings.log.format)
    _asyncio(Witness(config, os.environ, settings).run())


@app.command()
def beacon(config: Config = DEFAULT_CONFIG) -> None:
    """Run a pod that only answers challenges, until it is told to stop: for pods with other labels."""
    from sentinel import logs
    from sentinel.beacon import BeaconPod

    settings = _load(config)
    if settings.is_witness:
        _refuse(_wrong_kind(config, witness=False))
    if settings.paging.relay is None:
        hint = "a beacon hands its key to the witness, and learns from it who may ask"
        _refuse(ConfigError([Problem(str(config), 0, "paging.relay", "nothing", "the relay of the witness", hint)]))
    logs.configure(settings.log.level, settings.log.format)
    _asyncio(BeaconPod(config, os.environ, settings).run())


@app.command()
def visit(config: Config = DEFAULT_WITNESS) -> None:
    """Look at the pages where users chat, in a browser, until it is told to stop."""
    from sentinel import logs
    from sentinel.visitor import VisitorPod

    settings = _load(config)
    logs.configure(settings.log.level, settings.log.format)
    _asyncio(VisitorPod(config, os.environ, settings).run())


@app.command()
def check(
    config: Config = DEFAULT_CONFIG,
    output: AsWhat = Output.TEXT,
    questions: Annotated[bool, typer.Option(help="Print every question.")] = False,
) -> None:
    """Validate the configuration and print the plan, without touching the network."""
    from sentinel.reports import forecast, net_forecast, page_plan
    from sentinel.settings import examine
    from sentinel.world import plan_of

    examined = examine(config, os.environ, datetime.now(UTC).date())
    if examined.settings is None:
        if output is Output.JSON:
            problems = [vars(problem) for problem in examined.problems]
            typer.echo(json.dumps({"valid": False, "problems": problems}, indent=2))
        _refuse(ConfigError(examined.problems))
    settings = examined.settings
    if settings.is_witness:
        _check_witness(settings, output)
    plan = plan_of(settings)
    seen = forecast.forecast(plan, settings.paging.promise.total_seconds())
    crossings, pages = _network_forecast(settings), _pages(settings)
    if output is Output.JSON:
        notes = [str(note) for note in examined.notes]
        rows = forecast.questions(plan).splitlines() if questions else []
        network = crossings.as_json() if crossings is not None else None
        whole = {"valid": True, "notes": notes, **seen.as_json(), "network": network, "listed": rows}
        whole["pages"] = [page.as_json() for page in pages]
        typer.echo(json.dumps(whole, indent=2))
    else:
        typer.echo(forecast.text(seen))
        typer.echo(forecast.roles(plan, settings.home, settings.isolation.release), nl=False)
        typer.echo(forecast.exceptions(plan, datetime.now(UTC).timestamp()), nl=False)
        if crossings is not None:
            typer.echo(net_forecast.text(crossings), nl=False)
        typer.echo(page_plan.text(pages), nl=False)
        if questions:
            typer.echo("\n" + forecast.questions(plan), nl=False)
        for note in examined.notes:
            typer.echo(f"note: {note}", err=True)
    kept = seen.kept and (crossings is None or crossings.kept)
    raise typer.Exit(0 if kept else BAD_CONFIG)


def _network_forecast(settings: "Settings") -> "NetForecast | None":
    """What is asked over the network, where anything is."""
    from sentinel.reports import net_forecast
    from sentinel.world import net_checks_of, net_terms_of

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


def _check_witness(settings: "Settings", output: Output) -> NoReturn:
    from sentinel.reports import page_plan, witness_plan
    from sentinel.subject import lanes_of

    promise = settings.paging.promise.total_seconds()
    seen = witness_plan.witness_plan(lanes_of(settings), promise, alone=settings.disclosure == "opaque")
    pages = _pages(settings)
    if output is Output.JSON:
        typer.echo(json.dumps({**seen.as_json(), "pages": [page.as_json() for page in pages]}, indent=2), nl=False)
    else:
        typer.echo(witness_plan.text(seen) + page_plan.text(pages), nl=False)
    raise typer.Exit(0 if seen.kept else BAD_CONFIG)


@app.command()
def once(
    name: Annotated[str, typer.Argument(help="Only this check, e.g. api/secrets, gateway/NAME or page/NAME.")] = "",
    config: Config = DEFAULT_CONFIG,
    output: AsWhat = Output.TEXT,
) -> None:
    """One round now: every question asked and judged."""
    from sentinel import logs
    from sentinel.core.api import resources
    from sentinel.core.net import crossing
    from sentinel.once import ask_everything
    from sentinel.reports import outcome

    checks = (*resources.CHECKS, *crossing.CHECKS)
    if name.startswith("gateway/"):
        _once_gateway(_load(config), name, output)
    if name.startswith("page/"):
        _once_page(_load(config), name, output)
    if name and name not in checks:
        typer.echo(f"check {name!r} is unknown, expected one of {', '.join(checks)}", err=True)
        raise typer.Exit(BAD_CONFIG)
    settings = _load(config)
    logs.configure("error", "console")
    if name in crossing.CHECKS:
        _once_network(settings, name, output)
    seen = _asyncio(ask_everything(settings, os.environ, name))
    typer.echo(json.dumps(seen.as_json(), indent=2) if output is Output.JSON else outcome.text(seen), nl=False)
    raise typer.Exit(seen.exit_code)


def _once_gateway(settings: "Settings", name: str, output: Output) -> NoReturn:
    from sentinel import logs, once_gateway
    from sentinel.reports import completion

    known = once_gateway.names(settings)
    if name not in known:
        typer.echo(
            f"{name!r} is unknown, expected one of {', '.join(known) or 'none: no gateways are configured'}", err=True
        )
        raise typer.Exit(BAD_CONFIG)
    logs.configure("error", "console")
    try:
        seen = _asyncio(once_gateway.ask(settings, name))
    except OwnFault as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(OWN_FAULT) from error
    typer.echo(json.dumps(seen.as_json(), indent=2) if output is Output.JSON else completion.text(seen), nl=False)
    raise typer.Exit(seen.exit_code)


def _once_page(settings: "Settings", name: str, output: Output) -> NoReturn:
    from sentinel import logs, once_page

    known = once_page.names(settings)
    if name not in known:
        typer.echo(
            f"{name!r} is unknown, expected one of {', '.join(known) or 'none: no gateway has a page'}", err=True
        )
        raise typer.Exit(BAD_CONFIG)
    logs.configure("error", "console")

    async def work() -> "once_page.Seen | OwnFault":
        try:
            return await once_page.look(settings, name)
        except OwnFault as error:
            return error

    seen = _asyncio(work())
    if isinstance(seen, OwnFault):
        typer.echo(str(seen), err=True)
        raise typer.Exit(OWN_FAULT)
    typer.echo(json.dumps(seen.as_json(), indent=2) if output is Output.JSON else once_page.text(seen), nl=False)
    raise typer.Exit(seen.exit_code)


def _once_network(settings: "Settings", name: str, output: Output) -> NoReturn:
    from sentinel import once_network

    async def work() -> "once_network.Seen | ClientError":
        try:
            return await once_network.ask(settings, name)
        except ClientError as error:
            return error

    seen = _asyncio(work())
    if isinstance(seen, ClientError):
        typer.echo(str(seen), err=True)
        raise typer.Exit(OWN_FAULT if isinstance(seen, OwnFault) else UNKNOWN)
    typer.echo(json.dumps(seen.as_json(), indent=2) if output is Output.JSON else once_network.text(seen), nl=False)
    raise typer.Exit(seen.exit_code)


@app.command()
def explain(
    verb: Annotated[str, typer.Argument(help="E.g. list; or reach, for the network.")] = "",
    what: Annotated[
        str,
        typer.Argument(help="RESOURCE[.GROUP][/NAME], e.g. secrets, deployments.apps/web; reach: tcp, udp, http."),
    ] = "",
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Without it: at cluster scope.")] = "",
    subresource: Annotated[str, typer.Option(help="E.g. exec or log.")] = "",
    user: Annotated[str, typer.Option(help="E.g. system:serviceaccount:team-a:sentinel.")] = "",
    group: Annotated[list[str], typer.Option(help="A group they are in, besides those everybody has.")] = [],  # noqa: B006
    tenant: Annotated[str, typer.Option(help="In place of --user, with --config.")] = "",
    identity: Annotated[str, typer.Option(help="Of that tenant: self, default, anonymous, group:NAME ...")] = "self",
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The configuration that names it.")] = None,
    from_alert: Annotated[str, typer.Option(help="URL or file: alerts of Alertmanager's API, or a webhook's.")] = "",
    audit_log: Annotated[str, typer.Option(help="The API server's audit log, - for standard input: was it used?")] = "",
    since: Annotated[str, typer.Option(help="The window: 2026-11-21T02:43:06Z, or 2h for two hours ago.")] = "",
    until: Annotated[str, typer.Option(help="Its end, in the same words.")] = "",
    ledger: Annotated[list[Path], typer.Option(help="A sentinel's journal: what was our own.")] = [],  # noqa: B006
    own: Annotated[list[str], typer.Option(help="A user that nobody but a sentinel is.")] = [],  # noqa: B006
    kubeconfig: Annotated[str | None, typer.Option(help="Yours; as kubectl finds it by default.")] = None,
    context: Annotated[str | None, typer.Option(help="Of that kubeconfig.")] = None,
    output: AsWhat = Output.TEXT,
) -> None:
    """Which binding or network policy lets an identity in, what closes it, whether it was used. Nothing is changed."""
    from sentinel import explain as joined
    from sentinel.core.api import spoken
    from sentinel.reports import explain as report
    from sentinel.settings import moment

    try:
        window = moment.parse(since, datetime.now(UTC)), moment.parse(until, datetime.now(UTC))
    except ValueError as error:
        typer.echo(f"--since, --until: {error}", err=True)
        raise typer.Exit(BAD_CONFIG) from None
    if bool(from_alert) is bool(verb and what) or not (from_alert or user or tenant or group):
        typer.echo("expected VERB RESOURCE with --user or --tenant, or --from-alert", err=True)
        raise typer.Exit(BAD_CONFIG)

    try:
        reached = spoken.crossings(identity, what, namespace) if verb == "reach" else ()
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(BAD_CONFIG) from None

    async def work() -> report.Report | ClientError:
        try:
            if from_alert:
                cases = await joined.cases_of_alerts(from_alert, config, user)
                cases = tuple(joined.between(case, *window) for case in cases)
            else:
                who = joined.who_in(config, tenant, identity) if tenant else spoken.who(user, tuple(group))
                cases = (joined.crossing_case(who.user or who.groups[0], who, reached),)
                if not reached:
                    asked = spoken.question(identity, verb, what, namespace or None, subresource)
                    cases = (joined.Case(who.user or who.groups[0], who, (asked,), *window),)
            log = joined.Log(audit_log, tuple(ledger), tuple(own)) if audit_log else None
            return await joined.explain(cases, await joined.way_in(kubeconfig, context, os.environ), log)
        except ClientError as error:
            return error

    seen = _asyncio(work())
    if isinstance(seen, ClientError):
        typer.echo(str(seen), err=True)
        raise typer.Exit(OWN_FAULT if isinstance(seen, OwnFault) else UNKNOWN)
    typer.echo(json.dumps(seen.as_json(), indent=2) if output is Output.JSON else report.text(seen), nl=False)
    raise typer.Exit(seen.exit_code)


@app.command()
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
        typer.echo(f"--alertmanager: {error}", err=True)
        raise typer.Exit(BAD_CONFIG) from None
    settings = _load(config)
    if settings.is_witness:
        _refuse(_wrong_kind(config, witness=False))
    logs.configure("error", "console")
    seen = _asyncio(Doctor(settings, os.environ, places).examine())
    typer.echo(json.dumps(seen.as_json(), indent=2) if output is Output.JSON else diagnosis.text(seen), nl=False)
    raise typer.Exit(seen.exit_code)


@app.command("verify-alerting")
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
    from sentinel.reports import page_time
    from sentinel.verify_alerting import Places, verify

    urls = [_place("--prometheus", prometheus, "http", "https")]
    urls += [_place("--alertmanager", url, "http", "https", "dns+http", "dns+https") for url in alertmanager or []]
    try:
        re.compile(pager)
    except re.error as error:
        typer.echo(f"--pager: found {pager!r}, expected a regular expression: {error}", err=True)
        raise typer.Exit(BAD_CONFIG) from None
    seconds, detection = _promised(config)
    if promise:
        seconds = _seconds(promise, "--promise")
    logs.configure("error", "console")
    wishes = Wishes(seconds, detection, _seconds(peer_timeout, "--peer-timeout"), pager)
    seen = _asyncio(verify(Places(urls[0], tuple(urls[1:])), wishes))
    said = json.dumps(page_time.as_json(seen), indent=2) + "\n" if output is Output.JSON else page_time.text(seen)
    typer.echo(said, nl=False)
    raise typer.Exit(page_time.exit_code(seen))


def _promised(config: Path | None) -> tuple[float, float | None]:
    """The promise, and how soon a hole is seen at worst; seconds."""
    from sentinel.core.api.plan import PAGE_SECONDS
    from sentinel.core.paging.inspection import Wishes
    from sentinel.world import plan_of

    if config is None:
        return Wishes().promise, None
    settings = _load(config)
    promise = settings.paging.promise.total_seconds()
    if settings.is_witness:
        return promise, None
    return promise, plan_of(settings).worst_page - PAGE_SECONDS


def _place(option: str, text: str, *schemes: str) -> str:
    from sentinel.settings.words import url

    try:
        return str(url(*schemes)(text))
    except ValueError as error:
        typer.echo(f"{option}: {error}", err=True)
        raise typer.Exit(BAD_CONFIG) from None


@app.command()
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
    length = _seconds(seconds)
    if failover_svg is not None and not failover_svg.parent.is_dir():
        typer.echo(f"--failover-svg: {failover_svg}: no such folder", err=True)
        raise typer.Exit(BAD_CONFIG)
    raise typer.Exit(_asyncio(show.demo(length, picture=failover_svg)))


@config_app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration."""
    from sentinel.settings.show import schema as json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@config_app.command("show")
def show_config(config: Config = DEFAULT_CONFIG) -> None:
    """Print the configuration in effect: defaults and overrides included."""
    from sentinel.settings.show import show

    typer.echo(show(_load(config)), nl=False)


@baseline_app.command()
def propose(
    config: Config = DEFAULT_CONFIG,
    length: Annotated[str, typer.Option("--for", help="Look for so long, e.g. 10m.")] = "",
    once: Annotated[bool, typer.Option("--once", help="One look (the default).")] = False,
) -> None:
    """Print, as YAML for isolation.allow, the exceptions that would make what is open silent."""
    from sentinel import logs
    from sentinel.core.verdict import State
    from sentinel.once import find_open
    from sentinel.reports import baseline

    if once and length:
        typer.echo("--once and --for exclude each other", err=True)
        raise typer.Exit(BAD_CONFIG)
    settings = _load(config)
    logs.configure("error", "console")
    found, seen = _asyncio(find_open(settings, os.environ, _seconds(length) if length else 0.0))
    typer.echo(baseline.propose(found, settings.isolation.system, datetime.now(UTC).date()), nl=False)
    blind = sum(record.verdict.state is State.INCONCLUSIVE for record in seen.records)
    if blind or seen.reasons:
        typer.echo(f"not all could be seen: {blind} questions inconclusive. {'; '.join(seen.reasons)}", err=True)
        raise typer.Exit(UNKNOWN)


@report_app.callback(invoke_without_command=True)
def report(
    context: typer.Context,
    journal: Journals = DEFAULT_JOURNALS,
    since: Annotated[str, typer.Option(help="2026-11-21T02:43:06Z, or 30d for thirty days ago.")] = "30d",
    until: Annotated[str, typer.Option(help="In the same words; now by default.")] = "",
    anchors: Heads = "",
    drill: Annotated[list[Path], typer.Option(help="What `drill run -o json` said. Repeatable.")] = [],  # noqa: B006
    cluster: Annotated[str, typer.Option(help="Whose name stands above it.")] = "",
    output: Annotated[Form, typer.Option("--output", "-o", help="markdown, html or json.")] = Form.MARKDOWN,
) -> None:
    """Evidence of a time, from journals alone: what was proven, what was not, breaches, failovers, gaps."""
    if context.invoked_subcommand is not None:
        return
    from sentinel import auditing
    from sentinel.reports import evidence
    from sentinel.settings import moment

    now = datetime.now(UTC)
    try:
        begin, end = moment.parse(since, now), moment.parse(until, now) or now.timestamp()
    except ValueError as error:
        typer.echo(f"--since, --until: {error}", err=True)
        raise typer.Exit(BAD_CONFIG) from None
    if begin is None or begin >= end:
        typer.echo("--since: expected a moment before --until", err=True)
        raise typer.Exit(BAD_CONFIG)
    with _given():
        seen = auditing.account(auditing.find(journal), begin, end, auditing.gather(anchors), cluster, drill)
    match output:
        case Form.JSON:
            typer.echo(json.dumps(evidence.as_json(seen), indent=2))
        case Form.MARKDOWN:
            typer.echo(evidence.markdown(seen), nl=False)
        case Form.HTML:
            from sentinel.web import evidence as page

            typer.echo(page.page(seen), nl=False)
    raise typer.Exit(seen.exit_code)


@report_app.command()
def verify(journal: Journals = DEFAULT_JOURNALS, anchors: Heads = "", output: AsWhat = Output.TEXT) -> None:
    """Whether journals are what was written: recomputes the chain, against heads told elsewhere."""
    from sentinel import auditing
    from sentinel.reports import verification

    with _given():
        told = auditing.gather(anchors)
        seen = verification.verification(auditing.verify(auditing.find(journal), told), told)
    typer.echo(json.dumps(seen.as_json(), indent=2) if output is Output.JSON else verification.text(seen), nl=False)
    raise typer.Exit(seen.exit_code)


@contextlib.contextmanager
def _given() -> "Iterator[None]":
    """What was given cannot be read."""
    try:
        yield
    except OwnFault as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(BAD_CONFIG) from error


def main() -> None:
    """The entry point of `sentinel` and `kubectl-sentinel`."""
    try:
        app()
    except SentinelError as error:
        typer.echo(str(error), err=True)
        sys.exit(OWN_FAULT)


def _seconds(text: str, option: str = "--for") -> float:
    from sentinel.settings.duration import parse

    try:
        return parse(text).total_seconds()
    except ValueError:
        typer.echo(f"{option}: found {text!r}, expected a duration such as 60s", err=True)
        raise typer.Exit(BAD_CONFIG) from None


def _wrong_kind(config: Path, *, witness: bool) -> ConfigError:
    """The file of a witness has a relay, that of a tenant's sentinel has none."""
    if witness:
        hint = "a tenant's sentinel is started with `sentinel run`"
        return ConfigError([Problem(str(config), 0, "relay", "nothing", "the relay of a witness", hint)])
    hint = "the witness is started with `sentinel witness`"
    return ConfigError([Problem(str(config), 0, "relay", "a relay", "none in the file of a tenant's sentinel", hint)])
