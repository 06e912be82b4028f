"""pipeline: another pipeline as a step. Its run belongs to the run that has the step, and ends with it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from penstock_spec.base import (
    FromParameter,
    Identifier,
    JsonMap,
    ListMap,
    MapLimits,
    Name40,
    OutputRef,
    SpecModel,
)
from penstock_spec.values import ParameterType

# How deep pipelines may lie within each other; the outermost counts. What contains itself ends here.
MAX_DEPTH = 5


class ChildOutputType(StrEnum):
    """What an output of the child is."""

    FILES = "Files"
    TABLE = "Table"
    MODEL = "Model"
    REPORT = "Report"


class ChildOutput(SpecModel):
    """An output of one of the child's steps, given on as one of this step."""

    name: Identifier = Field(description="Its name here, in references: <step>.<name>")
    from_: OutputRef = Field(
        alias="from", description="Step of the child and its output, as <step>.<output>: fit.model"
    )
    type: ChildOutputType = Field(
        default=ChildOutputType.FILES,
        description="Type that the child declares for it; another one fails the step.",
    )


class ChildResult(SpecModel):
    """A small value that one of the child's steps leaves, given on as one of this step."""

    name: Identifier = Field(description="Its name here, in conditions: <step>.<name>")
    from_: OutputRef = Field(
        alias="from", description="Step of the child and its result, as <step>.<result>: probe.rows"
    )
    type: ParameterType = Field(
        default=ParameterType.STRING,
        description="Type that the child declares for it; another one fails the step.",
    )


class Child(SpecModel):
    """Runs another pipeline as one step: its run goes on, is held and ends with this one."""

    name: Name40 = Field(
        description="Pipeline in the same namespace. It is frozen when its run begins, like that of any run."
    )
    parameters: JsonMap = Field(
        default_factory=dict,
        description="Values of parameters that it declares; the rest take their defaults. {trees: 500}",
    )
    parameters_from: Annotated[
        Mapping[Identifier, FromParameter], MapLimits(properties=64, key_length=40)
    ] = Field(
        default_factory=dict,
        description="Those whose values come from parameters of this pipeline. Example: {rounds: {parameter: "
        "trees}}.",
    )
    outputs: Annotated[tuple[ChildOutput, ...], ListMap()] = Field(
        default=(),
        max_length=32,
        description="What of its outputs other steps here may take; one that is missing fails the step.",
    )
    results: Annotated[tuple[ChildResult, ...], ListMap()] = Field(
        default=(),
        max_length=16,
        description="What of its small results other steps' when may ask for; one that is missing fails the "
        "step.",
    )
