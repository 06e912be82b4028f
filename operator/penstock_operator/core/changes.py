"""Changes start runs: a run digest that differs from the last one started. The run's name is the lock
against a second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock_operator.core.actions import Action, Create
from penstock_operator.core.frozen import Definition
from penstock_operator.core.observed import Meta, Ref, Refusal, RunObject
from penstock_operator.core.observed_pipeline import ObservedPipeline
from penstock_operator.core.run_sorts import RunSort
from penstock_operator.core.times import given
from penstock_operator.manifests.revisions import revision
from penstock_operator.manifests.runs import Start, run
from penstock_spec import names, object_names
from penstock_spec.names import Reason
from penstock_spec.policy import Concurrency, OnChange
from penstock_spec.run import RunMode
from penstock_spec.trigger_names import is_cause_name

RUNS = Ref(names.PIPELINE_RUN)


@dataclass(frozen=True)
class Change:
    """What a Pipeline's spec asks for beyond what has been started."""

    actions: Sequence[Action] = ()
    confirm: Sequence[Ref] = ()
    last_started: Mapping[str, Any] | None = None  # to be recorded
    waits_for: str = ""  # the unfinished run that a change waits for, in words
    suspended: bool = False  # a change waits until the Pipeline is no longer suspended
    refusal: Refusal | None = None  # of the run that should have started
    plans: bool = False  # whether the run to be made only plans
    held: str = ""  # why a change starts nothing, in words


def own_runs(observed: ObservedPipeline, sort: RunSort = RunSort.ORDINARY) -> Sequence[RunObject]:
    """The runs of this very Pipeline object, oldest first; runs of a predecessor of the same name are not.

    Plans and backfills are other sorts: nothing waits for them, and they tell of no outcome.
    """
    return observed.own_runs[sort]


def wanted_change(observed: ObservedPipeline, definition: Definition) -> Change:
    """Whether a run must start now for the spec as it is. The newest spec wins."""
    digest = definition.digest
    recorded = observed.pipeline.status.get("lastStarted")
    newest = _newest_by_change(observed)
    if newest is not None and newest.generation > observed.pipeline.meta.generation:
        return Change(last_started=recorded)  # the spec in hand is older than what has been started
    if _started(observed, digest, recorded, newest):
        known = _record(digest, recorded, newest)
        return Change(last_started=known, held=_unexecuted(observed, known))
    if observed.pipeline.suspended:
        return Change(last_started=recorded, suspended=True)
    on_change = definition.pipeline.spec.policy.on_change
    if on_change is OnChange.WAIT:
        # Taken note of, so that changing the policy later starts nothing.
        known = {"digest": digest, "generation": observed.pipeline.meta.generation}
        return Change(last_started=known, held=_unexecuted(observed, known))
    unfinished = [one for one in own_runs(observed) if not one.finished and not one.meta.deleting]
    at_once = definition.pipeline.spec.policy.concurrency in (Concurrency.ALLOW, Concurrency.REPLACE)
    if unfinished and not at_once and on_change is not OnChange.PLAN:
        return Change(last_started=recorded, waits_for=_named(unfinished[0]))
    if RUNS not in observed.live:
        # A start is decided on a live list only: a run that a cache does not show yet must not be doubled.
        return Change(confirm=(RUNS,), last_started=recorded)
    return _start(observed, definition, recorded)


def _named(run: RunObject) -> str:
    return f"{run.meta.name}, which is suspended" if run.holds else run.meta.name


def _unexecuted(observed: ObservedPipeline, recorded: Mapping[str, Any] | None) -> str:
    """What to say while no run has executed the change that was taken note of last; else empty."""
    if recorded is None:
        return ""
    planned = next((one for one in observed.runs if one.meta.name == recorded.get("run", "")), None)
    if recorded.get("run") and (planned is None or planned.mode != RunMode.PLAN):
        return ""
    meta = observed.pipeline.meta
    frozen = object_names.revision_name(meta.name, meta.uid, str(recorded["digest"]))
    # A run that has this pipeline as a step executes it as well.
    runs = (*own_runs(observed), *own_runs(observed, RunSort.CHILD))
    if any(_executes(one, frozen) for one in runs):
        return ""
    return _to_be_executed(recorded["generation"], planned.meta.name if planned is not None else "")


def _executes(run: RunObject, revision: str) -> bool:
    """Whether a run has executed this revision, or will: one that has no snapshot yet takes the newest."""
    snapshot = run.status.get("snapshot")
    if snapshot:
        return bool(snapshot["revision"] == revision)
    return run.revision == revision or (not run.revision and not run.finished)


def _to_be_executed(generation: int, planned: str) -> str:
    how = f"is planned in run {planned}" if planned else "waits (policy.onChange)"
    return f"the change of generation {generation} {how}: create a run to execute it"


def _newest_by_change(observed: ObservedPipeline) -> RunObject | None:
    """The run that the operator started for the latest generation, as far as it still exists."""
    meta = observed.pipeline.meta
    mine = [one for one in observed.runs if one.meta.owner_uid == meta.uid and _by_operator(one, meta)]
    return max(mine, key=lambda one: one.generation, default=None)


def _by_operator(run: RunObject, pipeline: Meta) -> bool:
    """Whether the operator made this run of the Pipeline, by the name that it has.

    Those that triggers start count: they execute the newest spec too.
    """
    base, uid = pipeline.name, pipeline.uid
    possible = {object_names.run_name(base, run.generation), object_names.run_name(base, run.generation, uid)}
    moment = given(run.scheduled_time)
    if run.trigger and moment is not None:
        possible |= {object_names.tick_name(base, moment), object_names.tick_name(base, moment, uid)}
    if run.episode:
        condition, number = str(run.episode["condition"]), int(run.episode["number"])
        possible |= {object_names.episode_name(base, condition, number)}
        possible |= {object_names.episode_name(base, condition, number, str(run.episode["uid"]))}
    if run.trigger and run.triggered_by and is_cause_name(run.meta.name, base, run.trigger):
        return True
    return run.meta.name in possible


def _started(
    observed: ObservedPipeline, digest: str, recorded: Mapping[str, Any] | None, newest: RunObject | None
) -> bool:
    """Whether the latest start was for this digest: by the status, or by a run that the status does not know
    yet.
    """
    if newest is not None and newest.generation > (recorded or {}).get("generation", 0):
        meta = observed.pipeline.meta
        return newest.revision == object_names.revision_name(meta.name, meta.uid, digest)
    return recorded is not None and recorded.get("digest") == digest


def _record(
    digest: str, recorded: Mapping[str, Any] | None, newest: RunObject | None
) -> Mapping[str, Any] | None:
    if newest is None or newest.generation <= (recorded or {}).get("generation", 0):
        return recorded
    return {"digest": digest, "generation": newest.generation, "run": newest.meta.name}


def _start(observed: ObservedPipeline, definition: Definition, recorded: Mapping[str, Any] | None) -> Change:
    meta, digest = observed.pipeline.meta, definition.digest
    frozen = revision(meta.namespace, meta.name, meta.uid, digest, definition.pipeline.spec)
    frozen_name = frozen["metadata"]["name"]
    name = _free_name(observed)
    refusal = observed.refusals.get(name) or observed.refusals.get(frozen_name)
    if refusal is not None:
        return Change(last_started=recorded, refusal=refusal)
    plans = definition.pipeline.spec.policy.on_change is OnChange.PLAN
    mode = str(RunMode.PLAN) if plans else ""
    start = Start(meta.namespace, name, meta.name, meta.uid, frozen_name, meta.generation, mode=mode)
    return Change(
        actions=(Create(frozen), Create(run(start))),
        last_started={"digest": digest, "generation": meta.generation, "run": name},
        plans=plans,
        held=_to_be_executed(meta.generation, name) if plans else "",
    )


def _free_name(observed: ObservedPipeline) -> str:
    """The plain name; with four digits of the uid where a run that is not this start's holds it."""
    meta = observed.pipeline.meta
    plain = object_names.run_name(meta.name, meta.generation)
    refused = observed.refusals.get(plain)
    taken = any(one.meta.name == plain for one in observed.runs)
    if taken or (refused is not None and refused.reason == Reason.NAME_COLLISION):
        return object_names.run_name(meta.name, meta.generation, meta.uid)
    return plain
