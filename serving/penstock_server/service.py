"""The served model and whether it wants traffic. Loading, ready, draining: forward only."""

import gc
import itertools
import os
import secrets
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from penstock_artifacts.columns import quoted
from penstock_artifacts.model import Halt, ModelError, Prediction, Predictor
from penstock_server import describe, logs
from penstock_server.batching import Batcher, changes_bits
from penstock_server.board import Board
from penstock_server.holding import Held, Holding
from penstock_server.infer_request import InferRequest, RequestReader
from penstock_server.log_hook import Log, NoLog
from penstock_server.metrics import Metrics
from penstock_server.refusal_log import RefusalLog
from penstock_server.refusals import Blame, RequestError
from penstock_server.runner import Runner
from penstock_server.settings import Settings
from penstock_server.tokens import Tokens
from penstock_server.verify import verify_folder
from penstock_spec import contract

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Phase(StrEnum):
    """What the server is doing."""

    LOADING = "Loading"
    READY = "Ready"
    DRAINING = "Draining"


class Exchange(Protocol[T_co]):
    """An inference request and its answer in one protocol's own form. Both methods may run in a thread."""

    size: int  # bytes of the request
    request_id: str  # by which its sender knows it outside of the body, or one made up here

    def read(self, reader: RequestReader) -> InferRequest:
        """The request. RequestError or InputError."""

    def write(self, predictor: Predictor, request: InferRequest, prediction: Prediction) -> T_co:
        """The answer."""


class Service:
    """One model, its figures and its phase."""

    def __init__(
        self, settings: Settings, log: Log | None = None, board: Board | None = None, worker: int = 0
    ) -> None:
        """Nothing is loaded yet. Answers are told to `log`; `board` is what several workers share."""
        self.settings = settings
        self._log: Log = log or NoLog()
        self._board = board or Board(settings.workers)
        self._worker = worker
        self.metrics = Metrics(settings, self._board)
        self.holding = Holding(settings.limits)
        self.refused = RefusalLog({settings.model, settings.version})
        self.tokens = Tokens(settings.tokens)
        self.phase = Phase.LOADING
        self._runner = Runner(settings)
        self._predictor: Predictor | None = None
        self._reader: RequestReader | None = None
        self._batcher: Batcher | None = None
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count()

    def new_id(self) -> str:
        """An id for a request that brought none, unlike that of any other."""
        return f"{self._prefix}-{next(self._numbers)}"

    @property
    def predictor(self) -> Predictor:
        """The loaded model. RequestError 503 before it is there."""
        if self._predictor is None:
            raise RequestError("the model is still being loaded; try again", Blame.NOT_READY)
        return self._predictor

    async def load(self) -> None:
        """Check every file of the model, load it, let it answer: only then it is ready."""
        predictor = await self._runner.first(self._load)
        signature = predictor.signature
        self._reader = RequestReader(signature, predictor.answers, self.settings.limits.rows)
        self._predictor = predictor
        self.metrics.loaded(signature.task)
        self.refused.known = {*self.refused.known, *signature.names}
        self._board.loaded(self._worker, os.getpid())
        if self.phase is Phase.LOADING:
            self.phase = Phase.READY
            self.metrics.ready.set(1)
        gc.collect()
        gc.freeze()  # what lives as long as the process need not be looked at again and again

    def _load(self) -> Predictor:
        settings = self.settings
        verify_folder(settings.folder, settings.manifest, settings.digest)
        predictor = Predictor(settings.folder)
        graph = (settings.folder / contract.MODEL_ONNX).read_bytes()
        # The operator's name as the graph's file holds it: how often these run depends on the rows.
        self._runner.warm_up(predictor, steady=not any(one in graph for one in (b"\x04Loop", b"\x04Scan")))
        if settings.batching.rows:
            self._set_up_batches(predictor)
        self._log.start(predictor.signature)
        return predictor

    def _set_up_batches(self, predictor: Predictor) -> None:
        try:
            apart = changes_bits(predictor)
        except ModelError:
            apart = True
        if apart:
            reason = "this model's answers depend, be it in their last digit, on the rows they come with"
            logs.event("requests are not batched", level=logs.WARNING, reason=reason)
            return
        batching = self.settings.batching
        predictor.warm_up(batching.rows)
        self._batcher = Batcher(
            predictor,
            self._runner,
            max_rows=batching.rows,
            seconds=batching.milliseconds / 1000,
            ran=self.metrics.batch_rows.observe,
        )

    def drain(self) -> None:
        """Ask for no more traffic; what still comes is answered."""
        self.phase = Phase.DRAINING
        self.metrics.ready.set(0)

    def check_ready(self) -> None:
        """RequestError 503 unless the model answers in every worker and wants traffic."""
        if self.phase is Phase.DRAINING:
            raise RequestError("the server is shutting down", Blame.NOT_READY)
        _ = self.predictor
        if not self._board.started:
            raise RequestError("other workers are still loading the model; try again", Blame.NOT_READY)

    def check_names(self, model: str, version: str | None) -> None:
        """RequestError 404 unless they are the served model's; a version need not be named."""
        settings = self.settings
        if model != settings.model:
            message = f"there is no model {quoted(model)} here; this server has {settings.model!r}"
            raise RequestError(message, Blame.PLACE)
        if version and version != settings.version:
            message = (
                f"model {settings.model!r} has no version {quoted(version)} here; "
                f"this server has {settings.version!r}"
            )
            raise RequestError(message, Blame.PLACE)

    async def infer(self, exchange: Exchange[T], held: Held) -> T:
        """The answer to a request. RequestError, InputError or ModelError in words."""
        predictor, reader = self.predictor, self._reader
        assert reader is not None  # noqa: S101 - set together with the predictor
        deadline = self._runner.deadline()
        if self._batcher is not None:
            return await self._infer_batched(self._batcher, exchange, held, deadline)
        if not self._runner.is_small(exchange.size):
            call = lambda halt: self._finish(predictor, exchange, exchange.read(reader), halt)  # noqa: E731 - once
            return await self._runner.in_thread(call, exchange.size, held, deadline)
        request = exchange.read(reader)
        if self._runner.is_quick(request.rows):
            return self._finish(predictor, exchange, request)
        call = lambda halt: self._finish(predictor, exchange, request, halt)  # noqa: E731 - once
        return await self._runner.in_thread(call, 0, held, deadline)

    def _finish(
        self,
        predictor: Predictor,
        exchange: Exchange[T],
        request: InferRequest,
        halt: Halt | None = None,
    ) -> T:
        feed = predictor.feed(request.columns)
        self.metrics.batch_rows.observe(request.rows)
        return self._answer(predictor, exchange, request, predictor.answer(feed, request.rows, halt))

    async def _infer_batched(self, batcher: Batcher, exchange: Exchange[T], held: Held, deadline: float) -> T:
        predictor, run = self.predictor, self._runner.in_thread

        def prepared(_halt: Halt | None = None) -> tuple[InferRequest, Any]:
            assert self._reader is not None  # noqa: S101 - set together with the predictor
            request = exchange.read(self._reader)
            return request, predictor.feed(request.columns)

        small, size = self._runner.is_small(exchange.size), exchange.size
        request, feed = prepared() if small else await run(prepared, size, held, deadline)
        prediction = await batcher.answer(feed, request.rows, held, deadline)
        if small:
            return self._answer(predictor, exchange, request, prediction)
        call = lambda _halt: self._answer(predictor, exchange, request, prediction)  # noqa: E731 - once
        return await run(call, 0, held, deadline)

    def _answer(
        self, predictor: Predictor, exchange: Exchange[T], request: InferRequest, prediction: Prediction
    ) -> T:
        self.metrics.rows.inc(request.rows)
        self._log.add(request.columns, prediction, request.id or exchange.request_id, request.rows)
        return exchange.write(predictor, request, prediction)

    @property
    def idle(self) -> bool:
        """Whether no thread works on a request."""
        return self._runner.idle

    def close(self) -> None:
        """The last request is answered."""
        self._log.close()

    def describe(self) -> Mapping[str, Any]:
        """The model's metadata."""
        return describe.model(self.settings, self.predictor)
