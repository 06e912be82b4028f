"""Estimators: only classes whose served form is known to answer like the trained one."""

from collections.abc import Iterator, Mapping

from penstock_spec.checks.document import Document, problem
from penstock_spec.errors import Problem, SpecReason, did_you_mean
from penstock_spec.kinds.estimators import CLASSIFIERS, REGRESSORS

KNOWN = frozenset((*CLASSIFIERS, *REGRESSORS))
_ELSE = "docs/estimators.md lists the classes; any other goes in a container of yours."


def classes(document: Document) -> Iterator[Problem]:
    """Each `train` names a class of the allow-list."""
    for step in document.steps:
        estimator = step.body.get("estimator") if step.kind == "train" else None
        class_ = estimator.get("class") if isinstance(estimator, Mapping) else None
        if isinstance(class_, str) and class_ not in KNOWN:
            near = did_you_mean(class_, KNOWN) if next(document.hints, None) is not None else ""
            message = f'"{class_}" is not a class that train can fit and serve'
            path = (*step.body_path, "estimator", "class")
            yield problem(path, SpecReason.UNKNOWN_ESTIMATOR, message, near or _ELSE)
