"""Ends that a Job bears: a step need not wait until the end that it follows from is written, its Job says it.

An end that only the process knows can be undone: the process dies, and the pod that told of it is gone. What
follows would then be built upon nothing. So a Job that is made before such ends are written carries their
entries and its own on the template of its pods, which stays as it is; whoever comes next reads them there.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from penstock_operator.core.actions import EventNote
from penstock_operator.core.context import RunContext
from penstock_operator.core.observed import JobView
from penstock_operator.core.observed_run import ObservedRun
from penstock_operator.core.record import StepRecord
from penstock_spec.status import TERMINAL, StepState, StepStatus

MOST_BYTES = 8 * 1024  # of all that one Job bears: it is sent with each state of its pod
MOST_JOBS = 4  # that bear the same: one write more is cheaper than more of them
# From these a step can only have gone on to the end of the same attempt.
_BEFORE_ITS_END = (StepState.QUEUED, StepState.STARTING, StepState.RUNNING)

Entry = Mapping[str, Any]
_ENTRIES = TypeAdapter(list[StepStatus])


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
    return _is_small((*context.observed.run.unwritten, *(one.to_status() for one in ended)))


def may_bear(jobs: int, entries: Sequence[Entry]) -> bool:
    """Whether so many Jobs that are to be made may bear these entries; else they are written before."""
    return jobs == 0 or (jobs <= MOST_JOBS and _is_small(entries))


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
        now = {**records, **found}
        said = [one for one in _read(job.bears) if one.name in now and not now[one.name].cell_count]
        # What began upon an end that holds no longer is nothing to go by.
        if not any(_contradicts(one, now[one.name]) for one in said):
            found |= {one.name: one for one in said if _is_later(one, now[one.name])}
    return found


def digest_of(job: JobView) -> str | None:
    """The digest of the attempt that a Job which bears something was made for; None where it does not say."""
    own = next((one for one in _read(job.bears) if one.name == job.step), None) if job.bears else None
    return None if own is None else own.digest


def _read(text: str) -> Sequence[StepRecord]:
    """The records; none where they are not as a release of ours writes them."""
    try:
        entries = _ENTRIES.validate_json(text, extra="ignore")
    except ValidationError:
        return ()
    return [StepRecord.from_status(one.model_dump(by_alias=True, exclude_unset=True)) for one in entries]


def _contradicts(record: StepRecord, known: StepRecord) -> bool:
    """Whether this end is another than the known one, or was left behind by another attempt."""
    if not record.ended or _is_later(record, known):
        return False
    same = (record.state, record.attempt, record.outputs) == (known.state, known.attempt, known.outputs)
    return not (known.ended and same)


def _is_later(record: StepRecord, known: StepRecord) -> bool:
    """Whether this came after what is known; what was written to begin again has left its old end behind."""
    if known.ended or record.attempt < known.attempt:
        return False
    return record.attempt > known.attempt or (record.ended and known.state in _BEFORE_ITS_END)


def _is_small(entries: Sequence[Entry]) -> bool:
    return len(_text(entries).encode()) <= MOST_BYTES


def _text(entries: Sequence[Entry]) -> str:
    return json.dumps(list(entries), separators=(",", ":"), ensure_ascii=False)
