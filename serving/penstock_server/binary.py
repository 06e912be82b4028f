"""The binary tensor data extension over HTTP: JSON first, then the raw bytes of tensors that name a size."""

from collections.abc import Mapping
from typing import Any

import orjson

from penstock_artifacts.columns import quoted
from penstock_server import raw
from penstock_server.infer_request import check_datatype, load_json, tensors_of
from penstock_server.refusals import RequestError

HEADER = "Inference-Header-Content-Length"


def load(body: bytes, header: str, max_texts: int) -> dict[str, Any]:
    """The tree of a request whose JSON has the length that `header` says; its raw tensors become cells.

    RequestError when lengths do not fit each other or a tensor's bytes are not of its datatype.
    """
    if not header.isascii() or not header.isdigit() or len(header) > 18 or int(header) > len(body):
        raise RequestError(f"{HEADER} must be the length of the JSON at the body's beginning")
    whole = memoryview(body)
    data = load_json(whole[: int(header)])
    position = int(header)
    for tensor in tensors_of(data):
        size = _size(tensor)
        if size is None:
            continue
        where = f"tensor {quoted(tensor['name'])}"
        if "data" in tensor:
            raise RequestError(f'{where}: "data" and "binary_data_size" exclude each other')
        if position + size > len(body):
            raise RequestError(f"{where}: binary_data_size goes beyond the end of the body")
        content = whole[position : position + size]
        tensor["data"] = raw.decode(check_datatype(tensor, where), content, where, max_texts)
        position += size
        if tensor["parameters"].keys() == {"binary_data_size"}:
            del tensor["parameters"]
    if position != len(body):
        raise RequestError(f"{len(body) - position} bytes at the body's end belong to no tensor")
    return data


def _size(tensor: Mapping[str, Any]) -> int | None:
    parameters = tensor.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is not None and (type(size) is not int or size < 0):
        raise RequestError(f'tensor {quoted(tensor["name"])}: "binary_data_size" must be a number of bytes')
    return size


def dump(answer: Mapping[str, Any], names: frozenset[str]) -> tuple[bytes, int]:
    """The body of an answer with these outputs as raw bytes, and the length of its JSON."""
    tail: list[bytes] = []
    outputs: list[Mapping[str, Any]] = []
    for output in answer["outputs"]:
        if output["name"] not in names:
            outputs.append(output)
            continue
        content = raw.encode(output["datatype"], output["data"])
        tail.append(content)
        kept = {key: value for key, value in output.items() if key != "data"}
        outputs.append(
            {**kept, "parameters": {**output.get("parameters", {}), "binary_data_size": len(content)}}
        )
    head = orjson.dumps({**answer, "outputs": outputs}, option=orjson.OPT_SERIALIZE_NUMPY)
    return b"".join([head, *tail]), len(head)
