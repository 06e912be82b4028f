"""What the prediction log costs a request: µs of CPU time of the thread that answers, and of the writer's.

python -m tests.server.bench_prediction_log
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from penstock_artifacts.model import Prediction
from penstock_artifacts.signature import ColumnSignature, Layout, Signature, Task, ValueType
from penstock_server.prediction_log.clock import milliseconds
from penstock_server.prediction_log.settings import LogSettings
from penstock_server.prediction_log.writer import SpooledLog

_EVERY = 0.001  # seconds between two requests


def measure(numbers: int, texts: int, rows: int, ratio: float, requests: int) -> tuple[float, float]:
    """(µs of the calling thread, µs of the writer thread) for each request."""
    columns = [ColumnSignature(f"n{index}", ValueType.NUMBER) for index in range(numbers)]
    columns += [ColumnSignature(f"t{index}", ValueType.STRING) for index in range(texts)]
    target = ColumnSignature("target", ValueType.BOOLEAN)
    signature = Signature("bench", Task.CLASSIFICATION, Layout.COLUMNS, tuple(columns), target, (False, True))
    cells = {
        column.name: ["København"] * rows if column.type is ValueType.STRING else [1.2345678901] * rows
        for column in columns
    }
    prediction = Prediction(labels=[True] * rows, probabilities=np.full((rows, 2), 0.5))
    with tempfile.TemporaryDirectory() as folder:
        settings = LogSettings(Path(folder), ratio, frozenset(), 10, 1 << 30, 20)
        log = SpooledLog(settings, version="bench-1", digest="sha256:0", endpoint="bench", clock=milliseconds)
        log.start(signature)
        spent = 0
        whole, here = time.process_time_ns(), time.thread_time_ns()
        for _ in range(requests):
            before = time.thread_time_ns()
            log.add(cells, prediction, "0123456789ab-12345", rows)
            spent += time.thread_time_ns() - before
            before = time.thread_time_ns()
            spent -= time.thread_time_ns() - before  # what looking at the clock takes
            time.sleep(_EVERY)
        others = (time.process_time_ns() - whole) - (time.thread_time_ns() - here)
        log.close()
    return spent / requests / 1000, others / requests / 1000


def main() -> None:
    """Print the table."""
    print("numbers texts  rows ratio | add µs | writer µs")
    for numbers, texts, rows, ratio in (
        (30, 0, 1, 1.0),
        (4, 2, 1, 1.0),
        (30, 0, 1, 0.1),
        (500, 0, 1, 1.0),
        (30, 0, 100, 1.0),
    ):
        add, writer = measure(numbers, texts, rows, ratio, 3000)
        print(f"{numbers:7} {texts:5} {rows:5} {ratio:5} | {add:6.1f} | {writer:9.1f}")


if __name__ == "__main__":
    main()
