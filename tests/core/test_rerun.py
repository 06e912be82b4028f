"""rerun: a new run from an old one. What is done again follows from the graph and is never guessed."""

from typing import Any

import pytest

from tests.core.fake_cluster import FakeCluster, task_of
from tests.core.fake_shell import FakeShell
from tests.core.pipelines import TUMOUR_NEEDS, programs, tumour
from tests.core.simulation import Simulation, pipeline
from tests.core.test_pipelines import apply, loosened, new_run, runs, states, status

CHAIN = {"a": [], "b": ["a"], "c": ["b"], "d": ["a"]}


def living(spec: Any, needs: Any = None, **cluster: Any) -> Simulation:
    simulation = Simulation(FakeCluster(**cluster), needs or {})
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", spec)))
    simulation.run_to_rest()
    return simulation


def repeat(simulation: Simulation, name: str = "again", run: str = "tumour-g1", **spec: Any) -> None:
    parameters = {"parameters": spec.pop("parameters")} if "parameters" in spec else {}
    simulation.cluster.advance(1)
    simulation.person(
        lambda: simulation.cluster.create(new_run(name, rerun={"run": run, **spec}, **parameters))
    )
    simulation.run_to_rest()


def did(simulation: Simulation, run: str = "again") -> set[str]:
    """The steps that had a Job in this run."""
    return {task_of(one)["step"] for one in simulation.cluster.find("Job") if task_of(one)["run"] == run}


@pytest.mark.parametrize(
    ("begin", "done"),
    [
        (["b"], {"b", "c"}),
        (["c"], {"c"}),
        (["d"], {"d"}),
        (["a"], {"a", "b", "c", "d"}),
        (["c", "d"], {"c", "d"}),
    ],
)
def test_from_a_step_on_everything_behind_it_is_done_again(begin: list[str], done: set[str]) -> None:
    simulation = living(programs(CHAIN))
    repeat(simulation, **{"from": begin})
    assert did(simulation) == done
    found = simulation.steps("again")
    assert {found[one]["why"] for one in set(CHAIN) - done} <= {"taken over from run tumour-g1"}
    assert {found[one]["why"] for one in done} == {"done again: run tumour-g1 is repeated from here"}
    assert status(simulation, "PipelineRun", "again")["status"] == "Succeeded"
    simulation.assert_at_rest()


def test_what_failed_is_done_again_with_what_it_blocked_and_nothing_else() -> None:
    simulation = living(programs(CHAIN), fates={"b": ["exit3"]})
    assert states(simulation, "tumour-g1")["c"] == "Blocked"
    simulation.cluster.fates = {}
    repeat(simulation, failed=True)
    assert did(simulation) == {"b", "c"}
    assert states(simulation, "again") == {"a": "Reused", "b": "Succeeded", "c": "Succeeded", "d": "Reused"}


def test_the_data_is_that_of_the_old_run_though_its_source_has_changed() -> None:
    simulation = living(tumour(), TUMOUR_NEEDS)
    simulation.cluster.source_revision = "etag-2"
    repeat(simulation, **{"from": ["fit"]})
    old, new = simulation.steps("tumour-g1"), simulation.steps("again")
    assert new["data"]["outputs"] == old["data"]["outputs"]
    assert did(simulation) == {"fit", "gate"}
    assert new["serve"]["state"] == "Succeeded"


def test_the_steps_are_those_of_the_old_run_though_the_pipeline_has_changed() -> None:
    simulation = living(tumour(), TUMOUR_NEEDS)
    apply(simulation, loosened())
    simulation.run_to_rest()
    repeat(simulation, **{"from": ["gate"]})
    snapshots = {one: status(simulation, "PipelineRun", one)["snapshot"] for one in ("tumour-g1", "again")}
    assert snapshots["again"]["revision"] == snapshots["tumour-g1"]["revision"]
    assert status(simulation, "Pipeline", "tumour")["lastStarted"]["run"] == "tumour-g2"


def test_a_changed_parameter_does_again_what_it_changes_and_what_lies_behind() -> None:
    simulation = living(tumour(), TUMOUR_NEEDS)
    simulation.person(lambda: simulation.cluster.create(new_run("mine", parameters={"trees": 50})))
    simulation.run_to_rest()
    repeat(simulation, run="mine", parameters={"trees": 60}, **{"from": ["serve"]})
    assert did(simulation) == {"fit", "gate"}
    assert "50 -> 60" in simulation.steps("again")["fit"]["why"]
    repeat(simulation, "once-more", "again", **{"from": ["fit"]})
    assert status(simulation, "PipelineRun", "once-more")["snapshot"]["parameters"] == {"trees": 60}


def test_a_deploy_that_is_not_asked_for_is_left_alone() -> None:
    spec = tumour()
    spec["steps"] += programs({"report": []})["steps"]
    simulation = living(spec, TUMOUR_NEEDS)
    apply(simulation, {**spec, "parameters": [{"name": "trees", "type": "Integer", "default": 300}]})
    simulation.run_to_rest()
    live = simulation.cluster.objects[("ModelEndpoint", "tumour")]["spec"]["model"]
    assert live["version"] == "tumour-2"
    repeat(simulation, **{"from": ["report"]})
    assert simulation.steps("again")["serve"]["why"] == "taken over from run tumour-g1"
    assert simulation.cluster.objects[("ModelEndpoint", "tumour")]["spec"]["model"] == live


def test_a_model_that_was_deleted_is_trained_again() -> None:
    simulation = living(tumour(), TUMOUR_NEEDS)
    simulation.person(lambda: simulation.cluster.delete("ModelVersion", "tumour-1"))
    repeat(simulation, **{"from": ["gate"]})
    assert did(simulation) == {"fit", "gate"}


def test_the_old_run_may_go_once_the_new_one_has_begun() -> None:
    simulation = living(programs(CHAIN))
    cluster = simulation.cluster
    cluster.create(new_run("again", rerun={"run": "tumour-g1", "from": ["b"]}))
    FakeShell(cluster).run_pass("again")
    assert states(simulation, "again")["a"] == "Reused"
    simulation.person(lambda: cluster.delete("PipelineRun", "tumour-g1"))
    simulation.run_to_rest()
    assert did(simulation) == {"b", "c"}
    assert status(simulation, "PipelineRun", "again")["status"] == "Succeeded"


@pytest.mark.parametrize(
    ("rerun", "reason", "words"),
    [
        ({"run": "gone", "failed": True}, "RunNotFound", "there is no PipelineRun gone"),
        ({"run": "tumour-g1", "failed": True}, "InvalidRerun", "nothing to repeat"),
        ({"run": "tumour-g1", "from": ["bb"]}, "InvalidRerun", 'there is no step "bb"'),
        ({"run": "plan", "failed": True}, "InvalidRerun", "only said what would happen"),
        ({"run": "wrong", "failed": True}, "InvalidRerun", "never began"),
        ({"run": "fill", "failed": True}, "InvalidRerun", "is a backfill, which has no steps"),
        ({"run": "lake-g1", "failed": True}, "InvalidRerun", "is one of Pipeline lake, not of tumour"),
    ],
    ids=["gone", "nothing failed", "no such step", "a plan", "refused", "a backfill", "of another pipeline"],
)
def test_what_cannot_be_repeated_is_said(rerun: dict[str, Any], reason: str, words: str) -> None:
    simulation = living(programs(CHAIN))
    simulation.person(lambda: simulation.cluster.create(pipeline("lake", programs({"a": []}))))
    simulation.person(lambda: simulation.cluster.create(new_run("plan", mode="Plan")))
    simulation.person(lambda: simulation.cluster.create(new_run("wrong", parameters={"none": 1})))
    times = {"trigger": "none", "from": "2026-11-20T00:00:00Z", "to": "2026-11-20T05:59:00Z"}
    simulation.person(lambda: simulation.cluster.create(new_run("fill", backfill=times)))
    simulation.run_to_rest()
    simulation.person(lambda: simulation.cluster.create(new_run("again", rerun=rerun)))
    simulation.run_to_rest()
    found = status(simulation, "PipelineRun", "again")
    assert (found["status"], found["reason"]) == ("Failed", reason)
    assert words in found["message"]


def test_a_run_of_a_pipeline_that_was_deleted_is_not_repeated_for_its_successor() -> None:
    simulation = living(programs(CHAIN))
    run = simulation.cluster.objects[("PipelineRun", "tumour-g1")]
    run["metadata"]["ownerReferences"][0]["uid"] = run["status"]["snapshot"]["pipelineUid"] = "of old"
    repeat(simulation, **{"from": ["b"]})
    found = status(simulation, "PipelineRun", "again")
    assert found["reason"] == "InvalidRerun"
    assert "an earlier Pipeline tumour, which was deleted" in found["message"]


def test_wrong_parameters_of_a_rerun_fail_it() -> None:
    simulation = living(tumour(), TUMOUR_NEEDS)
    repeat(simulation, parameters={"tree": 1}, **{"from": ["fit"]})
    assert status(simulation, "PipelineRun", "again")["reason"] == "InvalidParameters"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_at_any_write_changes_nothing(moment: str) -> None:
    for deadly in range(1, 14):
        simulation = living(programs(CHAIN))
        count = iter(range(1, 10_000))
        fate = lambda deadly=deadly, count=count: moment if next(count) == deadly else ""  # noqa: E731 - of this life
        simulation.fate_of_write = fate
        simulation.shell.fate_of_write = fate
        repeat(simulation, **{"from": ["b"]})
        assert did(simulation) == {"b", "c"}, deadly
        assert set(runs(simulation)) == {"tumour-g1", "again"}
        simulation.fate_of_write = lambda: ""
        simulation.assert_at_rest()
