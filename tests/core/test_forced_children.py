"""Children of runs that are to renew what there is: a second one goes on from the first of this very run, and
never from what an earlier run has made.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from penstock_spec.object_names import child_name
from tests.core.fake_cluster import NAMESPACE, Object
from tests.core.simulation import Simulation, pipeline
from tests.core.test_cancel import states, until
from tests.core.test_children import inner, outer, started

RETRIES = {"retry": {"userError": {"limit": 1, "backoff": {"first": "1s"}}}}
NEVER = {"reuse": {"policy": "Never"}}
# How a run comes to do again what an earlier one did well: fields of its step, and its own.
WAYS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "the run is": ({}, {"reuse": "Never"}),
    "the step is": (NEVER, {}),
    "the run repeats another": ({}, {"rerun": {"run": "p-g1", "from": ["sub"]}}),
}
by_every_way = pytest.mark.parametrize(("step", "run"), WAYS.values(), ids=WAYS)


def again(
    step: Mapping[str, Any], run: Mapping[str, Any], fates: Any, other: Any = None, body: Any = None
) -> Simulation:
    """All has gone well once; then the run w is to do it again, and attempts go as `fates` says."""
    simulation = started(outer(body, {**RETRIES, **step}), other)
    simulation.run_to_rest()
    simulation.cluster.fates = fates
    asked = {"kind": "PipelineRun", "metadata": {"name": "w", "namespace": NAMESPACE}}
    simulation.cluster.advance(1)
    simulation.person(lambda: simulation.cluster.create({**asked, "spec": {"pipeline": "p", **run}}))
    return simulation


def name_of(simulation: Simulation, attempt: int, cell: int = 0) -> str:
    uid = simulation.cluster.objects[("PipelineRun", "w")]["metadata"]["uid"]
    return child_name("w", uid, "sub", attempt, cell)


def spec_of(simulation: Simulation, attempt: int, cell: int = 0) -> Object:
    spec: Object = simulation.cluster.objects[("PipelineRun", name_of(simulation, attempt, cell))]["spec"]
    return spec


def waits_until(simulation: Simulation, come: Callable[[], bool]) -> None:
    for _ in range(60):
        if come():
            return
        until(simulation, 0.5)
    raise AssertionError("it never came")


def has_ended(simulation: Simulation, name: str) -> bool:
    found = simulation.cluster.get("PipelineRun", name)
    return found is not None and simulation.finished(found)


def is_in(simulation: Simulation, run: str, step: str, state: str) -> bool:
    found = simulation.cluster.get("PipelineRun", run) or {}
    entries = found.get("status", {}).get("steps", ())
    return any((one["name"], one["state"]) == (step, state) for one in entries)


def has_made_c0(simulation: Simulation) -> bool:
    return is_in(simulation, name_of(simulation, 1), "c0", "Succeeded")


def is_retrying(simulation: Simulation) -> bool:
    return is_in(simulation, "w", "sub", "Retrying")


def rests(simulation: Simulation) -> None:
    simulation.run_to_rest()
    simulation.assert_at_rest()


@by_every_way
def test_a_program_that_fails_again_fails_the_run_though_an_earlier_one_was_good(step: Any, run: Any) -> None:
    simulation = again(step, run, {"c1": ["exit3"]})
    rests(simulation)
    assert states(simulation, "w") == {"sub": "Failed", "use": "Blocked"}
    first, second = name_of(simulation, 1), name_of(simulation, 2)
    assert states(simulation, first) == {"c0": "Succeeded", "c1": "Failed"}
    assert states(simulation, second) == {"c0": "Reused", "c1": "Failed"}
    assert simulation.steps(second)["c0"]["why"] == f"taken over from run {first}"
    assert spec_of(simulation, 2)["rerun"] == {"run": first, "failed": True}


@by_every_way
def test_what_failed_is_executed_by_the_second_child_and_nothing_else(step: Any, run: Any) -> None:
    simulation = again(step, run, {"c1": ["exit3"]})
    waits_until(simulation, lambda: has_ended(simulation, name_of(simulation, 1)))
    simulation.cluster.fates = {}
    rests(simulation)
    assert simulation.steps("w")["sub"]["state"] == "Succeeded"
    assert states(simulation, name_of(simulation, 2)) == {"c0": "Reused", "c1": "Succeeded"}


@by_every_way
def test_where_the_first_child_is_deleted_at_work_the_second_executes_all(step: Any, run: Any) -> None:
    simulation = again(step, run, {"c1": ["hangs"]})
    waits_until(simulation, lambda: has_made_c0(simulation))
    simulation.cluster.fates = {}
    simulation.person(lambda: simulation.cluster.delete("PipelineRun", name_of(simulation, 1)))
    rests(simulation)
    assert states(simulation, name_of(simulation, 2)) == {"c0": "Succeeded", "c1": "Succeeded"}
    assert spec_of(simulation, 2).get("rerun", {}).get("run") != name_of(simulation, 1)


@by_every_way
def test_where_the_first_child_is_deleted_after_its_failure_all_is_executed(step: Any, run: Any) -> None:
    waits = {"retry": {"userError": {"limit": 1, "backoff": {"first": "30s"}}}}
    simulation = again({**step, **waits}, run, {"c1": ["exit3"]})
    waits_until(simulation, lambda: is_retrying(simulation))
    simulation.cluster.fates = {}
    simulation.person(lambda: simulation.cluster.delete("PipelineRun", name_of(simulation, 1)))
    rests(simulation)
    assert states(simulation, name_of(simulation, 2)) == {"c0": "Succeeded", "c1": "Succeeded"}


def test_a_run_that_repeats_what_failed_goes_on_from_there_and_then_from_its_own_child() -> None:
    simulation = started(outer(step=RETRIES), fates={"c1": ["exit3"]})
    simulation.run_to_rest()
    meta, rerun = {"name": "w", "namespace": NAMESPACE}, {"run": "p-g1", "failed": True}
    run = {"kind": "PipelineRun", "metadata": meta, "spec": {"pipeline": "p", "rerun": rerun}}
    simulation.person(lambda: simulation.cluster.create(run))
    rests(simulation)
    then = simulation.steps("p-g1")["sub"]["child"]["run"]
    asked = [spec_of(simulation, attempt)["rerun"] for attempt in (1, 2)]
    assert asked == [{"run": one, "failed": True} for one in (then, name_of(simulation, 1))]
    assert states(simulation, name_of(simulation, 2)) == {"c0": "Reused", "c1": "Failed"}


@by_every_way
def test_each_cell_goes_on_from_its_own_first_child(step: Any, run: Any) -> None:
    cells = {**step, "matrix": {"axes": {"n": [1, 2]}}}
    simulation = again(cells, run, {"c1": ["exit3"]})
    rests(simulation)
    for cell in (1, 2):
        first = {"run": name_of(simulation, 1, cell), "failed": True}
        assert spec_of(simulation, 2, cell)["rerun"] == first
        assert states(simulation, name_of(simulation, 2, cell)) == {"c0": "Reused", "c1": "Failed"}


@by_every_way
def test_a_child_of_a_child_goes_on_from_what_this_run_has_executed(step: Any, run: Any) -> None:
    mid = {"name": "c1", "pipeline": {"name": "d", "outputs": [{"name": "files", "from": "c1.files"}]}}
    middle = {"policy": {"onChange": "Wait"}, "steps": [mid]}
    simulation = started(outer(step={**RETRIES, **step}), middle)
    simulation.person(lambda: simulation.cluster.create(pipeline("d", inner())))
    simulation.run_to_rest()
    simulation.cluster.fates = {"c1": ["exit3"]}
    asked = {"kind": "PipelineRun", "metadata": {"name": "w", "namespace": NAMESPACE}}
    simulation.person(lambda: simulation.cluster.create({**asked, "spec": {"pipeline": "p", **run}}))
    rests(simulation)
    below = [simulation.steps(name_of(simulation, one))["c1"]["child"]["run"] for one in (1, 2)]
    assert states(simulation, below[0]) == {"c0": "Succeeded", "c1": "Failed"}
    assert states(simulation, below[1]) == {"c0": "Reused", "c1": "Failed"}
    assert simulation.steps(below[1])["c0"]["why"] == f"taken over from run {below[0]}"


def test_steps_that_are_gone_with_their_pipeline_are_not_asked_for_again() -> None:
    retries = {"retry": {"userError": {"limit": 1, "backoff": {"first": "5s"}}}}
    simulation = again(retries, {"reuse": "Never"}, {"c1": ["hangs"]})
    waits_until(simulation, lambda: has_made_c0(simulation))
    simulation.cluster.fates = {}
    simulation.person(lambda: simulation.cluster.delete("Pipeline", "c"))
    waits_until(simulation, lambda: is_retrying(simulation))
    assert simulation.steps("w")["sub"]["reason"] == "RevisionNotFound"
    simulation.person(lambda: simulation.cluster.create(pipeline("c", inner())))
    rests(simulation)
    assert (spec_of(simulation, 2).get("reuse"), spec_of(simulation, 2).get("rerun")) == ("Never", None)
    assert states(simulation, name_of(simulation, 2)) == {"c0": "Succeeded", "c1": "Succeeded"}


def test_a_child_of_an_earlier_pipeline_that_cannot_be_repeated_is_asked_for_once() -> None:
    simulation = started(outer(step=RETRIES))
    simulation.run_to_rest()
    simulation.person(lambda: simulation.cluster.delete("Pipeline", "c"))
    simulation.person(lambda: simulation.cluster.create(pipeline("c", inner())))
    meta, rerun = {"name": "w", "namespace": NAMESPACE}, {"run": "p-g1", "from": ["sub"]}
    run = {"kind": "PipelineRun", "metadata": meta, "spec": {"pipeline": "p", "rerun": rerun}}
    simulation.person(lambda: simulation.cluster.create(run))
    rests(simulation)
    first = simulation.cluster.objects[("PipelineRun", name_of(simulation, 1))]
    assert first["status"]["reason"] == "InvalidRerun"
    assert states(simulation, name_of(simulation, 2)) == {"c0": "Succeeded", "c1": "Succeeded"}


def test_where_reuse_is_not_forbidden_a_second_child_is_a_run_like_any_other() -> None:
    simulation = started(outer(step=RETRIES), fates={"c1": ["exit3"]})
    rests(simulation)
    uid = simulation.cluster.objects[("PipelineRun", "p-g1")]["metadata"]["uid"]
    second = simulation.cluster.objects[("PipelineRun", child_name("p-g1", uid, "sub", 2))]["spec"]
    assert not {"rerun", "reuse"} & set(second)


def test_a_second_child_does_again_only_the_cells_that_failed_though_it_is_given_parameters() -> None:
    other = inner()
    other["steps"][0]["matrix"] = {"axes": {"n": [1, 2, 3]}}
    fates = {"c0#2": ["exit3"]}
    simulation = again(NEVER, {}, fates, other, {"parameters": {"size": 7}})
    waits_until(simulation, lambda: has_ended(simulation, name_of(simulation, 1)))
    simulation.cluster.fates = {}
    rests(simulation)
    second = simulation.steps(name_of(simulation, 2))["c0"]["cells"]
    assert [one["state"] for one in second] == ["Reused", "Succeeded", "Reused"]
