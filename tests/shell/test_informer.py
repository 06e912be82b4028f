"""The informer under every fault of a stream: what it knows ends up being what is there."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from penstock_operator.caches import Caches
from penstock_operator.errors import Forbidden
from penstock_operator.informer import Informer
from penstock_operator.store import Change
from tests.shell.fake_api import FakeApi, error_event, served

JOBS = "/apis/batch/v1/namespaces/ml/jobs"


def job(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "ml"},
        "spec": spec,
    }


class World:
    """A fake API server and an informer on its Jobs."""

    def __init__(
        self, api: FakeApi, informer: Informer, caches: Caches, changes: list[Change], causes: list[str]
    ) -> None:
        self.api = api
        self.informer = informer
        self.caches = caches
        self.changes = changes
        self.causes = causes

    def names(self) -> list[str]:
        return sorted(one["metadata"]["name"] for one in self.caches["Job"].all())

    async def until(self, condition: Callable[[], Any], seconds: float = 10.0) -> None:
        """Fails when the condition does not hold within a generous bound."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
                await asyncio.sleep(0.01)


@asynccontextmanager
async def world(folder: Path, silence: float = 30.0, *names: str) -> AsyncIterator[World]:
    api = FakeApi()
    for name in names:
        await api.put(JOBS, job(name))
    changes: list[Change] = []
    causes: list[str] = []
    caches = Caches(changes.append)
    async with served(api, folder, silence) as cluster:
        informer = Informer(cluster, caches, "Job", "ml", lambda _kind, cause: causes.append(cause))
        task = asyncio.create_task(informer.run())
        try:
            await asyncio.wait_for(informer.synced.wait(), 10)
            seen = World(api, informer, caches, changes, causes)
            await seen.until(lambda: api.streams)
            yield seen
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_it_lists_once_and_then_follows_the_stream(tmp_path: Path) -> None:
    async with world(tmp_path, 30.0, "a", "b") as seen:
        await seen.api.put(JOBS, job("c"))
        await seen.api.remove(JOBS, "a")
        await seen.until(lambda: seen.names() == ["b", "c"])
        assert seen.api.lists == 1


MANY = [f"j{number:04}" for number in range(1201)]


async def test_many_are_listed_in_pages_of_one_moment_and_what_happens_meanwhile_comes_by_the_stream(
    tmp_path: Path,
) -> None:
    api = FakeApi()
    for name in MANY:
        await api.put(JOBS, job(name))
    async with served(api, tmp_path) as cluster:
        before = api.version

        def between(request: web.Request) -> None:
            if request.query.get("continue"):
                api.version += 1  # something changes

        api.refuse = between
        items, version = await cluster.list("Job", "ml")
    assert sorted(one["metadata"]["name"] for one in items) == MANY
    assert api.version > before
    assert version == str(before), "a watch from later would miss what happened between two pages"
    assert api.pages == ["500", "500", "500"]


async def test_where_the_moment_of_the_first_page_is_forgotten_all_is_listed_at_once(tmp_path: Path) -> None:
    api = FakeApi()
    for name in MANY:
        await api.put(JOBS, job(name))
    api.forgets_pages = True
    async with served(api, tmp_path) as cluster:
        items, _ = await cluster.list("Job", "ml")
    assert sorted(one["metadata"]["name"] for one in items) == MANY
    assert api.pages == ["500", ""]


async def test_the_first_list_of_an_informer_comes_in_pages_too(tmp_path: Path) -> None:
    async with world(tmp_path, 30.0, *MANY) as seen:
        assert seen.names() == MANY
        assert (seen.api.lists, seen.api.pages) == (1, ["500", "500", "500"])


async def test_a_cut_stream_is_taken_up_again_from_the_last_version_without_a_new_list(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, 30.0, "a") as seen:
        last = await seen.api.put(JOBS, job("b"))
        await seen.until(lambda: seen.names() == ["a", "b"])
        await seen.api.cut()
        await seen.api.put(JOBS, job("during-the-gap"))
        await seen.until(lambda: "during-the-gap" in seen.names())
        assert seen.api.lists == 1
        assert seen.api.watched_from[-1] == int(last["metadata"]["resourceVersion"])


async def test_a_line_that_is_cut_off_is_read_again_and_not_guessed_at(tmp_path: Path) -> None:
    async with world(tmp_path, 30.0, "a") as seen:
        whole = json.dumps({"type": "ADDED", "object": job("b")}).encode()
        await seen.api.cut(last_words=whole[:40])
        await seen.api.put(JOBS, job("b"))
        await seen.until(lambda: seen.names() == ["a", "b"])
        assert seen.api.lists == 1


async def test_a_deletion_nobody_told_of_is_noticed_at_410(tmp_path: Path) -> None:
    async with world(tmp_path, 30.0, "a", "b") as seen:
        await seen.api.remove(JOBS, "a", told=False)
        seen.api.compact()
        await seen.api.cut()
        await seen.until(lambda: seen.names() == ["b"])
        assert seen.api.lists == 2
        assert "gone" in seen.causes
        assert seen.changes[-1].after is None


async def test_an_error_event_410_inside_the_stream_lists_again(tmp_path: Path) -> None:
    async with world(tmp_path, 30.0, "a") as seen:
        await seen.api.cut(last_words=error_event(410, "Expired"))
        await seen.until(lambda: seen.api.lists == 2)


@pytest.mark.parametrize("line", [error_event(500), error_event(504, "Timeout"), b"no json at all\n"])
async def test_any_other_error_event_only_opens_the_stream_again(tmp_path: Path, line: bytes) -> None:
    async with world(tmp_path, 30.0, "a") as seen:
        await seen.api.cut(last_words=line)
        await seen.api.put(JOBS, job("b"))
        await seen.until(lambda: seen.names() == ["a", "b"])
        assert seen.api.lists == 1


async def test_a_stream_that_falls_silent_is_replaced(tmp_path: Path) -> None:
    async with world(tmp_path, 0.3, "a") as seen:
        seen.api.silent = True
        await seen.api.put(JOBS, job("b"))
        streams = len(seen.api.watched_from)
        await seen.until(lambda: len(seen.api.watched_from) > streams)
        seen.api.silent = False
        await seen.api.cut()
        await seen.until(lambda: seen.names() == ["a", "b"])
        assert seen.api.lists == 1


async def test_a_replayed_older_state_changes_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as seen:
        old = await seen.api.put(JOBS, job("a", suspend=True))
        await seen.api.put(JOBS, job("a", suspend=False))
        await seen.until(lambda: len(seen.changes) == 2)
        await seen.api.replay(JOBS, {"type": "MODIFIED", "object": old})
        await seen.api.put(JOBS, job("z"))
        await seen.until(lambda: "z" in seen.names())
        assert seen.caches["Job"].get("ml", "a")["spec"] == {"suspend": False}
        assert len(seen.changes) == 3


async def test_a_replayed_state_of_a_deleted_object_does_not_bring_it_back(tmp_path: Path) -> None:
    async with world(tmp_path) as seen:
        old = await seen.api.put(JOBS, job("a"))
        await seen.api.remove(JOBS, "a")
        await seen.api.replay(JOBS, {"type": "MODIFIED", "object": old})
        await seen.api.put(JOBS, job("z"))
        await seen.until(lambda: "z" in seen.names())
        assert seen.names() == ["z"]


async def test_the_same_event_five_times_is_news_once(tmp_path: Path) -> None:
    async with world(tmp_path) as seen:
        item = await seen.api.put(JOBS, job("a"))
        for _ in range(4):
            await seen.api.replay(JOBS, {"type": "ADDED", "object": item})
        await seen.api.put(JOBS, job("z"))
        await seen.until(lambda: "z" in seen.names())
        assert len(seen.changes) == 2


async def test_an_outage_is_waited_out(tmp_path: Path) -> None:
    async with world(tmp_path, 30.0, "a") as seen:
        seen.api.refuse = lambda _request: web.json_response({"message": "etcd has no leader"}, status=503)
        await seen.api.cut()
        await seen.until(lambda: seen.causes.count("unavailable") >= 2)
        await seen.api.put(JOBS, job("b"))
        seen.api.refuse = lambda _request: None
        await seen.until(lambda: seen.names() == ["a", "b"])
        assert seen.api.lists == 1


async def test_a_refusal_ends_the_task(tmp_path: Path) -> None:
    api = FakeApi()
    api.refuse = lambda _request: web.json_response(
        {"reason": "Forbidden", "message": "jobs is forbidden"}, status=403
    )
    async with served(api, tmp_path) as cluster:
        informer = Informer(cluster, Caches(lambda _change: None), "Job", "ml", lambda _kind, _cause: None)
        with pytest.raises(Forbidden, match="jobs is forbidden"):
            await asyncio.wait_for(informer.run(), 10)
