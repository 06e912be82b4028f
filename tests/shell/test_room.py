"""Places for Jobs, from the caches: who is woken by a free one, and that two workers never take the same."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from penstock_operator.caches import Caches
from penstock_operator.core.settings import Settings
from penstock_operator.routes import affected
from penstock_operator.store import Change
from tests.core.pipelines import programs
from tests.shell.desk import desk

WAITS: dict[str, Any] = {"steps": [{"name": "a", "state": "Queued", "reason": "NamespaceFull"}]}
RUNS = {"old": "2026-11-25T09:00:00Z", "new": "2026-11-25T10:00:00Z"}


def item(kind: str, name: str, version: int = 1, **rest: Any) -> dict[str, Any]:
    meta = {"namespace": "ml", "name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"kind": kind, "metadata": {**meta, **rest.pop("metadata", {})}, **rest}


def run(name: str, version: int = 1, **status: Any) -> dict[str, Any]:
    about = {"creationTimestamp": RUNS.get(name, "2026-11-25T08:00:00Z")}
    return item("PipelineRun", name, version, metadata=about, spec={"pipeline": name}, status=status)


def job(owner: str, version: int = 1, *conditions: str) -> dict[str, Any]:
    owners = [{"kind": "PipelineRun", "name": owner, "uid": f"uid-{owner}", "controller": True}]
    status = {"conditions": [{"type": one, "status": "True"} for one in conditions]}
    return item("Job", f"{owner}-job", version, metadata={"ownerReferences": owners}, status=status)


def world() -> Caches:
    caches = Caches(lambda _: None)
    for name in ("new", "old"):
        caches.learn("PipelineRun", run(name, **WAITS))
    caches.learn("PipelineRun", run("busy"))
    return caches


def woken(change: Change) -> set[str]:
    return {key.name for key in affected(change, world()) if key.kind == "PipelineRun"}


def test_a_job_that_is_over_wakes_its_run_and_the_oldest_that_waits() -> None:
    assert woken(Change("Job", job("busy"), job("busy", 2, "Complete"))) == {"busy", "old"}
    assert woken(Change("Job", job("busy"), job("busy", 2, "FailureTarget"))) == {"busy", "old"}
    assert woken(Change("Job", job("busy"), None)) == {"busy", "old"}


def test_a_job_that_was_over_before_leaves_no_place_when_it_goes() -> None:
    assert woken(Change("Job", job("busy", 1, "Complete"), None)) == {"busy"}
    assert woken(Change("Job", None, job("busy"))) == {"busy"}
    assert woken(Change("Job", job("busy"), job("busy", 2))) == {"busy"}


def test_who_waits_no_longer_wakes_the_next() -> None:
    asked = run("first", **WAITS)
    for after in (run("first", 2), {**run("first", 2, **WAITS), "spec": {"suspend": True}}, None):
        assert "old" in woken(Change("PipelineRun", asked, after))
    assert "old" not in woken(Change("PipelineRun", run("first"), asked))


def test_another_bound_of_the_namespace_wakes_who_waits() -> None:
    defaults = item("ConfigMap", "penstock-defaults", data={"jobs": "maxParallel: 9"})
    assert {"old", "new"} <= woken(Change("ConfigMap", None, defaults))


def test_only_the_jobs_of_runs_that_live_take_a_place() -> None:
    caches = Caches(lambda _: None)
    window = item(
        "Job", "w", metadata={"ownerReferences": [{"kind": "ModelEndpoint", "controller": True, "uid": "e"}]}
    )
    for one in (job("a"), job("b", 1, "Failed"), window):
        caches.learn("Job", one)
    assert [one["metadata"]["name"] for one in caches["Job"].find("live", "ml")] == ["a-job"]


@pytest.mark.parametrize("bound", [1, 0], ids=["the installation's", "the namespace's"])
async def test_two_workers_that_see_the_last_place_do_not_both_take_it(tmp_path: Path, bound: int) -> None:
    async with desk(tmp_path, Settings(max_parallel=bound)) as one:
        if not bound:
            own = {"name": "penstock-defaults"}
            await one.api.add({"kind": "ConfigMap", "metadata": own, "data": {"jobs": "maxParallel: 1"}})
        most = 0

        async def count(_: Any) -> None:
            nonlocal most
            most = max(most, sum(1 for (path, _) in one.api.objects if path.endswith("/jobs")))
            await asyncio.sleep(0.2)  # the answer is on its way, and the other worker at work

        one.api.created = count
        for name in ("p", "q", "r"):
            about = {"name": name}
            await one.api.add({"kind": "Pipeline", "metadata": about, "spec": programs({"a": [], "b": []})})
        for name in ("p", "q", "r"):
            await one.look("Pipeline", name)

        def reasons() -> list[str]:
            runs = [one.api.held("PipelineRun", f"{name}-g1") for name in ("p", "q", "r")]
            steps = [step for run in runs if run for step in run.get("status", {}).get("steps", ())]
            return sorted(step.get("reason", "") for step in steps)

        await one.until(lambda: reasons() == ["Created", *["NamespaceFull"] * 5])
        assert most == 1
