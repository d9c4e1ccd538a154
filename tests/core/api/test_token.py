"""A token as we see it ourselves: all 401s look alike, so the cause is read from its own claims."""

import base64
import json

import pytest

from sentinel.core.api.token import Claims, claims_of, light_of

ME = "system:serviceaccount:team-a:sentinel"
NOON = 1795262400.0


def jwt(payload):
    text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return f"e30.{base64.urlsafe_b64encode(text).rstrip(b'=').decode()}.c2ln"


def light(payload, needed=20.0):
    return light_of(claims_of(jwt(payload)), ME, NOON, needed)


def test_a_fresh_token_of_ours_is_green():
    assert light({"sub": ME, "aud": ["https://kubernetes"], "exp": NOON + 3600}).up


def test_a_token_without_an_end_is_green():
    assert light({"sub": ME}).up


@pytest.mark.parametrize(
    ("left", "up"),
    [(20.5, True), (20.0, True), (19.5, False), (0.5, False), (0.0, False), (-1.0, False)],
)
def test_it_must_last_two_more_rounds(left, up):
    assert light({"sub": ME, "exp": NOON + left}).up is up


def test_expired_and_expiring_are_told_apart():
    assert light({"sub": ME, "exp": NOON - 90}).detail == "expired 90 s ago"
    assert light({"sub": ME, "exp": NOON + 5}).detail == "expires in 5 s, before two more rounds end"


def test_another_accounts_token_is_somebody_else_even_when_expired():
    other = light({"sub": "system:serviceaccount:team-b:sentinel", "exp": NOON - 90})

    assert (other.up, other.identity) == (False, True)


def test_no_claims_are_red_but_nobody_else():
    gone = light_of(None, ME, NOON, 20.0)

    assert (gone.up, gone.identity) == (False, False)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("opaque", id="an-opaque-token"),
        pytest.param("a.b", id="two-parts"),
        pytest.param("a.b.c.d", id="four-parts"),
        pytest.param("e30.!!!.x", id="not-base64"),
        pytest.param("e30.é.x", id="not-ascii"),
        pytest.param(jwt(b"not json"), id="not-json"),
        pytest.param(jwt(b"\xff\xfe\x00"), id="not-text"),
        pytest.param(jwt(b"[1]"), id="a-list"),
        pytest.param(jwt(b"null"), id="null"),
        pytest.param(jwt(b"[" * 100_000), id="nested-without-end"),
        pytest.param(jwt(b"9" * 10_000), id="a-number-too-long-to-read"),
    ],
)
def test_what_is_no_token_has_no_claims(text):
    assert claims_of(text) is None


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param({"sub": ME, "aud": "one"}, Claims(ME, ("one",), None), id="one-audience"),
        pytest.param({"sub": ME, "aud": ["a", "b"]}, Claims(ME, ("a", "b"), None), id="several"),
        pytest.param({"sub": ME, "aud": 5}, Claims(ME, (), None), id="an-audience-that-is-a-number"),
        pytest.param({"sub": ME, "exp": "soon"}, Claims(ME, (), None), id="an-end-that-is-text"),
        pytest.param({"sub": ME, "exp": None}, Claims(ME, (), None), id="no-end"),
        pytest.param(
            {"sub": ME, "kubernetes.io": {"namespace": "team-a", "pod": {"name": "sentinel-1", "uid": "0e7f-01"}}},
            Claims(ME, (), None, "0e7f-01"),
            id="bound-to-a-pod",
        ),
        pytest.param({"sub": ME, "kubernetes.io": {"pod": "x"}}, Claims(ME, (), None), id="bound-to-nonsense"),
        pytest.param({"sub": ME, "kubernetes.io": "x"}, Claims(ME, (), None), id="bound-to-text"),
        pytest.param(b'{"sub": "x", "exp": 1' + b"0" * 400 + b"}", Claims("x", (), None), id="an-end-beyond-time"),
        pytest.param(b'{"sub": "x", "exp": NaN}', Claims("x", (), None), id="an-end-that-is-no-number"),
        pytest.param({}, Claims("", (), None), id="no-subject"),
    ],
)
def test_claims_are_read_without_trust_in_their_types(payload, expected):
    assert claims_of(jwt(payload)) == expected
