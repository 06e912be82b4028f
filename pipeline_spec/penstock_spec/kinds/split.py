"""split: cut a table into parts that share no row, the same way every time."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.base import (
    ColumnName,
    FromValue,
    Identifier,
    MapLimits,
    OutputRef,
    Rule,
    SpecModel,
    at_most_one,
)
from penstock_spec.kinds.container import Container

Fraction = Annotated[float, Field(gt=0, lt=1)]


class Split(SpecModel):
    """Assigns each row to a part by a salted hash, so the same row always lands in the same part."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (at_most_one("salt", "saltFrom"),)

    table: OutputRef = Field(description="The table to cut, as <step>.<output>: data.table")
    fractions: Annotated[Mapping[Identifier, Fraction], MapLimits(properties=8, key_length=40)] = Field(
        min_length=2,
        description="Share of rows per part; they must add up to 1. Each part becomes an output of this "
        "name.",
    )
    stratify_by: ColumnName | None = Field(
        default=None, description="Column whose values keep their shares in every part, usually the target."
    )
    entity: ColumnName | None = Field(
        default=None,
        description="Column that names an entity (patient, customer); rows of one entity stay in one part.",
    )
    salt: Annotated[str, StringConstraints(max_length=64)] = Field(
        default="", description="Text mixed into the hash; another salt cuts differently."
    )
    salt_from: FromValue | None = Field(
        default=None, description="The salt, from a parameter, result or cell, as text."
    )
    container: Container | None = Field(
        default=None,
        description="Your own program: reads /penstock/in/table, writes a table per part to "
        "/penstock/out/<part>.",
    )
