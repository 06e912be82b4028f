"""The real `ship` as a process, and a server beside it that logs to the same spool."""

import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars
from prometheus_client.parser import text_string_to_metric_families

from penstock_artifacts.prediction_log import Batch
from penstock_artifacts.store import store_from
from penstock_server.prediction_log.clock import milliseconds
from penstock_spec import serving_contract
from tests.artifacts.versitygw import S3Server
from tests.server.model_folders import StoredModel
from tests.server.server_process import SECONDS, ServerProcess, environment

LOGGED = {serving_contract.PREDICTION_LOG_VARIABLE: '{"flushSeconds": 0.5}'}


class ShipProcess:
    """A running `ship` and its log lines so far."""

    def __init__(self, folder: Path, store: Mapping[str, str], **settings: str) -> None:
        """It is started at once; `store` is the environment that describes the store."""
        self.lines: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._ended = False
        names = {serving_contract.NAMESPACE_VARIABLE: "ml", serving_contract.POD_VARIABLE: "pod-1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "penstock_server", "ship", "--log-folder", str(folder)],
            env=environment({**LOGGED, **names, **store, **settings}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(
                    json.loads(line)
                )  # a line that is not JSON ends this thread, and so the test
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait_for(self, event: str) -> dict[str, Any]:
        """The first line of that event."""
        with self._news:
            self._news.wait_for(lambda: self._ended or self._find(event) is not None, SECONDS)
            found = self._find(event)
        assert found is not None, f"no event {event!r} in {self.lines}"
        return found

    def _find(self, event: str) -> dict[str, Any] | None:
        return next((line for line in self.lines if line["event"] == event), None)

    def ended(self) -> int:
        """The exit code, once all lines are read."""
        try:
            return self.process.wait(SECONDS)
        finally:
            self.process.kill()  # a failed test leaves nothing running
            self._reader.join(SECONDS)


@contextmanager
def shipping(folder: Path, store: Mapping[str, str], **settings: str) -> Iterator[ShipProcess]:
    """A `ship` that has begun. It is killed with the block if it still runs."""
    ship = ShipProcess(folder, store, **settings)
    try:
        ship.wait_for("shipping")
        yield ship
    finally:
        ship.process.kill()
        ship.ended()


@contextmanager
def logging_server(model: StoredModel, folder: Path, **settings: str) -> Iterator[ServerProcess]:
    """A ready server whose answers go to the spool. It is killed with the block if it still runs."""
    server = ServerProcess(model, {**LOGGED, **settings}, ["--log-folder", str(folder)])
    try:
        server.wait_for("ready")
        yield server
    finally:
        server.process.kill()
        server.wait_for_exit()


def figures(server: ServerProcess) -> dict[str, float]:
    """The log's series by outcome, or by the end of their names."""
    text = server.get("/metrics").text
    found = {
        sample.labels.get("outcome", sample.name.removeprefix("penstock_server_log_")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("penstock_server_log_")
    }
    assert text.count('outcome="stored"') == 1
    return found


def outcomes(server: ServerProcess) -> tuple[float, float]:
    """(rows with an outcome, accepted rows)."""
    found = figures(server)
    return found["stored"] + found["dropped"] + found["lost"], found["accepted_rows_total"]


def batches_of(
    server: S3Server, endpoint: str, time: int | None = None
) -> tuple[list[Batch], polars.DataFrame]:
    """The endpoint's batches around a time (default: now), each checked, and their rows."""
    log = store_from(server.environment, "ml").prediction_log(endpoint)
    middle = datetime.fromtimestamp((time or milliseconds()) / 1000, UTC)
    batches = log.batches(middle - timedelta(hours=1), middle + timedelta(hours=1))
    tables = [polars.read_parquet(io.BytesIO(log.read(batch))) for batch in batches]
    for batch, table in zip(batches, tables, strict=True):
        assert table.height == batch.rows
    return batches, polars.concat(tables)
