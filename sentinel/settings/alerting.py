"""Where it can be seen how long a page takes."""

from __future__ import annotations

from datetime import timedelta

from sentinel.settings.duration import Duration
from sentinel.settings.section import Section
from sentinel.settings.words import HttpUrl, Pattern


class Alerting(Section):
    """Only the witness looks; the Alertmanagers are those of paging.direct, else those that Prometheus posts to."""

    prometheus: HttpUrl | None = None
    """The one that evaluates our rules. `None`: nobody works out how long a page takes."""

    pager: Pattern = ""
    """Which receivers wake people. Empty: of several that get a page the slowest counts, since any of
    them may be the one."""

    peer_timeout: Duration = timedelta(seconds=15)
    """Alertmanager's `--cluster.peer-timeout`, which no API tells; 15 s is its default."""

    every: Duration = timedelta(minutes=5)
    """Between two looks. Configurations change by hand, and each look reads all of them."""
