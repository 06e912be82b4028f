"""The operator waits where the API server lacks its kinds, says which, and goes on once all are there."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from penstock_operator import definitions
from penstock_operator.definitions import wait_for_definitions
from penstock_operator.resources import CUSTOM_KINDS
from penstock_spec import names
from tests.shell.fake_api import FakeApi, answer, served

ALL = tuple(names.PLURALS.values())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "PAUSE", 0.01)


class Discovery:
    """What discovery says: whether the group is listed, and which of its resources the group has."""

    def __init__(self, plurals: tuple[str, ...], *, listed: bool = True) -> None:
        self.plurals, self.listed, self.down = plurals, listed, False

    def api(self) -> FakeApi:
        api = FakeApi()
        api.refuse = self.told
        return api

    def told(self, request: web.Request) -> web.Response:
        if self.down:
            return answer(503, "ServiceUnavailable", "later")
        if request.path == "/apis":
            return web.json_response({"groups": [{"name": names.GROUP}] if self.listed else []})
        if not self.plurals:
            return answer(404, "NotFound", "404 page not found")
        return web.json_response({"resources": [{"name": one} for one in self.plurals]})


async def waiting(discovery: Discovery, folder: Path, then: Any) -> int:
    """Wait, let `then` happen after three answers, and give how often it was answered."""
    answers: list[None] = []
    async with served(discovery.api(), folder) as cluster:
        task = asyncio.create_task(wait_for_definitions(cluster, lambda: answers.append(None)))
        while len(answers) < 3:
            await asyncio.sleep(0.001)
            assert not task.done()
        then()
        await asyncio.wait_for(task, 5)
    return len(answers)


async def test_where_all_are_there_it_does_not_wait(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with served(Discovery(ALL).api(), tmp_path) as cluster:
        await wait_for_definitions(cluster, pytest.fail)
    assert not caplog.records


@pytest.mark.parametrize("before", [Discovery(()), Discovery(ALL[:-1]), Discovery(ALL, listed=False)])
async def test_it_waits_until_all_are_there_and_discovery_lists_their_group(
    before: Discovery, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def come() -> None:
        before.plurals, before.listed = ALL, True

    assert await waiting(before, tmp_path, come) >= 3
    (said,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert set(said.__dict__["lacking"]) <= set(CUSTOM_KINDS)


async def test_no_answer_is_not_an_answer(tmp_path: Path) -> None:
    discovery = Discovery(())
    answers: list[None] = []
    async with served(discovery.api(), tmp_path) as cluster:
        discovery.down = True
        task = asyncio.create_task(wait_for_definitions(cluster, lambda: answers.append(None)))
        await asyncio.sleep(0.1)
        assert not answers
        assert not task.done()
        discovery.down, discovery.plurals = False, ALL
        await asyncio.wait_for(task, 5)
    assert not answers
