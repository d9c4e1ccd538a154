"""PagerDuty's Events API v2.

By https://github.com/PagerDuty/api-schema, reference/events-v2/openapiv3.json (what must be there, and the words), and
https://developer.pagerduty.com/docs/send-alert-event (lengths: summary 1024, dedup_key 255, routing_key 32; 512 KB in all).
"""

from typing import Any

from tests.support.vendors.vendor import Answer, Vendor, is_url, too_long, unknown

PATH = "/v2/enqueue"
KEY = "0123456789abcdef0123456789abcdef"
_EVENT = {"routing_key", "event_action", "dedup_key", "payload", "client", "client_url", "links", "images"}
_PAYLOAD = {"summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"}


def pagerduty() -> Vendor:
    return Vendor(
        problems,
        Answer(202, text='{"status": "success", "message": "Event processed", "dedup_key": "k"}'),
        Answer(
            400, text='{"status": "invalid event", "message": "Event object is invalid", "errors": ["see problems"]}'
        ),
    )


def problems(method: str, path: str, headers: dict[str, str], event: Any, size: int) -> list[str]:
    if (method, path) != ("POST", PATH):
        return [f"{method} {path}"]
    payload = event.get("payload") or {}
    found = unknown(event, _EVENT, "event") + unknown(payload, _PAYLOAD, "payload")
    found += too_long(event, {"dedup_key": 255}, "event") + too_long(payload, {"summary": 1024}, "payload")
    if size > 512_000:
        found.append(f"{size} bytes")
    if len(event.get("routing_key", "")) != 32:
        found.append("Length of 'routing_key' is incorrect (should be 32 characters)")
    if event.get("event_action") not in ("trigger", "acknowledge", "resolve"):
        found.append(f"event_action {event.get('event_action')}")
    if event.get("event_action") != "trigger" and not event.get("dedup_key"):
        found.append("no dedup_key")
    found += [f"payload: no {key}" for key in ("summary", "source", "severity") if not payload.get(key)]
    if payload.get("severity") not in ("critical", "error", "warning", "info"):
        found.append(f"severity {payload.get('severity')}")
    if not isinstance(payload.get("custom_details", {}), dict):
        found.append("custom_details is no object")
    if "client_url" in event and not is_url(event["client_url"]):
        found.append(f"client_url {event['client_url']}")
    found += [f"link {link}" for link in event.get("links") or () if not is_url(link.get("href"))]
    return found
