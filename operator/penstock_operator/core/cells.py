"""A step with cells: what it is follows from its cells, and is never stored as truth."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from penstock_operator.core.record import StepRecord
from penstock_operator.core.text import clip
from penstock_spec.names import FailureClass, Reason
from penstock_spec.status import SATISFYING, StepState

Named = Callable[[StepRecord], str]  # a cell in words
_WORDS = 600  # of the first failed cell in the step's message
_WHY = 256  # status.StepStatus.why
_NOT_RUN = ("output reused", "taken over")  # how the reasons of cells begin that did not run
_NO_ROOM = (Reason.QUOTA_EXCEEDED, Reason.MAX_PARALLEL, Reason.NAMESPACE_FULL)
_BUSY = (StepState.STARTING, StepState.RUNNING, StepState.RETRYING)


def numbered(cell: StepRecord) -> str:
    """A cell by its number alone, where its values are not at hand."""
    return f"cell {cell.cell}"


def is_fresh(cell: StepRecord) -> bool:
    """Whether nothing has come of the cell yet; then it has no entry."""
    return cell.attempt == 0 and cell.state in (StepState.WAITING, StepState.QUEUED)


def fresh_cell(group: StepRecord, number: int) -> StepRecord:
    """The record of a cell that has not begun."""
    return StepRecord(group.name, group.kind, cell=number)


def cell_of(group: StepRecord, number: int) -> StepRecord:
    """One cell of a step as far as it has come; the step itself where it has not come to its cells."""
    return (group.cells.get(number) or fresh_cell(group, number)) if group.cell_count else group


def failures(record: StepRecord) -> Sequence[StepRecord]:
    """The failed leaves of a step, the first failure first; the step itself where it failed and they did
    not.
    """
    failed = [one for one in record.leaves if one.state is StepState.FAILED]
    if not failed and record.state is StepState.FAILED:
        return (record,)
    return sorted(failed, key=lambda one: (one.finished_at, one.cell))


def every_cell(group: StepRecord, change: Callable[[StepRecord], StepRecord]) -> StepRecord:
    """The step with each of its cells changed, also those that have not begun."""
    numbers = range(1, group.cell_count + 1)
    found = (cell_of(group, number) for number in numbers)
    return replace(group, cells={one.cell: change(one) for one in found})


def folded(
    group: StepRecord,
    at: str,
    named: Named = numbered,
    rest: tuple[str, str] = ("", ""),
    cause: str = "",
) -> StepRecord:
    """The step as its cells make it; `rest` is reason and words for those that have not begun, `cause` says
    why the first of those that are blocked is.
    """
    over = len(group.cells) == group.cell_count and all(one.ended for one in group.cells.values())
    group = replace(
        group,
        started_at=group.started_at or (at if group.cells else ""),
        image=group.image or next((one.image for one in group.cells.values() if one.image), ""),
        why=_why(group, named),
        failure_class=_blame(group),
    )
    return _ended(group, at, named, cause) if over else _living(group, named, rest, cause)


def _why(group: StepRecord, named: Named) -> str:
    """Why the first cell that ran did; where none has run so far, why the first was reused."""
    told = [one for one in group.cells.values() if one.why]
    ran = next((one for one in told if one.state is not StepState.REUSED), None)
    if ran is None:
        return group.why or (told[0].why if told else "")
    settled = group.why and not group.why.startswith(_NOT_RUN)
    return group.why if settled else clip(f"{named(ran)}: {ran.why}", _WHY)


def _blame(group: StepRecord) -> str:
    """Outputs that were lost stay known: whoever finds others missing knows that they are made again."""
    failed = failures(group)
    if failed:
        return failed[0].failure_class
    lost = str(FailureClass.INPUT_MISSING)
    again = any(one.failure_class == lost and not one.remakes for one in group.cells.values())
    return lost if again else group.failure_class


def _ended(group: StepRecord, at: str, named: Named, cause: str) -> StepRecord:
    state = _end(group)
    if state is group.state and group.finished_at:
        return group
    failed = failures(group)
    if failed:
        reason, message = failed[0].reason, _told(group, named)
    elif state is StepState.CANCELLED:
        cut = next(one for one in group.cells.values() if one.state is StepState.CANCELLED)
        reason, message = cut.reason, cut.message
    elif state is StepState.BLOCKED:
        reason, message = str(Reason.STEP_FAILED), _told(group, named, cause=cause)
    elif state is StepState.REUSED:
        reason, message = str(Reason.UNCHANGED), ""
    else:
        reason, message = str(Reason.COMPLETED), _told(group, named)
    return replace(group, state=state, reason=reason, message=message, finished_at=at)


def _end(group: StepRecord) -> StepState:
    states = {one.state for one in group.cells.values()}
    for state in (StepState.FAILED, StepState.CANCELLED, StepState.BLOCKED, StepState.SUCCEEDED):
        if state in states:
            return state
    return StepState.REUSED


def _living(group: StepRecord, named: Named, rest: tuple[str, str], cause: str) -> StepRecord:
    live = sorted((one for one in group.cells.values() if not one.ended), key=_waits_for_retry)
    failed = failures(group)
    # Who waits for room in the namespace says so: others give way to it.
    shown = rest[0] if not live or rest[0] == Reason.NAMESPACE_FULL else live[0].reason
    reason = failed[0].reason if failed else shown
    words = rest[1] if len(group.cells) < group.cell_count else ""
    return replace(
        group,
        state=_life(group, live, rest[0]),
        reason=reason,
        message=_told(group, named, words, cause),
        finished_at="",
    )


def _life(group: StepRecord, live: Sequence[StepRecord], rest: str) -> StepState:
    if group.ended:
        return StepState.RETRYING  # outputs that it had taken over are made again
    if any(one.state in _BUSY for one in live):
        return StepState.RUNNING
    if live or rest in _NO_ROOM:
        return StepState.QUEUED
    return group.state


def _waits_for_retry(cell: StepRecord) -> bool:
    return cell.state is StepState.RETRYING and not cell.remakes


def _told(group: StepRecord, named: Named, rest: str = "", cause: str = "") -> str:
    """`7 of 12 cells done, 1 failed: month=2, model=b: it needed more memory`."""
    cells = group.cells.values()
    done = sum(1 for one in cells if one.state in SATISFYING)
    reused = sum(1 for one in cells if one.state is StepState.REUSED)
    said = [f"{done} of {group.cell_count} cells done" + (f" ({reused} reused)" if reused else "")]
    retried = [one for one in cells if _waits_for_retry(one)]
    live = sum(1 for one in cells if not one.ended) - len(retried)
    waiting = group.cell_count - len(cells)
    said += [f"{live} under way"] if live else []
    said += [f"{len(retried)} to be tried again"] if retried else []
    said += [f"{waiting} to come"] if waiting else []
    failed, blocked = failures(group), [one for one in cells if one.state is StepState.BLOCKED]
    if failed:
        said += [f"{len(blocked)} blocked"] if blocked else []
        words = clip(failed[0].message, _WORDS)
        return ", ".join([*said, f"{len(failed)} failed: {named(failed[0])}: {words}"])
    if blocked:
        first = min(blocked, key=lambda one: one.cell)
        return ", ".join([*said, f"{len(blocked)} blocked: {named(first)}: {clip(cause, _WORDS)}"])
    if rest and waiting:
        return f"{', '.join(said)}: {rest}"
    shown = _worst_off(group)
    words = f": {named(shown)}: {clip(shown.message, _WORDS)}" if shown is not None and shown.message else ""
    return ", ".join(said) + words


def _worst_off(group: StepRecord) -> StepRecord | None:
    """The cell whose words are told: one to be tried again or, while none runs, the first that waits."""
    live = sorted((one for one in group.cells.values() if not one.ended), key=lambda one: one.cell)
    runs = any(one.state is StepState.RUNNING for one in live)
    waiting = [one for one in live if _waits_for_retry(one)] if runs else sorted(live, key=_waits_for_retry)
    return next(iter(waiting), None)
