"""The status of a Pipeline: what it is doing, and what starts its next run."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, StringConstraints

from penstock_spec.archive_status import ArchiveStatus
from penstock_spec.base import Digest, ListMap, SpecModel
from penstock_spec.status import Conditions, Name63, Time, Word
from penstock_spec.sweep_status import SweepStatus
from penstock_spec.trigger_status import TriggerStatus
from penstock_spec.triggers import MAX_TRIGGERS


class LastStarted(SpecModel):
    """The last run that a change of the spec started.

    The memory that keeps the same spec from starting twice.
    """

    digest: Digest = Field(description="Digest of the steps and parameters that were started.")
    generation: int = Field(description="Generation of the Pipeline at that time.")
    run: Name63 = Field(
        default="",
        description="PipelineRun that was created for that digest; absent where policy.onChange is Wait.",
    )


class PipelineStatus(SpecModel):
    """How a pipeline is doing."""

    observed_generation: int = Field(
        default=0, description="Generation of the spec that this status speaks of."
    )
    conditions: Conditions = Field(
        default=(),
        max_length=16,
        description="Accepted, Ready, Stalled, LastRunSucceeded, DefaultsAccepted, ArchiveFailing.",
    )
    status: Word = Field(
        default="",
        description="Running, Suspended, Refused, or how the last run ended: the STATUS column.",
    )
    reason: Word = Field(default="", description="One word for why: the current or last run's reason.")
    message: Annotated[str, StringConstraints(max_length=8192)] = Field(
        default="", description="The same in words; of a refused spec, every problem with its path."
    )
    step: Word = Field(default="", description="The step to look at, from the current or last run.")
    progress: Word = Field(default="", description="Progress of the current or last run: 3/7.")
    model: Annotated[str, StringConstraints(max_length=63)] = Field(
        default="", description="ModelVersion that the last finished training registered."
    )
    endpoint: Word = Field(
        default="", description="ModelEndpoint that the deploy step of the pipeline keeps up to date."
    )
    last_started: LastStarted | None = Field(default=None, description="The last run that a change started.")
    last_run: Name63 = Field(
        default="",
        description="The run that the other fields speak of, whoever started it: the one under way, else the "
        "newest.",
    )
    archive: ArchiveStatus | None = Field(
        default=None, description="Trouble with the archive of runs; left out while there is none."
    )
    sweep: SweepStatus | None = Field(
        default=None,
        description="The sweeper of the namespace's artifacts: at its oldest Pipeline, where "
        "penstock-defaults asks for it.",
    )
    next: Time = Field(default="", description="When the next of the triggers starts a run, RFC 3339 in UTC.")
    triggers: Annotated[Sequence[TriggerStatus], ListMap()] = Field(
        default=(), max_length=MAX_TRIGGERS, description="What each trigger will do next, and has done."
    )
