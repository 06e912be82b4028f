"""Tables: columns, limits, fractions, and whether later steps speak of columns that exist."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penstock_spec.checks.document import Document, dicts, number, problem
from penstock_spec.errors import Problem, SpecReason, did_you_mean
from penstock_spec.kinds.ingest import Column, ColumnType, OtherColumns, Role, RowsCheck
from penstock_spec.paths import Path
from penstock_spec.references import StepFacts

_NUMBERS = {ColumnType.NUMBER, ColumnType.INTEGER}


def columns(document: Document) -> Iterator[Problem]:
    """Limits that a column's type does not have, empty ranges, and more than one target."""
    for shape, data, path in document.objects:
        if shape.model is not Column:
            continue
        type_ = str(data.get("type"))
        for limit in ("minimum", "maximum"):
            if limit in data and type_ in {ColumnType.STRING, ColumnType.BOOLEAN}:
                message, hint = f"has no meaning for a {type_} column", "Remove it."
                yield problem((*path, limit), SpecReason.CONFLICTING_FIELDS, message, hint)
        if data.get("values") and type_ in _NUMBERS | {ColumnType.BOOLEAN}:
            message, hint = f"has no meaning for a {type_} column", "Remove it, or use minimum and maximum."
            yield problem((*path, "values"), SpecReason.CONFLICTING_FIELDS, message, hint)
        yield from _range(data, path)
    for step in document.steps:
        targets = [position for position, one in _columns(step) if one.get("role") == Role.TARGET]
        for position in targets[1:]:
            path = (*step.body_path, "schema", "columns", position, "role")
            message = f"columns[{targets[0]}] is the target already"
            yield problem(path, SpecReason.DUPLICATE, message, "A table has one Target.")


def row_checks(document: Document) -> Iterator[Problem]:
    """Bounds on the number of rows that say nothing, or that nothing can meet."""
    for shape, data, path in document.objects:
        if shape.model is RowsCheck:
            if not data:
                message, hint = "sets neither minimum nor maximum", "Set at least one of them."
                yield problem(path, SpecReason.MISSING_FIELD, message, hint)
            yield from _range(data, path)


def _range(data: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    low, high = number(data.get("minimum")), number(data.get("maximum"))
    if low is not None and high is not None and low > high:
        message = f"is {low}, more than the maximum {high}: nothing can meet both"
        yield problem((*path, "minimum"), SpecReason.EMPTY_RANGE, message, "Exchange or remove one.")


def fractions(document: Document) -> Iterator[Problem]:
    """The parts of a split add up to the whole."""
    for step in document.steps:
        parts = step.body.get("fractions") if step.kind == "split" else None
        shares = [number(one) for one in parts.values()] if isinstance(parts, Mapping) else []
        known = [one for one in shares if one is not None]
        if shares and len(known) == len(shares) and not math.isclose(math.fsum(known), 1, abs_tol=1e-9):
            message = f"add up to {math.fsum(known):.12g}, not to 1"
            hint = "Every row belongs to one part: change the shares, or add a part for the rest."
            path = (*step.body_path, "fractions")
            yield problem(path, SpecReason.FRACTIONS_DO_NOT_ADD_UP, message, hint)


def column_names(document: Document) -> Iterator[Problem]:
    """Where an ingest keeps only the columns that it names, later steps can name no others."""
    for step in document.steps:
        table = step.inputs.get("table" if step.kind == "split" else "train")
        origin = document.origin(table)
        if origin is None or step.kind not in {"split", "train"}:
            continue
        declared = {str(one.get("name")): one for _, one in _columns(origin)}
        closed = _closed(origin)
        for path, name, wanted in _named(step):
            if name not in declared and closed:
                hint = did_you_mean(name, declared) or f'See the columns of step "{origin.name}".'
                message = f'step "{origin.name}" gives no column "{name}"'
                yield problem(path, SpecReason.UNKNOWN_COLUMN, message, hint)
            elif name in declared and wanted and declared[name].get("type") not in wanted:
                type_, able = declared[name].get("type"), " or ".join(wanted)
                message = f'column "{name}" is of type {type_}; this takes {able}'
                yield problem(path, SpecReason.TYPE_MISMATCH, message, "Name columns of that type.")


def _closed(origin: StepFacts) -> bool:
    schema = origin.body.get("schema")
    other = schema.get("otherColumns") if isinstance(schema, Mapping) else None
    return other in (OtherColumns.DROP, OtherColumns.REFUSE)


def _named(step: StepFacts) -> Iterator[tuple[Path, str, Sequence[str]]]:
    """Each column that a step names: where, its name, and the types that fit (empty: all)."""
    if step.kind == "split":
        for field in ("stratifyBy", "entity"):
            if isinstance(step.body.get(field), str):
                yield (*step.body_path, field), step.body[field], ()
        return
    for position, one in dicts(step.body.get("preprocess")):
        for operation, body in one.items():
            names = body.get("columns") if isinstance(body, Mapping) else None
            for index, name in enumerate(names if isinstance(names, list) else ()):
                if isinstance(name, str):
                    path = (*step.body_path, "preprocess", position, operation, "columns", index)
                    yield path, name, _fitting(operation, body)


def _fitting(operation: str, body: Mapping[str, Any]) -> Sequence[str]:
    numeric = operation == "scale" or (
        operation == "fillNulls" and str(body.get("strategy")) in {"Mean", "Median"}
    )
    if numeric:
        return (ColumnType.INTEGER.value, ColumnType.NUMBER.value)
    return (ColumnType.STRING.value,) if operation == "encode" else ()


def targets(document: Document) -> Iterator[Problem]:
    """Training and judging need a target, which only a declared column can be."""
    for step in document.steps:
        name = {"train": "train", "validate": "test"}.get(step.kind, "")
        reference = step.inputs.get(name)
        origin = document.origin(reference)
        if reference is None or origin is None:
            continue
        if all(one.get("role") != Role.TARGET for _, one in _columns(origin)):
            message = f'the table comes from step "{origin.name}", which declares no column with role: Target'
            hint = "Declare it: schema: {columns: [{name: ..., type: ..., role: Target}]}."
            yield problem(reference.path, SpecReason.MISSING_TARGET, message, hint)


def _columns(step: StepFacts) -> Iterator[tuple[int, Mapping[str, Any]]]:
    schema = step.body.get("schema") if step.kind == "ingest" else None
    yield from dicts(schema.get("columns") if isinstance(schema, Mapping) else None)


def target_type(step: StepFacts | None) -> str:
    """The type of the target that an ingest declares; empty where it is not known."""
    if step is None:
        return ""
    return next((str(one.get("type", "")) for _, one in _columns(step) if one.get("role") == Role.TARGET), "")


def declared_columns(origin: StepFacts | None) -> frozenset[str] | None:
    """The columns of an ingest's table; None where it may have others than it declares."""
    if origin is None or not _closed(origin):
        return None
    return frozenset(str(one.get("name")) for _, one in _columns(origin))
