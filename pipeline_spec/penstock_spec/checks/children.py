"""Pipelines as steps: none contains itself, and none asks for what only a pod has."""

from collections.abc import Iterator, Mapping

from penstock_spec.checks.document import Document, problem
from penstock_spec.errors import Problem, SpecReason
from penstock_spec.reuse import ReusePolicy

# The budgets that a child run can spend: it fails, it is deleted, it takes too long. The rest is its steps'.
_BUDGETS = frozenset({"userError", "disruption", "deadline"})


def itself(document: Document) -> Iterator[Problem]:
    """A step that runs the very pipeline it stands in would never end. Longer circles end by their depth."""
    for step in document.steps:
        if step.kind == "pipeline" and document.name and step.body.get("name") == document.name:
            message = f'"{document.name}" is this pipeline: it would contain itself without end'
            yield problem((*step.body_path, "name"), SpecReason.SELF_REFERENCE, message, "Name another one.")


def without_pod(document: Document) -> Iterator[Problem]:
    """Resources belong to the child's own steps, and so do the budgets of their failures and their reuse."""
    for step in document.steps:
        if step.kind != "pipeline":
            continue
        if step.data.get("resources"):
            message, hint = "a pipeline has no pod of its own", "Set them in its steps."
            yield problem((*step.path, "resources"), SpecReason.CONFLICTING_FIELDS, message, hint)
        reuse = step.data.get("reuse")
        if isinstance(reuse, Mapping) and reuse.get("policy") != ReusePolicy.NEVER and not step.always:
            message = (
                "speaks of a result of its own, but the steps of the other pipeline are reused one by one"
            )
            hint = "Set it there, or policy: Never here: then all of them run."
            yield problem((*step.path, "reuse"), SpecReason.CONFLICTING_FIELDS, message, hint)
        retry = step.data.get("retry")
        for name in retry if isinstance(retry, Mapping) else ():
            if name not in _BUDGETS:
                message = "fails steps of the other pipeline, which have budgets of their own"
                hint = f"Set it there; here, {', '.join(sorted(_BUDGETS))} speak of its run as a whole."
                yield problem((*step.path, "retry", name), SpecReason.CONFLICTING_FIELDS, message, hint)
