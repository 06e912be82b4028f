"""The table of failure classes: what the kubelet reports, and whom it blames. Words as real clusters say
them.
"""

from dataclasses import replace
from typing import Any

import pytest

from penstock_operator.core.classify import classify, has_succeeded, is_stuck
from penstock_operator.core.expectation import Expectation
from penstock_operator.core.findings import Done, Failed, Underway
from penstock_operator.core.observed import JobView, Trouble
from penstock_operator.core.settings import Settings
from penstock_spec.contract import Failure, Result, encode
from penstock_spec.names import FailureClass
from tests.core.pods import BUILT_IN, DIGEST, NOW, PROGRAM, ago, container, job, meta, pod, program_pod

SETTINGS = Settings()
ABSENT = (
    'failed to pull and unpack image "localhost/none:1": failed to do request: '
    "dial tcp 127.0.0.1:443: connect: connection refused"
)
ROOT = 'container has runAsNonRoot and image will run as root (pod: "x_ml(1)", container: main)'


def found(job_view: JobView, expected: Expectation, trouble: Trouble | None = None) -> Any:
    return classify(job_view, expected, trouble, NOW, SETTINGS)


def ended_main(code: int, reason: str = "Error", message: str = "") -> Any:
    return container("main", init=True, exit_code=code, terminated_reason=reason, message=message)


def ours(name: str, message: str, *, init: bool = False) -> Any:
    return container(name, init=init, exit_code=1, terminated_reason="Error", message=message)


def failure(failure_class: FailureClass) -> str:
    return encode(Failure(failure_class, "words of our program"))


FAILURES: dict[str, tuple[JobView, Expectation, str, str, str]] = {
    "a program that exits with 3 is the user's": (
        job(program_pod(ended_main(3, message="Traceback\nValueError: no"), phase="Failed")),
        PROGRAM,
        "UserError",
        "UserError",
        "exit code 3; kubectl logs -n ml job/p-g1-fit-0123456789 -c main",
    ),
    "a program killed for memory is known by the kernel's word": (
        job(program_pod(ended_main(137, "OOMKilled"), phase="Failed")),
        PROGRAM,
        "OutOfMemory",
        "OutOfMemory",
        "memory limit of 1Gi",
    ),
    "a killed child shows with the parent's own exit code": (
        job(program_pod(ended_main(1, "OOMKilled"), phase="Failed")),
        PROGRAM,
        "OutOfMemory",
        "OutOfMemory",
        "needed more",
    ),
    "our own fetch may run out of memory too": (
        job(
            program_pod(
                container("main", init=True, waiting_reason="PodInitializing"),
                container("fetch", init=True, exit_code=137, terminated_reason="OOMKilled"),
                phase="Failed",
            )
        ),
        PROGRAM,
        "OutOfMemory",
        "OutOfMemory",
        "fetch needed more",
    ),
    "an evicted pod is a disruption": (
        job(
            program_pod(ended_main(143), phase="Failed", reason="Evicted", disrupted="EvictionByEvictionAPI")
        ),
        PROGRAM,
        "Disruption",
        "Disruption",
        "EvictionByEvictionAPI",
    ),
    "an eviction for the pod's own use of the disk is the user's": (
        job(
            program_pod(
                ended_main(137),
                phase="Failed",
                reason="Evicted",
                message="Pod ephemeral local storage usage exceeds the total limit of containers 1Gi.",
            )
        ),
        PROGRAM,
        "OutOfDisk",
        "Evicted",
        "ephemeral local storage",
    ),
    "a pod deleted in flight is a disruption whatever its exit code": (
        job(program_pod(ended_main(143), phase="Failed", deleting=True)),
        PROGRAM,
        "Disruption",
        "Disruption",
        "deleted while it ran",
    ),
    "a Job whose pod is gone is a disruption": (
        job(failed="BackoffLimitExceeded"),
        PROGRAM,
        "Disruption",
        "Disruption",
        "its pod is gone",
    ),
    "a pod that the kubelet refused to admit is a disruption": (
        job(pod(phase="Failed", reason="UnexpectedAdmissionError", message="Allocate failed")),
        PROGRAM,
        "Disruption",
        "Disruption",
        "Allocate failed",
    ),
    "an absent image fails after two minutes": (
        job(pod(container("main", waiting_reason="ErrImagePull", waiting_message=ABSENT), age=121)),
        BUILT_IN,
        "ImageUnavailable",
        "ImageUnavailable",
        "connection refused",
    ),
    "an invalid image name fails after two minutes": (
        job(
            pod(
                container("main", waiting_reason="InvalidImageName", waiting_message="couldn't parse image"),
                age=121,
            )
        ),
        BUILT_IN,
        "ImageUnavailable",
        "ImageUnavailable",
        "parse image",
    ),
    "a registry that times out fails at the start deadline": (
        job(
            pod(container("main", waiting_reason="ImagePullBackOff", waiting_message="i/o timeout"), age=601)
        ),
        BUILT_IN,
        "ImageUnavailable",
        "ImageUnavailable",
        "timeout",
    ),
    "an image that insists on root gets the fix": (
        job(
            program_pod(
                container(
                    "main", init=True, waiting_reason="CreateContainerConfigError", waiting_message=ROOT
                ),
                age=61,
            )
        ),
        PROGRAM,
        "InvalidContainer",
        "ImageRunsAsRoot",
        "runAsUser",
    ),
    "a missing Secret is named": (
        job(
            program_pod(
                container(
                    "main",
                    init=True,
                    waiting_reason="CreateContainerConfigError",
                    waiting_message='secret "token" not found',
                ),
                age=61,
            )
        ),
        PROGRAM,
        "InvalidContainer",
        "InvalidContainer",
        'secret "token" not found',
    ),
    "a missing key of a Secret is named": (
        job(
            program_pod(
                container(
                    "main",
                    init=True,
                    waiting_reason="CreateContainerConfigError",
                    waiting_message="couldn't find key nope in Secret ml/token",
                ),
                age=61,
            )
        ),
        PROGRAM,
        "InvalidContainer",
        "InvalidContainer",
        "key nope in Secret ml/token",
    ),
    "a namespace without a store says how to make one": (
        job(
            pod(
                container(
                    "main",
                    waiting_reason="CreateContainerConfigError",
                    waiting_message='secret "penstock-store" not found',
                ),
                age=61,
            )
        ),
        BUILT_IN,
        "InvalidContainer",
        "StoreNotConfigured",
        "kubectl create secret generic -n ml penstock-store --from-literal=url=s3://",
    ),
    "a store without its url is not configured either": (
        job(
            pod(
                container(
                    "main",
                    waiting_reason="CreateContainerConfigError",
                    waiting_message="couldn't find key url in Secret ml/penstock-store",
                ),
                age=61,
            )
        ),
        BUILT_IN,
        "InvalidContainer",
        "StoreNotConfigured",
        "no usable store",
    ),
    "a connection that is not there is named": (
        job(
            pod(
                container(
                    "main",
                    waiting_reason="CreateContainerConfigError",
                    waiting_message='configmap "lake" not found',
                ),
                age=61,
            )
        ),
        replace(BUILT_IN, kind="ingest", connection="lake"),
        "InvalidContainer",
        "ConnectionNotFound",
        "ConfigMap lake",
    ),
    "a missing binary is no container": (
        job(
            program_pod(
                ended_main(128, "StartError", 'exec: "nope": executable file not found in $PATH: unknown'),
                phase="Failed",
            )
        ),
        PROGRAM,
        "InvalidContainer",
        "InvalidContainer",
        'exec: "nope": executable file not found',
    ),
    "a container that cannot be created fails after a minute": (
        job(
            program_pod(
                container(
                    "main",
                    init=True,
                    waiting_reason="CreateContainerError",
                    waiting_message="no command specified",
                ),
                age=61,
            )
        ),
        PROGRAM,
        "InvalidContainer",
        "InvalidContainer",
        "no command specified",
    ),
    "a pod too large for every node fails at the start deadline": (
        job(
            pod(
                unschedulable="0/1 nodes are available: 1 Insufficient memory.",
                unschedulable_since=ago(601),
                age=601,
            )
        ),
        BUILT_IN,
        "Unschedulable",
        "Unschedulable",
        "1 Insufficient memory.; it asks for 500 CPU and 1Gi of memory",
    ),
    "a pod that succeeds without a result breaks its promise": (
        job(pod(container("main", exit_code=0), phase="Succeeded")),
        BUILT_IN,
        "InvalidResult",
        "InvalidResult",
        "left no result",
    ),
    "a result that lacks an output breaks its promise": (
        job(pod(container("main", exit_code=0, message=encode(Result())), phase="Succeeded")),
        BUILT_IN,
        "InvalidResult",
        "InvalidResult",
        "lacks the declared output model",
    ),
    "a result with an output that nobody declared breaks its promise": (
        job(
            pod(
                container(
                    "main", exit_code=0, message=encode(Result(outputs={"model": DIGEST, "extra": DIGEST}))
                ),
                phase="Succeeded",
            )
        ),
        BUILT_IN,
        "InvalidResult",
        "InvalidResult",
        "extra, which the step does not declare",
    ),
    "a digest that is none breaks its promise": (
        job(
            pod(
                container("main", exit_code=0, message=encode(Result(outputs={"model": "x"}))),
                phase="Succeeded",
            )
        ),
        BUILT_IN,
        "InvalidResult",
        "InvalidResult",
        "digest of output model",
    ),
    "a store that does not answer is said by our own program": (
        job(pod(ours("main", failure(FailureClass.STORE_UNAVAILABLE)), phase="Failed")),
        BUILT_IN,
        "StoreUnavailable",
        "StoreUnavailable",
        "words of our program",
    ),
    "publish is believed": (
        job(
            pod(
                container("fetch", init=True, exit_code=0),
                container("main", init=True, exit_code=0),
                ours("publish", failure(FailureClass.INVALID_RESULT)),
                phase="Failed",
            )
        ),
        PROGRAM,
        "InvalidResult",
        "InvalidResult",
        "-c publish",
    ),
    "a user's program cannot speak in our name": (
        job(program_pod(ended_main(1, message=failure(FailureClass.DISRUPTION)), phase="Failed")),
        PROGRAM,
        "UserError",
        "UserError",
        "exit code 1",
    ),
    "a fault of our own program is not the user's": (
        job(pod(ours("main", "unexpected KeyError: this is a fault of Penstock"), phase="Failed")),
        BUILT_IN,
        "InvalidResult",
        "InvalidResult",
        "this is a fault of Penstock",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_blamed_on_whom_it_concerns(name: str) -> None:
    job_view, expected, failure_class, reason, words = FAILURES[name]
    finding = found(job_view, expected)
    assert isinstance(finding, Failed), finding
    assert (finding.failure_class, finding.shown_reason) == (failure_class, reason)
    assert words in finding.message


PATIENCE: dict[str, tuple[JobView, Expectation, str, str]] = {
    "an image that is not there yet may come": (
        job(pod(container("main", waiting_reason="ErrImagePull", waiting_message=ABSENT), age=119)),
        BUILT_IN,
        "Starting",
        "PullingImage",
    ),
    "a Secret that is not there yet may come": (
        job(
            program_pod(
                container(
                    "main",
                    init=True,
                    waiting_reason="CreateContainerConfigError",
                    waiting_message='secret "token" not found',
                ),
                age=59,
            )
        ),
        PROGRAM,
        "Starting",
        "InvalidContainer",
    ),
    "grace counts from the end of the container before, not from the pod's making": (
        job(
            program_pod(
                container("main", init=True, waiting_reason="ErrImagePull", waiting_message="denied"),
                container("fetch", init=True, exit_code=0, finished_at=ago(20)),
                age=500,
            )
        ),
        PROGRAM,
        "Starting",
        "PullingImage",
    ),
    "a pod without a node waits in the queue": (
        job(pod(unschedulable="0/1 nodes are available", unschedulable_since=ago(30), age=30)),
        BUILT_IN,
        "Queued",
        "Unschedulable",
    ),
    "a Job without a pod has just been made": (job(age=2), BUILT_IN, "Starting", "Created"),
    "a program runs while the pod's phase says Pending": (
        job(program_pod(container("main", init=True, running=True))),
        PROGRAM,
        "Running",
        "Running",
    ),
    "inputs being laid out is not running yet": (
        job(
            program_pod(
                container("main", init=True, waiting_reason="PodInitializing"),
                container("fetch", init=True, running=True),
            )
        ),
        PROGRAM,
        "Starting",
        "Fetching",
    ),
    "outputs being stored is still running": (
        job(
            pod(
                container("fetch", init=True, exit_code=0),
                container("main", init=True, exit_code=0),
                container("publish", running=True),
                phase="Running",
            )
        ),
        PROGRAM,
        "Running",
        "Publishing",
    ),
    "between the program and the storing of its outputs it is still running": (
        job(
            pod(
                container("fetch", init=True, exit_code=0),
                container("main", init=True, exit_code=0),
                container("publish", waiting_reason="PodInitializing"),
            )
        ),
        PROGRAM,
        "Running",
        "Publishing",
    ),
    "a built-in kind runs under its own word": (
        job(pod(container("main", running=True), phase="Running")),
        BUILT_IN,
        "Running",
        "Training",
    ),
    "a pod that is being deleted has not ended": (
        job(pod(container("main", running=True), phase="Running", deleting=True)),
        BUILT_IN,
        "Running",
        "Deleting",
    ),
    "a container that has failed is not the end of the pod": (
        job(program_pod(ended_main(3), age=5)),
        PROGRAM,
        "Running",
        "Running",
    ),
}


@pytest.mark.parametrize("name", PATIENCE)
def test_what_has_not_ended_is_shown_and_looked_at_again(name: str) -> None:
    job_view, expected, state, reason = PATIENCE[name]
    finding = found(job_view, expected)
    assert isinstance(finding, Underway), finding
    assert (finding.state, finding.reason) == (state, reason)


def test_a_pod_of_another_job_is_not_believed() -> None:
    foreign = pod(
        container("main", exit_code=0, message=encode(Result(outputs={"model": DIGEST}))), phase="Succeeded"
    )
    foreign = replace(foreign, meta=meta("x", "pod-uid", 5, owner="another-job"))
    assert isinstance(found(job(foreign), BUILT_IN), Underway)


def test_a_recovered_pod_succeeds_without_the_jobs_late_condition() -> None:
    told = encode(Result(outputs={"model": DIGEST}, metrics={"fit": 0.5}, columns=3))
    finding = found(
        job(pod(container("main", exit_code=0, message=told, image="id"), phase="Succeeded")), BUILT_IN
    )
    assert isinstance(finding, Done)
    assert finding.result.metrics == {"fit": 0.5}
    assert finding.image == "id"


def test_events_are_asked_for_once_a_job_has_no_pod_for_ten_seconds() -> None:
    assert not found(job(age=9), BUILT_IN).inquire
    assert found(job(age=11), BUILT_IN).inquire
    assert not found(job(age=11), BUILT_IN, Trouble("FailedCreate", "exceeded quota: small")).inquire


def test_a_quota_stops_the_start_deadline() -> None:
    finding = found(
        job(age=5000), BUILT_IN, Trouble("FailedCreate", "pods ... exceeded quota: small, requested: 1")
    )
    assert isinstance(finding, Underway)
    assert (finding.state, finding.reason) == ("Queued", "QuotaExceeded")
    assert "exceeded quota: small" in finding.message


def test_a_pod_that_admission_refuses_fails_after_a_minute_in_its_words() -> None:
    refusal = Trouble("FailedCreate", 'pods "x" is forbidden: violates PodSecurity "restricted:latest"')
    assert isinstance(found(job(age=30), BUILT_IN, refusal), Underway)
    finding = found(job(age=61), BUILT_IN, refusal)
    assert (finding.failure_class, finding.reason) == ("InvalidContainer", "RejectedByCluster")
    assert "violates PodSecurity" in finding.message


@pytest.mark.parametrize(
    ("words", "age", "fails"),
    [
        ('MountVolume.SetUp failed for volume "source": configmap "rows" not found', 61, True),
        ("MountVolume.SetUp failed: references non-existent config key: rows.csv", 61, True),
        ("Unable to attach or mount volumes: timed out waiting for the condition", 61, False),
        ("Unable to attach or mount volumes: timed out waiting for the condition", 601, True),
    ],
)
def test_a_volume_that_cannot_be_mounted_fails_in_its_words(words: str, age: float, fails: bool) -> None:
    starting = job(pod(container("main", waiting_reason="ContainerCreating"), age=age))
    finding = found(starting, BUILT_IN, Trouble("FailedMount", words))
    assert isinstance(finding, Failed if fails else Underway)
    assert words[:40] in finding.message


LACKING = pod(
    container("fetch", init=True, exit_code=0, finished_at=ago(310)),
    container("main", init=True, exit_code=0, finished_at=ago(300)),
    container(
        "publish",
        waiting_reason="CreateContainerConfigError",
        waiting_message='secret "penstock-store" not found',
    ),
    age=320,
)
UNMOUNTED = pod(container("main", waiting_reason="ContainerCreating"), age=320)


@pytest.mark.parametrize(
    ("watched", "fails"), [(None, True), (400, True), (61, True), (59, False), (0, False)]
)
@pytest.mark.parametrize("stuck", [LACKING, UNMOUNTED])
def test_what_came_while_nobody_looked_is_given_its_grace_from_the_first_look(
    stuck: Any, watched: float | None, fails: bool
) -> None:
    # The Secret went and came with the release; the kubelet has not tried again yet.
    since = None if watched is None else ago(watched)
    words = 'MountVolume.SetUp failed for volume "source": configmap "rows" not found'
    finding = found(job(stuck), replace(PROGRAM, watched_since=since), Trouble("FailedMount", words))
    assert isinstance(finding, Failed if fails else Underway)


def test_a_job_that_completed_without_its_pod_has_lost_its_result() -> None:
    finding = found(job(complete=True), BUILT_IN)
    assert (finding.failure_class, finding.message.split(";")[0]) == ("Disruption", "its pod is gone")


def test_a_suspended_job_waits_in_the_queue_without_a_deadline() -> None:
    finding = found(replace(job(age=5000), suspended=True), BUILT_IN)
    assert (finding.state, finding.reason) == ("Queued", "Suspended")


def test_only_jobs_that_would_wait_for_ever_are_stuck() -> None:
    waiting = pod(container("main", waiting_reason="ErrImagePull", waiting_message="denied"))
    failed = program_pod(ended_main(3), phase="Failed")
    assert is_stuck(job(waiting))
    assert is_stuck(job())
    assert not is_stuck(job(failed)), "its log would be lost, and it ends by itself"
    assert not is_stuck(job(failed="BackoffLimitExceeded"))
    assert not is_stuck(job(waiting, deleting=True))


def test_a_job_has_done_its_work_when_a_pod_of_its_own_for_each_worker_has_ended_well() -> None:
    well = pod(*(container(name, exit_code=0) for name in ("main", "publish")), phase="Succeeded")
    failed = program_pod(ended_main(3), phase="Failed")
    stranger = replace(well, meta=meta("other", "other-uid", 5, owner="another-job-uid"))
    assert has_succeeded(job(well))
    assert not has_succeeded(job(failed)), "where it was suspended it goes on later"
    assert not has_succeeded(job(stranger))
    assert not has_succeeded(job())
    assert not has_succeeded(replace(job(well, well), workers=2)), "the same worker twice"
    assert has_succeeded(replace(job(well, replace(well, worker=1)), workers=2))


def test_the_log_of_a_program_is_its_last_lines_without_control_characters() -> None:
    noisy = "first\x1b[31m\n" + "x" * 3000 + "\nred \x1b[31mtext\x1b[0m\x07\r\nlast\u202e line"
    finding = found(job(program_pod(ended_main(1, message=noisy), phase="Failed")), PROGRAM)
    assert finding.log == "red text\nlast line"
    assert len(finding.log.encode()) <= SETTINGS.log_bytes
