"""The process: binds, loads, serves, and on SIGTERM leaves without dropping a request."""

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Iterator

import uvicorn

from penstock_artifacts.errors import ArtifactCorrupt
from penstock_artifacts.model import ModelError, SignatureError
from penstock_server import logs
from penstock_server.app import build
from penstock_server.service import Service
from penstock_server.settings import Settings


class DrainingServer(uvicorn.Server):
    """uvicorn, with our own way in (load, then ready) and out (drain, then stop)."""

    def __init__(self, service: Service, started: float) -> None:
        """`started` is the reading of `time.perf_counter` at which the process began, for the log."""
        settings = service.settings
        super().__init__(
            uvicorn.Config(
                build(service),
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=settings.stop_seconds,
                # Longer than proxies keep idle connections (commonly 60 s), so that they close first.
                timeout_keep_alive=75,
            )
        )
        self.exit_code = 0
        self._service = service
        self._began = started
        self._tasks: list[asyncio.Task[None]] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen at once, so that liveness answers; load meanwhile."""
        await super().startup(sockets)
        self._tasks.append(asyncio.create_task(self._load()))

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
            )

    def _fail(self) -> None:
        self.exit_code = 1
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
        if (
            self.should_exit or len(self._tasks) > 1
        ):  # a second signal: stop at once, still finishing what runs
            self.should_exit = True
            return
        self._service.drain()
        logs.event("draining", seconds=self._service.settings.drain_seconds)
        self._tasks.append(asyncio.create_task(self._stop_later()))

    async def _stop_later(self) -> None:
        # A Pod stays in the lists of kube-proxy and of other proxies for a moment after it was told to go.
        await asyncio.sleep(self._service.settings.drain_seconds)
        self.should_exit = True


def bind(host: str, port: int) -> socket.socket:
    """A bound socket. An empty host means every address of IPv4 and, where the machine has it, IPv6."""
    both = not host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both or ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's delay off only for sockets that say they are TCP;
    # with the delay every answer takes 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if both:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listening.bind((host, port))
    return listening


def serve(settings: Settings, started: float) -> int:
    """Serve until told to stop. Exit code: 0 after a drain, 1 model refused, 2 cannot listen."""
    try:
        listening = bind(settings.host, settings.port)
    except OSError as error:
        reason = f"cannot listen on port {settings.port}: {error.strerror}"
        logs.event("wrongly configured", level=logs.ERROR, reason=reason)
        return 2
    address = listening.getsockname()
    logs.event("listening", host=address[0], port=address[1])
    service = Service(settings)
    server = DrainingServer(service, started)
    server.run(sockets=[listening])
    service.close()
    logs.event("stopped", exitCode=server.exit_code)
    return server.exit_code
