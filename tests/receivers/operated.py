"""An AlertmanagerConfig of the chart's, turned into Alertmanager's own configuration as the Prometheus Operator does it.

By its pkg/alertmanager/amcfg.go and Documentation: names get the namespace and the object's name before them, a matcher of the
namespace is added to the first route and to both sides of each inhibition, secrets are read and written into it, and the route
is put first, with `continue`, below whatever route there is.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Object = dict[str, Any]

_NAMES = {"pagerDutyLinkConfigs": "links", "mrkdwnIn": "mrkdwn_in"}
_PAIRS = ("details", "headers")
_SECRETS = {"apiURL", "apiKey", "routingKey", "authPassword", "webhookURL"}


def configured(made: Object, secrets: Path) -> Object:
    """`secrets`: a folder per Secret, a file per key."""
    namespace, name, spec = made["metadata"]["namespace"], made["metadata"]["name"], made["spec"]
    prefix = f"{namespace}/{name}/"
    here = f'namespace="{namespace}"'
    ours = _route(spec["route"], prefix) | {"continue": True}
    ours["matchers"] = [here, *ours.get("matchers", [])]
    return {
        "route": {"receiver": "null", "routes": [ours]},
        "inhibit_rules": [_inhibition(rule, here) for rule in spec["inhibitRules"]],
        "receivers": [{"name": "null"}, *(_receiver(one, prefix, secrets) for one in spec["receivers"])],
    }


def _route(route: Object, prefix: str) -> Object:
    made = {_key(key): value for key, value in route.items() if key not in ("matchers", "routes", "receiver")}
    made["receiver"] = prefix + route["receiver"]
    made["matchers"] = _matchers(route.get("matchers", []))
    made["routes"] = [_route(one, prefix) for one in route.get("routes", [])]
    return made


def _matchers(found: list[Object]) -> list[str]:
    return [f'{one["name"]}{one["matchType"]}"{one["value"]}"' for one in found]


def _inhibition(rule: Object, here: str) -> Object:
    return {
        "source_matchers": [here, *_matchers(rule["sourceMatch"])],
        "target_matchers": [here, *_matchers(rule["targetMatch"])],
        "equal": rule["equal"],
    }


def _receiver(receiver: Object, prefix: str, secrets: Path) -> Object:
    made: Object = {"name": prefix + receiver["name"]}
    for kind, ways in receiver.items():
        if kind != "name":
            made[_key(kind)] = [_way(way, secrets) for way in ways]
    return made


def _way(way: Object, secrets: Path) -> Object:
    return dict(_entry(key, value, secrets) for key, value in way.items())


def _entry(key: str, value: Any, secrets: Path) -> tuple[str, Any]:
    if key in _SECRETS and isinstance(value, Mapping):
        return _key(key), _secret(value, secrets)
    if key in _PAIRS:
        return key, {one["key"]: one["value"] for one in value}
    if key == "pagerDutyLinkConfigs":
        return "links", [{"href": one["href"], "text": one["alt"]} for one in value]
    if key == "httpConfig":
        credentials = _secret(value["authorization"]["credentials"], secrets)
        return "http_config", {"authorization": {"credentials": credentials}}
    return _key(key), value


def _secret(selector: Mapping[str, str], secrets: Path) -> str:
    return (secrets / selector["name"] / selector["key"]).read_text().strip()


def _key(name: str) -> str:
    """clientURL: client_url."""
    return _NAMES.get(name) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
