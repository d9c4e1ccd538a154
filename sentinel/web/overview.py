"""The witness's first page: every tenant in a line, the worst first, each with the way to its own page."""

from collections.abc import Mapping
from urllib.parse import quote

from sentinel import __version__
from sentinel.sinks.history import Snapshot
from sentinel.web.html import Html, document, style, tag
from sentinel.web.pages import REFRESH_SECONDS, Headline, View, headlines
from sentinel.web.style import CSS

_MOODS = ("bad", "warn", "calm", "ok")


def page(
    snapshots: Mapping[str, Snapshot],
    now: float,
    *,
    still: bool = False,
    gateways: Html = Html(),  # noqa: B008
) -> str:
    """The whole page. `still`: it does not refresh itself; `gateways`: the section of those, where there are any."""
    heads = {name: _headline(snapshot, now) for name, snapshot in snapshots.items()}
    ordered = sorted(heads, key=lambda name: (_MOODS.index(heads[name].mood), name))
    worst = heads[ordered[0]].word if ordered else "no tenants"
    refresh = None if still else tag("meta", http_equiv="refresh", content=REFRESH_SECONDS)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        *([refresh] if refresh is not None else []),
        tag("title", f"{worst}: the witness"),
        style(CSS),
    )
    rows = [_row(name, heads[name].mood, heads[name].text) for name in ordered]
    table = tag(
        "table", tag("thead", tag("tr", tag("th", "tenant"), tag("th", "as the witness sees it"))), tag("tbody", *rows)
    )
    body = tag("main", tag("h1", "The witness"), table, gateways, tag("p", f"tenant-sentinel {__version__}"))
    return document("en", head, tag("body", body))


def _headline(snapshot: Snapshot, now: float) -> Headline:
    return headlines(View(now, snapshot.status(), snapshot.breaches(), snapshot.turns()))[0]


def _row(name: str, mood: str, text: str) -> Html:
    link = tag("a", name, href=f"/?tenant={quote(name)}")
    return tag("tr", tag("td", link), tag("td", text, cls=mood))
