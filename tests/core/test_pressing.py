"""Which statuses are built upon: others wait for them, so they may not wait for more to share the write."""

from datetime import timedelta
from functools import partial
from typing import Any

from penstock_operator.core.actions import Plan
from penstock_operator.core.settings import Settings
from penstock_operator.core.times import stamp
from tests.core.fake_cluster import EPOCH, FakeCluster
from tests.core.pipelines import programs, tumour
from tests.core.simulation import Simulation, pipeline
from tests.core.test_cancel import until
from tests.core.test_children import child, outer, started
from tests.core.test_pipelines import new_run, status


def lived(needs: Any, seconds: float, **cluster: Any) -> Simulation:
    """A run of these steps, so long after it was made."""
    simulation = Simulation(FakeCluster(**cluster))
    simulation.person(lambda: simulation.cluster.create(pipeline("p", programs(needs))))
    until(simulation, seconds)
    return simulation


def ending(simulation: Simulation, step: str) -> tuple[Plan, Any]:
    """The plan in which the step ended, and its status."""
    plan = next(one for one in simulation.shell.plans if step in one.steps_ended)
    return plan, plan.status


def test_an_end_beside_which_others_go_on_may_wait() -> None:
    simulation = lived({"a": [], "b": []}, 20, fates={"b": ["hangs"]})
    plan, found = ending(simulation, "a")
    assert plan.unhurried
    ended = next(one for one in found["steps"] if one["name"] == "a")["finishedAt"]
    assert plan.look_again is not None
    assert stamp(plan.look_again) > ended, "until then nothing is due"


def test_an_end_after_which_a_step_starts_may_not_and_names_that() -> None:
    simulation = lived({"a": [], "b": ["a"]}, 20, fates={"b": ["hangs"]})
    plan, found = ending(simulation, "a")
    assert not plan.unhurried
    assert (found["reason"], found["step"]) == ("StepsWaiting", "b")


def test_a_suspended_run_names_no_step_that_starts() -> None:
    simulation = lived({"a": [], "b": ["a"]}, 1)
    simulation.person(lambda: simulation.say("p-g1", suspend=True))
    until(simulation, 20)
    plan, found = ending(simulation, "a")
    assert found["status"] == "Suspended"
    assert "step" not in found
    assert plan.unhurried


def test_what_a_halt_has_cut_short_is_no_good_end() -> None:
    spec = outer(policy={"concurrency": "Replace"})
    spec["steps"][1]["run"].pop("inputs")  # it goes on beside the child
    simulation = started(spec, fates={"use": ["hangs"], "c0": ["hangs"]})
    until(simulation, 10)
    simulation.person(lambda: simulation.cluster.create(another()))
    until(simulation, 1)
    plan, _ = ending(simulation, "use")
    assert plan.steps_ended["use"] == "Cancelled"
    assert not plan.unhurried


def test_a_place_that_is_claimed_no_more_is_free_for_younger_runs_although_news_waits() -> None:
    cluster = FakeCluster(fates={"c": ["hangs"]})
    simulation = Simulation(cluster, settings=Settings(max_parallel=2), hold=lambda: True)
    for name, steps in (("p", "abc"), ("q", "d")):
        spec = programs({one: [] for one in steps})
        simulation.person(partial(cluster.create, pipeline(name, spec)))
        until(simulation, 1)
    until(simulation, 30)
    assert simulation.steps("p-g1")["b"]["state"] == "Succeeded"
    assert status(simulation, "PipelineRun", "q-g1")["status"] == "Succeeded"


def test_a_roll_out_of_a_child_is_known_above_although_news_waits() -> None:
    """Whoever is in the middle of a roll-out is not replaced, and only its own status says so."""
    served = tumour(policy={"onChange": "Wait"})
    spec = {"steps": [{"name": "sub", "pipeline": {"name": "c"}}], "policy": {"concurrency": "Replace"}}
    simulation = started(spec, served)
    simulation.shell.hold = lambda: True
    reasons: list[str] = []
    while "Deploying" not in reasons and simulation.cluster.now < EPOCH + timedelta(minutes=5):
        until(simulation, 0.5)
        reasons = [str((plan.status or {}).get("reason")) for plan in simulation.shell.plans]
    assert "Deploying" in reasons
    simulation.person(lambda: simulation.cluster.create(another()))
    simulation._work()
    assert "cancel" not in simulation.cluster.objects[("PipelineRun", child(simulation))]["spec"]


def another() -> Any:
    """A later run of the same pipeline."""
    run = new_run("n")
    run["spec"]["pipeline"] = "p"
    return run
