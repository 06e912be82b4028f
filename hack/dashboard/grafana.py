"""Grafana's dashboard model, as far as we use it: rows of panels, and the JSON that Grafana reads.

Source: Grafana's classic dashboard model, schemaVersion 42 (Grafana 12 and 13; older ones back to 10 read it
too).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

SCHEMA_VERSION = 42
WIDTH = 24  # Grafana's grid
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_ROW_HEIGHT, _PANEL_HEIGHT = 1, 8


class Look(StrEnum):
    """How a panel draws its series; the values are Grafana's names of its panels."""

    LINES = "timeseries"
    STATES = "state-timeline"
    FIGURE = "stat"


@dataclass(frozen=True)
class Query:
    """A PromQL expression, and the name of each series in it: `{{label}}` stands for a value of a label.

    `dashed`: it is what the others are measured by, such as a limit.
    """

    expression: str
    legend: str
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """One figure. `states` gives words (and colours) to values; `limit` is a value to be drawn as a line."""

    title: str
    description: str
    queries: Sequence[Query]
    unit: str = "short"
    look: Look = Look.LINES
    width: int = 8
    stacked: bool = False
    states: Mapping[int, tuple[str, str]] | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Row:
    """Panels under a title, laid out from left to right."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Variable:
    """A choice at the top of the dashboard: the values of a label of a series."""

    name: str
    title: str
    series: str
    label: str


@dataclass(frozen=True)
class Dashboard:
    """The whole page. `uid` is its address in every Grafana, so it never changes."""

    uid: str
    title: str
    description: str
    tags: Sequence[str]
    variables: Sequence[Variable]
    rows: Sequence[Row]

    def to_json(self) -> dict[str, Any]:
        """What Grafana reads."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": list(self.tags),
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,  # one cross-hair for all panels
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "timezone": "browser",
            "annotations": {"list": []},
            "links": [],
            "templating": {"list": [_datasource(), *(_variable(one) for one in self.variables)]},
            "panels": list(_panels(self.rows)),
        }


def _datasource() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "hide": 0,
        "refresh": 1,
        "regex": "",
        "includeAll": False,
        "multi": False,
        "options": [],
    }


def _variable(one: Variable) -> dict[str, Any]:
    query = f"label_values({one.series}, {one.label})"
    return {
        "name": one.name,
        "label": one.title,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": one.name},
        "current": {"text": ["All"], "value": ["$__all"]},
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "hide": 0,
        "refresh": 2,  # whenever the time range changes
        "regex": "",
        "sort": 1,
        "options": [],
    }


def _panels(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for row in rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": top, "w": WIDTH, "h": _ROW_HEIGHT},
            "panels": [],
        }
        top += _ROW_HEIGHT
        left = 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                left, top = 0, top + _PANEL_HEIGHT
            number += 1
            place = {"x": left, "y": top, "w": panel.width, "h": _PANEL_HEIGHT}
            yield {"id": number, "gridPos": place, **_panel(panel)}
            left += panel.width
        top += _PANEL_HEIGHT


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": str(panel.look),
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "targets": [_target(number, one) for number, one in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": list(_overrides(panel))},
        "options": _options(panel),
    }


def _target(number: int, query: Query) -> dict[str, Any]:
    return {
        "refId": _letter(number),
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expression,
        "legendFormat": query.legend,
        "range": True,
        "instant": False,
    }


def _letter(number: int) -> str:
    return chr(ord("A") + number)


def _overrides(panel: Panel) -> Iterator[dict[str, Any]]:
    dashes = {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}}
    for number, query in enumerate(panel.queries):
        if query.dashed:
            yield {"matcher": {"id": "byFrameRefID", "options": _letter(number)}, "properties": [dashes]}


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.limit is not None:
        steps.append({"color": "red", "value": panel.limit})
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "thresholds": {"mode": "absolute", "steps": steps},
        "mappings": _mappings(panel),
    }
    if panel.look is Look.LINES:
        defaults["min"] = 0
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 20 if panel.stacked else 0,
            "showPoints": "auto",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "off" if panel.limit is None else "dashed"},
        }
    if panel.look is Look.STATES:
        defaults["color"] = {"mode": "thresholds"}
        defaults["custom"] = {"fillOpacity": 70, "lineWidth": 0}
    return defaults


def _mappings(panel: Panel) -> list[dict[str, Any]]:
    if panel.states is None:
        return []
    options = {
        str(value): {"index": index, "text": text, "color": color}
        for index, (value, (text, color)) in enumerate(panel.states.items())
    }
    return [{"type": "value", "options": options}]


def _options(panel: Panel) -> dict[str, Any]:
    if panel.look is Look.FIGURE:
        reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
        return {"reduceOptions": reduced, "colorMode": "none", "graphMode": "area", "textMode": "auto"}
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    tooltip = {"mode": "multi", "sort": "desc"}
    if panel.look is Look.STATES:
        return {
            "legend": legend,
            "tooltip": tooltip,
            "mergeValues": True,
            "showValue": "auto",
            "rowHeight": 0.9,
        }
    return {"legend": legend, "tooltip": tooltip}
