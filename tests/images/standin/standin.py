"""Does what steps and server do, as far as the operator can see it: `python -m <module> <mode>`."""

import hashlib
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from penstock_spec.contract import TASK_VARIABLE, TERMINATION_FILE, Failure, Result, Task, encode
from penstock_spec.names import FailureClass
from penstock_spec.serving_contract import SERVE_PORT


def lost(task: Task) -> Failure | None:
    """A step called `lacking` finds at its first attempt that its inputs are gone from the store."""
    if task.step != "lacking" or task.attempt > 1:
        return None
    return Failure(FailureClass.INPUT_MISSING, "it is gone", inputs=tuple(task.inputs))


def result(task: Task) -> Result:
    """The same task always gives the same digests, whatever the namespace."""
    if task.known is not None:
        return Result(outputs=task.known.outputs, source_revision=task.known.source_revision, unchanged=True)
    inputs = ",".join(f"{name}={one.digest}" for name, one in sorted(task.inputs.items()))
    outputs = {}
    for name in task.outputs:
        text = f"{task.pipeline}/{task.step}/{name}/{inputs}"
        outputs[name] = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    return Result(
        outputs=outputs,
        metrics={"roc_auc": 0.99} if task.kind in {"train", "validate"} else {},
        verdict="Pass" if task.kind == "validate" else "",
        source_revision="sha256:" + "0" * 64 if task.kind == "ingest" else "",
        columns=3 if task.kind == "train" else 0,
    )


class Ready(BaseHTTPRequestHandler):
    """Says yes to every probe."""

    def do_GET(self) -> None:
        """200, whatever is asked."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silence."""


def main() -> None:
    """One container's work."""
    mode = sys.argv[-1]
    if mode == "serve":
        HTTPServer(("", SERVE_PORT), Ready).serve_forever()
    if TASK_VARIABLE in os.environ and mode == "fetch":
        missing = lost(Task.from_json(os.environ[TASK_VARIABLE]))
        if missing is not None:
            Path(TERMINATION_FILE).write_text(encode(missing))
            sys.exit(1)
    if TASK_VARIABLE in os.environ and mode != "fetch":
        task = Task.from_json(os.environ[TASK_VARIABLE])
        # Long enough for a kill in between to find the pod at work.
        time.sleep(0.3)
        Path(TERMINATION_FILE).write_text(encode(result(task)))


main()
