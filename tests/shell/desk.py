"""One reconciler at work on the small API server, which takes writes here."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from penstock_operator import clock, routes
from penstock_operator.caches import Caches
from penstock_operator.core.settings import Settings
from penstock_operator.core.times import stamp
from penstock_operator.metrics import Metrics
from penstock_operator.reads import Reads
from penstock_operator.reconcile import Reconciler
from penstock_operator.resources import CUSTOM_KINDS, RESOURCES, WATCHED_KINDS
from penstock_operator.store import Change
from penstock_operator.workqueue import Key, WorkQueue
from tests.shell.fake_api import FakeApi, Object, answer, served

NAMESPACE = "ml"
_PLURALS = {one.plural for one in RESOURCES.values()}


class WritableApi(FakeApi):
    """Creates, JSON patches, applies and deletes; `writes` are what came, as "POST jobs"."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []
        self.created: Callable[[Object], Awaitable[None]] | None = None  # is told of each new Job
        self.patching: Callable[[Object], Awaitable[None]] | None = None  # is told before a status is patched
        self.loses_answer: Callable[[Object], bool] = lambda _: False  # of a patch that was stored

    def held(self, kind: str, name: str) -> Any:
        """The object, or None."""
        return self.objects.get(("/" + RESOURCES[kind].path(NAMESPACE).lstrip("/"), name))

    async def add(self, item: Object) -> Object:
        """A person's object."""
        item = {**item, "metadata": {"namespace": NAMESPACE, **item["metadata"]}}
        return await self._made(RESOURCES[item["kind"]].path(NAMESPACE), item)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        if request.method == "GET" and "labelSelector" in request.query:
            return self._selected(request.path, request.query["labelSelector"])
        if request.method == "GET":
            return await super().handle(request)
        self.writes.append(f"{request.method} {request.path.partition(f'/{NAMESPACE}/')[2]}")
        refusal = self.refuse(request)
        if refusal is not None:
            return refusal
        body = await request.json()
        if request.method == "POST":
            return await self._post(request.path, body)
        collection, _, name = request.path.removesuffix("/status").rpartition("/")
        if (collection, name) not in self.objects and "apply" not in request.content_type:
            return answer(404, "NotFound", f"{name} not found")
        if request.method == "DELETE":
            await self.remove(collection, name)
            return web.json_response({})
        if isinstance(body, dict):
            return web.json_response(await self._merged(collection, name, body))
        return await self._patched(collection, name, body)

    def _selected(self, path: str, selector: str) -> web.Response:
        """A list of those that have a label, or have it with this value."""
        key, _, value = selector.partition("=")
        labels = {
            name: one["metadata"].get("labels", {})
            for (where, name), one in self.objects.items()
            if where == path
        }
        names = [name for name, has in labels.items() if key in has and value in ("", has[key])]
        about = {"resourceVersion": str(self.version)}
        return web.json_response({"metadata": about, "items": [self.objects[path, name] for name in names]})

    async def _post(self, collection: str, body: Object) -> web.Response:
        if collection.endswith("/selfsubjectaccessreviews"):
            return web.json_response({"status": {"allowed": True}})
        if (collection, body["metadata"]["name"]) in self.objects:
            return answer(409, "AlreadyExists", "it exists")
        made = await self._made(collection, body)
        if self.created is not None and body["kind"] == "Job":
            await self.created(made)
        return web.json_response(made, status=201)

    async def _made(self, collection: str, item: Object) -> Object:
        made = {"generation": 1, "creationTimestamp": stamp(clock.now())}
        return await self.put(collection, {**item, "metadata": {**made, **item["metadata"]}})

    def _read(self, path: str, query: Mapping[str, str]) -> web.Response:
        """An object, or a list."""
        collection, _, name = path.rpartition("/")
        if name in _PLURALS or (collection, name) in self.objects:
            return super()._read(path, query)
        return answer(404, "NotFound", f"{name} not found")

    async def _merged(self, collection: str, name: str, body: Object) -> Object:
        known = self.objects.get((collection, name))
        if known is None:
            return await self._made(collection, body)
        if {**known, **body, "metadata": known["metadata"]} == known:
            return known
        meta = {**known["metadata"], **body["metadata"], "generation": known["metadata"]["generation"] + 1}
        return await self.put(collection, {**known, **body, "metadata": meta})

    async def _patched(self, collection: str, name: str, operations: list[Object]) -> web.Response:
        known = self.objects[(collection, name)]
        told = any(one["path"].startswith("/status") for one in operations)
        if self.patching is not None and told:
            await self.patching(known)
            known = self.objects[(collection, name)]
        field = operations[0]["path"].rpartition("/")[2]
        if operations[0]["value"] != known["metadata"][field]:
            return answer(422, "Invalid", "the server rejected our request")
        stored = await self.put(collection, _after(known, operations[1:]))
        if self.loses_answer(stored):
            return answer(500, "InternalError", "the answer was lost")
        return web.json_response(stored)


def _after(item: Object, operations: list[Object]) -> Object:
    parts = {part: {**item.get(part, {})} for part in ("spec", "status", "metadata")}
    changed: Object = {**item, **parts}
    for one in operations:
        part, *keys = one["path"].strip("/").split("/")
        if not keys:
            changed[part] = one["value"]
        elif keys == ["steps"] or len(keys) == 1:
            changed[part].pop(keys[0], None)
            if one["op"] != "remove":
                changed[part][keys[0]] = one["value"]
        else:
            changed[part]["steps"] = [*changed[part]["steps"]]
            changed[part]["steps"][int(keys[1])] = one["value"]
    return changed


class Desk:
    """A reconciler with its queue and caches; what changes is looked at, as in the service."""

    def __init__(self, api: WritableApi, reads: Reads, queue: WorkQueue, metrics: Metrics) -> None:
        self.api = api
        self.reads = reads
        self.queue = queue
        self.metrics = metrics

    async def look(self, kind: str, name: str) -> None:
        """What the resync does: read everything, then look at this object."""
        for one in (*CUSTOM_KINDS, *WATCHED_KINDS):
            await self.reads.compare(one, NAMESPACE)
        self.queue.add(Key(kind, NAMESPACE, name))

    async def until(self, condition: Callable[[], Any], seconds: float = 10.0) -> None:
        """Fails when the condition does not hold within a generous bound."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
                await asyncio.sleep(0.01)


@asynccontextmanager
async def desk(folder: Path, settings: Settings | None = None) -> AsyncIterator[Desk]:
    """A desk with two workers."""
    api, queue, metrics = WritableApi(), WorkQueue(), Metrics()

    def changed(change: Change) -> None:
        for key in routes.affected(change, caches):
            queue.add(key)

    caches = Caches(changed)
    async with served(api, folder) as cluster:
        reconciler = Reconciler(cluster, caches, queue, metrics, settings or Settings())
        workers = [asyncio.create_task(reconciler.work()) for _ in range(2)]
        try:
            yield Desk(api, Reads(cluster, caches), queue, metrics)
        finally:
            queue.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.gather(*workers), 5)
