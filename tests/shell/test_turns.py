"""Runs of one Pipeline that come in the same second: by rank alone each could be the first, so the one whose
beginning is written is.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.core.pipelines import programs
from tests.shell.desk import desk


@pytest.mark.parametrize("lost", [False, True], ids=["the answer comes", "the answer is lost"])
async def test_a_run_whose_beginning_is_being_written_is_not_overtaken(tmp_path: Path, *, lost: bool) -> None:
    """The later one's smaller name puts it first, for both were made in one second."""
    async with desk(tmp_path) as one:
        made = "2026-11-25T09:00:00Z"

        async def add(name: str) -> None:
            about = {"name": name, "creationTimestamp": made}
            await one.api.add({"kind": "PipelineRun", "metadata": about, "spec": {"pipeline": "p"}})
            await one.look("PipelineRun", name)

        def status(name: str) -> dict[str, Any]:
            said: dict[str, Any] = (one.api.held("PipelineRun", name) or {}).get("status", {})
            return said

        began: list[str] = []

        async def slowly(item: dict[str, Any]) -> None:
            if item["metadata"]["name"] == "b" and not began:
                began.append("b")
                await add("a")
                await asyncio.sleep(0.3)  # the write is on its way, and the other worker at work

        answers: list[str] = []

        def unanswered(item: dict[str, Any]) -> bool:
            first = lost and item["metadata"]["name"] == "b" and bool(item.get("status")) and not answers
            answers.extend(["b"] if first else [])
            return first

        one.api.patching, one.api.loses_answer = slowly, unanswered
        await one.api.add({"kind": "Pipeline", "metadata": {"name": "p"}, "spec": programs({"s": []})})
        await add("b")
        await one.until(lambda: status("a").get("reason") == "WaitingForRun")
        assert answers == (["b"] if lost else [])
        assert status("b").get("startedAt")
        assert "startedAt" not in status("a")
