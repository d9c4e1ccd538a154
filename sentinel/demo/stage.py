"""Everything the rehearsal needs, started and ended together, in one temporary folder.

    two providers <- a small gateway
                              ^ asked by the first
    stand-in API server <- three real `sentinel run` -> page receiver
                              |  scraped by             ^ webhook
                              v                         |
                           [Prometheus] -> [Alertmanager]      where these two are installed

Each sentinel is given what its pod would be given: token, CA and namespace as files, the API
server's address in two variables. Configuration, rules and route are the chart's own, rendered
once with timers ten times as fast (`rendered/`, see tests/demo/test_rendered.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from sentinel.demo import loopback, world
from sentinel.demo.apiserver import StandIn
from sentinel.demo.gateway import SERVED_BY, Gateway
from sentinel.demo.programs import Program, running
from sentinel.demo.provider import Provider
from sentinel.demo.receiver import Page, Receiver
from sentinel.demo.reviews import seconds_of
from sentinel.errors import OwnFault

GATEWAY, PROVIDERS = "chat", ("north", "south")
_RULES = ("breach.rules.yaml", "blind.rules.yaml", "self.rules.yaml")
# Everything a sentinel may inherit: the machine's own cluster, proxies and settings stay outside.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
# Four days: a token that expires during the show would be another show.
_TOKEN_SECONDS = 4 * 86_400
_LOG_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Daemon:
    """A running sentinel: where its metrics and its console are."""

    tenant: str
    program: Program
    listen: str
    console: str

    async def logged(self, event: str, seconds: float, *, since: float = 0.0, **fields: str) -> Mapping[str, Any]:
        """The first such log line since that moment; waits for it. Raises OwnFault after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while (line := self._line(event, since, fields)) is None:  # noqa: ASYNC110  # a file tells nobody
                    await asyncio.sleep(_LOG_SECONDS)
        except TimeoutError:
            raise OwnFault(f"{self.program.name} has not logged {event} within {seconds:.0f} s") from None
        return line

    def _line(self, event: str, since: float, fields: Mapping[str, str]) -> Mapping[str, Any] | None:
        for text in self.program.log.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                line = json.loads(text) | {}
                if line["event"] == event and fields.items() <= line.items() and seconds_of(line["timestamp"]) >= since:
                    return dict(line)
        return None


@dataclass
class Stage:
    """Open it with `async with`; `now` gives epoch seconds, `arrived` is told of every page.

    `patience`: seconds after which the gateway gives its first provider up.
    """

    now: Callable[[], float]
    arrived: Callable[[Page], None]
    patience: float
    daemons: dict[str, Daemon] = field(default_factory=dict, init=False)
    alertmanager: str = field(default="", init=False)
    prometheus: str = field(default="", init=False)

    async def __aenter__(self) -> Self:
        """Starts all of it; returns when everything was started, not when it is ready."""
        async with contextlib.AsyncExitStack() as stack:
            await self._build(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends all of it, in reverse order, and removes the folder."""
        await self._stack.aclose()

    @property
    def programs(self) -> list[Program]:
        """All child processes."""
        return self._programs

    async def _build(self, stack: contextlib.AsyncExitStack) -> None:
        self._programs: list[Program] = []
        temporary = tempfile.TemporaryDirectory(prefix="sentinel-demo-")
        self.folder = Path(stack.enter_context(temporary))
        self.standin = await stack.enter_async_context(StandIn(self.now))
        self.standin.cluster.apply(*world.installed())
        self.receiver = await stack.enter_async_context(Receiver(self.now, self.arrived))
        await self._llm(stack)
        listens, consoles = loopback.free_ports(3), loopback.free_ports(3)
        if shutil.which("alertmanager") and shutil.which("prometheus"):
            await self._monitoring(stack, dict(zip(world.TENANTS, listens, strict=True)))
        for tenant, listen, console in zip(world.TENANTS, listens, consoles, strict=True):
            program = await self._sentinel(stack, tenant, listen, console)
            self.daemons[tenant] = Daemon(tenant, program, listen, console)

    async def _llm(self, stack: contextlib.AsyncExitStack) -> None:
        first, second = [await stack.enter_async_context(Provider(name, self.now)) for name in PROVIDERS]
        self.gateway = await stack.enter_async_context(Gateway(first, second, self.patience, self.now))

    async def _sentinel(self, stack: contextlib.AsyncExitStack, tenant: str, listen: str, console: str) -> Program:
        folder = self.folder / tenant
        account = folder / "serviceaccount"
        account.mkdir(parents=True)
        token = self.standin.cluster.token(tenant, seconds=_TOKEN_SECONDS)
        (account / "token").write_text(token)
        (account / "namespace").write_text(tenant)
        (account / "ca.crt").write_bytes(self.standin.ca_pem)
        config = folder / "sentinel.yaml"
        config.write_text(rendered(f"{tenant}.yaml"))
        host, _, port = self.standin.cluster.address.rpartition(":")
        own = {
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": port,
            "SENTINEL_SERVICE_ACCOUNT_DIR": str(account),
            # What differs per start; the file stays what the chart rendered, and so does its hash.
            "SENTINEL__WEB__LISTEN": listen,
            "SENTINEL__WEB__CONSOLE": console,
            "SENTINEL__PAGING__DIRECT": f'["{self.alertmanager or self.receiver.url}"]',
            # As the rest of the demo's timers: ten times as fast.
            "SENTINEL__PAGING__REPEAT": "3s",
        }
        if tenant == world.TENANTS[0]:
            own["SENTINEL__GATEWAYS"] = json.dumps([_asked(self.gateway)])
        command = [sys.executable, "-m", "sentinel", "run", "--config", str(config)]
        name = f"sentinel of {tenant}"
        return await self._start(stack, name, command, folder / "log", _environment(own))

    async def _monitoring(self, stack: contextlib.AsyncExitStack, scraped: Mapping[str, str]) -> None:
        alertmanager, prometheus = loopback.free_ports(2)
        folder = self.folder / "monitoring"
        folder.mkdir()
        _write(folder / "alertmanager.yml", _route(f"{self.receiver.url}/webhook"))
        _write(folder / "prometheus.yml", _scrapes(scraped, alertmanager))
        for name in _RULES:
            (folder / name).write_text(rendered(name))
        self.alertmanager, self.prometheus = f"http://{alertmanager}", f"http://{prometheus}"
        commands = {
            "alertmanager": [
                "--config.file=alertmanager.yml",
                "--storage.path=alerts",
                # Empty: no cluster, and so no waiting for one.
                "--cluster.listen-address=",
                f"--web.listen-address={alertmanager}",
            ],
            "prometheus": [
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=samples",
                "--rules.alert.resend-delay=2s",
                f"--web.listen-address={prometheus}",
            ],
        }
        for name, flags in commands.items():
            await self._start(stack, name, [name, *flags], folder / f"{name}.log", _environment({}))

    async def _start(
        self,
        stack: contextlib.AsyncExitStack,
        name: str,
        command: list[str],
        log: Path,
        env: Mapping[str, str],
    ) -> Program:
        program = await stack.enter_async_context(running(name, command, log, env))
        self._programs.append(program)
        return program


def _asked(gateway: Gateway) -> dict[str, Any]:
    """How the gateway is watched: as fast as the witness does it where something is wrong."""
    signs = {name: {"where": "header", "key": SERVED_BY, "regex": f"^{name}$"} for name in PROVIDERS}
    return {
        "name": GATEWAY,
        "url": gateway.url,
        "model": "counts",
        "providers": [{"name": name, "match": [sign]} for name, sign in signs.items()],
        "every": "500ms",
    }


def rendered(name: str) -> str:
    """One of the chart's own files, as it renders for this cluster."""
    return resources.files(__package__).joinpath("rendered", name).read_text()


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    return {name: os.environ[name] for name in _INHERITED if name in os.environ} | dict(own)


def _route(webhook: str) -> Any:
    """The shipped route, with a webhook where the pager's number would be."""
    config = yaml.safe_load(rendered("route.yaml"))
    for receiver in config["receivers"]:
        if receiver["name"] == "sentinel-page":
            receiver["webhook_configs"] = [{"url": webhook, "send_resolved": True}]
    return config


def _scrapes(scraped: Mapping[str, str], alertmanager: str) -> dict[str, Any]:
    """Scrapes every second; the tenant is set by the scrape, as the chart's PodMonitor does."""
    targets = [{"targets": [at], "labels": {"tenant": name}} for name, at in scraped.items()]
    intervals = dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), "1s")
    return {
        "global": intervals,
        "scrape_configs": [{"job_name": "sentinel", "static_configs": targets}],
        "rule_files": list(_RULES),
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
    }


def _write(file: Path, content: Any) -> None:
    file.write_text(yaml.safe_dump(content, sort_keys=False))
