"""Cross-talk: one sign of somebody else is a breach, a whole answer of our own is proof, and nothing else is either."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.answer import Answer, Mark
from sentinel.core.gateway import apart, canary, foreign
from sentinel.core.gateway.apart import Apart
from sentinel.core.gateway.completion import Trouble
from sentinel.core.gateway.news import Probed
from sentinel.core.gateway.outcome import judge
from sentinel.core.gateway.provider import Place, Sign
from tests.core.gateway import recorded as r

NAMES = foreign.whose(["team-a", "team-b"])
FINE = r.ROLE + r.said() + r.STOP + r.DONE
THEIR_ID = f"tenant-sentinel-{r.THEIR_MARK.removeprefix('END-')}"
KEY = Sign(Place.HEADER, "X-Key-Alias", re.compile("^team-a$"))


def seen(heard, **more):
    return apart.observe(Probed("chat", 50.0, judge(heard, r.ASKED, r.expected(**more)), r.ASKED.nonce), NAMES)


@pytest.mark.parametrize(
    ("heard", "where"),
    [
        (r.heard(body=r.chunk(f"1 2 3 {r.THEIR_MARK}") + r.STOP), "its text"),
        (r.heard(body=FINE.replace(r.ASKED.nonce, f"{r.ASKED.nonce} {r.THEIR_MARK}")), "its text"),
        (r.heard(body=r.chat(f"1 2 3 {r.THEIR_MARK}"), stream=False), "its text"),
        (r.heard(body=r.chunk(f"1 2 {r.THEIR_MARK}"), trouble=Trouble.ABORT), "its text"),
        (r.heard(500, f"duplicate of {THEIR_ID}"), "its body"),
        (r.heard(429, r.OPENAI_429, headers={"x-request-id": THEIR_ID}), "header x-request-id"),
        (r.heard(body=FINE, headers={"x-request-id": THEIR_ID}), "header x-request-id"),
        (r.heard(body=FINE, headers={"ev\nil": THEIR_ID}), "a header"),
        (r.heard(body=FINE.replace("chatcmpl-1", THEIR_ID)), "its id"),
    ],
)
def test_another_sentinels_mark_is_a_breach_wherever_it_stands_and_whatever_the_rest_is_worth(heard, where):
    found = seen(heard)

    assert (found.answer, found.mark) == (Answer.SERVED, Mark.FOREIGN)
    assert found.place == f"{where} bears mark {r.THEIRS}, of tenant team-b"


def test_a_mark_is_known_without_a_name():
    stranger = canary.nonce(canary.tag("nobody here"), "0123abcd")

    found = seen(r.heard(body=r.chunk(f"1 2 3 END-{stranger}") + r.STOP))

    assert found.answer is Answer.SERVED
    assert found.place.endswith("of a sentinel that is not known here")


def test_the_witness_names_whose_mark_it_was_to_who_does_not_know():
    told = f"Evidence: its text bears mark {r.THEIRS}, of a sentinel that is not known here. mark ffffff"

    assert foreign.named(told, NAMES) == f"Mark {r.THEIRS} is that of tenant team-b."


@pytest.mark.parametrize(("alias", "answer"), [("team-b", Answer.SERVED), ("team-a", Answer.DENIED)])
def test_an_answer_of_another_key_or_cache_is_a_breach_by_the_configured_sign(alias, answer):
    found = seen(r.heard(body=FINE, headers={"x-key-alias": alias}), ours=(KEY,))

    assert found.answer is answer
    assert "team-b" not in found.place, "what stood there is not told"


@pytest.mark.parametrize(
    ("heard", "answer"),
    [
        (r.heard(body=FINE), Answer.DENIED),
        (r.heard(body=FINE, headers={"x-request-id": f"tenant-sentinel-{r.ASKED.nonce}"}), Answer.DENIED),
        (r.heard(body=r.ROLE + r.said(4)), Answer.BROKEN),
        (r.heard(body=r.ROLE + r.said(4) + r.STOP + r.DONE), Answer.BROKEN),
        (r.heard(body=r.chunk(f"1 2 3 {r.OUR_OLD_MARK}") + r.STOP), Answer.BROKEN),
        (r.heard(body=r.chunk("I cannot help") + r.STOP), Answer.BROKEN),
        (r.heard(body="data: {\n\n"), Answer.BROKEN),
        (r.heard(500, r.NGINX_502), Answer.BROKEN),
        (r.heard(401, r.LITELLM_BAD_KEY), Answer.BROKEN),
        (r.heard(429, r.OPENAI_429), Answer.LIMITED),
        (r.heard(None, trouble=Trouble.REFUSED), Answer.SILENT),
        (r.heard(body=FINE, trouble=Trouble.LAG), Answer.UNASKED),
    ],
)
def test_only_a_whole_answer_with_our_own_mark_and_no_other_proves_anything(heard, answer):
    assert seen(heard).answer is answer


@given(st.integers(0, 19), st.sampled_from("0123456789abcdef"))
def test_a_digit_that_a_model_got_wrong_is_nobodys_mark(place, digit):
    nonce = r.ASKED.nonce
    wrong = nonce[:place] + digit + nonce[place + 1 :]

    assert canary.marks(f"END-{wrong}") == ((nonce,) if wrong == nonce else ())


def test_whoever_is_woken_can_have_the_same_sentinel_ask_once_more():
    assert Apart("chat").reproduce("system:serviceaccount:team-a:sentinel") == (
        "kubectl -n team-a exec svc/sentinel -- sentinel once gateway/chat"
    )
    assert Apart("chat").reproduce("somebody") == ""
