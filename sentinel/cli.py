"""The commands there are. `commands/` has what each parses, calls and prints: results to stdout, all else to stderr.

Exit codes: 0 held, 1 breached, 2 usage or configuration, 3 inconclusive, 4 our own fault.
"""

import sys
from typing import Annotated

import typer

from sentinel import __version__
from sentinel.commands import baseline, config, daemons, demo, drill, notify, report
from sentinel.commands.check import check
from sentinel.commands.common import OWN_FAULT
from sentinel.commands.doctor import doctor
from sentinel.commands.explain import explain
from sentinel.commands.once import once
from sentinel.commands.verify_alerting import verify_alerting
from sentinel.errors import SentinelError

app = typer.Typer(
    help="Proves, day and night and from inside, that no tenant reads another's things.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    daemons.run,
    daemons.witness,
    daemons.beacon,
    daemons.visit,
    check,
    once,
    explain,
    doctor,
    verify_alerting,
    demo.demo,
):
    app.command()(command)
app.add_typer(config.app, name="config")
app.add_typer(baseline.app, name="baseline")
app.add_typer(report.app, name="report")
app.add_typer(drill.app, name="drill")
app.add_typer(notify.app, name="notify")


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


def main() -> None:
    """The entry point of `sentinel` and `kubectl-sentinel`."""
    try:
        app()
    except SentinelError as error:
        typer.echo(str(error), err=True)
        sys.exit(OWN_FAULT)
