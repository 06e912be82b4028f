"""Reuse: what is taken over, what each step and run may say about it, and in which words."""

from typing import Any

import pytest

from tests.core.fake_cluster import FakeCluster, task_of
from tests.core.pipelines import TUMOUR_NEEDS, programs, tumour
from tests.core.simulation import Simulation, pipeline
from tests.core.test_pipelines import new_run, states, status

DAY = 86400
KEEP = {"keepRuns": 1000}


def living(spec: Any, needs: Any = None, **cluster: Any) -> Simulation:
    simulation = Simulation(FakeCluster(**cluster), needs or {})
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", spec)))
    simulation.run_to_rest()
    return simulation


def run(simulation: Simulation, name: str, later: float = 1, **spec: Any) -> dict[str, Any]:
    simulation.cluster.advance(later)
    simulation.person(lambda: simulation.cluster.create(new_run(name, **spec)))
    simulation.run_to_rest()
    return simulation.steps(name)


def jobs(simulation: Simulation, name: str) -> list[str]:
    """The steps that had a Job in this run."""
    found = map(task_of, simulation.cluster.find("Job"))
    return sorted(one["step"] for one in found if one["run"] == name)


def saying(step: str = "b", spec: Any = None, **reuse: Any) -> Any:
    """The chain a, b, c; one step says something about its reuse."""
    spec = spec or programs({"a": [], "b": ["a"], "c": ["b"]}, policy=KEEP)
    next(one for one in spec["steps"] if one["name"] == step)["reuse"] = reuse
    return spec


def test_a_step_that_is_never_reused_runs_in_every_run_and_the_others_do_not() -> None:
    simulation = living(saying(policy="Never"))
    found = run(simulation, "again")
    assert jobs(simulation, "again") == ["b"]
    assert found["b"]["why"] == "forced: reuse is Never"
    # It gives what it gave before: what reads it is as it was.
    assert [found[one]["state"] for one in "abc"] == ["Reused", "Succeeded", "Reused"]
    simulation.assert_at_rest()


def test_what_has_changed_is_said_even_of_a_step_that_is_never_reused() -> None:
    spec = saying(policy="Never", spec=programs({"b": []}, parameters=[{"name": "n", "default": "1"}]))
    spec["steps"][0]["run"]["argumentsFrom"] = {"n": {"parameter": "n"}}
    simulation = living(spec)
    assert run(simulation, "again", parameters={"n": "2"})["b"]["why"] == 'changed: parameters.n "1" -> "2"'


def test_a_step_is_compared_with_the_newest_run_that_got_as_far() -> None:
    spec = programs({"a": [], "b": ["a"]}, parameters=[{"name": "n", "default": "1"}], policy=KEEP)
    spec["steps"][1]["run"]["argumentsFrom"] = {"n": {"parameter": "n"}}
    simulation = living(spec, {"a": [], "b": ["a"]})
    simulation.cluster.fates = {"a": ["exit3", "exit3"]}
    for name in ("bad", "worse"):
        assert run(simulation, name, reuse="Never", parameters={"n": "7"})["b"]["state"] == "Blocked"
    simulation.cluster.fates = {}
    found = run(simulation, "good", parameters={"n": "2"})
    assert found["a"]["why"] == "output reused from run tumour-g1"
    assert found["b"]["why"] == 'changed: parameters.n "1" -> "2"'


def test_a_result_that_another_step_has_made_is_said_to_be_of_that_step() -> None:
    simulation = living(programs({"a": []}), {"a": []})
    spec = programs({"b": []})
    spec["steps"][0]["run"] = programs({"a": []})["steps"][0]["run"]
    simulation.needs = {"b": []}
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "tumour", spec))
    simulation.run_to_rest()
    assert simulation.steps("tumour-g2")["b"]["why"] == "output reused from step a of run tumour-g1"


@pytest.mark.parametrize("image", ["ghcr.io/acme/step", "ghcr.io/acme/step:latest"])
def test_an_image_without_a_fixed_tag_is_reused_where_the_step_says_so(image: str) -> None:
    spec = saying(policy="Always")
    spec["steps"][1]["run"]["image"] = image
    simulation = living(spec)
    assert run(simulation, "again")["b"]["why"] == "output reused from run tumour-g1"
    assert jobs(simulation, "again") == []


def test_a_result_is_reused_until_it_is_too_old_by_when_it_was_really_made() -> None:
    simulation = living(saying(maxAge="7d"))
    made = simulation.steps("tumour-g1")["b"]["finishedAt"]
    for number in range(2):  # each of these reuses it anew
        found = run(simulation, f"day-{number}", 3 * DAY)["b"]
        assert (found["state"], found["madeAt"]) == ("Reused", made)
    found = run(simulation, "late", 3 * DAY)
    assert found["b"]["why"] == "expired: made 9 days ago, maxAge is 7d"
    assert jobs(simulation, "late") == ["b"]
    assert "madeAt" not in found["b"]
    assert run(simulation, "after", DAY)["b"]["why"] == "output reused from run late"


def test_a_younger_result_of_the_same_is_found_behind_a_newer_run_that_took_an_old_one() -> None:
    """The first run's result was taken over by the last one; the one between has made it anew."""
    simulation = living(saying(policy="WhenUnchanged"))
    run(simulation, "forced", 5 * DAY, reuse="Never")
    spec = saying(maxAge="7d")
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "tumour", spec))
    simulation.run_to_rest()
    found = run(simulation, "late", 5 * DAY)
    assert found["b"]["state"] == "Reused"
    assert found["b"]["madeAt"] == simulation.steps("forced")["b"]["finishedAt"]


def test_an_ingest_that_is_too_old_reads_its_source_again_though_that_has_not_changed() -> None:
    simulation = living(saying("data", tumour(policy=KEEP), maxAge="7d"), TUMOUR_NEEDS)
    young = run(simulation, "young", 3 * DAY)["data"]
    assert young["state"] == "Reused"
    assert young["madeAt"] == simulation.steps("tumour-g1")["data"]["finishedAt"]
    old = run(simulation, "old", 6 * DAY)
    assert (old["data"]["state"], old["split"]["state"]) == ("Succeeded", "Reused")
    assert old["data"]["why"] == "expired: made 9 days ago, maxAge is 7d"


def test_an_ingest_that_is_never_reused_is_told_of_no_earlier_result() -> None:
    simulation = living(saying("data", tumour(policy=KEEP), policy="Never"), TUMOUR_NEEDS)
    assert run(simulation, "again")["data"]["state"] == "Succeeded"
    told = next(one for one in map(task_of, simulation.cluster.find("Job")) if one["run"] == "again")
    assert "known" not in told


def test_the_time_of_an_ingests_result_outlives_the_run_that_had_read_it() -> None:
    simulation = living(tumour(policy=KEEP), TUMOUR_NEEDS)
    made = simulation.steps("tumour-g1")["data"]["finishedAt"]
    simulation.acts = [(2, lambda: simulation.cluster.delete("PipelineRun", "tumour-g1"))]
    assert run(simulation, "again", DAY)["data"]["madeAt"] == made


def test_a_run_may_ask_for_everything_afresh() -> None:
    simulation = living(tumour(policy=KEEP), TUMOUR_NEEDS)
    found = run(simulation, "afresh", reuse="Never")
    assert jobs(simulation, "afresh") == ["data", "fit", "gate", "split"]
    assert {found[one]["why"] for one in ("data", "split", "fit", "gate")} == {"forced: the run asks for it"}
    # The same bytes are the same version.
    assert found["fit"]["modelVersion"] == "tumour-1"
    assert set(states(simulation, "after").values()) if run(simulation, "after") else set()
    assert simulation.steps("after")["fit"]["why"] == "output reused from run afresh"
    simulation.assert_at_rest()


def test_a_plan_says_what_is_forced_and_what_has_expired() -> None:
    spec = saying(maxAge="2d")
    spec["steps"][2]["reuse"] = {"policy": "Never"}
    simulation = living(spec)
    found = run(simulation, "plan", 3 * DAY, mode="Plan")
    assert [(found[one]["reason"], found[one]["why"]) for one in "abc"] == [
        ("WouldReuse", "output reused from run tumour-g1"),
        ("WouldRun", "expired: made 3 days ago, maxAge is 2d"),
        ("WouldRun", "forced: reuse is Never"),
    ]
    afresh = run(simulation, "other", mode="Plan", reuse="Never")
    assert {one["reason"] for one in afresh.values()} == {"WouldRun"}
    assert {one["why"] for one in afresh.values()} == {"forced: the run asks for it"}


def test_a_rerun_carries_on_when_the_rest_was_made() -> None:
    simulation = living(saying(maxAge="7d"))
    made = simulation.steps("tumour-g1")["a"]["finishedAt"]
    run(simulation, "reused", DAY)
    again = run(simulation, "again", DAY, rerun={"run": "reused", "from": ["c"]})
    assert (again["a"]["state"], again["a"]["madeAt"]) == ("Reused", made)
    assert again["c"]["why"] == "done again: run reused is repeated from here"


def test_lost_outputs_are_made_again_and_then_are_new() -> None:
    simulation = living(saying(maxAge="7d"), fates={"c": ["exit3"]})
    simulation.cluster.fates = {"c": ["lost"]}
    found = run(simulation, "again")
    assert (found["b"]["state"], found["b"]["why"]) == ("Succeeded", "output lost")
    assert "madeAt" not in found["b"]


# The registry remembers trainings


def test_a_training_whose_run_is_gone_is_reused_from_its_registered_model() -> None:
    simulation = living(tumour(policy=KEEP), TUMOUR_NEEDS)
    simulation.person(lambda: simulation.cluster.delete("PipelineRun", "tumour-g1"))
    found = run(simulation, "again", 3 * DAY)
    assert jobs(simulation, "again") == ["data", "gate", "split"]
    fit = found["fit"]
    assert (fit["state"], fit["why"]) == (
        "Reused",
        "output reused from ModelVersion tumour-1 of run tumour-g1",
    )
    version = simulation.cluster.objects[("ModelVersion", "tumour-1")]
    assert fit["outputs"] == {"model": version["spec"]["digest"]}
    assert (fit["modelVersion"], fit["madeAt"]) == ("tumour-1", "2026-11-21T10:00:10Z")
    assert status(simulation, "PipelineRun", "again")["status"] == "Succeeded"
    simulation.assert_at_rest()


def test_a_registered_model_of_other_work_is_not_taken() -> None:
    simulation = living(tumour(policy=KEEP), TUMOUR_NEEDS)
    simulation.person(lambda: simulation.cluster.delete("PipelineRun", "tumour-g1"))
    run(simulation, "again", parameters={"trees": 3})
    assert "fit" in jobs(simulation, "again")


def test_a_registered_model_may_be_too_old_as_well() -> None:
    simulation = living(saying("fit", tumour(policy=KEEP), maxAge="7d"), TUMOUR_NEEDS)
    simulation.person(lambda: simulation.cluster.delete("PipelineRun", "tumour-g1"))
    run(simulation, "late", 9 * DAY)
    assert "fit" in jobs(simulation, "late")
