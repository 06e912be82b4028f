"""Steps that are repeated: of a kind that can be, until something that they give is good enough."""

from collections.abc import Iterator, Mapping

from penstock_spec.checks.document import Document, problem
from penstock_spec.checks.taken import unknown_result
from penstock_spec.errors import Problem, SpecReason
from penstock_spec.facts import TestFacts
from penstock_spec.paths import Path
from penstock_spec.references import LIST, StepFacts


def kinds(document: Document) -> Iterator[Problem]:
    """Only programs that declare results can be good enough; a list is not the last of many."""
    for step in document.steps:
        if not step.repeated or not step.kind:
            continue
        if step.kind != "run":
            message = f"a {step.kind} step is not repeated"
            hint = "Use it in a run step, which declares the results that until asks for."
            yield problem((*step.path, "repeat"), SpecReason.CONFLICTING_FIELDS, message, hint)
            continue
        for path, name in _lists(step):
            message = f'the output "{name}" of a step that is repeated is a List'
            hint = "Declare it with type Files, and make the list of it in a step behind this one."
            yield problem(path, SpecReason.CONFLICTING_FIELDS, message, hint)


def _lists(step: StepFacts) -> Iterator[tuple[Path, str]]:
    declared = step.body.get("outputs")
    for index, one in enumerate(declared if isinstance(declared, list) else ()):
        if isinstance(one, Mapping) and one.get("type") == LIST:
            yield (*step.body_path, "outputs", index, "type"), str(one.get("name"))


def tests(document: Document) -> Iterator[Problem]:
    """Each test of `until` asks for a result that the step itself declares."""
    for step in document.steps:
        for test in step.until if step.kind == "run" else ():
            yield from _own(step, test)


def _own(step: StepFacts, test: TestFacts) -> Iterator[Problem]:
    if not test.result:
        return  # no reference at all: reported as what it is
    if test.step != step.name:
        message = f'"{test.step}.{test.result}" is no result of this step'
        hint = f"Name a result of the step itself: {step.name}.{test.result}."
        yield problem(test.place, SpecReason.INVALID_VALUE, message, hint)
    elif step.results is not None and test.result not in step.results:
        yield unknown_result(step, test.result, test.place)
