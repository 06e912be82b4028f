"""The one port to the API server: few verbs, plain dicts, errors by meaning. Nothing else sends a request.

No write is repeated here: whether it may be is known only to who asked for it.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from time import perf_counter
from types import TracebackType
from typing import Any, Self

import aiohttp

from penstock_operator import errors
from penstock_operator.bodies import encoded
from penstock_operator.credentials import Credentials
from penstock_operator.resources import CONTROLLER_REVISION, RESOURCES

REQUEST_SECONDS = 30.0
CONNECT_SECONDS = 10.0
# A stream ends by the server's hand after this; bookmarks come about once a minute in between, so silence for
# longer
# than SILENCE_SECONDS means a dead connection.
WATCH_SECONDS = 240
SILENCE_SECONDS = 70.0
PAGE = 500  # objects of one answer to a list, as client-go asks for
MAXIMUM_LINE = 8 * 1024 * 1024  # an object has at most 1.5 MiB in etcd, and may be escaped

Object = dict[str, Any]
Listed = tuple[list[Object], str]  # objects, and the resourceVersion of the list
# Called after each request with verb, kind, HTTP status (0: no answer) and seconds.
Meter = Callable[[str, str, int, float], None]


def _no_meter(_verb: str, _kind: str, _code: int, _seconds: float) -> None:
    """Counts nothing."""


class Cluster:
    """A session with the API server. Use it as an asynchronous context manager."""

    def __init__(
        self, credentials: Credentials, meter: Meter = _no_meter, silence: float = SILENCE_SECONDS
    ) -> None:
        self._credentials = credentials
        self._meter = meter
        self._silence = silence
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._credentials.tls(), limit=0, keepalive_timeout=60)
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": "penstock", "Accept": "application/json"},
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS, connect=CONNECT_SECONDS),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, kind: str, namespace: str, name: str) -> Object:
        """The object as it is now. Raises NotFound."""
        return await self._request("get", "GET", kind, RESOURCES[kind].path(namespace, name))

    async def serves(self, kind: str) -> bool:
        """Whether the API server has the kind, as discovery tells: by the list of groups and the group's own.

        A new group is in the first only a moment after its objects can be read.
        """
        resource = RESOURCES[kind]
        groups = (await self._request("discover", "GET", kind, "/apis")).get("groups") or ()
        if not any(one["name"] == resource.group for one in groups):
            return False
        try:
            answer = await self._request("discover", "GET", kind, f"/apis/{resource.api_version}")
        except errors.NotFound:
            return False
        return any(one["name"] == resource.plural for one in answer.get("resources") or ())

    async def list(self, kind: str, namespace: str | None, labels: str = "", fields: str = "") -> Listed:
        """All objects as they are now (a quorum read), and the resourceVersion from which to watch.

        They come in pages, all of the moment of the first: neither side has thousands in hand at a time.
        """
        query = {key: value for key, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}
        try:
            return await self._pages(kind, namespace, {**query, "limit": str(PAGE)})
        except errors.Gone:
            # That moment is no longer kept. A list without pages is of one by itself, however long it takes.
            return await self._pages(kind, namespace, query)

    async def _pages(self, kind: str, namespace: str | None, query: Mapping[str, str]) -> Listed:
        about = {"apiVersion": RESOURCES[kind].api_version, "kind": kind}
        path = RESOURCES[kind].path(namespace)
        answer = await self._request("list", "GET", kind, path, query)
        version: str = answer["metadata"]["resourceVersion"]
        found = [{**about, **one} for one in answer.get("items") or ()]
        while rest := answer["metadata"].get("continue"):
            answer = await self._request("list", "GET", kind, path, {**query, "continue": rest})
            found += [{**about, **one} for one in answer.get("items") or ()]
        return found, version

    async def create(self, manifest: Mapping[str, Any]) -> Object:
        """The created object. Raises AlreadyExists, QuotaExceeded, Forbidden, Invalid."""
        kind = manifest["kind"]
        path = RESOURCES[kind].path(manifest.get("metadata", {}).get("namespace"))
        body = encoded(manifest) if kind == CONTROLLER_REVISION else manifest
        return await self._request("create", "POST", kind, path, body=body)

    async def apply(self, manifest: Mapping[str, Any], manager: str, *, force: bool = False) -> Object:
        """The object after server-side apply as `manager`.

        Raises Conflict naming the other manager; with `force` its fields are taken over instead.
        """
        meta = manifest["metadata"]
        path = RESOURCES[manifest["kind"]].path(meta["namespace"], meta["name"])
        query = {"fieldManager": manager, "force": str(force).lower()}
        # JSON is YAML, and application/apply-patch+yaml is what every supported version takes.
        content = "application/apply-patch+yaml"
        return await self._request("apply", "PATCH", manifest["kind"], path, query, manifest, content)

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete exactly the object of this uid; its children go in the background.

        Raises NotFound, and Conflict where another object holds the name.
        """
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": uid},
        }
        await self._request("delete", "DELETE", kind, RESOURCES[kind].path(namespace, name), body=body)

    async def patch(self, kind: str, namespace: str, name: str, operations: Sequence[Object]) -> Object:
        """The object after this JSON patch. Raises Conflict where a `test` in it does not hold."""
        return await self._json_patch("patch", kind, RESOURCES[kind].path(namespace, name), operations)

    async def patch_status(
        self, kind: str, namespace: str, name: str, resource_version: str, operations: Sequence[Object]
    ) -> Object:
        """The object after a JSON patch of its status, if it is still at `resource_version`.

        Else raises Conflict.
        """
        guarded = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": resource_version},
            *operations,
        ]
        path = RESOURCES[kind].path(namespace, name, "status")
        return await self._json_patch("patch_status", kind, path, guarded)

    async def watch(
        self, kind: str, namespace: str | None, resource_version: str, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Object]:
        """The changes after `resource_version` as {type, object}, bookmarks included, until the stream ends.

        A cut line ends the stream like its end does: whoever watches goes on from the last version seen.
        Raises Gone when that version is no longer kept, Unavailable when the stream is silent for too long.
        """
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        query |= {name: one for name, one in (("labelSelector", labels), ("fieldSelector", fields)) if one}
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=self._silence)
        started, code = perf_counter(), 0
        try:
            url = self._credentials.server + RESOURCES[kind].path(namespace)
            async with self._open.get(url, params=query, headers=self._headers(), timeout=timeout) as answer:
                code = answer.status
                if code != 200:
                    raise _error(code, await answer.read())
                async for line in _lines(answer.content):
                    yield _event(line)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise errors.Unavailable(f"watching {kind}: {_words(error)}") from error
        finally:
            self._meter("watch", kind, code, perf_counter() - started)

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("enter the Cluster before using it")
        return self._session

    def _headers(self) -> dict[str, str]:
        value = self._credentials.authorization()
        return {"Authorization": value} if value else {}

    async def _json_patch(self, verb: str, kind: str, path: str, operations: Sequence[Object]) -> Object:
        content = "application/json-patch+json"
        try:
            return await self._request(verb, "PATCH", kind, path, body=operations, content=content)
        except errors.Invalid as error:
            # A failed `test` is answered with 422 and no detail; an object that breaks the schema "is
            # invalid: ...".
            if error.code == 422 and "is invalid" not in str(error):
                raise errors.Conflict(str(error), error.code) from error
            raise

    async def _request(
        self,
        verb: str,
        method: str,
        kind: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content: str = "application/json",
    ) -> Object:
        headers = self._headers()
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
            headers["Content-Type"] = content
        started, code = perf_counter(), 0
        try:
            url = self._credentials.server + path
            async with self._open.request(method, url, params=query, data=data, headers=headers) as answer:
                code = answer.status
                text = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise errors.Unavailable(f"{verb} {kind} {path}: {_words(error)}") from error
        finally:
            self._meter(verb, kind, code, perf_counter() - started)
        if code >= 300:
            raise _error(code, text)
        decoded: Object = json.loads(text)
        return decoded


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _error(code: int, text: bytes) -> errors.ClusterError:
    try:
        status = json.loads(text)
    except ValueError:
        status = {}
    if not isinstance(status, dict):
        status = {}
    return errors.from_answer(code, str(status.get("reason", "")), str(status.get("message", "")))


def _event(line: bytes) -> Object:
    try:
        event: Object = json.loads(line)
    except ValueError as error:
        raise errors.Unavailable("the watch stream sent a line that is not JSON") from error
    if event.get("type") == "ERROR":
        status = event.get("object") or {}
        raise errors.from_answer(
            int(status.get("code") or 500), status.get("reason", ""), status.get("message", "")
        )
    return event


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The complete lines of a stream. What stands after the last line feed is dropped: it is cut off."""
    parts: list[bytes] = []
    size = 0
    async for chunk in content.iter_any():
        *complete, rest = chunk.split(b"\n")
        for line in complete:
            parts.append(line)
            yield b"".join(parts)
            parts, size = [], 0
        parts.append(rest)
        size += len(rest)
        if size > MAXIMUM_LINE:
            raise errors.Unavailable(f"the watch stream sent a line of more than {MAXIMUM_LINE} bytes")
