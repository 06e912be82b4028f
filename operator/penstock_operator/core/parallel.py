"""Room: how many Jobs of a run, and of a step's cells, are under way at a time."""

from collections.abc import Mapping
from dataclasses import replace

from penstock_operator.core.child_runs import KIND
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


def places_left(most: int | None, recorded: StepRecord) -> int | None:
    """How many of a step's `most` places for cells are free; None where there is no bound."""
    return None if most is None else max(0, most - sum(1 for one in recorded.leaves if goes_on(one)))


def holds(record: StepRecord) -> bool:
    """Whether a leaf takes room of the run: it goes on and has Jobs. Others take places of their step."""
    return bool(record.job) and goes_on(record)


def goes_on(record: StepRecord) -> bool:
    """Whether a leaf is under way: from its first attempt to its end, also while it waits for its next one.

    One whose inputs are made again gives its place to those that make them.
    """
    if not record.attempt:
        return False
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
    most = None if record.kind == KIND else context.policy.max_parallel
    if own is not None and (most is None or own < most):
        return f"the step's maxParallel of {own} is reached"
    return f"policy.maxParallel of {context.policy.max_parallel} is reached"
