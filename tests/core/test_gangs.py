"""Gangs: how several pods are judged as one attempt, what they are shown as, and what is left of them."""

from dataclasses import replace
from typing import Any

import pytest

from penstock_operator.core.classify import classify, is_at_rest, is_stuck, lacks_pods
from penstock_operator.core.findings import Done, Failed
from penstock_operator.core.observed import JobView, PodView, Trouble
from penstock_operator.core.settings import Settings
from penstock_spec.contract import Failure, Result, encode
from penstock_spec.names import FailureClass
from tests.core.fake_cluster import FakeCluster
from tests.core.pipelines import programs
from tests.core.pods import DIGEST, JOB, NOW, PROGRAM, ago, container, job, pod, program_pod
from tests.core.simulation import Simulation, pipeline

SETTINGS = Settings()
GANG = replace(PROGRAM, workers=3)
MADE = encode(Result(outputs={"files": DIGEST}))
WORKER_1 = f"batch.kubernetes.io/job-name={JOB},batch.kubernetes.io/job-completion-index=1"
NOTHING = encode(Result(message="worker 1 has done its part"))


def gang(*pods: PodView, **fields: Any) -> JobView:
    """The Job of three workers. No two pods have one number."""
    numbers = [one.worker for one in pods]
    assert len(set(numbers)) == len(numbers), "two pods of one worker"
    return replace(job(*pods, **fields), workers=3)


def runs(worker: int, **fields: Any) -> PodView:
    return program_pod(container("main", init=True, running=True), worker=worker, **fields)


def failed(worker: int, seconds: float, code: int = 1, reason: str = "Error", **fields: Any) -> PodView:
    """A worker whose program ended so many seconds ago."""
    main = container("main", init=True, exit_code=code, terminated_reason=reason, finished_at=ago(seconds))
    return program_pod(main, phase="Failed", worker=worker, **fields)


def done(worker: int, message: str = "") -> PodView:
    """A worker that has ended well."""
    told = message or (MADE if worker == 0 else NOTHING)
    ends = [container(one, init=True, exit_code=0) for one in ("fetch", "main")]
    return pod(*ends, container("publish", exit_code=0, message=told), phase="Succeeded", worker=worker)


def ours(worker: int, failure_class: FailureClass) -> PodView:
    """A worker whose publish container has failed and says so."""
    ends = [container(one, init=True, exit_code=0) for one in ("fetch", "main")]
    told = encode(Failure(failure_class, "words of our program"))
    last = container("publish", exit_code=1, terminated_reason="Error", message=told, finished_at=ago(1))
    return pod(*ends, last, phase="Failed", worker=worker)


def waits(worker: int, **fields: Any) -> PodView:
    return pod(phase="Pending", worker=worker, scheduled_at=None, **fields)


def found(view: JobView, trouble: Trouble | None = None) -> Any:
    return classify(view, GANG, trouble, NOW, SETTINGS)


FAILURES: dict[str, tuple[JobView, str, str]] = {
    "the first to fail is to blame, and named": (
        gang(failed(0, 7), failed(1, 9, 3), failed(2, 6)),
        "UserError",
        f"worker 1: the program ended with exit code 3; kubectl logs -n ml -l {WORKER_1} -c main --tail=-1",
    ),
    "a worker killed for memory explains the others, who lost it": (
        gang(failed(0, 1), failed(1, 1), failed(2, 0, 137, "OOMKilled")),
        "OutOfMemory",
        "worker 2: main needed more than its memory limit of 1Gi",
    ),
    "one that was evicted explains the others, also while it still ends": (
        gang(failed(0, 1), runs(1, disrupted="EvictionByEvictionAPI", deleting=True), runs(2)),
        "Disruption",
        "worker 1: its pod was taken away (EvictionByEvictionAPI)",
    ),
    "those that the Job ends after a failure explain nothing": (
        gang(
            failed(0, 9, 143, deleting=True),
            failed(1, 9, 3),
            failed(2, 9, 143, deleting=True),
            failed="BackoffLimitExceeded",
        ),
        "UserError",
        "worker 1: the program ended with exit code 3",
    ),
    "a pod that somebody deleted is a disruption where no program had failed": (
        gang(runs(0), failed(1, 20, 143, deleting=True), runs(2)),
        "Disruption",
        "worker 1: its pod was deleted while it ran",
    ),
    "a program's exit is believed when the others have been heard of long enough": (
        gang(runs(0), failed(1, 6, 3), runs(2)),
        "UserError",
        "worker 1: the program ended with exit code 3",
    ),
    "or when they have all ended": (
        gang(done(0), failed(1, 0, 3), done(2)),
        "UserError",
        "worker 1: the program ended with exit code 3",
    ),
    "what worker 0 published is held to the step": (
        gang(done(0, encode(Result())), done(1), done(2)),
        "InvalidResult",
        "the result lacks the declared output files",
    ),
    "a store that does not answer one worker fails the gang as it fails a pod": (
        gang(ours(0, FailureClass.STORE_UNAVAILABLE), runs(1), runs(2)),
        "StoreUnavailable",
        "worker 0: words of our program",
    ),
    "all pods are gone": (gang(failed="BackoffLimitExceeded"), "Disruption", "its pods are gone"),
    "the Job completed, and nobody has read what worker 0 had made": (
        gang(done(1), done(2), complete=True),
        "Disruption",
        "the pod of worker 0 is gone; nobody has read its result",
    ),
    "an image that one worker cannot have fails all": (
        gang(
            runs(0),
            pod(
                container("main", waiting_reason="ErrImagePull", waiting_message="denied"), age=121, worker=1
            ),
            runs(2),
        ),
        "ImageUnavailable",
        "worker 1: the image of main cannot be had: denied",
    ),
    "no node takes one of them": (
        gang(
            runs(0),
            waits(1, unschedulable="0/3 nodes are available", unschedulable_since=ago(601)),
            runs(2),
        ),
        "Unschedulable",
        "worker 1: no node took its pod in time",
    ),
    "a worker without a pod, long after the start": (
        gang(runs(0), runs(2), age=700),
        "Disruption",
        "worker 1 has no pod, or has it no longer",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_gang_fails_as_one(name: str) -> None:
    view, failure_class, words = FAILURES[name]
    finding = found(view)
    assert isinstance(finding, Failed), finding
    assert (finding.failure_class, finding.message[: len(words)]) == (failure_class, words)


GOES_ON: dict[str, tuple[JobView, str, str, str]] = {
    "all run": (gang(runs(0), runs(1), runs(2)), "Running", "Running", ""),
    "one waits for a node": (
        gang(runs(0), waits(1, unschedulable="0/3 nodes", unschedulable_since=ago(9)), runs(2)),
        "Queued",
        "Unschedulable",
        "worker 1: waits for a node: 0/3 nodes; it asks for 500 CPU and 1Gi of memory",
    ),
    "one still pulls its image": (
        gang(runs(0), runs(1), pod(container("main", waiting_reason="PodInitializing"), worker=2)),
        "Starting",
        "PullingImage",
        "worker 2: its pod is being made",
    ),
    "no pod has been made": (gang(), "Starting", "Created", "its Job has no pod yet"),
    "one has no pod yet": (
        gang(runs(0), runs(2)),
        "Starting",
        "Created",
        "1 of 3 workers: its Job has no pod yet",
    ),
    "worker 0 has done its part and waits for the others": (
        gang(done(0), runs(1), runs(2)),
        "Running",
        "Running",
        "",
    ),
    "one publishes and the others run": (
        gang(
            pod(
                *(container(one, init=True, exit_code=0) for one in ("fetch", "main")),
                container("publish", running=True),
                worker=0,
            ),
            runs(1),
            runs(2),
        ),
        "Running",
        "Running",
        "",
    ),
    "a program has just failed, and why may yet be seen": (
        gang(runs(0), failed(1, 2), runs(2)),
        "Running",
        "Running",
        "worker 1 has failed; the others are being ended",
    ),
    "the Job is over, and how is yet to be seen": (
        gang(runs(0), runs(1), runs(2), failed="BackoffLimitExceeded"),
        "Running",
        "Running",
        "its workers are ending",
    ),
    "the Job completed before its pods are seen to": (
        gang(runs(0), done(1), done(2), complete=True),
        "Running",
        "Running",
        "its workers are ending",
    ),
    "a queueing system has taken it back": (
        replace(gang(failed(0, 5, 143, deleting=True)), suspended=True),
        "Queued",
        "Suspended",
        "its Job is suspended until there is room for it",
    ),
    "it has room again, and its new pods are about to be made": (
        replace(gang(failed(0, 50, 143, age=60), age=90), started=ago(3)),
        "Starting",
        "Created",
        "its Job has no pod yet",
    ),
    "it has room again, and the pods that were taken away still end": (
        replace(gang(*(runs(one, age=60, deleting=True) for one in range(3)), age=90), started=ago(3)),
        "Starting",
        "Created",
        "its Job has no pod yet",
    ),
    "it has room again, and its last old pod still ends beside two new ones": (
        replace(gang(runs(0, age=60, deleting=True), runs(1, age=2), runs(2, age=2), age=90), started=ago(3)),
        "Starting",
        "Created",
        "1 of 3 workers: its Job has no pod yet",
    ),
}


@pytest.mark.parametrize("name", GOES_ON)
def test_a_gang_is_as_far_as_its_last_worker(name: str) -> None:
    view, state, reason, words = GOES_ON[name]
    finding = found(view)
    assert (finding.state, finding.reason, finding.message) == (state, reason, words)


def test_a_quota_that_has_no_room_for_all_is_said_to_be_one() -> None:
    finding = found(gang(runs(0), age=5000), Trouble("FailedCreate", "exceeded quota: few"))
    assert (finding.state, finding.reason) == ("Queued", "QuotaExceeded")
    assert finding.message == "2 of 3 workers: exceeded quota: few"


def test_a_gang_has_ended_well_when_all_workers_have() -> None:
    finding = found(gang(done(0), done(1), done(2)))
    assert isinstance(finding, Done)
    assert finding.result.outputs == {"files": DIGEST}
    assert isinstance(found(gang(done(0), complete=True)), Done), "the Job's word is as good"


def test_pods_of_another_job_are_no_workers() -> None:
    stranger = done(0)
    stranger = replace(stranger, meta=replace(stranger.meta, owner_uid="another"))
    finding = found(gang(stranger, runs(1), runs(2)))
    assert finding.message == "1 of 3 workers: its Job has no pod yet"


def test_a_gang_that_would_go_on_is_stuck_until_one_has_failed_or_all_have_ended() -> None:
    assert is_stuck(gang(done(0), runs(1), runs(2)))
    assert not is_stuck(gang(failed(0, 1), runs(1), runs(2)))
    assert not is_stuck(gang(done(0), done(1), done(2)))


def test_the_next_attempt_waits_for_the_last_pod_of_this_one() -> None:
    assert not is_at_rest(gang(failed(0, 1), runs(1), failed="BackoffLimitExceeded"))
    assert is_at_rest(gang(failed(0, 1), failed="BackoffLimitExceeded"))
    assert not is_at_rest(gang(failed(0, 1)))


def test_who_lacks_pods_is_looked_for() -> None:
    assert lacks_pods(gang(runs(0), runs(1)))
    assert not lacks_pods(gang(runs(0), runs(1), runs(2)))


# Lives


def lived(fates: dict[str, list[str]], **step: Any) -> Simulation:
    cluster = FakeCluster(fates=fates)
    simulation = Simulation(cluster, {"b": ["a"]})
    spec = programs({"a": [], "b": ["a"]}, None, {"a": {"gang": {"workers": 3}, **step}})
    simulation.person(lambda: cluster.create(pipeline("p", spec)))
    simulation.run_to_rest()
    simulation.assert_at_rest()
    return simulation


def test_a_gang_is_one_job_with_a_service_that_goes_when_it_has_ended() -> None:
    simulation = lived({})
    made = [name for verb, kind, name in simulation.cluster.log if (verb, kind) == ("create", "Service")]
    first = next(one for one in simulation.cluster.find("Job") if "-a-" in one["metadata"]["name"])
    assert made == [first["metadata"]["name"]]
    assert first["spec"]["completionMode"] == "Indexed"
    assert first["spec"]["completions"] == first["spec"]["parallelism"] == 3
    assert list(simulation.cluster.find("Service")) == []
    assert {one["state"] for one in simulation.steps("p-g1").values()} == {"Succeeded"}


def test_memory_grows_for_all_workers_and_the_whole_gang_is_tried_again() -> None:
    simulation = lived({"a": ["oom"]})
    entry = simulation.steps("p-g1")["a"]
    assert (entry["attempt"], entry["memory"]) == (2, "1536Mi")
    gangs = [one for one in simulation.cluster.find("Job") if "-a-" in one["metadata"]["name"]]
    asked = {
        one["spec"]["template"]["spec"]["initContainers"][1]["resources"]["limits"]["memory"] for one in gangs
    }
    assert asked == {"1Gi", "1536Mi"}
    assert {one["spec"]["completions"] for one in gangs} == {3}


def test_a_service_that_somebody_deletes_is_made_again() -> None:
    cluster = FakeCluster(fates={"a": ["hangs"]})
    simulation = Simulation(cluster)
    spec = programs({"a": []}, None, {"a": {"gang": {"workers": 2}}})
    simulation.person(lambda: cluster.create(pipeline("p", spec)))

    def on(seconds: int) -> None:
        for _ in range(seconds * 2):
            cluster.settle()
            simulation._work()
            cluster.advance(0.5)

    on(5)
    (service,) = cluster.find("Service")
    simulation.person(lambda: cluster.delete("Service", service["metadata"]["name"]))
    on(1)
    (again,) = cluster.find("Service")
    assert again["metadata"]["name"] == service["metadata"]["name"]
    assert again["metadata"]["uid"] != service["metadata"]["uid"]
    simulation.person(lambda: simulation.say("p-g1", cancel=True))
    on(5)
    assert list(cluster.find("Service")) == []
