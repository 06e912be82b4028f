"""The steps with cells of a run, one pass: first the step as a whole, then each of its cells by the rules of
steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from penstock_operator.core import (
    attempts,
    children,
    halts,
    misfits,
    needs,
    pairs,
    parallel,
    remakes,
    reuse,
    whens,
)
from penstock_operator.core.cancels import held
from penstock_operator.core.cells import fresh_cell, is_fresh
from penstock_operator.core.child_runs import KIND, child_of, going
from penstock_operator.core.classify import is_stuck
from penstock_operator.core.context import Decision, Rule, RunContext
from penstock_operator.core.iterations import folded_cells
from penstock_operator.core.record import StepRecord
from penstock_operator.core.registered import lacks
from penstock_operator.core.work import job_name
from penstock_spec.contract import FOR_EACH
from penstock_spec.matrix import MOST_CELLS
from penstock_spec.names import Reason
from penstock_spec.status import SATISFYING, StepState


def opens(context: RunContext, record: StepRecord) -> Decision:
    """Rule: when nothing holds the step back any more its cells are counted, and begin."""
    pipeline = context.pipeline
    cells = pipeline.cells(record.name)
    if pipeline.repeated(record.name):
        count = 1  # whether there is another one follows from what this one gives
    elif cells is not None:
        count = len(cells)
    else:
        step, output = pipeline.inputs(pipeline.origin(record.name))[FOR_EACH]
        count = _shared(context, record) or context.records[step].counts.get(output, 0)
        others = sum(_most(context, one) for one in context.records.values() if one.name != record.name)
        if count + others > MOST_CELLS:
            what = f"{step}.{output} has {count} items; with the other steps that is more than {MOST_CELLS}"
            return Decision(_over(context, record, StepState.FAILED, Reason.TOO_MANY_CELLS, what))
    if count == 0:
        done = _over(context, record, StepState.SUCCEEDED, Reason.COMPLETED, "the list is empty: no cells")
        return Decision(done)
    return Decision(
        replace(record, cell_count=count, cell_outputs=tuple(sorted(pipeline.outputs(record.name))))
    )


def _shared(context: RunContext, record: StepRecord) -> int:
    """How many cells the steps before have that are done for the same; 0 where none has come to them."""
    return next(
        (found for one in context.pipeline.pairs(record.name) if (found := context.records[one].cell_count)),
        0,
    )


def _most(context: RunContext, record: StepRecord) -> int:
    """How many cells the step may come to have, as far as is known; 1 where it has none."""
    repeat = context.pipeline.spec.step(record.name).repeat
    return max(1, record.cell_count if repeat is None else repeat.limit)


def _over(context: RunContext, record: StepRecord, state: StepState, reason: str, words: str) -> StepRecord:
    at = context.stamp
    return replace(record, state=state, reason=str(reason), message=words, started_at=at, finished_at=at)


# What becomes of the step before its cells begin.
GROUP_RULES: Sequence[Rule] = (
    attempts.ended,
    children.winds_down,
    halts.halted,
    needs.blocked,
    needs.skipped,
    whens.left_out,
    needs.waits,
    held,
    lacks,
    opens,
)
# What becomes of one cell: the rules of a step whose needs are met.
CELL_RULES: Sequence[Rule] = (
    remakes.remade,
    children.outlived,
    attempts.ended,
    children.winds_down,
    halts.halted,
    pairs.blocked,
    pairs.waits,
    held,
    misfits.misfits,
    children.composes,
    reuse.reuses,
    remakes.awaits,
    parallel.queued,
    attempts.starts,
    attempts.retries,
    attempts.watches,
)


def decide(context: RunContext, record: StepRecord, rules: Sequence[Rule]) -> Decision:
    """The answer of the first rule that has one."""
    for rule in rules:
        decision = rule(context, record)
        if decision is not None:
            return decision
    raise AssertionError(f"no rule for a step in state {record.state}")


def recalled(context: RunContext, group: StepRecord) -> StepRecord:
    """The step with what its cells' entries leave out: names of Jobs and children, which follow from their
    numbers.
    """
    if not group.cells:
        return group
    cells = {
        number: _named(context, one) if one.attempt and not one.ended else one
        for number, one in group.cells.items()
    }
    return replace(group, cells=cells)


def _named(context: RunContext, cell: StepRecord) -> StepRecord:
    if cell.kind == KIND:
        return replace(cell, child={"run": child_of(context.observed, cell, cell.attempt)})
    return replace(cell, job=job_name(context, cell, cell.attempt))


def take_cells(context: RunContext, record: StepRecord) -> tuple[RunContext, Sequence[Decision]]:
    """The context in which the step and its cells have been decided, and those decisions."""
    decisions: list[Decision] = []
    if not record.cell_count:
        decision = decide(context, record, GROUP_RULES)
        record = decision.record
        decisions.append(decision)
        context = context.with_record(record)
        if not record.cell_count:
            return context, decisions
    found = _Pass(context, context.records[record.name], _own_room(context, record), decisions)
    orphans = _orphans(context) or _outlived(context, record)
    if record.ended and not orphans and not remakes.is_wanted(context, record.name):
        return context, decisions
    for number in range(1, record.cell_count + 1):
        known = found.group.cells.get(number)
        if known is None:
            found = _fresh(found, number)
        elif not known.ended or _concerned(context, known, orphans=orphans):
            found = _decided(found, known)
    group = folded_cells(context, found.group, found.rest if found.rest[0] else found.waiting)
    context = found.context if group == found.group else found.context.with_record(group)
    return context, found.decisions


@dataclass(frozen=True)
class _Pass:
    """How far the cells of one step have come in this pass."""

    context: RunContext
    group: StepRecord
    own: int | None  # room by the step's own maxParallel
    decisions: list[Decision]
    rest: tuple[str, str] = ("", "")  # why no more cells begin; empty while they may
    waiting: tuple[str, str] = ("", "")  # why some were passed over, whose turn has not come


def _own_room(context: RunContext, record: StepRecord) -> int | None:
    most = context.pipeline.spec.step(record.name).max_parallel
    return parallel.places_left(most, context.recorded[record.name])


def _fresh(found: _Pass, number: int) -> _Pass:
    """One more cell begins, unless something holds it back; then it holds back all after it. One that waits
    for its own cell of another step is passed over.
    """
    context, cell = found.context, fresh_cell(found.group, number)
    if context.halt is not None and not context.pipeline.always(cell.name):
        return _decided(found, cell)
    if pairs.broken(context, cell) is not None:
        return _decided(found, cell)
    if (wait := pairs.waits(context, cell)) is not None:
        return replace(found, waiting=(wait.record.reason, wait.record.message))
    if found.rest[0]:
        return found
    if _free(found) == 0:
        return replace(found, rest=(str(Reason.MAX_PARALLEL), parallel.words(context, cell)))
    if context.room.begins == 0:
        found.decisions.append(Decision(cell, look_again=context.now))
        return replace(found, rest=(str(Reason.WAITING_FOR_STEPS), ""))
    after = _decided(replace(found, context=replace(context, room=context.room.less(begins=1))), cell)
    held_back = after.decisions[-1].record
    if is_fresh(held_back):
        return replace(after, rest=(held_back.reason or str(Reason.WAITING_FOR_STEPS), held_back.message))
    return after


def _free(found: _Pass) -> int | None:
    run = None if found.group.kind == KIND else found.context.room.jobs
    return min((one for one in (found.own, run) if one is not None), default=None)


def _decided(found: _Pass, cell: StepRecord) -> _Pass:
    context = found.context
    rules = replace(context, room=replace(context.room, jobs=_free(found)))
    decision = decide(rules, cell, CELL_RULES)
    found.decisions.append(decision)
    record = _aged(context, cell, decision.record)
    if record is cell or is_fresh(record):
        return found
    own = found.own
    if parallel.holds(record) and not parallel.holds(cell):
        context = replace(context, room=context.room.less(jobs=1))
    if parallel.goes_on(record) and not parallel.goes_on(cell):
        own = None if own is None else max(0, own - 1)
    group = found.group.with_cell(record)
    return replace(found, context=context.with_record(group), group=group, own=own)


def _aged(context: RunContext, before: StepRecord, record: StepRecord) -> StepRecord:
    """With the time at which the result was really made, where the step asks for its age; else without."""
    reuse = context.pipeline.spec.step(record.name).reuse
    if record is before or record.state not in SATISFYING or before.ended:
        return record
    if reuse is None or reuse.max_age is None:
        return replace(record, made_at="")
    return record if record.state is StepState.REUSED else replace(record, made_at=context.stamp)


def _concerned(context: RunContext, cell: StepRecord, *, orphans: bool) -> bool:
    """Whether there is anything left to do about a cell that has ended."""
    given = cell.state is StepState.REUSED or (cell.kind == KIND and cell.state is StepState.SUCCEEDED)
    return orphans or (given and remakes.wanted_by(context, cell) is not None)


def _outlived(context: RunContext, record: StepRecord) -> bool:
    """Whether a run of another pipeline goes on for a cell that has ended."""
    if record.kind != KIND:
        return False
    live = {one.run.cell for one in going(context.observed) if one.run.step == record.name}
    return any(record.cells[one].ended for one in live if one in record.cells)


def _orphans(context: RunContext) -> bool:
    """Whether Jobs go on for which no leaf waits."""
    going_on = {name for name, job in context.observed.jobs.items() if is_stuck(job)}
    if not going_on:
        return False
    leaves = (leaf for record in context.records.values() for leaf in record.leaves)
    return bool(going_on - {leaf.job for leaf in leaves if not leaf.ended})
