"""Spools of the prediction log made in this process, and places that take what is shipped."""

import io
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars

from penstock_artifacts.model import Prediction
from penstock_artifacts.prediction_log import Batch
from penstock_artifacts.signature import ColumnSignature, Layout, Signature, Task, ValueType
from penstock_server.prediction_log import backlog, head, records
from penstock_server.prediction_log.counters import Notes
from penstock_server.prediction_log.counts import Counts, read
from penstock_server.prediction_log.head import Head
from penstock_server.prediction_log.records import Record
from penstock_server.prediction_log.settings import LogSettings
from penstock_server.prediction_log.shipper import Identity, Shipper
from penstock_server.prediction_log.spool import incarnations, segment_path
from penstock_server.prediction_log.writer import SpooledLog

START = 1_795_600_800_000  # a full hour
KINDS = (ValueType.NUMBER, ValueType.INTEGER, ValueType.BOOLEAN, ValueType.STRING)
NAMES = ("age", "visits", "member", "city")


def signature(*, labels: Sequence[Any] = (False, True)) -> Signature:
    """A model that takes a column of each type; without labels one that answers numbers."""
    inputs = tuple(ColumnSignature(name, kind) for name, kind in zip(NAMES, KINDS, strict=True))
    if not labels:
        target = ColumnSignature("cost", ValueType.NUMBER)
        return Signature("m", Task.REGRESSION, Layout.COLUMNS, inputs, target)
    kinds = {bool: ValueType.BOOLEAN, int: ValueType.INTEGER, str: ValueType.STRING, float: ValueType.NUMBER}
    target = ColumnSignature("plan", kinds[type(labels[0])])
    return Signature("m", Task.CLASSIFICATION, Layout.COLUMNS, inputs, target, tuple(labels))


class Clock:
    """A clock that stands still unless it is told."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def settings(folder: Path, **changes: Any) -> LogSettings:
    """Log settings for a folder."""
    plain = {"sample_ratio": 1.0, "redact": frozenset(), "flush_seconds": 10.0, "spool_bytes": 64 << 20}
    return LogSettings(folder=folder, stop_seconds=20, **{**plain, **changes})


def log(
    folder: Path, what: Signature | None = None, clock: Callable[[], int] | None = None, **changes: Any
) -> SpooledLog:
    """A log that has started."""
    made = SpooledLog(
        settings(folder, **changes),
        version="m-g3-2",
        digest="sha256:" + "1" * 64,
        endpoint="live",
        clock=clock or Clock(),
    )
    made.start(what or signature())
    return made


def rows(count: int, first: int = 0) -> dict[str, list[Any]]:
    """Rows of which each can be told from the others by its age."""
    numbers = range(first, first + count)
    return {
        "age": [float(number) for number in numbers],
        "visits": [number % 7 for number in numbers],
        "member": [number % 2 == 0 for number in numbers],
        "city": ["Oslo"] * count,
    }


def answer(count: int) -> Prediction:
    """An answer for so many rows."""
    return Prediction(labels=[True] * count, probabilities=np.full((count, 2), 0.5))


class Shelf:
    """A place in memory that behaves as the store does: each key once."""

    def __init__(self) -> None:
        self.batches: dict[Batch, bytes] = {}
        self.lock = threading.Lock()

    def put(self, batch: Batch, content: bytes) -> None:
        """Take it."""
        with self.lock:
            assert self.batches.setdefault(batch, content) == content

    def table(self) -> polars.DataFrame:
        """All rows, in order of the keys."""
        ordered = sorted(self.batches, key=lambda one: (one.instance, one.first))
        return polars.concat([polars.read_parquet(io.BytesIO(self.batches[batch])) for batch in ordered])


def shipper(folder: Path, place: Any, **more: Any) -> Shipper:
    """A shipper to that place."""
    return Shipper(folder, Identity("ml", "pod-1"), lambda _: place, flush_milliseconds=10_000, **more)


def balanced(folder: Path) -> Counts:
    """The figures, of which nothing is without an outcome."""
    counts = read(folder)
    assert counts.stored + counts.dropped + counts.lost == counts.accepted, counts
    return counts


def written(folder: Path) -> tuple[int, int]:
    """Of all that the spool holds: how many rows, and the sequence number after the last."""
    found = [record for one in incarnations(folder) for _, _, record in backlog.read(one, Notes())]
    return sum(record.rows for record in found), max((record.end for record in found), default=0)


def one_segment(folder: Path) -> tuple[Head, str, list[Record]]:
    """What `to_parquet` makes a file of: a thousand rows in one segment."""
    noted = log(folder)
    noted.add(rows(1000), answer(1000), "a", 1000)
    noted.close()
    (one,) = incarnations(folder)
    content = segment_path(one, 1).read_bytes()
    return Head.from_bytes((one / head.NAME).read_bytes()), "0123", list(records.records(content))
