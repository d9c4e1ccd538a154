"""What closes a way in: the narrowest change of each binding, as a command for a person, never run by us.

RBAC forbids nothing, so a member of a group can only be shut out with the whole group; who else
loses is said beside it. Names come from whoever made the objects: a command takes them as words,
and nothing that a shell or a terminal could take for more.
"""

import json
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sentinel.core.api.rbac import DEFAULTING, Binding, Path, Rbac, Role, Rule, Subject
from sentinel.core.api.reply import clean

_SHOWN = 5
_GROUPS = {
    "system:serviceaccounts": "every account of the cluster",
    "system:authenticated": "everybody whom the API server knows, accounts and people",
    "system:unauthenticated": "everybody who comes without a token",
    "system:masters": "the cluster's administrators",
}
_OF_NAMESPACE = "system:serviceaccounts:"


@dataclass(frozen=True, slots=True)
class Closing:
    """One binding shut: the commands in their order, who else loses by it, and what to know before."""

    binding: Binding
    commands: tuple[str, ...]
    losers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    """Where the binding is meant and the rule is not: the label that joined them."""


def closings(rbac: Rbac, paths: Iterable[Path]) -> tuple[Closing, ...]:
    """One for each binding that these paths lead through. All are needed: one left open is open."""
    found: dict[tuple[str, str], list[Path]] = {}
    for path in paths:
        found.setdefault((path.binding.namespace, path.binding.name), []).append(path)
    return tuple(_closing(rbac, through) for through in found.values())


def _closing(rbac: Rbac, paths: list[Path]) -> Closing:
    binding = paths[0].binding
    meant = {path.subject for path in paths}
    groups = sorted({subject.name for subject in meant if subject.kind == "Group"})
    return Closing(
        binding,
        (*_mended(binding), _command(binding, meant)),
        tuple(group_of(name) for name in groups),
        tuple(_notes(binding, paths)),
        tuple(dict.fromkeys(_instead(rbac, paths))),
    )


def _mended(binding: Binding) -> Iterator[str]:
    if binding.defaulted:
        # Otherwise the API server puts back at its next start what it made itself.
        yield shell("kubectl", "annotate", _object(binding), f"{DEFAULTING}=false", "--overwrite")


def _command(binding: Binding, meant: set[Subject]) -> str:
    where = ("-n", binding.namespace) if binding.namespace else ()
    if meant >= set(binding.subjects):
        return shell("kubectl", "delete", _object(binding), *where)
    # From the end, so that no index moves; each only if it still is who it was.
    at = [index for index, subject in enumerate(binding.subjects) if subject in meant]
    patch = [step for index in reversed(at) for step in _removal(index, binding.subjects[index])]
    text = json.dumps(patch, separators=(",", ":"))
    return shell("kubectl", "patch", _object(binding), *where, "--type=json", "-p", text)


def _removal(index: int, subject: Subject) -> Iterator[dict[str, str]]:
    place = f"/subjects/{index}"
    parts = {"kind": subject.kind, "name": subject.name, "namespace": subject.namespace}
    yield from ({"op": "test", "path": f"{place}/{key}", "value": value} for key, value in parts.items() if value)
    yield {"op": "remove", "path": place}


def _object(binding: Binding | Role) -> str:
    # As one word with its kind: a name may begin with a dash, and would be taken for an option.
    return f"{binding.kind.lower()}/{binding.name}"


def group_of(name: str) -> str:
    """Who is in a group, for people."""
    if name in _GROUPS:
        return f'{_GROUPS[name]} (Group "{name}")'
    if name.startswith(_OF_NAMESPACE):
        return f'every account of namespace {clean(name.removeprefix(_OF_NAMESPACE))} (Group "{clean(name)}")'
    return f'everybody in Group "{clean(name)}", whom the identity provider knows'


def _notes(binding: Binding, paths: list[Path]) -> Iterator[str]:
    others = [rule for rule in paths[0].role.rules if not any(rule in path.rules for path in paths)]
    if others:
        yield f"with it goes what else the role gives: {rules_text(others)}"
    if binding.kind == "ClusterRoleBinding":
        yield "it holds in every namespace: what they need in their own, give them by a RoleBinding there"
    if binding.defaulted:
        yield "Kubernetes itself made it, and mends it at each start unless annotated"
    elif binding.made.manager and not binding.made.manager.startswith("kubectl"):
        yield f"field manager {binding.made.manager} wrote it: change it there too, or it comes back"


def _instead(rbac: Rbac, paths: list[Path]) -> Iterator[str]:
    for path in paths:
        for source in path.sources:
            needed = {need.key for one in path.role.aggregates for need in one}
            keys = sorted({key for key, _ in source.labels if key in needed})
            if keys and path.role.takes_over(source):
                count = len(rbac.bindings_of(path.role)) - 1
                command = shell("kubectl", "label", _object(source), *(f"{key}-" for key in keys))
                yield f"{command}   # takes it from all who have {clean(path.role.name)}, {count} bindings besides"


def rules_text(rules: Iterable[Rule]) -> str:
    """Rules for people, the first few."""
    texts = [rule_text(rule) for rule in rules]
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more


def rule_text(rule: Rule) -> str:
    """`get, list on secrets, pods` and, where they are named, of which API groups and names."""
    text = f"{', '.join(rule.verbs)} on {', '.join(rule.resources)}"
    if rule.groups != ("",):
        text += f" of {', '.join(group or 'core' for group in rule.groups)}"
    if rule.names:
        text += f" named {', '.join(rule.names)}"
    return clean(text)


def shell(*words: str) -> str:
    """A line for a shell in which each word stays one word, whatever is in it."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    if word.isascii() and word.isprintable():
        return shlex.quote(word)
    # A name may hold a line break, or what moves a terminal's cursor: as bash writes it, escaped.
    return "$'" + "".join(_escaped(byte) for byte in word.encode("utf-8", "replace")) + "'"


def _escaped(byte: int) -> str:
    char = chr(byte)
    if char in "\\'":
        return "\\" + char
    return char if " " <= char <= "~" else f"\\x{byte:02x}"
