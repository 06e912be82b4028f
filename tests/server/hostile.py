"""Hostile requests to `visitors`, made systematically: one good request, spoilt in one place at a time."""

import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

from tritonclient.grpc import service_pb2

SECRET = "c0nfidential"  # stands for personal data in cells: no answer and no log line may repeat it
ODD: dict[str, Any] = {
    "true": True,
    "nought": 0,
    "minus one": -1,
    "a fraction": 1.5,
    "beyond 64 bits": 2**64,
    "no text": "",
    "a text": SECRET,
    "a zero byte": "\x00",
    "a long text": "x" * 5000,
    "no list": [],
    "a list of null": [None],
    "a list of lists": [[]],
    "a list of texts": [SECRET, SECRET],
    "no object": {},
    "an object": {"name": SECRET},
}
CELLS: dict[str, tuple[str, Any, bytes]] = {
    "age": ("FP64", 31.5, struct.pack("<d", 31.5)),
    "visits": ("INT64", 3, struct.pack("<q", 3)),
    "member": ("BOOL", True, b"\x01"),
    "city": ("BYTES", "Oslo", b"\x04\x00\x00\x00Oslo"),
}
# What is odd and yet within the protocol: unknown parameters and empty lists of outputs say nothing.
FINE = {
    "inputs[0].data is a list of null",
    "the boolean is a list of null",
    "inputs[0].parameters is no object",
    "inputs[0].parameters is an object",
    "outputs is no list",
    "parameters is no object",
    "parameters is an object",
    "id is no text",
    "id is a text",
    "id is a zero byte",
}


def good_json() -> dict[str, Any]:
    """One good row."""
    tensors = [
        {"name": name, "shape": [1], "datatype": datatype, "data": [cell]}
        for name, (datatype, cell, _) in CELLS.items()
    ]
    return {"inputs": tensors}


def json_bodies() -> Iterator[tuple[str, bytes]]:
    """Name and body of every spoilt request in JSON."""
    for field in ("inputs", "outputs", "parameters", "id"):
        for word, value in ODD.items():
            yield f"{field} is {word}", json.dumps({**good_json(), field: value}).encode()
    for field in ("name", "shape", "datatype", "data", "parameters"):
        for word, value in ODD.items():
            request = good_json()
            request["inputs"][0][field] = value
            yield f"inputs[0].{field} is {word}", json.dumps(request).encode()
    for word, value in ODD.items():
        if word != "true":
            request = good_json()
            request["inputs"][2]["data"] = [value]
            yield f"the boolean is {word}", json.dumps(request).encode()
    whole = json.dumps(good_json()).encode()
    for size in range(0, len(whole), 23):
        yield f"only {size} bytes of JSON", whole[:size]


def good_binary(
    change: Callable[[list[dict[str, Any]], list[bytes]], None] | None = None,
) -> tuple[bytes, bytes]:
    """JSON and raw bytes of one good row, but for what `change` does to both."""
    tensors: list[dict[str, Any]] = []
    tails: list[bytes] = []
    for name, (datatype, _, content) in CELLS.items():
        parameters = {"binary_data_size": len(content)}
        tensors.append({"name": name, "shape": [1], "datatype": datatype, "parameters": parameters})
        tails.append(content)
    if change is not None:
        change(tensors, tails)
    return json.dumps({"inputs": tensors}).encode(), b"".join(tails)


def binary_bodies() -> Iterator[tuple[str, str, bytes]]:
    """Name, length of the JSON as the header says it, and body."""
    head, tail = good_binary()
    for length in ("", "-1", "+5", "1e2", "0x10", "ten", "9" * 30, str(len(head + tail) + 1), "0", "1"):
        yield f"the header is {length[:12]!r}", length, head + tail
    for missing in range(1, len(tail), 3):
        yield f"the last {missing} bytes are missing", str(len(head)), head + tail[:-missing]
    yield "bytes too many", str(len(head)), head + tail + b"\x00"
    for word, value in ODD.items():
        if value is not None:
            yield _binary(f"a size is {word}", _sized(0, value))
    for column, name in enumerate(CELLS):
        for datatype in (
            "BOOL",
            "BYTES",
            "FP16",
            "FP32",
            "INT8",
            "INT32",
            "UINT32",
            "BF16",
            "fp64",
            "",
        ):
            if datatype != CELLS[name][0]:
                yield _binary(f"{name} says it is {datatype!r}", _typed(column, datatype))
    for content in (b"\x02", b"\xff", b"", b"\x01\x01"):
        yield _binary(f"the boolean is {content!r}", _content(2, content))
    for content in (
        b"\x05\x00\x00\x00Oslo",
        b"\xff\xff\xff\xff",
        b"\x01\x00\x00",
        b"\x01\x00\x00\x00\xff",
        b"",
    ):
        yield _binary(f"the text is {content!r}", _content(3, content))
    for content in (b"\x00" * 7, b"\x00" * 9, b"\x00" * 16):
        yield _binary(f"the number has {len(content)} bytes", _content(0, content))


def _binary(name: str, change: Callable[[list[dict[str, Any]], list[bytes]], None]) -> tuple[str, str, bytes]:
    head, tail = good_binary(change)
    return name, str(len(head)), head + tail


def _sized(column: int, value: Any) -> Callable[[list[dict[str, Any]], list[bytes]], None]:
    return lambda tensors, _tails: tensors[column]["parameters"].update(binary_data_size=value)


def _typed(column: int, datatype: str) -> Callable[[list[dict[str, Any]], list[bytes]], None]:
    return lambda tensors, _tails: tensors[column].update(datatype=datatype)


def _content(column: int, content: bytes) -> Callable[[list[dict[str, Any]], list[bytes]], None]:
    def change(tensors: list[dict[str, Any]], tails: list[bytes]) -> None:
        tails[column] = content
        tensors[column]["parameters"]["binary_data_size"] = len(content)

    return change


def good_message(*, raw: bool) -> Any:
    """One good row as a ModelInferRequest."""
    message = service_pb2.ModelInferRequest(model_name="visitors")
    fields = {"FP64": "fp64", "INT64": "int64", "BOOL": "bool", "BYTES": "bytes"}
    for name, (datatype, cell, content) in CELLS.items():
        tensor = message.inputs.add(name=name, datatype=datatype, shape=[1])
        if raw:
            message.raw_input_contents.append(content)
        else:
            value = cell.encode() if isinstance(cell, str) else cell
            getattr(tensor.contents, f"{fields[datatype]}_contents").append(value)
    return message


def grpc_messages() -> Iterator[tuple[str, bytes]]:
    """Name and message. The code that refuses them all is INVALID_ARGUMENT."""
    for raw in (False, True):
        way = "raw" if raw else "typed"
        for name, spoil in _SPOILT.items():
            message = good_message(raw=raw)
            spoil(message)
            yield f"{way}: {name}", message.SerializeToString()
        whole = good_message(raw=raw).SerializeToString()
        for size in range(11, len(whole), 7):
            yield f"{way}: only {size} bytes", whole[:size]
    for field in ("bool", "int", "int64", "uint", "uint64", "fp32", "fp64", "bytes"):
        for column, name in enumerate(CELLS):
            message = good_message(raw=False)
            value = SECRET.encode() if field == "bytes" else 1
            getattr(message.inputs[column].contents, f"{field}_contents").append(value)
            yield f"{name} has {field}_contents too", message.SerializeToString()
            if field != "bytes":
                mixed = good_message(raw=True)
                getattr(mixed.inputs[column].contents, f"{field}_contents").append(value)
                yield f"{name} has raw bytes and {field}_contents", mixed.SerializeToString()
    for column, (name, (_, _, content)) in enumerate(CELLS.items()):
        for spoilt in (content + b"\x01", content[:-1] + b"\xff\xff", content * 2, b""):
            message = good_message(raw=True)
            message.raw_input_contents[column] = spoilt
            yield f"{name} has {len(spoilt)} raw bytes", message.SerializeToString()


def _shape(*sizes: int) -> Callable[[Any], None]:
    def spoil(message: Any) -> None:
        message.inputs[0].shape[:] = sizes

    return spoil


def _nulls(value: Any) -> Callable[[Any], None]:
    def spoil(message: Any) -> None:
        parameter = message.inputs[3].parameters["nulls"]
        if isinstance(value, str):
            parameter.string_param = value
        elif isinstance(value, bool):
            parameter.bool_param = value
        elif isinstance(value, int):
            parameter.int64_param = value
        else:
            parameter.double_param = value

    return spoil


def _all_nulls(value: str) -> Callable[[Any], None]:
    def spoil(message: Any) -> None:
        message.parameters["nulls"].string_param = value

    return spoil


_LABEL = service_pb2.ModelInferRequest.InferRequestedOutputTensor(name="label")
_SPOILT: dict[str, Callable[[Any], None]] = {
    "no inputs": lambda message: message.ClearField("inputs"),
    "an input too few": lambda message: message.inputs.pop(),
    "an input too many": lambda message: message.inputs.add(name="age", datatype="FP64", shape=[1]),
    "an unknown column": lambda message: setattr(message.inputs[0], "name", "agee"),
    "a column without name": lambda message: setattr(message.inputs[0], "name", ""),
    "a column twice": lambda message: setattr(message.inputs[0], "name", "visits"),
    "no datatype": lambda message: setattr(message.inputs[0], "datatype", ""),
    "an unknown datatype": lambda message: setattr(message.inputs[0], "datatype", SECRET),
    "another datatype": lambda message: setattr(message.inputs[3], "datatype", "FP64"),
    "FP16": lambda message: setattr(message.inputs[1], "datatype", "FP16"),
    "no shape": _shape(),
    "a negative shape": _shape(-1),
    "a shape of none": _shape(0),
    "a shape of two": _shape(2),
    "a wide shape": _shape(1, 2),
    "a deep shape": _shape(1, 1, 1),
    "an id too long": lambda message: setattr(message, "id", "x" * 257),
    "an unknown output": lambda message: message.outputs.add(name=SECRET),
    "an output without name": lambda message: message.outputs.add(),
    "an output twice": lambda message: message.outputs.extend([_LABEL] * 2),
    "nulls that are no JSON": _nulls("[1"),
    "nulls beyond the rows": _nulls("[1]"),
    "nulls below nought": _nulls("[-1]"),
    "nulls that are a text": _nulls('"0"'),
    "nulls that are a number": _nulls(7),
    "nulls that are a boolean": _nulls(True),
    "nulls that are a fraction": _nulls(0.5),
    "nulls of booleans": _nulls("[true]"),
    "nulls of fractions": _nulls("[0.0]"),
    "nulls of all that are a list": _all_nulls("[0]"),
    "nulls of an unknown column": _all_nulls('{"agee": [0]}'),
    "nulls of all that are no JSON": _all_nulls("{"),
}
