"""The classes that `train` knows: those whose ONNX form is tested to answer like the class itself
(docs/estimators.md).
"""

import difflib
import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from penstock_artifacts.signature import Task
from penstock_spec.kinds.estimators import CLASSIFIERS, REGRESSORS
from penstock_steps.errors import user_error

# Each of these has a test on real data: probabilities or values within 1e-6, no label differs.
ESTIMATORS: Mapping[str, Task] = {
    **dict.fromkeys(CLASSIFIERS, Task.CLASSIFICATION),
    **dict.fromkeys(REGRESSORS, Task.REGRESSION),
}
# Parameters that change what a fitted model computes in a way that its ONNX form does not follow.
_REFUSED = frozenset({"categorical_features", "init"})


def build(path: str, parameters: Mapping[str, Any], seed: int) -> tuple[Any, Task]:
    """An unfitted estimator, and what it answers. UserError for an unknown class or parameter, with the
    nearest one.

    `seed` becomes random_state where the class has one and `parameters` does not set it.
    """
    if path not in ESTIMATORS:
        raise user_error(
            f"estimator.class {path!r} is not in the allow-list of docs/estimators.md{_near_class(path)}"
        )
    module, _, name = path.rpartition(".")
    class_ = getattr(importlib.import_module(module), name)
    known = [one for one in inspect.signature(class_).parameters if one not in _REFUSED]
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(known)}"
        raise user_error(f"{name} has no parameter {unknown[0]!r} that can be set here; {hint}")
    seeded = {"random_state": seed} if "random_state" in known else {}
    return class_(**{**seeded, **parameters}), ESTIMATORS[path]


def _near_class(path: str) -> str:
    name = path.rpartition(".")[2]
    names = {one.rpartition(".")[2]: one for one in ESTIMATORS}
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {names[near[0]]!r}?" if near else f"; known classes: {', '.join(sorted(names))}"
