"""Stands between an operator process and the real API server, and kills the process at a named write.

Plain HTTP on loopback towards the operator, the cluster's own TLS and credentials behind. Every write that
passes is recorded with its answer, so that a test can also say what was written how often.
"""

import asyncio
import contextlib
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from pathlib import Path

import aiohttp
from aiohttp import web

from penstock_operator.credentials import Credentials
from tests.shell.fake_api import kubeconfig

VERBS = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}
_PATH = re.compile(
    r"^/(?:api|apis/[^/]+)/[^/]+(?:/namespaces/(?P<namespace>[^/]+))?/(?P<resource>[^/]+)"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<subresource>[^/]+))?$"
)
# Questions and answers that change nothing.
UNCOUNTED = {"selfsubjectaccessreviews"}


class Moment(Enum):
    """When the process dies, seen from its write."""

    BEFORE_SEND = "before it reaches the API server"
    AFTER_COMMIT = "after it was done, before the answer arrives"
    AFTER_ACK = "right after the answer has arrived"


@dataclass(frozen=True)
class Cut:
    """A write to die at: the first whose parts all match. `name` and `body` are regular expressions."""

    verb: str
    resource: str  # plural, with "/status" where that is written
    moment: Moment
    name: str = ""
    body: str = ""


@dataclass(frozen=True)
class Write:
    """A write that was sent, and the API server's answer; code 0 where it was not passed on."""

    verb: str
    resource: str
    name: str
    code: int
    body: str = field(default="", repr=False)


@dataclass
class FaultProxy:
    """What a test sees of the proxy. `victim` is called once, at the cut; relentless: after every write."""

    cut: Cut | None = None
    relentless: bool = False  # each life of the operator gets one write done, and never hears of it
    victim: Callable[[], None] = lambda: None
    writes: list[Write] = field(default_factory=list)
    hit: Write | None = None
    kubeconfig: Path = Path()

    def created(self) -> list[str]:
        """What was made, as resource/name, once for each time."""
        return [f"{one.resource}/{one.name}" for one in self.writes if one.code == 201]

    @property
    def kills(self) -> int:
        """How many lives the writes have cost so far, where they do."""
        return sum(_deadly(one) for one in self.writes)

    def wants(self, verb: str, resource: str, name: str, body: str) -> bool:
        """Whether this is the write to die at."""
        cut = self.cut
        return (
            cut is not None
            and self.hit is None
            and (cut.verb, cut.resource) == (verb, resource)
            and re.search(cut.name, name) is not None
            and re.search(cut.body, body) is not None
        )


@contextmanager
def fault_proxy(upstream: Path, folder: Path) -> Iterator[FaultProxy]:
    """A running proxy; its `kubeconfig` is what the operator is to be started with."""
    folder.mkdir(parents=True, exist_ok=True)
    proxy = FaultProxy()
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        over = asyncio.Event()
        async with _running(proxy, Credentials.load(upstream), folder):
            started.set_result((asyncio.get_running_loop(), over))
            await over.wait()

    # asyncio.run ends the requests that are still open, which closing the loop would leave behind.
    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="fault proxy", daemon=True)
    thread.start()
    loop, over = started.result(20)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(20)


@asynccontextmanager
async def _running(proxy: FaultProxy, credentials: Credentials, folder: Path) -> AsyncIterator[None]:
    connector = aiohttp.TCPConnector(ssl=credentials.tls(), limit=0)
    timeout = aiohttp.ClientTimeout(total=None, connect=10)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
        handler = _Handler(proxy, credentials, session)
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", handler.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        proxy.kubeconfig = kubeconfig(folder, f"http://127.0.0.1:{runner.addresses[0][1]}")
        try:
            yield
        finally:
            await runner.cleanup()


class _Handler:
    """Passes requests on."""

    def __init__(self, proxy: FaultProxy, credentials: Credentials, session: aiohttp.ClientSession) -> None:
        self._proxy = proxy
        self._credentials = credentials
        self._session = session

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request, with the cut where it is due."""
        body = await request.read()
        verb, resource, name = _address(request, body)
        counted = bool(verb) and resource not in UNCOUNTED
        dying = counted and self._proxy.wants(verb, resource, name, body.decode())
        moment = self._proxy.cut.moment if dying and self._proxy.cut else None
        if counted and self._proxy.relentless:
            moment = Moment.AFTER_COMMIT
        if moment is Moment.BEFORE_SEND:
            self._kill(Write(verb, resource, name, 0))
            return web.Response(status=502)
        async with self._send(request, body) as answer:
            if counted:
                self._proxy.writes.append(Write(verb, resource, name, answer.status, body.decode()))
            if moment is Moment.AFTER_COMMIT and (dying or _deadly(self._proxy.writes[-1])):
                await answer.read()
                self._kill(self._proxy.writes[-1])
                return web.Response(status=502)
            passed = await _pass_back(request, answer)
        if moment is Moment.AFTER_ACK:
            self._kill(self._proxy.writes[-1])
        return passed

    def _send(self, request: web.Request, body: bytes) -> "aiohttp.client._RequestContextManager":
        kept = {key: value for key, value in request.headers.items() if key in {"Accept", "Content-Type"}}
        authorization = self._credentials.authorization()
        headers = {**kept, **({"Authorization": authorization} if authorization else {})}
        url = self._credentials.server + request.path_qs
        return self._session.request(request.method, url, data=body or None, headers=headers)

    def _kill(self, write: Write) -> None:
        self._proxy.hit = write
        self._proxy.victim()


def _deadly(write: Write) -> bool:
    """Whether an operator that dies after every write dies after this one: nothing follows an Event."""
    return write.code < HTTPStatus.BAD_REQUEST and write.resource != "events"


def _address(request: web.Request, body: bytes) -> tuple[str, str, str]:
    """Verb, resource (with /status) and name of a write; an empty verb for everything else."""
    found = _PATH.match(request.path)
    if found is None or request.method not in VERBS:
        return "", "", ""
    resource = found["resource"] + (f"/{found['subresource']}" if found["subresource"] else "")
    name = found["name"] or (json.loads(body).get("metadata") or {}).get("name", "")
    return VERBS[request.method], resource, name


async def _pass_back(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """The answer as it comes, line by line where it is a stream."""
    stream = web.StreamResponse(status=answer.status)
    for key in ("Content-Type", "Content-Encoding"):
        if key in answer.headers:
            stream.headers[key] = answer.headers[key]
    with contextlib.suppress(ConnectionError):
        await stream.prepare(request)
        async for chunk in answer.content.iter_any():
            await stream.write(chunk)
        await stream.write_eof()
    return stream
