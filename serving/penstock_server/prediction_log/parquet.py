"""A batch's Parquet file. The same rows give the same bytes, so the same key."""

import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations
from typing import Any

from arro3.core import Array, DataType, Field, Schema, Table
from arro3.io import write_parquet

from penstock_artifacts.signature import ValueType
from penstock_server.prediction_log.head import Head
from penstock_server.prediction_log.records import Record, decode

_INPUT_TYPES: Mapping[ValueType, DataType] = {
    ValueType.NUMBER: DataType.float64(),
    ValueType.INTEGER: DataType.float64(),
    ValueType.BOOLEAN: DataType.bool(),
    ValueType.STRING: DataType.string(),
}
# A label keeps the target's own type: the label 3 is not 3.0.
_LABEL_TYPES: Mapping[ValueType, DataType] = {**_INPUT_TYPES, ValueType.INTEGER: DataType.int64()}
# zstd keeps some 30 kB for each column while a file is written, and gains little on columns that are short.
_WIDE = 500
_TIME = DataType.timestamp("ms", tz="UTC")


def to_parquet(head: Head, instance: str, records: Iterable[Record]) -> bytes:
    """The file. ValueError, TypeError or KeyError when the records are not of this head."""
    metadata = {
        "digest": head.digest,
        "endpoint": head.endpoint,
        "instance": instance,
        "version": head.version,
    }
    columns = _columns(head, records)
    fields = [Field(name, array.type, nullable=True) for name, array in columns.items()]
    table = Table.from_arrays(list(columns.values()), schema=Schema(fields))
    file = io.BytesIO()
    # Only of texts: a dictionary of numbers takes memory, and no less room than the numbers.
    dictionaries: dict[str | Sequence[str], bool] = {
        (name,): True for name, array in columns.items() if array.type == DataType.string()
    }
    # Without the Arrow schema: Parquet's own types say it all.
    write_parquet(
        table,
        file,
        compression="zstd(3)" if len(columns) <= _WIDE else "snappy",
        dictionary_enabled=False,
        column_dictionary_enabled=dictionaries,
        created_by="penstock",
        key_value_metadata=metadata,
        skip_arrow_metadata=True,
    )
    return _in_order(file.getvalue(), metadata)


def _columns(head: Head, records: Iterable[Record]) -> dict[str, Array]:
    times: list[int] = []
    requests: list[str] = []
    numbers: list[int] = []
    cells: list[list[Any]] = [[] for _ in head.columns]
    answers: list[Any] = []
    probabilities: list[Any] = []
    for record in records:
        rows = decode(record)
        times += [record.time] * record.rows
        requests += [rows.request_id] * record.rows
        numbers += range(record.first_row, record.first_row + record.rows)
        for column, came in zip(cells, rows.cells, strict=True):
            column.extend(came)
        answers += rows.answers
        probabilities += rows.probabilities or [None] * record.rows
    columns = {
        "time": Array(times, DataType.int64()).cast(_TIME),
        "request_id": Array(requests, DataType.string()),
        "row": Array(numbers, DataType.int32()),
    }
    for (name, kind), came in zip(head.columns, cells, strict=True):
        columns[f"input.{name}"] = _array(came, kind, _INPUT_TYPES[kind])
    if head.labels:
        columns["output.label"] = _array(answers, head.target, _LABEL_TYPES[head.target])
        columns["output.probability"] = _array(probabilities, ValueType.NUMBER, DataType.float64())
    else:
        columns["output.prediction"] = _array(answers, ValueType.NUMBER, DataType.float64())
    return columns


def _array(cells: Sequence[Any], kind: ValueType, wanted: DataType) -> Array:
    """Cells in their column's type. A boolean may come as 0 and 1, infinity as text, a number as integer."""
    if kind is ValueType.STRING:
        return Array(cells, wanted)
    if kind is ValueType.BOOLEAN:
        return Array([None if cell is None else bool(cell) for cell in cells], wanted)
    if wanted == DataType.int64():
        return Array([None if cell is None else int(cell) for cell in cells], wanted)
    return Array([None if cell is None else float(cell) for cell in cells], wanted)


def _in_order(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """The file with its metadata in order of the keys.

    The writer keeps metadata in a hash map, so their order differs from process to process. They are the same
    bytes in any order, one after the other in the footer: putting them in order moves nothing else.
    """
    entries = [_entry(key, value) for key, value in sorted(metadata.items())]
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for order in permutations(entries):
        at = content.find(b"".join(order), footer)
        if at >= 0:
            whole = b"".join(entries)
            return content[:at] + whole + content[at + len(whole) :]
    raise ValueError("the Parquet writer left metadata in a form that is not known")


def _entry(key: str, value: str) -> bytes:
    """A KeyValue of the Parquet footer in Thrift's compact protocol: two texts, field 1 and field 2."""
    parts = [part.encode() for part in (key, value)]
    return b"".join(b"\x18" + _varint(len(part)) + part for part in parts) + b"\x00"


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
