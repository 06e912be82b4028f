"""How the run of another pipeline ends for the step that it is: what it gives, or why it gives nothing."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from penstock_operator.core.conditions import is_true
from penstock_operator.core.context import Decision, RunContext
from penstock_operator.core.findings import Failed
from penstock_operator.core.observed_run import ChildView
from penstock_operator.core.record import StepRecord
from penstock_operator.core.retry import failed
from penstock_operator.core.run_status import made_anything
from penstock_operator.core.text import sentence
from penstock_operator.core.times import after, read
from penstock_operator.core.work import work_of
from penstock_spec.base import seconds_of
from penstock_spec.errors import did_you_mean
from penstock_spec.graph import CompiledPipeline
from penstock_spec.kinds.child import Child, ChildOutput, ChildOutputType, ChildResult
from penstock_spec.names import Condition, FailureClass, Reason, StatusWord
from penstock_spec.status import StepState

Entries = Mapping[str, Mapping[str, Any]]
# A gate in the child that does not let a model pass has answered: asking again is in vain.
_ANSWERS = frozenset({str(Reason.THRESHOLD_NOT_MET), str(Reason.INCONCLUSIVE)})


def due_end(context: RunContext, record: StepRecord, child: ChildView) -> datetime | None:
    """When the step's own deadline is over; None where it has none, or while the child is suspended.

    Time in which the child was suspended does not count.
    """
    deadline, status = context.pipeline.spec.step(record.name).deadline, child.run.status
    if deadline is None or status.get("suspendedAt"):
        return None
    return after(child.run.meta.created, seconds_of(deadline) + int(status.get("suspendedSeconds", 0)))


def misfit(body: Child, child: ChildView) -> str:
    """What the child, as it is frozen, cannot give of what the step promises; empty where it can, or while
    it is not frozen.
    """
    if child.pipeline is None:
        return ""
    for output in body.outputs:
        if words := _no_such(child.pipeline, body.name, output, "output"):
            return words
    for result in body.results:
        if words := _no_such(child.pipeline, body.name, result, "result"):
            return words
    return ""


def _no_such(pipeline: CompiledPipeline, name: str, asked: ChildOutput | ChildResult, what: str) -> str:
    step, _, key = asked.from_.partition(".")
    if step not in pipeline.graph:
        hint = did_you_mean(step, pipeline.order)
        return f'pipeline {name} has no step "{step}". {hint}'.strip(" .")
    given = pipeline.outputs(step) if what == "output" else pipeline.results(step)
    if key not in given:
        hint = did_you_mean(key, given)
        return f'step {step} of pipeline {name} gives no {what} "{key}". {hint}'.strip(" .")
    if given[key] != asked.type:
        return f"{what} {asked.from_} of pipeline {name} is of type {given[key]}, not {asked.type}"
    return ""


def child_ended(context: RunContext, record: StepRecord, body: Child, child: ChildView) -> Decision:
    """The step's end, or its next attempt."""
    name, status = child.run.meta.name, child.run.status
    command = f"kubectl get plr -n {context.namespace} {name}"
    wrong = misfit(body, child)
    if wrong:
        return failed(context, record, Failed(FailureClass.INVALID_RESULT, sentence(wrong, command)), None)
    if is_true(status, Condition.SUCCEEDED):
        return _taken(context, record, body, child)
    if status.get("status") != StatusWord.CANCELLED:
        return _not_well(context, record, child, command)
    end, ended_at = due_end(context, record, child), read(status.get("finishedAt", ""))
    if end is not None and ended_at is not None and ended_at >= end:
        deadline = context.pipeline.spec.step(record.name).deadline
        what = sentence(f"child run {name} took longer than the step's deadline of {deadline}", command)
        late = Failed(FailureClass.DEADLINE, what, reason=Reason.DEADLINE_EXCEEDED)
        return failed(context, record, late, None)
    # Whoever cancelled it meant it: the step has failed for those that need it, and is not tried again.
    said = sentence(f"child run {name} was cancelled by somebody", command)
    return _for_good(context, record, str(Reason.CHILD_CANCELLED), said)


def _not_well(context: RunContext, record: StepRecord, child: ChildView, command: str) -> Decision:
    """The child has failed or expired. Its reason becomes the step's: the parent tells at once why."""
    status, expired = child.run.status, child.run.status.get("status") == StatusWord.EXPIRED
    how = "took too long" if expired else "failed"
    what = sentence(f"child run {child.run.meta.name} {how}: {status.get('message', '')}", command)
    reason = str(Reason.CHILD_EXPIRED) if expired else str(status.get("reason", ""))
    if reason in _ANSWERS:
        return _for_good(context, record, reason, what)
    return failed(context, record, Failed(FailureClass.USER_ERROR, what, reason=reason), None)


def _for_good(context: RunContext, record: StepRecord, reason: str, message: str) -> Decision:
    ended = replace(record, state=StepState.FAILED, reason=reason, message=message, finished_at=context.stamp)
    return Decision(ended)


def _taken(context: RunContext, record: StepRecord, body: Child, child: ChildView) -> Decision:
    """The outputs and results that the step declares, from the entries of the child's steps."""
    steps: Entries = {one["name"]: one for one in child.run.status.get("steps", ())}
    outputs = {one.name: _of(steps, one.from_, "outputs") for one in body.outputs}
    results = {one.name: _of(steps, one.from_, "results") for one in body.results}
    missing = [one.from_ for one in body.outputs if outputs[one.name] is None]
    missing += [one.from_ for one in body.results if results[one.name] is None]
    if missing:
        step, _, key = missing[0].partition(".")
        state = steps.get(step, {}).get("state", "missing")
        what = f"step {step} of child run {child.run.meta.name} is {state}, so there is no {key}"
        command = f"kubectl get plr -n {context.namespace} {child.run.meta.name} -o yaml"
        return failed(context, record, Failed(FailureClass.INVALID_RESULT, sentence(what, command)), None)
    always, reason = context.pipeline.always(record.name), _novelty(child)
    reused = "" if reason == Reason.COMPLETED else ": everything in it was reused"
    ended = replace(
        record,
        state=StepState.SUCCEEDED,
        reason=reason,
        message=f"child run {child.run.meta.name} succeeded{reused}",
        digest="" if always else work_of(context, record).digest,
        outputs=outputs,
        results=results,
        model_version=_model(steps, body),
        finished_at=context.stamp,
    )
    return Decision(ended)


def _novelty(child: ChildView) -> str:
    """Whether the child has made anything; and if not, whether it had looked at a source for it."""
    if child.run.status.get("reason") == Reason.NO_NEW_DATA:
        return str(Reason.NO_NEW_DATA)
    made = made_anything([StepRecord.from_status(one) for one in child.run.status.get("steps", ())])
    return str(Reason.COMPLETED if made else Reason.UNCHANGED)


def _of(steps: Entries, place: str, what: str) -> Any:
    """The text that a step of the child has recorded; None where it has recorded none."""
    step, _, key = place.partition(".")
    return steps.get(step, {}).get(what, {}).get(key)


def _model(steps: Entries, body: Child) -> str:
    """The ModelVersion behind the first model that the step gives."""
    sources = [one.from_.partition(".")[0] for one in body.outputs if one.type is ChildOutputType.MODEL]
    found = (str(steps.get(one, {}).get("modelVersion", "")) for one in sources)
    return next((one for one in found if one), "")
