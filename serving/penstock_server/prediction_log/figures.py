"""What Prometheus reads of the prediction log."""

from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from penstock_server.prediction_log import counts
from penstock_server.prediction_log.clock import milliseconds
from penstock_server.prediction_log.spool import used_bytes


class LogFigures(Collector):
    """What Prometheus reads of the log. Any worker answers for all of them."""

    def __init__(self, root: Path, *, model: str, version: str) -> None:
        """Nothing is read before the first scrape."""
        self._root = root
        self._labels = {"model": model, "version": version}

    def describe(self) -> list[Metric]:
        """Nothing: registering must not read the disk."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The series as of now."""
        found = counts.read(self._root)
        names, values = list(self._labels), list(self._labels.values())
        rows = CounterMetricFamily(
            "penstock_server_log_rows",
            "Rows of the prediction log by what became of them.",
            labels=[*names, "outcome"],
        )
        for outcome in ("stored", "dropped", "lost"):
            rows.add_metric([*values, outcome], getattr(found, outcome))
        accepted = CounterMetricFamily(
            "penstock_server_log_accepted_rows",
            "Rows chosen for the prediction log. Those without an outcome yet wait in the spool.",
            labels=names,
        )
        accepted.add_metric(values, found.accepted)
        age = GaugeMetricFamily(
            "penstock_server_log_age_seconds",
            "Time since the store last took rows; before the first, since the log was opened.",
            labels=names,
        )
        since = found.uploaded or found.opened
        age.add_metric(values, max(0, milliseconds() - since) / 1000 if since else 0)
        spool = GaugeMetricFamily(
            "penstock_server_log_spool_bytes",
            "What waits in the spool, and what is not yet removed.",
            labels=names,
        )
        spool.add_metric(values, used_bytes(self._root))
        yield from (rows, accepted, age, spool)
