"""Notices when the event loop stands still.

Says so after a while, and ends the process after a longer one.
"""

import asyncio
import faulthandler
import logging
import os
import sys
import threading
from time import monotonic, sleep

log = logging.getLogger(__name__)

BEAT = 1.0
WARN_AFTER = 5.0
END_AFTER = 30.0
EXIT_CODE = 70


class Watchdog:
    """A thread beside the loop.

    A process that slept (SIGSTOP, a frozen machine) is ended too: it knows old things.
    """

    def __init__(self) -> None:
        self._beat = monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    async def run(self) -> None:
        """Beat for ever; watch until cancelled."""
        self._thread.start()
        try:
            while True:
                self._beat = monotonic()
                await asyncio.sleep(BEAT)
        finally:
            self._over.set()

    def _watch(self) -> None:
        warned = False
        while not self._over.is_set():
            sleep(BEAT)
            lag = monotonic() - self._beat
            if lag > END_AFTER:
                log.critical("the event loop stood still; ending the process", extra={"seconds": round(lag)})
                os._exit(EXIT_CODE)
            if lag > WARN_AFTER and not warned:
                log.error("the event loop stands still; stacks follow", extra={"seconds": round(lag)})
                faulthandler.dump_traceback(file=sys.stderr)
            warned = lag > WARN_AFTER
