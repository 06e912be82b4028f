"""Small trained models in the folder format of the store: one for each way in which a model can differ."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from penstock_artifacts.manifest import scan
from penstock_artifacts.model import ColumnSignature, Layout, Signature, Task, ValueType
from penstock_spec import contract, serving_contract

NULL = "<null>"
Columns = dict[str, list[Any]]


@dataclass(frozen=True)
class StoredModel:
    """A model as `fetch` lays it out, with the manifest beside it; and rows that it can be asked."""

    name: str
    folder: Path
    digest: str
    signature: Signature
    columns: Columns

    @property
    def onnx(self) -> bytes:
        """The graph."""
        return (self.folder / contract.MODEL_ONNX).read_bytes()

    def feed(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """The rows as ONNX Runtime takes them, written down here a second time: one cell after the other."""
        types = {column.name: column.type for column in self.signature.inputs}
        if self.signature.layout is Layout.MATRIX:
            rows = list(zip(*(columns[name] for name in self.signature.names), strict=True))
            return {"x": np.array(rows, dtype=np.float32)}
        feed: dict[str, Any] = {}
        for name, cells in columns.items():
            if types[name] is ValueType.STRING:
                feed[name] = np.array([[NULL if cell is None else cell] for cell in cells], dtype=object)
            else:
                feed[name] = np.array([[np.nan if cell is None else float(cell)] for cell in cells])
        return feed


def store(parent: Path, signature: Signature, graph: bytes, columns: Columns) -> StoredModel:
    """Lay a model out under `parent` as `fetch` does."""
    folder = parent / "model"
    folder.mkdir(parents=True)
    (folder / contract.MODEL_ONNX).write_bytes(graph)
    signature.save(folder / contract.MODEL_SIGNATURE)
    (folder / contract.MODEL_PROFILE).write_text("{}")
    manifest = scan(folder, "Model")
    (parent / serving_contract.MODEL_MANIFEST).write_bytes(manifest.to_bytes())
    return StoredModel(signature.model, folder, manifest.digest, signature, columns)


def tumour(parent: Path) -> StoredModel:
    """Two classes, boolean target, 30 number columns whose names have blanks, a forest."""
    data = load_breast_cancer()
    names = [str(name) for name in data.feature_names]
    forest = _scaled(RandomForestClassifier(30, random_state=0), names).fit(data.data, data.target == 0)
    graph = _convert(forest, [(f"c{index}", DoubleTensorType([None, 1])) for index in range(len(names))])
    columns: Columns = {name: data.data[:, index].tolist() for index, name in enumerate(names)}
    inputs = _numbers(names)
    target = ColumnSignature("malignant", ValueType.BOOLEAN)
    signature = Signature("tumour", Task.CLASSIFICATION, Layout.COLUMNS, inputs, target, (False, True), NULL)
    return store(parent, signature, _renamed(graph, names), columns)


def visitors(parent: Path) -> StoredModel:
    """All four column types, nulls in each, integer target."""
    random = np.random.default_rng(7)
    rows = 200
    age = random.normal(40, 12, rows)
    visits = random.integers(0, 30, rows).astype(float)
    member = random.integers(0, 2, rows).astype(float)
    city = random.choice(["Oslo", "Rīga", "København", NULL], rows)
    table = np.empty((rows, 4), dtype=object)
    table[:, 0], table[:, 1], table[:, 2], table[:, 3] = age, visits, member, city
    encode = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    prepare = ColumnTransformer([("scale", StandardScaler(), [0, 1, 2]), ("encode", encode, [3])])
    fitted = make_pipeline(prepare, LogisticRegression()).fit(table, 1 + (age + visits + 5 * member > 56))
    types = [(name, DoubleTensorType([None, 1])) for name in ("age", "visits", "member")]
    graph = _convert(fitted, [*types, ("city", StringTensorType([None, 1]))])
    _fill_nulls(graph, {"age": 40.0, "visits": 3.0, "member": 0.0})

    def cells(values: Any, convert: Callable[[Any], Any], every: int) -> list[Any]:
        return [None if index % every == 0 else convert(value) for index, value in enumerate(values)]

    columns: Columns = {
        "age": cells(age, float, 7),
        "visits": cells(visits, int, 11),
        "member": cells(member, bool, 13),
        "city": [None if value == NULL else str(value) for value in city],
    }
    kinds = (ValueType.NUMBER, ValueType.INTEGER, ValueType.BOOLEAN, ValueType.STRING)
    inputs = tuple(ColumnSignature(name, kind) for name, kind in zip(columns, kinds, strict=True))
    target = ColumnSignature("plan", ValueType.INTEGER)
    signature = Signature("visitors", Task.CLASSIFICATION, Layout.COLUMNS, inputs, target, (1, 2), NULL)
    return store(parent, signature, graph.SerializeToString(), columns)


def iris(parent: Path) -> StoredModel:
    """Three classes whose labels are texts."""
    data = load_iris()
    species = np.array([str(data.target_names[index]) for index in data.target])
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    fitted = _scaled(LogisticRegression(max_iter=1000), names).fit(data.data, species)
    graph = _convert(fitted, [(name, DoubleTensorType([None, 1])) for name in names])
    columns: Columns = {name: data.data[:, index].tolist() for index, name in enumerate(names)}
    target = ColumnSignature("species", ValueType.STRING)
    labels = tuple(str(label) for label in fitted.classes_)
    signature = Signature("iris", Task.CLASSIFICATION, Layout.COLUMNS, _numbers(names), target, labels, NULL)
    return store(parent, signature, graph.SerializeToString(), columns)


def diabetes(parent: Path) -> StoredModel:
    """Regression."""
    data = load_diabetes()
    names = [str(name) for name in data.feature_names]
    fitted = _scaled(LinearRegression(), names).fit(data.data, data.target)
    graph = to_onnx(
        fitted,
        initial_types=[(name, DoubleTensorType([None, 1])) for name in names],
        target_opset={"": 18, "ai.onnx.ml": 3},
    )
    columns: Columns = {name: data.data[:, index].tolist() for index, name in enumerate(names)}
    target = ColumnSignature("progression", ValueType.NUMBER)
    signature = Signature(
        "diabetes", Task.REGRESSION, Layout.COLUMNS, _numbers(names), target, null_token=NULL
    )
    return store(parent, signature, graph.SerializeToString(), columns)


def wine(parent: Path) -> StoredModel:
    """As somebody else's program writes it: one float matrix, outputs named by somebody else."""
    data = load_wine()
    fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(data.data, data.target)
    graph = _convert(fitted, [("x", FloatTensorType([None, data.data.shape[1]]))])
    for output, name in zip(graph.graph.output, ("class", "scores"), strict=True):
        for node in graph.graph.node:
            node.output[:] = [name if one == output.name else one for one in node.output]
        output.name = name
    names = [f"w{index}" for index in range(data.data.shape[1])]
    columns: Columns = {name: data.data[:, index].tolist() for index, name in enumerate(names)}
    target = ColumnSignature("cultivar", ValueType.INTEGER)
    signature = Signature(
        "wine", Task.CLASSIFICATION, Layout.MATRIX, _numbers(names), target, (0, 1, 2), NULL
    )
    return store(parent, signature, graph.SerializeToString(), columns)


BUILDERS: Mapping[str, Callable[[Path], StoredModel]] = {
    "tumour": tumour,
    "visitors": visitors,
    "iris": iris,
    "diabetes": diabetes,
    "wine": wine,
}


def slow(parent: Path) -> StoredModel:
    """Answers the `which`-th of 0, 10, ... 90 after `loops` rounds of work; fails above a million."""
    double = TensorProto.DOUBLE
    work = helper.make_tensor(
        "work", TensorProto.FLOAT, [64, 64], np.eye(64, dtype=np.float32).ravel().tolist()
    )
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("MatMul", ["before", "work"], ["after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, [64, 64]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, [64, 64]),
        ],
    )
    nodes = [
        helper.make_node("ReduceMax", ["loops"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["rounds"], to=TensorProto.INT64),
        helper.make_node("Loop", ["rounds", "", "work"], ["done"], body=body),
        helper.make_node("ReduceMax", ["done"], ["one"], keepdims=0),
        helper.make_node("Cast", ["one"], ["factor"], to=double),
        helper.make_node("Greater", ["which", "million"], ["beyond"]),
        helper.make_node("Clip", ["which", "nought", "nine"], ["within"]),
        helper.make_node("Where", ["beyond", "million", "within"], ["place"]),
        helper.make_node("Cast", ["place"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "index"], ["found"], axis=0),
        helper.make_node("Mul", ["found", "factor"], ["prediction"]),
    ]
    table = helper.make_tensor("table", double, [10], [float(10 * index) for index in range(10)])
    columns = [helper.make_tensor_value_info(name, double, ["n", 1]) for name in ("which", "loops")]
    answer = helper.make_tensor_value_info("prediction", double, ["n", 1])
    scalars = {"million": 1e6, "nought": 0.0, "nine": 9.0}
    constants = [helper.make_tensor(name, double, [], [value]) for name, value in scalars.items()]
    graph = helper.make_graph(nodes, "slow", columns, [answer], [work, table, *constants])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    signature = Signature(
        "slow",
        Task.REGRESSION,
        Layout.COLUMNS,
        _numbers(["which", "loops"]),
        ColumnSignature("y", ValueType.NUMBER),
        null_token=NULL,
    )
    rows: Columns = {"which": [float(row) for row in range(10)], "loops": [0.0] * 10}
    return store(parent, signature, model.SerializeToString(), rows)


SPECIAL: Mapping[str, Callable[[Path], StoredModel]] = {"slow": slow}


def _scaled(estimator: Any, names: Sequence[str]) -> Any:
    """The estimator behind a scaler: a graph with one input per column needs a step that joins them."""
    return make_pipeline(ColumnTransformer([("scale", StandardScaler(), list(range(len(names))))]), estimator)


def _numbers(names: Sequence[str]) -> tuple[ColumnSignature, ...]:
    return tuple(ColumnSignature(name, ValueType.NUMBER) for name in names)


def _convert(fitted: Any, types: Sequence[tuple[str, Any]]) -> onnx.ModelProto:
    options = {id(fitted): {"zipmap": False}}
    opset = {"": 18, "ai.onnx.ml": 3}
    graph: onnx.ModelProto = to_onnx(fitted, initial_types=list(types), options=options, target_opset=opset)
    return graph


def _renamed(model: onnx.ModelProto, names: Sequence[str]) -> bytes:
    """The graph with its inputs named `names`: the converter itself puts underscores for blanks."""
    for slot, name in zip(model.graph.input, names, strict=True):
        for node in model.graph.node:
            node.input[:] = [name if one == slot.name else one for one in node.input]
        slot.name = name
    graph: bytes = model.SerializeToString()
    return graph


def _fill_nulls(model: onnx.ModelProto, fillings: Mapping[str, float]) -> None:
    """Put `where it is NaN, take the filling` between each of these inputs and the rest of the graph."""
    first: list[onnx.NodeProto] = []
    for name, filling in fillings.items():
        for node in model.graph.node:
            node.input[:] = [f"{name}_filled" if one == name else one for one in node.input]
        value = helper.make_tensor(f"{name}_filling", TensorProto.DOUBLE, [1], [filling])
        model.graph.initializer.append(value)
        first.append(helper.make_node("IsNaN", [name], [f"{name}_is_null"]))
        replaced = [f"{name}_is_null", f"{name}_filling", name]
        first.append(helper.make_node("Where", replaced, [f"{name}_filled"]))
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*first, *rest])
