"""Our own converters for skl2onnx, for what its own do not do exactly: trees, and missing values.

Registered once per process; for every other class skl2onnx's own double precision converter is used.
"""

from functools import cache
from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx import update_registered_converter
from skl2onnx.common._registration import get_shape_calculator
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType, StringTensorType
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from penstock_steps.onnx_graph import constant, node
from penstock_steps.onnx_trees import add_forest, forest_of

_AVERAGED = (RandomForestClassifier, ExtraTreesClassifier, DecisionTreeClassifier)
_BOOSTED = (GradientBoostingClassifier, HistGradientBoostingClassifier)
_REGRESSORS = (
    RandomForestRegressor,
    ExtraTreesRegressor,
    DecisionTreeRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
)


@cache
def register() -> None:
    """Make skl2onnx use the converters of this module."""
    options = {"zipmap": [False], "output_class_labels": [False], "nocl": [False], "raw_scores": [False]}
    for class_ in (*_AVERAGED, *_BOOSTED):
        convert = _averaged if class_ in _AVERAGED else _boosted
        update_registered_converter(
            class_, f"Penstock{class_.__name__}", _classifier_shapes, convert, overwrite=True, options=options
        )
    for class_ in _REGRESSORS:
        update_registered_converter(
            class_, f"Penstock{class_.__name__}", _regressor_shapes, _regressor, overwrite=True
        )
    shapes = get_shape_calculator("SklearnImputer")
    update_registered_converter(SimpleImputer, "PenstockSimpleImputer", shapes, _imputer, overwrite=True)


def _classifier_shapes(operator: Any) -> None:
    classes = operator.raw_operator.classes_
    label = Int64TensorType if classes.dtype.kind in "iub" else StringTensorType
    operator.outputs[0].type = label([None])
    operator.outputs[1].type = DoubleTensorType([None, len(classes)])


def _regressor_shapes(operator: Any) -> None:
    operator.outputs[0].type = DoubleTensorType([None, 1])


def _averaged(scope: Any, operator: Any, container: Any) -> None:
    """Probabilities are the mean over the trees; the label is the first largest."""
    probabilities = add_forest(
        scope, container, forest_of(operator.raw_operator), operator.inputs[0].full_name
    )
    chosen = node(scope, container, "ArgMax", [probabilities], op_version=13, axis=1, keepdims=0)
    _finish(scope, operator, container, chosen, probabilities)


def _boosted(scope: Any, operator: Any, container: Any) -> None:
    """Two classes: a logistic function of one sum; more: softmax over one sum per class."""
    estimator = operator.raw_operator
    raw = add_forest(scope, container, forest_of(estimator), operator.inputs[0].full_name)
    if len(estimator.classes_) > 2:
        probabilities = node(scope, container, "Softmax", [raw], op_version=13, axis=1)
        chosen = node(scope, container, "ArgMax", [raw], op_version=13, axis=1, keepdims=0)
        _finish(scope, operator, container, chosen, probabilities)
        return
    # The two classes differ in which one a sum of exactly 0 means.
    inclusive = isinstance(estimator, GradientBoostingClassifier)
    zero = constant(scope, container, "zero", np.array([0.0]))
    kind, version = ("GreaterOrEqual", 16) if inclusive else ("Greater", 13)
    above = node(scope, container, kind, [raw, zero], op_version=version)
    column = node(scope, container, "Cast", [above], op_version=13, to=TensorProto.INT64)
    flat = constant(scope, container, "flat", np.array([-1], dtype=np.int64))
    chosen = node(scope, container, "Reshape", [column, flat], op_version=14)
    if getattr(estimator, "loss", "") == "exponential":
        two = constant(scope, container, "two", np.array([2.0]))
        raw = node(scope, container, "Mul", [raw, two], op_version=14)
    positive = node(scope, container, "Sigmoid", [raw], op_version=13)
    one = constant(scope, container, "one", np.array([1.0]))
    negative = node(scope, container, "Sub", [one, positive], op_version=14)
    both = node(scope, container, "Concat", [negative, positive], op_version=13, axis=1)
    _finish(scope, operator, container, chosen, both)


def _finish(scope: Any, operator: Any, container: Any, chosen: str, probabilities: str) -> None:
    """Name the outputs: the label at the chosen position, and the probabilities."""
    label, scores = (output.full_name for output in operator.outputs)
    classes = operator.raw_operator.classes_
    table = scope.get_unique_variable_name("classes")
    if classes.dtype.kind in "iub":
        container.add_initializer(table, TensorProto.INT64, [len(classes)], classes.astype(np.int64).tolist())
    else:
        container.add_initializer(
            table, TensorProto.STRING, [len(classes)], [str(one).encode() for one in classes]
        )
    container.add_node(
        "Gather",
        [table, chosen],
        [label],
        op_version=13,
        axis=0,
        name=scope.get_unique_operator_name("Label"),
    )
    container.add_node(
        "Identity", [probabilities], [scores], op_version=19, name=scope.get_unique_operator_name("Scores")
    )


def _regressor(scope: Any, operator: Any, container: Any) -> None:
    estimator = operator.raw_operator
    raw = add_forest(scope, container, forest_of(estimator), operator.inputs[0].full_name)
    # Gamma and Poisson losses predict the logarithm.
    kind = "Exp" if getattr(estimator, "loss", "") in ("gamma", "poisson") else "Identity"
    version = 13 if kind == "Exp" else 19
    container.add_node(
        kind,
        [raw],
        [operator.outputs[0].full_name],
        op_version=version,
        name=scope.get_unique_operator_name(kind),
    )


def _imputer(scope: Any, operator: Any, container: Any) -> None:
    """Where a number is NaN, or a text is the null token, take what the training rows taught."""
    imputer = operator.raw_operator
    names = [one.full_name for one in operator.inputs]
    source = names[0] if len(names) == 1 else node(scope, container, "Concat", names, op_version=13, axis=1)
    fill = scope.get_unique_variable_name("fill")
    shape = [1, len(imputer.statistics_)]
    if isinstance(operator.inputs[0].type, StringTensorType):
        texts = [str(one).encode() for one in imputer.statistics_]
        container.add_initializer(fill, TensorProto.STRING, shape, texts)
        token = scope.get_unique_variable_name("token")
        container.add_initializer(token, TensorProto.STRING, [1], [imputer.missing_values.encode()])
        missing = node(scope, container, "Equal", [source, token], op_version=19)
    else:
        numbers = [float(one) for one in imputer.statistics_]
        container.add_initializer(fill, TensorProto.DOUBLE, shape, numbers)
        missing = node(scope, container, "IsNaN", [source], op_version=13)
    container.add_node(
        "Where",
        [missing, fill, source],
        [operator.outputs[0].full_name],
        op_version=16,
        name=scope.get_unique_operator_name("Fill"),
    )
