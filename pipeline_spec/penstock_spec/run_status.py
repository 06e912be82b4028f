"""The status of a PipelineRun: what it executes, frozen, and how it is doing."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from penstock_spec.archive_status import ArchivedRun
from penstock_spec.backfill import BackfillStatus
from penstock_spec.base import Digest, JsonMap, ListMap, Rule, SpecModel
from penstock_spec.defaults import FrozenDefaults
from penstock_spec.policy import Policy
from penstock_spec.registered import MAX_PINNED, PinnedVersion
from penstock_spec.status import Conditions, Name63, Sentence, StepStatus, Time, Word
from penstock_spec.triggers import TriggeredBy


class GangForm(StrEnum):
    """What the attempts of gangs may be beside Indexed Jobs."""

    JOB_SET = "JobSet"


class Snapshot(SpecModel):
    """What this run executes, frozen at its start; editing the Pipeline does not touch it."""

    revision: Name63 = Field(description="ControllerRevision that holds the steps.")
    digest: Digest = Field(description="Digest of the frozen steps, checked whenever they are read.")
    pipeline_uid: Word = Field(description="Uid of the Pipeline object at the start.")
    policy: Policy | None = Field(
        default=None,
        description="What policy held at the start, the pipeline's before the namespace's; left out, all as "
        "by default.",
    )
    defaults: FrozenDefaults | None = Field(
        default=None, description="Defaults of the namespace at the start; left out where it had none."
    )
    gangs: GangForm | None = Field(
        default=None,
        description="What each attempt of a gang is, for all of the run; left out, an Indexed Job.",
    )
    parameters: JsonMap = Field(
        default_factory=dict,
        description="Of a rerun: the values given to the run that it repeats, with those that it changes.",
    )
    scheduled_time: Time = Field(
        default="", description="Of a rerun: the time that the run which it repeats was for."
    )
    triggered_by: TriggeredBy | None = Field(
        default=None, description="Of a rerun: what a trigger saw, for which the repeated run was started."
    )


def _once(name: str) -> Rule:
    same = f"(has(self.{name}) && self.{name} == oldSelf.{name})"
    return Rule(f"!has(oldSelf.{name}) || {same}", f"{name} is written once")


class PipelineRunStatus(SpecModel):
    """How a run is doing."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        _once("snapshot"),
        _once("pinned"),
    )

    observed_generation: int = Field(
        default=0, description="Generation of the spec that this status speaks of."
    )
    conditions: Conditions = Field(
        default=(), max_length=16, description="Ready, Reconciling, Stalled, Finished, Succeeded."
    )
    status: Word = Field(
        default="",
        description="Waiting, Running, Suspended, or how it ended: the STATUS column.",
    )
    reason: Word = Field(
        default="", description="One word for why; of a failed run, the first failed step's reason."
    )
    message: Sentence = Field(default="", description="The same in words, with the next command to try.")
    step: Word = Field(
        default="", description="The step to look at: the first failed, else the first that is running."
    )
    progress: Word = Field(
        default="", description="Steps that have ended well out of all, ready for a column: 3/7."
    )
    backfill: BackfillStatus | None = Field(default=None, description="Of a backfill: how far it is.")
    pinned: Annotated[Sequence[PinnedVersion], ListMap("reference")] = Field(
        default=(),
        max_length=MAX_PINNED,
        description="The registered models that this run reads, chosen once before its steps begin.",
    )
    snapshot: Snapshot | None = Field(default=None, description="What this run executes, frozen.")
    started_at: Time = Field(
        default="", description="When the first step was allowed to start, RFC 3339 in UTC."
    )
    suspended_at: Time = Field(
        default="",
        description="Since when the run is suspended, or all that it does waits in queues of Kueue; left out "
        "while it does not, RFC 3339 in UTC.",
    )
    suspended_seconds: int = Field(
        default=0, description="How long it was so before that; no deadline counts this time."
    )
    finished_at: Time = Field(default="", description="When the last step ended, RFC 3339 in UTC.")
    duration: Word = Field(
        default="", description="From start to end in words, written once at the end: 1m12s."
    )
    archived: ArchivedRun | None = Field(
        default=None, description="Where the record of this run lies in the store, once it is written."
    )
    steps: Sequence[StepStatus] = Field(
        default=(), max_length=256, description="The steps in the pipeline's order."
    )
