"""From the bytes of a file to settings, or to everything that is wrong with them at once.

    bytes -> text -> tree (values + places) -> + environment -> models -> rules across fields
      |       |        |                           |              |         |
      +-------+--------+---------------------------+--------------+---------+--> problems

Each step goes on with what the one before could make sense of: what the models refuse is taken out,
and only those rules are asked that do not read it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sentinel.errors import ConfigError, Problem
from sentinel.settings import environment, remarks, rules, translate, tree
from sentinel.settings.model import Settings
from sentinel.settings.tree import Tree

LARGEST = 1024 * 1024
"""Bytes of a configuration; a ConfigMap cannot hold more either."""

MOST = 200
"""Problems said at once. Who has more has given us the wrong file."""

ACCOUNT_DIR = "SENTINEL_SERVICE_ACCOUNT_DIR"
"""The variable that moves the folder below, for tests and for runs outside a pod."""

USUAL_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where the kubelet mounts the pod's token, CA and namespace."""


@dataclass(frozen=True)
class Examined:
    """All that can be said of a configuration without touching the network."""

    settings: Settings | None
    """None if there is any problem."""
    problems: tuple[Problem, ...]
    """What is wrong; in the order of the file."""
    notes: tuple[remarks.Note, ...]
    """What is allowed and still worth knowing."""
    hash: int
    """adler32 of the bytes that were read, 0 if none were."""


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read the settings; raises `ConfigError` with every problem, and nothing else."""
    examined = examine(path, environ)
    if examined.settings is None:
        raise ConfigError(examined.problems)
    return examined.settings


def examine(path: Path, environ: Mapping[str, str], today: date | None = None) -> Examined:
    """Read and judge a configuration file; with `today` (UTC), run-out exceptions are noted too."""
    content, file = _content(path), tree.cut(str(path), 200)
    if isinstance(content, Problem):
        return Examined(None, (content,), (), 0)
    found = _tree(content, file)
    if found.value is None:
        return Examined(None, tuple(found.problems), (), zlib.adler32(content))
    return _judged(found, environ, today, zlib.adler32(content))


def config_hash(path: Path) -> int:
    """Give the adler32 of the file's bytes, as Helm's `adler32sum` has it of the same text; raises OSError."""
    return zlib.adler32(path.read_bytes())


def tree_of(path: Path, begins: str = "cluster:") -> Tree:
    """Read a file of ours as far as YAML goes; without a value the tree says why. `begins`: its first key."""
    content, file = _content(path), tree.cut(str(path), 200)
    if isinstance(content, Problem):
        return Tree(file, problems=[content])
    return _tree(content, file, begins)


def _content(path: Path) -> bytes | Problem:
    expected = "a configuration file that can be read"
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        return Problem(tree.cut(str(path), 200), 0, "", tree.cut(said[:1].lower() + said[1:]), expected)
    if len(content) > LARGEST:
        return Problem(tree.cut(str(path), 200), 0, "", "more than 1 MiB", "a file of at most 1 MiB")
    return content


def _tree(content: bytes, file: str, begins: str = "cluster:") -> Tree:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        broken = Problem(file, line, "", f"the byte 0x{content[error.start]:02x}", "UTF-8 text")
        return Tree(file, problems=[broken])
    read = tree.read(text, file)
    if isinstance(read.value, dict):
        return read
    found = "an empty file" if read.value is None else read.place(()).found
    other = Problem(file, read.place(()).line, "", found, f"a mapping that begins with {begins}")
    return Tree(file, problems=read.problems or [other])


def _judged(found: Tree, environ: Mapping[str, str], today: date | None, checksum: int) -> Examined:
    environment.overlay(found, environ)
    errors = translate.errors_in(found.value)
    said = [translate.problem(error, found) for error in errors if not found.is_broken(translate.path_of(error))]
    broken = found.broken | {translate.path_of(error) for error in errors}
    settings = _readable(found.value, broken)
    problems = [*found.problems, *said]
    if settings is not None:
        settings, nameless = _named(settings, found, broken, environ)
        problems += [*nameless, *_faults(settings, found, broken)]
    if problems or settings is None:
        return Examined(None, _ordered(problems, found.file), (), checksum)
    return Examined(settings, (), tuple(remarks.on(settings, found, today)), checksum)


def _readable(value: dict[str, Any], broken: set[tree.Path]) -> Settings | None:
    """Give what is left without the broken parts; rules about these are not asked."""
    whole = {key: part for key, part in value.items() if (key,) not in broken}
    for key in {path[0] for path in broken if len(path) > 1} & whole.keys():
        whole[str(key)] = _without(whole[str(key)], {path[1] for path in broken if path[:1] == (key,) and path[1:]})
    stand_in = {"name": "unnamed", "namespaces": ["unnamed"]}
    whole = {**whole, "cluster": whole.get("cluster", "unnamed"), "tenants": whole.get("tenants") or [stand_in]}
    try:
        return Settings.model_validate(whole)
    except ValidationError:
        return None


def _without(part: Any, names: set[str | int]) -> Any:
    if isinstance(part, dict):
        return {key: value for key, value in part.items() if key not in names}
    return [value for index, value in enumerate(part) if index not in names]


def _named(
    settings: Settings, found: Tree, broken: set[tree.Path], environ: Mapping[str, str]
) -> tuple[Settings, list[Problem]]:
    """Fill in which tenant we are, where the file does not say so."""
    if settings.tenant or settings.is_witness or _touches(broken, (("tenant",), ("tenants",), ("relay",))):
        return settings, []
    namespace = _own_namespace(environ)
    owner = settings.owner_of(namespace)
    if owner is None:
        said = f"the namespace {namespace}, which is no tenant's" if namespace else "nothing"
        expected = "the name of one of tenants (it may be left out only in a pod in a tenant's namespace)"
        return settings, [found.problem(("tenant",), expected, found=said)]
    return settings.model_copy(update={"tenant": owner.name}), []


def _own_namespace(environ: Mapping[str, str]) -> str:
    try:
        file = Path(environ.get(ACCOUNT_DIR) or USUAL_ACCOUNT_DIR) / "namespace"
        with file.open("rb") as opened:
            return tree.cut(opened.read(256).decode("utf-8", "replace").strip())
    except (OSError, ValueError):
        return ""


def _faults(settings: Settings, found: Tree, broken: set[tree.Path]) -> list[Problem]:
    faults = [fault for rule in rules.RULES if not _touches(broken, rule.reads) for fault in rule.faults(settings)]
    return [found.problem(fault.path, fault.expected, fault.hint, _found(fault, found)) for fault in faults]


def _found(fault: rules.Fault, tree: Tree) -> str | None:
    """Say of a value that nobody wrote where it comes from."""
    if fault.found is None or fault.path in tree.places:
        return fault.found
    return f"{fault.found}, the default"


def _touches(broken: set[tree.Path], reads: tuple[tree.Path, ...]) -> bool:
    """Say whether a broken value lies inside of what is read, or around it."""
    return any(path[: len(read)] == read[: len(path)] for path in broken for read in reads)


def _ordered(problems: list[Problem], file: str) -> tuple[Problem, ...]:
    in_order = sorted(problems, key=lambda problem: (problem.file != file, problem.line))
    if len(in_order) <= MOST:
        return tuple(in_order)
    rest = Problem(file, 0, "", f"{len(in_order) - MOST} more problems", "a configuration of tenant-sentinel")
    return (*in_order[:MOST], rest)
