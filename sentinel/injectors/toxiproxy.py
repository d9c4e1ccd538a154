"""Breaks a provider at a Toxiproxy (2.x) that the gateway's connections to it go through already.

A toxic has no expiry there, and everybody shares one set of proxies: ours are named
`sentinel-<run>-<n>`, nothing else is touched, and `POST /reset` (all proxies of everybody) is never used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sentinel.clients.control import Control, Missing
from sentinel.core.drill.fault import Fault, Place, Receipt, Status, Steps, Variant
from sentinel.errors import BadReply, Refused

_OURS = "sentinel-"


class ToxiproxyInjector:
    """`place.target` is the name of a proxy there."""

    variants: ClassVar[frozenset[Variant]] = frozenset(Variant) - {Variant.ERROR, Variant.LIMITED}

    def __init__(self, control: Control, place: Place) -> None:
        """`control` speaks to the server's API."""
        self._control, self._place = control, place
        self._path = f"/proxies/{place.target}"

    def plan(self, fault: Fault) -> Steps:
        """What would be done; touches nothing."""
        where = f"{self._place.at}{self._path}"
        last = "nothing: Toxiproxy keeps a toxic until it is deleted or the server restarts"
        if fault.variant is Variant.KILL:
            return Steps((f"PATCH {where}: enabled false",), (f"PATCH {where}: enabled as it was",), last)
        toxics = _toxics("RUN", fault)
        return Steps(
            tuple(f"POST {where}/toxics: {row['name']}, {row['type']} {row['attributes']}" for row in toxics),
            tuple(f"DELETE {where}/toxics/{row['name']}" for row in toxics),
            last,
        )

    async def look(self) -> Mapping[str, Any]:
        """Whether the proxy is enabled. Raises Refused where it is not, or where a drill's toxics stand."""
        found = await self._found()
        left = [name for name in found.toxics if name.startswith(_OURS)]
        if left:
            raise Refused(f"{self._place.at}{self._path}: {', '.join(left)} of another run stands already")
        if not found.enabled:
            raise Refused(f"{self._place.at}{self._path}: disabled already, by somebody else")
        return {"enabled": found.enabled}

    async def inject(self, receipt: Receipt) -> None:
        """Disable the proxy, or add our toxics to it."""
        if receipt.fault.variant is Variant.KILL:
            await self._control.call("PATCH", self._path, {"enabled": False})
        for toxic in _toxics(receipt.run, receipt.fault):
            await self._control.call("POST", f"{self._path}/toxics", toxic)

    async def status(self, receipt: Receipt) -> Status:
        """Whether the proxy is disabled, or has each of our toxics with its attributes."""
        found = await self._found()
        if receipt.fault.variant is Variant.KILL:
            return Status(not found.enabled, found.enabled == receipt.before.get("enabled", True))
        wanted = {str(row["name"]): row["attributes"] for row in _toxics(receipt.run, receipt.fault)}
        there = all(wanted[name].items() <= found.toxics.get(name, {}).items() for name in wanted)
        # On a proxy that somebody disabled meanwhile, a toxic is there and does nothing.
        return Status(there and found.enabled, not wanted.keys() & found.toxics.keys())

    async def revert(self, receipt: Receipt) -> None:
        """Delete our toxics, or enable the proxy again if it was."""
        if receipt.fault.variant is Variant.KILL:
            await self._control.call("PATCH", self._path, {"enabled": bool(receipt.before.get("enabled", True))})
        for toxic in _toxics(receipt.run, receipt.fault):
            try:
                await self._control.call("DELETE", f"{self._path}/toxics/{toxic['name']}")
            except Missing:
                continue  # gone already

    async def _found(self) -> "_Found":
        doc = await self._control.call("GET", self._path)
        rows = doc.get("toxics")
        if not isinstance(doc.get("enabled"), bool) or not isinstance(rows, list):
            raise BadReply(f"{self._place.at}{self._path}: no proxy of a Toxiproxy")
        return _Found(doc["enabled"], {str(row.get("name")): row.get("attributes") or {} for row in rows})


@dataclass(frozen=True, slots=True)
class _Found:
    """The proxy as it is now; the attributes of its toxics by their names."""

    enabled: bool
    toxics: Mapping[str, Mapping[str, Any]]


def _toxics(run: str, fault: Fault) -> list[dict[str, Any]]:
    """All on the way back to the gateway: what it asks arrives, and the answer does not."""
    return [
        {"name": f"{_OURS}{run}-{number}", "type": kind, "stream": "downstream", "attributes": attributes}
        for number, (kind, attributes) in enumerate(_kinds(fault))
    ]


def _kinds(fault: Fault) -> list[tuple[str, dict[str, int]]]:
    match fault.variant:
        case Variant.TIMEOUT:
            return [("timeout", {"timeout": 0})]  # until it is removed
        case Variant.SLOW:
            rate = fault.kilobytes_per_second
            slow = [("latency", {"latency": round(1000 * fault.latency), "jitter": 0})]
            return slow + ([("bandwidth", {"rate": rate})] if rate is not None else [])
        case Variant.TRUNCATED:
            return [("limit_data", {"bytes": fault.after_bytes})]
        case _:
            return []
