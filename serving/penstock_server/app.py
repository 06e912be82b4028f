"""The HTTP face: Open Inference Protocol v2 over REST, health, metrics. Every refusal is one line of JSON."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock_server import describe, logs
from penstock_server.infer_http import InferHttp
from penstock_server.metrics import CONTENT_TYPE
from penstock_server.refusals import Blame, Refusal, RequestError
from penstock_server.service import Phase, Service
from penstock_server.tokens import CHALLENGE

Handler = Callable[[Request], Awaitable[Response]]
_MODELS = "/v2/models/"


def build(service: Service) -> ASGIApp:
    """The ASGI application that serves `service`."""
    infer = InferHttp(service)
    face = _Face(service, infer)
    model = "/v2/models/{name}"
    one_version = f"{model}/versions/{{version}}"
    routes = [
        Route("/v2/health/live", face.live, methods=["GET"]),
        Route("/v2/health/ready", face.ready, methods=["GET"]),
        Route("/metrics", face.metrics, methods=["GET"]),
        Route("/v2", face.server, methods=["GET"]),
    ]
    for path in (model, one_version):
        routes += [
            Route(path, face.model, methods=["GET"]),
            Route(f"{path}/ready", face.model_ready, methods=["GET"]),
            Route(f"{path}/infer", face.no_infer, methods=["POST"]),
        ]
    handlers: Mapping[Any, Any] = {HTTPException: _http_error, Exception: _any_error}
    app = Starlette(routes=routes, exception_handlers={**handlers, RequestError: _any_error})
    app.router.redirect_slashes = False
    return _Entrance(app, service, infer)


class _Face:
    """One method per resource of the protocol, but for inference."""

    def __init__(self, service: Service, infer: InferHttp) -> None:
        self._service = service
        self._infer = infer

    async def server(self, _request: Request) -> Response:
        return _json(describe.server())

    async def live(self, _request: Request) -> Response:
        return _json({"live": True})

    async def ready(self, _request: Request) -> Response:
        self._service.check_ready()
        return _json({"ready": True})

    async def model_ready(self, request: Request) -> Response:
        self._admit(request)
        return await self.ready(request)

    async def model(self, request: Request) -> Response:
        self._admit(request)
        return _json(self._service.describe())

    async def no_infer(self, _request: Request) -> Response:
        """Only there so that other methods are told of POST; `_Entrance` takes every POST before this."""
        raise HTTPException(404)

    async def metrics(self, _request: Request) -> Response:
        return Response(self._service.metrics.render(), headers={"content-type": CONTENT_TYPE})

    def _admit(self, request: Request) -> None:
        self._infer.client(dict(request.scope["headers"]))
        self._service.check_names(request.path_params["name"], request.path_params.get("version"))


class _Entrance:
    """Takes inference by the short way, and while draining ends connections with each answer."""

    def __init__(self, app: ASGIApp, service: Service, infer: InferHttp) -> None:
        self._app = app
        self._service = service
        self._infer = infer
        settings = service.settings
        path = f"{_MODELS}{settings.model}"
        # The two paths that are asked day in, day out; others that look alike are taken apart.
        self._known: Mapping[str, tuple[str, str | None]] = {
            f"{path}/infer": (settings.model, None),
            f"{path}/versions/{settings.version}/infer": (settings.model, settings.version),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        place = None
        if scope["method"] == "POST":
            place = self._known.get(scope["path"]) or _place(scope)
        if place is not None:
            await self._infer.answer(*place, scope, receive, send)
            return
        try:
            await self._app(scope, receive, self._closing(send))
        except Exception as error:  # noqa: BLE001 - the client has its 500 already; the process lives on
            logs.event("internal error", level=logs.ERROR, exception=error)

    def _closing(self, send: Send) -> Send:
        """A draining server wants its clients to go elsewhere."""

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and self._service.phase is Phase.DRAINING:
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        return watched


def _place(scope: Scope) -> tuple[str, str | None] | None:
    """Model and version of a path that ends in /infer; None for any other path."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    parts = [unquote(part) for part in raw.decode("latin-1").split("?")[0].split("/")]
    if parts[:3] != ["", "v2", "models"] or parts[-1] != "infer" or not all(parts[3:]):
        return None
    if len(parts) == 5:
        return parts[3], None
    return (parts[3], parts[5]) if len(parts) == 7 and parts[4] == "versions" else None


def _json(data: Mapping[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(data), status_code=status, media_type="application/json")


def _refusal(message: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    response = _json({"error": message}, status)
    response.headers.update(headers or {})
    return response


async def _any_error(_request: Request, error: Exception) -> Response:
    refusal = Refusal.of(error)
    headers: dict[str, str] = {}
    if refusal.blame.status == 503:
        headers["retry-after"] = "1"
    if refusal.blame is Blame.CLIENT:
        headers["www-authenticate"] = CHALLENGE
    return _refusal(refusal.message, refusal.blame.status, headers)


async def _http_error(request: Request, error: HTTPException) -> Response:
    if error.status_code == 404:
        return _refusal("there is nothing at this path; see /v2", 404)
    if error.status_code == 405:
        allowed = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
        return _refusal(f"this path takes {allowed}, not {request.method[:16]}", 405, error.headers)
    return _refusal(error.detail, error.status_code, error.headers)
