"""The status page: what is open comes first, then what cannot be proven, then what is held.

It is made from a `Snapshot` and the time, and from nothing else. No script, nothing from elsewhere:
the policy names the one style sheet by its hash.
"""

import base64
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sentinel import __version__
from sentinel.core.api.question import CLUSTER
from sentinel.core.asked import CROSSTALK, is_network
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
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

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


def page(snapshot: Snapshot, now: float, *, still: bool = False, gateways: Html = Html()) -> str:  # noqa: B008
    """The whole page. `still`: it does not refresh itself; `gateways`: the section of those, where there are any."""
    view = View(now, snapshot.status(), snapshot.breaches(), snapshot.turns())
    tops = headlines(view)
    refresh = [] if still else [tag("meta", http_equiv="refresh", content=REFRESH_SECONDS)]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        *refresh,
        tag("title", f"{tops[0].word} · {view.status['tenant']} · sentinel"),
        style(CSS),
    )
    parts = _open(view), _targets(view), _gates(view), gateways, _wanted(view), _turns(view), _ended(view)
    main = tag("main", *parts)
    return document("en", head, tag("body", _header(view, tops), main, _footer(view, still=still)))


def headlines(view: View) -> list[Headline]:
    """What stands above all else: what is open, and how far we can see, unless that is all of it."""
    if not view.open:
        return [_sight(view)]
    where = _listed(sorted({_place(row["target"]) for row in view.open}))
    breach = Headline("bad", "BREACH", f"{view.status['tenant']} is let in where it must be denied: {where}.")
    sight = _sight(view)
    return [breach, sight] if sight.mood == "warn" else [breach]


def _sight(view: View) -> Headline:
    report = view.status["round"]
    if report is None:
        return Headline("calm", "Starting", "No round has ended yet. Nothing is known.")
    age = view.now - report["oldest_end"]
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
    allowed = sum(row["reason"] == Reason.ALLOWED for row in view.standings)
    every = f"every question of {total} is held" + (f", {allowed} by exceptions" if allowed else "")
    return Headline("ok", "Held", f"{view.status['tenant']} is denied all that it must be denied: {every}.")


def _header(view: View, tops: Sequence[Headline]) -> Html:
    brand = tag("p", "tenant-sentinel ", tag("b", view.status["tenant"]), cls="brand")
    reasons = [tag("ul", [tag("li", reason) for reason in view.status["reasons"]], cls="reasons")]
    first, *others = tops
    return tag(
        "header",
        brand,
        tag("h1", *_words(first), cls=f"top {first.mood}"),
        [tag("p", *_words(other), cls=f"top {other.mood}") for other in others],
        reasons if view.status["reasons"] and view.status["round"] else [],
        _figures(view),
    )


def _words(top: Headline) -> tuple[Html, str]:
    return tag("span", top.word, cls="word"), f" {top.text}"


def _figures(view: View) -> Html:
    report, held, total = view.status["round"], view.counted("held"), len(view.standings)
    rows: list[tuple[str, Any]] = [
        ("Held", f"{held} of {total}"),
        ("Coverage", percent(view.status["coverage"])),
        ("Last round", when(report["ended"] if report else None, view.now)),
    ]
    installed = view.status["installed"]
    if installed is not None and (installed["asked"] or installed["uncovered"]):
        rows.append(("Installed types", _covered(installed)))
    if report is not None:
        periods = report["periods"]
        each = " · ".join(span(periods[tier]) for tier in sorted(periods) if tier.isdigit())
        rows.append(("Asked every", each))
        if "network" in periods:
            rows.append(("Network asked every", span(periods["network"])))
        if report["not_applicable"]:
            rows.append(("Not there to be asked", _not_there(report["not_applicable"])))
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in rows], cls="figures")


def _not_there(found: Mapping[str, Sequence[str]]) -> str:
    """Ways that one of the two sides does not have."""
    return _listed([f"{target}: {', '.join(ways)}" for target, ways in sorted(found.items())])


def _covered(installed: Row) -> str:
    """How many types beyond our own are asked about, and which of them not all yet."""
    told = [str(installed["asked"])]
    if installed["uncovered"]:
        told.append(f"not yet covered: {_listed(installed['uncovered'])}")
    if installed["left_out"]:
        told.append(f"{installed['left_out']} more only by the trip-wire")
    if installed["stale"]:
        told.append(f"no answer from {_listed(installed['stale'])}")
    return "; ".join(told)


def _open(view: View) -> Html | list[Html]:
    groups: dict[tuple[str, str, bool], list[Row]] = defaultdict(list)
    for row in view.open:
        groups[row["target"], row["identity"], is_network(row["check"])].append(row)
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
    questions = list(dict.fromkeys(row["question"] for row in sorted(rows, key=lambda row: row["since"])))
    if is_network(first["check"]):
        return _network_card(rows, first, questions, now)
    if first["check"] == CROSSTALK:
        return _crosstalk_card(first, now)
    title = tag("h3", tag("b", _place(first["target"])), ", asked as ", tag("b", first["identity"]))
    code = f"HTTP {first['code']}" if first["code"] is not None else "no HTTP status"
    cause = next((row["cause"] for row in rows if row["cause"]), "")
    facts: list[tuple[str, Any]] = [
        ("Let in to", tag("code", _listed(questions))),
        ("Open since", when(first["since"], now)),
        ("Window", _window(first, now)),
        ("Last evidence", when(last, now)),
        ("User", tag("code", first["user"]) if first["user"] else "not known"),
        ("Cause", tag("code", cause) if cause else tag("span", "the API server did not say", cls="faint")),
        ("Evidence", [f"{code}, {REASONS[Reason(first['reason'])]}; Audit-Id ", tag("code", first["audit_id"] or "-")]),
        ("Check", ", ".join(sorted({row["check"] for row in rows}))),
    ]
    command = _command(first, "See for yourself, with rights to impersonate:", "the same question denied")
    return tag("article", title, _facts(facts), command, cls="breach")


def _network_card(rows: list[Row], first: Row, questions: list[str], now: float) -> Html:
    """The same of packets: what gets through, and where to."""
    title = tag("h3", tag("b", _place(first["target"])), ", reached over the ", tag("b", "network"))
    places = list(dict.fromkeys(row["place"] for row in rows if row["place"]))
    cause = next((row["cause"] for row in rows if row["cause"]), "")
    facts: list[tuple[str, Any]] = [
        ("Open", tag("code", _listed(questions))),
        ("Open since", when(first["since"], now)),
        ("Window", _window(first, now)),
        ("Last evidence", when(max(row["last"] for row in rows), now)),
        ("Who answered", tag("code", _listed(places)) if places else "not known"),
        ("Evidence", [f"{REASONS[Reason(first['reason'])]}; challenge ", tag("code", first["audit_id"] or "-")]),
        *([("Cause", tag("code", cause))] if cause else []),
        ("Check", ", ".join(sorted({row["check"] for row in rows}))),
    ]
    command = _command(first, "See for yourself, with rights to exec there:", "nothing gets through any more")
    return tag("article", title, _facts(facts), command, cls="breach")


def _crosstalk_card(row: Row, now: float) -> Html:
    """The same of a gateway that mixes answers up."""
    title = tag("h3", tag("b", _place(row["target"])), ", which gave us what was ", tag("b", "meant for somebody else"))
    facts: list[tuple[str, Any]] = [
        ("Whose", tag("code", row["place"])),
        ("Open since", when(row["since"], now)),
        ("Window", _window(row, now)),
        ("Last evidence", when(row["last"], now)),
        ("Evidence", [f"{REASONS[Reason(row['reason'])]}; request ", tag("code", row["audit_id"] or "-")]),
        ("Check", row["check"]),
    ]
    command = _command(row, "See for yourself, with rights to exec there:", "answers of our own only")
    return tag("article", title, _facts(facts), command, cls="breach")


def _window(row: Row, now: float) -> Html:
    if row["closed_before"] is None:
        return tag("span", "never proven closed before: it may be older than its evidence")
    older = span(row["since"] - row["closed_before"])
    closed = clock(row["closed_before"], now)
    return tag("span", f"proven closed {closed}, open {clock(row['since'], now)}: may be {older} older")


def _command(row: Row, label: str, proof: str) -> list[Html]:
    if not row["reproduce"]:
        return []
    return [
        tag("p", label, cls="label"),
        tag("pre", tag("code", row["reproduce"]), tabindex="0"),
        tag("p", f"It closes by proof only: {proof} in two rounds.", cls="faint"),
    ]


def _targets(view: View) -> Html:
    by_target: dict[str, list[Row]] = defaultdict(list)
    for row in view.standings:
        by_target[row["target"]].append(row)
    lines = sorted((_Line.of(name, rows) for name, rows in by_target.items()), key=lambda line: line.order)
    if not lines:
        return _section("Targets", tag("p", "Nothing was asked yet.", cls="faint"))
    # A column in which nothing stands says nothing.
    columns = [column for column in _COLUMNS if column.always or any(map(column.value, lines))]
    heads = [tag("th", "Target", scope="col")]
    heads += [tag("th", column.name, scope="col", cls="number" if column.mood else None) for column in columns]
    rows = [tag("tr", tag("th", _place(line.name), scope="row"), _cells(line, columns, view.now)) for line in lines]
    shown = {reason for line in lines for reason in line.why}
    meanings = [(reason.value, REASONS[reason]) for reason in Reason if reason in shown]
    return _section("Targets", _table(heads, rows, "targets"), *([_facts(meanings)] if meanings else []))


@dataclass(frozen=True, slots=True)
class _Line:
    """How the questions of one target stand."""

    name: str
    held: int
    breached: int
    blind: int
    unasked: int
    oldest: float | None
    why: Counter[str]

    @classmethod
    def of(cls, name: str, rows: Iterable[Row]) -> "_Line":
        """Count them."""
        verdicts: Counter[str] = Counter()
        why: Counter[str] = Counter()
        proofs = []
        for row in rows:
            verdicts[row["verdict"]] += 1
            if row["verdict"] == "inconclusive":
                why[row["reason"]] += 1
            if row["verdict"] != "breached" and row["last_proven"] is not None:
                proofs.append(row["last_proven"])
        unasked = why.pop(Reason.UNPROVEN, 0)
        blind = verdicts["inconclusive"] - unasked
        return cls(name, verdicts["held"], verdicts["breached"], blind, unasked, min(proofs, default=None), why)

    @property
    def order(self) -> tuple[int, int, str]:
        """Trouble first."""
        return -self.breached, -self.blind, self.name

    @property
    def reasons(self) -> str:
        """In words, the most frequent first."""
        return _listed([f"{reason} ×{times}" for reason, times in self.why.most_common()])


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    value: Callable[[_Line], Any]
    mood: str = ""
    always: bool = True


_COLUMNS = (
    _Column("Held", lambda line: line.held, "ok"),
    _Column("Breached", lambda line: line.breached, "bad"),
    _Column("Inconclusive", lambda line: line.blind, "warn"),
    _Column("Not asked yet", lambda line: line.unasked, "calm", always=False),
    _Column("Oldest proof", lambda line: line.oldest),
    _Column("Why not proven", lambda line: line.reasons, always=False),
)


def _cells(line: _Line, columns: Iterable[_Column], now: float) -> list[Html]:
    return [_cell(column, column.value(line), now) for column in columns]


def _cell(column: _Column, value: Any, now: float) -> Html:
    if column.mood:
        return tag("td", value, cls=f"number {column.mood if value else 'faint'}", data_label=column.name)
    return tag("td", value if isinstance(value, str) else when(value, now), data_label=column.name)


def _gates(view: View) -> Html:
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in view.status["gates"]:
        groups[row["gate"], row["identity"]].append(row)
    if not groups:
        return _section("Gates", tag("p", "No control was asked yet.", cls="faint"))
    red = [_red_gate(rows, view.now) for rows in groups.values() if not all(row["up"] for row in rows)]
    green: dict[str, list[Row]] = defaultdict(list)
    for (gate, _), rows in groups.items():
        if all(row["up"] for row in rows):
            green[gate] += rows
    lines = red + [_green_gate(green[gate], view.now) for gate in GATES if gate in green]
    intro = tag("p", "A denial counts only while these are green, before and after it.", cls="faint")
    heads = _heads("Gate", "Identity", "State", "Since", "What it shows")
    return _section("Gates", intro, _table(heads, lines, "gates"))


def _wanted(view: View) -> Html | list[Html]:
    rows = view.status["exceptions"]
    if not rows:
        return []
    lines = [_exception(row) for row in sorted(rows, key=lambda row: (not row["expired"], not row["unused"]))]
    heads = _heads("From", "To", "What", "Until", "State", "Owner", "Why")
    return _section(f"Wanted grants ({len(rows)})", _table(heads, lines, "wanted"))


def _exception(row: Row) -> Html:
    mood, state = _exception_state(row)
    return tag(
        "tr",
        tag("th", row["from"], scope="row"),
        tag("td", _place(row["to"]), data_label="To"),
        tag("td", tag("code", row["what"]), data_label="What"),
        tag("td", row["until"] or "for good", data_label="Until"),
        tag("td", state, cls=mood, data_label="State"),
        tag("td", row["owner"], data_label="Owner"),
        tag("td", row["reason"], data_label="Why"),
    )


def _exception_state(row: Row) -> tuple[str, str]:
    if row["expired"]:
        return "bad", "ran out: a breach again"
    if row["unused"]:
        return "warn", "not needed: all of it was denied for two sweeps"
    if row["in_use"]:
        return "calm", f"lets in {count(row['in_use'], 'question')}"
    return "calm", "allowed, not seen to be granted"


def _red_gate(rows: list[Row], now: float) -> Html:
    """One gate of one identity: which targets, and what was seen there."""
    red = [row for row in rows if not row["up"]]
    many = f" at {len(red)} of {len(rows)}" if len(rows) > 1 else ""
    told = [f"{row['target']}: {row['detail']}" if row["target"] else row["detail"] for row in red]
    since = min(row["since"] for row in red)
    return _gate(rows, f"red{many}", "warn", when(since, now), _listed(told))


def _green_gate(rows: list[Row], now: float) -> Html:
    """One gate that is green for these identities, at all their targets."""
    since = max(row["since"] for row in rows)
    return _gate(rows, "green", "ok", when(since, now), _SHOWS[rows[0]["gate"]])


_SHOWS = {gate.value: words for gate, words in GATES.items()}


def _gate(rows: list[Row], state: str, mood: str, since: Html, shows: str) -> Html:
    who = _listed(list(dict.fromkeys(row["identity"] for row in rows)))
    return tag(
        "tr",
        tag("th", rows[0]["gate"], scope="row"),
        tag("td", who, data_label="Identity"),
        tag("td", state, cls=mood, data_label="State"),
        tag("td", since, data_label="Since"),
        tag("td", shows, cls="faint" if mood == "ok" else None, data_label="Shows"),
    )


def _turns(view: View) -> Html | list[Html]:
    lines = [_turn(rows, view.now) for rows in _together(view.turns)[:MOST_ROWS]]
    if not lines:
        return []
    return _section("Recent changes", _table(_heads("When", "Target", "What"), lines, "turns"))


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
    heads = _heads("Question", "Target", "Identity", "Opened", "Open for", "Ended by", "Audit-Id")
    return _section(f"Breaches that ended ({len(ended)})", _table(heads, lines, "ended"))


_ENDINGS = {
    "closed": "proof",
    "allowed": "an exception that wants it",
    "forgotten": "no longer configured: not proven",
}


def _past(row: Row, now: float) -> Html:
    by = _ENDINGS[row["ending"]]
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
    paths = ("/api/v1/status", "/api/v1/breaches", "/api/v1/records", "/api/v1/gateways")
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


def _heads(*names: str) -> list[Html]:
    return [tag("th", name, scope="col") for name in names]


def _table(heads: Sequence[Html], lines: Sequence[Html], name: str) -> Html:
    return tag("table", tag("thead", tag("tr", heads)), tag("tbody", lines), cls=name)


def _facts(rows: Iterable[tuple[str, Any]]) -> Html:
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in rows], cls="facts")


def _link(path: str, text: str = "") -> Html:
    return tag("a", text or path, href=path)


def _place(target: str) -> str:
    return "cluster scope (*)" if target == CLUSTER else target


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
