"""Every class of the allow-list, on real data: what ONNX Runtime answers is what scikit-learn answers."""

import importlib
import inspect
from pathlib import Path

import numpy as np
import onnxruntime
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

from penstock_artifacts.signature import ColumnSignature, Layout, Task, ValueType
from penstock_spec.kinds.estimator_parameters import PARAMETERS
from penstock_spec.kinds.ingest import ColumnType, Role
from penstock_spec.kinds.train import Preprocess
from penstock_steps import estimators, onnx_export, preprocess
from penstock_steps.errors import StepError
from penstock_steps.estimators import ESTIMATORS
from penstock_steps.signatures import describe
from penstock_steps.tables import Table, TableColumn
from penstock_steps.train import target_values

# Small enough to be quick, large enough to have ties and deep trees.
SETTINGS = {"n_estimators": 20, "max_iter": 50}
SCALED = [Preprocess.model_validate({"scale": {}})]


def real_table(load, target: ColumnType) -> Table:
    data = load()
    names = [f"column {index}" for index in range(data.data.shape[1])]
    frame = pl.DataFrame({name: data.data[:, index] for index, name in enumerate(names)})
    values = data.target.astype(float if target is ColumnType.NUMBER else int)
    columns = [TableColumn(name, ColumnType.NUMBER) for name in names]
    return Table(
        frame.with_columns(pl.Series("y", values)), [*columns, TableColumn("y", target, Role.TARGET)]
    )


def answers(
    path: str, table: Table, operations: list[Preprocess]
) -> tuple[Pipeline, np.ndarray, list[np.ndarray]]:
    """The pipeline fitted on every other row, all rows, and what its ONNX form answers for them."""
    known = estimators.build(path, {}, 3)[0].get_params()
    estimator, task = estimators.build(path, {k: v for k, v in SETTINGS.items() if k in known}, 3)
    part = Table(table.frame.gather_every(2), table.columns)
    signature = describe("m", part, task, Layout.COLUMNS)
    prepare = preprocess.transformer(part, part.features, operations)
    pipeline = Pipeline([("prepare", prepare), ("estimator", estimator)])
    pipeline.fit(preprocess.matrix(part, part.features), target_values(part, signature))
    content = onnx_export.export(pipeline, signature.inputs, task)
    session = onnxruntime.InferenceSession(content)
    rows = preprocess.matrix(table, table.features)
    feed = {name: rows[:, [index]] for index, name in enumerate(signature.names)}
    return pipeline, rows, session.run(None, feed)


@pytest.mark.parametrize("path", ESTIMATORS)
def test_the_arguments_that_the_compiler_takes_are_those_that_can_be_set(path: str) -> None:
    module, _, name = path.rpartition(".")
    taken = set(inspect.signature(getattr(importlib.import_module(module), name)).parameters)
    assert PARAMETERS[path] == taken - {"init", "categorical_features"}


def test_the_compiler_knows_the_arguments_of_every_class_and_of_no_other() -> None:
    assert set(PARAMETERS) == set(ESTIMATORS)


@pytest.mark.parametrize("scaled", [False, True], ids=["raw", "scaled"])
@pytest.mark.parametrize("load", [load_breast_cancer, load_wine], ids=["two classes", "three classes"])
@pytest.mark.parametrize("path", [path for path, task in ESTIMATORS.items() if task is Task.CLASSIFICATION])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_classifier_keeps_labels_and_probabilities(path: str, load, scaled: bool) -> None:
    table = real_table(load, ColumnType.INTEGER)
    pipeline, rows, (labels, probabilities) = answers(path, table, SCALED if scaled else [])
    assert (labels == pipeline.predict(rows)).all()
    assert probabilities.dtype == np.float64
    assert np.abs(probabilities - pipeline.predict_proba(rows)).max() <= 1e-6


@pytest.mark.parametrize("scaled", [False, True], ids=["raw", "scaled"])
@pytest.mark.parametrize("path", [path for path, task in ESTIMATORS.items() if task is Task.REGRESSION])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_regressor_keeps_its_values(path: str, scaled: bool) -> None:
    table = real_table(load_diabetes, ColumnType.NUMBER)
    pipeline, rows, (values,) = answers(path, table, SCALED if scaled else [])
    expected = pipeline.predict(rows)
    assert values.dtype == np.float64
    assert np.abs((values.reshape(-1) - expected) / np.maximum(1, np.abs(expected))).max() <= 1e-6


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("sklearn.ensemble.GradientBoostingClassifier", {"loss": "exponential"}),
        ("sklearn.ensemble.RandomForestClassifier", {"max_depth": 2, "criterion": "entropy"}),
        ("sklearn.tree.DecisionTreeClassifier", {"max_depth": 1}),
        ("sklearn.neighbors.KNeighborsClassifier", {"n_neighbors": 3, "p": 1}),
        ("sklearn.neural_network.MLPClassifier", {"hidden_layer_sizes": [8, 4], "activation": "tanh"}),
        ("sklearn.linear_model.LogisticRegression", {"C": 0.01}),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_other_settings_keep_labels_and_probabilities(path: str, parameters, monkeypatch) -> None:
    monkeypatch.setitem(globals(), "SETTINGS", parameters)
    pipeline, rows, (labels, probabilities) = answers(
        path, real_table(load_breast_cancer, ColumnType.INTEGER), SCALED
    )
    assert (labels == pipeline.predict(rows)).all()
    assert np.abs(probabilities - pipeline.predict_proba(rows)).max() <= 1e-6


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "gamma", "poisson"])
def test_histogram_regression_follows_every_loss(loss: str, monkeypatch) -> None:
    monkeypatch.setitem(globals(), "SETTINGS", {"loss": loss, "max_iter": 30})
    table = real_table(load_diabetes, ColumnType.NUMBER)
    pipeline, rows, (values,) = answers("sklearn.ensemble.HistGradientBoostingRegressor", table, [])
    assert np.allclose(values.reshape(-1), pipeline.predict(rows), rtol=1e-6)


def test_a_tree_that_is_one_leaf_answers() -> None:
    frame = pl.DataFrame({"a": [1.0, 1.0, 1.0, 1.0], "y": [1, 1, 2, 2]})
    columns = [TableColumn("a", ColumnType.NUMBER), TableColumn("y", ColumnType.INTEGER, Role.TARGET)]
    table = Table(pl.concat([frame, frame, frame]), columns)
    pipeline, rows, (labels, _) = answers("sklearn.tree.DecisionTreeClassifier", table, [])
    assert (labels == pipeline.predict(rows)).all()


def test_a_missing_number_takes_the_branch_that_training_chose() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=400)
    y = (x > 0).astype(int)
    hidden = np.where(random.random(400) < 0.3, np.nan, x)
    prepare = ColumnTransformer([("a", "passthrough", [0])])
    forest = RandomForestClassifier(10, random_state=0)
    pipeline = Pipeline([("prepare", prepare), ("estimator", forest)]).fit(hidden.reshape(-1, 1), y)
    content = onnx_export.export(pipeline, [ColumnSignature("a", ValueType.NUMBER)], Task.CLASSIFICATION)
    _, probabilities = onnxruntime.InferenceSession(content).run(None, {"a": hidden.reshape(-1, 1)})
    assert np.abs(probabilities - pipeline.predict_proba(hidden.reshape(-1, 1))).max() <= 1e-6


@pytest.mark.parametrize(
    ("path", "parameters", "words"),
    [
        (
            "sklearn.ensemble.RandomForrestClassifier",
            {},
            "did you mean 'sklearn.ensemble.RandomForestClassifier'?",
        ),
        ("RandomForestClassifier", {}, "did you mean 'sklearn.ensemble.RandomForestClassifier'?"),
        ("os.system", {}, "not in the allow-list"),
        ("sklearn.ensemble.RandomForestClassifier", {"n_estimator": 3}, "did you mean 'n_estimators'?"),
        (
            "sklearn.ensemble.HistGradientBoostingClassifier",
            {"categorical_features": [0]},
            "has no parameter",
        ),
    ],
)
def test_an_unknown_class_or_parameter_names_the_nearest(path: str, parameters, words: str) -> None:
    with pytest.raises(StepError) as caught:
        estimators.build(path, parameters, 0)
    assert words in caught.value.message


def test_the_list_in_the_docs_is_the_list_of_the_code() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/estimators.md").read_text()
    listed = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `sklearn.")}
    assert listed == set(ESTIMATORS)
