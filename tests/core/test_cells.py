"""Steps with cells: one Job for each, what follows for the step, and who gathers what they made."""

import json
from typing import Any

import yaml

from tests.core.fake_cluster import FakeCluster, Object, leaf_of, task_of
from tests.core.simulation import Simulation, pipeline
from tests.core.test_cancel import until
from tests.core.test_pipelines import apply, new_run, states, status
from tests.support import ROOT

IMAGE = "ghcr.io/acme/step:1"
GRID = {"axes": {"month": [1, 2, 3], "model": ["a", "b"]}, "exclude": [{"month": 3, "model": "b"}]}


def fit(**fields: Any) -> Any:
    """A step that is done for each cell of a small grid."""
    return {
        "name": "fit",
        "matrix": GRID,
        "run": {
            "image": IMAGE,
            "argumentsFrom": {"month": {"cell": "month"}, "model": {"cell": "model"}},
            "outputs": [{"name": "files"}],
        },
        **fields,
    }


PICK = {
    "name": "pick",
    "run": {"image": IMAGE, "inputs": {"fits": "fit.files"}, "outputs": [{"name": "best"}]},
}


def living(*steps: Any, cluster: FakeCluster | None = None, **fields: Any) -> Simulation:
    """A Pipeline of these steps, lived to its rest."""
    simulation = Simulation(cluster or FakeCluster(), {"pick": ["fit"]})
    spec = {"steps": list(steps), **fields}
    simulation.person(lambda: simulation.cluster.create(pipeline("p", spec)))
    simulation.run_to_rest()
    return simulation


def jobs(simulation: Simulation, run: str = "p-g1") -> dict[str, Object]:
    """The Jobs of a run, each by its step or cell and the attempt."""
    found = [(task_of(one), one) for one in simulation.cluster.find("Job")]
    return {f"{leaf_of(task)}/{task['attempt']}": one for task, one in found if task["run"] == run}


def cells(simulation: Simulation, step: str = "fit", run: str = "p-g1") -> dict[int, str]:
    """The states of a step's cells by number."""
    return {one["number"]: one["state"] for one in simulation.steps(run)[step].get("cells", ())}


def arguments(job: Object) -> Any:
    return task_of(job)["arguments"]["arguments"]


def test_each_cell_is_a_job_of_its_own_with_its_values_and_its_number_as_label() -> None:
    simulation = living(fit())
    found = jobs(simulation)
    assert {leaf: arguments(job) for leaf, job in found.items()} == {
        "fit#1/1": {"model": "a", "month": 1},
        "fit#2/1": {"model": "a", "month": 2},
        "fit#3/1": {"model": "a", "month": 3},
        "fit#4/1": {"model": "b", "month": 1},
        "fit#5/1": {"model": "b", "month": 2},
    }
    assert found["fit#4/1"]["metadata"]["labels"]["penstock.dev/cell"] == "4"
    entry = simulation.steps("p-g1")["fit"]
    assert (entry["state"], entry["message"], entry["cellCount"]) == ("Succeeded", "5 of 5 cells done", 5)
    simulation.assert_at_rest()


def test_who_takes_an_output_is_given_it_of_every_cell() -> None:
    simulation = living(fit(), PICK)
    job = jobs(simulation)["pick/1"]
    env = job["spec"]["template"]["spec"]["initContainers"][0]["env"]
    told = json.loads(next(one["value"] for one in env if one["name"] == "PENSTOCK_CELLS_FITS"))
    assert len(told["digests"]) == 5
    assert told["matrix"] == GRID
    assert task_of(job)["inputs"]["fits"]["gathered"]
    assert states(simulation, "p-g1") == {"fit": "Succeeded", "pick": "Succeeded"}


def test_a_failed_cell_is_named_with_its_values_and_the_others_go_on() -> None:
    simulation = living(fit(), PICK, cluster=FakeCluster(fates={"fit#2": ["exit3"]}))
    assert list(cells(simulation).values()) == ["Succeeded", "Failed", "Succeeded", "Succeeded", "Succeeded"]
    entry = simulation.steps("p-g1")["fit"]
    assert (entry["state"], entry["reason"]) == ("Failed", "UserError")
    assert entry["message"].startswith(
        "4 of 5 cells done, 1 failed: model=a, month=2: the program ended with"
    )
    assert states(simulation, "p-g1")["pick"] == "Blocked"
    assert status(simulation, "PipelineRun", "p-g1")["step"] == "fit"


def test_each_cell_has_attempts_and_memory_of_its_own() -> None:
    simulation = living(fit(), cluster=FakeCluster(fates={"fit#2": ["oom"], "fit#3": ["evicted", "oom"]}))
    found = jobs(simulation)
    assert set(found) >= {"fit#1/1", "fit#2/2", "fit#3/3", "fit#4/1", "fit#5/1"}
    assert "fit#1/2" not in found
    memory = {
        leaf: job["spec"]["template"]["spec"]["initContainers"][1]["resources"]["limits"]["memory"]
        for leaf, job in found.items()
    }
    assert memory["fit#2/2"] == memory["fit#3/3"] != memory["fit#1/1"]
    shown = {
        one["number"]: one["memory"] for one in simulation.steps("p-g1")["fit"]["cells"] if "memory" in one
    }
    assert shown == {2: memory["fit#2/2"], 3: memory["fit#3/3"]}
    assert set(cells(simulation).values()) == {"Succeeded"}


def test_cells_that_wait_for_their_next_attempt_are_told_from_those_that_run_with_what_befell_them() -> None:
    again = {"userError": {"limit": 1, "backoff": {"first": "1h"}}}
    cluster = FakeCluster(fates={"fit#1": ["exit3"], "fit#2": ["hangs"], "fit#4": ["exit3"]})
    simulation = Simulation(cluster)
    simulation.person(lambda: simulation.cluster.create(pipeline("p", {"steps": [fit(retry=again)]})))
    simulation.acts = [(600, lambda: simulation.say("p-g1", cancel=True))]
    until(simulation, 60)
    entry = simulation.steps("p-g1")["fit"]
    assert entry["reason"] == "Running", "what runs is shown, not what waits"
    assert entry["message"].startswith(
        "2 of 5 cells done, 1 under way, 2 to be tried again: model=a, month=1: the program ended with exit"
    )


def test_while_no_cell_runs_the_step_says_what_the_first_of_them_waits_for() -> None:
    simulation = Simulation(FakeCluster(fates={"fit": ["unschedulable"]}))
    simulation.person(lambda: simulation.cluster.create(pipeline("p", {"steps": [fit()]})))
    simulation.acts = [(600, lambda: simulation.say("p-g1", cancel=True))]
    until(simulation, 30)
    entry = simulation.steps("p-g1")["fit"]
    assert (entry["state"], entry["reason"]) == ("Queued", "Unschedulable")
    assert entry["message"].startswith("0 of 5 cells done, 5 under way: model=a, month=1: waits for a node: ")


def test_a_value_that_holds_what_no_line_may_hold_is_shown_without_it() -> None:
    odd = fit(matrix={"axes": {"month": [1], "model": ["two\nlines \u001b[31mred"]}})
    simulation = living(odd, cluster=FakeCluster(fates={"fit": ["exit3"]}))
    entry = simulation.steps("p-g1")["fit"]
    assert "1 failed: model=two lines red, month=1: the program" in entry["message"]
    assert entry["why"] == "model=two lines red, month=1: first run"


def test_a_changed_axis_runs_the_new_cells_only() -> None:
    simulation = living(fit(), PICK)
    wider = {"axes": {**GRID["axes"], "month": [0, 1, 2, 3]}, "exclude": GRID["exclude"]}
    apply(simulation, {"steps": [fit(matrix=wider), PICK]}, "p")
    simulation.run_to_rest()
    assert set(jobs(simulation, "p-g2")) == {"fit#1/1", "fit#5/1", "pick/1"}
    entry = simulation.steps("p-g2")["fit"]
    assert entry["message"] == "7 of 7 cells done (5 reused)"
    assert entry["why"] == "model=a, month=0: first run"


def test_what_has_not_changed_is_reused_cell_by_cell_and_so_is_who_gathers_it() -> None:
    simulation = living(fit(), PICK)
    simulation.cluster.advance(1)
    simulation.person(lambda: simulation.cluster.create(new_run("again", pipeline="p")))
    simulation.run_to_rest()
    assert states(simulation, "again") == {"fit": "Reused", "pick": "Reused"}
    assert simulation.steps("again")["fit"]["why"] == "output reused from run p-g1"
    assert jobs(simulation, "again") == {}


def test_a_rerun_of_what_failed_does_the_failed_cells_again_and_takes_the_others_over() -> None:
    simulation = living(fit(), PICK, cluster=FakeCluster(fates={"fit#2": ["exit3"]}))
    simulation.cluster.fates = {}
    simulation.cluster.advance(1)
    rerun = {"run": "p-g1", "failed": True}
    simulation.person(lambda: simulation.cluster.create(new_run("again", pipeline="p", rerun=rerun)))
    simulation.run_to_rest()
    assert set(jobs(simulation, "again")) == {"fit#2/1", "pick/1"}
    assert set(cells(simulation, run="again").values()) == {"Reused", "Succeeded"}
    assert set(states(simulation, "again").values()) == {"Succeeded"}


def test_a_rerun_from_the_step_does_all_of_its_cells_again() -> None:
    simulation = living(fit(), PICK)
    simulation.cluster.advance(1)
    rerun = {"run": "p-g1", "from": ["fit"]}
    simulation.person(lambda: simulation.cluster.create(new_run("again", pipeline="p", rerun=rerun)))
    simulation.run_to_rest()
    assert len(jobs(simulation, "again")) == 6


def listing(**fields: Any) -> Any:
    """A step that makes a list, one that is done for each of its items, and one that gathers that."""
    return (
        {"name": "find", "run": {"image": IMAGE, "outputs": [{"name": "found", "type": "List"}]}},
        {
            "name": "fit",
            "forEach": {"list": "find.found"},
            "run": {
                "image": IMAGE,
                "outputs": [{"name": "files"}],
                "argumentsFrom": {"number": {"cell": "number"}},
            },
            **fields,
        },
        PICK,
    )


def test_a_list_that_is_known_only_at_run_time_has_a_cell_for_each_item() -> None:
    simulation = living(*listing(), cluster=FakeCluster(items=3))
    assert cells(simulation) == dict.fromkeys((1, 2, 3), "Succeeded")
    found = jobs(simulation)
    assert arguments(found["fit#3/1"]) == {"number": 3}
    assert set(task_of(found["fit#3/1"])["inputs"]) == {"forEach"}
    assert simulation.steps("p-g1")["find"]["counts"] == {"found": 3}


def test_an_empty_list_makes_no_cells_and_is_no_failure() -> None:
    simulation = living(*listing(), cluster=FakeCluster(items=0))
    assert set(states(simulation, "p-g1").values()) == {"Succeeded"}
    assert set(jobs(simulation)) == {"find/1", "pick/1"}
    assert simulation.steps("p-g1")["fit"]["message"] == "the list is empty: no cells"


def test_a_list_of_more_items_than_a_run_can_hold_fails_the_step_in_words() -> None:
    simulation = living(*listing(), cluster=FakeCluster(items=999))
    entry = simulation.steps("p-g1")["fit"]
    assert (entry["state"], entry["reason"]) == ("Failed", "TooManyCells")
    assert "has 999 items" in entry["message"]


def test_no_more_cells_are_under_way_than_the_step_says_and_the_rest_say_why() -> None:
    simulation = Simulation(FakeCluster(), most={"fit": 2})
    simulation.person(lambda: simulation.cluster.create(pipeline("p", {"steps": [fit(maxParallel=2)]})))
    simulation._work()
    entry = simulation.steps("p-g1")["fit"]
    assert entry["message"] == (
        "0 of 5 cells done, 2 under way, 3 to come: the step's maxParallel of 2 is reached"
    )
    simulation.run_to_rest()
    assert set(cells(simulation).values()) == {"Succeeded"}


def test_no_more_jobs_are_under_way_than_the_policy_says_steps_and_cells_alike() -> None:
    alone = {"name": "alone", "run": {"image": IMAGE}}
    simulation = Simulation(FakeCluster())
    spec = {"steps": [alone, fit()], "policy": {"maxParallel": 1}}
    simulation.person(lambda: simulation.cluster.create(pipeline("p", spec)))
    simulation._work()
    entry = simulation.steps("p-g1")["fit"]
    assert (entry["state"], entry["reason"]) == ("Queued", "MaxParallel")
    assert entry["message"] == "0 of 5 cells done, 5 to come: policy.maxParallel of 1 is reached"
    simulation.run_to_rest()
    assert set(states(simulation, "p-g1").values()) == {"Succeeded"}


def test_a_cell_that_fails_stops_the_run_where_the_policy_says_so() -> None:
    cluster = FakeCluster(fates={"fit#2": ["exit3"], "fit#4": ["hangs"]})
    simulation = living(fit(), PICK, cluster=cluster, policy={"onFailure": "Stop"})
    assert cells(simulation)[2] == "Failed"
    assert cells(simulation)[4] == "Cancelled"
    assert states(simulation, "p-g1") == {"fit": "Failed", "pick": "Cancelled"}
    assert "fit#4/1" not in jobs(simulation)


def test_a_cancelled_run_ends_every_cell_also_those_that_had_not_begun() -> None:
    simulation = Simulation(FakeCluster(fates={"fit": ["hangs"]}))
    spec = {"steps": [fit(maxParallel=2)]}
    simulation.person(lambda: simulation.cluster.create(pipeline("p", spec)))
    simulation.acts = [(5, lambda: simulation.say("p-g1", cancel=True))]
    simulation.run_to_rest()
    assert cells(simulation) == dict.fromkeys(range(1, 6), "Cancelled")
    assert states(simulation, "p-g1") == {"fit": "Cancelled"}
    assert jobs(simulation) == {}


def test_a_suspended_run_begins_no_more_cells() -> None:
    simulation = Simulation(FakeCluster())
    simulation.person(lambda: simulation.cluster.create(pipeline("p", {"steps": [fit(maxParallel=1)]})))
    simulation.acts = [
        (2, lambda: simulation.say("p-g1", suspend=True)),
        (60, lambda: simulation.say("p-g1", suspend=False)),
    ]
    simulation.run_to_rest()
    assert set(cells(simulation).values()) == {"Succeeded"}


def test_what_a_reused_cell_had_made_is_made_again_when_it_is_gone() -> None:
    simulation = living(fit(), PICK)
    simulation.cluster.fates = {"pick": ["lost"]}
    other = {**PICK, "run": {**PICK["run"], "arguments": {"how": "else"}}}
    apply(simulation, {"steps": [fit(), other]}, "p")
    simulation.run_to_rest()
    assert states(simulation, "p-g2") == {"fit": "Succeeded", "pick": "Succeeded"}
    assert set(jobs(simulation, "p-g2")) == {
        *(f"fit#{number}/1" for number in range(1, 6)),
        "pick/1",
        "pick/2",
    }


def test_a_step_whose_registered_model_is_missing_fails_before_any_cell() -> None:
    missing = {"champion": {"registered": {"version": "tumour-1"}}}
    body = {**fit()["run"], "inputsFrom": missing}
    simulation = living(fit(run=body), PICK)
    assert states(simulation, "p-g1") == {"fit": "Failed", "pick": "Blocked"}
    assert simulation.steps("p-g1")["fit"]["reason"] == "ModelVersionNotFound"
    assert jobs(simulation) == {}


def test_a_result_has_an_age_by_cell_however_often_it_was_reused() -> None:
    aged = fit(reuse={"maxAge": "1h"})
    simulation = living(aged)
    simulation.cluster.advance(3000)
    wider = {"axes": {**GRID["axes"], "month": [0, 1, 2, 3]}, "exclude": GRID["exclude"]}
    apply(simulation, {"steps": [fit(matrix=wider, reuse={"maxAge": "1h"})]}, "p")
    simulation.run_to_rest()
    assert len(jobs(simulation, "p-g2")) == 2
    simulation.cluster.advance(3000)
    simulation.person(lambda: simulation.cluster.create(new_run("again", pipeline="p")))
    simulation.run_to_rest()
    assert set(jobs(simulation, "again")) == {f"fit#{number}/1" for number in (2, 3, 4, 6, 7)}


def test_the_example_of_a_search_serves_the_chosen_settings_and_trains_only_what_is_new() -> None:
    spec = yaml.safe_load((ROOT / "examples/digits/pipeline.yaml").read_text())["spec"]
    cluster = FakeCluster(results={"choose": {"depth": 9, "trees": 30, "accuracy": 0.97}})
    simulation = Simulation(cluster)
    simulation.person(lambda: cluster.create(pipeline("digits", spec)))
    simulation.run_to_rest()
    assert simulation.steps("digits-g1")["serve"]["modelVersion"] == "digits-1"
    versions = {one["metadata"]["name"]: one["status"]["lifecycle"] for one in cluster.find("ModelVersion")}
    trials = {f"digits-trial-{number}": "Candidate" for number in range(1, 5)}
    assert versions == {"digits-1": "Approved", **trials}
    (trial,) = [one for one in spec["steps"] if one["name"] == "trial"]
    trial["matrix"]["axes"]["depth"] = [1, 3, 9]
    simulation.person(lambda: cluster.edit("Pipeline", "digits", spec))
    simulation.run_to_rest()
    steps = simulation.steps("digits-g2")
    assert [one["state"] for one in steps["trial"]["cells"]] == ["Succeeded"] * 2 + ["Reused"] * 4
    assert (steps["choose"]["state"], steps["best"]["state"]) == ("Succeeded", "Reused")
