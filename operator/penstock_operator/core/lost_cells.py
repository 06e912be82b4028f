"""Which cells of a step are made again for one that gathers them: those whose artifacts it has found gone,
where it could say so. Where that is not certain all are.
"""

from collections.abc import Collection, Mapping, Sequence

from penstock_operator.core.cells import cell_of
from penstock_operator.core.context import RunContext
from penstock_operator.core.findings import Failed
from penstock_operator.core.record import StepRecord
from penstock_spec.cell_numbers import LENGTH, numbers_of, text_of
from penstock_spec.edges import Source


def lost_cells(
    context: RunContext, taker: StepRecord, failure: Failed, sources: Mapping[str, Source]
) -> Mapping[str, Collection[int]]:
    """The cells that are lost, by step; a step is left out where all of them are, or it is not certain which.

    `sources` are the taker's inputs.
    """
    lost = {name: sources[name][0] for name in failure.inputs if name in sources}
    found = {step: _told(failure, [name for name in lost if lost[name] == step]) for step in lost.values()}
    return {step: numbers for step, numbers in found.items() if _are_some(context, step, taker, numbers)}


def _told(failure: Failed, inputs: Sequence[str]) -> frozenset[int]:
    """The cells that any of these inputs, all of one step, lacks; none where one of them does not say it."""
    told = [frozenset(failure.cells.get(name, ())) for name in inputs]
    return frozenset().union(*told) if all(told) else frozenset()


def _are_some(context: RunContext, step: str, taker: StepRecord, numbers: frozenset[int]) -> bool:
    """Whether these are some, not all, of the cells that the taker gathers, and can be written down."""
    if not context.pipeline.gives_lists(step) or context.pipeline.paired(step, taker.name):
        return False
    every = frozenset(range(1, context.records[step].cell_count + 1))
    return bool(numbers) and numbers < every and len(text_of(numbers)) <= LENGTH


def parts_of(source: StepRecord, numbers: Collection[int]) -> Sequence[StepRecord]:
    """What of a step is lost: these cells, or where there are none the step."""
    return [cell_of(source, number) for number in sorted(numbers)] or [source]


def words_of(source: StepRecord, numbers: Collection[int]) -> str:
    """How many cells of the step, and which, as they follow its name; empty for all of it."""
    return f" ({len(numbers)} of {source.cell_count} cells: {text_of(numbers)})" if numbers else ""


def noted(taker: StepRecord, step: str) -> frozenset[int]:
    """The cells of the step that the taker waits for; none where it waits for all of it."""
    return numbers_of(taker.remake_cells.get(step))
