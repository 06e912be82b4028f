"""Backfill: a run without steps of its own, which has one run made for each time of a schedule in a range.

The runs are named as the schedule would name them, so a time that has a run is left alone, and nothing starts
twice. What has been decided is written down; a run that exists but is not recorded counts as started.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice, takewhile
from typing import Any

from penstock_operator.core.actions import Action, Create, Plan
from penstock_operator.core.cancels import holds_back, shown_suspended
from penstock_operator.core.conditions import is_true
from penstock_operator.core.frozen import define
from penstock_operator.core.observed import Ref, RunObject
from penstock_operator.core.observed_run import ObservedRun
from penstock_operator.core.run_status import Summary, build
from penstock_operator.core.settings import Settings
from penstock_operator.core.start import (
    CannotStart,
    adoption,
    frozen_for,
    not_started,
    parameter_problem,
)
from penstock_operator.core.text import sentence
from penstock_operator.core.times import after, given, read, stamp
from penstock_operator.manifests.runs import Start, run
from penstock_spec import names, object_names
from penstock_spec.backfill import MAX_TICKS
from penstock_spec.errors import did_you_mean
from penstock_spec.names import Condition, Reason, StatusWord
from penstock_spec.reuse import RunReuse
from penstock_spec.ticks import ticks_after
from penstock_spec.triggers import Schedule

RUNS = Ref(names.PIPELINE_RUN)


def backfills(observed: ObservedRun, now: datetime, settings: Settings) -> Plan | None:
    """Rule: a backfill is frozen first, then has its runs made, a few at a time."""
    if not observed.run.backfill:
        return None
    state = observed.run.status.get("backfill")
    if not state:
        waits = holds_back(observed, now, settings) if observed.run.suspended else None
        return waits or _begin(observed, now, settings)
    return _advance(
        observed, Progress(**{_FIELDS[key]: value for key, value in state.items()}), now, settings
    )


@dataclass(frozen=True)
class Progress:
    """The fields of penstock_spec.backfill.BackfillStatus, which describes them."""

    cron: str
    time_zone: str
    revision: str
    until: str
    total: int
    decided: str = ""
    active: tuple[str, ...] | list[str] = ()
    done: int = 0
    failed: int = 0
    found: int = 0
    first_failed: str = ""

    @property
    def ended(self) -> int:
        """Times about which nothing is to be done any more."""
        return self.done + self.failed + self.found

    def to_status(self) -> dict[str, Any]:
        """As plain data under the API's names; what is empty is left out."""
        entry = {key: getattr(self, name) for key, name in _FIELDS.items()}
        kept = {key: value for key, value in entry.items() if value not in ("", 0, (), [])}
        return {**kept, "active": list(self.active)} if self.active else kept


_FIELDS = {
    "cron": "cron",
    "timeZone": "time_zone",
    "revision": "revision",
    "until": "until",
    "total": "total",
    "decided": "decided",
    "active": "active",
    "done": "done",
    "failed": "failed",
    "found": "found",
    "firstFailed": "first_failed",
}


def _begin(observed: ObservedRun, now: datetime, settings: Settings) -> Plan:
    ref = Ref(names.PIPELINE, observed.run.pipeline)
    if ref not in observed.live:
        return Plan(confirm=(ref,))
    frozen = frozen_for(observed, now, settings)
    if isinstance(frozen, CannotStart):
        return not_started(observed, frozen, now, settings)
    asked = observed.run.backfill
    schedule = _schedule(observed)
    if isinstance(schedule, CannotStart):
        return not_started(observed, schedule, now, settings)
    until = min(asked["to"], stamp(now))
    times = list(islice(_times(schedule.cron, schedule.time_zone, asked["from"], "", until), MAX_TICKS + 1))
    what = _unfit(asked, schedule, len(times), until)
    if what:
        return not_started(observed, CannotStart(Reason.INVALID_BACKFILL, what), now, settings)
    # What it gives holds for each of its runs: better said here than by a thousand of them.
    problem = parameter_problem(frozen.pipeline, observed.run.parameters, stamp(times[0]))
    if problem is not None:
        return not_started(observed, problem, now, settings)
    begun = Progress(schedule.cron, schedule.time_zone, frozen.revision, until, len(times))
    actions = (*adoption(observed), *frozen.actions)
    return Plan(actions=actions, status=_status(observed.run, begun, now), look_again=now)


def _unfit(asked: Mapping[str, Any], schedule: Schedule, count: int, until: str) -> str:
    """What is wrong with the range, with what to do about it; empty where nothing is."""
    first, last = asked["from"], asked["to"]
    if last < first:
        return f"spec.backfill.to, {last}, lies before from, {first}: exchange them"
    if until < first:
        return f"spec.backfill.from, {first}, is still to come: the schedule itself starts its runs then"
    line = f"{schedule.cron} in {schedule.time_zone}"
    if not count:
        return f"the schedule, {line}, has no times from {first} to {until}: choose another range"
    if count > MAX_TICKS:
        return (
            f"the schedule, {line}, has more than {MAX_TICKS} times from {first} to {until}: ask for a part "
            "of the range, and for the rest in other backfills"
        )
    return ""


def _schedule(observed: ObservedRun) -> Schedule | CannotStart:
    pipeline, name = observed.pipeline, observed.run.backfill["trigger"]
    if pipeline is None:
        raise ValueError("the pipeline was there a moment ago")
    spec = define(pipeline.spec, pipeline.applied, pipeline.meta.name).pipeline.spec
    triggers = {one.name: one for one in spec.triggers}
    found = triggers.get(name)
    if found is None:
        hint = did_you_mean(name, triggers) or "It has none."
        return CannotStart(Reason.INVALID_BACKFILL, f'the Pipeline has no trigger "{name}". {hint}')
    if found.schedule is None:
        return CannotStart(Reason.INVALID_BACKFILL, f'trigger "{name}" is no schedule: it has no times')
    return found.schedule


def _times(cron: str, zone: str, first: str, decided: str, until: str) -> Iterator[datetime]:
    """The times that are not decided yet, in order."""
    begin, end = given(first), given(until)
    if begin is None or end is None:
        return iter(())
    return takewhile(lambda tick: tick <= end, ticks_after(cron, zone, read(decided) or after(begin, -1)))


def _advance(observed: ObservedRun, before: Progress, now: datetime, settings: Settings) -> Plan:
    gone = [one for one in before.active if _sibling(observed, one) is None]
    if gone and RUNS not in observed.live:
        return Plan(confirm=(RUNS,))
    progress = _counted(observed, before)
    asked = observed.run.backfill
    times = _times(progress.cron, progress.time_zone, asked["from"], progress.decided, progress.until)
    actions: list[Action] = []
    # Suspended, it has no more runs made; those under way go on.
    for tick in () if observed.run.suspended else times:
        if len(progress.active) >= asked.get("parallelism", 1):
            break
        if RUNS not in observed.live:
            return Plan(confirm=(RUNS,))
        step = _tick(observed, progress, tick)
        if isinstance(step, CannotStart):
            status = _status(observed.run, progress, now, held=step.message)
            return _plan(observed, status, actions, after(now, settings.resync))
        progress, made = step
        actions += made
    ended = progress.ended == progress.total and not progress.active
    return _plan(
        observed,
        _status(observed.run, progress, now),
        actions,
        None if ended else after(now, settings.resync),
    )


def _plan(
    observed: ObservedRun, status: dict[str, Any], actions: list[Action], look_again: datetime | None
) -> Plan:
    return Plan(
        actions=tuple(actions),
        status=status if status != observed.run.status else None,
        look_again=look_again,
    )


def _sibling(observed: ObservedRun, name: str) -> RunObject | None:
    return next((one for one in observed.siblings if one.meta.name == name), None)


def _counted(observed: ObservedRun, progress: Progress) -> Progress:
    """Runs that have ended are counted once, in the same write that takes them off the list."""
    for name in progress.active:
        one = _sibling(observed, name)
        if one is not None and not one.finished:
            continue
        active = [other for other in progress.active if other != name]
        if one is not None and is_true(one.status, Condition.SUCCEEDED):
            progress = replace(progress, active=active, done=progress.done + 1)
        else:  # failed, or somebody deleted it
            first = progress.first_failed if progress.failed else name  # else it is one that was found
            progress = replace(progress, active=active, failed=progress.failed + 1, first_failed=first)
    return progress


def _tick(
    observed: ObservedRun, progress: Progress, tick: datetime
) -> tuple[Progress, list[Action]] | CannotStart:
    """One time: its run exists, or is made; or cannot be made now."""
    parent, uid = observed.run, observed.run.meta.owner_uid
    possible = (
        object_names.tick_name(parent.pipeline, tick),
        object_names.tick_name(parent.pipeline, tick, uid),
    )
    decided = replace(progress, decided=stamp(tick))
    for name in possible:
        known = _sibling(observed, name)
        if known is None or known.meta.owner_uid != uid or known.scheduled_time != stamp(tick):
            continue
        if known.part_of != parent.meta.name:
            bad = known.finished and not is_true(known.status, Condition.SUCCEEDED)
            first = decided.first_failed or (name if bad else "")
            return replace(decided, found=decided.found + 1, first_failed=first), []
        return replace(decided, active=[*decided.active, name]), []
    plain, distinct = possible
    refused = observed.refusals.get(plain)
    held = _sibling(observed, plain) is not None or (refused and refused.reason == Reason.NAME_COLLISION)
    name = distinct if held else plain
    refusal = observed.refusals.get(name)
    if refusal is not None:
        return CannotStart(refusal.reason, f"no run could be made for {stamp(tick)}: {refusal.message}")
    start = Start(
        parent.meta.namespace,
        name,
        parent.pipeline,
        uid,
        progress.revision,
        generation=0,
        trigger=parent.backfill["trigger"],
        parameters=parent.parameters,
        scheduled_time=stamp(tick),
        part_of=parent.meta.name,
        reuse="" if parent.reuse == RunReuse.BY_STEP else parent.reuse,
    )
    return replace(decided, active=[*decided.active, name]), [Create(run(start))]


def _status(parent: RunObject, progress: Progress, now: datetime, held: str = "") -> dict[str, Any]:
    summary = shown_suspended(parent, _summary(progress, held), ())
    status = build(parent, summary, (), now, None, started=True)
    return {**status, "progress": f"{progress.ended}/{progress.total}", "backfill": progress.to_status()}


def _summary(progress: Progress, held: str) -> Summary:
    parts = [f"{progress.done} done", f"{progress.failed} failed", f"{progress.found} had a run already"]
    if progress.ended < progress.total or progress.active:
        going = (
            f"runs {', '.join(progress.active)}" if progress.active else "the next runs are about to start"
        )
        return Summary(StatusWord.RUNNING, Reason.BACKFILLING, sentence(held or going, *parts))
    if progress.failed:
        what = f"{progress.failed} of {progress.total} runs failed, first {progress.first_failed}"
        message = sentence(what, "rerun these, or delete them and create another backfill")
        return Summary(StatusWord.FAILED, Reason.BACKFILL_FAILED, message, finished=True, succeeded=False)
    if progress.first_failed:
        parts.append(f"of these not all ended well, first {progress.first_failed}")
        parts.append("rerun such, or delete them and create another backfill")
    return Summary(StatusWord.SUCCEEDED, Reason.SUCCEEDED, sentence(*parts), finished=True, succeeded=True)
