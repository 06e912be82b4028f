"""when: whether a step runs in this run. One level, one shape of test, no expression language.

A test compares one value with literals of its type. Texts are compared as they are; a number or truth value
is compared with a text as JSON writes it, so that `equals: "3"` and `equals: "true"` mean what they say.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.base import (
    Identifier,
    Name40,
    OutputRef,
    Rule,
    SpecModel,
    at_least_one,
    cel_name,
    exactly_one,
)
from penstock_spec.plain import canonical, plain
from penstock_spec.values import ParameterType

MOST_TESTS = 16
Literal = Annotated[str, StringConstraints(max_length=256)]
Literals = Annotated[tuple[Literal, ...], Field(min_length=1, max_length=64)]
TEXT_OPERATORS = ("equals", "notEquals", "in", "notIn")
NUMBER_OPERATORS = ("greaterThan", "lessThan", "atLeast", "atMost")
OPERATORS = (*TEXT_OPERATORS, *NUMBER_OPERATORS)
EQUALS = "Holds when the value is this one; a number or truth value in quotes, as in '3'."
NOT_EQUALS = "Holds when the value is another one."
IN = "Holds when the value is one of these."
NOT_IN = "Holds when the value is none of these."
GREATER_THAN = "Holds when the number is greater."
LESS_THAN = "Holds when the number is smaller."
AT_LEAST = "Holds when the number is this one or greater."
AT_MOST = "Holds when the number is this one or smaller."
# What a run may have been started by, beside the triggers that the pipeline declares.
BY_CHANGE, BY_HAND, BY_PARENT = "change", "manual", "parent"
STARTERS = (BY_CHANGE, BY_HAND, BY_PARENT)


class EndState(StrEnum):
    """How a step that is asked about may have ended."""

    SUCCEEDED = "Succeeded"
    REUSED = "Reused"
    SKIPPED = "Skipped"
    FAILED = "Failed"
    BLOCKED = "Blocked"


class TriggerTest(SpecModel):
    """What started the run."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (exactly_one("in", "notIn"),)

    in_: Annotated[tuple[Name40, ...], Field(min_length=1, max_length=16)] | None = Field(
        default=None,
        alias="in",
        description="Holds when one of these triggers started the run. change: the pipeline was applied with "
        "a change. manual: somebody created the run. parent: it is a step of another pipeline's run.",
    )
    not_in: Annotated[tuple[Name40, ...], Field(min_length=1, max_length=16)] | None = Field(
        default=None, description="Holds when none of these triggers started the run."
    )


def _compares(test: Mapping[str, Any]) -> bool:
    """One operator for a value; none for a step or a trigger, which say it themselves."""
    wanted = 1 if "result" in test or "parameter" in test else 0
    return sum(one in test for one in OPERATORS) == wanted


def _asks_a_step(test: Mapping[str, Any]) -> bool:
    return ("step" in test) == ("states" in test)


_SET = ", ".join(f"has(self.{cel_name(one)})" for one in OPERATORS)


class UntilTest(SpecModel):
    """One comparison of a result of the step itself."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (exactly_one(*OPERATORS),)

    result: OutputRef = Field(description="A result of the step itself, as <step>.<result>.")
    equals: Literal | None = Field(default=None, description=EQUALS)
    not_equals: Literal | None = Field(default=None, description=NOT_EQUALS)
    in_: Literals | None = Field(default=None, alias="in", description=IN)
    not_in: Literals | None = Field(default=None, description=NOT_IN)
    greater_than: float | None = Field(default=None, description=GREATER_THAN)
    less_than: float | None = Field(default=None, description=LESS_THAN)
    at_least: float | None = Field(default=None, description=AT_LEAST)
    at_most: float | None = Field(default=None, description=AT_MOST)


class WhenTest(SpecModel):
    """One comparison."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("result", "parameter", "trigger", "step"),
        Rule(
            f"[{_SET}].filter(x, x).size() == (has(self.result) || has(self.parameter) ? 1 : 0)",
            f"a result or parameter is compared by exactly one of {', '.join(OPERATORS)}",
            holds=_compares,
        ),
        Rule(
            "has(self.step) == has(self.states)",
            "step and states belong together: {step: gate, states: [Failed]}",
            holds=_asks_a_step,
        ),
    )

    result: OutputRef | None = Field(
        default=None,
        description="A result that a step declares, as <step>.<result>. A test on the result of a skipped "
        "step does not hold.",
    )
    parameter: Identifier | None = Field(
        default=None, description="Name in spec.parameters whose value in this run is compared."
    )
    trigger: TriggerTest | None = Field(
        default=None, description="What started the run. Example: {trigger: {in: [nightly]}}"
    )
    step: Name40 | None = Field(
        default=None, description="A step whose end is asked about; its failure then does not block this one."
    )
    states: Annotated[tuple[EndState, ...], Field(min_length=1, max_length=5)] | None = Field(
        default=None,
        description="Holds when the step has ended in one of these states. Succeeded covers Reused.",
    )
    equals: Literal | None = Field(
        default=None,
        description=EQUALS,
    )
    not_equals: Literal | None = Field(default=None, description=NOT_EQUALS)
    in_: Literals | None = Field(default=None, alias="in", description=IN)
    not_in: Literals | None = Field(default=None, description=NOT_IN)
    greater_than: float | None = Field(default=None, description=GREATER_THAN)
    less_than: float | None = Field(default=None, description=LESS_THAN)
    at_least: float | None = Field(default=None, description=AT_LEAST)
    at_most: float | None = Field(default=None, description=AT_MOST)


Tests = Annotated[tuple[WhenTest, ...], Field(min_length=1, max_length=MOST_TESTS)]


class When(SpecModel):
    """When a step runs: every group that is given must hold, or the step is skipped."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (at_least_one("all", "any", "none"),)

    all_: Tests | None = Field(default=None, alias="all", description="Each of these tests must hold.")
    any_: Tests | None = Field(
        default=None, alias="any", description="At least one of these tests must hold."
    )
    none: Tests | None = Field(default=None, description="Not one of these tests may hold.")


MOST_UNTIL = 8
UntilTests = Annotated[tuple[UntilTest, ...], Field(min_length=1, max_length=MOST_UNTIL)]


class Until(SpecModel):
    """When a step is repeated no more: every group that is given must hold of what an iteration gave."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (at_least_one("all", "any", "none"),)

    all_: UntilTests | None = Field(default=None, alias="all", description="Each of these tests must hold.")
    any_: UntilTests | None = Field(
        default=None, alias="any", description="At least one of these tests must hold."
    )
    none: UntilTests | None = Field(default=None, description="Not one of these tests may hold.")

    def met(self, results: Mapping[str, Any]) -> bool:
        """Whether these results are good enough. KeyError where one that is asked for is missing."""

        def holds(test: UntilTest) -> bool:
            return compares(test, results[test.result.partition(".")[2]])

        return (
            all(map(holds, self.all_ or ()))
            and not any(map(holds, self.none or ()))
            and (self.any_ is None or any(map(holds, self.any_)))
        )


def text_of(value: Any) -> str:
    """A value as it is compared with a literal."""
    return value if isinstance(value, str) else canonical(plain(value))


def value_of(type_: str, text: str) -> Any:
    """The value of this type that `text_of` wrote."""
    return text if type_ == ParameterType.STRING else json.loads(text)


def compares(test: WhenTest | UntilTest, value: Any) -> bool:
    """Whether a result or parameter of this value passes the test. The compiler has compared the types."""
    text = text_of(value)
    if test.equals is not None:
        return text == test.equals
    if test.not_equals is not None:
        return text != test.not_equals
    if test.in_ is not None:
        return text in test.in_
    if test.not_in is not None:
        return text not in test.not_in
    return _in_order(test, value)


def _in_order(test: WhenTest | UntilTest, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if test.greater_than is not None:
        return value > test.greater_than
    if test.less_than is not None:
        return value < test.less_than
    if test.at_least is not None:
        return value >= test.at_least
    return test.at_most is not None and value <= test.at_most


def comparison(test: WhenTest | UntilTest) -> tuple[str, str]:
    """The test's operator and literal in words, for a message: ("greater than", "0")."""
    set_ = test.as_set()
    operator = next(one for one in OPERATORS if one in set_)
    literal = set_[operator]
    said = ", ".join(literal) if isinstance(literal, list) else text_of(literal)
    return _WORDS[operator], said


_WORDS: Mapping[str, str] = {
    "equals": "",
    "notEquals": "other than",
    "in": "one of",
    "notIn": "none of",
    "greaterThan": "greater than",
    "lessThan": "less than",
    "atLeast": "at least",
    "atMost": "at most",
}
