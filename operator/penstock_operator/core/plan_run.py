"""What a run needs now: the first rule that applies decides, and the last one takes the steps forward."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from penstock_operator.core import attempts, children, halts, misfits, needs, parallel, remakes, room, whens
from penstock_operator.core.actions import Action, EventNote, Plan
from penstock_operator.core.backfills import backfills
from penstock_operator.core.bearing import bearable, told_by_jobs
from penstock_operator.core.called_off import called_off
from penstock_operator.core.cancels import (
    cancels,
    held,
    held_from_above,
    holds_back,
    lifted,
    lose,
    shown_suspended,
)
from penstock_operator.core.child_runs import endings, going
from penstock_operator.core.classify import is_stuck
from penstock_operator.core.context import Decision, Rule, RunContext
from penstock_operator.core.deadlines import next_end, overdue
from penstock_operator.core.deploy import deploys
from penstock_operator.core.foresight import foresees
from penstock_operator.core.gang_services import left_over
from penstock_operator.core.kept_jobs import clearing
from penstock_operator.core.monitor import monitors
from penstock_operator.core.notes import notes
from penstock_operator.core.observed import RunObject
from penstock_operator.core.observed_run import ObservedRun
from penstock_operator.core.pins import pins_of
from penstock_operator.core.plan_cells import decide, recalled, take_cells
from penstock_operator.core.record import StepRecord
from penstock_operator.core.registered import lacks, pins
from penstock_operator.core.rerun import repeats
from penstock_operator.core.reuse import reuses
from penstock_operator.core.run_status import build, summary_of, without_news
from penstock_operator.core.settings import Settings
from penstock_operator.core.start import (
    CannotStart,
    defaults_of,
    fresh_records,
    policy_of,
    take_snapshot,
    thawed,
    wait_for_turn,
)
from penstock_operator.core.taking import cell_label
from penstock_operator.core.times import after, earliest
from penstock_spec.names import Reason
from penstock_spec.policy import OnFailure
from penstock_spec.resolve import run_values
from penstock_spec.status import StepState

RunRule = Callable[[ObservedRun, datetime, Settings], Plan | None]

# What becomes of one step; the first rule that answers decides.
STEP_RULES: Sequence[Rule] = (
    remakes.remade,  # what it had made is gone, and needed
    children.outlived,  # it has ended, and another pipeline's run for it has not
    attempts.ended,  # nothing changes any more
    children.winds_down,  # the run goes no further, and the run of another pipeline has to end first
    halts.halted,  # the run goes no further
    needs.blocked,  # a step it needs has failed
    needs.skipped,  # a step whose output it takes was skipped
    whens.left_out,  # its own `when` does not hold
    needs.waits,  # a step it needs has not ended
    held,  # the run is suspended
    overdue,  # it has no pod, and takes too long
    lacks,  # the registry has no such model
    misfits.misfits,  # a result does not fit the field that takes it
    deploys,  # no Job: compares with what is live
    monitors,  # the same
    children.composes,  # another pipeline has a run for it
    reuses,  # the same has been made before
    remakes.awaits,  # an input of it is being made again
    parallel.queued,  # as many Jobs are under way as may be
    attempts.starts,  # its first Job
    attempts.retries,  # its next Job, when the time has come and the one before is gone
    attempts.watches,  # its pod says how it goes
)


def plan_run(observed: ObservedRun, now: datetime, settings: Settings) -> Plan:
    """The plan for one PipelineRun. The same world always gives the same plan."""
    observed = held_from_above(observed)
    for rule in RUN_RULES:
        plan = rule(observed, now, settings)
        if plan is not None:
            return plan
    raise AssertionError("the last rule always answers")


def leave_deleted(observed: ObservedRun, _: datetime, __: Settings) -> Plan | None:
    """Rule: a run that is being deleted is left to the garbage collector."""
    return Plan() if observed.run.meta.deleting else None


def rest_when_finished(observed: ObservedRun, now: datetime, _: Settings) -> Plan | None:
    """Rule: a finished run never changes. What a cut-short plan left behind is ended, and other Jobs go when
    they have been kept for long enough.
    """
    run = observed.run
    if not run.finished:
        return None
    jobs = [one for one in observed.jobs.values() if one.meta.owner_uid == run.meta.uid]
    kept = clearing(run, jobs, policy_of(run.status.get("snapshot") or {}).keep_pods, now)
    stuck = [job for job in jobs if is_stuck(job)]
    if unsure := attempts.doubts(observed, stuck):
        return Plan(confirm=unsure)
    left: tuple[Action, ...] = (
        *map(attempts.delete, stuck),
        *left_over(observed, ()),
        *endings(going(observed)),
    )
    return Plan(actions=left, after=kept.after, look_again=kept.look_again)


def take_steps(observed: ObservedRun, now: datetime, settings: Settings) -> Plan | None:
    """Rule: every step, in topological order, goes as far as it can."""
    snapshot = observed.run.status["snapshot"]
    frozen = thawed(observed, snapshot["revision"], snapshot["digest"])
    if isinstance(frozen, CannotStart):
        return lose(observed, frozen.reason, frozen.message, now, settings)
    before = {entry["name"]: StepRecord.from_status(entry) for entry in observed.run.status.get("steps", ())}
    records = {one.name: before.get(one.name, one) for one in fresh_records(frozen.pipeline)}
    run = observed.run
    values = run_values(frozen.pipeline.spec, run.given, run.logical_time, run.cause)
    policy = policy_of(snapshot)
    context = RunContext(observed, now, settings, frozen.pipeline, values, records, records, policy)
    context = replace(context, defaults=defaults_of(snapshot), pins=pins_of(run.status))
    context = _prepared(context)
    if told := told_by_jobs(observed, records):
        # First this is written, or borne as well by what is made upon it.
        found = replace(context, records={**context.records, **told})
        return _gathered(found, before, [Decision(one, look_again=now) for one in told.values()])
    decisions: list[Decision] = []
    for name in frozen.pipeline.order:
        record = context.records[name]
        if frozen.pipeline.has_cells(name):
            context, more = take_cells(context, record)
            decisions += more
            continue
        decision = decide(context, record, STEP_RULES)
        decisions.append(decision)
        if parallel.holds(decision.record) and not parallel.holds(record):
            context = replace(context, room=context.room.less(jobs=1))
        if decision.record is not record:
            context = context.with_record(decision.record)
    return _gathered(context, before, decisions)


def _prepared(context: RunContext) -> RunContext:
    """What holds for the whole pass, computed once."""
    recorded = {name: recalled(context, one) for name, one in context.recorded.items()}
    context = lifted(replace(context, records=recorded, recorded=recorded))
    return replace(
        context,
        halt=halts.halt_of(context),
        room=parallel.room_of(context.policy.max_parallel, recorded),
        wanted=remakes.wanted(context.pipeline, recorded),
    )


def _gathered(context: RunContext, before: Mapping[str, StepRecord], decisions: Sequence[Decision]) -> Plan:
    """One plan from the decisions about all steps."""
    confirm = tuple(dict.fromkeys(ref for one in decisions for ref in one.confirm))
    inquire = tuple(name for one in decisions for name in one.inquire)
    if confirm:
        return Plan(confirm=confirm)
    run, now = context.observed.run, context.now
    records = [context.records[step.name] for step in context.pipeline.spec.steps]
    stops = context.policy.on_failure is OnFailure.STOP
    upcoming = _upcoming(context, records)
    summary = summary_of(records, context.namespace, stops=stops, upcoming=upcoming)
    summary = shown_suspended(run, without_news(run, summary, records), records)
    status = build(run, summary, records, now, run.status["snapshot"], started=True)
    events = notes(before, records, summary, lambda one: cell_label(context, one))
    pressing = _built_upon(context, before) or _heeded(run, status)
    moved = _moved(context)
    unhurried = moved and not (pressing or upcoming) and _lets_wait(context, records, events)
    borne = moved and not (pressing or summary.finished) and bearable(context, before, upcoming, events)
    # What waited for a step that ended only now has its turn at once, when that end has been written.
    again = now if moved and not (summary.finished or unhurried) else None
    kept = clearing(run, context.observed.jobs.values(), context.policy.keep_pods, now)
    resync = None if summary.finished else after(now, context.settings.resync)
    return Plan(
        inquire=inquire,
        actions=tuple(action for one in decisions for action in one.actions),
        status=status if status != run.status else None,
        after=(
            *(action for one in decisions for action in one.after),
            *kept.after,
            *left_over(context.observed, [leaf for one in records for leaf in one.leaves]),
        ),
        events=events,
        look_again=earliest(
            again, resync, next_end(context), kept.look_again, *(one.look_again for one in decisions)
        ),
        pressing=pressing,
        bearable=borne,
        unhurried=unhurried,
        steps_ended={
            one.name: str(one.state) for one in records if one.ended and not _was_ended(before, one.name)
        },
    )


def _built_upon(context: RunContext, before: Mapping[str, StepRecord]) -> bool:
    """Whether an iteration has ended only now, or a cell that others follow: what comes next is built upon
    that.
    """
    return any(
        _ended_leaves(one) > (_ended_leaves(before[name]) if name in before else 0)
        for name, one in context.records.items()
        if context.pipeline.repeated(name) or context.pipeline.followed(name)
    )


def _heeded(run: RunObject, status: Mapping[str, Any]) -> bool:
    """Whether other runs go by what changes: how many places in the namespace it claims, for younger ones
    leave it these and no more; and that it rolls out, for the run that it is a step of is not replaced then.
    """
    claimed = [room.lasting_claims(one) for one in (run, replace(run, status=status))]
    begins = run.status.get("reason") != status.get("reason") == Reason.DEPLOYING
    return claimed[0] != claimed[1] or bool(run.step and begins)


def _upcoming(context: RunContext, records: Sequence[StepRecord]) -> str:
    """The step that begins once the ends of this pass have been written; empty where none does."""
    if context.observed.run.suspended:
        return ""
    known, most = context.records, context.policy.max_parallel
    free = parallel.left_of(most, known) != 0
    lined = (one.name for one in records if one.reason == Reason.MAX_PARALLEL and not one.cell_count)
    begins = (one for one in records if one.state is StepState.WAITING)
    waiting = (one.name for one in begins if one.reason != Reason.POD_ENDING)
    ready = (name for name in waiting if not needs.awaited(context, known[name], known))
    return next(itertools.chain(lined if free else (), ready), "")


def _lets_wait(context: RunContext, records: Sequence[StepRecord], events: Sequence[EventNote]) -> bool:
    """Whether all that has ended has ended well, and nothing waits for a place that this may free, or for its
    next attempt.
    """
    if context.halt is not None or any(one.warning for one in events):
        return False
    lined = (StepState.QUEUED, StepState.RETRYING)
    return not any(one.state in lined or one.cell_count for one in records if not one.ended)


def _was_ended(before: Mapping[str, StepRecord], name: str) -> bool:
    return name in before and before[name].ended


def _moved(context: RunContext) -> bool:
    """Whether something has ended in this pass, a step or a cell: others may have waited for it."""
    recorded = context.recorded
    changed = [one for name, one in context.records.items() if one is not recorded[name]]
    return any(one.ended and not recorded[one.name].ended for one in changed) or any(
        _ended_leaves(one) > _ended_leaves(recorded[one.name]) for one in changed
    )


def _ended_leaves(record: StepRecord) -> int:
    return sum(1 for one in record.leaves if one.ended)


# The rules of a run, in order.
RUN_RULES: Sequence[RunRule] = (
    leave_deleted,
    rest_when_finished,
    called_off,  # so was the backfill that made it
    cancels,  # somebody said so
    foresees,  # one that only plans says what it would do
    backfills,  # one that has others made has no steps
    repeats,  # one that repeats another begins with what that has made
    take_snapshot,  # what it executes is frozen first
    holds_back,  # it is suspended before it has begun
    wait_for_turn,  # one run at a time per Pipeline
    pins,  # the registered models that it reads are written down
    take_steps,
)
