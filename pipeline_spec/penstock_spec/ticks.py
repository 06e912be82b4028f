"""When a schedule starts something: cron lines in a time zone, with one rule for daylight saving.

A cron line speaks of local times. cronsim says which local times a line means; which instants these are is
said here, for every zone alike, by the rule:

- a local time that is skipped when clocks go forward fires once, right after the gap;
- a local time that comes twice when clocks go back fires once, the first time.

Instants are in UTC and whole minutes. The zones are those of the package tzdata and never the system's, so
that every operator and every laptop gives the same answer.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

DEFAULT_ZONE = "Etc/UTC"
FIELDS = 5  # minute, hour, day of month, month, day of week
_SOME_DAY = datetime(2024, 1, 1)  # noqa: DTZ001 - a local time on purpose; any day would do


class NoSchedule(ValueError):  # noqa: N818 - the name says what is wrong
    """A text that is no cron line, or one that never comes true. The message says why."""


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every zone that there is."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text().split())


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The zone of this name. KeyError where there is none."""
    if name not in zone_names():
        raise KeyError(name)
    place = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with place.open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@lru_cache(maxsize=1024)
def check_line(line: str) -> None:
    """Raises NoSchedule where the line is none, or means no day that ever comes."""
    if len(line.split()) != FIELDS:
        raise NoSchedule(f"has {len(line.split())} fields, not {FIELDS}")
    try:
        first = next(CronSim(line, _SOME_DAY), None)
    except CronSimError as error:
        # cronsim says "Bad hour"; as well of a month that has no such day.
        raise NoSchedule(f"has no valid {str(error).removeprefix('Bad ')}") from None
    if first is None:
        raise NoSchedule("means a day that never comes")


def instant(local: datetime, where: ZoneInfo) -> datetime:
    """The one instant, in UTC, at which a local time (without a zone) fires."""
    first, second = local.replace(tzinfo=where, fold=0), local.replace(tzinfo=where, fold=1)
    before, behind = first.utcoffset(), second.utcoffset()
    if before is None or behind is None or behind <= before:
        return first.astimezone(UTC)  # an ordinary time, or the first of two
    return _change(second.astimezone(UTC), first.astimezone(UTC), where)


def _change(low: datetime, high: datetime, where: ZoneInfo) -> datetime:
    """The instant in (low, high] at which the zone's offset changes, to the second."""
    old = low.astimezone(where).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(where).utcoffset() == old:
            low = middle
        else:
            high = middle
    return high


def ticks_after(line: str, zone_name: str, moment: datetime) -> Iterator[datetime]:
    """Every instant after `moment`, the earliest first. Endless, but for the last year of the calendar."""
    where = zone(zone_name)
    last = moment.astimezone(UTC)
    for local in CronSim(line, _local(moment, where)):
        found = instant(local, where)
        if found > last:
            yield found
            last = found


def ticks_until(line: str, zone_name: str, moment: datetime) -> Iterator[datetime]:
    """Every instant up to `moment` and at it, the latest first."""
    where = zone(zone_name)
    # Where clocks went back, times of the first round lie behind us that the second has not reached yet.
    here = _local(moment, where)
    ahead = (here.replace(tzinfo=where, fold=0).utcoffset() or timedelta()) - (
        moment.astimezone(where).utcoffset() or timedelta()
    )
    # The iteration leaves out its own beginning, in either direction.
    begin = here.replace(second=0, microsecond=0) + max(ahead, timedelta()) + timedelta(minutes=1)
    last: datetime | None = None
    for local in CronSim(line, begin, reverse=True):
        found = instant(local, where)
        if found <= moment and (last is None or found < last):
            yield found
            last = found


def next_tick(line: str, zone_name: str, moment: datetime) -> datetime | None:
    """The first instant after `moment`; None where the calendar ends before."""
    return next(ticks_after(line, zone_name, moment), None)


def in_words(moment: datetime, zone_name: str) -> str:
    """2026-11-22 02:00 in Europe/Paris."""
    return f"{moment.astimezone(zone(zone_name)):%Y-%m-%d %H:%M} in {zone_name}"


def _local(moment: datetime, where: ZoneInfo) -> datetime:
    return moment.astimezone(where).replace(tzinfo=None, fold=0)
