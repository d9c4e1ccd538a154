"""What no user may ever read in an error: traces of programs, addresses, names of parts, pieces of keys.

Each rule has a name, since that is the label under which `core.outcome`'s judgement is counted.
What a rule matched is told to nobody: it is what must not be shown.
"""

import re
from collections.abc import Collection

RULES = (
    ("python-traceback", re.compile(r"Traceback \(most recent call last\)|File \"[^\"\n]{1,300}\", line \d+")),
    ("javascript-stack", re.compile(r"\bat [^\n]{1,300}?:\d+:\d+")),
    ("html", re.compile(r"<(?:html|!doctype|body|head)\b", re.IGNORECASE)),
    ("proxy-name", re.compile(r"\b(?:nginx|envoy|cloudflare|openresty|traefik|haproxy)\b", re.IGNORECASE)),
    ("system-error", re.compile(r"\b(?:ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTFOUND|EAI_AGAIN)\b|Errno -?\d+")),
    ("exception-name", re.compile(r"\b[A-Za-z]*(?:TypeError|KeyError|ValueError|AttributeError|Exception)\b")),
    ("litellm-name", re.compile(r"\blitellm\.", re.IGNORECASE)),
    ("html-message", re.compile(r"html-message")),
    (
        "internal-address",
        re.compile(
            r"\b(?:127|10)\.\d{1,3}\.\d{1,3}\.\d{1,3}\b|\b192\.168\.\d{1,3}\.\d{1,3}\b"
            r"|\b172\.(?:1[6-9]|2\d|3[01])\.\d{1,3}\.\d{1,3}\b|\.svc\.cluster\.local\b|\blocalhost:\d+"
        ),
    ),
    ("key-fragment", re.compile(r"\bsk-[A-Za-z0-9_*-]{4,}|\bBe\*+|\bBearer [A-Za-z0-9._-]{8,}")),
    ("gateway-internals", re.compile(r"cooldown_list|\bmodel group '|Deployment Info:|pre-call-checks")),
    ("upstream-words", re.compile(r"upstream connect error|no healthy upstream|upstream request timeout")),
)
"""The rules that ship; the order in which they are told."""
NAMES = tuple(name for name, _ in RULES)
"""The values of the label `rule`, beside `extra`."""
EXTRA = "extra"
"""Stands for all patterns that a configuration adds."""


def found(text: str, extra: Collection[re.Pattern[str]] = (), disabled: Collection[str] = ()) -> tuple[str, ...]:
    """The names of the rules that this text breaks."""
    names = [name for name, pattern in RULES if name not in disabled and pattern.search(text)]
    return (*names, EXTRA) if any(pattern.search(text) for pattern in extra) else tuple(names)
