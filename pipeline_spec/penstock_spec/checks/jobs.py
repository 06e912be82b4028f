"""What is said about the Job of a step that can have none, or not such a one."""

from collections.abc import Iterator

from penstock_spec.checks.document import Document, problem
from penstock_spec.errors import Problem, SpecReason

_PODLESS = ("deploy", "monitor", "pipeline")


def queues(document: Document) -> Iterator[Problem]:
    """Only a step with a Job waits in a queue."""
    for step in document.steps:
        if "queue" in step.data and step.kind in _PODLESS:
            message = f"a {step.kind} has no Job that could wait in a queue"
            yield problem((*step.path, "queue"), SpecReason.CONFLICTING_FIELDS, message, "Remove it.")
