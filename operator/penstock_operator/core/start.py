"""The start of a run: what it executes is frozen before anything is executed, and it waits for its turn."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penstock_operator.core.actions import Action, Create, Plan, SetOwner
from penstock_operator.core.ahead import concurrency_of
from penstock_operator.core.forms import chosen
from penstock_operator.core.frozen import define
from penstock_operator.core.observed import PipelineObject, Ref
from penstock_operator.core.observed_run import ObservedRun
from penstock_operator.core.policies import DEFAULTS, effective, kept_defaults
from penstock_operator.core.record import StepRecord
from penstock_operator.core.run_status import (
    Summary,
    about_to_start,
    build,
    failed_before_steps,
    replaced_before_steps,
    waiting,
)
from penstock_operator.core.settings import Settings
from penstock_operator.core.text import clip, sentence
from penstock_operator.core.times import after
from penstock_operator.manifests.identity import owner
from penstock_operator.manifests.revisions import revision
from penstock_spec import names
from penstock_spec.defaults import NamespaceDefaults
from penstock_spec.errors import SpecError
from penstock_spec.graph import CompiledPipeline
from penstock_spec.names import Reason
from penstock_spec.policy import Concurrency, Policy
from penstock_spec.resolve import check_step, run_values
from penstock_spec.shapes import object_shape
from penstock_spec.structure import structure_problems


@dataclass(frozen=True)
class Frozen:
    """What a run executes: the pipeline in executable form, under its digest."""

    revision: str
    digest: str
    pipeline: CompiledPipeline
    actions: tuple[Action, ...] = ()  # that make it so


@dataclass(frozen=True)
class CannotStart:
    """Why a run cannot begin; for good, or not yet."""

    reason: str
    message: str
    for_good: bool = True


def take_snapshot(observed: ObservedRun, now: datetime, settings: Settings) -> Plan | None:
    """Rule: a run without a snapshot gets one, and nothing else happens before that is written."""
    run = observed.run
    if run.status.get("snapshot"):
        return None
    # Who changes a Pipeline, or the namespace's defaults, and then makes a run means the change. A cache may
    # not show it yet.
    refs = (DEFAULTS,) if run.revision else (Ref(names.PIPELINE, run.pipeline), DEFAULTS)
    if not observed.live.issuperset(refs):
        return Plan(confirm=refs)
    found = frozen_for(observed, now, settings)
    if isinstance(found, CannotStart):
        return not_started(observed, found, now, settings)
    problem = parameter_problem(found.pipeline, run.parameters, run.logical_time, run.cause)
    if problem is not None:
        return not_started(observed, problem, now, settings)
    summary, begun = first_words(observed, "its steps are"), has_its_turn(observed)
    records = fresh_records(found.pipeline)
    status = build(run, summary, records, now, snapshot_of(observed, found, settings), started=begun)
    return Plan(actions=(*adoption(observed), *found.actions), status=status, look_again=now)


def snapshot_of(observed: ObservedRun, found: Frozen, settings: Settings) -> dict[str, Any]:
    """What the status of a run says for ever about what it executes."""
    uid = observed.run.pipeline_owner or (observed.pipeline.meta.uid if observed.pipeline else "")
    snapshot: dict[str, Any] = {"revision": found.revision, "digest": found.digest, "pipelineUid": uid}
    policy = effective(_policy(observed, found.pipeline), observed.defaults).as_set()
    said = {"policy": policy} if policy else {}
    gangs = chosen(observed, found.pipeline, settings)
    return {**snapshot, **said, **kept_defaults(observed.defaults), **gangs}


def _policy(observed: ObservedRun, frozen: CompiledPipeline) -> Policy:
    """The pipeline's policy that the run keeps. A revision may have been frozen under an older one: it is no
    part of the digest.
    """
    pipeline = observed.pipeline
    if pipeline is None or observed.run.pipeline_owner not in ("", pipeline.meta.uid):
        return frozen.spec.policy
    try:
        return define(pipeline.spec, pipeline.applied, pipeline.meta.name).pipeline.spec.policy
    except SpecError:
        return frozen.spec.policy


def policy_of(snapshot: Mapping[str, Any]) -> Policy:
    """The policy in a run's snapshot. What only a newer release knows counts for nothing."""
    found: dict[str, Any] = {}
    for name, value in (snapshot.get("policy") or {}).items():
        field = object_shape(Policy).fields.get(name)
        if field is not None and not structure_problems(field.shape, value, (name,)):
            found[name] = value
    return Policy.model_validate(found, by_alias=True)


def defaults_of(snapshot: Mapping[str, Any]) -> NamespaceDefaults:
    """What a run's snapshot says of its namespace's defaults. As in `policy_of`."""
    fields = object_shape(NamespaceDefaults).fields
    found = {
        name: value
        for name, value in (snapshot.get("defaults") or {}).items()
        if name in fields and not structure_problems(fields[name].shape, value, (name,))
    }
    return NamespaceDefaults.model_validate(found, by_alias=True)


def fresh_records(pipeline: CompiledPipeline) -> list[StepRecord]:
    """An entry for every step, in the order of the file."""
    return [StepRecord(step.name, step.kind) for step in pipeline.spec.steps]


def frozen_for(observed: ObservedRun, now: datetime, settings: Settings) -> Frozen | CannotStart:
    """What a run without a snapshot is to execute: its revision, else the Pipeline as it is now."""
    run, pipeline = observed.run, observed.pipeline
    if run.revision:
        return thawed(observed, run.revision)
    if pipeline is None:
        patient = now < after(run.meta.created, settings.pipeline_grace)
        waits = f"apply it: the run waits {settings.pipeline_grace:g}s for it"
        message = sentence(
            f"there is no Pipeline {run.pipeline} in namespace {run.meta.namespace}",
            waits if patient else "apply it and start a run",
        )
        return CannotStart(Reason.PIPELINE_NOT_FOUND, message, for_good=not patient)
    if run.pipeline_owner not in ("", pipeline.meta.uid):
        message = f"the Pipeline {run.pipeline} that this run belongs to was replaced; start another run"
        return CannotStart(Reason.PIPELINE_NOT_FOUND, message)
    frozen = _freeze(pipeline)
    refusal = observed.refusals.get(frozen.revision) if isinstance(frozen, Frozen) else None
    if refusal is not None:
        message = f"its steps cannot be frozen in a ControllerRevision: {refusal.message}"
        return CannotStart(refusal.reason, message, for_good=refusal.reason != Reason.QUOTA_EXCEEDED)
    return frozen


def _freeze(pipeline: PipelineObject) -> Frozen | CannotStart:
    """The Pipeline as it is now, in a revision that is made in the same plan."""
    meta = pipeline.meta
    try:
        defined = define(pipeline.spec, pipeline.applied, meta.name)
    except SpecError as error:
        return CannotStart(Reason.INVALID_SPEC, f"the Pipeline {meta.name} is refused: {error}")
    manifest = revision(meta.namespace, meta.name, meta.uid, defined.digest, defined.pipeline.spec)
    return Frozen(manifest["metadata"]["name"], defined.digest, defined.pipeline, (Create(manifest),))


def thawed(observed: ObservedRun, name: str, digest: str = "") -> Frozen | CannotStart:
    """The pipeline that the revision `name` holds; with `digest`, only if it is that one."""
    held = observed.revision
    if held is None or held.meta.name != name:
        message = f"the ControllerRevision {name} that holds this run's steps is gone; start another run"
        return CannotStart(Reason.REVISION_NOT_FOUND, message)
    if held.pipeline is None or (digest and held.digest != digest):
        message = f"the ControllerRevision {name} does not hold what its digest says; start another run"
        return CannotStart(Reason.REVISION_CORRUPT, message)
    return Frozen(name, held.digest, held.pipeline)


def parameter_problem(
    pipeline: CompiledPipeline, given: Mapping[str, Any], scheduled_time: str, triggered_by: str = ""
) -> CannotStart | None:
    """What is wrong with the run's parameters, by themselves or in any field that takes one."""
    try:
        values = run_values(pipeline.spec, given, scheduled_time, triggered_by)
        for step in pipeline.spec.steps:
            check_step(pipeline.spec, step, values)
    except SpecError as error:
        return CannotStart(Reason.INVALID_PARAMETERS, str(error))
    return None


def adoption(observed: ObservedRun) -> tuple[Action, ...]:
    """A run that a person made becomes the Pipeline's: it goes when the Pipeline goes."""
    run, pipeline = observed.run, observed.pipeline
    if run.meta.owner_uid or pipeline is None:
        return ()
    reference = owner(names.PIPELINE, names.API_VERSION, pipeline.meta.name, pipeline.meta.uid)
    meta = run.meta
    return (SetOwner(names.PIPELINE_RUN, meta.namespace, meta.name, meta.uid, reference),)


def not_started(observed: ObservedRun, found: CannotStart, now: datetime, settings: Settings) -> Plan:
    """The run waits for what is not there yet, or ends."""
    if not found.for_good:
        return _written(
            observed, waiting(found.reason, found.message), now, look_again=after(now, settings.resync)
        )
    return end_before_steps(observed, found, now)


def end_before_steps(observed: ObservedRun, found: CannotStart, now: datetime) -> Plan:
    """The run fails, with whatever entries its steps have."""
    return _written(observed, failed_before_steps(found.reason, found.message), now, look_again=None)


def _written(observed: ObservedRun, summary: Summary, now: datetime, look_again: datetime | None) -> Plan:
    run = observed.run
    records = [StepRecord.from_status(entry) for entry in run.status.get("steps", ())]
    status = build(run, summary, records, now, run.status.get("snapshot"), started=False)
    changed = status if status != run.status else None
    # One that never begins goes with its Pipeline as well.
    return Plan(actions=adoption(observed), status=changed, look_again=look_again)


def has_its_turn(observed: ObservedRun) -> bool:
    """Whether a run begins as soon as it has a snapshot: then that says so, and no second write is needed."""
    run, pipeline = observed.run, observed.pipeline
    if run.suspended or (pipeline is not None and pipeline.suspended):
        return False
    concurrency = concurrency_of(pipeline, observed.defaults)
    if concurrency is Concurrency.REPLACE and observed.behind:
        return False
    return concurrency is Concurrency.ALLOW or not observed.ahead


def first_words(observed: ObservedRun, what: str) -> Summary:
    """What a run says that has just got its snapshot, of which `what` is to start: also whom it waits for."""
    begun = has_its_turn(observed)
    ends = concurrency_of(observed.pipeline, observed.defaults) is Concurrency.FORBID
    if observed.ahead and not (begun or ends):
        return _in_line(observed)
    return about_to_start(what, begun=begun)


def _in_line(observed: ObservedRun) -> Summary:
    words = [f"waits for run {', '.join(observed.ahead)}"]
    held = [one for one in observed.ahead if one in observed.held_ahead]
    if held and len(observed.ahead) == 1:
        words = [f"{words[0]}, which is suspended"]
    elif held:
        words.insert(0, f"{', '.join(held)} {'is' if len(held) == 1 else 'are'} suspended")
    return waiting(Reason.WAITING_FOR_RUN, clip("; ".join(reversed(words)), 1024))


def wait_for_turn(observed: ObservedRun, now: datetime, settings: Settings) -> Plan | None:
    """Rule: one run at a time, unless the Pipeline's policy allows more. One that has started goes on."""
    concurrency = concurrency_of(observed.pipeline, observed.defaults)
    begun = observed.run.status.get("startedAt")
    if observed.behind and not begun and concurrency is Concurrency.REPLACE:
        return _written(observed, replaced_before_steps(observed.behind[-1]), now, look_again=None)
    if not observed.ahead or begun or concurrency is Concurrency.ALLOW:
        return None
    if concurrency is Concurrency.FORBID:
        what = f"run {observed.ahead[0]} is unfinished, and policy.concurrency is Forbid"
        hint = "start another when it has ended"
        return end_before_steps(observed, CannotStart(Reason.RUN_FORBIDDEN, f"{what}; {hint}"), now)
    return _written(observed, _in_line(observed), now, after(now, settings.resync))
