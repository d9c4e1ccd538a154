"""What is kept on disk."""

from __future__ import annotations

from datetime import timedelta

from sentinel.settings.duration import Duration
from sentinel.settings.section import Section
from sentinel.settings.size import Size
from sentinel.settings.words import FilePath, HttpUrl


class Journal(Section):
    """An append-only file of records, each sealed with a hash over all before it: the evidence for an auditor."""

    path: FilePath | None = None
    """`None`: no file. The pod's root is read-only, so a path needs a volume that somebody chose."""

    keep: Duration = timedelta(days=7)
    """Long enough to look back from a Monday to the Monday before."""

    most: Size = 200 * 2**20
    """Of all days together, shared out evenly, so that a noisy day pushes none out that was kept. Less
    than the 256Mi of the chart's volume, beyond which a pod is evicted."""

    anchor: HttpUrl | None = None
    """Where the head of the chain is posted to every five minutes, besides the log. `None`: the log alone."""

    @property
    def most_a_day(self) -> int:
        """Bytes. Besides today's file there are those of the days kept, the first and the last of them in part."""
        return self.most // (-(-self.keep // timedelta(days=1)) + 1)
