"""Values that do not fit: a result is known only at run time, and so is whether its field can hold it."""

from dataclasses import replace

from penstock_operator.core.context import Decision, RunContext
from penstock_operator.core.record import StepRecord
from penstock_operator.core.taking import resolved_of
from penstock_operator.core.text import sentence
from penstock_spec.errors import SpecError
from penstock_spec.names import Reason
from penstock_spec.status import StepState


def misfits(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a step fails before it has a Job when a result that it takes does not fit the field."""
    pipeline = context.pipeline
    if record.state is not StepState.WAITING or not pipeline.results_taken(record.name):
        return None
    if pipeline.has_cells(record.name) and not record.cell:
        return None  # each of its cells asks for itself
    try:
        resolved_of(context, record)
    except SpecError as error:
        ended = replace(
            record,
            state=StepState.FAILED,
            reason=Reason.INVALID_VALUE,
            message=sentence(f"a result does not fit the field that takes it: {error}"),
            started_at=context.stamp,
            finished_at=context.stamp,
        )
        return Decision(ended)
    return None
