"""Columns become the same arrays, and the same errors, whether they are taken together or one by one."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_artifacts import feed as module
from penstock_artifacts.columns import InputError, encode
from penstock_artifacts.feed import Feed, Slot
from penstock_artifacts.signature import ColumnSignature, Layout, Signature, Task, ValueType

NUMBERS = st.none() | st.floats(allow_nan=False) | st.integers(-(2**70), 2**70)
ODD = NUMBERS | st.booleans() | st.text(max_size=3) | st.just(10**400) | st.lists(st.integers(), max_size=1)
DTYPES = st.sampled_from([np.float64, np.float32, np.int64])
KINDS = st.sampled_from([ValueType.NUMBER, ValueType.INTEGER, ValueType.BOOLEAN])


def one_by_one(column: ColumnSignature, cells: list[Any], slot: Slot) -> np.ndarray:
    """The reference: a column alone."""
    array = encode(column, cells, slot.dtype, "")
    return array if slot.flat else array.reshape(-1, 1)


def outcome(work) -> Any:
    """What came out: arrays as types, shapes and bytes, or the error's words."""
    try:
        found = work()
    except InputError as error:
        return str(error)
    return {name: (array.dtype, array.shape, array.tobytes()) for name, array in found.items()}


@given(st.data())
def test_columns_taken_together_are_what_they_are_alone(data) -> None:
    width, rows = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 4))
    kinds = data.draw(st.lists(KINDS, min_size=width, max_size=width))
    inputs = tuple(ColumnSignature(f"c{index}", kind) for index, kind in enumerate(kinds))
    signature = Signature(
        "m", Task.REGRESSION, Layout.COLUMNS, inputs, ColumnSignature("y", ValueType.NUMBER)
    )
    slots = [Slot(one.name, data.draw(DTYPES), data.draw(st.booleans())) for one in inputs]
    cells = data.draw(st.sampled_from([NUMBERS, ODD]))
    columns = {one.name: data.draw(st.lists(cells, min_size=rows, max_size=rows)) for one in inputs}

    def alone() -> dict[str, np.ndarray]:
        return {
            one.name: one_by_one(one, columns[one.name], slot)
            for one, slot in zip(inputs, slots, strict=True)
        }

    found, wanted = outcome(lambda: Feed(signature, slots)(columns)), outcome(alone)
    # Where several columns are at fault, either may be named first; that one is at fault stays.
    assert type(found) is type(wanted)
    assert isinstance(wanted, str) or found == wanted


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_matrix_has_a_row_per_row_and_the_columns_in_the_models_order(dtype) -> None:
    inputs = tuple(ColumnSignature(name, ValueType.NUMBER) for name in "ab")
    signature = Signature("m", Task.REGRESSION, Layout.MATRIX, inputs, ColumnSignature("y", ValueType.NUMBER))
    found = Feed(signature, [Slot("x", dtype, flat=False)])({"b": [2, None, 1e300], "a": [1.5, 3, 4]})["x"]
    assert found.dtype == dtype
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(
        found, np.array([[1.5, 2], [3, np.nan], [4, np.inf if dtype is np.float32 else 1e300]], dtype)
    )


def test_tables_above_the_limit_go_column_by_column_with_the_same_result(monkeypatch) -> None:
    inputs = tuple(ColumnSignature(name, ValueType.NUMBER) for name in "ab")
    signature = Signature(
        "m", Task.REGRESSION, Layout.COLUMNS, inputs, ColumnSignature("y", ValueType.NUMBER)
    )
    made = Feed(signature, [Slot("a", np.float64, flat=True), Slot("b", np.float32, flat=False)])
    columns = {"a": [1.0, None], "b": [0.1, 2]}
    together = outcome(lambda: made(columns))
    monkeypatch.setattr(module, "_TOGETHER", 3)
    assert outcome(lambda: made(columns)) == together
