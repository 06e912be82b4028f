"""Why a step runs, in the words of its entry: what differs from before, else what forbids to take over."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from penstock_operator.core.context import RunContext
from penstock_operator.core.earlier import Earlier, Previous
from penstock_operator.core.pins import Pins, pins_of, read_by
from penstock_operator.core.record import StepRecord
from penstock_operator.core.reuse import expired, forced
from penstock_operator.core.taking import values_of
from penstock_operator.core.work import Work, work_of
from penstock_spec.differences import Said, difference, said_of
from penstock_spec.digest import Components, reusable_image
from penstock_spec.errors import SpecError
from penstock_spec.graph import CompiledPipeline
from penstock_spec.resolve import run_values


def why(context: RunContext, record: StepRecord, work: Work, found: Earlier | None) -> str:
    """Why the step runs, compared with the newest finished run before that got as far as this step."""
    if context.pipeline.always(record.name):
        return "it runs after all others, whatever the outcome"
    if found is not None:
        return f"checks whether its source has changed since {found.whence(record.name)}"
    for previous in context.observed.previous:
        old = _components_before(context, previous, record)
        if old is not None:
            now = _said(context.pipeline, record.name, context.values, context.pins)
            changed = difference(record.name, old, work.components, _said_before(previous, record.name), now)
            return changed or again(context, record) or _not_taken(context, previous, record, work)
    return _repeated(context) or "first run"


def _repeated(context: RunContext) -> str:
    repeated = context.observed.run.rerun.get("run")
    return f"done again: run {repeated} is repeated from here" if repeated else ""


def again(context: RunContext, record: StepRecord) -> str:
    """Why the step runs whatever has been made before; empty where that may be taken over."""
    return _repeated(context) or forced(context, record)


def _not_taken(context: RunContext, previous: Previous, record: StepRecord, work: Work) -> str:
    """Why a result of exactly the same work is not taken over."""
    run, steps = previous.run, previous.steps
    old = expired(context, record, work)
    if old:
        return old
    if not reusable_image(work.resolved.image):
        return "its image has no fixed tag or digest, so it may have changed"
    registered = next((one.get("modelVersion") for one in steps if one["name"] == record.name), None)
    if record.kind == "train" and registered and context.version(registered) is None:
        return f"ModelVersion {registered} of run {run} was deleted"
    return f"run {run} left no result to reuse"


def _said(pipeline: CompiledPipeline, step: str, values: Mapping[str, Any], pins: Pins) -> Said:
    versions = read_by(pipeline, step, values, pins)
    return said_of(pipeline, step, {name: pin.version for name, pin in versions.items()})


def _said_before(previous: Previous, step: str) -> Said:
    values = run_values(previous.pipeline.spec, previous.parameters, previous.scheduled_time, previous.cause)
    return _said(previous.pipeline, step, values, pins_of({"pinned": previous.pinned}))


def _components_before(context: RunContext, previous: Previous, record: StepRecord) -> Components | None:
    """What determined the step's result in a run before; None where it had no such step or cell, or never
    got to it.
    """
    if record.name not in previous.records or record.name not in previous.pipeline.graph:
        return None
    try:
        values = run_values(
            previous.pipeline.spec, previous.parameters, previous.scheduled_time, previous.cause
        )
        before = replace(
            context,
            pipeline=previous.pipeline,
            values=values,
            records=previous.records,
            recorded=previous.records,
            pins=pins_of({"pinned": previous.pinned}),
        )
        old = _same_leaf(context, before, record)
        return work_of(before, old).components if old is not None and old.digest else None
    except (KeyError, SpecError):
        return None


def _same_leaf(context: RunContext, before: RunContext, record: StepRecord) -> StepRecord | None:
    """The step in the run before; of a cell the one that had the same values, whatever its number was."""
    old = before.records[record.name]
    if not record.cell:
        return old
    values, cells = values_of(context, record), before.pipeline.cells(record.name)
    number = record.cell
    if cells is not None:
        number = next((at for at, one in enumerate(cells, start=1) if one == values), 0)
    return old.cells.get(number)
