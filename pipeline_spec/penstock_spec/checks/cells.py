"""Cells: matrices that can be expanded, on steps that can be done many times, no more than a run can hold."""

from collections.abc import Iterator, Mapping
from typing import Any

from penstock_spec.base import Identifier
from penstock_spec.cell_sizes import STATUS_BYTES, status_bytes
from penstock_spec.checks.document import Document, dicts, problem
from penstock_spec.contract import FOR_EACH
from penstock_spec.errors import Problem, SpecReason, did_you_mean
from penstock_spec.matrix import MOST_AXES, MOST_CELLS, axes_of, expand, label, matches, product_size
from penstock_spec.paths import Path, clip
from penstock_spec.plain import canonical
from penstock_spec.references import StepFacts, container_of, most_iterations
from penstock_spec.scalars import said
from penstock_spec.shapes import shape_of
from penstock_spec.structure import structure_problems
from penstock_spec.values import ParameterType, is_of

KINDS = frozenset({"ingest", "split", "train", "validate", "run", "pipeline"})  # that may have cells
MAX_MATRIX = 32 * 1024  # bytes of JSON: it travels to who gathers the cells, beside their digests
MAX_GATHERED = 2000  # digests of cells that one step can be given
_NAME = shape_of(Identifier)
_TEXT = 256


def kinds(document: Document) -> Iterator[Problem]:
    """Only steps that make something have cells, and no built-in program can read the item of a list."""
    for step in document.steps:
        field = "matrix" if "matrix" in step.data else FOR_EACH
        if not step.gives_lists or not step.kind:
            continue
        if step.kind not in KINDS:
            message = f"a {step.kind} step has no cells"
            hint = f"Use it in a step of kind {', '.join(sorted(KINDS))}."
            yield problem((*step.path, field), SpecReason.CONFLICTING_FIELDS, message, hint)
        elif field == FOR_EACH and step.kind != "pipeline" and container_of(step.kind, step.body) is None:
            message = f"the built-in {step.kind} cannot read the item"
            hint = "Use a run step or a container, whose program reads /penstock/item.json."
            yield problem((*step.path, field), SpecReason.CONFLICTING_FIELDS, message, hint)


def axes(document: Document) -> Iterator[Problem]:
    """Axes: named like parameters, each a list of different plain values of one type; not too many cells."""
    for step, matrix in _matrices(document):
        path: Path = (*step.path, "matrix", "axes")
        found = matrix.get("axes")
        if not isinstance(found, Mapping):
            continue
        if not 0 < len(found) <= MOST_AXES:
            message = f"has {len(found)} axes" if found else "has no axes"
            reason = SpecReason.TOO_LARGE if found else SpecReason.TOO_FEW
            yield problem(path, reason, message, f"Give 1 to {MOST_AXES}.")
        for axis, values in found.items():
            yield from structure_problems(_NAME, axis, (*path, axis))
            yield from _values(values, (*path, axis))
        if len(canonical(matrix).encode()) > MAX_MATRIX:
            message = f"takes more than {MAX_MATRIX} bytes"
            hint = "Use shorter values, or a list in a file with forEach."
            yield problem((*step.path, "matrix"), SpecReason.TOO_LARGE, message, hint)
        if _well_formed(matrix):
            size = product_size(axes_of(matrix), MOST_CELLS)
            if size > MOST_CELLS:
                yield _too_many(path, f"make more than {MOST_CELLS} cells")


def _values(values: Any, path: Path) -> Iterator[Problem]:
    if not isinstance(values, list):
        yield problem(path, SpecReason.WRONG_TYPE, f"is {said(values)}, not a list", "Use [a, b].")
        return
    if not values:
        yield problem(path, SpecReason.TOO_FEW, "is empty", "Give at least 1.")
    first: dict[str, int] = {}
    for index, value in enumerate(values):
        if _type(value) is None:
            message = f"is {said(value)}"
            hint = f"Use a text of at most {_TEXT} characters, a number, true or false."
            yield problem((*path, index), SpecReason.WRONG_TYPE, message, hint)
            continue
        if not _alike(values[0], value):
            message = f"is {said(value)}, but the first value is {said(values[0])}"
            yield problem((*path, index), SpecReason.WRONG_TYPE, message, "Use values of one type.")
        before = first.setdefault(canonical(value), index)
        if before != index:
            message = f"is the same as [{before}]"
            yield problem((*path, index), SpecReason.DUPLICATE, message, "Remove one of the two.")


def _type(value: Any) -> ParameterType | None:
    if isinstance(value, str) and len(value) > _TEXT:
        return None
    return next((one for one in ParameterType if is_of(one, value)), None)


def _alike(one: Any, other: Any) -> bool:
    numbers = {ParameterType.INTEGER, ParameterType.NUMBER}
    types = {_type(one), _type(other)}
    return len(types) == 1 or types <= numbers


def entries(document: Document) -> Iterator[Problem]:
    """Each entry of exclude leaves something out, each of include names a new cell."""
    for step, matrix in _matrices(document):
        if not _well_formed(matrix) or product_size(axes_of(matrix), MOST_CELLS) > MOST_CELLS:
            continue
        path: Path = (*step.path, "matrix")
        for group in ("exclude", "include"):
            for index, entry in dicts(matrix.get(group)):
                yield from _names(matrix, entry, group, (*path, group, index))
        yield from _effects(matrix, path)


def _names(matrix: Mapping[str, Any], entry: Mapping[str, Any], group: str, path: Path) -> Iterator[Problem]:
    known = matrix["axes"]
    for axis, value in entry.items():
        if axis not in known:
            message = f'the matrix has no axis "{clip(axis, 40)}"'
            yield problem((*path, axis), SpecReason.UNKNOWN_AXIS, message, did_you_mean(axis, known))
        elif _type(value) is None or not _alike(known[axis][0], value):
            message = f"is {said(value)}, but the values of the axis are {said(known[axis][0])}"
            yield problem((*path, axis), SpecReason.WRONG_TYPE, message, "Use a value of the axis's type.")
    missing = sorted(set(known) - set(entry))
    if group == "include" and missing:
        hint = f"Give a value for {', '.join(missing)}."
        yield problem(path, SpecReason.MISSING_FIELD, "does not name every axis", hint)
    elif not entry:
        yield problem(path, SpecReason.TOO_FEW, "names no axis", "Remove it.")


def _effects(matrix: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    known = set(matrix["axes"])
    product = list(expand({"axes": matrix["axes"]}))
    exclude = [(index, one) for index, one in dicts(matrix.get("exclude")) if one and set(one) <= known]
    for index, entry in exclude:
        if not any(matches(entry, cell) for cell in product):
            message = "matches no cell"
            hint = "Name values that the axes list."
            yield problem((*path, "exclude", index), SpecReason.INVALID_VALUE, message, hint)
    kept = [cell for cell in product if not any(matches(entry, cell) for _, entry in exclude)]
    seen = {canonical(cell) for cell in kept}
    for index, entry in dicts(matrix.get("include")):
        if canonical(entry) in seen:
            message = f"is a cell already: {label(entry)}"
            yield problem((*path, "include", index), SpecReason.DUPLICATE, message, "Remove it.")
        seen.add(canonical(entry))
    if not seen:
        yield problem(path, SpecReason.TOO_FEW, "no cell is left", "Exclude fewer.")


def totals(document: Document) -> Iterator[Problem]:
    """All steps and cells together are as many as one run can hold, and as its status has room for."""
    if not any("matrix" in step.data or step.repeated for step in document.steps):
        return
    counts = {step.name: _count(document.origin_of_cells(step.name) or step) for step in document.steps}
    total = sum(counts.values())
    path: Path = ("spec", "steps")
    if total > MOST_CELLS:
        yield _too_many(path, f"make {total} steps and cells, more than {MOST_CELLS}")
        return
    known = {one.name: counts[one.name] for one in document.steps if "matrix" in one.data or one.repeated}
    need = status_bytes(document.steps, known)
    if need > STATUS_BYTES:
        message = f"steps and cells take up to {need} bytes of a run's status, more than {STATUS_BYTES}"
        hint = "Use fewer cells, or give fewer outputs and results in each."
        yield problem(path, SpecReason.TOO_LARGE, message, hint)
    yield from _gathered(document, counts)


def _gathered(document: Document, counts: Mapping[str, int]) -> Iterator[Problem]:
    for step in document.steps:
        lists = (one for one in step.inputs.values() if not document.paired(one.step, step.name))
        taken = [one for one in lists if one.step in counts]
        count = sum(counts[one.step] for one in taken if document.by_name[one.step].gives_lists)
        if count > MAX_GATHERED:
            message = f"gathers {count} outputs of cells, more than {MAX_GATHERED}"
            yield problem(step.body_path, SpecReason.TOO_LARGE, message, "Gather them in several steps.")


def _count(step: StepFacts) -> int:
    """Leaves of the step as far as they are known: of a list nobody knows the length yet."""
    matrix = step.data.get("matrix")
    if matrix is None and step.repeated:
        return most_iterations(step.data)
    if not isinstance(matrix, Mapping) or not _well_formed(matrix):
        return 1
    if product_size(axes_of(matrix), MOST_CELLS) > MOST_CELLS:
        return 1  # has been reported
    return sum(1 for _ in expand(_complete(matrix)))


def _complete(matrix: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what is reported as incomplete."""
    include = [one for _, one in dicts(matrix.get("include")) if set(matrix["axes"]) <= set(one)]
    exclude = [one for _, one in dicts(matrix.get("exclude")) if one]
    return {"axes": matrix["axes"], "include": include, "exclude": exclude}


def _too_many(path: Path, message: str) -> Problem:
    hint = f"A run holds {MOST_CELLS} steps and cells: use fewer values, or several pipelines."
    return problem(path, SpecReason.TOO_LARGE, message, hint)


def _matrices(document: Document) -> Iterator[tuple[StepFacts, Mapping[str, Any]]]:
    for step in document.steps:
        matrix = step.data.get("matrix")
        if isinstance(matrix, Mapping):
            yield step, matrix


def _well_formed(matrix: Mapping[str, Any]) -> bool:
    """Whether the axes can be expanded."""
    found = matrix.get("axes")
    return (
        isinstance(found, Mapping)
        and bool(found)
        and all(isinstance(one, list) and one and all(_type(v) for v in one) for one in found.values())
    )
