"""`sentinel drill …`: break what is broken on purpose, see whether the promise holds, heal it.

Exit codes: 0 passed, 1 failed, 2 usage or configuration, 3 inconclusive or aborted, 4 our own fault, and
then the wound may still be there.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sentinel.commands.common import (
    DEFAULT_CONFIG,
    OWN_FAULT,
    UNKNOWN,
    AsWhat,
    Config,
    Output,
    ask,
    load,
    print_json,
    refuse,
    run_async,
    seconds,
    wrong,
)
from sentinel.errors import ClientError, ConfigError, Problem

if TYPE_CHECKING:
    from sentinel.core.drill.figures import Answers, Stage
    from sentinel.core.drill.progress import Progress
    from sentinel.core.drill.result import Result
    from sentinel.settings import Address
    from sentinel.tools.drilling import Prepared
    from sentinel.tools.telling import Where

app = typer.Typer(help="Break something on purpose, and see whether the promise holds.", no_args_is_help=True)

What = Annotated[str, typer.Argument(metavar="FILE|NAME", help="A file, or the name of a shipped drill.")]
Which = Annotated[str, typer.Option("--variant", help="kill 5xx 429 timeout slow truncated; else the file's first.")]
Folder = Annotated[
    Path | None,
    typer.Option("--receipts", envvar="SENTINEL_RECEIPTS", help="The folder of receipts, which must outlive us."),
]
Listen = Annotated[str, typer.Option(envvar="SENTINEL_DRILL_METRICS", help="Serve /metrics there: 127.0.0.1:9464.")]
Linger = Annotated[
    str, typer.Option(envvar="SENTINEL_DRILL_LINGER", help="How much longer they are served: three scrapes.")
]
TextFile = Annotated[
    Path | None,
    typer.Option(envvar="SENTINEL_DRILL_TEXTFILE", help="Write them here, too: a .prom file for a node exporter."),
]
JournalPath = Annotated[
    Path | None,
    typer.Option(envvar="SENTINEL_DRILL_JOURNAL", help="Add the result to this journal: a file, or its folder."),
]


@app.command("list")
def list_drills(output: AsWhat = Output.TEXT) -> None:
    """The drills there are by name, with their variants."""
    from sentinel.tools import drilling

    try:
        found = drilling.listed(os.environ)
    except ConfigError as error:
        refuse(error)
    rows = [
        {
            "name": drill.name,
            "variants": [*drill.fault.variants.faults()],
            "hypothesis": drill.hypothesis,
            "file": str(p),
        }
        for p, drill in found.items()
    ]
    if output is Output.JSON:
        print_json(rows)
        return
    for row in rows:
        typer.echo(f"{row['name']}  ({', '.join(row['variants'])})\n  {row['hypothesis']}\n  {row['file']}")


@app.command()
def plan(
    what: What,
    variant: Which = "",
    config: Config = DEFAULT_CONFIG,
    receipts: Folder = None,
    output: AsWhat = Output.TEXT,
) -> None:
    """What a run would break, for how long, and how it is undone. Nothing is touched, and nobody is asked."""
    from sentinel.reports import drill as report
    from sentinel.tools import drilling

    planned = drilling.plan(_prepared(what, variant, config), receipts or drilling.usual_receipts(os.environ))
    print_json(planned.as_json()) if output is Output.JSON else typer.echo(report.planned_text(planned), nl=False)


@app.command()
def run(
    what: What,
    variant: Which = "",
    config: Config = DEFAULT_CONFIG,
    receipts: Folder = None,
    output: AsWhat = Output.TEXT,
    metrics: Listen = "",
    linger: Linger = "30s",
    textfile: TextFile = None,
    journal: JournalPath = None,
) -> None:
    """Run it: wait until all is well, break it, watch, heal it, and judge."""
    from sentinel import logs
    from sentinel.reports import drill as report
    from sentinel.tools import drilling

    prepared = _prepared(what, variant, config)
    where = _where(metrics, linger, textfile, journal)
    logs.configure("error", "console")

    def turned(progress: "Progress") -> None:
        typer.echo(report.turn(progress.phase, progress.since - progress.began), err=True)

    def over(seen: "Result") -> None:
        print_json(report.as_json(seen)) if output is Output.JSON else typer.echo(report.text(seen), nl=False)

    folder = receipts or drilling.usual_receipts(os.environ)
    seen = ask(drilling.run(prepared, folder, turned, over, where), OWN_FAULT)
    raise typer.Exit(seen.exit_code)


@app.command()
def undo(
    receipt: Annotated[Path, typer.Argument(help="What a drill wrote before it broke anything.")],
    metrics: Listen = "",
    linger: Linger = "30s",
    textfile: TextFile = None,
) -> None:
    """Heal what a receipt says was broken, and tell. It may be done again, and heals nothing then."""
    from sentinel.tools import drilling

    where = _where(metrics, linger, textfile, None)

    async def work() -> str:
        try:
            return await drilling.undo(receipt, where, lambda: typer.echo("healed"))
        except ClientError as error:
            return str(error)

    why = run_async(work())
    if why:
        typer.echo(f"not healed: {why}", err=True)
        raise typer.Exit(OWN_FAULT)


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(help="What `drill run -o json` said.")],
    after: Annotated[Path, typer.Argument(help="The same of another run.")],
    latency: Annotated[str, typer.Option(help="What latencies may differ by.")] = "500ms",
    percent: Annotated[float, typer.Option(help="What shares may differ by, in points.")] = 5.0,
    output: AsWhat = Output.TEXT,
) -> None:
    """Two results beside each other, stage by stage: 0 as good as the same, 1 not, 3 not everything is known."""
    from sentinel.core.drill import figures
    from sentinel.reports import drill as report

    tolerance = figures.Tolerance(seconds(latency, "--latency"), percent)
    found = figures.compared(_figures(before), _figures(after), tolerance)
    alike = figures.alike(change for changes in found.values() for change in changes.values())
    rows = {stage.value: figures.as_json(changes) for stage, changes in found.items()}
    print_json(rows) if output is Output.JSON else typer.echo(report.compared_text(found), nl=False)
    raise typer.Exit({True: 0, False: 1, None: UNKNOWN}[alike])


@app.command()
def proxy(
    upstream: Annotated[str, typer.Option(help="The provider, e.g. https://api.openai.com.")],
    listen: Annotated[str, typer.Option(help="Where the gateway asks in its place.")] = "127.0.0.1:7463",
    control: Annotated[str, typer.Option(help="Where drills say what is to break.")] = "127.0.0.1:7464",
    token: Annotated[Path | None, typer.Option(help="A file: what control asks for, if not on loopback.")] = None,
    ca: Annotated[Path | None, typer.Option(help="A file: whom to trust at the provider.")] = None,
) -> None:
    """Stand between a gateway and a provider, pass everything on untouched, and break it when a drill says so."""
    from sentinel.tools import drilling

    where = _address("--listen", listen), _address("--control", control)

    ask(drilling.proxy(upstream, *where, token=token, ca=ca, told=typer.echo))


def _prepared(what: str, variant: str, config: Path) -> "Prepared":
    from sentinel.tools import drilling

    settings = load(config)
    try:
        return drilling.prepare(drilling.find(what, os.environ), settings, variant)
    except ConfigError as error:
        refuse(error)


def _figures(file: Path) -> "dict[Stage, Answers]":
    from sentinel.core.drill import figures

    try:
        return figures.read(json.loads(file.read_bytes()))
    except OSError as error:
        wrong(f"{file}: {error.strerror or type(error).__name__}")
    except (ValueError, AttributeError) as error:
        wrong(f"{file}: expected what `sentinel drill run -o json` says: {error}")


def _where(metrics: str, linger: str, textfile: Path | None, journal: Path | None) -> "Where":
    from sentinel.tools.telling import Where

    if textfile is not None and textfile.suffix != ".prom":
        wrong(f"--textfile: {textfile}: expected a name that ends in .prom, or no node exporter reads it")
    listen = _address("--metrics", metrics) if metrics else None
    return Where(listen, seconds(linger, "--linger"), textfile, journal)


def _address(name: str, text: str) -> "Address":
    from pydantic import TypeAdapter, ValidationError

    from sentinel.settings.words import Listen

    try:
        return TypeAdapter(Listen).validate_python(text)
    except ValidationError:
        refuse(ConfigError([Problem(name, 0, "", text, 'an address and a port such as "127.0.0.1:7463"')]))
