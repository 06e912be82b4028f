"""Children: a step that is another pipeline has one run of that per attempt, and goes the way of it.

The step is never reused as a whole: its run asks for each of its own steps, and costs no Job when all are
known. A run that goes no further ends its children first, and itself when these have ended.
"""

from dataclasses import replace
from datetime import datetime

from penstock_operator.core.actions import Create
from penstock_operator.core.child_ends import child_ended, due_end, misfit
from penstock_operator.core.child_runs import KIND, RUNS, child_of, endings, going_of, knowing
from penstock_operator.core.child_starts import child_manifest, is_apart
from penstock_operator.core.context import Decision, RunContext
from penstock_operator.core.findings import Failed
from penstock_operator.core.observed import Ref
from penstock_operator.core.observed_run import ChildView
from penstock_operator.core.queued import HELD
from penstock_operator.core.record import StepRecord
from penstock_operator.core.retry import failed, refused
from penstock_operator.core.text import clip, one_line, sentence
from penstock_operator.core.times import after, earliest, read
from penstock_spec import names
from penstock_spec.kinds.child import MAX_DEPTH, Child
from penstock_spec.names import FailureClass, Reason, StatusWord
from penstock_spec.status import TRANSITIONS, StepState

_MESSAGE = 400  # of a step whose child goes on; children have children


def outlived(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: the child of a step that has ended is ended too. A plan that was cut short may have left one."""
    if not record.ended or record.kind != KIND:
        return None
    left = endings(going_of(context.observed, record))
    return Decision(record, actions=left) if left else None


def winds_down(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: when the run goes no further, the child of a step is ended first, and then the step."""
    if context.halt is None or record.kind != KIND or context.pipeline.always(record.name):
        return None
    if not context.is_live(RUNS):
        # A child that a cache does not show yet would run on unseen.
        return Decision(record, confirm=(RUNS,))
    children = going_of(context.observed, record)
    if not children:
        return None
    shown = replace(record, reason=context.halt.reason)
    decision = _ending(context, shown, children[0], context.halt.message)
    return replace(decision, actions=endings(children))


def composes(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a step that is a pipeline gets its child run, and then shows how that goes."""
    body = context.pipeline.spec.step(record.name).body
    if not isinstance(body, Child):
        return None
    if record.state is StepState.WAITING or (record.state is StepState.QUEUED and record.attempt == 0):
        return _create(context, record, body, 1)
    if record.state is not StepState.RETRYING:
        return _watch(context, record, body)
    due = read(record.retry_at) or context.now
    # The child before has ended, or its absence was read live: two of one step are never side by side.
    if context.now < due:
        return Decision(record, look_again=due)
    if is_apart(context, record) and not context.is_live(RUNS):
        return Decision(record, confirm=(RUNS,))  # the new child repeats one of those that are there
    return _create(context, record, body, record.attempt + 1)


def _create(context: RunContext, record: StepRecord, body: Child, attempt: int) -> Decision:
    if len(context.observed.parents) + 1 >= MAX_DEPTH:
        return Decision(_too_deep(context, record, body))
    name = child_of(context.observed, record, attempt)
    refusal = context.observed.refusals.get(name)
    if refusal is not None:
        # As of a Job: a retry keeps its state, so that its count goes on where it was.
        queued = record.state is StepState.WAITING and refusal.reason == Reason.QUOTA_EXCEEDED
        return refused(context, replace(record, state=StepState.QUEUED) if queued else record, refusal)
    begun = replace(
        record,
        state=StepState.STARTING,
        reason=Reason.CREATED,
        message=f"child run {name} is about to begin",
        attempt=attempt,
        child={"run": name},
        retry_at="",
        why=record.why or f"runs pipeline {body.name}, whose steps are reused one by one",
        started_at=record.started_at or context.stamp,
    )
    if name in context.observed.children:
        return Decision(begun, look_again=context.now)  # made by a plan that was cut short
    made = child_manifest(context, record, body, name)
    return Decision(begun, actions=(Create(made),), look_again=after(context.now, context.settings.resync))


def _too_deep(context: RunContext, record: StepRecord, body: Child) -> StepRecord:
    run = context.observed.run
    above = [one.pipeline for one in (*reversed(context.observed.parents), run)]
    what = f"pipelines may lie {MAX_DEPTH} deep within each other: {' > '.join((*above, body.name))}"
    return replace(
        record,
        state=StepState.FAILED,
        reason=Reason.NESTED_TOO_DEEP,
        message=sentence(what, "does one of them contain itself?"),
        started_at=record.started_at or context.stamp,
        finished_at=context.stamp,
    )


def _watch(context: RunContext, record: StepRecord, body: Child) -> Decision:
    name = record.child["run"]
    child = context.observed.children.get(name)
    if child is None:
        ref = Ref(names.PIPELINE_RUN, name)
        if not context.is_live(ref):
            return Decision(record, confirm=(ref,))
        what = f"its child run {name} is gone before it ended; somebody deleted it"
        return failed(context, record, Failed(FailureClass.DISRUPTION, what), None)
    record = knowing(record, child)
    if child.run.finished:
        return child_ended(context, record, body, child)
    wrong = misfit(body, child)
    if wrong:
        return _ending(context, record, child, wrong)
    end = None if context.observed.run.suspended else due_end(context, record, child)
    if end is not None and context.now >= end:
        deadline = context.pipeline.spec.step(record.name).deadline
        return _ending(context, record, child, f"it takes longer than its deadline of {deadline}")
    return _underway(context, record, child, end)


def _ending(context: RunContext, record: StepRecord, child: ChildView, why: str) -> Decision:
    message = clip(f"child run {child.run.meta.name} is being ended: {why}", _MESSAGE)
    return Decision(
        replace(record, message=message),
        actions=endings((child,)),
        look_again=after(context.now, context.settings.resync),
    )


def _underway(context: RunContext, record: StepRecord, child: ChildView, end: datetime | None) -> Decision:
    """The child goes on. It has begun when its own status says so, and that is never taken back."""
    status = child.run.status
    state = StepState.STARTING
    if status.get("suspendedAt") and status.get("reason") in HELD:
        state = (
            StepState.QUEUED
        )  # all that it does waits in queues of Kueue: its parent's time stands still too
    elif status.get("startedAt"):
        state = StepState.RUNNING
    elif status.get("status") == StatusWord.SUSPENDED:
        state = StepState.QUEUED
    if state is not record.state and state not in TRANSITIONS[record.state]:
        state = record.state
    reason, words = str(status.get("reason") or Reason.CREATED), _words(child)
    held = context.observed.run.suspended or child.run.suspended
    if reason == Reason.RUN_SUSPENDED and not held:
        # It has not heard yet that the suspension was lifted.
        reason, words = str(Reason.STEPS_WAITING), f"child run {child.run.meta.name} goes on"
    shown = replace(record, state=state, reason=reason, message=words)
    limit = after(context.now, context.settings.resync)
    return Decision(shown, look_again=earliest(limit, end))


def _words(child: ChildView) -> str:
    """`child run outer-g3-fit-0a1b2c3d4e (1/3): step fit: its pod waits for a node`."""
    status, name = child.run.status, child.run.meta.name
    if child.run.meta.deleting:
        return f"child run {name} is being deleted"
    progress = f" ({status['progress']})" if status.get("progress") else ""
    step = f"step {status['step']}" if status.get("step") else ""
    words = status.get("message") or step or "it is about to begin"
    return one_line(f"child run {name}{progress}: {words}", _MESSAGE)
