"""Slack's incoming webhooks, with a message attachment.

By https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments (fields, footer 300, mrkdwn_in),
https://docs.slack.dev/messaging/formatting-message-text (which characters are control characters),
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks (`ok`, `invalid_payload`), and
https://docs.slack.dev/changelog/2018-truncating-really-long-messages (beyond 40,000 characters it cuts).
For an attachment's text no length is published: 8,000 is ours.
Stricter than Slack: nothing in our texts may mention, link or style, so every `<` and `>` is a problem.
"""

import re
from typing import Any

from tests.support.vendors.vendor import Answer, Vendor, is_url, too_long, unknown

PATH = "/services/T0/B0/secret"
_MESSAGE = {"channel", "username", "icon_emoji", "icon_url", "link_names", "text", "attachments"}
_ATTACHMENT = {
    "actions",
    "author_icon",
    "author_link",
    "author_name",
    "callback_id",
    "color",
    "fallback",
    "fields",
    "footer",
    "footer_icon",
    "image_url",
    "mrkdwn_in",
    "pretext",
    "text",
    "thumb_url",
    "title",
    "title_link",
    "ts",
}
_TEXTS = ("title", "text", "fallback", "pretext", "footer")
_LIMITS = {"title": 1024, "footer": 300, "text": 8000, "fallback": 1024}
_BARE = re.compile(r"&(?!amp;|lt;|gt;)")


def slack() -> Vendor:
    return Vendor(problems, Answer(200, "text/html", "ok"), Answer(400, "text/html", "invalid_payload"))


def problems(method: str, path: str, headers: dict[str, str], message: Any, size: int) -> list[str]:
    if (method, path) != ("POST", PATH):
        return [f"{method} {path}"]
    found = unknown(message, _MESSAGE, "message")
    attachments = message.get("attachments") or []
    if not attachments and not message.get("text"):
        found.append("no_text")
    if len(attachments) > 20:
        found.append("too_many_attachments")
    for attachment in attachments:
        found += _attachment(attachment)
    return found


def _attachment(attachment: dict[str, Any]) -> list[str]:
    found = unknown(attachment, _ATTACHMENT, "attachment") + too_long(attachment, _LIMITS, "attachment")
    found += [f"no {key}" for key in ("fallback", "title") if not attachment.get(key)]
    if not re.fullmatch(r"good|warning|danger|#[0-9a-fA-F]{6}", attachment.get("color", "good")):
        found.append(f"color {attachment['color']}")
    if "title_link" in attachment and not is_url(attachment["title_link"]):
        found.append(f"title_link {attachment['title_link']}")
    for key in _TEXTS:
        text = attachment.get(key, "")
        if set(text) & set("<>") or _BARE.search(text):
            found.append(f"{key}: a control character in {text!r}")
        if text.count("`") % 6:
            found.append(f"{key}: a block of code that is not closed")
    actions = attachment.get("actions") or []
    if len(actions) > 5:
        found.append("more than 5 actions")
    for action in actions:
        if action.get("type") != "button" or not 0 < len(action.get("text", "")) <= 30 or not is_url(action.get("url")):
            found.append(f"action {action}")
    return found
