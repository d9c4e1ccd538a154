"""What breaks things on purpose, one file each; the listing is the list. The contract: `kinds.Injector`.

provider.py    sentinel's own proxy before a provider: every variant, and each ends by itself
toxiproxy.py   a Toxiproxy that is there already: faults of TCP, which knows no 429
"""

from sentinel.clients.control import Control
from sentinel.core.drill.fault import Place, Variant
from sentinel.injectors.provider import ProviderInjector
from sentinel.injectors.toxiproxy import ToxiproxyInjector
from sentinel.kinds import Injector

INJECTORS: dict[str, type[ProviderInjector | ToxiproxyInjector]] = {
    "provider": ProviderInjector,
    "toxiproxy": ToxiproxyInjector,
}
"""By the name that drills and receipts have."""


def variants(name: str) -> frozenset[Variant]:
    """What this injector can do."""
    return INJECTORS[name].variants


def injector(place: Place, control: Control) -> Injector:
    """The injector for this place; `control` speaks to its address."""
    return INJECTORS[place.injector](control, place)
