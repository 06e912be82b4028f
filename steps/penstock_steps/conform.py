"""Holds a frame to a declared schema, and infers what is not declared, over all rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from penstock_spec.kinds.ingest import Column, ColumnType, Nulls, OtherColumns, Role, TableSchema
from penstock_steps.cells import read
from penstock_steps.problems import Problem, columns_problem, did_you_mean, shown, value_problem
from penstock_steps.tables import NUMERIC, Table, TableColumn

_READABLE = {
    ColumnType.NUMBER: "not a finite Number",
    ColumnType.INTEGER: "not an Integer of 64 bits",
    ColumnType.BOOLEAN: "not a Boolean (true, false, 1, 0, yes, no)",
    ColumnType.STRING: "not text",
}


@dataclass(frozen=True)
class Conformed:
    """The typed table, with null where a cell could not be read, and everything that is wrong with it."""

    table: Table
    problems: Sequence[Problem]


def conform(raw: pl.DataFrame, schema: TableSchema) -> Conformed:
    """The frame (texts, or typed) as a table in the file's order of columns, and all violations
    with counts.
    """
    declared = {column.name: column for column in schema.columns}
    problems = _missing(raw, declared) + _others(raw, schema, declared)
    targets = [column.name for column in schema.columns if column.role is Role.TARGET]
    if len(targets) > 1:
        problems.append(columns_problem(f"columns {', '.join(map(shown, targets))} are all Target; keep one"))
    columns: list[TableColumn] = []
    cells: list[pl.Series] = []
    for name in raw.columns:
        rule = declared.get(name)
        if rule is None and schema.other_columns is not OtherColumns.INFER:
            continue
        series, column = _inferred(raw[name]) if rule is None else (read(raw[name], rule.type), _column(rule))
        if rule is not None:
            problems += _violations(raw[name], series, rule)
        columns.append(column)
        cells.append(series)
    return Conformed(Table(pl.DataFrame(cells), columns), problems)


def _column(rule: Column) -> TableColumn:
    return TableColumn(rule.name, rule.type, rule.role)


def _missing(raw: pl.DataFrame, declared: dict[str, Column]) -> list[Problem]:
    spare = [name for name in raw.columns if name not in declared]
    missing = [
        columns_problem(f"column {shown(name)} is missing{did_you_mean(name, spare)}")
        for name in declared
        if name not in raw.columns
    ]
    other = next((one for one in ";|," if len(raw.columns) == 1 and one in raw.columns[0]), "")
    if missing and other:
        words = f"the file has only one column and {other!r} in its name: is that csv.delimiter?"
        missing.insert(0, columns_problem(words))
    return missing


def _others(raw: pl.DataFrame, schema: TableSchema, declared: dict[str, Column]) -> list[Problem]:
    if schema.other_columns is not OtherColumns.REFUSE:
        return []
    return [
        columns_problem(f"column {shown(name)} is not in the schema{did_you_mean(name, list(declared))}")
        for name in raw.columns
        if name not in declared
    ]


def _inferred(series: pl.Series) -> tuple[pl.Series, TableColumn]:
    """The narrowest type that reads all cells. A column without any value is kept, but is no feature."""
    if series.null_count() == len(series):
        return series.cast(pl.String), TableColumn(series.name, ColumnType.STRING, Role.IGNORE)
    if series.dtype != pl.String:
        by_type = {
            pl.Int64: ColumnType.INTEGER,
            pl.Float64: ColumnType.NUMBER,
            pl.Boolean: ColumnType.BOOLEAN,
        }
        type_ = by_type[type(series.dtype)]
        return series, TableColumn(series.name, type_)
    for type_ in (ColumnType.BOOLEAN, ColumnType.INTEGER, ColumnType.NUMBER):
        typed = read(series, type_)
        words = series.str.to_lowercase().is_in(("true", "false")).all()
        if typed.null_count() == series.null_count() and (type_ is not ColumnType.BOOLEAN or words):
            return typed, TableColumn(series.name, type_)
    return series, TableColumn(series.name, ColumnType.STRING)


def _violations(raw: pl.Series, series: pl.Series, rule: Column) -> list[Problem]:
    found = [(series.is_null() & raw.is_not_null(), _READABLE[rule.type])]
    if rule.nulls is Nulls.REFUSE:
        found.append((raw.is_null(), "missing"))
    if rule.type in NUMERIC:
        if rule.minimum is not None:
            found.append((series < rule.minimum, f"below the minimum {rule.minimum:g}"))
        if rule.maximum is not None:
            found.append((series > rule.maximum, f"above the maximum {rule.maximum:g}"))
    if rule.values and rule.type is ColumnType.STRING:
        found.append((series.is_in(list(rule.values)).not_(), "not one of the allowed texts"))
    if rule.unique:
        found.append((series.is_not_null() & series.is_first_distinct().not_(), "the same as an earlier one"))
    rows = ((wrong.fill_null(value=False).arg_true() + 1, words) for wrong, words in found)
    return [value_problem(rule.name, len(wrong), int(wrong[0]), words) for wrong, words in rows if len(wrong)]
