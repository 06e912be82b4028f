"""Models: a trained model becomes a ModelVersion before its step counts as succeeded."""

from dataclasses import replace
from typing import Any

import networkx as nx

from penstock_operator.core.actions import Action, PatchStatus, RegisterModel
from penstock_operator.core.context import Decision, RunContext
from penstock_operator.core.observed import VersionView
from penstock_operator.core.record import StepRecord
from penstock_operator.core.retry import refused
from penstock_operator.core.times import after
from penstock_operator.core.work import work_of
from penstock_operator.manifests.versions import Lineage, version
from penstock_spec import names
from penstock_spec.contract import Result
from penstock_spec.kinds.train import Train
from penstock_spec.model_version import Lifecycle
from penstock_spec.names import Reason
from penstock_spec.triggers import SCHEDULED_TIME, TRIGGERED_BY


def registered(context: RunContext, record: StepRecord, ended: StepRecord, result: Result) -> Decision:
    """The step succeeds once the registry holds its model; until then it asks for that. The same bytes keep
    their number.
    """
    model = _model_name(context, record)
    digest = ended.outputs["model"]
    found = find_version(context, model, digest)
    if found is not None:
        return Decision(replace(ended, model_version=found.meta.name), actions=candidate(found))
    refusal = context.observed.refusals.get(model)
    if refusal is not None:
        return refused(context, record, refusal)
    lineage = _lineage(context, ended)
    manifest = version(context.namespace, model, digest, result.columns, result.metrics, lineage)
    wait = after(context.now, context.settings.resync)
    return Decision(record, actions=(RegisterModel(model, digest, manifest),), look_again=wait)


def find_version(context: RunContext, model: str, digest: str) -> VersionView | None:
    """The registry's record of these bytes, the oldest if there are several."""
    found = [one for one in context.observed.versions if one.model == model and one.digest == digest]
    return min(found, key=lambda one: one.number, default=None)


def candidate(found: VersionView) -> tuple[Action, ...]:
    """The first status of a version; nothing where it has one."""
    if found.lifecycle:
        return ()
    status = {
        "observedGeneration": found.meta.generation,
        "lifecycle": str(Lifecycle.CANDIDATE),
        "reason": str(Reason.CANDIDATE),
        "message": "trained; no gate has judged it yet",
    }
    return (patch_version(found, status),)


def patch_version(found: VersionView, status: dict[str, object]) -> PatchStatus:
    """The write of a version's status, bound to the version that was read."""
    meta = found.meta
    return PatchStatus(names.MODEL_VERSION, meta.namespace, meta.name, meta.resource_version, status)


def _model_name(context: RunContext, record: StepRecord) -> str:
    body = context.pipeline.spec.step(record.name).body
    if not isinstance(body, Train):
        raise TypeError(f"step {record.name} does not train")
    return body.model


def _parameters(context: RunContext) -> dict[str, Any]:
    """The values of the run; what is built in only where it is for a certain time, or a trigger saw it."""
    run = context.observed.run
    left_out = {*(() if run.scheduled_time else (SCHEDULED_TIME,)), *(() if run.cause else (TRIGGERED_BY,))}
    return {name: value for name, value in context.values.items() if name not in left_out}


def _lineage(context: RunContext, ended: StepRecord) -> Lineage:
    run = context.observed.run
    snapshot = run.status["snapshot"]
    ancestors = nx.ancestors(context.pipeline.graph, ended.name)
    involved = [context.records[name] for name in context.pipeline.order if name in ancestors] + [ended]
    work = work_of(context, ended)
    return Lineage(
        pipeline=run.pipeline,
        pipeline_uid=snapshot["pipelineUid"],
        run=run.meta.name,
        run_uid=run.meta.uid,
        step=ended.name,
        revision=snapshot["revision"],
        step_digest=ended.digest,
        datasets={name: one.digest for name, one in work.inputs.items() if one.type == "Table"},
        images=[(one.name, one.image) for one in involved if one.image],
        parameters=_parameters(context),
    )
