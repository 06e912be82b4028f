"""From a Job and its pod to a finding: the table of failure classes (docs/failures.md), read from top to
bottom.

Only a pod whose controller is the very Job we made is believed. Only our own containers' termination messages
are read as data; what a user's program leaves there is text.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from penstock_operator.core import ended, gangs, queued, waiting
from penstock_operator.core.expectation import Expectation
from penstock_operator.core.findings import Failed, Finding, Underway
from penstock_operator.core.forms import JOB
from penstock_operator.core.observed import JobView, PodView, Trouble
from penstock_operator.core.settings import Settings
from penstock_spec.names import FailureClass, Reason
from penstock_spec.status import StepState


def classify(
    job: JobView, expected: Expectation, trouble: Trouble | None, now: datetime, settings: Settings
) -> Finding:
    """What is to be found about the attempt that `job` is.

    `trouble` answers an earlier `Underway.inquire`.
    """
    pods = own_pods(job)
    if expected.workers > 1:
        return gangs.finding(job, pods, expected, trouble, now, settings)
    succeeded = [pod for pod in pods if pod.phase == "Succeeded"]
    if succeeded:
        return ended.well(succeeded[0], expected)
    if job.suspended and not is_over(job) and not job.meta.deleting:
        # Its pods are taken away by whoever suspended it; the same attempt goes on later.
        return queued.suspended(job, expected, trouble, now, settings)
    # Pods that a suspension took away take their time to end, and say nothing of what goes on since.
    live = [pod for pod in pods if pod.phase != "Failed" and not _resumed_since(job, pod)]
    if live:
        return waiting.live_pod(job, live[-1], expected, trouble, now, settings)
    if pods and _resumed_since(job, pods[-1]):
        return Underway(
            StepState.QUEUED, Reason.SUSPENDED, "its Job has room again; its pod is about to be made"
        )
    if pods:
        return ended.badly(job, pods[-1], expected, settings)
    if is_over(job):
        # Also when it completed: nobody has read what the pod had made.
        return Failed(FailureClass.DISRUPTION, "its pod is gone; it was deleted, or its node is gone")
    if job.meta.deleting:
        return Underway(StepState.STARTING, Reason.DELETING, "its Job is being deleted")
    return waiting.no_pod(job, expected, trouble, now, settings)


def _resumed_since(job: JobView, pod: PodView) -> bool:
    """Whether the pod is one that a suspension took away. A second is left to clocks that differ."""
    if job.started is None or is_over(job):
        return False
    return pod.meta.created < job.started - timedelta(seconds=1)


def own_pods(job: JobView) -> Sequence[PodView]:
    """The pods whose controller is this Job, or the Job whose controller is this JobSet; oldest first."""
    uid = maker_of_pods(job)
    return sorted(
        (pod for pod in job.pods if uid and pod.meta.owner_uid == uid),
        key=lambda pod: (pod.meta.created, pod.meta.name),
    )


def maker_of_pods(job: JobView) -> str:
    """The uid of the Job that makes the attempt's pods; empty where a JobSet has made none (yet)."""
    if job.kind == JOB:
        return job.meta.uid
    child = job.child
    return child.uid if child is not None and child.owner_uid == job.meta.uid else ""


def is_over(job: JobView) -> bool:
    """Whether the Job makes no more pods."""
    return job.complete or bool(job.failed_reason)


def is_at_rest(job: JobView) -> bool:
    """Whether the Job is over and no pod of it still ends."""
    return is_over(job) and all(pod.phase in {"Succeeded", "Failed"} for pod in own_pods(job))


def is_stuck(job: JobView) -> bool:
    """Whether the Job would go on by itself although nobody waits for it.

    It must be deleted, and has no log to lose.
    """
    if is_over(job) or job.meta.deleting:
        return False
    return not has_succeeded(job) and not any(pod.phase == "Failed" for pod in own_pods(job))


def has_succeeded(job: JobView) -> bool:
    """Whether a pod of each worker has ended well: nothing of the Job runs, or ever will, whatever its
    controller says by now.
    """
    return len({pod.worker for pod in own_pods(job) if pod.phase == "Succeeded"}) >= job.workers


def lacks_pods(job: JobView) -> bool:
    """Whether some worker (of a gang, or the only one) has no pod that is known."""
    return len({pod.worker for pod in own_pods(job)}) < job.workers


def lacks_job(job: JobView) -> bool:
    """Whether a JobSet that goes on has no Job: none yet, or none any more."""
    return job.kind != JOB and job.child is None and not is_over(job) and not job.meta.deleting
