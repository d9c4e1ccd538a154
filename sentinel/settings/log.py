"""What we say on standard error."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from sentinel.settings.section import Section
from sentinel.settings.words import one_of

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console"]


class Log(Section):
    """One line per change, so that a quiet day is a quiet log."""

    level: Annotated[Level, BeforeValidator(one_of("debug", "info", "warning", "error"))] = "info"
    """Changes and breaches. `debug` adds every attempt: 35 lines a second for ten tenants."""

    format: Annotated[Format, BeforeValidator(one_of("json", "console"))] = "json"
    """Programs read it first in a cluster; `console` is for people."""
