"""Whatever JSON comes in: a pipeline, or problems in words; never anything else."""

import json
import math

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from penstock_spec.errors import SpecError, SpecReason, format_problems
from penstock_spec.graph import CompiledPipeline, compile_pipeline, compiled
from penstock_spec.pipeline import PipelineSpec
from penstock_spec.plain import canonical, plain
from penstock_spec.resolve import check_step, resolve_parameters, resolve_step
from penstock_spec.shapes import object_shape
from penstock_spec.structure import structure_problems, without_nulls
from tests.spec.good_spec import good
from tests.spec.json_mutations import ANY_JSON, mutated_specs

# Reasons of the shape check that pydantic's models alone do not have.
BEYOND_PYDANTIC = {
    SpecReason.CONFLICTING_FIELDS,
    SpecReason.MISSING_FIELD,
    SpecReason.TOO_LARGE,
    SpecReason.DUPLICATE,
    SpecReason.NULL_VALUE,
    SpecReason.BOOLEAN_KEY,
}


SOME = {"String": "1Gi", "Integer": 3, "Number": 0.5, "Boolean": True}  # results of each type


@given(ANY_JSON)
@settings(max_examples=200, deadline=None)
def test_any_json_gives_problems_with_a_path_and_nothing_else(raw: object):
    with pytest.raises(SpecError) as caught:
        compile_pipeline(raw)
    assert caught.value.problems
    for problem in caught.value.problems:
        assert problem.path == "spec" or problem.path.startswith(("spec.", "spec["))
        assert problem.message
    assert len(format_problems(caught.value.problems)) <= 8192


@given(mutated_specs(), st.one_of(st.none(), ANY_JSON, mutated_specs()))
@settings(max_examples=60, deadline=None)
def test_a_spoiled_pipeline_compiles_or_gives_problems_and_nothing_else(raw: object, applied: object):
    check_spoiled(raw, applied)


@pytest.mark.slow
@given(mutated_specs(), st.one_of(st.none(), ANY_JSON, mutated_specs()))
@settings(max_examples=500, deadline=None)
def test_very_many_spoiled_pipelines_compile_or_give_problems(raw: object, applied: object):
    check_spoiled(raw, applied)


def check_spoiled(raw: object, applied: object) -> None:
    try:
        pipeline = compile_pipeline(raw, applied)
    except SpecError as error:
        problems = error.problems
    else:
        check_compiled(pipeline)
        return
    assert problems
    assert len({(one.path, one.reason, one.message) for one in problems}) == len(problems)


def check_compiled(pipeline: CompiledPipeline) -> None:
    position = {name: index for index, name in enumerate(pipeline.order)}
    assert set(position) == {one.name for one in pipeline.spec.steps}
    assert all(position[before] < position[after] for before, after in pipeline.graph.edges)
    for step in pipeline.spec.steps:
        for source in pipeline.inputs(step.name).values():
            assert source[0] in pipeline.needs(step.name)
            assert pipeline.type_of(source)
    again = compiled(pipeline.spec)
    assert again.order == pipeline.order
    assert nx.utils.graphs_equal(again.graph, pipeline.graph)


@given(mutated_specs())
@settings(max_examples=60, deadline=None)
def test_the_check_of_the_shape_and_the_models_agree(raw: object):
    check_agreement(raw)


@pytest.mark.slow
@given(mutated_specs())
@settings(max_examples=500, deadline=None)
def test_the_check_of_the_shape_and_the_models_agree_very_often(raw: object):
    check_agreement(raw)


def check_agreement(raw: object) -> None:
    shape = object_shape(PipelineSpec)
    try:
        data = without_nulls(shape, plain(raw))
    except SpecError:
        return
    problems = structure_problems(shape, data, ("spec",))
    try:
        PipelineSpec.model_validate_json(canonical(data), strict=True, by_alias=True, by_name=False)
    except ValidationError:
        refused = True
    else:
        refused = False
    assert problems if refused else {one.reason for one in problems} <= BEYOND_PYDANTIC


@given(mutated_specs(), ANY_JSON)
@settings(max_examples=40, deadline=None)
def test_the_values_of_a_run_resolve_or_give_problems_and_nothing_else(raw: object, given_values: object):
    check_values(raw, given_values)


@pytest.mark.slow
@given(mutated_specs(), ANY_JSON)
@settings(max_examples=300, deadline=None)
def test_very_many_values_resolve_or_give_problems(raw: object, given_values: object):
    check_values(raw, given_values)


def check_values(raw: object, given_values: object) -> None:
    try:
        pipeline = compile_pipeline(raw)
        values = resolve_parameters(pipeline.spec, given_values)
        for step in pipeline.spec.steps:
            taken = pipeline.results_taken(step.name)
            results = {f"{one}.{name}": SOME[pipeline.results(one)[name]] for one, name in taken}
            cells = pipeline.cells(step.name)
            cell = {"number": 1, "iteration": 1} if cells is None else cells[-1]
            check_step(pipeline.spec, step, values)
            resolved = resolve_step(pipeline.spec, step, values, results, cell)
            assert "From" not in "".join(_keys(resolved.arguments))
    except SpecError:
        return  # any number of problems is right; any other exception is not


def _keys(data: object) -> list[str]:
    if isinstance(data, dict):
        own = [
            key for key in data if key in {"saltFrom", "seedFrom", "imageFrom", "valueFrom", "minimumFrom"}
        ]
        return own + [key for value in data.values() for key in _keys(value)]
    return [key for one in data for key in _keys(one)] if isinstance(data, list) else []


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_written_in_one_way(value: float):
    text = canonical(plain(value))
    assert canonical(plain(float(text))) == text
    assert math.isclose(float(text), value, rel_tol=0, abs_tol=0)


@pytest.mark.parametrize("value", ["1", "1.0", "1e0", "10e-1"])
def test_one_is_one_however_it_is_written(value: str):
    assert canonical(plain({"b": json.loads(value), "a": -0.0})) == '{"a":0,"b":1}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, "\ud800", object(), {"\ud800": 1}])
def test_what_json_cannot_hold_is_refused_with_its_place(value: object):
    with pytest.raises(SpecError) as caught:
        plain({"a": [value]})
    assert caught.value.problems[0].path == "spec.a[0]"


def test_a_pipeline_of_the_most_steps_compiles():
    steps = [{"name": "s0", "run": {"image": "a:1", "outputs": [{"name": "x"}]}}]
    for index in range(1, 256):
        body = {"image": "a:1", "inputs": {"x": f"s{index - 1}.x"}, "outputs": [{"name": "x"}]}
        steps.append({"name": f"s{index}", "run": body})
    assert len(compile_pipeline({"steps": steps[::-1]}).order) == 256


def test_a_pipeline_full_of_mistakes_is_answered_in_reasonable_work():
    steps = [{"name": f"step{index}", "dependsOn": [f"stap{n}" for n in range(60)]} for index in range(120)]
    with pytest.raises(SpecError) as caught:
        compile_pipeline({"steps": steps})
    assert len(caught.value.problems) == 120 * 61


def test_the_good_pipeline_says_what_each_step_needs_takes_and_gives():
    pipeline = compile_pipeline(good())
    assert pipeline.needs("serve") == ("fit", "gate")
    assert pipeline.needed_by("split") == ("fit", "gate", "report")
    assert pipeline.graph.edges["gate", "serve"]["kinds"] == {"gate"}
    assert pipeline.graph.edges["gate", "report"]["kinds"] == {"input"}
    assert pipeline.graph.edges["serve", "report"]["kinds"] == {"dependsOn"}
    assert pipeline.graph.edges["serve", "watch"]["kinds"] == {"endpoint"}
    assert pipeline.needs("watch") == ("serve",)
    assert pipeline.outputs("watch") == {}
    assert pipeline.inputs("gate") == {"model": ("fit", "model"), "test": ("split", "test")}
    assert pipeline.outputs("split") == {"train": "Table", "validation": "Table", "test": "Table"}
    assert pipeline.outputs("report") == {"page": "Files", "scores": "Table"}
    assert pipeline.gates_of("serve") == pipeline.gates_of("gate") == ("gate",)
