"""Outputs of a child run that the store has lost: made again by another child, and only what is needed."""

import random
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from penstock_spec.object_names import child_name
from tests.core.fake_cluster import NAMESPACE, Object
from tests.core.pipelines import programs
from tests.core.simulation import BrokenPromise, Simulation, pipeline
from tests.core.test_cancel import status, until
from tests.core.test_children import inner, outer, started

AGAIN = {"sub": ("Succeeded", 2), "use": ("Succeeded", 2)}


def reads(spec: Any, step: str, **inputs: str) -> Any:
    """The pipeline with one more program, which reads these."""
    more = programs({step: []})["steps"]
    more[0]["run"]["inputs"] = inputs
    return {**spec, "steps": [*spec["steps"], *more]}


def changed(spec: Any, *steps: str) -> Any:
    """The pipeline with other arguments of these programs."""
    other = [
        {**one, "run": {**one["run"], "arguments": {"step": "other"}}} if one["name"] in steps else one
        for one in spec["steps"]
    ]
    return {**spec, "steps": other}


def after_a_run(
    spec: Any = None, other: Any = None, change: tuple[str, ...] = ("use",), **fates: list[str]
) -> Simulation:
    """Both pipelines have run once; then steps of the parent are others, and attempts go as `fates` says."""
    spec = spec or outer()
    simulation = started(spec, other)
    simulation.run_to_rest()
    simulation.cluster.fates = fates
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "p", changed(spec, *change)))
    return simulation


def lived(*args: Any, **kwargs: Any) -> Simulation:
    simulation = after_a_run(*args, **kwargs)
    simulation.run_to_rest()
    simulation.assert_at_rest()
    return simulation


def child(simulation: Simulation, attempt: int, run: str = "p-g2", step: str = "sub") -> Object:
    uid = simulation.cluster.objects[("PipelineRun", run)]["metadata"]["uid"]
    return simulation.cluster.objects[("PipelineRun", child_name(run, uid, step, attempt))]


def states(simulation: Simulation, run: str = "p-g2") -> Mapping[str, tuple[str, int]]:
    return {name: (one["state"], one.get("attempt", 0)) for name, one in simulation.steps(run).items()}


def inside(simulation: Simulation, attempt: int) -> Mapping[str, tuple[str, int]]:
    return states(simulation, child(simulation, attempt)["metadata"]["name"])


def test_what_a_child_had_only_taken_over_is_made_again_by_another_child() -> None:
    simulation = lived(use=["lost"])
    assert states(simulation) == AGAIN
    sub, use = simulation.steps("p-g2")["sub"], simulation.steps("p-g2")["use"]
    assert (sub["why"], use["retries"]) == ("output lost", {"InputMissing": 1})
    first, second = child(simulation, 1), child(simulation, 2)
    assert inside(simulation, 1) == {"c0": ("Reused", 0), "c1": ("Reused", 0)}
    # By the steps that were frozen for the first one, and not a step more than the parent misses.
    assert second["spec"]["rerun"] == {"run": first["metadata"]["name"], "from": ["c1"]}
    assert inside(simulation, 2) == {"c0": ("Reused", 0), "c1": ("Succeeded", 1)}
    assert second["status"]["snapshot"]["revision"] == first["status"]["snapshot"]["revision"]
    assert sub["child"]["run"] == second["metadata"]["name"]
    assert sub["outputs"] == simulation.steps("p-g1")["sub"]["outputs"]


def test_what_the_child_needs_for_that_and_is_lost_as_well_is_made_again_too() -> None:
    simulation = lived(use=["lost"], c1=["lost"])
    assert states(simulation) == AGAIN
    assert inside(simulation, 2) == {"c0": ("Succeeded", 1), "c1": ("Succeeded", 2)}


def test_what_the_child_of_this_very_run_has_made_is_not_made_again() -> None:
    simulation = started(fates={"use": ["lost"]})
    simulation.run_to_rest()
    use = simulation.steps("p-g1")["use"]
    assert (use["state"], use["reason"], use["attempt"]) == ("Failed", "InputMissing", 1)
    assert "made in this run" in use["message"]
    assert simulation.steps("p-g1")["sub"]["attempt"] == 1


def test_an_output_that_is_lost_again_and_again_uses_the_budget_up() -> None:
    simulation = lived(use=["lost", "lost"])
    assert states(simulation) == {"sub": ("Succeeded", 2), "use": ("Failed", 2)}


def test_a_step_fails_with_the_child_that_cannot_make_its_input_again() -> None:
    simulation = lived(use=["lost"], c1=["exit3"])
    assert states(simulation) == {"sub": ("Failed", 2), "use": ("Failed", 1)}
    message = simulation.steps("p-g2")["use"]["message"]
    assert message == "its input could not be made again: step sub failed: UserError"
    assert status(simulation, "p-g2")["step"] == "sub"


def test_who_tries_again_for_another_reason_waits_for_what_a_child_makes_again() -> None:
    spec = reads(outer(), "too", rows="sub.files")
    fates = {"use": ["lost"], "too": ["evicted"], "c1": ["late"]}
    simulation = lived(spec, change=("use", "too"), **fates)
    assert states(simulation) == {**AGAIN, "too": ("Succeeded", 2)}
    jobs = {one["metadata"]["name"]: one for one in simulation.cluster.find("Job")}
    steps = simulation.steps("p-g2")
    made = datetime.fromisoformat(steps["sub"]["finishedAt"])
    begun = jobs[steps["too"]["job"]]["metadata"]["creationTimestamp"]
    assert datetime.fromisoformat(begun) >= made


def test_a_child_that_fails_at_it_is_tried_again_from_there() -> None:
    spec = outer(step={"retry": {"userError": {"limit": 1, "backoff": {"first": "1s"}}}})
    simulation = lived(spec, use=["lost"], c1=["exit3"])
    assert states(simulation) == {"sub": ("Failed", 3), "use": ("Failed", 1)}
    failed = child(simulation, 2)["metadata"]["name"]
    assert child(simulation, 3)["spec"]["rerun"] == {"run": failed, "failed": True}


def test_a_child_that_somebody_deletes_while_it_makes_it_again_is_made_anew_from_the_first() -> None:
    simulation = after_a_run(use=["lost"], c1=["hangs"])
    until(simulation, 12)
    simulation.cluster.fates = {"use": ["lost"]}
    second = child(simulation, 2)["metadata"]["name"]
    simulation.person(lambda: simulation.cluster.delete("PipelineRun", second))
    simulation.run_to_rest()
    assert states(simulation) == {"sub": ("Succeeded", 3), "use": ("Succeeded", 2)}
    first = child(simulation, 1)["metadata"]["name"]
    assert child(simulation, 3)["spec"]["rerun"] == {"run": first, "from": ["c1"]}


def test_where_the_first_child_is_gone_all_of_the_second_is_executed() -> None:
    simulation = after_a_run(use=["lost"])
    while not is_running(simulation, "use"):
        until(simulation, 1)
    gone = child(simulation, 1)["metadata"]["name"]
    simulation.person(lambda: simulation.cluster.delete("PipelineRun", gone))
    simulation.run_to_rest()
    assert states(simulation) == AGAIN
    second = child(simulation, 2)
    assert (second["spec"]["reuse"], "rerun" in second["spec"]) == ("Never", False)
    assert inside(simulation, 2) == {"c0": ("Succeeded", 1), "c1": ("Succeeded", 1)}


def is_running(simulation: Simulation, step: str) -> bool:
    found = simulation.cluster.get("PipelineRun", "p-g2") or {}
    entries = found.get("status", {}).get("steps", ())
    return any((one["name"], one["state"]) == (step, "Running") for one in entries)


def test_two_steps_that_miss_the_same_output_have_it_made_once() -> None:
    spec = reads(outer(), "too", rows="sub.files")
    simulation = lived(spec, change=("use", "too"), use=["lost"], too=["lost"])
    assert states(simulation) == {**AGAIN, "too": ("Succeeded", 2)}


TWO = [{"name": "files", "from": "c1.files"}, {"name": "more", "from": "c0.files"}]


def test_another_output_that_is_missed_later_is_made_by_one_more_child() -> None:
    spec = reads(outer({"outputs": TWO}), "late", rows="sub.more")
    spec["steps"][-1]["dependsOn"] = ["use"]
    simulation = lived(spec, change=("use", "late"), use=["lost"], late=["lost"])
    assert states(simulation) == {"sub": ("Succeeded", 3), "use": ("Succeeded", 2), "late": ("Succeeded", 2)}
    second = child(simulation, 2)["metadata"]["name"]
    assert child(simulation, 3)["spec"]["rerun"] == {"run": second, "from": ["c0"]}


def test_a_reused_step_that_is_made_again_finds_its_own_input_of_a_child_lost() -> None:
    spec = reads(outer(), "last", made="use.files")
    simulation = lived(spec, change=("last",), use=["lost"], last=["lost"])
    assert states(simulation) == {**AGAIN, "last": ("Succeeded", 2)}


def test_a_step_that_a_rerun_has_taken_over_makes_it_again_too() -> None:
    simulation = started()
    simulation.run_to_rest()
    simulation.cluster.fates = {"use": ["lost"], "c1": ["exit3", "success"]}
    rerun = {"pipeline": "p", "rerun": {"run": "p-g1", "from": ["use"]}}
    again = {"kind": "PipelineRun", "metadata": {"name": "w", "namespace": NAMESPACE}, "spec": rerun}
    simulation.person(lambda: simulation.cluster.create(again))
    simulation.run_to_rest()
    assert states(simulation, "w") == {"sub": ("Failed", 1), "use": ("Failed", 1)}
    simulation.cluster.fates = {"use": ["lost"]}
    more = {**again, "metadata": {"name": "x", "namespace": NAMESPACE}}
    simulation.person(lambda: simulation.cluster.create(more))
    simulation.run_to_rest()
    assert states(simulation, "x") == {"sub": ("Succeeded", 1), "use": ("Succeeded", 2)}


def test_a_child_of_a_child_makes_it_again() -> None:
    gives = [{"name": "files", "from": "mid.files"}]
    mid = {"name": "mid", "pipeline": {"name": "d", "outputs": [{"name": "files", "from": "c1.files"}]}}
    middle = {"policy": {"onChange": "Wait"}, "steps": [mid]}
    simulation = started(outer({"outputs": gives}), middle, fates={})
    simulation.person(lambda: simulation.cluster.create(pipeline("d", inner())))
    simulation.run_to_rest()
    assert states(simulation, "p-g1") == {"sub": ("Succeeded", 1), "use": ("Succeeded", 1)}
    simulation.cluster.fates = {"use": ["lost"]}
    spec = changed(outer({"outputs": gives}), "use")
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "p", spec))
    simulation.run_to_rest()
    assert states(simulation) == AGAIN
    assert inside(simulation, 2) == {"mid": ("Succeeded", 1)}
    below = child(simulation, 2)["metadata"]["name"]
    lowest = child(simulation, 1, below, "mid")["metadata"]["name"]
    assert states(simulation, lowest) == {"c0": ("Succeeded", 1), "c1": ("Succeeded", 1)}


@pytest.mark.parametrize("seed", range(2))
def test_an_operator_that_dies_at_any_write_makes_it_again_once(seed: int) -> None:
    simulation = after_a_run(use=["lost"])
    chance = random.Random(seed)  # noqa: S311 - faults, not secrets
    simulation.fate_of_write = lambda: chance.choice(["before", "after"]) if chance.random() < 0.25 else ""
    simulation.lag = lambda: chance.randrange(1, 20) if chance.random() < 0.3 else 0
    simulation.shell = simulation._born()
    simulation.wake()
    simulation.run_to_rest()
    if states(simulation) != AGAIN:
        raise BrokenPromise(f"{states(simulation)}")
    if inside(simulation, 2) != {"c0": ("Reused", 0), "c1": ("Succeeded", 1)}:
        raise BrokenPromise(f"{inside(simulation, 2)}")
