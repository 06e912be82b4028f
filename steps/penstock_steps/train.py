"""train: fit preprocessing and estimator on the training rows, and write what serves: ONNX, signature,
profile.

The figures are measured on the ONNX model, not on the object that was fitted, and the two are compared row
by row before anything is stored: a model that changed on the way would be judged and served wrongly.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import InvalidParameterError

from penstock_artifacts.model import Predictor
from penstock_artifacts.signature import Layout, Signature
from penstock_artifacts.signature import Task as ModelTask
from penstock_artifacts.store import Store
from penstock_spec.contract import MODEL_ONNX, Result, Task
from penstock_spec.kinds.train import Train
from penstock_steps import estimators, native, onnx_export, preprocess
from penstock_steps.errors import user_error
from penstock_steps.metrics import Answers, Classified, Measured, estimate, shortened
from penstock_steps.scoring import score
from penstock_steps.signatures import describe, write_description
from penstock_steps.tables import Table, read_table
from penstock_steps.workspace import Workspace, say

MODEL_NATIVE = "model.skops"
# Largest difference between the trained pipeline and its ONNX form: of a probability, or of a value relative
# to 1 or to its own size.
TOLERANCE = 1e-6


def run(task: Task, workspace: Workspace, store: Store) -> Result:  # noqa: ARG001 - each kind is called alike
    """Read the inputs `train` and `validation` (optional), and write the output `model`."""
    train = Train.model_validate(task.arguments)
    if train.estimator is None:
        raise user_error("train has neither estimator nor container")
    table = read_table(workspace.input("train"))
    estimator, kind = estimators.build(train.estimator.class_, train.estimator.parameters, train.seed)
    signature = describe(train.model, table, kind, Layout.COLUMNS)
    prepare = preprocess.transformer(table, table.features, train.preprocess)
    pipeline = Pipeline([("prepare", prepare), ("estimator", estimator)])
    _fit(pipeline, table, signature)
    name = type(estimator).__name__
    say(f"fitted {name} on {table.frame.height:,} rows and {len(signature.inputs)} columns")
    folder = workspace.output("model")
    _write(pipeline, signature, folder)
    write_description(signature, workspace.input("train"), folder)
    predictor = Predictor(folder)
    trained = score(predictor, table)
    compare(trained, pipeline, table, signature)
    figures = {f"train_{metric}": value for metric, value in estimate(trained).items()}
    if "validation" in task.inputs:
        held = score(predictor, read_table(workspace.input("validation")))
        figures |= {f"validation_{metric}": value for metric, value in estimate(held).items()}
    return Result(
        metrics={metric: shortened(value) for metric, value in figures.items()},
        columns=len(signature.inputs),
        message=f"{name} on {table.frame.height:,} rows and {len(signature.inputs)} columns; "
        "the ONNX model answers like the trained one",
    )


def target_values(table: Table, signature: Signature) -> Any:
    """The target as scikit-learn takes it: floats, whole numbers (booleans as 0 and 1), or texts."""
    series = table.frame[signature.target.name]
    if signature.task is ModelTask.REGRESSION:
        return series.cast(float).to_numpy()
    if isinstance(signature.labels[0], str):
        return np.array(series.to_list())
    return series.cast(int).to_numpy()


def _fit(pipeline: Pipeline, table: Table, signature: Signature) -> None:
    cells = preprocess.matrix(table, table.features)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            pipeline.fit(cells, target_values(table, signature))
    except InvalidParameterError as error:
        raise user_error(f"estimator.parameters: {error}") from error
    except (ValueError, TypeError, np.linalg.LinAlgError) as error:
        # Other texts of the library may quote cells.
        where = type(pipeline.named_steps["estimator"]).__name__
        raise user_error(
            f"{where} cannot be fitted to these rows with these parameters ({type(error).__name__}): check "
            "estimator.parameters against scikit-learn's documentation of the class"
        ) from error
    if any(issubclass(one.category, ConvergenceWarning) for one in caught):
        say("warning: the fit has not converged; raise max_iter, or add {scale: {}} to preprocess")


def _write(pipeline: Pipeline, signature: Signature, folder: Path) -> None:
    try:
        content = onnx_export.export(pipeline, signature.inputs, signature.task)
    except Exception as error:
        # The converters raise many types; what they have in common is that these parameters have no ONNX
        # form.
        name = type(pipeline.named_steps["estimator"]).__name__
        raise user_error(
            f"{name} with these parameters cannot be written as ONNX ({type(error).__name__}): "
            "remove the parameters "
            "that are not numbers, or use another class of docs/estimators.md"
        ) from error
    (folder / MODEL_ONNX).write_bytes(content)
    (folder / MODEL_NATIVE).write_bytes(native.dump(pipeline))
    say(f"wrote {MODEL_ONNX}: {len(content)} bytes")


def compare(served: Answers, pipeline: Pipeline, table: Table, signature: Signature) -> None:
    """UserError when the ONNX model and the trained pipeline differ on any of these rows by more than
    TOLERANCE.
    """
    cells = preprocess.matrix(table, [one for one in table.columns if one.name in set(signature.names)])
    if isinstance(served, Measured):
        expected = pipeline.predict(cells)
        apart = np.abs(served.predicted - expected) / np.maximum(1.0, np.abs(expected))
        wrong, what = int((~(apart <= TOLERANCE)).sum()), "values"
    else:
        wrong, what = _differing(served, pipeline, cells), "labels or probabilities"
    if wrong:
        raise user_error(
            f"the ONNX form of this estimator answers {wrong:,} of {served.rows:,} training rows "
            f"with other {what} "
            "than the trained one: use other parameters or another class of docs/estimators.md"
        )


def _differing(served: Classified, pipeline: Pipeline, cells: Any) -> int:
    classes = pipeline.named_steps["estimator"].classes_
    flips = classes[served.predicted] != pipeline.predict(cells)
    if served.probabilities is None:
        return int(flips.sum())
    apart = np.abs(served.probabilities - pipeline.predict_proba(cells)).max(axis=1)
    return int((flips | ~(apart <= TOLERANCE)).sum())
