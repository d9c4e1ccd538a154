"""The words in which a dashboard is written, and the JSON that Grafana reads.

    Query* -> Panel* -> Row* -> Board --json--> alerts/dashboards/NAME.json

Only what differs is written: every panel has its data source, place, number and thresholds from here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Steps = Sequence[tuple[float | None, str]]

SCHEMA = 39
"""That of Grafana 10; newer ones carry it over when they load it."""
COLUMNS = 24
TAG = "tenant-sentinel"
SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
PLAIN: Steps = ((None, "green"),)
GOOD_AT_ZERO: Steps = ((None, "green"), (1, "red"))


@dataclass(frozen=True)
class Query:
    """`legend` as Grafana writes it, e.g. `{{tenant}}`; `now`: only the last value, as a table's row."""

    expr: str
    legend: str = ""
    now: bool = False


@dataclass(frozen=True)
class Panel:
    """`text` says what is seen, and what it means when it is not as usual; `more` is merged into what Grafana reads."""

    kind: str
    title: str
    text: str
    unit: str
    queries: tuple[Query, ...]
    width: int
    height: int = 8
    steps: Steps = PLAIN
    more: Json = field(default_factory=dict)

    def json(self, number: int, x: int, y: int) -> Json:
        """As Grafana reads it, at that place."""
        colour = "thresholds" if self.steps is not PLAIN and self.kind != "timeseries" else "palette-classic"
        steps = [{"color": name, "value": value} for value, name in self.steps]
        defaults = {
            "unit": self.unit,
            "color": {"mode": colour},
            "custom": {},
            "mappings": [],
            "thresholds": {"mode": "absolute", "steps": steps},
            "noValue": "no data",
        }
        made = {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.text,
            "datasource": SOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": {},
            "targets": [self._target(query, letter) for query, letter in zip(self.queries, "ABCDEF", strict=False)],
        }
        return merged(made, self.more)

    def _target(self, query: Query, letter: str) -> Json:
        made: Json = {"refId": letter, "datasource": SOURCE, "expr": query.expr, "legendFormat": query.legend}
        if query.now:
            made |= {"instant": True, "range": False, "format": "table" if self.kind == "table" else "time_series"}
        return made


@dataclass(frozen=True)
class Row:
    """A heading, and the panels under it: as many to a line as there is room for."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Board:
    """`name` is that of its file; `variables` besides the data source."""

    name: str
    title: str
    text: str
    variables: tuple[Json, ...]
    rows: tuple[Row, ...]
    since: str = "now-3h"

    def json(self) -> Json:
        """The whole of it."""
        return {
            "uid": f"sentinel-{self.name}",
            "title": self.title,
            "description": self.text,
            "tags": [TAG],
            "schemaVersion": SCHEMA,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "10s",
            "time": {"from": self.since, "to": "now"},
            "timepicker": {},
            "timezone": "utc",
            "weekStart": "",
            "annotations": {"list": [_fired(by_cluster=any(one["name"] == "cluster" for one in self.variables))]},
            "links": [_siblings()],
            "templating": {"list": [_data_source(), *self.variables]},
            "panels": list(self._panels()),
        }

    def _panels(self) -> Iterator[Json]:
        number, y = 1, 0
        for row in self.rows:
            yield _heading(row.title, number, y)
            number, y, x, tallest = number + 1, y + 1, 0, 0
            for panel in row.panels:
                if x + panel.width > COLUMNS:
                    x, y, tallest = 0, y + tallest, 0
                yield panel.json(number, x, y)
                number, x, tallest = number + 1, x + panel.width, max(tallest, panel.height)
            y += tallest


def variable(name: str, label: str, series: str, of: str = "", *, everything: str = ".*") -> Json:
    """A choice among the values of the label `of` (else `name`) of `series`; `everything` is what All stands for.

    `.*` takes series without that label too, as where one Prometheus knows of one cluster and says nothing of it.
    """
    query = f"label_values({series}, {of or name})"
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "current": {"text": ["All"], "value": ["$__all"]},
        "allValue": everything,
        "includeAll": True,
        "multi": True,
        "hide": 0,
        "options": [],
        "refresh": 2,
        "regex": "",
        "sort": 1,
    }


def expression(name: str, label: str, usual: str) -> Json:
    """A whole expression that whoever looks may write anew: what is asked of applications that we do not know."""
    return {
        "name": name,
        "label": label,
        "type": "textbox",
        "query": usual,
        "current": {"text": usual, "value": usual},
        "options": [{"text": usual, "value": usual, "selected": True}],
        "hide": 0,
    }


def merged(one: Json, other: Json) -> Json:
    """Both; where both have a word, the other's."""
    made = dict(one)
    for key, value in other.items():
        mine = made.get(key)
        made[key] = merged(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return made


def _heading(title: str, number: int, y: int) -> Json:
    place = {"h": 1, "w": COLUMNS, "x": 0, "y": y}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _data_source() -> Json:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "options": [],
        "refresh": 1,
        "regex": "",
    }


def _siblings() -> Json:
    """To every other dashboard of ours, with the time and the variables as they are."""
    return {
        "type": "dashboards",
        "title": "",
        "tags": [TAG],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "dashboard",
        "tooltip": "",
        "url": "",
    }


def _fired(*, by_cluster: bool) -> Json:
    """Pages as marks on every course: what else moved when this one fired."""
    of_cluster = ',cluster=~"$cluster"' if by_cluster else ""
    return {
        "name": "Pages",
        "datasource": SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "red",
        "expr": f'ALERTS{{alertname=~"Sentinel.+",alertstate="firing",severity="critical"{of_cluster}}}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{tenant}} {{target}} {{gateway}}",
        "step": "30s",
    }
