"""What another child of a step goes on from: lost outputs that have to be made again, or a child that failed,
where nothing of an earlier run may be taken over.

The step is never reused as a whole, so it has succeeded though what it gives may be an earlier run's. What a
child of it has made is not made again; what it had only taken over is, by another child.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from penstock_operator.core.child_runs import KIND, RUNS, child_of
from penstock_operator.core.conditions import is_true
from penstock_operator.core.context import RunContext
from penstock_operator.core.observed import RunObject
from penstock_operator.core.record import StepRecord, leaves
from penstock_spec.kinds.child import Child
from penstock_spec.names import Condition, Reason
from penstock_spec.reuse import RunReuse
from penstock_spec.status import ENDED_ILL, StepState

# Why a child failed that says of all before it: their frozen steps, or their Pipeline, are gone.
_LOST_STEPS = frozenset({Reason.REVISION_NOT_FOUND, Reason.INVALID_RERUN})


def is_settled(context: RunContext, record: StepRecord) -> bool:
    """Whether it is known what the step's last child has made: a finished run never changes, and one that is
    gone is believed to be only after a live read.
    """
    child = context.observed.children.get(record.child.get("run", ""))
    return context.is_live(RUNS) or (child is not None and child.run.finished)


def outputs_missed(context: RunContext, record: StepRecord) -> frozenset[str]:
    """The outputs of the step that those take who wait for it to be made again."""
    waiting = (one for one in leaves(context.recorded) if one.state is StepState.RETRYING)
    takers = {one.name for one in waiting if record.name in one.remakes}
    taken = (source for name in takers for source in context.pipeline.inputs(name).values())
    return frozenset(output for step, output in taken if step == record.name)


def taken_over(context: RunContext, record: StepRecord, outputs: Collection[str]) -> tuple[str, ...]:
    """The steps of the child that give these outputs and that no child of this step has executed."""
    made = {name for run in _mine(context, record) for name in _executed(run)}
    return tuple(one for one in _givers(context, record, outputs) if one not in made)


def is_made_here(context: RunContext, record: StepRecord, outputs: Collection[str]) -> bool:
    """Whether one of these outputs was made in this run, by a child of the step."""
    return len(taken_over(context, record, outputs)) < len(_givers(context, record, outputs))


def in_vain(context: RunContext, record: StepRecord) -> bool:
    """Whether a child of the step has found that none before it can be repeated."""
    return any(run.status.get("reason") in _LOST_STEPS for run in _mine(context, record))


def mending(context: RunContext, record: StepRecord) -> Mapping[str, Any]:
    """`rerun` of a child that goes on from the one before, with its steps: from those that give what is lost,
    or from what failed in it. Empty where there is none left that can be repeated.
    """
    for run in _mine(context, record):
        steps = run.status.get("steps", ())
        if not run.finished or not run.status.get("snapshot"):
            continue
        if is_true(run.status, Condition.SUCCEEDED):
            missed = outputs_missed(context, record)
            again = taken_over(context, record, missed) or _givers(context, record, record.outputs)
            return {"run": run.meta.name, "from": list(again)}
        if any(one["state"] in ENDED_ILL for one in steps):
            return {"run": run.meta.name, "failed": True}
    return {}


def _givers(context: RunContext, record: StepRecord, outputs: Collection[str]) -> tuple[str, ...]:
    body = context.pipeline.spec.step(record.name).body
    declared = body.outputs if isinstance(body, Child) else ()
    return tuple(dict.fromkeys(one.from_.partition(".")[0] for one in declared if one.name in outputs))


def _mine(context: RunContext, record: StepRecord) -> Iterator[RunObject]:
    """The children of the step that are still there, newest first."""
    for attempt in range(record.attempt, 0, -1):
        found = context.observed.children.get(child_of(context.observed, record, attempt))
        if found is not None:
            yield found.run


def _executed(run: RunObject) -> Iterator[str]:
    """The steps that this run has executed itself, wholly."""
    afresh = bool(run.rerun) or run.reuse == RunReuse.NEVER
    for one in map(StepRecord.from_status, run.status.get("steps", ())):
        if one.state is not StepState.SUCCEEDED or any(leaf.state is StepState.REUSED for leaf in one.leaves):
            continue
        # What a child of the child has taken over only it knows: it is believed where it was to execute all.
        if one.kind != KIND or afresh:
            yield one.name
