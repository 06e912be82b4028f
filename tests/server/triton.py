"""A foreign client, tritonclient, asked for the same rows over each of its transports."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http

from penstock_artifacts.model import ValueType
from tests.server.model_folders import StoredModel
from tests.server.server_process import DATATYPES, ServerProcess

Answer = dict[str, Any]
Ask = Callable[..., Answer]
_DTYPES = {"FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}


def arrays(model: StoredModel, columns: Mapping[str, Sequence[Any]]) -> dict[str, tuple[str, Any]]:
    """Datatype and array of each column; what is missing becomes NaN, or stands in `null_rows`."""
    found: dict[str, tuple[str, Any]] = {}
    for column in model.signature.inputs:
        cells = columns[column.name]
        datatype = DATATYPES[column.type]
        if column.type is ValueType.INTEGER and None in cells:
            datatype = "FP64"  # a whole number in an array of integers cannot be missing
        if datatype == "FP64":
            array = np.array([np.nan if cell is None else cell for cell in cells], np.float64)
        else:
            filler = {"BYTES": "", "BOOL": False, "INT64": 0}[datatype]
            array = np.array([filler if cell is None else cell for cell in cells], _DTYPES[datatype])
        found[column.name] = datatype, array
    return found


def null_rows(model: StoredModel, columns: Mapping[str, Sequence[Any]]) -> dict[str, list[int]]:
    """The rows that are missing in columns whose arrays cannot say so."""
    found = {
        column.name: [row for row, cell in enumerate(columns[column.name]) if cell is None]
        for column in model.signature.inputs
        if column.type in (ValueType.STRING, ValueType.BOOLEAN)
    }
    return {name: rows for name, rows in found.items() if rows}


def over_http(server: ServerProcess, *, binary: bool) -> Ask:
    """Asks by HTTP, tensors as raw bytes or as JSON, both ways."""

    def ask(inputs: Mapping[str, tuple[str, Any]], parameters: Any = None, request_id: str = "") -> Answer:
        made = []
        for name, (datatype, array) in inputs.items():
            one = triton_http.InferInput(name, list(array.shape), datatype)
            one.set_data_from_numpy(array, binary_data=binary)
            made.append(one)
        names = server_outputs(server.model)
        outputs = [triton_http.InferRequestedOutput(name, binary_data=binary) for name in names]
        with closing(triton_http.InferenceServerClient(f"127.0.0.1:{server.port}")) as client:
            result = client.infer(
                server.model.name, made, outputs=outputs, parameters=parameters, request_id=request_id
            )
        answer: Answer = {name: result.as_numpy(name) for name in names}
        return {**answer, "id": result.get_response().get("id", "")}

    return ask


def over_grpc(server: ServerProcess) -> Ask:
    """Asks by gRPC, tensors as raw bytes."""

    def ask(inputs: Mapping[str, tuple[str, Any]], parameters: Any = None, request_id: str = "") -> Answer:
        made = []
        for name, (datatype, array) in inputs.items():
            one = triton_grpc.InferInput(name, list(array.shape), datatype)
            one.set_data_from_numpy(array)
            made.append(one)
        with closing(triton_grpc.InferenceServerClient(server.grpc_address)) as client:
            result = client.infer(server.model.name, made, parameters=parameters, request_id=request_id)
        answer: Answer = {name: result.as_numpy(name) for name in server_outputs(server.model)}
        return {**answer, "id": result.get_response().id}

    return ask


def server_outputs(model: StoredModel) -> tuple[str, ...]:
    """What the model answers."""
    return ("label", "probabilities") if model.signature.labels else ("prediction",)
