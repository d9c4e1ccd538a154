"""The rules for an SOC, on the audit log that a real API server wrote about a real sentinel."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sigma.collection import SigmaCollection
from sigma.conditions import ConditionAND, ConditionFieldEqualsValueExpression, ConditionNOT, ConditionOR
from sigma.rule import SigmaRule
from sigma.types import SigmaCompareExpression, SigmaNumber, SigmaRegularExpression, SigmaString

from sentinel.clients.kube import USER_AGENT
from tests.support.audited import SECRETS, USER, Place, audited
from tests.support.manifests import of_account

SOC = Path(__file__).parents[2] / "alerts" / "soc"
MARKS = {"User-Agent": "tenant-sentinel/9", "Audit-ID": "sentinel-abcdefabcdef-1"}
ENUMERATION = """
title: Somebody enumerates secrets
id: 00000000-0000-4000-8000-000000000001
status: test
logsource: {category: application, product: kubernetes, service: audit}
detection: {asks: {verb: list, objectRef.resource: secrets}, condition: asks}
level: low
"""

K8SAUDIT = frozenset(
    [
        "ka.auditid",
        "ka.stage",
        "ka.auth.decision",
        "ka.auth.reason",
        "ka.user.name",
        "ka.user.groups",
        "ka.impuser.name",
        "ka.verb",
        "ka.uri",
        "ka.target.name",
        "ka.target.namespace",
        "ka.target.resource",
        "ka.target.subresource",
        "ka.response.code",
        "ka.response.reason",
        "ka.useragent",
        "ka.sourceips",
    ]
)
"""Fields of Falco's plug-in, as documented with it, that are about a request as such."""


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    """Hours of a sentinel in seconds, a hole, a thief with its token, and a stranger with its marks."""
    with audited(tmp_path_factory.mktemp("soc")) as place:
        yield [*recorded(place)]


def recorded(place: Place) -> list[Any]:
    thief, stranger = place.cluster.account("team-a"), place.cluster.account("team-a", "other")
    thief.request("GET", SECRETS)
    thief.request("GET", f"{SECRETS}?limit=7", headers=MARKS)
    stranger.request("GET", f"{SECRETS}?limit=8", headers=MARKS)
    stranger.request("GET", f"{SECRETS}?limit=9")
    with place.hole(of_account("team-a")):
        place.asked(breached=True)
        thief.request("GET", f"{SECRETS}?limit=3", headers=MARKS)
    return place.events()


def uris(events: list[Any], rule: Callable[[Any], bool]) -> set[str]:
    return {event["requestURI"].removeprefix(SECRETS) for event in events if rule(event)}


def is_ours(event: Any) -> bool:
    by_us = event["user"].get("username") == USER and event.get("userAgent") == USER_AGENT
    return by_us and bool(event["auditID"] != MARKS["Audit-ID"])


# Sigma: pySigma reads the rules; what a condition means is evaluated here on the events themselves.


def sigma(extra: str = "") -> dict[str, Callable[[Any], bool]]:
    texts = [file.read_text() for file in sorted((SOC / "sigma").glob("*.yml"))]
    rules = SigmaCollection.merge([SigmaCollection.from_yaml(text) for text in (*texts, *([extra] if extra else []))])
    assert not rules.errors
    rules.apply_filters(rules.filters)
    return {rule.title: matcher(rule) for rule in rules.rules if isinstance(rule, SigmaRule)}


def matcher(rule: SigmaRule) -> Callable[[Any], bool]:
    assert not rule.errors
    conditions = [condition.parsed for condition in rule.detection.parsed_condition]
    return lambda event: any(holds(condition, event) for condition in conditions)


def holds(condition: Any, event: Any) -> bool:
    match condition:
        case ConditionAND():
            return all(holds(part, event) for part in condition.args)
        case ConditionOR():
            return any(holds(part, event) for part in condition.args)
        case ConditionNOT():
            return not holds(condition.args[0], event)
        case ConditionFieldEqualsValueExpression():
            return fits(condition.value, value(event, condition.field))
    raise AssertionError(f"unknown condition {condition}")


def value(event: Any, path: str) -> Any:
    for key in path.split("."):
        event = event.get(key) if isinstance(event, dict) else None
    return event


def fits(wanted: Any, found: Any) -> bool:
    match wanted:
        case SigmaNumber():
            return bool(found == wanted.number)
        case SigmaRegularExpression():
            return re.search(str(wanted.regexp), str(found)) is not None
        case SigmaCompareExpression():
            limit = wanted.number.number
            return isinstance(found, int) and {"GTE": found >= limit, "LT": found < limit}[wanted.op.name]
        case SigmaString():
            parts = [re.escape(part) if isinstance(part, str) else ".*" for part in wanted.s]
            return isinstance(found, str) and re.fullmatch("".join(parts), found, re.IGNORECASE | re.DOTALL) is not None
    raise AssertionError(f"unknown value {wanted!r}")


def test_sigma_ours_without_its_marks_is_somebody_else(events: list[Any]) -> None:
    assert uris(events, sigma()["Tenant sentinel's account used without its marks"]) == {""}


def test_sigma_data_given_to_our_account_is_seen_whatever_marks_it_bears(events: list[Any]) -> None:
    found = [event for event in events if sigma()["Tenant sentinel's account was given data"](event)]

    assert {event["requestURI"].removeprefix(SECRETS) for event in found} == {"?limit=3"}
    assert any(is_ours(event) and event["responseStatus"]["code"] == 406 for event in events)


def test_sigma_a_stranger_with_our_marks_is_seen(events: list[Any]) -> None:
    assert uris(events, sigma()["Tenant sentinel's marks on somebody else's request"]) == {"?limit=8"}


def test_sigma_the_exception_takes_our_denied_requests_out_of_a_rule_of_yours_and_nothing_else(
    events: list[Any],
) -> None:
    alone = matcher(SigmaRule.from_yaml(ENUMERATION))
    excepted = sigma(ENUMERATION)["Somebody enumerates secrets"]

    dropped = [event for event in events if alone(event) and not excepted(event)]
    kept = [event for event in events if excepted(event)]

    assert len(dropped) > 5
    assert {event["responseStatus"]["code"] for event in dropped} == {403}
    assert {event["user"]["username"] for event in dropped} == {USER}
    assert {"", "?limit=3", "?limit=8", "?limit=9"} <= {event["requestURI"].removeprefix(SECRETS) for event in kept}
    # Where we were let in it stays.
    assert any(is_ours(event) and event["responseStatus"]["code"] == 406 for event in kept)


# Falco: its conditions, of which our rules use and, or, not, in, =, startswith, and brackets.


class Falco:
    def __init__(self) -> None:
        entries = yaml.safe_load((SOC / "falco.rules.yaml").read_text())
        self.lists = {entry["list"]: entry["items"] for entry in entries if "list" in entry}
        self.macros = {entry["macro"]: entry["condition"] for entry in entries if "macro" in entry}
        self.rules = {entry["rule"]: entry for entry in entries if "rule" in entry}
        self.entries = entries

    def holds(self, condition: str, event: Any) -> bool:
        words = re.findall(r'"[^"]*"|[()]|,|=|[^\s(),="]+', condition)
        found = self._any(words, event)
        assert not words, f"left over: {words}"
        return found

    def _any(self, words: list[str], event: Any) -> bool:
        found = self._all(words, event)
        while words[:1] == ["or"]:
            words.pop(0)
            found = self._all(words, event) or found
        return found

    def _all(self, words: list[str], event: Any) -> bool:
        found = self._one(words, event)
        while words[:1] == ["and"]:
            words.pop(0)
            found = self._one(words, event) and found
        return found

    def _one(self, words: list[str], event: Any) -> bool:
        word = words.pop(0)
        if word == "not":
            return not self._one(words, event)
        if word == "(":
            found = self._any(words, event)
            assert words.pop(0) == ")"
            return found
        if not word.startswith("ka."):
            return self.holds(self.macros[word], event)
        operator, field = words.pop(0), str(audit_field(event, word))
        if operator == "in":
            assert words.pop(0) == "("
            items = [
                item for word in iter(lambda: words.pop(0), ")") if word != "," for item in self.lists.get(word, [word])
            ]
            return field in items
        wanted = words.pop(0).strip('"')
        return {"=": field == wanted, "startswith": field.startswith(wanted)}[operator]


def audit_field(event: Any, name: str) -> Any:
    assert name in K8SAUDIT, name
    paths = {
        "ka.auditid": "auditID", "ka.stage": "stage", "ka.user.name": "user.username", "ka.useragent": "userAgent",
        "ka.verb": "verb", "ka.uri": "requestURI", "ka.response.code": "responseStatus.code",
        "ka.target.resource": "objectRef.resource", "ka.target.namespace": "objectRef.namespace",
    }  # fmt: skip
    return value(event, paths[name])


def test_falco_fields_are_those_of_its_plug_in() -> None:
    text = (SOC / "falco.rules.yaml").read_text()

    assert set(re.findall(r"\bka(?:\.[a-z]+)+", text)) <= K8SAUDIT


def test_falco_every_rule_is_whole() -> None:
    falco = Falco()

    for rule in falco.rules.values():
        assert set(rule) == {"rule", "desc", "condition", "output", "priority", "source", "tags"}
        assert rule["source"] == "k8s_audit"
        assert rule["priority"] in (
            "EMERGENCY",
            "ALERT",
            "CRITICAL",
            "ERROR",
            "WARNING",
            "NOTICE",
            "INFORMATIONAL",
            "DEBUG",
        )
    assert {key for entry in falco.entries for key in entry} >= {"list", "macro", "rule", "required_plugin_versions"}


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("Sentinel account without its marks", {""}),
        ("Sentinel account was given data", {"?limit=3"}),
        ("Sentinel's marks on a stranger's request", {"?limit=8"}),
    ],
)
def test_falco_sees_what_sigma_sees(events: list[Any], rule: str, found: set[str]) -> None:
    falco = Falco()

    assert uris(events, lambda event: falco.holds(falco.rules[rule]["condition"], event)) == found


def test_falcos_exception_is_ours_and_denied_and_nothing_else(events: list[Any]) -> None:
    falco = Falco()
    expected = [event for event in events if falco.holds("sentinel_expected", event)]

    assert len(expected) > 100
    assert {event["responseStatus"]["code"] for event in expected} == {403}
    assert {event["user"]["username"] for event in expected} == {USER}
    assert SECRETS not in {event["requestURI"] for event in expected}


def test_all_rules_name_the_same_accounts_and_have_ids_of_their_own() -> None:
    texts = [file.read_text() for file in (SOC / "sigma").glob("*.yml")]
    accounts = {tuple(sorted(set(re.findall(r"system:serviceaccount:[a-z-]+:sentinel\b", text)))) for text in texts}

    assert accounts == {tuple(Falco().lists["sentinel_accounts"])}
    assert len({yaml.safe_load(text)["id"] for text in texts}) == len(texts) == 4
