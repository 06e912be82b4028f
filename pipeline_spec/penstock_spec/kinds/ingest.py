"""ingest: bring a table in, hold it to a schema, check it, and profile it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.base import (
    ColumnName,
    FromValue,
    ListMap,
    ObjectName,
    Rule,
    SpecModel,
    exactly_one,
)
from penstock_spec.kinds.container import Container

ObjectKey = Annotated[
    str, StringConstraints(pattern=r"^[^/\x00-\x1f\x7f][^\x00-\x1f\x7f]*$", min_length=1, max_length=1024)
]
ConfigKey = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)]


class ObjectSource(SpecModel):
    """An object in a bucket that a named connection describes."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (exactly_one("key", "keyFrom"),)

    connection: ObjectName = Field(
        description="ConfigMap labelled penstock.dev/connection; a Secret of the same name holds the "
        "credentials."
    )
    key: ObjectKey | None = Field(
        default=None, description="Key of the object in the connection's bucket: sales/2026.csv"
    )
    key_from: FromValue | None = Field(default=None, description="The key, from a parameter, result or cell.")


class ConfigMapSource(SpecModel):
    """A key of a ConfigMap in the pipeline's namespace; for small tables (the API holds at most 1 MiB)."""

    name: ObjectName = Field(
        description="ConfigMap in the same namespace, mounted read-only into the step's pod."
    )
    key: ConfigKey = Field(description="Key inside that ConfigMap under which the file's text stands.")


class Source(SpecModel):
    """Where the bytes come from."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (exactly_one("object", "configMap"),)

    object: ObjectSource | None = Field(
        default=None, description="Read from an S3-compatible bucket by named connection."
    )
    config_map: ConfigMapSource | None = Field(
        default=None, description="Read from a ConfigMap of the same namespace."
    )


class Format(StrEnum):
    """How the bytes are laid out."""

    CSV = "Csv"


class Csv(SpecModel):
    """Details of a CSV file; the first line always names the columns."""

    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] = Field(
        default=",", description="One character between two fields."
    )
    null_values: tuple[Annotated[str, StringConstraints(max_length=64)], ...] = Field(
        default=("", "NA", "null"), max_length=16, description="Texts that stand for a missing value."
    )


class ColumnType(StrEnum):
    """What a value of the column is. Number is a 64-bit float, Integer a 64-bit integer."""

    NUMBER = "Number"
    INTEGER = "Integer"
    BOOLEAN = "Boolean"
    STRING = "String"


class Role(StrEnum):
    """What the column is for. Only Features reach the estimator."""

    FEATURE = "Feature"
    TARGET = "Target"
    IDENTIFIER = "Identifier"
    IGNORE = "Ignore"


class Nulls(StrEnum):
    """Whether a value may be missing."""

    ALLOW = "Allow"
    REFUSE = "Refuse"


class Column(SpecModel):
    """What must hold for one column; every violation is reported with its count."""

    name: ColumnName = Field(
        description="Header of the column exactly as in the file: mean_radius. Quote y, n, yes, no, on, off "
        "and figures, which YAML takes for other things."
    )
    type: ColumnType = Field(
        description="Type that every value must have; a value that cannot be read so is a violation."
    )
    role: Role = Field(
        default=Role.FEATURE, description="What the column is for: at most one Target per table."
    )
    minimum: float | None = Field(
        default=None, description="Smallest allowed value of a Number or Integer column."
    )
    maximum: float | None = Field(
        default=None, description="Largest allowed value of a Number or Integer column."
    )
    values: tuple[Annotated[str, StringConstraints(max_length=128)], ...] = Field(
        default=(),
        max_length=256,
        description="The only texts that a String column may hold. Empty means any.",
    )
    nulls: Nulls = Field(default=Nulls.ALLOW, description="Refuse makes each missing value a violation.")
    unique: bool = Field(default=False, description="True makes each repeated value a violation.")


class OtherColumns(StrEnum):
    """What happens to columns of the file that the schema does not name."""

    INFER = "Infer"
    DROP = "Drop"
    REFUSE = "Refuse"


class TableSchema(SpecModel):
    """The columns that the table must have. Types of unnamed columns are inferred from all rows."""

    columns: Annotated[Sequence[Column], ListMap()] = Field(
        default=(),
        max_length=1000,
        description="Columns that must be present, each with type, role and limits.",
    )
    other_columns: OtherColumns = Field(
        default=OtherColumns.INFER,
        description="Columns not named above: kept as inferred features, dropped, or refused.",
    )


class RowsCheck(SpecModel):
    """How many rows the table must have."""

    minimum: int | None = Field(default=None, ge=0, description="Fewer rows than this fail the step.")
    maximum: int | None = Field(default=None, ge=0, description="More rows than this fail the step.")


class RatioCheck(SpecModel):
    """The largest share that is tolerated."""

    maximum_ratio: float = Field(ge=0, le=1, description="Largest tolerated share, from 0 (none) to 1 (all).")


class Check(SpecModel):
    """One condition on the whole table."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (exactly_one("rows", "nulls", "duplicates"),)

    rows: RowsCheck | None = Field(default=None, description="Bounds on the number of rows after reading.")
    nulls: RatioCheck | None = Field(
        default=None, description="Share of missing values, in the worst column."
    )
    duplicates: RatioCheck | None = Field(
        default=None, description="Share of rows that repeat an earlier row exactly."
    )


class Ingest(SpecModel):
    """Reads a table, enforces or infers its schema, checks it, and gives `table`."""

    source: Source = Field(description="Where the table's bytes lie: exactly one of object, configMap.")
    format: Format = Field(default=Format.CSV, description="Layout of the bytes.")
    csv: Csv = Field(default_factory=Csv, description="Delimiter and null texts of a CSV file.")
    schema_: TableSchema = Field(
        default_factory=TableSchema,
        alias="schema",
        description="Columns that must be there, with types and roles; the rest is inferred.",
    )
    checks: tuple[Check, ...] = Field(
        default=(),
        max_length=16,
        description="Conditions on the whole table; all violations are reported at once.",
    )
    container: Container | None = Field(
        default=None,
        description="Your own program: reads /penstock/in/source, writes /penstock/out/table/data.csv or "
        "data.parquet; "
        "schema and checks are then enforced on what it wrote.",
    )
