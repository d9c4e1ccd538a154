"""The witness's first page: what is open anywhere, who is closed to whom, and each tenant with the way to its page."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from sentinel.web import breaches
from sentinel.web.headlines import Headline, View, headlines
from sentinel.web.layout import laid_out
from sentinel.web.matrix import matrix
from sentinel.web.pages import FEW
from sentinel.web.rendering import place
from sentinel.web.tally import gaps
from sentinel.web.wish import AS_IT_IS, Wish
from sentinel.web.words import REASONS, count

_MOODS = ("bad", "warn", "calm", "ok")


@dataclass(frozen=True, slots=True)
class _Tenant:
    name: str
    path: str
    top: Headline


def page(views: Mapping[str, View], now: float, wish: Wish = AS_IT_IS, sections: Sequence[Markup] = ()) -> str:
    """The whole page. `sections`: what is told of gateways and paging, where there is anything to tell."""
    tenants = [_Tenant(name, f"/?tenant={quote(name)}", headlines(view)[0]) for name, view in views.items()]
    tenants.sort(key=lambda row: (_MOODS.index(row.top.mood), row.name))
    return laid_out(
        "witness.html",
        tops=_tops(tenants),
        whose="the witness",
        wish=wish,
        now=now,
        witness=True,
        more_sections=sections,
        **_open(views.values()),
        gaps=gaps((f"{view.tenant} at {place(line.name)}", line) for view in views.values() for line in view.lines),
        meanings=REASONS,
        matrix=matrix({name: view.lines for name, view in views.items()}),
        tenants=tenants if len(tenants) <= FEW else [row for row in tenants if row.top.mood != "ok"],
        folded=[row for row in tenants if row.top.mood == "ok"] if len(tenants) > FEW else [],
    )


def _open(views: Collection[View]) -> dict[str, Any]:
    rows = sorted((row for view in views for row in view.open), key=lambda row: -float(row["since"]))
    return breaches.shown(rows, sum(len(view.standing) for view in views))


def _tops(tenants: Sequence[_Tenant]) -> list[Headline]:
    """Of all tenants together: how many are open, and the worst that is not."""
    if not tenants:
        return [Headline("calm", "Starting", "There are no tenants.")]
    moods = {mood: [row for row in tenants if row.top.mood == mood] for mood in _MOODS}
    worst = next(mood for mood in _MOODS if moods[mood])
    if worst == "ok":
        return [Headline("ok", "Held", f"{count(len(tenants), 'tenant')}: each is denied all that it must be denied.")]
    tops = [_top(rows) for mood in ("bad", "warn") if (rows := moods[mood])]
    return tops or [_top(moods["calm"])]


def _top(rows: Sequence[_Tenant]) -> Headline:
    """The first of them in its own words, and the number of the others."""
    first = rows[0].top
    name = "" if first.text.startswith(rows[0].name) else f"{rows[0].name}: "
    others = f" And {count(len(rows) - 1, 'other')} like it." if len(rows) > 1 else ""
    return Headline(first.mood, first.word, f"{name}{first.text}{others}")
