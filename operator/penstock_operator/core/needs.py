"""Needs: a step waits for the steps before it, and is blocked when one of them has failed."""

from dataclasses import replace

from penstock_operator.core.context import Decision, RunContext
from penstock_operator.core.record import StepRecord
from penstock_operator.core.text import clip
from penstock_spec.names import Reason
from penstock_spec.status import SATISFYING, StepState

_MESSAGE = 200  # of a step that only waits: there may be many


def blocked(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a step that needs a failed one can never run. Its message names the step that failed."""
    if record.state is not StepState.WAITING:
        return None
    needs = [context.records[name] for name in context.pipeline.needs(record.name)]
    broken = next((need for need in needs if need.ended and need.state not in SATISFYING), None)
    if broken is None:
        return None
    # A blocked step carries the words on: whoever reads the last step of a chain learns where it broke.
    words = (
        broken.message if broken.state is StepState.BLOCKED else f"step {broken.name} failed: {broken.reason}"
    )
    return Decision(
        replace(
            record,
            state=StepState.BLOCKED,
            reason=Reason.STEP_FAILED,
            message=clip(words, _MESSAGE),
            finished_at=context.stamp,
        )
    )


def waits(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a step whose needs have not all ended waits, and says for which."""
    if record.state is not StepState.WAITING:
        return None
    needs = context.pipeline.needs(record.name)
    missing = [name for name in needs if context.recorded[name].state not in SATISFYING]
    if not missing:
        return None
    message = clip(f"waits for {', '.join(missing)}", _MESSAGE)
    return Decision(replace(record, reason=Reason.WAITING_FOR_STEPS, message=message))
