"""Further checks, one mapping each. No kind can be configured yet, and a check that would never run is an error."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from sentinel.settings.duration import Duration
from sentinel.settings.section import Section, wrong
from sentinel.settings.words import Name, one_of

KINDS: tuple[str, ...] = ()
"""The kinds of probe that can be configured here."""


def _known(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong("a mapping such as {kind: http, ...}")
    if value.get("kind") not in KINDS:
        raise wrong("a kind of probe that this version can be given", f"there are {len(KINDS) or 'none'} yet")
    return value


class FurtherCheck(Section):
    """A promise besides isolation and the gateways."""

    name: Name
    """The value of the label `check`."""

    probe: Annotated[dict[str, Any], BeforeValidator(_known)]
    """The kind, and its options."""

    expect: Annotated[Literal["served", "denied"], BeforeValidator(one_of("served", "denied"))]
    """What should come back. No default: half of all checks would mean the opposite."""

    every: Duration = timedelta(seconds=30)
    """The usual interval of a scrape: more often would not be seen."""
