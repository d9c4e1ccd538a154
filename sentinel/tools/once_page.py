"""`sentinel once page/NAME`: one visit to the page where this gateway's users chat, now.

When each thing was visible, what it was worth and by which rule. What the page showed is not told:
the picture shows it, where pictures are kept.
"""

from dataclasses import dataclass
from typing import Any

from sentinel.clients.clock import Clock
from sentinel.core.gateway.canary import Canary
from sentinel.core.gateway.chat_page import EXCLUDED, Judged, judge
from sentinel.joins import pages
from sentinel.settings import Settings
from sentinel.sinks.screenshots import Album

CHECK = "page"


@dataclass(frozen=True, slots=True)
class Seen:
    """One visit. `picture`: where it can be looked at, empty where none was kept."""

    gateway: str
    url: str
    nonce: str
    judged: Judged
    picture: str = ""

    @property
    def exit_code(self) -> int:
        """0 an answer or the agreed message, 1 neither, 3 when it says nothing of the page."""
        if self.judged.outcome in EXCLUDED:
            return 3
        return int(self.judged.breach)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        judged = self.judged
        return {
            "gateway": self.gateway,
            "url": self.url,
            "outcome": judged.outcome.value,
            "rule": judged.rule,
            "status": judged.status,
            "opened": judged.opened,
            "first_token": judged.first,
            "took": judged.took,
            "leaks": list(judged.leaks),
            "nonce": self.nonce,
            "picture": self.picture,
        }


def names(settings: Settings) -> tuple[str, ...]:
    """What can be asked for."""
    return tuple(f"{CHECK}/{gateway.name}" for gateway, _ in pages.chosen(settings))


async def look(settings: Settings, name: str) -> Seen:
    """Go there once. `name` is one of `names`. Raises OwnFault where there is no browser."""
    gateway, page = next(row for row in pages.chosen(settings) if f"{CHECK}/{row[0].name}" == name)
    asked = Canary(pages.nonce())
    async with pages.browser_of(page) as browser:
        visit = await pages.probe_of(gateway, page, browser, Clock()).visit(asked)
    judged, picture = judge(visit, asked, pages.expected_of(gateway, page)), ""
    if page.screenshots is not None and visit.picture is not None:
        album = Album(page.screenshots.path, page.screenshots.keep)
        kept = album.keep(gateway.name, judged, visit.at, visit.picture)
        picture = str(album.folder / kept) if kept else ""
    return Seen(gateway.name, page.url, asked.nonce, judged, picture)


def text(seen: Seen) -> str:
    """For people."""
    judged = seen.judged
    rows = [
        ("page", seen.url),
        ("outcome", judged.outcome.value),
        ("because", judged.rule),
        ("status", "none" if judged.status is None else str(judged.status)),
        *([("opened at", f"{judged.opened:.3f} s")] if judged.opened is not None else []),
        *([("first token", f"{judged.first:.3f} s after sending")] if judged.first is not None else []),
        ("end at", f"{judged.took:.3f} s"),
        *([("gives away", ", ".join(judged.leaks))] if judged.leaks else []),
        ("nonce", seen.nonce),
        *([("picture", seen.picture)] if seen.picture else []),
    ]
    width = max(len(name) for name, _ in rows)
    return "".join(f"{name:<{width}}  {value}\n" for name, value in rows)
