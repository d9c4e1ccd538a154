"""What all commands share: exit codes, options, and how an error of each kind ends a process."""

import asyncio
import json
import os
import traceback
from collections.abc import Callable, Coroutine
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, Protocol, TypeVar

import typer

from sentinel.errors import ClientError, ConfigError, OwnFault, Problem

if TYPE_CHECKING:
    from sentinel.settings import Settings

T = TypeVar("T")

DEFAULT_CONFIG = Path("/etc/sentinel/sentinel.yaml")
BAD_CONFIG = 2
UNKNOWN = 3
OWN_FAULT = 4


class Output(StrEnum):
    """For people or for programs."""

    TEXT = "text"
    JSON = "json"


class Judged(Protocol):
    """What most commands end with."""

    @property
    def exit_code(self) -> int:
        """What the process ends with."""

    def as_json(self) -> object:
        """The same for programs."""


Config = Annotated[Path, typer.Option("--config", "-c", envvar="SENTINEL_CONFIG", help="The configuration file.")]
AsWhat = Annotated[Output, typer.Option("--output", "-o", help="text for people, json for programs.")]


def load(config: Path) -> "Settings":
    """The settings of this file; a wrong one ends the process with everything that is wrong with it."""
    from sentinel import settings

    try:
        return settings.load(config, os.environ)
    except ConfigError as error:
        refuse(error)


def refuse(error: ConfigError) -> NoReturn:
    """Say all that is wrong, and end with 2."""
    typer.echo(str(error), err=True)
    count = len(error.problems)
    typer.echo(f"{count} problem{'s' if count != 1 else ''} in the configuration", err=True)
    raise typer.Exit(BAD_CONFIG)


def run_async(work: "Coroutine[None, None, T]") -> "T":
    """Run to the end, on uvloop where it is installed; configuration errors keep their exit code."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(work)
    except* ConfigError as group:
        first = next(error for error in group.exceptions if isinstance(error, ConfigError))
        refuse(first)
    except* Exception as group:
        traceback.print_exception(group)
        raise typer.Exit(OWN_FAULT) from group


def ask(work: "Coroutine[None, None, T]", otherwise: int = UNKNOWN) -> "T":
    """Run to the end; where nobody answered, say so and end with `otherwise`, or 4 if it was our own fault."""

    async def answered() -> "T | ClientError":
        try:
            return await work
        except ClientError as error:
            return error

    seen = run_async(answered())
    if isinstance(seen, ClientError):
        typer.echo(str(seen), err=True)
        raise typer.Exit(OWN_FAULT if isinstance(seen, OwnFault) else otherwise)
    return seen


def end(seen: Judged, text: str, output: Output) -> NoReturn:
    """Print it in the form asked for, and end with its exit code."""
    print_json(seen.as_json()) if output is Output.JSON else typer.echo(text, nl=False)
    raise typer.Exit(seen.exit_code)


def print_json(value: object) -> None:
    """Print for programs."""
    typer.echo(json.dumps(value, indent=2))


def wrong(message: str) -> NoReturn:
    """Say what is wrong with the command line, and end with 2."""
    typer.echo(message, err=True)
    raise typer.Exit(BAD_CONFIG)


def place(option: str, text: str, *schemes: str) -> str:
    """The URL given for this option; a wrong one ends with 2."""
    from sentinel.settings.words import url

    try:
        return str(url(*schemes)(text))
    except ValueError as error:
        wrong(f"{option}: {error}")


def seconds(text: str, option: str = "--for") -> float:
    """Seconds of a duration given on the command line."""
    from sentinel.settings.duration import parse

    try:
        return parse(text).total_seconds()
    except ValueError:
        wrong(f"{option}: found {text!r}, expected a duration such as 60s")


def load_tenants(config: Path) -> "Settings":
    """The settings of a tenant's sentinel; a witness's file ends the process."""
    settings = load(config)
    if settings.is_witness:
        hint, wanted = "the witness is started with `sentinel witness`", "none in the file of a tenant's sentinel"
        refuse(ConfigError([Problem(str(config), 0, "relay", "a relay", wanted, hint)]))
    return settings


def load_witness(config: Path) -> "Settings":
    """The settings of the witness; a tenant's file ends the process."""
    settings = load(config)
    if not settings.is_witness:
        hint = "a tenant's sentinel is started with `sentinel run`"
        refuse(ConfigError([Problem(str(config), 0, "relay", "nothing", "the relay of a witness", hint)]))
    return settings


def _loop_factory() -> "Callable[[], asyncio.AbstractEventLoop] | None":
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop
