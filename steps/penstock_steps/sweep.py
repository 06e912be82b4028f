"""sweep: says which artifacts nothing refers to, and deletes those that a sweep before this one had found."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from penstock_artifacts.store import Store
from penstock_artifacts.sweep import Blob, Rules, Swept
from penstock_spec import sweep
from penstock_spec.contract import Result, Task
from penstock_spec.sweep import SweepMode
from penstock_steps.errors import invalid_result
from penstock_steps.workspace import Workspace, say

_SHOWN = 20  # in the log; all of them are in the report
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def run(task: Task, workspace: Workspace, store: Store) -> Result:
    """One sweep, by what the operator refers to. Without all of that nothing is looked at."""
    said = task.arguments
    try:
        references = sweep.unpack(workspace.environment, int(said["references"]))
    except ValueError as error:
        raise invalid_result(f"nothing was swept: {error}") from error
    rules = Rules(
        keep=timedelta(seconds=float(said["keepSeconds"])),
        grace=timedelta(seconds=float(said["graceSeconds"])),
        deletes=said["mode"] == SweepMode.DELETE,
        read_at=datetime.fromisoformat(said["readAt"]),
    )
    swept = store.sweeper().sweep(references, rules)
    _list(swept)
    counts = {
        sweep.BLOBS: len(swept.all_),
        sweep.BYTES: _bytes(swept.all_),
        sweep.FOUND: len(swept.found),
        sweep.FOUND_BYTES: _bytes(swept.found),
        sweep.DELETED: len(swept.deleted),
        sweep.DELETED_BYTES: _bytes(swept.deleted),
    }
    return Result(results=counts, message=_words(swept, rules))


def _words(swept: Swept, rules: Rules) -> str:
    total = f"of {len(swept.all_)} files ({_size(_bytes(swept.all_))})"
    found = f"{len(swept.found)} ({_size(_bytes(swept.found))}) are old enough and referred to by nothing"
    if not swept.found:
        return f"{total} none is old enough and referred to by nothing"
    if rules.deletes:
        return f"{total} {found}; {len(swept.deleted)} ({_size(_bytes(swept.deleted))}) were deleted"
    largest = max(swept.found, key=lambda one: one.size)
    return f"{total} {found} and would go; the largest is {_name(largest)}; all are in {sweep.REPORT}"


def _list(swept: Swept) -> None:
    gone = {one.name for one in swept.deleted}
    largest = sorted(swept.found, key=lambda one: (-one.size, one.name))
    for one in largest[:_SHOWN]:
        say(f"{'deleted' if one.name in gone else 'found'}: {_name(one)}, written {one.written:%Y-%m-%d}")
    if len(largest) > _SHOWN:
        say(f"and {len(largest) - _SHOWN} more: {sweep.REPORT}")


def _name(one: Blob) -> str:
    return f"sha256:{one.name[:12]} ({_size(one.size)})"


def _bytes(blobs: Sequence[Blob]) -> int:
    return sum(one.size for one in blobs)


def _size(count: float) -> str:
    for unit in _UNITS:
        if count < 1024 or unit == _UNITS[-1]:
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
