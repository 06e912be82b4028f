"""What the operator counts.

The only module that knows prometheus_client; names and meanings: docs/operations.md.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from penstock_operator.core import endpoint_figures, pipeline_figures
from penstock_operator.core.endpoint_figures import Family, Figure
from penstock_operator.store import Object

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Else each series has a twin that tells when it began, which nobody asked for.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library does not annotate it
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """All counters of one operator process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"penstock_{name}", meaning, labels, registry=self.registry)

        self.reconciles = counter("reconciles", "Reconciles by kind and result", "kind", "result")
        self.reconcile_seconds = Histogram(
            "penstock_reconcile_seconds",
            "Duration of a reconcile, API requests included",
            ["kind"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.steps = counter(
            "steps_ended", "Steps ended by kind, state and reason", "kind", "state", "reason"
        )
        self.runs = counter("runs_finished", "Runs finished by outcome and reason", "outcome", "reason")
        self.requests = counter("api_requests", "Requests to the API server", "verb", "kind", "code")
        self.request_seconds = Histogram(
            "penstock_api_request_seconds",
            "Duration of a request to the API server, watches excepted",
            ["verb"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.watch_restarts = counter(
            "watch_restarts", "Watch streams opened again, by cause", "kind", "cause"
        )
        self.differences = counter(
            "resync_differences", "Objects that the full comparison found different from the cache", "kind"
        )

    def expect(self, kinds: Iterable[str], watched: Iterable[str], causes: Iterable[str]) -> None:
        """Let what may be counted begin at nought: increase() does not see the event that makes a series.

        `kinds` are compared, `watched` are those of them with a stream of ours, which ends for `causes`.
        """
        for kind in kinds:
            self.differences.labels(kind)
        for kind, cause in product(watched, causes):
            self.watch_restarts.labels(kind, cause)

    def request(self, verb: str, kind: str, code: int, seconds: float) -> None:
        """Count one request; `code` 0 means that there was no answer."""
        self.requests.labels(verb, kind, str(code)).inc()
        if verb != "watch":
            self.request_seconds.labels(verb).observe(seconds)

    def watch_restarted(self, kind: str, cause: str) -> None:
        """Count a stream that had to be opened again."""
        self.watch_restarts.labels(kind, cause).inc()

    def reconciled(self, kind: str, result: str, seconds: float) -> None:
        """Count one finished reconcile."""
        self.reconciles.labels(kind, result).inc()
        self.reconcile_seconds.labels(kind).observe(seconds)

    def gauge(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """A figure that is asked for whenever somebody looks."""
        Gauge(f"penstock_{name}", meaning, registry=self.registry).set_function(read)

    def objects(self, sizes: Mapping[str, Callable[[], int]]) -> None:
        """How many objects of each kind the caches hold."""
        gauge = Gauge("penstock_cached_objects", "Objects in the caches", ["kind"], registry=self.registry)
        for kind, read in sizes.items():
            gauge.labels(kind).set_function(read)

    def endpoints(self, read: Callable[[], Iterable[Object]]) -> None:
        """Figures of all ModelEndpoints, asked for whenever somebody looks."""
        made = endpoint_figures
        self.registry.register(_Told(made.FAMILIES, made.WHERE, lambda: made.figures(read())))

    def pipelines(self, read: Callable[[], Iterable[Object]]) -> None:
        """The same of all Pipelines."""
        made = pipeline_figures
        self.registry.register(_Told(made.FAMILIES, made.WHERE, lambda: made.figures(read())))

    def text(self) -> bytes:
        """Everything in the Prometheus text format."""
        return generate_latest(self.registry)


class _Told(Collector):
    """Makes series of what the caches hold at that moment. `where`: the labels that all of them have."""

    def __init__(
        self,
        families: Mapping[str, Family],
        where: tuple[str, ...],
        figures: Callable[[], Iterable[Figure]],
    ) -> None:
        self._families = families
        self._where = where
        self._figures = figures

    def describe(self) -> Iterable[Metric]:
        """Without it the registry would ask for figures before the caches exist."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """One family after the other, as the text format wants it."""
        families = {
            name: (CounterMetricFamily if about.counts else GaugeMetricFamily)(
                name, about.meaning, labels=(*self._where, *about.labels)
            )
            for name, about in self._families.items()
        }
        for one in self._figures():
            families[one.family].add_metric(one.labels, one.value)
        yield from families.values()
