"""A program: one round of shipping that is killed at the step of the given name; without a name it is not.

python killed_ship.py <spool> <step>
"""

import os
import signal
import sys
from pathlib import Path

from penstock_artifacts.prediction_log import Batch, PredictionLog
from penstock_artifacts.store import store_from
from penstock_server.prediction_log.clock import milliseconds
from penstock_server.prediction_log.shipper import Identity, Shipper

folder, fatal = Path(sys.argv[1]), sys.argv[2]


def at(step: str) -> None:
    """End here, as by the kernel."""
    if step == fatal:
        os.kill(os.getpid(), signal.SIGKILL)


class Watched:
    """The real log, and a step after each batch that the store has taken."""

    def __init__(self, log: PredictionLog) -> None:
        self._log = log

    def put(self, batch: Batch, content: bytes) -> None:
        """Store, then perhaps die before anybody hears of it."""
        self._log.put(batch, content)
        at("stored")


shipper = Shipper(
    folder,
    Identity("ml", "pod-1"),
    lambda endpoint: Watched(store_from(os.environ, "ml").prediction_log(endpoint)),
    flush_milliseconds=10_000,
    at=at,
)
shipper.round(milliseconds(), everything=True)
