"""Models of the registry as inputs: what can be known of them before any run."""

from collections.abc import Iterator

from penstock_spec.checks.document import Document, problem
from penstock_spec.edges import gates_of, model_key
from penstock_spec.errors import Problem, SpecReason
from penstock_spec.references import container_of
from penstock_spec.registered import MAX_PINNED, Standing


def candidates(document: Document) -> Iterator[Problem]:
    """What nobody has judged is deployed only behind a gate of its own."""
    for step in document.steps:
        found, key = step.registered.get("model"), model_key(step)
        if step.kind != "deploy" or found is None or key is None:
            continue
        if found.data.get("lifecycle") == Standing.CANDIDATE and not gates_of(document.steps, key):
            message = "no gate has judged a Candidate, and none in this pipeline does"
            hint = "Add a validate step with the same modelFrom, or set lifecycle: Approved."
            path = (*found.path, "registered", "lifecycle")
            yield problem(path, SpecReason.CONFLICTING_FIELDS, message, hint)


def names(document: Document) -> Iterator[Problem]:
    """A program finds one folder under each name."""
    for step in document.steps:
        container = container_of(step.kind, step.body) or {}
        made = container.get("inputs")
        for name, one in step.registered.items():
            if one.in_container and isinstance(made, dict) and name in made:
                message = f'"{name}" is an input already, made by a step'
                yield problem(one.path, SpecReason.DUPLICATE, message, "Choose another name.")


def parameters(document: Document) -> Iterator[Problem]:
    """The version is pinned before any step begins: only a parameter is known then."""
    for step in document.steps:
        for one in step.registered.values():
            source = one.data.get("versionFrom")
            if isinstance(source, dict) and source and "parameter" not in source:
                path = (*one.path, "registered", "versionFrom")
                message = "is not known when the run starts"
                yield problem(path, SpecReason.CONFLICTING_FIELDS, message, "Take it from a parameter.")


def totals(document: Document) -> Iterator[Problem]:
    """All that a run pins stands in its status."""
    keys = {one.key for step in document.steps for one in step.registered.values()}
    if len(keys) > MAX_PINNED:
        message = f"read {len(keys)} different registered models, more than {MAX_PINNED}"
        yield problem(("spec", "steps"), SpecReason.TOO_LARGE, message, "Cut the pipeline in two.")
