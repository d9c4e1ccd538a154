"""A planned wound, and the receipt that heals it: written down before anything is broken.

A receipt names all that is needed to undo the wound (where, whose, what was there before), so that
it is enough by itself: no configuration and no file of a drill is read to heal.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Variant(StrEnum):
    """The ways in which a provider dies; a closed set."""

    KILL = "kill"  # its connections break at once
    ERROR = "5xx"  # it answers with an error
    LIMITED = "429"  # it says that it is asked too much, and when to come back
    TIMEOUT = "timeout"  # it takes the request, and nothing more comes
    SLOW = "slow"  # it answers, late
    TRUNCATED = "truncated"  # it answers, and the answer breaks off


@dataclass(frozen=True, slots=True)
class Fault:
    """One variant with its parameters; the others' mean nothing to it. Seconds, unless the name says otherwise."""

    variant: Variant
    status: int = 503
    retry_after: float = 7.0
    latency: float = 10.0
    kilobytes_per_second: int | None = None
    after_bytes: int = 600

    def as_json(self) -> dict[str, Any]:
        """For programs, and for receipts."""
        return asdict(self) | {"variant": self.variant.value}

    @classmethod
    def of_json(cls, doc: Mapping[str, Any]) -> "Fault":
        """The same again. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(**{**doc, "variant": Variant(doc["variant"])})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fault is put: which injector, at which address, and there at what."""

    injector: str
    at: str
    target: str = ""
    token_file: str = ""  # the file, never what is in it


@dataclass(frozen=True, slots=True)
class Receipt:
    """The undo of one wound. `before`: what the injector found there, in its own words."""

    run: str
    drill: str
    gateway: str
    place: Place
    fault: Fault
    seconds: float  # after which the wound ends by itself, where the injector can do that
    written: float  # wall clock
    before: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The file's content."""
        return asdict(self) | {"fault": self.fault.as_json(), "before": dict(self.before)}

    @classmethod
    def of_json(cls, doc: Mapping[str, Any]) -> "Receipt":
        """The same again. Raises KeyError, TypeError or ValueError for what is no receipt."""
        return cls(**{**doc, "place": Place(**doc["place"]), "fault": Fault.of_json(doc["fault"])})


@dataclass(frozen=True, slots=True)
class Status:
    """What an injector read back about one wound. Neither, when part of it is there."""

    injected: bool  # all of it is there
    reverted: bool  # none of it is there, and what was there before is there again
    bitten: int | None = None  # requests that met it; None where nobody counts


@dataclass(frozen=True, slots=True)
class Steps:
    """What would be done, in sentences for people: a dry run prints them."""

    wound: tuple[str, ...]
    undo: tuple[str, ...]
    last_resort: str  # what heals when nobody undoes it
