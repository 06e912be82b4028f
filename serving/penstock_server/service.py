"""The served model and whether it wants traffic. Loading, ready, draining: forward only."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from enum import StrEnum
from typing import Any

import orjson

from penstock_artifacts.model import Predictor
from penstock_server import describe
from penstock_server.body import BodyReader
from penstock_server.infer_request import RequestError, parse
from penstock_server.log_hook import Log, NoLog
from penstock_server.metrics import Metrics
from penstock_server.settings import Settings
from penstock_server.verify import verify_folder

# Small requests to a quick model are answered on the event loop: handing one to a thread costs more than
# the answer (measured: a third of the throughput). Everything else goes to threads, so that health probes
# are never kept waiting.
_INLINE_BYTES = 16 * 1024
_INLINE_SECONDS = 0.002
# JSON takes up to twenty times its size in memory while it is read. Bodies above this are read one at a time,
# so that a pod of the default size (512Mi) survives any number of the largest.
_LARGE_BYTES = 1024 * 1024


class Phase(StrEnum):
    """What the server is doing."""

    LOADING = "Loading"
    READY = "Ready"
    DRAINING = "Draining"


class Service:
    """One model, its figures and its phase."""

    def __init__(self, settings: Settings, log: Log | None = None) -> None:
        """Nothing is loaded yet. Answers are told to `log`."""
        self.settings = settings
        self._log: Log = log or NoLog()
        self.metrics = Metrics(settings)
        self.bodies = BodyReader(settings.limits)
        self.phase = Phase.LOADING
        self._predictor: Predictor | None = None
        self._inline_bytes = 0
        self._large = asyncio.Lock()
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="infer")

    @property
    def predictor(self) -> Predictor:
        """The loaded model. RequestError 503 before it is there."""
        if self._predictor is None:
            raise RequestError("the model is still being loaded; try again", status=503)
        return self._predictor

    async def load(self) -> None:
        """Check every file of the model, load it, let it answer once: only then it is ready."""
        predictor = await asyncio.get_running_loop().run_in_executor(self._pool, self._load)
        self._predictor = predictor
        self.metrics.loaded(predictor.signature.task)
        if self.phase is Phase.LOADING:
            self.phase = Phase.READY
            self.metrics.ready.set(1)

    def _load(self) -> Predictor:
        verify_folder(self.settings.folder, self.settings.manifest, self.settings.digest)
        predictor = Predictor(self.settings.folder)
        predictor.warm_up()
        started = time.perf_counter()
        predictor.warm_up()  # the first one also allocates
        if time.perf_counter() - started < _INLINE_SECONDS:
            self._inline_bytes = _INLINE_BYTES
        self._log.start(predictor.signature)
        return predictor

    def drain(self) -> None:
        """Ask for no more traffic; what still comes is answered."""
        self.phase = Phase.DRAINING
        self.metrics.ready.set(0)

    def check_ready(self) -> None:
        """RequestError 503 unless the model answers and wants traffic."""
        if self.phase is Phase.DRAINING:
            raise RequestError("the server is shutting down", status=503)
        _ = self.predictor

    async def infer(self, body: bytes) -> bytes:
        """The answer to an inference request, as JSON. RequestError, InputError or ModelError in words."""
        predictor = self.predictor
        if len(body) <= self._inline_bytes:
            return self._infer(predictor, body)
        loop = asyncio.get_running_loop()
        async with self._large if len(body) > _LARGE_BYTES else nullcontext():
            return await loop.run_in_executor(self._pool, self._infer, predictor, body)

    def _infer(self, predictor: Predictor, body: bytes) -> bytes:
        request = parse(body, predictor.signature, predictor.answers, self.settings.limits.rows)
        prediction = predictor.predict(request.columns)
        self.metrics.rows.inc(request.rows)
        self._log.add(request.columns, prediction, request.id or secrets.token_hex(8), request.rows)
        answer = describe.answer(self.settings, predictor.signature, request, prediction)
        return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)

    def close(self) -> None:
        """The last request is answered."""
        self._log.close()

    def describe(self) -> Mapping[str, Any]:
        """The model's metadata."""
        return describe.model(self.settings, self.predictor)
