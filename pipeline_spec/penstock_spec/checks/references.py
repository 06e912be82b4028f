"""References to steps and outputs: they exist, and are of the type that fits."""

from collections.abc import Iterator

from penstock_spec.checks.document import Document, problem
from penstock_spec.errors import Problem, SpecReason, did_you_mean, one_of
from penstock_spec.facts import Reference
from penstock_spec.references import MODEL, StepFacts


def gather(source: StepFacts) -> str:
    """What to do with what a step with cells gives."""
    return (
        "Gather them in a container: its inputs get a folder for each cell; or do this step cell by cell: "
        f"matrix: {{sameAs: {source.name}}}."
    )


def inputs(document: Document) -> Iterator[Problem]:
    """Every input names an existing output of another step, of a fitting type."""
    for step in document.steps:
        for reference in step.inputs.values():
            found = _input(document, step, reference)
            if found is not None:
                yield found


def _input(document: Document, step: StepFacts, reference: Reference) -> Problem | None:
    if reference.step == step.name:
        message = f'"{reference}" is an output of this step itself'
        return problem(reference.path, SpecReason.SELF_REFERENCE, message, "Name the output of another step.")
    source = document.by_name.get(reference.step)
    if source is None:
        message = f'there is no step "{reference.step}"'
        hint = step_hint(document, step, reference.step)
        return problem(reference.path, SpecReason.UNKNOWN_STEP, message, hint)
    if source.outputs is None:
        return None
    given = source.outputs.get(reference.output)
    if given is None:
        message = f'step "{reference.step}" gives no "{reference.output}"'
        hint = did_you_mean(reference.output, source.outputs)
        gives = hint or f'Step "{reference.step}" has no outputs.' if not source.outputs else hint
        return problem(
            reference.path, SpecReason.UNKNOWN_OUTPUT, message, gives or "See what the step gives."
        )
    if source.gives_lists and reference.wanted and not document.paired(source.name, step.name):
        message = f'"{reference}" is a list: step "{reference.step}" gives one for each of its cells'
        return problem(reference.path, SpecReason.TYPE_MISMATCH, message, gather(source))
    if reference.wanted and given != reference.wanted:
        message = f'"{reference}" is of type {given}; {reference.wanted} is needed here'
        return problem(
            reference.path, SpecReason.TYPE_MISMATCH, message, _fitting(document, step, reference.wanted)
        )
    if step.kind == "deploy" and given == MODEL and source.kind not in ("train", "pipeline"):
        message = f'"{reference}" is not registered: only the model of a train step can be served'
        return problem(
            reference.path, SpecReason.TYPE_MISMATCH, message, "Train it in a train step with container."
        )
    return None


def step_hint(document: Document, step: StepFacts, name: str) -> str:
    """The nearest step; the step itself only while it is, by chance, the nearest of all."""
    names = document.names
    if next(document.hints, None) is None:
        return "Name a step of this pipeline."
    hint = did_you_mean(name, names)
    if f'"{step.name}"' in hint:
        hint = did_you_mean(name, names - {step.name})
    return hint or "Name a step of this pipeline."


def _fitting(document: Document, step: StepFacts, wanted: str) -> str:
    outputs = [
        f"{other.name}.{name}"
        for other in document.steps
        if other is not step
        for name, type_ in (other.outputs or {}).items()
        if type_ == wanted
    ]
    return one_of(outputs) or f"Name an output of type {wanted}."


def waits(document: Document) -> Iterator[Problem]:
    """Every dependsOn names another step, once."""
    for step in document.steps:
        seen: set[str] = set()
        for path, name in step.depends_on:
            if name == step.name:
                yield problem(path, SpecReason.SELF_REFERENCE, "a step cannot wait for itself", "Remove it.")
            elif name not in document.by_name:
                hint = step_hint(document, step, name)
                yield problem(path, SpecReason.UNKNOWN_STEP, f'there is no step "{name}"', hint)
            elif name in seen:
                yield problem(
                    path, SpecReason.DUPLICATE, f'"{name}" is named twice', "Remove one of the two."
                )
            seen.add(name)
