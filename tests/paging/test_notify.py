"""`sentinel notify test` on real Alertmanagers: what the far side did is what it says, and where it cannot know it says so."""

import asyncio
import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from sentinel.cli import app
from sentinel.core.paging.delivery import Outcome
from sentinel.tools.notify import Trial, Wishes, send, text
from tests.alerts import rules
from tests.core.paging.stack import Stack
from tests.paging import impostor
from tests.paging.impostor import Impostor, Said
from tests.paging.scene import lasting
from tests.paging.test_ring import is_settled
from tests.support.alertmanager import Alertmanager
from tests.support.eventually import eventually
from tests.support.pairs import DEBIAN, NEWEST, PAIRS, Pair
from tests.support.sentinels import COMMAND
from tests.support.webhook import Webhook

Running = Callable[..., AbstractContextManager[Alertmanager]]
DELIVERED, FAILED, UNPROVEN = Outcome.DELIVERED, Outcome.FAILED, Outcome.UNPROVEN


@pytest.fixture
def phone() -> Iterator[Webhook]:
    with Webhook() as made:
        yield made


@pytest.fixture(params=PAIRS, ids=str)
def pair(request: pytest.FixtureRequest) -> Pair:
    found: Pair = request.param
    return found


def shipped(**receivers: dict[str, Any]) -> dict[str, Any]:
    """The shipped route a hundred times as fast, and what `sentinel-page`, `sentinel-ticket` … are given."""
    found: dict[str, Any] = yaml.safe_load(rules.rendered(timeScale=0.01)["route.yaml"])
    for receiver in found["receivers"]:
        more = receivers.get(receiver["name"].removeprefix("sentinel-"), {})
        receiver.update(more)
    return found


def webhook(*phones: Webhook) -> dict[str, Any]:
    return {"webhook_configs": [{"url": phone.url} for phone in phones]}


def tried(*managers: Alertmanager, severity: str = "critical", within: float = 30, **more: Any) -> Trial:
    wishes = Wishes(tuple(one.url for one in managers), severity, "tests", "sentinel-system", within, **more)
    return asyncio.run(send(wishes))


def outcomes(seen: Trial) -> dict[str, Outcome]:
    return {f"{row.receiver}/{row.kind}": row.outcome for row in seen.rows}


def test_a_receiver_that_takes_it_was_told_and_the_test_is_taken_back(pair: Pair, phone: Webhook) -> None:
    with Alertmanager(shipped(page=webhook(phone)), binary=pair.alertmanager) as manager:
        seen = tried(manager)

        assert (outcomes(seen), seen.exit_code) == ({"sentinel-page/webhook": DELIVERED}, 0)
        (alert,) = phone.deliveries[0].alerts()
        assert alert["labels"] == dict(seen.sent.labels)
        assert alert["annotations"]["summary"].startswith("This is a TEST")
        assert manager.alerts() == []
        phone.wait_for_alert("resolved", 30, alertname="SentinelNotifyTest")
    assert "delivered  sentinel-page  webhook  1 of 1 requests taken" in text(seen)


def test_it_waits_for_no_group_wait(pair: Pair, phone: Webhook) -> None:
    config = shipped(page=webhook(phone))
    config["route"]["routes"][0]["group_wait"] = "1h"
    with Alertmanager(config, binary=pair.alertmanager) as manager:
        seen = tried(manager)

    assert outcomes(seen) == {"sentinel-page/webhook": DELIVERED}


def test_who_answers_400_has_failed_at_once_and_who_answers_500_so_far(pair: Pair) -> None:
    slack = {"slack_configs": [{"api_url": "URL", "channel": "#tickets"}]}
    with Webhook(answer=400) as wrong_key, Webhook(answer=500) as broken:
        slack["slack_configs"][0]["api_url"] = wrong_key.url
        config = shipped(ticket=slack | webhook(broken))
        # As shipped: in a hundredth of five minutes it gives up.
        config["route"]["routes"][0]["routes"][-1]["group_interval"] = "5m"
        with Alertmanager(config, binary=pair.alertmanager) as manager:
            seen = tried(manager, severity="warning", within=3)

    assert outcomes(seen) == {"sentinel-ticket/slack": FAILED, "sentinel-ticket/webhook": FAILED}
    assert seen.exit_code == 1
    slacks, webhooks = (row.detail for row in seen.rows)
    assert slacks.startswith("0 of 1 requests taken, 1 given up")
    assert ("clientError" in slacks) is (pair is NEWEST)
    assert webhooks.endswith("requests taken; Alertmanager goes on trying")


def test_the_shipped_route_as_it_is_tells_nobody_and_that_is_a_failure(pair: Pair) -> None:
    with Alertmanager(shipped(), binary=pair.alertmanager) as manager:
        seen = tried(manager)

    assert (outcomes(seen), seen.exit_code) == ({"sentinel-page/": FAILED}, 1)
    assert "it has no destination: nobody is told" in text(seen)


def test_beside_another_alert_nothing_is_proven_unless_each_receiver_is_counted_by_itself(phone: Webhook) -> None:
    with Webhook() as others:
        config = shipped(page=webhook(phone), ticket=webhook(others))
        by_receiver = ("--enable-feature=receiver-name-in-metrics",)
        for flags, outcome in (((), UNPROVEN), (by_receiver, DELIVERED)):
            with Alertmanager(config, more=flags) as manager:
                manager.send(lasting(alertname="SentinelReviewOnly", severity="warning"))
                others.wait_for_alert("firing", 30, alertname="SentinelReviewOnly")
                seen = tried(manager)

            assert outcomes(seen) == {"sentinel-page/webhook": outcome}
            others.clear()
        assert "SentinelReviewOnly" not in text(seen)


def test_what_has_just_ended_is_waited_for_and_else_leaves_it_open(phone: Webhook) -> None:
    # Without this it holds a group for half a minute after its end.
    with Alertmanager(shipped(page=webhook(phone)), more=["--dispatch.maintenance-interval=2s"]) as manager:
        first, at_once, later = tried(manager), tried(manager, settle=0), tried(manager)

    assert [seen.exit_code for seen in (first, at_once, later)] == [0, 3, 0]
    assert "alerts that ended lately (1)" in text(at_once)


def test_a_silence_that_matches_pages_of_ours_is_named(pair: Pair, phone: Webhook) -> None:
    with Alertmanager(shipped(page=webhook(phone)), binary=pair.alertmanager) as manager:
        times = {key: value for key, value in lasting().items() if key != "labels"}
        matcher = {"name": "alertname", "value": "Sentinel.+", "isRegex": True, "isEqual": True}
        manager.post("/api/v2/silences", times | {"matchers": [matcher], "createdBy": "me", "comment": "noise"})

        seen = tried(manager)

    assert outcomes(seen) == {"sentinel-page/webhook": FAILED}
    assert "silenced by " in text(seen)
    assert phone.deliveries == []


def test_two_that_gossip_are_asked_together_and_tell_it_once(phone: Webhook) -> None:
    config = shipped(page=webhook(phone))
    with (
        Alertmanager(config, gossip=True, binary=DEBIAN.alertmanager) as one,
        Alertmanager(config, peers=[one], binary=DEBIAN.alertmanager) as other,
    ):
        eventually(lambda: is_settled(one) and is_settled(other), 60, "they gossip")
        seen = tried(one, other)

    assert (outcomes(seen), seen.exit_code) == ({"sentinel-page/webhook": DELIVERED}, 0)
    assert [found.status for found in phone.deliveries][:1] == ["firing"]


def test_two_webhooks_of_one_receiver_are_told_both(phone: Webhook) -> None:
    with Webhook() as second, Alertmanager(shipped(page=webhook(phone, second))) as manager:
        seen = tried(manager)
        # Its end may have been told meanwhile, too.
        assert [found.deliveries[0].status for found in (phone, second)] == ["firing", "firing"]

    assert outcomes(seen) == {"sentinel-page/webhook": DELIVERED}
    assert "webhook x2  2 of 2 requests taken" in text(seen)


class TestCommand:
    """As it is typed."""

    def test_programs_read_what_people_read(self, phone: Webhook) -> None:
        with Alertmanager(shipped(ticket=webhook(phone))) as manager:
            ended = CliRunner().invoke(app, ["notify", "test", "--alertmanager", manager.url, "-o", "json"])

        said = json.loads(ended.stdout)
        assert (ended.exit_code, said["labels"]["severity"]) == (0, "warning")
        assert [(row["receiver"], row["outcome"]) for row in said["receivers"]] == [("sentinel-ticket", "delivered")]

    @pytest.mark.parametrize(
        ("words", "complaint"),
        [
            ([], "no Alertmanager: name one with --alertmanager"),
            (["--alertmanager", "am:9093"], "--alertmanager: "),
            (["--alertmanager", "http://am:9093", "--within", "soon"], "--within: found 'soon'"),
            (["--config", "config/examples/two-tenants.yaml"], "no Alertmanager: name one with --alertmanager"),
        ],
    )
    def test_wrong_words_are_refused(self, words: list[str], complaint: str) -> None:
        ended = CliRunner().invoke(app, ["notify", "test", *words])

        assert ended.exit_code == 2
        assert complaint in ended.stderr

    @pytest.mark.parametrize(
        ("path", "said", "sentence"),
        [
            ("/api/v2/status", Said(401), "answered 401: is it behind a login?"),
            ("/api/v2/status", Said(200, "<html>"), "with a page, which its API never does"),
            ("/metrics", Said(403), "answered 403: is it behind a login?"),
            ("/metrics", Said(200, "<html>"), "with a page, which its API never does"),
            ("/metrics", Said(200, "go_goroutines 7\n"), "expected the counters of an Alertmanager"),
            ("/metrics", Said(200, "alertmanager_notification_requests_total x\n"), "/metrics: "),
            ("/api/v2/alerts/groups", Said(200, {"alerts": 3}), "expected a list"),
            ("/elsewhere", Said(), "answered 501"),  # it may be read, and takes no post
        ],
    )
    def test_who_is_no_alertmanager_or_has_a_login_before_it_is_told_nothing(
        self, path: str, said: Said, sentence: str
    ) -> None:
        counters = 'alertmanager_notification_requests_total{integration="webhook"} 0\n'
        groups = "alertmanager_dispatcher_aggregation_groups 0\n"
        good = impostor.alertmanager(Stack()) | {
            "/metrics": Said(200, counters + groups),
            "/api/v2/alerts/groups": Said(200, []),
        }
        with Impostor(good | {path: said}) as nobody:
            ended = CliRunner().invoke(app, ["notify", "test", "--alertmanager", nobody.url])

        assert ended.exit_code == 3
        assert sentence in ended.stderr
        assert ended.stdout == ""

    def test_who_breaks_it_off_takes_it_back(self) -> None:
        with Webhook(answer=500) as broken, Alertmanager(shipped(ticket=webhook(broken))) as manager:
            words = ["notify", "test", "--alertmanager", manager.url, "--within", "10m"]
            # Whoever runs the tests in the background may ignore Ctrl-C, and children inherit that.
            with subprocess.Popen(["env", "--default-signal=INT", COMMAND, *words]) as started:
                eventually(manager.alerts, 60, "it is sent")
                started.send_signal(signal.SIGINT)

            assert started.returncode == 130
            assert manager.alerts() == []

    def test_where_nobody_listens_that_is_said(self) -> None:
        ended = CliRunner().invoke(app, ["notify", "test", "--alertmanager", "http://127.0.0.1:9"])

        assert ended.exit_code == 3
        assert "ClientConnectorError" in ended.stderr
