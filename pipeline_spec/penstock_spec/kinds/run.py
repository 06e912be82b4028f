"""run: any program in any image."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from penstock_spec.base import Identifier, ListMap, SpecModel
from penstock_spec.kinds.container import Container
from penstock_spec.values import ParameterType


class OutputType(StrEnum):
    """What an output is, so that it fits only where it belongs."""

    FILES = "Files"
    LIST = "List"
    TABLE = "Table"
    MODEL = "Model"


class Output(SpecModel):
    """One folder that the program writes."""

    name: Identifier = Field(
        description="Folder below /penstock/out, and the name in references: <step>.<name>"
    )
    type: OutputType = Field(
        default=OutputType.FILES,
        description="Files: anything. List: items.json, an array of at most 1,000 items for another step's "
        "forEach. Table: data.parquet or data.csv. Model: model.onnx and "
        "signature.json (docs/contract.md).",
    )


class DeclaredResult(SpecModel):
    """One small value that the program writes."""

    name: Identifier = Field(
        description="Key in /penstock/out/results.json, and the name in conditions: <step>.<name>"
    )
    type: ParameterType = Field(
        default=ParameterType.STRING,
        description="Type that the value must have; a text may have 256 characters.",
    )


class Run(Container):
    """Runs a container with files in and files out, and gives the outputs that it declares."""

    outputs: Annotated[tuple[Output, ...], ListMap()] = Field(
        default=(),
        max_length=32,
        description="What the program writes; an output that is missing fails the step.",
    )
    results: Annotated[tuple[DeclaredResult, ...], ListMap()] = Field(
        default=(),
        max_length=16,
        description="Small values in /penstock/out/results.json that other steps' when may ask for; one that "
        "is missing fails the step.",
    )
