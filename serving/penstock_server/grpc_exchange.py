"""Inference over gRPC: from the protocol's messages to the tree that `infer_request` reads, and back."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from google.protobuf.message import DecodeError

from penstock_artifacts.columns import quoted
from penstock_artifacts.model import Prediction, Predictor
from penstock_server import describe, raw
from penstock_server.infer_request import InferRequest, RequestReader, check_datatype
from penstock_server.protocol import messages
from penstock_server.refusals import RequestError
from penstock_server.settings import Settings

# Which field of InferTensorContents holds cells of a datatype. FP16 has none: it comes raw.
_FIELDS: Mapping[str, str] = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}

_WHOLE: Mapping[str, Any] = {
    "bool_contents": np.bool_,
    "int_contents": np.int32,
    "int64_contents": np.int64,
    "uint_contents": np.uint32,
    "uint64_contents": np.uint64,
}


def parsed(kind: Any, content: bytes) -> Any:
    """The message of that kind. RequestError when the bytes are none."""
    message = kind()
    try:
        message.ParseFromString(content)
    except DecodeError as error:
        raise RequestError(f"the message is no {kind.DESCRIPTOR.full_name}") from error
    return message


class GrpcExchange:
    """One request and its answer: raw contents where the request had them, else typed ones."""

    def __init__(
        self,
        settings: Settings,
        content: bytes,
        request_id: str,
        check_names: Callable[[str, str], None],
    ) -> None:
        """`content` is a ModelInferRequest; `check_names` refuses one to another model or version."""
        self.size = len(content)
        self.request_id = request_id
        self._settings = settings
        self._content = content
        self._check_names = check_names
        self._raw = False

    def read(self, reader: RequestReader) -> InferRequest:
        """The request. Once: each form of it is let go as soon as the next one is there."""
        message = parsed(messages.ModelInferRequest, self._content)
        self._content = b""
        self._check_names(message.model_name, message.model_version)
        self._raw = bool(message.raw_input_contents)
        return reader.read(self._tree(message, reader.max_rows))

    def _tree(self, message: Any, max_rows: int) -> dict[str, Any]:
        if self._raw and len(message.raw_input_contents) != len(message.inputs):
            raise RequestError(
                f"{len(message.inputs)} inputs, but {len(message.raw_input_contents)} raw_input_contents: "
                "send one for each input, in the same order"
            )
        raws: Sequence[bytes | None] = message.raw_input_contents or [None] * len(message.inputs)
        inputs = [_tensor(one, content, max_rows) for one, content in zip(message.inputs, raws, strict=True)]
        tree: dict[str, Any] = {"id": message.id or None, "inputs": inputs}
        if message.parameters:
            tree["parameters"] = _plain(message.parameters)
        tree["outputs"] = [{"name": one.name} for one in message.outputs]
        return tree

    def write(self, predictor: Predictor, request: InferRequest, prediction: Prediction) -> bytes:
        """The answer, a ModelInferResponse."""
        answer = describe.answer(self._settings, predictor.signature, request, prediction)
        message = messages.ModelInferResponse(
            model_name=answer["model_name"], model_version=answer["model_version"], id=request.id or ""
        )
        for output in answer["outputs"]:
            datatype, data = output["datatype"], output["data"]
            made = message.outputs.add(name=output["name"], datatype=datatype, shape=output["shape"])
            for name, value in output.get("parameters", {}).items():
                made.parameters[name].string_param = orjson.dumps(value).decode()
            if self._raw:
                message.raw_output_contents.append(raw.encode(datatype, data))
            else:
                cells = [one.encode() for one in data] if datatype == "BYTES" else data
                getattr(made.contents, _FIELDS[datatype]).extend(cells)
        content: bytes = message.SerializeToString()
        return content


def _tensor(one: Any, content: bytes | None, max_rows: int) -> dict[str, Any]:
    tensor: dict[str, Any] = {"name": one.name, "datatype": one.datatype, "shape": list(one.shape)}
    if one.parameters:
        tensor["parameters"] = _plain(one.parameters)
    where = f"tensor {quoted(one.name)}"
    datatype = check_datatype(tensor, where)
    if content is None:
        tensor["data"] = _cells(one.contents, datatype, where, max_rows)
    elif one.HasField("contents"):
        raise RequestError(f"{where}: contents and raw_input_contents exclude each other")
    else:
        tensor["data"] = raw.decode(datatype, content, where, max_rows)
    return tensor


def _cells(contents: Any, datatype: str, where: str, max_rows: int) -> Any:
    field = _FIELDS.get(datatype)
    if field is None:
        raise RequestError(f"{where}: {datatype} has no typed contents; send raw_input_contents")
    for other, _values in contents.ListFields():
        if other.name != field:
            raise RequestError(f"{where}: cells of {datatype} belong into {field}, not {other.name}")
    cells = getattr(contents, field)
    if datatype == "BYTES":
        raw.check_texts(len(cells), where, max_rows)
        return [raw.text(cell, where, row) for row, cell in enumerate(cells)]
    # The messages of INT8 to INT32 hold any 32-bit number, and are taken as such. No list is made on the way.
    dtype = np.float64 if datatype.startswith("FP") else _WHOLE[field]
    return np.fromiter(cells, dtype, count=len(cells))


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(parameter) for name, parameter in parameters.items()}


def _value(parameter: Any) -> Any:
    chosen = parameter.WhichOneof("parameter_choice")
    return None if chosen is None else getattr(parameter, chosen)


def metadata(description: Mapping[str, Any]) -> Any:
    """A ModelMetadataResponse of what REST answers; `properties` are its parameters, as texts or JSON."""
    message = messages.ModelMetadataResponse(
        name=description["name"], versions=description["versions"], platform=description["platform"]
    )
    for field in ("inputs", "outputs"):
        for one in description[field]:
            getattr(message, field).add(**one)
    for name, value in description["parameters"].items():
        message.properties[name] = value if isinstance(value, str) else orjson.dumps(value).decode()
    return message
