"""Reuse policies on steps that have no result which could be taken over."""

from collections.abc import Iterator

from penstock_spec.checks.document import Document, problem
from penstock_spec.errors import Problem, SpecReason

_COMPARING = ("deploy", "monitor")


def policies(document: Document) -> Iterator[Problem]:
    """A policy stands only where it decides something."""
    for step in document.steps:
        if "reuse" not in step.data:
            continue
        if step.kind in _COMPARING:
            message = f"a {step.kind} is never reused: it compares the endpoint with what it should be"
        elif step.always:
            message = "a step with always is about its own run, and never reused"
        else:
            continue
        yield problem((*step.path, "reuse"), SpecReason.CONFLICTING_FIELDS, message, "Remove it.")
