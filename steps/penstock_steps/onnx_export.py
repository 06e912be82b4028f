"""A fitted scikit-learn pipeline as the bytes of an ONNX model: one input per feature column, double
precision.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from onnx import ModelProto
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, StringTensorType

from penstock_artifacts.signature import ColumnSignature, Task, ValueType
from penstock_steps.onnx_converters import register
from penstock_steps.onnx_trees import ML_DOMAIN, ML_OPSET

_TARGET_OPSET = {"": 19, ML_DOMAIN: 3}
_OUTPUTS = {Task.CLASSIFICATION: ("label", "probabilities"), Task.REGRESSION: ("prediction",)}


def export(pipeline: Any, columns: Sequence[ColumnSignature], task: Task) -> bytes:
    """The model's bytes; the same pipeline always gives the same. Raises whatever skl2onnx raises where it
    cannot.
    """
    register()
    inputs = [(f"input{index}", _type(column)([None, 1])) for index, column in enumerate(columns)]
    options = {id(pipeline): {"zipmap": False}} if task is Task.CLASSIFICATION else None
    model = convert_sklearn(
        pipeline, name="penstock", initial_types=inputs, options=options, target_opset=_TARGET_OPSET
    )
    for opset in model.opset_import:
        if opset.domain == ML_DOMAIN:
            opset.version = ML_OPSET
    # skl2onnx keeps them in a set, whose order differs from process to process.
    opsets = sorted(model.opset_import, key=lambda one: one.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    _rename(model, [column.name for column in columns], _OUTPUTS[task])
    return bytes(model.SerializeToString(deterministic=True))


def _type(column: ColumnSignature) -> Any:
    return StringTensorType if column.type is ValueType.STRING else DoubleTensorType


def _rename(model: ModelProto, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Name the graph's inputs like the columns, whatever characters they have, and its outputs as promised.

    skl2onnx would change such names. A mark before all inner names keeps them apart from columns.
    """
    graph = model.graph
    mark = "#" * (1 + max(len(re.match("#*", name).group()) for name in inputs))  # type: ignore[union-attr] # matches always
    names = dict(zip((one.name for one in graph.input), inputs, strict=True))
    for one, wanted in zip(graph.output, outputs, strict=True):
        # A column may have the name of an output; the order of the outputs then tells what they are.
        names[one.name] = f"{mark}{wanted}" if wanted in inputs else wanted
    for value in (*graph.input, *graph.output):
        value.name = names[value.name]
    for initializer in graph.initializer:
        initializer.name = f"{mark}{initializer.name}"
    for node in graph.node:
        node.input[:] = [_renamed(name, names, mark) for name in node.input]
        node.output[:] = [_renamed(name, names, mark) for name in node.output]
    del graph.value_info[:]


def _renamed(name: str, names: Mapping[str, str], mark: str) -> str:
    return names.get(name, f"{mark}{name}") if name else name
