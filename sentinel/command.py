"""What all commands share: exit codes, options, and how an error of each kind ends a process."""

import asyncio
import os
import traceback
from collections.abc import Callable, Coroutine
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from sentinel.errors import ConfigError

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


def _loop_factory() -> "Callable[[], asyncio.AbstractEventLoop] | None":
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop
