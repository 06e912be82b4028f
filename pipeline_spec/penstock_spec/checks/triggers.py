"""Triggers: cron lines that mean something, zones that exist, fields that belong together."""

from collections.abc import Iterator, Mapping
from typing import Any

from penstock_spec.checks.document import Document, dicts, problem
from penstock_spec.errors import Problem, SpecReason, did_you_mean
from penstock_spec.paths import Path
from penstock_spec.ticks import FIELDS, NoSchedule, check_line, zone_names
from penstock_spec.triggers import Missed
from penstock_spec.when import STARTERS

_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


def schedules(document: Document) -> Iterator[Problem]:
    """Each schedule: its line, its zone, and a number where it has a meaning."""
    for position, trigger in dicts(document.data.get("triggers")):
        schedule = trigger.get("schedule")
        if isinstance(schedule, Mapping):
            path: Path = ("spec", "triggers", position, "schedule")
            yield from cron_line(schedule.get("cron"), (*path, "cron"))
            yield from _zone(schedule.get("timeZone"), (*path, "timeZone"))
            if "maxMissed" in schedule and schedule.get("missed") != Missed.RUN_ALL:
                message = "has no meaning unless missed starts are all run"
                hint = "Remove it, or set missed: RunAll."
                yield problem((*path, "maxMissed"), SpecReason.CONFLICTING_FIELDS, message, hint)


def names(document: Document) -> Iterator[Problem]:
    """No trigger has a name by which conditions know what is none."""
    for position, trigger in dicts(document.data.get("triggers")):
        if trigger.get("name") in STARTERS:
            message = f'"{trigger["name"]}" is how conditions name a start without a trigger'
            path: Path = ("spec", "triggers", position, "name")
            yield problem(path, SpecReason.RESERVED_NAME, message, "Choose another name.")


def cron_line(line: Any, path: Path) -> Iterator[Problem]:
    """What is wrong with a text that should be a cron line."""
    if not isinstance(line, str):
        return
    try:
        check_line(line)
    except NoSchedule as error:
        message = f'"{line}" {error}'
        yield problem(path, SpecReason.INVALID_VALUE, message, _hint(line))


def _hint(line: str) -> str:
    words = line.split()
    if line.strip().lower() in _NICKNAMES:
        return f'Write "{_NICKNAMES[line.strip().lower()]}".'
    if words and words[0].startswith(("TZ=", "CRON_TZ=")):
        return "Put the zone into timeZone."
    if len(words) == FIELDS + 1:
        return f'There is no field for seconds: write "{" ".join(words[1:])}".'
    return 'Write minute, hour, day of month, month, day of week: "0 2 * * *" is every night at two.'


def _zone(name: Any, path: Path) -> Iterator[Problem]:
    if not isinstance(name, str) or name in zone_names():
        return
    hint = did_you_mean(name, zone_names()) or "Use a name such as Europe/Paris or Etc/UTC."
    yield problem(path, SpecReason.UNKNOWN_ZONE, f'there is no time zone "{name}"', hint)
