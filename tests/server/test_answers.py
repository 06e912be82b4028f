"""What is answered: bit for bit what ONNX Runtime answers in this process (S2, server side)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest

from tests.server.model_folders import BUILDERS, StoredModel
from tests.server.server_process import ServerProcess, rows, tensors

Served = Callable[[str], ServerProcess]
Stored = Callable[[str], StoredModel]


def _bits(values: object) -> bytes:
    return np.asarray(values, dtype=np.float64).tobytes()


def _outputs(server: ServerProcess, columns: dict[str, list[Any]]) -> dict[str, dict[str, Any]]:
    answer = server.infer({"inputs": tensors(server.model, columns)})
    assert answer.status_code == 200, answer.text
    return {one["name"]: one for one in answer.json()["outputs"]}


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("batch", ["all rows at once", "one row at a time"])
def test_answers_are_bit_equal_to_onnx_runtime(served: Served, name: str, batch: str) -> None:
    server = served(name)
    model = server.model
    session = onnxruntime.InferenceSession(model.onnx, providers=["CPUExecutionProvider"])
    total = len(next(iter(model.columns.values())))
    spans = [(0, total)] if batch == "all rows at once" else [(row, row + 1) for row in range(0, total, 5)]
    for start, end in spans:
        columns = rows(model, start, end)
        expected = session.run(None, model.feed(columns))
        found = _outputs(server, columns)
        if name == "diabetes":
            assert _bits(found["prediction"]["data"]) == _bits(expected[0].ravel())
            continue
        by_label = [_label(model, value) for value in expected[0].tolist()]
        assert found["label"]["data"] == by_label
        assert found["probabilities"]["shape"] == [end - start, len(model.signature.labels)]
        assert _bits(found["probabilities"]["data"]) == _bits(expected[1].ravel())


def _label(model: StoredModel, value: object) -> object:
    return bool(value) if model.name == "tumour" else value


@pytest.mark.parametrize(
    ("name", "datatype", "kind"),
    [("tumour", "BOOL", bool), ("visitors", "INT64", int), ("iris", "BYTES", str), ("wine", "INT64", int)],
)
def test_labels_have_the_json_type_of_the_target(
    served: Served, name: str, datatype: str, kind: type
) -> None:
    server = served(name)
    label = _outputs(server, rows(server.model, 0, 3))["label"]
    assert label["datatype"] == datatype
    assert [type(value) for value in label["data"]] == [kind] * 3


def test_probabilities_name_their_labels_in_order(served: Served) -> None:
    server = served("iris")
    probabilities = _outputs(server, rows(server.model, 0, 1))["probabilities"]
    assert probabilities["parameters"] == {"labels": ["setosa", "versicolor", "virginica"]}
    assert int(np.argmax(probabilities["data"])) == 0  # the first iris is a setosa


def test_the_request_id_comes_back(served: Served) -> None:
    server = served("visitors")
    request = {"inputs": tensors(server.model, rows(server.model, 0, 1))}
    assert server.infer({**request, "id": "row 7 \n\u2028é"}).json()["id"] == "row 7 \n\u2028é"
    assert "id" not in server.infer(request).json()


def test_only_the_outputs_that_were_asked_for_come_back_in_that_order(served: Served) -> None:
    server = served("visitors")
    request = {"inputs": tensors(server.model, rows(server.model, 0, 2))}

    def names(*wanted: str) -> list[str]:
        answer = server.infer({**request, "outputs": [{"name": one} for one in wanted]})
        return [one["name"] for one in answer.json()["outputs"]]

    assert names("probabilities") == ["probabilities"]
    assert names("probabilities", "label") == ["probabilities", "label"]
    assert names() == ["label", "probabilities"]


@pytest.mark.parametrize("nested", [False, True])
def test_a_model_of_numbers_takes_one_matrix_too(served: Served, nested: bool) -> None:
    for name in ("iris", "wine"):
        server = served(name)
        columns = rows(server.model, 40, 60)
        matrix = [list(row) for row in zip(*columns.values(), strict=True)]
        data = matrix if nested else [cell for row in matrix for cell in row]
        shape = [20, len(columns)]
        tensor = {"name": "input-0", "shape": shape, "datatype": "FP64", "data": data}
        answer = server.infer({"inputs": [tensor]})
        by_column = server.infer({"inputs": tensors(server.model, columns)})
        assert answer.json()["outputs"] == by_column.json()["outputs"]


def test_columns_may_come_in_any_order_and_shape_and_numeric_datatype(served: Served) -> None:
    server = served("visitors")
    columns: dict[str, list[Any]] = {
        "age": [31, 44],
        "visits": [2, None],
        "member": [True, None],
        "city": ["Oslo", None],
    }
    plain = server.infer({"inputs": tensors(server.model, columns)})
    other = [
        {"name": "city", "shape": [2, 1], "datatype": "BYTES", "data": [["Oslo"], [None]]},
        {"name": "member", "shape": [2], "datatype": "BOOL", "data": [[True], [None]]},
        {"name": "visits", "shape": [2, 1], "datatype": "FP32", "data": [2.0, None]},
        {"name": "age", "shape": [2], "datatype": "INT32", "data": [31, 44]},
    ]
    assert plain.status_code == 200
    assert server.infer({"inputs": other}).json() == plain.json()


def test_a_text_that_training_never_saw_is_answered(served: Served) -> None:
    server = served("visitors")
    columns: dict[str, list[Any]] = {
        "age": [31],
        "visits": [2],
        "member": [True],
        "city": ["\U0001f680 " * 200],
    }
    assert server.infer({"inputs": tensors(server.model, columns)}).status_code == 200
