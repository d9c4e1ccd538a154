"""Is the page on time? Each alert of ours, by both paths, through the Prometheus and the Alertmanagers that run.

rule --labels, relabelled--> route --> receiver        obstacles on the way: it may never arrive
 |                             |
 +-- terms of the formula -----+                       how long it takes at worst, where it does
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from sentinel.core.paging import formula, obstacles, ours
from sentinel.core.paging.alertmanager import Alertmanager
from sentinel.core.paging.feed import Feed, Feeds, Spot, spots
from sentinel.core.paging.formula import Path, Term, When
from sentinel.core.paging.matcher import Labels, Truth, whole
from sentinel.core.paging.obstacles import Obstacle
from sentinel.core.paging.prometheus import Prometheus
from sentinel.core.paging.relabel import relabel
from sentinel.core.paging.route import Route, TooManyWorlds, ends


@dataclass(frozen=True, slots=True)
class Row:
    """One alert by one path: where it ends, and what it takes. With an obstacle it may never arrive.

    `unjudged`: something on its way could not be read, so its sum says nothing.
    """

    alert: str
    path: Path
    severity: str
    terms: tuple[Term, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    receiver: str = ""
    route: str = ""
    unjudged: bool = False

    @property
    def calm(self) -> float:
        """Seconds at worst while everything works."""
        return sum(term.seconds for term in self.terms if term.when is When.ALWAYS)

    @property
    def worst(self) -> float:
        """Seconds at worst while one of each thing on the way fails."""
        return sum(term.seconds for term in self.terms)

    @property
    def pages(self) -> bool:
        """Whether the promise is about it. Tickets wait on purpose, and in the shadow nobody is woken."""
        return self.severity == ours.PAGES

    def after(self, terms: Iterable[Term] = (), stopped_by: Iterable[Obstacle] = ()) -> "Row":
        """The same, a stretch further on its way."""
        return replace(self, terms=(*self.terms, *terms), obstacles=(*self.obstacles, *stopped_by))


@dataclass(frozen=True, slots=True)
class Wishes:
    """What no server tells. Seconds. `detection`: from the opening of a hole to its series, where that is known.

    `pager`: a pattern of the receivers that wake people; without it the slowest of several counts.
    """

    promise: float = 300.0
    detection: float | None = None
    peer_timeout: float = formula.PEER_TIMEOUT
    pager: str = ""


@dataclass(frozen=True, slots=True)
class Inspection:
    """All that was found. `unknown`: what could not be read or judged; `notes`: what is worth a look."""

    promise: float
    rows: tuple[Row, ...]
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def broken(self) -> tuple[Row, ...]:
        """Pages that come too late, or may never."""
        return tuple(row for row in self.rows if row.pages and (row.obstacles or row.worst > self.promise))

    @property
    def slowest(self) -> Row | None:
        """The page that takes longest, of those that arrive."""
        arriving = [row for row in self.rows if row.pages and not row.obstacles and not row.unjudged]
        return max(arriving, key=lambda row: row.worst, default=None)

    @property
    def first_change(self) -> Term | None:
        """The largest term of the slowest page, of those that somebody can change."""
        terms = [term for term in self.slowest.terms if not term.given] if self.slowest else []
        return max(terms, key=lambda term: term.seconds, default=None)

    @property
    def enough(self) -> float | None:
        """To how many seconds that term has to come down; None where all is kept, or it alone cannot mend it."""
        if self.slowest is None or self.first_change is None or self.slowest.worst <= self.promise:
            return None
        rest = self.first_change.seconds - (self.slowest.worst - self.promise)
        return rest if rest > 0 else None


def inspect(
    prometheus: Prometheus | None, managers: Sequence[Alertmanager], wishes: Wishes, unread: Sequence[str] = ()
) -> Inspection:
    """Everything; `unread` says what could not be read, which is told and never guessed."""
    found = _Inspector(prometheus, tuple(managers), wishes)
    rows = tuple(found.rows())
    unknown = tuple(dict.fromkeys((*unread, *found.unknown)))
    notes = tuple(found.notes()) if prometheus is not None else ()
    return Inspection(wishes.promise, rows, unknown, notes)


@dataclass
class _Inspector:
    """Goes through it once, and keeps what it could not judge."""

    prometheus: Prometheus | None
    managers: tuple[Alertmanager, ...]
    wishes: Wishes
    unknown: list[str] = field(default_factory=list)

    def rows(self) -> Iterator[Row]:
        found = []
        if self.prometheus is not None:
            found = [spot for spot in spots(self.prometheus) if _is_ours(spot)]
            yield from self._by_rules(self.prometheus, found)
        if self.managers:
            twins = {spot.rule.name: spot.rule for spot in found}
            for name in (*ours.PUSHED, *(name for name in ours.PUSHED_TOO if name in twins)):
                yield self._by_push(name, dict(twins[name].labels) if name in twins else {})

    def _by_rules(self, prometheus: Prometheus, found: Sequence[Spot]) -> Iterator[Row]:
        feeds = Feeds(prometheus)
        for spot in found:
            if spot.group.took > spot.group.interval:
                took = f"takes {spot.group.took:g} s, and is due every {spot.group.interval:g} s"
                self.unknown.append(f"group {spot.group.name} {took}: evaluations are skipped")
            yield self._by_rule(prometheus, spot, feeds.of(spot))
        names = {spot.rule.name for spot in found}
        for name in ours.expected(names):
            if name not in names:
                yield Row(name, Path.RULE, ours.PAGES, obstacles=(obstacles.missing(name),))

    def _by_rule(self, prometheus: Prometheus, spot: Spot, feed: Feed) -> Row:
        rule, group, targets = spot.rule, spot.group, feed.targets(prometheus)
        row = Row(rule.name, Path.RULE, rule.labels.get("severity", ""), self._detected(rule.name))
        row = row.after(stopped_by=(*obstacles.of_rule(spot), *obstacles.of_targets(prometheus, feed, targets)))
        if targets and feed.series:
            slowest = max(targets, key=lambda one: one.interval + one.timeout)
            row = row.after(formula.scraped(slowest.interval, slowest.timeout, f"job {slowest.pool}"))
        row = row.after(
            formula.evaluated(group.interval, rule.waits, feed.recorded, prometheus.query_offset, group.name)
        )
        if not prometheus.alertmanagers:
            row = row.after(stopped_by=(obstacles.nobody_told(),))
        sent = _labels({**prometheus.external, **rule.labels} | {"alertname": rule.name})
        row = self._through_senders(row, prometheus, sent)
        return row.after((formula.resent(prometheus.resend, group.interval),))

    def _by_push(self, name: str, twin: dict[str, str]) -> Row:
        known = {key: twin[key] for key in _SHARED if key in twin}
        severity = known.setdefault("severity", ours.PAGES)
        labels = _labels(known | {"alertname": name, "path": Path.PUSH.value})
        labels = Labels(labels.known, labels.open | ({"cluster", "namespace"} - set(known)))
        return self._routed(Row(name, Path.PUSH, severity, self._detected(name)), labels, None)

    def _detected(self, name: str) -> tuple[Term, ...]:
        if name != ours.PUSHED[0] or self.wishes.detection is None:
            return ()
        return (Term("detection", self.wishes.detection, "isolation.within, qps, timeout (see `sentinel check`)"),)

    def _through_senders(self, row: Row, prometheus: Prometheus, sent: Labels) -> Row:
        """Relabelled, once for each section of Alertmanagers; which of them a section feeds is not told."""
        outcomes = [relabel(sent, steps) for steps in prometheus.senders or ((),)]
        through = [outcome.labels for outcome in outcomes if outcome.dropped is Truth.NO and _has_name(outcome.labels)]
        if not through:
            return row.after(stopped_by=(obstacles.dropped(outcomes[0].by),))
        if len(through) < len(outcomes):
            self.unknown.append(
                "a section of `alerting.alertmanagers` drops our alerts; which ones it feeds is not told"
            )
        told = len(prometheus.alertmanagers)
        return max((self._routed(row, labels, told) for labels in through), key=_badness)

    def _routed(self, row: Row, labels: Labels, told: int | None) -> Row:
        """Through each Alertmanager; the worst of them counts. `told`: how many hear it from Prometheus."""
        rows = [self._through(row, manager, labels, told) for manager in self.managers]
        return max(rows, key=_badness, default=replace(row, unjudged=True))

    def _through(self, row: Row, manager: Alertmanager, labels: Labels, told: int | None) -> Row:
        try:
            worlds = ends(manager.route, labels)
        except TooManyWorlds as error:
            self.unknown.append(f"{manager.url}: {row.alert}: {error}")
            return replace(row, unjudged=True)
        known = manager.peers if told is None else told
        way = (*formula.ring(known, manager.peers, self.wishes.peer_timeout), *formula.delivered())
        hidden = (*obstacles.of_silences(manager, labels), *obstacles.of_inhibitions(manager, labels))
        if told is not None:
            hidden = (*obstacles.not_told(manager), *hidden)
        ended = [self._ended(row, manager, caught) for caught in worlds]
        return max((one.after(way, hidden) for one in ended), key=_badness)

    def _ended(self, row: Row, manager: Alertmanager, caught: Sequence[Route]) -> Row:
        """At the slowest of those routes that wake people, where it is known which do, else of all."""
        pager = self.wishes.pager
        waking = [route for route in caught if not pager or whole(pager, route.receiver)]
        if not waking:
            names = ", ".join(route.receiver for route in caught) or "nobody"
            return replace(row, receiver=names).after(stopped_by=(obstacles.not_the_pager(names, pager),))
        ways = (
            replace(row, receiver=route.receiver, route=route.place).after(
                (formula.grouped(route.group_wait, route.group_interval, route.place),),
                obstacles.of_route(manager, route),
            )
            for route in waking
        )
        return max(ways, key=_badness)

    def notes(self) -> Iterator[str]:
        """What is worth a look, and no reason to fail."""
        assert self.prometheus is not None
        for target in self.prometheus.targets:
            if target.error and target.job.startswith(ours.TENANTS_JOB):
                yield f"target {target.labels.get('instance', '?')} is down: {target.error[:120]}"
        told = len(self.prometheus.alertmanagers)
        for manager in self.managers:
            if manager.settling:
                yield f"{manager.url}: its gossip is settling; it tells nobody meanwhile"
            if 0 < told < manager.peers:
                yield f"{manager.url}: Prometheus posts to {told} of {manager.peers} that gossip: let it post to each"


_SHARED = ("severity", "cluster", "namespace")
"""Labels that a push has from the same settings as its rule."""


def _is_ours(spot: Spot) -> bool:
    return spot.rule.alerts and ours.is_ours(spot.rule.name)


def _labels(known: dict[str, str]) -> Labels:
    """What is certain, and what only the expression or a template says."""
    certain = {name: value for name, value in known.items() if value and "{{" not in value}
    return Labels(certain, (ours.OPEN_LABELS | (set(known) - set(certain))) - set(certain))


def _has_name(labels: Labels) -> bool:
    return ours.is_ours(labels.known.get("alertname", ""))


def _badness(row: Row) -> tuple[bool, bool, float]:
    return bool(row.obstacles), row.unjudged, row.worst
