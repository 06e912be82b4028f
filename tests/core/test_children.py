"""Pipelines as steps: a run of the other pipeline per attempt, held and ended with its parent."""

from datetime import datetime
from typing import Any

import pytest

from penstock_spec.object_names import child_name
from tests.core.fake_cluster import NAMESPACE, FakeCluster, Object
from tests.core.pipelines import programs, tumour
from tests.core.simulation import Simulation, pipeline
from tests.core.test_cancel import live_jobs, states, status, until

GIVES = [{"name": "files", "from": "c1.files"}]


def inner(**fields: Any) -> Any:
    """The pipeline that is a step: it waits until it is asked."""
    more = {"policy": {"onChange": "Wait"}, "parameters": [{"name": "size", "type": "Integer", "default": 1}]}
    spec = programs({"c0": [], "c1": ["c0"]}, **{**more, **fields})
    spec["steps"][1]["run"]["argumentsFrom"] = {"size": {"parameter": "size"}}
    spec["steps"][1]["run"]["results"] = [{"name": "rows", "type": "Integer"}]
    return spec


def outer(body: Any = None, step: Any = None, **fields: Any) -> Any:
    """The pipeline with the step `sub`, whose output `use` reads."""
    spec = programs({"use": []}, **fields)
    spec["steps"][0]["run"]["inputs"] = {"rows": "sub.files"}
    sub = {"name": "c", "outputs": GIVES, **(body or {})}
    return {**spec, "steps": [{"name": "sub", "pipeline": sub, **(step or {})}, *spec["steps"]]}


def started(spec: Any = None, other: Any = None, **cluster: Any) -> Simulation:
    """Both pipelines have been applied."""
    simulation = Simulation(FakeCluster(**{"results": {"c1": {"rows": 3}}, **cluster}))
    simulation.person(lambda: simulation.cluster.create(pipeline("c", other or inner())))
    until(simulation, 1)
    simulation.person(lambda: simulation.cluster.create(pipeline("p", spec or outer())))
    return simulation


def lived(spec: Any = None, other: Any = None, **cluster: Any) -> Simulation:
    simulation = started(spec, other, **cluster)
    simulation.run_to_rest()
    simulation.assert_at_rest()
    return simulation


def children(simulation: Simulation) -> list[Object]:
    return [one for one in simulation.cluster.find("PipelineRun") if one["spec"].get("step")]


def child(simulation: Simulation, attempt: int = 1) -> str:
    """The name of the child run of `sub` in p-g1."""
    run = simulation.cluster.objects[("PipelineRun", "p-g1")]
    return child_name("p-g1", run["metadata"]["uid"], "sub", attempt)


def entry(simulation: Simulation, step: str = "sub") -> Object:
    return simulation.steps("p-g1")[step]


# It goes well


def test_a_step_is_the_run_of_another_pipeline_and_gives_its_outputs() -> None:
    results = [{"name": "count", "from": "c1.rows", "type": "Integer"}]
    spec = outer({"parameters": {"size": 7}, "results": results})
    spec["steps"][1]["when"] = {"all": [{"result": "sub.count", "atLeast": 3}]}
    simulation = lived(spec)
    run = simulation.cluster.objects[("PipelineRun", child(simulation))]
    parent = simulation.cluster.objects[("PipelineRun", "p-g1")]
    assert run["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "penstock.dev/v1alpha1",
            "kind": "PipelineRun",
            "name": "p-g1",
            "uid": parent["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": False,
        }
    ]
    assert (run["spec"]["partOf"], run["spec"]["step"]) == ("p-g1", "sub")
    assert run["spec"]["parameters"] == {"size": 7}
    assert "triggeredBy" not in run["spec"]
    assert run["spec"]["scheduledTime"] == parent["metadata"]["creationTimestamp"]
    assert states(simulation) == {"sub": "Succeeded", "use": "Succeeded"}
    sub = entry(simulation)
    assert sub["outputs"] == {"files": simulation.steps(child(simulation))["c1"]["outputs"]["files"]}
    assert sub["results"] == {"count": "3"}
    snapshot = run["status"]["snapshot"]
    frozen = {"revision": snapshot["revision"], "digest": snapshot["digest"]}
    assert sub["child"] == {"run": child(simulation), **frozen}
    assert sub["message"] == f"child run {child(simulation)} succeeded"


def test_a_child_is_told_what_a_trigger_has_seen() -> None:
    simulation = lived()
    meta = {"name": "by-hand", "namespace": NAMESPACE}
    spec = {"pipeline": "p", "triggeredBy": {"modelVersion": "m-2"}, "reuse": "Never"}
    run = {"kind": "PipelineRun", "metadata": meta, "spec": spec}
    simulation.person(lambda: simulation.cluster.create(run))
    simulation.run_to_rest()
    seen = {one["spec"]["partOf"]: one["spec"].get("triggeredBy") for one in children(simulation)}
    assert seen == {"p-g1": None, "by-hand": {"modelVersion": "m-2"}}


def test_the_entry_shows_how_the_child_is_doing() -> None:
    simulation = started(fates={"c1": ["hangs"]})
    until(simulation, 8)
    sub = entry(simulation)
    assert (sub["state"], sub["reason"]) == ("Running", "Running")
    assert sub["message"] == f"child run {child(simulation)} (1/2): step c1"
    assert status(simulation)["step"] == "sub"


def test_parameters_of_the_parent_are_handed_on() -> None:
    spec = outer({"parametersFrom": {"size": {"parameter": "n"}}})
    spec["parameters"] = [{"name": "n", "type": "Integer", "default": 5}]
    simulation = lived(spec)
    assert children(simulation)[0]["spec"]["parameters"] == {"size": 5}


def test_a_second_run_asks_a_child_again_in_which_everything_is_reused() -> None:
    simulation = lived()
    jobs = len(simulation.jobs_created())
    again = {
        "kind": "PipelineRun",
        "metadata": {"name": "w", "namespace": NAMESPACE},
        "spec": {"pipeline": "p"},
    }
    simulation.person(lambda: simulation.cluster.create(again))
    simulation.run_to_rest()
    assert states(simulation, "w") == {"sub": "Succeeded", "use": "Reused"}
    assert len(simulation.jobs_created()) == jobs
    newest = simulation.steps("w")["sub"]["child"]["run"]
    assert set(states(simulation, newest).values()) == {"Reused"}
    sub = simulation.steps("w")["sub"]
    assert (sub["digest"], sub["reason"]) == (entry(simulation)["digest"], "Unchanged")
    assert sub["message"] == f"child run {newest} succeeded: everything in it was reused"


@pytest.mark.parametrize(
    ("step", "spec"),
    [({"reuse": {"policy": "Never"}}, {}), ({}, {"reuse": "Never"})],
    ids=["of the step", "of the run"],
)
def test_all_of_a_child_is_executed_where_nothing_may_be_reused(step: Any, spec: Any) -> None:
    simulation = lived(outer(step=step))
    again = {"name": "w", "namespace": NAMESPACE}
    run = {"kind": "PipelineRun", "metadata": again, "spec": {"pipeline": "p", **spec}}
    simulation.person(lambda: simulation.cluster.create(run))
    simulation.run_to_rest()
    newest = simulation.steps("w")["sub"]["child"]["run"]
    assert simulation.cluster.objects[("PipelineRun", newest)]["spec"]["reuse"] == "Never"
    assert set(states(simulation, newest).values()) == {"Succeeded"}


def test_a_change_of_the_other_pipeline_shows_in_the_digest_of_the_step() -> None:
    simulation = lived()
    changed = inner()
    changed["steps"][0]["run"]["arguments"] = {"step": "other"}
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "c", changed))
    again = {
        "kind": "PipelineRun",
        "metadata": {"name": "w", "namespace": NAMESPACE},
        "spec": {"pipeline": "p"},
    }
    simulation.person(lambda: simulation.cluster.create(again))
    simulation.run_to_rest()
    assert simulation.steps("w")["sub"]["digest"] != entry(simulation)["digest"]
    assert states(simulation, "w") == {"sub": "Succeeded", "use": "Succeeded"}


def test_a_model_of_a_child_is_judged_and_deployed_by_its_parent() -> None:
    other = tumour(policy={"onChange": "Wait"})
    other["steps"] = other["steps"][:3]
    gives = [{"name": "model", "from": "fit.model", "type": "Model"}]
    gives.append({"name": "test", "from": "split.test", "type": "Table"})
    gate = {"model": "sub.model", "test": "sub.test", "thresholds": [{"metric": "roc_auc", "minimum": 0.5}]}
    spec = {
        "steps": [
            {"name": "sub", "pipeline": {"name": "c", "outputs": gives}},
            {"name": "gate", "validate": gate},
            {"name": "serve", "deploy": {"model": "sub.model", "endpoint": "tumour"}},
        ]
    }
    simulation = lived(spec, other)
    assert set(states(simulation).values()) == {"Succeeded"}
    assert entry(simulation)["modelVersion"] == "tumour-1"
    version = simulation.cluster.objects[("ModelVersion", "tumour-1")]
    assert version["status"]["lifecycle"] == "Approved"
    assert simulation.cluster.objects[("ModelEndpoint", "tumour")]["spec"]["model"]["version"] == "tumour-1"


# It does not go well


def test_a_failed_child_is_named_with_its_step_and_the_next_command() -> None:
    simulation = lived(fates={"c0": ["exit3"]})
    sub, name = entry(simulation), child(simulation)
    assert (sub["state"], sub["reason"], sub["failureClass"]) == ("Failed", "UserError", "UserError")
    assert sub["message"].startswith(f"child run {name} failed: step c0: ")
    assert sub["message"].endswith(f"; kubectl get plr -n ml {name}")
    assert entry(simulation, "use")["state"] == "Blocked"
    assert status(simulation)["message"].startswith(f"step sub: child run {name} failed: step c0: ")


def test_a_failed_child_is_tried_again_where_that_is_asked_for() -> None:
    spec = outer(step={"retry": {"userError": {"limit": 1, "backoff": {"first": "5s"}}}})
    simulation = lived(spec, fates={"c1": ["exit3"]})
    # The second child takes over what the first had made, and fails at the same place.
    assert entry(simulation)["attempt"] == 2
    assert [one["metadata"]["name"] for one in children(simulation)].count(child(simulation, 2)) == 1
    assert simulation.steps(child(simulation, 2))["c0"]["state"] == "Reused"


def test_a_child_that_somebody_deletes_is_made_again() -> None:
    simulation = started(fates={"c1": ["hangs"]})
    until(simulation, 8)
    simulation.person(lambda: simulation.cluster.delete("PipelineRun", child(simulation)))
    until(simulation, 4)
    sub = entry(simulation)
    assert (sub["attempt"], sub["retries"]) == (2, {"Disruption": 1})
    assert [one["metadata"]["name"] for one in children(simulation)] == [child(simulation, 2)]


def test_a_child_that_somebody_cancels_fails_the_step_for_good() -> None:
    spec = outer(step={"retry": {"userError": {"limit": 3}}})
    simulation = started(spec, fates={"c1": ["hangs"]})
    until(simulation, 8)
    simulation.person(lambda: simulation.say(child(simulation), cancel=True))
    simulation.run_to_rest()
    sub = entry(simulation)
    assert (sub["state"], sub["reason"], sub["attempt"]) == ("Failed", "ChildCancelled", 1)
    assert f"child run {child(simulation)} was cancelled by somebody" in sub["message"]
    assert status(simulation)["status"] == "Failed"


def test_a_pipeline_that_is_not_there_fails_the_step_after_the_usual_grace() -> None:
    simulation = started(outer({"name": "cc"}))
    until(simulation, 30)
    assert (entry(simulation)["state"], entry(simulation)["reason"]) == ("Starting", "PipelineNotFound")
    simulation.run_to_rest()
    assert (entry(simulation)["state"], entry(simulation)["reason"]) == ("Failed", "PipelineNotFound")
    assert "there is no Pipeline cc in namespace ml" in entry(simulation)["message"]


@pytest.mark.parametrize(
    ("body", "reason", "words"),
    [
        ({"parameters": {"sise": 3}}, "InvalidParameters", 'Did you mean "size"?'),
        ({"parameters": {"size": "x"}}, "InvalidParameters", "but the parameter's type is Integer"),
        ({"outputs": [{"name": "files", "from": "c2.files"}]}, "InvalidResult", 'has no step "c2"'),
        ({"outputs": [{"name": "files", "from": "c1.flies"}]}, "InvalidResult", 'no output "flies"'),
        (
            {"outputs": [{"name": "files", "from": "c1.files", "type": "Table"}]},
            "InvalidResult",
            "output c1.files of pipeline c is of type Files, not Table",
        ),
        (
            {"outputs": GIVES, "results": [{"name": "n", "from": "c1.rows"}]},
            "InvalidResult",
            "result c1.rows of pipeline c is of type Integer, not String",
        ),
    ],
    ids=["no such parameter", "wrong value", "no such step", "no such output", "type of output", "of result"],
)
def test_what_does_not_fit_the_other_pipeline_is_told_before_it_has_run(
    body: Any, reason: str, words: str
) -> None:
    simulation = lived(outer(body), fates={"c0": ["hangs"]})
    assert (entry(simulation)["state"], entry(simulation)["reason"]) == ("Failed", reason)
    assert words in entry(simulation)["message"]
    assert live_jobs(simulation) == []


def test_an_output_of_a_step_that_was_skipped_fails_the_step() -> None:
    other = inner()
    other["steps"][1]["when"] = {"all": [{"parameter": "size", "greaterThan": 5}]}
    simulation = lived(outer(), other)
    assert entry(simulation)["reason"] == "InvalidResult"
    assert (
        f"step c1 of child run {child(simulation)} is Skipped, so there is no files"
        in (entry(simulation)["message"])
    )


def test_a_pipeline_that_contains_itself_through_another_ends_at_a_depth() -> None:
    to_p = {"steps": [{"name": "back", "pipeline": {"name": "p"}}], "policy": {"onChange": "Wait"}}
    simulation = lived({"steps": [{"name": "sub", "pipeline": {"name": "c"}}]}, to_p)
    assert len(children(simulation)) == 4
    assert entry(simulation)["state"] == "Failed"
    deepest = [one for one in children(simulation) if one["status"]["reason"] == "NestedTooDeep"]
    assert "p > c > p > c > p > c; does one of them" in deepest[-1]["status"]["message"]


def test_a_pipeline_that_names_itself_is_refused() -> None:
    simulation = lived({"steps": [{"name": "sub", "pipeline": {"name": "p"}}]})
    found = status(simulation, "p", "Pipeline")
    assert found["status"] == "Refused"
    assert "spec.steps[0].pipeline.name" in found["message"]


# What passes down


def test_a_cancelled_parent_ends_when_its_child_has() -> None:
    simulation = started(fates={"c1": ["hangs"]})
    until(simulation, 8)
    simulation.person(lambda: simulation.say("p-g1", cancel=True))
    simulation._work()
    assert status(simulation)["status"] == "Cancelled"
    assert status(simulation)["message"] == "somebody cancelled it; 2 of 2 steps had not ended"
    assert states(simulation) == {"sub": "Cancelled", "use": "Cancelled"}
    below = status(simulation, child(simulation))
    assert below["status"] == "Cancelled"
    assert below["message"].startswith("run p-g1, whose step sub it is, or somebody cancelled it; ")
    assert live_jobs(simulation) == []
    simulation.run_to_rest()
    simulation.assert_at_rest()


@pytest.mark.parametrize("way", ["cancel", "deadline"])
def test_what_a_child_executes_is_known_though_nobody_wrote_it_before_the_end(way: str) -> None:
    """It is news, and whoever holds that may die before it is written."""
    spec = outer(policy={"deadline": "20s"}) if way == "deadline" else None
    simulation = started(spec, fates={"c1": ["hangs"]})
    until(simulation, 8)
    known = entry(simulation)["child"]
    assert set(known) == {"run", "revision", "digest"}
    if way == "cancel":
        simulation.person(lambda: simulation.say("p-g1", cancel=True))
    else:
        simulation.cluster.advance(20)
    run = simulation.cluster.objects[("PipelineRun", "p-g1")]
    steps = [
        {**one, "child": {"run": known["run"]}} if one["name"] == "sub" else one
        for one in run["status"]["steps"]
    ]
    simulation.cluster.change(run, "status", status={**run["status"], "steps": steps})
    simulation.run_to_rest()
    assert entry(simulation)["state"] == "Cancelled"
    assert entry(simulation)["child"] == known


def test_a_parent_whose_time_is_over_ends_its_child_and_expires() -> None:
    simulation = lived(outer(policy={"deadline": "20s"}), fates={"c1": ["hangs"]})
    assert status(simulation)["status"] == "Expired"
    assert (entry(simulation)["state"], entry(simulation)["reason"]) == ("Cancelled", "RunExpired")
    assert status(simulation, child(simulation))["status"] == "Cancelled"
    assert live_jobs(simulation) == []


def test_a_failure_that_stops_the_parent_ends_its_child() -> None:
    spec = outer(policy={"onFailure": "Stop"})
    spec["steps"].append({"name": "bad", "run": {"image": "a:1"}})
    simulation = lived(spec, fates={"c1": ["hangs"], "bad": ["exit3"]})
    assert states(simulation) == {"sub": "Cancelled", "use": "Cancelled", "bad": "Failed"}
    assert entry(simulation)["reason"] == "FailureStoppedRun"
    assert status(simulation, child(simulation))["status"] == "Cancelled"


def test_a_child_that_takes_longer_than_the_steps_deadline_is_ended() -> None:
    simulation = lived(outer(step={"deadline": "20s"}), fates={"c1": ["hangs"]})
    sub = entry(simulation)
    assert (sub["state"], sub["reason"], sub["failureClass"]) == ("Failed", "DeadlineExceeded", "Deadline")
    assert "took longer than the step's deadline of 20s" in sub["message"]
    assert status(simulation)["status"] == "Failed"
    assert status(simulation, child(simulation))["status"] == "Cancelled"


def test_a_suspended_parent_holds_its_child_and_its_deadlines() -> None:
    simulation = started(outer(step={"deadline": "30s"}))
    until(simulation, 2)
    simulation.person(lambda: simulation.say("p-g1", suspend=True))
    until(simulation, 120)
    held = status(simulation, child(simulation))
    assert (held["status"], held["reason"]) == ("Suspended", "RunSuspended")
    assert "run p-g1, which it is part of, is suspended; kubectl patch plr -n ml p-g1" in held["message"]
    assert states(simulation, child(simulation)) == {"c0": "Succeeded", "c1": "Waiting"}
    assert "suspend" not in simulation.cluster.objects[("PipelineRun", child(simulation))]["spec"]
    simulation.person(lambda: simulation.say("p-g1", suspend=False))
    simulation.shell.run_pass("p-g1")
    assert entry(simulation)["message"] == f"child run {child(simulation)} goes on", "before the child knows"
    simulation.run_to_rest()
    assert set(states(simulation).values()) == {"Succeeded"}


def test_a_child_that_a_person_suspended_stays_so_when_its_parent_goes_on() -> None:
    simulation = started()
    until(simulation, 2)
    simulation.person(lambda: simulation.say(child(simulation), suspend=True))
    simulation.person(lambda: simulation.say("p-g1", suspend=True))
    until(simulation, 20)
    simulation.person(lambda: simulation.say("p-g1", suspend=False))
    until(simulation, 20)
    assert status(simulation, child(simulation))["status"] == "Suspended"
    assert entry(simulation)["state"] == "Running"
    assert f"kubectl patch plr -n ml {child(simulation)}" in entry(simulation)["message"]
    simulation.person(lambda: simulation.say(child(simulation), suspend=False))
    simulation.run_to_rest()
    assert set(states(simulation).values()) == {"Succeeded"}


def test_children_are_held_and_ended_through_all_levels() -> None:
    middle = outer({"name": "d"}, policy={"onChange": "Wait"})
    middle["steps"][0]["pipeline"]["outputs"] = [{"name": "files", "from": "c1.files"}]
    simulation = Simulation(FakeCluster(results={"c1": {"rows": 1}}, fates={"c1": ["hangs"]}))
    simulation.cluster.create(pipeline("d", inner()))
    simulation.cluster.create(pipeline("c", middle))
    simulation.wake()
    until(simulation, 1)
    spec = {"steps": [{"name": "sub", "pipeline": {"name": "c"}}]}
    simulation.person(lambda: simulation.cluster.create(pipeline("p", spec)))
    until(simulation, 8)
    simulation.person(lambda: simulation.say("p-g1", suspend=True))
    until(simulation, 2)
    assert [status(simulation, one["metadata"]["name"])["status"] for one in children(simulation)] == [
        "Suspended",
        "Suspended",
    ]
    simulation.person(lambda: simulation.say("p-g1", cancel=True))
    simulation._work()
    found = [status(simulation, one["metadata"]["name"])["status"] for one in children(simulation)]
    assert [*found, status(simulation)["status"]] == ["Cancelled"] * 3


# Beside other runs


def test_a_child_neither_waits_for_runs_of_its_pipeline_nor_tells_how_that_is_doing() -> None:
    busy = inner(policy={"keepRuns": 1})
    simulation = started(other=busy, fates={"c0": ["hangs"]})
    until(simulation, 10)
    assert status(simulation, "c-g1")["status"] == "Running"
    assert status(simulation, child(simulation))["status"] == "Running"
    found = status(simulation, "c", "Pipeline")
    assert (found["lastRun"], found["lastStarted"]["run"]) == ("c-g1", "c-g1")
    assert "waits" not in found.get("message", "")


def test_a_change_that_a_child_has_executed_waits_for_nobody() -> None:
    simulation = started()
    assert "create a run to execute it" in status(simulation, "c", "Pipeline")["message"]
    simulation.run_to_rest()
    assert "message" not in status(simulation, "c", "Pipeline")


def test_history_of_the_other_pipeline_spares_children_and_they_go_with_their_parent() -> None:
    simulation = lived(other=inner(policy={"keepRuns": 1, "onChange": "Wait"}))
    for name in ("x", "y", "z"):
        manual = {"name": name, "namespace": NAMESPACE}
        run = {"kind": "PipelineRun", "metadata": manual, "spec": {"pipeline": "c"}}
        simulation.person(lambda run=run: simulation.cluster.create(run))
        simulation.run_to_rest()
    names = [one["metadata"]["name"] for one in simulation.cluster.find("PipelineRun")]
    assert names == ["p-g1", child(simulation), "z"]
    simulation.person(lambda: simulation.cluster.delete("PipelineRun", "p-g1"))
    assert children(simulation) == []


def test_a_run_that_plans_says_that_the_child_would_run_and_makes_none() -> None:
    simulation = started()
    simulation.run_to_rest()
    plan = {
        "kind": "PipelineRun",
        "metadata": {"name": "w", "namespace": NAMESPACE},
        "spec": {"pipeline": "p", "mode": "Plan"},
    }
    before = len(children(simulation))
    simulation.person(lambda: simulation.cluster.create(plan))
    simulation.run_to_rest()
    found = simulation.steps("w")
    assert (found["sub"]["reason"], found["use"]["reason"]) == ("WouldRun", "UnknownYet")
    assert found["sub"]["why"].startswith("child pipeline c would run")
    assert len(children(simulation)) == before


@pytest.mark.parametrize(
    ("parameters", "state"), [({}, "Reused"), ({"n": 9}, "Succeeded")], ids=["as it was", "changed"]
)
def test_a_rerun_takes_over_a_child_that_went_well_unless_its_parameters_change(
    parameters: Any, state: str
) -> None:
    spec = outer({"parametersFrom": {"size": {"parameter": "n"}}})
    spec["parameters"] = [{"name": "n", "type": "Integer", "default": 5}]
    simulation = lived(spec, fates={"use": ["exit3"]})
    rerun = {"pipeline": "p", "rerun": {"run": "p-g1", "failed": True}, "parameters": parameters}
    again = {"kind": "PipelineRun", "metadata": {"name": "w", "namespace": NAMESPACE}, "spec": rerun}
    simulation.person(lambda: simulation.cluster.create(again))
    simulation.run_to_rest()
    assert simulation.steps("w")["sub"]["state"] == state


def test_a_rerun_of_what_failed_goes_on_where_the_child_of_then_failed() -> None:
    simulation = lived(fates={"c1": ["exit3"]})
    jobs = len(simulation.jobs_created())
    changed = inner()
    changed["steps"][0]["run"]["arguments"] = {"step": "other"}
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "c", changed))
    simulation.cluster.fates = {}
    rerun = {"pipeline": "p", "rerun": {"run": "p-g1", "failed": True}}
    again = {"kind": "PipelineRun", "metadata": {"name": "w", "namespace": NAMESPACE}, "spec": rerun}
    simulation.person(lambda: simulation.cluster.create(again))
    simulation.run_to_rest()
    assert states(simulation, "w") == {"sub": "Succeeded", "use": "Succeeded"}
    newest = simulation.steps("w")["sub"]["child"]["run"]
    assert simulation.cluster.objects[("PipelineRun", newest)]["spec"]["rerun"] == {
        "run": child(simulation),
        "failed": True,
    }
    assert states(simulation, newest) == {"c0": "Reused", "c1": "Succeeded"}
    assert len(simulation.jobs_created()) == jobs + 2


def test_a_rerun_from_the_step_does_all_of_its_child_again() -> None:
    simulation = lived()
    jobs = len(simulation.jobs_created())
    rerun = {"pipeline": "p", "rerun": {"run": "p-g1", "from": ["sub"]}}
    again = {"kind": "PipelineRun", "metadata": {"name": "w", "namespace": NAMESPACE}, "spec": rerun}
    simulation.person(lambda: simulation.cluster.create(again))
    simulation.run_to_rest()
    assert states(simulation, "w") == {"sub": "Succeeded", "use": "Succeeded"}
    assert len(simulation.jobs_created()) == jobs + 3


def test_conditions_of_the_child_see_that_a_parent_started_it() -> None:
    other = inner()
    other["steps"][0]["when"] = {"all": [{"trigger": {"in": ["parent"]}}]}
    simulation = lived(other=other)
    assert simulation.steps(child(simulation))["c0"]["state"] == "Succeeded"


def test_an_always_step_may_be_a_pipeline_and_runs_after_a_failure() -> None:
    spec = outer({"outputs": []}, {"always": True})
    spec["steps"][1]["run"].pop("inputs")
    simulation = lived(spec, fates={"use": ["exit3"]})
    assert states(simulation) == {"sub": "Succeeded", "use": "Failed"}
    assert datetime.fromisoformat(entry(simulation)["startedAt"]) >= datetime.fromisoformat(
        entry(simulation, "use")["finishedAt"]
    )
