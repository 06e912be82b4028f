"""`rerun`: a new run that takes over what an old one has made, and does the rest again.

What is done again is computed from the graph: the steps that were asked for or did not end well, those whose
digest is another one by changed parameters, and everything behind them. All else is written into the new run
at its start, as the old one recorded it; so the old run may go afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import networkx as nx

from penstock_operator.core.actions import Plan
from penstock_operator.core.ahead import pipeline_uid
from penstock_operator.core.context import RunContext
from penstock_operator.core.history import made
from penstock_operator.core.iterations import folded_cells
from penstock_operator.core.needs import awaited
from penstock_operator.core.observed import Ref, RunObject
from penstock_operator.core.observed_run import ObservedRun
from penstock_operator.core.pairs import met
from penstock_operator.core.pins import pins_of
from penstock_operator.core.plan_cells import opens
from penstock_operator.core.policies import DEFAULTS
from penstock_operator.core.record import StepRecord
from penstock_operator.core.registered import chosen_for, with_pins
from penstock_operator.core.run_sorts import RunSort
from penstock_operator.core.run_status import build
from penstock_operator.core.settings import Settings
from penstock_operator.core.start import (
    CannotStart,
    Frozen,
    adoption,
    first_words,
    has_its_turn,
    not_started,
    parameter_problem,
    snapshot_of,
    thawed,
)
from penstock_operator.core.work import work_of
from penstock_spec import names
from penstock_spec.digest import same_digest
from penstock_spec.errors import did_you_mean
from penstock_spec.names import Reason
from penstock_spec.resolve import run_values
from penstock_spec.status import ENDED_ILL, SATISFYING, StepState

# Why runs of these sorts have nothing that could be done again.
_STEPLESS = {
    RunSort.PLAN: "only said what would happen; create a new run instead",
    RunSort.BACKFILL: "is a backfill, which has no steps; repeat the run of the time that is meant",
}


@dataclass(frozen=True)
class Beginning:
    """How a run that repeats another begins; `time` is what it is for."""

    frozen: Frozen
    given: Mapping[str, Any]
    time: str
    context: RunContext  # with what is taken over in its records


def repeats(observed: ObservedRun, now: datetime, settings: Settings) -> Plan | None:
    """Rule: a run that repeats another begins with what that one has made, and keeps its parameters."""
    run = observed.run
    if not run.rerun or run.status.get("snapshot"):
        return None
    found = beginning(observed, now, settings)
    if isinstance(found, Plan):
        return found
    if isinstance(found, CannotStart):
        return not_started(observed, found, now, settings)
    kept = {"parameters": found.given} if found.given else {}
    snapshot = {**snapshot_of(observed, found.frozen, settings), **kept, "scheduledTime": found.time}
    saw = observed.origin.saw if observed.origin is not None else {}
    snapshot |= {"triggeredBy": dict(saw)} if saw else {}
    records = [found.context.records[step.name] for step in found.frozen.pipeline.spec.steps]
    summary = first_words(observed, f"what is left of run {run.rerun['run']} is")
    pinned = with_pins(run, found.context.pins)
    status = build(pinned, summary, records, now, snapshot, started=has_its_turn(observed))
    return Plan(actions=adoption(observed), status=status, look_again=now)


def beginning(observed: ObservedRun, now: datetime, settings: Settings) -> Beginning | CannotStart | Plan:
    """What the new run has from the old one. A plan where something must be read live first."""
    run, old = observed.run, observed.origin
    ref = Ref(names.PIPELINE_RUN, run.rerun["run"])
    if (old is None or not old.finished) and ref not in observed.live:
        return Plan(confirm=(ref,))
    if DEFAULTS not in observed.live:
        return Plan(confirm=(DEFAULTS,))
    found = _repeated(observed)
    if isinstance(found, CannotStart) or old is None:
        return found if isinstance(found, CannotStart) else Plan()
    given = {**old.given, **run.parameters}
    problem = parameter_problem(found.pipeline, given, old.logical_time, old.cause)
    if problem is not None:
        return problem
    values = run_values(found.pipeline.spec, given, old.logical_time, old.cause)
    # The data is that of the old run, and so are the models of the registry that it read.
    chosen = chosen_for(observed, found.pipeline, values, pins_of(old.status))
    if isinstance(chosen, Plan):
        return chosen
    records = {step.name: StepRecord(step.name, step.kind) for step in found.pipeline.spec.steps}
    fresh = RunContext(observed, now, settings, found.pipeline, values, records, records, pins=chosen)
    return Beginning(found, given, old.logical_time, _taken_over(fresh, old))


def _repeated(observed: ObservedRun) -> Frozen | CannotStart:
    """What the old run executed; or why it is none that can be repeated like that."""
    run, old, name = observed.run, observed.origin, observed.run.rerun["run"]
    if old is None:
        what = f"there is no PipelineRun {name} to repeat; perhaps it was tidied away"
        return CannotStart(Reason.RUN_NOT_FOUND, what)
    if old.pipeline != run.pipeline:
        what = f"run {name} is one of Pipeline {old.pipeline}, not of {run.pipeline}"
        return _refused(f"{what}: repeat it with spec.pipeline {old.pipeline}")
    mine = pipeline_uid(run) or (observed.pipeline.meta.uid if observed.pipeline else "")
    if pipeline_uid(old) != mine:
        what = f"run {name} is one of an earlier Pipeline {run.pipeline}, which was deleted"
        return _refused(f"{what}; create a new run instead")
    if old.sort in _STEPLESS:
        return _refused(f"run {name} {_STEPLESS[old.sort]}")
    if not old.finished:
        return _refused(f"run {name} has not ended; repeat it when it has")
    snapshot = old.status.get("snapshot")
    if not snapshot:
        return _refused(f"run {name} never began; create a new run instead")
    frozen = thawed(observed, snapshot["revision"], snapshot["digest"])
    if isinstance(frozen, CannotStart):
        return frozen
    known = [one.name for one in frozen.pipeline.spec.steps]
    unknown = next((one for one in run.rerun.get("from", ()) if one not in known), None)
    if unknown is not None:
        hint = did_you_mean(unknown, known)
        return _refused(f'spec.rerun.from: there is no step "{unknown}". {hint}'.strip())
    if not _asked(run, old):
        return _refused(f"no step of run {name} failed, so there is nothing to repeat")
    return frozen


def _refused(what: str) -> CannotStart:
    return CannotStart(Reason.INVALID_RERUN, what)


def _asked(run: RunObject, old: RunObject) -> frozenset[str]:
    """Where to begin: the named steps, else those that did not end well."""
    if "from" in run.rerun:
        return frozenset(run.rerun["from"])
    return frozenset(one["name"] for one in old.status.get("steps", ()) if one["state"] in ENDED_ILL)


def _taken_over(context: RunContext, old: RunObject) -> RunContext:
    """The context with the entries that the new run takes over at its start."""
    pipeline = context.pipeline
    before = {one["name"]: StepRecord.from_status(one) for one in old.status.get("steps", ())}
    roots = [one for one in _asked(context.observed.run, old) if one in pipeline.graph]
    again = {one for root in roots for one in (root, *nx.descendants(pipeline.graph, root))}
    for name in pipeline.order:
        known = before.get(name)
        if known is None or pipeline.always(name) or awaited(context, known, context.records):
            continue
        if name in again:
            if name in roots and "from" not in context.observed.run.rerun and _may_go_on(context, known):
                context = context.with_record(_part_of(context, known, old.meta.name))
        elif _all_ended(context, name) and _holds(context, known):
            context = context.with_record(_taken(context, known, old.meta.name))
    return replace(context, recorded=context.records)


def _all_ended(context: RunContext, name: str) -> bool:
    """Whether all that the step needs is taken over, also what it needs cell by cell."""
    return all(context.records[one].ended for one in context.pipeline.needs(name))


def _holds(context: RunContext, known: StepRecord) -> bool:
    """Whether what the old run recorded is what the new one would get."""
    if known.state is StepState.SKIPPED:
        return not _alters(context)  # else its condition is asked again
    if known.state not in SATISFYING:
        return False
    if context.pipeline.has_cells(known.name) and not known.cell:
        opened = opens(context, StepRecord(known.name, known.kind)).record
        # How often a step is repeated follows from what each iteration gave.
        same = opened.cell_count == known.cell_count or context.pipeline.repeated(known.name)
        within = context.with_record(known)
        return same and all(_holds(within, one) for one in known.cells.values())
    if known.kind in ("deploy", "monitor"):
        return True  # a repetition of something else does not touch what is live
    if known.kind == "train":
        version = context.version(known.model_version)
        if version is None or version.digest != known.outputs.get("model"):
            return False
    return same_digest(work_of(context, known).digest, known.digest)


def _may_go_on(context: RunContext, known: StepRecord) -> bool:
    """Whether the old run had come to the step's cells, and the new one would come to the same."""
    if not known.cell_count or _alters(context):
        return False
    opened = opens(context, StepRecord(known.name, known.kind)).record
    return opened.cell_count == known.cell_count or context.pipeline.repeated(known.name)


def _alters(context: RunContext) -> bool:
    """Whether the new run has other parameters. The run of a step is always given its own, also the same."""
    run, old = context.observed.run, context.observed.origin
    given = {} if old is None else old.given
    return any(name not in given or given[name] != value for name, value in run.parameters.items())


def _part_of(context: RunContext, known: StepRecord, run: str) -> StepRecord:
    """The step with those of its cells that ended well, and for which the same cells of other steps did; the
    others are done again.
    """
    within = context.with_record(known)
    cells = {
        number: _taken(context, one, run)
        for number, one in known.cells.items()
        if one.state in SATISFYING and met(within, one) and _holds(within, one)
    }
    begun = opens(context, StepRecord(known.name, known.kind)).record
    if context.pipeline.repeated(known.name):
        # Those before the first one that does not hold; that is done again, and what follows from it.
        count = next(number for number in range(1, len(known.cells) + 2) if number not in cells) - 1
        cells = {number: cells[number] for number in range(1, count + 1)}
        begun = replace(begun, cell_count=max(1, count))
    return folded_cells(context, replace(begun, cells=cells))


def _taken(context: RunContext, known: StepRecord, run: str) -> StepRecord:
    cells = {number: _taken(context, one, run) for number, one in known.cells.items()}
    blank = replace(known, attempt=0, retries={}, memory="", job="", log="", failure_class="", cells=cells)
    if known.state is StepState.SKIPPED:
        return blank
    return replace(
        blank,
        state=StepState.REUSED,
        reason=str(Reason.UNCHANGED),
        message="",
        made_at=made(known.to_status()),
        why=f"taken over from run {run}",
        started_at=context.stamp,
        finished_at=context.stamp,
    )
