"""Types of the plain values that parameters and results have."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from penstock_spec.shapes import Scalar


class ParameterType(StrEnum):
    """What a value is."""

    STRING = "String"
    INTEGER = "Integer"
    NUMBER = "Number"
    BOOLEAN = "Boolean"


TYPE_WORDS: Mapping[ParameterType, str] = {
    ParameterType.STRING: "a text",
    ParameterType.INTEGER: "a whole number of at most 64 bits",
    ParameterType.NUMBER: "a number",
    ParameterType.BOOLEAN: "true or false",
}


# Which values a field of this JSON type takes; texts take every value, written as JSON.
_FITTING: Mapping[str, tuple[ParameterType, ...]] = {
    "integer": (ParameterType.INTEGER,),
    "number": (ParameterType.NUMBER, ParameterType.INTEGER),
    "boolean": (ParameterType.BOOLEAN,),
}


def misfit(type_: ParameterType, target: Scalar) -> tuple[ParameterType, ...]:
    """The types that the field takes, where values of `type_` are none of them; else nothing."""
    fitting = _FITTING.get(target.type, ())
    return () if type_ in fitting else fitting


def is_of(type_: ParameterType, value: Any) -> bool:
    """Whether a plain value is of the type; true and false are no numbers."""
    if type_ is ParameterType.STRING:
        return isinstance(value, str)
    if type_ is ParameterType.BOOLEAN:
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (type_ is ParameterType.NUMBER and isinstance(value, float))
