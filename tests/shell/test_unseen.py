"""What the streams do not show: objects whose labels somebody took, and absences that are none."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from penstock_operator import views
from penstock_operator.caches import Caches
from penstock_operator.core.settings import Settings
from penstock_operator.reads import Reads
from penstock_operator.store import Change
from penstock_spec.contract import Result, encode
from tests.shell.desk import Desk, desk
from tests.shell.fake_api import FakeApi, served
from tests.shell.test_refusals import a_run, entries


async def job_of(seen: Desk) -> dict[str, Any]:
    """The Job of the run's one step."""
    (found,) = [one for (path, _), one in seen.api.objects.items() if path.endswith("/jobs")]
    return dict(found)


def pod_of(job: dict[str, Any], phase: str, main: dict[str, Any]) -> dict[str, Any]:
    """The Job's pod without any label of ours."""
    meta = job["metadata"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"]}
    labels = {"batch.kubernetes.io/controller-uid": meta["uid"]}
    told = encode(Result(outputs={"files": "sha256:" + "a" * 64}))
    publish = {"terminated": {"exitCode": 0, "message": told}} if phase == "Succeeded" else {"waiting": {}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{meta['name']}-x",
            "labels": labels,
            "ownerReferences": [{**owner, "controller": True}],
        },
        "status": {
            "phase": phase,
            "initContainerStatuses": [{"name": "main", "state": main}],
            "containerStatuses": [{"name": "publish", "state": publish}],
        },
    }


async def test_a_pod_that_lost_our_label_is_found_by_its_job(tmp_path: Path) -> None:
    # The start deadline has long passed: whoever does not see the pod gives the step up.
    async with desk(tmp_path, Settings(start_deadline=0.0, inquiry_after=0.0)) as seen:
        held: list[dict[str, Any]] = []

        async def made(job: dict[str, Any]) -> None:
            held.append(await seen.api.add(pod_of(job, "Pending", {"running": {}})))

        seen.api.created = made
        await a_run(seen)
        await seen.until(lambda: "Running" in {one["state"] for one in entries(seen.api)})
        job = await job_of(seen)
        over = {"conditions": [{"type": "Complete", "status": "True"}]}
        await seen.api.add(pod_of(job, "Succeeded", {"terminated": {"exitCode": 0}}))
        await seen.api.add({**job, "status": over})
        await seen.look("PipelineRun", "r")
        await seen.until(lambda: {one["state"] for one in entries(seen.api)} == {"Succeeded"})


async def test_an_object_made_while_its_absence_is_read_is_not_forgotten(tmp_path: Path) -> None:
    api = FakeApi()
    changes: list[Change] = []
    caches = Caches(changes.append)
    meta = {"name": "j", "namespace": "ml", "uid": "u", "resourceVersion": "7"}
    job: dict[str, Any] = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {}}
    async with served(api, tmp_path) as cluster:
        await api.put("/apis/batch/v1/namespaces/ml/jobs", {**job, "metadata": {"name": "other"}})
        reading = asyncio.create_task(Reads(cluster, caches).fresh("Job", "ml", "j"))
        await asyncio.sleep(0)  # asked; the answer is on its way when the stream tells of the new object
        caches.learn("Job", job)
        assert await reading is None
        assert caches["Job"].get("ml", "j") is not None


def test_a_pod_whose_node_does_not_answer_is_waited_for_only_so_long() -> None:
    deleted = {"metadata": {"name": "p", "deletionTimestamp": "2026-11-21T10:00:30Z"}}
    soon, late = (datetime(2026, 11, 21, 10, minute, tzinfo=UTC) for minute in (0, 1))
    assert not views.should_be_gone({"metadata": {"name": "p"}}, late), "nobody has asked it to end"
    assert not views.should_be_gone(deleted, soon)
    assert views.should_be_gone(deleted, late)
