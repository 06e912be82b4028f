"""Steps that are repeated, as they are compiled: what they read and give, and when they are good enough."""

from typing import Any

import pytest

from penstock_spec.digest import run_digest, step_components, step_digest
from penstock_spec.graph import CompiledPipeline, compile_pipeline
from penstock_spec.resolve import resolve_step
from penstock_spec.when import Until
from tests.spec.good_spec import celled, loop, looped


def iteration(pipeline: CompiledPipeline, number: int, **inputs: str) -> str:
    """The digest of an iteration that is given this."""
    step = pipeline.spec.step("loop")
    resolved = resolve_step(pipeline.spec, step, {"image": "a:1"}, cell={"iteration": number})
    return step_digest(step_components(resolved, inputs, cell=number, repeated=True))


def test_a_step_that_is_repeated_has_cells_and_gives_no_lists() -> None:
    pipeline = compile_pipeline(looped())
    assert [one for one in pipeline.order if pipeline.repeated(one)] == ["loop"]
    assert (pipeline.has_cells("loop"), pipeline.gives_lists("loop")) == (True, False)
    assert pipeline.cells("loop") is None
    assert set(pipeline.graph.predecessors("loop")) == {"find"}, "a step never waits for itself"


def test_what_it_gives_is_taken_as_of_any_step() -> None:
    split = {"name": "cut", "split": {"table": "loop.rows", "fractions": {"a": 0.5, "b": 0.5}}}
    step, spec = loop(), celled()
    step["run"]["outputs"] = [{"name": "rows", "type": "Table"}]
    take = {"image": "a:1", "argumentsFrom": {"loss": {"result": "loop.loss"}}}
    asks = {"name": "take", "when": {"all": [{"result": "loop.done", "equals": "true"}]}, "run": take}
    spec["steps"] += [step, split, asks]
    assert compile_pipeline(spec).type_of(("loop", "rows")) == "Table"


def test_each_iteration_has_a_digest_of_its_own_also_where_it_is_told_nothing_else() -> None:
    spec = looped()
    del spec["steps"][-1]["run"]["argumentsFrom"]
    pipeline = compile_pipeline(spec)
    found = [
        iteration(pipeline, 1),
        iteration(pipeline, 2),
        iteration(pipeline, 2, **{"previous/model": "a"}),
        iteration(pipeline, 2, **{"previous/model": "b"}),
    ]
    assert len(set(found)) == len(found)


def test_limit_and_until_change_the_run_and_no_iteration() -> None:
    spec = looped()
    spec["steps"][-1]["repeat"] = {"limit": 20, "until": {"any": [{"result": "loop.loss", "atMost": 1}]}}
    before, after = compile_pipeline(looped()), compile_pipeline(spec)
    assert iteration(before, 2) == iteration(after, 2)
    assert run_digest(before.spec) != run_digest(after.spec)


SMALL, DONE = {"result": "a.loss", "lessThan": 0.5}, {"result": "a.done", "equals": "true"}


@pytest.mark.parametrize(
    ("until", "results", "met"),
    [
        ({"all": [SMALL, DONE]}, {"loss": 0.4, "done": True}, True),
        ({"all": [SMALL, DONE]}, {"loss": 0.4, "done": False}, False),
        ({"any": [SMALL, DONE]}, {"loss": 0.6, "done": True}, True),
        ({"any": [SMALL, DONE]}, {"loss": 0.5, "done": False}, False),
        ({"none": [SMALL]}, {"loss": 0.4, "done": True}, False),
        ({"none": [SMALL], "any": [DONE]}, {"loss": 0.6, "done": True}, True),
        ({"none": [SMALL], "any": [DONE]}, {"loss": 0.6, "done": False}, False),
        ({"all": [SMALL], "any": [DONE]}, {"loss": 0.6, "done": True}, False),
    ],
)
def test_every_group_that_is_given_must_hold(until: Any, results: Any, met: bool) -> None:
    found = Until.model_validate(until, by_alias=True, by_name=False)
    assert found.met(results) is met
