"""Pods that have not ended.

What they wait for, how long that may take, and when it is nobody's patience any more.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from penstock_operator.core.ended import store_reason
from penstock_operator.core.expectation import Expectation
from penstock_operator.core.findings import Failed, Finding, Underway
from penstock_operator.core.observed import ContainerView, JobView, PodView, Trouble
from penstock_operator.core.settings import Settings
from penstock_operator.core.text import one_line, sentence
from penstock_operator.core.times import after, earliest
from penstock_spec import contract
from penstock_spec.names import FailureClass, Reason
from penstock_spec.status import StepState

_IMAGE = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
)
_BROKEN = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff"}
)
# Words of a registry or network that may be better in a while; everything else is there to stay.
_PASSING = (
    "timeout",
    "deadline exceeded",
    "too many requests",
    "toomanyrequests",
    "429",
    "500 internal",
    "502 bad gateway",
    "503 service",
    "504 gateway",
    "connection reset",
    "unexpected eof",
    "temporary failure",
    "pull qps exceeded",
)
NO_POD = "its Job has no pod yet"
_RUNNING = {
    "ingest": Reason.INGESTING,
    "split": Reason.SPLITTING,
    "train": Reason.TRAINING,
    "validate": Reason.VALIDATING,
}


@dataclass(frozen=True)
class _Wait:
    """Since when a container waits, and everything needed to judge that."""

    since: datetime
    expected: Expectation
    trouble: Trouble | None
    now: datetime
    settings: Settings

    def over(self, seconds: float) -> bool:
        return self.now >= after(self.since, seconds)

    def end(self, seconds: float) -> datetime:
        return after(self.since, seconds)

    def watched(self) -> "_Wait":
        """The same, counted from this operator's first look: what was wrong before may have been put right
        since the kubelet tried last.
        """
        return replace(self, since=max(self.since, self.expected.watched_since or self.since))

    @property
    def inquire(self) -> bool:
        """Whether it is time to read the Events and nobody has."""
        return self.trouble is None and self.over(self.settings.inquiry_after)

    def still(self, state: StepState, reason: str, message: str, grace: float | None = None) -> Underway:
        """It goes on, until `grace` (the start deadline where not given) is over."""
        limit = self.end(self.settings.start_deadline if grace is None else grace)
        question = self.end(self.settings.inquiry_after) if self.trouble is None else None
        future = [one for one in (limit, question) if one is not None and one > self.now]
        return Underway(state, reason, message, earliest(*future))


def no_pod(
    job: JobView, expected: Expectation, trouble: Trouble | None, now: datetime, settings: Settings
) -> Finding:
    """A Job that has no pod yet: a moment's wait, or a quota, or a refusal that only its Events tell."""
    # Time in which its Job was suspended does not count.
    since = max(job.meta.created, job.started or job.meta.created)
    wait = _Wait(since, expected, trouble, now, settings)
    return replace(_no_pod(wait), inquire=wait.inquire)


def _no_pod(wait: _Wait) -> Underway | Failed:
    expected, settings, trouble = wait.expected, wait.settings, wait.trouble
    words = one_line(trouble.message, 500) if trouble else ""
    if "exceeded quota" in words:
        # The start deadline stands still: room may come whenever somebody else's pod ends.
        return Underway(StepState.QUEUED, Reason.QUOTA_EXCEEDED, words, after(wait.now, settings.resync))
    # A policy's or quota's word stands; a fault of the API server's passes.
    lasting = any(word in words for word in ("forbidden", "denied", "invalid"))
    if lasting and wait.over(settings.container_grace):
        told = sentence(
            f"the cluster refuses its pod: {words}",
            expected.describe_attempt(),
        )
        return Failed(FailureClass.INVALID_CONTAINER, told, reason=Reason.REJECTED_BY_CLUSTER)
    if wait.over(settings.start_deadline):
        told = sentence(
            "no pod was made for its Job in time",
            expected.describe_attempt(),
        )
        return Failed(FailureClass.UNSCHEDULABLE, told, reason=Reason.DEADLINE_EXCEEDED)
    grace = settings.container_grace if lasting else settings.start_deadline
    return wait.still(StepState.STARTING, Reason.CREATED, words or NO_POD, grace)


def live_pod(
    job: JobView,
    pod: PodView,
    expected: Expectation,
    trouble: Trouble | None,
    now: datetime,
    settings: Settings,
) -> Finding:
    """A pod that is pending or running."""
    if pod.meta.deleting:
        return Underway(_state_of(pod), Reason.DELETING, "its pod is being deleted")
    if pod.unschedulable:
        since = pod.unschedulable_since or pod.meta.created
        return _unschedulable(pod, _Wait(since, expected, trouble, now, settings))
    current = next((one for one in pod.containers if one.exit_code is None), None)
    since = _since(pod, current) or job.meta.created
    wait = _Wait(since, expected, trouble, now, settings)
    if not pod.containers:
        return wait.still(StepState.STARTING, Reason.SCHEDULING, "its pod waits for a node")
    if current is None or any(one.exit_code for one in pod.containers):
        # Its end is a moment away; until then it is shown as it was, which takes no write.
        last = next((one for one in pod.containers if one.exit_code), pod.containers[-1])
        return _running(last, expected)
    if current.running:
        return _running(current, expected)
    if current.waiting_reason in _IMAGE:
        return _image(pod, current, wait)
    if current.waiting_reason in _BROKEN:
        return _broken(pod, current, wait.watched())
    return replace(_starting(pod, wait), inquire=wait.inquire)


def _state_of(pod: PodView) -> StepState:
    """Running once main has been started: while an init container runs, the pod's own phase says Pending."""
    main = pod.container(contract.MAIN)
    begun = main is not None and (main.running or main.exit_code is not None)
    return StepState.RUNNING if begun else StepState.STARTING


def _since(pod: PodView, current: ContainerView | None) -> datetime | None:
    """Since when the current container could have run: the end of the one before it, or the pod's placing."""
    ends = [one.finished_at for one in pod.containers if one is not current and one.finished_at is not None]
    return max(ends) if ends else (pod.scheduled_at or pod.meta.created)


def _running(current: ContainerView, expected: Expectation) -> Underway:
    if current.name == contract.FETCH:
        return Underway(StepState.STARTING, Reason.FETCHING, "its inputs are being laid out")
    if current.name == contract.PUBLISH:
        return Underway(StepState.RUNNING, Reason.PUBLISHING, "its outputs are being checked and stored")
    return Underway(StepState.RUNNING, _RUNNING.get(expected.kind, Reason.RUNNING))


def _unschedulable(pod: PodView, wait: _Wait) -> Finding:
    expected = wait.expected
    words = (
        f"{one_line(pod.unschedulable, 500)}; it asks for {expected.cpu} CPU and {expected.memory} of memory"
    )
    if wait.over(wait.settings.start_deadline):
        told = sentence(
            f"no node took its pod in time: {words}", "ask for less, or add a node", wait.expected.describe()
        )
        return Failed(FailureClass.UNSCHEDULABLE, told)
    return wait.still(StepState.QUEUED, str(FailureClass.UNSCHEDULABLE), f"waits for a node: {words}")


def _image(pod: PodView, current: ContainerView, wait: _Wait) -> Finding:
    words = one_line(current.waiting_message or current.waiting_reason, 500)
    passing = any(word in words.lower() for word in _PASSING)
    grace = wait.settings.start_deadline if passing else wait.settings.image_grace
    if wait.over(grace):
        told = sentence(
            f"the image of {current.name} cannot be had: {words}", "check its name and the pull secrets"
        )
        return Failed(FailureClass.IMAGE_UNAVAILABLE, told)
    return wait.still(_state_of(pod), Reason.PULLING_IMAGE, f"the image of {current.name}: {words}", grace)


def _broken(pod: PodView, current: ContainerView, wait: _Wait) -> Finding:
    words = one_line(current.waiting_message or current.waiting_reason, 500)
    reason, hint = _broken_reason(words, wait.expected)
    told = sentence(f"the container {current.name} cannot be made: {words}", hint or wait.expected.describe())
    if wait.over(wait.settings.container_grace):
        return Failed(FailureClass.INVALID_CONTAINER, told, reason=reason)
    shown = reason or str(FailureClass.INVALID_CONTAINER)
    return wait.still(_state_of(pod), shown, told, wait.settings.container_grace)


def _broken_reason(words: str, expected: Expectation) -> tuple[str, str]:
    """The precise reason where there is one, and what to do about it."""
    lowered = words.lower()
    if "runasnonroot" in lowered:
        if "non-numeric user" in lowered:
            return "", "set runAsUser to that user's number"
        hint = "leave useImageUser out to run as 65532, or set runAsUser, or give the image a numeric USER"
        return Reason.IMAGE_RUNS_AS_ROOT, hint
    reason = store_reason(words, expected)
    if reason == Reason.STORE_NOT_CONFIGURED:
        command = f"kubectl create secret generic -n {expected.namespace} {expected.store_secret}"
        return reason, f"the namespace has no usable store: {command} --from-literal=url=s3://..."
    if reason == Reason.CONNECTION_NOT_FOUND:
        return reason, f"create the ConfigMap {expected.connection} with the key bucket: docs/connections.md"
    return "", ""


def _starting(pod: PodView, wait: _Wait) -> Underway | Failed:
    """Nothing is known to be wrong yet: volumes are being mounted, or an image is being pulled."""
    words = one_line(wait.trouble.message, 500) if wait.trouble else ""
    mount = wait.trouble is not None and wait.trouble.reason == "FailedMount"
    # A missing object or key stays missing; a volume that is slow to attach does not.
    lasting = mount and ("not found" in words or "non-existent" in words)
    if lasting:
        wait = wait.watched()
    if lasting and wait.over(wait.settings.container_grace):
        return Failed(FailureClass.INVALID_CONTAINER, sentence(words, wait.expected.describe()))
    if wait.over(wait.settings.start_deadline):
        told = sentence(
            f"its pod did not start in time: {words or 'no Event says why'}", wait.expected.describe()
        )
        return Failed(FailureClass.UNSCHEDULABLE, told, reason=Reason.DEADLINE_EXCEEDED)
    grace = wait.settings.container_grace if lasting else wait.settings.start_deadline
    reason, usual = _coming(pod)
    return wait.still(_state_of(pod), reason, words if mount else usual, grace)


def _coming(pod: PodView) -> tuple[str, str]:
    """What comes next in a pod between two containers, or before the first."""
    if _state_of(pod) is StepState.RUNNING:
        return Reason.PUBLISHING, "its outputs are about to be checked and stored"
    if any(one.exit_code is not None for one in pod.containers):
        return Reason.PULLING_IMAGE, "its program is about to start"
    return Reason.PULLING_IMAGE, "its pod is being made"
