"""uvicorn's HTTP protocol, but head and body of an answer leave in one write.

uvicorn writes them one after the other. The second call into the kernel is a tenth of what a small answer
costs, and its client wakes up for a head without a body.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_END_OF_HEAD = b"\r\n\r\n"


class OneWriteProtocol(HttpToolsProtocol):
    """Hands a gathering transport to uvicorn."""

    def connection_made(self, transport: Any) -> None:
        """A client is there."""
        super().connection_made(_Gathering(transport, self.loop))  # type: ignore[arg-type]  # it does what is asked of one


class _Gathering:
    """A transport that keeps an answer's head until its body, or until the event loop's next round."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""
        self._flush_soon = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._held:
            data, self._held = self._held + data, b""
        elif data.endswith(_END_OF_HEAD):
            self._held = data
            if not self._flush_soon:
                self._flush_soon = True
                self._loop.call_soon(self._next_round)
            return
        self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _next_round(self) -> None:
        self._flush_soon = False
        self._flush()

    def _flush(self) -> None:
        if self._held:
            data, self._held = self._held, b""
            self._transport.write(data)
