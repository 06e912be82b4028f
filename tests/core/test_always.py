"""Steps that always run, and runs that stop at the first failure."""

import json
from typing import Any

import pytest

from tests.core.fake_cluster import FakeCluster, Object
from tests.core.pipelines import programs
from tests.core.simulation import Simulation, pipeline

NEEDS: dict[str, list[str]] = {"a": [], "b": ["a"], "tell": []}


def spec(more: Any = None, **fields: Any) -> Any:
    return programs(NEEDS, None, {"tell": {"always": True}, **(more or {})}, **fields)


def living(found: Any, **cluster: Any) -> Simulation:
    simulation = Simulation(FakeCluster(**cluster), always=frozenset({"tell"}), ends={"tell": ["a", "b"]})
    simulation.person(lambda: simulation.cluster.create(pipeline("p", found)))
    simulation.run_to_rest()
    simulation.assert_at_rest()
    return simulation


def states(simulation: Simulation, run: str = "p-g1") -> dict[str, str]:
    return {name: entry["state"] for name, entry in simulation.steps(run).items()}


def outcome(simulation: Simulation, run: str = "p-g1") -> str:
    return str(simulation.cluster.objects[("PipelineRun", run)]["status"]["status"])


def told(simulation: Simulation, run: str = "p-g1") -> Object:
    """What the program of the step `tell` finds in /penstock/run.json."""
    jobs = [one for one in simulation.cluster.find("Job") if f"{run}-tell-" in one["metadata"]["name"]]
    fetch = jobs[0]["spec"]["template"]["spec"]["initContainers"][0]
    (text,) = [one["value"] for one in fetch["env"] if one["name"] == "PENSTOCK_RUN"]
    found: Object = json.loads(text.replace("$$", "$"))
    return found


def test_a_step_that_always_runs_comes_last_and_is_told_a_good_outcome() -> None:
    simulation = living(spec())
    assert (states(simulation)["tell"], outcome(simulation)) == ("Succeeded", "Succeeded")
    found = told(simulation)
    assert (found["outcome"], found["run"], found["trigger"]) == ("Succeeded", "p-g1", "change")
    assert [(one["name"], one["state"]) for one in found["steps"]] == [("a", "Succeeded"), ("b", "Succeeded")]


def test_it_is_told_which_step_failed_and_cannot_turn_the_outcome() -> None:
    simulation = living(spec(), fates={"a": ["exit3"]})
    assert states(simulation) == {"a": "Failed", "b": "Blocked", "tell": "Succeeded"}
    found = told(simulation)
    assert (found["outcome"], found["reason"], found["step"]) == ("Failed", "UserError", "a")
    assert outcome(simulation) == "Failed"


def test_its_own_failure_shows() -> None:
    simulation = living(spec(), fates={"tell": ["exit3"]})
    status = simulation.cluster.objects[("PipelineRun", "p-g1")]["status"]
    assert (status["status"], status["step"], status["progress"]) == ("Failed", "tell", "2/3")


def test_it_is_never_reused_and_nobody_takes_over_what_it_made() -> None:
    simulation = living(spec())
    run = {"kind": "PipelineRun", "metadata": {"name": "mine", "namespace": "ml"}, "spec": {"pipeline": "p"}}
    simulation.person(lambda: simulation.cluster.create(run))
    simulation.run_to_rest()
    assert states(simulation, "mine") == {"a": "Reused", "b": "Reused", "tell": "Succeeded"}
    tell = simulation.steps("mine")["tell"]
    assert tell["why"] == "it runs after all others, whatever the outcome"
    assert "digest" not in tell


def test_it_may_ask_how_a_step_ended() -> None:
    only_failures = {"always": True, "when": {"all": [{"step": "b", "states": ["Failed", "Blocked"]}]}}
    assert states(living(spec({"tell": only_failures})))["tell"] == "Skipped"
    assert states(living(spec({"tell": only_failures}), fates={"a": ["exit3"]}))["tell"] == "Succeeded"


def test_what_it_depends_on_may_have_ended_in_any_way() -> None:
    after = {"always": True, "dependsOn": ["b"]}
    assert states(living(spec({"tell": after}), fates={"a": ["exit3"]}))["tell"] == "Succeeded"


def test_it_cannot_read_what_a_failed_step_did_not_make() -> None:
    found = spec()
    found["steps"][2]["run"]["inputs"] = {"files": "b.files"}
    assert states(living(found, fates={"b": ["exit3"]}))["tell"] == "Blocked"


def test_the_outcome_of_the_largest_run_fits_a_variable() -> None:
    names = {f"{index:03d}".rjust(40, "s"): [] for index in range(255)}
    found = programs({**names, "tell": []}, None, {"tell": {"always": True}})
    simulation = Simulation(FakeCluster(fates={name: ["exit3"] for name in names}))
    simulation.person(lambda: simulation.cluster.create(pipeline("p", found)))
    simulation.run_to_rest()
    assert len(json.dumps(told(simulation)).encode()) < 128 * 1024


# policy.onFailure

WIDE: dict[str, list[str]] = {"bad": [], "long": [], "later": ["long"], "tell": []}


def wide(on_failure: str) -> Simulation:
    """bad fails at once; long takes its time, and later reads it."""
    found = programs(WIDE, None, {"tell": {"always": True}}, policy={"onFailure": on_failure})
    simulation = Simulation(
        FakeCluster(fates={"bad": ["exit3"], "long": ["late"]}), always=frozenset({"tell"})
    )
    simulation.person(lambda: simulation.cluster.create(pipeline("p", found)))
    simulation.run_to_rest()
    simulation.assert_at_rest()
    return simulation


def test_finish_lets_independent_steps_go_on() -> None:
    simulation = wide("Finish")
    assert states(simulation) == {
        "bad": "Failed",
        "long": "Succeeded",
        "later": "Succeeded",
        "tell": "Succeeded",
    }


def test_stop_ends_what_runs_starts_nothing_else_and_still_tells() -> None:
    simulation = wide("Stop")
    assert states(simulation) == {
        "bad": "Failed",
        "long": "Cancelled",
        "later": "Cancelled",
        "tell": "Succeeded",
    }
    long = simulation.steps("p-g1")["long"]
    assert (long["reason"], long["message"]) == (
        "FailureStoppedRun",
        "step bad failed, and policy.onFailure is Stop",
    )
    assert not [one for one in simulation.cluster.find("Job") if "-long-" in one["metadata"]["name"]]
    assert (outcome(simulation), told(simulation)["outcome"]) == ("Failed", "Failed")


@pytest.mark.parametrize("after", ["Finish", "Stop"])
def test_a_run_keeps_the_policy_that_it_started_with(after: str) -> None:
    before = "Stop" if after == "Finish" else "Finish"
    found = programs(WIDE, policy={"onFailure": before})
    simulation = Simulation(FakeCluster(fates={"bad": ["exit3"], "long": ["late"]}))
    simulation.person(lambda: simulation.cluster.create(pipeline("p", found)))
    simulation._work()
    changed = {**found, "policy": {"onFailure": after}}
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "p", changed))
    simulation.run_to_rest()
    assert states(simulation)["long"] == ("Cancelled" if before == "Stop" else "Succeeded")


def test_a_new_policy_holds_for_the_next_run_of_the_same_steps() -> None:
    found = programs({"bad": [], "long": []})
    simulation = Simulation(FakeCluster(fates={"bad": ["exit3"], "long": ["late"]}))
    simulation.person(lambda: simulation.cluster.create(pipeline("p", found)))
    simulation.run_to_rest()
    simulation.person(
        lambda: simulation.cluster.edit("Pipeline", "p", {**found, "policy": {"onFailure": "Stop"}})
    )
    simulation.run_to_rest()
    run = {"kind": "PipelineRun", "metadata": {"name": "mine", "namespace": "ml"}, "spec": {"pipeline": "p"}}
    simulation.person(lambda: simulation.cluster.create(run))
    simulation.run_to_rest()
    snapshots = [one["status"]["snapshot"] for one in simulation.cluster.find("PipelineRun")]
    assert {one["revision"] for one in snapshots} == {snapshots[0]["revision"]}
    assert sorted(one.get("policy", {}).get("onFailure", "Finish") for one in snapshots) == ["Finish", "Stop"]
