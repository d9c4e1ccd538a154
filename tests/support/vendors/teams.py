"""A workflow of Microsoft Teams that is started by a webhook and posts the card it is given.

By https://learn.microsoft.com/en-us/connectors/teams/ (the message and its attachment; about 28 KB in all) and
https://adaptivecards.io/explorer/TextBlock.html (a TextBlock's fields, and that its text takes Markdown's lists and links).
"""

import re
from typing import Any

from tests.support.vendors.vendor import Answer, Vendor, is_url, unknown

PATH = "/workflows/secret/triggers/manual/paths/invoke"
CARD = "application/vnd.microsoft.card.adaptive"
_BLOCK = {"type", "text", "weight", "size", "wrap", "style", "color", "isSubtle", "maxLines", "fontType"}
_LINK = re.compile(r"\[([^\]]*)\]\(([^)]*)\)")


def teams() -> Vendor:
    return Vendor(problems, Answer(202), Answer(400, text='{"error": {"code": "TriggerInputSchemaMismatch"}}'))


def problems(method: str, path: str, headers: dict[str, str], message: Any, size: int) -> list[str]:
    if (method, path) != ("POST", PATH):
        return [f"{method} {path}"]
    found = unknown(message, {"type", "attachments", "summary"}, "message")
    if message.get("type") != "message" or len(message.get("attachments") or ()) != 1:
        return [*found, "no message with one attachment"]
    if size > 28_000:
        found.append(f"{size} bytes")
    (attachment,) = message["attachments"]
    card = attachment.get("content", {})
    if attachment.get("contentType") != CARD or card.get("type") != "AdaptiveCard":
        found.append("no Adaptive Card")
    for block in card.get("body", ()):
        found += unknown(block, _BLOCK, "block")
        if block.get("type") != "TextBlock" or not block.get("text"):
            found.append(f"block {block}")
        found += [f"link {text}: {url}" for text, url in _LINK.findall(block.get("text", "")) if not is_url(url)]
    return found


def links(message: Any) -> list[tuple[str, str]]:
    """What a reader can press: words and address."""
    return [link for block in message["attachments"][0]["content"]["body"] for link in _LINK.findall(block["text"])]
