"""Points in time as the API writes them, and durations in words."""

import math
from datetime import UTC, datetime, timedelta


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC, whole seconds: 2026-11-21T10:02:17Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def stamp_not_before(moment: datetime) -> str:
    """As `stamp`, rounded up: what waits until then has waited long enough."""
    return stamp(moment if moment.microsecond == 0 else moment.replace(microsecond=0) + timedelta(seconds=1))


def read(text: str) -> datetime | None:
    """The time that `stamp` wrote; None for an empty text."""
    return datetime.fromisoformat(text) if text else None


def given(text: str) -> datetime | None:
    """The time that a person wrote in the form of `stamp`; None where there is no such day."""
    try:
        return read(text)
    except ValueError:
        return None


def after(moment: datetime, seconds: float) -> datetime:
    """`seconds` later."""
    return moment + timedelta(seconds=seconds)


def duration(start: datetime, end: datetime) -> str:
    """41s, 1m12s, 3h05m: the two largest units."""
    seconds = max(0, math.floor((end - start).total_seconds()))
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    return f"{seconds // 3600}h{seconds // 60 % 60:02d}m"


def age(begin: datetime, end: datetime) -> str:
    """1 second, 45 minutes, 9 days: the largest whole unit, in words."""
    seconds = max(0, math.floor((end - begin).total_seconds()))
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count = seconds // length
        if count or unit == "second":
            break
    return f"{count} {unit}{'' if count == 1 else 's'}"


def earliest(*moments: datetime | None) -> datetime | None:
    """The first of the given times; None where none is given."""
    return min((one for one in moments if one is not None), default=None)
