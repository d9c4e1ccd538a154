"""A kubeconfig's plug-in is somebody else's program: it may hang, and that is said, not waited for."""

import asyncio
import time

import pytest
import yaml

from sentinel.clients import kubeconfig
from sentinel.clients.clock import Clock
from sentinel.clients.kubeconfig import Kubeconfig
from sentinel.errors import OwnFault
from tests.conftest import children, name_of


async def test_a_plug_in_that_waits_for_somebody_at_a_keyboard_keeps_nothing_waiting(tmp_path, monkeypatch):
    monkeypatch.setattr(kubeconfig, "_PLUGIN_SECONDS", 0.3)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sleep", "args": ["1"]}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "me", "user": {"exec": plugin}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(content))
    start = time.monotonic()

    with pytest.raises(OwnFault, match="TimeoutError"):
        await Kubeconfig(str(tmp_path / "config"), None, Clock()).load()

    assert time.monotonic() - start < 0.9
    # The library hands nobody its process; this one ends by itself.
    while any("sleep" in name_of(pid) for pid in children()):
        await asyncio.sleep(0.05)
