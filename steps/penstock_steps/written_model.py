"""A model that a user's program wrote: its signature found from graph and training table, and proof that it
answers.
"""

from pathlib import Path

from penstock_artifacts.model import InputError, ModelError, Predictor, graph_of
from penstock_artifacts.signature import Layout, Signature, SignatureError, Task
from penstock_spec.contract import MODEL_ONNX
from penstock_spec.kinds.ingest import ColumnType
from penstock_steps.errors import invalid_result
from penstock_steps.problems import shown
from penstock_steps.scoring import cells
from penstock_steps.signatures import describe, target_of, write_description
from penstock_steps.tables import Table, read_head, read_target_table

_TRIED_ROWS = 256


def describe_model(folder: Path, model: str, table_folder: Path) -> Signature:
    """Write signature.json and profile.json beside model.onnx, and let the model answer some training rows.

    InvalidResult when the graph's inputs are neither the feature columns nor one matrix of them, or it
    cannot answer.
    """
    try:
        inputs, outputs = graph_of(folder / MODEL_ONNX)
    except ModelError as error:
        raise invalid_result(str(error)) from error
    table = read_target_table(table_folder)
    layout = _layout(inputs, table)
    signature = describe(model, table, _task(outputs, table), layout)
    write_description(signature, table_folder, folder)
    _try(folder, read_head(table_folder, _TRIED_ROWS))
    return signature


def check_described(folder: Path, name: str) -> None:
    """InvalidResult unless the folder holds model.onnx and signature.json that fit and answer."""
    try:
        Predictor(folder).warm_up()
    except (ModelError, SignatureError) as error:
        raise invalid_result(f"/penstock/out/{name}: {error}") from error


def _layout(inputs: dict[str, tuple[str, int]], table: Table) -> Layout:
    features = [column.name for column in table.features]
    if set(inputs) <= set(features):
        return Layout.COLUMNS
    if len(inputs) == 1 and next(iter(inputs.values()))[1] == 2:
        return Layout.MATRIX
    strange = next(name for name in inputs if name not in features)
    raise invalid_result(
        f"{MODEL_ONNX}: input {shown(strange)} is no feature column of the training table: name one "
        "input per column, "
        f"or take one matrix [rows, {len(features)}]"
    )


def _task(outputs: dict[str, tuple[str, int]], table: Table) -> Task:
    """A regression answers with fractions only; everything else is a classification."""
    target = target_of(table)
    first = next(iter(outputs.values()))[0]
    fractions = first in ("tensor(float)", "tensor(double)") and len(outputs) == 1
    numeric = target.type in (ColumnType.NUMBER, ColumnType.INTEGER)
    return Task.REGRESSION if fractions and numeric else Task.CLASSIFICATION


def _try(folder: Path, head: Table) -> None:
    try:
        predictor = Predictor(folder)
        predictor.predict({name: cells(head, name) for name in predictor.signature.names})
    except (ModelError, SignatureError, InputError) as error:
        raise invalid_result(f"the model does not answer rows of its training table: {error}") from error
