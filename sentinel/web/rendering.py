"""Pages from templates: whatever is put into one is text, cleaned as for the log, and escaped.

    {{ name }}  ->  control characters and tokens out (`logs`), cut, then `<` to `&lt;`

`finalize` does the first for every expression, so no template can forget it; what we made ourselves is
`Markup`. Loaded by who looks at a page: a daemon whose page nobody opens pays nothing for jinja2.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from sentinel import logs
from sentinel.core.api.question import CLUSTER
from sentinel.web.words import clock, count, percent, span

MOST_TEXT = 2000
"""Characters of one piece of text."""
MOST_NAMES = 8
_TEMPLATES = Path(__file__).parent / "templates"


def render(name: str, **values: Any) -> Markup:
    """The template with these values; where moments are told of, `now` (wall seconds) must be one of them."""
    return Markup(_environment().get_template(name).render(values))  # noqa: S704  # autoescaped


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_text,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"when": _when, "span": span, "percent": percent, "count": count}
    made.filters |= {"place": place, "listed": listed, "clock": _clock, "age": _age}
    return made


def _text(value: object) -> object:
    # The same pipe as for the log: an escape code or a bidirectional override lies on a page too.
    return value if isinstance(value, Markup) else logs.clean_text(str(value), MOST_TEXT)


@pass_context
def _clock(context: Context, at: float) -> str:
    return clock(at, context["now"])


@pass_context
def _when(context: Context, at: float | None, never: str = "never") -> Markup:
    """Both for people: how long ago, and the moment in UTC."""
    if at is None:
        return Markup('<span class="faint">{}</span>').format(never)
    now = context["now"]
    return _time(at, f"{_ago(now - at, ' ago')} <small>{clock(at, now)}</small>")


@pass_context
def _age(context: Context, at: float | None) -> Markup:
    """Only how long ago, in one unit, where many stand together."""
    if at is None:
        return Markup('<span class="faint">never</span>')
    return _time(at, _ago(context["now"] - at, units=1))


def _time(at: float, text: str) -> Markup:
    # Numbers of ours and our own words: nothing that could need an escape.
    return Markup(f'<time datetime="{_exact(at)}">{text}</time>')  # noqa: S704


def _ago(seconds: float, word: str = "", units: int = 2) -> str:
    return "now" if seconds < 1 else f"{span(float(int(seconds)), units)}{word}"


def _exact(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def place(target: str) -> str:
    """A target in words."""
    return "cluster scope (*)" if target == CLUSTER else target


def listed(names: Sequence[str], most: int = MOST_NAMES) -> str:
    """The first of them, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
