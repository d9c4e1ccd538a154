"""The words in which a dashboard is written, and the JSON that Grafana reads.

    Query* -> Panel* -> Row* -> Board --json--> alerts/dashboards/NAME.json

Only what differs is written: every panel has its data source, place, number and thresholds from here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Steps = Sequence[tuple[float | None, str]]

SCHEMA = 39
"""Grafana 10.3 to 13 read it as it is; older ones may lack a transformation."""
COLUMNS = 24
TAG = "tenant-sentinel"
SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
HIDDEN = ("__name__", "job", "instance", "alertstate", "cluster", "namespace", "path", "node")
"""Labels that a table leaves out unless it names them."""
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
            "annotations": {"list": [_fired()]},
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


def stat(
    title: str, text: str, unit: str, expr: str, *, steps: Steps, width: int = 4, more: Json | None = None
) -> Panel:
    """One number, large, on the colour of its threshold."""
    options = {
        "colorMode": "background",
        "graphMode": "none",
        "justifyMode": "auto",
        "textMode": "value",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return Panel(
        "stat", title, text, unit, (Query(expr, now=True),), width, 4, steps, merged({"options": options}, more or {})
    )


def lines(
    title: str, text: str, unit: str, *queries: Query, width: int = 8, height: int = 8, limit: float | None = None
) -> Panel:
    """Courses over time; `limit` is drawn as a line, beyond which it is no longer well."""
    custom: Json = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 5,
        "showPoints": "never",
        "spanNulls": False,
    }
    if limit is not None:
        custom["thresholdsStyle"] = {"mode": "line"}
    steps: Steps = PLAIN if limit is None else ((None, "green"), (limit, "red"))
    more = {
        "fieldConfig": {
            "defaults": {"custom": custom} | ({"min": 0, "max": 1} if unit == "percentunit" else {"min": 0})
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }
    return Panel("timeseries", title, text, unit, queries, width, height, steps, more)


def stacked(title: str, text: str, unit: str, *queries: Query, width: int = 8) -> Panel:
    """Parts of a whole over time."""
    custom = {"fillOpacity": 60, "lineWidth": 0, "stacking": {"mode": "normal", "group": "A"}}
    made = lines(title, text, unit, *queries, width=width)
    more = merged(made.more, {"fieldConfig": {"defaults": {"custom": custom}}})
    return Panel("timeseries", title, text, unit, queries, width, 8, PLAIN, more)


def states(title: str, text: str, query: Query, words: Mapping[int, tuple[str, str]], *, width: int = 8) -> Panel:
    """What was so from when to when; `words` gives each value its word and its colour."""
    options = {str(value): {"text": word, "color": colour, "index": at} for at, (value, (word, colour)) in _each(words)}
    more = {
        "fieldConfig": {
            "defaults": {
                "custom": {"fillOpacity": 80, "lineWidth": 0},
                "mappings": [{"type": "value", "options": options}],
            }
        },
        "options": {
            "showValue": "never",
            "mergeValues": True,
            "rowHeight": 0.8,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "single"},
        },
    }
    steps = tuple((None if not at else value, colour) for at, (value, (_, colour)) in _each(words))
    return Panel("state-timeline", title, text, "short", (query,), width, 8, steps, more)


def history(
    title: str, text: str, unit: str, query: Query, steps: Steps, *, width: int = 12, mappings: Sequence[Json] = ()
) -> Panel:
    """A row of cells over time for each series, coloured by threshold: a heat map whose rows have names."""
    more = {
        "fieldConfig": {"defaults": {"custom": {"fillOpacity": 80, "lineWidth": 1}, "mappings": list(mappings)}},
        "maxDataPoints": 60,
        "options": {
            "showValue": "never",
            "rowHeight": 0.9,
            "colWidth": 0.9,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "single"},
        },
    }
    return Panel("status-history", title, text, unit, (query,), width, 9, steps, more)


def table(
    title: str,
    text: str,
    unit: str,
    expr: str,
    columns: Mapping[str, str],
    *,
    width: int = 12,
    height: int = 8,
    link: Json | None = None,
) -> Panel:
    """A row for each series that there is now. `columns`: labels, and `Value` if it says anything, to their headings."""
    dropped = {name: True for name in ("Time", "Value", *HIDDEN) if name not in columns}
    arranged = {
        "excludeByName": dropped,
        "indexByName": {name: at for at, name in enumerate(columns)},
        "renameByName": dict(columns),
    }
    by = [{"displayName": columns["Value"], "desc": True}] if "Value" in columns else []
    more: Json = {
        "options": {
            "showHeader": True,
            "cellHeight": "sm",
            "sortBy": by,
        },
        "transformations": [{"id": "organize", "options": arranged}],
    }
    if link:
        more["fieldConfig"] = {"defaults": {"links": [link]}}
    return Panel("table", title, text, unit, (Query(expr, now=True),), width, height, PLAIN, more)


def matrix(
    title: str,
    text: str,
    unit: str,
    expr: str,
    down: str,
    across: str,
    *,
    steps: Steps,
    width: int = COLUMNS,
    height: int = 9,
    mappings: Sequence[Json] = (),
    link: Json | None = None,
) -> Panel:
    """A cell for each pair of the labels `down` and `across`, coloured by threshold."""
    # A pair that cannot be, such as a tenant's own namespace, has the colour of the lowest step.
    shown: Steps = ((None, "transparent"), (0, steps[0][1]), *steps[1:])
    pairs = {"rowField": down, "columnField": across, "valueField": "Value", "emptyValue": "empty"}
    more: Json = {
        "fieldConfig": {
            "defaults": {
                "custom": {"align": "center", "cellOptions": {"type": "color-background", "mode": "basic"}},
                "mappings": list(mappings),
                "links": [link] if link else [],
                "noValue": "·",
            }
        },
        "options": {"showHeader": True, "cellHeight": "sm"},
        "transformations": [{"id": "groupingToMatrix", "options": pairs}],
    }
    return Panel("table", title, text, unit, (Query(expr, now=True),), width, height, shown, more)


def link(title: str, board: str, **chosen: str) -> Json:
    """From a value to another dashboard, with the time as it is and these variables."""
    chosen_ = "".join(f"&var-{name}={value}" for name, value in chosen.items())
    return {"title": title, "url": f"/d/sentinel-{board}?${{__url_time_range}}{chosen_}", "targetBlank": False}


def merged(one: Json, other: Json) -> Json:
    """Both; where both have a word, the other's."""
    made = dict(one)
    for key, value in other.items():
        mine = made.get(key)
        made[key] = merged(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return made


def _each(words: Mapping[int, tuple[str, str]]) -> Iterator[tuple[int, tuple[int, tuple[str, str]]]]:
    yield from enumerate(sorted(words.items()))


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


def _fired() -> Json:
    """Pages as marks on every course: what else moved when this one fired."""
    return {
        "name": "Pages",
        "datasource": SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "red",
        "expr": 'ALERTS{alertname=~"Sentinel.+",alertstate="firing",severity="critical",cluster=~"$cluster"}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{tenant}} {{target}} {{gateway}}",
        "step": "30s",
    }
