"""The ways in which our image takes part in a step, and how each one ends.

    run       fetch the inputs, do the built-in work, store the outputs: one process
    fetch     lay the inputs out for a user's program
    probe     look at what a trigger watches and say its revision; without the store
    publish   check and store what a user's program wrote

Exit code 0 with a Result in the termination message, or 1 with a Failure. A fault of our own leaves no
message: the kubelet then takes the last lines of the log, which name the exception and where it happened.
"""

import errno
import importlib
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from penstock_artifacts.errors import ArtifactCorrupt, ArtifactMissing, StoreUnavailable
from penstock_artifacts.store import Store, store_from
from penstock_spec import contract
from penstock_spec.contract import FOR_EACH, Failure, Input, Result, Task
from penstock_spec.names import FailureClass
from penstock_steps import items
from penstock_steps.errors import StepError, invalid_result
from penstock_steps.storing import put
from penstock_steps.workspace import Workspace, say

# Imported only when asked for: fetch and publish of files must start without data frames and scikit-learn.
_BUILT_IN = {
    "archive": "penstock_steps.archive",
    "ingest": "penstock_steps.ingest",
    "monitor": "penstock_steps.monitor",
    "split": "penstock_steps.split",
    "sweep": "penstock_steps.sweep",
    "train": "penstock_steps.train",
    "validate": "penstock_steps.validate",
}


def execute(mode: str, workspace: Workspace) -> int:
    """Do `mode` (run, fetch, publish) for the Task in the workspace's environment; gives the exit code."""
    try:
        task = _task(workspace)
        outcome: Result | Failure | None = _MODES[mode](task, workspace)
        if outcome is not None:
            _tell(workspace, _encoded(outcome))
    except StepError as error:
        return _fail(workspace, Failure(error.failure_class, error.message, error.inputs, error.cells))
    except StoreUnavailable as error:
        return _fail(workspace, Failure(FailureClass.STORE_UNAVAILABLE, str(error)))
    except (ArtifactMissing, ArtifactCorrupt) as error:
        return _fail(workspace, Failure(FailureClass.INVALID_RESULT, str(error)))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            _confess(error)
            return 1
        return _fail(
            workspace, Failure(FailureClass.OUT_OF_DISK, "the node's disk or the pod's scratch space is full")
        )
    except MemoryError:
        return _fail(workspace, Failure(FailureClass.OUT_OF_MEMORY, "the program could not get more memory"))
    except Exception as error:  # noqa: BLE001 - the rim: whatever it is must not print values of rows
        _confess(error)
        return 1
    return 0


def _task(workspace: Workspace) -> Task:
    try:
        return Task.from_json(workspace.environment[contract.TASK_VARIABLE], workspace.environment)
    except ValueError as error:
        raise StepError(FailureClass.INVALID_CONTAINER, str(error)) from error


def _run(task: Task, workspace: Workspace) -> Result:
    store = store_from(workspace.environment, task.namespace)
    _fetch_inputs(task, workspace, store)
    for name in task.outputs:
        workspace.fresh(workspace.output(name))
    module = importlib.import_module(_BUILT_IN[task.kind])
    work: Callable[[Task, Workspace, Store], Result] = module.run
    result = work(task, workspace, store)
    say(result.message)
    if result.unchanged:
        return result
    return replace(result, outputs=store_outputs(task, workspace, store))


def store_outputs(task: Task, workspace: Workspace, store: Store) -> Mapping[str, str]:
    """Store every declared output's folder; gives the digests by name."""
    digests = {}
    for name, type_ in task.outputs.items():
        digests[name] = put(store, workspace.output(name), type_)
        say(f"stored {name}: {digests[name]}")
    return digests


def _fetch_inputs(task: Task, workspace: Workspace, store: Store) -> None:
    missing: dict[str, str] = {}
    cells: dict[str, Sequence[int]] = {}
    for name, one in task.inputs.items():
        try:
            _fetch_input(name, one, task, workspace, store)
        except ArtifactMissing as error:
            missing[name] = str(error)  # all of them are told at once: each is made again by its own step
            if isinstance(error, items.CellsMissing):
                cells[name] = error.numbers
    if missing:
        words = "; ".join(f"input {name} is gone from the store: {why}" for name, why in missing.items())
        raise StepError(FailureClass.INPUT_MISSING, words, tuple(missing), cells)


def _fetch_input(name: str, one: Input, task: Task, workspace: Workspace, store: Store) -> None:
    if name == FOR_EACH:
        items.fetch_item(one, task.cell, workspace, store)
    elif one.gathered is not None:
        items.fetch_gathered(name, one, workspace, store)
    else:
        items.fetch_folder(name, one, workspace.fresh(workspace.input(name)), store)


def _fetch(task: Task, workspace: Workspace) -> None:
    from penstock_steps import layout  # noqa: PLC0415 - not needed by run

    store = store_from(workspace.environment, task.namespace)
    _fetch_inputs(task, workspace, store)
    layout.prepare(task, workspace)


def _publish(task: Task, workspace: Workspace) -> Result:
    worker = workspace.environment.get(contract.WORKER_VARIABLE, "0")
    if worker != "0":
        return Result(message=f"worker {worker} has done its part; worker 0 gives the step's outputs")
    from penstock_steps import publish  # noqa: PLC0415 - not needed by run

    return publish.publish(task, workspace, store_from(workspace.environment, task.namespace))


def _probe(task: Task, workspace: Workspace) -> Result:
    from penstock_steps import probe  # noqa: PLC0415 - not needed by steps

    return Result(source_revision=probe.revision(task.arguments, workspace))


_MODES: Mapping[str, Callable[[Task, Workspace], Result | None]] = {
    "run": _run,
    "fetch": _fetch,
    "probe": _probe,
    "publish": _publish,
}
MODES = tuple(_MODES)


def _encoded(outcome: Result | Failure) -> str:
    try:
        return contract.encode(outcome)
    except ValueError as error:
        raise invalid_result(str(error)) from error


def _fail(workspace: Workspace, failure: Failure) -> int:
    say(f"{failure.failure_class}: {failure.message}")
    _tell(workspace, contract.encode(failure))
    return 1


def _tell(workspace: Workspace, text: str) -> None:
    workspace.termination.write_text(text, encoding="utf-8")


def _confess(error: BaseException) -> None:
    """Type and place of an exception that nobody expected. Its text is left out: it may quote values of
    rows.
    """
    lines = [
        f"  {frame.filename}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    sys.stderr.write(
        "\n".join([*lines[-12:], f"unexpected {type(error).__name__}: this is a fault of Penstock", ""])
    )
