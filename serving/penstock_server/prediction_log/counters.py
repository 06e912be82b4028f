"""The figures of one incarnation in a mapped file: what a killed process has counted stays counted.

A cell is 64 bits, aligned and stored in one instruction, so neither a kill nor another process that reads can
find half of one. The file has its full size from the start: a full disk later cannot touch it.
"""

import fcntl
import mmap
import os
import struct
import zlib
from collections.abc import MutableSequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from enum import IntEnum
from pathlib import Path

NAME = "counters"
_SIZE = 4096
_CELLS = 16
_SLOTS = (1024, 2048)  # where the two copies of ship's notes lie
_NOTES = struct.Struct("<12Q")
_CHECKED = struct.Struct("<I")


class Cell(IntEnum):
    """What is counted, in rows unless it says otherwise. The server writes the first three, ship the rest."""

    ACCEPTED = 0  # answered and chosen for the log
    DROPPED = 1  # accepted, but there was no room for them
    OPENED = 2  # when, in milliseconds since the epoch
    STORED = 4
    LOST = 5  # accepted, neither dropped nor ever stored
    UPLOADED = 6  # when the store last took a batch, in milliseconds since the epoch


@dataclass(frozen=True)
class Notes:
    """How far ship has come with an incarnation, and the batch that it is about to store."""

    segment: int = 0  # all before this place is stored ...
    offset: int = 0
    end: int = 0  # ... and accounts for this many rows: the next sequence number that no batch covers
    stored: int = 0
    spoiled: int = 0  # rows of the spool that could not be read
    planned: int = 0  # 1: a batch up to the following place may be in the store or not
    plan_segment: int = 0
    plan_offset: int = 0
    plan_end: int = 0
    plan_time: int = 0  # of a batch without rows, in milliseconds since the epoch
    uploaded: int = 0


class Counters:
    """The mapped file. `cells` are those of `Cell`."""

    def __init__(self, path: Path, *, ours: bool) -> None:
        """Open the file; `ours`: make it, and hold its lock until `close` or the end of this process."""
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if ours else 0)
        self._file = os.open(path, flags, 0o660)
        try:
            if ours:
                os.write(self._file, bytes(_SIZE))
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._map = mmap.mmap(self._file, _SIZE)
        except (OSError, ValueError):  # ValueError: the file is shorter than it must be
            os.close(self._file)
            raise
        self.cells: MutableSequence[int] = memoryview(self._map).cast("Q")[:_CELLS]  # type: ignore[assignment]
        self._turn = 0

    def close(self) -> None:
        """Let go of the file and its lock. `cells` stay readable until nobody uses them."""
        if self._file >= 0:
            fcntl.flock(self._file, fcntl.LOCK_UN)  # the mapping holds a copy of the descriptor
            os.close(self._file)
            self._file = -1

    def is_alive(self) -> bool:
        """Whether the process that made the file still runs and has not closed it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._file, fcntl.LOCK_UN)
        return False

    def notes(self) -> Notes:
        """The newest whole copy of ship's notes."""
        found = []
        for slot in _SLOTS:
            packed = self._map[slot : slot + _NOTES.size]
            (check,) = _CHECKED.unpack_from(self._map, slot + _NOTES.size)
            turn, *values = _NOTES.unpack(packed)
            if turn and check == zlib.crc32(packed):
                found.append((turn, values))
        if not found:
            return Notes()
        self._turn, values = max(found)
        return Notes(*values)

    def write_notes(self, notes: Notes) -> None:
        """Replace ship's notes: a kill at any moment leaves the old ones or the new."""
        self._turn += 1
        slot = _SLOTS[self._turn % len(_SLOTS)]
        packed = _NOTES.pack(self._turn, *astuple(notes))
        self._map[slot : slot + _NOTES.size] = packed
        _CHECKED.pack_into(self._map, slot + _NOTES.size, zlib.crc32(packed))
        self.show(notes)

    def show(self, notes: Notes) -> None:
        """Tell the server what it shows in its metrics."""
        self.cells[Cell.STORED] = notes.stored
        self.cells[Cell.UPLOADED] = notes.uploaded
        if self.cells[Cell.LOST] < notes.spoiled:
            self.cells[Cell.LOST] = notes.spoiled


def read_cells(path: Path) -> list[int]:
    """The cells of somebody's file as they are now. OSError, ValueError when there is no such file yet."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), _SIZE, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped).cast("Q")
        try:
            return view[:_CELLS].tolist()
        finally:
            with suppress(BufferError):
                view.release()
