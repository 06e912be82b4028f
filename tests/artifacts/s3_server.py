"""A server that speaks enough of S3 to fail in every way that a real one can. It listens on the loopback
only.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Objects(BaseHTTPRequestHandler):
    """Keeps objects in memory; the bucket's name may be an order to fail: e403-SignatureDoesNotMatch."""

    protocol_version = "HTTP/1.1"
    kept: dict[str, bytes]
    seen: list[str]

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        bucket = self.path.split("/")[1]
        self.seen.append(f"{self.command} {self.path}")
        if bucket.startswith("e"):
            status, _, code = bucket[1:].partition("-")
            error = f"<Error><Code>{code}</Code><AWSAccessKeyId>CANARY-KEY-ID</AWSAccessKeyId></Error>"
            self._send(int(status), error.encode())
        elif self.command == "PUT":
            if self.headers.get("if-none-match") == "*" and self.path in self.kept:
                self._send(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            else:
                self.kept[self.path] = body
                self._send(200, b"")
        elif self.path in self.kept:
            self._send(200, self.kept[self.path])
        else:
            self._send(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("etag", '"etag-1"')
        self.send_header("last-modified", "Sat, 21 Nov 2026 10:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@contextmanager
def s3() -> Iterator[tuple[str, type[Objects]]]:
    """(endpoint, handler with `kept` and `seen`) of a running server."""
    handler = type("Handler", (Objects,), {"kept": {}, "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
