"""What gateways and providers really sent, as recorded, and how it is turned into a `Heard`."""

import json
from typing import Any

from sentinel.core.gateway import canary
from sentinel.core.gateway.canary import Canary
from sentinel.core.gateway.completion import Heard
from sentinel.core.gateway.dialect import Dialect
from sentinel.core.gateway.outcome import Expected
from sentinel.core.gateway.provider import PRESETS, Provider
from sentinel.core.gateway.transcript import Listener

OURS, THEIRS = canary.tag("team-a"), canary.tag("team-b")
ASKED = Canary(canary.nonce(OURS, "0123abcd"))
THEIR_MARK = f"END-{canary.nonce(THEIRS, '0123abcd')}"
"""At the end of an answer to another tenant."""
OUR_OLD_MARK = f"END-{canary.nonce(OURS, 'ffffffff')}"
WORDS = [word + " " for word in ASKED.song.split()[:-1]] + [f"END-{ASKED.nonce}"]

LITELLM_BOTH_500 = '{"error":{"message":"litellm.InternalServerError: InternalServerError: OpenAIException - The server had an error (primary)\\n\\nLiteLLM: model group \'chat\' failed with the error above. Fallback to chat-fb also failed: LiteLLM Retried: 2 times, LiteLLM Max Retries: 2","type":"internal_server_error","param":null,"code":"500"}}'
LITELLM_BOTH_429 = '{"error":{"message":"litellm.RateLimitError: RateLimitError: OpenAIException - slow down (primary)","type":"throttling_error","param":null,"code":"429"}}'
LITELLM_IN_BAND = '{"error": {"message": "litellm.APIConnectionError: APIConnectionError: OpenAIException - Response payload is not completed: <TransferEncodingError: 400>", "type": null, "param": null, "code": "500"}}'
LITELLM_BOTH_HANG = '{"error":{"message":"litellm.Timeout: APITimeoutError - Request timed out. Deployment Info: request_timeout: None\\ntimeout: 4.0 Fallback to chat-fb also failed:","type":"invalid_request_error","param":null,"code":"408"}}'
LITELLM_COOLDOWN = '{"error":{"message":"No deployments available for selected model, Try again in 10 seconds. All deployments for selected model are in cooldown. Passed model=chat. pre-call-checks=False, cooldown_list=[\'dep-primary\', \'dep-backup\']","type":"all_deployments_in_cooldown","param":null,"code":"429"}}'
LITELLM_ANTHROPIC = (
    '{"type":"error","error":{"type":"rate_limit_error","message":"No deployments available for selected model"}}'
)
LITELLM_BAD_KEY = '{"error":{"message":"Authentication Error, Invalid proxy server token passed.","type":"auth_error","param":"None","code":"401"}}'
LITELLM_BAD_MODEL = '{"error":{"message":"Invalid model name passed in model=chatt. Call `/v1/models` to view available models for your key.","type":"invalid_request_error","param":"model","code":"400"}}'
PORTKEY_BOTH_503 = '{"error":{"message":"openai error: The server is overloaded","type":"server_error","param":null,"code":null},"provider":"openai"}'
PORTKEY_BOTH_DEAD = (
    '{"html-message":"Message: fetch failed Cause: Error: connect ECONNREFUSED 127.0.0.1:9102 Name: TypeError"}'
)
PORTKEY_HTML = '{"html-message":"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"}'
PORTKEY_CRASH = '{"html-message":"Message: Cannot set properties of undefined (setting \'_timeouts\') Name: TypeError"}'
PORTKEY_TIMEOUT = '{"error":{"message":"Request exceeded the timeout sent in the request: 4000ms","type":"timeout_error","param":null,"code":null},"provider":"openai"}'
PORTKEY_IMMUTABLE = '{"status":"failure","message":"Something went wrong"}'
NGINX_502 = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx/1.22</body></html>"
OPENAI_429 = '{"error":{"message":"Rate limit reached for requests","type":"requests","param":null,"code":"rate_limit_exceeded"}}'
ANTHROPIC_529 = '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}'
LLAMA_LOADING = '{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}'
TGI_OVERLOADED = '{"error":"Model is overloaded","error_type":"overloaded"}'
VLLM_FLAT = '{"object":"error","message":"EngineDeadError","type":"InternalServerError","code":500}'
OPENROUTER_200 = (
    '{"error":{"code":502,"message":"Provider returned error","metadata":{"provider_name":"openai"}},"user_id":"u"}'
)
AZURE_FILTER = '{"error":{"message":"The response was filtered","type":null,"param":"prompt","code":"content_filter"}}'
BUSY = '{"error":{"message":"We are very busy. Please try again in a minute.","type":"unavailable","param":null,"code":"503"}}'


def event(doc, name=""):
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {doc if isinstance(doc, str) else json.dumps(doc)}\n\n"


def chunk(text="", finish=None, role=None, **extra):
    delta = ({"role": role} if role else {}) | ({"content": text} if text else {})
    row = {"index": 0, "delta": delta, "finish_reason": finish}
    return event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m", "choices": [row]} | extra)


ROLE, STOP, DONE = chunk(role="assistant"), chunk(finish="stop"), event("[DONE]")


def said(count=99, **extra):
    """The first words of the answer as chat chunks."""
    return "".join(chunk(word, **extra) for word in WORDS[:count])


def words(count):
    """The same, one chunk each."""
    return [f"{part}\n\n" for part in said(count).split("\n\n")[:-1]]


def chat(text, finish="stop", **extra):
    """A whole chat answer."""
    message = {"role": "assistant", "content": text}
    row = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"id": "chatcmpl-1", "object": "chat.completion", "model": "m", "choices": [row]} | extra)


def claude(text, name="message_stop"):
    """A whole stream of Anthropic's."""
    start: dict[str, Any] = {
        "type": "message_start",
        "message": {"id": "msg_1", "model": "c", "usage": {"input_tokens": 30}},
    }
    deltas = [{"type": "content_block_delta", "delta": {"type": "text_delta", "text": word}} for word in text]
    stop = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 40}}
    ping = {"type": "ping"}
    docs = [start, ping, *deltas, stop, {"type": name}]
    return "".join(event(doc, doc["type"]) for doc in docs)


def responses(text, last="response.completed"):
    """A whole stream of OpenAI's responses."""
    created = {"type": "response.created", "response": {"id": "resp_1", "model": "m"}}
    deltas = [{"type": "response.output_text.delta", "delta": word} for word in text]
    end = {"type": last, "response": {"id": "resp_1", "usage": {"input_tokens": 30, "output_tokens": 40}}}
    return "".join(event(doc, doc["type"]) for doc in [created, *deltas, end])


def gemini(text, finish="STOP"):
    """A whole stream of Gemini's."""
    said = [{"content": {"parts": [{"text": word}]}} for word in text]
    docs = [{"candidates": [row], "responseId": "r"} for row in [*said[:-1], said[-1] | {"finishReason": finish}]]
    return "".join(event(doc) for doc in docs)


def heard(
    status=200,
    body="",
    *,
    stream=True,
    headers=None,
    trouble=None,
    took=1.0,
    dialect=Dialect.OPENAI_CHAT,
    type_="",
):
    """What a probe gives that began at 100 s and got this."""
    kind = type_ or ("text/event-stream" if stream and status == 200 else "application/json")
    listener = Listener(dialect, kind)
    raw = body if isinstance(body, bytes) else body.encode()
    for place in range(0, len(raw), 50):
        listener.feed(raw[place : place + 50], 100 + took * (place + 50) / (len(raw) + 50))
    return Heard(
        start=100.0,
        at=1_700_000_000.0,
        took=took,
        stream=stream,
        status=status,
        headers={"content-type": kind} | (headers or {}),
        trouble=trouble,
        transcript=listener.finish(100 + took),
    )


def expected(preset="litellm", **more):
    return Expected(
        primary="openai",
        providers=(Provider("openai"), Provider("backup")),
        preset=PRESETS[preset],
        **more,
    )
