"""The desk: one tenant's breaches, as its own sentinel tells them and as the witness sees them.

    claim ("it is open") --pass on at once--> Pages
          ("it is over") --nothing; asked anew--> own two held rounds --> over

Everybody in a tenant can speak as its sentinel. So its word opens at once, which costs a look, and
never closes: a page that it told of ends when the witness, with that identity's own token, has had
the same questions denied in two rounds that began after that word.

Where packets come from, and the key of a gateway, cannot be borrowed as a token can: about those the tenant's
own proof is all there is, and its word ends what its word began. When it falls silent the push ends, and the
rule, which remembers, goes on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from sentinel.clients.clock import Clock
from sentinel.core.api.question import Question
from sentinel.core.asked import only_there
from sentinel.core.claim import Claim
from sentinel.core.page import Alert, Page
from sentinel.core.record import Record, Round, Series
from sentinel.engine.book import Book
from sentinel.kinds import Sink

Look = Callable[[Series, tuple[Question, ...]], None]
"""Told of a series that must be asked about at once, with its planned questions."""


class Pages(Sink, Protocol):
    """Whoever pages; `sinks.pager.Pager` is the real one."""

    def pass_on(self, alert: Alert, series: Series, told: Page) -> None:
        """Page on somebody else's word."""
        ...


@dataclass(frozen=True, slots=True)
class Word:
    """What the tenant said last of one series. `heard` in monotonic seconds."""

    heard: float
    over: bool = False


@dataclass
class Desk:
    """Stands between one tenant's book and the pages. `patience`: seconds of silence that end a word."""

    book: Book
    pages: Pages
    look: Look
    page_of: Callable[[Claim], Page]
    clock: Clock
    patience: float
    words: dict[Series, Word] = field(default_factory=dict)
    strangers: dict[Series, float] = field(default_factory=dict)

    def take(self, claim: Claim) -> bool:
        """Take the tenant's word; False where it changes nothing that we can check."""
        if claim.alert is Alert.IDENTITY:
            return self._take_identity(claim)
        known = self.words.get(claim.series)
        if claim.over:
            return known is not None and self._release(claim.series, known)
        self.words[claim.series] = Word(self.clock.monotonic())
        if known is None or known.over:
            self._ask_anew(claim.series)
        self.pages.pass_on(claim.alert, claim.series, self.page_of(claim))
        return True

    def put(self, record: Record) -> None:
        """What the witness itself asked."""
        self.pages.put(record)

    def end_round(self, report: Round) -> None:
        """Close what both agree on; what the tenant still calls open stays, whatever we think of it."""
        self._grow_impatient()
        claimed = {series for series, word in self.words.items() if not word.over}
        agreed = {series: since for series, since in report.breach_since.items() if since or series not in claimed}
        agreed |= {series: 0.0 for series, word in self.words.items() if word.over and only_there(series.check)}
        strangers = report.wrong_identity | {series.identity for series in self.strangers}
        self.pages.end_round(replace(report, breach_since=agreed, wrong_identity=strangers))
        for series in [series for series, word in self.words.items() if word.over and agreed.get(series) == 0]:
            del self.words[series]

    def open_claims(self) -> Mapping[Series, Word]:
        """What the tenant has said, and we have not agreed to be over."""
        return dict(self.words)

    def _release(self, series: Series, known: Word) -> bool:
        if not known.over:
            self.words[series] = replace(known, over=True)
            # What we proved while it was said to be open may be older than the end.
            self._ask_anew(series)
        return not known.over

    def _ask_anew(self, series: Series) -> None:
        if only_there(series.check):
            return
        self.look(series, self.book.contest(series))

    def _grow_impatient(self) -> None:
        """A sentinel that stopped repeating is dead, or has lost us: its word is over, and asked anew."""
        horizon = self.clock.monotonic() - self.patience
        for series, word in [*self.words.items()]:
            if not word.over and word.heard < horizon:
                self._release(series, word)
        self.strangers = {series: heard for series, heard in self.strangers.items() if heard >= horizon}

    def _take_identity(self, claim: Claim) -> bool:
        # Who it is there, nobody can prove from here: it stands while it is repeated.
        if claim.over:
            return False
        self.strangers[claim.series] = self.clock.monotonic()
        self.pages.pass_on(claim.alert, claim.series, self.page_of(claim))
        return True
