"""Results of steps as values in fields of others: what waits, what is reused, what does not fit."""

from tests.core.fake_cluster import FakeCluster
from tests.core.test_cells import IMAGE, arguments, jobs, living
from tests.core.test_pipelines import apply, states

PROBE = {"name": "probe", "run": {"image": IMAGE, "results": [{"name": "rows", "type": "Integer"}]}}
LOAD = {
    "name": "load",
    "run": {
        "image": IMAGE,
        "argumentsFrom": {"rows": {"result": "probe.rows"}},
        "outputs": [{"name": "files"}],
    },
}


def test_a_result_is_an_argument_of_another_step_and_makes_it_wait() -> None:
    simulation = living(PROBE, LOAD, cluster=FakeCluster(results={"probe": {"rows": 3}}))
    assert arguments(jobs(simulation)["load/1"]) == {"rows": 3}


def test_another_value_of_the_result_is_why_the_step_runs_again() -> None:
    simulation = living(PROBE, LOAD, cluster=FakeCluster(results={"probe": {"rows": 3}}))
    simulation.cluster.results = {"probe": {"rows": 5}}
    again = {**PROBE, "run": {**PROBE["run"], "args": ["anew"]}}
    apply(simulation, {"steps": [again, LOAD]}, "p")
    simulation.run_to_rest()
    entry = simulation.steps("p-g2")["load"]
    assert entry["why"] == "changed: steps.load.run.arguments.rows 3 -> 5"
    simulation.cluster.results = {"probe": {"rows": 3}}
    third = {**PROBE, "run": {**PROBE["run"], "args": ["once more"]}}
    apply(simulation, {"steps": [third, LOAD]}, "p")
    simulation.run_to_rest()
    assert states(simulation, "p-g3") == {"probe": "Succeeded", "load": "Reused"}


def test_who_takes_a_result_of_a_skipped_step_is_skipped_with_it() -> None:
    left_out = {**PROBE, "when": {"all": [{"trigger": {"in": ["manual"]}}]}}
    simulation = living(left_out, LOAD)
    assert states(simulation, "p-g1") == {"probe": "Skipped", "load": "Skipped"}
    assert simulation.steps("p-g1")["load"]["message"] == "takes a result of step probe, which was skipped"


def test_a_result_that_does_not_fit_its_field_fails_the_step_before_it_has_a_job() -> None:
    probe = {"name": "probe", "run": {"image": IMAGE, "results": [{"name": "size"}]}}
    load = {"name": "load", "resources": {"memoryFrom": {"result": "probe.size"}}, "run": {"image": IMAGE}}
    simulation = living(probe, load, cluster=FakeCluster(results={"probe": {"size": "a lot"}}))
    entry = simulation.steps("p-g1")["load"]
    assert (entry["state"], entry["reason"], entry.get("attempt", 0)) == ("Failed", "InvalidValue", 0)
    assert entry["message"].startswith(
        "a result does not fit the field that takes it: spec.steps[1].resources"
    )


def test_memory_from_a_result_and_from_a_cell_is_what_the_jobs_get() -> None:
    probe = {"name": "probe", "run": {"image": IMAGE, "results": [{"name": "size"}]}}
    load = {"name": "load", "resources": {"memoryFrom": {"result": "probe.size"}}, "run": {"image": IMAGE}}
    grid = {
        "name": "grid",
        "matrix": {"axes": {"memory": ["1Gi", "2Gi"]}},
        "resources": {"memoryFrom": {"cell": "memory"}},
        "run": {"image": IMAGE},
    }
    simulation = living(probe, load, grid, cluster=FakeCluster(results={"probe": {"size": "3Gi"}}))
    found = {
        leaf: job["spec"]["template"]["spec"]["initContainers"][1]["resources"]["limits"]["memory"]
        for leaf, job in jobs(simulation).items()
    }
    assert (found["load/1"], found["grid#1/1"], found["grid#2/1"]) == ("3Gi", "1Gi", "2Gi")
