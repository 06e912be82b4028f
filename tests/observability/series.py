"""The series that operator and servers really have, and those that an expression asks for."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from prometheus_client import CollectorRegistry

from penstock_operator.core.endpoint_figures import FAMILIES, labels_of
from penstock_operator.core.settings import Settings as OperatorSettings
from penstock_operator.metrics import Metrics as OperatorMetrics
from penstock_operator.options import Options
from penstock_operator.service import Service
from penstock_server.board import Board, Workers
from penstock_server.metrics import Metrics as ServerMetrics
from penstock_server.prediction_log.counts import LogFigures
from penstock_server.settings import Settings as ServerSettings
from penstock_spec import contract

# What scraping adds to every series: docs/observability.md, and the monitors.
OF_THE_TARGET = {"namespace", "endpoint", "pod", "job", "instance"}
_NAME = re.compile(r"(?<![\w:$\"])((?:endpoint:)?(?:penstock|process)_\w+(?::\w+)?)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
_LEGEND = re.compile(r"{{\s*(?:\$labels\.)?(\w+)\s*}}")


@dataclass(frozen=True)
class Asked:
    """A series in an expression, and the labels that its matchers name."""

    name: str
    labels: frozenset[str]


def asked(expression: str) -> list[Asked]:
    """The series that an expression selects."""
    return [
        Asked(name, frozenset(_MATCHER.findall(matchers))) for name, matchers in _NAME.findall(expression)
    ]


def grouped(expression: str) -> set[str]:
    """The labels that an expression groups or joins by."""
    return {one.strip() for found in _GROUPING.findall(expression) for one in found.split(",") if one.strip()}


def named(text: str) -> set[str]:
    """The labels whose values stand in a legend or in the words of an alert."""
    return set(_LEGEND.findall(text)) - {"value"}


def operator_series() -> Mapping[str, set[str]]:
    """Labels by series of an operator process, wired together as it really is and never run."""
    metrics = OperatorMetrics()
    options = Options((None,), OperatorSettings(), None, None, 0, "INFO")
    nobody = cast("Any", None)  # nothing is asked of the cluster before run()
    Service(options, nobody, nobody, metrics, (None,))
    families = {name: set(labels_of(name)) for name in FAMILIES}
    counts = {f"{name}_total": families[name] for name, about in FAMILIES.items() if about.counts}
    plain = {name: families[name] for name, about in FAMILIES.items() if not about.counts}
    return {**dict(registered(metrics.registry)), **counts, **plain}


def server_series() -> Mapping[str, set[str]]:
    """Labels by series of a model server that keeps a prediction log."""
    environment = {
        contract.MODEL_NAME_VARIABLE: "tumour",
        contract.MODEL_VERSION_VARIABLE: "tumour-2",
        contract.MODEL_DIGEST_VARIABLE: f"sha256:{'0' * 64}",
    }
    settings = ServerSettings.read(environment, folder=Path("none"))
    metrics = ServerMetrics(settings, Board(settings.workers))
    metrics.registry.register(LogFigures(Path("none"), model="tumour", version="tumour-2"))
    metrics.registry.register(Workers(Board(settings.workers), {"model": "tumour", "version": "tumour-2"}))
    return dict(registered(metrics.registry))


def registered(registry: CollectorRegistry) -> Iterator[tuple[str, set[str]]]:
    """Names and labels of all series of a registry, also of those that have no child yet."""
    for collector, names in registry._collector_to_names.items():  # there is no public way to the labels
        labels = set(getattr(collector, "_labelnames", ()))
        for name in names:
            yield name, labels | ({"le"} if name.endswith("_bucket") else set())
    for family in registry.collect():
        for sample in family.samples:
            yield sample.name, set(sample.labels)
