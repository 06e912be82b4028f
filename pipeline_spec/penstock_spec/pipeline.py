"""Pipeline: what users write. A list of named steps, each exactly one kind, and what surrounds them."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.base import (
    AnyJson,
    Identifier,
    ListMap,
    Name40,
    ObjectName,
    Rule,
    SpecModel,
    at_most_one,
    exactly_one,
)
from penstock_spec.cells import ForEach, Matrix, Repeat
from penstock_spec.gang import NEEDS_PROGRAM, Gang
from penstock_spec.kinds.child import Child
from penstock_spec.kinds.deploy import Deploy, Resources
from penstock_spec.kinds.ingest import Ingest
from penstock_spec.kinds.monitor import Monitor
from penstock_spec.kinds.run import Run
from penstock_spec.kinds.split import Split
from penstock_spec.kinds.train import Train
from penstock_spec.kinds.validate import Validate
from penstock_spec.matrix import MOST_CELLS
from penstock_spec.policy import Deadline, Policy, Queue
from penstock_spec.retry import Retry
from penstock_spec.reuse import Reuse
from penstock_spec.triggers import MAX_TRIGGERS, Trigger
from penstock_spec.values import ParameterType
from penstock_spec.when import When

STEP_KINDS = ("ingest", "split", "train", "validate", "deploy", "monitor", "run", "pipeline")
Body = Ingest | Split | Train | Validate | Deploy | Monitor | Run | Child
# The attribute of a step in which the body of a kind stands; `validate` is a word of pydantic's own.
_BODIES = {**dict(zip(STEP_KINDS, STEP_KINDS, strict=True)), "validate": "validate_"}


class Parameter(SpecModel):
    """A value that a run may set; used through the fields that end in From."""

    name: Identifier = Field(description="Name by which ...From: {parameter: name} refers to it.")
    type: ParameterType = Field(default=ParameterType.STRING, description="Type that each value must have.")
    description: Annotated[str, StringConstraints(max_length=1024)] = Field(
        default="", description="What it means, for whoever starts a run."
    )
    default: Annotated[Any, AnyJson()] = Field(
        default=None, description="Value when a run sets none. Without it every run must set one."
    )
    minimum: float | None = Field(default=None, description="Smallest allowed value of an Integer or Number.")
    maximum: float | None = Field(default=None, description="Largest allowed value of an Integer or Number.")
    allowed: tuple[Annotated[str, StringConstraints(max_length=256)], ...] = Field(
        default=(), max_length=64, description="The only texts that a String may be. Empty means any."
    )


class DeclaredSecret(SpecModel):
    """A Secret that steps of this pipeline may read through the environment."""

    name: Name40 = Field(
        description="Alias that steps use: env: [{name: TOKEN, secret: {name: <alias>, key: token}}]"
    )
    secret: ObjectName = Field(
        description="Name of the Secret in the same namespace. The operator never reads it."
    )


class Step(SpecModel):
    """One node of the graph: a name and exactly one kind."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one(*STEP_KINDS),
        NEEDS_PROGRAM,
        at_most_one("matrix", "forEach", "repeat"),
        at_most_one("repeat", "gang"),
        Rule(
            "!has(self.repeat) || !has(self.always) || !self.always",
            "a step with always runs once and is not repeated",
            ".repeat",
            holds=lambda data: "repeat" not in data or data.get("always") is not True,
        ),
        Rule(
            "!has(self.maxParallel) || has(self.matrix) || has(self.forEach)",
            "maxParallel bounds the cells of matrix or forEach",
            ".maxParallel",
            holds=lambda data: "maxParallel" not in data or "matrix" in data or "forEach" in data,
        ),
    )

    name: Name40 = Field(description="Name of the step; others refer to its outputs as <name>.<output>.")
    depends_on: Annotated[tuple[Name40, ...], Field(max_length=64)] = Field(
        default=(),
        description="Steps that must have ended well first, or been skipped by their own when, beside those "
        "whose outputs are inputs here.",
    )
    when: When | None = Field(
        default=None,
        description="When this step runs; else it is skipped, and with it what takes its outputs. Left out, "
        "always.",
    )
    always: bool = Field(
        default=False,
        description="Run after all other steps have ended, however they ended; the program finds the outcome "
        "in /penstock/run.json. It is never reused, and only steps with always may refer to it.",
    )
    deadline: Deadline | None = Field(
        default=None,
        description="Time that one attempt may run, as 90s, 30m or 12h; of a deploy, monitor or "
        "pipeline, that it may take. Left out, any time.",
    )
    start_deadline: Deadline | None = Field(
        default=None,
        description="Time in which the pod of an attempt must have started: a node, its images, its "
        "volumes. Left "
        "out, what the installation says (10m).",
    )
    retry: Retry | None = Field(
        default=None,
        description="How often a failed attempt is tried again, by whose fault it was. Left out, what the "
        "installation says.",
    )
    matrix: Matrix | None = Field(
        default=None,
        description="Do this step once for each cell: every cell is a Job with its own values, attempts and "
        "reuse. Who takes an output gets it of all cells.",
    )
    for_each: ForEach | None = Field(
        default=None,
        description="Do this step once for each item of a list that another step makes, as with matrix.",
    )
    repeat: Repeat | None = Field(
        default=None,
        description="Do this step again until its results are good enough. Each iteration finds the outputs "
        "of the one before in /penstock/in/previous; those of the last one are the step's.",
    )
    max_parallel: int | None = Field(
        default=None,
        ge=1,
        le=MOST_CELLS,
        description="How many cells may be under way at a time. Left out, as policy.maxParallel says.",
    )
    queue: Queue | None = Field(
        default=None,
        description="Queue of this step's Jobs, in place of that of policy.queue. It changes no result.",
    )
    gang: Gang | None = Field(
        default=None,
        description="Several pods do this step together, as in distributed training; needs a program of "
        "yours. Left out, one pod does it.",
    )
    reuse: Reuse | None = Field(
        default=None,
        description="When an earlier result of this step is taken over. Left out, whenever nothing that "
        "determines it has changed.",
    )
    resources: Resources = Field(default_factory=Resources, description="CPU and memory of this step's pod.")
    ingest: Ingest | None = Field(default=None, description="Bring a table in; gives table.")
    split: Split | None = Field(
        default=None, description="Cut a table into parts; gives one table per fraction."
    )
    train: Train | None = Field(default=None, description="Fit a model; gives model.")
    validate_: Validate | None = Field(
        default=None, alias="validate", description="Judge a model against thresholds; gives report."
    )
    deploy: Deploy | None = Field(default=None, description="Serve a model behind an endpoint.")
    monitor: Monitor | None = Field(default=None, description="Log and judge what an endpoint is asked.")
    run: Run | None = Field(default=None, description="Run any image; gives the outputs that it declares.")
    pipeline: Child | None = Field(
        default=None, description="Run another pipeline; gives the outputs of it that are named here."
    )

    @property
    def kind(self) -> str:
        """The name of the one kind that is set; empty where the spec is invalid and none is."""
        return next((kind for kind in STEP_KINDS if self.body_of(kind) is not None), "")

    @property
    def body(self) -> Body:
        """What stands below the kind. A step without a kind is refused before anybody asks."""
        body = self.body_of(self.kind)
        if body is None:
            raise ValueError(f"step {self.name} has no kind")
        return body

    def body_of(self, kind: str) -> Body | None:
        """What stands below `kind`, or None."""
        found: Body | None = getattr(self, _BODIES[kind]) if kind in _BODIES else None
        return found


class PipelineSpec(SpecModel):
    """The desired pipeline. Applying a change runs what the change affects, and nothing else."""

    description: Annotated[str, StringConstraints(max_length=4096)] = Field(
        default="", description="What the pipeline is for, in a sentence. Changing it starts no run."
    )
    owner: Annotated[str, StringConstraints(max_length=128)] = Field(
        default="", description="Team or person who answers for the model. Changing it starts no run."
    )
    parameters: Annotated[Sequence[Parameter], ListMap()] = Field(
        default=(), max_length=64, description="Values that a run may set."
    )
    secrets: Annotated[Sequence[DeclaredSecret], ListMap()] = Field(
        default=(), max_length=16, description="Secrets that steps may read, each under an alias."
    )
    triggers: Annotated[Sequence[Trigger], ListMap()] = Field(
        default=(),
        max_length=MAX_TRIGGERS,
        description="What starts runs, beside a change and a person. Changing them starts no run.",
    )
    suspend: bool = Field(
        default=False,
        description="Nothing new begins while this is true: triggers rest, a change waits, and so do runs "
        "that have not begun. Runs that have begun go on. What triggers would have started meanwhile is not "
        "made up for.",
    )
    policy: Policy = Field(
        default_factory=Policy, description="How runs are executed and kept. Changing it starts no run."
    )
    steps: Annotated[Sequence[Step], ListMap()] = Field(
        min_length=1,
        max_length=256,
        description="The steps, in any order; the graph follows from their references.",
    )

    def step(self, name: str) -> Step:
        """The step of this name. KeyError where there is none."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)
