"""Breaks a provider at sentinel's own proxy (`sentinel drill proxy`), which stands between it and the gateway."""

from collections.abc import Mapping
from typing import Any, ClassVar

from sentinel.clients.control import Control
from sentinel.core.drill.fault import Fault, Place, Receipt, Status, Steps, Variant
from sentinel.errors import Refused

FAULT = "/fault"


class ProviderInjector:
    """The proxy keeps one fault at a time, and ends it by itself."""

    variants: ClassVar[frozenset[Variant]] = frozenset(Variant)

    def __init__(self, control: Control, place: Place) -> None:
        """`control` speaks to the proxy's control address."""
        self._control, self._place = control, place

    def plan(self, fault: Fault) -> Steps:
        """What would be done; touches nothing."""
        return Steps(
            wound=(f"PUT {self._place.at}{FAULT}: {_SAID[fault.variant].format(fault=fault)}",),
            undo=(f"DELETE {self._place.at}{FAULT}: requests pass untouched again",),
            last_resort="the proxy ends the fault by itself when its time is over",
        )

    async def look(self) -> Mapping[str, Any]:
        """Nothing needs to be put back. Raises Refused where another run's fault stands."""
        found = await self._control.call("GET", FAULT)
        if found.get("run"):
            raise Refused(f"{self._place.at}: the fault of run {found['run']} stands already")
        return {}

    async def inject(self, receipt: Receipt) -> None:
        """Put the fault there, with the time after which it ends."""
        body = {"run": receipt.run, "seconds": receipt.seconds, "fault": receipt.fault.as_json()}
        await self._control.call("PUT", FAULT, body)

    async def status(self, receipt: Receipt) -> Status:
        """Whether the proxy has this very fault."""
        found = await self._control.call("GET", FAULT)
        ours = found.get("run") == receipt.run
        return Status(ours and found.get("fault") == receipt.fault.as_json(), not ours, found.get("bitten"))

    async def revert(self, receipt: Receipt) -> None:
        """Take this run's fault away; another's stays."""
        await self._control.call("DELETE", f"{FAULT}/{receipt.run}")


_SAID = {
    Variant.KILL: "every connection breaks at once",
    Variant.ERROR: "every request is answered {fault.status}",
    Variant.LIMITED: "every request is answered 429 with Retry-After: {fault.retry_after:.0f}",
    Variant.TIMEOUT: "every request is taken and none is answered",
    Variant.SLOW: "every answer begins {fault.latency:g} s late",
    Variant.TRUNCATED: "every answer breaks off after {fault.after_bytes} bytes of its body",
}
