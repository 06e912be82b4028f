"""The gRPC face: Open Inference Protocol v2, and health. Every refusal is a status code and one line."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from penstock_server import describe, logs
from penstock_server.grpc_exchange import GrpcExchange, metadata, parsed
from penstock_server.protocol import health, messages
from penstock_server.refusals import Blame, Refusal, RequestError
from penstock_server.service import Service
from penstock_server.settings import Settings

SERVICE = "inference.GRPCInferenceService"
_OPEN = frozenset({"ServerLive", "ServerReady", "ServerMetadata"})  # what needs no token, beside health
_OVERHEAD = 64 * 1024  # what a message may have beside its tensors' bytes
_MAX_ID = 256

Handler = Callable[[bytes, Any], Awaitable[bytes]]


class GrpcFace:
    """One method per call of the protocol. Messages come as bytes: what is wrong with them is ours to say."""

    def __init__(self, service: Service) -> None:
        """Nothing listens yet."""
        self._service = service
        self._metrics = service.metrics.grpc
        self._logged = service.settings.request_log
        self._server: Any = None

    async def start(self, host: str, port: int, *, shared: bool) -> int:
        """Listen, together with other workers where `shared`. The port. OSError when it is taken."""
        self._server = grpc.aio.server(
            interceptors=[_Admission(self)] if self._service.tokens.needed else [],
            options=_options(self._service.settings, shared=shared),
            maximum_concurrent_rpcs=self._service.settings.limits.waiting_requests,
        )
        calls: dict[str, Callable[[bytes], Awaitable[Any]]] = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ServerMetadata": self._server_metadata,
            "ModelReady": self._model_ready,
            "ModelMetadata": self._model_metadata,
        }
        handlers = {name: _unary(self._answered(call)) for name, call in calls.items()}
        handlers["ModelInfer"] = _unary(self._infer)
        checks = {"Check": _unary(self._answered(self._check))}
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(SERVICE, handlers),
                grpc.method_handlers_generic_handler("grpc.health.v1.Health", checks),
            )
        )
        if ":" in host:
            host = f"[{host}]"
        try:
            bound: int = self._server.add_insecure_port(f"{host or '[::]'}:{port}")
        except RuntimeError as error:
            raise OSError(f"cannot listen on port {port} for gRPC") from error
        await self._server.start()
        return bound

    async def stop(self, seconds: float) -> None:
        """Tell clients to go, wait that long for what runs."""
        if self._server is not None:
            await self._server.stop(seconds)

    def _answered(self, call: Callable[[bytes], Awaitable[Any]]) -> Handler:
        async def handler(content: bytes, context: Any) -> bytes:
            try:
                message = await call(content)
                answer: bytes = message.SerializeToString()
            except Exception as error:
                await self._refuse(context, Refusal.of(error), error)
                raise
            return answer

        return handler

    async def _server_live(self, _content: bytes) -> Any:
        return messages.ServerLiveResponse(live=True)

    async def _server_ready(self, _content: bytes) -> Any:
        return messages.ServerReadyResponse(ready=self._is_ready())

    async def _server_metadata(self, _content: bytes) -> Any:
        return messages.ServerMetadataResponse(**describe.server())

    async def _model_ready(self, content: bytes) -> Any:
        asked = parsed(messages.ModelReadyRequest, content)
        self._service.check_names(asked.name, asked.version)
        return messages.ModelReadyResponse(ready=self._is_ready())

    async def _model_metadata(self, content: bytes) -> Any:
        asked = parsed(messages.ModelMetadataRequest, content)
        self._service.check_names(asked.name, asked.version)
        return metadata(self._service.describe())

    async def _check(self, content: bytes) -> Any:
        asked = parsed(health.HealthCheckRequest, content)
        if asked.service not in ("", SERVICE):
            raise RequestError(f"there is no such service here; ask for {SERVICE!r}", Blame.PLACE)
        status = health.HealthCheckResponse.ServingStatus
        return health.HealthCheckResponse(status=status.SERVING if self._is_ready() else status.NOT_SERVING)

    def _is_ready(self) -> bool:
        try:
            self._service.check_ready()
        except RequestError:
            return False
        return True

    async def _infer(self, content: bytes, context: Any) -> bytes:
        started = time.perf_counter()
        held = self._service.holding.one()
        request_id = _id(context) or self._service.new_id()
        code = "CANCELLED"
        self._metrics.in_flight.inc()
        try:
            held.add(len(content))
            service = self._service
            exchange = GrpcExchange(service.settings, content, request_id, service.check_names)
            del content  # the exchange lets go of it once it is read
            answer = await service.infer(exchange, held)
            context.set_trailing_metadata((("x-request-id", request_id),))
            code = "OK"
        except asyncio.CancelledError:
            raise
        except Exception as error:
            refusal = Refusal.of(error)
            code = refusal.blame.code
            self._tell(refusal)
            await self._refuse(context, refusal, error, request_id)
            raise
        else:
            return answer
        finally:
            held.release()
            self.count(code, time.perf_counter() - started)
            self._metrics.in_flight.dec()

    def count(self, code: str, seconds: float) -> None:
        """An inference request was answered."""
        self._metrics.answered(code, seconds)
        if self._logged != "none" and (code != "OK" or self._logged == "all"):
            logs.event("request", protocol="grpc", code=code, milliseconds=round(seconds * 1000, 3))

    def _tell(self, refusal: Refusal) -> None:
        if self._logged != "none" and not refusal.ours:
            self._service.refused.tell("grpc", refusal)

    async def _refuse(
        self, context: Any, refusal: Refusal, error: Exception, request_id: str | None = None
    ) -> None:
        if refusal.ours:
            logs.event("internal error", level=logs.ERROR, exception=error)
        trailing = () if request_id is None else (("x-request-id", request_id),)
        await context.abort(getattr(grpc.StatusCode, refusal.blame.code), refusal.message, trailing)

    def admit(self, method: str, authorization: str | None) -> RequestError | None:
        """Why this call may not go on; None when it may."""
        service = self._service
        try:
            client = service.tokens.client(authorization)
        except RequestError as error:
            self._metrics.unauthorized.inc()
            if method == "ModelInfer":
                self.count(error.blame.code, 0.0)
                self._tell(Refusal.of(error))
            return error
        if method == "ModelInfer":
            service.metrics.asked_by(client)
        return None


class _Admission(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpcio ships no types
    """Looks at the token before a byte of the message is read."""

    def __init__(self, face: GrpcFace) -> None:
        self._face = face

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        service, _, method = details.method.removeprefix("/").partition("/")
        if service == SERVICE and method not in _OPEN:
            metadata = dict(details.invocation_metadata)
            error = self._face.admit(method, metadata.get("authorization"))
            if error is not None:
                return _refusing(error)
        return await continuation(details)


def _refusing(error: RequestError) -> Any:
    async def handler(_requests: Any, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
        return b""

    # As a stream it is refused without being read.
    return grpc.stream_unary_rpc_method_handler(handler)


def _unary(handler: Handler) -> Any:
    return grpc.unary_unary_rpc_method_handler(handler)


def _id(context: Any) -> str | None:
    """The id that the call's metadata names; the library lets only printable ASCII through."""
    for key, value in context.invocation_metadata() or ():
        if key == "x-request-id" and isinstance(value, str) and 0 < len(value) <= _MAX_ID:
            return value
    return None


def _options(settings: Settings, *, shared: bool) -> list[tuple[str, int]]:
    # A connection is told to go (and its client dials anew, losing no call) well within the time for which a
    # server that was told to stop still answers: so nobody is left on it when it does stop. It also spreads
    # the callers over new pods.
    age = int(settings.drain_seconds * 800) or 60_000
    grace = (settings.limits.request_seconds + settings.limits.body_seconds) * 1000
    largest = settings.limits.body_bytes + _OVERHEAD
    return [
        ("grpc.so_reuseport", int(shared)),
        ("grpc.max_receive_message_length", largest),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", 16 * 1024),
        ("grpc.max_concurrent_streams", settings.limits.waiting_requests),
        ("grpc.max_connection_age_ms", age),
        ("grpc.max_connection_age_grace_ms", grace),
        ("grpc.keepalive_time_ms", 60_000),  # a peer that vanished is found within 80 s
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.max_ping_strikes", 5),
    ]
