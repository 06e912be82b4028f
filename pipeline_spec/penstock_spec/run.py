"""PipelineRun: one execution of a Pipeline. It refers to steps and never contains any."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.base import JsonMap, Name40, Rule, SpecModel
from penstock_spec.triggers import Episode, ScheduledTime

IMMUTABLE = Rule("self == oldSelf", "the spec of a run cannot change; create another run")


class RunMode(StrEnum):
    """Whether a run executes anything."""

    RUN = "Run"
    PLAN = "Plan"


class PipelineRunSpec(SpecModel):
    """What to execute, and with which values."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (IMMUTABLE,)

    pipeline: Name40 = Field(description="Pipeline in the same namespace that this run executes.")
    parameters: JsonMap = Field(
        default_factory=dict,
        description="Values of declared parameters; the rest take their defaults. {trees: 500}",
    )
    revision: Annotated[str, StringConstraints(pattern=r"^[-a-z0-9]*$", max_length=63)] = Field(
        default="",
        description="ControllerRevision that holds the frozen steps. Empty means the Pipeline as it is when "
        "the run starts.",
    )
    generation: int = Field(
        default=0,
        ge=0,
        description="Generation of the Pipeline whose change started this run; 0 when a person started it.",
    )
    trigger: Annotated[str, StringConstraints(pattern=r"^[-a-z0-9]*$", max_length=40)] = Field(
        default="",
        description="Name of the trigger that started this run, for the conditions of steps. Empty: a change "
        "of the Pipeline where generation is set, else a person.",
    )
    scheduled_time: ScheduledTime | None = Field(
        default=None,
        description="The time that this run is for, as in 2026-11-22T01:00:00Z; steps take it as "
        "{parameter: scheduledTime}. Without it: when the run was created.",
    )
    episode: Episode | None = Field(
        default=None, description="What of an endpoint this run was started for, where a trigger saw it."
    )
    mode: RunMode = Field(
        default=RunMode.RUN,
        description="Plan: the run says for each step whether it would run, be reused or be skipped, and "
        "why; it executes and creates nothing, and ends Planned.",
    )
