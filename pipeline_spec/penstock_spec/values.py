"""Types of the plain values that parameters and results have."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class ParameterType(StrEnum):
    """What a value is."""

    STRING = "String"
    INTEGER = "Integer"
    NUMBER = "Number"
    BOOLEAN = "Boolean"


TYPE_WORDS: Mapping[ParameterType, str] = {
    ParameterType.STRING: "a text",
    ParameterType.INTEGER: "a whole number",
    ParameterType.NUMBER: "a number",
    ParameterType.BOOLEAN: "true or false",
}


def is_of(type_: ParameterType, value: Any) -> bool:
    """Whether a plain value is of the type; true and false are no numbers."""
    if type_ is ParameterType.STRING:
        return isinstance(value, str)
    if type_ is ParameterType.BOOLEAN:
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (type_ is ParameterType.NUMBER and isinstance(value, float))
