"""Is the data of the shape that the API has? The API server's questions, answered in our words, all at once.

pydantic builds the models after this has found nothing; its own messages speak of Python and never reach a
user.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from penstock_spec.base import Rule
from penstock_spec.errors import Problem, SpecReason, did_you_mean
from penstock_spec.paths import Path, clip, show
from penstock_spec.scalars import Report, check_scalar, said
from penstock_spec.shapes import Entries, Field, Free, Items, Object, Shape

_REGISTERED = "Write it below modelFrom, or below inputsFrom of a program; other inputs come from steps."


def without_nulls(shape: Shape, data: Any) -> Any:
    """The data without the fields that are null, which mean "not set" (the API server drops them too)."""
    if isinstance(shape, Object) and isinstance(data, Mapping):
        return {
            name: without_nulls(shape.fields[name].shape, value) if name in shape.fields else value
            for name, value in data.items()
            if value is not None
        }
    if isinstance(shape, Items) and isinstance(data, list):
        return [without_nulls(shape.item, one) for one in data]
    if isinstance(shape, Entries) and isinstance(data, Mapping):
        return {name: without_nulls(shape.value, value) for name, value in data.items()}
    return data


def objects(shape: Shape, data: Any, path: Path) -> Iterator[tuple[Object, Mapping[str, Any], Path]]:
    """Every object with known fields in the data, outermost first, wherever the data has the right shape."""
    if isinstance(shape, Object) and isinstance(data, Mapping):
        yield shape, data, path
        for name, one in shape.fields.items():
            if name in data:
                yield from objects(one.shape, data[name], (*path, name))
    elif isinstance(shape, Items) and isinstance(data, list):
        for index, item in enumerate(data):
            yield from objects(shape.item, item, (*path, index))
    elif isinstance(shape, Entries) and isinstance(data, Mapping):
        for name, value in data.items():
            yield from objects(shape.value, value, (*path, name))


def structure_problems(shape: Shape, data: Any, path: Path) -> list[Problem]:
    """Everything in which the data differs from its shape. Null fields must have been dropped before."""
    problems: list[Problem] = []

    def report(where: Path, reason: SpecReason, message: str, hint: str) -> None:
        problems.append(Problem(show(where), reason, message, hint))

    _check(shape, data, path, report)
    return problems


def _check(shape: Shape, data: Any, path: Path, report: Report) -> None:
    if isinstance(shape, Object):
        _check_object(shape, data, path, report)
    elif isinstance(shape, Items):
        _check_items(shape, data, path, report)
    elif isinstance(shape, Entries):
        _check_entries(shape, data, path, report)
    elif isinstance(shape, Free):
        _check_free(shape, data, path, report)
    elif isinstance(data, Mapping) and "registered" in data:
        message = "is a registered model, not the output of a step"
        report(path, SpecReason.WRONG_TYPE, message, _REGISTERED)
    else:
        check_scalar(shape, data, path, report)


def _check_object(shape: Object, data: Any, path: Path, report: Report) -> None:
    if not isinstance(data, Mapping):
        example = next(iter(shape.fields), "")
        hint = f"Begin with {example}: below it." if example else "Write {}: it has no fields."
        report(path, SpecReason.WRONG_TYPE, f"is {said(data)}, not a mapping of fields", hint)
        return
    unknown = [name for name in data if name not in shape.fields]
    for name in unknown:
        free = [one for one in shape.fields if one not in data]
        report(
            (*path, name), SpecReason.UNKNOWN_FIELD, "there is no such field here", did_you_mean(name, free)
        )
    for name, one in shape.fields.items():
        if name in data:
            _check(one.shape, data[name], (*path, name), report)
        elif one.required and not any(_near(name, other) for other in unknown):
            report((*path, name), SpecReason.MISSING_FIELD, "is missing", f"Set it. {_first_sentence(one)}")
    if not unknown:  # a misspelt field is one mistake, not also "set exactly one of"
        _check_rules(shape.rules, data, path, report)


def _near(name: str, other: str) -> bool:
    return f'"{name}"' in did_you_mean(other, [name])


def _first_sentence(field: Field) -> str:
    return field.description.split(". ")[0].rstrip(".") + "."


def _check_rules(rules: Iterable[Rule], data: Mapping[str, Any], path: Path, report: Report) -> None:
    """Each broken rule once; those that name no fields of their own are one problem with all their hints."""
    misfits: dict[Path, list[str]] = {}
    for rule in rules:
        where = path if rule.field_path is None else (*path, rule.field_path.lstrip("."))
        if rule.fields:
            _check_rule(rule, data, path, report)
        elif rule.holds is not None and not rule.holds(data):
            misfits.setdefault(where, []).append(_hint(rule))
    for where, hints in misfits.items():
        report(where, SpecReason.CONFLICTING_FIELDS, "does not fit the fields beside it", " ".join(hints))


def _hint(rule: Rule) -> str:
    return f"{rule.message[0].upper()}{rule.message[1:]}."


def _check_rule(rule: Rule, data: Mapping[str, Any], path: Path, report: Report) -> None:
    present = [name for name in rule.fields if name in data]
    if len(present) > 1:
        report(path, SpecReason.CONFLICTING_FIELDS, f"sets {' and '.join(present)} together", _hint(rule))
    elif len(present) < rule.least:
        report(path, SpecReason.MISSING_FIELD, f"sets none of {', '.join(rule.fields)}", _hint(rule))


def _check_items(shape: Items, data: Any, path: Path, report: Report) -> None:
    if not isinstance(data, list):
        report(
            path,
            SpecReason.WRONG_TYPE,
            f"is {said(data)}, not a list",
            "Begin each item with a dash, or use [a, b].",
        )
        return
    if len(data) < shape.min_items:
        report(path, SpecReason.TOO_FEW, "is empty", f"Give at least {shape.min_items}.")
    if shape.max_items is not None and len(data) > shape.max_items:
        report(
            path,
            SpecReason.TOO_LARGE,
            f"has {len(data)} items, more than {shape.max_items}",
            "Use fewer items.",
        )
        return
    for index, item in enumerate(data):
        _check(shape.item, item, (*path, index), report)
    if shape.key is not None:
        _check_unique(shape.key, data, path, report)


def _check_unique(key: str, data: Sequence[Any], path: Path, report: Report) -> None:
    first: dict[str, int] = {}
    for index, item in enumerate(data):
        name = item.get(key) if isinstance(item, Mapping) else None
        if not isinstance(name, str):
            continue
        if name in first:
            here = show((*path, first[name]))
            report(
                (*path, index, key),
                SpecReason.DUPLICATE,
                f'"{clip(name, 80)}" is taken by {here}',
                "Give each its own name.",
            )
        first.setdefault(name, index)


def _check_entries(shape: Entries, data: Any, path: Path, report: Report) -> None:
    if not isinstance(data, Mapping):
        report(path, SpecReason.WRONG_TYPE, f"is {said(data)}, not a mapping", "Write name: value below it.")
        return
    if len(data) < shape.min_entries:
        report(path, SpecReason.TOO_FEW, f"has {len(data)} entries", f"Give at least {shape.min_entries}.")
    if shape.max_entries is not None and len(data) > shape.max_entries:
        report(
            path,
            SpecReason.TOO_LARGE,
            f"has {len(data)} entries, more than {shape.max_entries}",
            "Use fewer.",
        )
        return
    for name, value in data.items():
        if check_key(name, (*path, name), report):
            check_scalar(shape.key, name, (*path, name), report, noun="the name ")
        if value is None:
            report((*path, name), SpecReason.NULL_VALUE, "is null", "Give a value, or leave the name out.")
        else:
            _check(shape.value, value, (*path, name), report)


def check_key(name: str, path: Path, report: Report) -> bool:
    """Report a key that a YAML 1.1 reader made of y, n, on, off, yes or no; True when it is not one."""
    if name not in {"true", "false"}:
        return True
    report(
        path,
        SpecReason.BOOLEAN_KEY,
        f"is the key {name}: YAML reads y, n, on, off, yes and no as true or false",
        'Put the name in quotes ("y"), or choose another.',
    )
    return False


def _check_free(shape: Free, data: Any, path: Path, report: Report) -> None:
    if shape.is_map and not isinstance(data, Mapping):
        report(path, SpecReason.WRONG_TYPE, f"is {said(data)}, not a mapping", "Write name: value below it.")
        return
    if shape.is_map and len(data) > shape.max_entries:
        report(
            path,
            SpecReason.TOO_LARGE,
            f"has {len(data)} entries, more than {shape.max_entries}",
            "Use fewer.",
        )
    _check_free_value(data, path, report)


def _check_free_value(data: Any, path: Path, report: Report) -> None:
    if data is None:
        report(
            path,
            SpecReason.NULL_VALUE,
            "is null",
            "Give a value, or leave the name out: then the default holds.",
        )
    elif isinstance(data, Mapping):
        for name, value in data.items():
            check_key(name, (*path, name), report)
            _check_free_value(value, (*path, name), report)
    elif isinstance(data, list):
        for index, item in enumerate(data):
            _check_free_value(item, (*path, index), report)
