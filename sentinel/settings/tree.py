"""YAML text as plain values, together with the place at which each of them stands.

Everything that a reader of YAML can stumble over is a problem here, not an exception: a tab, a key
written twice, an alias, a tag, a second document. Aliases are refused because ten lines of them
unfold into gigabytes; depth and size are bounded for the same reason.

    text --compose--> nodes with line numbers --plain--> values + places
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from sentinel.errors import Problem

Path = tuple[str | int, ...]
"""The way from the top of the file to a value: `("tenants", 1, "name")`."""

DEEPEST = 32
"""Levels of nesting; the deepest of ours is 7."""

MOST = 20_000
"""Values and keys: enough for a thousand tenants, and measured at 0.3 s and 16 MiB to read."""

_SECRET_KEYS = ("key", "token", "password", "secret", "authorization")
_SECRET_TEXT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}|[Bb]earer\s+\S|-----BEGIN ")
_USER_IN_URL = re.compile(r"//[^/\s]*@")
_TOKEN_WORD = re.compile(r"[a-z]{0,8}")
"""A slip like `onw` is shown; what is longer, or has digits, may be the token itself."""


@dataclass(frozen=True)
class Place:
    """Where a value was written, and how."""

    file: str
    line: int
    found: str
    """What stands there, fit to be shown."""


@dataclass
class Tree:
    """A configuration text, read: the values, their places, and what was wrong with the YAML."""

    file: str
    value: Any = None
    places: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    broken: set[Path] = field(default_factory=set)
    """The paths of these problems: nothing more is to be said about their values."""

    def place(self, path: Path) -> Place:
        """Give the place of the value at this path, or of the nearest thing around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                around = self.places[path[:length]]
                return around if length == len(path) else Place(around.file, around.line, "nothing")
        return Place(self.file, 0, "nothing")

    def problem(self, path: Path, expected: str, hint: str = "", found: str | None = None) -> Problem:
        """Say what is wrong with the value at this path."""
        place = self.place(path)
        return Problem(place.file, place.line, dotted(path), found or place.found, expected, hint)

    def refuse(self, path: Path, expected: str, hint: str = "", found: str | None = None) -> None:
        """Note that the value at this path makes no sense, whatever it is meant for."""
        self.problems.append(self.problem(path, expected, hint, found))
        self.broken.add(path)

    def is_broken(self, path: Path) -> bool:
        """Say whether it was said already why the value at this path, or one around it, makes no sense."""
        return any(path[:length] in self.broken for length in range(1, len(path) + 1))


def dotted(path: Path) -> str:
    """Write a path as people do: `tenants[1].namespaces[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in path)
    return text.removeprefix(".")


def shown(text: str, size: int = 60) -> str:
    """Give a name or a message from outside as it may be shown: cut, and nothing that may be a secret."""
    return "(not shown)" if is_secret(text) else cut(text, size)


def cut(text: str, size: int = 60) -> str:
    """Make text from outside fit for one line of a terminal: no control characters, no end of it."""
    clean = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text[:size])
    return f"{clean}..." if len(text) > size else clean


def is_secret(text: str) -> bool:
    """Say whether this text looks like a token, a key or a password."""
    return _SECRET_TEXT.search(text) is not None


def read(text: str, file: str) -> Tree:
    """Read YAML; whatever is wrong with it is in the tree's problems."""
    tree = Tree(file)
    try:
        node = _Loader(text).get_single_node()
    except yaml.YAMLError as error:
        tree.problems.append(_syntax(error, file))
    except _TooMuch as error:
        tree.problems.append(Problem(file, error.line, "", error.found, "a configuration"))
    else:
        tree.value = None if node is None else _plain(node, (), tree)
    return tree


def text(value: str, file: str) -> Tree:
    """Take a value as text, whatever YAML would make of it."""
    tree = Tree(file)
    nowhere = yaml.Mark(file, 0, 0, 0, None, 0)
    tree.value = _plain(yaml.ScalarNode("tag:yaml.org,2002:str", value, nowhere, nowhere), (), tree)
    return tree


class _TooMuch(Exception):
    def __init__(self, line: int, found: str) -> None:
        self.line = line
        self.found = found


class _Loader(yaml.SafeLoader):
    """Composes nodes, but within bounds, and leaves a mark where an alias stood."""

    depth = 0
    count = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        self.count += 1
        if isinstance(event, yaml.AliasEvent) and self.count <= MOST:
            self.get_event()  # type: ignore[no-untyped-call]
            return yaml.ScalarNode("!alias", f"*{event.anchor}", event.start_mark, event.end_mark)  # type: ignore[arg-type]
        self.depth += 1
        if self.depth > DEEPEST:
            raise _TooMuch(event.start_mark.line + 1, f"more than {DEEPEST} levels")
        if self.count > MOST:
            raise _TooMuch(event.start_mark.line + 1, f"more than {MOST} values")
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def _syntax(error: yaml.YAMLError, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark else 0
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or "something else"
    hint = "indent with spaces, never with tabs" if "\\t" in said else ""
    if "single document" in (getattr(error, "context", None) or ""):
        said = "a second document"
    return Problem(file, line, "", shown(said.removeprefix("found ")), "YAML", hint)


def _plain(node: yaml.Node, path: Path, tree: Tree, key_line: int = 0) -> Any:
    line = node.start_mark.line + 1
    head = key_line or line
    match node:
        case yaml.MappingNode():
            tree.places[path] = Place(tree.file, head, "a mapping" if node.value else "an empty mapping")
            return _mapping(node, path, tree)
        case yaml.SequenceNode():
            tree.places[path] = Place(tree.file, head, "a list" if node.value else "an empty list")
            return [_plain(child, (*path, index), tree) for index, child in enumerate(node.value)]
        case yaml.ScalarNode():
            tree.places[path] = Place(tree.file, line, _shown(node, path))
            return _scalar(node, path, tree)
    return None


def _mapping(node: yaml.MappingNode, path: Path, tree: Tree) -> dict[str, Any]:
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key, line, child in _pairs(node, path, tree):
        if key in values:
            once = f"it once, as in line {lines[key]}"
            tree.problems.append(Problem(tree.file, line, dotted((*path, key)), "the key again", once))
            tree.broken.add((*path, key))
        else:
            lines[key] = line
            values[key] = _plain(child, (*path, key), tree, line)
    return values


def _pairs(node: yaml.MappingNode, path: Path, tree: Tree) -> Iterator[tuple[str, int, yaml.Node]]:
    for key, child in node.value:
        line = key.start_mark.line + 1
        if isinstance(key, yaml.ScalarNode) and key.tag != "!alias":
            yield key.value, line, child
        else:
            found = "a list, a mapping or an alias as a key"
            tree.problems.append(Problem(tree.file, line, dotted(path), found, "text"))


def _shown(node: yaml.ScalarNode, path: Path) -> str:
    name = str(path[-1]).lower() if path else ""
    secret = is_secret(node.value) or _USER_IN_URL.search(node.value)
    if secret or (name.endswith(_SECRET_KEYS) and not _TOKEN_WORD.fullmatch(node.value)):
        return "text that is not shown here"
    if node.tag.endswith(":null"):
        return "nothing"
    return f'"{cut(node.value)}"' if node.style or not node.value else cut(node.value)


def _scalar(node: yaml.ScalarNode, path: Path, tree: Tree) -> Any:
    if is_secret(node.value):
        hint = "mount the secret and give its path; this one is to be replaced, it was written down"
        tree.refuse(path, "the path of a file", hint, "a token, key or password (not shown)")
        return None
    match node.tag.removeprefix("tag:yaml.org,2002:"):
        case "null":
            return None
        case "bool":
            return yaml.SafeLoader.bool_values[node.value.lower()] if node.value.lower() in _BOOLS else node.value
        case "int" | "float":
            return _number(node.value)
        case "str" | "timestamp" | "merge" | "value":
            return node.value
        case "!alias":
            tree.refuse(path, "the value itself", "aliases are not followed")
        case tag:
            tree.refuse(path, "a value without a tag", found=f"the tag {cut(tag)}")
    return None


_BOOLS = yaml.SafeLoader.bool_values


def _number(text: str) -> int | float | str:
    """Read decimal numbers only: YAML 1.1 takes 010 for eight and 1:30 for ninety."""
    if not re.fullmatch(r"[-+]?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?", text):
        return text
    return float(text) if "." in text else int(text)
