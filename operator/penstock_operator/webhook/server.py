"""HTTP for strangers: one request a connection, bounded in size, time and number; every answer is JSON.

aiohttp's low-level server only: there is nothing to route, and its own error pages are not ours.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from penstock_operator.webhook.desk import Desk, Message, too_large
from penstock_operator.webhook.figures import Figures
from penstock_operator.webhook.messages import LARGEST
from penstock_operator.webhook.refusals import Refused, malformed

log = logging.getLogger(__name__)

CONNECTION_SECONDS = 40.0  # of a whole connection, the requests to the API server included
BODY_SECONDS = 10.0
CONNECTIONS = 256
_CONTENT = "application/json"


class _Connection(web.RequestHandler):
    """One connection: it is cut off when its time is over, or when there are too many."""

    def __init__(self, server: "_Server", **options: Any) -> None:
        super().__init__(server, **options)
        self._server = server
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._server.open += 1
        self._server.figures.connections.set(self._server.open)
        seconds = CONNECTION_SECONDS if self._server.open <= CONNECTIONS else 0.0
        self._timer = asyncio.get_running_loop().call_later(seconds, self._cut)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._server.open -= 1
        self._server.figures.connections.set(self._server.open)
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _cut(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - the signature is the library's
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - the same
    ) -> web.StreamResponse:
        """What is not even HTTP, or a fault of ours."""
        if status < 500 or isinstance(exc, HttpProcessingError):
            return self._server.refused(malformed("the request is not HTTP as it should be"), "")
        log.error("a fault of the webhook", exc_info=exc)
        return self._server.refused(Refused(500, "Fault", "a fault of the receiver; its log says more"), "")


class _Server(web.Server):
    """Makes connections, and answers requests."""

    def __init__(self, desk: Desk, figures: Figures) -> None:
        super().__init__(self._answer)
        self.figures = figures
        self.open = 0
        self._desk = desk

    def __call__(self) -> web.RequestHandler:
        loop = asyncio.get_running_loop()
        return _Connection(
            self,
            loop=loop,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=1.0,
            lingering_time=0.5,
            max_headers=64,
        )

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            headers = _headers(request)
            self._desk.precheck(request.method, request.raw_path, headers)
            body = await _body(request)
            started = await self._desk.take(Message(request.method, request.raw_path, headers, body))
        except Refused as error:
            return self.refused(error, request.raw_path)
        code, reason = (201, "Started") if started.created else (200, "Repeated")
        self.figures.messages.labels(str(code), reason).inc()
        log.info("message taken", extra={"path": request.raw_path, "run": started.run, "reason": reason})
        return _json({"run": started.run, "created": started.created}, code)

    def refused(self, error: Refused, path: str) -> web.StreamResponse:
        """The answer, its count and its line in the log. Nothing of the message but its path is logged."""
        self.figures.messages.labels(str(error.status), error.reason).inc()
        log.warning(
            "message refused", extra={"path": path[:300], "code": error.status, "reason": error.reason}
        )
        return _json({"error": error.reason, "message": error.message}, error.status, error.headers)


def _headers(request: web.BaseRequest) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        found.setdefault(name.lower(), []).append(value)
    return found


async def _body(request: web.BaseRequest) -> bytes:
    """The body, which may not be longer than LARGEST and must come in time."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.content.iter_any():
                parts.append(part)
                size += len(part)
                if size > LARGEST:
                    raise too_large()
    except TimeoutError:
        raise Refused(408, "TooSlow", f"the body did not come within {BODY_SECONDS:.0f} s") from None
    except web.RequestPayloadError:
        raise malformed("the body is not framed as it should be") from None
    return b"".join(parts)


def _json(data: Mapping[str, Any], status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    answer = web.Response(
        text=json.dumps(data) + "\n",
        status=status,
        content_type=_CONTENT,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
    answer.force_close()
    return answer


@asynccontextmanager
async def receiving(desk: Desk, figures: Figures, address: str | None, port: int) -> AsyncIterator[int]:
    """Takes messages while the context lasts; gives the port, also where 0 was asked for."""
    runner = web.ServerRunner(_Server(desk, figures), shutdown_timeout=5.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def watched(figures: Figures, address: str | None, port: int) -> AsyncIterator[int]:
    """/healthz, /readyz and /metrics on a port of their own, which no stranger reaches."""

    async def healthy(_request: web.Request) -> web.Response:
        return web.json_response({"healthy": True})

    async def metrics(_request: web.Request) -> web.Response:
        content = "text/plain; version=0.0.4; charset=utf-8"
        return web.Response(body=figures.text(), headers={"Content-Type": content})

    app = web.Application(client_max_size=1024)
    app.add_routes([web.get("/healthz", healthy), web.get("/readyz", healthy), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
