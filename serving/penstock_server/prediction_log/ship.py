"""The command `ship`: rounds until the server has ended and its spool is empty, whatever the store does."""

import ctypes
import fcntl
import logging
import os
import signal
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from penstock_artifacts.errors import StoreError
from penstock_artifacts.prediction_log import PredictionLog
from penstock_artifacts.store import Store, store_from
from penstock_server import logs
from penstock_server.prediction_log.clock import milliseconds
from penstock_server.prediction_log.settings import LogSettings
from penstock_server.prediction_log.shipper import Identity, Shipper
from penstock_server.settings import required
from penstock_spec import serving_contract

_ROUND_SECONDS = 0.5
_SMALLEST_PAUSE, _LARGEST_PAUSE = 1.0, 30.0
_SAY_MILLISECONDS = 30_000


def ship(environment: Mapping[str, str], folder: Path) -> int:
    """Ship until told to stop and the server has ended; exit code 0. SettingsError if wrongly configured."""
    settings = LogSettings.read(environment, folder)
    if settings is None:
        logs.event("nothing to ship", reason=f"{serving_contract.PREDICTION_LOG_VARIABLE} is not set")
        return 0
    loop = _Loop(settings, environment)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.stopping.set())
    logs.event("shipping", folder=str(folder), flushSeconds=settings.flush_seconds)
    # The store's client may hang for as long as it likes: the main thread stays free to hear signals.
    thread = threading.Thread(target=loop.run, name="ship", daemon=True)
    thread.start()
    loop.stopping.wait()
    loop.wait_for_server()
    loop.finished.wait(settings.stop_seconds)
    rows, size = loop.shipper.waiting()
    logs.event("stopped", rowsLeft=rows, bytesLeft=size, level=logs.ERROR if rows else logging.INFO)
    if thread.is_alive():
        os._exit(0)  # a thread in the middle of a request would not let the interpreter end
    return 0


class _Loop:
    """Rounds with pauses between them."""

    def __init__(self, settings: LogSettings, environment: Mapping[str, str]) -> None:
        self.stopping = threading.Event()
        self.finished = threading.Event()
        self._settings = settings
        self._environment = environment
        self._namespace = required(environment, serving_contract.NAMESPACE_VARIABLE)
        self._store: Store | None = None
        self._pause = 0.0
        self._said = 0
        pod = environment.get(serving_contract.POD_VARIABLE, "") or socket.gethostname()
        self.shipper = Shipper(
            settings.folder,
            Identity(self._namespace, pod),
            self._log,
            flush_milliseconds=round(settings.flush_seconds * 1000),
        )

    def _log(self, endpoint: str) -> PredictionLog:
        if self._store is None:
            self._store = store_from(self._environment, self._namespace)
        return self._store.prediction_log(endpoint)

    def wait_for_server(self) -> None:
        """Until the server has ended. A native sidecar is told to stop after it, so mostly at once."""
        while self.shipper.is_served():
            self.finished.wait(_ROUND_SECONDS / 5)

    def run(self) -> None:
        """Ship; the end is that nobody writes any more and nothing is left, after we were told to stop."""
        try:
            with self._alone():
                self._run()
        except Exception as error:  # noqa: BLE001 - the kubelet starts us anew; a thread would just be missing
            logs.event("the shipper failed", level=logs.ERROR, exception=error)
            os._exit(1)

    def _run(self) -> None:
        while True:
            last = self.stopping.is_set() and not self.shipper.is_served()
            done = self._round(everything=last)
            if last and done:
                self.finished.set()
                return
            if self.stopping.is_set():
                self.finished.wait(_ROUND_SECONDS)  # only we set it: this is a pause
            else:
                shortest = min(_ROUND_SECONDS, self._settings.flush_seconds / 4)
                self.stopping.wait(max(self._pause, shortest))

    def _round(self, *, everything: bool) -> bool:
        """Whether all that was due is stored."""
        try:
            if self.shipper.round(milliseconds(), everything=everything):
                _give_back_memory()
        except StoreError as error:
            self._trouble(str(error))
        except Exception as error:  # noqa: BLE001 - the log of a pod must not end while the pod goes on
            self._trouble("the spool cannot be read", error)
        else:
            if self._said:
                logs.event("predictions are stored again")
            self._said, self._pause = 0, 0.0
            return True
        return False

    def _trouble(self, reason: str, error: Exception | None = None) -> None:
        self._pause = min(_LARGEST_PAUSE, max(_SMALLEST_PAUSE, self._pause * 2))
        now = milliseconds()
        if now - self._said >= _SAY_MILLISECONDS:
            self._said = now
            rows, size = self.shipper.waiting()
            logs.event(
                "predictions cannot be stored for now",
                level=logs.ERROR,
                reason=reason,
                exception=error,
                rowsWaiting=rows,
                bytesWaiting=size,
            )

    def _alone(self) -> IO[str]:
        """Hold the spool against a second shipper: while the kubelet replaces one, there may be two."""
        self._settings.folder.mkdir(parents=True, exist_ok=True)
        lock = (self._settings.folder / ".ship").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        return lock


def _give_back_memory() -> None:
    """What a batch took, which glibc would keep in pieces: a quarter of all that this process may use."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
