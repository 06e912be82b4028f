"""Processes that outlive the command that started them, found again by pid and start time.

A pid alone proves nothing: Linux gives it to somebody else sooner or later. A record names the pid, the time
the process started and the machine's boot; only a process that matches all three is ours to signal.
"""

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.cluster.shell import tail

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """What changes when the machine is started anew."""
    return _BOOT_ID.read_text().strip()


@dataclass(frozen=True)
class Record:
    """One started process.

    ``started`` is in clock ticks since boot; ``command`` is a hash of its words and configuration files.
    """

    pid: int
    started: int
    boot: str
    command: str

    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return self.boot == boot_id() and _start_time(self.pid) == self.started


@dataclass(frozen=True)
class Process:
    """A server: its name, its words, where its log goes, and the files whose change asks for a restart."""

    name: str
    argv: tuple[str, ...]
    log: Path
    record_file: Path
    config: tuple[Path, ...] = ()

    def record(self) -> Record | None:
        """What is known of the process that was started last, or None."""
        try:
            return Record(**json.loads(self.record_file.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def running(self) -> bool:
        """Whether the process runs."""
        record = self.record()
        return record is not None and record.alive()

    def current(self, namespace: int) -> bool:
        """Whether it runs with today's words and configuration in the network namespace of this inode."""
        record = self.record()
        if record is None or not record.alive() or record.command != self._command():
            return False
        try:
            return Path(f"/proc/{record.pid}/ns/net").stat().st_ino == namespace
        except FileNotFoundError:  # it has just ended
            return False

    def start(self, enter: Sequence[str]) -> None:
        """Start it in a session of its own and record it.

        ``enter`` are the words before the command; what they start must exec, not fork.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.record_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            try:
                child = subprocess.Popen(
                    [*enter, *self.argv],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                raise ClusterError(f"{self.name} cannot be started: {error}") from error
        started = _start_time(child.pid)
        if started is None:
            raise ClusterError(f"{self.name} ended at once; {tail(self.log)}")
        record = Record(child.pid, started, boot_id(), self._command())
        self.record_file.write_text(json.dumps(asdict(record)))

    def stop(self, grace: float = 10) -> None:
        """Ask it to end, kill it after ``grace`` seconds, and forget it."""
        record = self.record()
        if record is not None:
            for signal_number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
                if not record.alive():
                    break
                os.kill(record.pid, signal_number)
                _wait_for_end(record, seconds)
            if record.alive():
                raise ClusterError(f"{self.name} (pid {record.pid}) does not end; {tail(self.log)}")
        self.record_file.unlink(missing_ok=True)

    def _command(self) -> str:
        digest = hashlib.sha256("\0".join(self.argv).encode())
        for file in self.config:
            digest.update(file.read_bytes())
        return digest.hexdigest()[:16]


def _wait_for_end(record: Record, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while record.alive() and time.monotonic() < deadline:
        time.sleep(0.05)


def _start_time(pid: int) -> int | None:
    """The start time of ``pid`` in clock ticks since boot; None when it is no process or a zombie."""
    try:
        # The name in parentheses may hold blanks and parentheses itself; the fields follow the last one.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])
