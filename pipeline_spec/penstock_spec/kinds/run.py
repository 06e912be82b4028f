"""run: any program in any image."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from penstock_spec.base import Identifier, ListMap, SpecModel
from penstock_spec.kinds.container import Container


class OutputType(StrEnum):
    """What an output is, so that it fits only where it belongs."""

    FILES = "Files"
    TABLE = "Table"
    MODEL = "Model"


class Output(SpecModel):
    """One folder that the program writes."""

    name: Identifier = Field(
        description="Folder below /penstock/out, and the name in references: <step>.<name>"
    )
    type: OutputType = Field(
        default=OutputType.FILES,
        description="Files: anything. Table: data.parquet or data.csv. Model: model.onnx and "
        "signature.json (docs/contract.md).",
    )


class Run(Container):
    """Runs a container with files in and files out, and gives the outputs that it declares."""

    outputs: Annotated[tuple[Output, ...], ListMap()] = Field(
        default=(),
        max_length=32,
        description="What the program writes; an output that is missing fails the step.",
    )
