"""PipelineRun: one execution of a Pipeline. It refers to steps and never contains any."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.backfill import Backfill
from penstock_spec.base import DNS_1035, JsonMap, Name40, Rule, SpecModel, exactly_one
from penstock_spec.reuse import RunReuse
from penstock_spec.triggers import Episode, ScheduledTime, TriggeredBy

_FIXED = (
    "pipeline",
    "parameters",
    "revision",
    "generation",
    "trigger",
    "scheduledTime",
    "episode",
    "triggeredBy",
    "mode",
    "rerun",
    "reuse",
    "backfill",
    "partOf",
    "step",
)


def _unchanged(field: str) -> str:
    both = f"has(self.{field}) == has(oldSelf.{field})"
    return f"({both} && (!has(self.{field}) || self.{field} == oldSelf.{field}))"


IMMUTABLE = Rule(
    " && ".join(_unchanged(field) for field in _FIXED),
    "the spec of a run cannot change but for suspend and cancel; create another run",
)
ONE_WAY = Rule(
    "!(has(oldSelf.cancel) && oldSelf.cancel) || (has(self.cancel) && self.cancel)",
    "a cancelled run stays cancelled; create another run",
)


MOST_FROM = 64  # steps that a rerun may begin with


class RunMode(StrEnum):
    """Whether a run executes anything."""

    RUN = "Run"
    PLAN = "Plan"


class Rerun(SpecModel):
    """Which run is repeated, and from where. What lies before is taken over as it was."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("from", "failed"),
        Rule("!has(self.failed) || self.failed", "leave failed out, or set it to true"),
    )

    run: Annotated[str, StringConstraints(pattern=DNS_1035, min_length=1, max_length=63)] = Field(
        description="Finished run of the same Pipeline. Its steps and parameters are those of this run too."
    )
    from_: Annotated[tuple[Name40, ...], Field(min_length=1, max_length=MOST_FROM)] | None = Field(
        default=None,
        alias="from",
        description="Steps to do again, with everything that comes after them.",
    )
    failed: bool | None = Field(
        default=None,
        description="True: do again what failed, was blocked or was cancelled, with everything after it.",
    )


BACKFILL_ALONE = Rule(
    "!has(self.backfill) || (!has(self.rerun) && !(has(self.mode) && self.mode == 'Plan'))",
    "a backfill neither repeats a run nor only plans: remove backfill, or rerun and mode",
)
BACKFILL_HAS_TIMES = Rule(
    "!has(self.backfill) || (!has(self.scheduledTime) && !has(self.triggeredBy))",
    "each run of a backfill has a time of its own: remove scheduledTime and triggeredBy",
)
NO_REUSE_IN_RERUN = Rule(
    "!has(self.rerun) || !has(self.reuse) || self.reuse == 'ByStep'",
    "a rerun says itself what is done again: remove reuse, or name more steps in rerun.from",
)
NO_TIME_IN_RERUN = Rule(  # a child that repeats another one is the operator's own
    "!has(self.rerun) || has(self.partOf) || (!has(self.scheduledTime) && !has(self.triggeredBy))",
    "a rerun is for the time and the cause of the run that it repeats: remove scheduledTime and triggeredBy",
)


class PipelineRunSpec(SpecModel):
    """What to execute, and with which values."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        IMMUTABLE,
        ONE_WAY,
        BACKFILL_ALONE,
        BACKFILL_HAS_TIMES,
        NO_REUSE_IN_RERUN,
        NO_TIME_IN_RERUN,
    )

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
    triggered_by: TriggeredBy | None = Field(
        default=None,
        description="What a trigger saw, for which this run was started; steps take it as "
        "{parameter: triggeredBy}.",
    )
    mode: RunMode = Field(
        default=RunMode.RUN,
        description="Plan: the run says for each step whether it would run, be reused or be skipped, and "
        "why; it executes and creates nothing, and ends Planned. Together with rerun: what that would do.",
    )
    rerun: Rerun | None = Field(
        default=None,
        description="Repeat an earlier run in part. spec.parameters then holds only what is to be changed.",
    )
    reuse: RunReuse = Field(
        default=RunReuse.BY_STEP,
        description="ByStep: as each step says. Never: every step of this run is executed, whatever earlier "
        "runs have made. Of a backfill, for each of its runs.",
    )
    backfill: Backfill | None = Field(
        default=None,
        description="Have one run made for each time of a schedule in a range. This run then has no steps of "
        "its own.",
    )
    part_of: Annotated[str, StringConstraints(pattern=r"^[-a-z0-9]*$", max_length=63)] = Field(
        default="",
        description="Run that made this one: a backfill, or one that has it as a step. Empty: it stands by "
        "itself.",
    )
    step: Annotated[str, StringConstraints(pattern=r"^[-a-z0-9]*$", max_length=40)] = Field(
        default="", description="Step of the run in partOf that this run is. Empty: it is none."
    )
    cell: int = Field(
        default=0,
        ge=0,
        description="Number of the cell of that step that this run is, where the step has cells; else 0.",
    )
    suspend: bool = Field(
        default=False,
        description="No step starts while this is true; what runs goes on. May be changed at any time.",
    )
    cancel: bool = Field(
        default=False,
        description="End the run now: its Jobs are deleted, and its outcome is Cancelled. Cannot be taken "
        "back.",
    )
