"""Cancel and suspend: what people say about a run that goes on. A cancel is final, a suspension is lifted
again. A run whose frozen steps are lost ends as a cancelled one does.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from penstock_operator.core.actions import Plan
from penstock_operator.core.attempts import delete, doubts
from penstock_operator.core.bearing import told_by_jobs
from penstock_operator.core.cells import every_cell, folded
from penstock_operator.core.child_runs import RUNS, endings, going, may_have_children, recalling
from penstock_operator.core.classify import is_stuck
from penstock_operator.core.context import Decision, Halt, RunContext
from penstock_operator.core.forms import lists_of
from penstock_operator.core.halts import cancelled, replaced
from penstock_operator.core.notes import notes
from penstock_operator.core.observed import RunObject
from penstock_operator.core.observed_run import ChildView, ObservedRun
from penstock_operator.core.record import StepRecord, is_under_way
from penstock_operator.core.run_status import Summary, build, failed_before_steps
from penstock_operator.core.settings import Settings
from penstock_operator.core.start import adoption
from penstock_operator.core.text import clip, sentence
from penstock_operator.core.times import after, stamp
from penstock_spec.names import Reason, StatusWord
from penstock_spec.status import StepState

_HALT = Halt(Reason.RUN_CANCELLED, "the run was cancelled")
_MESSAGE = 200  # of a step that is ended with its run: there may be many


def cancels(observed: ObservedRun, now: datetime, settings: Settings, why: str = "") -> Plan | None:
    """Rule: a cancelled run ends at once, and then its Jobs are deleted; their pods get their grace period.

    The end is written first: whoever dies in between leaves a finished run, whose Jobs are deleted all
    the same. Only the runs that are steps of it have to end before. `why` is left out where a person, or the
    run above, has said so.
    """
    run = observed.run
    if not run.cancel:
        return None
    return _cut_short(observed, _HALT, lambda records: _done(records, why or _who(run)), now, settings)


def lose(observed: ObservedRun, reason: str, message: str, now: datetime, settings: Settings) -> Plan:
    """The end of a run whose frozen steps are gone, or not whole: as after a cancel, but Failed.

    Nobody knows any more what was to be done, so nothing of it goes on unseen, and steps with `always` do not
    run.
    """
    summary = failed_before_steps(reason, message)
    return _cut_short(observed, Halt(reason, clip(message, _MESSAGE)), lambda _: summary, now, settings)


def _cut_short(
    observed: ObservedRun,
    halt: Halt,
    ended: Callable[[Sequence[StepRecord]], Summary],
    now: datetime,
    settings: Settings,
) -> Plan:
    run = observed.run
    before = {entry["name"]: StepRecord.from_status(entry) for entry in run.status.get("steps", ())}
    lists = lists_of(run.status)
    wanted = (*lists, RUNS) if may_have_children(before.values()) else lists
    if not observed.live.issuperset(wanted):
        # A Job, or a child, that a cache does not show yet would run on unseen.
        return Plan(confirm=wanted)
    known = {**before, **told_by_jobs(observed, before)}
    own = [job for job in observed.jobs.values() if job.meta.owner_uid == run.meta.uid]
    stuck = [job for job in own if is_stuck(job)]
    # Of a step that has ended well the Job ends a moment later, and would take the log with it.
    if unsure := doubts(observed, [job for job in stuck if job.step in known and known[job.step].ended]):
        return Plan(confirm=unsure)
    children = going(observed)
    records = [_cut(one, observed, children, halt, stamp(now)) for one in known.values()]
    summary = _waiting_for(children, halt) if children else ended(records)
    status = build(run, summary, records, now, run.status.get("snapshot"), started=False)
    return Plan(
        actions=(*adoption(observed), *endings(children)),
        status=status if status != run.status else None,
        after=tuple(map(delete, stuck)),
        events=notes(before, records, summary),
        look_again=after(now, settings.resync) if children else None,
        steps_ended={one.name: str(one.state) for one in records if one.ended and not before[one.name].ended},
    )


def _cut(
    record: StepRecord, observed: ObservedRun, children: Sequence[ChildView], halt: Halt, at: str
) -> StepRecord:
    """The entry of a step of a run that ends: final, but of one whose child has not ended yet."""
    if record.ended:
        return record
    if record.cell_count:
        return folded(every_cell(record, lambda one: _cut(one, observed, children, halt, at)), at)
    record = recalling(observed, record)
    leaf = (record.name, record.cell)
    child = next((one.run.meta.name for one in children if (one.run.step, one.run.cell) == leaf), "")
    if not child:
        return cancelled(record, halt, at)
    words = f"child run {child} is being ended: {halt.message}"
    return replace(record, reason=halt.reason, message=words)


def _waiting_for(children: Sequence[ChildView], halt: Halt) -> Summary:
    first = children[0].run
    what = "cancelled" if halt is _HALT else "ended"
    words = f"it is being {what}: child run {first.meta.name} has not ended"
    return Summary(StatusWord.RUNNING, halt.reason, words, first.step)


def _who(run: RunObject) -> str:
    """Of a step's run nothing tells whether that above ended it, for its time was over, say, or a person."""
    above = f"run {run.part_of}, whose step {run.step} it is, or " if run.step else ""
    return f"{above}somebody cancelled it"


def _done(records: Sequence[StepRecord], why: str) -> Summary:
    cut = sum(1 for one in records if one.state is StepState.CANCELLED and one.reason == Reason.RUN_CANCELLED)
    said = sentence(why, f"{cut} of {len(records)} steps had not ended" if cut else "")
    return Summary(StatusWord.CANCELLED, Reason.RUN_CANCELLED, said, finished=True, succeeded=False)


def held_from_above(observed: ObservedRun) -> ObservedRun:
    """The world in which a step of a suspended run knows that it is held.

    Its own spec is left alone: what a person has suspended stays so when the run above goes on.
    """
    above = next((one.meta.name for one in observed.parents if one.holds), "")
    return replace(observed, run=replace(observed.run, held_by=above)) if above else observed


def lifted(context: RunContext) -> RunContext:
    """The context in which a newer run that replaces this one has lifted its suspension, as a cancel does.

    Else steps with `always` would wait for a person, and the newer run for them.
    """
    run, halt = context.observed.run, replaced(context)
    if halt is None or not run.suspend:
        return context
    return replace(context, observed=replace(context.observed, run=replace(run, lifted=halt.message)))


def holds_back(observed: ObservedRun, now: datetime, settings: Settings) -> Plan | None:
    """Rule: a run that has not begun does not begin while it, or its Pipeline, is suspended."""
    run, pipeline = observed.run, observed.pipeline
    if run.status.get("startedAt"):
        return None
    if run.suspended:
        summary = Summary(StatusWord.SUSPENDED, Reason.RUN_SUSPENDED, _resume(run, "it has not begun"))
    elif pipeline is not None and pipeline.suspended:
        lifted = f"kubectl patch pl -n {run.meta.namespace} {run.pipeline} {_PATCH}"
        words = sentence(f"Pipeline {run.pipeline} is suspended: none of its runs begins", lifted)
        summary = Summary(StatusWord.SUSPENDED, Reason.PIPELINE_SUSPENDED, words)
    else:
        return None
    records = [StepRecord.from_status(entry) for entry in run.status.get("steps", ())]
    status = build(run, summary, records, now, run.status.get("snapshot"), started=False)
    changed = status if status != run.status else None
    return Plan(status=changed, look_again=after(now, settings.resync))


_PATCH = """--type merge -p '{"spec":{"suspend":false}}'"""


def _resume(run: RunObject, what: str) -> str:
    """What is suspended, and the command that lifts it: here, or on the run that has this one as a step."""
    name = run.meta.name if run.suspend else run.held_by
    above = "" if run.suspend else f"run {name}, which it is part of, is suspended"
    return sentence(what, above, f"kubectl patch plr -n {run.meta.namespace} {name} {_PATCH}")


def held(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: while the run is suspended no attempt starts. What runs goes on."""
    if not context.observed.run.suspended:
        return None
    if record.state is StepState.RETRYING:
        return Decision(record)
    if record.state is StepState.WAITING or (record.state is StepState.QUEUED and record.attempt == 0):
        words = "it starts when the run is no longer suspended"
        return Decision(replace(record, reason=Reason.RUN_SUSPENDED, message=words))
    return None


def shown_suspended(run: RunObject, summary: Summary, records: Sequence[StepRecord]) -> Summary:
    """The summary of a run that may be suspended."""
    if summary.finished:
        return summary
    if run.suspended:
        words = _resume(run, f"nothing new starts{_going_on(records)}")
        return Summary(StatusWord.SUSPENDED, Reason.RUN_SUSPENDED, words, summary.step)
    if run.lifted:
        # By this reason the runs that are part of it know that nothing holds them.
        words = sentence("it is not held any more", run.lifted)
        return Summary(StatusWord.RUNNING, Reason.RUN_REPLACED, words, summary.step)
    return summary


def _going_on(records: Sequence[StepRecord]) -> str:
    """The steps of which an attempt is under way: one that has failed, or waits for its next, is not."""
    names = [one.name for one in records if any(is_under_way(leaf) for leaf in one.leaves)]
    if not names:
        return ""
    return f"; step {names[0]} goes on" if len(names) == 1 else f"; steps {clip(', '.join(names), 300)} go on"
