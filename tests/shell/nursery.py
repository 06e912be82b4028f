"""Lives of an operator that begin at once: a process that has imported everything forks for each.

Most of a start is compiling and importing; a test that kills after every write makes hundreds of them.
What is forked has done nothing yet but import: each life begins in `main`, with a log and words of its own.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock_operator.__main__ import main
from tests.support import ROOT


@dataclass(frozen=True)
class Life:
    """One operator, with what a test needs of `subprocess.Popen`."""

    nursery: "Nursery"
    pid: int

    def poll(self) -> int | None:
        """Its exit code (negative: the signal); None while it lives."""
        return self.nursery.ask({"poll": self.pid})

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended."""
        self.nursery.ask({"pid": self.pid, "signal": int(number)})

    def wait(self, timeout: float) -> int:
        """Its exit code, as soon as it has ended."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            assert time.monotonic() < deadline, f"operator {self.pid} lives on"
            time.sleep(0.01)
        return code


class Nursery:
    """Asks the mother process, one question at a time."""

    def __init__(self, mother: "subprocess.Popen[str]") -> None:
        self._mother = mother
        self._lock = threading.Lock()

    def start(self, words: Sequence[str], log: Path) -> Life:
        """A new life, which works in the log's folder."""
        pid = self.ask({"words": [*words], "log": str(log)})
        assert pid is not None
        return Life(self, pid)

    def ask(self, question: Mapping[str, Any]) -> int | None:
        """The mother's answer."""
        with self._lock:
            assert self._mother.stdin
            assert self._mother.stdout
            self._mother.stdin.write(json.dumps(question) + "\n")
            self._mother.stdin.flush()
            answer: int | None = json.loads(self._mother.stdout.readline())
            return answer


@contextlib.contextmanager
def nursery() -> Iterator[Nursery]:
    """A running one. All that is left of it ends with it."""
    words = [sys.executable, "-m", "tests.shell.nursery"]
    path = os.pathsep.join(one for one in sys.path if one)
    pipe, environment = subprocess.PIPE, {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, cwd=ROOT, env=environment) as mother:
        yield Nursery(mother)
        # Leaving closes its standard input, which ends it, and waits for that.


def serve() -> None:
    """Answer questions until there are no more."""
    ended: dict[int, int] = {}  # exit codes of lives
    born: set[int] = set()
    for line in sys.stdin:
        question = json.loads(line)
        if "words" in question:
            answer: int | None = _bear(question["words"], Path(question["log"]))
            born.add(answer or 0)
        elif "poll" in question:
            answer = _reap(question["poll"], ended)
        else:
            answer = _reap(question["pid"], ended)
            if answer is None:
                os.kill(question["pid"], question["signal"])
        print(json.dumps(answer), flush=True)
    for pid in born:
        if _reap(pid, ended) is None:
            os.kill(pid, signal.SIGKILL)


def _bear(words: Sequence[str], log: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        said = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        for theirs, ours in ((nothing, 0), (said, 1), (said, 2)):
            os.dup2(theirs, ours)
        os.chdir(log.parent)
        sys.argv = ["penstock_operator", *words]
        code = main()
    finally:
        os._exit(code)  # never back into what the mother does


def _reap(pid: int, ended: dict[int, int]) -> int | None:
    if pid not in ended:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            ended[pid] = os.waitstatus_to_exitcode(status)
    return ended.get(pid)


if __name__ == "__main__":
    serve()
