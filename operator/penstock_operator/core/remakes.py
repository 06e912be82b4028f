"""Lost artifacts: a reused step whose outputs are gone from the store is run again for the one that needs
them.
"""

from dataclasses import replace

from penstock_operator.core.context import Decision, RunContext
from penstock_operator.core.record import StepRecord
from penstock_spec.names import FailureClass
from penstock_spec.status import SATISFYING, StepState

LOST = str(FailureClass.INPUT_MISSING)


def remade(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a reused step is run again when a step that needs it has found its outputs gone.

    This is the one way out of a terminal state, and it is taken once: what is made again has succeeded.
    """
    if record.state is not StepState.REUSED:
        return None
    needing = next((one for one in context.recorded.values() if _waits_for(one, record.name)), None)
    if needing is None:
        return None
    again = replace(
        record,
        state=StepState.RETRYING,
        failure_class=LOST,
        reason=LOST,
        message=f"step {needing.name} found its output gone from the store; it is made again",
        why="output lost",
        made_at="",
        retry_at=context.stamp,
        finished_at="",
    )
    return Decision(again, look_again=context.now)


def _waits_for(other: StepRecord, name: str) -> bool:
    return other.state is StepState.RETRYING and name in other.remakes


def awaits(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a step whose input is being made again waits for that, and fails with it."""
    if record.state is not StepState.RETRYING or not record.remakes:
        return None
    sources = [context.recorded[name] for name in record.remakes]
    broken = next((one for one in sources if one.ended and one.state not in SATISFYING), None)
    if broken is not None:
        ended = replace(
            record,
            state=StepState.FAILED,
            message=f"its input could not be made again: step {broken.name} failed: {broken.reason}",
            retry_at="",
            finished_at=context.stamp,
        )
        return Decision(ended)
    # Reused still means: it has not begun to make it again.
    return None if all(one.state is StepState.SUCCEEDED for one in sources) else Decision(record)
