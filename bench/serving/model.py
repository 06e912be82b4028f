"""The model that all servers answer with: a forest on the tumour data, one matrix of doubles in."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

from penstock_artifacts.manifest import scan
from penstock_artifacts.signature import ColumnSignature, Layout, Signature, Task, ValueType
from penstock_spec import contract, serving_contract

TREES = 100
ROWS = 1


@dataclass(frozen=True)
class BenchModel:
    """A model as the store has it; `rows` are what the clients ask about."""

    folder: Path
    digest: str
    rows: list[list[float]]

    @property
    def graph(self) -> Path:
        """The ONNX file."""
        return self.folder / contract.MODEL_ONNX


def make(parent: Path) -> BenchModel:
    """Train, convert, and lay out under `parent` as the init container of a server does."""
    data = load_breast_cancer()
    forest = RandomForestClassifier(TREES, random_state=0).fit(data.data, data.target)
    graph = to_onnx(
        forest,
        initial_types=[("x", DoubleTensorType([None, data.data.shape[1]]))],
        options={"zipmap": False},
        target_opset={"": 18, "ai.onnx.ml": 3},
    )
    folder = parent / "model"
    folder.mkdir(parents=True)
    (folder / contract.MODEL_ONNX).write_bytes(graph.SerializeToString())
    columns = tuple(
        ColumnSignature(str(name).replace(" ", "_"), ValueType.NUMBER) for name in data.feature_names
    )
    target = ColumnSignature("benign", ValueType.INTEGER)
    Signature("forest", Task.CLASSIFICATION, Layout.MATRIX, columns, target, (0, 1)).save(
        folder / contract.MODEL_SIGNATURE
    )
    manifest = scan(folder, "Model")
    (parent / serving_contract.MODEL_MANIFEST).write_bytes(manifest.to_bytes())
    return BenchModel(folder, manifest.digest, np.asarray(data.data[:ROWS]).tolist())
