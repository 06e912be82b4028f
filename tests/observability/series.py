"""The series that operator and servers really have, with their labels."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from prometheus_client import CollectorRegistry

from penstock_operator.core import endpoint_figures, pipeline_figures
from penstock_operator.core.settings import Settings as OperatorSettings
from penstock_operator.metrics import Metrics as OperatorMetrics
from penstock_operator.options import Options
from penstock_operator.service import Service
from penstock_operator.webhook.figures import Figures
from penstock_server.board import Board, Workers
from penstock_server.metrics import Metrics as ServerMetrics
from penstock_server.prediction_log.figures import LogFigures
from penstock_server.settings import Settings as ServerSettings
from penstock_spec import serving_contract

# What scraping adds to every series: docs/observability.md, and the monitors.
OF_THE_TARGET = {"namespace", "endpoint", "pod", "job", "instance"}
# What a metric's name becomes in its series.
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}


def operator_series() -> Mapping[str, set[str]]:
    """Labels by series of an operator process."""
    found = dict(registered(wired().registry))
    for module in (endpoint_figures, pipeline_figures):
        for name, about in module.FAMILIES.items():
            found[f"{name}_total" if about.counts else name] = {*module.WHERE, *about.labels}
    return found


def webhook_series() -> Mapping[str, set[str]]:
    """Labels by series of the webhook's process."""
    return dict(registered(Figures().registry))


def wired() -> OperatorMetrics:
    """The figures of an operator that is wired together as it really is and never run."""
    metrics = OperatorMetrics()
    options = Options((None,), OperatorSettings(), None, None, 0, "INFO")
    nobody = cast("Any", None)  # nothing is asked of the cluster before run()
    Service(options, nobody, nobody, metrics, (None,))
    return metrics


def server_series() -> Mapping[str, set[str]]:
    """Labels by series of a model server that keeps a prediction log."""
    environment = {
        serving_contract.MODEL_NAME_VARIABLE: "tumour",
        serving_contract.MODEL_VERSION_VARIABLE: "tumour-2",
        serving_contract.MODEL_DIGEST_VARIABLE: f"sha256:{'0' * 64}",
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
            if name.endswith(_SUFFIXES.get(getattr(collector, "_type", ""), ("",))):
                yield name, labels | ({"le"} if name.endswith("_bucket") else set())
    for family in registry.collect():
        for sample in family.samples:
            yield sample.name, set(sample.labels)
