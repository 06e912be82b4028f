"""Triggers: what starts a run of a pipeline beside a change of it and a person."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.base import Between, Duration, Name40, Name45, Rule, SpecModel, exactly_one
from penstock_spec.ticks import DEFAULT_ZONE

MAX_TRIGGERS = 16
TRIGGER_KINDS = ("schedule", "endpointCondition")
DAMPING = ("cooldown", "maxPerWeek", "giveUpAfter")
# The logical time of a run, 2026-11-22T01:00:00Z: built in, so no pipeline can declare a parameter of that
# name.
SCHEDULED_TIME = "scheduledTime"
ScheduledTime = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$",
        min_length=20,
        max_length=20,
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


class ConditionType(StrEnum):
    """What of an endpoint may start a run."""

    DRIFTED = "Drifted"


class EndpointCondition(SpecModel):
    """An endpoint's monitoring has found something. Each episode of it starts one run at most."""

    endpoint: Name45 = Field(description="ModelEndpoint in the same namespace that is watched.")
    type: ConditionType = Field(description="Condition of the endpoint that must turn True: Drifted.")


def _damped(trigger: Mapping[str, Any]) -> bool:
    return "endpointCondition" in trigger or not any(one in trigger for one in DAMPING)


class Trigger(SpecModel):
    """One reason to start a run, under a name that the run carries."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one(*TRIGGER_KINDS),
        Rule(
            "has(self.endpointCondition) || "
            "![has(self.cooldown), has(self.maxPerWeek), has(self.giveUpAfter)].exists(one, one)",
            "cooldown, maxPerWeek and giveUpAfter belong to endpointCondition; a schedule has its times",
            holds=_damped,
        ),
    )

    name: Name40 = Field(description="Name of the trigger, for status, messages and the runs it starts.")
    schedule: Schedule | None = Field(default=None, description="Start at certain local times.")
    endpoint_condition: EndpointCondition | None = Field(
        default=None, description="Start when monitoring of an endpoint finds something."
    )
    cooldown: Annotated[Duration, Between("1m", "90d")] = Field(
        default="24h", description="With endpointCondition: time between two starts, at the least."
    )
    max_per_week: int = Field(
        default=3, ge=1, le=50, description="With endpointCondition: starts in any seven days, at the most."
    )
    give_up_after: int = Field(
        default=3,
        ge=1,
        le=20,
        description="With endpointCondition: models in a row that did not pass their gate, after which "
        "nothing is started until a run of the pipeline succeeds.",
    )


class Episode(SpecModel):
    """The episode of an endpoint's condition that a run was started for."""

    endpoint: Name45 = Field(description="ModelEndpoint whose condition turned True.")
    uid: Annotated[str, StringConstraints(max_length=64)] = Field(
        description="Uid of that endpoint: one that is made anew counts from one."
    )
    condition: ConditionType = Field(description="The condition that turned True.")
    number: int = Field(ge=1, description="Which time it was, counted by the endpoint.")
