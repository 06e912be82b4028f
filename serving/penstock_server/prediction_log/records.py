"""Records of the spool: one answered request, or a part of a large one.

    length u32 · CRC-32 u32 of the rest · sequence number u64 · milliseconds u64 · rows u32 · first row u32
    JSON: [request id, [cells of each column], answers, probabilities or null]

A torn or changed record is known by its length and its sum; nothing after it in its file is trusted.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from penstock_artifacts.columns import Cells
from penstock_artifacts.model import Prediction
from penstock_artifacts.signature import ValueType
from penstock_server.prediction_log.head import Head

TEXT_CHARACTERS = 256  # longer texts are cut; a text this long is hardly ever a category
# A record is encoded in one call that no other Python thread can run beside: it must be short.
RECORD_CELLS = 20_000
RECORD_ROWS = 1_000
_LENGTHS = struct.Struct("<II")
_PREFIX = struct.Struct("<QQII")
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


@dataclass(frozen=True, slots=True)
class Note:
    """What the event loop hands over: references only."""

    sequence: int  # of the first row
    time: int  # milliseconds since the epoch
    columns: Mapping[str, Cells]
    prediction: Prediction
    request_id: str
    rows: int


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it lies in a segment; `content` is its JSON."""

    sequence: int
    time: int
    rows: int
    first_row: int
    content: bytes
    size: int  # in the segment

    @property
    def end(self) -> int:
        """The sequence number after its last row."""
        return self.sequence + self.rows


class Encoder:
    """Turns notes into records of one head."""

    def __init__(self, head: Head) -> None:
        """`head` says which columns are kept."""
        self._columns = head.columns
        self._positions = {label: index for index, label in enumerate(head.labels)}
        self._step = max(1, min(RECORD_ROWS, RECORD_CELLS // max(1, len(head.columns))))

    def encode(self, note: Note) -> Iterator[tuple[int, bytes]]:
        """(rows, bytes) of each record of the note, in order."""
        for start in range(0, note.rows, self._step):
            end = min(note.rows, start + self._step)
            cells = [_plain(note.columns[name][start:end], kind) for name, kind in self._columns]
            answers, probabilities = self._answers(note.prediction, start, end)
            content = orjson.dumps([note.request_id, cells, answers, probabilities], option=_OPTIONS)
            prefix = _PREFIX.pack(note.sequence + start, note.time, end - start, start)
            check = zlib.crc32(content, zlib.crc32(prefix))
            yield end - start, b"".join((_LENGTHS.pack(len(content), check), prefix, content))

    def _answers(self, prediction: Prediction, start: int, end: int) -> tuple[Any, Any]:
        if prediction.labels is None:
            assert prediction.values is not None  # noqa: S101 - one of the two is what a prediction is
            return _plain(prediction.values[start:end], ValueType.NUMBER), None
        labels = prediction.labels[start:end]
        if prediction.probabilities is None:
            return labels, None
        at = [self._positions[label] for label in labels]
        return labels, prediction.probabilities[np.arange(start, end), at]


def _plain(cells: Any, kind: ValueType) -> Any:
    """Cells as orjson takes them: texts cut, arrays whole, infinity as text (JSON has none)."""
    if kind is ValueType.STRING:
        return [cell[:TEXT_CHARACTERS] if isinstance(cell, str) else None for cell in cells]
    if not isinstance(cells, np.ndarray):
        return cells
    if cells.dtype.kind == "f" and np.isinf(cells).any():
        return [str(cell) if cell in (np.inf, -np.inf) else cell for cell in cells.tolist()]
    if cells.dtype.kind == "f" and cells.dtype.itemsize < 8:
        return cells.astype(np.float64)  # as the model took it; its shortest text would be another number
    return np.ascontiguousarray(cells) if cells.dtype.kind in "fiub" else cells.tolist()


def records(data: bytes) -> Iterator[Record]:
    """The whole records at the beginning of `data`."""
    at, view = 0, memoryview(data)
    while at + _LENGTHS.size + _PREFIX.size <= len(data):
        length, check = _LENGTHS.unpack_from(data, at)
        begin = at + _LENGTHS.size
        end = begin + _PREFIX.size + length
        if end > len(data) or zlib.crc32(view[begin:end]) != check:
            return
        sequence, time, rows, first_row = _PREFIX.unpack_from(data, begin)
        yield Record(sequence, time, rows, first_row, data[begin + _PREFIX.size : end], end - at)
        at = end


@dataclass(frozen=True, slots=True)
class Rows:
    """A record's rows, column by column."""

    request_id: str
    cells: Sequence[Sequence[Any]]
    answers: Sequence[Any]
    probabilities: Sequence[float | None] | None


def decode(record: Record) -> Rows:
    """The rows that were encoded. ValueError when it is no such record."""
    request_id, cells, answers, probabilities = orjson.loads(record.content)
    return Rows(request_id, cells, answers, probabilities)
