"""The scikit-learn pipeline that training stored beside the ONNX model, asked for the same rows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars
import skops.io


def predict_trained(path: Path, signature: Mapping[str, Any], frame: polars.DataFrame) -> tuple[Any, Any]:
    """(labels as JSON values, probabilities) of a classification, (None, values) of a regression.

    `signature` is signature.json as data; cells are brought into the form of training here a second time on
    purpose.
    """
    pipeline = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    columns = []
    for one in signature["inputs"]:
        cells = frame[one["name"]].to_list()
        if one["type"] == "String":
            columns.append([signature["nullToken"] if cell is None else cell for cell in cells])
        else:
            columns.append([float("nan") if cell is None else float(cell) for cell in cells])
    text = any(one["type"] == "String" for one in signature["inputs"])
    rows = np.array(columns, dtype=object if text else float).T
    if signature["task"] == "Regression":
        return None, pipeline.predict(rows)
    kind = bool if signature["target"]["type"] == "Boolean" else type(signature["labels"][0])
    return [kind(label) for label in pipeline.predict(rows)], pipeline.predict_proba(rows)
