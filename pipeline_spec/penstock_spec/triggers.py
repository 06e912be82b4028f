"""Triggers: what starts a run of a pipeline beside a change of it and a person."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.base import Name40, Rule, SpecModel, exactly_one
from penstock_spec.ticks import DEFAULT_ZONE

MAX_TRIGGERS = 16
TRIGGER_KINDS = ("schedule",)
# The logical time of a run, 2026-11-22T01:00:00Z: built in, so no pipeline can declare a parameter of that
# name.
SCHEDULED_TIME = "scheduledTime"
ScheduledTime = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$", min_length=20, max_length=20
    ),
]


class Missed(StrEnum):
    """What becomes of starts that could not be made at their time."""

    SKIP = "Skip"
    RUN_LATEST = "RunLatest"
    RUN_ALL = "RunAll"


class Schedule(SpecModel):
    """Local times at which a run starts. One that clocks skip or repeat starts one run."""

    cron: Annotated[str, StringConstraints(min_length=9, max_length=128)] = Field(
        description="Minute, hour, day of month, month and day of week, as in cron: 0 2 * * 1-5"
    )
    time_zone: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(
        default=DEFAULT_ZONE, description="IANA zone whose local time the line speaks of: Europe/Paris."
    )
    missed: Missed = Field(
        default=Missed.RUN_LATEST,
        description="What to do with starts that could not be made within five minutes: Skip them, run the "
        "latest, or run all.",
    )
    max_missed: int = Field(
        default=10, ge=1, le=100, description="Of RunAll, how many at most; the newest are run, in order."
    )


class Trigger(SpecModel):
    """One reason to start a run, under a name that the run carries."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (exactly_one(*TRIGGER_KINDS),)

    name: Name40 = Field(description="Name of the trigger, for status, messages and the runs it starts.")
    schedule: Schedule | None = Field(default=None, description="Start at certain local times.")
