"""What pydantic says about a value, in our words and with its place in the file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sentinel.errors import Problem
from sentinel.settings import shape
from sentinel.settings.model import Settings
from sentinel.settings.tree import Path, Tree, cut

_EXPECTED = {
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "string_type": "text",
    "too_short": "at least one",
}
"""The few kinds of error that our own types leave to pydantic."""


def errors_in(value: object, whole: type[BaseModel] = Settings) -> list[ErrorDetails]:
    """Give what the models refuse in these values, each slip once."""
    try:
        whole.model_validate(value)
    except ValidationError as error:
        return _first_causes(error.errors(include_url=False, include_input=False))
    return []


def _first_causes(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out a list that is too short only because its items were refused."""
    inside = {path_of(error)[:length] for error in errors for length in range(len(path_of(error)))}
    return [error for error in errors if error["type"] != "too_short" or path_of(error) not in inside]


def path_of(error: ErrorDetails) -> Path:
    """Give the path of the value an error is about: its location without the tags of unions."""
    return tuple(part for part in error["loc"] if not (isinstance(part, str) and part in ("<word>", "<file>")))


def problem(error: ErrorDetails, tree: Tree, whole: type[BaseModel] = Settings) -> Problem:
    """Say one error of pydantic as a problem."""
    path = path_of(error)
    if error["type"] == "extra_forbidden":
        return _unknown_key(path, tree, whole)
    context: Mapping[str, Any] = error.get("ctx", {})
    if error["type"] == "missing":
        return tree.problem(path, "a value", "it has no default")
    expected = context.get("expected") or _EXPECTED.get(error["type"]) or cut(error["msg"], 100)
    return tree.problem(path, str(expected), str(context.get("hint", "")))


def _unknown_key(path: Path, tree: Tree, whole: type[BaseModel]) -> Problem:
    model = shape.model_at(path[:-1], whole)
    known = list(shape.keys(model)) if model else []
    near = difflib.get_close_matches(str(path[-1])[:60], known, n=1)
    hint = f"did you mean {near[0]}?" if near else ""
    return tree.problem(path, f"one of {', '.join(known)}", hint, found="an unknown key")
