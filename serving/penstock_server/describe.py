"""What the server says of itself, of its model and in answers: the protocol's objects as plain data."""

from collections.abc import Mapping
from typing import Any

from penstock_artifacts.model import Prediction, Predictor
from penstock_artifacts.signature import Signature, Task, ValueType
from penstock_server.infer_request import DATATYPES, InferRequest
from penstock_server.settings import Settings
from penstock_spec.release import RELEASE

EXTENSIONS = ["binary_tensor_data"]
PLATFORM = "onnx_onnxv1"  # the protocol's word for an ONNX model


def server() -> Mapping[str, Any]:
    """GET /v2"""
    return {"name": "penstock", "version": RELEASE, "extensions": EXTENSIONS}


def model(settings: Settings, predictor: Predictor) -> Mapping[str, Any]:
    """GET /v2/models/<name>: inputs and outputs, and as parameters what else a client may want to know."""
    signature = predictor.signature
    parameters: dict[str, Any] = {
        "task": signature.task,
        "version": settings.version,
        "digest": settings.digest,
        "target": signature.target.name,
    }
    if signature.task is Task.CLASSIFICATION:
        parameters["labels"] = list(signature.labels)
    inputs = [
        {"name": column.name, "datatype": DATATYPES[column.type], "shape": [-1]}
        for column in signature.inputs
    ]
    return {
        "name": settings.model,
        "versions": [settings.version],
        "platform": PLATFORM,
        "inputs": inputs,
        "outputs": _outputs(predictor),
        "parameters": parameters,
    }


def _outputs(predictor: Predictor) -> list[dict[str, Any]]:
    signature = predictor.signature
    described = {
        "prediction": (DATATYPES[ValueType.NUMBER], [-1]),
        "label": (DATATYPES[signature.target.type], [-1]),
        "probabilities": (DATATYPES[ValueType.NUMBER], [-1, len(signature.labels)]),
    }
    return [
        {"name": name, "datatype": described[name][0], "shape": described[name][1]}
        for name in predictor.answers
    ]


def answer(
    settings: Settings, signature: Signature, request: InferRequest, prediction: Prediction
) -> dict[str, Any]:
    """The answer to an inference request, for orjson with numpy support. A NaN is written as null."""
    made = _made(signature, request.rows, prediction)
    result: dict[str, Any] = {"model_name": settings.model, "model_version": settings.version}
    if request.id is not None:
        result["id"] = request.id
    result["outputs"] = [made[name] for name in request.outputs]
    return result


def _made(signature: Signature, rows: int, prediction: Prediction) -> dict[str, dict[str, Any]]:
    if prediction.values is not None:
        return {"prediction": _tensor("prediction", DATATYPES[ValueType.NUMBER], [rows], prediction.values)}
    made = {"label": _tensor("label", DATATYPES[signature.target.type], [rows], prediction.labels)}
    if prediction.probabilities is not None:
        shape = [rows, len(signature.labels)]
        tensor = _tensor(
            "probabilities", DATATYPES[ValueType.NUMBER], shape, prediction.probabilities.ravel()
        )
        made["probabilities"] = {**tensor, "parameters": {"labels": list(signature.labels)}}
    return made


def _tensor(name: str, datatype: str, shape: list[int], data: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}
