"""Events: what `kubectl describe` and `kubectl get events` tell of a run, once per change."""

import itertools
from collections.abc import Mapping, Sequence

from penstock_operator.core.actions import EventNote
from penstock_operator.core.cells import Named, numbered
from penstock_operator.core.record import StepRecord
from penstock_operator.core.run_status import Summary
from penstock_operator.core.text import sentence
from penstock_spec.names import Reason, StatusWord
from penstock_spec.status import StepState

_OUTCOMES = {
    StatusWord.SUCCEEDED: Reason.RUN_SUCCEEDED,
    StatusWord.CANCELLED: Reason.RUN_CANCELLED,
    StatusWord.EXPIRED: Reason.RUN_EXPIRED,
}
_BAD = (StatusWord.FAILED, StatusWord.EXPIRED)
_LENGTH = 1000  # the API takes 1,024
_TROUBLE = (StepState.FAILED, StepState.RETRYING)
_CELLS = 10  # Events about cells in one pass


def notes(
    before: Mapping[str, StepRecord], records: Sequence[StepRecord], summary: Summary, named: Named = numbered
) -> Sequence[EventNote]:
    """One Event for each step that changed in a way that people care about, and one for the run's end.

    Of cells those that failed or are tried again, the first few of each look.
    """
    changed = [one for one in records if one.name not in before or before[one.name].state is not one.state]
    found = [note for one in changed if (note := _note(one, one.name)) is not None]
    cells = [(one, f"{one.name}, {named(one)}") for one in _troubled(before, records)]
    found += [note for one, name in cells if (note := _note(one, name)) is not None]
    if summary.finished:
        ended = f"the run ended: {summary.status}"
        words = sentence(summary.message or ended, length=_LENGTH)
        reason = _OUTCOMES.get(summary.status, Reason.RUN_FAILED)
        found.append(EventNote(reason, words, warning=summary.status in _BAD))
    return tuple(found)


def _troubled(before: Mapping[str, StepRecord], records: Sequence[StepRecord]) -> Sequence[StepRecord]:
    """Cells that have failed, or wait for another attempt, only now."""
    known = {(one.name, one.cell): one.state for record in before.values() for one in record.cells.values()}
    found = (
        one
        for record in records
        for one in record.cells.values()
        if one.state in _TROUBLE and known.get((one.name, one.cell)) is not one.state
    )
    return list(itertools.islice(found, _CELLS))


def _note(record: StepRecord, name: str) -> EventNote | None:
    if record.state is StepState.FAILED:
        words = sentence(f"step {name}: {record.reason}: {record.message}", length=_LENGTH)
        return EventNote(Reason.STEP_FAILED, words, warning=True)
    if record.state is StepState.RETRYING:
        words = sentence(f"step {name}: {record.reason}: {record.message}", length=_LENGTH)
        return EventNote(Reason.STEP_RETRYING, words, warning=True)
    if record.state is StepState.SUCCEEDED:
        return EventNote(
            Reason.STEP_SUCCEEDED, sentence(f"step {name} succeeded", record.message, length=_LENGTH)
        )
    if record.state is StepState.REUSED:
        return EventNote(Reason.STEP_REUSED, f"step {name}: {record.why}")
    if record.state is StepState.SKIPPED and record.reason == Reason.WHEN_NOT_MET:
        return EventNote(Reason.STEP_SKIPPED, sentence(f"step {name} is skipped: {record.message}"))
    return None
