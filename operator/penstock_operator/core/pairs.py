"""Pairs: a cell of a step that is done for the cells of another waits for the same cell there, not for all.

What holds for the whole step (needs.py) holds before its cells begin; this is what holds for each of them.
"""

from collections.abc import Iterator
from dataclasses import replace

from penstock_operator.core.cells import cell_of, is_fresh
from penstock_operator.core.context import Decision, RunContext
from penstock_operator.core.needs import any_end
from penstock_operator.core.record import StepRecord
from penstock_operator.core.text import clip
from penstock_spec.names import Reason
from penstock_spec.status import SATISFYING, StepState

_MESSAGE = 200
_MET = (*SATISFYING, StepState.SKIPPED)


def blocked(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a cell can never run when the same cell of a step before it has failed."""
    if not is_fresh(record) or broken(context, record) is None:
        return None
    words, reason = clip(cause(context, record), _MESSAGE), str(Reason.STEP_FAILED)
    ended = replace(record, state=StepState.BLOCKED, reason=reason, message=words, finished_at=context.stamp)
    return Decision(ended)


def waits(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a cell waits until the same cell of each step before it has ended, and that is written."""
    if not is_fresh(record):
        return None
    others = {name: context.recorded[name] for name in context.pipeline.pairs(record.name)}
    missing = [name for name, one in others.items() if not cell_of(one, record.cell).ended]
    if not missing:
        return None
    words = f"each waits for the same cell of {missing[0]}"
    return Decision(replace(record, reason=Reason.WAITING_FOR_STEPS, message=words))


def unfed(context: RunContext, record: StepRecord) -> str:
    """A step whose same cell has not made yet what this one takes of it; empty where it has all of them."""
    pipeline = context.pipeline
    taken = (*pipeline.inputs(record.name).values(), *pipeline.results_taken(record.name))
    others = [name for name in dict.fromkeys(step for step, _ in taken) if pipeline.paired(name, record.name)]
    found = (name for name in others if not cell_of(context.records[name], record.cell).ended)
    return next(found, "")


def met(context: RunContext, record: StepRecord) -> bool:
    """Whether the same cells of all steps before are such that the cell may begin, as decided by now."""
    found = list(_before(context, record))
    return all(one.ended for one in found) and broken(context, record) is None


def broken(context: RunContext, record: StepRecord) -> StepRecord | None:
    """The same cell of a step before that has ended ill; None while there is none."""
    return next((one for one in _before(context, record) if one.ended and one.state not in _MET), None)


def _before(context: RunContext, record: StepRecord) -> Iterator[StepRecord]:
    """The same cell of each step whose end, or whose good end, the cell needs."""
    for name in context.pipeline.pairs(record.name):
        if not context.pipeline.kinds(name, record.name) <= any_end(context, record):
            yield cell_of(context.records[name], record.cell)


def cause(context: RunContext, record: StepRecord) -> str:
    """Why a cell is blocked: the first that failed in its line."""
    found = broken(context, record)
    while found is not None and found.state is StepState.BLOCKED and found.cell:
        found = broken(context, found)
    return "" if found is None else f"step {found.name} failed: {found.reason}"


def first_cause(context: RunContext, group: StepRecord) -> str:
    """Why the first of the step's blocked cells is; empty where none is."""
    numbers = [number for number, one in group.cells.items() if one.state is StepState.BLOCKED]
    return cause(context, group.cells[min(numbers)]) if numbers else ""
