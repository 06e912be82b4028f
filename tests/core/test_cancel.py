"""Cancel, suspend and deadlines of runs and steps: what ends, what waits, and in which words."""

from datetime import datetime
from typing import Any

import pytest

from tests.core.fake_cluster import EPOCH, FakeCluster, Object
from tests.core.pipelines import programs, tumour
from tests.core.simulation import Simulation, pipeline

NEEDS: dict[str, list[str]] = {"a": [], "b": ["a"], "c": ["b"], "tell": []}


def spec(more: Any = None, **fields: Any) -> Any:
    return programs(NEEDS, None, {"tell": {"always": True}, **(more or {})}, **fields)


def started(found: Any, *acts: tuple[float, Any], **cluster: Any) -> Simulation:
    """A pipeline that has been applied; `acts` are changes of the run's spec, each after so many seconds."""
    simulation = Simulation(FakeCluster(**cluster), always=frozenset({"tell"}))
    simulation.acts = [
        (when, lambda change=change: simulation.say("p-g1", **change)) for when, change in acts
    ]
    simulation.person(lambda: simulation.cluster.create(pipeline("p", found)))
    return simulation


def lived(found: Any, *acts: tuple[float, Any], **cluster: Any) -> Simulation:
    simulation = started(found, *acts, **cluster)
    simulation.run_to_rest()
    simulation.assert_at_rest()
    return simulation


def until(simulation: Simulation, seconds: float) -> None:
    """What happens in the next seconds."""
    for _ in range(int(seconds * 2)):
        simulation.cluster.settle()
        simulation._work()
        simulation.cluster.advance(0.5)


def states(simulation: Simulation, run: str = "p-g1") -> dict[str, str]:
    return {name: entry["state"] for name, entry in simulation.steps(run).items()}


def status(simulation: Simulation, run: str = "p-g1", kind: str = "PipelineRun") -> Object:
    found: Object = simulation.cluster.objects[(kind, run)]["status"]
    return found


def live_jobs(simulation: Simulation) -> list[str]:
    return [
        one["metadata"]["name"]
        for one in simulation.cluster.find("Job")
        if not one["status"].get("conditions")
    ]


# Cancel


def test_a_cancelled_run_ends_at_once_and_its_job_is_deleted() -> None:
    simulation = started(spec(), fates={"b": ["hangs"]})
    until(simulation, 8)
    assert states(simulation)["b"] == "Running"
    simulation.person(lambda: simulation.say("p-g1", cancel=True))
    simulation._work()
    assert states(simulation) == {"a": "Succeeded", "b": "Cancelled", "c": "Cancelled", "tell": "Cancelled"}
    found = status(simulation)
    assert (found["status"], found["reason"]) == ("Cancelled", "RunCancelled")
    assert found["message"] == "somebody cancelled it; 3 of 4 steps had not ended"
    assert live_jobs(simulation) == []
    simulation.run_to_rest()
    simulation.assert_at_rest()


def test_a_run_that_waits_for_another_can_be_cancelled_before_it_has_begun() -> None:
    simulation = started(spec(), fates={"a": ["hangs"]})
    until(simulation, 2)
    waiting = {"kind": "PipelineRun", "metadata": {"name": "w", "namespace": "ml"}, "spec": {"pipeline": "p"}}
    simulation.person(lambda: simulation.cluster.create(waiting))
    simulation._work()
    assert status(simulation, "w")["status"] == "Waiting"
    simulation.person(lambda: simulation.say("w", cancel=True))
    simulation._work()
    assert status(simulation, "w")["status"] == "Cancelled"
    assert set(states(simulation, "w").values()) == {"Cancelled"}
    assert "startedAt" not in status(simulation, "w")


def test_a_suspended_run_can_be_cancelled() -> None:
    simulation = lived(spec(), (2, {"suspend": True}), (30, {"cancel": True}))
    assert status(simulation)["status"] == "Cancelled"
    assert states(simulation)["b"] == "Cancelled"


def test_a_cancel_of_a_run_that_is_over_changes_nothing() -> None:
    simulation = lived(spec())
    before = status(simulation)
    simulation.person(lambda: simulation.say("p-g1", cancel=True))
    simulation.run_to_rest()
    assert status(simulation) == before


@pytest.mark.parametrize(("policy", "said"), [({}, True), ({"onFailure": "Stop"}, False)])
def test_only_a_run_that_is_not_stopped_by_its_failure_says_that_others_go_on(
    policy: Any, said: bool
) -> None:
    class Heard(Simulation):
        def _status_planned(self, before: Object, after: Any) -> None:
            super()._status_planned(before, after)
            heard.append(str(after.get("message", "")))

    heard: list[str] = []
    simulation = Heard(FakeCluster(fates={"a": ["exit3"], "b": ["hangs"]}))
    found = programs({"a": [], "b": []}, policy=policy)
    simulation.person(lambda: simulation.cluster.create(pipeline("p", found)))
    until(simulation, 30)
    assert any("step a" in one for one in heard)
    assert any("independent steps go on" in one for one in heard) is said


def test_the_pipeline_goes_on_to_its_next_change_after_a_cancel() -> None:
    simulation = lived(spec(), (2, {"cancel": True}))
    changed = spec()
    changed["steps"][0]["run"]["arguments"] = {"step": "other"}
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "p", changed))
    simulation.run_to_rest()
    assert set(states(simulation, "p-g2").values()) == {"Succeeded"}


# Suspend


def test_a_suspended_run_starts_nothing_says_so_and_lets_go_on_what_runs() -> None:
    simulation = started(spec())
    until(simulation, 2)
    simulation.person(lambda: simulation.say("p-g1", suspend=True))
    until(simulation, 60)
    assert states(simulation) == {"a": "Succeeded", "b": "Waiting", "c": "Waiting", "tell": "Waiting"}
    found = status(simulation)
    assert (found["status"], found["reason"]) == ("Suspended", "RunSuspended")
    assert found["message"] == (
        'nothing new starts; kubectl patch plr -n ml p-g1 --type merge -p \'{"spec":{"suspend":false}}\''
    )
    assert simulation.steps("p-g1")["b"]["reason"] == "RunSuspended"
    simulation.person(lambda: simulation.say("p-g1", suspend=False))
    simulation.run_to_rest()
    assert set(states(simulation).values()) == {"Succeeded"}
    assert 58 <= status(simulation)["suspendedSeconds"] <= 62


def test_an_attempt_that_fails_meanwhile_is_retried_only_afterwards() -> None:
    simulation = started(spec(), fates={"a": ["evicted"]})
    until(simulation, 2)
    simulation.person(lambda: simulation.say("p-g1", suspend=True))
    until(simulation, 60)
    assert states(simulation)["a"] == "Retrying"
    assert len(simulation.jobs_created()) == 1
    simulation.person(lambda: simulation.say("p-g1", suspend=False))
    simulation.run_to_rest()
    assert set(states(simulation).values()) == {"Succeeded"}


def test_a_suspended_run_names_what_goes_on_and_not_the_step_that_failed() -> None:
    found = programs({"a": [], "b": [], "c": [], "d": []}, None, {"d": {"matrix": {"axes": {"i": [1, 2]}}}})
    fates = {"a": ["exit3"], "b": ["hangs"], "c": ["evicted"], "d": ["evicted"], "d#2": ["hangs"]}
    simulation = started(found, fates=fates)
    until(simulation, 1.5)
    simulation.person(lambda: simulation.say("p-g1", suspend=True))
    until(simulation, 60)
    assert states(simulation) == {"a": "Failed", "b": "Running", "c": "Retrying", "d": "Running"}
    assert status(simulation)["step"] == "a"
    assert status(simulation)["message"].startswith("nothing new starts; steps b, d go on; kubectl patch ")


def test_a_run_made_suspended_begins_when_that_is_lifted() -> None:
    simulation = lived(spec())
    made = {
        "kind": "PipelineRun",
        "metadata": {"name": "later", "namespace": "ml"},
        "spec": {"pipeline": "p", "suspend": True},
    }
    simulation.person(lambda: simulation.cluster.create(made))
    until(simulation, 30)
    assert (status(simulation, "later")["status"], status(simulation, "later").get("startedAt")) == (
        "Suspended",
        None,
    )
    simulation.person(lambda: simulation.say("later", suspend=False))
    simulation.run_to_rest()
    assert status(simulation, "later")["status"] == "Succeeded"


def test_a_suspended_pipeline_starts_no_run_and_the_newest_change_starts_afterwards() -> None:
    simulation = lived(spec())
    changed = spec(suspend=True)
    changed["steps"][0]["run"]["arguments"] = {"step": "other"}
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "p", changed))
    made = {"kind": "PipelineRun", "metadata": {"name": "w", "namespace": "ml"}, "spec": {"pipeline": "p"}}
    simulation.person(lambda: simulation.cluster.create(made))
    until(simulation, 30)
    assert not simulation.cluster.get("PipelineRun", "p-g2")
    found = status(simulation, "p", "Pipeline")
    assert (found["status"], found["reason"]) == ("Suspended", "PipelineSuspended")
    assert found["message"] == "suspended: the last change waits, nothing new begins"
    assert status(simulation, "w")["reason"] == "PipelineSuspended"
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "p", {**changed, "suspend": False}))
    simulation.run_to_rest()
    assert status(simulation, "w")["status"] == "Succeeded"
    assert set(states(simulation, "p-g3").values()) <= {"Succeeded", "Reused"}


def test_suspending_a_pipeline_does_not_touch_a_run_that_has_begun() -> None:
    simulation = started(spec())
    until(simulation, 2)
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "p", spec(suspend=True)))
    simulation.run_to_rest()
    assert set(states(simulation).values()) == {"Succeeded"}


# Deadlines


def test_a_run_that_takes_too_long_expires_and_still_tells() -> None:
    simulation = lived(spec(policy={"deadline": "30s"}), fates={"b": ["hangs"]})
    assert states(simulation) == {"a": "Succeeded", "b": "Cancelled", "c": "Cancelled", "tell": "Succeeded"}
    found = status(simulation)
    assert (found["status"], found["reason"], found["step"]) == ("Expired", "RunExpired", "b")
    assert found["message"] == "the run took longer than its policy.deadline of 30s; not done: b, c"
    assert live_jobs(simulation) == []


def test_time_in_which_a_run_was_suspended_does_not_count() -> None:
    found = spec(policy={"deadline": "30s"})
    simulation = lived(found, (2, {"suspend": True}), (300, {"suspend": False}))
    assert status(simulation)["status"] == "Succeeded"


def test_an_attempt_that_takes_too_long_is_ended_by_its_own_deadline_and_not_retried() -> None:
    simulation = lived(spec({"b": {"deadline": "5m"}}), fates={"b": ["hangs"]})
    b = simulation.steps("p-g1")["b"]
    assert (b["state"], b["failureClass"], b["reason"]) == ("Failed", "Deadline", "DeadlineExceeded")
    assert b["attempt"] == 1
    assert b["message"].startswith("it took longer than its deadline of 5m; kubectl logs -n ml job/")
    assert status(simulation)["status"] == "Failed"


@pytest.mark.parametrize(("given", "seconds"), [({}, 600), ({"startDeadline": "2m"}, 120)])
def test_a_pod_that_finds_no_node_fails_after_its_start_deadline(given: Any, seconds: int) -> None:
    simulation = started(spec({"a": given}), fates={"a": ["unschedulable"]})
    until(simulation, seconds - 5)
    assert states(simulation)["a"] == "Queued"
    simulation.run_to_rest()
    assert simulation.steps("p-g1")["a"]["reason"] == "Unschedulable"
    ended = datetime.fromisoformat(simulation.steps("p-g1")["a"]["finishedAt"]) - EPOCH
    assert seconds <= ended.total_seconds() <= seconds + 5


def test_a_deploy_that_takes_longer_than_its_deadline_fails() -> None:
    class Slow(FakeCluster):
        def _serve(self, endpoint: Object) -> None:
            """It never gets ready."""

    found = tumour()
    found["steps"][4]["deadline"] = "90s"
    simulation = Simulation(Slow())
    simulation.person(lambda: simulation.cluster.create(pipeline("p", found)))
    until(simulation, 180)
    serve = simulation.steps("p-g1")["serve"]
    assert (serve["state"], serve["failureClass"]) == ("Failed", "Deadline")
    assert serve["message"] == "it took longer than its deadline of 90s; the endpoint goes on by itself"
