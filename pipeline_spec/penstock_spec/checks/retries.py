"""Budgets of retries that contradict each other, or that nothing would spend."""

from collections.abc import Iterator, Mapping
from typing import Any

from penstock_spec.base import seconds_of
from penstock_spec.checks.document import Document, problem
from penstock_spec.errors import Problem, SpecReason
from penstock_spec.kinds.deploy import Resources
from penstock_spec.paths import Path
from penstock_spec.quantities import parse
from penstock_spec.references import StepFacts

_PODLESS = ("deploy", "monitor")
_GROWING = {"outOfMemory": "memory", "outOfDisk": "scratch"}


def budgets(document: Document) -> Iterator[Problem]:
    """Every budget belongs to a step with attempts, its pauses and growth are possible."""
    for step in document.steps:
        retry = step.data.get("retry")
        if not isinstance(retry, Mapping):
            continue
        if step.kind in _PODLESS:
            message = f"a {step.kind} has no attempts that could be retried"
            yield problem((*step.path, "retry"), SpecReason.CONFLICTING_FIELDS, message, "Remove it.")
            continue
        for name, budget in retry.items():
            if isinstance(budget, Mapping):
                path: Path = (*step.path, "retry", name)
                yield from _pauses(budget, path)
                yield from _growth(step, str(name), budget, path)


def _pauses(budget: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    backoff = budget.get("backoff")
    if not isinstance(backoff, Mapping):
        return
    first, longest = _seconds(backoff.get("first")), _seconds(backoff.get("maximum"))
    if first is not None and longest is not None and first > longest:
        message = f"is {backoff['first']}, longer than the longest pause {backoff['maximum']}"
        yield problem((*path, "backoff", "first"), SpecReason.EMPTY_RANGE, message, "Exchange them.")


def _growth(step: StepFacts, name: str, budget: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    what = _GROWING.get(name)
    if what is None:
        return
    resources = step.data.get("resources")
    given: Mapping[str, Any] = resources if isinstance(resources, Mapping) else {}
    if what == "scratch" and budget.get("limit") != 0 and not {"scratch", "scratchFrom"} & set(given):
        message = "the step's scratch space has no size that could grow"
        hint = "Set resources: {scratch: 10Gi} as well."
        yield problem(path, SpecReason.CONFLICTING_FIELDS, message, hint)
    asked = given.get(what, Resources().memory if what == "memory" and "memoryFrom" not in given else None)
    least, most = _bytes(asked), _bytes(budget.get("maximum"))
    if least is not None and most is not None and most < least:
        message = f"is {budget['maximum']}, less than the step's {what} of {asked}"
        yield problem((*path, "maximum"), SpecReason.EMPTY_RANGE, message, "Raise it.")


def _seconds(duration: Any) -> int | None:
    try:
        return seconds_of(duration) if isinstance(duration, str) else None
    except ValueError:
        return None  # reported by the check of its shape


def _bytes(quantity: Any) -> Any:
    try:
        return parse(quantity) if isinstance(quantity, str) else None
    except ValueError:
        return None  # the same
