"""Shapes as structural OpenAPI schemas, the form in which a CustomResourceDefinition wants them.

No schema default is written but for StoredDefault (see base.py); "Default: ..." in a description is what the
compiler assumes.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from penstock_spec.base import FromValue, Rule, SpecModel
from penstock_spec.shapes import Entries, Field, Free, Items, Object, Scalar, Shape, object_shape

Schema = dict[str, Any]


def structural_schema(model: type[SpecModel], description: str, *, with_defaults: bool) -> Schema:
    """The schema of a model. `with_defaults` appends each field's default to its description."""
    return {"description": description, **_object(object_shape(model), with_defaults=with_defaults)}


def default_text(field: Field) -> str:
    """` Default: <JSON>.` for a field that has one; nothing for required fields and whole objects."""
    if field.required or field.default is None or isinstance(field.default, SpecModel):
        return ""
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    if isinstance(default, list) and any(isinstance(one, SpecModel) for one in default):
        return ""  # its description says it
    return f" Default: {json.dumps(default, ensure_ascii=False)}."


def described(field: Field, *, with_defaults: bool) -> str:
    """The field's description as a closed sentence, with its default."""
    text = field.description if field.description.endswith((".", "!")) else f"{field.description}."
    return text + (default_text(field) if with_defaults else "")


def _schema(shape: Shape, *, with_defaults: bool) -> Schema:
    if isinstance(shape, Object):
        return _object(shape, with_defaults=with_defaults)
    if isinstance(shape, Items):
        return _items(shape, with_defaults=with_defaults)
    if isinstance(shape, Entries):
        value = _item(shape.value, with_defaults=with_defaults)
        limits = {"minProperties": shape.min_entries or None, "maxProperties": shape.max_entries}
        rules = {"x-kubernetes-validations": _key_rules(shape)}
        return {"type": "object", "additionalProperties": value, **_set(limits), **_set(rules)}
    if isinstance(shape, Free):
        kind: Schema = {"type": "object", "maxProperties": shape.max_entries} if shape.is_map else {}
        return {**kind, "x-kubernetes-preserve-unknown-fields": True}
    return _scalar(shape)


def _key_rules(shape: Entries) -> list[dict[str, str]] | None:
    """Structural schemas cannot bound the names of a map, so CEL does."""
    if shape.key.pattern is None:
        return None
    length = min(shape.key_length, shape.key.max_length or shape.key_length)
    rule = f"self.all(name, name.size() <= {length} && name.matches('{shape.key.pattern}'))"
    return [
        Rule(rule, f"names must match {shape.key.pattern} and have at most {length} characters").to_schema()
    ]


def _object(shape: Object, *, with_defaults: bool) -> Schema:
    properties = {
        name: {
            "description": described(field, with_defaults=with_defaults),
            **_schema(field.shape, with_defaults=with_defaults),
            **({"default": _stored(field)} if field.stored else {}),
        }
        for name, field in shape.fields.items()
    }
    required = [name for name, field in shape.fields.items() if field.required]
    if shape.model is FromValue:
        # "Exactly one" in two words: it stands below dozens of fields, and a CRD has its limit.
        return {"type": "object", "minProperties": 1, "maxProperties": 1, "properties": properties}
    rules = [rule.to_schema() for rule in shape.rules]
    extra = _set({"required": required or None, "x-kubernetes-validations": rules or None})
    return {"type": "object", "properties": properties, **extra}


def _stored(field: Field) -> Any:
    return field.default.as_set() if isinstance(field.default, SpecModel) else field.default


def _items(shape: Items, *, with_defaults: bool) -> Schema:
    schema: Schema = {"type": "array", "items": _item(shape.item, with_defaults=with_defaults)}
    schema |= _set({"minItems": shape.min_items or None, "maxItems": shape.max_items})
    if shape.key is None:
        return schema | {"x-kubernetes-list-type": "atomic"}
    return schema | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [shape.key]}


def _item(shape: Shape, *, with_defaults: bool) -> Schema:
    """The schema of a list's item or a map's value; objects are described by their model."""
    schema = _schema(shape, with_defaults=with_defaults)
    if isinstance(shape, Object):
        return {"description": summary(shape.model), **schema}
    return schema


def summary(model: type[SpecModel]) -> str:
    """The first paragraph of the model's documentation as one line."""
    return " ".join((model.__doc__ or "").strip().split("\n\n")[0].split())


def _scalar(shape: Scalar) -> Schema:
    if shape.values:
        return {"type": "string", "enum": list(shape.values)}
    exclusive_low = shape.exclusive_minimum is not None
    exclusive_high = shape.exclusive_maximum is not None
    limits = {
        "format": "int64" if shape.type == "integer" else None,
        "pattern": shape.pattern,
        "minLength": shape.min_length,
        "maxLength": shape.max_length,
        "minimum": _number(shape.exclusive_minimum if exclusive_low else shape.minimum),
        "exclusiveMinimum": exclusive_low or None,
        "maximum": _number(shape.exclusive_maximum if exclusive_high else shape.maximum),
        "exclusiveMaximum": exclusive_high or None,
        "x-kubernetes-validations": None if shape.between is None else [shape.between.rule().to_schema()],
    }
    return {"type": shape.type, **_set(limits)}


def _number(value: float | None) -> float | None:
    """Whole numbers without a decimal point: the API server compares schemas as text."""
    return int(value) if value is not None and float(value).is_integer() else value


def _set(entries: Mapping[str, Any]) -> Schema:
    return {name: value for name, value in entries.items() if value is not None}


def fields_below(schema: Mapping[str, Any], path: Sequence[str] = ()) -> list[tuple[tuple[str, ...], Schema]]:
    """Every field of a schema with its path; list items and map values add nothing to a path."""
    found: list[tuple[tuple[str, ...], Schema]] = []
    for name, field in schema.get("properties", {}).items():
        here = (*path, name)
        found.append((here, field))
        found += fields_below(field, here)
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), Mapping):
            found += fields_below(schema[inner], path)
    return found
