"""Reuse: what an earlier run has made from exactly the same is not made again. Prefer running again to
guessing.
"""

from dataclasses import replace

from penstock_operator.core.context import Decision, RunContext
from penstock_operator.core.gates import renewed
from penstock_operator.core.observed import Earlier
from penstock_operator.core.record import StepRecord
from penstock_operator.core.work import Work, work_of
from penstock_spec.contract import Known
from penstock_spec.digest import Components, difference, reusable_image, step_components
from penstock_spec.errors import SpecError
from penstock_spec.names import Reason
from penstock_spec.resolve import resolve_step, run_values
from penstock_spec.status import StepState


def reuses(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a step whose digest is known takes over the outputs, without a Job. An ingest has to look at its
    source.
    """
    if record.state is not StepState.WAITING or record.kind == "ingest":
        return None
    if context.pipeline.always(record.name):
        return None  # it is about this run
    work = work_of(context, record)
    found = find_earlier(context, record, work)
    if found is None:
        return None
    taken = reused(context, replace(record, digest=work.digest), found)
    return Decision(taken, actions=renewed(context, taken) if record.kind == "validate" else ())


def reused(context: RunContext, record: StepRecord, found: Earlier, because: str = "") -> StepRecord:
    """The step's final entry: everything as the earlier run recorded it."""
    return replace(
        record,
        state=StepState.REUSED,
        reason=Reason.UNCHANGED,
        message="",
        why=f"output reused from run {found.run}{because}",
        outputs=dict(found.outputs),
        results=dict(found.results),
        metrics=dict(found.metrics),
        verdict=found.verdict,
        model_version=found.model_version,
        source_revision=found.source_revision or record.source_revision,
        image=found.image,
        started_at=record.started_at or context.stamp,
        finished_at=context.stamp,
    )


def find_earlier(context: RunContext, record: StepRecord, work: Work) -> Earlier | None:
    """The newest earlier step that did exactly this and whose result is whole; None where it must run."""
    if not reusable_image(work.resolved.image) or context.pipeline.always(record.name):
        return None
    if context.observed.run.rerun:
        return None  # what may be taken over has been, at the start
    return next((one for one in context.observed.earlier if _fits(context, record, work, one)), None)


def _fits(context: RunContext, record: StepRecord, work: Work, one: Earlier) -> bool:
    if one.digest != work.digest or set(one.outputs) != set(work.outputs):
        return False
    if set(one.results) != set(context.pipeline.results(record.name)):
        return False
    if record.kind == "train":
        version = context.version(one.model_version)
        return version is not None and version.digest == one.outputs.get("model")
    return record.kind != "ingest" or bool(one.source_revision)


def known(found: Earlier | None) -> Known | None:
    """What an ingest's Job is told of the earlier result, so that it only compares its source."""
    return None if found is None else Known(found.run, found.source_revision, found.outputs)


def why(context: RunContext, record: StepRecord, work: Work, found: Earlier | None) -> str:
    """Why the step runs, compared with the newest finished run before."""
    if context.pipeline.always(record.name):
        return "it runs after all others, whatever the outcome"
    if found is not None:
        return f"checks whether its source has changed since run {found.run}"
    previous = context.observed.previous
    old = _components_before(context, record.name)
    if previous is None or old is None:
        return "first run"
    changed = difference(record.name, old, work.components)
    if changed:
        return changed
    repeated = context.observed.run.rerun.get("run")
    if repeated:
        return f"done again: run {repeated} is repeated from here"
    if not reusable_image(work.resolved.image):
        return "its image has no fixed tag or digest, so it may have changed"
    registered = next((one.get("modelVersion") for one in previous.steps if one["name"] == record.name), None)
    if record.kind == "train" and registered and context.version(registered) is None:
        return f"ModelVersion {registered} of run {previous.run} was deleted"
    return f"run {previous.run} left no result to reuse"


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
    return step_components(resolved, inputs)
