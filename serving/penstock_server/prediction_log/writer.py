"""The half in `serve`: takes note of answers by reference, writes them down in a thread of its own."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from random import Random

from penstock_artifacts.columns import Cells, did_you_mean, quoted
from penstock_artifacts.model import Prediction
from penstock_artifacts.signature import Signature, ValueType
from penstock_server import logs
from penstock_server.prediction_log.clock import milliseconds
from penstock_server.prediction_log.counters import Cell
from penstock_server.prediction_log.head import Head
from penstock_server.prediction_log.records import Encoder, Note
from penstock_server.prediction_log.settings import LogSettings
from penstock_server.prediction_log.spool import Spool

# What waits is held by reference, a cell being a Python object of some 32 bytes: 16 MB and their texts.
QUEUED_CELLS = 500_000
_CHARACTERS_PER_CELL = 32
_GATHER_SECONDS = 0.02  # notes that come within it are written by one call; what a SIGKILL can take
_CHUNK_BYTES = 256 * 1024
_RETRY_MILLISECONDS = 1000  # between two tries to open a spool on a full disk
_CLOSE_SECONDS = 2.0


class SpooledLog:
    """A prediction log (`log_hook.Log`) that lies in a spool. One object per worker process."""

    def __init__(
        self,
        settings: LogSettings,
        *,
        version: str,
        digest: str,
        endpoint: str,
        clock: Callable[[], int] = milliseconds,
    ) -> None:
        """Nothing is made before `start`."""
        self._settings = settings
        self._identity = {"version": version, "digest": digest, "endpoint": endpoint}
        self._clock = clock
        self._random = Random().random  # noqa: S311 - chooses a sample, guards nothing
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._queue: deque[tuple[Note, int]] = deque()
        self._queued = 0
        self._closing = False
        self._refused = False  # for want of knowing what to redact, nothing is kept
        self._spool: Spool | None = None
        self._tried = 0
        # Until there is a spool the figures are kept here.
        self._cells = [0] * len(Cell) * 2
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    def start(self, signature: Signature) -> None:
        """Make the spool. A disk that is full is no reason not to serve: it is tried again with the rows."""
        self._refused = self._misnamed(signature)
        self._head = Head.of(signature, redact=self._settings.redact, **self._identity)
        self._encoder = Encoder(self._head)
        self._texts = tuple(name for name, kind in self._head.columns if kind is ValueType.STRING)
        self._width = max(1, len(self._head.columns))
        self._open()
        self._thread.start()

    def _misnamed(self, signature: Signature) -> bool:
        """Whether a name to redact is none of the model's: what was meant by it would lie open in the log."""
        unknown = sorted(self._settings.redact - signature.known)
        if unknown:
            near = [f"{quoted(name)}{did_you_mean(name, signature.names)}" for name in unknown[:8]]
            logs.event(
                "nothing is logged: predictionLog.redact names columns that the model does not take",
                level=logs.ERROR,
                columns=near,
                count=len(unknown),
            )
        return bool(unknown)

    def add(self, columns: Mapping[str, Cells], prediction: Prediction, request_id: str, rows: int) -> None:
        """Take note of an answered request. It never waits and never raises."""
        try:
            self._add(columns, prediction, request_id, rows)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the log, the answer is right
            logs.event("an answer cannot be logged", level=logs.ERROR, exception=error)

    def _add(self, columns: Mapping[str, Cells], prediction: Prediction, request_id: str, rows: int) -> None:
        if self._settings.sample_ratio < 1.0 and self._random() >= self._settings.sample_ratio:
            return
        weight = rows * self._width + self._weight_of_texts(columns)
        with self._lock:
            cells = self._cells
            sequence = cells[Cell.ACCEPTED]
            cells[Cell.ACCEPTED] = sequence + rows
            if self._refused:
                cells[Cell.DROPPED] += rows
                return
            # One that is larger than the queue still passes when nothing else waits.
            if self._queued and self._queued + weight > QUEUED_CELLS:
                cells[Cell.DROPPED] += rows
                return
            self._queued += weight
            note = Note(sequence, self._clock(), columns, prediction, request_id, rows)
            self._queue.append((note, weight))
        if not self._news.is_set():
            self._news.set()

    def _weight_of_texts(self, columns: Mapping[str, Cells]) -> int:
        characters = 0
        for name in self._texts:
            characters += sum([len(cell) for cell in columns[name] if isinstance(cell, str)])
        return characters // _CHARACTERS_PER_CELL

    def close(self) -> None:
        """Write what is left and let `ship` know that nothing more will come."""
        self._closing = True
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_SECONDS)
        if self._spool is not None and not self._thread.is_alive():
            self._spool.close()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._news.wait()
            self._news.clear()
            self._drain()
            if self._closing:
                self._drain()
                return
            pause.wait(_GATHER_SECONDS)

    def _drain(self) -> None:
        """Write what waits."""
        if self._spool is None and self._clock() - self._tried >= _RETRY_MILLISECONDS:
            self._open()
        chunk: list[tuple[int, bytes]] = []
        size = 0
        while self._queue:
            note, weight = self._queue.popleft()
            done = 0
            try:
                for rows, record in self._encoder.encode(note):
                    chunk.append((rows, record))
                    done += rows
                    size += len(record)
                    if size >= _CHUNK_BYTES:
                        self._append(chunk)
                        chunk, size = [], 0
            except Exception as error:  # noqa: BLE001 - one odd request must not end the log
                logs.event("an answer cannot be logged", level=logs.ERROR, exception=error)
                self._dropped(note.rows - done)
            with self._lock:
                self._queued -= weight
        self._append(chunk)

    def _append(self, chunk: list[tuple[int, bytes]]) -> None:
        if not chunk:
            return
        written = 0 if self._spool is None else self._spool.append([record for _, record in chunk])
        self._dropped(sum(rows for rows, _ in chunk[written:]))

    def _dropped(self, rows: int) -> None:
        if rows:
            with self._lock:
                self._cells[Cell.DROPPED] += rows

    def _open(self) -> None:
        self._tried = self._clock()
        try:
            spool = Spool(self._settings.folder, self._head, self._settings.spool_bytes)
        except OSError as error:
            reason = f"{self._settings.folder}: {error.strerror}"
            logs.event("predictions are not logged for now", level=logs.ERROR, reason=reason)
            return
        with self._lock:
            for cell in (Cell.ACCEPTED, Cell.DROPPED):
                spool.counters.cells[cell] = self._cells[cell]
            spool.counters.cells[Cell.OPENED] = self._clock()
            self._cells = spool.counters.cells  # type: ignore[assignment]  # a list of ints either way
            self._spool = spool
