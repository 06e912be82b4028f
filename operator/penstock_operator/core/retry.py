"""Retries: each failure class pays from a budget of its own, so that bad luck does not use up what bad code
needs.
"""

from collections.abc import Sequence
from dataclasses import replace

from penstock_operator.core.actions import Action, Delete
from penstock_operator.core.budgets import Change, budget_of, change_of
from penstock_operator.core.classify import is_stuck
from penstock_operator.core.context import Decision, RunContext
from penstock_operator.core.findings import Failed
from penstock_operator.core.observed import JobView, Refusal
from penstock_operator.core.record import StepRecord, leaves
from penstock_operator.core.text import one_line, sentence
from penstock_operator.core.times import after, read, stamp_not_before
from penstock_spec.names import FailureClass, Reason
from penstock_spec.status import StepState

# Refusals for want of room: there may be some later.
PASSING = frozenset({Reason.QUOTA_EXCEEDED, Reason.NAMESPACE_FULL})


def failed(context: RunContext, record: StepRecord, failure: Failed, job: JobView | None) -> Decision:
    """The attempt has failed: the step is tried again while its class has budget left, else it has failed
    too.
    """
    budget = budget_of(context, record, failure.failure_class)
    used = record.retries.get(failure.failure_class, 0)
    change = change_of(context, record, failure)
    if change.confirm:
        return Decision(record, confirm=change.confirm)
    if used < budget.retries and change.possible:
        return _again(context, record, failure, change, budget.wait(used + 1))
    spent = change.words if used < budget.retries else _spent(used)
    ended = replace(
        record,
        state=StepState.FAILED,
        failure_class=str(failure.failure_class),
        reason=failure.shown_reason,
        message=sentence(failure.message, spent, failure.hint) if spent or failure.hint else failure.message,
        image=failure.image or record.image,
        log=failure.log if _tails(context) < context.settings.log_tails else "",
        finished_at=context.stamp,
    )
    return Decision(ended, after=_leave_nothing(job))


def _spent(used: int) -> str:
    return "" if not used else "after 1 retry" if used == 1 else f"after {used} retries"


def _leave_nothing(job: JobView | None) -> Sequence[Action]:
    """A Job that would wait for ever (an image that is not there) goes once its failure is in the status."""
    if job is None or not is_stuck(job):
        return ()
    return (Delete(job.kind, job.meta.namespace, job.meta.name, job.meta.uid),)


def _again(context: RunContext, record: StepRecord, failure: Failed, change: Change, wait: float) -> Decision:
    due = stamp_not_before(after(context.now, wait))
    used = record.retries.get(failure.failure_class, 0)
    said = f"{failure.message}; {change.words}" if change.words else failure.message
    waiting = replace(
        record,
        state=StepState.RETRYING,
        failure_class=str(failure.failure_class),
        reason=failure.shown_reason,
        message=sentence(said, f"attempt {record.attempt + 1} follows"),
        retries={**record.retries, str(failure.failure_class): used + 1},
        retry_at=due,
        memory=change.memory or record.memory,
        scratch=change.scratch or record.scratch,
        remakes=change.remakes,
        remake_cells=change.remake_cells,
        image=failure.image or record.image,
    )
    return Decision(waiting, look_again=read(due))


def _tails(context: RunContext) -> int:
    return sum(1 for one in leaves(context.records) if one.log)


def refused(context: RunContext, record: StepRecord, refusal: Refusal) -> Decision:
    """What becomes of a step whose object cannot be made: where there is no room for now, else for good."""
    if refusal.reason in PASSING:
        waiting = replace(record, reason=refusal.reason, message=one_line(refusal.message, 500))
        return Decision(waiting, look_again=after(context.now, context.settings.resync))
    if refusal.reason == Reason.NAME_COLLISION:
        hint = "delete or rename that object and apply again"
        said, failure_class = sentence(refusal.message, hint), ""
    elif refusal.reason == Reason.FIELD_OWNED:
        hint = "somebody set this by hand; how to give it back: docs/failures.md, FieldOwned"
        said, failure_class = sentence(refusal.message, hint), ""
    else:
        said, failure_class = sentence(refusal.message), str(FailureClass.INVALID_CONTAINER)
    ended = replace(
        record,
        state=StepState.FAILED,
        reason=refusal.reason,
        failure_class=failure_class,
        message=said,
        finished_at=context.stamp,
        started_at=record.started_at or context.stamp,
    )
    return Decision(ended)
