"""Triggers on data, branches and images: another revision than the one seen last starts a run.

What is found while a start is held back is not lost: the newest of it starts when that is over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from penstock_operator.core import causes
from penstock_operator.core.causes import Answer, Cause
from penstock_operator.core.damping import held, recent
from penstock_operator.core.looks import Look, Sight, look, whole
from penstock_operator.core.probe_targets import Target
from penstock_operator.core.text import sentence
from penstock_operator.core.times import after, earliest, read, stamp
from penstock_operator.core.trigger_world import Outcome, TriggerWorld
from penstock_spec.probed import ABSENT
from penstock_spec.trigger_status import STARTS_REMEMBERED


@dataclass(frozen=True)
class _Memory:
    """The entry of the trigger in the Pipeline's status, beside what the looks have given."""

    sight: Sight
    change: int = 0  # number of the newest change that has been decided
    starts: tuple[str, ...] = ()  # of runs, in the last week
    last_run: str = ""


def probed(world: TriggerWorld, target: Target) -> Outcome:
    """The answer of such a trigger. It is armed first; then the first look learns what is there."""
    memory = _remembered(world, target)
    if memory is None:
        entry: Mapping[str, Any] = world.entry or {}
        starts = recent(entry.get("starts", ()), world.now)
        fresh = Sight("", "", whole(world.now))
        blank = _Memory(fresh, int(entry.get("change", 0)), starts, str(entry.get("lastRun", "")))
        return replace(_outcome(world, target, blank, "it looks for the first time"), look_again=world.now)
    seen = look(world, target, memory.sight)
    if seen.confirm:
        return Outcome(world.entry or {}, confirm=seen.confirm)
    memory = replace(memory, sight=seen.sight)
    answer = _answered(world, target, memory)
    if answer.confirm:
        return Outcome(world.entry or {}, confirm=answer.confirm)
    return _with(world, target, _settled(world, memory, answer), seen, answer)


def _remembered(world: TriggerWorld, target: Target) -> _Memory | None:
    """None where it is armed only now."""
    entry: Mapping[str, Any] = world.entry or {}
    looks_at = read(entry.get("looksAt", ""))
    if world.armed_anew(target.armed) or looks_at is None:
        return None
    sight = Sight(
        seen=str(entry.get("seen", "")),
        found=str(entry.get("found", "")),
        looks_at=looks_at,
        failures=int(entry.get("failures", 0)),
        reason=str(entry.get("reason", "")),
        trouble=str(entry.get("trouble", "")),
    )
    starts = recent(entry.get("starts", ()), world.now)
    return _Memory(sight, int(entry.get("change", 0)), starts, str(entry.get("lastRun", "")))


def _answered(world: TriggerWorld, target: Target, memory: _Memory) -> Answer:
    """Whether a run starts for what was found."""
    sight = memory.sight
    if sight.found in ("", ABSENT):
        return Answer(_idle(target, sight))
    change = memory.change + 1
    words = f"{target.what} is at {sight.found}"
    cause = Cause((str(change), sight.found), {"revision": sight.found, "change": change}, words)
    known = causes.made(world, cause)
    if known is not None:
        return known
    hold = held(world, memory.starts)
    if hold is None:
        return causes.start(world, cause)
    again = hold.until or after(world.now, world.settings.resync)
    return Answer(f"{words}, and waits: {hold.message}", look_again=again)


def _idle(target: Target, sight: Sight) -> str:
    if not sight.seen:
        return f"has not seen {target.what} yet"
    if sight.found == ABSENT:
        return f"{target.what} is not there any more; starts a run when it is there and has changed"
    if sight.seen == ABSENT:
        return f"{target.what} is not there yet; starts a run when it is"
    return f"starts a run when {target.what} changes"


def _settled(world: TriggerWorld, memory: _Memory, answer: Answer) -> _Memory:
    if answer.settled:
        sight = replace(memory.sight, seen=memory.sight.found, found="")
        memory = replace(memory, sight=sight, change=memory.change + 1)
    if answer.run:
        starts = (*memory.starts, stamp(answer.moment or world.now))[-STARTS_REMEMBERED:]
        memory = replace(memory, starts=starts, last_run=answer.run)
    return memory


def _with(world: TriggerWorld, target: Target, memory: _Memory, seen: Look, answer: Answer) -> Outcome:
    found = _outcome(world, target, memory, answer.message)
    return replace(
        found,
        runs=answer.manifests,
        jobs=seen.jobs,
        awaits=seen.awaits,
        inquire=seen.inquire,
        notes=(*seen.notes, *answer.notes),
        look_again=earliest(seen.look_again, answer.look_again),
    )


def _outcome(world: TriggerWorld, target: Target, memory: _Memory, message: str) -> Outcome:
    sight = memory.sight
    often = f", {sight.failures} times in a row" if sight.failures > 1 else ""
    failing = f"cannot look{often}: {sight.trouble}" if sight.failures else ""
    again = f"looks again at {stamp(sight.looks_at)}" if sight.failures else ""
    entry = {
        "name": world.trigger.name,
        "armed": target.armed,
        "seen": sight.seen,
        "found": sight.found,
        "change": memory.change,
        "looksAt": stamp(sight.looks_at),
        "failures": sight.failures,
        "reason": sight.reason,
        "trouble": sight.trouble,
        "starts": list(memory.starts),
        "lastRun": memory.last_run,
        "message": sentence(failing, again, message) if failing else sentence(message),
    }
    return Outcome({key: value for key, value in entry.items() if value not in ("", 0, [])})
