"""Good endings: what becomes of a result, by the kind of the step that gave it."""

from collections.abc import Mapping
from dataclasses import replace

from penstock_operator.core.context import Decision, RunContext
from penstock_operator.core.findings import Done, Failed
from penstock_operator.core.gates import judged
from penstock_operator.core.models import registered
from penstock_operator.core.record import OUTPUT_LOST, StepRecord
from penstock_operator.core.retry import failed
from penstock_operator.core.reuse import find_earlier, reused
from penstock_operator.core.text import one_line
from penstock_operator.core.work import work_of
from penstock_spec.names import FailureClass, Reason
from penstock_spec.status import StepState
from penstock_spec.when import text_of


def well(context: RunContext, record: StepRecord, done: Done) -> Decision:
    """The step's pod has succeeded with a valid result."""
    if done.result.unchanged:
        return _unchanged(context, record, done)
    ended = succeeded(context, record, done)
    if record.kind == "ingest":
        return Decision(replace(ended, why=_read_anew(context, record, done)))
    if record.kind == "train":
        return registered(context, record, ended, done.result)
    if record.kind == "validate":
        return judged(context, ended, done.result)
    return Decision(ended)


def _read_anew(context: RunContext, record: StepRecord, done: Done) -> str:
    """That its source had changed; the words of its start where that is not what made it run."""
    found = None if record.why == OUTPUT_LOST else find_earlier(context, record, work_of(context, record))
    if found is None or found.source_revision == done.result.source_revision[:160]:
        return record.why
    return f"its source has changed since {found.whence(record.name)}"


def succeeded(context: RunContext, record: StepRecord, done: Done) -> StepRecord:
    """The entry of a step that has made its outputs."""
    result = done.result
    return replace(
        record,
        state=StepState.SUCCEEDED,
        reason=Reason.COMPLETED,
        message=one_line(result.message, 300),
        made_at="",
        outputs=dict(result.outputs),
        results=_results(context, record, done),
        counts=dict(result.counts),
        metrics=dict(result.metrics),
        verdict=result.verdict,
        source_revision=result.source_revision[:160],
        image=done.image,
        finished_at=context.stamp,
    )


def _results(context: RunContext, record: StepRecord, done: Done) -> Mapping[str, str]:
    """What the step declares of the small values that its program left, as JSON writes them."""
    declared = context.pipeline.results(record.name)
    return {name: text_of(done.result.results[name]) for name in declared}


def _unchanged(context: RunContext, record: StepRecord, done: Done) -> Decision:
    """An ingest whose source is as it was: the earlier outputs hold."""
    because = ": its source has not changed"
    found = find_earlier(context, record, work_of(context, record))
    said = done.result.outputs
    if found is not None and dict(said or found.outputs) == dict(found.outputs):
        return Decision(reused(context, record, found, because))
    if said:
        # The run that it was compared with has been deleted since, and those before it may have read other
        # data; what it had made is in the result.
        ended = replace(succeeded(context, record, done), state=StepState.REUSED, reason=Reason.UNCHANGED)
        why = f"output reused from an earlier run{because}"
        return Decision(replace(ended, made_at=record.made_at, why=why))
    what = "its source is unchanged, but the run that had read it is gone; start a run to read it again"
    lost = Failed(FailureClass.INVALID_RESULT, what)
    return failed(context, record, lost, context.job(record.job))
