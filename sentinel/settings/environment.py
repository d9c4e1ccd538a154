"""Overrides from the environment: `SENTINEL__ISOLATION__EVERY=5s` stands for `isolation.every: 5s`.

They are laid over the tree of the file, value by value with the variable's name as its place, so
that an override that is wrong is reported like a wrong line. (pydantic-settings reads the same
names, but after merging nobody knows any more which variable a value came from.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sentinel.errors import Problem
from sentinel.settings import shape, tree
from sentinel.settings.tree import Path, Tree

PREFIX = "SENTINEL__"
"""Two underscores, between the names of keys too; upper and lower case are the same."""


def overlay(base: Tree, environ: Mapping[str, str]) -> None:
    """Lay the overrides of this environment over the tree, in the order of their names."""
    for variable in sorted(environ):
        if variable.upper().startswith(PREFIX):
            _lay(base, variable, environ[variable])


def _lay(base: Tree, variable: str, text: str) -> None:
    names = variable[len(PREFIX) :].split("__")
    said = tree.shown(variable, 120)
    path = shape.path_of(names)
    if path is None:
        base.problems.append(_unknown(said, names))
        return
    value = _value(said, text, path)
    base.problems += value.problems
    if value.problems:
        base.broken.add(path)
    else:
        _put(base, path, value)


def _unknown(variable: str, names: list[str]) -> Problem:
    key = ".".join(name.lower() for name in names)
    hint = "lists are given whole: SENTINEL__ISOLATION__SYSTEM='[kube-system, infra]'"
    return Problem(variable, 0, tree.shown(key), "a key that does not exist", "the names of keys joined by __", hint)


def _value(variable: str, text: str, path: Path) -> Tree:
    as_text = shape.is_text(path) and text not in ("", "null")
    read = tree.text(text, variable) if as_text else tree.read(text, variable)
    under = {(*path, *inner): tree.Place(variable, 0, place.found) for inner, place in read.places.items()}
    problems = [_moved(problem, path) for problem in read.problems]
    return Tree(variable, read.value, under, problems)


def _moved(problem: Problem, path: Path) -> Problem:
    inner = f".{problem.key}" if problem.key and not problem.key.startswith("[") else problem.key
    return Problem(problem.file, 0, tree.dotted(path) + inner, problem.found, problem.expected, problem.hint)


def _put(base: Tree, path: Path, value: Tree) -> None:
    if base.value is None:
        base.value = {}
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
        base.places |= value.places
