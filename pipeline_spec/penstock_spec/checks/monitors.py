"""Monitoring: one step per endpoint, limits that can be exceeded, columns that exist."""

from collections.abc import Iterator, Mapping
from typing import Any

from penstock_spec.checks.document import Document, dicts, number, problem
from penstock_spec.checks.tables import declared_columns
from penstock_spec.edges import deploys_to
from penstock_spec.errors import Problem, SpecReason, did_you_mean
from penstock_spec.monitoring import LARGEST
from penstock_spec.paths import show
from penstock_spec.references import StepFacts


def endpoints(document: Document) -> Iterator[Problem]:
    """An endpoint is watched in one way: two steps would set it to and fro in every run."""
    first: dict[str, StepFacts] = {}
    for step in document.steps:
        endpoint = step.body.get("endpoint") if step.kind == "monitor" else None
        if not isinstance(endpoint, str):
            continue
        if endpoint in first:
            message = f'step "{first[endpoint].name}" monitors "{endpoint}" already'
            hint = f"Put all into {show(first[endpoint].body_path)}, or name another endpoint."
            yield problem((*step.body_path, "endpoint"), SpecReason.DUPLICATE, message, hint)
        first.setdefault(endpoint, step)


def limits(document: Document) -> Iterator[Problem]:
    """Limits that no statistic can exceed would switch it off without a word."""
    for step in document.steps:
        for position, one in dicts(step.body.get("drift") if step.kind == "monitor" else None):
            method, maximum = str(one.get("method")), number(one.get("maximum"))
            largest = LARGEST.get(method)
            if largest is not None and maximum is not None and maximum >= largest:
                path = (*step.body_path, "drift", position, "maximum")
                message = f"is {maximum:g}, but {method} is never more than {largest:g}"
                yield problem(path, SpecReason.UNREACHABLE_THRESHOLD, message, "Lower it.")


def redacted(document: Document) -> Iterator[Problem]:
    """What is to stay out of the log is a column of the served models, as far as these are known here."""
    for step in document.steps:
        log = step.body.get("predictionLog") if step.kind == "monitor" else None
        given = log.get("redact") if isinstance(log, Mapping) else None
        names: list[Any] = given if isinstance(given, list) else []
        known = _columns(document, step) if names else None
        for index, name in enumerate(names):
            path = (*step.body_path, "predictionLog", "redact", index)
            if isinstance(name, str) and name in names[:index]:
                message = f'"{name}" is named twice'
                yield problem(path, SpecReason.DUPLICATE, message, "Remove one of the two.")
            elif isinstance(name, str) and known is not None and name not in known:
                endpoint = step.body.get("endpoint")
                message = f'no model that is deployed to "{endpoint}" here takes a column "{name}"'
                hint = did_you_mean(name, known) or "See the columns of the ingest."
                yield problem(path, SpecReason.UNKNOWN_COLUMN, message, hint)


def _columns(document: Document, monitor: StepFacts) -> frozenset[str] | None:
    """The columns that come into question; None where any may."""
    found: set[str] = set()
    deploys = deploys_to(document.steps, monitor.body.get("endpoint"))
    for deploy in deploys:
        train = document.step_at(deploy.inputs.get("model"))
        table: Any = train.inputs.get("train") if train is not None and train.kind == "train" else None
        names = declared_columns(document.origin(table))
        if names is None:
            return None
        found |= names
    return frozenset(found) if deploys else None
