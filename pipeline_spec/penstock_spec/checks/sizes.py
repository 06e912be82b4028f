"""Sizes in all: what must fit into a Job's environment, and into the status of a run."""

from collections.abc import Iterator

from penstock_spec.checks.document import Document, problem
from penstock_spec.errors import Problem, SpecReason
from penstock_spec.plain import canonical

MAX_OUTPUTS = 512
MAX_RESULTS = 128
MAX_ARGUMENTS = 96 * 1024  # bytes of JSON; Linux takes 128 KiB in one environment variable


def totals(document: Document) -> Iterator[Problem]:
    """Too many outputs or results in the pipeline, or too much in one step."""
    outputs = sum(len(step.outputs or ()) for step in document.steps)
    if outputs > MAX_OUTPUTS:
        message = f"give {outputs} outputs, more than {MAX_OUTPUTS} in all"
        yield problem(("spec", "steps"), SpecReason.TOO_LARGE, message, "Gather files into fewer outputs.")
    results = sum(len(step.results or ()) for step in document.steps)
    if results > MAX_RESULTS:
        message = f"give {results} results, more than {MAX_RESULTS} in all"
        yield problem(("spec", "steps"), SpecReason.TOO_LARGE, message, "Declare those that a when asks for.")
    for step in document.steps:
        size = len(canonical(step.body).encode())
        if size > MAX_ARGUMENTS:
            message = f"takes {size} bytes, more than {MAX_ARGUMENTS}"
            hint = "Put large values into a file that the step reads."
            yield problem(step.body_path, SpecReason.TOO_LARGE, message, hint)
