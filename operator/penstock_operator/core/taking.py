"""What a step takes from others: artifacts as inputs, one or those of all cells, and results as values."""

from collections.abc import Mapping
from typing import Any

from penstock_operator.core.cells import cell_of
from penstock_operator.core.context import RunContext
from penstock_operator.core.record import StepRecord
from penstock_operator.core.text import one_line
from penstock_spec.base import FromValue
from penstock_spec.contract import PREVIOUS, Input
from penstock_spec.edges import Source
from penstock_spec.gathered import Gathered
from penstock_spec.matrix import CellValues, label
from penstock_spec.resolve import NOTHING, ResolvedStep, Sources, resolve_step
from penstock_spec.when import text_of, value_of

NUMBER = "number"  # of an item: the one value that a cell of a step with forEach has
ITERATION = "iteration"  # and the one of a step with repeat


def input_of(context: RunContext, source: Source, taker: StepRecord) -> Input:
    """The artifact that an output is by now; of a step with cells that of each, or of the taker's cell."""
    step, output = source
    record, type_ = context.records[step], context.pipeline.type_of(source)
    if context.pipeline.paired(step, taker.name):
        return Input(cell_of(record, taker.cell).outputs[output], type_)
    if not context.pipeline.gives_lists(step):
        return Input(record.outputs[output], type_)
    digests = [record.cells[number].outputs[output] for number in range(1, record.cell_count + 1)]
    gathered = Gathered(digests, context.pipeline.matrix(step))
    return Input(gathered.digest, type_, gathered)


def previous_of(context: RunContext, record: StepRecord) -> Mapping[str, Input]:
    """What the iteration before has made, as inputs of this one; the first has none."""
    if record.cell < 2 or not context.pipeline.repeated(record.name):
        return {}
    before, types = context.records[record.name].cells[record.cell - 1], context.pipeline.outputs(record.name)
    return {f"{PREVIOUS}/{name}": Input(before.outputs[name], type_) for name, type_ in types.items()}


def giver(context: RunContext, group: StepRecord, taker: StepRecord) -> StepRecord:
    """The part of a step that the taker reads: of one with the same cells its own, of one that is repeated
    the last iteration, or for another iteration the one before; else the whole step.
    """
    if context.pipeline.paired(group.name, taker.name):
        return cell_of(group, taker.cell)
    if not group.cell_count or not context.pipeline.repeated(group.name):
        return group
    number = taker.cell - 1 if taker.name == group.name else group.cell_count
    return cell_of(group, number)


def resolved_of(context: RunContext, record: StepRecord) -> ResolvedStep:
    """The step with every value in its place. SpecError where one does not fit."""
    spec = context.pipeline.spec
    return resolve_step(
        spec, spec.step(record.name), context.values, results_of(context, record), values_of(context, record)
    )


def taken_text(context: RunContext, record: StepRecord, source: FromValue) -> str:
    """The value of one field of the step as text."""
    sources = Sources(context.values, results_of(context, record), values_of(context, record))
    return text_of(sources.value(source.as_set()))


def results_of(context: RunContext, record: StepRecord) -> Mapping[str, Any]:
    """The results that fields of the step take, by `step.result`."""
    pipeline = context.pipeline
    found: dict[str, Any] = {}
    for step, name in pipeline.results_taken(record.name):
        source = context.records[step]
        if pipeline.paired(step, record.name):
            source = cell_of(source, record.cell)
        found[f"{step}.{name}"] = value_of(pipeline.results(step)[name], source.results[name])
    return found


def values_of(context: RunContext, record: StepRecord) -> CellValues:
    """The values of the cell that the record is of."""
    if not record.cell:
        return NOTHING
    cells = context.pipeline.cells(record.name)
    if cells is not None:
        return cells[record.cell - 1]
    return {ITERATION if context.pipeline.repeated(record.name) else NUMBER: record.cell}


def cell_label(context: RunContext, record: StepRecord) -> str:
    """The cell in words: `model=b, month=2`, or `item 3`, or `iteration 3`."""
    cells = context.pipeline.cells(record.name)
    if cells is not None:
        return one_line(label(cells[record.cell - 1]))
    return f"{'iteration' if context.pipeline.repeated(record.name) else 'item'} {record.cell}"
