"""Queues of Kueue: what a waiting Job is shown as, in whose words, and which clocks stand still meanwhile."""

from dataclasses import replace
from typing import Any

import pytest

from penstock_operator.core import queued
from penstock_operator.core.classify import classify
from penstock_operator.core.observed import JobView, PodView, Trouble
from penstock_operator.core.settings import Settings
from tests.core.fake_cluster import FakeCluster
from tests.core.pipelines import programs
from tests.core.pods import NOW, PROGRAM, ago, container, job, pod, program_pod
from tests.core.simulation import Simulation, pipeline

QUEUE = {"localQueue": "small", "priorityClass": "low"}
IN_QUEUE = replace(PROGRAM, queue="small")
WAITS = "waits in queue small for Kueue to admit it"
NO_ROOM = "insufficient unused quota for cpu in flavor default, 2 more needed"


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def workload(*conditions: dict[str, str], created: str = "2026-11-25T10:00:00Z", **spec: Any) -> Any:
    """A Workload as Kueue keeps it. One that is admitted has its quota."""
    states = {one["type"]: one["status"] for one in conditions}
    assert len(states) == len(conditions), "a condition stands once"
    assert states.get("Admitted") != "True" or states.get("QuotaReserved") == "True", "admitted without quota"
    return {"metadata": {"creationTimestamp": created}, "spec": spec, "status": {"conditions": [*conditions]}}


PENDING = condition("QuotaReserved", "False", "Pending", NO_ROOM)
PREEMPTED = condition("Evicted", "True", "Preempted", "Preempted to accommodate a workload")

WORDS: dict[str, tuple[list[Any], str, str]] = {
    "there is no room": ([workload(PENDING)], "Pending", f"Pending: {NO_ROOM}"),
    "the queue does not exist": (
        [workload(condition("QuotaReserved", "False", "Inadmissible", "LocalQueue small doesn't exist"))],
        "Inadmissible",
        "Inadmissible: LocalQueue small doesn't exist",
    ),
    "it was taken back for somebody else": (
        [workload(PREEMPTED, PENDING)],
        "Pending",
        f"taken back, Preempted: Preempted to accommodate a workload; Pending: {NO_ROOM}",
    ),
    "its pods did not get ready in time": (
        [workload(condition("Evicted", "True", "PodsReadyTimeout", "Exceeded the PodsReady timeout"))],
        "PodsReadyTimeout",
        "taken back, PodsReadyTimeout: Exceeded the PodsReady timeout",
    ),
    "an earlier eviction is over": (
        [workload(condition("Evicted", "False", "QuotaReserved"), PENDING)],
        "Pending",
        f"Pending: {NO_ROOM}",
    ),
    "it has its quota and waits for a check": (
        [
            workload(
                condition("QuotaReserved", "True", "QuotaReserved"),
                condition("Admitted", "False", "UnsatisfiedAdmissionChecks", "waits for the autoscaler"),
            )
        ],
        "UnsatisfiedAdmissionChecks",
        "UnsatisfiedAdmissionChecks: waits for the autoscaler",
    ),
    "no admission without quota says nothing new": (
        [
            workload(
                PENDING, condition("Admitted", "False", "NoReservation", "The workload has no reservation")
            )
        ],
        "Pending",
        f"Pending: {NO_ROOM}",
    ),
    "somebody has deactivated it": (
        [workload(active=False)],
        "Deactivated",
        "Kueue or somebody has deactivated its Workload",
    ),
    "nobody has looked at it": ([workload()], "Pending", "it has not been looked at yet"),
    "of two the newer speaks": (
        [workload(PENDING, created="2026-11-25T11:00:00Z"), workload(PREEMPTED)],
        "Pending",
        f"Pending: {NO_ROOM}",
    ),
    "there is none": ([], queued.NO_WORKLOAD, ""),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_workload_says_why_its_job_waits(name: str) -> None:
    workloads, reason, words = WORDS[name]
    assert queued.trouble_of(workloads) == Trouble(reason, words)


SHOWN: dict[str, tuple[str, Trouble | None, str, str]] = {
    "before anybody has asked": ("small", None, "Suspended", WAITS),
    "with Kueue's words": (
        "small",
        Trouble("Pending", "Pending: no room"),
        "Suspended",
        f"{WAITS}: Pending: no room",
    ),
    "without Kueue": (
        "small",
        Trouble(queued.NO_KUEUE, ""),
        "QueueUnavailable",
        (
            "waits in queue small, but this cluster has no Kueue; install Kueue; or take queue out of the "
            "pipeline, cancel the run and start another"
        ),
    ),
    "when Kueue sleeps": (
        "small",
        Trouble(queued.NO_WORKLOAD, ""),
        "Suspended",
        f"{WAITS}, which has not taken note of it; kubectl get localqueue -n ml small",
    ),
    "when the operator may not read": (
        "small",
        Trouble(queued.NOT_ALLOWED, ""),
        "Suspended",
        f"{WAITS}; the operator may not read Kueue's Workloads; helm upgrade",
    ),
    "suspended by a person": (
        "",
        Trouble(queued.NO_KUEUE, ""),
        "Suspended",
        "its Job is suspended until there is room for it",
    ),
    "by a Kueue that manages every Job": (
        "",
        Trouble("Pending", "Pending: no room"),
        "Suspended",
        "its Job is suspended until there is room for it: Pending: no room",
    ),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_suspended_job_is_queued_whatever_its_age(name: str) -> None:
    queue, trouble, reason, words = SHOWN[name]
    view = replace(job(age=100_000), suspended=True)
    finding: Any = classify(view, replace(PROGRAM, queue=queue), trouble, NOW, Settings())
    assert (finding.state, finding.reason, finding.message) == ("Queued", reason, words)
    assert finding.inquire is (trouble is None)


def test_a_priority_that_kueue_does_not_know_is_thought_of() -> None:
    lacks = replace(IN_QUEUE, priority="urgent")
    finding: Any = classify(
        replace(job(age=30), suspended=True), lacks, Trouble(queued.NO_WORKLOAD, ""), NOW, Settings()
    )
    assert finding.message == (
        f"{WAITS}, which has not taken note of it; perhaps urgent is not there; "
        "kubectl get workloadpriorityclass urgent; kubectl get localqueue -n ml small"
    )


def resumed(*pods: PodView) -> JobView:
    """A Job that was admitted anew three seconds ago."""
    return replace(job(*pods, age=90), started=ago(3))


OLD = program_pod(container("main", init=True, running=True), age=60, deleting=True)
ABOUT_TO = "its Job has room again; its pod is about to be made"


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        pytest.param(resumed(OLD), ("Queued", "Suspended", ABOUT_TO), id="the old pod still ends"),
        pytest.param(
            resumed(OLD, pod(phase="Pending", age=2, scheduled_at=None, unschedulable="0/1 nodes")),
            ("Queued", "Unschedulable", "waits for a node: 0/1 nodes; it asks for 500 CPU and 1Gi of memory"),
            id="the new pod speaks",
        ),
        pytest.param(
            resumed(program_pod(container("main", init=True, running=True), age=2)),
            ("Running", "Running", ""),
            id="the new pod alone",
        ),
    ],
)
def test_a_pod_that_was_taken_away_says_nothing_of_the_job_that_goes_on(view: JobView, shown: Any) -> None:
    finding: Any = classify(view, IN_QUEUE, None, NOW, Settings())
    assert (finding.state, finding.reason, finding.message) == shown


def test_nobody_asks_about_a_job_that_was_just_suspended() -> None:
    finding: Any = classify(replace(job(age=2), suspended=True), IN_QUEUE, None, NOW, Settings())
    assert not finding.inquire
    assert (finding.look_again - NOW).total_seconds() == Settings().inquiry_after - 2


# Lives


def applied(cluster: FakeCluster, more: Any = None, **policy: Any) -> Simulation:
    needs: dict[str, list[str]] = {"a": [], "b": ["a"]}
    simulation = Simulation(cluster, needs)
    spec = programs(needs, None, more, policy=policy)
    simulation.person(lambda: cluster.create(pipeline("p", spec)))
    return simulation


def until(simulation: Simulation, seconds: float) -> None:
    for _ in range(int(seconds * 2)):
        simulation.cluster.settle()
        simulation._work()
        simulation.cluster.advance(0.5)


def run_status(simulation: Simulation) -> Any:
    return simulation.cluster.objects[("PipelineRun", "p-g1")]["status"]


def test_a_job_is_made_suspended_with_the_labels_of_its_queue_and_waits_its_turn() -> None:
    simulation = applied(FakeCluster(admits_after=900), queue=QUEUE)
    until(simulation, 30)
    (made,) = simulation.cluster.find("Job")
    assert made["spec"]["suspend"] is True
    labels = made["metadata"]["labels"]
    assert labels["kueue.x-k8s.io/queue-name"] == "small"
    assert labels["kueue.x-k8s.io/priority-class"] == "low"
    assert not [one for one in made["spec"]["template"]["metadata"]["labels"] if "kueue" in one]
    assert simulation.steps("p-g1")["a"]["state"] == "Queued"
    assert run_status(simulation)["message"] == f"step a: {WAITS}"
    simulation.run_to_rest()
    assert {one["state"] for one in simulation.steps("p-g1").values()} == {"Succeeded"}
    assert {one["attempt"] for one in simulation.steps("p-g1").values()} == {1}


def test_a_step_may_have_a_queue_of_its_own() -> None:
    simulation = applied(FakeCluster(), {"b": {"queue": {"localQueue": "gpus"}}}, queue=QUEUE)
    simulation.run_to_rest()
    labels = [one["metadata"]["labels"] for one in simulation.cluster.find("Job")]
    assert sorted(one["kueue.x-k8s.io/queue-name"] for one in labels) == ["gpus", "small"]
    assert [one.get("kueue.x-k8s.io/priority-class", "") for one in labels].count("low") == 1


def test_without_a_queue_a_job_starts_at_once() -> None:
    simulation = applied(FakeCluster())
    simulation.run_to_rest()
    for one in simulation.cluster.find("Job"):
        assert "suspend" not in one["spec"]
        assert not [label for label in one["metadata"]["labels"] if "kueue" in label]


def test_a_run_keeps_the_queue_that_it_started_with() -> None:
    simulation = applied(FakeCluster(), queue=QUEUE)
    until(simulation, 2)
    spec = simulation.cluster.objects[("Pipeline", "p")]["spec"]
    other = {**spec, "policy": {"queue": {"localQueue": "other"}}}
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "p", other))
    simulation.run_to_rest()
    labels = [one["metadata"]["labels"] for one in simulation.cluster.find("Job")]
    assert {one["kueue.x-k8s.io/queue-name"] for one in labels} == {"small"}


def test_the_runs_deadline_stands_still_while_all_that_it_does_is_in_a_queue() -> None:
    simulation = applied(FakeCluster(admits_after=300), queue=QUEUE, deadline="60s")
    simulation.run_to_rest()
    found = run_status(simulation)
    assert found["status"] == "Succeeded"
    assert 590 <= found["suspendedSeconds"] <= 600
    assert "suspendedAt" not in found


def test_it_goes_on_as_soon_as_anything_runs() -> None:
    cluster = FakeCluster(fates={"c": ["hangs"]}, admits_after=300)
    simulation = Simulation(cluster)
    spec = programs({"a": [], "c": []}, None, {"a": {"queue": QUEUE}}, policy={"deadline": "60s"})
    simulation.person(lambda: cluster.create(pipeline("p", spec)))
    simulation.run_to_rest()
    found = run_status(simulation)
    assert (found["status"], found["reason"]) == ("Expired", "RunExpired")
    assert simulation.steps("p-g1")["a"]["state"] == "Cancelled"


def test_a_job_that_is_taken_back_goes_on_later_as_the_same_attempt() -> None:
    simulation = applied(FakeCluster(fates={"a": ["preempted"]}, admits_after=5), queue=QUEUE)
    until(simulation, 30)
    entry = simulation.steps("p-g1")["a"]
    assert (entry["state"], entry["reason"], entry["attempt"]) == ("Queued", "Suspended", 1)
    simulation.run_to_rest()
    entry = simulation.steps("p-g1")["a"]
    assert (entry["state"], entry["attempt"], entry.get("retries", {})) == ("Succeeded", 1, {})
