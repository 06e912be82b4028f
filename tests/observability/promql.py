"""What an expression of PromQL asks for: series and labels. Enough for our own, and no parser."""

import re
from dataclasses import dataclass

_NAME = re.compile(r"(?<![\w:$\"])((?:endpoint:)?(?:penstock|process)_\w+(?::\w+)?)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_GROUPING = re.compile(r"\b(by|on)\s*\(([^)]*)\)")
_LEGEND = re.compile(r"{{\s*(?:\$labels\.)?(\w+)\s*}}")


@dataclass(frozen=True)
class Asked:
    """A series in an expression, and the labels that its matchers name."""

    name: str
    labels: frozenset[str]


def asked(expression: str) -> list[Asked]:
    """The series that an expression selects."""
    return [
        Asked(name, frozenset(_MATCHER.findall(matchers))) for name, matchers in _NAME.findall(expression)
    ]


def grouped(expression: str, *words: str) -> set[str]:
    """The labels that an expression groups (`by`) or joins (`on`) by, or does what of this is asked for."""
    found = [labels for word, labels in _GROUPING.findall(expression) if word in (words or ("by", "on"))]
    return {one.strip() for labels in found for one in labels.split(",") if one.strip()}


def named(text: str) -> set[str]:
    """The labels whose values stand in a legend or in the words of an alert."""
    return set(_LEGEND.findall(text)) - {"value"}
