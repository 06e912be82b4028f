"""What the API server refuses: for now or for good, the run says so and what goes on goes on."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from penstock_operator.core.settings import Settings
from tests.core.pipelines import programs
from tests.shell.desk import Desk, WritableApi, desk
from tests.shell.fake_api import answer

QUOTA = 'jobs.batch "x" is forbidden: exceeded quota: few, requested: count/jobs.batch=1, limited: 4'
POLICY = 'jobs.batch "x" is forbidden: ValidatingAdmissionPolicy "p" denied request: no'
RIGHTS = (
    'jobs.batch is forbidden: User "system:serviceaccount:penstock:penstock" cannot create resource "jobs" '
    'in API group "batch" in the namespace "ml"'
)


def refusing(method: str, ending: str, message: str, code: int = 403) -> Any:
    """Refuses requests of this method on this collection."""

    def refuse(request: web.Request) -> web.Response | None:
        if request.method == method and request.path.endswith(ending):
            return answer(code, "Forbidden" if code == 403 else "Conflict", message)
        return None

    return refuse


async def a_run(seen: Desk, steps: int = 1, **metadata: Any) -> None:
    """A person's run of a pipeline with so many steps that need nothing."""
    spec = programs({f"s{number}": [] for number in range(steps)})
    pipeline = await seen.api.add(
        {"apiVersion": "penstock.dev/v1alpha1", "kind": "Pipeline", "metadata": {"name": "p"}, "spec": spec}
    )
    meta = {"name": "r", **metadata}
    if not metadata:
        owner = {"kind": "Pipeline", "name": "p", "uid": pipeline["metadata"]["uid"], "controller": True}
        meta["ownerReferences"] = [owner]
    run = {"kind": "PipelineRun", "metadata": meta, "spec": {"pipeline": "p"}}
    await seen.api.add({"apiVersion": "penstock.dev/v1alpha1", **run})
    await seen.look("PipelineRun", "r")


def entries(api: WritableApi) -> list[dict[str, Any]]:
    return list((api.held("PipelineRun", "r").get("status") or {}).get("steps", ()))


def states(api: WritableApi) -> set[tuple[str, str]]:
    return {(one["state"], one.get("reason", "")) for one in entries(api)}


async def test_many_steps_without_room_wait_and_ask_one_at_a_time(tmp_path: Path) -> None:
    async with desk(tmp_path) as seen:
        seen.api.refuse = refusing("POST", "/jobs", QUOTA)
        await a_run(seen, 40)
        await seen.until(lambda: ("Queued", "QuotaExceeded") in states(seen.api))
        asked = [one for one in seen.api.writes if one == "POST jobs"]
        assert len(asked) < 10


async def test_many_steps_that_a_policy_refuses_all_fail(tmp_path: Path) -> None:
    async with desk(tmp_path) as seen:
        seen.api.refuse = refusing("POST", "/jobs", POLICY)
        await a_run(seen, 40)
        await seen.until(lambda: states(seen.api) == {("Failed", "RejectedByCluster")})


async def test_rights_that_the_operator_lacks_for_a_while_fail_no_step(tmp_path: Path) -> None:
    async with desk(tmp_path) as seen:
        seen.api.refuse = refusing("POST", "/jobs", RIGHTS)
        await a_run(seen)
        await seen.until(lambda: "POST jobs" in seen.api.writes)
        seen.api.refuse = lambda _: None
        await seen.look("PipelineRun", "r")
        await seen.until(lambda: "Starting" in {one["state"] for one in entries(seen.api)})


@pytest.mark.parametrize("message", [QUOTA, POLICY], ids=["quota", "policy"])
async def test_a_run_whose_steps_cannot_be_frozen_says_so(tmp_path: Path, message: str) -> None:
    async with desk(tmp_path) as seen:
        seen.api.refuse = refusing("POST", "/controllerrevisions", message)
        await a_run(seen)

        def held() -> dict[str, Any]:
            return dict(seen.api.held("PipelineRun", "r").get("status") or {})

        reason = "QuotaExceeded" if message == QUOTA else "RejectedByCluster"
        await seen.until(lambda: held().get("reason") == reason)
        assert held()["status"] == ("Waiting" if message == QUOTA else "Failed")


async def test_a_run_that_has_an_owner_of_another_kind_becomes_the_pipelines_too(tmp_path: Path) -> None:
    other = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": "uid-c"}
    async with desk(tmp_path, Settings()) as seen:
        await a_run(seen, 1, ownerReferences=[other])
        await seen.until(lambda: entries(seen.api))
        owners = seen.api.held("PipelineRun", "r")["metadata"]["ownerReferences"]
        assert [(one["kind"], one.get("controller", False)) for one in owners] == [
            ("CronJob", False),
            ("Pipeline", True),
        ]


async def test_a_quota_that_changes_meanwhile_is_not_taken_for_a_field_of_somebody_else(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as seen:
        words = 'Operation cannot be fulfilled on resourcequotas "few": the object has been modified'

        def refuse(request: web.Request) -> web.Response | None:
            return answer(409, "Conflict", words) if "/deployments/" in request.path else None

        seen.api.refuse = refuse
        spec = {"model": "m", "number": 1, "digest": "sha256:" + "a" * 64}
        about = {"apiVersion": "penstock.dev/v1alpha1"}
        await seen.api.add({**about, "kind": "ModelVersion", "metadata": {"name": "m-1"}, "spec": spec})
        wanted = {"model": {"version": "m-1"}}
        await seen.api.add({**about, "kind": "ModelEndpoint", "metadata": {"name": "m"}, "spec": wanted})
        await seen.look("ModelEndpoint", "m")
        await seen.until(lambda: any("deployments/" in one for one in seen.api.writes))
        seen.api.refuse = lambda _: None
        await seen.until(lambda: (seen.api.held("ModelEndpoint", "m").get("status") or {}).get("next"))
        words = seen.api.held("ModelEndpoint", "m")["status"]["message"]
        assert words == "m-1 starts: 0 of 1 pods ready"


async def test_a_run_that_is_cancelled_while_its_jobs_are_made_gets_no_more_of_them(tmp_path: Path) -> None:
    async with desk(tmp_path) as seen:

        async def cancelled(_: dict[str, Any]) -> None:
            path = "/apis/penstock.dev/v1alpha1/namespaces/ml/pipelineruns"
            found = seen.api.held("PipelineRun", "r")
            if not found["spec"].get("cancel"):
                said = {**found["metadata"], "generation": 2}, {**found["spec"], "cancel": True}
                await seen.api.put(path, {**found, "metadata": said[0], "spec": said[1]})
                await seen.reads.compare("PipelineRun", "ml")

        seen.api.created = cancelled
        await a_run(seen, 40)
        await seen.until(lambda: {one["state"] for one in entries(seen.api)} == {"Cancelled"})
        assert seen.api.writes.count("POST jobs") == 1
