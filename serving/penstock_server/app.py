"""The HTTP face: Open Inference Protocol v2 over REST, health, metrics. Every refusal is one line of JSON."""

import time
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock_artifacts.columns import InputError, quoted
from penstock_artifacts.model import ModelError
from penstock_server import describe, logs
from penstock_server.infer_request import RequestError
from penstock_server.metrics import CONTENT_TYPE
from penstock_server.service import Phase, Service

Handler = Callable[[Request], Awaitable[Response]]
_CLIENT_CLOSED = 499  # nobody is there to read the answer; the number is nginx's


def build(service: Service) -> ASGIApp:
    """The ASGI application that serves `service`."""
    face = _Face(service)
    model = "/v2/models/{name}"
    one_version = f"{model}/versions/{{version}}"
    # In the order of how often they are asked for: routes are tried one after the other.
    routes = [Route(f"{path}/infer", face.infer, methods=["POST"]) for path in (model, one_version)]
    routes += [
        Route("/v2/health/live", face.live, methods=["GET"]),
        Route("/v2/health/ready", face.ready, methods=["GET"]),
        Route("/metrics", face.metrics, methods=["GET"]),
        Route("/v2", face.server, methods=["GET"]),
    ]
    for path in (model, one_version):
        routes += [
            Route(path, face.model, methods=["GET"]),
            Route(f"{path}/ready", face.ready, methods=["GET"]),
        ]
    handlers: Mapping[Any, Any] = {
        HTTPException: _http_error,
        RequestError: _request_error,
        InputError: _input_error,
        Exception: _our_error,
    }
    app = Starlette(routes=routes, exception_handlers=dict(handlers))
    app.router.redirect_slashes = False
    return _Observed(app, service)


class _Face:
    """One method per resource of the protocol."""

    def __init__(self, service: Service) -> None:
        self._service = service
        try:
            self._release = version("penstock")
        except PackageNotFoundError:  # the image holds the packages without the distribution's metadata
            self._release = "0"

    async def server(self, _request: Request) -> Response:
        return _json(describe.server(self._release))

    async def live(self, _request: Request) -> Response:
        return _json({"live": True})

    async def ready(self, request: Request) -> Response:
        self._check_names(request)
        self._service.check_ready()
        return _json({"ready": True})

    async def model(self, request: Request) -> Response:
        self._check_names(request)
        return _json(self._service.describe())

    async def infer(self, request: Request) -> Response:
        self._check_names(request)
        async with self._service.bodies.read(request) as body:
            answer = await self._service.infer(body)
        return Response(answer, media_type="application/json")

    async def metrics(self, _request: Request) -> Response:
        return Response(self._service.metrics.render(), headers={"content-type": CONTENT_TYPE})

    def _check_names(self, request: Request) -> None:
        settings, asked = self._service.settings, request.path_params
        if asked.get("name", settings.model) != settings.model:
            message = f"there is no model {quoted(asked['name'])} here; this server has {settings.model!r}"
            raise RequestError(message, status=404)
        if asked.get("version", settings.version) != settings.version:
            message = (
                f"model {settings.model!r} has no version {quoted(asked['version'])} here; "
                f"this server has {settings.version!r}"
            )
            raise RequestError(message, status=404)


class _Observed:
    """Around everything: counts, times and logs inference requests; while draining, ends connections."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        code = 0

        async def watched(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
                # 413 and 408 leave unread bytes behind; a draining server wants its clients to go elsewhere.
                if code in (408, 413) or self._service.phase is Phase.DRAINING:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        started = time.perf_counter()
        counted = scope["method"] == "POST" and scope["path"].endswith("/infer")
        if counted:
            self._service.metrics.in_flight.inc()
        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            code = _CLIENT_CLOSED
        except Exception as error:  # noqa: BLE001 - the client has its 500 already; the process lives on
            logs.event("internal error", level=logs.ERROR, exception=error)
        finally:
            if counted:
                seconds = time.perf_counter() - started
                self._service.metrics.in_flight.dec()
                self._service.metrics.answered(code or _CLIENT_CLOSED, seconds)
                logs.event("request", code=code or _CLIENT_CLOSED, milliseconds=round(seconds * 1000, 3))


def _json(data: Mapping[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(data), status_code=status, media_type="application/json")


def _refusal(message: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    response = _json({"error": message}, status)
    response.headers.update(headers or {})
    return response


async def _request_error(_request: Request, error: RequestError) -> Response:
    return _refusal(str(error), error.status, {"retry-after": "1"} if error.status == 503 else None)


async def _input_error(_request: Request, error: InputError) -> Response:
    return _refusal(str(error), 400)


async def _http_error(request: Request, error: HTTPException) -> Response:
    if error.status_code == 404:
        return _refusal("there is nothing at this path; see /v2", 404)
    if error.status_code == 405:
        allowed = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
        return _refusal(f"this path takes {allowed}, not {request.method[:16]}", 405, error.headers)
    return _refusal(error.detail, error.status_code, error.headers)


async def _our_error(_request: Request, error: Exception) -> Response:
    if isinstance(error, ModelError):
        return _refusal(str(error), 500)
    return _refusal("internal error; the server's log says where", 500)
