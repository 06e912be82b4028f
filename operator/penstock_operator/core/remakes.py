"""Lost artifacts: a step whose outputs an earlier run had made, and that the store has lost, is run again for
the one that needs them.
"""

from collections.abc import Mapping
from dataclasses import replace

from penstock_operator.core.child_remakes import is_settled, outputs_missed, taken_over
from penstock_operator.core.child_runs import KIND, RUNS
from penstock_operator.core.context import Decision, RunContext
from penstock_operator.core.lost_cells import noted
from penstock_operator.core.record import OUTPUT_LOST, StepRecord, is_remade, leaves
from penstock_operator.core.taking import giver
from penstock_operator.core.text import clip, sentence
from penstock_spec.cell_numbers import LENGTH, text_of
from penstock_spec.graph import CompiledPipeline
from penstock_spec.names import FailureClass, Reason
from penstock_spec.status import SATISFYING, StepState

LOST = str(FailureClass.INPUT_MISSING)
_NOT_BEGUN = (StepState.WAITING, StepState.QUEUED)
_MESSAGE = 200  # of what only waits


def remade(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a reused step is run again when a step that needs it has found its outputs gone, and so is one
    that is another pipeline, where that had only taken them over.

    This is the one way out of a terminal state, and it is taken once: what is made again has succeeded.
    """
    if record.state not in SATISFYING:
        return None
    needing = _needing(context, record)
    if needing is None:
        return None
    if record.kind == KIND and not is_settled(context, record):
        return Decision(record, confirm=(RUNS,))
    if not _to_make(context, record):
        return None
    again = replace(
        record,
        state=StepState.RETRYING,
        failure_class=LOST,
        reason=LOST,
        message=f"step {needing} found its output gone from the store; it is made again",
        why=OUTPUT_LOST,
        made_at="",
        retry_at=context.stamp,
        finished_at="",
    )
    return Decision(again, look_again=context.now)


def _to_make(context: RunContext, record: StepRecord) -> bool:
    """Whether what is needed of this is an earlier run's, and it has not begun to make it again."""
    if record.kind == KIND and record.state is StepState.SUCCEEDED:
        return bool(taken_over(context, record, outputs_missed(context, record)))
    return record.state is StepState.REUSED


def _needing(context: RunContext, record: StepRecord) -> str | None:
    """Who waits for this to be made again; of iterations that is the last one, or one that the next needs."""
    group = context.recorded[record.name]
    if not context.pipeline.repeated(record.name) or record.cell == group.cell_count:
        return wanted_by(context, record)
    following = group.cells.get(record.cell + 1)
    needed = following is not None and following.state is StepState.RETRYING
    return record.name if needed and following is not None and record.name in following.remakes else None


def wanted(pipeline: CompiledPipeline, recorded: Mapping[str, StepRecord]) -> Mapping[tuple[str, int], str]:
    """What is to be made again, a step and a cell of it or 0 for all; each with a step that waits for it."""
    waiting = (one for one in leaves(recorded) if one.state is StepState.RETRYING)
    return {
        (name, number): one.name
        for one in waiting
        for name in one.remakes
        for number in ((one.cell,) if pipeline.paired(name, one.name) else noted(one, name) or (0,))
    }


def wanted_by(context: RunContext, record: StepRecord) -> str | None:
    """A step that waits for this step or cell to be made again; None where none does."""
    return context.wanted.get((record.name, 0)) or context.wanted.get((record.name, record.cell))


def is_wanted(context: RunContext, step: str) -> bool:
    """Whether any part of the step is to be made again."""
    return any(name == step for name, _ in context.wanted)


def awaits(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a step whose input is being made again waits for that, and fails with it."""
    if record.state in _NOT_BEGUN and not record.attempt:
        # What it takes had been made when it lined up, or when the first cells of its step began.
        again = _made_anew(context, record)
        words = clip(f"waits for {', '.join(again)}", _MESSAGE)
        waiting = replace(record, reason=Reason.WAITING_FOR_STEPS, message=words)
        return Decision(waiting) if again else None
    if record.state is not StepState.RETRYING:
        return None
    again = _made_anew(context, record)
    if any(context.records[name].kind == KIND and name not in record.remakes for name in again):
        # Not noted: of what another pipeline gives, all that is noted as missed is made again.
        return Decision(record)
    record = _joined(record, again)
    if not record.remakes:
        return None
    groups = [context.recorded[name] for name in record.remakes]
    own = (record.name, *context.pipeline.pairs(record.name))
    sources = [giver(context, one, record) if one.name in own else one for one in groups]
    broken = next((one for one in sources if one.ended and one.state not in SATISFYING), None)
    if broken is not None:
        ended = replace(
            record,
            state=StepState.FAILED,
            message=f"its input could not be made again: step {broken.name} failed: {broken.reason}",
            retry_at="",
            finished_at=context.stamp,
        )
        return Decision(ended)
    given = (leaf for source in groups for leaf in giver(context, source, record).leaves)
    return None if all(_is_made(context, record, leaf) for leaf in given) else Decision(record)


def _joined(record: StepRecord, again: Mapping[str, str]) -> StepRecord:
    """The entry, which waits as well for what others have found gone: its own attempt would find the same.

    That it waits is written down, for meanwhile it gives up its place (parallel.py).
    """
    fits = {name: cells for name, cells in again.items() if len(cells) <= LENGTH}
    more = {name: cells for name, cells in fits.items() if name not in record.remakes}
    if not more:
        return record
    return replace(
        record,
        message=sentence(record.message, f"made again first: {', '.join(more)}"),
        remakes=(*record.remakes, *more),
        remake_cells={**record.remake_cells, **{name: cells for name, cells in more.items() if cells}},
    )


def _made_anew(context: RunContext, taker: StepRecord) -> Mapping[str, str]:
    """The steps of whose outputs it takes some that are being made again; which cells, empty for all.

    They are until that has been written.
    """
    names = dict.fromkeys(step for step, _ in context.pipeline.inputs(taker.name).values())
    if context.pipeline.repeated(taker.name) and taker.cell > 1:
        names[taker.name] = None  # the iteration before
    found = {}
    for name in names:
        groups = context.records[name], context.recorded[name]
        if all(one.ended for one in groups):
            continue
        known = [giver(context, one, taker) for one in groups]
        parts = [leaf for source in known for leaf in source.leaves]
        numbers = {leaf.cell for leaf in parts if is_remade(leaf) and not leaf.ended}
        if numbers:
            found[name] = "" if numbers == {leaf.cell for leaf in parts} else text_of(numbers)
    return found


def _is_made(context: RunContext, taker: StepRecord, leaf: StepRecord) -> bool:
    """Whether the taker has no reason to wait for this part of what it takes."""
    lost = noted(taker, leaf.name)
    if lost and leaf.cell not in lost:
        return leaf.ended  # it may be made again for others
    return leaf.state is StepState.SUCCEEDED and not _to_make(context, leaf)
