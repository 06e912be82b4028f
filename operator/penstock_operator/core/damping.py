"""What holds a trigger's start back: runs under way, the policy, and the times between two starts.

Whatever is held starts when that is over, if there is still something to start for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from penstock_operator.core.times import after, read, stamp
from penstock_operator.core.trigger_world import TriggerWorld
from penstock_spec.base import seconds_of
from penstock_spec.policy import Concurrency

WEEK = 7 * 86400.0


@dataclass(frozen=True)
class Hold:
    """Why nothing is started yet; until when, where that is known."""

    message: str
    until: datetime | None = None


def recent(starts: Sequence[str], now: datetime) -> tuple[str, ...]:
    """Those of `starts` that are of the last seven days."""
    return tuple(one for one in starts if after(read(one) or now, WEEK) > now)


def under_way(world: TriggerWorld) -> Hold | None:
    """A run of this trigger has not ended."""
    going = next((one for one in world.mine if not one.finished and not one.meta.deleting), None)
    return None if going is None else Hold(f"run {going.meta.name} of this trigger is under way")


def forbidden(world: TriggerWorld) -> Hold | None:
    """Any run has not ended, and the policy is Forbid. What is to be started for is not lost."""
    policy = world.definition.pipeline.spec.policy
    if policy.concurrency is not Concurrency.FORBID or not world.unfinished:
        return None
    return Hold(f"run {world.unfinished} is unfinished, and policy.concurrency is Forbid")


def cooling(world: TriggerWorld, starts: Sequence[str]) -> Hold | None:
    """The last start is too young."""
    last, cooldown = read(starts[-1]) if starts else None, world.trigger.damping.cooldown
    if last is None or not cooldown:
        return None
    until = after(last, seconds_of(cooldown))
    return Hold(f"cooling down until {stamp(until)}", until) if until > world.now else None


def capped(world: TriggerWorld, starts: Sequence[str]) -> Hold | None:
    """As many starts as a week may have."""
    limit = world.trigger.damping.per_week
    if limit is None or len(starts) < limit:
        return None
    until = after(read(starts[-limit]) or world.now, WEEK)
    return Hold(f"maxPerWeek {limit} is reached until {stamp(until)}", until)


def timed(world: TriggerWorld, starts: Sequence[str]) -> Hold | None:
    """Of what holds a start back up to a known time the longest: whoever reads that time relies on it."""
    found = [one for one in (cooling(world, starts), capped(world, starts)) if one is not None]
    return max(found, key=lambda one: one.until or world.now, default=None)


def held(world: TriggerWorld, starts: Sequence[str]) -> Hold | None:
    """The first of what holds a start back, in order."""
    return under_way(world) or forbidden(world) or timed(world, starts)
