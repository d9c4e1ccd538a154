"""`sentinel once gateway/NAME`: one completion, now. `reports.completion` has what is told of it."""

from sentinel.clients.clock import Clock
from sentinel.clients.completions import Completions, trust
from sentinel.core.gateway.canary import Canary
from sentinel.core.gateway.foreign import whose
from sentinel.core.gateway.outcome import judge
from sentinel.joins import gateways
from sentinel.reports.completion import Seen
from sentinel.settings import Settings

CHECK = "gateway"


def names(settings: Settings) -> tuple[str, ...]:
    """What can be asked for."""
    return tuple(f"{CHECK}/{gateway.name}" for gateway in settings.gateways)


async def ask(settings: Settings, name: str, *, stream: bool = True) -> Seen:
    """Ask once. `name` is one of `names`. Raises OwnFault for a CA file that is none."""
    gateway = next(gateway for gateway in settings.gateways if f"{CHECK}/{gateway.name}" == name)
    asker = gateways.asker_of(settings)
    clock, canary = Clock(), Canary(asker.nonce())
    probe = gateways.probe_of(gateway, gateways.Way(Completions(trust(gateway.ca), clock)), clock)
    heard = await probe.ask(canary, stream=stream)
    judged = judge(heard, canary, gateways.expected_of(gateway, asker.name))
    return Seen(gateway.name, canary.nonce, heard, judged, whose(tenant.name for tenant in settings.tenants))
