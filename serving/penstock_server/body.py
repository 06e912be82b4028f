"""Reading a request's body: counted as it comes, whatever its headers claim."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from penstock_server.infer_request import RequestError
from penstock_server.settings import Limits


class BodyReader:
    """Reads bodies within the limits: of one body, and of all that are held at one time."""

    def __init__(self, limits: Limits) -> None:
        """Nothing is held yet."""
        self._limits = limits
        self._held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The whole body, which counts as held until the block ends.

        RequestError: 408 too slow, 413 too large, 415 compressed, 503 when others hold too much.
        """
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise RequestError("compressed bodies are not supported; send plain JSON", status=415)
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                async for chunk in request.stream():
                    size += len(chunk)
                    self._held += len(chunk)
                    self._check(size)
                    chunks.append(chunk)
            body = b"".join(chunks)
            chunks.clear()  # or every body would be held twice
            yield body
        except TimeoutError as error:
            message = f"the body did not arrive within {self._limits.body_seconds} s"
            raise RequestError(message, status=408) from error
        finally:
            self._held -= size

    def _check(self, size: int) -> None:
        if size > self._limits.body_bytes:
            message = f"the body is larger than {self._limits.body_bytes} bytes; send the rows in parts"
            raise RequestError(message, status=413)
        if self._held > self._limits.waiting_bytes:
            raise RequestError("too many large requests at once; try again", status=503)
