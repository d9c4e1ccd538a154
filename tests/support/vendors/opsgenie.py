"""Opsgenie's Alert API.

By https://docs.opsgenie.com/docs/alert-api (paths, `GenieKey`, 202) and https://docs.opsgenie.com/docs/alerts-and-alert-fields
(lengths: message 130, alias 512, entity 512, source 100, description 15000, 20 tags of 50, details 8000 together).
"""

import re
from typing import Any

from tests.support.vendors.vendor import Answer, Vendor, too_long, unknown

KEY = "00000000-1111-2222-3333-444444444444"
_CREATE = {
    "actions",
    "alias",
    "description",
    "details",
    "entity",
    "message",
    "note",
    "priority",
    "responders",
    "source",
    "tags",
    "user",
    "visibleTo",
}
_LIMITS = {"message": 130, "alias": 512, "entity": 512, "source": 100, "description": 15_000}
_CLOSE = re.compile(r"/v2/alerts/[0-9a-f]{64}/close\?identifierType=alias")


def opsgenie() -> Vendor:
    taken = '{"result": "Request will be processed", "took": 0.1, "requestId": "r"}'
    return Vendor(problems, Answer(202, text=taken), Answer(422, text='{"message": "Request body is not processable"}'))


def problems(method: str, path: str, headers: dict[str, str], body: Any, size: int) -> list[str]:
    found = [] if headers.get("authorization") == f"GenieKey {KEY}" else ["Key format is not valid!"]
    if method == "POST" and _CLOSE.fullmatch(path):
        return found + unknown(body, {"source", "user", "note"}, "close")
    if (method, path) != ("POST", "/v2/alerts"):
        return [*found, f"{method} {path}"]
    found += unknown(body, _CREATE, "create") + too_long(body, _LIMITS, "create")
    if not body.get("message"):
        found.append("message can not be empty")
    if body.get("priority") not in ("P1", "P2", "P3", "P4", "P5"):
        found.append(f"priority {body.get('priority')}")
    tags = body.get("tags", [])
    if len(tags) > 20 or any(len(tag) > 50 for tag in tags):
        found.append(f"tags {tags}")
    details = body.get("details", {})
    if sum(len(key) + len(value) for key, value in details.items()) > 8000:
        found.append("details are too long")
    return found
