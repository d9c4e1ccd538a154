"""The evidence of a time, for an auditor: sections of sentences and tables, written as Markdown or JSON.

Account --sections--> Section* --markdown--> text
\\--> sentinel/web/evidence.py: a page
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from sentinel import __version__
from sentinel.core.audit.account import LEAST, Account, Outage
from sentinel.core.audit.drilled import Drilled
from sentinel.core.audit.incidents import Incident
from sentinel.core.audit.pairs import Pair, least_proven
from sentinel.core.drill.ruling import Verdict as Ruled
from sentinel.core.gateway import course_json
from sentinel.core.gateway.failover import Verdict
from sentinel.core.page import rfc3339
from sentinel.reports import verification

MOST_ROWS = 400
"""Of one table for people; the JSON has all."""
NEVER = (
    "What a sentinel does not ask: pods with other labels than its beacons', ports other than the beacon's, over the "
    "network a tenant's namespaces beyond the first, and what docs/network.md and docs/questions.md call not proven.",
    "Pages by Prometheus' rules are not in the journal: the time to page is that of sentinel's own pushes.",
    "A journal proves what its writer saw. That nobody wrote it anew is proven only up to the last anchored line.",
)
_WORDS = {
    "uncovered": "types that were never answered for",
    "left_out": "types beyond the most that are asked about",
    "review_only": "grants that only a review lists, and nothing can ask",
    "incomplete": "reviews cut short by an authorizer: found by the sweep only",
    "wrong_identity": "identities that were somebody else",
    "not_applicable": "ways over the network that a target does not have",
    "unwatched": "ServiceAccounts that nobody asks as",
}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text. `numbers`: columns that are figures. `more`: rows that are left out."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, sentences below it, and a table."""

    title: str
    sentences: tuple[str, ...] = ()
    table: Table | None = None


def headline(account: Account) -> tuple[str, str]:
    """The mood (bad, warn, ok) and the sentence above all else."""
    if account.broken:
        return "bad", "A journal is not what was written, or is gone. Below is what is left, up to there."
    told = _wrong(account)
    if told:
        return "bad", f"{' and '.join(told)}."
    if account.exit_code:
        share = _share(account.proven)
        return "warn", f"No breach was seen, and only {share} of the time of all pairs was proven. That is no proof."
    return "ok", f"No breach was seen, and {_share(account.proven)} of the time of all pairs was proven."


def _wrong(account: Account) -> list[str]:
    """What is worst, counted."""
    stood = sum(one.ended is None for one in account.incidents)
    open_ = f", {stood} of them open at the end" if stood else ""
    violations = sum(outage.verdict is Verdict.VIOLATION for outage in account.outages)
    failed = sum(drill.verdict is Ruled.FAIL or bool(drill.unhealed) for drill in account.drills)
    return [
        *([f"{_count(len(account.incidents), 'breach', 'breaches')}{open_}"] if account.incidents else []),
        *([f"{_count(violations, 'outage')} of a gateway beyond the promise"] if violations else []),
        *([f"{_count(failed, 'failed drill')}"] if failed else []),
    ]


def sections(account: Account) -> tuple[Section, ...]:
    """All of it, in the order of reading."""
    return (
        _sources(account),
        _coverage(account),
        _uncovered(account),
        _breaches(account),
        _inconclusive(account),
        _failovers(account),
        _gaps(account),
        _drills(account),
    )


def title(account: Account) -> str:
    """What it is about."""
    return f"Evidence of tenant isolation{f': {account.cluster}' if account.cluster else ''}"


def subtitle(account: Account) -> str:
    """Which time, and who wrote it."""
    return f"{when(account.since)} to {when(account.until)}, by tenant-sentinel {__version__}"


def markdown(account: Account) -> str:
    """For people, and for whatever keeps documents."""
    mood, sentence = headline(account)
    lines = [f"# {_md(title(account))}", "", subtitle(account), "", f"**{mood.upper()}**: {sentence}", ""]
    for section in sections(account):
        lines += [f"## {section.title}", "", *(f"{_md(text)}\n" for text in section.sentences)]
        if section.table is not None:
            lines += [*_md_table(section.table), ""]
    return "\n".join(lines)


def as_json(account: Account) -> dict[str, Any]:
    """For programs: everything, times in UTC, durations in seconds."""
    return {
        "cluster": account.cluster,
        "since": rfc3339(account.since),
        "until": rfc3339(account.until),
        "version": __version__,
        "proven_ratio": round(account.proven, 6),
        "proofs": account.proofs,
        "questions": account.requests,
        "journals": [
            {**source.verified.as_json(), "by": source.by, "lines": source.lines, "starts": source.starts}
            for source in account.sources
        ],
        "pairs": [asdict(pair) | {"nobody": round(account.seconds - pair.looked, 3)} for pair in account.pairs],
        "not_proven": [asdict(row) for row in account.uncovered],
        "breaches": [_breach_json(one) for one in account.incidents],
        "inconclusive": [asdict(blind) for blind in account.blinds],
        "failovers": [
            {"journal": one.journal, "began": rfc3339(one.began), "ended": rfc3339(one.ended)}
            | course_json.written(one.course)
            for one in account.outages
        ],
        "gaps": [
            {
                "journal": gap.journal,
                "since": rfc3339(gap.since),
                "until": rfc3339(gap.until),
                "seconds": round(gap.seconds, 3),
                "why": gap.why.value,
            }
            for gap in account.gaps
        ],
        "drills": [
            asdict(drill) | {"started": rfc3339(drill.started), "verdict": drill.verdict.value}
            for drill in account.drills
        ],
        "left_out": account.left_out,
    }


def when(at: float | None) -> str:
    """A moment in UTC, to the second."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def span(seconds: float | None) -> str:
    """A duration in the unit that fits."""
    if seconds is None:
        return "not known"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def _sources(account: Account) -> Section:
    rows = [
        (one.name, one.by, f"{one.lines:,}", verification.standing(one.verified), verification.anchored(one.verified))
        for one in account.sources
    ]
    sentences = [
        f"A head of line {head.sequence} of chain {head.chain} was told, and is nowhere here." for head in account.lost
    ]
    return Section(
        "How far the journals can be believed",
        tuple(sentences),
        Table(("journal", "of", "lines", "chain", "anchors"), tuple(rows), (2,)),
    )


def _coverage(account: Account) -> Section:
    by = {source.name: source.by for source in account.sources}
    pairs = least_proven(account.pairs)
    rows = tuple(_pair_row(pair, by.get(pair.journal, ""), account.seconds) for pair in pairs[:MOST_ROWS])
    sentences = (
        f"{account.proofs:,} denials were proven in answer to {account.requests:,} questions. Of the time of all "
        f"{len(pairs):,} pairs {_share(account.proven)} was proven shut ({_share(LEAST)} is the least for a proof).",
        "Proven: every question of the fast tiers was denied, between green controls. Nobody: no line says anything.",
    )
    head = ("tenant", "target", "seen by", "proven", "open", "not proven", "nobody", "proofs", "at the end")
    return Section("Coverage", sentences, Table(head, rows, (3, 4, 5, 6, 7), max(0, len(pairs) - MOST_ROWS)))


def _pair_row(pair: Pair, by: str, whole: float) -> tuple[str, ...]:
    parts = (pair.held, pair.open, pair.unproven, max(0.0, whole - pair.looked))
    shares = (_share(part / whole if whole else 0.0) for part in parts)
    return (pair.tenant, pair.target, by, *shares, f"{pair.proofs:,}", pair.last.value)


def _uncovered(account: Account) -> Section:
    rows = tuple(
        (row.tenant, _WORDS[row.what], ", ".join(row.which[:20]), "still" if row.last else "no more")
        for row in account.uncovered[:MOST_ROWS]
    )
    table = Table(("tenant", "what", "which", "at the end"), rows, more=max(0, len(account.uncovered) - MOST_ROWS))
    return Section("What is not proven", NEVER, table if rows else None)


def _breaches(account: Account) -> Section:
    if not account.incidents:
        return Section("Breaches", ("None was seen.",))
    rows = tuple(_breach_row(one) for one in account.incidents[:MOST_ROWS])
    detect, page = (
        [at for at in map(figure, account.incidents) if at is not None]
        for figure in (lambda one: one.to_detect, lambda one: one.to_page)
    )
    sentences = [f"{_count(len(account.incidents), 'breach', 'breaches')}. {_figures('To detect, at most', detect)}"]
    sentences.append(_figures("From evidence to the first page accepted", page))
    head = ("since", "ended", "tenant", "target", "check", "identity", "questions", "to detect", "to page", "cause")
    table = Table(head, rows, (6, 7, 8), max(0, len(account.incidents) - MOST_ROWS) + account.left_out)
    return Section("Breaches", tuple(sentences), table)


def _breach_row(one: Incident) -> tuple[str, ...]:
    ended = "open" if one.ended is None else f"{when(one.ended)} ({one.ending}, {span(one.ended - one.since)})"
    page = "no push" if one.to_page is None else span(one.to_page)
    detect = "not known" if one.to_detect is None else f"≤ {span(one.to_detect)}"
    who = (one.subject.tenant, one.subject.target, one.subject.check, one.subject.identity)
    return (when(one.since), ended, *who, str(one.questions), detect, page, one.cause)


def _breach_json(one: Incident) -> dict[str, Any]:
    return {
        **one.subject._asdict(),
        "seen_by": [*one.seen_by],
        "since": rfc3339(one.since),
        "closed_before": None if one.closed_before is None else rfc3339(one.closed_before),
        "ended": None if one.ended is None else rfc3339(one.ended),
        "ending": one.ending,
        "questions": one.questions,
        "to_detect_seconds": one.to_detect,
        "to_page_seconds": one.to_page,
        "cause": one.cause,
        "audit_id": one.audit_id,
    }


def _inconclusive(account: Account) -> Section:
    if not account.blinds:
        return Section("Inconclusive", ("Nothing that was asked was inconclusive.",))
    worst = sorted(account.blinds, key=lambda blind: -blind.seconds)
    by = {source.name: source.by for source in account.sources}
    rows = tuple(
        (
            row.tenant,
            row.target,
            by.get(row.journal, ""),
            row.reason,
            span(row.seconds),
            str(row.times),
            span(row.longest),
        )
        for row in worst[:MOST_ROWS]
    )
    head = ("tenant", "target", "seen by", "reason", "altogether", "times", "longest")
    table = Table(head, rows, (4, 5, 6), max(0, len(worst) - MOST_ROWS))
    return Section("Inconclusive", ("Neither held nor breached: what was in the way, and for how long.",), table)


def _failovers(account: Account) -> Section:
    if not account.outages:
        return Section("Failovers", ("No outage of a gateway is recorded.",))
    rows = tuple(map(_outage_row, account.outages[:MOST_ROWS]))
    passed = sum(one.verdict is Verdict.PASS for one in account.outages)
    sentence = f"{_count(len(account.outages), 'outage')}, {passed} with even the upper bound within the promise."
    head = ("began", "gateway", "from, to", "verdict", "F_lower to F_upper", "a user waited", "promise", "bad probes")
    table = Table(head, rows, (4, 5, 6, 7), max(0, len(account.outages) - MOST_ROWS))
    return Section("Failovers", (sentence,), table)


def _outage_row(one: Outage) -> tuple[str, ...]:
    course, episode = one.course, one.course.episode
    bounds = "no figure" if episode.stable is None else f"{episode.stable.lower:.1f} to {episode.stable.upper:.1f} s"
    felt = "" if episode.user is None else span(episode.user)
    who = f"{episode.source} → {episode.to}"
    return (
        when(one.began),
        course.gateway,
        who,
        one.verdict.value,
        bounds,
        felt,
        span(course.within),
        str(episode.bad),
    )


def _gaps(account: Account) -> Section:
    if not account.gaps:
        return Section("When nobody was looking", ("Somebody was looking all the time.",))
    rows = tuple(
        (gap.journal, when(gap.since), when(gap.until), span(gap.seconds), gap.why.value)
        for gap in account.gaps[:MOST_ROWS]
    )
    whole = sum(gap.seconds for gap in account.gaps)
    sentence = (
        f"{_count(len(account.gaps), 'gap')}, {span(whole)} altogether over {_count(len(account.sources), 'journal')}."
    )
    table = Table(("journal", "since", "until", "for", "why"), rows, (3,), max(0, len(account.gaps) - MOST_ROWS))
    return Section("When nobody was looking", (sentence,), table)


def _drills(account: Account) -> Section:
    if not account.drills:
        said = "No drill is in these journals (sentinel drill run --journal), and no result was given (--drill)."
        return Section("Drills", (said,))
    passed = sum(drill.verdict is Ruled.PASS for drill in account.drills)
    drills = _count(len(account.drills), "drill")
    sentence = f"{drills}, {passed} passed. An outage of a drill is no less one of the failovers."
    rows = tuple(map(_drill_row, account.drills[:MOST_ROWS]))
    head = ("started", "drill", "gateway", "fault stood", "verdict", "F_lower to F_upper", "promise", "why")
    return Section("Drills", (sentence,), Table(head, rows, (5, 6), max(0, len(account.drills) - MOST_ROWS)))


def _drill_row(one: Drilled) -> tuple[str, ...]:
    bounds = "no figure" if one.lower is None or one.upper is None else f"{one.lower:.1f} to {one.upper:.1f} s"
    healed = f", NOT HEALED: {one.unhealed}" if one.unhealed else ""
    what = f"{one.drill}, {one.variant}"
    why = f"{one.why}{healed}"
    return (
        when(one.started),
        what,
        one.gateway,
        _stood(one),
        one.verdict.value,
        bounds,
        span(one.within),
        why,
    )


def _stood(one: Drilled) -> str:
    if one.stood is None:
        return "never"
    since, until = one.stood
    return f"from {when(since)}, not seen to end" if until is None else f"{when(since)}, {span(until - since)}"


def _figures(what: str, seconds: Sequence[float]) -> str:
    if not seconds:
        return f"{what}: no figure."
    return f"{what}: median {span(median(seconds))}, longest {span(max(seconds))}, of {len(seconds)}."


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _share(ratio: float) -> str:
    """Never rounded up to all of it."""
    return "100 %" if ratio >= 1.0 else f"{min(ratio * 100, 99.99):.2f} %"


def _md_table(table: Table) -> list[str]:
    rules = ("---:" if number in table.numbers else "---" for number in range(len(table.head)))
    lines = [_md_row(table.head), f"| {' | '.join(rules)} |", *map(_md_row, table.rows)]
    return [*lines, "", f"{table.more:,} more are left out here; the JSON has them."] if table.more else lines


def _md_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(_md(cell).replace('|', '&#124;') for cell in cells)} |"


def _md(text: str) -> str:
    """What comes from a cluster's names and messages is text, and no markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("`", "'").replace("\n", " ")
