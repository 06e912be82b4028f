"""A table that a user's program wrote, as CSV or Parquet, brought into the form that all tables have."""

from pathlib import Path

from penstock_spec.contract import TABLE_CSV, TABLE_PARQUET, TABLE_SCHEMA
from penstock_spec.kinds.ingest import Column, Csv, TableSchema
from penstock_steps.conform import conform
from penstock_steps.errors import StepError, invalid_result
from penstock_steps.problems import summary
from penstock_steps.raw import read_csv, read_parquet
from penstock_steps.tables import read_schema, write_table


def normalise(folder: Path, target: Path, schema_of: Path | None = None) -> Path:
    """Write the table in `folder` to `target` as data.parquet, schema.json, profile.json, and give `target`.

    Types and roles come from schema.json beside the data, else from the table in `schema_of`, else they are
    inferred from all rows (every column a Feature). InvalidResult when rows do not have those types.
    """
    shown = f"/penstock/out/{folder.name}"
    try:
        parquet = folder / TABLE_PARQUET
        raw = read_parquet(parquet) if parquet.is_file() else read_csv(folder / TABLE_CSV, Csv())
    except StepError as error:
        raise invalid_result(f"{shown}: {error.message}") from error
    conformed = conform(raw, _schema(folder, schema_of))
    if conformed.problems:
        raise invalid_result(summary(conformed.problems, shown))
    write_table(conformed.table, target)
    return target


def _schema(folder: Path, schema_of: Path | None) -> TableSchema:
    described = folder if (folder / TABLE_SCHEMA).is_file() else schema_of
    if described is None:
        return TableSchema()
    try:
        columns = read_schema(described)
    except (ValueError, KeyError, TypeError) as error:
        raise invalid_result(
            f"/penstock/out/{folder.name}/{TABLE_SCHEMA} is not of the form that docs/contract.md shows"
        ) from error
    return TableSchema(columns=[Column(name=one.name, type=one.type, role=one.role) for one in columns])
