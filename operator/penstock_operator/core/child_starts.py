"""What the run of a step that is another pipeline is asked to do."""

from collections.abc import Mapping
from typing import Any

from penstock_operator.core.child_remakes import in_vain, mending
from penstock_operator.core.context import RunContext
from penstock_operator.core.observed import RunObject
from penstock_operator.core.record import StepRecord, is_remade
from penstock_operator.core.reuse import forced
from penstock_operator.core.work import work_of
from penstock_operator.manifests.children import ChildStart, child_run
from penstock_spec import object_names
from penstock_spec.kinds.child import Child
from penstock_spec.reuse import RunReuse
from penstock_spec.run import MOST_FROM
from penstock_spec.status import ENDED_ILL


def child_manifest(context: RunContext, record: StepRecord, body: Child, name: str) -> dict[str, Any]:
    """The child run of the step's next attempt."""
    run, rerun = context.observed.run, _repeated(context, record)
    start = ChildStart(
        namespace=context.namespace,
        name=name,
        pipeline=body.name,
        parameters=work_of(context, record).resolved.arguments.get("parameters", {}),
        parent=run.meta.name,
        parent_uid=run.meta.uid,
        step=record.name,
        cell=record.cell,
        scheduled_time=run.logical_time,
        triggered_by=run.saw,
        rerun=rerun,
        reuse=str(RunReuse.NEVER) if not rerun and is_apart(context, record) else "",
    )
    return child_run(start)


def is_apart(context: RunContext, record: StepRecord) -> bool:
    """Whether the child takes nothing over from other runs by what it is: only from those that are named, and
    a second one from the first of this very step. Else an old result would end a run that was to renew it.
    """
    return is_remade(record) or bool(forced(context, record) or context.observed.run.rerun)


def _repeated(context: RunContext, record: StepRecord) -> Mapping[str, Any]:
    """`rerun` of the child: of the one before in this run, where it takes nothing over from others; else,
    where its run repeats another one, of its child of then, in the way that that is repeated.

    Empty where there is none to repeat any more.
    """
    if in_vain(context, record):
        return {}
    if record.attempt and is_apart(context, record):
        before = mending(context, record)
        if before or is_remade(record):
            return before  # what is lost may be the child's of then
    asked, old = context.observed.run.rerun, _child_of_then(context, record)
    if not asked or old is None:
        return {}
    steps = old.status.get("steps", ())
    if asked.get("failed") and any(one["state"] in ENDED_ILL for one in steps):
        return {"run": old.meta.name, "failed": True}
    every = [one["name"] for one in steps]
    return {"run": old.meta.name, "from": every} if 0 < len(every) <= MOST_FROM else {}


def _child_of_then(context: RunContext, record: StepRecord) -> RunObject | None:
    """The child of this step or cell in the run that is repeated, if it is one that can be repeated."""
    origin = context.observed.origin
    entries = origin.status.get("steps", ()) if origin is not None else ()
    entry = next((one for one in entries if one["name"] == record.name), None)
    name = None if origin is None or entry is None else _name_of_then(origin, entry, record.cell)
    found = next((one for one in context.observed.repeated if one.meta.name == name), None)
    able = found is not None and found.finished and bool(found.status.get("snapshot"))
    return found if able else None


def _name_of_then(origin: RunObject, entry: Mapping[str, Any], cell: int) -> str | None:
    """The name of the child that the step had, or the cell; None where it had none."""
    if not cell:
        name: str | None = entry.get("child", {}).get("run")
        return name
    known = StepRecord.from_status(entry).cells.get(cell)
    if known is None:
        return None
    meta = origin.meta
    return object_names.child_name(meta.name, meta.uid, known.name, max(1, known.attempt), cell)
