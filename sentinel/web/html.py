"""HTML from values: what is not `Html` is text, and text is escaped. There is no way around it.

tag("td", "<b>", cls="held")  ->  <td class="held">&lt;b&gt;</td>
"""

from collections.abc import Iterable
from html import escape
from typing import TypeAlias

from sentinel import logs

MOST_TEXT = 2000
"""Characters of one piece of text."""


class Html(str):
    """Text that is HTML already. Only this file makes it from anything else."""

    __slots__ = ()


Child: TypeAlias = "str | int | Iterable[Child]"

_VOID = frozenset({"br", "hr", "img", "link", "meta"})


def tag(name: str, /, *children: Child, **attributes: str | int | None) -> Html:
    """An element. `cls` is written `class`; an attribute that is None is left out."""
    given = "".join(
        f' {key.replace("cls", "class").replace("_", "-")}="{_text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>" if name in _VOID else f"<{name}{given}>{join(children)}</{name}>")


def join(children: Child) -> Html:
    """Children one after the other: text is escaped, lists are walked through."""
    if isinstance(children, Html):
        return children
    if isinstance(children, (str, int)):
        return Html(_text(children))
    return Html("".join(map(join, children)))


def style(css: str) -> Html:
    """A style sheet of our own: nothing in it comes from outside, and it is not escaped."""
    if "</" in css:
        raise ValueError("a style sheet cannot hold a closing tag")
    return Html(f"<style>{css}</style>")


def drawing(svg: str) -> Html:
    """A picture of our own renderer (`reports/svg.py`), whose XML writer has escaped what comes from outside."""
    if not svg.startswith("<svg "):
        raise ValueError("expected a picture of reports/svg.py")
    return Html(svg)


def document(lang: str, *children: Html) -> str:
    """A whole page."""
    return f'<!doctype html>\n<html lang="{_text(lang)}">{join(children)}</html>\n'


def _text(value: str | int) -> str:
    # The same pipe as for the log: an escape code or a bidirectional override lies on a page too.
    return escape(logs.clean_text(str(value), MOST_TEXT))
