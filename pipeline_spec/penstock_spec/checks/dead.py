"""Conditions that can never hold: of a parameter by its bounds, of a step by what is needed of it besides."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from penstock_spec.checks.document import Document, problem
from penstock_spec.edges import DEPENDS_ON, INPUT, RESULT, SAME, STATE, VALUE
from penstock_spec.errors import Problem, SpecReason
from penstock_spec.facts import TestFacts
from penstock_spec.parameters import value_problem
from penstock_spec.pipeline import Parameter
from penstock_spec.references import StepFacts
from penstock_spec.values import ParameterType, is_of
from penstock_spec.when import TEXT_OPERATORS, EndState

_NUMBERS = (ParameterType.NUMBER, ParameterType.INTEGER)
# Whether no value that the parameter may have passes such a test.
_NEVER: Mapping[str, Callable[[Parameter, float], bool]] = {
    "greaterThan": lambda one, limit: one.maximum is not None and limit >= one.maximum,
    "atLeast": lambda one, limit: one.maximum is not None and limit > one.maximum,
    "lessThan": lambda one, limit: one.minimum is not None and limit <= one.minimum,
    "atMost": lambda one, limit: one.minimum is not None and limit < one.minimum,
}
_BY_CELL = frozenset({INPUT, VALUE, SAME})  # what the same cell of the other step gives


def bounds(document: Document) -> Iterator[Problem]:
    """A parameter is compared with a number that it can be, or can lie on either side of."""
    for step in document.steps:
        for test in step.tests:
            parameter = document.parameters.get(str(test.data.get("parameter")))
            if parameter is not None and parameter.type in _NUMBERS:
                yield from _beyond(parameter, test)


def _beyond(parameter: Parameter, test: TestFacts) -> Iterator[Problem]:
    what = f'the parameter "{parameter.name}"'
    for operator in TEXT_OPERATORS:
        given = test.data.get(operator)
        several = isinstance(given, list)
        texts: Sequence[Any] = given if isinstance(given, list) else (given,)
        for index, text in enumerate(texts):
            value = _number(parameter, text)
            found = None if value is None else value_problem(parameter, value, "")
            if found is not None:
                path = (*test.path, operator, index) if several else (*test.path, operator)
                yield problem(path, SpecReason.INVALID_VALUE, f"{what} is never {text}", found.hint)
    for operator, never in _NEVER.items():
        limit = test.data.get(operator)
        if isinstance(limit, int | float) and never(parameter, limit):
            hint = "Change the limit here, or the bounds of the parameter."
            message = f"never holds: {what} is {_range(parameter)}"
            yield problem((*test.path, operator), SpecReason.INVALID_VALUE, message, hint)


def _range(parameter: Parameter) -> str:
    least = "" if parameter.minimum is None else f"at least {parameter.minimum:g}"
    most = "" if parameter.maximum is None else f"at most {parameter.maximum:g}"
    return " and ".join(one for one in (least, most) if one)


def _number(parameter: Parameter, text: Any) -> int | float | None:
    """The number that a literal is; None where it is none of the parameter's type: reported as that."""
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return value if is_of(parameter.type, value) else None


def ends(document: Document) -> Iterator[Problem]:
    """A step that is asked whether it ended ill is not one that has to end well for this step to run."""
    for step in document.steps:
        for test in step.tests:
            states = test.data.get("states")
            if not isinstance(states, list) or not _is_asked_alone(step, test):
                continue
            kinds = _needed(document, test.step, step)
            if not _able(kinds).intersection(one for one in states if isinstance(one, str)):
                message = f'this step also needs step "{test.step}" to end well, so it never runs'
                hint = f"Take no output or result of {test.step} here."
                if DEPENDS_ON in kinds:
                    hint = f"Remove {test.step} from dependsOn: a step that when asks about is waited for."
                yield problem((*test.path, "states"), SpecReason.CONFLICTING_FIELDS, message, hint)


def _is_asked_alone(step: StepFacts, test: TestFacts) -> bool:
    """Whether the step is left out when this test does not hold, whatever others say."""
    group = test.path[-2]
    return group == "all" or (group == "any" and sum(one.path[-2] == "any" for one in step.tests) == 1)


def _needed(document: Document, before: str, step: StepFacts) -> frozenset[str]:
    """Why the step needs the other one to end well, beside that it asks how that ended."""
    graph = document.graph
    if not graph.has_edge(before, step.name):
        return frozenset()
    kinds: frozenset[str] = graph.edges[before, step.name]["kinds"] - {STATE}
    if step.always:
        kinds -= {RESULT, DEPENDS_ON, SAME}
    return kinds - _BY_CELL if document.paired(before, step.name) else kinds


def _able(kinds: frozenset[str]) -> frozenset[str]:
    """The ends of a step with which another one that needs it for these reasons may still run."""
    if not kinds:
        return frozenset(map(str, EndState))
    well = {str(EndState.SUCCEEDED), str(EndState.REUSED)}
    return frozenset(well if kinds & {INPUT, VALUE} else {*well, str(EndState.SKIPPED)})
