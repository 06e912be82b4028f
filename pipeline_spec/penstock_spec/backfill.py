"""Backfill: the times of a schedule in a range of the past, each run once."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, StringConstraints

from penstock_spec.base import Name40, SpecModel
from penstock_spec.triggers import ScheduledTime

MAX_TICKS = 1000
MAX_PARALLELISM = 50
_Time = Annotated[str, StringConstraints(max_length=32)]
_Name63 = Annotated[str, StringConstraints(max_length=63)]


class Backfill(SpecModel):
    """Which times to run. Those that have a run already are left as they are."""

    trigger: Name40 = Field(description="Trigger of the Pipeline whose schedule says the times.")
    from_: ScheduledTime = Field(
        alias="from", description="First time to run, if it is one of the schedule's."
    )
    to: ScheduledTime = Field(description="Last time to run; times that have not come yet are left out.")
    parallelism: int = Field(
        default=1, ge=1, le=MAX_PARALLELISM, description="How many of its runs go on at once, at the most."
    )


class BackfillStatus(SpecModel):
    """How far it is. What it runs is frozen when it begins."""

    cron: Annotated[str, StringConstraints(max_length=128)] = Field(
        description="The schedule, as it was then."
    )
    time_zone: Annotated[str, StringConstraints(max_length=64)] = Field(
        description="The IANA zone whose local time that line speaks of."
    )
    revision: _Name63 = Field(description="ControllerRevision that holds the steps of all its runs.")
    until: _Time = Field(description="Last time that is run: as asked, or when it began if that is earlier.")
    total: int = Field(description="How many times there are.")
    decided: _Time = Field(default="", description="Every time up to this one has a run.")
    active: Annotated[Sequence[_Name63], Field(max_length=MAX_PARALLELISM)] = Field(
        default=(), description="Its runs that have not ended."
    )
    done: int = Field(default=0, description="How many of its runs have ended well.")
    failed: int = Field(default=0, description="How many of its runs ended in another way, or were deleted.")
    found: int = Field(default=0, description="How many times had a run already.")
    first_failed: _Name63 = Field(
        default="",
        description="Which of its runs ended badly before all others. "
        "Where none did, the first such run that was there already.",
    )
