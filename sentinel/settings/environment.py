"""Overrides from the environment: `SENTINEL__ISOLATION__EVERY=5s` stands for `isolation.every: 5s`.

pydantic-settings knows which key a name means, whatever its case. It is asked one variable at a
time: what it has merged has forgotten which variable it came from, and an override that is wrong is
to be reported like a wrong line. So each value is laid over the tree of the file together with its
place, the variable's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_origin

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from sentinel.errors import Problem
from sentinel.settings import shape, tree
from sentinel.settings.model import Settings
from sentinel.settings.tree import Path, Tree

PREFIX = "SENTINEL__"
"""Two underscores, between the names of keys too; upper and lower case are the same."""


class _Environment(BaseSettings):
    """What variables can mean. It is only read, never made, so it is never compiled either."""

    model_config = SettingsConfigDict(env_nested_delimiter="__", defer_build=True)

    sentinel: Settings


class _Variable(EnvSettingsSource):
    """One variable; called, it gives the keys of its name around its value, which is a `Tree`."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(_Environment)
        self._name = tree.shown(name, 120)
        self.env_vars = {name.lower(): text or "null"}

    def next_field(self, field: Any, key: str, case_sensitive: bool | None = None) -> FieldInfo | None:  # noqa: FBT001
        """Find the field of a mapping; there is none in a list, which is given whole."""
        annotation = field.annotation if isinstance(field, FieldInfo) else field
        return None if get_origin(annotation) is tuple else super().next_field(field, key, case_sensitive)

    def field_is_complex(self, field: FieldInfo) -> bool:  # noqa: ARG002
        """Have every value decoded: plain text has a place as well."""
        return True

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: str) -> Tree:  # noqa: ARG002
        """Read a value like one in the file, but where text belongs it needs no quotes."""
        read = tree.text if shape.is_text(field) and value != "null" else tree.read
        return read(value, self._name)


def overlay(base: Tree, environ: Mapping[str, str]) -> None:
    """Lay the overrides of this environment over the tree, in the order of their names."""
    for variable in sorted(environ):
        if variable.lower().startswith(PREFIX.lower()):
            _lay(base, variable, environ[variable])


def _lay(base: Tree, variable: str, text: str) -> None:
    path: Path = ()
    value: Any = _Variable(variable, text)()["sentinel"]
    while isinstance(value, dict):
        [(key, value)] = value.items()
        path = (*path, key)
    if not isinstance(value, Tree):
        base.problems.append(_unknown(tree.shown(variable, 120), path))
    elif value.problems:
        base.problems += [_moved(problem, path) for problem in value.problems]
        base.broken.add(path)
    else:
        _put(base, path, value)


def _unknown(variable: str, path: Path) -> Problem:
    key = tree.shown(".".join(map(str, path)).lower())
    hint = "lists are given whole: SENTINEL__ISOLATION__SYSTEM='[kube-system, infra]'"
    return Problem(variable, 0, key, "a key that does not exist", "the names of keys joined by __", hint)


def _moved(problem: Problem, path: Path) -> Problem:
    inner = f".{problem.key}" if problem.key and not problem.key.startswith("[") else problem.key
    return Problem(problem.file, 0, tree.dotted(path) + inner, problem.found, problem.expected, problem.hint)


def _put(base: Tree, path: Path, value: Tree) -> None:
    where: Any = base.value
    for part in path[:-1]:
        if not isinstance(where, dict):
            return
        if where.get(str(part)) is None:
            where[str(part)] = {}
        where = where[str(part)]
    if isinstance(where, dict):
        where[str(path[-1])] = value.value
        base.places = {old: place for old, place in base.places.items() if old[: len(path)] != path}
        under = {(*path, *inner): tree.Place(value.file, 0, place.found) for inner, place in value.places.items()}
        base.places |= under
