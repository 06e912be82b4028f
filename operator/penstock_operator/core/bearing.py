"""Ends that a Job bears: a step need not wait until the end that it follows from is written, its Job says it.

An end that only the process knows can be undone: the process dies, and the pod that told of it is gone. What
follows would then be built upon nothing. So a Job that is made before such ends are written carries their
entries, where nobody can change them, and its own; whoever comes next reads them there.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from penstock_operator.core.actions import EventNote
from penstock_operator.core.context import RunContext
from penstock_operator.core.observed_run import ObservedRun
from penstock_operator.core.record import StepRecord
from penstock_spec.status import TERMINAL, StepState

MOST_BYTES = 16 * 1024  # of all ends that one Job bears: it is sent with each of its pods' states
# From these a step can only have gone on to the end of the same attempt.
_BEFORE_ITS_END = (StepState.QUEUED, StepState.STARTING, StepState.RUNNING)

Entry = Mapping[str, Any]


def unwritten(written: Mapping[str, Any], status: Mapping[str, Any]) -> Sequence[Entry]:
    """What a Job has to bear that is made upon `status`: the entries of steps that have ended in it, and not
    in what is written of it; where there are any, also of those that have begun since.
    """
    known = {one["name"]: one for one in written.get("steps", ())}
    news = [one for one in status.get("steps", ()) if one != known.get(one["name"])]
    ended = [one for one in news if _is_over(one) and not _is_over(known.get(one["name"], {}))]
    if not ended:
        return ()
    begun = [one for one in news if one.get("attempt", 0) > known.get(one["name"], {}).get("attempt", 0)]
    return (*ended, *(one for one in begun if one not in ended and not one.get("cellCount")))


def _is_over(entry: Entry) -> bool:
    return entry.get("state") in TERMINAL


def bearable(
    context: RunContext, before: Mapping[str, StepRecord], upcoming: str, events: Sequence[EventNote]
) -> bool:
    """Whether what has ended in this pass need not be written before the step `upcoming` begins.

    Only good ends of whole steps that had Jobs, in a run that goes on as before: all else changes what others
    may do, people too.
    """
    if not upcoming or context.halt is not None or any(one.warning for one in events):
        return False
    records = context.records.values()
    if any(context.pipeline.has_cells(one.name) for one in records if not one.ended):
        return False
    ended = [one for one in records if one.ended and not (one.name in before and before[one.name].ended)]
    if not all(one.state is StepState.SUCCEEDED and one.job and not one.cell_count for one in ended):
        return False
    return len(_text((*context.observed.run.unwritten, *(one.to_status() for one in ended)))) <= MOST_BYTES


def borne(context: RunContext, begun: StepRecord) -> str:
    """What the Job of this attempt bears, as JSON; empty where all that it follows from is written."""
    ends = context.observed.run.unwritten
    # That it has begun as well: it takes a place among those that may be under way at a time.
    return _text((*ends, begun.to_status())) if ends else ""


def told_by_jobs(observed: ObservedRun, records: Mapping[str, StepRecord]) -> Mapping[str, StepRecord]:
    """What the run's Jobs bear of its steps, and no status tells yet; by their names."""
    found: dict[str, StepRecord] = {}
    for job in observed.jobs.values():
        known = records.get(job.step)
        # A status that tells of its beginning tells of the ends before it.
        if not job.bears or known is None or known.attempt >= job.attempt:
            continue
        for record in _read(job.bears):
            before = found.get(record.name, records.get(record.name))
            if before is not None and _is_later(record, before):
                found[record.name] = record
    return found


def _read(text: str) -> Sequence[StepRecord]:
    try:
        return [StepRecord.from_status(entry) for entry in json.loads(text)]
    except (ValueError, LookupError, TypeError, AttributeError):
        return ()  # not ours: it is known by its pod, as any Job


def _is_later(record: StepRecord, known: StepRecord) -> bool:
    """Whether this came after what is known; what was written to begin again has left its old end behind."""
    if known.ended or record.attempt < known.attempt:
        return False
    return record.attempt > known.attempt or (record.ended and known.state in _BEFORE_ITS_END)


def _text(entries: Sequence[Entry]) -> str:
    return json.dumps(list(entries), separators=(",", ":"), ensure_ascii=False)
