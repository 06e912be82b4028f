"""Estimators: only classes whose served form is known to answer like the trained one."""

from collections.abc import Iterator, Mapping

from penstock_spec.checks.document import Document, problem
from penstock_spec.errors import Problem, SpecReason, did_you_mean
from penstock_spec.kinds.estimator_parameters import PARAMETERS
from penstock_spec.kinds.estimators import CLASSIFIERS, REGRESSORS

KNOWN = frozenset((*CLASSIFIERS, *REGRESSORS))
_TAKEN = "It takes the constructor's arguments of scikit-learn, but for those of docs/estimators.md."
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


def arguments(document: Document) -> Iterator[Problem]:
    """What is set of a class is an argument of it, and one that its served form follows."""
    for step in document.steps:
        estimator = step.body.get("estimator") if step.kind == "train" else None
        class_ = estimator.get("class") if isinstance(estimator, Mapping) else None
        known = PARAMETERS.get(class_) if isinstance(class_, str) else None
        if known is None or not isinstance(estimator, Mapping):
            continue
        for field in ("parameters", "parametersFrom"):
            given = estimator.get(field)
            for name in given if isinstance(given, Mapping) else ():
                if isinstance(name, str) and name not in known:
                    path = (*step.body_path, "estimator", field, name)
                    message = f'"{class_}" has no parameter "{name}" that can be set here'
                    near = did_you_mean(name, known) if next(document.hints, None) is not None else ""
                    yield problem(path, SpecReason.UNKNOWN_FIELD, message, near or _TAKEN)
