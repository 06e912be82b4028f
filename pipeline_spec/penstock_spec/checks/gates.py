"""Models and their gates: thresholds that can be met, metrics that fit, test rows that training never saw."""

from collections.abc import Iterator, Mapping
from typing import Any

from penstock_spec.checks.document import Document, dicts, number, problem
from penstock_spec.checks.tables import target_type
from penstock_spec.errors import Problem, SpecReason, one_of
from penstock_spec.kinds.ingest import ColumnType
from penstock_spec.kinds.validate import CLASSIFICATION_METRICS, REGRESSION_METRICS, Metric
from penstock_spec.paths import Path
from penstock_spec.references import StepFacts

CLASSIFICATION, REGRESSION = "classification", "regression"
_METRICS = {CLASSIFICATION: CLASSIFICATION_METRICS, REGRESSION: REGRESSION_METRICS}
# The largest and smallest value that a metric can have, where there is one.
_LARGEST: Mapping[str, float] = {
    str(one): 1.0 for one in (*CLASSIFICATION_METRICS, Metric.R2) if one is not Metric.LOG_LOSS
}
_SMALLEST: Mapping[str, float] = {str(one): 0.0 for one in Metric if one is not Metric.R2}


def thresholds(document: Document) -> Iterator[Problem]:
    """Bounds that contradict each other or that no figure can reach."""
    for step in document.steps:
        for path, one in _thresholds(step):
            low, high = number(one.get("minimum")), number(one.get("maximum"))
            metric = str(one.get("metric"))
            if low is not None and high is not None and low > high:
                message = f"is {low}, more than the maximum {high}: no figure can meet both"
                yield problem((*path, "minimum"), SpecReason.EMPTY_RANGE, message, "Exchange or remove one.")
            elif low is not None and low > _LARGEST.get(metric, low):
                message = f"is {low}, but {metric} is never more than {_LARGEST[metric]:g}"
                hint = "Use a figure from 0 to 1, not percent." if low > 1 else "Lower it."
                yield problem((*path, "minimum"), SpecReason.UNREACHABLE_THRESHOLD, message, hint)
            elif high is not None and high < _SMALLEST.get(metric, high):
                message = f"is {high}, but {metric} is never less than {_SMALLEST[metric]:g}"
                yield problem((*path, "maximum"), SpecReason.UNREACHABLE_THRESHOLD, message, "Raise it.")


def metrics(document: Document) -> Iterator[Problem]:
    """Metrics of classification for classifiers, of regression for regressors."""
    for step in document.steps:
        task, why = _task(document, step)
        for path, one in _thresholds(step):
            metric = one.get("metric")
            own = next((name for name, known in _METRICS.items() if metric in known), "")
            if not own:
                continue
            if not task:  # nothing is known of the model: at least the thresholds must agree
                task, why = own, f"the threshold on {metric}"
            elif own != task:
                message = f"{metric} is for {own}, but {why} means {task}"
                hint = one_of(_METRICS[task])
                yield problem((*path, "metric"), SpecReason.METRIC_MISMATCH, message, hint)


def _task(document: Document, step: StepFacts) -> tuple[str, str]:
    """What the judged model does, and from what that is known; two empty texts where it is not."""
    model = document.step_at(step.inputs.get("model"))
    if model is None or model.kind != "train":
        return "", ""
    estimator = model.body.get("estimator")
    class_ = estimator.get("class") if isinstance(estimator, Mapping) else None
    if isinstance(class_, str):
        name = class_.rpartition(".")[2]
        for suffix, task in (("Classifier", CLASSIFICATION), ("Regressor", REGRESSION)):
            if name.endswith(suffix):
                return task, name
    type_ = target_type(document.origin(model.inputs.get("train")))
    if type_ in {ColumnType.BOOLEAN, ColumnType.STRING}:
        return CLASSIFICATION, f"a target of type {type_}"
    return "", ""


def leaks(document: Document) -> Iterator[Problem]:
    """A gate must judge rows that training never saw; neither may training watch its own rows."""
    for step in document.steps:
        if step.kind == "train":
            own, watched = step.inputs.get("train"), step.inputs.get("validation")
            if own is not None and watched is not None and own.source == watched.source:
                message = f'"{watched}" holds the training rows themselves'
                hint = "Use another part of the split, or leave validation out."
                yield problem(watched.path, SpecReason.TEST_LEAKS_TRAINING, message, hint)
        model, test = document.step_at(step.inputs.get("model")), step.inputs.get("test")
        if step.kind != "validate" or model is None or model.kind != "train" or test is None:
            continue
        seen = model.inputs.get("train")
        if seen is None:
            continue
        if test.source in set(document.lineage(seen)) or seen.source in set(document.lineage(test)):
            message = f'"{test}" holds rows that step "{model.name}" was trained with ({seen})'
            hint = "Judge on another part of the same split."
            yield problem(test.path, SpecReason.TEST_LEAKS_TRAINING, message, hint)


def models(document: Document) -> Iterator[Problem]:
    """Each train step registers under its own name, or two would race for one model's versions."""
    first: dict[str, StepFacts] = {}
    for step in document.steps:
        model = step.body.get("model")
        if step.kind != "train" or not isinstance(model, str):
            continue
        if model in first:
            message = f'step "{first[model].name}" registers the model "{model}" already'
            yield problem(
                (*step.body_path, "model"), SpecReason.DUPLICATE, message, "Give each its own name."
            )
        first.setdefault(model, step)


def _thresholds(step: StepFacts) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    if step.kind == "validate":
        for position, one in dicts(step.body.get("thresholds")):
            if isinstance(one.get("metric"), str):
                yield (*step.body_path, "thresholds", position), one
