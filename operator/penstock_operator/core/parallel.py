"""Room: how many Jobs of a run, and of a step's cells, are under way at a time."""

from collections.abc import Mapping
from dataclasses import replace

from penstock_operator.core.context import Decision, Room, RunContext
from penstock_operator.core.record import StepRecord, leaves
from penstock_spec.names import Reason
from penstock_spec.status import StepState

_UNDER_WAY = (StepState.STARTING, StepState.RUNNING)


def room_of(most: int | None, recorded: Mapping[str, StepRecord]) -> Room:
    """The room of a pass, by what the status says: an end that is not written yet frees nothing."""
    return Room(left_of(most, recorded))


def left_of(most: int | None, recorded: Mapping[str, StepRecord]) -> int | None:
    """How many of `most` are free; None where there is no bound."""
    return None if most is None else max(0, most - sum(1 for one in leaves(recorded) if holds(one)))


def holds(record: StepRecord) -> bool:
    """Whether a leaf takes room: from its first Job to its end, also while it waits for its next attempt.

    One whose inputs are made again gives its room to those that make them.
    """
    if not record.job:
        return False  # it has had none, or its kind has none
    if record.state in _UNDER_WAY:
        return True
    return record.state is StepState.QUEUED or (record.state is StepState.RETRYING and not record.remakes)


def queued(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: no Job is made while as many are under way as may be."""
    if context.room.jobs != 0 or holds(record) or record.ended:
        return None
    if record.state is StepState.RETRYING:
        return Decision(record)
    said, reason = words(context, record), str(Reason.MAX_PARALLEL)
    return Decision(replace(record, state=StepState.QUEUED, reason=reason, message=said))


def words(context: RunContext, record: StepRecord) -> str:
    """Why there is no room."""
    own = context.pipeline.spec.step(record.name).max_parallel
    if own is not None and (context.policy.max_parallel is None or own < context.policy.max_parallel):
        return f"the step's maxParallel of {own} is reached"
    return f"policy.maxParallel of {context.policy.max_parallel} is reached"
