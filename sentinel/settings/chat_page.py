"""The page where users chat, looked at as they see it: in a browser. Opt-in; needs the extra `browser` and Chromium."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from sentinel.settings.duration import Duration
from sentinel.settings.section import Section
from sentinel.settings.words import FilePath, Flag, HttpUrl, Text, count, matching

MOST_EVERY = timedelta(minutes=5)
"""Between two visits: the rules want several within a quarter of an hour."""

Selector = Annotated[
    str,
    BeforeValidator(
        matching(r"(?!.*>>)[^\x00-\x1f\x7f]{1,300}", "a CSS selector in one line, such as textarea or #send")
    ),
]
"""As in `document.querySelector`; it also finds what is in open shadow trees."""


class Screenshots(Section):
    """Pictures of breaches; of good visits none is kept. They show what the page showed, so guard them like it."""

    path: FilePath
    """A folder of ours that we can write in."""

    keep: Annotated[int, count(1, 1000)] = 20
    """The newest so many, each at most half a MiB; older ones are removed."""


class Page(Section):
    """How the page is used: where one writes, what one presses, where the answer comes."""

    url: HttpUrl
    """The page itself. It must open without a login: we have none."""

    prompt: Selector
    """The field one writes into."""

    send: Selector | None = None
    """What one presses then; `None`: the Enter key."""

    answer: Selector
    """Where answers appear; those that were there before do not count."""

    graceful: Annotated[tuple[Text, ...], Field(min_length=1)]
    """What was agreed on for bad times, word by word; line breaks and capitals do not matter. No default: without
    one, no failure can be graceful."""

    every: Duration = timedelta(seconds=60)
    """A visit takes about a second of CPU; three breaches in a row page. At most 5 minutes."""

    timeout: Duration = timedelta(seconds=25)
    """As long as a user waits, from opening the page to the end of the answer; less than failover.within."""

    chromium: FilePath | None = None
    """`None`: `chromium` or `chromium-headless-shell`, as PATH has it."""

    sandbox: Flag = False
    """Chromium's own. It needs user namespaces, which a pod without privileges usually has not."""

    memory_mib: Annotated[int, count(256, 16_384)] = 1024
    """All of Chromium's processes together; a page that takes more is ended."""

    screenshots: Screenshots | None = None
    """`None`: none are kept."""
