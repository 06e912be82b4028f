"""ingest: bring a table in, hold it to its schema, check it, profile it.

Everything that is wrong is found before anything is said: one failed run shows all there is to mend.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from penstock_artifacts.store import Store
from penstock_spec.contract import TABLE_CSV, TABLE_PARQUET, Result, Task
from penstock_spec.kinds.ingest import Check, Ingest
from penstock_steps import source
from penstock_steps.conform import conform
from penstock_steps.errors import user_error
from penstock_steps.problems import Problem, ordered, shown, summary, table_problem
from penstock_steps.raw import read_csv, read_parquet
from penstock_steps.tables import Table, write_table
from penstock_steps.workspace import Workspace, say

_OUTPUT = "table"


def run(task: Task, workspace: Workspace, store: Store) -> Result:
    """Read the source and write the output `table`; or find that the source is what an earlier run
    has read.
    """
    where = task.arguments["source"]
    if task.known is not None and source.revision(where, workspace) == task.known.source_revision:
        if all(store.holds(digest) for digest in task.known.outputs.values()):
            return Result(
                outputs=dict(task.known.outputs),
                unchanged=True,
                source_revision=task.known.source_revision,
                message=f"the source has not changed since {task.known.run}",
            )
        say(
            f"the source has not changed since {task.known.run}, but its table is no longer in the "
            "store: reading again"
        )
    folder = workspace.fresh(workspace.scratch)
    fetched = source.fetch(where, workspace, folder)
    say(f"read {fetched.path.stat().st_size} bytes, revision {fetched.revision}")
    ingest = Ingest.model_validate(task.arguments)
    result = accept(read_csv(fetched.path, ingest.csv), ingest, workspace.output(_OUTPUT))
    workspace.fresh(folder)
    return replace(result, source_revision=fetched.revision)


def accept(raw: pl.DataFrame, ingest: Ingest, folder: Path) -> Result:
    """Hold `raw` to schema and checks and write the table to `folder`. UserError with all problems
    at once.
    """
    conformed = conform(raw, ingest.schema_)
    table = conformed.table
    problems = [*conformed.problems, *_check_all(raw.select(table.frame.columns), ingest.checks)]
    if problems:
        for words in ordered(problems):
            say(f"problem: {words}")
        raise user_error(summary(problems, f"{raw.height:,} rows read"))
    if not table.columns:
        raise user_error("no column is left: name columns in schema.columns, or set otherColumns: Infer")
    write_table(table, folder)
    for column in table.columns:
        say(f"column {shown(column.name)}: {column.type}, {column.role}")
    metrics = {"rows": float(table.frame.height), "columns": float(len(table.columns))}
    return Result(metrics=metrics, message=_words(table))


def read_written(folder: Path, ingest: Ingest) -> pl.DataFrame:
    """The table that a user's program wrote to `folder` as data.parquet or data.csv, before any rule."""
    parquet = folder / TABLE_PARQUET
    return read_parquet(parquet) if parquet.exists() else read_csv(folder / TABLE_CSV, ingest.csv)


def _words(table: Table) -> str:
    target = table.target
    aimed = f", target {shown(target.name)}" if target else ""
    return f"{table.frame.height:,} rows, {len(table.columns)} columns{aimed}"


def _check_all(raw: pl.DataFrame, checks: Sequence[Check]) -> list[Problem]:
    return [problem for check in checks for problem in _check(raw, check)]


def _check(raw: pl.DataFrame, check: Check) -> list[Problem]:
    rows = raw.height
    if check.rows is not None:
        return _check_rows(rows, check.rows.minimum, check.rows.maximum)
    if check.nulls is not None and rows and raw.columns:
        counts = {name: raw[name].null_count() for name in raw.columns}
        worst = max(counts, key=lambda name: counts[name])
        return _check_ratio(
            counts[worst],
            rows,
            check.nulls.maximum_ratio,
            f"column {shown(worst)}: {{}} of {{}} values are missing",
        )
    if check.duplicates is not None and rows and raw.columns:
        repeated = rows - raw.n_unique()
        return _check_ratio(
            repeated, rows, check.duplicates.maximum_ratio, "{} of {} rows repeat an earlier row"
        )
    return []


def _check_rows(rows: int, minimum: int | None, maximum: int | None) -> list[Problem]:
    if minimum is not None and rows < minimum:
        return [table_problem(f"{rows:,} rows, needs at least {minimum:,}")]
    if maximum is not None and rows > maximum:
        return [table_problem(f"{rows:,} rows, needs at most {maximum:,}")]
    return []


def _check_ratio(count: int, rows: int, maximum: float, words: str) -> list[Problem]:
    if count <= maximum * rows:
        return []
    said = words.format(f"{count:,}", f"{rows:,}")
    return [table_problem(f"{said} ({count / rows:.1%}), needs at most {maximum:.1%}")]
