"""The values of one run put in place: containers see only literals, never `...From`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock_spec.base import SpecModel
from penstock_spec.checks.memory import too_little
from penstock_spec.errors import Problem, SpecError, SpecReason, did_you_mean
from penstock_spec.kinds.deploy import Resources
from penstock_spec.parameters import value_problem
from penstock_spec.paths import show
from penstock_spec.pipeline import Parameter, PipelineSpec, Step
from penstock_spec.plain import canonical, plain
from penstock_spec.references import KINDS, container_of
from penstock_spec.shapes import Entries, Items, Object, Scalar, Shape, object_shape, takes_values
from penstock_spec.structure import structure_problems
from penstock_spec.triggers import SCHEDULED_TIME, TRIGGERED_BY

Values = Mapping[str, Any]


@dataclass(frozen=True)
class ResolvedStep:
    """A step with every parameter replaced by its value.

    `arguments` is the kind's body as plain JSON, what the user set and nothing else; `body` is the same as a
    model. `image` is empty where the built-in program runs. `secrets` maps the aliases that the step uses to
    Secrets.
    """

    name: str
    kind: str
    body: SpecModel
    arguments: Mapping[str, Any]
    resources: Resources
    image: str
    secrets: Mapping[str, str]
    gang: Mapping[str, Any] = field(default_factory=dict)  # as set; empty where one pod does the step


def resolve_parameters(spec: PipelineSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every declared parameter: as given, else its default. SpecError with every problem.

    Whole numbers may be written as 3.0. Paths in problems are those of a PipelineRun: spec.parameters.<name>.
    """
    data = plain(given, ("spec", "parameters"))
    declared = {one.name: one for one in spec.parameters}
    problems: list[Problem] = []
    if not isinstance(data, dict):
        raise SpecError(
            [Problem("spec.parameters", SpecReason.WRONG_TYPE, "is not a mapping", "Write name: value.")]
        )
    for name in data:
        if name not in declared:
            path = show(("spec", "parameters", name))
            hint = did_you_mean(name, declared) or "The pipeline declares no parameters."
            problems.append(
                Problem(path, SpecReason.UNKNOWN_PARAMETER, "the pipeline has no such parameter", hint)
            )
    values: dict[str, Any] = {}
    for name, one in declared.items():
        problem = _given_problem(one, data)
        if problem is not None:
            problems.append(problem)
        else:
            values[name] = data.get(name, plain(one.default))
    if problems:
        raise SpecError(problems)
    return values


def run_values(
    spec: PipelineSpec, given: Mapping[str, Any], scheduled_time: str, triggered_by: str = ""
) -> dict[str, Any]:
    """The value of everything that `...From: {parameter: ...}` may name in one run.

    SpecError as `resolve_parameters`.
    """
    return {**resolve_parameters(spec, given), SCHEDULED_TIME: scheduled_time, TRIGGERED_BY: triggered_by}


def _given_problem(parameter: Parameter, data: Mapping[str, Any]) -> Problem | None:
    """What is wrong with the value that a run gives, or does not give, to a parameter."""
    path = show(("spec", "parameters", parameter.name))
    value = data.get(parameter.name, parameter.default)
    if value is not None:
        return value_problem(parameter, value, path)
    if parameter.name in data:
        hint = "Give a value, or leave the name out: then the default holds."
        return Problem(path, SpecReason.NULL_VALUE, "is null", hint)
    hint = f"Set a value of type {parameter.type}."
    return Problem(path, SpecReason.MISSING_PARAMETER, "has no value and no default", hint)


def resolve_step(spec: PipelineSpec, step: Step, values: Values) -> ResolvedStep:
    """The step as its containers will see it.

    SpecError where a value does not fit the field it is used in.
    """
    position = next(index for index, one in enumerate(spec.steps) if one.name == step.name)
    path = ("spec", "steps", position)
    body_shape = object_shape(KINDS[step.kind])
    arguments = _resolve(body_shape, step.body.as_set(), values)
    resources = _resolve(object_shape(Resources), step.resources.as_set(), values)
    problems = structure_problems(body_shape, arguments, (*path, step.kind))
    problems += structure_problems(object_shape(Resources), resources, (*path, "resources"))
    problems += too_little(resources, (*path, "resources"))
    if problems:
        raise SpecError(problems)
    body = KINDS[step.kind].model_validate(arguments, by_alias=True, by_name=False)
    container = container_of(step.kind, arguments) or {}
    return ResolvedStep(
        name=step.name,
        kind=step.kind,
        body=body,
        arguments=body.as_set(),
        resources=Resources.model_validate(resources, by_alias=True, by_name=False),
        image=container.get("image", ""),
        secrets=_secrets(spec, container.get("env", ())),
        gang=step.gang.as_set() if step.gang is not None else {},
    )


def _secrets(spec: PipelineSpec, env: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    declared = {one.name: one.secret for one in spec.secrets}
    used = sorted({one["secret"]["name"] for one in env if "secret" in one})
    return {alias: declared[alias] for alias in used}


def _resolve(shape: Shape, data: Any, values: Values) -> Any:
    """A copy of the data in which each `<field>From` has become `<field>`."""
    if isinstance(shape, Object) and isinstance(data, Mapping):
        return _resolve_object(shape, data, values)
    if isinstance(shape, Items):
        return [_resolve(shape.item, one, values) for one in data]
    if isinstance(shape, Entries):
        return {name: _resolve(shape.value, one, values) for name, one in data.items()}
    return data


def _resolve_object(shape: Object, data: Mapping[str, Any], values: Values) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in data.items():
        target = name.removesuffix("From")
        if target not in shape.fields or not takes_values(shape.fields[name].shape):
            found[name] = _resolve(shape.fields[name].shape, value, values)
        elif isinstance(shape.fields[name].shape, Entries):
            taken = {key: values[one["parameter"]] for key, one in value.items()}
            found[target] = {**data.get(target, {}), **taken}
        else:
            found[target] = _fitted(shape.fields[target].shape, values[value["parameter"]])
    return found


def _fitted(shape: Shape, value: Any) -> Any:
    """The value for its field: a field that holds text takes every value, written as JSON writes it."""
    if isinstance(shape, Scalar) and shape.type == "string" and not isinstance(value, str):
        return canonical(value)
    return value
