"""The status page: what is open comes first, then what cannot be proven, then what is held.

It is made from a `Snapshot` and the time, and from nothing else. No script, nothing from elsewhere:
the policy names the one style sheet by its hash.
"""

import base64
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sentinel import __version__
from sentinel.core.gates import Gate
from sentinel.core.question import CLUSTER
from sentinel.core.verdict import Reason
from sentinel.sinks.history import Snapshot
from sentinel.web.html import Html, document, join, style, tag
from sentinel.web.style import CSS
from sentinel.web.words import GATES, REASONS, clock, count, percent, span, when

REFRESH_SECONDS = 5
MOST_CARDS = 20
MOST_ROWS = 30
MOST_NAMES = 8
STALLED_PERIODS = 3.0
_GRACE_SECONDS = 30.0
_TOGETHER_SECONDS = 60.0

_HASH = base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Headline:
    """The one thing to know: a mood (`bad`, `warn`, `ok`, `calm`), a word for the tab, a sentence."""

    mood: str
    word: str
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """The snapshot as rows, and the moment it is looked at. Times are wall seconds."""

    now: float
    status: Row
    breaches: Sequence[Row]
    turns: Sequence[Row]

    @property
    def standings(self) -> Sequence[Row]:
        """Of every question."""
        return list(self.status["standings"])

    @property
    def open(self) -> list[Row]:
        """Breaches that stand and that no wider one explains; all, where the wider one is gone."""
        standing = [row for row in self.breaches if row["active"]]
        return [row for row in standing if not row["subsumed"]] or standing

    @property
    def explained(self) -> list[Row]:
        """Breaches that stand and that a wider one explains."""
        shown = self.open
        return [row for row in self.breaches if row["active"] and row not in shown]

    def counted(self, verdict: str) -> int:
        """Questions with this verdict."""
        return sum(row["verdict"] == verdict for row in self.standings)


def page(snapshot: Snapshot, now: float, *, still: bool = False) -> str:
    """The whole page. `still`: it does not refresh itself."""
    view = View(now, snapshot.status(), snapshot.breaches(), snapshot.turns())
    top = headline(view)
    refresh = [] if still else [tag("meta", http_equiv="refresh", content=REFRESH_SECONDS)]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        *refresh,
        tag("title", f"{top.word} · {view.status['tenant']} · sentinel"),
        style(CSS),
    )
    main = tag("main", _open(view), _targets(view), _gates(view), _turns(view), _ended(view))
    return document("en", head, tag("body", _header(view, top), main, _footer(view, still=still)))


def headline(view: View) -> Headline:
    """What stands above all else."""
    if view.open:
        where = _listed(sorted({_place(row["target"]) for row in view.open}))
        return Headline("bad", "BREACH", f"{view.status['tenant']} is let in where it must be denied: {where}.")
    report = view.status["round"]
    if report is None:
        return Headline("calm", "Starting", "No round has ended yet. Nothing is known.")
    age = view.now - report["ended"]
    if age > STALLED_PERIODS * report["periods"].get("1", 0.0) + _GRACE_SECONDS:
        return Headline("warn", "Stalled", f"No round has ended for {span(age)}. Below is what was believed then.")
    if not view.status["ready"]:
        return Headline("warn", "Blind", "Nothing can be proven now. That is not the same as nothing being open.")
    return _proven(view)


def _proven(view: View) -> Headline:
    held, total = view.counted("held"), len(view.standings)
    unasked = sum(row["reason"] == Reason.UNPROVEN for row in view.standings)
    if unproven := view.counted("inconclusive") - unasked:
        return Headline("warn", "Unproven", f"{count(unproven, 'question')} of {total} cannot be proven now.")
    if unasked or not total:
        return Headline("calm", "Proving", f"{held} of {total} questions are held; the others are not asked yet.")
    every = f"every question of {total} is held"
    return Headline("ok", "Held", f"{view.status['tenant']} is denied all that it must be denied: {every}.")


def _header(view: View, top: Headline) -> Html:
    brand = tag("p", "tenant-sentinel ", tag("b", view.status["tenant"]), cls="brand")
    reasons = [tag("ul", [tag("li", reason) for reason in view.status["reasons"]], cls="reasons")]
    return tag(
        "header",
        brand,
        tag("h1", tag("span", top.word, cls="word"), " ", top.text, cls=top.mood),
        reasons if view.status["reasons"] and view.status["round"] else [],
        _figures(view),
    )


def _figures(view: View) -> Html:
    report, held, total = view.status["round"], view.counted("held"), len(view.standings)
    rows: list[tuple[str, Any]] = [
        ("Held", f"{held} of {total}"),
        ("Coverage", percent(view.status["coverage"])),
        ("Last round", when(report["ended"] if report else None, view.now)),
    ]
    if report is not None:
        periods = report["periods"]
        each = " · ".join(span(periods[tier]) for tier in sorted(periods))
        rows.append(("Asked every", each))
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in rows], cls="figures")


def _open(view: View) -> Html | list[Html]:
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in view.open:
        groups[row["target"], row["identity"]].append(row)
    if not groups:
        return []
    cards = [_card(rows, view.now) for rows in list(groups.values())[:MOST_CARDS]]
    more = len(groups) - len(cards)
    rest = [tag("p", f"And {more} more: ", _link("/api/v1/breaches"))] if more else []
    return _section(f"Open breaches ({len(view.open)})", *cards, *rest, *_explained(view))


def _explained(view: View) -> list[Html]:
    if not view.explained:
        return []
    text = f"{count(len(view.explained), 'narrower breach', 'narrower breaches')} not shown: "
    return [tag("p", text, "what is open above explains them. ", _link("/api/v1/breaches"), cls="faint")]


def _card(rows: list[Row], now: float) -> Html:
    """All that one identity is let in to at one target; the evidence of the first."""
    first = min(rows, key=lambda row: row["since"])
    last = max(row["last"] for row in rows)
    questions = sorted({row["question"] for row in rows})
    title = tag("h3", tag("code", _listed(questions)), " in ", tag("b", _place(first["target"])))
    user = f"{first['identity']} ({first['user']})" if first["user"] else first["identity"]
    code = f"HTTP {first['code']}" if first["code"] is not None else "no HTTP status"
    cause = next((row["cause"] for row in rows if row["cause"]), "")
    facts: list[tuple[str, Any]] = [
        ("Open since", when(first["since"], now)),
        ("Window", _window(first, now)),
        ("Last evidence", when(last, now)),
        ("Who", tag("code", user)),
        ("Cause", tag("code", cause) if cause else tag("span", "the API server did not say", cls="faint")),
        ("Evidence", [f"{code}, {REASONS[Reason(first['reason'])]}; Audit-Id ", tag("code", first["audit_id"] or "-")]),
        ("Check", ", ".join(sorted({row["check"] for row in rows}))),
    ]
    return tag("article", title, _facts(facts), _command(first), cls="breach")


def _window(row: Row, now: float) -> Html:
    if row["closed_before"] is None:
        return tag("span", "never proven closed before: it may be older than its evidence")
    older = span(row["since"] - row["closed_before"])
    closed = clock(row["closed_before"], now)
    return tag("span", f"proven closed {closed}, open {clock(row['since'], now)}: may be {older} older")


def _command(row: Row) -> list[Html]:
    if not row["reproduce"]:
        return []
    return [
        tag("p", "See for yourself, with rights to impersonate:", cls="label"),
        tag("pre", tag("code", row["reproduce"]), tabindex="0"),
        tag("p", "It closes by proof only: the same question denied in two rounds.", cls="faint"),
    ]


def _targets(view: View) -> Html:
    by_target: dict[str, list[Row]] = defaultdict(list)
    for row in view.standings:
        by_target[row["target"]].append(row)
    lines = sorted((_target(name, rows, view.now) for name, rows in by_target.items()), key=lambda line: line[0])
    if not lines:
        return _section("Targets", tag("p", "Nothing was asked yet.", cls="faint"))
    heads = ("Target", "Held", "Breached", "Inconclusive", "Not asked yet", "Oldest proof", "Why not proven")
    shown = {Reason(row["reason"]) for row in view.standings if row["verdict"] == "inconclusive"}
    meanings = [(reason.value, REASONS[reason]) for reason in Reason if reason in shown - {Reason.UNPROVEN}]
    legend = [_facts(meanings)] if meanings else []
    return _section("Targets", _table(heads, [line for _, line in lines], "targets"), *legend)


def _target(name: str, rows: list[Row], now: float) -> tuple[tuple[int, int, str], Html]:
    """One line, and what it is sorted by: trouble first."""
    unasked = sum(row["reason"] == Reason.UNPROVEN for row in rows)
    verdicts = Counter(row["verdict"] for row in rows)
    held, breached, blind = verdicts["held"], verdicts["breached"], verdicts["inconclusive"] - unasked
    proofs = [row["last_proven"] for row in rows if row["verdict"] != "breached" and row["last_proven"]]
    why = Counter(row["reason"] for row in rows if row["verdict"] == "inconclusive")
    del why[Reason.UNPROVEN]
    cells = (
        tag("th", _place(name), scope="row"),
        _number(held, "ok", "Held"),
        _number(breached, "bad", "Breached"),
        _number(blind, "warn", "Inconclusive"),
        _number(unasked, "calm", "Not asked yet"),
        tag("td", when(min(proofs, default=None), now), data_label="Oldest proof"),
        tag("td", _listed([f"{reason} ×{times}" for reason, times in why.most_common()]), data_label="Why not proven"),
    )
    return (-breached, -blind, name), tag("tr", cells)


def _number(value: int, mood: str, label: str) -> Html:
    return tag("td", value, cls=f"number {mood}" if value else "number faint", data_label=label)


def _gates(view: View) -> Html:
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in view.status["gates"]:
        groups[row["gate"], row["identity"]].append(row)
    if not groups:
        return _section("Gates", tag("p", "No control was asked yet.", cls="faint"))
    order = {gate.value: number for number, gate in enumerate(Gate)}
    lines = [_gate(rows, view.now) for _, rows in sorted(groups.items(), key=lambda item: (order[item[0][0]], item))]
    intro = tag("p", "A denial counts only while these are green, before and after it.", cls="faint")
    return _section("Gates", intro, _table(("Gate", "Identity", "State", "Since", "What it shows"), lines, "gates"))


def _gate(rows: list[Row], now: float) -> Html:
    red = [row for row in rows if not row["up"]]
    name, identity = rows[0]["gate"], rows[0]["identity"]
    many = f" {len(red) or len(rows)} of {len(rows)}" if len(rows) > 1 else ""
    since = min(row["since"] for row in red) if red else max(row["since"] for row in rows)
    targets = [f"{row['target']}: {row['detail']}" if row["target"] else row["detail"] for row in red]
    return tag(
        "tr",
        tag("th", name, scope="row"),
        tag("td", identity, data_label="Identity"),
        tag("td", ("red" if red else "green") + many, cls="warn" if red else "ok", data_label="State"),
        tag("td", when(since, now), data_label="Since"),
        tag("td", _listed(targets) if red else GATES[Gate(name)], cls=None if red else "faint", data_label="Shows"),
    )


def _turns(view: View) -> Html | list[Html]:
    lines = [_turn(rows, view.now) for rows in _together(view.turns)[:MOST_ROWS]]
    if not lines:
        return []
    return _section("Recent changes", _table(("When", "Target", "What"), lines, "turns"))


def _together(turns: Iterable[Row]) -> list[list[Row]]:
    """Changes of the same kind, of one target, within a minute."""
    groups: list[list[Row]] = []
    latest: dict[tuple[str, str, str], list[Row]] = {}
    for row in turns:
        key = (row["turn"], row["target"], row["reason"])
        known = latest.get(key)
        if known is not None and known[-1]["at"] - row["at"] < _TOGETHER_SECONDS:
            known.append(row)
        else:
            latest[key] = [row]
            groups.append(latest[key])
    return groups


def _turn(rows: list[Row], now: float) -> Html:
    first = rows[0]
    reason = REASONS[Reason(first["reason"])]
    questions = count(len(rows), "question")
    proven = first["turn"] == "proven"
    text = f"{questions} proven; before: {reason}" if proven else f"{questions} no longer proven: {reason}"
    return tag(
        "tr",
        tag("td", when(first["at"], now), data_label="When"),
        tag("th", _place(first["target"]), scope="row"),
        tag("td", text, cls="ok" if proven else "warn", data_label="What"),
    )


def _ended(view: View) -> Html | list[Html]:
    ended = [row for row in view.breaches if not row["active"]]
    if not ended:
        return []
    lines = [_past(row, view.now) for row in ended[:MOST_ROWS]]
    heads = ("Question", "Target", "Identity", "Opened", "Open for", "Ended by", "Audit-Id")
    return _section(f"Breaches that ended ({len(ended)})", _table(heads, lines, "ended"))


def _past(row: Row, now: float) -> Html:
    by = "proof" if row["ending"] == "closed" else "no longer configured: not proven"
    return tag(
        "tr",
        tag("th", row["question"], scope="row"),
        tag("td", _place(row["target"]), data_label="Target"),
        tag("td", row["identity"], data_label="Identity"),
        tag("td", when(row["since"], now), data_label="Opened"),
        tag("td", span((row["ended"] or row["last"]) - row["since"]), data_label="Open for"),
        tag("td", by, cls="ok" if row["ending"] == "closed" else "warn", data_label="Ended by"),
        tag("td", tag("code", row["audit_id"]), data_label="Audit-Id"),
    )


def _footer(view: View, *, still: bool) -> Html:
    paths = ("/api/v1/status", "/api/v1/breaches", "/api/v1/records")
    links = [join([_link(path), " "]) for path in paths]
    turn = _link("/", "refresh by itself") if still else _link("/?still=1", "hold still")
    made = f"As of {clock(view.now, view.now)}"
    every = "" if still else f", again every {REFRESH_SECONDS} s"
    return tag(
        "footer",
        tag("p", made, every, " (", turn, ")."),
        tag("p", "For programs: ", links),
        tag("p", f"tenant-sentinel {__version__}. Served on loopback only."),
    )


def _section(title: str, *children: Html) -> Html:
    return tag("section", tag("h2", title), *children)


def _table(heads: Sequence[str], lines: list[Html], name: str) -> Html:
    top = tag("thead", tag("tr", [tag("th", head, scope="col") for head in heads]))
    return tag("table", top, tag("tbody", lines), cls=name)


def _facts(rows: Iterable[tuple[str, Any]]) -> Html:
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in rows], cls="facts")


def _link(path: str, text: str = "") -> Html:
    return tag("a", text or path, href=path)


def _place(target: str) -> str:
    return "the whole cluster (*)" if target == CLUSTER else target


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
