"""Requests that come together run as one call of ONNX Runtime, where that changes no bit of any answer."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock_artifacts.model import Halt, ModelError, Prediction, Predictor, ValueType
from penstock_server.holding import Held
from penstock_server.runner import Runner

Feed = Mapping[str, NDArray[Any]]
_TRIAL = 64  # rows that are predicted together and apart before a model's requests are put together


@dataclass(frozen=True)
class _Item:
    feed: Feed
    rows: int
    held: Held
    deadline: float
    answer: asyncio.Future[Prediction]


class Batcher:
    """Gathers requests for a moment, then runs them as one."""

    def __init__(
        self,
        predictor: Predictor,
        runner: Runner,
        *,
        max_rows: int,
        seconds: float,
        ran: Callable[[int], None],
    ) -> None:
        """`ran` is told the rows of every call of the model."""
        self._predictor = predictor
        self._runner = runner
        self._max_rows = max_rows
        self._seconds = seconds
        self._ran = ran
        self._items: list[_Item] = []
        self._rows = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, feed: Feed, rows: int, held: Held, deadline: float) -> Prediction:
        """The answers for `rows` rows. ModelError; RequestError 503 or 504."""
        loop = asyncio.get_running_loop()
        self._runner.enter()
        try:
            if self._rows + rows > self._max_rows:
                self._run()
            item = _Item(feed, rows, held, deadline, loop.create_future())
            self._items.append(item)
            self._rows += rows
            if self._rows >= self._max_rows:
                self._run()
            elif self._timer is None:
                self._timer = loop.call_later(self._seconds, self._run)
            return await self._runner.until(deadline, item.answer)
        finally:
            self._runner.leave()

    def _run(self) -> None:
        """Let the requests gathered so far run; the next ones gather anew."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        items, rows = self._items, self._rows
        self._items, self._rows = [], 0
        if not items:
            return
        if self._runner.is_quick(rows):
            _deliver(items, self._predicted(items))
            return
        task = asyncio.create_task(self._run_in_thread(items))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_in_thread(self, items: Sequence[_Item]) -> None:
        try:
            # Bytes count as held until the call ends: the items' owners may have left by then.
            for item in items[1:]:
                item.held.share()
            try:
                last = max(item.deadline for item in items)
                call = lambda halt: self._predicted(items, halt)  # noqa: E731 - once, below
                found = await self._runner.in_thread(call, 0, items[0].held, last)
            finally:
                for item in items[1:]:
                    item.held.release()
        except Exception as error:  # noqa: BLE001 - every waiting request must get it, whatever it is
            _deliver(items, [error] * len(items))
        else:
            _deliver(items, found)

    def _predicted(self, items: Sequence[_Item], halt: Halt | None = None) -> list[Prediction | Exception]:
        """An answer or error for each, never more than one's own error."""
        try:
            if len(items) == 1:
                self._ran(items[0].rows)
                return [self._predictor.answer(items[0].feed, items[0].rows, halt)]
            together = {name: np.concatenate([item.feed[name] for item in items]) for name in items[0].feed}
            rows = sum(item.rows for item in items)
            self._ran(rows)
            return list(_split(self._predictor.answer(together, rows, halt), [item.rows for item in items]))
        except ModelError as error:
            if len(items) == 1:
                return [error]
            return [found for item in items for found in self._predicted([item], halt)]


def _deliver(items: Sequence[_Item], found: Sequence[Prediction | Exception]) -> None:
    for item, one in zip(items, found, strict=True):
        if item.answer.done():  # nobody waits any longer
            continue
        if isinstance(one, Exception):
            item.answer.set_exception(one)
        else:
            item.answer.set_result(one)


def _split(prediction: Prediction, sizes: Sequence[int]) -> list[Prediction]:
    parts: list[Prediction] = []
    start = 0
    for size in sizes:
        span = slice(start, start + size)
        parts.append(
            Prediction(
                labels=None if prediction.labels is None else prediction.labels[span],
                probabilities=None if prediction.probabilities is None else prediction.probabilities[span],
                values=None if prediction.values is None else prediction.values[span],
            )
        )
        start += size
    return parts


def changes_bits(predictor: Predictor) -> bool:
    """Whether rows get other bits when they are predicted together with others.

    Some kernels add in another order for one row than for many. Made-up rows are predicted all at once, one
    by one, and in parts of several sizes; one bit of difference is enough.
    """
    random = np.random.default_rng(20_240_229)
    columns: dict[str, Any] = {}
    for column in predictor.signature.inputs:
        if column.type is ValueType.STRING:
            columns[column.name] = [f"text {number}" for number in random.integers(0, 9, _TRIAL)]
        elif column.type is ValueType.BOOLEAN:
            columns[column.name] = random.random(_TRIAL) < 0.5
        elif column.type is ValueType.INTEGER:
            columns[column.name] = random.integers(-50, 50, _TRIAL)
        else:
            columns[column.name] = random.normal(0, 1, _TRIAL) * 10.0 ** random.integers(-2, 3, _TRIAL)
    feed = predictor.feed(columns)
    whole = predictor.answer(feed, _TRIAL)
    for size in (1, 2, 3, 5, 8, 13, 32):
        for start in range(0, _TRIAL - size + 1, size):
            part = {name: array[start : start + size] for name, array in feed.items()}
            (_, expected) = _split(whole, [start, size])
            if _bits(predictor.answer(part, size)) != _bits(expected):
                return True
    return False


def _bits(prediction: Prediction) -> tuple[Any, ...]:
    arrays = (prediction.probabilities, prediction.values)
    return (prediction.labels, *(None if one is None else one.tobytes() for one in arrays))
