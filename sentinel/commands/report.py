"""`sentinel report`: evidence from journals; `report verify`: whether they are what was written."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sentinel.commands.common import AsWhat, Output, end, print_json, wrong
from sentinel.errors import OwnFault

app = typer.Typer(help="Evidence from the journal, and whether the journal is what was written.")

DEFAULT_JOURNALS = [Path("/var/lib/sentinel")]
Journals = Annotated[
    list[Path],
    typer.Option("--journal", help="A folder of journals, or a file. Repeatable."),
]
Heads = Annotated[
    str, typer.Option("--anchors", help="A file, or - for standard input: log lines journal.head, or what was posted.")
]


class Form(StrEnum):
    """How evidence is written."""

    MARKDOWN = "markdown"
    HTML = "html"
    JSON = "json"


@app.callback(invoke_without_command=True)
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
    from sentinel.reports import evidence
    from sentinel.settings import moment
    from sentinel.tools import auditing

    now = datetime.now(UTC)
    try:
        begin, end = moment.parse(since, now), moment.parse(until, now) or now.timestamp()
    except ValueError as error:
        wrong(f"--since, --until: {error}")
    if begin is None or begin >= end:
        wrong("--since: expected a moment before --until")
    with _given():
        seen = auditing.account(auditing.find(journal), begin, end, auditing.gather(anchors), cluster, drill)
    match output:
        case Form.JSON:
            print_json(evidence.as_json(seen))
        case Form.MARKDOWN:
            typer.echo(evidence.markdown(seen), nl=False)
        case Form.HTML:
            from sentinel.web import evidence as page

            typer.echo(page.page(seen), nl=False)
    raise typer.Exit(seen.exit_code)


@app.command()
def verify(journal: Journals = DEFAULT_JOURNALS, anchors: Heads = "", output: AsWhat = Output.TEXT) -> None:
    """Whether journals are what was written: recomputes the chain, against heads told elsewhere."""
    from sentinel.reports import verification
    from sentinel.tools import auditing

    with _given():
        told = auditing.gather(anchors)
        seen = verification.verification(auditing.verify(auditing.find(journal), told), told)
    end(seen, verification.text(seen), output)


@contextlib.contextmanager
def _given() -> Iterator[None]:
    """What was given cannot be read."""
    try:
        yield
    except OwnFault as error:
        wrong(str(error))
