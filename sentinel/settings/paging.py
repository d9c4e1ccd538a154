"""How soon somebody must know, and who is told besides Prometheus."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator

from sentinel.settings.duration import Duration
from sentinel.settings.section import Section
from sentinel.settings.words import HttpUrl, PushUrl, Text, one_of


class Paging(Section):
    """From evidence to the phone. The rules page by themselves; a push is only faster."""

    promise: Duration = timedelta(minutes=5)
    """From the opening of a hole to the page. `sentinel check` refuses settings that cannot keep it."""

    mode: Annotated[Literal["page", "shadow"], BeforeValidator(one_of("page", "shadow"))] = "page"
    """`shadow` sends everything with severity none, for the first week. `page` is the default, or
    the shadow would outlast it."""

    relay: HttpUrl | None = None
    """The witness that passes pushes on. Nothing reads this yet; `sentinel check` says so."""

    repeat: Duration = timedelta(seconds=30)
    """How often what stands is pushed again; Alertmanager forgets what it is not told. An end is
    repeated for ten times as long, and a page outlives its sender by three times."""

    runbooks: Text = "alerts/runbooks"
    """Where `<AlertName>.md` lies, for the pushed pages; the chart writes its `runbookBase`."""

    dashboards: Text = "/d"
    """Grafana's address up to the dashboard's uid; the chart writes its `dashboardBase`."""

    direct: tuple[PushUrl, ...] = ()
    """Alertmanagers, each of which gets every push; `dns+http://` means all addresses behind a name.
    Empty, because whoever can push can also silence and invent: only for trusted tenants."""
