"""Predictions from small graphs written by hand: every dtype of an input, every way to break a promise."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from penstock_artifacts.model import (
    ColumnSignature,
    InputError,
    Layout,
    ModelError,
    Predictor,
    Scalar,
    Signature,
    Task,
    ValueType,
)

DOUBLE, FLOAT, STRING = TensorProto.DOUBLE, TensorProto.FLOAT, TensorProto.STRING
INT64, BOOL = TensorProto.INT64, TensorProto.BOOL
Slot = tuple[str, int, list[Any]]


def _write(
    folder: Path, inputs: Sequence[Slot], output: Slot, *nodes: Any, initializers: Sequence[Any] = ()
) -> None:
    slots = [helper.make_tensor_value_info(*one) for one in inputs]
    graph = helper.make_graph(
        list(nodes), "hand", slots, [helper.make_tensor_value_info(*output)], list(initializers)
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def _sign(folder: Path, columns: dict[str, ValueType], layout: Layout = Layout.COLUMNS) -> None:
    inputs = tuple(ColumnSignature(name, kind) for name, kind in columns.items())
    target = ColumnSignature("y", ValueType.NUMBER)
    Signature("hand", Task.REGRESSION, layout, inputs, target).save(folder / "signature.json")


def _cast(folder: Path, source: Slot, kind: int = DOUBLE) -> None:
    """A graph whose prediction is its only input, cast to `kind`."""
    node = helper.make_node("Cast", [source[0]], ["prediction"], to=kind)
    _write(folder, [source], ("prediction", kind, [None, 1]), node)


def _one_column(folder: Path, kind: int, column: ValueType = ValueType.NUMBER) -> Predictor:
    _cast(folder, ("a", kind, [None, 1]))
    _sign(folder, {"a": column})
    return Predictor(folder)


def _labels(folder: Path, kind: int, labels: tuple[Scalar, ...], target: ValueType) -> Predictor:
    """A classifier whose label is its only column, cast to `kind`."""
    source = STRING if kind == STRING else DOUBLE
    _cast(folder, ("a", source, [None, 1]), kind)
    column = ValueType.STRING if kind == STRING else ValueType.NUMBER
    inputs = (ColumnSignature("a", column),)
    signature = Signature(
        "hand", Task.CLASSIFICATION, Layout.COLUMNS, inputs, ColumnSignature("y", target), labels, "<null>"
    )
    signature.save(folder / "signature.json")
    return Predictor(folder)


def _values(predictor: Predictor, cells: Any) -> list[float]:
    values = predictor.predict({"a": cells}).values
    assert values is not None
    return [float(value) for value in values]


def test_numbers_reach_the_graph_as_doubles_and_null_as_nan(tmp_path: Path) -> None:
    cells = [1, 0.1, None, -0.0, 2**53 + 1, 5e-324]
    expected = np.array([1, 0.1, np.nan, -0.0, 2**53 + 1, 5e-324])
    assert np.array(_values(_one_column(tmp_path, DOUBLE), cells)).tobytes() == expected.tobytes()


def test_an_array_is_taken_as_it_is(tmp_path: Path) -> None:
    predictor = _one_column(tmp_path, DOUBLE)
    assert _values(predictor, np.array([1.5, -2.5])) == [1.5, -2.5]
    assert _values(predictor, np.array([3, 4], dtype=np.int32)) == [3, 4]


def test_a_float32_graph_gets_rounded_numbers_and_infinity_beyond_its_range(tmp_path: Path) -> None:
    assert _values(_one_column(tmp_path, FLOAT), [0.1, 1e300]) == [float(np.float32(0.1)), np.inf]


@pytest.mark.parametrize(("cells", "row"), [([1, None], 1), ([1.5], 0), ([1, 2, 10**30], 2), ([2**63], 0)])
def test_an_integer_graph_takes_whole_numbers_only(tmp_path: Path, cells: list[Any], row: int) -> None:
    predictor = _one_column(tmp_path, INT64, ValueType.INTEGER)
    assert _values(predictor, [7, -3]) == [7, -3]
    with pytest.raises(InputError, match=f"column 'a', row {row}: expected a value that fits int64"):
        predictor.predict({"a": cells})


def test_a_boolean_graph_takes_booleans(tmp_path: Path) -> None:
    predictor = _one_column(tmp_path, BOOL, ValueType.BOOLEAN)
    assert _values(predictor, [True, False]) == [1, 0]
    with pytest.raises(InputError, match="row 0: expected true or false or null, got an integer"):
        predictor.predict({"a": [1]})


def test_texts_reach_the_graph_and_null_as_the_token(tmp_path: Path) -> None:
    labels = ("<null>", "", "\U0001f680")
    prediction = _labels(tmp_path, STRING, labels, ValueType.STRING).predict({"a": [None, "", "\U0001f680"]})
    assert prediction.labels == list(labels)
    assert prediction.probabilities is None


@pytest.mark.parametrize(
    ("kind", "labels", "target", "expected"),
    [
        (INT64, (False, True), ValueType.BOOLEAN, [False, True]),
        (BOOL, (False, True), ValueType.BOOLEAN, [False, True]),
        (INT64, (1, 0), ValueType.INTEGER, [0, 1]),
        (FLOAT, (0, 1), ValueType.INTEGER, [0, 1]),
        (FLOAT, (0.0, 1.0), ValueType.NUMBER, [0.0, 1.0]),
        (INT64, ("benign", "malignant"), ValueType.STRING, ["benign", "malignant"]),
    ],
)
def test_labels_come_as_json_values_of_the_targets_type(
    tmp_path: Path, kind: int, labels: tuple[Scalar, ...], target: ValueType, expected: list[Scalar]
) -> None:
    found = _labels(tmp_path, kind, labels, target).predict({"a": [0, 1]}).labels
    assert found == expected
    assert [type(one) for one in found] == [type(one) for one in expected]


def test_a_label_that_the_signature_lacks_is_the_models_fault(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="a label that its signature lacks"):
        _labels(tmp_path, INT64, (0, 1), ValueType.INTEGER).predict({"a": [2]})


def test_a_matrix_takes_the_columns_in_the_signatures_order_and_any_output_name(tmp_path: Path) -> None:
    weights = helper.make_tensor("w", FLOAT, [3, 1], [100.0, 10.0, 1.0])
    product = helper.make_node("MatMul", ["rows", "w"], ["y_hat"])
    inputs = [("rows", FLOAT, [None, 3])]
    _write(tmp_path, inputs, ("y_hat", FLOAT, [None, 1]), product, initializers=[weights])
    kinds = {"c": ValueType.NUMBER, "a": ValueType.INTEGER, "b": ValueType.BOOLEAN}
    _sign(tmp_path, kinds, Layout.MATRIX)
    prediction = Predictor(tmp_path).predict({"a": [2, 5], "b": [True, False], "c": [1, 4]})
    assert prediction.values is not None
    assert prediction.values.tolist() == [121, 450]


def test_a_column_that_the_graph_ignores_is_checked_all_the_same(tmp_path: Path) -> None:
    _cast(tmp_path, ("a", DOUBLE, [None, 1]))
    _sign(tmp_path, {"a": ValueType.NUMBER, "spare": ValueType.NUMBER})
    predictor = Predictor(tmp_path)
    assert predictor.predict({"a": [1], "spare": [None]}).values is not None
    with pytest.raises(InputError, match="column 'spare', row 0: expected a number or null, got a text"):
        predictor.predict({"a": [1], "spare": ["x"]})


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, "1 of 1 columns missing: 'a'"),
        ({"a": []}, "no rows"),
        ({"a": [1], "A": [1]}, "unknown column 'A'"),
        ({"a": [10**400]}, "column 'a': an integer is too large for a 64-bit float"),
        ({"a": [b"1"]}, "column 'a', row 0: expected a number or null, got a bytes"),
    ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path: Path, columns: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        _one_column(tmp_path, DOUBLE).predict(columns)


def test_a_model_that_answers_in_another_shape_does_not_warm_up(tmp_path: Path) -> None:
    value = helper.make_tensor("v", DOUBLE, [2], [1.0, 2.0])
    constant = helper.make_node("Constant", [], ["prediction"], value=value)
    _write(tmp_path, [("a", DOUBLE, [None, 1])], ("prediction", DOUBLE, [2]), constant)
    _sign(tmp_path, {"a": ValueType.NUMBER})
    with pytest.raises(
        ModelError, match=r"answered \[2\] of float64; its first output must be numbers \[1\]"
    ):
        Predictor(tmp_path).warm_up()


def test_a_model_that_cannot_run_says_so_without_quoting_its_input(tmp_path: Path) -> None:
    predictor = _one_column(tmp_path, STRING, ValueType.STRING)
    with pytest.raises(ModelError, match="could not run") as caught:
        predictor.predict({"a": ["confidential"]})
    assert "confidential" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "layout", "words"),
    [
        (("b", DOUBLE, [None, 1]), Layout.COLUMNS, "input 'b' is not a column of the signature"),
        (("a", STRING, [None, 1]), Layout.COLUMNS, r"input 'a' is a tensor\(string\), the column a Number"),
        (("a", TensorProto.UINT8, [None, 1]), Layout.COLUMNS, r"input 'a' is a tensor\(uint8\), which no"),
        (("a", DOUBLE, [None, 3]), Layout.MATRIX, r"exactly one input of numbers \[rows, 1\]"),
        (("a", STRING, [None, 1]), Layout.MATRIX, "exactly one input of numbers"),
    ],
)
def test_a_graph_that_does_not_fit_its_signature_is_not_loaded(
    tmp_path: Path, source: Slot, layout: Layout, words: str
) -> None:
    _cast(tmp_path, source)
    _sign(tmp_path, {"a": ValueType.NUMBER}, layout)
    with pytest.raises(ModelError, match=words):
        Predictor(tmp_path)


def test_weights_in_another_file_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(np.array([42.0]).tobytes())
    weight = helper.make_tensor("w", DOUBLE, [1], [0.0])
    weight.ClearField("double_data")
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", str(tmp_path / "weights.bin")
    add = helper.make_node("Add", ["a", "w"], ["prediction"])
    inputs = [("a", DOUBLE, [None, 1])]
    _write(tmp_path, inputs, ("prediction", DOUBLE, [None, 1]), add, initializers=[weight])
    _sign(tmp_path, {"a": ValueType.NUMBER})
    with pytest.raises(ModelError, match="is not an ONNX model that ONNX Runtime"):
        Predictor(tmp_path)


def test_a_folder_without_an_onnx_file_is_refused(tmp_path: Path) -> None:
    _sign(tmp_path, {"a": ValueType.NUMBER})
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(ModelError, match=r"model\.onnx is missing: only ONNX models are served"):
        Predictor(tmp_path)
