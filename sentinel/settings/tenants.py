"""Who shares the cluster. Every daemon is given the whole list and learns from it whom to ask about."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sentinel.settings.section import Section
from sentinel.settings.words import Name, Namespace, Text


class Tenant(Section):
    """One tenant: a name, the namespaces that are its own, and whom to call."""

    name: Name
    """The value of the label `tenant`."""

    namespaces: Annotated[tuple[Namespace, ...], Field(min_length=1)]
    """All of them, the first is where its sentinel runs. A namespace that is missing here is a
    namespace that nobody watches."""

    owner: Text | None = None
    """Who answers for it, in the words of the page. No default: a wrong name is worse than none."""

    contact: Text | None = None
    """Where to reach them; `None` for the same reason."""
