"""Deadlines that contradict each other, or that nothing keeps."""

from collections.abc import Iterator, Mapping
from typing import Any

from penstock_spec.base import seconds_of
from penstock_spec.checks.document import Document, problem
from penstock_spec.errors import Problem, SpecReason

_PODLESS = ("deploy", "monitor", "pipeline")


def contradictions(document: Document) -> Iterator[Problem]:
    """A step cannot be given more time than its run has, and a start deadline needs a pod that starts.

    One that always runs does so when the run's time is over.
    """
    policy = document.data.get("policy")
    whole = policy.get("deadline") if isinstance(policy, Mapping) else None
    limit = _seconds(whole)
    for step in document.steps:
        if "startDeadline" in step.data and step.kind in _PODLESS:
            message = f"a {step.kind} has no pod that could start in time"
            hint = "Remove it, or set deadline."
            yield problem((*step.path, "startDeadline"), SpecReason.CONFLICTING_FIELDS, message, hint)
        for name in ("deadline", "startDeadline"):
            own = _seconds(step.data.get(name))
            if own is not None and limit is not None and own > limit and not step.always:
                message = f"is {step.data[name]}, but policy.deadline ends the whole run after {whole}"
                hint = "Give the step less time, or the run more."
                yield problem((*step.path, name), SpecReason.CONFLICTING_FIELDS, message, hint)


def _seconds(duration: Any) -> int | None:
    try:
        return seconds_of(duration) if isinstance(duration, str) else None
    except ValueError:
        return None  # reported by the check of its shape
