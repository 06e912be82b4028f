"""What a run of mode Plan says of one step; and of one with cells, of which each is asked by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from penstock_operator.core.cells import folded, fresh_cell
from penstock_operator.core.context import RunContext
from penstock_operator.core.iterations import folded_cells
from penstock_operator.core.misfits import misfits
from penstock_operator.core.pairs import unfed
from penstock_operator.core.plan_cells import opens
from penstock_operator.core.record import StepRecord
from penstock_operator.core.reuse import find_earlier, reused
from penstock_operator.core.taking import cell_label
from penstock_operator.core.text import clip
from penstock_operator.core.why import again, why
from penstock_operator.core.work import work_of
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


def cells(context: RunContext, record: StepRecord, answers: Answers) -> Foreseen | None:
    """Each of its cells is asked by itself; what would run is counted, and the first named with its why."""
    if not context.pipeline.has_cells(record.name):
        return None
    opened = opens(context, record).record
    if opened.ended:
        return Foreseen(Reason.WOULD_RUN, opened.message, opened)
    fresh: list[str] = []  # why each of those runs that would
    unknown: list[str] = []  # of the others the step whose cell they wait for
    for number in range(1, opened.cell_count + 1):
        cell = opened.cells.get(number) or fresh_cell(opened, number)
        if cell.ended:
            continue
        source, because = unfed(context, cell), again(context, cell)
        if source and not because:
            unknown.append(answers[source].until or source)
            continue
        if not source and (wrong := misfit(context, cell, {})) is not None:
            return replace(wrong, record=record)
        work = None if source else work_of(context, cell)
        found = None if work is None else find_earlier(context, cell, work)
        if found is not None and work is not None:
            opened = opened.with_cell(reused(context, replace(cell, digest=work.digest), found))
            continue
        because = because if work is None else why(context, cell, work, None)
        fresh.append(f"{cell_label(context, cell)}: {because}")
    return _counted(context, opened, fresh, unknown)


def _counted(
    context: RunContext, opened: StepRecord, fresh: Sequence[str], unknown: Sequence[str]
) -> Foreseen:
    """The answer for a step of which each cell has been asked. Its record has those that would be reused."""
    known, count = len(opened.cells), opened.cell_count
    if not fresh and not unknown:
        taken = folded(opened, context.stamp)
        looked = ", if its source has not changed" if opened.kind == "ingest" else ""
        return Foreseen(Reason.WOULD_REUSE, f"all {count} cells: {taken.why}{looked}", taken)
    doubt = f"unknown until step {unknown[0]} has run" if unknown else ""
    if not fresh:
        said = f"{len(unknown)} of {count} cells {doubt}, {known} would be reused"
        return Foreseen(Reason.UNKNOWN_YET, said, opened, unknown[0])
    said = f"{len(fresh)} of {count} cells would run, {known} be reused"
    said += f", {len(unknown)} {doubt}" if unknown else ""
    return Foreseen(Reason.WOULD_RUN, f"{said}; {fresh[0]}", opened)
