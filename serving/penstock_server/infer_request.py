"""An Open Inference Protocol v2 request: from plain data to columns, every refusal in words, without values.

Accepted: one named tensor per column ([n] or [n, 1]), or one tensor [n, columns] for a model of numbers only.
The data are those of the REST protocol, whichever way they came; a tensor's cells may also be an array.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from penstock_artifacts.columns import Cells, check_names, did_you_mean, quoted
from penstock_artifacts.signature import Signature, ValueType
from penstock_server import nulls
from penstock_server.raw import DTYPES
from penstock_server.refusals import Blame, RequestError

DATATYPES: Mapping[ValueType, str] = {  # by which each type of column is described to clients
    ValueType.NUMBER: "FP64",
    ValueType.INTEGER: "INT64",
    ValueType.BOOLEAN: "BOOL",
    ValueType.STRING: "BYTES",
}
_NUMERIC = frozenset(DTYPES) - {"BOOL"}
_DATATYPES = _NUMERIC | {"BOOL", "BYTES"}
# Which datatypes a column takes; the cells themselves are checked when they are turned into arrays.
_TAKEN: Mapping[ValueType, frozenset[str]] = {
    ValueType.NUMBER: _NUMERIC,
    ValueType.INTEGER: _NUMERIC,
    ValueType.BOOLEAN: frozenset({"BOOL"}),
    ValueType.STRING: frozenset({"BYTES"}),
}
_NUMBERS = frozenset({int, float, type(None)})
_MAX_ID = 256
_NAN = re.compile(rb'"(?:[^"\\]|\\.)*"|\bNaN\b', re.DOTALL)  # a text, to be passed over, or the word
# An empty list is 2 bytes of JSON and 64 bytes of memory: without this limit a body of 10 MiB takes 400 MiB.
_MAX_NESTED = 200_000


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request whose shape has been checked: its columns by name, and which outputs are wanted."""

    id: str | None
    columns: Mapping[str, Cells]
    rows: int
    outputs: tuple[str, ...]
    binary: frozenset[str] = field(default=frozenset())  # the outputs wanted as raw bytes, over HTTP


def load_json(content: bytes | memoryview) -> dict[str, Any]:
    """The tree in a body of JSON. RequestError when it is not JSON, not an object, or too much nested."""
    whole = bytes(content)
    if whole.count(b"[") + whole.count(b"{") > _MAX_NESTED:
        message = f"more than {_MAX_NESTED} lists and objects; send data as flat lists"
        raise RequestError(message, Blame.SIZE)
    try:
        data = orjson.loads(whole)
    except orjson.JSONDecodeError as error:
        if b"NaN" not in whole:
            raise RequestError(f"the body is not JSON: {error}") from error
        data = _with_nan(whole)
    if not isinstance(data, dict):
        raise RequestError('the body must be a JSON object: {"inputs": [...]}')
    return data


def _with_nan(content: bytes) -> Any:
    """JSON as Python's own library, and so many a client, writes it: NaN, which JSON lacks, for missing."""
    try:
        return orjson.loads(_NAN.sub(lambda found: b"null" if found[0] == b"NaN" else found[0], content))
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON: {error}") from error


def tensors_of(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tree's inputs. RequestError unless each is an object with a name."""
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


def check_datatype(tensor: Mapping[str, Any], where: str) -> str:
    """The tensor's datatype. RequestError when the protocol or this server has none of that name."""
    datatype = tensor.get("datatype")
    if not isinstance(datatype, str) or datatype not in _DATATYPES:
        raise RequestError(f'{where}: "datatype" must be one of {", ".join(sorted(_DATATYPES))}')
    return datatype


class RequestReader:
    """Holds requests to one model: its signature and its answers."""

    def __init__(self, signature: Signature, answers: tuple[str, ...], max_rows: int) -> None:
        """What does not change between requests is worked out here."""
        self._signature = signature
        self._answers = answers
        self.max_rows = max_rows
        self._types = {column.name: column.type for column in signature.inputs}
        self._taken = {column.name: _TAKEN[column.type] for column in signature.inputs}

    def read(self, data: Mapping[str, Any]) -> InferRequest:
        """The request in a tree of plain data.

        RequestError or InputError when it does not fit the protocol or the signature.
        """
        tensors = tensors_of(data)
        identifier = _identifier(data)
        outputs, binary = self._outputs(data)
        columns = self._quick_columns(tensors) if "parameters" not in data else None
        if columns is not None:
            rows = len(next(iter(columns.values())))
        elif self._is_matrix(tensors):
            columns, rows = self._split_matrix(tensors[0], data.get("parameters"))
        else:
            columns, rows = self._named_columns(tensors, data.get("parameters"))
        return InferRequest(identifier, columns, rows, outputs, binary)

    def _quick_columns(self, tensors: Sequence[Mapping[str, Any]]) -> dict[str, Cells] | None:
        """The columns of a request in its commonest form, or None: then the longer way finds what is wrong.

        That form is: each column once, no parameters, flat data, shapes [rows] that agree with it.
        """
        columns: dict[str, Cells] = {}
        rows = -1
        try:
            for tensor in tensors:
                name, data, (size,) = tensor["name"], tensor["data"], tensor["shape"]
                if tensor["datatype"] not in self._taken[name] or type(size) is not int:
                    return None
                if type(data) is list:
                    if len(data) != size or type(data[0]) is list:
                        return None
                elif type(data) is not np.ndarray or len(data) != size:
                    return None
                if "parameters" in tensor or size != rows != -1:
                    return None
                rows = size
                columns[name] = data
        except (KeyError, TypeError, ValueError, IndexError):
            return None
        complete = len(tensors) == len(columns) == len(self._taken)
        return columns if complete and 0 < rows <= self.max_rows else None

    def _outputs(self, data: Mapping[str, Any]) -> tuple[tuple[str, ...], frozenset[str]]:
        """Names of the outputs that are wanted, and which of them as raw bytes."""
        parameters = data.get("parameters")
        all_binary = isinstance(parameters, dict) and parameters.get("binary_data_output") is True
        wanted = data.get("outputs")
        known = self._answers
        if wanted is None or wanted == []:
            return known, frozenset(known) if all_binary else frozenset()
        if not isinstance(wanted, list):
            raise RequestError('"outputs" must be a list of objects with a name')
        names: list[str] = []
        binary: set[str] = set()
        for index, one in enumerate(wanted):
            name = one.get("name") if isinstance(one, dict) else None
            where = f"outputs[{index}]"
            if not isinstance(name, str):
                raise RequestError(f'{where}: "name" must be a text')
            if name not in known:
                raise RequestError(f"{where}: unknown output {quoted(name)}{did_you_mean(name, known)}")
            if name in names:
                raise RequestError(f"{where}: output {quoted(name)} is asked for twice")
            names.append(name)
            own = one.get("parameters")
            if own is not None and not isinstance(own, dict):
                raise RequestError(f'{where}: "parameters" must be an object')
            if (own or {}).get("binary_data", all_binary) is True:
                binary.add(name)
        return tuple(names), frozenset(binary)

    def _is_matrix(self, tensors: Sequence[Mapping[str, Any]]) -> bool:
        first = tensors[0]
        shape = first.get("shape")
        unknown = len(tensors) == 1 and first["name"] not in self._types
        return unknown and isinstance(shape, list) and len(shape) == 2

    def _named_columns(
        self, tensors: Sequence[Mapping[str, Any]], parameters: Any
    ) -> tuple[dict[str, Cells], int]:
        names = [tensor["name"] for tensor in tensors]
        if len(set(names)) < len(names):
            repeated = next(name for index, name in enumerate(names) if name in names[:index])
            raise RequestError(f"column {quoted(repeated)} is given twice")
        check_names(self._signature, names)
        null_rows = nulls.of_request(parameters, self._signature.names)
        columns: dict[str, Cells] = {}
        rows = -1
        for tensor in tensors:
            name = tensor["name"]
            where = f"column {quoted(name)}"
            shape = self._shape(tensor, where)
            if len(shape) == 2 and shape[1] != 1:
                raise RequestError(f"{where}: shape must be [rows] or [rows, 1]")
            _check_taken(tensor, where, self._types[name])
            cells = _flat(tensor, where, shape[0], 1)
            for one in (null_rows.get(name), nulls.of_input(tensor.get("parameters"), where)):
                cells = cells if one is None else nulls.put_in(cells, one, where)
            columns[name] = cells
            if rows not in (-1, shape[0]):
                raise RequestError(f"{where} has {shape[0]} rows, but column {quoted(names[0])} has {rows}")
            rows = shape[0]
        return columns, rows

    def _split_matrix(self, tensor: Mapping[str, Any], parameters: Any) -> tuple[dict[str, Cells], int]:
        where = f"tensor {quoted(tensor['name'])}"
        names = self._signature.names
        width = len(names)
        for column in self._signature.inputs:
            if column.type not in (ValueType.NUMBER, ValueType.INTEGER):
                raise RequestError(
                    f"{where} is not a column, and one tensor for all columns is for numbers only: column "
                    f"{quoted(column.name)} is a {column.type}; send one tensor per column"
                )
        shape = self._shape(tensor, where)
        if shape[1] != width:
            raise RequestError(f"{where}: shape must be [rows, {width}], one per column in the model's order")
        _check_taken(tensor, where, ValueType.NUMBER)
        if nulls.of_input(tensor.get("parameters"), where) or nulls.of_request(parameters, names):
            raise RequestError(f'{where}: "nulls" is for columns; send null or NaN in a matrix')
        cells = _flat(tensor, where, shape[0], width)
        table = _table(cells, width)
        if table is not None:
            return dict(zip(names, table, strict=True)), shape[0]
        return {name: cells[index::width] for index, name in enumerate(names)}, shape[0]

    def _shape(self, tensor: Mapping[str, Any], where: str) -> list[int]:
        shape = tensor.get("shape")
        if (
            not isinstance(shape, list)
            or len(shape) not in (1, 2)
            or any(type(size) is not int or size < 0 for size in shape)
        ):
            raise RequestError(f'{where}: "shape" must be a list of one or two whole numbers')
        if shape[0] == 0:
            raise RequestError(f"{where}: no rows; send at least one")
        if shape[0] > self.max_rows:
            message = f"{where}: {shape[0]} rows are more than {self.max_rows}; send them in parts"
            raise RequestError(message, Blame.SIZE)
        return shape


def _identifier(data: Mapping[str, Any]) -> str | None:
    identifier = data.get("id")
    if identifier is None:
        return None
    if not isinstance(identifier, str) or len(identifier) > _MAX_ID:
        raise RequestError(f'"id" must be a text of at most {_MAX_ID} characters')
    return identifier


def _check_taken(tensor: Mapping[str, Any], where: str, kind: ValueType) -> None:
    datatype = check_datatype(tensor, where)
    if datatype not in _TAKEN[kind]:
        raise RequestError(f"{where} is a {kind}: expected datatype {DATATYPES[kind]}, got {datatype}")


def _flat(tensor: Mapping[str, Any], where: str, rows: int, width: int) -> list[Any] | NDArray[Any]:
    """The tensor's cells in row order, whether it came flat or nested."""
    data = tensor.get("data")
    if not isinstance(data, list | np.ndarray):
        parameters = tensor.get("parameters")
        if isinstance(parameters, dict) and "binary_data_size" in parameters:
            raise RequestError(f"{where}: binary_data_size needs the header Inference-Header-Content-Length")
        raise RequestError(f'{where}: "data" must be a list')
    if isinstance(data, list) and data and type(data[0]) is list:
        for row, cells in enumerate(data):
            if type(cells) is not list or len(cells) != width:
                raise RequestError(f"{where}, row {row}: expected a list of {width}")
        data = list(chain.from_iterable(data))
    if len(data) != rows * width:
        raise RequestError(f"{where}: shape says {rows * width} values, data has {len(data)}")
    return data


def _table(cells: list[Any] | NDArray[Any], width: int) -> NDArray[np.float64] | None:
    """A matrix's cells as [columns, rows]; None where a cell is no number, which its column will say."""
    if isinstance(cells, list) and not set(map(type, cells)) <= _NUMBERS:
        return None
    try:
        return np.ascontiguousarray(np.array(cells, dtype=np.float64).reshape(-1, width).T)
    except OverflowError:
        return None
