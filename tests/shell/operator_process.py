"""An operator as a process of its own, started on this machine with a kubeconfig: tests kill it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.shell.nursery import Life, Nursery
from tests.support import ROOT, wait_for

SOURCES = [ROOT / "pipeline_spec", ROOT / "operator"]


@dataclass
class OperatorProcess:
    """One operator for one namespace; `start` again after it has died."""

    namespace: str
    kubeconfig: Path
    settings: Path
    log: Path
    process: subprocess.Popen[bytes] | Life | None = None
    starts: int = 0
    seconds_to_ready: float = field(default=0.0)
    nursery: Nursery | None = None  # where its lives begin; else each is a program started anew
    _before: int = 0  # lines of its log, of the lives before this one

    def start(self, *words: str) -> None:
        """Start it; does not wait until it is ready."""
        self._before = len(self.lines()) if self.log.exists() else 0
        self.starts += 1
        words = (
            *("--namespace", self.namespace, "--kubeconfig", str(self.kubeconfig)),
            *("--settings", str(self.settings), "--address", "127.0.0.1", "--port", "0", *words),
        )
        if self.nursery is not None:
            self.process = self.nursery.start(words, self.log)
            return
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "penstock_operator", *words],
                cwd=self.log.parent,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, SOURCES))},
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """SIGKILL, as by the kernel; waits until it is dead."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def dead(self) -> bool:
        """Whether it has ended."""
        return self.process is not None and self.process.poll() is not None

    def lines(self) -> list[dict[str, Any]]:
        """Its log; every whole line must be JSON. The last one may be about to be written."""
        whole = self.log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line]

    def is_ready(self) -> bool:
        """Whether this life of it has seen everything there is."""
        return not self.dead() and any(one["message"] == "ready" for one in self.lines()[self._before :])

    def ready(self) -> dict[str, Any]:
        """Waits for the line that says so, and gives it."""
        began = time.monotonic()

        def look() -> dict[str, Any] | None:
            said = [line for line in self.lines() if line["message"] == "ready"]
            assert not self.dead(), f"the operator ended: {self.log.read_text()[-2000:]}"
            return said[-1] if len(said) >= self.starts else None

        line: dict[str, Any] = wait_for("the operator to be ready", look, 120, every=0.05)
        self.seconds_to_ready = time.monotonic() - began
        return line

    def get(self, path: str) -> tuple[int, str]:
        """What its HTTP port answers."""
        port = [line for line in self.lines() if line["message"] == "serving"][-1]["port"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
