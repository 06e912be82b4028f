"""Chooses the best of several models. This file knows nothing of Penstock but a few paths.

In:  /penstock/in/models/index.json, /penstock/in/models/<number>/model.onnx,
     /penstock/in/validation/data.csv, /penstock/in/validation/schema.json
Out: /penstock/out/scores/scores.json, /penstock/out/results.json
"""

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

ROOT = Path(os.environ.get("DIGITS_ROOT", "/penstock"))  # another folder to try the program outside of a pod


def main() -> None:
    """Ask every model about rows that it has not seen; the most right answers win, then the smaller model."""
    columns, truth = validation()
    cells = json.loads((ROOT / "in/models/index.json").read_text())
    scores = []
    for cell in cells:
        model = ROOT / "in/models" / str(cell["number"]) / "model.onnx"
        right = int((labels(model, columns) == truth).sum())
        size = model.stat().st_size
        scores.append({**cell["values"], "right": right, "rows": len(truth), "bytes": size})
        print(f"{cell['values']}: {right} of {len(truth)} right, {size} bytes")
    best = max(scores, key=lambda one: (one["right"], -one["bytes"]))
    (ROOT / "out/scores/scores.json").write_text(json.dumps(scores, indent=1))
    results = {"depth": best["depth"], "trees": best["trees"], "accuracy": best["right"] / best["rows"]}
    (ROOT / "out/results.json").write_text(json.dumps(results))


def validation() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Each feature as a column [rows, 1], and the target [rows]."""
    described = json.loads((ROOT / "in/validation/schema.json").read_text())["columns"]
    with (ROOT / "in/validation/data.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    features = [one["name"] for one in described if one["role"] == "Feature"]
    target = next(one["name"] for one in described if one["role"] == "Target")
    found = {name: np.array([[float(row[name])] for row in rows]) for name in features}
    return found, np.array([int(row[target]) for row in rows])


def labels(model: Path, columns: dict[str, np.ndarray]) -> Any:
    """What the model answers; its inputs are called like the columns."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return session.run(None, {one.name: columns[one.name] for one in session.get_inputs()})[0].reshape(-1)


if __name__ == "__main__":
    main()
