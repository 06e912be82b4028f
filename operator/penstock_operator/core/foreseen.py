"""What a run of mode Plan says of one step; and of one with cells, of which each is asked by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from penstock_operator.core.cells import folded, fresh_cell
from penstock_operator.core.context import RunContext
from penstock_operator.core.iterations import folded_cells
from penstock_operator.core.misfits import misfits
from penstock_operator.core.plan_cells import opens
from penstock_operator.core.record import StepRecord
from penstock_operator.core.reuse import find_earlier, reused
from penstock_operator.core.taking import cell_label
from penstock_operator.core.text import clip
from penstock_operator.core.why import why
from penstock_operator.core.work import Work, work_of
from penstock_spec.names import Reason
from penstock_spec.status import StepState

_WHY = 256  # status.StepStatus.why


@dataclass(frozen=True)
class Foreseen:
    """One step's answer. `record` is what later steps see: ended where the answer is sure, else waiting."""

    reason: Reason
    why: str
    record: StepRecord
    until: str = ""  # the step that an unknown waits for
    may_be_skipped: bool = False

    def shown(self, now: str) -> StepRecord:
        """The entry in the status of the run."""
        return StepRecord(
            self.record.name,
            self.record.kind,
            StepState.PLANNED,
            str(self.reason),
            digest=self.record.digest,
            why=clip(self.why, _WHY),
            finished_at=now,
        )


Answers = Mapping[str, Foreseen]


def misfit(context: RunContext, record: StepRecord, _: Answers) -> Foreseen | None:
    """A result that it takes does not fit."""
    found = misfits(context, record)
    return (
        None if found is None else Foreseen(Reason.WOULD_RUN, f"would fail: {found.record.message}", record)
    )


def iterations(context: RunContext, record: StepRecord, _: Answers) -> Foreseen | None:
    """The iterations that have been done before, one after the other; the first that would run is named, and
    what comes after it follows from what that one gives.
    """
    if not context.pipeline.repeated(record.name):
        return None
    group = record if record.cell_count else opens(context, record).record
    wrong = misfit(context, fresh_cell(group, 1), {})
    if wrong is not None:
        return replace(wrong, record=record)
    while not group.ended:
        within = context.with_record(group)
        cell = fresh_cell(group, group.cell_count)
        work = work_of(within, cell)
        found = find_earlier(within, cell, work)
        if found is None:
            because = f"{cell_label(context, cell)} would run: {why(within, cell, work, None)}"
            return Foreseen(Reason.WOULD_RUN, f"{because}; later ones follow from what it gives", record)
        taken = reused(within, replace(cell, digest=work.digest), found)
        group = folded_cells(context, group.with_cell(taken))
    if group.state is StepState.FAILED:
        return Foreseen(Reason.WOULD_FAIL, group.message, group)
    return Foreseen(Reason.WOULD_REUSE, f"{group.cell_count} iterations: {group.why}", group)


def cells(context: RunContext, record: StepRecord, _: Answers) -> Foreseen | None:
    """Each of its cells is asked by itself; what would run is counted, and the first named with its why."""
    if not context.pipeline.has_cells(record.name):
        return None
    opened = opens(context, record).record
    if opened.ended:
        return Foreseen(Reason.WOULD_RUN, opened.message, opened)
    wrong = misfit(context, fresh_cell(opened, 1), {})
    if wrong is not None:
        return replace(wrong, record=record)
    fresh: list[tuple[StepRecord, Work]] = []
    for number in range(1, opened.cell_count + 1):
        cell = fresh_cell(opened, number)
        work = work_of(context, cell)
        found = find_earlier(context, cell, work)
        if found is None:
            fresh.append((cell, work))
        else:
            opened = opened.with_cell(reused(context, replace(cell, digest=work.digest), found))
    if not fresh:
        taken = folded(opened, context.stamp)
        count = f"all {taken.cell_count} cells: {taken.why}"
        looked = ", if its source has not changed" if record.kind == "ingest" else ""
        return Foreseen(Reason.WOULD_REUSE, f"{count}{looked}", taken)
    cell, work = fresh[0]
    said = f"{len(fresh)} of {opened.cell_count} cells would run, {len(opened.cells)} be reused"
    because = f"{cell_label(context, cell)}: {why(context, cell, work, None)}"
    return Foreseen(Reason.WOULD_RUN, f"{said}; {because}", record)
