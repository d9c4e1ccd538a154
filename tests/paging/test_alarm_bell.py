"""The page drill and the heartbeat over a change of the file: what is known stays, and what is not wanted does not run."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path as FilePath
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from sentinel.clients.alertmanager import Alertmanagers
from sentinel.clients.clock import Clock
from sentinel.joins.alarm_bell import AlarmBell, Task
from sentinel.joins.paging import pager_to
from sentinel.settings import Settings, load
from tests.support.ports import free_port, is_free

PROMETHEUS, MANAGER = "http://127.0.0.1:9", "http://127.0.0.1:9"


def settings(folder: FilePath, **paging: Any) -> Settings:
    (folder / "url").write_text("http://127.0.0.1:9/ping\n")
    whole = {
        "cluster": "tests",
        "tenants": [{"name": "team-a", "namespaces": ["team-a"]}],
        "relay": {},
        "isolation": {"witness_share": 0.25},
        "alerting": {"prometheus": PROMETHEUS},
        "paging": {"direct": [MANAGER]} | paging,
    }
    (folder / "w.yaml").write_text(yaml.safe_dump(whole))
    return load(folder / "w.yaml", {})


async def generation(bell: AlarmBell, chosen: Settings, stack: AsyncExitStack) -> Mapping[str, Task]:
    client = await stack.enter_async_context(Alertmanagers())
    pager = pager_to((MANAGER,), client, chosen, Clock(), count=lambda _: None, delay=lambda _: None)
    return await bell.generation(chosen, lambda: pager, lambda: True, stack)


@pytest.mark.parametrize(
    ("paging", "runs"),
    [
        ({}, {"page drill", "pages about the page path"}),
        ({"drill": {"every": None}}, set()),
        ({"drill": {"every": None}, "heartbeat": {"file": "url"}}, {"heartbeat"}),
    ],
)
async def test_only_what_is_wanted_runs(paging: dict[str, Any], runs: set[str], tmp_path: FilePath) -> None:
    async with AsyncExitStack() as stack:
        bell = AlarmBell(CollectorRegistry(), Clock())

        assert set(await generation(bell, settings(tmp_path, **paging), stack)) == runs


async def test_a_changed_file_opens_the_door_anew_and_forgets_no_figure(tmp_path: FilePath) -> None:
    registry, port = CollectorRegistry(), free_port()
    bell = AlarmBell(registry, Clock())
    chosen = settings(tmp_path, drill={"listen": f"127.0.0.1:{port}"}, heartbeat={"file": str(tmp_path / "url")})

    for _ in range(2):
        async with AsyncExitStack() as stack:
            assert set(await generation(bell, chosen, stack)) > {"page drill", "heartbeat"}
            assert not is_free(port)
    assert is_free(port)

    labels = {"path": "rule", "result": "arrived"}
    assert registry.get_sample_value("sentinel_page_path_runs_total", labels) == 0
    assert registry.get_sample_value("sentinel_heartbeat_beats_total", {"result": "accepted"}) == 0
