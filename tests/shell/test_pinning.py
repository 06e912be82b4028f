"""What a run reads of the registry is what the API server says, whatever the streams have told."""

from pathlib import Path
from typing import Any

from penstock_operator.resources import CUSTOM_KINDS, WATCHED_KINDS
from penstock_operator.workqueue import Key
from penstock_spec.names import MODEL_VERSION
from tests.core.pipelines import programs
from tests.shell.desk import NAMESPACE, desk

ABOUT = {"apiVersion": "penstock.dev/v1alpha1"}
SOURCES = {
    "champion": {"registered": {"model": "m", "lifecycle": "Production"}},
    "other": {"registered": {"model": "n", "lifecycle": "Production"}, "optional": True},
}


def version() -> dict[str, Any]:
    spec = {"model": "m", "number": 1, "digest": "sha256:" + "a" * 64}
    status = {"lifecycle": "Production"}
    return {**ABOUT, "kind": MODEL_VERSION, "metadata": {"name": "m-1"}, "spec": spec, "status": status}


async def test_a_version_that_no_stream_has_told_of_yet_is_read(tmp_path: Path) -> None:
    spec = programs({"look": []})
    spec["steps"][0]["run"]["inputsFrom"] = SOURCES
    async with desk(tmp_path) as seen:
        made = await seen.api.add({**ABOUT, "kind": "Pipeline", "metadata": {"name": "p"}, "spec": spec})
        owner = {"kind": "Pipeline", "name": "p", "uid": made["metadata"]["uid"], "controller": True}
        run = {"kind": "PipelineRun", "metadata": {"name": "r", "ownerReferences": [owner]}}
        await seen.api.add({**ABOUT, **run, "spec": {"pipeline": "p"}})
        for one in (*CUSTOM_KINDS, *WATCHED_KINDS):
            await seen.reads.compare(one, NAMESPACE)
        await seen.api.add(version())
        seen.queue.add(Key("PipelineRun", NAMESPACE, "r"))

        def status() -> dict[str, Any]:
            return dict(seen.api.held("PipelineRun", "r").get("status") or {})

        await seen.until(lambda: [one["state"] for one in status().get("steps", ())] == ["Starting"])
        assert status()["pinned"] == [
            {"reference": "m/Production", "version": "m-1", "digest": "sha256:" + "a" * 64},
            {"reference": "n/Production"},
        ]
        assert seen.api.writes.count("POST jobs") == 1
