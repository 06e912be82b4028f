"""The process: binds, loads, serves, and on SIGTERM leaves without dropping a request."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator

import uvicorn

from penstock_artifacts.errors import ArtifactCorrupt
from penstock_artifacts.model import ModelError, SignatureError
from penstock_server import logs
from penstock_server.app import build
from penstock_server.board import Board
from penstock_server.grpc_face import GrpcFace
from penstock_server.listening import Place, bind
from penstock_server.one_write import OneWriteProtocol
from penstock_server.prediction_log.figures import LogFigures
from penstock_server.prediction_log.settings import LogSettings
from penstock_server.prediction_log.writer import SpooledLog
from penstock_server.service import Service
from penstock_server.settings import Settings

_BACKLOG = 2048


class DrainingServer(uvicorn.Server):
    """uvicorn, with our own way in (load, then ready) and out (drain, then stop), and gRPC beside it."""

    def __init__(self, service: Service, place: Place, started: float) -> None:
        """`started` is the reading of `time.perf_counter` at which the process began, for the log."""
        settings = service.settings
        super().__init__(
            uvicorn.Config(
                build(service),
                http=OneWriteProtocol,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                # A worker takes one connection at a time, so that others get theirs. See `startup`.
                backlog=_BACKLOG if settings.workers == 1 else 1,
                timeout_graceful_shutdown=settings.stop_seconds,
                # Longer than proxies keep idle connections (commonly 60 s), so that they close first.
                timeout_keep_alive=75,
            )
        )
        self.exit_code = 0
        self._service = service
        self._place = place
        self._grpc = GrpcFace(service)
        self._began = started
        self._tasks: list[asyncio.Task[None]] = []
        self._leaving = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen at once, so that liveness answers, and load; a worker that replaces another loads first."""
        if self._place.late:
            await self._load()
            if self.should_exit:
                return
        await super().startup(sockets)
        for one in sockets or ():
            one.listen(_BACKLOG)  # what the kernel queues; uvicorn was told how many to take at a time
        settings = self._service.settings
        try:
            port = await self._grpc.start(settings.host, self._place.grpc_port, shared=settings.workers > 1)
        except OSError as error:
            logs.event("wrongly configured", level=logs.ERROR, reason=str(error))
            self._fail(2)
            return
        if self._place.worker is None and sockets:
            address = sockets[0].getsockname()
            logs.event("listening", host=address[0], port=address[1], grpcPort=port)
        if not self._place.late:
            self._tasks.append(asyncio.create_task(self._load()))
        if self._place.parent is not None:
            # The parent alone holds the other end: when it is gone, nobody would end this process.
            asyncio.get_running_loop().add_reader(self._place.parent, self._orphaned)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Both faces finish what runs."""
        await asyncio.gather(super().shutdown(sockets), self._grpc.stop(self._service.settings.stop_seconds))

    def _orphaned(self) -> None:
        assert self._place.parent is not None  # noqa: S101 - else nobody reads it
        asyncio.get_running_loop().remove_reader(self._place.parent)
        logs.event("the supervising process is gone", level=logs.ERROR)
        self._leave()

    async def _load(self) -> None:
        settings = self._service.settings
        try:
            await self._service.load()
        except (ArtifactCorrupt, ModelError, SignatureError) as error:
            logs.event("refused to serve", level=logs.ERROR, model=settings.model, reason=str(error))
            self._fail()
        except Exception as error:  # noqa: BLE001 - whatever it is, a server without a model must end and say so
            logs.event("could not load the model", level=logs.ERROR, model=settings.model, exception=error)
            self._fail()
        else:
            seconds = round(time.perf_counter() - self._began, 3)
            logs.event(
                "ready",
                model=settings.model,
                version=settings.version,
                digest=settings.digest,
                seconds=seconds,
                **self._place.words,
            )

    def _fail(self, code: int = 1) -> None:
        self.exit_code = code
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave on SIGTERM and SIGINT; uvicorn would raise them again and spoil the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._leave)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _leave(self) -> None:
        if self._leaving:  # a second signal: stop at once, still finishing what runs
            self.should_exit = True
            return
        self._leaving = True
        self._service.drain()
        logs.event("draining", seconds=self._service.settings.drain_seconds, **self._place.words)
        self._tasks.append(asyncio.create_task(self._stop_later()))

    async def _stop_later(self) -> None:
        # A Pod stays in the lists of kube-proxy and of other proxies for a moment after it was told to go.
        await asyncio.sleep(self._service.settings.drain_seconds)
        self.should_exit = True


def serve(settings: Settings, started: float, log: LogSettings | None) -> int:
    """Serve until told to stop. Exit code: 0 after a drain, 1 model refused, 2 cannot listen."""
    if settings.workers > 1:
        from penstock_server.supervisor import supervise  # noqa: PLC0415 - one process needs no supervisor

        return supervise(settings)
    try:
        listening = bind(settings.host, settings.port)
    except OSError as error:
        reason = f"cannot listen on port {settings.port}: {error.strerror}"
        logs.event("wrongly configured", level=logs.ERROR, reason=reason)
        return 2
    return run(settings, Place(listening, settings.grpc_port), Board(1), started, log)


def run(settings: Settings, place: Place, board: Board, started: float, log: LogSettings | None) -> int:
    """Be the one server, or one worker of several, until told to stop. The exit code."""
    service = Service(settings, _spooled(settings, log), board, place.worker or 0)
    if log is not None:
        figures = LogFigures(log.folder, model=settings.model, version=settings.version)
        service.metrics.of_the_pod.append(figures)
    server = DrainingServer(service, place, started)
    server.run(sockets=[place.listening])
    service.close()
    logs.event("stopped", exitCode=server.exit_code, **place.words)
    if not service.idle:
        # A thread that works for nobody any longer cannot be stopped, and would keep the process.
        sys.stdout.flush()
        os._exit(server.exit_code)
    return server.exit_code


def _spooled(settings: Settings, log: LogSettings | None) -> SpooledLog | None:
    if log is None:
        return None
    return SpooledLog(log, version=settings.version, digest=settings.digest, endpoint=settings.endpoint)
