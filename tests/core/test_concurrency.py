"""policy.concurrency: what becomes of a run that comes while another one is unfinished."""

from functools import partial
from typing import Any

import pytest

from tests.core.fake_cluster import FakeCluster
from tests.core.pipelines import programs
from tests.core.schedule_world import TriggerLife, scheduled
from tests.core.simulation import Simulation, pipeline
from tests.core.test_cancel import until
from tests.core.test_pipelines import condition, new_run, status


def two_runs(concurrency: str | None) -> Simulation:
    """A pipeline whose first run is under way when a person makes the runs a and b."""
    policy = {"concurrency": concurrency} if concurrency else {}
    simulation = Simulation(FakeCluster())
    cluster = simulation.cluster
    spec = programs({"x": []}, policy=policy, parameters=[{"name": "n", "default": "0"}])
    simulation.person(lambda: cluster.create(pipeline("tumour", spec)))
    simulation._work()
    for name in "ab":
        simulation.person(lambda name=name: cluster.create(new_run(name)))
    simulation._work()
    return simulation


def words(simulation: Simulation) -> dict[str, tuple[str, str]]:
    found = {name: status(simulation, "PipelineRun", name) for name in ("tumour-g1", "a", "b")}
    return {name: (one["status"], one["reason"]) for name, one in found.items()}


@pytest.mark.parametrize("concurrency", ["Queue", None])
def test_in_a_queue_each_waits_for_its_turn(concurrency: str | None) -> None:
    simulation = two_runs(concurrency)
    assert [words(simulation)[one] for one in "ab"] == [("Waiting", "WaitingForRun")] * 2
    simulation.run_to_rest()
    assert {one for one, _ in words(simulation).values()} == {"Succeeded"}


def test_who_waits_for_a_suspended_run_says_that_it_is_suspended_and_no_longer_when_it_is_not() -> None:
    simulation = two_runs("Queue")

    def said(name: str) -> str:
        return str(status(simulation, "PipelineRun", name)["message"])

    simulation.person(lambda: simulation.say("tumour-g1", suspend=True))
    simulation._work()
    assert said("a") == "waits for run tumour-g1, which is suspended"
    assert said("b") == "waits for run a, tumour-g1; tumour-g1 is suspended"
    simulation.person(lambda: simulation.say("a", suspend=True))
    simulation._work()
    assert said("b") == "waits for run a, tumour-g1; a, tumour-g1 are suspended"
    for name in ("tumour-g1", "a"):
        simulation.person(lambda name=name: simulation.say(name, suspend=False))
    simulation._work()
    assert (said("a"), said("b")) == ("waits for run tumour-g1", "waits for run a, tumour-g1")
    simulation.run_to_rest()
    assert {one for one, _ in words(simulation).values()} == {"Succeeded"}


def test_a_change_that_waits_for_a_suspended_run_says_so_too() -> None:
    simulation = Simulation(FakeCluster())
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", programs({"x": []}))))
    simulation._work()
    changed = programs({"x": [], "y": []})
    simulation.person(lambda: simulation.say("tumour-g1", suspend=True))
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "tumour", changed))
    simulation._work()
    told = "the change of generation 2 waits for run tumour-g1"
    assert f"{told}, which is suspended" in status(simulation, "Pipeline", "tumour")["message"]
    simulation.person(lambda: simulation.say("tumour-g1", suspend=False))
    simulation._work()
    message = status(simulation, "Pipeline", "tumour")["message"]
    assert told in message
    assert "suspended" not in message


def test_of_two_runs_of_one_second_the_one_that_has_begun_goes_first_whatever_its_name() -> None:
    simulation = Simulation(FakeCluster())
    cluster, look = simulation.cluster, simulation.shell.run_pass
    cluster.create(pipeline("tumour", programs({"x": []}, policy={"onChange": "Wait"})))
    cluster.create(new_run("z"))
    look("z")  # its snapshot is written, and it has no Job yet
    cluster.create(new_run("a"))
    for name in "aazz":
        look(name)
    found = {one: status(simulation, "PipelineRun", one) for one in "az"}
    assert found["a"]["reason"] == "WaitingForRun"
    assert found["z"]["status"] == "Running"
    assert [name[0] for name in simulation.jobs_created()] == ["z"]


def test_where_it_is_allowed_they_run_side_by_side() -> None:
    simulation = two_runs("Allow")
    assert {one for one, _ in words(simulation).values()} == {"Running"}
    simulation.run_to_rest()
    assert {one for one, _ in words(simulation).values()} == {"Succeeded"}
    simulation.assert_at_rest()


def test_where_it_is_forbidden_the_later_one_ends_at_once_and_says_why() -> None:
    simulation = two_runs("Forbid")
    simulation.run_to_rest()
    found = words(simulation)
    assert found["tumour-g1"][0] == "Succeeded"
    assert found["a"] == found["b"] == ("Failed", "RunForbidden")
    assert "run tumour-g1 is unfinished" in status(simulation, "PipelineRun", "a")["message"]
    assert not [one for one in simulation.jobs_created() if one.startswith(("a-", "b-"))]
    assert condition(simulation, "Pipeline", "tumour", "Ready")["status"] == "True"
    # They tell nothing of the Pipeline, though they are the newest.
    assert status(simulation, "Pipeline", "tumour")["status"] == "Succeeded"
    assert condition(simulation, "Pipeline", "tumour", "LastRunSucceeded")["status"] == "True"


def test_wrong_parameters_of_a_person_tell_nothing_of_the_pipeline_and_a_failed_run_does() -> None:
    simulation = Simulation(FakeCluster(), {"a": []})
    simulation.cluster.create(pipeline("tumour", programs({"a": []})))
    simulation.run_to_rest()
    simulation.cluster.advance(1)
    simulation.cluster.create(new_run("wrong", parameters={"none": 1}))
    simulation.run_to_rest()
    assert status(simulation, "PipelineRun", "wrong")["reason"] == "InvalidParameters"
    assert condition(simulation, "Pipeline", "tumour", "LastRunSucceeded")["status"] == "True"
    simulation.cluster.fates = {"a": ["exit3"]}
    simulation.cluster.advance(1)
    simulation.cluster.create(new_run("bad", reuse="Never"))
    simulation.run_to_rest()
    assert condition(simulation, "Pipeline", "tumour", "LastRunSucceeded")["reason"] == "UserError"


@pytest.mark.parametrize(("concurrency", "at_once"), [("Allow", True), ("Queue", False), ("Forbid", False)])
def test_a_change_is_never_lost(concurrency: str, at_once: bool) -> None:
    life = TriggerLife(programs({"a": []}, policy={"concurrency": concurrency}))
    life.edit(steps=programs({"a": [], "b": []})["steps"])
    assert life.unfinished() == ["p-g2"]
    life.edit(steps=programs({"a": [], "c": []})["steps"])
    assert life.unfinished() == (["p-g2", "p-g3"] if at_once else ["p-g2"])
    life.finish("p-g2")
    assert life.runs() == ["p-g1", "p-g2", "p-g3"]


def held_and_replaced(first: Any, *more: Any, act: Any = None, fates: Any = None) -> Simulation:
    """Its first run is at work when a person suspends it, and then a newer one comes that replaces it."""
    simulation = Simulation(FakeCluster(fates=fates or {"w": ["hangs"]}), always=frozenset({"al"}))
    cluster = simulation.cluster
    for name, spec in more:
        simulation.person(partial(cluster.create, pipeline(name, spec)))
    first["policy"] = {"concurrency": "Replace", **first.get("policy", {})}
    simulation.person(lambda: cluster.create(pipeline("tumour", first)))
    until(simulation, 6)
    simulation.person(lambda: simulation.say("tumour-g1", suspend=True))
    until(simulation, 6)
    assert status(simulation, "PipelineRun", "tumour-g1")["status"] == "Suspended"
    if act:
        act(simulation)
    cluster.fates = {}
    simulation.person(lambda: cluster.create(new_run("a")))
    return simulation


ALWAYS = {"al": {"always": True}}


def test_a_newer_run_lifts_the_suspension_of_the_one_that_it_replaces() -> None:
    simulation = held_and_replaced(programs({"w": [], "al": []}, None, ALWAYS))
    until(simulation, 2)
    found = status(simulation, "PipelineRun", "tumour-g1")
    assert (found["status"], found["reason"]) == ("Running", "RunReplaced")
    said = "it is not held any more; run a came, and policy.concurrency is Replace"
    assert found["message"] == said
    assert "suspendedAt" not in found
    assert found["suspendedSeconds"] > 0
    simulation.run_to_rest()
    simulation.assert_at_rest()
    states = {name: (one["state"], one["reason"]) for name, one in simulation.steps("tumour-g1").items()}
    assert states == {"w": ("Cancelled", "RunReplaced"), "al": ("Succeeded", "Completed")}
    assert status(simulation, "PipelineRun", "tumour-g1")["status"] == "Cancelled"
    assert status(simulation, "PipelineRun", "a")["status"] == "Succeeded"


def test_it_does_so_where_a_failure_had_stopped_the_run_before() -> None:
    spec = programs({"w": [], "bad": [], "al": []}, None, ALWAYS, policy={"onFailure": "Stop"})
    hangs = {"w": ["hangs"], "bad": ["hangs"]}
    simulation = held_and_replaced(spec, fates=hangs, act=_fails_while_held)
    simulation.run_to_rest()
    assert simulation.steps("tumour-g1")["al"]["state"] == "Succeeded"
    assert status(simulation, "PipelineRun", "a")["status"] == "Succeeded"


def _fails_while_held(simulation: Simulation) -> None:
    simulation.cluster.fates = {"w": ["hangs"], "bad": ["exit3"]}
    until(simulation, 6)
    found = {name: one["reason"] for name, one in simulation.steps("tumour-g1").items()}
    assert found == {"w": "FailureStoppedRun", "bad": "UserError", "al": "RunSuspended"}


def test_a_step_that_always_runs_is_not_held_with_its_child_either() -> None:
    child = programs({"c": []}, policy={"onChange": "Wait"})
    spec = programs({"w": []})
    spec["steps"].append({"name": "al", "pipeline": {"name": "child"}, "always": True})
    simulation = held_and_replaced(spec, ("child", child))
    simulation.run_to_rest()
    simulation.assert_at_rest()
    assert simulation.steps("tumour-g1")["al"]["state"] == "Succeeded"
    assert status(simulation, "PipelineRun", "a")["status"] == "Succeeded"


def test_what_is_suspended_waits_for_a_person_where_the_newer_run_only_queues() -> None:
    spec = programs({"w": [], "al": []}, None, ALWAYS, policy={"concurrency": "Queue"})
    simulation = held_and_replaced(spec)
    until(simulation, 20)
    assert status(simulation, "PipelineRun", "tumour-g1")["reason"] == "RunSuspended"
    assert status(simulation, "PipelineRun", "a")["reason"] == "WaitingForRun"


def busy(concurrency: str, **schedule: Any) -> TriggerLife:
    """A run of ten o'clock that goes on while three more hours pass."""
    life = TriggerLife(scheduled(policy={"concurrency": concurrency}, **schedule))
    life.at("2026-11-21T11:00:00+00:00")
    life.begin("p-202611211100")
    for hour in (12, 13, 14):
        life.at(f"2026-11-21T{hour}:00:00+00:00")
    return life


def test_ticks_start_side_by_side_where_that_is_allowed() -> None:
    life = busy("Allow")
    assert len(life.unfinished()) == 4
    life = TriggerLife(scheduled(policy={"concurrency": "Allow"}, missed="RunAll"))
    life.at("2026-11-21T13:30:00+00:00")
    assert life.unfinished() == ["p-202611211100", "p-202611211200", "p-202611211300"]


def test_ticks_during_a_run_start_nothing_where_that_is_forbidden_and_are_not_made_up_for() -> None:
    life = busy("Forbid", missed="RunAll")
    assert life.unfinished() == ["p-202611211100"]
    assert life.entry("tick")["lastSkipped"] == "2026-11-21T14:00:00Z"
    life.finish_all()
    life.at("2026-11-21T14:30:00+00:00")
    assert life.unfinished() == []
    life.at("2026-11-21T15:00:00+00:00")
    assert life.unfinished() == ["p-202611211500"]


def test_two_triggers_of_one_moment_start_one_run_where_two_are_forbidden() -> None:
    spec = scheduled(policy={"concurrency": "Forbid"})
    spec["triggers"].append({"name": "other", "schedule": {"cron": "0 11 * * *"}})
    life = TriggerLife(spec)
    life.at("2026-11-21T11:00:00+00:00")
    assert life.unfinished() == ["p-202611211100"]


def test_changing_the_policy_starts_nothing() -> None:
    life = TriggerLife(programs({"a": []}))
    life.edit(policy={"concurrency": "Allow"})
    assert life.runs() == ["p-g1"]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("deadly", [2, 3])  # the first finds the frozen steps there
def test_a_kill_at_any_write_of_a_start_does_not_make_it_a_forbidden_one(moment: str, deadly: int) -> None:
    life = TriggerLife(scheduled(policy={"concurrency": "Forbid"}))
    count = iter(range(1, 100))
    life.fate_of_write = lambda: moment if next(count) == deadly else ""
    life.at("2026-11-21T11:00:00+00:00")
    assert life.kills == 1
    assert life.entry("tick")["lastRun"] == "p-202611211100"
    assert "lastSkipped" not in life.entry("tick")
