"""What is kept on disk."""

from __future__ import annotations

from datetime import timedelta

from sentinel.settings.duration import Duration
from sentinel.settings.section import Section
from sentinel.settings.words import FilePath


class Journal(Section):
    """An append-only file of records, the evidence for an auditor."""

    path: FilePath | None = None
    """`None`: no file. The pod's root is read-only, so a path needs a volume that somebody chose."""

    keep: Duration = timedelta(days=7)
    """Long enough to look back from a Monday to the Monday before."""
