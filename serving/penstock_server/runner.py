"""Where work is done: on the event loop when it is small, else in a thread, always within a time."""

import asyncio
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import TypeVar

from penstock_artifacts.model import Halt, Predictor
from penstock_server.holding import Held
from penstock_server.refusals import Blame, RequestError
from penstock_server.settings import Settings

T = TypeVar("T")
# Small requests to a quick model are answered on the event loop: handing one to a thread costs more than
# the answer (measured: a third of the throughput). Everything else goes to threads, so that health probes
# are never kept waiting.
_INLINE_BYTES = 16 * 1024
_INLINE_SECONDS = 0.002
_TRIAL_ROWS = 64
# JSON takes up to twenty times its size in memory while it is read. Bodies above this are read one at a time,
# so that a pod of the default size (512Mi) survives any number of the largest.
_LARGE_BYTES = 1024 * 1024


class Runner:
    """Threads, and the limits of who may wait for them."""

    def __init__(self, settings: Settings) -> None:
        """No model is known yet: everything goes to threads."""
        self._limits = settings.limits
        self._large = asyncio.Lock()
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="infer")
        self._waiting = 0
        self._tasks: set[asyncio.Task[object]] = set()
        self._inline_rows = 0

    @property
    def idle(self) -> bool:
        """Whether no thread works."""
        return not self._tasks

    def warm_up(self, predictor: Predictor, *, steady: bool) -> None:
        """Let the model answer one row and many, and learn how many it answers quickly. ModelError.

        `steady` says that its time does not depend on the rows' values; else it always runs in threads.
        """
        predictor.warm_up()
        predictor.warm_up(_TRIAL_ROWS)  # the first run of each shape also allocates
        if not steady:
            return
        one = min(_seconds(predictor, 1) for _ in range(3))
        many = min(_seconds(predictor, _TRIAL_ROWS) for _ in range(3))
        per_row = max((many - one) / (_TRIAL_ROWS - 1), 1e-7)
        self._inline_rows = max(0, int((_INLINE_SECONDS - one) / per_row)) if one < _INLINE_SECONDS else 0

    def is_small(self, size: int) -> bool:
        """Whether a request of that many bytes may be read on the event loop."""
        return size <= _INLINE_BYTES and self._inline_rows > 0

    def is_quick(self, rows: int) -> bool:
        """Whether that many rows may be predicted on the event loop."""
        return rows <= self._inline_rows

    def first(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Run what loads the model: nobody's request, so without limits."""
        return asyncio.get_running_loop().run_in_executor(self._pool, call)

    def deadline(self) -> float:
        """Until when a request that is whole now must be answered, by `time.monotonic`."""
        return time.monotonic() + self._limits.request_seconds

    async def in_thread(self, call: Callable[[Halt], T], size: int, held: Held, deadline: float) -> T:
        """`call` in a thread. RequestError: 503 when too many wait, 504 when it takes too long.

        A thread cannot be stopped, but the model in it can, by the `Halt` that `call` is given: until it has
        ended it holds its bytes and its place.
        """
        halt = Halt()
        task = asyncio.create_task(self._run(lambda: call(halt), size > _LARGE_BYTES, held, deadline))
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        try:
            return await self.until(deadline, task)
        finally:
            halt.now()

    async def until(self, deadline: float, work: asyncio.Future[T]) -> T:
        """The result of `work`, unless that takes too long: then RequestError 504, and it ends alone."""
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return await asyncio.shield(work)
        except TimeoutError as error:
            raise self._too_late() from error

    def enter(self) -> None:
        """One more request waits for its turn, until `leave`. RequestError 503 when too many do."""
        if self._waiting >= self._limits.waiting_requests:
            raise RequestError("too many requests are waiting; try again", Blame.OVERLOAD)
        self._waiting += 1

    def leave(self) -> None:
        """A request waits no longer."""
        self._waiting -= 1

    async def _run(self, call: Callable[[], T], large: bool, held: Held, deadline: float) -> T:  # noqa: FBT001 - private, one caller
        def unless_late() -> T:
            if time.monotonic() > deadline:
                raise self._too_late()
            try:
                return call()
            except Exception as error:
                # A refusal's trace would keep all that was read alive while the next request is read.
                traceback.clear_frames(error.__traceback__)
                raise

        self.enter()
        held.share()
        try:
            async with self._large if large else nullcontext():
                return await asyncio.get_running_loop().run_in_executor(self._pool, unless_late)
        finally:
            held.release()
            self.leave()

    def _too_late(self) -> RequestError:
        seconds = self._limits.request_seconds
        return RequestError(f"no answer within {seconds} s; send fewer rows at a time", Blame.TIME)

    def _forget(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever still waits gets it; for the others it must count as seen


def _seconds(predictor: Predictor, rows: int) -> float:
    started = time.perf_counter()
    predictor.warm_up(rows)
    return time.perf_counter() - started
