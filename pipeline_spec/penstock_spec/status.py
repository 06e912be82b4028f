"""What we report: the states of a step, which may follow which, and the status of each kind.

The diagram in docs/engine-states.md is drawn from TRANSITIONS. Terminal states never change, but for a
reused step
whose outputs are lost: it is made again for a step that needs them.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.backfill import BackfillStatus
from penstock_spec.base import Digest, Identifier, JsonMap, ListMap, MapLimits, Name40, Rule, SpecModel
from penstock_spec.defaults import FrozenDefaults
from penstock_spec.policy import Policy
from penstock_spec.registered import MAX_PINNED, PinnedVersion
from penstock_spec.trigger_status import TriggerStatus
from penstock_spec.triggers import MAX_TRIGGERS, TriggeredBy

Word = Annotated[str, StringConstraints(max_length=64)]
Sentence = Annotated[str, StringConstraints(max_length=1024)]
Time = Annotated[str, StringConstraints(max_length=32)]
RESULT_LENGTH = 256
ResultText = Annotated[str, StringConstraints(max_length=RESULT_LENGTH)]
Name63 = Annotated[str, StringConstraints(max_length=63)]


class StepState(StrEnum):
    """Where a step stands."""

    WAITING = "Waiting"  # needs steps that have not ended, or its attempt has not been created yet
    QUEUED = "Queued"  # may run; the cluster has no room for it yet (quota, queue)
    STARTING = "Starting"  # its Job exists; the program does not run yet
    RUNNING = "Running"
    RETRYING = "Retrying"  # an attempt failed, the next waits for its time
    SUCCEEDED = "Succeeded"
    REUSED = "Reused"
    SKIPPED = "Skipped"
    BLOCKED = "Blocked"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    PLANNED = "Planned"  # of a run that only plans: what would become of it is in reason and why


# How a step may go on once it has a Job.
_FROM_JOB = frozenset(
    {StepState.SUCCEEDED, StepState.REUSED, StepState.RETRYING, StepState.FAILED, StepState.CANCELLED}
)
TRANSITIONS: Mapping[StepState, frozenset[StepState]] = {
    StepState.WAITING: frozenset(StepState) - {StepState.WAITING, StepState.RETRYING, StepState.SUCCEEDED},
    # An observation may come late: what was queued may be seen again when it has ended already.
    StepState.QUEUED: _FROM_JOB | {StepState.STARTING, StepState.RUNNING},
    StepState.STARTING: _FROM_JOB | {StepState.QUEUED, StepState.RUNNING},
    # Queued again: a queueing system has suspended its Job.
    StepState.RUNNING: _FROM_JOB | {StepState.QUEUED},
    StepState.RETRYING: frozenset(
        {StepState.QUEUED, StepState.STARTING, StepState.RUNNING, StepState.FAILED, StepState.CANCELLED}
    ),
    # Only when what it had promised turns out to be gone: then it is made again.
    StepState.REUSED: frozenset({StepState.RETRYING}),
    StepState.SUCCEEDED: frozenset(),
    StepState.SKIPPED: frozenset(),
    StepState.BLOCKED: frozenset(),
    StepState.FAILED: frozenset(),
    StepState.CANCELLED: frozenset(),
    StepState.PLANNED: frozenset(),
}
TERMINAL = frozenset(
    {
        StepState.SUCCEEDED,
        StepState.REUSED,
        StepState.SKIPPED,
        StepState.BLOCKED,
        StepState.FAILED,
        StepState.CANCELLED,
        StepState.PLANNED,
    }
)
# What a step that needs another one is satisfied by.
SATISFYING = frozenset({StepState.SUCCEEDED, StepState.REUSED})
# What is done again when a run is repeated for what went wrong in it.
ENDED_ILL = frozenset({StepState.FAILED, StepState.BLOCKED, StepState.CANCELLED})


class Verdict(StrEnum):
    """How a gate ends."""

    PASS = "Pass"  # noqa: S105 - a verdict
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"


class ConditionStatus(SpecModel):
    """One condition in the usual Kubernetes form."""

    type: Word = Field(description="Name of the condition, one of a fixed set per kind.")
    status: Word = Field(description="True, False or Unknown.")
    reason: Word = Field(description="One PascalCase word for why.")
    message: Annotated[str, StringConstraints(max_length=8192)] = Field(
        default="", description="What holds, where, and what to do next."
    )
    observed_generation: int = Field(
        default=0, description="Generation of the spec that the condition speaks of."
    )
    last_transition_time: Time = Field(description="When status last changed, RFC 3339 in UTC.")


Conditions = Annotated[Sequence[ConditionStatus], ListMap("type")]


class ChildRun(SpecModel):
    """The run of another pipeline that a step is."""

    run: Name63 = Field(description="PipelineRun of the current or last attempt.")
    revision: Name63 = Field(
        default="", description="ControllerRevision that it executes; absent until it has one."
    )
    digest: Annotated[str, StringConstraints(max_length=71)] = Field(
        default="", description="Digest of the frozen steps in it."
    )


class StepStatus(SpecModel):
    """One step of a run. Kept small: runs of many steps must fit one object."""

    name: Name40 = Field(
        description="As in spec.steps of the pipeline; the entries keep the order of the file."
    )
    kind: Word = Field(
        description="Kind of the step: ingest, split, train, validate, deploy, monitor, run, pipeline."
    )
    state: StepState = Field(description="Where the step stands.")
    reason: Word = Field(default="", description="One word for why it stands there.")
    message: Sentence = Field(default="", description="The same in words, with the next command to try.")
    failure_class: Word = Field(
        default="", description="Who is to blame for the last failed attempt; decides retries."
    )
    attempt: int = Field(
        default=0, description="Number of the attempt that runs or ran, from 1; 0 before the first."
    )
    retries: Annotated[Mapping[str, int], MapLimits(properties=16)] = Field(
        default_factory=dict, description="Failed attempts so far that were retried, by failure class."
    )
    retry_at: Time = Field(default="", description="When the next attempt starts, RFC 3339 in UTC.")
    memory: Annotated[str, StringConstraints(max_length=20)] = Field(
        default="", description="Memory of the attempt where it grew after running out: the learned need."
    )
    scratch: Annotated[str, StringConstraints(max_length=20)] = Field(
        default="",
        description="Scratch space of the attempt where it grew after running out.",
    )
    remakes: Annotated[tuple[Name40, ...], Field(max_length=32)] = Field(
        default=(), description="Steps whose lost outputs are made again before the next attempt."
    )
    job: Name63 = Field(default="", description="Job of the current or last attempt.")
    child: ChildRun | None = Field(
        default=None, description="PipelineRun that the step is, where it is a pipeline, and its steps."
    )
    digest: Annotated[str, StringConstraints(max_length=71)] = Field(
        default="", description="Digest over everything that determines the result."
    )
    source_revision: Annotated[str, StringConstraints(max_length=160)] = Field(
        default="",
        description="Version of the outside data that an ingest read: ETag, or digest of its bytes.",
    )
    made_at: Time = Field(
        default="",
        description="When the result that is reused, or that an ingest compares its source with, was really "
        "made, in whatever run. RFC 3339 in UTC.",
    )
    why: Annotated[str, StringConstraints(max_length=256)] = Field(
        default="", description="Why it runs or is reused, naming what changed since the run before."
    )
    outputs: Annotated[Mapping[Identifier, Digest], MapLimits(properties=32, key_length=40)] = Field(
        default_factory=dict, description="Digest of each output by name."
    )
    results: Annotated[Mapping[Identifier, ResultText], MapLimits(properties=16, key_length=40)] = Field(
        default_factory=dict, description="Small values that the step gave, as JSON writes them."
    )
    metrics: Annotated[Mapping[str, float], MapLimits(properties=32)] = Field(
        default_factory=dict, description="Figures that the step measured."
    )
    verdict: Word = Field(default="", description="Pass, Fail or Inconclusive, where the step is a gate.")
    model_version: Annotated[str, StringConstraints(max_length=63)] = Field(
        default="", description="ModelVersion that this step registered, judged or deployed."
    )
    image: Annotated[str, StringConstraints(max_length=512)] = Field(
        default="", description="Image of the program as the kubelet pulled it."
    )
    started_at: Time = Field(default="", description="When the first attempt was created.")
    finished_at: Time = Field(default="", description="When the step ended.")
    log: Annotated[str, StringConstraints(max_length=2048)] = Field(
        default="", description="Last lines of a failed program, for the first ten failures of a run."
    )


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
    steps: Sequence[StepStatus] = Field(
        default=(), max_length=256, description="The steps in the pipeline's order."
    )


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
        default=(), max_length=16, description="Accepted, Ready, Stalled, LastRunSucceeded."
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
    next: Time = Field(default="", description="When the next of the triggers starts a run, RFC 3339 in UTC.")
    triggers: Annotated[Sequence[TriggerStatus], ListMap()] = Field(
        default=(), max_length=MAX_TRIGGERS, description="What each trigger will do next, and has done."
    )
