"""The two things that every converter does to skl2onnx's container: add an operator, add a constant."""

from typing import Any

from numpy.typing import NDArray
from onnx import TensorProto


def node(scope: Any, container: Any, kind: str, inputs: list[str], **attributes: Any) -> str:
    """Add an operator with one output; gives the name of that output, which nothing else has."""
    output: str = scope.get_unique_variable_name(kind.lower())
    container.add_node(kind, inputs, [output], name=scope.get_unique_operator_name(kind), **attributes)
    return output


def constant(scope: Any, container: Any, name: str, array: NDArray[Any]) -> str:
    """Add a constant of 64-bit floats or integers; gives its name."""
    unique: str = scope.get_unique_variable_name(name)
    container.add_initializer(
        unique,
        TensorProto.INT64 if array.dtype.kind == "i" else TensorProto.DOUBLE,
        list(array.shape),
        array.ravel(),
    )
    return unique
