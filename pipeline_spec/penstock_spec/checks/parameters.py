"""Parameters: their declarations, and that each `...From` names one whose values fit."""

from collections.abc import Iterator, Mapping
from typing import Any

from penstock_spec.base import FromParameter, FromValue
from penstock_spec.checks import taken
from penstock_spec.checks.document import Document, dicts, problem
from penstock_spec.errors import Problem, SpecReason, did_you_mean
from penstock_spec.parameters import value_problem
from penstock_spec.paths import Path, show
from penstock_spec.pipeline import Parameter
from penstock_spec.shapes import Entries, Free, Object, Scalar, Shape, as_field, takes_values
from penstock_spec.structure import structure_problems
from penstock_spec.triggers import BUILT_IN, SCHEDULED_TIME, TRIGGERED_BY
from penstock_spec.values import ParameterType, misfit

_NUMBERS = (ParameterType.NUMBER, ParameterType.INTEGER)
# A value that a built-in parameter may have.
_SOME = {SCHEDULED_TIME: "2026-11-22T01:00:00Z", TRIGGERED_BY: "tumour-7"}


def declarations(document: Document) -> Iterator[Problem]:
    """Limits that a type does not have, empty ranges, defaults that the parameter itself does not allow."""
    for position, raw in dicts(document.data.get("parameters")):
        one = document.parameters.get(str(raw.get("name")))
        if one is None:
            continue
        path: Path = ("spec", "parameters", position)
        for limit in ("minimum", "maximum"):
            if limit in raw and one.type not in _NUMBERS:
                message = f"has no meaning for the type {one.type}"
                yield problem(
                    (*path, limit), SpecReason.CONFLICTING_FIELDS, message, "Remove it, or set type: Number."
                )
        if "allowed" in raw and one.type is not ParameterType.STRING:
            message = f"has no meaning for the type {one.type}"
            yield problem(
                (*path, "allowed"), SpecReason.CONFLICTING_FIELDS, message, "Remove it, or set type: String."
            )
        if one.minimum is not None and one.maximum is not None and one.minimum > one.maximum:
            message = f"is {one.minimum:g}, more than the maximum {one.maximum:g}: no value is allowed"
            yield problem((*path, "minimum"), SpecReason.EMPTY_RANGE, message, "Exchange them.")
        elif one.default is not None:
            found = value_problem(one, raw["default"], show((*path, "default")))
            if found is not None:
                yield found


def uses(document: Document) -> Iterator[Problem]:
    """Each `<field>From`, alone or in a map, and the names in the free maps beside them.

    What only an axis or a result can be wrong in is in taken.py.
    """
    for shape, data, path in document.objects:
        for name, field in shape.fields.items():
            target = shape.fields.get(name.removesuffix("From"))
            if target is None or target.name == name or not isinstance(data.get(name), Mapping):
                if isinstance(field.shape, Free) and f"{name}From" in shape.fields:
                    yield from _free_names(shape.fields[f"{name}From"].shape, data.get(name), (*path, name))
            elif isinstance(field.shape, Object) and field.shape.model in (FromValue, FromParameter):
                yield from _use(document, data[name], target.shape, (*path, name))
            elif takes_values(field.shape):
                yield from _map_uses(document, data, name, target.name, path)


def _map_uses(
    document: Document, data: Mapping[str, Any], name: str, target: str, path: Path
) -> Iterator[Problem]:
    literal = data.get(target)
    for key, one in data[name].items():
        if isinstance(literal, Mapping) and key in literal:
            message = f"is set in {target} as well"
            yield problem(
                (*path, name, key), SpecReason.CONFLICTING_FIELDS, message, "Remove one of the two."
            )
        if isinstance(one, Mapping):
            yield from _use(document, one, Free(is_map=False), (*path, name, key))


def _free_names(beside: Shape, data: Any, path: Path) -> Iterator[Problem]:
    """Names in a free map obey the same form as those of the map of parameters beside it."""
    if isinstance(beside, Entries) and isinstance(data, Mapping):
        for name in data:
            if name in {"true", "false"}:
                continue  # reported as what YAML made of y or n
            for found in structure_problems(beside.key, name, (*path, name)):
                yield Problem(found.path, found.reason, f"the name {found.message}", found.hint)


def _use(document: Document, data: Mapping[str, Any], target: Shape, path: Path) -> Iterator[Problem]:
    for kind, check in _SOURCES.items():
        name = data.get(kind)
        if isinstance(name, str):
            yield from check(document, name, target, (*path, kind))


def _parameter(document: Document, name: str, target: Shape, path: Path) -> Iterator[Problem]:
    if name in BUILT_IN:
        yield from _built_in_fits(name, target, path)
        return
    if name not in document.declared:
        hint = did_you_mean(name, document.declared) or "Declare it in spec.parameters."
        meant = next((one for one in BUILT_IN if name.replace("_", "") == one.lower()), None)
        hint = f'Did you mean "{meant}"?' if meant else hint
        yield problem(path, SpecReason.UNKNOWN_PARAMETER, f'there is no parameter "{name}"', hint)
        return
    parameter = document.parameters.get(name)
    if parameter is None or not isinstance(target, Scalar):
        return
    wanted = misfit(parameter.type, target)
    if wanted:
        message = (
            f'the parameter "{name}" is of type {parameter.type}; this field takes {" or ".join(wanted)}'
        )
        hint = f"Declare the parameter with type: {wanted[0]}."
        yield problem(path, SpecReason.TYPE_MISMATCH, message, hint)
    elif parameter.default is not None:
        yield from _default_fits(parameter, target, path)


# What a value may be taken from, and what must hold then.
_SOURCES = {"parameter": _parameter, "result": taken.result, "cell": taken.cell}


def _built_in_fits(name: str, target: Shape, path: Path) -> Iterator[Problem]:
    """A built-in parameter is a text, so not for fields that take something else or another form."""
    if isinstance(target, Scalar) and structure_problems(target, _SOME[name], path):
        message = f"{name} is a text such as {_SOME[name]}, which does not fit this field"
        yield problem(path, SpecReason.TYPE_MISMATCH, message, "Name a parameter of spec.parameters.")


def _default_fits(parameter: Parameter, target: Scalar, path: Path) -> Iterator[Problem]:
    for found in structure_problems(target, as_field(target, parameter.default), path)[:1]:
        message = f'the default of "{parameter.name}" does not fit this field: it {found.message}'
        yield Problem(found.path, found.reason, message, found.hint)
