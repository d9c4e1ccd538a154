"""The pager as the settings describe it: who pages, to whom, how often."""

from collections.abc import Callable
from dataclasses import dataclass

from sentinel.clients.clock import Clock
from sentinel.core import page
from sentinel.core.asked import GATEWAY
from sentinel.core.page import Alert, Party, Sender
from sentinel.core.record import Series
from sentinel.settings import Settings
from sentinel.sinks.pager import Client, Pager

FLUSH_SECONDS = 1.5
"""For the last pages, and for the last records of the journal: with the rest it stays under five."""
_RESOLVED_REPEATS = 10.0
_LINGER_REPEATS = 1.0


def sender_of(settings: Settings) -> Sender:
    """Who pages, as the pages name it."""
    return Sender(
        cluster=settings.cluster,
        namespace=settings.isolation.release,
        tenant=settings.tenant,
        parties=tuple(
            Party(tenant.name, tuple(tenant.namespaces), tenant.owner or "", tenant.contact or "")
            for tenant in settings.tenants
        ),
        shadow=settings.paging.mode == "shadow",
        runbooks=settings.paging.runbooks,
        dashboards=settings.paging.dashboards,
    )


@dataclass(frozen=True)
class GatewayPages:
    """What stands about gateways, by this pager."""

    pager: Pager
    sender: Sender

    def open(self, alert: Alert, gateway: str, since: float, within: float) -> None:
        """As `engine.alarms.Pages`."""
        told = page.gateway_page(self.sender, alert, gateway, since, within)
        self.pager.pass_on(alert, _about(gateway), told)

    def over(self, alert: Alert, gateway: str, at: float) -> None:
        """As `engine.alarms.Pages`."""
        self.pager.over(alert, _about(gateway), at)


def _about(gateway: str) -> Series:
    return Series("", "", f"{GATEWAY}{gateway}")


def pager_to(
    urls: tuple[str, ...],
    client: Client,
    settings: Settings,
    clock: Clock,
    *,
    count: Callable[[str], None],
    delay: Callable[[float], None],
) -> Pager:
    """A pager that speaks for the tenant of these settings. `count` and `delay`: see `Pager`."""
    repeat = settings.paging.repeat.total_seconds()
    # Until the rule has ended too: a scrape, an evaluation and some. The witness, which is told of an end by the relay,
    # proves it anew itself and should begin at once.
    linger = 0.0 if settings.paging.relay else _LINGER_REPEATS * repeat
    return Pager(
        urls,
        sender_of(settings),
        client,
        clock,
        count=count,
        delay=delay,
        repeat=repeat,
        resolved_for=_RESOLVED_REPEATS * repeat,
        linger=linger,
    )
