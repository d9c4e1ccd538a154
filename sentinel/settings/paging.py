"""How soon somebody must know, and who is told besides Prometheus."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator

from sentinel.settings.alarm_bell import Heartbeat, PageDrill
from sentinel.settings.duration import Duration
from sentinel.settings.section import Section
from sentinel.settings.words import FilePath, PushUrl, RelayUrl, Text, one_of


class Paging(Section):
    """From evidence to the phone. The rules page by themselves; a push is only faster."""

    promise: Duration = timedelta(minutes=5)
    """From the opening of a hole to the page. `sentinel check` refuses settings that cannot keep it."""

    mode: Annotated[Literal["page", "shadow"], BeforeValidator(one_of("page", "shadow"))] = "page"
    """`shadow` sends everything with severity none, for the first week. `page` is the default, or
    the shadow would outlast it."""

    relay: RelayUrl | None = None
    """The witness, which passes pushes on and says where to look. `None`: there is none, and the
    rules page alone."""

    relay_token: FilePath = Path("/var/run/secrets/tenant-sentinel/token")
    """A projected token of the audience `tenant-sentinel`, read again when it changes. It is good for
    nothing but this."""

    relay_ca: FilePath = Path("/etc/sentinel/relay/ca.crt")
    """Who signs the witness's certificate, likewise."""

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

    drill: PageDrill = PageDrill()
    """Whether a page arrives is tried, and not hoped."""

    heartbeat: Heartbeat = Heartbeat()
    """Who is told outside when nobody inside can tell any more."""
