"""What all pages of the console have in common: the frame, the style, and what a browser may load."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from sentinel import __version__
from sentinel.web.headlines import Headline
from sentinel.web.rendering import render
from sentinel.web.style import CSS, PAGE
from sentinel.web.wish import Wish

REFRESH_SECONDS = 5
"""A page without our script loads itself anew so often; one with it is told when to."""
_SHEET = CSS + PAGE
_HASH = base64.b64encode(hashlib.sha256(_SHEET.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def laid_out(template: str, *, tops: Sequence[Headline], whose: str, wish: Wish, witness: bool, **values: Any) -> str:
    """The whole page. `witness`: of all tenants, of each of which a program must ask by itself."""
    query = wish.query
    only = {"tenant": query["tenant"]} if "tenant" in query else {}
    frame = {
        "breaches_path": _address("/api/v1/breaches", only),
        "css": Markup(_SHEET),  # noqa: S704  # our own, and not escaped
        "refresh": REFRESH_SECONDS,
        "version": __version__,
        "moving": _address("/", query),
        "holding": _address("/", {**query, "still": "1"}),
        "paths": [*(_address(f"/api/v1/{name}", only) for name in _OF_ONE if not witness), "/api/v1/gateways"],
    }
    return str(render(template, tops=tops, whose=whose, still=wish.still, witness=witness, **frame, **values))


_OF_ONE = ("status", "breaches", "records")


def _address(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
