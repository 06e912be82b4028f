"""An Open Inference Protocol v2 request: from bytes to columns, every refusal in words and without values.

Accepted: one named tensor per column ([n] or [n, 1]), or one tensor [n, columns] for a model of numbers only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import orjson

from penstock_artifacts.columns import check_names, did_you_mean, quoted
from penstock_artifacts.signature import Signature, ValueType

_NUMERIC = frozenset(
    {"FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8"}
)
_DATATYPES = _NUMERIC | {"BOOL", "BYTES"}
# Which datatypes a column takes; the cells themselves are checked when they are turned into arrays.
_TAKEN: Mapping[ValueType, frozenset[str]] = {
    ValueType.NUMBER: _NUMERIC,
    ValueType.INTEGER: _NUMERIC,
    ValueType.BOOLEAN: frozenset({"BOOL"}),
    ValueType.STRING: frozenset({"BYTES"}),
}
_MAX_ID = 256
# An empty list is 2 bytes of JSON and 64 bytes of memory: without this limit a body of 10 MiB takes 400 MiB.
_MAX_NESTED = 200_000


class RequestError(ValueError):
    """The request cannot be answered; `status` is the HTTP status code that says whose fault that is."""

    def __init__(self, message: str, status: int = 400) -> None:
        """Message in words, for the client."""
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class InferRequest:
    """A request whose shape has been checked: its columns by name, and which outputs are wanted."""

    id: str | None
    columns: Mapping[str, Sequence[Any]]
    rows: int
    outputs: tuple[str, ...]


def parse(body: bytes, signature: Signature, answers: tuple[str, ...], max_rows: int) -> InferRequest:
    """The request in `body`, to a model that gives `answers`.

    RequestError or InputError when it does not fit the protocol or the signature.
    """
    if body.count(b"[") + body.count(b"{") > _MAX_NESTED:
        raise RequestError(f"more than {_MAX_NESTED} lists and objects; send data as flat lists", status=413)
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise RequestError('the body must be a JSON object: {"inputs": [...]}')
    tensors = _tensors(data)
    identifier = _identifier(data)
    outputs = _outputs(data, answers)
    if _is_matrix(tensors, signature):
        columns, rows = _split_matrix(tensors[0], signature, max_rows)
    else:
        columns, rows = _named_columns(tensors, signature, max_rows)
    return InferRequest(identifier, columns, rows, outputs)


def _tensors(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "inputs" not in data:
        raise RequestError('"inputs" is missing: a list with one tensor per column')
    tensors = data["inputs"]
    if not isinstance(tensors, list) or not tensors:
        raise RequestError('"inputs" must be a list with at least one tensor')
    for index, tensor in enumerate(tensors):
        if not isinstance(tensor, dict):
            raise RequestError(f"inputs[{index}] must be an object with name, shape, datatype and data")
        if not isinstance(tensor.get("name"), str):
            raise RequestError(f'inputs[{index}]: "name" must be a text')
    return tensors


def _identifier(data: Mapping[str, Any]) -> str | None:
    identifier = data.get("id")
    if identifier is None:
        return None
    if not isinstance(identifier, str) or len(identifier) > _MAX_ID:
        raise RequestError(f'"id" must be a text of at most {_MAX_ID} characters')
    return identifier


def _outputs(data: Mapping[str, Any], known: tuple[str, ...]) -> tuple[str, ...]:
    wanted = data.get("outputs")
    if wanted is None or wanted == []:
        return known
    if not isinstance(wanted, list):
        raise RequestError('"outputs" must be a list of objects with a name')
    names: list[str] = []
    for index, one in enumerate(wanted):
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str):
            raise RequestError(f'outputs[{index}]: "name" must be a text')
        if name not in known:
            raise RequestError(f"outputs[{index}]: unknown output {quoted(name)}{did_you_mean(name, known)}")
        if name in names:
            raise RequestError(f"outputs[{index}]: output {quoted(name)} is asked for twice")
        names.append(name)
    return tuple(names)


def _is_matrix(tensors: Sequence[Mapping[str, Any]], signature: Signature) -> bool:
    first = tensors[0]
    shape = first.get("shape")
    return (
        len(tensors) == 1
        and first["name"] not in signature.known
        and isinstance(shape, list)
        and len(shape) == 2
    )


def _named_columns(
    tensors: Sequence[Mapping[str, Any]], signature: Signature, max_rows: int
) -> tuple[dict[str, Sequence[Any]], int]:
    names = [tensor["name"] for tensor in tensors]
    if len(set(names)) < len(names):
        repeated = next(name for index, name in enumerate(names) if name in names[:index])
        raise RequestError(f"column {quoted(repeated)} is given twice")
    check_names(signature, names)
    types = {column.name: column.type for column in signature.inputs}
    columns: dict[str, Sequence[Any]] = {}
    rows = -1
    for tensor in tensors:
        name = tensor["name"]
        where = f"column {quoted(name)}"
        shape = _shape(tensor, where, max_rows)
        if len(shape) == 2 and shape[1] != 1:
            raise RequestError(f"{where}: shape must be [rows] or [rows, 1]")
        _check_datatype(tensor, where, types[name])
        columns[name] = _flat(tensor, where, shape[0], 1)
        if rows not in (-1, shape[0]):
            raise RequestError(f"{where} has {shape[0]} rows, but column {quoted(names[0])} has {rows}")
        rows = shape[0]
    return columns, rows


def _split_matrix(
    tensor: Mapping[str, Any], signature: Signature, max_rows: int
) -> tuple[dict[str, Sequence[Any]], int]:
    where = f"tensor {quoted(tensor['name'])}"
    width = len(signature.inputs)
    for column in signature.inputs:
        if column.type not in (ValueType.NUMBER, ValueType.INTEGER):
            raise RequestError(
                f"{where} is not a column, and one tensor for all columns is for numbers only: column "
                f"{quoted(column.name)} is a {column.type}; send one tensor per column"
            )
    shape = _shape(tensor, where, max_rows)
    if shape[1] != width:
        raise RequestError(f"{where}: shape must be [rows, {width}], one per column in the model's order")
    _check_datatype(tensor, where, ValueType.NUMBER)
    cells = _flat(tensor, where, shape[0], width)
    return {name: cells[index::width] for index, name in enumerate(signature.names)}, shape[0]


def _shape(tensor: Mapping[str, Any], where: str, max_rows: int) -> list[int]:
    shape = tensor.get("shape")
    if (
        not isinstance(shape, list)
        or len(shape) not in (1, 2)
        or any(type(size) is not int or size < 0 for size in shape)
    ):
        raise RequestError(f'{where}: "shape" must be a list of one or two whole numbers')
    if shape[0] == 0:
        raise RequestError(f"{where}: no rows; send at least one")
    if shape[0] > max_rows:
        raise RequestError(
            f"{where}: {shape[0]} rows are more than {max_rows}; send them in parts", status=413
        )
    return shape


def _check_datatype(tensor: Mapping[str, Any], where: str, kind: ValueType) -> None:
    datatype = tensor.get("datatype")
    if not isinstance(datatype, str) or datatype not in _DATATYPES:
        raise RequestError(f'{where}: "datatype" must be one of {", ".join(sorted(_DATATYPES))}')
    if datatype not in _TAKEN[kind]:
        raise RequestError(f"{where} is a {kind}: expected datatype {DATATYPES[kind]}, got {datatype}")


def _flat(tensor: Mapping[str, Any], where: str, rows: int, width: int) -> list[Any]:
    """The tensor's cells in row order, whether it came flat or nested."""
    data = tensor.get("data")
    if not isinstance(data, list):
        if isinstance(tensor.get("parameters"), dict) and "binary_data_size" in tensor["parameters"]:
            raise RequestError(f"{where}: binary tensor data is not supported; send JSON (binary_data=False)")
        raise RequestError(f'{where}: "data" must be a list')
    if data and type(data[0]) is list:
        for row, cells in enumerate(data):
            if type(cells) is not list or len(cells) != width:
                raise RequestError(f"{where}, row {row}: expected a list of {width}")
        data = list(chain.from_iterable(data))
    if len(data) != rows * width:
        raise RequestError(f"{where}: shape says {rows * width} values, data has {len(data)}")
    return data


# The datatype by which each type of column is described to clients.
DATATYPES: Mapping[ValueType, str] = {
    ValueType.NUMBER: "FP64",
    ValueType.INTEGER: "INT64",
    ValueType.BOOLEAN: "BOOL",
    ValueType.STRING: "BYTES",
}
