"""Servers that a probe may meet, on the loopback or a cluster's cable: git's own, a registry, a bucket."""

import base64
import hashlib
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

USER = {"PENSTOCK_SOURCE_USERNAME": "robot", "PENSTOCK_SOURCE_PASSWORD": "canary-password"}
_WANTED = "Basic " + base64.b64encode(b"robot:canary-password").decode()


class Handler(BaseHTTPRequestHandler):
    """Keeps what it was asked, and answers in one piece."""

    protocol_version = "HTTP/1.1"
    about: dict[str, Any]  # what the test and the server share
    seen: list[tuple[str, str, Mapping[str, str]]]

    def do_GET(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        self.seen.append((self.command, self.path, dict(self.headers)))
        self.answer(self.rfile.read(length))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def answer(self, body: bytes) -> None:
        raise NotImplementedError

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@contextmanager
def served(
    kind: type[Handler], address: str = "127.0.0.1", **about: Any
) -> Iterator[tuple[str, type[Handler]]]:
    """(host and port, handler with `about` and `seen`) of a running server."""
    handler = type("Served", (kind,), {"about": about, "seen": []})
    server = ThreadingHTTPServer((address, 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"{address}:{server.server_port}", handler
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class GitServer(Handler):
    """git's own server program. `about`: root, private, and protocol 0 where it knows no newer one."""

    def answer(self, body: bytes) -> None:
        if self.about.get("private") and self.headers.get("authorization") != _WANTED:
            self.send(401, www_authenticate='Basic realm="git"')
            return
        path, _, query = self.path.partition("?")
        environment = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self.about["root"]),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("content-type") or "",
            "GIT_PROTOCOL": "" if self.about.get("old") else self.headers.get("git-protocol") or "",
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=True
        )
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        told = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(told.pop("Status", "200 OK").split()[0])
        self.send(status, rest, content_type=told.get("Content-Type", ""))


def commit(folder: Path, text: str, branch: str = "main") -> str:
    """Another commit of the bare repository `folder`; gives its id."""
    if not folder.exists():
        _git(folder.parent, "init", "--quiet", "--bare", "--initial-branch=main", str(folder))
    tree = _git(folder, "write-tree")
    who = {f"GIT_{one}_{part}": "x@y" for one in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    made = _git(folder, "commit-tree", tree, "-m", text, **who)
    _git(folder, "update-ref", f"refs/heads/{branch}", made)
    return made


def _git(folder: Path, *words: str, **environment: str) -> str:
    done = subprocess.run(
        ["git", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


class Registry(Handler):
    """A registry of `about["tags"]`. about["login"] says how: none, bearer, private, basic."""

    def answer(self, body: bytes) -> None:
        login, path = self.about.get("login", "none"), urlsplit(self.path)
        told = self.headers.get("authorization") or ""
        if path.path == "/token":
            self._token(parse_qs(path.query), told)
        elif login in ("bearer", "private") and told != "Bearer t0ken":
            realm = f'Bearer realm="http://{self.headers["host"]}/token",service="here",scope="s"'
            self.send(401, www_authenticate=realm)
        elif login == "basic" and told != _WANTED:
            self.send(401, www_authenticate='Basic realm="here"')
        else:
            self._manifest(path.path)

    def _token(self, query: Mapping[str, list[str]], told: str) -> None:
        assert query == {"service": ["here"], "scope": ["s"]}
        if self.about["login"] == "private" and told != _WANTED:
            self.send(401)
        else:
            self.send(200, b'{"token": "t0ken"}')

    def _manifest(self, path: str) -> None:
        manifest = self.about["tags"].get(path)
        if manifest is None:
            self.send(404, b"{}")
        elif self.about.get("shy"):
            self.send(200, manifest)
        else:
            self.send(200, manifest, docker_content_digest=sha256(manifest))


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Bucket(Handler):
    """A bucket of `about["objects"]` that lists them."""

    def answer(self, body: bytes) -> None:
        path = urlsplit(self.path)
        key = path.path.removeprefix("/lake").strip("/")
        objects: dict[str, bytes] = self.about["objects"]
        if not key and "list-type=2" in path.query:
            self._list(objects, parse_qs(path.query).get("prefix", [""])[0])
        elif key in objects:
            self.send(200, objects[key], etag=self._etag(objects[key]), last_modified=_DAY)
        else:
            self.send(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def _etag(self, data: bytes) -> str:
        return f'"{hashlib.sha256(data).hexdigest()[:32]}"'

    def _list(self, objects: Mapping[str, bytes], prefix: str) -> None:
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-11-21T10:00:00.000Z</LastModified>"
            f"<ETag>{escape(self._etag(data))}</ETag><Size>{len(data)}</Size></Contents>"
            for key, data in sorted(objects.items())
            if key.startswith(prefix)
        )
        count = entries.count("<Key>")
        about = f"<Name>lake</Name><KeyCount>{count}</KeyCount><IsTruncated>false</IsTruncated>"
        text = f"<ListBucketResult>{about}{entries}</ListBucketResult>"
        self.send(200, text.encode(), content_type="application/xml")


_DAY = "Sat, 21 Nov 2026 10:00:00 GMT"


class Rude(Handler):
    """Answers with `about`: status, body, headers."""

    def answer(self, body: bytes) -> None:
        headers = {
            name: value.replace("HOST", self.headers["host"])
            for name, value in self.about.get("headers", {}).items()
        }
        self.send(self.about.get("status", 200), self.about.get("body", b""), **headers)
