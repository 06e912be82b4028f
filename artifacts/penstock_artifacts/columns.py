"""From JSON values to the arrays that an ONNX input takes: types checked, nulls put in, a column at a time.

Errors name column and row and the types, never the value: values may be personal data.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from penstock_artifacts.signature import PYTHON_TYPES, ColumnSignature, Signature, ValueType

# One column's cells: JSON values with None for a missing one, or numbers with NaN for a missing one.
Cells = Sequence[Any] | NDArray[Any]

_WORDS = {
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
}
_EXPECTED = {
    ValueType.NUMBER: "a number",
    ValueType.INTEGER: "an integer",
    ValueType.BOOLEAN: "true or false",
    ValueType.STRING: "a text",
}
# An Integer column takes fractions too: it reaches the model as a 64-bit float, as in training.
_TAKEN: Mapping[ValueType, frozenset[type]] = {
    kind: types | {type(None)} | ({float} if kind is ValueType.INTEGER else frozenset())
    for kind, types in PYTHON_TYPES.items()
}


class InputError(ValueError):
    """The rows do not fit the model's signature; the message names column and row, and no value."""


def check_names(signature: Signature, names: Iterable[str]) -> None:
    """Raise InputError when `names` are not exactly the model's columns, in whatever order."""
    given = set(names)
    if given == signature.known:
        return
    wanted = signature.names
    if unknown := sorted(given - signature.known):
        raise InputError(f"unknown column {quoted(unknown[0])}{did_you_mean(unknown[0], wanted)}")
    missing = [name for name in wanted if name not in given]
    listed = ", ".join(quoted(name) for name in missing[:5]) + (", ..." if len(missing) > 5 else "")
    raise InputError(f"{len(missing)} of {len(wanted)} columns missing: {listed}")


def row_count(columns: Mapping[str, Cells]) -> int:
    """How many rows all columns have. InputError when they differ or there are none."""
    first, *others = columns
    rows = len(columns[first])
    for name in others:
        if len(columns[name]) != rows:
            raise InputError(
                f"column {quoted(name)} has {len(columns[name])} rows, but column {quoted(first)} has {rows}"
            )
    if rows == 0:
        raise InputError("no rows: send at least one")
    return rows


def encode(column: ColumnSignature, cells: Cells, dtype: DTypeLike, null_token: str) -> NDArray[Any]:
    """The column [rows] in `dtype` (that of the ONNX input), null as NaN or as the null token."""
    wanted = np.dtype(dtype)
    if wanted == np.dtype(object):
        _check_types(column, cells)
        return np.array([null_token if cell is None else cell for cell in cells], dtype=object)
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "fiub":
        numbers: NDArray[np.float64] = cells.astype(np.float64, copy=False)
    else:
        _check_types(column, cells)
        try:
            numbers = np.array(cells, dtype=np.float64)
        except OverflowError as error:
            raise InputError(
                f"column {quoted(column.name)}: an integer is too large for a 64-bit float"
            ) from error
    if wanted == np.float64:
        return numbers
    if wanted.kind == "f":
        with np.errstate(over="ignore"):  # a float32 model takes what exceeds its range as infinity
            return numbers.astype(wanted, copy=False)
    return _whole(column, numbers, wanted)


def _whole(column: ColumnSignature, numbers: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Numbers for an ONNX input of integers or booleans, which can hold neither nulls nor fractions."""
    with np.errstate(invalid="ignore"):
        result = numbers.astype(dtype)
    wrong = np.flatnonzero(result.astype(np.float64) != numbers)
    if len(wrong):
        raise InputError(
            f"column {quoted(column.name)}, row {wrong[0]}: expected a value that fits {dtype}; "
            "this model takes neither nulls nor fractions there"
        )
    return result


def _check_types(column: ColumnSignature, cells: Cells) -> None:
    taken = _TAKEN[column.type]
    # One pass in C over the whole column; the slow search for the row only when there is something to report.
    if set(map(type, cells)) <= taken:
        return
    row, cell = next((index, cell) for index, cell in enumerate(cells) if type(cell) not in taken)
    came = _WORDS.get(type(cell), f"a {type(cell).__name__}")
    raise InputError(
        f"column {quoted(column.name)}, row {row}: expected {_EXPECTED[column.type]} or null, got {came}"
    )


def quoted(name: str) -> str:
    """A name as it may stand in a message: at most 80 characters, in quotes, control characters escaped."""
    return repr(name if len(name) <= 80 else name[:79] + "…")


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """`; did you mean 'x'?` for the nearest of `known`, or the first few of them when none is near."""
    near = difflib.get_close_matches(name[:128], known, n=1)
    if near:
        return f"; did you mean {quoted(near[0])}?"
    listed = ", ".join(quoted(one) for one in known[:5]) + (", ..." if len(known) > 5 else "")
    return f"; known: {listed}"
