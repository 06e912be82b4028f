"""What Prometheus may ask. One registry per server; series carry the model's and its version's name."""

import os
from collections.abc import Mapping

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from penstock_server.board import Board, Workers
from penstock_server.settings import Settings

CONTENT_TYPE = CONTENT_TYPE_LATEST
SHARED = "PROMETHEUS_MULTIPROC_DIR"  # the library's own variable; set before it is imported, or not at all
# Else each series has a twin that tells when it began, which nobody asked for.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library does not annotate it
# A small model answers in well under a millisecond; what people promise their users is tens of them.
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)


class Metrics:
    """The server's figures. With several workers each writes its own into shared files, and any sums them."""

    def __init__(self, settings: Settings, board: Board) -> None:
        """Make every series, so that each is there from the first scrape on."""
        self.registry = CollectorRegistry()
        self._labels = {"model": settings.model, "version": settings.version}
        self._identity = {**self._labels, "digest": settings.digest, "endpoint": settings.endpoint}
        # Collectors that any worker can ask for all of them: they are rendered once, not summed.
        self.of_the_pod: list[Collector] = [Workers(board, self._labels)]
        names = tuple(self._labels)
        self._requests = Counter(
            "penstock_server_requests",
            "Inference requests answered, by protocol and HTTP status or gRPC code.",
            (*names, "protocol", "code"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "penstock_server_request_seconds",
            "Time from the request's head to the last byte of the answer, of inference requests.",
            (*names, "protocol"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._in_flight = Gauge(
            "penstock_server_in_flight",
            "Inference requests not yet answered.",
            (*names, "protocol"),
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._unauthorized = Counter(
            "penstock_server_unauthorized",
            "Requests without a token that is known.",
            (*names, "protocol"),
            registry=self.registry,
        )
        self._clients = Counter(
            "penstock_server_client_requests",
            "Inference requests by client: the name of its token in the Secret.",
            (*names, "client"),
            registry=self.registry,
        )
        rows = Counter("penstock_server_rows", "Rows predicted.", names, registry=self.registry)
        self.rows = rows.labels(**self._labels)
        batches = Histogram(
            "penstock_server_batch_rows",
            "Rows of each call of ONNX Runtime.",
            names,
            buckets=_ROWS,
            registry=self.registry,
        )
        self.batch_rows = batches.labels(**self._labels)
        ready = Gauge(
            "penstock_server_ready",
            "1 while the model answers and wants traffic.",
            names,
            registry=self.registry,
            multiprocess_mode="livemin",
        )
        self.ready = ready.labels(**self._labels)
        self._info = Gauge(
            "penstock_server_model_info",
            "Always 1; the labels say what is served.",
            (*names, "digest", "endpoint", "task"),
            registry=self.registry,
            multiprocess_mode="max",
        )
        self.rest = ProtocolMetrics(self, "rest")
        self.grpc = ProtocolMetrics(self, "grpc")

    def loaded(self, task: str) -> None:
        """The model answers: say what it is."""
        self._info.labels(**self._identity, task=task).set(1)

    def asked_by(self, client: str) -> None:
        """Count one inference request of a client with a token."""
        self._clients.labels(**self._labels, client=client).inc()

    def render(self) -> bytes:
        """The text that a scrape gets."""
        if SHARED not in os.environ:
            return generate_latest(self.registry) + generate_latest(self._processes(CollectorRegistry()))
        summed = CollectorRegistry()
        MultiProcessCollector(summed)  # type: ignore[no-untyped-call]  # the library does not annotate it
        return generate_latest(self._processes(summed))

    def _processes(self, registry: CollectorRegistry) -> CollectorRegistry:
        for collector in self.of_the_pod:
            registry.register(collector)
        if SHARED not in os.environ:
            ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        return registry


class ProtocolMetrics:
    """The figures of one protocol."""

    def __init__(self, metrics: Metrics, protocol: str) -> None:
        """Its series begin at nought."""
        # Friends of one module: the outer class keeps the definitions, this one the children.
        labels: Mapping[str, str] = {**metrics._labels, "protocol": protocol}
        self.protocol = protocol
        self.in_flight = metrics._in_flight.labels(**labels)
        self.unauthorized = metrics._unauthorized.labels(**labels)
        self._requests = metrics._requests
        self._seconds = metrics._seconds.labels(**labels)
        self._labels = labels
        self._by_code: dict[str, Counter] = {}

    def answered(self, code: str, seconds: float) -> None:
        """Count one inference request."""
        counter = self._by_code.get(code)
        if counter is None:
            counter = self._by_code[code] = self._requests.labels(**self._labels, code=code)
        counter.inc()
        self._seconds.observe(seconds)
