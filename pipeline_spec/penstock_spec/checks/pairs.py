"""Steps that are done for the cells of another one: there is one, and it has cells of which each counts."""

from collections.abc import Iterator

from penstock_spec.checks.document import Document, problem
from penstock_spec.checks.references import step_hint
from penstock_spec.errors import Problem, SpecReason, one_of
from penstock_spec.references import StepFacts


def others(document: Document) -> Iterator[Problem]:
    """Every sameAs names another step with matrix or forEach. Circles are found with all others."""
    for step in document.steps:
        if step.same_as and (found := _other(document, step)) is not None:
            yield found


def _other(document: Document, step: StepFacts) -> Problem | None:
    path, name = (*step.path, "matrix", "sameAs"), step.same_as
    other = document.by_name.get(name)
    if name == step.name:
        message = "a step cannot have the cells of itself"
        return problem(path, SpecReason.SELF_REFERENCE, message, "Name another step, or give it axes.")
    if other is None:
        hint = step_hint(document, step, name)
        return problem(path, SpecReason.UNKNOWN_STEP, f'there is no step "{name}"', hint)
    if other.gives_lists:
        return None
    message = f'step "{name}" has no matrix and no forEach, so there are no cells to share'
    return problem(path, SpecReason.INVALID_VALUE, message, _with_cells(document, step))


def _with_cells(document: Document, step: StepFacts) -> str:
    known = [one.name for one in document.steps if one.gives_lists and one.same_as != step.name]
    return one_of([one for one in known if one != step.name]) or f"Give {step.name} axes of its own."
