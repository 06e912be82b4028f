"""Steps that are repeated: their cells are iterations, each of which begins when the one before has ended
well and is not good enough. How many there are follows from what they gave, and is never decided otherwise.
"""

from dataclasses import replace

from penstock_operator.core.cells import failures, folded
from penstock_operator.core.context import RunContext
from penstock_operator.core.pairs import first_cause
from penstock_operator.core.record import StepRecord
from penstock_operator.core.taking import cell_label
from penstock_operator.core.text import one_line
from penstock_spec.cells import Repeat
from penstock_spec.names import Reason
from penstock_spec.status import SATISFYING, StepState
from penstock_spec.when import value_of

_WORDS = 300  # of what an iteration gave
_OVER = (StepState.FAILED, StepState.CANCELLED)


def folded_cells(context: RunContext, group: StepRecord, rest: tuple[str, str] = ("", "")) -> StepRecord:
    """The step as its cells make it, or its iterations; see `cells.folded`."""
    repeat = context.pipeline.spec.step(group.name).repeat
    if repeat is not None:
        return _iterated(context, group, repeat, rest)
    cause = first_cause(context, group)
    return folded(group, context.stamp, lambda one: cell_label(context, one), rest, cause)


def _iterated(context: RunContext, group: StepRecord, repeat: Repeat, rest: tuple[str, str]) -> StepRecord:
    if group.state in _OVER:
        return group  # also one of which every iteration has ended well
    last = _ended_well(group)
    good = last is not None and good_enough(context, last, repeat)
    if last is not None and not good and group.cell_count < repeat.limit:
        group = replace(group, cell_count=group.cell_count + 1)
    found = folded(group, context.stamp, lambda one: cell_label(context, one), rest)
    if last is None or not found.ended:
        return _shown(found, repeat, rest[1])
    if good:
        return _given(found, last)
    hint = "Raise repeat.limit to go on from there: what has been done is reused"
    return replace(
        found,
        state=StepState.FAILED,
        reason=str(Reason.NOT_CONVERGED),
        message=f"until does not hold after {said_of(last)}, the last that repeat.limit allows. {hint}",
    )


def good_enough(context: RunContext, iteration: StepRecord, repeat: Repeat) -> bool:
    """Whether the results of an iteration that ended well are such that no other one is needed."""
    types = context.pipeline.results(iteration.name)
    return repeat.until.met({name: value_of(types[name], text) for name, text in iteration.results.items()})


def said_of(iteration: StepRecord) -> str:
    """`iteration 3, which gave loss 0.2, rows 7`."""
    gave = ", ".join(f"{name} {text}" for name, text in sorted(iteration.results.items()))
    return one_line(f"iteration {iteration.cell}, which gave {gave}", _WORDS)


def _ended_well(group: StepRecord) -> StepRecord | None:
    """The newest iteration, once it has ended well."""
    last = group.cells.get(group.cell_count)
    return last if last is not None and last.state in SATISFYING else None


def _given(group: StepRecord, last: StepRecord) -> StepRecord:
    """The step at its end: what its last iteration gave is what it gives."""
    whole = replace(group, outputs=last.outputs, results=last.results, metrics=last.metrics)
    if group.state is StepState.REUSED:
        return whole
    return replace(whole, message=f"good enough after {said_of(last)}")


def _shown(group: StepRecord, repeat: Repeat, rest: str) -> StepRecord:
    """The step while it lives, or when it ended ill: how far it has come."""
    failed = failures(group)
    if failed or group.ended:
        number = failed[0].cell if failed else group.cell_count
        words = f" failed: {failed[0].message}" if failed else f": {group.message}"
        return replace(group, message=f"iteration {number} of at most {repeat.limit}{words}")
    before = group.cells.get(group.cell_count - 1)
    words = f" after {said_of(before)}" if before is not None and before.results else ""
    now = group.cells.get(group.cell_count)
    rest = rest or ("" if now is None or now.ended or now.state is StepState.RUNNING else now.message)
    said = f"iteration {group.cell_count} of at most {repeat.limit}{words}{f': {rest}' if rest else ''}"
    return replace(group, reason=group.reason or str(Reason.RUNNING), message=said)
