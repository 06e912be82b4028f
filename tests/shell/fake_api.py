"""A small API server on loopback for faults that a real one cannot be made to show.

It keeps a history of events as etcd does, can forget it (410), cut and silence streams, and replay the past.
"""

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from penstock_operator.cluster import Cluster
from penstock_operator.credentials import Credentials

Object = dict[str, Any]


class FakeApi:
    """All objects by path of their collection; every change raises one counter, as in etcd."""

    def __init__(self) -> None:
        self.version = 100
        self.objects: dict[tuple[str, str], Object] = {}  # (collection path, name)
        self.history: list[tuple[int, str, Object]] = []  # (version, collection path, event)
        self.compacted = 0  # watches from before this version get 410
        self.streams: list[web.StreamResponse] = []
        self.lists = 0
        self.pages: list[str] = []  # the limits that were asked for, of every page
        self.forgets_pages = False  # what comes after a first page is of a moment that is no longer kept
        self._rests: dict[
            str, tuple[str, list[Object]]
        ] = {}  # by token: version of the list, what is to come
        self.watched_from: list[int] = []
        self.refuse: Callable[[web.Request], web.Response | None] = lambda _request: None
        self.silent = False  # open streams say nothing more
        self._news = asyncio.Condition()

    # what a test does to the world

    async def put(self, path: str, item: Object) -> Object:
        """Create or change an object; watchers hear of it."""
        key = (path, item["metadata"]["name"])
        known = self.objects.get(key)
        self.version += 1
        meta = {"uid": f"uid-{self.version}", "creationTimestamp": "2026-01-01T00:00:00Z", **item["metadata"]}
        if known is not None:
            meta["uid"] = known["metadata"]["uid"]
        stored = {**item, "metadata": {**meta, "resourceVersion": str(self.version)}}
        self.objects[key] = stored
        await self._record(path, {"type": "ADDED" if known is None else "MODIFIED", "object": stored})
        return copy.deepcopy(stored)

    async def remove(self, path: str, name: str, *, told: bool = True) -> None:
        """Delete an object; with `told` False no watcher ever hears of it."""
        stored = self.objects.pop((path, name))
        self.version += 1
        last = {**stored, "metadata": {**stored["metadata"], "resourceVersion": str(self.version)}}
        if told:
            await self._record(path, {"type": "DELETED", "object": last})

    async def replay(self, path: str, event: Object) -> None:
        """Send an event that belongs to the past, with the version that it had."""
        await self._record(path, event)

    def compact(self) -> None:
        """Forget the history: whoever wants to go on from before gets 410."""
        self.compacted = self.version
        self.history.clear()

    async def cut(self, last_words: bytes = b"") -> None:
        """End all open streams, after sending `last_words`."""
        for stream in self.streams:
            if last_words:
                await stream.write(last_words)
            if stream._req is not None and stream._req.transport is not None:
                stream._req.transport.close()
        self.streams.clear()

    async def _record(self, path: str, event: Object) -> None:
        async with self._news:
            self.history.append((self.version, path, copy.deepcopy(event)))
            self._news.notify_all()

    # what the operator asks

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        refusal = self.refuse(request)
        if refusal is not None:
            return refusal
        if request.method == "GET" and request.query.get("watch"):
            return await self._watch(request)
        if request.method == "GET":
            return self._read(request.path, request.query)
        return web.json_response(_status(405, "MethodNotAllowed"), status=405)

    def _read(self, path: str, query: Mapping[str, str]) -> web.Response:
        if token := query.get("continue"):
            if self.forgets_pages:
                return web.json_response(_status(410, "Expired"), status=410)
            return self._page(query, *self._rests.pop(token))
        collection, _, name = path.rpartition("/")
        if (collection, name) in self.objects:
            return web.json_response(self.objects[collection, name])
        found = [item for (where, _), item in self.objects.items() if where == path]
        if not found and any(where == collection for where, _ in self.objects):
            return web.json_response(_status(404, "NotFound"), status=404)
        self.lists += 1
        return self._page(query, str(self.version), found)

    def _page(self, query: Mapping[str, str], version: str, items: list[Object]) -> web.Response:
        """As many as are asked for; the rest, as it was at the first page, under a token."""
        limit = query.get("limit", "")
        self.pages.append(limit)
        first, rest = (items[: int(limit)], items[int(limit) :]) if limit else (items, [])
        about = {"resourceVersion": version}
        if rest:
            about["continue"] = f"token-{len(self.pages)}"
            self._rests[about["continue"]] = (version, rest)
        return web.json_response({"metadata": about, "items": first})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        start = int(request.query["resourceVersion"])
        self.watched_from.append(start)
        if start < self.compacted:
            return web.json_response(_status(410, "Expired"), status=410)
        stream = web.StreamResponse(headers={"Content-Type": "application/json"})
        await stream.prepare(request)
        self.streams.append(stream)
        sent = 0
        pending = [entry for entry in self.history if entry[0] > start]
        while True:
            for _, path, event in pending:
                if path == request.path and not self.silent:
                    await stream.write(json.dumps(event).encode() + b"\n")
            sent = len(self.history)
            async with self._news:
                await self._news.wait_for(lambda sent=sent: len(self.history) != sent)
            pending = self.history[sent:] if len(self.history) > sent else []


def _status(code: int, reason: str, message: str = "") -> Object:
    return {"kind": "Status", "code": code, "reason": reason, "message": message or reason}


def answer(code: int, reason: str, message: str) -> web.Response:
    """The answer that refuses a request."""
    return web.json_response(_status(code, reason, message), status=code)


def error_event(code: int, reason: str = "") -> bytes:
    """An ERROR event as a line of a stream."""
    return json.dumps({"type": "ERROR", "object": _status(code, reason)}).encode() + b"\n"


@asynccontextmanager
async def served(api: FakeApi, folder: Path, silence: float = 30.0) -> AsyncIterator[Cluster]:
    """The port to the API server, connected to the fake one."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    credentials = Credentials.load(kubeconfig(folder, f"http://127.0.0.1:{runner.addresses[0][1]}"))
    async with Cluster(credentials, silence=silence) as cluster:
        yield cluster
    await runner.cleanup()


def kubeconfig(folder: Path, server: str) -> Path:
    """A kubeconfig file for a server that asks for no credentials."""
    file = folder / "kubeconfig.json"
    file.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "it",
                "clusters": [{"name": "it", "cluster": {"server": server}}],
                "users": [{"name": "it", "user": {}}],
                "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            }
        )
    )
    return file
