"""ModelVersion: the registry's record of one model's exact bytes and of where they came from."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.base import (
    Digest,
    Identifier,
    JsonMap,
    ListMap,
    MapLimits,
    Name40,
    Name45,
    Rule,
    SpecModel,
)


class Lifecycle(StrEnum):
    """Where a version stands.

    It moves forward only by evidence: a gate's verdict, an endpoint that serves.
    """

    CANDIDATE = "Candidate"
    APPROVED = "Approved"
    REJECTED = "Rejected"
    PRODUCTION = "Production"
    ARCHIVED = "Archived"  # it was in production; another version has replaced it


class LineageImage(SpecModel):
    """An image that took part, as the kubelet pulled it."""

    step: Name40 = Field(description="Step whose pod ran it.")
    image: Annotated[str, StringConstraints(max_length=512)] = Field(
        description="Digest or image id that the container runtime reported for the pod."
    )


class Lineage(SpecModel):
    """Where the bytes came from."""

    pipeline: Name40 = Field(
        description="Pipeline object, in the same namespace, whose run trained this version."
    )
    pipeline_uid: Annotated[str, StringConstraints(max_length=64)] = Field(
        description="Uid of that object, which tells it from a later one of the same name."
    )
    run: Annotated[str, StringConstraints(max_length=63)] = Field(description="PipelineRun that trained it.")
    run_uid: Annotated[str, StringConstraints(max_length=64)] = Field(
        description="Uid of that object, which tells it from a later one of the same name."
    )
    step: Name40 = Field(description="Name of the train step in that run.")
    revision: Annotated[str, StringConstraints(max_length=63)] = Field(
        description="ControllerRevision that froze the pipeline's steps for that run."
    )
    step_digest: Digest = Field(
        description="Digest over all that determined the result: arguments, inputs, image."
    )
    datasets: Annotated[Mapping[Identifier, Digest], MapLimits(properties=64, key_length=40)] = Field(
        default_factory=dict, description="Digest of each table that the training step read, by input name."
    )
    images: Annotated[Sequence[LineageImage], ListMap("step")] = Field(
        default=(),
        max_length=256,
        description="Images of the training step and of all steps before it, as pulled.",
    )
    parameters: JsonMap = Field(
        default_factory=dict, description="Values of the pipeline's parameters in that run."
    )
    cell: JsonMap = Field(
        default_factory=dict,
        description="Values of the cell that it was trained for, where the step has any.",
    )


class ModelVersionSpec(SpecModel):
    """The immutable facts of one version."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule("self == oldSelf", "a model version is a record and cannot change; train a new one"),
    )

    model: Name40 = Field(description="Name of the model that this is a version of.")
    number: int = Field(ge=1, description="Number of the version; given once, never reused.")
    digest: Digest = Field(
        description="Digest of the model's artifact: ONNX bytes, signature and profile together."
    )
    format: Annotated[str, StringConstraints(max_length=32)] = Field(
        default="Onnx", description="How the bytes are stored, which decides what can serve them."
    )
    columns: int = Field(default=0, ge=0, description="Number of columns that the model takes.")
    metrics: Annotated[Mapping[str, float], MapLimits(properties=32)] = Field(
        default_factory=dict,
        description="Figures that the training step measured. Gates have their own, in status.decisions.",
    )
    lineage: Lineage = Field(description="Run, data, images and parameters that made it.")


class Decision(SpecModel):
    """A gate's verdict on this version."""

    step: Name40 = Field(description="Name of the validate step that gave the verdict.")
    cell: int = Field(
        default=0, ge=0, description="Number of the step's cell that gave it, where it has any."
    )
    run: Annotated[str, StringConstraints(max_length=63)] = Field(description="Run in which it decided.")
    run_uid: Annotated[str, StringConstraints(max_length=64)] = Field(
        default="", description="Uid of that object, which tells it from a later one of the same name."
    )
    verdict: Annotated[str, StringConstraints(max_length=16)] = Field(
        description="Pass, Fail or Inconclusive."
    )
    report: Annotated[str, StringConstraints(max_length=71)] = Field(
        default="", description="Digest of the artifact with the figures and plots behind the verdict."
    )
    metrics: Annotated[Mapping[str, float], MapLimits(properties=32)] = Field(
        default_factory=dict, description="The figures that were compared."
    )
    time: Annotated[str, StringConstraints(max_length=32)] = Field(
        description="When it decided, RFC 3339 in UTC."
    )


class ModelVersionStatus(SpecModel):
    """What has happened to this version since it was made."""

    observed_generation: int = Field(
        default=0, description="Generation of the spec that this status speaks of."
    )
    lifecycle: Lifecycle | None = Field(
        default=None,
        description="Candidate after training, Approved or Rejected by its gate, Production while served.",
    )
    reason: Annotated[str, StringConstraints(max_length=64)] = Field(
        default="", description="One word for why the lifecycle stands there."
    )
    message: Annotated[str, StringConstraints(max_length=1024)] = Field(
        default="", description="The same in a sentence."
    )
    decisions: Sequence[Decision] = Field(
        default=(), max_length=32, description="Verdicts of gates, oldest first."
    )
    endpoints: Sequence[Name45] = Field(
        default=(), max_length=32, description="Endpoints that serve this version now."
    )
