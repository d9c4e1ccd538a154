"""The real `sentinel visit` in front of a chat page that breaks: its own /metrics, its pictures, and `once`."""

import asyncio
import json
from typing import Any

import pytest
import yaml

from tests import parts
from tests.support.authority import Authority
from tests.support.chatpage import GRACEFUL, chat_page
from tests.support.eventually import eventually
from tests.support.sentinels import COMMAND, Sentinel
from tests.wire.test_gateway_process import NAMED, Nowhere

pytestmark = pytest.mark.asyncio

PATIENCE = 90.0
EVERY = "3s"
"""Long enough for a page of loopback on a busy machine: a visit ends when the answer is whole."""


def config(page, folder, every=EVERY):
    return NAMED | {
        "tenant": "team-a",
        "gateways": [
            {
                "name": "chat",
                "url": "https://gateway.llm.svc/v1/chat/completions",
                "model": "chat",
                "providers": [{"name": "openai"}],
                "page": {
                    "url": page.url,
                    "prompt": "#prompt",
                    "send": "#send",
                    "answer": ".answer",
                    "graceful": [GRACEFUL],
                    "every": every,
                    "timeout": every,
                    "chromium": str(parts.find("chromium")),
                    "screenshots": {"path": str(folder / "pictures"), "keep": 2},
                },
            }
        ],
    }


async def said(*words, expect):
    program = await asyncio.create_subprocess_exec(
        *map(str, (COMMAND, *words)), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, error = await program.communicate()
    assert program.returncode == expect, error.decode()
    return out.decode()


async def test_a_page_that_breaks_is_counted_in_a_row_told_and_pictured(tmp_path):
    async with chat_page() as page:
        whole = config(page, tmp_path)
        nowhere = Nowhere(Authority(tmp_path).ca_file)
        where: dict[str, Any] = {"cluster": nowhere, "server": nowhere, "namespace": "team-a", "token": "x"}
        with Sentinel(config=whole, command="visit", **where) as made:

            async def until(outcome, breaches):
                def holds():
                    made.process.must_run()
                    seen = made.metrics()
                    return seen.value("sentinel_gateway_page_breaches") == breaches and seen.value(
                        "sentinel_gateway_page_visits_total", outcome=outcome
                    )

                await asyncio.to_thread(eventually, holds, PATIENCE, lambda: made.process.log_tail(20))

            await until("good", 0)
            page.fault = "trace"
            await until("ungraceful", 2)
            seen = made.metrics()
            assert seen.value("sentinel_gateway_page_leaks_total", rule="python-traceback") >= 1
            assert seen.value("sentinel_gateway_page_first_token_seconds_count") >= 1
            assert await asyncio.to_thread(made.stop) < 20
            assert [line["event"] for line in made.log_lines(event="page.failing")][:2] == ["page.failing"] * 2
    assert 1 <= len(list((tmp_path / "pictures").iterdir())) <= 2


async def test_once_goes_there_a_single_time_and_check_says_what_it_costs(tmp_path):
    async with chat_page("json") as page:
        path = tmp_path / "s.yaml"
        whole = config(page, tmp_path, "25s")
        path.write_text(yaml.safe_dump(whole))

        bad = json.loads(await said("once", "page/chat", "-c", path, "-o", "json", expect=1))
        plan = await said("check", "-c", path, expect=0)

    assert (bad["outcome"], bad["leaks"], len(page.asked)) == ("ungraceful", ["raw-json"], 1)
    assert bad["picture"].startswith(str(tmp_path))
    assert "page/chat: http://127.0.0.1" in plan
    assert "3,456 visits" in plan
