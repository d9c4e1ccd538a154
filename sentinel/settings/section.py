"""What every theme of the configuration has in common: it is frozen, and it knows all its keys."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """One mapping of the configuration file; a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)


def wrong(expected: str, hint: str = "") -> PydanticCustomError:
    """Give the error to raise from a validator: what should have stood there, and what to do."""
    context = {"expected": expected, "hint": hint}
    return PydanticCustomError("sentinel", "expected {expected}", context)
