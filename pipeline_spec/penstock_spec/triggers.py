"""Triggers: what starts a run of a pipeline beside a change of it and a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.base import Between, Duration, Name40, Name45, Rule, SpecModel, exactly_one
from penstock_spec.model_version import Lifecycle
from penstock_spec.probed import PROBED_KINDS, REVISION_LENGTH, Git, Image, NewData, Webhook
from penstock_spec.ticks import DEFAULT_ZONE

MAX_TRIGGERS = 16
TRIGGER_KINDS = ("schedule", "endpointCondition", "registry", *PROBED_KINDS, "webhook")
# What neither a schedule, which has its times, nor anything that people send has a use for.
DAMPING = ("cooldown", "maxPerWeek")
UNDAMPED = ("schedule", "webhook")
# The logical time of a run, 2026-11-22T01:00:00Z: built in, so no pipeline can declare a parameter of that
# name. The other is what a trigger saw: tumour-7, or the revision of a source.
SCHEDULED_TIME = "scheduledTime"
TRIGGERED_BY = "triggeredBy"
BUILT_IN = (SCHEDULED_TIME, TRIGGERED_BY)
ScheduledTime = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$",
        min_length=20,
        max_length=35,  # a time with an offset is to hear of the pattern, not of its length
    ),
]


class Missed(StrEnum):
    """What becomes of starts whose time lies behind."""

    SKIP = "Skip"
    RUN_LATEST = "RunLatest"
    RUN_ALL = "RunAll"


class Schedule(SpecModel):
    """Local times at which a run starts. One that clocks skip or repeat starts one run."""

    cron: Annotated[str, StringConstraints(min_length=1, max_length=128)] = Field(
        description="Minute, hour, day of month, month and day of week, as in cron: 0 2 * * 1-5"
    )
    time_zone: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(
        default=DEFAULT_ZONE, description="IANA zone whose local time the line speaks of: Europe/Paris."
    )
    missed: Missed = Field(
        default=Missed.RUN_LATEST,
        description="What is run of starts that lie behind. Skip: the latest, unless it is more than five "
        "minutes late. RunLatest: the latest, however late. RunAll: all of them, in order.",
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


class Registry(SpecModel):
    """A version of a model has come so far. Each version starts one run at most."""

    model: Name40 = Field(description="Model in the same namespace whose versions are watched.")
    lifecycle: Lifecycle = Field(
        default=Lifecycle.APPROVED,
        description="How far a version must have come. Candidate: it was registered. One that has gone on "
        "from there since has come so far too.",
    )


@dataclass(frozen=True)
class Damping:
    """How runs of a trigger are held apart."""

    cooldown: str  # a Duration; empty: none
    per_week: int | None


# Where nothing is set. Drift is noisy; versions and sources are not, but pipelines may start each other.
_DAMPED: Mapping[str, Damping] = {
    "endpointCondition": Damping("24h", 3),
    "registry": Damping("5m", 50),
}


def _damped(trigger: Mapping[str, Any]) -> bool:
    return not any(one in trigger for one in UNDAMPED) or not any(one in trigger for one in DAMPING)


def _cautious(trigger: Mapping[str, Any]) -> bool:
    return "endpointCondition" in trigger or not ("giveUpAfter" in trigger or "suggest" in trigger)


class Trigger(SpecModel):
    """One reason to start a run, under a name that the run carries."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one(*TRIGGER_KINDS),
        Rule(
            f"!({' || '.join(f'has(self.{one})' for one in UNDAMPED)}) || "
            "!(has(self.cooldown) || has(self.maxPerWeek))",
            "cooldown and maxPerWeek do not go with a schedule, which has its times, nor with a webhook",
            holds=_damped,
        ),
        Rule(
            "has(self.endpointCondition) || !(has(self.giveUpAfter) || has(self.suggest))",
            "giveUpAfter and suggest belong to endpointCondition",
            holds=_cautious,
        ),
    )

    name: Name40 = Field(description="Name of the trigger, for status, messages and the runs it starts.")
    schedule: Schedule | None = Field(default=None, description="Start at certain local times.")
    endpoint_condition: EndpointCondition | None = Field(
        default=None, description="Start when monitoring of an endpoint finds something."
    )
    registry: Registry | None = Field(
        default=None, description="Start when a version of a model is registered, approved or served."
    )
    new_data: NewData | None = Field(default=None, description="Start when data has changed.")
    git: Git | None = Field(default=None, description="Start when a branch has another commit.")
    image: Image | None = Field(default=None, description="Start when an image's tag has another digest.")
    webhook: Webhook | None = Field(
        default=None, description="Start when a signed message comes, {}. Its body may set parameters."
    )
    cooldown: Annotated[Duration, Between("1m", "90d")] | None = Field(
        default=None,
        description="Time between two starts, at the least. Left out: 24h with endpointCondition, 5m with "
        "registry, else none. Not with schedule and webhook.",
    )
    max_per_week: int | None = Field(
        default=None,
        ge=1,
        le=50,
        description="Starts in any seven days, at the most. Left out: 3 with endpointCondition, 50 with "
        "registry, else none. Not with schedule and webhook.",
    )
    give_up_after: int = Field(
        default=3,
        ge=1,
        le=20,
        description="With endpointCondition: models in a row that did not pass their gate, after which "
        "nothing is started until a run of the pipeline succeeds.",
    )
    suggest: bool = Field(
        default=False,
        description="With endpointCondition: only say what a run would do. The run is of mode Plan, and "
        "somebody has to create one that executes.",
    )

    @property
    def damping(self) -> Damping:
        """How its runs are held apart: as set, else as fits its kind."""
        usual = next(
            (found for kind, found in _DAMPED.items() if getattr(self, _attribute(kind)) is not None),
            Damping("", None),
        )
        return Damping(self.cooldown or usual.cooldown, self.max_per_week or usual.per_week)


def _attribute(kind: str) -> str:
    """The attribute of a kind's field."""
    return next(name for name, info in Trigger.model_fields.items() if (info.alias or name) == kind)


class Episode(SpecModel):
    """The episode of an endpoint's condition that a run was started for."""

    endpoint: Name45 = Field(description="ModelEndpoint whose condition turned True.")
    uid: Annotated[str, StringConstraints(max_length=64)] = Field(
        description="Uid of that endpoint: one that is made anew counts from one."
    )
    condition: ConditionType = Field(description="The condition that turned True.")
    number: int = Field(ge=1, description="Which time it was, counted by the endpoint.")


CAUSES = ("modelVersion", "revision", "delivery")


class TriggeredBy(SpecModel):
    """What a trigger saw, for which a run was started."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (exactly_one(*CAUSES),)

    model_version: Annotated[str, StringConstraints(min_length=1, max_length=63)] | None = Field(
        default=None, description="ModelVersion that had come so far: tumour-7."
    )
    revision: Annotated[str, StringConstraints(min_length=1, max_length=REVISION_LENGTH)] | None = Field(
        default=None, description="What data, branch or image had become: an ETag, a commit, a digest."
    )
    delivery: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = Field(
        default=None, description="Id of the message that asked for the run."
    )
    change: int | None = Field(
        default=None, ge=1, description="Of a revision: which change it was, counted by the trigger."
    )


def cause_text(triggered_by: Mapping[str, Any]) -> str:
    """What a trigger saw in one text, the value of the built-in parameter; empty where there is nothing."""
    return next((str(triggered_by[one]) for one in CAUSES if triggered_by.get(one)), "")
