"""A table as it lies in an artifact: data.parquet, schema.json (types and roles), profile.json (its shape in
figures).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from penstock_spec.contract import TABLE_CSV, TABLE_PARQUET, TABLE_PROFILE, TABLE_SCHEMA
from penstock_spec.kinds.ingest import ColumnType, Role
from penstock_steps.errors import invalid_result
from penstock_steps.profile import profile
from penstock_steps.workspace import write_json

SCHEMA_VERSION = 1
POLARS_TYPES: dict[ColumnType, pl.DataType] = {
    ColumnType.NUMBER: pl.Float64(),
    ColumnType.INTEGER: pl.Int64(),
    ColumnType.BOOLEAN: pl.Boolean(),
    ColumnType.STRING: pl.String(),
}
NUMERIC = frozenset({ColumnType.NUMBER, ColumnType.INTEGER})


@dataclass(frozen=True)
class TableColumn:
    """Name, type and role of a column."""

    name: str
    type: ColumnType
    role: Role = Role.FEATURE


@dataclass(frozen=True)
class Table:
    """Rows with their columns' types and roles. The frame's columns are in the order of `columns`."""

    frame: pl.DataFrame
    columns: Sequence[TableColumn]

    @property
    def features(self) -> list[TableColumn]:
        """The columns that reach the estimator, in order."""
        return [column for column in self.columns if column.role is Role.FEATURE]

    @property
    def target(self) -> TableColumn | None:
        """The column to predict, where one has that role."""
        return next((column for column in self.columns if column.role is Role.TARGET), None)

    def values(self, name: str) -> list[Any]:
        """The cells of a column as JSON values, None for a missing one."""
        return self.frame[name].to_list()


def write_table(table: Table, folder: Path) -> None:
    """Write the three files. The same table always gives the same bytes: fixed settings, no times."""
    table.frame.write_parquet(
        folder / TABLE_PARQUET,
        compression="zstd",
        compression_level=3,
        statistics=False,
        row_group_size=1 << 17,
        data_page_size=1 << 20,
    )
    columns = [{"name": one.name, "type": one.type, "role": one.role} for one in table.columns]
    write_json(folder / TABLE_SCHEMA, {"version": SCHEMA_VERSION, "columns": columns})
    write_json(folder / TABLE_PROFILE, profile(table.frame))


def read_table(folder: Path) -> Table:
    """The table that `write_table` wrote, or that was laid out as CSV for a user's program."""
    columns = read_schema(folder)
    frame = _scan(folder, columns).collect()
    if frame.columns != [column.name for column in columns]:
        raise invalid_result(f"{folder.name}: {TABLE_SCHEMA} and the data file name different columns")
    return Table(frame, columns)


def read_schema(folder: Path) -> list[TableColumn]:
    """Types and roles of the columns of the table in `folder`."""
    data = json.loads((folder / TABLE_SCHEMA).read_text(encoding="utf-8"))
    if data["version"] != SCHEMA_VERSION:
        raise invalid_result(
            f"{folder.name}: {TABLE_SCHEMA} has version {data['version']}, this release reads "
            f"{SCHEMA_VERSION}"
        )
    return [TableColumn(one["name"], ColumnType(one["type"]), Role(one["role"])) for one in data["columns"]]


def read_head(folder: Path, rows: int) -> Table:
    """The first rows of a table, without reading the rest."""
    columns = read_schema(folder)
    return Table(_scan(folder, columns).head(rows).collect(), columns)


def read_target_table(folder: Path) -> Table:
    """The table with only the cells of its target, one row per different value (and null): for its labels."""
    columns = read_schema(folder)
    targets = [column.name for column in columns if column.role is Role.TARGET]
    return Table(_scan(folder, columns).select(targets).unique().collect(), columns)


def _scan(folder: Path, columns: Sequence[TableColumn]) -> pl.LazyFrame:
    if (folder / TABLE_PARQUET).exists():
        return pl.scan_parquet(folder / TABLE_PARQUET)
    types = {column.name: POLARS_TYPES[column.type] for column in columns}
    return pl.scan_csv(folder / TABLE_CSV, schema=types)
