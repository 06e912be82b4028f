"""Registered models as inputs: pinned before the steps begin, told where missing, deployed only if judged."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from penstock_operator.core.actions import Plan
from penstock_operator.core.context import Decision, RunContext
from penstock_operator.core.observed import Ref, RunObject, VersionView
from penstock_operator.core.observed_run import ObservedRun
from penstock_operator.core.pins import (
    Pins,
    choose,
    read_by,
    reads_registry,
    reference_of,
    references,
    to_status,
)
from penstock_operator.core.record import StepRecord
from penstock_operator.core.run_status import about_to_start, build
from penstock_operator.core.settings import Settings
from penstock_operator.core.start import CannotStart, thawed
from penstock_operator.core.taking import giver
from penstock_operator.core.text import sentence
from penstock_spec import names
from penstock_spec.graph import CompiledPipeline
from penstock_spec.model_version import Lifecycle
from penstock_spec.names import Reason
from penstock_spec.resolve import run_values
from penstock_spec.status import StepState

VERSIONS = Ref(names.MODEL_VERSION)
_JUDGED = frozenset({Lifecycle.APPROVED, Lifecycle.PRODUCTION})
# Why a version of another lifecycle is not deployed, and what to do.
_UNFIT: Mapping[str, str] = {
    Lifecycle.REJECTED: "its gate has rejected it",
    Lifecycle.ARCHIVED: "another version has replaced it; spec.rollbackTo of the endpoint goes back to it, "
    "and a validate step that lets it pass makes it Approved again",
}
_UNJUDGED = "no gate has judged it; add a validate step with the same modelFrom"


def pins(observed: ObservedRun, now: datetime, _: Settings) -> Plan | None:
    """Rule: which registered models a run reads is written down before any of its steps begins, once."""
    run = observed.run
    if "pinned" in run.status:
        return None
    snapshot = run.status["snapshot"]
    frozen = thawed(observed, snapshot["revision"], snapshot["digest"])
    if isinstance(frozen, CannotStart) or not reads_registry(frozen.pipeline):
        return None
    values = run_values(frozen.pipeline.spec, run.given, run.logical_time, run.cause)
    chosen = chosen_for(observed, frozen.pipeline, values)
    if isinstance(chosen, Plan):
        return chosen
    records = [StepRecord.from_status(entry) for entry in run.status.get("steps", ())]
    summary = about_to_start("its steps are", begun="startedAt" in run.status)
    status = build(with_pins(run, chosen), summary, records, now, snapshot, started=False)
    return Plan(status=status, look_again=now)


def chosen_for(
    observed: ObservedRun, pipeline: CompiledPipeline, values: Mapping[str, Any], kept: Pins | None = None
) -> Pins | Plan:
    """The registered models that a run reads which begins now; those that are `kept` stay what they were.

    A version that was approved just now may not be in the cache yet: the registry is read live first.
    """
    wanted = references(pipeline, values)
    if wanted and VERSIONS not in observed.live:
        return Plan(confirm=(VERSIONS,))
    return choose(wanted, observed.versions, kept or {})


def with_pins(run: RunObject, chosen: Pins) -> RunObject:
    """The run with that in its status; as it was where it reads none."""
    return replace(run, status={**run.status, "pinned": to_status(chosen)}) if chosen else run


def lacks(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a step fails for good whose registered model was not there when the run began."""
    words = lacking(context, record) if record.state is StepState.WAITING else ""
    if not words:
        return None
    ended = replace(
        record,
        state=StepState.FAILED,
        reason=str(Reason.MODEL_VERSION_NOT_FOUND),
        message=words,
        started_at=context.stamp,
        finished_at=context.stamp,
    )
    return Decision(ended)


def lacking(context: RunContext, record: StepRecord) -> str:
    """Which model of the registry the step needs and does not have, in words; empty where it has all."""
    found = read_by(context.pipeline, record.name, context.values, context.pins)
    inputs = context.pipeline.registered(record.name)
    missing = [one for name, one in inputs.items() if name not in found and not one.optional]
    if not missing:
        return ""
    model, _, standing = reference_of(missing[0], context.values).partition("/")
    look = f"kubectl get mv -n {context.namespace}"
    if not standing:
        return sentence(f"there was no ModelVersion {model} when the run began", look)
    what = f"no version of model {model} was {_WORDS[standing]} when the run began"
    return sentence(what, f"{look} -l {names.LABEL_MODEL}={model}")


_WORDS = {"Candidate": "a Candidate", "Approved": "Approved", "Production": "in Production"}


def version_read(context: RunContext, reader: StepRecord) -> VersionView | None:
    """The registry's record of the model that a step or cell reads, if it is the same bytes."""
    pipeline, step = context.pipeline, reader.name
    if "model" in pipeline.registered(step):
        pin = read_by(pipeline, step, context.values, context.pins).get("model")
        version = None if pin is None else context.version(pin.version)
        return version if version is not None and pin is not None and version.digest == pin.digest else None
    source, output = pipeline.inputs(step)["model"]
    return context.version_of(giver(context, context.records[source], reader), output)


def unfit(context: RunContext, step: str, version: VersionView) -> str:
    """Why this version may not be deployed by a step that takes it from the registry; empty where it may."""
    if "model" not in context.pipeline.registered(step) or version.lifecycle in _JUDGED:
        return ""
    what = f"ModelVersion {version.meta.name} is {version.lifecycle or Lifecycle.CANDIDATE}"
    why = _UNFIT.get(version.lifecycle, _UNJUDGED)
    command = f"kubectl describe mv -n {context.namespace} {version.meta.name}"
    return sentence(f"{what}: {why}", command)
