"""Attempts: each is one Job with a name of its own, created once, and never beside another one of the same
step.
"""

from collections.abc import Sequence
from dataclasses import replace

from penstock_operator.core.actions import Action, Create, Delete
from penstock_operator.core.bearing import borne, digest_of
from penstock_operator.core.classify import classify, is_at_rest, is_over, is_stuck, lacks_job, lacks_pods
from penstock_operator.core.context import Decision, RunContext
from penstock_operator.core.deadlines import patience
from penstock_operator.core.endings import well
from penstock_operator.core.findings import Done, Failed, Underway
from penstock_operator.core.forms import JOB, kind_of, lists_of, objects_of
from penstock_operator.core.gang_services import needed
from penstock_operator.core.observed import JobView, Ref, Refusal
from penstock_operator.core.observed_run import ObservedRun
from penstock_operator.core.queued import HELD
from penstock_operator.core.record import StepRecord, is_remade, leaves
from penstock_operator.core.retry import PASSING, failed, refused
from penstock_operator.core.reuse import find_earlier, known
from penstock_operator.core.room import full
from penstock_operator.core.times import after, read
from penstock_operator.core.waiting import NO_POD
from penstock_operator.core.why import why
from penstock_operator.core.work import expectation, job_manifest, job_name, work_of
from penstock_operator.manifests.identity import bearing
from penstock_operator.manifests.job_sets import job_name as name_in_set
from penstock_spec.names import FailureClass, Reason
from penstock_spec.status import TRANSITIONS, StepState

PODS = Ref("Pod")
_LOST = Failed(FailureClass.DISRUPTION, "its Job is gone before it ended; somebody deleted it")
_SOON = 2.0  # seconds after which a Job that is about to end is looked at again


def ended(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: nothing about an ended step changes. A Job of it that would go on for ever is deleted."""
    if not record.ended:
        return None
    stuck = _stuck(context, record)
    unsure = doubts(context.observed, stuck)
    return Decision(record, confirm=unsure) if unsure else Decision(record, actions=tuple(map(delete, stuck)))


def doubts(observed: ObservedRun, stuck: Sequence[JobView]) -> tuple[Ref, ...]:
    """What is to be read live before these Jobs, which seem to go on, are deleted.

    Of one that has ended, with its end in no cache yet, the log would go, and what a new process would know
    the end by where that is not written.
    """
    pods = (PODS,) if stuck else ()
    needed = (*(ref for job in stuck if (ref := _inner(job)) is not None), *pods)
    return tuple(ref for ref in needed if ref not in observed.live)


def left_behind(context: RunContext, record: StepRecord) -> Sequence[Action]:
    """Deletions of the step's Jobs that nobody waits for any more and that would not end by themselves."""
    return tuple(map(delete, _stuck(context, record)))


def _stuck(context: RunContext, record: StepRecord) -> Sequence[JobView]:
    # An attempt more than is known, where a plan was cut short and then the step was ended from outside.
    more = 2 if record.state is StepState.CANCELLED else 1
    names = (job_name(context, record, attempt) for attempt in range(1, record.attempt + more))
    found = (context.job(name) for name in names)
    return tuple(job for job in found if job is not None and is_stuck(job))


def delete(job: JobView) -> Delete:
    """The deletion of exactly this Job or JobSet."""
    return Delete(job.kind, job.meta.namespace, job.meta.name, job.meta.uid)


def starts(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a step that may run gets its first Job."""
    if record.state is StepState.WAITING or (record.state is StepState.QUEUED and record.attempt == 0):
        return _create(context, record, 1)
    return None


def retries(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: the next attempt starts when its time has come and the one before it has finished or is gone.

    Gone, the Job or a pod of it, is believed only after a live read: two attempts never run side by side.
    """
    if record.state is not StepState.RETRYING:
        return None
    due = read(record.retry_at) or context.now
    job = context.job(record.job)
    unseen = _unseen(context, job)
    if unseen is not None:
        return Decision(record, confirm=(unseen,))
    if job is not None and not is_at_rest(job):
        patience = after(due, context.settings.finish_grace)
        if not job.meta.deleting and (is_stuck(job) or context.now >= patience):
            return Decision(record, actions=(delete(job),), look_again=after(context.now, _SOON))
        return Decision(record, look_again=after(context.now, _SOON))
    if context.now < due:
        return Decision(record, look_again=due)
    ref = Ref(kind_of(context, record.name), record.job)
    if record.job and job is None and not context.is_live(ref):
        return Decision(record, confirm=(ref,))
    if record.job and (job is None or lacks_pods(job)) and not context.is_live(PODS):
        # A pod that no cache shows may still end: of a Job that was deleted, or of a gang that has failed.
        return Decision(record, confirm=(PODS,))
    if record.job in context.observed.ending and context.now < after(due, context.settings.finish_grace):
        return Decision(record, look_again=after(context.now, _SOON))
    return _create(context, record, record.attempt + 1)


def _create(context: RunContext, record: StepRecord, attempt: int) -> Decision:
    name = job_name(context, record, attempt)
    if name in context.observed.ending:
        # Made by a plan that was cut short, and deleted before anybody knew of it.
        words = f"a pod of Job {name}, which somebody deleted, has not ended"
        waits = replace(record, reason=Reason.POD_ENDING, message=words)
        return Decision(waits, look_again=after(context.now, _SOON))
    refusal = context.observed.refusals.get(name) or _no_room(context) or full(context, name)
    if refusal is not None:
        # A retry keeps its state, so that its count goes on where it was.
        queued = record.state is StepState.WAITING and refusal.reason in PASSING
        return refused(context, replace(record, state=StepState.QUEUED) if queued else record, refusal)
    work = work_of(context, record)
    # One that is made again reads its source: what an earlier run had read is gone.
    looks = record.kind == "ingest" and not is_remade(record)
    found = find_earlier(context, record, work) if looks else None
    there = context.job(name)
    manifest = job_manifest(context, record, work, attempt, known(found))
    begun = replace(
        record,
        state=StepState.STARTING,
        reason=Reason.CREATED,
        message=NO_POD,  # as it will be found to be: one write less
        attempt=attempt,
        job=name,
        retry_at="",
        made_at=found.made if found is not None else "",
        # Nobody takes over what one that always runs has made: it depends on how the run went.
        digest="" if context.pipeline.always(record.name) else work.digest,
        why=record.why or why(context, record, work, found),
        started_at=record.started_at or context.stamp,
    )
    # A Job that is there already was created by a plan that was cut short: its pod is judged in the next
    # pass.
    if there is not None and digest_of(there) not in (None, begun.digest):
        # It began upon an end that holds no longer.
        return Decision(record, actions=(delete(there),), look_again=after(context.now, _SOON))
    if there is not None:
        return Decision(begun, look_again=context.now)
    upon = borne(context, begun)
    made = Create(bearing(manifest, upon) if upon else manifest)
    actions = (*needed(context, begun), made)
    return Decision(begun, actions=actions, look_again=after(context.now, context.settings.resync))


def _no_room(context: RunContext) -> Refusal | None:
    """The quota's answer to another Job just now. To a quota all Jobs are alike: asking again is in vain."""
    refusals = context.observed.refusals
    if not refusals:
        return None
    jobs = (job_name(context, one, one.attempt + 1) for one in leaves(context.recorded))
    said = (refusals[name] for name in jobs if name in refusals)
    return next((one for one in said if one.reason == Reason.QUOTA_EXCEEDED), None)


def watches(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a step with a Job goes the way of its pod."""
    job = context.job(record.job)
    if job is None:
        if unread := _unread(context):
            return Decision(record, confirm=unread)
        return failed(context, record, _LOST, None)
    late = context.now >= after(job.meta.created, context.settings.inquiry_after)
    ran = record.state is StepState.RUNNING
    unseen = _unseen(context, job) if late or ran or is_over(job) else None
    if unseen is not None:
        return Decision(record, confirm=(unseen,))
    if ran and lacks_job(job):
        # JobSet's controller makes another one: another try, which has to be a new attempt of ours.
        return failed(context, record, _LOST, job)
    if (late or is_over(job)) and lacks_pods(job) and not context.is_live(PODS):
        # Jobs and pods come on streams of their own, and a pod that has lost our label on none.
        return Decision(record, confirm=(PODS,))
    trouble = context.observed.troubles.get(record.job)
    settings = patience(context, record)
    finding = classify(job, expectation(context, record), trouble, context.now, settings)
    if isinstance(finding, Done):
        return well(context, record, finding)
    seen = (*objects_of(context, record.name, record.job), PODS)
    not_live = tuple(ref for ref in seen if not context.is_live(ref))
    if isinstance(finding, Failed) and _seems_to_wait(job) and not_live:
        # Patience has run out with what waits, perhaps in a queue by now, by what caches say of it.
        return Decision(record, confirm=not_live)
    if isinstance(finding, Failed) and is_over(job) and lacks_pods(job) and (unread := _unread(context)):
        return Decision(record, confirm=unread)
    if isinstance(finding, Failed):
        decision = failed(context, record, finding, job)
    else:
        decision = _underway(context, record, finding)
        decision = replace(decision, actions=needed(context, decision.record))
    return replace(decision, inquire=(record.job,)) if finding.inquire else decision


def _unread(context: RunContext) -> tuple[Ref, ...]:
    """What is to be read live before an end is given up for lost: a Job may bear it that no cache shows."""
    return tuple(one for one in lists_of(context.observed.run.status) if not context.is_live(one))


def _seems_to_wait(job: JobView) -> bool:
    """Whether nothing of it has ended: of a Job that is over, a pod may have that no cache shows so."""
    return not is_at_rest(job) if is_over(job) else is_stuck(job)


def _unseen(context: RunContext, job: JobView | None) -> Ref | None:
    """What to read live where no cache shows the Job of a JobSet: they come on streams of their own."""
    ref = None if job is None else _inner(job)
    return None if ref is None or context.is_live(ref) else ref


def _inner(job: JobView) -> Ref | None:
    return None if job.kind == JOB or job.child is not None else Ref(JOB, name_in_set(job.meta.name))


def _underway(context: RunContext, record: StepRecord, finding: Underway) -> Decision:
    limit = finding.look_again or after(context.now, context.settings.resync)
    back = record.state is StepState.RUNNING and finding.state is StepState.QUEUED
    if back and finding.reason not in HELD:
        return Decision(record, look_again=limit)  # as below: only a queueing system takes room away again
    if finding.state is not record.state and finding.state not in TRANSITIONS[record.state]:
        # Seen late or out of order: what has been shown running does not go back to starting.
        return Decision(record, look_again=limit)
    shown = replace(record, state=finding.state, reason=finding.reason, message=finding.message)
    return Decision(shown, look_again=limit)
