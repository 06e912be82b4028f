"""publish: hold what a user's program wrote to what its step promises, and store it.

A step whose program was replaced keeps its checks: an ingest its schema, a split the proof that no row is in
two parts, a train signature, profile and a model that answers, a validate its thresholds.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from penstock_artifacts.errors import ArtifactCorrupt
from penstock_artifacts.store import Store
from penstock_spec import contract
from penstock_spec.contract import MODEL_ONNX, TABLE_CSV, TABLE_PARQUET, Result, Task
from penstock_steps import items, written
from penstock_steps.errors import invalid_result
from penstock_steps.layout import read_revision
from penstock_steps.storing import put
from penstock_steps.workspace import Workspace, say

# What is stored for each output: the folder of the program itself, or what was made of it.
Folders = Mapping[str, Path]
Publisher = Callable[[Task, Workspace], tuple[Result, Folders]]


def publish(task: Task, workspace: Workspace, store: Store) -> Result:
    """Check and store every output of the step; gives what stands in the termination message."""
    workspace.fresh(workspace.scratch)
    result, folders = _PUBLISHERS[task.kind](task, workspace)
    result = replace(result, results=written.read_results(workspace.results_file))
    digests = {}
    for name, type_ in task.outputs.items():
        try:
            digests[name] = put(store, folders[name], type_)
        except ArtifactCorrupt as error:
            raise invalid_result(f"{contract.OUT}/{name}: {error}") from error
        say(f"stored {name}: {digests[name]}")
    workspace.fresh(workspace.scratch)
    return replace(result, outputs=digests)


def _run(task: Task, workspace: Workspace) -> tuple[Result, Folders]:
    folders = {}
    for name, type_ in task.outputs.items():
        folder = workspace.output(name)
        if type_ == "Table":
            folders[name] = _table(workspace, name)
        elif type_ == "Model":
            from penstock_steps.written_model import check_described  # noqa: PLC0415 - only models need it

            written.require(folder, name, MODEL_ONNX)
            folders[name] = folder
            check_described(folder, name)
        else:
            written.require(folder, name)
            folders[name] = folder
    counts = {name: items.count_of(folders[name]) for name, type_ in task.outputs.items() if type_ == "List"}
    return Result(metrics=written.read_metrics(workspace.metrics_file), counts=counts), folders


def _table(workspace: Workspace, name: str) -> Path:
    from penstock_steps.written_table import normalise  # noqa: PLC0415 - files and models need no data frames

    written.require(workspace.output(name), name, TABLE_PARQUET, TABLE_CSV)
    return normalise(workspace.output(name), workspace.fresh(workspace.scratch / name))


def _ingest(task: Task, workspace: Workspace) -> tuple[Result, Folders]:
    from penstock_spec.kinds.ingest import Ingest  # noqa: PLC0415 - loaded where needed
    from penstock_steps.ingest import accept, read_written  # noqa: PLC0415 - the same

    folder, target = workspace.output("table"), workspace.fresh(workspace.scratch / "table")
    written.require(folder, "table", TABLE_PARQUET, TABLE_CSV)
    ingest = Ingest.model_validate(task.arguments)
    result = accept(read_written(folder, ingest), ingest, target)
    return replace(result, source_revision=read_revision(workspace)), {"table": target}


def _split(task: Task, workspace: Workspace) -> tuple[Result, Folders]:
    from penstock_spec.kinds.split import Split  # noqa: PLC0415 - loaded where needed
    from penstock_steps.split import measure  # noqa: PLC0415 - the same
    from penstock_steps.written_table import normalise  # noqa: PLC0415 - the same

    folders = {}
    for name in task.outputs:
        written.require(workspace.output(name), name, TABLE_PARQUET, TABLE_CSV)
        target = workspace.fresh(workspace.scratch / name)
        folders[name] = normalise(workspace.output(name), target, schema_of=workspace.input("table"))
    return measure(folders, Split.model_validate(task.arguments)), folders


def _train(task: Task, workspace: Workspace) -> tuple[Result, Folders]:
    from penstock_steps.written_model import describe_model  # noqa: PLC0415 - loaded where needed

    written.require(workspace.output("model"), "model", MODEL_ONNX)
    folder = workspace.fresh(workspace.scratch / "model")
    written.copy_files(workspace.output("model"), folder)
    signature = describe_model(folder, str(task.arguments["model"]), workspace.input("train"))
    result = Result(
        metrics=written.read_metrics(workspace.metrics_file),
        columns=len(signature.inputs),
        message=f"{signature.task} model of {len(signature.inputs)} columns, written by the step's "
        "own program",
    )
    return result, {"model": folder}


def _validate(task: Task, workspace: Workspace) -> tuple[Result, Folders]:
    from penstock_steps.written_figures import judge_figures  # noqa: PLC0415 - loaded where needed

    folder = workspace.fresh(workspace.scratch / "report")
    if workspace.output("report").is_dir():
        written.copy_files(workspace.output("report"), folder)
    return judge_figures(task, workspace, folder), {"report": folder}


_PUBLISHERS: Mapping[str, Publisher] = {
    "run": _run,
    "ingest": _ingest,
    "split": _split,
    "train": _train,
    "validate": _validate,
}
