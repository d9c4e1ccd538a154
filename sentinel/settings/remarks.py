"""What is allowed and still worth knowing before one relies on it. `sentinel check` prints these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from sentinel.settings.identities import ANONYMOUS
from sentinel.settings.model import Settings
from sentinel.settings.tree import Path, Tree, dotted


@dataclass(frozen=True)
class Note:
    """A remark on a value that is not wrong."""

    file: str
    line: int
    """From 1; 0 where there are no lines."""
    key: str
    text: str

    def __str__(self) -> str:
        """Give the one-line form: `file:line: key: remark`."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.key}: {self.text}"


def on(settings: Settings, tree: Tree, today: date | None) -> Iterator[Note]:
    """Give the remarks on these settings; those on dates only where today (UTC) is known."""
    found = [*_unread(settings, tree), *_blind_spots(settings), *_paging(settings)]
    if today is not None:
        found += _run_out(settings, today)
    for path, text in found:
        place = tree.place(path)
        yield Note(place.file, place.line, dotted(path), text)


def _unread(settings: Settings, tree: Tree) -> Iterator[tuple[Path, str]]:
    if settings.network.enabled and settings.paging.relay is None and not settings.is_witness:
        yield ("network", "enabled"), "without paging.relay nobody says where the beacons are: nothing can be proven"
    if not settings.network.enabled and ("network",) in tree.places:
        yield ("network",), "nothing is asked over the network, since network.enabled is false"


def _blind_spots(settings: Settings) -> Iterator[tuple[Path, str]]:
    if ANONYMOUS not in {identity.name for identity in settings.identities}:
        yield ("identities",), f"no {ANONYMOUS}: nobody asks whether everybody may read"
    if len(settings.tenants) == 1:
        yield ("tenants",), "a single tenant: only the namespaces of isolation.system are asked about"
    for namespace in ("kube-system", settings.isolation.release):
        if namespace not in settings.isolation.system:
            yield ("isolation", "system"), f"without {namespace}, nobody asks whether its secrets can be read"


def _paging(settings: Settings) -> Iterator[tuple[Path, str]]:
    if settings.paging.direct and not settings.is_witness:
        yield (
            ("paging", "direct"),
            (
                "every tenant can reach these Alertmanagers, and so can whoever edits its pods: they can silence and"
                " invent pages. Only for clusters whose tenants are trusted"
            ),
        )
    if settings.paging.mode == "shadow":
        yield ("paging", "mode"), "in shadow every alert has severity none: nobody is paged"


def _run_out(settings: Settings, today: date) -> Iterator[tuple[Path, str]]:
    for index, grant in enumerate(settings.isolation.allow):
        if not grant.holds_on(today):
            path: Path = ("isolation", "allow", index, "until")
            yield path, f"ran out on {grant.until}: what it allowed is a breach again"
