"""Parameters: whether a value is one that a parameter may have."""

from typing import Any

from penstock_spec.errors import Problem, SpecReason, did_you_mean
from penstock_spec.paths import clip
from penstock_spec.pipeline import Parameter
from penstock_spec.scalars import said
from penstock_spec.values import TYPE_WORDS, ParameterType, is_of

MAX_TEXT = 4096


def value_problem(parameter: Parameter, value: Any, path: str) -> Problem | None:
    """What is wrong with a plain value of this parameter, or None."""
    if not is_of(parameter.type, value):
        hint = (
            "Put it in quotes."
            if parameter.type is ParameterType.STRING
            else f"Give {TYPE_WORDS[parameter.type]}."
        )
        message = f"is {said(value)}, but the parameter's type is {parameter.type}"
        return Problem(path, SpecReason.WRONG_TYPE, message, hint)
    if isinstance(value, str):
        return _text_problem(parameter, value, path)
    if parameter.minimum is not None and value < parameter.minimum:
        message = f"is {value}, less than the parameter's minimum {parameter.minimum:g}"
        return Problem(path, SpecReason.OUT_OF_RANGE, message, f"Use at least {parameter.minimum:g}.")
    if parameter.maximum is not None and value > parameter.maximum:
        message = f"is {value}, more than the parameter's maximum {parameter.maximum:g}"
        return Problem(path, SpecReason.OUT_OF_RANGE, message, f"Use at most {parameter.maximum:g}.")
    return None


def _text_problem(parameter: Parameter, value: str, path: str) -> Problem | None:
    if "\0" in value:
        message = "has a NUL character, which no program can be given"
        return Problem(path, SpecReason.INVALID_VALUE, message, "Remove it.")
    if len(value) > MAX_TEXT:
        message = f"has {len(value)} characters, more than {MAX_TEXT}"
        return Problem(path, SpecReason.TOO_LARGE, message, "Put it into a file that the step reads.")
    if parameter.allowed and value not in parameter.allowed:
        message = f'"{clip(value, 80)}" is not allowed for this parameter'
        return Problem(path, SpecReason.INVALID_VALUE, message, did_you_mean(value, parameter.allowed))
    return None
