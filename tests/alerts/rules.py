"""The rules and the route as the chart renders them: `RULES` for five tenants, once per test run."""

import functools
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import yaml

from tests.deploy import chart

Rule = dict[str, Any]

TENANTS = [
    {"name": "team-a", "namespaces": ["team-a"], "owner": "Payments", "contact": "#payments-oncall"},
    {"name": "team-b", "namespaces": ["team-b", "team-b-jobs"], "owner": "Search"},
    {"name": "team-c", "namespaces": ["team-c"]},
    {"name": "team-d", "namespaces": ["team-d"]},
    {"name": "team-e", "namespaces": ["team-e"]},
]
TARGETS = ["team-a", "team-b", "team-b-jobs", "team-c", "team-d", "team-e", "kube-system", "sentinel-system", "*"]
VALUES = {
    "cluster": "tests",
    "image": {"repository": "registry.example.com/tenant-sentinel"},
    "visitor": {"image": {"repository": "registry.example.com/tenant-sentinel-browser"}},
    "tenants": TENANTS,
}
ALONE = {"witness": {"enabled": False}}
SURROUNDINGS = {"cloud": "aws", "node": {"enabled": True}, "dns": {"enabled": True}}
NETWORK: dict[str, Any] = {"network": {"enabled": True}, "config": {"network": SURROUNDINGS}}

GATEWAYS: list[dict[str, Any]] = [
    {
        "name": "chat",
        "url": "https://gateway.llm.svc/v1/chat/completions",
        "preset": "litellm",
        "model": "chat",
        "providers": [{"name": "openai"}, {"name": "backup"}],
        "failover": {"within": "30s"},
    },
    {
        "name": "plain",
        "url": "https://plain.llm.svc/v1/chat/completions",
        "model": "chat",
        "primary": "second",
        "providers": [{"name": "first"}, {"name": "second"}],
    },
]
"""One that shows who answers, and one that does not."""
PAGED: list[dict[str, Any]] = [
    GATEWAYS[0] | {"page": {"url": "https://chat/", "prompt": "textarea", "answer": ".answer", "graceful": ["Busy."]}},
    GATEWAYS[1],
]
"""The same, and the first has a page that is visited."""
BELL: dict[str, Any] = {
    "prometheus": "http://prometheus.monitoring.svc:9090",
    "alertmanagers": ["dns+http://alertmanager.monitoring.svc:9093"],
    "paging": {"heartbeat": {"secret": "heartbeat"}},
}
"""What the witness looks at, drills and beats."""
EVERYTHING: dict[str, Any] = NETWORK | {"config": {"network": SURROUNDINGS, "gateways": PAGED}}


def targets_of(tenant: str) -> list[str]:
    """What the sentinel of this tenant asks about: everything but its own namespaces."""
    (own,) = (found["namespaces"] for found in TENANTS if found["name"] == tenant)
    return [target for target in TARGETS if target not in own]


def rendered(**more: Any) -> dict[str, str]:
    """The rule files by name, `breach.rules.yaml` and so on, and `route.yaml`; without the witness unless said."""
    return dict(_rendered(json.dumps(VALUES | ALONE | {"monitor": {"enabled": False}} | more, sort_keys=True)))


@functools.cache
def _rendered(values: str) -> dict[str, str]:
    objects = chart.render(json.loads(values))
    files = chart.one(objects, "ConfigMap", "sentinel-rules")["data"]
    route = chart.one(objects, "ConfigMap", "sentinel-route")["data"]
    return {**files, **route}


@functools.cache
def shipped(
    tenants: int = 5,
    *,
    witness: bool = False,
    network: bool = False,
    gateways: bool = False,
    verified: bool = False,
    kind: str = "Deployment",
) -> dict[str, str]:
    """Rendered for the first of TENANTS at timeScale 1."""
    more = {**NETWORK} if network else {}
    if gateways:
        more["config"] = more.get("config", {}) | {"gateways": PAGED if witness else GATEWAYS}
    if verified:
        more |= BELL
    return rendered(tenants=TENANTS[:tenants], witness={"enabled": witness}, kind=kind, **more)


def rule_files(files: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in files.items() if name.endswith(".rules.yaml")}


def order(files: dict[str, str]) -> list[str]:
    """The files that are there, each reading only what the ones before it record."""
    return [
        name
        for name in ("breach", "blind", "witness", "self", "gateway", "drill", "paging", "budget")
        if f"{name}.rules.yaml" in files
    ]


def of_alerts(files: Mapping[str, str], alerts: Collection[str]) -> dict[str, str]:
    """The rule files with these alerts alone: what other rules record has to be given."""
    found = {}
    for name, text in rule_files(files).items():
        groups = [
            group | {"rules": [rule for rule in group["rules"] if rule.get("alert") in alerts]}
            for group in parsed(text)["groups"]
        ]
        if any(group["rules"] for group in groups):
            found[name] = yaml.dump({"groups": groups}, Dumper=yaml.CSafeDumper, width=10**6)
    return found


@functools.cache
def parsed(text: str) -> dict[str, Any]:
    """One rule file, for reading only: it is read once, which takes longer than to judge it."""
    loaded: dict[str, Any] = yaml.load(text, yaml.CSafeLoader)
    return loaded


def in_file(text: str) -> list[Rule]:
    """All rules of one file, in their order."""
    return [rule for group in parsed(text)["groups"] for rule in group["rules"]]


def name_of(rule: Mapping[str, Any]) -> str:
    return str(rule.get("record") or rule["alert"])


def text_of(rule: Mapping[str, Any]) -> str:
    """Where other rules may be named; annotations may ask as well."""
    return " ".join([rule["expr"], *rule.get("annotations", {}).values()])


def every_rule(files: dict[str, str]) -> Iterator[Rule]:
    for text in rule_files(files).values():
        for group in yaml.safe_load(text)["groups"]:
            yield from group["rules"]


def alerts(files: dict[str, str]) -> dict[str, Rule]:
    """The alerting rules by name."""
    return {rule["alert"]: rule for rule in every_rule(files) if "alert" in rule}


def config_hashes(files: dict[str, str]) -> dict[str, float]:
    """What the chart expects `sentinel_config_hash` of each tenant to be."""
    expected = [rule for rule in every_rule(files) if rule.get("record") == "sentinel:expected_config_hash"]
    return {
        rule["labels"]["tenant"]: float(rule["expr"].removeprefix("vector(").removesuffix(")")) for rule in expected
    }


def witness_hash(files: dict[str, str]) -> float:
    """What the chart expects `sentinel_config_hash` of the witness to be."""
    (rule,) = (rule for rule in every_rule(files) if rule.get("record") == "sentinel:expected_witness_config_hash")
    return float(rule["expr"].removeprefix("vector(").removesuffix(")"))
