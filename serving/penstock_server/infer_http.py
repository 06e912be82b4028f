"""Inference over HTTP, JSON or binary: straight on ASGI, for this is what a server's time goes into."""

import asyncio
import re
import time
from collections.abc import Mapping

import orjson
from starlette.types import Message, Receive, Scope, Send

from penstock_artifacts.model import Prediction, Predictor
from penstock_server import binary, describe, logs
from penstock_server.holding import Held
from penstock_server.infer_request import InferRequest, RequestReader, load_json
from penstock_server.refusals import Blame, Refusal, RequestError
from penstock_server.service import Phase, Service
from penstock_server.settings import Settings
from penstock_server.tokens import CHALLENGE

_CLIENT_CLOSED = 499  # nobody is there to read the answer; the number is nginx's
_ID = re.compile(rb"[!-~]{1,256}")
_LENGTH_HEADER = binary.HEADER.lower().encode()
# These leave unread bytes behind, or come from somebody who had better begin anew.
_CLOSING = frozenset({Blame.SLOW_BODY, Blame.SIZE, Blame.CLIENT, Blame.ENCODING})

Headers = list[tuple[bytes, bytes]]


class ClientGoneError(Exception):
    """The client went away before its request was whole."""


class HttpExchange:
    """One request and its answer, in JSON or with raw bytes behind the JSON."""

    def __init__(self, settings: Settings, body: bytes, length: str | None, request_id: str) -> None:
        """`length` is what the header of the binary extension says; None without it."""
        self.size = len(body)
        self.request_id = request_id
        self._settings = settings
        self._body = body
        self._length = length

    def read(self, reader: RequestReader) -> InferRequest:
        """The request."""
        length = self._length
        if length is None:
            return reader.read(load_json(self._body))
        return reader.read(binary.load(self._body, length, reader.max_rows))

    def write(
        self, predictor: Predictor, request: InferRequest, prediction: Prediction
    ) -> tuple[bytes, int | None]:
        """The answer's body, and the length of its JSON where raw bytes follow."""
        answer = describe.answer(self._settings, predictor.signature, request, prediction)
        if request.binary:
            return binary.dump(answer, request.binary)
        return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), None


class InferHttp:
    """Answers POST .../infer."""

    def __init__(self, service: Service) -> None:
        """Nothing is asked yet."""
        self._service = service
        self._metrics = service.metrics.rest
        self._logged = service.settings.request_log

    async def answer(
        self, model: str, version: str | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer one request in any case, count it, and log it where that is asked for."""
        started = time.perf_counter()
        metrics, held = self._metrics, self._service.holding.one()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"")
        if not _ID.fullmatch(request_id):
            request_id = self._service.new_id().encode()
        code = _CLIENT_CLOSED
        metrics.in_flight.inc()
        try:
            body, extra = await self._body(model, version, headers, receive, request_id, held)
            await self._send(send, 200, body, [(b"x-request-id", request_id), *extra])
            code = 200
        except ClientGoneError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told and the process lives on
            refusal = Refusal.of(error)
            code = refusal.blame.status
            if refusal.ours:
                logs.event("internal error", level=logs.ERROR, exception=error)
            elif self._logged != "none":
                self._service.refused.tell("rest", refusal)
            await self.refuse(send, refusal, request_id)
        finally:
            held.release()
            seconds = time.perf_counter() - started
            metrics.in_flight.dec()
            metrics.answered(str(code), seconds)
            if self._logged != "none" and (code != 200 or self._logged == "all"):
                milliseconds = round(seconds * 1000, 3)
                logs.event("request", protocol="rest", code=code, milliseconds=milliseconds)

    async def _body(
        self,
        model: str,
        version: str | None,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        request_id: bytes,
        held: Held,
    ) -> tuple[bytes, Headers]:
        service = self._service
        if service.tokens.needed:
            service.metrics.asked_by(self.client(headers))
        service.check_names(model, version)
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise RequestError("compressed bodies are not supported; send them plain", Blame.ENCODING)
        body = await self._read(receive, held)
        length = headers.get(_LENGTH_HEADER)
        exchange = HttpExchange(
            service.settings, body, None if length is None else length.decode("latin-1"), request_id.decode()
        )
        answer, json_length = await service.infer(exchange, held)
        if json_length is None:
            return answer, [(b"content-type", b"application/json")]
        return answer, [
            (b"content-type", b"application/octet-stream"),
            (_LENGTH_HEADER, str(json_length).encode()),
        ]

    def client(self, headers: Mapping[bytes, bytes]) -> str:
        """Who asks. RequestError 401 when nobody knows."""
        given = headers.get(b"authorization")
        try:
            return self._service.tokens.client(None if given is None else given.decode("latin-1"))
        except RequestError:
            self._metrics.unauthorized.inc()
            raise

    async def _read(self, receive: Receive, held: Held) -> bytes:
        """The whole body, counted as it comes, whatever its headers claim."""
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout(held.limits.body_seconds):
                more = True
                while more:
                    message: Message = await receive()
                    if message["type"] != "http.request":
                        raise ClientGoneError
                    chunk = message.get("body", b"")
                    held.add(len(chunk))
                    chunks.append(chunk)
                    more = message.get("more_body", False)
        except TimeoutError as error:
            text = f"the body did not arrive within {held.limits.body_seconds} s"
            raise RequestError(text, Blame.SLOW_BODY) from error
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def refuse(self, send: Send, refusal: Refusal, request_id: bytes = b"") -> None:
        """Say why, in one line of JSON."""
        extra: Headers = [(b"content-type", b"application/json")]
        if request_id:
            extra.append((b"x-request-id", request_id))
        if refusal.blame is Blame.CLIENT:
            extra.append((b"www-authenticate", CHALLENGE.encode()))
        if refusal.blame.status == 503:
            extra.append((b"retry-after", b"1"))
        body = orjson.dumps({"error": refusal.message})
        await self._send(send, refusal.blame.status, body, extra, close=refusal.blame in _CLOSING)

    async def _send(
        self, send: Send, status: int, body: bytes, headers: Headers, *, close: bool = False
    ) -> None:
        if close or self._service.phase is Phase.DRAINING:  # a draining server wants its clients elsewhere
            headers.append((b"connection", b"close"))
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
