"""What is no Prometheus or no Alertmanager, or will not talk: a sentence, and never a number."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from sentinel.clients.reading import Reader
from sentinel.core.paging.inspection import Inspection, Wishes
from sentinel.joins import verify_alerting
from sentinel.joins.verify_alerting import Places, verify
from sentinel.reports import page_time
from tests.core.paging.stack import Stack
from tests.paging.impostor import Impostor, Said, alertmanager, prometheus

HTML = "<!doctype html><title>Sign in</title>"


@pytest.fixture
def good() -> Iterator[tuple[Impostor, Impostor]]:
    stack = Stack()
    with Impostor(alertmanager(stack)) as manager:
        stack.told = [f"{manager.url}/api/v2/alerts"]
        with Impostor(prometheus(stack)) as server:
            yield server, manager


async def look(server: Impostor) -> Inspection:
    return await verify(Places(server.url), Wishes())


async def test_the_two_stand_ins_are_believed_while_they_say_what_the_real_ones_say(
    good: tuple[Impostor, Impostor],
) -> None:
    seen = await look(good[0])

    assert seen.unknown == ()
    assert page_time.exit_code(seen) == 0


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (Said(401, "Unauthorized"), "answered 401: is it behind a login?"),
        (Said(403, HTML), "answered 403: is it behind a login?"),
        (Said(302, "", {"Location": "https://login.example"}), "redirects (302): is it behind a login?"),
        (Said(200, HTML), "with a page, which its API never does"),
        (Said(404, "404 page not found"), "answered 404: is this the right address"),
        (Said(429, ""), "too many requests"),
        (Said(500, "boom"), "answered 500: boom"),
        (Said(200, "Prometheus is Healthy."), "found no JSON"),
        (Said(200, "[" * 100_000), "found no JSON"),
        (Said(200, [1, 2]), ""),
        (Said(200, {"status": "error"}), ""),
        (Said(200, ""), "found no JSON"),
    ],
)
async def test_what_is_no_answer_is_told_in_a_sentence_and_makes_no_number(
    who: int, said: Said, sentence: str, good: tuple[Impostor, Impostor]
) -> None:
    good[who].says = {"": said}

    seen = await look(good[0])

    assert any(good[who].url in line and sentence in line for line in seen.unknown), seen.unknown
    assert page_time.exit_code(seen) == 3
    assert all(row.unjudged for row in seen.rows)
    assert "worst" not in page_time.text(seen) or "?" in page_time.text(seen)


CONFIG = "/api/v1/status/config"
STATUS = "/api/v2/status"


def told(body: Any) -> Said:
    return Said(body={"status": "success", "data": body})


@pytest.mark.parametrize(
    ("who", "path", "said", "sentence"),
    [
        (0, CONFIG, told({"yaml": "a: [b"}), "its configuration is no YAML"),
        (0, CONFIG, told({"yaml": "!!python/object/apply:os.system [id]"}), "found a list, expected a mapping"),
        (0, CONFIG, told({"yaml": ""}), "tells no configuration"),
        (0, CONFIG, told({"yaml": "- 1"}), "found a list, expected a mapping"),
        (0, CONFIG, told({"yaml": "[" * 50_000}), "its configuration is no YAML"),
        (0, "/api/v1/status/flags", told({}), "no rules.alert.resend-delay"),
        (0, "/api/v1/status/flags", told({"enable-feature": "agent"}), "runs as an agent"),
        (0, "/api/v1/rules", told({"groups": [{"name": "g", "interval": "soon"}]}), "expected a duration"),
        (0, "/api/v1/targets", told({"activeTargets": [{"labels": {}}]}), "a Prometheus of 2.30 or newer"),
        (1, STATUS, Said(body={"config": {"original": ""}}), "tells no configuration"),
        (1, STATUS, Said(body={"config": {"original": "x: 1"}}), "found no route"),
        (1, STATUS, Said(body={"config": {"original": "route: {matchers: ['x']}"}}), "expected a matcher"),
        (1, STATUS, Said(body={"config": {"original": "route: &a {routes: [*a]}"}}), "an alias"),
        (1, STATUS, Said(body={"config": {"original": "route: {group_wait: soon}"}}), "route.group_wait: found 'soon'"),
        (1, "/api/v2/silences", Said(body={"a": 1}), "silences: found a mapping, expected a list"),
    ],
)
async def test_what_makes_no_sense_is_named_and_makes_no_number(
    who: int, path: str, said: Said, sentence: str, good: tuple[Impostor, Impostor]
) -> None:
    good[who].says[path] = said

    seen = await look(good[0])

    assert any(sentence in line for line in seen.unknown), seen.unknown
    assert page_time.exit_code(seen) == 3


async def test_a_configuration_of_five_megabytes_is_read_within_half_a_minute(good: tuple[Impostor, Impostor]) -> None:
    stack = Stack()
    filler = [
        {"receiver": "elsewhere", "matchers": [f'team="team-{n}"', f'alertname=~"Team{n}.*"'], "group_wait": "10s"}
        for n in range(15_000)
    ]
    stack.route["routes"] = [*filler, *stack.route["routes"]]
    stack.receivers += [{"name": f"r{n}", "webhook_configs": [{"url": "<secret>" + "x" * 400}]} for n in range(7_500)]
    good[1].says = alertmanager(stack)
    assert len(good[1].says[STATUS].body["config"]["original"]) > 5_000_000

    began = time.monotonic()
    seen = await look(good[0])

    assert page_time.exit_code(seen) == 0
    assert seen.rows[0].route == "route.routes[15000]"
    print(f"\n5 MB: {time.monotonic() - began:.1f} s")


async def test_older_versions_are_read_as_newer_ones_are(good: tuple[Impostor, Impostor]) -> None:
    """2.40 and 0.24: no `rule_query_offset`, no `agent` flag; alerts in the rules whatever was asked."""
    stack = Stack()
    stack.told = [f"{good[1].url}/api/v2/alerts"]
    for rule in stack.groups[0]["rules"]:
        rule["alerts"] = [{"labels": {"alertname": rule["name"]}, "state": "firing", "value": "1e+00"}]
    good[0].says = prometheus(stack) | {"/api/v1/status/buildinfo": told({"version": "2.40.7"})}
    good[1].says[STATUS].body["versionInfo"]["version"] = "0.24.0"
    del good[1].says[STATUS].body["cluster"]

    seen = await look(good[0])

    assert (seen.unknown, page_time.exit_code(seen)) == ((), 0)
    assert seen.slowest == Stack().look().slowest


async def test_secrets_that_are_hidden_are_destinations_all_the_same(good: tuple[Impostor, Impostor]) -> None:
    stack = Stack()
    stack.receivers = [
        {
            "name": "page",
            "webhook_configs": [{"url": "<secret>", "http_config": {"authorization": {"credentials": "<secret>"}}}],
        },
        {"name": "elsewhere"},
    ]
    good[1].says = alertmanager(stack)

    assert page_time.exit_code(await look(good[0])) == 0


async def test_an_answer_without_end_is_not_read_to_its_end(
    good: tuple[Impostor, Impostor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentinel.clients.reading.MOST_BYTES", 1000)
    good[1].says = {"": Said(body="x" * 100_000)}

    assert "which is more than we read" in (await look(good[0])).unknown[-1]


async def test_who_does_not_answer_is_waited_for_once(
    good: tuple[Impostor, Impostor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_alerting, "Reader", lambda: Reader(timeout=0.3))
    good[1].says = {"": Said(delay=30)}

    assert "no answer within 0.3 s" in (await look(good[0])).unknown[0]


async def test_nobody_at_the_address_is_told_so() -> None:
    with Impostor({}) as gone:
        url = gone.url

    seen = await verify(Places(url), Wishes())

    assert any(url in line and "Cannot connect" in line for line in seen.unknown)
    assert page_time.exit_code(seen) == 3


async def test_one_of_two_alertmanagers_that_cannot_be_read_leaves_the_answer_open(
    good: tuple[Impostor, Impostor],
) -> None:
    with Impostor({"": Said(401)}) as other:
        seen = await verify(Places(good[0].url, (good[1].url, other.url)), Wishes())

    assert page_time.exit_code(seen) == 3
    assert seen.slowest is not None
