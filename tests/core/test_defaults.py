"""Defaults of a namespace: they hold where a pipeline is silent, and a run keeps those of its start."""

from typing import Any

import pytest

from tests.core.fake_cluster import NAMESPACE, FakeCluster, Object, task_of
from tests.core.fake_shell import FakeShell
from tests.core.pipelines import programs, tumour
from tests.core.simulation import Simulation, pipeline
from tests.core.test_pipelines import condition, runs, status

GOOD = {
    "policy": "keepRuns: 3",
    "resources": "cpu: 700m\nmemory: 3Gi",
    "scheduling": "nodeSelector: {pool: ml}",
}


def config_map(**data: str) -> Object:
    return {
        "kind": "ConfigMap",
        "metadata": {"name": "penstock-defaults", "namespace": NAMESPACE},
        "data": data,
    }


def living(spec: Any, data: dict[str, str] | None = None, **cluster: Any) -> Simulation:
    simulation = Simulation(FakeCluster(**cluster))
    if data is not None:
        simulation.cluster.create(config_map(**data))
    simulation.person(lambda: simulation.cluster.create(pipeline("p", spec)))
    simulation.run_to_rest()
    return simulation


def change(simulation: Simulation, **data: str) -> None:
    found = simulation.cluster.objects[("ConfigMap", "penstock-defaults")]
    simulation.person(lambda: simulation.cluster.change(found, data=data))


def pod_of(simulation: Simulation, step: str, run: str = "p-g1") -> Any:
    (job,) = [
        one
        for one in simulation.cluster.find("Job")
        if (task_of(one)["run"], task_of(one)["step"]) == (run, step)
    ]
    return job["spec"]["template"]["spec"]


def snapshot(simulation: Simulation, run: str = "p-g1") -> Any:
    return status(simulation, "PipelineRun", run)["snapshot"]


def test_without_any_nothing_speaks_of_them() -> None:
    simulation = living(programs({"a": []}))
    assert set(snapshot(simulation)) == {"revision", "digest", "pipelineUid"}
    types = {one["type"] for one in status(simulation, "Pipeline", "p")["conditions"]}
    assert "DefaultsAccepted" not in types


def test_they_hold_where_the_pipeline_is_silent() -> None:
    spec = programs(
        {"a": [], "b": []},
        more={"b": {"resources": {"memory": "1Gi"}}},
        policy={"onFailure": "Finish", "keepPods": {"succeeded": "2h"}},
    )
    policy = "{onFailure: Stop, deadline: 3h, keepPods: {succeeded: 0s, failed: 2d}}"
    simulation = living(spec, {**GOOD, "policy": policy})
    kept = snapshot(simulation)
    # Finish is what would hold anyway; written out, it still beats the namespace's.
    assert kept["policy"] == {"deadline": "3h", "keepPods": {"succeeded": "2h", "failed": "2d"}}
    assert kept["defaults"]["resources"] == {"cpu": "700m", "memory": "3Gi"}
    asked = {step: pod_of(simulation, step)["initContainers"][1]["resources"]["requests"] for step in "ab"}
    assert asked == {"a": {"cpu": "700m", "memory": "3Gi"}, "b": {"cpu": "700m", "memory": "1Gi"}}
    assert pod_of(simulation, "a")["nodeSelector"] == {"pool": "ml"}
    assert condition(simulation, "Pipeline", "p", "DefaultsAccepted")["status"] == "True"
    simulation.assert_at_rest()


def test_a_change_starts_no_run_and_changes_no_digest_of_a_step() -> None:
    simulation = living(tumour(), GOOD)
    before = {name: one.get("digest") for name, one in simulation.steps("p-g1").items()}
    change(simulation, resources="memory: 5Gi", policy="onFailure: Stop")
    simulation.run_to_rest()
    assert runs(simulation) == ["p-g1"]
    spec = tumour(policy={"keepRuns": 9})
    spec["steps"][3]["validate"]["thresholds"][0]["minimum"] = 0.9
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "p", spec))
    simulation.run_to_rest()
    after = simulation.steps("p-g2")
    assert {name: one["state"] for name, one in after.items() if name in ("data", "split", "fit")} == {
        "data": "Reused",
        "split": "Reused",
        "fit": "Reused",
    }
    assert after["fit"]["digest"] == before["fit"]
    assert pod_of(simulation, "gate", "p-g2")["containers"][0]["resources"]["requests"]["memory"] == "5Gi"
    assert snapshot(simulation, "p-g2")["policy"] == {"onFailure": "Stop", "keepRuns": 9}


def test_a_run_keeps_the_defaults_of_its_start() -> None:
    simulation = Simulation(FakeCluster(fates={"a": ["store"]}))
    simulation.cluster.create(config_map(**GOOD))
    simulation.acts = [(1.0, lambda: change(simulation, resources="memory: 9Gi"))]
    simulation.person(lambda: simulation.cluster.create(pipeline("p", programs({"a": [], "b": ["a"]}))))
    simulation.run_to_rest()
    pods = [one["spec"]["template"]["spec"] for one in simulation.cluster.find("Job")]
    assert len(pods) == 3
    assert {one["initContainers"][1]["resources"]["requests"]["memory"] for one in pods} == {"3Gi"}
    assert {one["nodeSelector"]["pool"] for one in pods} == {"ml"}


def test_the_number_of_kept_runs_and_the_order_of_runs_follow_them_at_once() -> None:
    simulation = living(programs({"a": []}), {"policy": "{keepRuns: 1, concurrency: Allow}"})
    for name in ("x", "y"):
        made = {"kind": "PipelineRun", "metadata": {"name": name, "namespace": NAMESPACE}}
        simulation.person(lambda made=made: simulation.cluster.create({**made, "spec": {"pipeline": "p"}}))
    simulation.run_to_rest()
    assert len(runs(simulation)) == 1


@pytest.mark.parametrize(("said", "together"), [("", True), ("Queue", False)])
def test_concurrency_is_the_namespaces_unless_the_pipeline_says_one(said: str, together: bool) -> None:
    spec = programs({"a": []}, policy={"concurrency": said} if said else {})
    simulation = Simulation(FakeCluster())
    simulation.cluster.create(config_map(policy="concurrency: Allow"))
    for name in ("x", "y"):
        made = {"kind": "PipelineRun", "metadata": {"name": name, "namespace": NAMESPACE}}
        simulation.cluster.create({**made, "spec": {"pipeline": "p"}})
    simulation.person(lambda: simulation.cluster.create(pipeline("p", {**spec, "suspend": False})))
    shell = FakeShell(simulation.cluster)
    for _ in range(3):
        for name in ("x", "y"):
            shell.run_pass(name)
    begun = [one for one in ("x", "y") if status(simulation, "PipelineRun", one).get("startedAt")]
    assert begun == (["x", "y"] if together else ["x"])


def test_what_is_wrong_is_said_at_every_pipeline_and_ends_nothing() -> None:
    simulation = Simulation(FakeCluster(fates={"a": ["hangs"]}))
    simulation.cluster.create(config_map(**GOOD))
    simulation.acts = [
        (5.0, lambda: change(simulation, policy="keepRun: 3", resources="memory: 2Gi")),
        (20.0, lambda: simulation.say("p-g1", cancel=True)),
        (40.0, lambda: change(simulation, policy="keepRuns: 3")),
    ]
    said: list[Any] = []
    simulation.acts.insert(
        1, (10.0, lambda: said.append(condition(simulation, "Pipeline", "p", "DefaultsAccepted")))
    )
    simulation.acts.insert(
        2, (10.0, lambda: said.append(status(simulation, "PipelineRun", "p-g1")["status"]))
    )
    simulation.person(lambda: simulation.cluster.create(pipeline("p", programs({"a": []}))))
    simulation.run_to_rest()
    wrong, word = said
    assert (wrong["status"], wrong["reason"], word) == ("False", "InvalidDefaults", "Running")
    assert 'data.policy.keepRun: there is no such field here. Did you mean "keepRuns"?' in wrong["message"]
    notes = [
        note for plan in simulation.shell.plans for note in plan.events if note.reason == "InvalidDefaults"
    ]
    assert len({note.message for note in notes}) == 1
    assert condition(simulation, "Pipeline", "p", "DefaultsAccepted")["status"] == "True"
    assert condition(simulation, "Pipeline", "p", "Ready")["status"] == "True"
