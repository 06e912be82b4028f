"""Which starts of a schedule are due, and what becomes of those that nobody could make at their time."""

from dataclasses import dataclass
from datetime import datetime
from itertools import islice, takewhile

from penstock_operator.core.times import after
from penstock_spec.ticks import ticks_until
from penstock_spec.triggers import Missed, Schedule


@dataclass(frozen=True)
class Due:
    """Starts whose time has come. `run` are to be made, the oldest first; `newest` is the last of all."""

    newest: datetime
    run: tuple[datetime, ...] = ()
    skipped: datetime | None = None  # the newest of those that are not made


def due(
    schedule: Schedule, decided: datetime, now: datetime, late: float, *, one_at_most: bool = False
) -> Due | None:
    """The starts after `decided` up to `now`; one that is more than `late` seconds old was missed."""
    wanted = schedule.max_missed if schedule.missed is Missed.RUN_ALL and not one_at_most else 1
    back = ticks_until(schedule.cron, schedule.time_zone, now)
    # One more than are wanted, to know whether any is left out. The newest come first.
    found = tuple(islice(takewhile(lambda tick: tick > decided, back), wanted + 1))
    if not found:
        return None
    newest = found[0]
    if schedule.missed is Missed.SKIP and now > after(newest, late):
        return Due(newest, skipped=newest)
    left = found[wanted] if len(found) > wanted else None
    return Due(newest, run=tuple(reversed(found[:wanted])), skipped=left)
