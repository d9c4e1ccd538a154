"""The types the stand-in serves, and the discovery documents that say so.

The list is Kubernetes' own (`served.txt`); the documents are made from it as the API server
makes them, down to the hash that tells clients when a stored form has changed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

_VERBS = {
    "all": "create,delete,deletecollection,get,list,patch,update,watch",
    "part": "get,patch,update",
    "proxy": "create,delete,get,patch,update",
}


@dataclass(frozen=True, slots=True)
class Type:
    """One resource or subresource of one group and version."""

    served_as: str  # group/version, "v1" for the core group
    name: str  # "pods", "pods/log"
    kind: str
    namespaced: bool
    verbs: tuple[str, ...]
    options: Mapping[str, str]

    def entry(self) -> dict[str, Any]:
        """Its line in the discovery document."""
        group, _, version = self.options.get("as", "").rpartition("/")
        entry = {
            "name": self.name,
            "singularName": "" if "/" in self.name else self.kind.lower(),
            "namespaced": self.namespaced,
            "group": group,
            "version": version,
            "kind": self.kind,
            "verbs": list(self.verbs),
            "shortNames": _list(self.options.get("short")),
            "categories": _list(self.options.get("in")),
            "storageVersionHash": self._hash(),
        }
        always = ("singularName", "namespaced")
        return {key: value for key, value in entry.items() if value or key in always}

    def _hash(self) -> str:
        if "/" in self.name or not {"create", "get"} <= set(self.verbs):
            return ""
        stored = self.options.get("stored", self.served_as)
        group, _, version = stored.rpartition("/")
        digest = hashlib.sha256(f"{group}/{version}/{self.kind}".encode()).digest()
        return base64.b64encode(digest[:8]).decode()


@cache
def types() -> Mapping[tuple[str, str], Type]:
    """All types by (group/version, name), in the API server's order."""
    return {(one.served_as, one.name): one for one in _read()}


@cache
def versions() -> Mapping[str, tuple[str, ...]]:
    """The groups that have a name, each with its versions, the preferred one first."""
    found: dict[str, tuple[str, ...]] = {}
    for served_as in dict.fromkeys(served_as for served_as, _ in types()):
        group, _, version = served_as.rpartition("/")
        if group:
            found[group] = (*found.get(group, ()), version)
    return found


def document(path: str, address: str) -> dict[str, Any] | None:
    """The discovery document at `path`; None if there is none. `address` is our host and port."""
    parts = path.strip("/").split("/")
    match parts:
        case ["api"]:
            server = {"clientCIDR": "0.0.0.0/0", "serverAddress": address}
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [server]}
        case ["apis"]:
            groups = [_group(name) for name in versions()]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["apis", group] if group in versions():
            return {"kind": "APIGroup", "apiVersion": "v1"} | _group(group)
        case ["api", "v1"]:
            return {"kind": "APIResourceList"} | _entries("v1")
        case ["apis", group, version] if version in versions().get(group, ()):
            return {"kind": "APIResourceList", "apiVersion": "v1"} | _entries(f"{group}/{version}")
    return None


def _entries(served_as: str) -> dict[str, Any]:
    entries = [one.entry() for one in types().values() if one.served_as == served_as]
    return {"groupVersion": served_as, "resources": entries}


def _group(name: str) -> dict[str, Any]:
    pairs = [{"groupVersion": f"{name}/{one}", "version": one} for one in versions()[name]]
    return {"name": name, "versions": pairs, "preferredVersion": pairs[0]}


def _read() -> Iterator[Type]:
    served_as = ""
    for line in resources.files(__package__).joinpath("served.txt").read_text().splitlines():
        words = line.split()
        if not words or words[0] == "#":
            continue
        if words[0] == "=":
            served_as = words[1]
            continue
        name, kind, scope, verbs, *options = words
        named = dict(option.split("=", 1) for option in options)
        listed = tuple(_VERBS.get(verbs, verbs).split(","))
        yield Type(served_as, name, kind, scope == "n", listed, named)


def _list(text: str | None) -> list[str]:
    return text.split(",") if text else []
