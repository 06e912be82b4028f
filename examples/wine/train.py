"""Trains a softmax regression with numpy alone. This file knows nothing of Penstock but a few paths.

In:  /penstock/in/train/data.csv, /penstock/in/train/schema.json
Out: /penstock/out/model/model.onnx, /penstock/out/metrics.json
"""

import csv
import json
import os
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

ROOT = Path(os.environ.get("WINE_ROOT", "/penstock"))  # another folder to try the program outside of a pod


def main() -> None:
    """Read, fit, write."""
    columns = json.loads((ROOT / "in/train/schema.json").read_text())["columns"]
    features = [one["name"] for one in columns if one["role"] == "Feature"]
    target = next(one["name"] for one in columns if one["role"] == "Target")
    with (ROOT / "in/train/data.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    x = np.array([[float(row[name]) for name in features] for row in rows])
    labels, y = np.unique([int(row[target]) for row in rows], return_inverse=True)
    mean, scale = x.mean(axis=0), x.std(axis=0)
    weights, bias = fit(
        (x - mean) / scale,
        y,
        classes=len(labels),
        steps=int(os.environ.get("PENSTOCK_ARG_STEPS", "1000")),
        rate=float(os.environ.get("PENSTOCK_ARG_LEARNING_RATE", "0.5")),
    )
    found = np.argmax((x - mean) / scale @ weights + bias, axis=1)
    constants = {"mean": mean, "scale": scale, "weights": weights, "bias": bias, "labels": labels}
    write_model(ROOT / "out/model/model.onnx", constants)
    (ROOT / "out/metrics.json").write_text(json.dumps({"train_accuracy": float((found == y).mean())}))
    print(f"fitted {len(rows)} wines")


def fit(x: np.ndarray, y: np.ndarray, classes: int, steps: int, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Gradient descent on the cross entropy with a small penalty: weights [features, classes], bias
    [classes].
    """
    weights, bias = np.zeros((x.shape[1], classes)), np.zeros(classes)
    truth = np.eye(classes)[y]
    for _ in range(steps):
        scores = x @ weights + bias
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        error = (odds / odds.sum(axis=1, keepdims=True) - truth) / len(x)
        weights -= rate * (x.T @ error + 1e-3 * weights)
        bias -= rate * error.sum(axis=0)
    return weights, bias


def write_model(path: Path, constants: dict[str, np.ndarray]) -> None:
    """An ONNX graph that takes a matrix [rows, features] of doubles and gives label and probabilities."""
    nodes = [
        helper.make_node("Sub", ["x", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
        helper.make_node("MatMul", ["scaled", "weights"], ["weighted"]),
        helper.make_node("Add", ["weighted", "bias"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["scores"], ["best"], axis=1, keepdims=0),
        helper.make_node("Gather", ["labels", "best"], ["label"]),
    ]
    graph = helper.make_graph(
        nodes,
        "wine",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, len(constants["mean"])])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info(
                "probabilities", TensorProto.DOUBLE, [None, len(constants["labels"])]
            ),
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    path.write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main()
