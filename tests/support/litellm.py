"""A litellm proxy, the real one, with a model for each way its providers fail.

with litellm(folder, {"hang": Model("http://127.0.0.1:1/hang/stream/v1", backup, waits=3.0)}) as gateway:
    heard = await gateway.ask("hang", stream=True)
"""

import os
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sentinel.clients.clock import Clock
from sentinel.clients.completions import Completions
from sentinel.clients.tokens import FileToken
from sentinel.core.gateway.completion import Deadlines, Heard
from sentinel.core.gateway.dialect import Dialect
from sentinel.probes.completion import CompletionProbe
from tests.core.gateway import recorded as r
from tests.parts import find
from tests.support.child import Child
from tests.support.eventually import eventually
from tests.support.ports import free_port

KEY = "sk-of-this-test-and-nothing-else"  # it refuses to start with a well-known one
STARTS = 180.0
"""Seconds that it is waited for: alone it takes six."""


@dataclass(frozen=True)
class Model:
    """Where a model is served, and where when that fails; `waits`: seconds for headers, and between two packets."""

    primary: str
    backup: str
    waits: float | None = None


@dataclass(frozen=True)
class Litellm:
    """The running proxy."""

    url: str
    child: Child
    key_file: Path

    def probe(self, model: str, deadlines: Deadlines) -> CompletionProbe:
        """The real probe of one of its models."""
        return CompletionProbe(
            self.url, Dialect.OPENAI_CHAT, model, Completions(), Clock(), FileToken(self.key_file), deadlines=deadlines
        )

    async def ask(self, model: str, *, stream: bool, deadlines: Deadlines) -> Heard:
        """One question."""
        return await self.probe(model, deadlines).ask(r.ASKED, stream=stream)


@contextmanager
def litellm(folder: Path, models: Mapping[str, Model], **router: Any) -> Iterator[Litellm]:
    """Runs until the block ends. `router`: settings of its router beside those that are here."""
    port = free_port()
    path, key_file = folder / "litellm.yaml", folder / "key"
    path.write_text(yaml.safe_dump(config(models, router)))
    key_file.write_text(KEY)
    # Of prices it would ask the internet three times.
    environment = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    command: list[str | Path] = [find("litellm"), "--config", str(path), "--host", "127.0.0.1", "--port", str(port)]
    child = Child(command, folder / "litellm.log", env=environment)
    try:
        eventually(lambda: _lives(port, child), STARTS, lambda: f"litellm is up:\n{child.log_tail()}")
        yield Litellm(f"http://127.0.0.1:{port}/v1/chat/completions", child, key_file)
    finally:
        child.kill()  # it would wait for every stream that stands still


def config(models: Mapping[str, Model], router: Mapping[str, Any]) -> dict[str, Any]:
    """A group of one deployment for each place, whose id begins with the provider's name."""
    groups = [
        {
            "model_name": name if provider == "openai" else f"{name}-backup",
            "litellm_params": {"model": "openai/m", "api_base": url, "api_key": "k", **_waits(model)},
            "model_info": {"id": f"{provider}-{name}"},
        }
        for name, model in models.items()
        for provider, url in (("openai", model.primary), ("backup", model.backup))
    ]
    fallbacks = [{name: [f"{name}-backup"]} for name in models]
    return {
        "model_list": groups,
        "router_settings": {"fallbacks": fallbacks, **router},
        "general_settings": {"master_key": KEY},
    }


def _waits(model: Model) -> dict[str, float]:
    return {} if model.waits is None else {"timeout": model.waits, "stream_timeout": model.waits}


def _lives(port: int, child: Child) -> bool:
    child.must_run()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=5) as reply:
        return bool(reply.status == 200)
