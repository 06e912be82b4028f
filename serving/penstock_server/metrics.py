"""What Prometheus may ask. One registry per server; series carry the model's and its version's name."""

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

from penstock_server.settings import Settings

CONTENT_TYPE = CONTENT_TYPE_LATEST
# Else each series has a twin that tells when it began, which nobody asked for.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library does not annotate it
# A small model answers in well under a millisecond; what people promise their users is tens of them.
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The server's figures."""

    def __init__(self, settings: Settings) -> None:
        """Make every series, so that each is there from the first scrape on."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        labels = {"model": settings.model, "version": settings.version}
        names = tuple(labels)
        self._requests = Counter(
            "penstock_server_requests",
            "Inference requests answered, by HTTP status code.",
            (*names, "code"),
            registry=self.registry,
        )
        self._labels = labels
        self._by_code: dict[int, Counter] = {}
        self.seconds = Histogram(
            "penstock_server_request_seconds",
            "Time from the request's head to the last byte of the answer, of inference requests.",
            names,
            buckets=_BUCKETS,
            registry=self.registry,
        ).labels(**labels)
        self.rows = Counter("penstock_server_rows", "Rows predicted.", names, registry=self.registry).labels(
            **labels
        )
        self.in_flight = Gauge(
            "penstock_server_in_flight", "Inference requests not yet answered.", names, registry=self.registry
        ).labels(**labels)
        self.ready = Gauge(
            "penstock_server_ready",
            "1 while the model answers and wants traffic.",
            names,
            registry=self.registry,
        ).labels(**labels)
        self._info = Gauge(
            "penstock_server_model_info",
            "Always 1; the labels say what is served.",
            (*names, "digest", "endpoint", "task"),
            registry=self.registry,
        )
        self._identity = {**labels, "digest": settings.digest, "endpoint": settings.endpoint}

    def loaded(self, task: str) -> None:
        """The model answers: say what it is."""
        self._info.labels(**self._identity, task=task).set(1)

    def answered(self, code: int, seconds: float) -> None:
        """Count one inference request."""
        counter = self._by_code.get(code)
        if counter is None:
            counter = self._by_code[code] = self._requests.labels(**self._labels, code=str(code))
        counter.inc()
        self.seconds.observe(seconds)

    def render(self) -> bytes:
        """The text that a scrape gets."""
        return generate_latest(self.registry)
