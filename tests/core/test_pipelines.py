"""Whole lives of pipelines: what starts a run, what is reused, what waits, what fails, and what is left."""

from collections.abc import Callable
from typing import Any

import pytest

from penstock_spec.contract import Result
from tests.core.fake_cluster import NAMESPACE, FakeCluster, Object, task_of
from tests.core.fake_shell import FakeShell
from tests.core.pipelines import TUMOUR_NEEDS, programs, tumour
from tests.core.simulation import Simulation, pipeline


def living(spec: Any, name: str = "tumour", **cluster: Any) -> Simulation:
    """A pipeline that has been applied and has come to rest."""
    simulation = Simulation(FakeCluster(**cluster), TUMOUR_NEEDS)
    simulation.person(lambda: simulation.cluster.create(pipeline(name, spec)))
    simulation.run_to_rest()
    return simulation


def apply(simulation: Simulation, spec: Any, name: str = "tumour") -> None:
    simulation.person(lambda: simulation.cluster.edit("Pipeline", name, spec))


def runs(simulation: Simulation) -> list[str]:
    return [one["metadata"]["name"] for one in simulation.cluster.find("PipelineRun")]


def states(simulation: Simulation, run: str) -> dict[str, str]:
    return {name: entry["state"] for name, entry in simulation.steps(run).items()}


def status(simulation: Simulation, kind: str, name: str) -> Any:
    return simulation.cluster.objects[(kind, name)]["status"]


def condition(simulation: Simulation, kind: str, name: str, type_: str) -> Any:
    return next(one for one in status(simulation, kind, name)["conditions"] if one["type"] == type_)


def new_run(name: str, **spec: Any) -> Object:
    """A run that a person makes."""
    return {
        "kind": "PipelineRun",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"pipeline": "tumour", **spec},
    }


def loosened() -> Any:
    spec = tumour()
    spec["steps"][3]["validate"]["thresholds"][0]["minimum"] = 0.9
    return spec


# What starts a run


def test_a_new_pipeline_runs_to_a_served_model() -> None:
    simulation = living(tumour())
    assert set(states(simulation, "tumour-g1").values()) == {"Succeeded"}
    assert condition(simulation, "Pipeline", "tumour", "LastRunSucceeded")["status"] == "True"
    assert status(simulation, "Pipeline", "tumour")["model"] == "tumour-1"
    assert status(simulation, "PipelineRun", "tumour-g1")["duration"] == "16s"
    assert status(simulation, "ModelVersion", "tumour-1")["lifecycle"] == "Approved"
    simulation.assert_at_rest()


@pytest.mark.parametrize(
    "change",
    [{"description": "another"}, {"owner": "others"}, {"policy": {"keepRuns": 3}}],
    ids=["description", "owner", "number of kept runs"],
)
def test_what_changes_no_result_starts_no_run(change: dict[str, Any]) -> None:
    simulation = living(tumour())
    apply(simulation, tumour(**change))
    simulation.run_to_rest()
    assert runs(simulation) == ["tumour-g1"]
    assert status(simulation, "Pipeline", "tumour")["observedGeneration"] == 2


def test_another_threshold_runs_only_the_gate_and_the_deploy() -> None:
    simulation = living(tumour())
    apply(simulation, loosened())
    simulation.run_to_rest()
    assert states(simulation, "tumour-g2") == {
        "data": "Reused",
        "split": "Reused",
        "fit": "Reused",
        "gate": "Succeeded",
        "serve": "Succeeded",
    }
    steps = simulation.steps("tumour-g2")
    assert steps["data"]["why"] == "output reused from run tumour-g1: its source has not changed"
    assert steps["fit"]["why"] == "output reused from run tumour-g1"
    assert steps["gate"]["why"] == "changed: steps.gate.validate.thresholds[0].minimum 0.95 -> 0.9"
    assert steps["serve"]["why"] == "endpoint tumour already serves it: nothing to do"
    made = [task_of(one) for one in simulation.cluster.find("Job")]
    assert sorted(one["step"] for one in made if one["run"] == "tumour-g2") == ["data", "gate"]


def test_a_source_that_has_changed_runs_everything_that_reads_it() -> None:
    simulation = living(tumour())
    simulation.cluster.source_revision = "etag-2"
    apply(simulation, loosened())
    simulation.run_to_rest()
    assert set(states(simulation, "tumour-g2").values()) == {"Succeeded"}
    steps = simulation.steps("tumour-g2")
    assert steps["data"]["why"] == "its source has changed since run tumour-g1"
    assert steps["split"]["why"] == "changed: input data.table"
    assert status(simulation, "Pipeline", "tumour")["model"] == "tumour-2"


def test_a_parameter_says_from_what_to_what_it_changed() -> None:
    simulation = living(tumour())
    spec = tumour()
    spec["parameters"][0]["default"] = 300
    apply(simulation, spec)
    simulation.run_to_rest()
    why = simulation.steps("tumour-g2")["fit"]["why"]
    assert why == "changed: parameters.trees 200 -> 300"


def test_a_program_without_a_fixed_tag_is_never_reused() -> None:
    spec = programs({"a": []})
    spec["steps"][0]["run"]["image"] = "ghcr.io/acme/step:latest"
    simulation = living(spec)
    apply(simulation, {**spec, "parameters": [{"name": "new", "default": "x"}]})
    simulation.run_to_rest()
    assert simulation.steps("tumour-g2")["a"]["state"] == "Succeeded"
    assert "no fixed tag" in simulation.steps("tumour-g2")["a"]["why"]


def test_a_deleted_model_version_is_trained_anew_and_named() -> None:
    simulation = living(tumour())
    simulation.person(lambda: simulation.cluster.delete("ModelVersion", "tumour-1"))
    simulation.person(lambda: simulation.cluster.create(new_run("mine")))
    simulation.run_to_rest()
    fit = simulation.steps("mine")["fit"]
    assert (fit["state"], fit["why"]) == ("Succeeded", "ModelVersion tumour-1 of run tumour-g1 was deleted")


def test_a_change_waits_for_the_run_and_the_newest_wins() -> None:
    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS)
    cluster = simulation.cluster
    simulation.person(lambda: cluster.create(pipeline("tumour", tumour())))
    simulation._work()
    apply(simulation, loosened())
    simulation._work()
    assert "waits for run tumour-g1" in status(simulation, "Pipeline", "tumour")["message"]
    newest = tumour()
    newest["steps"][3]["validate"]["thresholds"][0]["minimum"] = 0.8
    apply(simulation, newest)
    simulation.run_to_rest()
    assert runs(simulation) == ["tumour-g1", "tumour-g3"]


def test_going_back_to_an_earlier_spec_is_a_change_and_reuses_everything() -> None:
    simulation = living(tumour())
    apply(simulation, loosened())
    simulation.run_to_rest()
    apply(simulation, tumour())
    simulation.run_to_rest()
    assert states(simulation, "tumour-g3")["gate"] == "Reused"


def test_a_recreated_pipeline_starts_beside_its_predecessors_runs() -> None:
    simulation = living(tumour())
    orphan = simulation.cluster.objects[("PipelineRun", "tumour-g1")]
    meta = {**orphan["metadata"], "ownerReferences": [{"uid": "gone"}]}
    simulation.cluster.change(orphan, metadata=meta)
    simulation.cluster.delete("Pipeline", "tumour")
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", tumour())))
    simulation.run_to_rest()
    (other,) = [one for one in runs(simulation) if one != "tumour-g1"]
    assert other.startswith("tumour-g1-")
    found = states(simulation, other)
    assert found["data"] == "Succeeded", "another Pipeline's results are not reused"
    assert found.pop("fit") == "Reused", "but for a model, which the registry knows"
    assert set(found.values()) == {"Succeeded"}


def test_a_run_of_a_person_that_holds_the_name_is_evaded() -> None:
    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS)
    simulation.cluster.create(new_run("tumour-g1"))
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", tumour())))
    simulation.run_to_rest()
    (other,) = [one for one in runs(simulation) if one != "tumour-g1"]
    assert states(simulation, "tumour-g1")["data"] == "Succeeded"
    assert states(simulation, other)["data"] == "Reused"


def test_a_start_that_was_not_recorded_is_not_repeated_even_if_the_description_changes() -> None:
    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS)
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", tumour())))
    simulation._work()
    found = simulation.cluster.objects[("Pipeline", "tumour")]
    simulation.cluster.change(found, status={})
    apply(simulation, tumour(description="meanwhile"))
    simulation.run_to_rest()
    assert runs(simulation) == ["tumour-g1"]
    assert status(simulation, "Pipeline", "tumour")["lastStarted"]["generation"] == 1


# Refused


def test_a_refused_spec_starts_nothing_and_says_every_problem() -> None:
    spec = tumour()
    spec["steps"][1]["split"]["table"] = "dat.table"
    spec["steps"][4]["deploy"]["model"] = "fit.modell"
    simulation = living(spec)
    assert runs(simulation) == []
    accepted = condition(simulation, "Pipeline", "tumour", "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "InvalidSpec")
    assert "spec.steps[1].split.table" in accepted["message"]
    assert "spec.steps[4].deploy.model" in accepted["message"]
    assert condition(simulation, "Pipeline", "tumour", "Stalled")["status"] == "True"
    assert status(simulation, "Pipeline", "tumour")["status"] == "Refused"


def test_a_refused_change_leaves_the_run_alone() -> None:
    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS)
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", tumour())))
    simulation._work()
    apply(simulation, {"steps": []})
    simulation.run_to_rest()
    assert set(states(simulation, "tumour-g1").values()) == {"Succeeded"}
    assert status(simulation, "Pipeline", "tumour")["status"] == "Refused"


# Runs that people make


def test_a_persons_run_is_adopted_frozen_and_takes_its_parameters() -> None:
    simulation = living(tumour())
    simulation.person(lambda: simulation.cluster.create(new_run("mine", parameters={"trees": 50})))
    simulation.run_to_rest()
    run = simulation.cluster.objects[("PipelineRun", "mine")]
    assert run["metadata"]["ownerReferences"][0]["kind"] == "Pipeline"
    assert run["status"]["snapshot"]["revision"].startswith("tumour-")
    assert states(simulation, "mine")["split"] == "Reused"
    assert "200 -> 50" in simulation.steps("mine")["fit"]["why"]
    simulation.assert_at_rest()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [({"tree": 5}, 'Did you mean "trees"?'), ({"trees": "many"}, "spec.parameters.trees")],
)
def test_wrong_parameters_fail_a_run_in_words(parameters: dict[str, Any], words: str) -> None:
    simulation = living(tumour())
    simulation.person(lambda: simulation.cluster.create(new_run("mine", parameters=parameters)))
    simulation.run_to_rest()
    found = status(simulation, "PipelineRun", "mine")
    assert (found["status"], found["reason"]) == ("Failed", "InvalidParameters")
    assert words in found["message"]


def test_a_run_waits_a_minute_for_its_pipeline_and_then_fails() -> None:
    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS)
    simulation.person(lambda: simulation.cluster.create(new_run("mine")))
    simulation._work()
    assert status(simulation, "PipelineRun", "mine")["status"] == "Waiting"
    assert status(simulation, "PipelineRun", "mine")["message"] == (
        "there is no Pipeline tumour in namespace ml; apply it: the run waits 60s for it"
    )
    simulation.run_to_rest()
    found = status(simulation, "PipelineRun", "mine")
    assert (found["status"], found["reason"]) == ("Failed", "PipelineNotFound")
    assert found["message"].endswith("; apply it and start a run")


def test_a_pipeline_whose_only_run_was_deleted_says_that_nothing_runs() -> None:
    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS)
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", tumour())))
    simulation.run_to_rest()
    simulation.person(lambda: simulation.cluster.delete("PipelineRun", "tumour-g1"))
    simulation.run_to_rest()
    found = status(simulation, "Pipeline", "tumour")
    assert (found.get("status", ""), found["lastRun"]) == ("", "tumour-g1")
    assert found["message"].startswith("run tumour-g1 was deleted; nothing has run since; ")
    assert runs(simulation) == []


def test_one_run_at_a_time_the_older_first() -> None:
    simulation = living(tumour())
    simulation.person(
        lambda: [simulation.cluster.create(new_run(one, parameters={"trees": 9})) for one in "ba"]
    )
    simulation._work()
    waiting = status(simulation, "PipelineRun", "b")
    assert (waiting["status"], waiting["reason"]) == ("Waiting", "WaitingForRun")
    assert waiting["message"] == "waits for run a"
    simulation.run_to_rest()
    assert states(simulation, "b")["fit"] == "Reused"


def damage(simulation: Simulation) -> None:
    (found,) = simulation.cluster.find("ControllerRevision")
    spec = {**found["data"]["spec"], "steps": found["data"]["spec"]["steps"][:1]}
    simulation.cluster.change(found, data={**found["data"], "spec": spec})


def remove(simulation: Simulation) -> None:
    (found,) = simulation.cluster.find("ControllerRevision")
    simulation.cluster.delete("ControllerRevision", found["metadata"]["name"])


@pytest.mark.parametrize(
    ("harm", "reason"),
    [(damage, "RevisionCorrupt"), (remove, "RevisionNotFound")],
    ids=["damaged", "deleted"],
)
def test_frozen_steps_that_are_not_whole_end_the_run(harm: Callable[[Simulation], None], reason: str) -> None:
    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS)
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", tumour())))
    simulation._work()
    simulation.person(lambda: harm(simulation))
    simulation.run_to_rest()
    found = status(simulation, "PipelineRun", "tumour-g1")
    assert (found["status"], found["reason"]) == ("Failed", reason)
    ends = {(one["state"], one["reason"], one["message"]) for one in found["steps"]}
    assert ends == {("Cancelled", reason, found["message"])}, "no step goes on in a run that has ended"
    assert not [one for one in simulation.cluster.find("Job") if not one["status"].get("conditions")]


# Failures


def test_a_failed_step_blocks_what_needs_it_and_nothing_else() -> None:
    needs = {"a": [], "b": ["a"], "c": ["b"], "d": ["a"]}
    simulation = living(programs(needs), fates={"b": ["exit3"]})
    assert states(simulation, "tumour-g1") == {
        "a": "Succeeded",
        "b": "Failed",
        "c": "Blocked",
        "d": "Succeeded",
    }
    steps = simulation.steps("tumour-g1")
    assert steps["c"]["message"] == "step b failed: UserError"
    assert steps["b"]["log"] == "Traceback\nboom"
    run = status(simulation, "PipelineRun", "tumour-g1")
    assert (run["status"], run["reason"], run["step"], run["progress"]) == ("Failed", "UserError", "b", "2/4")
    assert "kubectl logs -n ml job/tumour-g1-b-" in run["message"]
    assert condition(simulation, "PipelineRun", "tumour-g1", "Finished")["status"] == "True"
    assert condition(simulation, "Pipeline", "tumour", "LastRunSucceeded")["status"] == "False"


def test_memory_grows_by_half_after_it_ran_out() -> None:
    simulation = living(programs({"a": []}), fates={"a": ["oom", "oom"]})
    entry = simulation.steps("tumour-g1")["a"]
    assert (entry["state"], entry["attempt"], entry["memory"]) == ("Succeeded", 3, "2304Mi")
    assert entry["retries"] == {"OutOfMemory": 2}
    limits = [
        container["resources"]["limits"]["memory"]
        for one in simulation.cluster.find("Job")
        for container in one["spec"]["template"]["spec"]["initContainers"]
        if container["name"] == "main"
    ]
    assert sorted(limits) == ["1536Mi", "1Gi", "2304Mi"]


def test_a_store_that_does_not_answer_is_asked_again_with_growing_pauses() -> None:
    simulation = living(programs({"a": []}), fates={"a": ["store"] * 6})
    entry = simulation.steps("tumour-g1")["a"]
    assert (entry["state"], entry["reason"], entry["attempt"]) == ("Failed", "StoreUnavailable", 6)
    made = sorted(one["metadata"]["creationTimestamp"] for one in simulation.cluster.find("Job"))
    assert len(made) == 6
    assert entry["message"].endswith("after 5 retries")


def test_an_image_that_is_not_there_leaves_no_job_behind() -> None:
    simulation = living(programs({"a": []}), fates={"a": ["image"]})
    assert simulation.steps("tumour-g1")["a"]["reason"] == "ImageUnavailable"
    assert list(simulation.cluster.find("Job")) == []


def test_only_the_first_ten_failures_keep_their_log() -> None:
    needs: dict[str, list[str]] = {f"s{number}": [] for number in range(12)}
    simulation = living(programs(needs), fates={name: ["exit3"] for name in needs})
    assert sum(1 for one in simulation.steps("tumour-g1").values() if "log" in one) == 10


def failing_gate(reason: str, verdict: str) -> Result:
    return Result(
        verdict=verdict, reason=reason, message="roc_auc 0.91 < 0.95 (n=114)", metrics={"roc_auc": 0.91}
    )


@pytest.mark.parametrize(
    ("verdict", "reason"), [("Fail", "ThresholdNotMet"), ("Inconclusive", "Inconclusive")]
)
def test_a_gate_that_is_not_passed_fails_with_its_figures_and_nothing_is_deployed(
    verdict: str, reason: str
) -> None:
    simulation = living(tumour(), verdicts={"gate": failing_gate(reason, verdict)})
    gate = simulation.steps("tumour-g1")["gate"]
    assert (gate["state"], gate["reason"], gate["attempt"]) == ("Failed", reason, 1)
    assert gate["message"] == "roc_auc 0.91 < 0.95 (n=114)"
    assert gate["metrics"] == {"roc_auc": 0.91}
    assert states(simulation, "tumour-g1")["serve"] == "Blocked"
    assert not list(simulation.cluster.find("ModelEndpoint"))
    version = status(simulation, "ModelVersion", "tumour-1")
    assert (version["lifecycle"], version["decisions"][0]["verdict"]) == ("Rejected", verdict)


def test_an_inconclusive_verdict_passes_where_the_gate_says_so() -> None:
    spec = tumour()
    spec["steps"][3]["validate"]["onInconclusive"] = "Pass"
    simulation = living(spec, verdicts={"gate": failing_gate("Inconclusive", "Inconclusive")})
    assert states(simulation, "tumour-g1")["gate"] == "Succeeded"
    assert simulation.steps("tumour-g1")["gate"]["verdict"] == "Inconclusive"


def test_a_name_that_somebody_else_holds_fails_the_step() -> None:
    simulation = Simulation(FakeCluster(), {})
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", programs({"a": [], "b": ["a"]}))))
    simulation._work()
    run = simulation.cluster.objects[("PipelineRun", "tumour-g1")]
    probe = FakeShell(simulation.cluster)
    assert probe.plans == []
    from penstock_spec import object_names

    held = object_names.job_name("tumour-g1", run["metadata"]["uid"], "b", 1)
    (ours,) = simulation.cluster.find("Job")
    foreign = {**ours, "metadata": {"name": held, "ownerReferences": [{"uid": "somebody"}]}}
    simulation.cluster.watchers.clear()
    simulation.cluster.create(foreign)
    simulation.cluster.watchers.append(simulation._watch)
    simulation.wake()
    simulation.run_to_rest()
    assert simulation.steps("tumour-g1")["b"]["reason"] == "NameCollision"


# Deploys


def test_a_stalled_endpoint_fails_the_deploy_in_its_words() -> None:
    simulation = living(tumour(), endpoint_trouble="DeadlineExceeded")
    serve = simulation.steps("tumour-g1")["serve"]
    assert (serve["state"], serve["reason"]) == ("Failed", "DeadlineExceeded")
    assert "it does not get ready" in serve["message"]


def test_a_deploy_that_somebody_overrides_fails_as_replaced() -> None:
    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS)
    cluster = simulation.cluster
    simulation.person(lambda: cluster.create(pipeline("tumour", tumour())))
    for _ in range(200):
        simulation._work()
        if cluster.get("ModelEndpoint", "tumour"):
            break
        cluster.advance(0.5)
    other = {"model": {"version": "tumour-0", "digest": "sha256:" + "0" * 64}, "scale": {"replicas": 1}}
    simulation.person(lambda: cluster.edit("ModelEndpoint", "tumour", other))
    simulation.run_to_rest()
    serve = simulation.steps("tumour-g1")["serve"]
    assert (serve["state"], serve["reason"]) == ("Failed", "Replaced")
    assert "now asks for tumour-0" in serve["message"]


def test_a_scale_that_somebody_set_on_the_endpoint_outlives_the_next_model() -> None:
    simulation = living(tumour())
    cluster = simulation.cluster
    served = cluster.objects[("ModelEndpoint", "tumour")]["spec"]
    assert "scale" not in served
    simulation.person(lambda: cluster.edit("ModelEndpoint", "tumour", {**served, "scale": {"replicas": 3}}))
    simulation.person(lambda: cluster.create(new_run("mine", parameters={"trees": 9})))
    simulation.run_to_rest()
    assert states(simulation, "mine")["serve"] == "Succeeded"
    after = cluster.objects[("ModelEndpoint", "tumour")]["spec"]
    assert after["model"] != served["model"]
    assert after["scale"] == {"replicas": 3}


def test_a_pipelines_row_names_the_run_that_it_speaks_of() -> None:
    simulation = living(tumour())
    simulation.person(
        lambda: [
            simulation.cluster.create(new_run("good", parameters={"trees": 9})),
            simulation.cluster.create(new_run("wrong", parameters={"trees": "many"})),
        ]
    )
    simulation._work()
    row = status(simulation, "Pipeline", "tumour")
    assert (row["lastRun"], row["status"]) == ("good", "Running")


# What is left


def test_finished_runs_beyond_the_limit_go_oldest_first_with_their_revisions() -> None:
    simulation = living(tumour(policy={"keepRuns": 2}))
    for number in range(4):
        spec = tumour(policy={"keepRuns": 2})
        spec["steps"][3]["validate"]["thresholds"][0]["minimum"] = 0.5 + number / 10
        simulation.cluster.advance(400)
        apply(simulation, spec)
        simulation.run_to_rest()
    assert runs(simulation) == ["tumour-g4", "tumour-g5"]
    named = {one["spec"]["revision"] for one in simulation.cluster.find("PipelineRun")}
    assert {one["metadata"]["name"] for one in simulation.cluster.find("ControllerRevision")} == named
    simulation.assert_at_rest()


def test_runs_that_never_began_push_out_none_that_has_results() -> None:
    simulation = living(programs({"a": []}, policy={"keepRuns": 2}))
    for number in range(4):
        simulation.cluster.advance(1)
        simulation.cluster.create(new_run(f"wrong-{number}", parameters={"tree": number}))
        simulation.run_to_rest()
    assert runs(simulation) == ["tumour-g1", "wrong-2", "wrong-3"]
    simulation.assert_at_rest()


def test_deleting_the_pipeline_takes_all_runs_that_people_made_with_it() -> None:
    simulation = living(programs({"a": []}, policy={"concurrency": "Forbid"}))
    for made in (
        new_run("good"),
        new_run("wrong", parameters={"tree": 1}),
        new_run("again", rerun={"run": "gone", "failed": True}),
        new_run("look", mode="Plan", parameters={"tree": 1}),
        new_run("cancelled", cancel=True),
        new_run("forbidden"),
    ):
        simulation.cluster.create(made)
    simulation.run_to_rest()
    assert len(runs(simulation)) == 7
    simulation.person(lambda: simulation.cluster.delete("Pipeline", "tumour"))
    simulation.run_to_rest()
    assert runs(simulation) == []


def test_deleting_the_pipeline_keeps_the_model_and_what_serves_it() -> None:
    simulation = living(tumour())
    simulation.person(lambda: simulation.cluster.delete("Pipeline", "tumour"))
    simulation.run_to_rest()
    kinds = {kind for kind, _ in simulation.cluster.objects}
    assert kinds == {"ModelVersion", "ModelEndpoint"}


def test_lineage_tells_where_a_model_came_from() -> None:
    simulation = living(tumour())
    spec = simulation.cluster.objects[("ModelVersion", "tumour-1")]["spec"]
    split = simulation.steps("tumour-g1")["split"]
    assert spec["lineage"]["datasets"] == {"train": split["outputs"]["train"]}
    assert spec["lineage"]["run"] == "tumour-g1"
    assert spec["lineage"]["parameters"] == {"trees": 200}
    assert spec["columns"] == 30


# Kills and company


def undisturbed() -> tuple[Simulation, int]:
    """The tumour pipeline without any fault, and how many writes it takes."""
    writes = [0]

    def count() -> str:
        writes[0] += 1
        return ""

    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS, fate_of_write=count)
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", tumour())))
    simulation.run_to_rest()
    return simulation, writes[0]


def essence(simulation: Simulation) -> Any:
    """What must not depend on faults: creates by kind, and the end of each step."""
    created = sorted(
        (kind, name) for verb, kind, name in simulation.cluster.log if verb == "create" and kind != "Pod"
    )
    steps = simulation.steps("tumour-g1")
    ends = {name: (one["state"], one.get("attempt", 0), one.get("outputs")) for name, one in steps.items()}
    return created, ends, status(simulation, "ModelVersion", "tumour-1")["lifecycle"]


def killed_at(deadly: int, moment: str) -> Simulation:
    """The same, with the operator killed before or after that write."""
    count = iter(range(1, 10_000))
    simulation = Simulation(
        FakeCluster(), TUMOUR_NEEDS, fate_of_write=lambda: moment if next(count) == deadly else ""
    )
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", tumour())))
    simulation.run_to_rest()
    return simulation


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_at_any_write_changes_nothing(moment: str) -> None:
    reference, writes = undisturbed()
    for deadly in range(1, writes + 1):
        simulation = killed_at(deadly, moment)
        assert simulation.kills == 1
        assert essence(simulation) == essence(reference), f"killed {moment} write {deadly}"
        simulation.assert_at_rest()


@pytest.mark.parametrize("lag", [0, 3, 7])
def test_two_operators_do_what_one_does(lag: int) -> None:
    reference, _ = undisturbed()
    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS)
    simulation.second = FakeShell(simulation.cluster, lag=lambda: lag)
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", tumour())))
    simulation.run_to_rest()
    assert essence(simulation) == essence(reference)
