"""Windows: when each one ends, which is due, and which are too old to be judged.

begin ──── every ────► end ── lag ──► due        `end` is a multiple of `every` since 1970 in UTC.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from penstock_operator.core.times import after, read
from penstock_spec import object_names
from penstock_spec.monitoring import Monitoring

DRIFTED, NOT_DRIFTED, UNKNOWN = "Drifted", "NotDrifted", "Unknown"
VERDICTS = (DRIFTED, NOT_DRIFTED, UNKNOWN)
WINDOWS_BACK = 12  # of those missed while the operator was away: the newest ones are judged
_STAMP = re.compile(r"-w(\d{14})-[0-9a-f]{6}")


def first_end(begin: datetime, every: int) -> datetime:
    """The end of the first whole window that begins at `begin` or later."""
    return datetime.fromtimestamp((math.ceil(begin.timestamp() / every) + 1) * every, UTC)


def due(end: datetime, monitoring: Monitoring) -> datetime:
    """When a window can be judged: all of its rows lie in the store by then."""
    return after(end, monitoring.lag_seconds)


def begin_of(part: Mapping[str, Any]) -> datetime | None:
    """From when on nothing has been judged yet; None before the pods log."""
    since, last = read(part.get("since", "")), read(part.get("lastWindow", ""))
    return None if since is None else max(since, last or since)


def next_end(begin: datetime, monitoring: Monitoring, now: datetime) -> datetime:
    """The window whose turn it is, due or not: the oldest, but at most WINDOWS_BACK before the newest."""
    every = monitoring.seconds
    newest = math.floor((now.timestamp() - monitoring.lag_seconds) / every) * every
    oldest = datetime.fromtimestamp(newest - (WINDOWS_BACK - 1) * every, UTC)
    return max(first_end(begin, every), oldest)


def skipped(begin: datetime, end: datetime, monitoring: Monitoring) -> int:
    """How many windows from `begin` on were passed over for the one that ends at `end`."""
    gap = (end - first_end(begin, monitoring.seconds)).total_seconds()
    return max(0, int(gap // monitoring.seconds))


def end_of(endpoint: str, uid: str, job: str) -> datetime | None:
    """The end of the window that a Job judges, by its name; None where the name is not one of ours."""
    found = _STAMP.search(job)
    if found is None:
        return None
    try:
        end = datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    attempts = (object_names.window_job(endpoint, uid, end, number) for number in range(1, ATTEMPTS + 1))
    return end if job in attempts else None


ATTEMPTS = 3  # of one window


def served_at(status: Mapping[str, Any], end: datetime) -> tuple[str, str]:
    """Version and digest that served when a window ended, by the endpoint's history; else what serves now."""
    for entry in reversed(status.get("history") or ()):
        began, ended = read(entry.get("from", "")), read(entry.get("until", ""))
        if began is not None and began < end and (ended is None or ended >= end):
            return entry.get("version", ""), entry.get("digest", "")
    return status.get("stable", ""), status.get("stableDigest", "")
