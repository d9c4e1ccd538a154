"""The kinds of panel that our dashboards are made of, each with the options that it needs and no others."""

from collections.abc import Iterator, Mapping, Sequence

from tests.dashboards.board import COLUMNS, PLAIN, Json, Panel, Query, Steps, merged

HIDDEN = ("__name__", "job", "instance", "alertstate", "cluster", "namespace", "path", "node")
"""Labels that a table leaves out unless it names them."""


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


def _each(words: Mapping[int, tuple[str, str]]) -> Iterator[tuple[int, tuple[int, tuple[str, str]]]]:
    yield from enumerate(sorted(words.items()))
