"""The Job that judges a window: created once per attempt, watched, tried again while its class has budget.

Until its end is in the endpoint's status, its name is all the memory that is needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from penstock_operator.core.actions import Action, Create
from penstock_operator.core.classify import classify, is_over, is_stuck
from penstock_operator.core.expectation import Expectation
from penstock_operator.core.findings import Done, Failed, Finding
from penstock_operator.core.observed import JobView, Ref, Refusal
from penstock_operator.core.observed_endpoint import ObservedEndpoint
from penstock_operator.core.settings import Settings
from penstock_operator.core.small_jobs import JOB, PODS, deletion, lacks_pods
from penstock_operator.core.text import clip, sentence
from penstock_operator.core.times import after, read, stamp, stamp_not_before
from penstock_operator.core.window_results import REPORT, Outcome, given_up, judged
from penstock_operator.core.windows import ATTEMPTS, due, end_of
from penstock_operator.manifests import windows as manifests
from penstock_operator.manifests.quantity import grown_memory
from penstock_spec import object_names
from penstock_spec.monitoring import Monitoring
from penstock_spec.names import FailureClass, Reason
from penstock_spec.status import StepState

_SOON = 2.0  # seconds after which a Job that is about to end is looked at again


@dataclass(frozen=True)
class Window:
    """The window whose turn it is, in its current attempt."""

    end: datetime
    version: str
    digest: str
    number: int = 1
    retry_at: datetime | None = None
    memory: str = ""
    reason: str = ""  # why the attempt before failed
    message: str = ""

    @property
    def attempt(self) -> Mapping[str, Any] | None:
        """The entry `status.monitoring.attempt`: only what cannot be seen in the cluster."""
        if self.number == 1:
            return None
        entry = {
            "end": stamp(self.end),
            "number": self.number,
            "retryAt": stamp(self.retry_at) if self.retry_at is not None else "",
            "memory": self.memory,
            "reason": self.reason,
            "message": self.message,
        }
        return {key: value for key, value in entry.items() if value}


@dataclass(frozen=True)
class Turn:
    """What becomes of the window now. The fields mean what they mean in Plan."""

    window: Window
    outcome: Outcome | None = None  # its end
    actions: Sequence[Action] = ()
    confirm: Sequence[Ref] = ()
    inquire: Sequence[str] = ()
    look_again: datetime | None = None


@dataclass(frozen=True)
class Desk:
    """Everything that a decision about a window looks at."""

    observed: ObservedEndpoint
    monitoring: Monitoring
    now: datetime
    settings: Settings

    def name(self, window: Window, number: int) -> str:
        """The Job of an attempt."""
        meta = self.observed.meta
        return object_names.window_job(meta.name, meta.uid, window.end, number)

    def job(self, name: str) -> JobView | None:
        """The Job of this name, if the endpoint is its controller."""
        found = self.observed.jobs.get(name)
        return found if found is not None and found.meta.owner_uid == self.observed.meta.uid else None

    def memory(self, window: Window) -> str:
        """Memory of the attempt: as grown, else the installation's default."""
        return window.memory or self.settings.pods.default_memory


def window_jobs(observed: ObservedEndpoint) -> Mapping[datetime, Sequence[JobView]]:
    """The endpoint's own window Jobs by the end of their window, oldest first."""
    meta = observed.meta
    found: dict[datetime, list[JobView]] = {}
    for job in sorted(observed.jobs.values(), key=lambda one: one.meta.name):
        end = end_of(meta.name, meta.uid, job.meta.name)
        if end is not None and job.meta.owner_uid == meta.uid:
            found.setdefault(end, []).append(job)
    return dict(sorted(found.items()))


def judge(desk: Desk, window: Window) -> Turn:
    """One window as far as it can go now."""
    if desk.now < (opens := due(window.end, desk.monitoring)):
        return Turn(window, look_again=opens)
    name = desk.name(window, window.number)
    job = desk.job(name)
    if job is not None:
        return _watched(desk, window, job)
    refusal = desk.observed.refusals.get(name)
    if refusal is not None:
        return _refused(desk, window, name, refusal)
    return _before(desk, window) or _created(desk, window, name)


def _before(desk: Desk, window: Window) -> Turn | None:
    """What has to be waited for before another attempt: its time, and the end of the Job before it."""
    if window.number == 1:
        return None
    name = desk.name(window, window.number - 1)
    job, opens = desk.job(name), window.retry_at or desk.now
    if job is not None and not is_over(job):
        late = desk.now >= after(opens, desk.settings.finish_grace)
        gone = not job.meta.deleting and (is_stuck(job) or late)
        return Turn(window, actions=(deletion(job),) if gone else (), look_again=after(desk.now, _SOON))
    if desk.now < opens:
        return Turn(window, look_again=opens)
    ref = Ref(JOB, name)
    if job is None and ref not in desk.observed.live:
        return Turn(window, confirm=(ref,))
    return None


def _created(desk: Desk, window: Window, name: str) -> Turn:
    meta = desk.observed.meta
    manifest = manifests.job(
        manifests.WindowJob(
            namespace=meta.namespace,
            endpoint=meta.name,
            endpoint_uid=meta.uid,
            name=name,
            version=window.version,
            digest=window.digest,
            end=window.end,
            number=window.number,
            memory=desk.memory(window),
        ),
        desk.monitoring,
        desk.settings.pods,
    )
    return Turn(window, actions=(Create(manifest),), look_again=after(desk.now, desk.settings.resync))


def _refused(desk: Desk, window: Window, name: str, refusal: Refusal) -> Turn:
    """The API server does not take the Job: by quota for now, else for good."""
    ref = Ref(JOB, name)
    if refusal.reason == Reason.NAME_COLLISION and ref not in desk.observed.live:
        # It may be ours from before the settings changed: then it is found by a live look.
        return Turn(window, confirm=(ref,))
    limit = after(due(window.end, desk.monitoring), desk.settings.start_deadline)
    if refusal.reason == Reason.QUOTA_EXCEEDED and desk.now < limit:
        return Turn(window, look_again=min(limit, after(desk.now, desk.settings.resync)))
    return Turn(window, given_up(window.end, window.version, refusal.reason, sentence(refusal.message)))


def _watched(desk: Desk, window: Window, job: JobView) -> Turn:
    """The Job exists: its pod says how it goes. What it was told to judge stands on it."""
    window = replace(window, version=job.version or window.version)
    if lacks_pods(job, desk.observed.live, desk.now, desk.settings):
        return Turn(window, confirm=(PODS,))
    trouble = desk.observed.troubles.get(job.meta.name)
    finding = classify(job, _expectation(desk, window, job), trouble, desk.now, desk.settings)
    turn = _found(desk, window, job, finding)
    return replace(turn, inquire=(job.meta.name,)) if getattr(finding, "inquire", False) else turn


def _found(desk: Desk, window: Window, job: JobView, finding: Finding) -> Turn:
    if isinstance(finding, Done):
        outcome = judged(window.end, window.version, finding.result)
        if outcome is not None:
            return Turn(window, outcome)
        words = f"the result has no verdict; kubectl logs -n {job.meta.namespace} job/{job.meta.name}"
        return Turn(window, given_up(window.end, window.version, FailureClass.INVALID_RESULT, words))
    if isinstance(finding, Failed):
        return _failed(desk, window, finding)
    limit = after(job.meta.created, desk.settings.start_deadline)
    if finding.state is StepState.QUEUED and desk.now >= limit:
        # For a step, room may come at any time; a verdict that comes too late is none.
        return Turn(window, given_up(window.end, window.version, finding.reason, finding.message))
    again = finding.look_again or after(desk.now, desk.settings.resync)
    return Turn(window, look_again=min(again, limit) if desk.now < limit else again)


def _failed(desk: Desk, window: Window, failure: Failed) -> Turn:
    budget = desk.settings.budgets[failure.failure_class]
    if window.number >= ATTEMPTS or budget.retries == 0:
        spent = f"after {window.number} attempts" if window.number > 1 else ""
        words = sentence(failure.message, spent)
        return Turn(window, given_up(window.end, window.version, failure.shown_reason, words))
    grown = failure.failure_class is FailureClass.OUT_OF_MEMORY
    memory = grown_memory(desk.memory(window), desk.settings.memory_factor) if grown else window.memory
    opens = read(stamp_not_before(after(desk.now, budget.wait(window.number))))
    following = replace(
        window,
        number=window.number + 1,
        retry_at=opens,
        memory=memory,
        reason=failure.shown_reason,
        message=clip(failure.message, 500),
    )
    return Turn(following, look_again=opens)


def _expectation(desk: Desk, window: Window, job: JobView) -> Expectation:
    return Expectation(
        kind=manifests.KIND,
        job=job.meta.name,
        namespace=job.meta.namespace,
        users_program=False,
        outputs={REPORT: "Report"},
        optional=frozenset({REPORT}),
        store_secret=desk.settings.pods.store_secret,
        cpu=desk.settings.pods.default_cpu,
        memory=desk.memory(window),
        watched_since=desk.observed.watched_since,
    )
