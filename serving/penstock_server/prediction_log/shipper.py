"""One round of `ship`: every batch that is due goes to the store, what is stored leaves the spool.

A batch is written down before it is sent. Whatever kills this process, the next one sends the same rows under
the same key, and the store says that it has them.
"""

import hashlib
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from penstock_artifacts.prediction_log import Batch
from penstock_server import logs
from penstock_server.prediction_log import backlog, counts, head
from penstock_server.prediction_log.backlog import HOUR, Plan
from penstock_server.prediction_log.counters import NAME, Cell, Counters, Notes
from penstock_server.prediction_log.head import Head
from penstock_server.prediction_log.parquet import to_parquet
from penstock_server.prediction_log.spool import incarnations, segment_path, segments, used_bytes


class Place(Protocol):
    """Where batches go: `penstock_artifacts.prediction_log.PredictionLog`."""

    def put(self, batch: Batch, content: bytes) -> None:
        """Store it once. StoreError."""


@dataclass(frozen=True)
class Identity:
    """Whose log it is."""

    namespace: str
    pod: str

    def instance(self, incarnation: str) -> str:
        """The name of an incarnation among those of all pods."""
        return hashlib.sha256(self.pod.encode()).hexdigest()[:8] + incarnation


def _nothing(_step: str) -> None:
    """What happens between two steps, outside of tests."""


class Shipper:
    """Brings the spool below one folder to the store."""

    def __init__(
        self,
        root: Path,
        identity: Identity,
        place: Callable[[str], Place],
        *,
        flush_milliseconds: int,
        at: Callable[[str], None] = _nothing,
    ) -> None:
        """`place` gives the log of an endpoint. `at` is told before each step that a kill may prevent."""
        self._root = root
        self._identity = identity
        self._place = place
        self._flush = flush_milliseconds
        self._at = at

    def round(self, now: int, *, everything: bool = False) -> int:
        """Store what is due, or all there is. How many batches that were. StoreError: the rest waits.

        `now` is in milliseconds since the epoch.
        """
        stored = 0
        for folder in incarnations(self._root):
            with suppress(FileNotFoundError), closing(Counters(folder / NAME, ours=False)) as counters:
                stored += self._ship(folder, counters, now, everything=everything)
        return stored

    def is_served(self) -> bool:
        """Whether a server still writes to the spool."""
        for folder in incarnations(self._root):
            with suppress(FileNotFoundError), closing(Counters(folder / NAME, ours=False)) as counters:
                if counters.is_alive():
                    return True
        return False

    def waiting(self) -> tuple[int, int]:
        """(rows, bytes) that are not stored."""
        found = counts.read(self._root)
        rows = found.accepted - found.dropped - found.stored - found.lost
        return max(0, rows), used_bytes(self._root)

    def _ship(self, folder: Path, counters: Counters, now: int, *, everything: bool) -> int:
        what = Head.from_bytes((folder / head.NAME).read_bytes())
        notes = counters.notes()
        counters.show(notes)
        stored = 0
        while True:
            # In this order: what an ended incarnation has written is all there is.
            ended = not counters.is_alive()
            if not notes.planned:
                plan = backlog.next_plan(
                    folder, notes, accepted=counters.cells[Cell.ACCEPTED] if ended else None
                )
                if plan is None or not (everything or self._is_due(plan, now)):
                    break
                notes = backlog.with_plan(notes, plan, now)
                self._at("plan")
                counters.write_notes(notes)
            notes = self._store(folder, what, notes, now)
            self._at("note")
            counters.write_notes(notes)
            stored += 1
            self._forget(folder, notes)
        if ended and plan is None:
            self._end(folder, counters)
        return stored

    def _is_due(self, plan: Plan, now: int) -> bool:
        first = plan.records[0].time if plan.records else now
        # A row from the future: the clock was set back, and may be for long.
        waited = now - first >= self._flush or now < first
        return plan.complete or waited or now // HOUR > first // HOUR

    def _store(self, folder: Path, what: Head, notes: Notes, now: int) -> Notes:
        """The notes once the planned batch is in the store. StoreError: it may be or not."""
        records = backlog.planned(folder, notes).records
        rows = sum(record.rows for record in records)
        instance = self._identity.instance(folder.name)
        self._at("build")
        try:
            content = to_parquet(what, instance, records)
        except (ValueError, TypeError, KeyError) as error:
            # Not to be mended by trying again; the batch after it will say that these rows are lost.
            logs.event(
                "rows of the prediction log are unusable", level=logs.ERROR, rows=rows, exception=error
            )
            return backlog.without_plan(notes, stored=0, spoiled=rows, now=now)
        first = notes.plan_end - rows
        batch = Batch(
            namespace=self._identity.namespace,
            endpoint=what.endpoint,
            start=records[0].time if records else notes.plan_time,
            end=records[-1].time if records else notes.plan_time,
            version=what.version,
            instance=instance,
            first=first,
            rows=rows,
            lost=first - notes.end,
            sha256=hashlib.sha256(content).hexdigest(),
        )
        self._at("put")
        self._place(what.endpoint).put(batch, content)
        return backlog.without_plan(notes, stored=rows, spoiled=0, now=now)

    def _forget(self, folder: Path, notes: Notes) -> None:
        """Remove the segments that are stored whole."""
        for number in segments(folder):
            if number < notes.segment:
                self._at("delete")
                segment_path(folder, number).unlink()

    def _end(self, folder: Path, counters: Counters) -> None:
        """An ended incarnation is stored whole: what it accepted and never wrote was lost with it."""
        cells = counters.cells
        cells[Cell.LOST] = max(0, cells[Cell.ACCEPTED] - cells[Cell.DROPPED] - cells[Cell.STORED])
        self._at("fold")
        with suppress(OSError):  # a full disk; the figures are right where they are
            counts.fold(self._root, folder)
