"""Runs of one Pipeline that come in the same second: by rank alone each could be the first, so the one whose
beginning is written is.
"""

import asyncio
from pathlib import Path
from typing import Any

from tests.core.pipelines import programs
from tests.shell.desk import desk


async def test_a_run_whose_beginning_is_being_written_is_not_overtaken(tmp_path: Path) -> None:
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

        one.api.patching = slowly
        await one.api.add({"kind": "Pipeline", "metadata": {"name": "p"}, "spec": programs({"s": []})})
        await add("b")
        await one.until(lambda: status("a").get("reason") == "WaitingForRun")
        assert status("b").get("startedAt")
        assert "startedAt" not in status("a")
