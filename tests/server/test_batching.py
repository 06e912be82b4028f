"""Requests that run together: the same bits as alone, and nobody pays for a neighbour."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from penstock_artifacts.model import ColumnSignature, Layout, Predictor, Signature, Task, ValueType
from penstock_server.batching import changes_bits
from tests.server.model_folders import BUILDERS, StoredModel, store
from tests.server.server_process import ServerProcess, rows, running, tensors
from tests.server.triton import arrays, over_grpc

Served = Callable[[str], ServerProcess]
Stored = Callable[[str], StoredModel]

# Long enough that requests of a busy machine meet.
TOGETHER = {"PENSTOCK_SERVE_BATCH_ROWS": "64", "PENSTOCK_SERVE_BATCH_MILLISECONDS": "100"}


def _outputs(server: ServerProcess, request: Any) -> Any:
    answer = server.infer(request)
    assert answer.status_code == 200, answer.text
    return answer.json()["outputs"]


@pytest.mark.parametrize("name", BUILDERS)
def test_answers_of_a_batch_are_bit_equal_to_those_alone(served: Served, name: str) -> None:
    alone = served(name)
    model = alone.model
    spans = [(start, start + 1 + start % 3) for start in range(48)]
    requests = [{"inputs": tensors(model, rows(model, *span))} for span in spans]
    apart = changes_bits(Predictor(model.folder))  # which some models are on some processors
    with running(model, **TOGETHER) as server, ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda request: _outputs(server, request), requests))
        calls = server.figure("penstock_server_batch_rows_count")
        assert server.figure("penstock_server_batch_rows_sum") == sum(end - start for start, end in spans)
        assert server.figure("penstock_server_rows_total") == sum(end - start for start, end in spans)
        said = any(line["event"] == "requests are not batched" for line in server.lines)
    assert said == apart
    assert calls == len(requests) if apart else calls < len(requests)
    assert found == [_outputs(alone, request) for request in requests]


def test_rest_and_grpc_meet_in_one_batch(served: Served) -> None:
    model = served("tumour").model
    columns = rows(model, 0, 1)
    with running(model, **TOGETHER) as server, ThreadPoolExecutor(2) as pool:
        by_rest = pool.submit(_outputs, server, {"inputs": tensors(model, columns)})
        by_grpc = pool.submit(over_grpc(server), arrays(model, columns))
        expected = by_rest.result()[1]["data"]
        assert by_grpc.result()["probabilities"].ravel().tolist() == expected


def test_a_request_as_large_as_a_batch_does_not_wait(stored: Stored) -> None:
    model = stored("iris")
    waits = {"PENSTOCK_SERVE_BATCH_ROWS": "8", "PENSTOCK_SERVE_BATCH_MILLISECONDS": "600000"}
    with running(model, **waits) as server:
        for size in (8, 9, 100):
            _outputs(server, {"inputs": tensors(model, rows(model, 0, size))})


def test_a_bad_request_is_refused_and_its_neighbours_answered(stored: Stored) -> None:
    """Rows the model cannot answer (500), rows that do not fit it (400), and good ones, all at one time."""
    model = stored("slow")

    def ask(server: ServerProcess, which: Any) -> tuple[int, Any]:
        columns = {"which": [which], "loops": [0.0]}
        answer = server.infer({"inputs": tensors(model, columns)})
        return answer.status_code, answer.json()

    asked: list[Any] = [float(number) for number in range(10)] + [2e6, "text", 3e6]
    with running(model, **TOGETHER) as server, ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda which: ask(server, which), asked))
    for which, (status, answer) in zip(asked, answers, strict=True):
        if which == "text":
            assert (status, "expected a number" in answer["error"]) == (400, True)
        elif which in (2e6, 3e6):
            assert (status, "could not run the model" in answer["error"]) == (500, True)
        else:
            assert status == 200
            assert answer["outputs"][0]["data"] == [10 * which]


def test_a_forest_may_be_batched_on_any_processor(stored: Stored) -> None:
    """One thread adds its trees in one order, however many rows there are."""
    assert not changes_bits(Predictor(stored("tumour").folder))


def test_a_model_whose_answers_depend_on_their_neighbours_is_not_batched(tmp_path: Path) -> None:
    """It subtracts the mean over the rows of a request: alone, every answer is nought."""
    double = TensorProto.DOUBLE
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["x", "mean"], ["prediction"]),
    ]
    given = helper.make_tensor_value_info("x", double, ["n", 1])
    answer = helper.make_tensor_value_info("prediction", double, ["n", 1])
    graph = helper.make_graph(nodes, "centred", [given], [answer])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    number = ColumnSignature("x", ValueType.NUMBER)
    signature = Signature(
        "centred", Task.REGRESSION, Layout.COLUMNS, (number,), replace(number, name="y"), null_token="-"
    )
    stored = store(tmp_path, signature, model.SerializeToString(), {"x": [1.0, 2.0, 4.0]})
    assert changes_bits(Predictor(stored.folder))
    with running(stored, **TOGETHER) as server, ThreadPoolExecutor(6) as pool:
        assert "be it in their last digit" in server.wait_for("requests are not batched")["reason"]
        body = json.dumps({"inputs": tensors(stored, {"x": [7.0]})}).encode()
        answers = list(pool.map(lambda _: _outputs(server, body), range(12)))
    assert all(np.array_equal(one[0]["data"], [0.0]) for one in answers)
