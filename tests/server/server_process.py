"""The real server as a process on the loopback address, and what it wrote."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from penstock_artifacts.model import ValueType
from penstock_spec import serving_contract
from tests.server.model_folders import StoredModel
from tests.support import ROOT

SECONDS = 60  # bound on every wait, far above what anything takes
DATATYPES = {
    ValueType.NUMBER: "FP64",
    ValueType.INTEGER: "INT64",
    ValueType.BOOLEAN: "BOOL",
    ValueType.STRING: "BYTES",
}


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """A process environment that knows the packages and nothing of the developer's own settings."""
    roots = ("pipeline_spec", "artifacts", "serving")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    return {**kept, "PYTHONPATH": os.pathsep.join(str(ROOT / root) for root in roots), **extra}


class ServerProcess:
    """A running server and its log lines so far."""

    def __init__(
        self, model: StoredModel, settings: Mapping[str, str], arguments: Sequence[str] = ()
    ) -> None:
        identity = {
            serving_contract.MODEL_NAME_VARIABLE: model.name,
            serving_contract.MODEL_VERSION_VARIABLE: f"{model.name}-3",
            serving_contract.MODEL_DIGEST_VARIABLE: model.digest,
            serving_contract.ENDPOINT_VARIABLE: f"{model.name}-live",
            "PENSTOCK_SERVE_DRAIN_SECONDS": "0",
        }
        where = ["--host", "127.0.0.1", "--port", "0", "--grpc-port", "0", "--folder", str(model.folder)]
        self.model = model
        self.lines: list[dict[str, Any]] = []
        self.raw: list[str] = []
        # One connection per request: what an idle connection sees at the end is not what these tests ask.
        self._http = httpx.Client(timeout=SECONDS, limits=httpx.Limits(max_keepalive_connections=0))
        self._news = threading.Condition()
        self._ended = False
        self.process = subprocess.Popen(
            [sys.executable, "-m", "penstock_server", "serve", *where, *arguments],
            env=environment({**identity, **settings}),
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
                self.raw.append(line)
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
        assert found is not None, f"no event {event!r} in {''.join(self.raw)}"
        return found

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        """Ask again and again until it holds."""
        end = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < end, f"never {what}: {''.join(self.raw)}"
            assert self.process.poll() is None, f"ended before {what}: {''.join(self.raw)}"
            time.sleep(0.01)

    def figure(self, series: str, **labels: str) -> float:
        """The sum of a series of /metrics over all labels but these."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.get("/metrics").text)
            for sample in family.samples
            if sample.name == series and labels.items() <= sample.labels.items()
        )

    def _find(self, event: str) -> dict[str, Any] | None:
        return next((line for line in self.lines if line["event"] == event), None)

    def wait_for_exit(self) -> int:
        """The exit code, once all lines are read."""
        try:
            code = self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()  # a failed test leaves nothing running
            raise
        self._reader.join(SECONDS)
        return code

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.wait_for("listening")["port"])

    @property
    def grpc_address(self) -> str:
        """Where it answers gRPC."""
        return f"127.0.0.1:{self.wait_for('listening')['grpcPort']}"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def model_path(self) -> str:
        """The model's resource."""
        return f"/v2/models/{self.model.name}"

    def get(self, path: str) -> httpx.Response:
        """GET."""
        return self._http.get(self.url + path)

    def infer(self, body: Any, path: str | None = None) -> httpx.Response:
        """POST an inference request: bytes as they are, anything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._http.post(self.url + (path or f"{self.model_path}/infer"), content=content)


def wait_for(holds: Callable[[], bool], what: str) -> None:
    """Ask again and again until it holds."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, f"waited too long for {what}"
        time.sleep(0.01)


@contextmanager
def running(model: StoredModel, arguments: Sequence[str] = (), **settings: str) -> Iterator[ServerProcess]:
    """A server that is ready. It is ended with the block."""
    server = ServerProcess(model, settings, arguments)
    try:
        server.wait_for("ready")
        server.wait_until(lambda: server.get("/v2/health/ready").status_code == 200, "ready")
        yield server
    finally:
        server.process.terminate()
        server.wait_for_exit()


def tensors(model: StoredModel, columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The rows as the protocol wants them: one tensor per column."""
    types = {column.name: column.type for column in model.signature.inputs}
    return [
        {"name": name, "shape": [len(cells)], "datatype": DATATYPES[types[name]], "data": list(cells)}
        for name, cells in columns.items()
    ]


def rows(model: StoredModel, start: int, end: int) -> dict[str, list[Any]]:
    """Some of the model's own rows."""
    return {name: cells[start:end] for name, cells in model.columns.items()}


def copy_of(model: StoredModel, parent: Path) -> StoredModel:
    """The same model in another place, to be spoilt."""
    target = parent / "model"
    target.mkdir(parents=True)
    for path in model.folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    manifest = serving_contract.MODEL_MANIFEST
    (parent / manifest).write_bytes((model.folder.parent / manifest).read_bytes())
    return StoredModel(model.name, target, model.digest, model.signature, model.columns)
