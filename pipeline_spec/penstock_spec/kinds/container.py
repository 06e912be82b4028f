"""A user's own program in a container: image, command, environment, inputs. No SDK: files in, files out."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.base import (
    FromParameter,
    Identifier,
    ImageRef,
    JsonMap,
    ListMap,
    MapLimits,
    Name40,
    OutputRef,
    Rule,
    SpecModel,
    at_most_one,
    exactly_one,
)
from penstock_spec.registered import RegisteredInput

Argument = Annotated[str, StringConstraints(max_length=4096)]
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", min_length=1, max_length=128)]
SecretKey = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)]


class SecretValue(SpecModel):
    """One key of a declared Secret."""

    name: Name40 = Field(description="Alias of the Secret as declared in spec.secrets.")
    key: SecretKey = Field(
        description="Key inside that Secret. The kubelet reads it; the operator never does."
    )


class EnvVar(SpecModel):
    """One environment variable of the program."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (exactly_one("value", "valueFrom", "secret"),)

    name: EnvName = Field(
        description="Name of the variable. Names that start with PENSTOCK_ are ours and refused."
    )
    value: Argument | None = Field(
        default=None, description="Its literal value; never expanded or templated."
    )
    value_from: FromParameter | None = Field(
        default=None, description="Its value is this parameter's, as text."
    )
    secret: SecretValue | None = Field(default=None, description="Its value comes from a declared Secret.")


class TableFormat(StrEnum):
    """How an input table lies in the folder that the program reads."""

    PARQUET = "Parquet"
    CSV = "Csv"


class Container(SpecModel):
    """The program that does a step's work in place of the built-in one."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("image", "imageFrom"),
        at_most_one("runAsUser", "useImageUser"),
    )

    image: ImageRef | None = Field(
        default=None,
        description="Image to run, e.g. ghcr.io/acme/train:1.4. Without a tag, or with :latest, the step is "
        "never reused.",
    )
    image_from: FromParameter | None = Field(default=None, description="The image is this parameter's value.")
    command: tuple[Argument, ...] = Field(
        default=(),
        max_length=64,
        description="Replaces the image's entry point. Never passed through a shell.",
    )
    args: tuple[Argument, ...] = Field(
        default=(),
        max_length=64,
        description="Arguments after the command, or after the image's entry point.",
    )
    env: Annotated[tuple[EnvVar, ...], ListMap()] = Field(
        default=(), max_length=64, description="Environment variables beside those that the contract sets."
    )
    inputs: Annotated[Mapping[Identifier, OutputRef], MapLimits(properties=32, key_length=40)] = Field(
        default_factory=dict,
        description="Outputs of other steps, each readable in the folder /penstock/in/<name>. "
        "Example: {rows: split.train}. A built-in kind's own inputs are there without being named.",
    )
    inputs_from: Annotated[Mapping[Identifier, RegisteredInput], MapLimits(properties=8, key_length=40)] = (
        Field(
            default_factory=dict,
            description="Models of the registry, each readable in the folder /penstock/in/<name>. "
            "Example: {champion: {registered: {model: tumour, lifecycle: Production}}}.",
        )
    )
    arguments: JsonMap = Field(
        default_factory=dict,
        description="Any JSON values, given as PENSTOCK_ARG_<NAME> and in /penstock/arguments.json. Null is "
        "refused.",
    )
    arguments_from: Annotated[Mapping[Identifier, FromParameter], MapLimits(properties=32, key_length=40)] = (
        Field(
            default_factory=dict,
            description="Arguments whose values come from parameters. Example: {rounds: {parameter: trees}}.",
        )
    )
    tables: TableFormat = Field(
        default=TableFormat.PARQUET,
        description="Format in which input tables are laid out: data.parquet or data.csv, beside "
        "schema.json.",
    )
    run_as_user: int | None = Field(
        default=None,
        ge=1,
        le=2147483647,
        description="Numeric user to run as; root is never allowed. Without it, 65532.",
    )
    use_image_user: bool = Field(
        default=False,
        description="Run as the user that the image names. An image that names root is refused.",
    )
