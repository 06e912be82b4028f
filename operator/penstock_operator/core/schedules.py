"""Schedules: each time of a schedule starts one run or none, whatever befalls the operator or its clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from penstock_operator.core.actions import EventNote
from penstock_operator.core.missed import Due, due
from penstock_operator.core.observed import RunObject
from penstock_operator.core.text import sentence
from penstock_operator.core.times import after, read, stamp
from penstock_operator.core.trigger_world import Outcome, TriggerWorld
from penstock_spec import object_names
from penstock_spec.names import Reason
from penstock_spec.policy import Concurrency
from penstock_spec.ticks import in_words, next_tick
from penstock_spec.triggers import Missed, Schedule

_AHEAD = 3600.0  # a clock that was further ahead than this is spoken of


@dataclass(frozen=True)
class _Memory:
    """The entry of a schedule in the Pipeline's status, as it will be."""

    armed: str
    decided: datetime
    last_run: str = ""
    skipped: str = ""
    held: str = ""  # why a start that is due is not made yet
    more: bool = False  # whether something that is due has not been decided in this pass
    runs: tuple[Mapping[str, Any], ...] = field(default=())
    notes: tuple[EventNote, ...] = field(default=())


def scheduled(world: TriggerWorld, schedule: Schedule) -> Outcome:
    """The answer of a schedule. It is armed first, from now on; then each start is decided once, in order."""
    armed = f"{schedule.cron} in {schedule.time_zone}"
    entry = world.entry or {}
    until = read(entry.get("decidedUntil", ""))
    memory = _Memory(armed, until or world.now, entry.get("lastRun", ""), entry.get("lastSkipped", ""))
    if world.armed_anew(armed) or until is None:
        return _outcome(world, schedule, replace(memory, decided=max(world.now, memory.decided)))
    wanted = due(schedule, until, world.now, world.settings.late_start, one_at_most=_forbids(world))
    if wanted is None:
        return _outcome(world, schedule, memory)
    waiting = next((one for one in world.mine if _waits(one)), None)
    known = _made(world, wanted.newest)  # by a plan that was cut short
    if _forbids(world) and world.unfinished and not known:
        return _outcome(world, schedule, _forbidden(world, memory, wanted, world.unfinished))
    if waiting is not None and _concurrency(world) is Concurrency.QUEUE:
        held = f"the start of {stamp(wanted.newest)} waits: run {waiting.meta.name} has not begun"
        return _outcome(world, schedule, replace(memory, held=held))
    if wanted.run and world.unseen:
        return Outcome(entry, confirm=world.unseen)
    memory = _decided(world, schedule, memory, wanted)
    return _outcome(world, schedule, replace(memory, more=memory.decided < wanted.newest))


def _concurrency(world: TriggerWorld) -> Concurrency:
    return world.definition.pipeline.spec.policy.concurrency


def _forbids(world: TriggerWorld) -> bool:
    """Whether whatever comes behind a run starts nothing: then the latest is the one to run."""
    return _concurrency(world) is Concurrency.FORBID


def _waits(run: RunObject) -> bool:
    return not run.finished and not run.meta.deleting and not run.status.get("startedAt")


def _decided(world: TriggerWorld, schedule: Schedule, memory: _Memory, wanted: Due) -> _Memory:
    """One start at a time: those behind it are decided when its run has begun."""
    if wanted.skipped is not None:
        memory = _skipped(world, schedule, memory, wanted.skipped)
    if not wanted.run:
        return replace(memory, decided=wanted.newest)
    return _started(world, memory, wanted.run[0])


def _forbidden(world: TriggerWorld, memory: _Memory, wanted: Due, run: str) -> _Memory:
    """What comes while a run is unfinished starts nothing, and is not made up for."""
    moment = stamp(wanted.newest)
    held = f"nothing was started for {moment}: run {run} was unfinished, and policy.concurrency is Forbid"
    note = EventNote(Reason.RUN_SKIPPED, f"trigger {world.trigger.name}: {held}")
    return replace(memory, decided=wanted.newest, skipped=moment, notes=(note,))


def _skipped(world: TriggerWorld, schedule: Schedule, memory: _Memory, tick: datetime) -> _Memory:
    most = ""
    if schedule.missed is Missed.RUN_ALL:
        most = ", concurrency: Forbid" if _forbids(world) else f", maxMissed: {schedule.max_missed}"
    words = (
        f"trigger {world.trigger.name}: what should have started up to {in_words(tick, schedule.time_zone)} "
        f"was missed and is left out (missed: {schedule.missed}{most})"
    )
    note = EventNote(Reason.RUN_SKIPPED, words)
    return replace(memory, decided=tick, skipped=stamp(tick), notes=(*memory.notes, note))


def _started(world: TriggerWorld, memory: _Memory, tick: datetime) -> _Memory:
    made = _made(world, tick)
    if made:
        return replace(memory, decided=tick, last_run=made)
    name = world.free_name(*_names(world, tick))
    refusal = world.refusal(name)
    if refusal is None:
        run = world.manifest(name, tick)
        note = EventNote(Reason.RUN_STARTED, f"trigger {world.trigger.name}: run {name} starts")
        return replace(memory, decided=tick, last_run=name, runs=(run,), notes=(*memory.notes, note))
    held = f"no run could be started for {stamp(tick)}: {refusal.message}"
    if refusal.reason == Reason.QUOTA_EXCEEDED:
        return replace(memory, held=held)
    note = EventNote(Reason.RUN_SKIPPED, f"trigger {world.trigger.name}: {held}"[:1000], warning=True)
    return replace(memory, decided=tick, skipped=stamp(tick), held=held, notes=(*memory.notes, note))


def _names(world: TriggerWorld, tick: datetime) -> tuple[str, str]:
    """The names that the run of this time may have."""
    meta = world.observed.pipeline.meta
    return object_names.tick_name(meta.name, tick), object_names.tick_name(meta.name, tick, meta.uid)


def _made(world: TriggerWorld, tick: datetime) -> str:
    """The run that exists for this time, or that a trigger before this one is about to make; else empty."""
    uid, possible = world.observed.pipeline.meta.uid, set(_names(world, tick))
    for one in world.observed.runs:
        if one.meta.owner_uid == uid and one.scheduled_time == stamp(tick) and one.meta.name in possible:
            return one.meta.name
    return next(iter(sorted(possible & world.taken)), "")


def _outcome(world: TriggerWorld, schedule: Schedule, memory: _Memory) -> Outcome:
    decided = memory.decided.replace(microsecond=0)
    following = next_tick(schedule.cron, schedule.time_zone, max(decided, world.now))
    entry = {
        "name": world.trigger.name,
        "armed": memory.armed,
        "decidedUntil": stamp(decided),
        "next": stamp(following) if following else "",
        "lastRun": memory.last_run,
        "lastSkipped": memory.skipped,
        "message": _words(world, schedule, memory, following),
    }
    again = after(world.now, world.settings.resync) if memory.held else None
    pending = world.now if memory.more and not memory.held else None
    looks = [one for one in (following, again, pending) if one is not None]
    return Outcome(
        entry={key: value for key, value in entry.items() if value},
        runs=memory.runs,
        notes=memory.notes,
        look_again=min(looks, default=None),
    )


def _words(world: TriggerWorld, schedule: Schedule, memory: _Memory, following: datetime | None) -> str:
    if following is None:
        return "it never starts a run again"
    words = f"starts a run next at {in_words(following, schedule.time_zone)}"
    if memory.decided > after(world.now, _AHEAD):
        ahead = f"all is decided up to {stamp(memory.decided)}, for the clock was ahead"
        return sentence(memory.held or words, ahead, "give the trigger another name to arm it anew")
    return sentence(memory.held, words) if memory.held else words
