"""One text, number or truth value: whether it is of its type and within its limits, answered in words."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from penstock_spec.errors import SpecReason, did_you_mean, one_of
from penstock_spec.paths import Path, clip
from penstock_spec.shapes import Scalar

Report = Callable[[Path, SpecReason, str, str], None]  # where, reason, what is wrong, what to do next
_WORDS = {"string": "a text", "integer": "a whole number", "number": "a number", "boolean": "true or false"}
_PATTERNS = {  # what a pattern means, for people
    r"^[a-z]([-a-z0-9]*[a-z0-9])?$": "Use lower-case letters, digits and dashes, a letter first: my-name.",
    r"^[a-z][a-z0-9_]*$": "Use lower-case letters, digits and underscores, a letter first: my_name.",
    r"^([a-z][a-z0-9_]*|scheduledTime|triggeredBy)$": (
        "Use lower-case letters, digits and underscores, a letter first."
    ),
    r"^[a-z]([-a-z0-9]*[a-z0-9])?\.[a-z][a-z0-9_]*$": "Write it as <step>.<output>, for example split.train.",
    r"^[0-9]+(\.[0-9]{1,3})?m?$": "Write cores, 2 or 0.5, or thousandths of one, 500m.",
    r"^[0-9]+(\.[0-9]{1,3})?(k|M|G|T|Ki|Mi|Gi|Ti)?$": "Write bytes with a unit: 512Mi or 4Gi.",
    r"^[1-9][0-9]{0,4}(s|m|h|d)$": "Write a number and a unit, s, m, h or d: 90s, 5m, 12h, 180d.",
    r"^https?://[^@\s/?#]+/[^@\s?#]+$": "Write https://host/path; credentials belong into a Secret.",
    r"^[a-zA-Z0-9][a-zA-Z0-9._:/-]*$": (
        "Write an image with a tag, ghcr.io/acme/base:stable; a digest never changes."
    ),
}


def check_scalar(shape: Scalar, data: Any, path: Path, report: Report, noun: str = "") -> None:
    """Report what is wrong with a value. `noun` is set where the value is the name of something."""
    if not _is_of(shape.type, data):
        report(
            path, SpecReason.WRONG_TYPE, f"is {said(data)}, not {_WORDS[shape.type]}", _type_hint(shape, data)
        )
    elif shape.values:
        if data not in shape.values:
            known = did_you_mean(data, shape.values) or one_of(shape.values)
            report(path, SpecReason.INVALID_VALUE, f'"{clip(data, 80)}" is not a value of this field', known)
    elif shape.type == "string":
        _check_text(shape, data, path, report, noun)
    elif shape.type != "boolean":
        _check_number(shape, data, path, report)


def _is_of(type_: str, data: Any) -> bool:
    if type_ == "string":
        return isinstance(data, str)
    if type_ == "boolean":
        return isinstance(data, bool)
    if isinstance(data, bool):
        return False
    return isinstance(data, int) or (type_ == "number" and isinstance(data, float))


def _type_hint(shape: Scalar, data: Any) -> str:
    if shape.values:
        return one_of(shape.values)
    if shape.type == "string":
        if isinstance(data, bool):
            return 'YAML reads y, n, on, off, yes and no as true or false: put the text in quotes ("y").'
        return "Put it in quotes." if isinstance(data, int | float) else "Write one text."
    if shape.type == "boolean":
        return "Write true or false, without quotes."
    return "Write the number without quotes." if isinstance(data, str) else f"Write {_WORDS[shape.type]}."


def _check_text(shape: Scalar, data: str, path: Path, report: Report, noun: str) -> None:
    if shape.max_length is not None and len(data) > shape.max_length:
        report(
            path,
            SpecReason.TOO_LARGE,
            f"{noun}has {len(data)} characters, more than {shape.max_length}",
            "Shorten it.",
        )
    elif shape.min_length is not None and len(data) < shape.min_length:
        report(path, SpecReason.INVALID_VALUE, f"{noun}is empty", "Write at least one character.")
    elif shape.pattern is not None and not _pattern(shape.pattern).search(data):
        hint = _PATTERNS.get(shape.pattern, f"It must match {shape.pattern}")
        report(path, SpecReason.INVALID_VALUE, f'{noun}"{clip(data, 80)}" is not of the allowed form', hint)
    elif shape.between is not None and not shape.between.fits(data):
        least, most = shape.between.least, shape.between.most
        hint = f"Use {least} to {most}."
        report(path, SpecReason.OUT_OF_RANGE, f"is {data}, not from {least} to {most}", hint)


def _check_number(shape: Scalar, data: float, path: Path, report: Report) -> None:
    if shape.minimum is not None and data < shape.minimum:
        report(
            path,
            SpecReason.OUT_OF_RANGE,
            f"is {data}, less than {shape.minimum}",
            f"Use at least {shape.minimum}.",
        )
    elif shape.maximum is not None and data > shape.maximum:
        report(
            path,
            SpecReason.OUT_OF_RANGE,
            f"is {data}, more than {shape.maximum}",
            f"Use at most {shape.maximum}.",
        )
    elif shape.exclusive_minimum is not None and data <= shape.exclusive_minimum:
        least = shape.exclusive_minimum
        report(path, SpecReason.OUT_OF_RANGE, f"is {data}, not more than {least}", f"Use more than {least}.")
    elif shape.exclusive_maximum is not None and data >= shape.exclusive_maximum:
        most = shape.exclusive_maximum
        report(path, SpecReason.OUT_OF_RANGE, f"is {data}, not less than {most}", f"Use less than {most}.")


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    # In Python `$` also stands before a closing newline; in the API server's RE2 it does not.
    return re.compile(pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern)


def said(data: Any) -> str:
    """What a value is, in words, without repeating it."""
    if data is None:
        return "null"
    if isinstance(data, bool):
        return "true or false"
    if isinstance(data, str):
        return "a text"
    if isinstance(data, int | float):
        return "a number"
    return "a list" if isinstance(data, list) else "a mapping"
