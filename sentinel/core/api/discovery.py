"""What the API server says it serves: our own types, and those that somebody installed.

A custom resource or an aggregated API is found here, and becomes a question like any other. An
aggregated group whose backend is away is stale and not gone: what was known of it stays known.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sentinel.core.api.resources import Resource, check_of, is_own

MOST_TYPES = 500
"""Installed types that are asked about by plan; of more, the trip-wire alone tells. Large platforms
have 200 to 300; at 500 a sweep of ten tenants takes hours, and the page says so."""
MOST_ROWS = 5_000
"""Types in one reply that are looked at; who may install them sets their number."""

READABLE = frozenset({"get", "list", "watch"})


@dataclass(frozen=True)
class Catalog:
    """All served types by label. `stale`: groups whose backend does not answer; `unreadable`: labels.

    `read`: when, in wall seconds.
    """

    types: Mapping[str, Resource] = field(default_factory=dict)
    stale: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()
    read: float = 0.0

    @property
    def installed(self) -> tuple[Resource, ...]:
        """The types that are not the API server's own and can be read, in the order of their labels."""
        rows = (row for label, row in sorted(self.types.items()) if label not in self.unreadable)
        return tuple(row for row in rows if not is_own(row.group))

    @property
    def unknown(self) -> frozenset[str]:
        """Groups of which we never heard what they serve."""
        return self.stale - {row.group for row in self.types.values()}

    def after(self, before: "Catalog", read: float) -> "Catalog":
        """The same, read at that time, with what the one before knew of groups that are stale now."""
        kept = {label: row for label, row in before.types.items() if row.group in self.stale}
        unreadable = self.unreadable | (before.unreadable & kept.keys() - self.types.keys())
        return Catalog({**kept, **self.types}, self.stale, unreadable, read)

    def __or__(self, other: "Catalog") -> "Catalog":
        """Both together: the core group is in a document of its own."""
        return Catalog({**self.types, **other.types}, self.stale | other.stale, self.unreadable | other.unreadable)


def parse(body: bytes) -> Catalog | None:
    """The types of an APIGroupDiscoveryList, None when it is none."""
    try:
        document = json.loads(body)
        if document["kind"] != "APIGroupDiscoveryList":
            return None
        return _collected(document["items"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _collected(items: list[dict[str, Any]]) -> Catalog:
    types: dict[str, Resource] = {}
    unreadable: set[str] = set()
    for group, version, row in _rows(items):
        name = str(row["resource"])
        label = f"{name}.{group}" if group else name
        # The versions come in the order of preference; the first that has a type is asked.
        if label not in types and len(types) < MOST_ROWS:
            types[label] = Resource(name, group, version, check_of(name, group), row.get("scope") == "Namespaced")
            if READABLE.isdisjoint(row.get("verbs") or ()):
                unreadable.add(label)
    return Catalog(types, frozenset(_stale(items)), frozenset(unreadable))


def _rows(items: list[dict[str, Any]]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for item in items:
        group = str((item.get("metadata") or {}).get("name") or "")
        for version in item.get("versions") or ():
            for row in version.get("resources") or ():
                yield group, str(version["version"]), row


def _stale(items: list[dict[str, Any]]) -> Iterator[str]:
    for item in items:
        if any(version.get("freshness") == "Stale" for version in item.get("versions") or ()):
            yield str((item.get("metadata") or {}).get("name") or "")


def listed(group: str, version: str, rows: list[dict[str, Any]]) -> Catalog:
    """The types of one APIResourceList, the older form; subresources have a slash in their names."""
    types: dict[str, Resource] = {}
    unreadable: set[str] = set()
    for row in rows[:MOST_ROWS]:
        name = str(row.get("name") or "")
        if name and "/" not in name:
            served = Resource(name, group, version, check_of(name, group), bool(row.get("namespaced")))
            types[served.label] = served
            if READABLE.isdisjoint(row.get("verbs") or READABLE):
                unreadable.add(served.label)
    return Catalog(types, frozenset(), frozenset(unreadable))
