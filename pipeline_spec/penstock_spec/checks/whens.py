"""Conditions of steps: what they ask about exists, and is compared with what it can be."""

import json
import re
from collections.abc import Iterator, Mapping

from penstock_spec.checks.document import Document, dicts, problem
from penstock_spec.checks.references import step_hint
from penstock_spec.checks.taken import of_many, unknown_result
from penstock_spec.errors import Problem, SpecError, SpecReason, did_you_mean
from penstock_spec.facts import TestFacts
from penstock_spec.paths import Path, clip
from penstock_spec.plain import canonical, plain
from penstock_spec.references import StepFacts
from penstock_spec.values import ParameterType
from penstock_spec.when import NUMBER_OPERATORS, STARTERS, TEXT_OPERATORS

_NUMBERS = (ParameterType.NUMBER, ParameterType.INTEGER)
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_LIKE: Mapping[ParameterType, str] = {
    ParameterType.STRING: "",
    ParameterType.INTEGER: 'Write a whole number in quotes, "3", or use atLeast, atMost.',
    ParameterType.NUMBER: 'Write a number in quotes, "0.5", or use atLeast, atMost.',
    ParameterType.BOOLEAN: 'Write "true" or "false", in quotes.',
}


def references(document: Document) -> Iterator[Problem]:
    """Every step, result, parameter and trigger that a test asks about is there."""
    triggers = {*STARTERS, *_trigger_names(document)}
    for step in document.steps:
        for test in step.tests:
            yield from _step(document, step, test)
            yield from _parameter(document, test)
            yield from _trigger(triggers, test)


def _trigger_names(document: Document) -> Iterator[str]:
    for _, one in dicts(document.data.get("triggers")):
        if isinstance(one.get("name"), str):
            yield one["name"]


def _step(document: Document, step: StepFacts, test: TestFacts) -> Iterator[Problem]:
    if not test.step:
        return
    path, other = test.place, document.by_name.get(test.step)
    if test.step == step.name:
        message = "a step cannot ask about itself"
        yield problem(path, SpecReason.SELF_REFERENCE, message, "Name another step.")
    elif other is None:
        hint = step_hint(document, step, test.step)
        yield problem(path, SpecReason.UNKNOWN_STEP, f'there is no step "{test.step}"', hint)
    elif test.result and other.results is not None and test.result not in other.results:
        yield unknown_result(other, test.result, path)
    elif test.result and other.gives_lists:
        yield of_many(other, path)


def _parameter(document: Document, test: TestFacts) -> Iterator[Problem]:
    name = test.data.get("parameter")
    if isinstance(name, str) and name not in document.declared:
        hint = did_you_mean(name, document.declared) or "Declare it in spec.parameters."
        message = f'there is no parameter "{name}"'
        yield problem((*test.path, "parameter"), SpecReason.UNKNOWN_PARAMETER, message, hint)


def _trigger(known: set[str], test: TestFacts) -> Iterator[Problem]:
    trigger = test.data.get("trigger")
    if not isinstance(trigger, Mapping):
        return
    for group in ("in", "notIn"):
        named = trigger.get(group)
        for index, name in enumerate(named if isinstance(named, list) else ()):
            if isinstance(name, str) and name not in known:
                path = (*test.path, "trigger", group, index)
                message = f'there is no trigger "{clip(name, 80)}"'
                yield problem(path, SpecReason.UNKNOWN_TRIGGER, message, did_you_mean(name, known))


def types(document: Document) -> Iterator[Problem]:
    """Only numbers are greater or smaller, and what a value is compared with is one that it can have."""
    for step in document.steps:
        for test in (*step.tests, *step.until):
            type_, what = _type_of(document, test)
            if type_ is None:
                continue
            for operator in NUMBER_OPERATORS:
                if operator in test.data and type_ not in _NUMBERS:
                    message = f"compares numbers, but {what} is of type {type_}"
                    hint = "Use equals, notEquals, in or notIn."
                    yield problem((*test.path, operator), SpecReason.TYPE_MISMATCH, message, hint)
            for path, literal in _literals(test):
                yield from _literal(document, test, type_, what, path, literal)


def _type_of(document: Document, test: TestFacts) -> tuple[ParameterType | None, str]:
    """The type of what is compared and what that is called; None where either is not known."""
    name = test.data.get("parameter")
    if isinstance(name, str):
        parameter = document.parameters.get(name)
        return (None if parameter is None else parameter.type), f'the parameter "{name}"'
    other = document.by_name.get(test.step)
    if not test.result or other is None or test.result not in (other.results or {}):
        return None, ""
    return ParameterType((other.results or {})[test.result]), f'the result "{test.step}.{test.result}"'


def _literals(test: TestFacts) -> Iterator[tuple[Path, str]]:
    for operator in TEXT_OPERATORS:
        value = test.data.get(operator)
        if isinstance(value, str):
            yield (*test.path, operator), value
        for index, one in enumerate(value if isinstance(value, list) else ()):
            if isinstance(one, str):
                yield (*test.path, operator, index), one


def _literal(
    document: Document, test: TestFacts, type_: ParameterType, what: str, path: Path, literal: str
) -> Iterator[Problem]:
    if not _can_be(type_, literal):
        message = f'{what} is of type {type_} and can never be "{clip(literal, 80)}"'
        yield problem(path, SpecReason.TYPE_MISMATCH, message, _LIKE[type_])
        return
    parameter = document.parameters.get(str(test.data.get("parameter")))
    if parameter is not None and parameter.allowed and literal not in parameter.allowed:
        message = f'{what} is never "{clip(literal, 80)}"'
        yield problem(path, SpecReason.INVALID_VALUE, message, did_you_mean(literal, parameter.allowed))


def _can_be(type_: ParameterType, literal: str) -> bool:
    """Whether a value of the type is written like the literal."""
    if type_ is ParameterType.BOOLEAN:
        return literal in {"true", "false"}
    if type_ is ParameterType.INTEGER:
        return _INTEGER.fullmatch(literal) is not None
    return type_ is ParameterType.STRING or _is_number(literal)


def _is_number(literal: str) -> bool:
    """Whether it is the one text that JSON has for a number: 0.5, never .5 or 0.50."""
    try:
        return canonical(plain(json.loads(literal))) == literal
    except (ValueError, SpecError, RecursionError):
        return False
