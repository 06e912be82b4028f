"""From columns of cells to the arrays that ONNX Runtime takes, by the name of the graph's input.

Most requests ask about one row of many numbers. Turned into arrays one by one, thirty cells take 60
microseconds, ten times as long as a small forest takes to answer. So numbers are turned into one array
together. Only what that cannot take goes column by column: texts, booleans, graphs of whole numbers, cells at
fault.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock_artifacts.columns import Cells, encode
from penstock_artifacts.signature import ColumnSignature, Layout, Signature, ValueType

DTYPES: Mapping[str, Any] = {
    "tensor(double)": np.float64,
    "tensor(float)": np.float32,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": object,
}
_PLAIN: Mapping[ValueType, Any] = {
    kind: object if kind is ValueType.STRING else np.float64 for kind in ValueType
}
_NUMBERS = (ValueType.NUMBER, ValueType.INTEGER)
_NUMBER_CELLS = frozenset({float, int, type(None)})
# Above this many cells a copy of all of them costs more than a call per column.
_TOGETHER = 20_000


@dataclass(frozen=True)
class Slot:
    """One input of the graph."""

    name: str
    dtype: Any  # of numpy
    flat: bool  # [rows] rather than [rows, 1]


class Feed:
    """Turns columns into arrays for one model."""

    def __init__(self, signature: Signature, slots: Sequence[Slot]) -> None:
        """`slots` are the graph's inputs in its order; they have been held against the signature."""
        self._signature = signature
        self._slots = slots
        by_name = {one.name: one for one in slots}
        matrix = signature.layout is Layout.MATRIX
        together: list[ColumnSignature] = []
        self._single: list[tuple[ColumnSignature, Slot | None]] = []
        for column in signature.inputs:
            slot = slots[0] if matrix else by_name.get(column.name)
            floats = slot is None or np.dtype(slot.dtype).kind == "f"
            if column.type in _NUMBERS and floats:
                together.append(column)
            else:
                self._single.append((column, slot))
        self._matrix = matrix
        self._names = [column.name for column in together]
        self._slots_of = [None if matrix else by_name.get(name) for name in self._names]
        self._slow = [(one, slots[0] if matrix else by_name.get(one.name)) for one in signature.inputs]

    def __call__(self, columns: Mapping[str, Cells]) -> dict[str, NDArray[Any]]:
        """The arrays by name of the graph's input. InputError for a cell of the wrong type.

        Names and row counts must have been checked.
        """
        if self._matrix:
            table = None if self._single else self._table(columns)
            return {self._slots[0].name: self._stacked(columns) if table is None else self._turned(table)}
        table = self._table(columns)
        if table is None:
            return self._one_by_one(columns, self._slow)
        found = self._one_by_one(columns, self._single)
        for slot, cells in zip(self._slots_of, table, strict=True):
            if slot is not None:
                array = _as(cells, slot.dtype)
                found[slot.name] = array if slot.flat else array.reshape(-1, 1)
        return found

    def _table(self, columns: Mapping[str, Cells]) -> NDArray[np.float64] | None:
        """All columns of numbers as [columns, rows], nulls as NaN; None where they must be taken singly."""
        chosen = [columns[name] for name in self._names]
        if not chosen or type(chosen[0]) is not list or len(chosen) * len(chosen[0]) > _TOGETHER:
            return None
        if any(type(cells) is not list for cells in chosen):
            return None
        flat = list(chain.from_iterable(chosen))
        if not set(map(type, flat)) <= _NUMBER_CELLS:
            return None
        try:
            return np.array(flat, dtype=np.float64).reshape(len(chosen), -1)
        except OverflowError:  # the slow way names the column
            return None

    def _turned(self, table: NDArray[np.float64]) -> NDArray[Any]:
        return np.ascontiguousarray(_as(table.T, self._slots[0].dtype))

    def _stacked(self, columns: Mapping[str, Cells]) -> NDArray[Any]:
        dtype, token = self._slots[0].dtype, self._signature.null_token
        parts = [encode(column, columns[column.name], dtype, token) for column, _ in self._slow]
        return np.stack(parts, axis=1)

    def _one_by_one(
        self, columns: Mapping[str, Cells], wanted: Sequence[tuple[ColumnSignature, Slot | None]]
    ) -> dict[str, NDArray[Any]]:
        token = self._signature.null_token
        found: dict[str, NDArray[Any]] = {}
        for column, slot in wanted:
            cells = columns[column.name]
            if slot is None:  # the graph does not need this column, but its cells are checked all the same
                encode(column, cells, _PLAIN[column.type], token)
                continue
            array = encode(column, cells, slot.dtype, token)
            found[slot.name] = array if slot.flat else array.reshape(-1, 1)
        return found


def _as(numbers: NDArray[np.float64], dtype: Any) -> NDArray[Any]:
    """The numbers in the graph's type. A float32 model takes what exceeds its range as infinity."""
    if dtype is np.float64:
        return numbers
    with np.errstate(over="ignore"):
        return numbers.astype(dtype)
