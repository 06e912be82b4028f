"""The spool of one incarnation: segments that only grow, in a folder that several incarnations share."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from penstock_server.prediction_log import counters, head

SUFFIX = ".seg"
_SEGMENT_BYTES = 1024 * 1024
_SHARE = 8  # a segment is at most this part of the spool, or a small spool could never be emptied


def segment_path(folder: Path, number: int) -> Path:
    """The file of a segment. Numbers begin at 1 and rise."""
    return folder / f"{number:08}{SUFFIX}"


def segments(folder: Path) -> list[int]:
    """Numbers of the segments in a folder, rising."""
    return sorted(int(path.stem) for path in folder.iterdir() if path.suffix == SUFFIX)


def incarnations(root: Path) -> list[Path]:
    """The folders of all incarnations, whole ones only."""
    try:
        return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except FileNotFoundError:
        return []


def used_bytes(root: Path) -> int:
    """How much all segments below `root` hold."""
    return sum(_sizes(root))


def _sizes(root: Path) -> Iterator[int]:
    for folder in incarnations(root):
        with suppress(FileNotFoundError), os.scandir(folder) as entries:  # ship removes what is stored
            for entry in entries:
                if entry.name.endswith(SUFFIX):
                    with suppress(FileNotFoundError):
                        yield entry.stat().st_size


class Spool:
    """A new incarnation that can be appended to."""

    def __init__(self, root: Path, what: head.Head, limit: int) -> None:
        """Make the folder; `limit` is for the bytes of all incarnations. OSError when there is no room."""
        self._root = root
        self._limit = limit
        self._segment_limit = min(_SEGMENT_BYTES, max(1, limit // _SHARE))
        self._number = 0
        self._file = -1
        self._size = 0
        root.mkdir(parents=True, exist_ok=True)
        self.name = os.urandom(4).hex()
        draft = root / f".{self.name}"
        draft.mkdir()
        try:
            (draft / head.NAME).write_bytes(what.to_bytes())
            self.counters = counters.Counters(draft / counters.NAME, ours=True)
            self.folder = draft.rename(root / self.name)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            raise

    def append(self, records: Sequence[bytes]) -> int:
        """Write records in order. How many of them are in the spool; the others found no room."""
        room = self._limit - used_bytes(self._root)
        fitting = 0
        for record in records:
            room -= len(record)
            if room < 0:
                break
            fitting += 1
        try:
            return self._write(records[:fitting]) if fitting else 0
        except OSError:
            return 0

    def _write(self, records: Sequence[bytes]) -> int:
        if self._file < 0 or self._size >= self._segment_limit:
            self._next_segment()
        content = b"".join(records)
        try:
            written = os.write(self._file, content)
        except OSError:
            written = 0
        if written == len(content):
            self._size += written
            return len(records)
        # The disk is full. Ship may have read whole records already: they stay, the torn one goes.
        whole, kept = 0, 0
        while kept + len(records[whole]) <= written:
            kept += len(records[whole])
            whole += 1
        self._size += kept
        os.ftruncate(self._file, self._size)
        return whole

    def _next_segment(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        opened = os.open(segment_path(self.folder, self._number + 1), flags, 0o660)
        self._close_segment()
        self._file = opened
        self._number += 1
        self._size = 0

    def _close_segment(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def close(self) -> None:
        """Nothing more will come."""
        self._close_segment()
        self.counters.close()
