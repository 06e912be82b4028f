"""Steps that are repeated: one iteration after the other, until what one gives is good enough."""

from typing import Any

from tests.core.fake_cluster import FakeCluster, task_of
from tests.core.simulation import Simulation, pipeline
from tests.core.test_cancel import until
from tests.core.test_cells import IMAGE, arguments, cells, jobs
from tests.core.test_pipelines import apply, new_run, states, status

LOSSES = {"fit#1": {"loss": 0.9}, "fit#2": {"loss": 0.4}, "fit#3": {"loss": 0.05}, "fit#4": {"loss": 0.01}}


def fit(limit: int = 5, below: float = 0.1, **fields: Any) -> Any:
    """A step that is done until its loss is small."""
    return {
        "name": "fit",
        "repeat": {"until": {"all": [{"result": "fit.loss", "lessThan": below}]}, "limit": limit},
        "run": {
            "image": IMAGE,
            "argumentsFrom": {"epoch": {"cell": "iteration"}},
            "outputs": [{"name": "model"}],
            "results": [{"name": "loss", "type": "Number"}],
        },
        **fields,
    }


USE = {
    "name": "use",
    "when": {"all": [{"result": "fit.loss", "atMost": 0.1}]},
    "run": {"image": IMAGE, "inputs": {"model": "fit.model"}, "argumentsFrom": {"x": {"result": "fit.loss"}}},
}


def living(*steps: Any, cluster: FakeCluster | None = None, **fields: Any) -> Simulation:
    """A Pipeline of these steps, lived to its rest."""
    simulation = Simulation(cluster or FakeCluster(results=LOSSES), {"use": ["fit"]})
    spec = {"steps": list(steps), **fields}
    simulation.person(lambda: simulation.cluster.create(pipeline("p", spec)))
    simulation.run_to_rest()
    return simulation


def again(simulation: Simulation, **fields: Any) -> Simulation:
    """Another run of the same pipeline."""
    simulation.cluster.advance(1)
    simulation.person(lambda: simulation.cluster.create(new_run("again", pipeline="p", **fields)))
    simulation.run_to_rest()
    return simulation


def inputs(simulation: Simulation, leaf: str, run: str = "p-g1") -> dict[str, str]:
    """The digest of each input that a Job is given."""
    return {name: one["digest"] for name, one in task_of(jobs(simulation, run)[leaf])["inputs"].items()}


def test_an_iteration_that_waits_for_its_next_attempt_says_what_befell_it() -> None:
    simulation = Simulation(FakeCluster(results=LOSSES, fates={"fit#2": ["exit3"]}))
    again_later = {"userError": {"limit": 1, "backoff": {"first": "1h"}}}
    steps = {"steps": [fit(retry=again_later)]}
    simulation.person(lambda: simulation.cluster.create(pipeline("p", steps)))
    until(simulation, 60)
    entry = simulation.steps("p-g1")["fit"]
    assert entry["reason"] == "UserError"
    assert entry["message"].startswith(
        "iteration 2 of at most 5 after iteration 1, which gave loss 0.9: the program ended with exit code 3"
    )


def test_it_is_done_again_until_what_it_gives_is_good_enough() -> None:
    simulation = living(fit())
    found = {leaf: arguments(one) for leaf, one in jobs(simulation).items()}
    assert found == {f"fit#{number}/1": {"epoch": number} for number in (1, 2, 3)}
    entry = simulation.steps("p-g1")["fit"]
    assert (entry["state"], entry["cellCount"], entry["results"]) == ("Succeeded", 3, {"loss": "0.05"})
    assert entry["message"] == "good enough after iteration 3, which gave loss 0.05"
    simulation.assert_at_rest()


def test_each_iteration_is_given_what_the_one_before_has_made() -> None:
    simulation = living(fit())
    made = [one["outputs"] for one in simulation.steps("p-g1")["fit"]["cells"]]
    assert inputs(simulation, "fit#1/1") == {}
    assert set(inputs(simulation, "fit#2/1")) == {"previous/model"}
    assert inputs(simulation, "fit#2/1") != inputs(simulation, "fit#3/1")
    assert len({one[0] for one in made}) == 3


def test_who_follows_takes_what_the_last_iteration_gave_as_of_any_step() -> None:
    simulation = living(fit(), USE)
    assert states(simulation, "p-g1") == {"fit": "Succeeded", "use": "Succeeded"}
    given = simulation.steps("p-g1")["fit"]["outputs"]
    assert inputs(simulation, "use/1") == given
    assert arguments(jobs(simulation)["use/1"]) == {"x": 0.05}


def test_a_step_that_never_is_good_enough_has_failed_with_what_it_gave_last() -> None:
    simulation = living(fit(limit=2), USE)
    entry = simulation.steps("p-g1")["fit"]
    assert (entry["state"], entry["reason"]) == ("Failed", "NotConverged")
    assert entry["message"].startswith("until does not hold after iteration 2, which gave loss 0.4")
    assert set(cells(simulation).values()) == {"Succeeded"}
    assert states(simulation, "p-g1")["use"] == "Blocked"
    assert (status(simulation, "PipelineRun", "p-g1")["status"], len(jobs(simulation))) == ("Failed", 2)
    assert status(simulation, "PipelineRun", "p-g1")["reason"] == "NotConverged"
    simulation.assert_at_rest()


def test_a_step_that_is_never_good_enough_stops_a_run_that_is_to_stop() -> None:
    wait = {"name": "wait", "run": {"image": IMAGE}}
    cluster = FakeCluster(results=LOSSES, fates={"wait": ["hangs"]})
    simulation = living(fit(limit=1), wait, cluster=cluster, policy={"onFailure": "Stop"})
    assert states(simulation, "p-g1") == {"fit": "Failed", "wait": "Cancelled"}


def test_a_larger_limit_goes_on_from_where_the_smaller_one_ended() -> None:
    simulation = living(fit(limit=2))
    apply(simulation, {"steps": [fit(limit=3)]}, "p")
    simulation.run_to_rest()
    assert list(jobs(simulation, "p-g2")) == ["fit#3/1"]
    assert states(simulation, "p-g2") == {"fit": "Succeeded"}


def test_a_failed_iteration_fails_the_step_and_none_follows() -> None:
    simulation = living(fit(), USE, cluster=FakeCluster(results=LOSSES, fates={"fit#2": ["exit3"]}))
    entry = simulation.steps("p-g1")["fit"]
    assert (entry["state"], entry["reason"]) == ("Failed", "UserError")
    assert entry["message"].startswith("iteration 2 of at most 5 failed: the program ended with exit code 3")
    assert set(jobs(simulation)) == {"fit#1/1", "fit#2/1"}


def test_each_iteration_has_attempts_of_its_own() -> None:
    cluster = FakeCluster(results=LOSSES, fates={"fit#1": ["oom", "oom"], "fit#2": ["evicted", "oom", "oom"]})
    simulation = living(fit(), cluster=cluster)
    assert states(simulation, "p-g1") == {"fit": "Succeeded"}
    leaves = ("1/1", "1/2", "1/3", "2/1", "2/2", "2/3", "2/4", "3/1")
    assert set(jobs(simulation)) == {f"fit#{leaf}" for leaf in leaves}


def test_what_has_not_changed_is_reused_iteration_by_iteration() -> None:
    simulation = again(living(fit(), USE))
    assert states(simulation, "again") == {"fit": "Reused", "use": "Reused"}
    assert jobs(simulation, "again") == {}
    entry = simulation.steps("again")["fit"]
    assert (entry["results"], entry["why"]) == ({"loss": "0.05"}, "output reused from run p-g1")


def test_iterations_that_are_told_nothing_different_are_still_another_try_each() -> None:
    step = fit()
    step["run"] = {"image": IMAGE, "results": step["run"]["results"]}
    simulation = again(living(step))
    assert len(jobs(simulation)) == 3
    assert states(simulation, "again") == {"fit": "Reused"}


def test_a_stricter_condition_reuses_what_was_done_and_goes_on_after_it() -> None:
    simulation = living(fit())
    apply(simulation, {"steps": [fit(below=0.02)]}, "p")
    simulation.run_to_rest()
    assert list(jobs(simulation, "p-g2")) == ["fit#4/1"]
    assert simulation.steps("p-g2")["fit"]["results"] == {"loss": "0.01"}


def test_a_rerun_of_what_failed_goes_on_with_the_failed_iteration() -> None:
    simulation = living(fit(), USE, cluster=FakeCluster(results=LOSSES, fates={"fit#2": ["exit3"]}))
    simulation.cluster.fates = {}
    again(simulation, rerun={"run": "p-g1", "failed": True})
    assert set(jobs(simulation, "again")) == {"fit#2/1", "fit#3/1", "use/1"}
    assert states(simulation, "again") == {"fit": "Succeeded", "use": "Succeeded"}


def test_a_rerun_from_the_step_does_all_iterations_anew() -> None:
    simulation = again(living(fit(), USE), rerun={"run": "p-g1", "from": ["fit"]})
    assert set(jobs(simulation, "again")) == {"fit#1/1", "fit#2/1", "fit#3/1", "use/1"}


def test_a_rerun_of_what_follows_takes_the_last_iteration_over() -> None:
    simulation = again(living(fit(), USE), rerun={"run": "p-g1", "from": ["use"]})
    assert set(jobs(simulation, "again")) == {"use/1"}
    assert states(simulation, "again") == {"fit": "Reused", "use": "Succeeded"}


def test_only_the_last_iteration_is_made_again_for_who_finds_its_output_lost() -> None:
    simulation = living(fit(), USE)
    simulation.cluster.fates = {"more": ["lost"]}
    more = {"name": "more", "run": {"image": IMAGE, "inputs": {"model": "fit.model"}}}
    simulation.needs["more"] = ["fit"]
    apply(simulation, {"steps": [fit(), more]}, "p")
    simulation.run_to_rest()
    assert set(jobs(simulation, "p-g2")) == {"more/1", "fit#3/1", "more/2"}
    assert states(simulation, "p-g2") == {"fit": "Succeeded", "more": "Succeeded"}
    simulation.assert_at_rest()


def test_what_an_iteration_finds_lost_of_the_one_before_is_made_again_first() -> None:
    simulation = living(fit())
    simulation.cluster.fates = {"fit#4": ["lost"], "fit#3": ["lost", "success"]}
    apply(simulation, {"steps": [fit(below=0.02)]}, "p")
    simulation.run_to_rest()
    assert set(jobs(simulation, "p-g2")) == {"fit#4/1", "fit#3/1", "fit#2/1", "fit#3/2", "fit#4/2"}
    assert states(simulation, "p-g2") == {"fit": "Succeeded"}
    simulation.assert_at_rest()


def test_one_that_is_made_again_and_is_worse_than_before_is_followed_by_others() -> None:
    simulation = living(fit(), USE)
    simulation.cluster.fates = {"more": ["lost"]}
    simulation.cluster.results = {**LOSSES, "fit#3": {"loss": 0.2}}
    more = {"name": "more", "run": {"image": IMAGE, "inputs": {"model": "fit.model"}}}
    simulation.needs["more"] = ["fit"]
    apply(simulation, {"steps": [fit(), more]}, "p")
    simulation.run_to_rest()
    assert set(jobs(simulation, "p-g2")) == {"more/1", "fit#3/1", "fit#4/1", "more/2"}
    assert inputs(simulation, "more/2", "p-g2") == simulation.steps("p-g2")["fit"]["outputs"]


def test_a_run_that_only_plans_names_the_first_iteration_that_would_run() -> None:
    simulation = living(fit())
    apply(simulation, {"policy": {"onChange": "Wait"}, "steps": [fit(below=0.02), USE]}, "p")
    again(simulation, mode="Plan")
    entry = simulation.steps("again")["fit"]
    assert entry["reason"] == "WouldRun"
    assert entry["why"].startswith("iteration 4 would run: ")
    assert simulation.steps("again")["use"]["reason"] == "UnknownYet"


def test_a_run_that_only_plans_tells_that_all_iterations_would_be_reused() -> None:
    simulation = again(living(fit(), USE), mode="Plan")
    found = {name: one["reason"] for name, one in simulation.steps("again").items()}
    assert found == {"fit": "WouldReuse", "use": "WouldReuse"}
    assert simulation.steps("again")["fit"]["why"] == "3 iterations: output reused from run p-g1"


def test_a_run_that_only_plans_tells_that_the_limit_is_known_to_be_too_small() -> None:
    simulation = again(living(fit(limit=2), USE), mode="Plan")
    found = {name: one["reason"] for name, one in simulation.steps("again").items()}
    assert found == {"fit": "WouldFail", "use": "WouldFail"}


def test_a_plan_of_a_rerun_of_what_was_never_good_enough_tells_that_it_would_fail_again() -> None:
    simulation = living(fit(limit=2), USE)
    again(simulation, mode="Plan", rerun={"run": "p-g1", "failed": True})
    found = simulation.steps("again")
    assert (found["fit"]["reason"], found["use"]["reason"]) == ("WouldFail", "WouldFail")
    assert "until does not hold after iteration 2" in found["fit"]["why"]


def test_an_iteration_begins_only_when_the_end_of_the_one_before_is_written() -> None:
    simulation = Simulation(FakeCluster(results=LOSSES), repeated=frozenset({"fit"}), hold=lambda: True)
    simulation.person(lambda: simulation.cluster.create(pipeline("p", {"steps": [fit()]})))
    simulation.run_to_rest()
    assert states(simulation, "p-g1") == {"fit": "Succeeded"}


def test_a_cancelled_run_ends_the_iteration_under_way_and_begins_no_other() -> None:
    simulation = Simulation(FakeCluster(results=LOSSES, fates={"fit#2": ["hangs"]}), {})
    simulation.acts = [(20.0, lambda: simulation.say("p-g1", cancel=True))]
    simulation.person(lambda: simulation.cluster.create(pipeline("p", {"steps": [fit()]})))
    simulation.run_to_rest()
    assert states(simulation, "p-g1") == {"fit": "Cancelled"}
    assert cells(simulation) == {1: "Succeeded", 2: "Cancelled"}
