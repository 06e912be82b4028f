"""The models as plain descriptions of JSON: which fields, of which type, within which limits.

Three readers need the same facts: the generator of the CRDs, the compiler's check of what was written, and
the resolution of `...From` fields. They read them here, from the models, and nowhere else.
"""

import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

import annotated_types
from pydantic import StringConstraints
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from penstock_spec.base import (
    AnyJson,
    Between,
    FromParameter,
    ListMap,
    MapLimits,
    Rule,
    SpecModel,
    StoredDefault,
)

SCALARS: Mapping[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}


@dataclass(frozen=True)
class Scalar:
    """A text, number or truth value; `type` is the word of JSON schema."""

    type: str
    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    exclusive_maximum: float | None = None
    values: tuple[str, ...] = ()  # of an enumeration
    between: Between | None = None  # of a duration


@dataclass(frozen=True)
class Items:
    """A list. `key` names the field that tells its items apart, where there is one."""

    item: "Shape"
    min_items: int = 0
    max_items: int | None = None
    key: str | None = None


@dataclass(frozen=True)
class Entries:
    """A map with free keys."""

    key: Scalar
    value: "Shape"
    min_entries: int = 0
    max_entries: int | None = None
    key_length: int = 63


@dataclass(frozen=True)
class Free:
    """Any JSON; `is_map` where it must be an object, of at most `max_entries`."""

    is_map: bool
    max_entries: int = 64


@dataclass(frozen=True)
class Field:
    """One field of an object, under its name in YAML."""

    name: str
    attribute: str
    shape: "Shape"
    description: str
    required: bool
    default: Any  # None where the field is required or absent by default
    stored: bool = False  # whether the API server writes the default into objects


@dataclass(frozen=True)
class Object:
    """An object with known fields."""

    model: type[SpecModel]
    fields: Mapping[str, Field]
    rules: tuple[Rule, ...] = field(default=())


Shape = Scalar | Items | Entries | Free | Object


@cache
def object_shape(model: type[SpecModel]) -> Object:
    """The shape of a model, with everything below it."""
    fields = (_field(attribute, info) for attribute, info in model.model_fields.items())
    return Object(model, {one.name: one for one in fields}, model.cel_rules)


def takes_values(shape: Shape) -> bool:
    """Whether what stands here says where a value comes from: one, or a map of them."""
    inner = shape.value if isinstance(shape, Entries) else shape
    return isinstance(inner, Object) and inner.model is FromParameter


def _field(attribute: str, info: FieldInfo) -> Field:
    required = info.is_required()
    default = None if required else info.get_default(call_default_factory=True, validated_data={})
    return Field(
        name=info.alias or attribute,
        attribute=attribute,
        shape=_shape(info.annotation, info.metadata),
        description=info.description or "",
        required=required,
        default=None if default is PydanticUndefined else default,
        stored=any(isinstance(one, StoredDefault) for one in info.metadata),
    )


def _shape(annotation: Any, metadata: Iterable[Any]) -> Shape:
    marks = list(metadata)
    while get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        marks += more
    if get_origin(annotation) in {Union, types.UnionType}:
        (only,) = (one for one in get_args(annotation) if one is not type(None))  # unions are None | one type
        return _shape(only, marks)
    marks = _flat(marks)
    origin = get_origin(annotation)
    if any(isinstance(one, AnyJson) for one in marks):
        return Free(is_map=origin is not None and issubclass(origin, Mapping))
    if origin is not None and issubclass(origin, Mapping):
        return _entries(annotation, marks)
    if origin is not None and issubclass(origin, Sequence):
        return _items(annotation, marks)
    if isinstance(annotation, type) and issubclass(annotation, SpecModel):
        return object_shape(annotation)
    return _scalar(annotation, marks)


def _entries(annotation: Any, marks: list[Any]) -> Entries:
    key_type, value_type = get_args(annotation)
    limits = next((one for one in marks if isinstance(one, MapLimits)), None)
    if limits is None:
        raise TypeError(f"{annotation} has no MapLimits: every map of the API is bounded")
    key = _shape(key_type, ())
    if not isinstance(key, Scalar):
        raise TypeError(f"{annotation}: keys must be texts")
    return Entries(
        key,
        _shape(value_type, ()),
        int(_limit(marks, "min_length") or 0),
        limits.properties,
        limits.key_length,
    )


def _items(annotation: Any, marks: list[Any]) -> Items:
    key = next((one.key for one in marks if isinstance(one, ListMap)), None)
    longest = _limit(marks, "max_length")
    if longest is None:
        raise TypeError(f"{annotation} has no max_length: every list of the API is bounded")
    return Items(
        _shape(get_args(annotation)[0], ()), int(_limit(marks, "min_length") or 0), int(longest), key
    )


def _scalar(annotation: Any, marks: list[Any]) -> Scalar:
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return Scalar("string", values=tuple(str(one.value) for one in annotation))
    if annotation not in SCALARS:
        raise TypeError(f"the API has no type for {annotation}")
    return Scalar(
        SCALARS[annotation],
        pattern=next((one.pattern for one in marks if isinstance(getattr(one, "pattern", None), str)), None),
        min_length=_whole(_limit(marks, "min_length")),
        max_length=_whole(_limit(marks, "max_length")),
        minimum=_limit(marks, "ge"),
        maximum=_limit(marks, "le"),
        exclusive_minimum=_limit(marks, "gt"),
        exclusive_maximum=_limit(marks, "lt"),
        between=next((one for one in marks if isinstance(one, Between)), None),
    )


def _flat(marks: list[Any]) -> list[Any]:
    """Metadata with `Field(...)` inside Annotated taken apart into its limits."""
    flat: list[Any] = []
    for mark in marks:
        if isinstance(mark, FieldInfo):
            flat += _flat(list(mark.metadata))
        elif isinstance(mark, annotated_types.GroupedMetadata) and not isinstance(mark, StringConstraints):
            flat += list(mark)
        else:
            flat.append(mark)
    return flat


def _limit(marks: list[Any], name: str) -> Any:
    return next((value for one in marks if (value := getattr(one, name, None)) is not None), None)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
