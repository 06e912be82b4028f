"""Cron lines in time zones: every zone over two years, held to a plain reckoning minute by minute."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from penstock_spec.ticks import (
    NoSchedule,
    check_line,
    in_words,
    next_tick,
    ticks_after,
    ticks_until,
    zone,
    zone_names,
)

BEGIN, END = datetime(2025, 7, 1, tzinfo=UTC), datetime(2027, 7, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def offset(moment: datetime, where: ZoneInfo) -> timedelta:
    found = moment.astimezone(where).utcoffset()
    assert found is not None
    return found


@cache
def changes(name: str) -> tuple[datetime, ...]:
    """The instants between BEGIN and END at which the zone's offset changes, to the minute."""
    where, found, day = zone(name), [], BEGIN
    while day < END:
        low, high = day, day + DAY
        if offset(low, where) != offset(high, where):
            while high - low > MINUTE:
                middle = low + (high - low) // MINUTE // 2 * MINUTE
                low, high = (middle, high) if offset(middle, where) == offset(low, where) else (low, middle)
            found.append(high)
        day += DAY
    return tuple(found)


@cache
def kinds() -> tuple[str, ...]:
    """One zone of each sort: those whose offsets are the same all the time are one."""
    seen: dict[object, str] = {}
    for name in sorted(zone_names()):
        where = zone(name)
        offsets = (offset(BEGIN, where), *(offset(one, where) for one in changes(name)))
        seen.setdefault((changes(name), offsets), name)
    return tuple(seen.values())


def reckoned(
    where: ZoneInfo, begin: datetime, end: datetime, minutes: set[int], hours: set[int]
) -> set[datetime]:
    """The rule in its own words, minute by minute: at each instant, which local times have just been reached
    for the first time? Those of a gap are reached with the instant behind it.
    """
    fired = set()
    furthest = (begin - DAY).astimezone(where).replace(tzinfo=None)  # the latest local time that there was
    moment = begin - DAY
    while moment <= end:
        here = moment.astimezone(where).replace(tzinfo=None)
        while furthest < here:
            furthest += MINUTE
            if furthest.minute in minutes and furthest.hour in hours and moment > begin:
                fired.add(moment)
        moment += MINUTE
    return fired


LINES = {
    "*/30 * * * *": ({0, 30}, set(range(24))),
    "17 0-4 * * *": ({17}, set(range(5))),
    "0 2,3 * * *": ({0}, {2, 3}),
}


def windows() -> Iterator[tuple[str, datetime]]:
    for name in kinds():
        yield name, datetime(2026, 1, 15, 9, 10, tzinfo=UTC)
        for change in changes(name):
            yield name, change


def test_there_are_zones_of_every_sort() -> None:
    assert len(zone_names()) > 550
    assert len(kinds()) > 60
    assert sum(len(changes(name)) > 0 for name in zone_names()) > 150


def test_s4_around_every_change_of_every_zone_the_rule_holds() -> None:
    seen = 0
    for (name, change), (line, (minutes, hours)) in itertools.product(windows(), LINES.items()):
        begin, end = change - 5 * HOUR, change + 5 * HOUR
        found = list(itertools.takewhile(lambda tick, end=end: tick <= end, ticks_after(line, name, begin)))
        assert set(found) == reckoned(zone(name), begin, end, minutes, hours), (name, line, change)
        assert found == sorted(set(found)), (name, line)
        seen += len(found)
    assert seen > 4_000


def line_in_the_first_gap(name: str) -> str:
    """A daily line whose time one of the zone's changes skips or repeats; any line where nothing changes."""
    if not changes(name):
        return "30 2 * * *"
    where, change = zone(name), changes(name)[0]
    moved = offset(change, where) - offset(change - MINUTE, where)
    behind = change.astimezone(where).replace(tzinfo=None)
    odd = behind - moved / 2  # inside the gap, or between the two rounds
    return f"{odd.minute} {odd.hour} * * *"


def test_s4_a_daily_line_fires_once_on_every_day_of_two_years_in_every_zone() -> None:
    for name in kinds():
        line = line_in_the_first_gap(name)
        found = list(itertools.takewhile(lambda tick: tick <= END, ticks_after(line, name, BEGIN)))
        back = list(itertools.takewhile(lambda tick: tick > BEGIN, ticks_until(line, name, END)))
        assert found == back[::-1], (name, line)
        apart = {round((late - early) / HOUR) for early, late in itertools.pairwise(found)}
        assert apart <= {22, 23, 24, 25, 26}, (name, line)
        whole = (END - BEGIN).days
        assert whole - 1 <= len(found) <= whole + 1, (name, line, len(found))


@pytest.mark.parametrize(
    ("line", "zone_name", "after", "ticks"),
    [
        ("30 2 * * *", "Europe/Paris", "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T00:30"]),
        ("30 2 * * *", "Europe/Paris", "2026-10-24T12:00", ["2026-10-25T00:30", "2026-10-26T01:30"]),
        ("*/20 2 * * *", "Europe/Paris", "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T00:00"]),
        ("0 * * * *", "Australia/Lord_Howe", "2026-10-03T14:30", ["2026-10-03T15:30", "2026-10-03T16:00"]),
        ("0 0 * * *", "Asia/Beirut", "2026-03-28T12:00", ["2026-03-28T22:00", "2026-03-29T21:00"]),
        ("0 0 29 2 *", "Etc/UTC", "2026-01-01T00:00", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        ("0 9 * * 1-5", "America/New_York", "2026-11-20T15:00", ["2026-11-23T14:00", "2026-11-24T14:00"]),
    ],
    ids=["gap", "twice", "several in a gap", "half an hour", "midnight", "leap day", "working days"],
)
def test_a_line_fires_when_people_expect_it(line: str, zone_name: str, after: str, ticks: list[str]) -> None:
    begin = datetime.fromisoformat(after).replace(tzinfo=UTC)
    found = list(itertools.islice(ticks_after(line, zone_name, begin), 2))
    assert [f"{one:%Y-%m-%dT%H:%M}" for one in found] == ticks


def test_a_start_is_after_the_moment_and_never_at_it() -> None:
    noon = datetime(2026, 5, 5, 12, tzinfo=UTC)
    assert next_tick("0 12 * * *", "Etc/UTC", noon) == noon + DAY
    assert next(ticks_until("0 12 * * *", "Etc/UTC", noon)) == noon
    assert next(ticks_until("0 12 * * *", "Etc/UTC", noon - timedelta(seconds=1))) == noon - DAY


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 2 * *", "has 4 fields, not 5"),
        ("0 0 2 * * *", "has 6 fields, not 5"),
        ("0 25 * * *", "has no valid hour"),
        ("0 0 30 2 *", "has no valid day-of-month"),
        ("0 0 * * MOON", "has no valid day-of-week"),
        ("", "has 0 fields, not 5"),
    ],
)
def test_what_is_no_cron_line_is_said(line: str, words: str) -> None:
    with pytest.raises(NoSchedule, match=words):
        check_line(line)


def test_zones_come_from_the_package_and_a_path_is_no_zone() -> None:
    assert "Europe/Paris" in zone_names()
    for name in ("../../etc/passwd", "localtime", "Mars/Olympus"):
        with pytest.raises(KeyError):
            zone(name)


def test_a_time_is_said_in_its_zone() -> None:
    moment = datetime(2026, 7, 1, tzinfo=UTC)
    assert in_words(moment, "Europe/Paris") == "2026-07-01 02:00 in Europe/Paris"
