"""Deadlines: of a run, of a step's attempts, and of their starts."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from penstock_operator.core.context import Decision, Halt, RunContext
from penstock_operator.core.record import StepRecord
from penstock_operator.core.run_status import is_held, suspension
from penstock_operator.core.settings import Settings
from penstock_operator.core.times import after, earliest, read
from penstock_spec.base import seconds_of
from penstock_spec.names import FailureClass, Reason
from penstock_spec.pipeline import Step
from penstock_spec.status import StepState

PODLESS = frozenset({"deploy", "monitor"})  # kinds whose deadline no kubelet keeps


def run_end(context: RunContext) -> datetime | None:
    """When the run's time is over; None where it has no end, has not begun, or the clock stands still.

    Time in which the run was suspended, or all that it did waited in queues, does not count.
    """
    run, deadline = context.observed.run, context.policy.deadline
    started = read(run.status.get("startedAt", ""))
    recorded = tuple(context.recorded.values())
    if deadline is None or started is None or is_held(run, recorded):
        return None
    _, seconds = suspension(run, context.now, recorded)
    return after(started, seconds_of(deadline) + seconds)


def expired(context: RunContext) -> Halt | None:
    """The halt of a run whose time is over."""
    end = run_end(context)
    if end is None or context.now < end:
        return None
    return Halt(
        Reason.RUN_EXPIRED, f"the run took longer than its policy.deadline of {context.policy.deadline}"
    )


def pod_seconds(step: Step) -> int | None:
    """How long the pod of one attempt may run."""
    return None if step.deadline is None or step.kind in PODLESS else seconds_of(step.deadline)


def patience(context: RunContext, record: StepRecord) -> Settings:
    """The settings by which the step's pod is judged: its own start deadline, where it has one."""
    own = context.pipeline.spec.step(record.name).start_deadline
    settings = context.settings
    return settings if own is None else replace(settings, start_deadline=float(seconds_of(own)))


def overdue(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a step without a pod fails when it has taken longer than its deadline."""
    end = _podless_end(context, record)
    if end is None or context.now < end:
        return None
    deadline = context.pipeline.spec.step(record.name).deadline
    ended = replace(
        record,
        state=StepState.FAILED,
        failure_class=str(FailureClass.DEADLINE),
        reason=Reason.DEADLINE_EXCEEDED,
        message=f"it took longer than its deadline of {deadline}; the endpoint goes on by itself",
        finished_at=context.stamp,
    )
    return Decision(ended)


def _podless_end(context: RunContext, record: StepRecord) -> datetime | None:
    step = context.pipeline.spec.step(record.name)
    started = read(record.started_at)
    if record.state is not StepState.RUNNING or step.kind not in PODLESS or step.deadline is None:
        return None
    return None if started is None else after(started, seconds_of(step.deadline))


def next_end(context: RunContext) -> datetime | None:
    """The next time at which a deadline of ours may be over. What the kubelet ends is seen by its event."""
    return earliest(*_future_ends(context))


def _future_ends(context: RunContext) -> Iterator[datetime]:
    for end in (run_end(context), *(_podless_end(context, one) for one in context.records.values())):
        if end is not None and end > context.now:
            yield end
