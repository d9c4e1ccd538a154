"""Who answered is told by signs, with the evidence; what no sign names is unknown, never the primary."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.gateway import provider
from sentinel.core.gateway.provider import PRESETS, UNKNOWN, Place, Provider, Shown, Sign, who

TWO = (Provider("openai"), Provider("backup"))


def served(preset, headers=None, providers=TWO, **shown):
    return who(Shown(headers=headers or {}, **shown), providers, PRESETS[preset])


@pytest.mark.parametrize(
    ("preset", "headers", "name", "evidence"),
    [
        ("litellm", {"x-litellm-model-id": "backup-1"}, "backup", "header x-litellm-model-id"),
        ("litellm", {"x-litellm-model-id": "openai"}, "openai", "header x-litellm-model-id"),
        (
            "litellm",
            {"x-litellm-model-id": "4f6e0a", "x-litellm-model-api-base": "https://api.openai.com/v1"},
            "openai",
            "header x-litellm-model-api-base",
        ),
        (
            "litellm",
            {"x-litellm-model-id": "backup-1", "x-litellm-model-api-base": "https://api.openai.com/v1"},
            "backup",
            "header x-litellm-model-id",
        ),
        ("litellm", {"x-litellm-model-name": "openai/backup-model"}, UNKNOWN, ""),
        ("litellm", {"x-litellm-model-id": "4f6e0a"}, UNKNOWN, ""),
        (
            "portkey",
            {"x-portkey-last-used-option-index": "config.targets[1]", "x-portkey-provider": "openai"},
            "backup",
            "header x-portkey-last-used-option-index",
        ),
        (
            "portkey",
            {"x-portkey-last-used-option-index": "config.targets[0]"},
            "openai",
            "header x-portkey-last-used-option-index",
        ),
        (
            "portkey",
            {"x-portkey-last-used-option-index": "config"},
            "openai",
            "header x-portkey-last-used-option-index",
        ),
        ("portkey", {"x-portkey-last-used-option-index": "config.targets[10]"}, UNKNOWN, ""),
        ("portkey", {"x-portkey-gateway-exception": "true"}, UNKNOWN, ""),
        (
            "bifrost",
            {"x-bifrost-routing-info-provider": "backup"},
            "backup",
            "header x-bifrost-routing-info-provider",
        ),
        ("bifrost", {"x-bifrost-provider": "OpenAI"}, "openai", "header x-bifrost-provider"),
        ("kong", {"x-kong-llm-model": "openai/gpt-5"}, "openai", "header x-kong-llm-model"),
        ("helicone", {"helicone-provider": "backup"}, "backup", "header helicone-provider"),
        ("cloudflare", {"cf-aig-step": "1"}, "backup", "header cf-aig-step"),
        ("ngrok", {"ngrok-aig-model": "openai:gpt-5"}, "openai", "header ngrok-aig-model"),
        ("plain", {"x-litellm-model-id": "openai"}, UNKNOWN, ""),
        ("plain", {}, UNKNOWN, ""),
    ],
)
def test_each_make_says_it_in_its_own_header(preset, headers, name, evidence):
    found = served(preset, headers)

    assert (found.provider, found.evidence) == (name, evidence)


def test_openrouter_says_it_in_the_answer_whole_or_streamed():
    assert served("openrouter", first={"provider": "Backup"}, stream=True).provider == "backup"
    assert served("openrouter", last={"provider": "OpenAI"}).evidence == "json /provider"


@pytest.mark.parametrize(
    ("preset", "headers", "fallback", "attempts"),
    [
        ("litellm", {"x-litellm-attempted-fallbacks": "1", "x-litellm-attempted-retries": "0"}, True, 0),
        ("litellm", {"x-litellm-attempted-fallbacks": "0", "x-litellm-attempted-retries": "1"}, False, 1),
        ("litellm", {}, None, None),
        (
            "portkey",
            {"x-portkey-last-used-option-index": "config.targets[1]", "x-portkey-retry-attempt-count": "-1"},
            True,
            -1,
        ),
        ("portkey", {"x-portkey-last-used-option-index": "config.targets[0]"}, False, None),
        ("bifrost", {"x-bifrost-routing-info-is-fallback": "true"}, True, None),
        ("bifrost", {"x-bifrost-fallback-index": "0"}, False, None),
        ("cloudflare", {"cf-aig-step": "0"}, False, None),
        ("ngrok", {"ngrok-aig-attempts": "2"}, True, 2),
        ("ngrok", {"ngrok-aig-attempts": "1"}, False, 1),
        ("ngrok", {"ngrok-aig-attempts": "many"}, False, None),
    ],
)
def test_the_gateways_own_words_about_fallback_and_attempts_are_kept_as_its_words(preset, headers, fallback, attempts):
    found = served(preset, headers)

    assert (found.fallback, found.attempts) == (fallback, attempts)


def sign(where, key, regex):
    return Sign(Place(where), key, re.compile(regex))


def test_configured_signs_must_all_fit_and_come_before_the_presets():
    rows = (
        Provider("a", (sign("header", "X-Upstream", "^blue$"), sign("id_prefix", "", "^msg_"))),
        Provider("b", (sign("header", "X-Upstream", "^blue$"), sign("id_prefix", "", "^chatcmpl-"))),
        Provider("c"),
    )

    found = served("litellm", {"x-upstream": "blue", "x-litellm-model-id": "c"}, rows, id="chatcmpl-1")

    assert (found.provider, found.evidence) == ("b", "header X-Upstream and id_prefix")
    assert served("litellm", {"x-litellm-model-id": "c"}, rows).provider == "c"


def test_two_providers_with_the_same_sign_are_nobody():
    rows = (Provider("a", (sign("json", "/model", "gpt"),)), Provider("b", (sign("json", "/model", "gpt-5"),)))

    found = served("plain", None, rows, last={"model": "gpt-5"})

    assert (found.provider, found.evidence) == (UNKNOWN, "ambiguous")


def test_the_first_event_counts_as_much_as_the_last_and_sse_is_for_streams_alone():
    rows = (Provider("a", (sign("sse", "choices/0/p", "^a$"),)),)
    doc = {"choices": [{"p": "a"}]}

    assert served("plain", None, rows, first=doc, last={}, stream=True).provider == "a"
    assert served("plain", None, rows, first=doc, last=doc, stream=False).provider == UNKNOWN


@pytest.mark.parametrize(
    ("preset", "headers", "last", "reached"),
    [
        ("litellm", {"llm_provider-retry-after": "7"}, {}, True),
        ("litellm", {"x-litellm-call-id": "1"}, {}, False),
        ("portkey", {"x-portkey-last-used-option-index": "config.targets[7]"}, {}, True),
        ("portkey", {"x-portkey-gateway-exception": "true"}, {}, False),
        ("plain", {"openai-processing-ms": "12"}, {}, True),
        ("openrouter", {}, {"error": {"metadata": {"provider_name": "x"}}}, True),
        ("plain", {}, {"error": {"metadata": None}}, False),
    ],
)
def test_whether_a_provider_was_asked_at_all_is_seen_on_errors_too(preset, headers, last, reached):
    assert served(preset, headers, last=last).reached is reached


@given(
    st.sampled_from(sorted(PRESETS)),
    st.dictionaries(st.text(max_size=30), st.text(max_size=50), max_size=5),
    st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)),
)
def test_no_reply_is_an_error_and_nobody_is_invented(preset, headers, doc):
    last = doc if isinstance(doc, dict) else {"provider": doc}

    assert served(preset, headers, last=last).provider in (UNKNOWN, "openai", "backup")


@pytest.mark.parametrize(
    ("pointer", "value"),
    [("/a/0/b", 1), ("a/0/b", 1), ("/a/1/b", None), ("/a/x", None), ("/a~1b", 2), ("/c", None), ("/a/٣", None)],
)
def test_pointers_lead_where_they_say_or_nowhere(pointer, value):
    assert provider.pointed({"a": [{"b": 1}], "a/b": 2}, pointer) == value
