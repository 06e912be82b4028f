"""Running programs, waiting with a bound, and telling the user how it goes."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hack.cluster.errors import ClusterError

Words = list[str | Path]
"""A command, word by word."""

_STARTED = time.monotonic()


def say(message: str) -> None:
    """Print a progress line on stderr with the seconds since the command began."""
    print(f"[{time.monotonic() - _STARTED:6.1f} s] {message}", file=sys.stderr, flush=True)


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 120,
) -> str:
    """Run ``argv`` and return what it printed on stdout.

    ``env`` is added to this process's environment. Raises ClusterError with the command and the end of its
    output when it cannot be started, exits with another code than 0, or takes more than ``timeout`` seconds.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            timeout=timeout,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise ClusterError(f"{words[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"gave up after {timeout:.0f} s: {shlex.join(words)}") from error
    if done.returncode:
        output = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise ClusterError(f"exit code {done.returncode}: {shlex.join(words)}\n{output}")
    return done.stdout


def succeeds(argv: Sequence[str | Path], *, timeout: float = 20, stdin: str | None = None) -> bool:
    """Whether ``argv`` exits with 0."""
    try:
        run(argv, timeout=timeout, stdin=stdin)
    except ClusterError:
        return False
    return True


def tail(log: Path, lines: int = 15) -> str:
    """The end of a log file under a line that names it; for error messages."""
    try:
        with log.open("rb") as handle:
            handle.seek(max(0, log.stat().st_size - 64 * 1024))
            last = handle.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        last = ["(no such file)"]
    return "\n  ".join((f"the end of {log}:", *last))


def wait_until(
    done: Callable[[], bool], what: str, *, seconds: float, log: Path | None = None, every: float = 0.2
) -> None:
    """Ask ``done`` until it says yes. Raises ClusterError, with the end of ``log``, after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not within {seconds:.0f} s" + (f"\n{tail(log)}" if log else ""))
        time.sleep(every)
