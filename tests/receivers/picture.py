"""`make pictures`: docs/slack.png, one message of Slack's as a card.

    RoleBinding --> kube-apiserver --> sentinel --push--> Alertmanager --> the fake of Slack --> payload --> drawn by us

All of it is real but the last two: the hole, who sees it, and who writes the message. How it looks in Slack we only imitate:
a bar in the attachment's colour, its title, its text with *bold* and blocks of code, buttons, footer.
"""

import asyncio
import html
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from tests.bench.town import hole, readers
from tests.deploy import chart
from tests.receivers.desk import desk
from tests.support import manifests
from tests.support.controlplane import ControlPlane
from tests.support.eyes import chromium
from tests.support.sentinels import Sentinel

PICTURE = chart.ROOT / "docs" / "slack.png"
PUBLIC = "https://alertmanager.example.com"
TENANTS = [
    {"name": "team-a", "namespaces": ["team-a"], "owner": "Payments", "contact": "#payments-oncall"},
    {"name": "team-b", "namespaces": ["team-b"], "owner": "Search", "contact": "#search-oncall"},
]
ADDRESSES = {"runbookBase": "https://git.example.com/runbooks", "dashboardBase": "https://grafana.example.com/d"}
COLOURS = {"danger": "#a30200", "good": "#2eb886", "warning": "#daa038"}
STYLE = """
body { margin: 0; padding: 16px 20px; width: 800px; background: #fff; color: #1d1c1d; font: 15px/1.46 Lato, "DejaVu Sans", sans-serif }
b.name { font-size: 15px } .app { background: #e8e8e8; color: #616061; font-size: 10px; padding: 1px 3px; border-radius: 2px }
.bar { margin-top: 6px; padding-left: 12px; border-left: 4px solid } h1 { margin: 0 0 4px; font-size: 15px; color: #1264a3 }
p { margin: 0 0 6px; white-space: pre-wrap; overflow-wrap: anywhere }
pre { margin: 4px 0 8px; padding: 8px; background: #f8f8f8; border: 1px solid #ddd; border-radius: 4px; font: 12px monospace;
  white-space: pre-wrap; overflow-wrap: anywhere }
.button { display: inline-block; margin: 4px 8px 4px 0; padding: 4px 12px; border: 1px solid #bbb; border-radius: 4px; font-weight: bold }
footer, .drawn { color: #616061; font-size: 12px } .drawn { margin-top: 12px; font-style: italic }
"""


def real_payload() -> dict[str, Any]:
    """What the fake got of a hole that was opened in a cluster."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        here = stack.enter_context(desk(folder, "slack", flags=[f"--web.external-url={PUBLIC}"]))
        pushes = {"paging": {"direct": True}, "alertmanagers": [here.manager.url], "monitor": {"enabled": False}}
        rendered = chart.render(chart.values(2, cluster="prod-eu1", tenants=TENANTS, **ADDRESSES, **pushes))
        cluster = stack.enter_context(ControlPlane())
        cluster.admin.apply(*(manifests.namespace(name) for name in ("team-a", "team-b", chart.RELEASE)), *rendered)
        cluster.admin.apply(readers("team-b"))
        config = yaml.safe_load(chart.configuration(rendered, "team-a"))
        sentinel = stack.enter_context(Sentinel(cluster, config, namespace="team-a"))
        sentinel.wait_ready(60)
        cluster.admin.apply(hole("team-a", "team-b"))
        payload: dict[str, Any] = here.slack.wait_for(lambda one: "api/secrets" in str(one.body), 120).body
    return payload


def card(payload: Mapping[str, Any]) -> str:
    """The message as a page of its own. Slack's text is escaped by whoever sent it, all else by us."""
    (attachment,) = payload["attachments"]
    told = html.escape(attachment["title"]), _text(attachment["text"]), _buttons(attachment["actions"])
    title, text, buttons = told
    return f"""<!DOCTYPE html><meta charset="utf-8"><style>{STYLE}</style>
<b class="name">{html.escape(payload["username"])}</b> <span class="app">APP</span>
<div class="bar" style="border-color: {COLOURS[attachment["color"]]}"><h1>{title}</h1>{text}{buttons}
<footer>{html.escape(attachment["footer"])}</footer></div>
<div class="drawn">Drawn by us from what Alertmanager really sent for a real hole; in Slack it looks a little different.</div>"""


def _text(text: str) -> str:
    words, *rest = re.split(r"\n?```", text)
    bold = re.sub(r"(?m)^\*([^*\n]+)\*", r"<b>\1</b>", words)
    return f"<p>{bold}</p>" + "".join(f"<pre>{part}</pre>" for part in rest if part.strip())


def _buttons(actions: Sequence[Mapping[str, str]]) -> str:
    return "".join(f'<span class="button">{html.escape(one["text"])}</span>' for one in actions)


async def draw() -> None:
    payload = real_payload()
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": 840, "height": 300})
        await page.set_content(card(payload))
        await page.screenshot(path=PICTURE, full_page=True)


if __name__ == "__main__":
    asyncio.run(draw())
