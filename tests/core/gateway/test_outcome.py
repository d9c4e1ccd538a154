"""The outcome is the one that a person reading the raw bytes would give."""

import re
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.gateway.completion import OURS as OUR_TROUBLES
from sentinel.core.gateway.completion import Trouble
from sentinel.core.gateway.dialect import Dialect, Terminator
from sentinel.core.gateway.outcome import GOOD, RULES, Kind, Level, Message, Outcome, Point, acceptable, judge
from sentinel.core.gateway.transcript import MOST_BODY
from tests.core.gateway import recorded as r
from tests.core.gateway.recorded import ASKED, DONE, ROLE, STOP, WORDS, chat, chunk, event, heard, said

FINE = ROLE + said() + STOP + DONE
PRIMARY = {"x-litellm-model-id": "openai", "x-litellm-attempted-fallbacks": "0"}
BACKUP = {"x-litellm-model-id": "backup-1", "x-litellm-attempted-fallbacks": "1"}
SORRY = (Message(re.compile("very busy"), "/error/message"), Message(re.compile("^Sorry, we are busy")))
O = Outcome  # noqa: E741

LITELLM = [
    ("ok, streamed", heard(body=FINE, headers=PRIMARY), O.SERVED_PRIMARY),
    ("ok, whole", heard(body=chat(ASKED.song), stream=False, headers=PRIMARY), O.SERVED_PRIMARY),
    ("500: the backup's answer", heard(body=FINE, headers=BACKUP, took=5.1), O.FAILED_OVER),
    (
        "one group, two deployments: fallbacks 0, and still another",
        heard(body=FINE, headers={"x-litellm-model-id": "backup-1", "x-litellm-attempted-fallbacks": "0"}),
        O.FAILED_OVER,
    ),
    (
        "a hash for an id, and the flag alone",
        heard(body=FINE, headers={"x-litellm-model-id": "4f6e", "x-litellm-attempted-fallbacks": "1"}),
        O.FAILED_OVER,
    ),
    ("no id at all", heard(body=FINE), O.SERVED_UNKNOWN),
    ("empty content", heard(body=chat(""), stream=False, headers=PRIMARY), O.EMPTY_SUCCESS),
    ("a role and a stop, streamed", heard(body=ROLE + STOP + DONE, headers=PRIMARY), O.EMPTY_SUCCESS),
    ("hang", heard(None, trouble=Trouble.LATE_HEADERS, took=10.0), O.TIMEOUT_HEADERS),
    ("both 500", heard(500, r.LITELLM_BOTH_500), O.UNGRACEFUL_ERROR),
    ("both 429", heard(429, r.LITELLM_BOTH_429), O.UNGRACEFUL_ERROR),
    (
        "abort after 4 tokens: an error in the stream",
        heard(body=ROLE + said(4) + event(r.LITELLM_IN_BAND)),
        O.ERROR_IN_STREAM,
    ),
    ("clean end after 4: a fabricated end", heard(body=ROLE + said(4) + STOP + DONE), O.TRUNCATED_STREAM),
    ("stall after 4", heard(body=ROLE + said(4), trouble=Trouble.IDLE), O.STALLED_STREAM),
    ("both hang", heard(408, r.LITELLM_BOTH_HANG), O.UNGRACEFUL_ERROR),
    ("both dead, cooled down", heard(429, r.LITELLM_COOLDOWN, headers={"retry-after": "10"}), O.UNGRACEFUL_ERROR),
    ("no key", heard(500, "Internal Server Error", type_="text/plain"), O.UNGRACEFUL_ERROR),
    ("a wrong key", heard(401, r.LITELLM_BAD_KEY), O.CONFIG_ERROR),
    ("a wrong model", heard(400, r.LITELLM_BAD_MODEL), O.CONFIG_ERROR),
    ("a provider's own 401", heard(401, r.OPENAI_429, headers={"llm_provider-x": "1"}), O.STRUCTURED_ERROR),
]
PORTKEY = [
    ("both 503", heard(503, r.PORTKEY_BOTH_503), O.STRUCTURED_ERROR),
    ("both dead", heard(500, r.PORTKEY_BOTH_DEAD), O.UNGRACEFUL_ERROR),
    ("HTML in JSON", heard(502, r.PORTKEY_HTML), O.UNGRACEFUL_ERROR),
    ("429 turned into a crash", heard(500, r.PORTKEY_CRASH), O.UNGRACEFUL_ERROR),
    ("a timeout as 408", heard(408, r.PORTKEY_TIMEOUT), O.STRUCTURED_ERROR),
    ("streaming broken", heard(500, r.PORTKEY_IMMUTABLE), O.UNGRACEFUL_ERROR),
    ("dies before the first chunk: 200 and nothing", heard(body=""), O.EMPTY_SUCCESS),
    ("abort or clean end after 4", heard(body=ROLE + said(4)), O.TRUNCATED_STREAM),
    ("in-band error after 4", heard(body=ROLE + said(4) + event(r.BUSY)), O.ERROR_IN_STREAM),
    ("a failure with status 200", heard(200, r.PORTKEY_BOTH_DEAD, stream=False), O.ERROR_IN_STREAM),
    (
        "a 401 passed on",
        heard(401, r.OPENAI_429, headers={"x-portkey-last-used-option-index": "config.targets[0]"}),
        O.STRUCTURED_ERROR,
    ),
    (
        "the second target",
        heard(body=FINE, headers={"x-portkey-last-used-option-index": "config.targets[1]"}),
        O.FAILED_OVER,
    ),
]
DIRECT = [
    ("OpenAI 429", heard(429, r.OPENAI_429, headers={"retry-after": "2"}), O.STRUCTURED_ERROR),
    ("Anthropic 529", heard(529, r.ANTHROPIC_529, dialect=Dialect.ANTHROPIC), O.STRUCTURED_ERROR),
    ("llama.cpp loads", heard(503, r.LLAMA_LOADING), O.STRUCTURED_ERROR),
    ("TGI's flat error", heard(429, r.TGI_OVERLOADED), O.UNGRACEFUL_ERROR),
    ("vLLM's flat error", heard(500, r.VLLM_FLAT), O.UNGRACEFUL_ERROR),
    ("OpenRouter: an error with 200", heard(200, r.OPENROUTER_200, stream=False), O.ERROR_IN_STREAM),
    ("Azure's filter", heard(400, r.AZURE_FILTER), O.STRUCTURED_ERROR),
    ("nginx 502", heard(502, r.NGINX_502, type_="text/html"), O.UNGRACEFUL_ERROR),
    ("a page with 200", heard(200, "<html>please log in</html>", type_="text/html"), O.UNGRACEFUL_ERROR),
    ("some other JSON with 200", heard(200, '{"ok": true}', stream=False), O.UNGRACEFUL_ERROR),
    ("a redirect", heard(302, "", headers={"location": "https://elsewhere/"}), O.UNGRACEFUL_ERROR),
    ("comments and pings are no tokens", heard(body=": PROCESSING\n\n: ping\n\n" + FINE), O.SERVED_UNKNOWN),
    ("finish without [DONE]", heard(body=ROLE + said() + STOP), O.SERVED_UNKNOWN),
    ("[DONE] without finish", heard(body=ROLE + said() + DONE), O.SERVED_UNKNOWN),
    ("[DONE] without an empty line", heard(body=ROLE + said() + DONE.rstrip()), O.SERVED_UNKNOWN),
    ("`error: null` is none", heard(body="".join(chunk(word, error=None) for word in WORDS) + STOP), O.SERVED_UNKNOWN),
    ("a stream called JSON", heard(body=FINE, type_="application/json"), O.SERVED_UNKNOWN),
    ("a whole answer to a stream", heard(body=chat(ASKED.song), type_="application/json"), O.SERVED_UNKNOWN),
    ("Anthropic, streamed", heard(body=r.claude(WORDS), dialect=Dialect.ANTHROPIC), O.SERVED_UNKNOWN),
    (
        "Anthropic without its end",
        heard(body=r.claude(WORDS[:5]).rpartition("event: message_delta")[0], dialect=Dialect.ANTHROPIC),
        O.TRUNCATED_STREAM,
    ),
    (
        "Anthropic overloads in the middle",
        heard(
            body=r.claude(WORDS[:3]).rpartition("event: message_delta")[0] + event(r.ANTHROPIC_529, "error"),
            dialect=Dialect.ANTHROPIC,
        ),
        O.ERROR_IN_STREAM,
    ),
    ("responses", heard(body=r.responses(WORDS), dialect=Dialect.OPENAI_RESPONSES), O.SERVED_UNKNOWN),
    (
        "responses, failed",
        heard(body=r.responses(WORDS[:3], "response.failed"), dialect=Dialect.OPENAI_RESPONSES),
        O.ERROR_IN_STREAM,
    ),
    (
        "responses, cut",
        heard(body=r.responses(WORDS[:3]).rpartition("event")[0], dialect=Dialect.OPENAI_RESPONSES),
        O.TRUNCATED_STREAM,
    ),
    ("Gemini", heard(body=r.gemini(WORDS), dialect=Dialect.GEMINI), O.SERVED_UNKNOWN),
    ("Gemini, a lie", heard(body=r.gemini(WORDS[:4]), dialect=Dialect.GEMINI), O.TRUNCATED_STREAM),
]
CONTENT = [
    ("two attempts in one", heard(body=ROLE + said(4) + said() + STOP + DONE), O.CORRUPTED_STREAM),
    ("each chunk twice", heard(body=ROLE + "".join(chunk(word) * 2 for word in WORDS) + STOP), O.CORRUPTED_STREAM),
    ("another answer's end", heard(body=said(6) + "".join(chunk(word, id="chatcmpl-2") for word in WORDS[6:]) + STOP), O.CORRUPTED_STREAM),
    ("an event that is no JSON", heard(body=ROLE + said(3) + event("{oops") + said() + STOP), O.CORRUPTED_STREAM),
    ("no JSON, and no end", heard(body=ROLE + said(3) + event("{oops")), O.CORRUPTED_STREAM),
    ("an event cut in the middle", heard(body=ROLE + said(4) + 'data: {"choices": [{"del'), O.TRUNCATED_STREAM),
    ("no UTF-8", heard(body=ROLE.encode() + b'data: {"choices":[{"delta":{"content":"1 \xc3\x28"}}]}\n\n' + STOP.encode()), O.CORRUPTED_STREAM),
    ("compressed", heard(body=b"\x1f\x8b\x08\x00", headers={"content-encoding": "gzip"}), O.CORRUPTED_STREAM),
    ("a body of a megabyte", heard(200, "{" + " " * 1_000_000, stream=False), O.CORRUPTED_STREAM),
    ("cut and whole", heard(200, chat("1 2 3 4"), stream=False), O.TRUNCATED_STREAM),
    ("cut for length", heard(200, chat("1 2 3 4", "length"), stream=False), O.WRONG_CONTENT),
    ("a chat", heard(body=ROLE + chunk("Hello! How can I help?") + STOP + DONE), O.WRONG_CONTENT),
    ("a broken connection", heard(body=ROLE + said(4), trouble=Trouble.ABORT), O.TRUNCATED_STREAM),
    ("a broken connection before any token", heard(body=ROLE, trouble=Trouble.ABORT), O.TRUNCATED_STREAM),
    ("no token in time", heard(body=ROLE, trouble=Trouble.LATE_TOKEN), O.TIMEOUT_FIRST_TOKEN),
    ("no body in time", heard(body="", stream=False, trouble=Trouble.TOO_LONG), O.TIMEOUT_FIRST_TOKEN),
    ("no end in time", heard(body=ROLE + said(9), trouble=Trouble.TOO_LONG), O.STALLED_STREAM),
    ("somebody else's answer", heard(body=chunk(f"1 2 {r.THEIR_MARK}") + STOP), O.WRONG_CONTENT),
]  # fmt: skip
TROUBLES = [
    ("no such name", heard(None, trouble=Trouble.DNS), O.GATEWAY_UNREACHABLE),
    ("refused", heard(None, trouble=Trouble.REFUSED), O.GATEWAY_UNREACHABLE),
    ("reset", heard(None, trouble=Trouble.RESET), O.GATEWAY_UNREACHABLE),
    ("another name's certificate", heard(None, trouble=Trouble.TLS), O.GATEWAY_UNREACHABLE),
    ("no connection in time", heard(None, trouble=Trouble.CONNECT), O.GATEWAY_UNREACHABLE),
    ("no HTTP", heard(None, trouble=Trouble.PROTOCOL), O.GATEWAY_UNREACHABLE),
    ("no resolver", heard(None, trouble=Trouble.RESOLVER), O.HARNESS_ERROR),
    ("no key", heard(None, trouble=Trouble.KEY), O.HARNESS_ERROR),
    ("our loop slept", heard(body=FINE, trouble=Trouble.LAG), O.HARNESS_ERROR),
    ("a clock jumped", heard(500, r.BUSY, trouble=Trouble.CLOCK), O.HARNESS_ERROR),
]
ALL = [
    *[(f"{make}: {what}", case, preset, outcome)
      for make, preset, table in (("litellm", "litellm", LITELLM), ("portkey", "portkey", PORTKEY), ("direct", "plain", DIRECT),
                                  ("content", "litellm", CONTENT), ("trouble", "litellm", TROUBLES))
      for what, case, outcome in table],
]  # fmt: skip


@pytest.mark.parametrize(("case", "preset", "outcome"), [row[1:] for row in ALL], ids=[row[0] for row in ALL])
def test_an_answer_is_called_what_a_reader_of_the_bytes_would_call_it(case, preset, outcome):
    judged = judge(case, ASKED, r.expected(preset))

    assert judged.outcome is outcome, judged
    assert judged.rule


def test_every_outcome_is_in_the_table_except_the_agreed_message_which_has_its_own_test():
    assert {row[3] for row in ALL} == set(Outcome) - {O.DEGRADED_GRACEFUL}
    assert [outcome for outcome, _ in RULES] == list(Outcome)


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        (heard(body=said(4), trouble=Trouble.ABORT), Kind.ABORT),
        (heard(body=said(4)), Kind.NO_TERMINATOR),
        (heard(body=said(4) + STOP + DONE), Kind.SILENT),
        (heard(body=said() + STOP), None),
    ],
)
def test_a_truncation_says_how(case, kind):
    assert judge(case, ASKED, r.expected()).kind is kind


@pytest.mark.parametrize(
    ("end", "fits"),
    [(DONE, {"done", "either"}), (STOP, {"finish_reason", "either"}), (STOP + DONE, {*Terminator}), ("", set())],
)
def test_which_marks_an_end_must_have_is_the_targets_to_say(end, fits):
    case = heard(body=said() + end)

    good = {mark for mark in Terminator if judge(case, ASKED, r.expected(terminator=mark)).good}

    assert good == fits


@pytest.mark.parametrize(
    ("case", "outcome", "level"),
    [
        (heard(503, r.BUSY), O.DEGRADED_GRACEFUL, Level.GRACEFUL),
        (heard(503, r.BUSY, took=10.5), O.UNGRACEFUL_ERROR, Level.UNGRACEFUL),
        (heard(503, r.BUSY.replace("very busy", "very busy (10.0.3.7)")), O.UNGRACEFUL_ERROR, Level.UNGRACEFUL),
        (heard(403, r.BUSY), O.DEGRADED_GRACEFUL, Level.GRACEFUL),
        (heard(200, chat("Sorry, we are busy. Try again soon."), stream=False), O.DEGRADED_GRACEFUL, Level.GRACEFUL),
        (heard(body=chunk("Sorry, we are busy.") + STOP), O.DEGRADED_GRACEFUL, Level.GRACEFUL),
        (heard(503, "Sorry, we are busy.", type_="text/plain"), O.DEGRADED_GRACEFUL, Level.GRACEFUL),
        (heard(body=said(3) + event(r.BUSY)), O.ERROR_IN_STREAM, Level.GRACEFUL),
        (heard(body=said(3) + event(r.OPENAI_429)), O.ERROR_IN_STREAM, Level.STRUCTURED),
        (heard(body=said(3) + event(r.LITELLM_IN_BAND)), O.ERROR_IN_STREAM, Level.UNGRACEFUL),
        (heard(429, r.OPENAI_429), O.STRUCTURED_ERROR, Level.STRUCTURED),
        (heard(None, trouble=Trouble.REFUSED), O.GATEWAY_UNREACHABLE, Level.UNGRACEFUL),
        (heard(body=FINE), O.SERVED_UNKNOWN, Level.GOOD),
    ],
)
def test_the_agreed_message_is_graceful_in_time_and_without_leaks_with_any_status(case, outcome, level):
    judged = judge(case, ASKED, r.expected(messages=SORRY))

    assert (judged.outcome, judged.level) == (outcome, level)


def test_a_message_may_be_agreed_on_for_some_statuses_only():
    messages = (Message(re.compile("very busy"), statuses=frozenset({503})),)

    assert judge(heard(503, r.BUSY), ASKED, r.expected(messages=messages)).level is Level.GRACEFUL
    assert judge(heard(500, r.BUSY), ASKED, r.expected(messages=messages)).level is Level.STRUCTURED


@pytest.mark.parametrize(
    ("case", "at_the_api", "for_people"),
    [
        (heard(body=FINE), True, True),
        (heard(503, r.BUSY), True, True),
        (heard(429, r.OPENAI_429, headers={"retry-after": "5"}), True, False),
        (heard(429, r.OPENAI_429), False, False),
        (heard(500, r.OPENAI_429, headers={"retry-after": "5"}), False, False),
        (heard(503, r.PORTKEY_BOTH_DEAD, headers={"retry-after": "5"}), False, False),
        (heard(None, trouble=Trouble.LATE_HEADERS), False, False),
    ],
)
def test_people_need_words_and_programs_a_time_to_come_back(case, at_the_api, for_people):
    judged = judge(case, ASKED, r.expected(messages=SORRY))

    assert (acceptable(judged, Point.API), acceptable(judged, Point.USER)) == (at_the_api, for_people)


RECORDED_UNGRACEFUL = {
    name: text
    for name, text in vars(r).items()
    if name.startswith(
        ("LITELLM_BOTH", "LITELLM_COOL", "LITELLM_IN", "PORTKEY_BOTH_DEAD", "PORTKEY_HTML", "PORTKEY_CRASH")
    )
}


@pytest.mark.parametrize("text", RECORDED_UNGRACEFUL.values(), ids=RECORDED_UNGRACEFUL.keys())
def test_every_recorded_error_that_gives_something_away_is_found_out(text):
    assert judge(heard(503, text), ASKED, r.expected()).leaks


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('Traceback (most recent call last):\\n File "/app/x.py", line 3', "python-traceback"),
        ("Error\\n at Layer.handle (/srv/app/node_modules/x.js:95:5)", "javascript-stack"),
        ("<!DOCTYPE html><title>Oops</title>", "html"),
        ("served by envoy", "proxy-name"),
        ("[Errno 111] Connect call failed", "system-error"),
        ("openai.InternalServerException", "exception-name"),
        ("see 10.0.12.7", "internal-address"),
        ("chat.llm.svc.cluster.local", "internal-address"),
        ("Incorrect API key provided: sk-proj*****************abcd", "key-fragment"),
        ("upstream connect error or disconnect/reset before headers", "upstream-words"),
        ("cooldown_list=[]", "gateway-internals"),
    ],
)
def test_each_leak_has_the_name_of_its_rule_and_can_be_turned_off(text, rule):
    case = heard(500, r.BUSY.replace("We are very busy", text))

    assert rule in judge(case, ASKED, r.expected()).leaks
    assert rule not in judge(case, ASKED, r.expected(no_leaks=frozenset({rule}))).leaks


def test_a_leak_of_ones_own_can_be_added_and_none_is_looked_for_in_good_answers():
    mine = (re.compile("acme-internal"),)

    assert judge(heard(500, r.BUSY.replace("busy", "acme-internal")), ASKED, r.expected(leaks=mine)).leaks == ("extra",)
    good = judge(heard(body=chat(ASKED.song, note="acme-internal"), stream=False), ASKED, r.expected(leaks=mine))
    assert (good.outcome, good.leaks) == (O.SERVED_UNKNOWN, ())


def test_of_two_errors_the_first_is_told():
    judged = judge(heard(body=event(r.BUSY) + event(r.OPENAI_429)), ASKED, r.expected())

    assert judged.error_type == "unavailable"


def test_a_slow_answer_of_the_next_provider_is_a_failover_and_slow():
    judged = judge(heard(body=FINE, headers=BACKUP, took=5.4), ASKED, r.expected())

    assert (judged.outcome, judged.slow) == (O.FAILED_OVER, True)


def test_another_tenants_answer_is_cross_talk_and_an_old_one_of_ours_is_a_cache():
    theirs = judge(heard(body=chunk(f"1 2 3 {r.THEIR_MARK}") + STOP), ASKED, r.expected())
    old = judge(heard(body=chunk(f"1 2 3 {r.OUR_OLD_MARK}") + STOP), ASKED, r.expected())

    assert (theirs.cross_talk, theirs.stale) == (True, False)
    assert (old.cross_talk, old.stale) == (False, True)


@pytest.mark.parametrize("trouble", sorted(OUR_TROUBLES))
def test_our_own_fault_is_never_the_gateways(trouble):
    for case in (heard(body=FINE, trouble=trouble), heard(500, r.NGINX_502, trouble=trouble)):
        assert judge(case, ASKED, r.expected()).outcome is O.HARNESS_ERROR


BODY = st.lists(
    st.sampled_from([ROLE, STOP, DONE, said(3), event("{"), event(r.BUSY), "data: ", "\n\n", "<html>"])
).map("".join)


@given(
    st.sampled_from([None, 200, 201, 204, 301, 400, 401, 404, 429, 500, 503, 529, 599]),
    BODY | st.binary(max_size=200),
    st.sampled_from([None, *Trouble]),
    st.sampled_from(Dialect),
    st.booleans(),
)
def test_whatever_comes_has_one_outcome_and_no_word_of_it_leaves_the_judge(status, body, trouble, dialect, stream):
    status = None if trouble in (Trouble.REFUSED, Trouble.LATE_HEADERS) else status
    if status is None and trouble is None:
        trouble = Trouble.RESET
    secret = "s3cr3t-w0rd"
    raw = (body if isinstance(body, bytes) else body.encode()) + secret.encode()
    case = heard(status, raw, stream=stream, trouble=trouble, dialect=dialect, headers={"x-secret": secret})

    judged = judge(case, ASKED, r.expected())

    assert judged.outcome in Outcome
    assert (judged.level is Level.GOOD) == (judged.outcome in GOOD)
    assert secret not in repr(judged) + repr(case)
    assert ASKED.nonce not in repr(judged) + repr(case)


def test_a_judgement_holds_closed_words_and_numbers_only():
    case = heard(500, r.BUSY.replace('"unavailable"', '"<script>alert(1)</script> ' + "x" * 500 + '"'))

    judged = judge(case, ASKED, r.expected())

    assert len(judged.error_type) <= 40
    assert re.fullmatch(r"[\w?.-]*", judged.error_type)
    assert {field.name for field in fields(judged)}.isdisjoint({"body", "text", "headers", "prompt"})


def test_of_what_is_no_stream_a_beginning_is_kept():
    case = heard(500, "x" * 10_000_000, stream=False)

    assert len(case.transcript.body) == MOST_BODY
    assert case.transcript.size == 10_000_000
