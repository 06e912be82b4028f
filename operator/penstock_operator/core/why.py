"""Why a step runs, in the words of its entry: what differs from before, else what forbids to take over."""

from collections.abc import Mapping
from typing import Any

from penstock_operator.core.context import RunContext
from penstock_operator.core.observed import Earlier, Previous
from penstock_operator.core.pins import Pins, pins_of, read_by
from penstock_operator.core.record import StepRecord
from penstock_operator.core.reuse import expired, forced
from penstock_operator.core.work import Work
from penstock_spec.differences import Said, difference, said_of
from penstock_spec.digest import Components, reusable_image, step_components
from penstock_spec.errors import SpecError
from penstock_spec.graph import CompiledPipeline
from penstock_spec.resolve import resolve_step, run_values


def why(context: RunContext, record: StepRecord, work: Work, found: Earlier | None) -> str:
    """Why the step runs, compared with the newest finished run before."""
    if context.pipeline.always(record.name):
        return "it runs after all others, whatever the outcome"
    if found is not None:
        return f"checks whether its source has changed since {found.whence}"
    previous = context.observed.previous
    old = _components_before(context, record.name)
    if previous is None or old is None:
        return "first run"
    now = _said(context.pipeline, record.name, context.values, context.pins)
    changed = difference(record.name, old, work.components, _said_before(previous, record.name), now)
    return changed or again(context, record) or _not_taken(context, record, work)


def again(context: RunContext, record: StepRecord) -> str:
    """Why the step runs whatever has been made before; empty where that may be taken over."""
    repeated = context.observed.run.rerun.get("run")
    if repeated:
        return f"done again: run {repeated} is repeated from here"
    return forced(context, record)


def _not_taken(context: RunContext, record: StepRecord, work: Work) -> str:
    """Why a result of exactly the same work is not taken over."""
    previous = context.observed.previous
    run = previous.run if previous is not None else ""
    steps = previous.steps if previous is not None else ()
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


def _components_before(context: RunContext, step: str) -> Components | None:
    """What determined the step's result in the run before; None where it had no such step, or never got to
    it.
    """
    previous = context.observed.previous
    if previous is None:
        return None
    entries = {entry["name"]: entry for entry in previous.steps}
    if not entries.get(step, {}).get("digest"):
        return None
    pipeline = previous.pipeline
    try:
        values = run_values(pipeline.spec, previous.parameters, previous.scheduled_time, previous.cause)
        resolved = resolve_step(pipeline.spec, pipeline.spec.step(step), values)
    except (KeyError, SpecError):
        return None
    inputs = {
        name: entries.get(source, {}).get("outputs", {}).get(output, "")
        for name, (source, output) in pipeline.inputs(step).items()
    }
    read = read_by(pipeline, step, values, pins_of({"pinned": previous.pinned}))
    return step_components(resolved, inputs | {name: pin.digest for name, pin in read.items()})
