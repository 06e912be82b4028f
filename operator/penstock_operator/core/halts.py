"""Halts: a run that goes no further ends what has not ended. Only steps with `always` still run."""

from dataclasses import replace

from penstock_operator.core.ahead import concurrency_of
from penstock_operator.core.attempts import left_behind
from penstock_operator.core.cells import every_cell, failures, folded
from penstock_operator.core.child_runs import recalling
from penstock_operator.core.context import Decision, Halt, RunContext
from penstock_operator.core.deadlines import expired
from penstock_operator.core.forms import lists_of
from penstock_operator.core.record import StepRecord
from penstock_spec.names import Reason
from penstock_spec.policy import Concurrency, OnFailure
from penstock_spec.status import StepState


def halt_of(context: RunContext) -> Halt | None:
    """Why the run goes no further; None while it does."""
    return _failure(context) or expired(context) or replaced(context)


def replaced(context: RunContext) -> Halt | None:
    """A newer run waits, and the policy is that it replaces this one; never in the middle of a roll-out."""
    observed, behind = context.observed, context.observed.behind
    if not behind or concurrency_of(observed.pipeline, observed.defaults) is not Concurrency.REPLACE:
        return None
    if any(_rolls_out(one) for record in context.recorded.values() for one in record.leaves):
        return None
    return Halt(Reason.RUN_REPLACED, f"run {behind[-1]} came, and policy.concurrency is Replace")


def _rolls_out(record: StepRecord) -> bool:
    """Whether a deploy of the step is under way; a step that is another pipeline has that one's reason."""
    deploying = record.kind == "deploy" or (record.kind == "pipeline" and record.reason == Reason.DEPLOYING)
    return deploying and record.state is StepState.RUNNING


def _failure(context: RunContext) -> Halt | None:
    """A step has failed, that is written, and the policy is to stop then."""
    if context.policy.on_failure is not OnFailure.STOP:
        return None
    broken = [
        one
        for name, record in context.recorded.items()
        for one in failures(record)
        if not context.pipeline.always(name)
    ]
    if not broken:
        return None
    first = min(broken, key=lambda one: one.finished_at)
    return Halt(Reason.FAILURE_STOPPED_RUN, f"step {first.name} failed, and policy.onFailure is Stop")


def halted(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: when the run goes no further, a step that has not ended is cancelled and its Job deleted."""
    if context.halt is None or context.pipeline.always(record.name):
        return None
    lists = lists_of(context.observed.run.status)
    if not all(map(context.is_live, lists)):
        # A Job that a cache does not show yet would run on unseen.
        return Decision(record, confirm=lists)
    ended = cancelled(recalling(context.observed, record), context.halt, context.stamp)
    return Decision(ended, after=left_behind(context, ended))


def cancelled(record: StepRecord, halt: Halt, at: str) -> StepRecord:
    """The final entry of a step that was ended from outside, with all its cells."""
    if record.cell_count:
        ended = every_cell(record, lambda one: one if one.ended else cancelled(one, halt, at))
        return folded(ended, at)
    return replace(
        record,
        state=StepState.CANCELLED,
        reason=halt.reason,
        message=halt.message,
        retry_at="",
        finished_at=at,
    )
