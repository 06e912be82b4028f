"""Needs: a step waits for the steps before it, is blocked when one of them has failed, and skipped when what
it takes was skipped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from penstock_operator.core.context import Decision, RunContext
from penstock_operator.core.record import StepRecord
from penstock_operator.core.text import clip, one_line
from penstock_spec.edges import DEPENDS_ON, ENDPOINT, GATE, INPUT, RESULT, SAME, STATE, VALUE
from penstock_spec.names import Reason
from penstock_spec.status import SATISFYING, StepState

_MESSAGE = 200  # of a step that only waits: there may be many
# Needs that come in numbers: a model's gates, an endpoint's deploys. One that took place is enough.
# What a step needs cell by cell of one that is done for the same cells: each cell waits for its own.
BY_CELL = frozenset({INPUT, VALUE, SAME})
_TOGETHER = {GATE: "nobody judged its model", ENDPOINT: "nothing was deployed"}


def blocked(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a step that needs a failed one can never run. Its message names the step that failed.

    A step that is only asked how it ended may end in any way, and all may before one that always runs.
    """
    if record.state is not StepState.WAITING:
        return None
    needs = [need for need, kinds in _needs(context, record) if not kinds <= any_end(context, record)]
    met = (*SATISFYING, StepState.SKIPPED)
    broken = next((need for need in needs if need.ended and need.state not in met), None)
    if broken is None:
        return None
    # A blocked step carries the words on: whoever reads the last step of a chain learns where it broke.
    words = (
        broken.message if broken.state is StepState.BLOCKED else f"step {broken.name} failed: {broken.reason}"
    )
    return Decision(
        replace(
            record,
            state=StepState.BLOCKED,
            reason=Reason.STEP_FAILED,
            message=clip(words, _MESSAGE),
            finished_at=context.stamp,
        )
    )


def any_end(context: RunContext, record: StepRecord) -> frozenset[str]:
    """The kinds of needs that any end of the other step satisfies."""
    return frozenset({STATE, RESULT, DEPENDS_ON, SAME} if context.pipeline.always(record.name) else {STATE})


def skipped(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a step that takes something from a skipped one is skipped as well.

    Decided when all its needs have ended, so that it does not depend on which of them ended first.
    """
    if record.state is not StepState.WAITING:
        return None
    if not all(need.ended for need, kinds in _needs(context, record) if kinds):
        return None
    words = missing(context, record)
    return Decision(as_skipped(context, record, Reason.INPUT_SKIPPED, words)) if words else None


def missing(context: RunContext, record: StepRecord) -> str:
    """Why a step that takes something from skipped ones cannot run, by those that are known; else empty."""
    needs = _needs(context, record)
    wanted = [(need, kinds) for need, kinds in needs if not kinds <= any_end(context, record)]
    return _missing_input(wanted) or _missing_together(wanted)


def as_skipped(context: RunContext, record: StepRecord, reason: str, words: str) -> StepRecord:
    """The final entry of a step that was not meant to run."""
    return replace(
        record,
        state=StepState.SKIPPED,
        reason=reason,
        message=one_line(words, _MESSAGE),
        finished_at=context.stamp,
    )


def _missing_input(needs: list[tuple[StepRecord, frozenset[str]]]) -> str:
    """Why an input cannot be there, or something that it comes after never took place; else empty.

    To come after a step that its own `when` left out is enough: that was decided, not missed.
    """
    for need, kinds in needs:
        if need.state is not StepState.SKIPPED:
            continue
        if {INPUT, VALUE} & kinds:
            what = "the output" if INPUT in kinds else "a result"
            return f"takes {what} of step {need.name}, which was skipped"
        if {DEPENDS_ON, SAME} & kinds and need.reason != Reason.WHEN_NOT_MET:
            return f"comes after step {need.name}, which was skipped for want of an input"
    return ""


def _missing_together(needs: list[tuple[StepRecord, frozenset[str]]]) -> str:
    for kind, words in _TOGETHER.items():
        these = [need for need, kinds in needs if kind in kinds]
        if these and all(one.state is StepState.SKIPPED for one in these):
            return f"step {these[0].name} was skipped, so {words}"
    return ""


def waits(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a step whose needs have not all ended waits, and says for which."""
    if record.state is not StepState.WAITING:
        return None
    pending = awaited(context, record, context.recorded)
    if not pending:
        return None
    message = clip(f"waits for {', '.join(pending)}", _MESSAGE)
    return Decision(replace(record, reason=Reason.WAITING_FOR_STEPS, message=message))


def awaited(context: RunContext, record: StepRecord, known: Mapping[str, StepRecord]) -> Sequence[str]:
    """The steps before this one that it still waits for as a whole, as they stand in `known`."""
    return [name for name in before(context, record) if not _lets_begin(context, record, known[name])]


def _lets_begin(context: RunContext, record: StepRecord, need: StepRecord) -> bool:
    """Whether the need has ended; or has its cells, and nothing of it is needed but cell by cell."""
    if need.ended or not need.cell_count or not context.pipeline.paired(need.name, record.name):
        return need.ended
    by_cell = context.pipeline.kinds(need.name, record.name) <= BY_CELL
    return by_cell and not context.pipeline.always(record.name)


def before(context: RunContext, record: StepRecord) -> Sequence[str]:
    """The steps that must have ended before this one begins."""
    pipeline = context.pipeline
    needs = pipeline.needs(record.name)
    if not pipeline.always(record.name):
        return needs
    others = [one for one in pipeline.order if not pipeline.always(one)]
    return (*others, *(one for one in needs if pipeline.always(one)))


def _needs(context: RunContext, record: StepRecord) -> Iterator[tuple[StepRecord, frozenset[str]]]:
    """The steps before this one as far as they have been decided, and why the whole step needs each."""
    for name in context.pipeline.needs(record.name):
        need, kinds = context.records[name], context.pipeline.kinds(name, record.name)
        by_cell = need.cell_count and context.pipeline.paired(name, record.name)
        yield need, kinds - BY_CELL if by_cell else kinds
