"""Values that fields take from results and from cells: they are there, and can be what the field holds."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penstock_spec.checks.document import Document, problem
from penstock_spec.checks.references import step_hint
from penstock_spec.contract import FOR_EACH
from penstock_spec.errors import Problem, SpecReason, did_you_mean
from penstock_spec.paths import Path, clip
from penstock_spec.references import StepFacts
from penstock_spec.shapes import Scalar, Shape, as_field
from penstock_spec.structure import structure_problems
from penstock_spec.values import ParameterType, misfit

NUMBER = "number"  # what `cell` may name in a step with forEach
ITERATION = "iteration"  # and in one with repeat


def result(document: Document, reference: str, target: Shape, path: Path) -> Iterator[Problem]:
    """`{result: step.name}` names a declared result of another step, of a type that fits."""
    step = _step_at(document, path)
    taken = next((one for one in step.taken if one.path == path), None) if step is not None else None
    if step is None or taken is None:
        return  # no reference at all: reported as what it is
    other = document.by_name.get(taken.step)
    if taken.step == step.name:
        message = f'"{reference}" is a result of this step itself'
        yield problem(path, SpecReason.SELF_REFERENCE, message, "Name the result of another step.")
    elif other is None:
        hint = step_hint(document, step, taken.step)
        yield problem(path, SpecReason.UNKNOWN_STEP, f'there is no step "{taken.step}"', hint)
    elif other.results is not None and taken.result not in other.results:
        yield unknown_result(other, taken.result, path)
    elif other.gives_lists and not document.paired(other.name, step.name):
        yield of_many(other, path)
    elif other.results is not None and isinstance(target, Scalar):
        type_ = ParameterType(other.results[taken.result])
        wanted = misfit(type_, target)
        if wanted:
            message = f'the result "{reference}" is of type {type_}; this field takes {" or ".join(wanted)}'
            hint = f"Declare the result with type: {wanted[0]}."
            yield problem(path, SpecReason.TYPE_MISMATCH, message, hint)


def unknown_result(other: StepFacts, name: str, path: Path) -> Problem:
    """A step that does not declare the result."""
    ways = {
        "run": f"Declare it there: results: [{{name: {name}, type: Integer}}].",
        "pipeline": f"Declare it there: results: [{{name: {name}, from: <step>.<result>}}].",
    }
    otherwise = ways.get(other.kind, "Only run and pipeline steps give results.")
    hint = did_you_mean(name, other.results or {}) or otherwise
    message = f'step "{other.name}" gives no result "{name}"'
    return problem(path, SpecReason.UNKNOWN_RESULT, message, hint)


def of_many(other: StepFacts, path: Path) -> Problem:
    """A result of a step with cells: there is one of each cell, and no single one."""
    message = f'step "{other.name}" has cells, each with results of its own'
    hint = f"Gather them in a step that takes an output of {other.name} as input, and ask for its results."
    return problem(path, SpecReason.TYPE_MISMATCH, message, hint)


def cell(document: Document, axis: str, target: Shape, path: Path) -> Iterator[Problem]:
    """`{cell: axis}` names an axis of the step's own matrix, and each value that it has there fits."""
    step = _step_at(document, path)
    if step is None:
        return
    if step.same_as:
        origin = document.origin_of_cells(step.name)
        if origin is None:
            return  # there is no such step, or it has no cells: reported as that
        step = origin
    if FOR_EACH in step.data and "matrix" not in step.data:
        yield from _number("forEach", NUMBER, axis, target, path)
        return
    if step.repeated and "matrix" not in step.data:
        yield from _number("repeat", ITERATION, axis, target, path)
        return
    values = axis_values(step.data.get("matrix"))
    if not values:
        if "matrix" not in step.data:
            message = "the step has no cells: it has none of matrix, forEach and repeat"
            hint = f"Add matrix: {{axes: {{{axis}: [...]}}}} to the step, or name a parameter."
            yield problem(path, SpecReason.UNKNOWN_AXIS, message, hint)
        return
    if axis in step.data["matrix"]["axes"] and axis not in values:
        return  # no list: reported as that
    if axis not in values:
        message = f'the matrix has no axis "{axis}"'
        yield problem(path, SpecReason.UNKNOWN_AXIS, message, did_you_mean(axis, values))
        return
    yield from _values_fit(axis, values[axis], target, path)


def _number(field: str, only: str, axis: str, target: Shape, path: Path) -> Iterator[Problem]:
    if axis != only:
        message = f'a step with {field} has no axis "{axis}"'
        hint = f"Use {only}." if only == ITERATION else f"Use {only}, or read /penstock/item.json."
        yield problem(path, SpecReason.UNKNOWN_AXIS, message, hint)
    elif isinstance(target, Scalar) and misfit(ParameterType.INTEGER, target):
        yield problem(path, SpecReason.TYPE_MISMATCH, f"the {only} is an Integer", "Use a parameter here.")


def _values_fit(axis: str, values: Sequence[Any], target: Shape, path: Path) -> Iterator[Problem]:
    for value in values if isinstance(target, Scalar) else ():
        found = structure_problems(target, as_field(target, value), path)[:1]
        if found:
            said = clip(str(value), 40)
            message = f'the value {said} of axis "{axis}" does not fit this field: it {found[0].message}'
            yield Problem(found[0].path, found[0].reason, message, found[0].hint)
            return


def axis_values(matrix: Any) -> Mapping[str, list[Any]]:
    """Every value that a cell may have on each axis, as far as the matrix can be understood."""
    axes = matrix.get("axes") if isinstance(matrix, Mapping) else None
    if not isinstance(axes, Mapping):
        return {}
    values = {axis: list(one) for axis, one in axes.items() if isinstance(one, list)}
    include = matrix.get("include") if isinstance(matrix, Mapping) else None
    for entry in include if isinstance(include, list) else ():
        for axis, value in entry.items() if isinstance(entry, Mapping) else ():
            if axis in values:
                values[axis].append(value)
    return values


def _step_at(document: Document, path: Path) -> StepFacts | None:
    """The step in which the path lies."""
    return next((one for one in document.steps if one.path == path[:3]), None)
