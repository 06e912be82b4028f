"""S2 and item 9: every example runs from file to verdict, and what would be served answers like what was
trained.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from penstock_artifacts.model import Predictor
from penstock_steps.scoring import cells
from penstock_steps.tables import Table, read_table
from tests.steps.local_chain import ROOT, Chain, example, python_of_example
from tests.steps.trained import predict_trained


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, lake: Path) -> dict[str, Chain]:
    """The chains of all examples, run to their verdicts."""
    chains = {}
    for name in ("tumour", "diabetes", "churn", "wine"):
        chain = example(name, tmp_path_factory.mktemp(name), lake)
        chain.run("data")
        chain.run("split")
        if name == "wine":
            chain.attempt("fit", "fetch")
            program = [sys.executable, str(ROOT / "examples/wine/train.py")]
            chain.run_program("fit", program, python_of_example(chain, "fit"))
        else:
            chain.run("fit")
        chain.run("gate")
        chains[name] = chain
    return chains


@pytest.mark.parametrize("name", ["tumour", "diabetes", "churn", "wine"])
def test_an_example_passes_its_own_gate(finished: dict[str, Chain], name: str) -> None:
    gate = finished[name].results["gate"]
    assert gate.verdict == "Pass", gate.message
    assert "needs at" in gate.message
    page = (finished[name].artifact("gate", "report") / "report.html").read_text()
    assert "<svg" in page
    assert "<script" not in page


@pytest.mark.parametrize("name", ["tumour", "diabetes", "churn"])
def test_s2_the_served_model_answers_like_the_trained_pipeline(finished: dict[str, Chain], name: str) -> None:
    chain = finished[name]
    folder, table = chain.artifact("fit", "model"), read_table(chain.artifact("split", "test"))
    predictor = Predictor(folder)
    answer = predictor.predict({column: cells(table, column) for column in predictor.signature.names})
    signature = json.loads((folder / "signature.json").read_text())
    labels, figures = predict_trained(folder / "model.skops", signature, table.frame)
    if labels is None:
        assert np.allclose(answer.values, figures, rtol=1e-6, atol=1e-6)
    else:
        assert np.abs(answer.probabilities - figures).max() <= 1e-6
        assert answer.labels == labels


@pytest.mark.parametrize("name", ["tumour", "diabetes", "churn", "wine"])
def test_s2_predictions_are_bit_equal_to_onnx_runtime(finished: dict[str, Chain], name: str) -> None:
    chain = finished[name]
    folder, table = chain.artifact("fit", "model"), read_table(chain.artifact("split", "test"))
    predictor = Predictor(folder)
    columns = {column: cells(table, column) for column in predictor.signature.names}
    answer = predictor.predict(columns)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
    direct = session.run(None, _feed(session, table, predictor))
    if answer.probabilities is not None:
        assert (answer.probabilities == direct[1]).all()
    else:
        assert answer.values is not None
        assert (answer.values == direct[0].reshape(-1)).all()


def _feed(session: onnxruntime.InferenceSession, table: Table, predictor: Predictor) -> dict[str, np.ndarray]:
    """The arrays written out by hand, without the product's own encoding."""
    frame, token = table.frame, predictor.signature.null_token
    arrays = {}
    for column in predictor.signature.inputs:
        series = frame[column.name]
        if column.type == "String":
            values = [token if cell is None else cell for cell in series.to_list()]
            arrays[column.name] = np.array(values, dtype=object).reshape(-1, 1)
        else:
            numbers = [float("nan") if cell is None else float(cell) for cell in series.to_list()]
            arrays[column.name] = np.array(numbers).reshape(-1, 1)
    if set(arrays) == {one.name for one in session.get_inputs()}:
        return arrays
    return {session.get_inputs()[0].name: np.concatenate(list(arrays.values()), axis=1)}


def test_churn_has_missing_numbers_texts_and_booleans_in_its_test_rows(finished: dict[str, Chain]) -> None:
    frame = read_table(finished["churn"].artifact("split", "test")).frame
    assert all(frame[name].null_count() > 5 for name in ("monthly_charge", "contract", "payment", "senior"))


def test_the_identifier_never_reaches_the_model(finished: dict[str, Chain]) -> None:
    signature = Predictor(finished["churn"].artifact("fit", "model")).signature
    assert "customer" not in signature.names
    assert signature.labels == (False, True)


def test_a_program_of_ones_own_gets_signature_profile_and_its_own_metrics(finished: dict[str, Chain]) -> None:
    chain = finished["wine"]
    folder = chain.artifact("fit", "model")
    assert Predictor(folder).signature.labels == (0, 1, 2)
    assert (folder / "profile.json").exists()
    assert chain.results["fit"].metrics == {"train_accuracy": 1.0}
    assert chain.results["fit"].columns == 13
