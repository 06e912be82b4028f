"""Trees as ONNX in double precision, so that the served model takes the branch that the trained one takes.

skl2onnx writes trees for float32 thresholds and sums; near a split that sends rows the other way. Here every
threshold and leaf stays a double, in the operator TreeEnsemble of ai.onnx.ml 5. scikit-learn itself rounds
the features of its classic trees to float32 before it compares them; the graph does the same. The histogram
trees compare doubles.

Each tree gives the position of the leaf that a row falls into; the leaves' values are looked up and added in
the order of the trees, as scikit-learn does: result [rows, outputs].
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from penstock_steps.onnx_graph import constant, node

Floats = NDArray[np.float64]
ML_DOMAIN = "ai.onnx.ml"
ML_OPSET = 5  # what a graph with these trees must import
_KNOWN_OPSET = 3  # the newest of which skl2onnx knows; the finished graph is raised to ML_OPSET
_BRANCH_LEQ = 0


@dataclass
class _Nodes:
    """The inner nodes of all trees, as the attributes of TreeEnsemble want them."""

    feature: list[int] = field(default_factory=list)
    split: list[float] = field(default_factory=list)
    missing_left: list[int] = field(default_factory=list)
    true_id: list[int] = field(default_factory=list)
    true_leaf: list[int] = field(default_factory=list)
    false_id: list[int] = field(default_factory=list)
    false_leaf: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Tree:
    """One tree: per node its children (-1, -1 for a leaf), test and value [nodes, outputs]."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: Floats
    missing_left: NDArray[np.bool_]
    value: Floats


@dataclass(frozen=True)
class Forest:
    """Trees whose values are added: `start` + sum, then divided by `divisor`.

    `groups` > 1 (boosting with several classes): tree i adds to output i modulo `groups` only.
    """

    trees: list[Tree]
    start: Floats
    rounds_features: bool = True  # to float32, before they are compared
    divisor: int = 1
    groups: int = 1


def forest_of(estimator: Any) -> Forest:
    """What a fitted tree, forest or boosting model computes before its link function."""
    if isinstance(estimator, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
        # scikit-learn has no public access to these trees.
        trees = [_of_histogram(one.nodes) for stage in estimator._predictors for one in stage]
        start = np.asarray(estimator._baseline_prediction, dtype=np.float64).reshape(-1)
        return Forest(trees, start, rounds_features=False, groups=len(start))
    if isinstance(estimator, GradientBoostingClassifier | GradientBoostingRegressor):
        rate, members = float(estimator.learning_rate), estimator.estimators_
        start = estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_), dtype=np.float32))[0]
        trees = [_of_classic(one.tree_, scale=rate) for stage in members for one in stage]
        return Forest(trees, np.asarray(start, dtype=np.float64), groups=members.shape[1])
    members = getattr(estimator, "estimators_", [estimator])
    trees = [_of_classic(one.tree_) for one in members]
    return Forest(trees, np.zeros(trees[0].value.shape[1]), divisor=len(trees))


def _of_classic(tree: Any, scale: float = 1.0) -> Tree:
    return Tree(
        left=tree.children_left,
        right=tree.children_right,
        feature=tree.feature,
        threshold=tree.threshold,
        missing_left=tree.missing_go_to_left.astype(bool),
        value=scale * tree.value[:, 0, :],
    )


def _of_histogram(nodes: Any) -> Tree:
    leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=nodes["num_threshold"].astype(np.float64),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        value=nodes["value"].astype(np.float64).reshape(-1, 1),
    )


def add_forest(scope: Any, container: Any, forest: Forest, features: str) -> str:
    """Add the graph of `forest` over the tensor `features` [rows, columns]; gives the name of its sum [rows,
    outputs].
    """
    leaves = _add_ensemble(scope, container, forest, _rounded(scope, container, forest, features))
    values = np.concatenate([tree.value[tree.left == -1] for tree in forest.trees])
    table = constant(scope, container, "leaves", values)
    found = node(scope, container, "Gather", [table, leaves], op_version=13, axis=0)  # [rows, trees, values]
    if forest.groups > 1:
        shape = constant(scope, container, "shape", np.array([0, -1, forest.groups], dtype=np.int64))
        found = node(scope, container, "Reshape", [found, shape], op_version=14)
    axes = constant(scope, container, "axes", np.array([1], dtype=np.int64))
    total = node(scope, container, "ReduceSum", [found, axes], op_version=13, keepdims=0)
    if forest.start.any():
        total = node(
            scope, container, "Add", [total, constant(scope, container, "start", forest.start)], op_version=14
        )
    if forest.divisor > 1:
        divisor = constant(scope, container, "trees", np.array([float(forest.divisor)]))
        total = node(scope, container, "Div", [total, divisor], op_version=14)
    return total


def _rounded(scope: Any, container: Any, forest: Forest, features: str) -> str:
    if not forest.rounds_features:
        return features
    single = node(scope, container, "Cast", [features], op_version=13, to=TensorProto.FLOAT)
    return node(scope, container, "Cast", [single], op_version=13, to=TensorProto.DOUBLE)


def _add_ensemble(scope: Any, container: Any, forest: Forest, features: str) -> str:
    """The leaf into which each row falls in each tree, counted over all trees: int64 [rows, trees]."""
    nodes = _Nodes()
    roots: list[int] = []
    leaf_targets: list[int] = []
    leaf_ids: list[int] = []
    for target, tree in enumerate(forest.trees):
        roots.append(len(nodes.feature))
        first_leaf = len(leaf_ids)
        count = int((tree.left == -1).sum())
        leaf_ids.extend(range(first_leaf, first_leaf + count))
        leaf_targets.extend([target] * count)
        _append(nodes, tree, first_leaf)
    positions = node(
        scope,
        container,
        "TreeEnsemble",
        [features],
        op_version=_KNOWN_OPSET,
        op_domain=ML_DOMAIN,
        n_targets=len(forest.trees),
        aggregate_function=1,
        post_transform=0,
        tree_roots=roots,
        nodes_featureids=nodes.feature,
        nodes_splits=numpy_helper.from_array(np.array(nodes.split, dtype=np.float64)),
        nodes_modes=numpy_helper.from_array(np.full(len(nodes.feature), _BRANCH_LEQ, dtype=np.uint8)),
        nodes_missing_value_tracks_true=nodes.missing_left,
        nodes_truenodeids=nodes.true_id,
        nodes_trueleafs=nodes.true_leaf,
        nodes_falsenodeids=nodes.false_id,
        nodes_falseleafs=nodes.false_leaf,
        leaf_targetids=leaf_targets,
        leaf_weights=numpy_helper.from_array(np.array(leaf_ids, dtype=np.float64)),
    )
    return node(scope, container, "Cast", [positions], op_version=13, to=TensorProto.INT64)


def _append(nodes: _Nodes, tree: Tree, first_leaf: int) -> None:
    """Append the tree's inner nodes. Leaves are numbered in the order of the tree's own nodes."""
    is_leaf = tree.left == -1
    base = len(nodes.feature)
    number = np.where(is_leaf, first_leaf + np.cumsum(is_leaf) - 1, base + np.cumsum(~is_leaf) - 1)
    inner = np.flatnonzero(~is_leaf)
    if len(inner) == 0:  # a tree that is one leaf: a test whose both ends are that leaf
        left = right = np.array([0])
        feature, split, missing = [0], [0.0], [1]
    else:
        left, right = tree.left[inner], tree.right[inner]
        feature, split = tree.feature[inner].tolist(), tree.threshold[inner].tolist()
        missing = tree.missing_left[inner].astype(int).tolist()
    nodes.feature += feature
    nodes.split += split
    nodes.missing_left += missing
    nodes.true_id += number[left].tolist()
    nodes.true_leaf += is_leaf[left].astype(int).tolist()
    nodes.false_id += number[right].tolist()
    nodes.false_leaf += is_leaf[right].astype(int).tolist()
