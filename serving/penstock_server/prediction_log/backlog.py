"""What an incarnation has in its spool beyond what is stored, and which batch comes next. Reads only."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from penstock_server.prediction_log.counters import Notes
from penstock_server.prediction_log.records import Record, records
from penstock_server.prediction_log.spool import segment_path, segments

BATCH_ROWS = 10_000
BATCH_BYTES = 4 * 1024 * 1024  # of the spool; as Python objects some ten times that, which a small pod has
HOUR = 3_600_000


@dataclass(frozen=True)
class Plan:
    """The next batch: its records, where it ends, and up to which sequence number it accounts for rows."""

    records: tuple[Record, ...]
    segment: int
    offset: int
    end: int
    complete: bool  # nothing can be added to it


def read(folder: Path, notes: Notes) -> Iterator[tuple[int, int, Record]]:
    """(segment, offset after it, record) of all whole records after the notes' place.

    What cannot be read at the end of a segment is passed over only when the segment can no longer grow, which
    is so when there is a later one. That is looked up before the segment is read.
    """
    for number in [number for number in segments(folder) if number >= notes.segment]:
        offset = notes.offset if number == notes.segment else 0
        with segment_path(folder, number).open("rb") as file:
            file.seek(offset)
            data = file.read()  # one segment is small, however many there are
        for record in records(data):
            offset += record.size
            yield number, offset, record


def next_plan(folder: Path, notes: Notes, *, accepted: int | None) -> Plan | None:
    """The batch that follows the notes, or None when no row waits.

    `accepted`: all rows that an incarnation that has ended ever took; its last batch accounts for them.
    """
    chosen: list[Record] = []
    size = rows = 0
    segment, offset, end = notes.segment, notes.offset, notes.end
    for number, after, record in read(folder, notes):
        full = rows + record.rows > BATCH_ROWS or size + record.size > BATCH_BYTES
        if chosen and (full or _breaks(chosen, record)):
            return Plan(tuple(chosen), segment, offset, end, complete=True)
        chosen.append(record)
        rows += record.rows
        size += record.size
        segment, offset, end = number, after, record.end
    if accepted is not None and accepted > notes.end:
        return Plan(tuple(chosen), segment, offset, accepted, complete=True)
    return Plan(tuple(chosen), segment, offset, end, complete=False) if chosen else None


def _breaks(chosen: list[Record], record: Record) -> bool:
    """Whether a record belongs to another hour, or to a time before: its clock was set back."""
    return record.time // HOUR != chosen[0].time // HOUR or record.time < chosen[-1].time


def planned(folder: Path, notes: Notes) -> Plan:
    """The batch that the notes planned, from the spool as it was then."""
    place = (notes.plan_segment, notes.plan_offset)
    chosen = []
    if place != (notes.segment, notes.offset):
        for number, after, record in read(folder, notes):
            if (number, after) > place:
                break
            chosen.append(record)
    return Plan(tuple(chosen), *place, notes.plan_end, complete=True)


def with_plan(notes: Notes, plan: Plan, now: int) -> Notes:
    """The notes that promise the plan."""
    return replace(
        notes,
        planned=1,
        plan_segment=plan.segment,
        plan_offset=plan.offset,
        plan_end=plan.end,
        plan_time=now,
    )


def without_plan(notes: Notes, *, stored: int, spoiled: int, now: int) -> Notes:
    """The notes once the plan is done: its rows stored, or found spoiled and left out."""
    return Notes(
        segment=notes.plan_segment,
        offset=notes.plan_offset,
        # Rows left out are accounted for by the batch after them, as lost.
        end=notes.end if spoiled else notes.plan_end,
        stored=notes.stored + stored,
        spoiled=notes.spoiled + spoiled,
        uploaded=notes.uploaded if spoiled else now,
    )
