"""The runs that are steps of a run: which of them go on, and how they are ended."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from penstock_operator.core.actions import Cancel
from penstock_operator.core.observed import Ref
from penstock_operator.core.observed_run import ChildView, ObservedRun
from penstock_operator.core.record import StepRecord
from penstock_spec import names, object_names

KIND = "pipeline"  # of the steps that have them
RUNS = Ref(names.PIPELINE_RUN)


def going(observed: ObservedRun) -> Sequence[ChildView]:
    """Its children that have not ended."""
    mine = [one for one in observed.children.values() if one.run.meta.owner_uid == observed.run.meta.uid]
    return [one for one in mine if not one.run.finished]


def going_of(observed: ObservedRun, record: StepRecord) -> Sequence[ChildView]:
    """Those of them that are the step, with all its cells, or the cell."""
    mine = [one for one in going(observed) if one.run.step == record.name]
    return [one for one in mine if record.cell in (0, one.run.cell)]


def child_of(observed: ObservedRun, record: StepRecord, attempt: int) -> str:
    """The name of the run that is this attempt of the step or cell."""
    meta = observed.run.meta
    return object_names.child_name(meta.name, meta.uid, record.name, attempt, record.cell)


def knowing(record: StepRecord, child: ChildView) -> StepRecord:
    """The entry with what the child executes, from when that is frozen."""
    snapshot = child.run.status.get("snapshot")
    if not snapshot:
        return record
    frozen = {"revision": snapshot["revision"], "digest": snapshot["digest"]}
    return replace(record, child={"run": child.run.meta.name, **frozen})


def recalling(observed: ObservedRun, record: StepRecord) -> StepRecord:
    """The entry of a step or cell that is ended, with what its child executes: that was news, and news goes
    with a process that dies.
    """
    child = observed.children.get(child_of(observed, record, max(1, record.attempt)))
    mine = child is not None and child.run.meta.owner_uid == observed.run.meta.uid
    return knowing(record, child) if child is not None and mine else record


def endings(children: Iterable[ChildView]) -> tuple[Cancel, ...]:
    """The writes that end these runs: each is cancelled, once. Its own end follows, and is waited for."""
    metas = [one.run.meta for one in children if not one.run.cancel and not one.run.meta.deleting]
    return tuple(Cancel(meta.namespace, meta.name, meta.uid) for meta in metas)


def may_have_children(records: Iterable[StepRecord]) -> bool:
    """Whether a step that has not ended is another pipeline: then a cache is not enough to say that none goes
    on.
    """
    return any(one.kind == KIND and not one.ended for one in records)
