"""Gangs: the pods of one attempt are judged together, and the whole gang is tried again or nobody.

The Job makes no second pod for a worker and ends the others when one has failed, so every failure is the
gang's. Who failed first is to blame; but a worker that is killed or taken away makes the others fail a moment
later in ways of their own, and machines' reports come in any order. Hence a short wait for the whole picture
where only a program's own exit is seen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from penstock_operator.core import ended, queued, waiting
from penstock_operator.core.expectation import Expectation
from penstock_operator.core.findings import Failed, Finding, Underway
from penstock_operator.core.observed import JobView, PodView, Trouble
from penstock_operator.core.settings import Settings
from penstock_operator.core.text import sentence
from penstock_operator.core.times import after, earliest
from penstock_operator.manifests.job_sets import JOB_SET
from penstock_spec.names import FailureClass, Reason
from penstock_spec.status import StepState

# From what has come least far.
_ORDER = (StepState.QUEUED, StepState.STARTING, StepState.RUNNING)
GONE = "its pods are gone; they were deleted, or their nodes are gone"


@dataclass(frozen=True)
class _World:
    """One gang at one moment."""

    job: JobView
    pods: Sequence[PodView]
    expected: Expectation
    trouble: Trouble | None
    now: datetime
    settings: Settings

    def of(self, phase: str) -> list[PodView]:
        """The pods of this phase by the numbers of their workers."""
        found = (pod for pod in self.pods if pod.phase == phase)
        return sorted(found, key=lambda pod: pod.worker)

    def expects(self, pod: PodView) -> Expectation:
        """What is expected of this worker."""
        return replace(self.expected, worker=pod.worker)

    @property
    def over(self) -> bool:
        return self.job.complete or bool(self.job.failed_reason)


def finding(
    job: JobView,
    pods: Sequence[PodView],
    expected: Expectation,
    trouble: Trouble | None,
    now: datetime,
    settings: Settings,
) -> Finding:
    """What is to be found about the attempt whose pods are `pods`."""
    current = [pod for pod in pods if not _from_before(job, pod)]
    world = _World(job, current, expected, trouble, now, settings)
    for rule in (_succeeded, _held, _failed, _gone, _incomplete):
        found = rule(world)
        if found is not None:
            return found
    return _living(world)


def _from_before(job: JobView, pod: PodView) -> bool:
    """Whether the pod is one that a suspension took away, or takes: it may still be ending.

    A second is left to clocks that differ.
    """
    over = job.complete or bool(job.failed_reason)
    resumed = job.started is not None and pod.meta.created < job.started - timedelta(seconds=1)
    return resumed and not over and pod.phase != "Succeeded"


def _succeeded(world: _World) -> Finding | None:
    """All workers have ended well, by their pods or by the Job's word; worker 0 tells what they made."""
    succeeded = world.of("Succeeded")
    if not world.job.complete and len({pod.worker for pod in succeeded}) < world.expected.workers:
        return None
    if succeeded and succeeded[0].worker == 0:
        return ended.well(succeeded[0], world.expects(succeeded[0]))
    if any(pod.worker == 0 for pod in world.pods):
        return None  # its end is yet to be seen
    return Failed(FailureClass.DISRUPTION, "the pod of worker 0 is gone; nobody has read its result")


def _held(world: _World) -> Finding | None:
    if not world.job.suspended or world.over or world.job.meta.deleting:
        return None
    return queued.suspended(world.job, world.expected, world.trouble, world.now, world.settings)


def _failed(world: _World) -> Finding | None:
    """At least one worker has failed: the gang has."""
    if not world.of("Failed"):
        return None
    # One that is being taken away explains the others, also while it still ends.
    bad = [pod for pod in world.pods if pod.phase == "Failed" or (pod.disrupted and pod.phase != "Succeeded")]
    judged = sorted(_judged(world, bad), key=lambda one: one[:3])
    rank, since, worker, failure = judged[0]
    waits = any(pod.phase not in ("Failed", "Succeeded") for pod in world.pods)
    settled = after(since, world.settings.gang_grace)
    if rank and waits and world.now < settled:
        told = f"worker {worker} has failed; the others are being ended"
        return Underway(StepState.RUNNING, Reason.RUNNING, told, settled)
    return replace(failure, message=f"worker {worker}: {failure.message}")


def _judged(world: _World, bad: Sequence[PodView]) -> Iterator[tuple[int, datetime, int, Failed]]:
    """Each bad pod: how little it explains, when it ended, its worker, and the finding."""
    for pod in bad:
        failure = ended.badly(world.job, pod, world.expects(pod), world.settings)
        ends = [one.finished_at for one in pod.containers if one.exit_code and one.finished_at]
        yield _rank(pod, failure), min(ends, default=pod.meta.created), pod.worker, failure


def _rank(pod: PodView, failure: Failed) -> int:
    """A cause from outside explains the others' exits; an exit, that the Job has its last pods deleted."""
    if failure.failure_class is FailureClass.DISRUPTION and pod.meta.deleting and not pod.disrupted:
        return 2
    return 1 if failure.failure_class is FailureClass.USER_ERROR else 0


def _gone(world: _World) -> Finding | None:
    if world.over and any(pod.phase not in ("Succeeded", "Failed") for pod in world.pods):
        # Jobs and pods come on streams of their own: how it ended is yet to be seen.
        return Underway(StepState.RUNNING, Reason.RUNNING, "its workers are ending")
    if world.over:
        return Failed(FailureClass.DISRUPTION, GONE)
    if world.job.meta.deleting:
        return Underway(StepState.STARTING, Reason.DELETING, "its Job is being deleted")
    return None


def _incomplete(world: _World) -> Finding | None:
    """Some worker has no pod (yet): a gang has not started before all have."""
    missing = sorted(set(range(world.expected.workers)) - {pod.worker for pod in world.pods})
    if not missing:
        return None
    found = waiting.no_pod(world.job, world.expected, world.trouble, world.now, world.settings)
    if isinstance(found, Failed) and world.job.kind == JOB_SET and world.job.child is None:
        what = "JobSet's controller has made no Job in time"
        hint = "see that it runs, or do without: settings.gangs: IndexedJob"
        return replace(found, message=sentence(what, hint, world.expected.describe_attempt()))
    if isinstance(found, Failed) and found.reason == Reason.DEADLINE_EXCEEDED and world.pods:
        # The Job says later that it has failed; what was there and has gone was taken away.
        return Failed(FailureClass.DISRUPTION, f"worker {missing[0]} has no pod, or has it no longer")
    words = f"{len(missing)} of {world.expected.workers} workers: "
    if world.pods and isinstance(found, Underway | Failed) and found.message:
        return replace(found, message=words + found.message)
    return found


def _living(world: _World) -> Finding:
    """All go on: the gang is as far as the worker that has come least far."""
    pods = [pod for pod in world.pods if pod.phase not in ("Succeeded", "Failed")]
    found = [(pod, _one(world, pod)) for pod in sorted(pods, key=lambda pod: pod.worker)]
    failures = [(pod, one) for pod, one in found if isinstance(one, Failed)]
    if failures:
        pod, failure = failures[0]
        return replace(failure, message=f"worker {pod.worker}: {failure.message}")
    under_way = [(pod, one) for pod, one in found if isinstance(one, Underway)]
    pod, last = min(under_way, key=lambda pair: (_ORDER.index(pair[1].state), _publishes(pair[1])))
    return replace(
        last,
        message=f"worker {pod.worker}: {last.message}" if last.message else "",
        look_again=earliest(*(one.look_again for _, one in under_way)),
        inquire=any(one.inquire for _, one in under_way),
    )


def _publishes(one: Underway) -> bool:
    return one.reason == Reason.PUBLISHING


def _one(world: _World, pod: PodView) -> Finding:
    return waiting.live_pod(world.job, pod, world.expects(pod), world.trouble, world.now, world.settings)
