"""What the tests of drills share: a town of one gateway, and `sentinel drill` as the process that people start."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sentinel.clients.clock import Clock
from sentinel.clients.control import Control
from sentinel.clients.upstream import Upstream
from sentinel.core.drill.fault import Variant
from sentinel.settings.words import Address
from sentinel.web.fault_proxy import FaultProxy, serve
from tests.support.failing_over import Gateway, Provider, served
from tests.support.ports import free_port

COMMAND = Path(sys.executable).parent / "sentinel"
VARIANTS: Mapping[str, Any] = {
    "kill": {},
    "5xx": {"status": 503},
    "429": {"retry_after": "7s"},
    "timeout": {},
    "slow": {"latency": "5s"},
    "truncated": {"after": 150},
}
PATIENCE = 120.0
"""Seconds for a drill of a few, on a machine that may be busy."""


@dataclass
class Ended:
    """What one command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Town:
    """A gateway, its two providers, the proxy between it and the first one, and the files of a drill."""

    folder: Path
    gateway: Gateway
    url: str
    control: str
    primary: Provider
    backup: Provider
    promise: str = "20s"
    patience: str = "6s"  # of one question
    drill: dict[str, Any] = field(default_factory=dict)
    offered: tuple[str, ...] = tuple(VARIANTS)

    def short(self, **drill: Any) -> None:
        """A promise that is broken, or not, within seconds."""
        self.promise, self.patience = "2500ms", "2s"
        self.drill = {"limits": {"duration": "5s", "gate": "60s"}} | drill

    @property
    def receipts(self) -> Path:
        return self.folder / "receipts"

    def standing(self) -> list[Path]:
        return [path for path in self.receipts.glob("*.json") if not path.name.endswith(".healed.json")]

    def write(self) -> tuple[Path, Path]:
        gateway = {
            "name": "chat",
            "url": f"{self.url}/v1/chat/completions",
            "preset": "litellm",
            "model": "chat",
            "providers": [{"name": "openai"}, {"name": "backup"}],
            "baseline": "500ms",
            "burst": "300ms",
            "patience": dict.fromkeys(("connect", "first_token", "idle", "total"), self.patience),
            "failover": {"within": self.promise},
        }
        config = {"cluster": "c", "tenant": "a", "tenants": [{"name": "a", "namespaces": ["a"]}], "gateways": [gateway]}
        drill: dict[str, Any] = {
            "kind": "Drill",
            "name": "outage",
            "hypothesis": "The next one answers.",
            "gateway": "chat",
            "fault": {"at": self.control, "variants": {name: VARIANTS[name] for name in self.offered}},
            "limits": {"duration": "40s", "gate": "60s"},
        }
        for key, value in self.drill.items():
            part = drill.get(key)
            drill[key] = part | value if isinstance(part, dict) else value
        files = self.folder / "sentinel.yaml", self.folder / "outage.yaml"
        files[0].write_text(yaml.safe_dump(config))
        files[1].write_text(yaml.safe_dump(drill))
        return files

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        """`sentinel drill run` of this drill, with these words."""
        config, drill = self.write()
        return await started(
            *("run", str(drill), "--config", str(config), "--receipts", str(self.receipts), "--output", "json"), *words
        )

    async def run(self, *words: str) -> Ended:
        return await ended(await self.start(*words))

    async def fault(self) -> dict[str, Any]:
        """What stands at the proxy."""
        async with Control(self.control) as control:
            return await control.call("GET", "/fault")


async def started(*words: str) -> asyncio.subprocess.Process:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(COMMAND, "drill", *words, stdout=pipe, stderr=pipe, env=kept)


async def ended(process: asyncio.subprocess.Process) -> Ended:
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def phase(process: asyncio.subprocess.Process, words: str) -> None:
    """Until it says that it has come so far."""
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE):
        while words not in (line := (await process.stderr.readline()).decode()):
            assert line, f"it ended before {words!r}"


@asynccontextmanager
async def town(folder: Path, *, around: bool = False, **options: Any) -> AsyncIterator[Town]:
    """With sentinel's own proxy; `around`: the gateway asks past it."""
    folder.mkdir(exist_ok=True)
    primary, backup = Provider("openai"), Provider("backup")
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(served(primary.app()))
        second = await stack.enter_async_context(served(backup.app()))
        upstream = await stack.enter_async_context(Upstream(first))
        listen, control = Address("127.0.0.1", free_port()), Address("127.0.0.1", free_port())
        await stack.enter_async_context(serve(FaultProxy(upstream, Clock()), listen, control))
        way = first if around else f"http://{listen}"
        gateway = Gateway({"openai": way, "backup": second}, **options)
        url = await stack.enter_async_context(served(gateway.app()))
        yield Town(folder, gateway, url, f"http://{control}", primary, backup)


__all__ = ["PATIENCE", "VARIANTS", "Ended", "Town", "Variant", "ended", "phase", "started", "town"]
