"""What the webhook counts. Names and meanings: docs/webhook.md."""

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics, generate_latest
from prometheus_client.process_collector import ProcessCollector

disable_created_metrics()  # type: ignore[no-untyped-call]  # the library does not annotate it


class Figures:
    """All counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.messages = Counter(
            "penstock_webhook_messages",
            "Messages by HTTP status and reason",
            ["code", "reason"],
            registry=self.registry,
        )
        self.connections = Gauge(
            "penstock_webhook_connections", "Connections that are open", registry=self.registry
        )
        for reason in ("Started", "Repeated"):
            self.messages.labels("201" if reason == "Started" else "200", reason)

    def text(self) -> bytes:
        """Everything in the Prometheus text format."""
        return generate_latest(self.registry)
