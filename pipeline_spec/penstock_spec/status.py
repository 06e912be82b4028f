"""What we report: the states of a step, which may follow which, and the status of each kind.

The diagram in docs/engine-states.md is drawn from TRANSITIONS. Terminal states never change, but for a step
whose outputs an earlier run had made and that are lost: it is made again for a step that needs them.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from penstock_spec.base import Digest, Identifier, ListMap, MapLimits, Name40, SpecModel
from penstock_spec.cell_numbers import LENGTH
from penstock_spec.matrix import MOST_CELLS

Word = Annotated[str, StringConstraints(max_length=64)]
Sentence = Annotated[str, StringConstraints(max_length=1024)]
Time = Annotated[str, StringConstraints(max_length=32)]
RESULT_LENGTH = 256
ResultText = Annotated[str, StringConstraints(max_length=RESULT_LENGTH)]
PackedDigest = Annotated[str, StringConstraints(pattern=r"^[-_A-Za-z0-9]{43}$", min_length=43, max_length=43)]
CellNumbers = Annotated[str, StringConstraints(max_length=LENGTH)]
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
    # Succeeded: one that has cells, of a list that is empty.
    StepState.WAITING: frozenset(StepState) - {StepState.WAITING, StepState.RETRYING},
    # An observation may come late: what was queued may be seen again when it has ended already.
    StepState.QUEUED: _FROM_JOB | {StepState.STARTING, StepState.RUNNING, StepState.BLOCKED},
    StepState.STARTING: _FROM_JOB | {StepState.QUEUED, StepState.RUNNING},
    # Queued again: a queueing system has suspended its Job. Blocked: some of its cells were.
    StepState.RUNNING: _FROM_JOB | {StepState.QUEUED, StepState.BLOCKED},
    StepState.RETRYING: frozenset(
        {StepState.QUEUED, StepState.STARTING, StepState.RUNNING, StepState.FAILED, StepState.CANCELLED}
    ),
    # Only when what it had promised turns out to be gone: then it is made again.
    StepState.REUSED: frozenset({StepState.RETRYING}),
    # The same, of one that had only taken it over: some of its cells were reused, or it is another pipeline.
    StepState.SUCCEEDED: frozenset({StepState.RETRYING}),
    StepState.SKIPPED: frozenset(),
    # And of one whose cells did not all end well: what another one of them gave may be missed in its line.
    StepState.BLOCKED: frozenset({StepState.RETRYING}),
    StepState.FAILED: frozenset({StepState.RETRYING}),
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


class CellStatus(SpecModel):
    """One cell of a step that has begun or ended; those that only wait have no entry."""

    number: int = Field(description="Number of the cell, from 1; also a label of its Jobs.")
    state: StepState = Field(description="Where the cell stands.")
    reason: Word = Field(default="", description="One word for why, while it lives and where it failed.")
    message: Sentence = Field(default="", description="The same in words.")
    failure_class: Word = Field(default="", description="Who is to blame for its last failed attempt.")
    attempt: int = Field(default=0, description="Number of its attempt, from 1.")
    retries: Annotated[Mapping[str, int], MapLimits(properties=16)] = Field(
        default_factory=dict, description="Failed attempts that were retried, by failure class."
    )
    retry_at: Time = Field(default="", description="When the next attempt starts, RFC 3339 in UTC.")
    memory: Annotated[str, StringConstraints(max_length=20)] = Field(
        default="", description="Memory of the attempt where it grew."
    )
    scratch: Annotated[str, StringConstraints(max_length=20)] = Field(
        default="", description="Scratch space of the attempt where it grew."
    )
    remakes: Annotated[tuple[Name40, ...], Field(max_length=32)] = Field(
        default=(), description="Steps whose lost outputs are made again before the next attempt."
    )
    remake_cells: Annotated[Mapping[str, CellNumbers], MapLimits(properties=32)] = Field(
        default_factory=dict,
        description="Cells of those steps that are made again, such as 2,5-7; of one that is left out, all.",
    )
    remade: bool = Field(default=False, description="Whether it is, or was, made again after its loss.")
    digest: Annotated[str, StringConstraints(max_length=12)] = Field(
        default="", description="First 72 bits of the digest over all that determines the result, base64url."
    )
    outputs: Annotated[tuple[PackedDigest, ...], Field(max_length=32)] = Field(
        default=(),
        description="Digest of each output in base64url, in the order of the step's cellOutputs.",
    )
    # Its names follow no pattern here: for as many cells as there may be, that rule costs too much.
    results: Annotated[Mapping[str, ResultText], MapLimits(properties=16, key_length=40)] = Field(
        default_factory=dict, description="Small values that the cell gave, as JSON writes them."
    )
    metrics: Annotated[Mapping[str, float], MapLimits(properties=32)] = Field(
        default_factory=dict, description="Figures that the cell measured."
    )
    verdict: Word = Field(default="", description="Pass, Fail or Inconclusive, where the step is a gate.")
    model_version: Annotated[str, StringConstraints(max_length=63)] = Field(
        default="", description="ModelVersion that this cell registered or judged."
    )
    executed: PackedDigest | None = Field(
        default=None,
        description="Of a cell that is another pipeline: digest of the steps that its run has executed, "
        "base64url.",
    )
    source_revision: Annotated[str, StringConstraints(max_length=160)] = Field(
        default="", description="Version of the outside data that an ingest read."
    )
    made_at: Time = Field(default="", description="When its result was really made, where reuse asks for it.")
    finished_at: Time = Field(default="", description="When it failed.")
    log: Annotated[str, StringConstraints(max_length=2048)] = Field(
        default="", description="Last lines of a failed program, for the first ten failures of a run."
    )


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
    remake_cells: Annotated[Mapping[str, CellNumbers], MapLimits(properties=32)] = Field(
        default_factory=dict,
        description="Cells of those steps that are made again, such as 2,5-7; of one that is left out, all.",
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
    counts: Annotated[Mapping[Identifier, int], MapLimits(properties=32, key_length=40)] = Field(
        default_factory=dict, description="How many items each output of type List has."
    )
    cell_count: int = Field(
        default=0, description="How many cells the step has, once they may begin; those below and the rest."
    )
    cell_outputs: Annotated[tuple[Identifier, ...], Field(max_length=32)] = Field(
        default=(), description="Names of the outputs whose digests the cells list."
    )
    cells: Annotated[Sequence[CellStatus], Field(max_length=MOST_CELLS)] = Field(
        default=(), description="The cells that have begun or ended, by number."
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
