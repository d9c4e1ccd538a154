"""How long a gateway goes on failing after its providers are well again, and when it comes back to its primary.

Gateways put a provider that failed aside for a while; when all are aside, users get errors although
somebody could answer. Seen by asking the providers themselves beside the gateway: `engine.gateway`
feeds both kinds of probe, and `sinks.gateway_metrics` publishes the two figures.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Providers:
    """What direct probes say. Times are seconds of one clock."""

    well_since: Mapping[str, float | None] = field(default_factory=dict)  # None: ill
    all_ill: bool = False  # at some moment of the gateway's present outage nobody could have answered
    tail_from: float | None = None  # from then on somebody could have
    out: bool = False  # the gateway answers nobody


def direct(providers: Providers, name: str, end: float, *, good: bool) -> Providers:
    """A provider was asked itself."""
    before = providers.well_since.get(name)
    well = dict(providers.well_since) | {name: (end if before is None else before) if good else None}
    after = replace(providers, well_since=well)
    if not providers.out:
        return after
    if all(since is None for since in well.values()):
        return replace(after, all_ill=True, tail_from=None)
    tail = end if providers.all_ill and providers.tail_from is None else providers.tail_from
    return replace(after, tail_from=tail)


def failed(providers: Providers) -> Providers:
    """The gateway gave a bad answer."""
    if providers.out:
        return providers
    ill = bool(providers.well_since) and all(since is None for since in providers.well_since.values())
    return replace(providers, out=True, all_ill=ill, tail_from=None)


def answered(providers: Providers, end: float) -> tuple[Providers, float | None]:
    """The gateway gave a good answer: the cooldown's tail in seconds, None where there was none to measure."""
    if not providers.out:
        return providers, None
    tail = None if providers.tail_from is None else max(0.0, end - providers.tail_from)
    return replace(providers, out=False, all_ill=False, tail_from=None), tail


def failback(providers: Providers, primary: str, end: float) -> float | None:
    """Seconds from the primary's being well to its first answer through the gateway; None when unknown."""
    since = providers.well_since.get(primary)
    return None if since is None else max(0.0, end - since)


def ill(providers: Providers, names: Collection[str]) -> tuple[str, ...]:
    """Which of these are known to be ill."""
    return tuple(name for name in names if providers.well_since.get(name, 0.0) is None)
