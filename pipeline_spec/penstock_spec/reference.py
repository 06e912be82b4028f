"""The reference pages, one per kind: `python -m penstock_spec.reference docs/reference/` writes them.

They say what the schema says, from the same models, so that `kubectl explain` and the pages never differ.
"""

import sys
from collections.abc import Iterator, Mapping

from penstock_spec import generated, names
from penstock_spec.api import API_KINDS, ApiKind
from penstock_spec.base import FromParameter, SpecModel
from penstock_spec.references import BUILT_IN_INPUTS, FIXED_OUTPUTS, KINDS
from penstock_spec.schema import described, summary
from penstock_spec.shapes import Entries, Free, Items, Object, Scalar, Shape, object_shape

NOTE = "<!-- Made from the models in pipeline_spec by `make generate`; changes here are overwritten. -->\n"
_DECLARED = "what `outputs` declares"
_VARIABLE_OUTPUTS = {
    "split": "one Table per fraction, named like it",
    "run": _DECLARED,
    "pipeline": _DECLARED,
}


def render() -> dict[str, str]:
    """File name -> text of every page."""
    pages = {f"{kind.kind.lower()}.md": _object_page(kind) for kind in API_KINDS}
    pages |= {f"step-{name}.md": _step_page(name, model) for name, model in KINDS.items()}
    return {**pages, "README.md": _index()}


def _index() -> str:
    lines = [NOTE, "# Reference", "", "Kinds of objects, all in the API group `penstock.dev/v1alpha1`:", ""]
    lines += [f"- [{kind.kind}]({kind.kind.lower()}.md): {kind.description}" for kind in API_KINDS]
    lines += ["", "Kinds of steps in a Pipeline:", ""]
    lines += [f"- [{name}](step-{name}.md): {summary(model)}" for name, model in KINDS.items()]
    return "\n".join(lines) + "\n"


def _object_page(kind: ApiKind) -> str:
    short = names.SHORT_NAMES[kind.kind]
    lines = [
        NOTE,
        f"# {kind.kind}",
        "",
        kind.description,
        "",
        f"`kubectl get {kind.plural}` (short: `{short}`); `kubectl explain {kind.kind.lower()} --recursive`.",
        f"A name has at most {kind.name_length} lower-case letters, digits and dashes, a letter first.",
        "",
        "| column | meaning |",
        "|---|---|",
        *(
            f"| {one.name.upper()}{' (wide)' if one.wide else ''} | {one.description} |"
            for one in kind.columns
        ),
        "",
        "## spec",
        "",
        kind.spec_description,
        "",
        *_tables(kind.spec, "spec", defaults=True),
        "## status",
        "",
        kind.status_description,
        "",
        *_tables(kind.status, "status", defaults=False),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _step_page(name: str, model: type[SpecModel]) -> str:
    takes = (
        ", ".join(f"`{one}` ({type_})" for one, type_ in BUILT_IN_INPUTS[name].items()) or "nothing by itself"
    )
    fixed = ", ".join(f"`{one}` ({type_})" for one, type_ in FIXED_OUTPUTS.get(name, {}).items())
    gives = _VARIABLE_OUTPUTS.get(name, fixed)
    lines = [
        NOTE,
        f"# The step kind `{name}`",
        "",
        summary(model),
        "",
        f"Takes: {takes}. Gives: {gives or 'nothing'}.",
        "",
        *_tables(model, name, defaults=True),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _tables(model: type[SpecModel], path: str, *, defaults: bool) -> Iterator[str]:
    """A table of the model's fields, then one for each object below it. Steps have pages of their own."""
    yield from ("| field | type | meaning |", "|---|---|---|")
    below: list[tuple[str, type[SpecModel]]] = []
    for field in object_shape(model).fields.values():
        place = f"{path}.{field.name}"
        page = KINDS.get(field.name) if path == "spec.steps[]" else None
        kind = f"[{field.name}](step-{field.name}.md)" if page else _type(field.shape)
        text = described(field, with_defaults=defaults).replace("|", "\\|").replace("<", "&lt;")
        yield f"| `{field.name}`{' (required)' if field.required else ''} | {kind} | {text} |"
        inner = None if page else _inner(field.shape, place)
        if inner is not None:
            below.append(inner)
    rules = [f"- {rule.message[0].upper()}{rule.message[1:]}." for rule in object_shape(model).rules]
    yield from ("", *rules, "") if rules else ("",)
    for place, inner_model in below:
        yield from (f"### {place}", "", summary(inner_model), "")
        yield from _tables(inner_model, place, defaults=defaults)


def _inner(shape: Shape, place: str) -> tuple[str, type[SpecModel]] | None:
    """The object at or inside a field, with its place. References to parameters need no table."""
    if isinstance(shape, Object):
        return None if shape.model is FromParameter else (place, shape.model)
    if isinstance(shape, Items):
        return _inner(shape.item, f"{place}[]")
    return _inner(shape.value, f"{place}.<name>") if isinstance(shape, Entries) else None


def _type(shape: Shape) -> str:
    if isinstance(shape, Object):
        return "`{parameter: <name>}`" if shape.model is FromParameter else "object"
    if isinstance(shape, Items):
        return f"list of {_counted(shape.min_items, shape.max_items)}{_type(shape.item)}"
    if isinstance(shape, Entries):
        return f"map of {_counted(shape.min_entries, shape.max_entries)}names to {_type(shape.value)}"
    if isinstance(shape, Free):
        return "map of name to any JSON" if shape.is_map else "any JSON"
    return _scalar_type(shape)


def _counted(least: int, most: int | None) -> str:
    """How many: `1 to 32 `."""
    return "" if most is None else f"{least} to {most} " if least else f"up to {most} "


def _scalar_type(shape: Scalar) -> str:
    if shape.values:
        return ", ".join(f"`{value}`" for value in shape.values)
    word = {"string": "text", "boolean": "true or false"}.get(shape.type, shape.type)
    limits: Mapping[str, float | None] = {
        ">=": shape.minimum,
        ">": shape.exclusive_minimum,
        "<=": shape.maximum,
        "<": shape.exclusive_maximum,
        "up to": shape.max_length,
    }
    return word + _bounds(limits)


def _bounds(limits: Mapping[str, float | None]) -> str:
    said = [f"{word} {value:.12g}" for word, value in limits.items() if value is not None]
    return f" ({', '.join(said)})" if said else ""


if __name__ == "__main__":
    sys.exit(generated.main(render, "the reference pages", NOTE, sys.argv[1:]))
