"""The dashboards as they are shipped, and their queries as Grafana asks them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.dashboards.built import FOLDER

Json = dict[str, Any]

BOARDS: dict[str, Json] = {file.stem: json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))}
"""Each by the name of its file; those that somebody wrote by hand too."""


@dataclass(frozen=True)
class Asked:
    """One query of one panel."""

    board: str
    panel: Json
    query: Json

    @property
    def name(self) -> str:
        """For a person who looks for it."""
        return f"{self.board}: {self.panel['title']}, {self.query['refId']}"


def panels(board: str) -> Iterator[Json]:
    """All but the headings, also those of a folded row."""
    for panel in BOARDS[board]["panels"]:
        yield from panel["panels"] if panel["type"] == "row" else [panel]


def queries(*boards: str) -> Iterator[Asked]:
    """Every query of every panel, of these dashboards or of all."""
    for board in boards or BOARDS:
        yield from (Asked(board, panel, query) for panel in panels(board) for query in panel["targets"])


def variables(board: str) -> dict[str, Json]:
    """Those that a query can name, by name."""
    return {found["name"]: found for found in BOARDS[board]["templating"]["list"] if found["type"] == "query"}


def everything(board: str) -> dict[str, str]:
    """Every variable at All, and every expression as it is usual."""
    written = {f["name"]: f["query"] for f in BOARDS[board]["templating"]["list"] if f["type"] == "textbox"}
    chosen = {name: found["allValue"] if found.get("includeAll") else "" for name, found in variables(board).items()}
    return chosen | written


def substituted(expr: str, chosen: Mapping[str, str], *, span: float, scrape: float = 10.0, step: float = 15.0) -> str:
    """An expression as Prometheus gets it: variables, and intervals by the rule that Grafana documents.

    `span`: the chosen time; `scrape`: the data source's scrape interval; `step`: the panel's; all in seconds.
    `$__rate_interval` is the larger of step + scrape and four times scrape.
    """
    rate = max(step + scrape, 4 * scrape)
    own = {"__rate_interval": f"{rate:g}s", "__range": f"{span:g}s", "__interval": f"{step:g}s"}
    known = own | dict(chosen)
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: known[found[1] or found[2]], expr)
