"""fetch, after the inputs have arrived: lay everything out as a user's program expects to find it.

/penstock/in/<name>/        inputs; tables as data.parquet or data.csv; not to be written to
/penstock/in/source/        of an ingest: the file that it is to read, under its own name
/penstock/arguments.json    the arguments that the pipeline gives
/penstock/run.json          of a step that always runs: how the run has gone
/penstock/in/previous/<name>/  of an iteration: output <name> of the one before; absent in the first
/penstock/in/<name>/<n>/    of an input that is gathered: the artifact of cell n, beside index.json
/penstock/item.json         of a cell of a step with forEach: its item
/penstock/out/<name>/       empty folders, writable for whatever user the program runs as
"""

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock_spec import contract
from penstock_spec.contract import TABLE_CSV, TABLE_PARQUET, Task
from penstock_steps import items, source
from penstock_steps.workspace import Workspace, say, write_json

SOURCE_INPUT = "source"
_EVERYBODY = 0o777


def program_of(task: Task) -> Mapping[str, Any]:
    """The container's settings: a `run` is one itself, the other kinds have one below `container`."""
    return task.arguments if task.kind == "run" else task.arguments["container"]


def prepare(task: Task, workspace: Workspace) -> None:
    """Write arguments.json, bring tables into the wanted format, fetch an ingest's source, make the outputs'
    folders.
    """
    program = program_of(task)
    write_json(workspace.arguments_file, program.get("arguments", {}))
    workspace.arguments_file.chmod(0o644)
    outcome = workspace.environment.get(contract.RUN_VARIABLE)
    if outcome is not None:
        workspace.run_file.write_text(outcome, encoding="utf-8")
        workspace.run_file.chmod(0o644)
    for name, one in task.inputs.items():
        if one.type == "Table" and program.get("tables") == "Csv":
            for folder in items.folders_of(one, workspace.input(name)):
                _to_csv(folder)
    if task.kind == "ingest":
        fetched = source.fetch(
            task.arguments["source"], workspace, workspace.fresh(workspace.input(SOURCE_INPUT))
        )
        write_json(workspace.source_note, {"revision": fetched.revision})
        say(f"fetched the source: {fetched.path.stat().st_size} bytes, revision {fetched.revision}")
    _seal(workspace)
    out = workspace.fresh(workspace.out)
    out.chmod(_EVERYBODY)
    for name in task.outputs:
        workspace.output(name).mkdir()
        workspace.output(name).chmod(_EVERYBODY)


def read_revision(workspace: Workspace) -> str:
    """The revision of the source that `prepare` fetched."""
    return str(json.loads(workspace.source_note.read_text(encoding="utf-8"))["revision"])


def _to_csv(folder: Path) -> None:
    """Replace data.parquet by data.csv without holding the table in memory. A missing value is an empty
    field.
    """
    import polars as pl  # noqa: PLC0415 - most fetches need no data frames, and start faster without

    pl.scan_parquet(folder / TABLE_PARQUET).sink_csv(folder / TABLE_CSV)
    (folder / TABLE_PARQUET).unlink()


def _seal(workspace: Workspace) -> None:
    """Make the inputs readable for every user and writable for none: a program that writes there errs."""
    top = workspace.input("")
    if not top.exists():
        return
    for path in sorted(top.rglob("*"), reverse=True):
        mode = 0o555 if path.is_dir() else 0o444
        path.chmod(stat.S_IMODE(mode))
