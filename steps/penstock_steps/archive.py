"""archive: writes the records of finished runs to the store. Writing them again changes nothing."""

from collections import Counter

from penstock_artifacts.archive import Written
from penstock_artifacts.store import Store
from penstock_spec.batch import unpack
from penstock_spec.contract import Result, Task
from penstock_steps.errors import invalid_result
from penstock_steps.workspace import Workspace, say


def run(task: Task, workspace: Workspace, store: Store) -> Result:
    """Write every record of the batch in the environment; the first that cannot be written ends it."""
    try:
        records = unpack(workspace.environment)
    except ValueError as error:
        raise invalid_result(str(error)) from error
    if {record["uid"]: record["digest"] for record in records} != task.arguments["records"]:
        raise invalid_result("the batch is not the one that was announced")
    archive = store.archive()
    counts: Counter[Written] = Counter()
    for record in records:
        written = archive.put(record)
        counts[written] += 1
        say(f"run {record['run']} ({record['uid']}): {written}")
    words = ", ".join(f"{counts[one]} {one.lower()}" for one in Written if counts[one])
    return Result(message=f"{len(records)} runs archived: {words}")
