"""Several workers: a parent that starts them, replaces one that dies, and passes on what it is told.

The workers share one listening socket for HTTP, so that nothing that waits in it is lost with one of them;
for gRPC, whose library takes no socket, each has one of its own on the same port.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from prometheus_client.multiprocess import mark_process_dead

from penstock_server import logs
from penstock_server.board import Board
from penstock_server.listening import Place, bind
from penstock_server.metrics import SHARED
from penstock_server.settings import Settings

VARIABLE = "PENSTOCK_SERVER_WORKER"  # from parent to worker: its place, as JSON
_LATEST = 30.0  # most seconds between two attempts to replace a worker that does not live
_ENOUGH = 10.0  # seconds of life after which a death counts as a new one
_TOGETHER = (1, 2)  # exit codes of a worker with which none can do better: model refused, cannot listen


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    started: float
    deaths: int  # in a row


def supervise(settings: Settings) -> int:
    """Run the workers until told to stop. Exit code: 0 after a drain, else that of a worker that gave up."""
    try:
        http = bind(settings.host, settings.port)
        reserved = bind(settings.host, settings.grpc_port, shared=True)
    except OSError as error:
        logs.event("wrongly configured", level=logs.ERROR, reason=f"cannot listen: {error.strerror}")
        return 2
    address = http.getsockname()
    http.listen(2048)
    logs.event("listening", host=address[0], port=address[1], grpcPort=reserved.getsockname()[1])
    folder = tempfile.mkdtemp(prefix="penstock-metrics-")
    try:
        return _Supervisor(settings, http, reserved, folder).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Supervisor:
    def __init__(self, settings: Settings, http: socket.socket, reserved: socket.socket, folder: str) -> None:
        self._settings = settings
        self._http = http
        self._grpc_port = reserved.getsockname()[1]
        self._folder = folder
        self._board = Board(settings.workers)
        # Only this process holds the end that is written to; nothing ever is.
        self._life, self._end = os.pipe()
        self._workers: dict[int, _Worker] = {}
        self._due: dict[int, tuple[float, int]] = {}  # when to replace a worker, and its deaths in a row
        self._told = 0
        self._exit_code = 0

    def run(self) -> int:
        """The whole life."""
        signals = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        for number in range(self._settings.workers):
            self._start(number, deaths=0, late=False)
        while self._workers or self._due:
            found = signal.sigtimedwait(signals, self._patience())
            if found is not None and found.si_signo != signal.SIGCHLD:
                self._tell(signal.SIGTERM)
            self._bury()
            self._replace()
        logs.event("stopped", exitCode=self._exit_code)
        return self._exit_code

    def _patience(self) -> float:
        if not self._due:
            return 60.0
        return max(0.0, min(when for when, _ in self._due.values()) - time.monotonic())

    def _tell(self, number: int) -> None:
        """To all workers; the second time they stop at once, and from then on none is replaced."""
        self._told += 1
        self._due.clear()
        for worker in self._workers.values():
            worker.process.send_signal(number)

    def _bury(self) -> None:
        for number, worker in list(self._workers.items()):
            code = worker.process.poll()
            if code is None:
                continue
            del self._workers[number]
            mark_process_dead(worker.process.pid, self._folder)  # type: ignore[no-untyped-call]  # not annotated
            if self._told:
                self._exit_code = self._exit_code or max(0, code)
            elif code in _TOGETHER:
                self._exit_code = code
                self._tell(signal.SIGTERM)
            else:
                self._mourn(number, worker, code)

    def _mourn(self, number: int, worker: _Worker, code: int) -> None:
        lived = time.monotonic() - worker.started
        deaths = 1 if lived > _ENOUGH else worker.deaths + 1
        wait = 0.0 if deaths == 1 else min(_LATEST, 2.0 ** (deaths - 2))
        self._board.died(number)
        how = {"signal": signal.Signals(-code).name} if code < 0 else {"exitCode": code}
        logs.event("a worker died", level=logs.ERROR, worker=number, replacedIn=wait, **how)
        self._due[number] = (time.monotonic() + wait, deaths)

    def _replace(self) -> None:
        for number, (when, deaths) in list(self._due.items()):
            if time.monotonic() >= when:
                del self._due[number]
                # Before all had loaded once, the pod is not ready, and liveness needs somebody who listens.
                self._start(number, deaths=deaths, late=self._board.started)

    def _start(self, number: int, *, deaths: int, late: bool) -> None:
        place = {
            "worker": number,
            "late": late,
            "http": self._http.fileno(),
            "grpcPort": self._grpc_port,
            "board": self._board.file,
            "parent": self._life,
        }
        process = subprocess.Popen(  # noqa: S603 - this very program
            [sys.executable, "-m", "penstock_server", *sys.argv[1:]],
            env={**os.environ, VARIABLE: json.dumps(place), SHARED: self._folder},
            pass_fds=(self._http.fileno(), self._board.file, self._life),
            preexec_fn=_unblocked,  # noqa: PLW1509 - this process has one thread
        )
        self._workers[number] = _Worker(process, time.monotonic(), deaths)


def _unblocked() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, set())


def place_of(text: str, workers: int) -> tuple[Place, Board]:
    """What `_start` wrote for a worker."""
    data = json.loads(text)
    listening = socket.socket(fileno=data["http"])
    place = Place(listening, data["grpcPort"], data["worker"], data["late"], data["parent"])
    return place, Board(workers, data["board"])
