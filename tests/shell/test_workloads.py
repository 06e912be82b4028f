"""Kueue's words about suspended Jobs: read on demand, and only where Jobs are suspended."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from penstock_operator.caches import Caches
from penstock_operator.core import queued
from penstock_operator.reads import AT_ONCE, Findings, Reads
from tests.shell.fake_api import FakeApi, answer, served

WORKLOADS = "/apis/kueue.x-k8s.io/{}/namespaces/ml/workloads"
NO_ROOM = {"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": "no room"}


def job(name: str, *, suspend: bool) -> dict[str, Any]:
    meta = {"namespace": "ml", "name": name, "uid": f"uid-{name}", "resourceVersion": "1"}
    return {"kind": "Job", "metadata": meta, "spec": {"suspend": suspend}}


def workload(of: str) -> dict[str, Any]:
    meta = {"name": f"job-{of}", "namespace": "ml", "labels": {"kueue.x-k8s.io/job-uid": f"uid-{of}"}}
    return {"kind": "Workload", "metadata": meta, "status": {"conditions": [NO_ROOM]}}


class Kueue(FakeApi):
    """An API server that serves Workloads in `versions`, or says `instead`."""

    def __init__(self, *versions: str, instead: web.Response | None = None) -> None:
        super().__init__()
        self.asked: list[tuple[str, str]] = []
        self._versions, self._instead = versions, instead
        self.refuse = self._note

    def _note(self, request: web.Request) -> web.Response | None:
        self.asked.append((request.path, request.query.get("labelSelector", "")))
        if "kueue" not in request.path:
            return None
        if not any(one in request.path for one in self._versions):
            return answer(404, "NotFound", "the server could not find the requested resource")
        return self._instead


async def inquired(api: Kueue, folder: Path, *jobs: dict[str, Any]) -> Findings:
    caches, findings = Caches(lambda _: None), Findings()
    for one in jobs:
        caches.learn("Job", one)
    async with served(api, folder) as cluster:
        await Reads(cluster, caches).inquire([one["metadata"]["name"] for one in jobs], "ml", findings)
    return findings


@pytest.mark.parametrize("version", ["v1beta2", "v1beta1"])
async def test_one_question_tells_about_all_suspended_jobs(tmp_path: Path, version: str) -> None:
    api = Kueue(version)
    await api.put(WORKLOADS.format(version), workload("a"))
    jobs = [job("a", suspend=True), job("b", suspend=True), job("c", suspend=False)]
    findings = await inquired(api, tmp_path, *jobs)
    assert findings.troubles["a"].message == "Pending: no room"
    assert findings.troubles["b"].reason == queued.NO_WORKLOAD
    assert "c" not in findings.troubles
    assert findings.asked == {"a", "b", "c"}
    about_workloads = [labels for path, labels in api.asked if version in path]
    assert about_workloads == ["kueue.x-k8s.io/job-uid in (uid-a,uid-b)"]
    events = [path for path, _ in api.asked if path.endswith("/events")]
    assert len(events) == 1, "Events are read of what is not suspended"


async def test_nobody_asks_kueue_about_jobs_that_are_not_suspended(tmp_path: Path) -> None:
    api = Kueue("v1beta2")
    await inquired(api, tmp_path, job("a", suspend=False))
    assert not [path for path, _ in api.asked if "kueue" in path]


async def test_a_cluster_without_kueue_is_told_from_one_that_has_not_looked_yet(tmp_path: Path) -> None:
    findings = await inquired(Kueue(), tmp_path, job("a", suspend=True))
    assert findings.troubles["a"].reason == queued.NO_KUEUE


async def test_a_right_that_is_missing_hinders_nothing(tmp_path: Path) -> None:
    words = 'workloads.kueue.x-k8s.io is forbidden: User "x" cannot list resource "workloads" in API group'
    api = Kueue("v1beta2", instead=answer(403, "Forbidden", words))
    findings = await inquired(api, tmp_path, job("a", suspend=True))
    assert findings.troubles["a"].reason == queued.NOT_ALLOWED


async def test_a_long_question_is_asked_in_parts(tmp_path: Path) -> None:
    api = Kueue("v1beta2")
    jobs = [job(f"j{index}", suspend=True) for index in range(AT_ONCE + 1)]
    findings = await inquired(api, tmp_path, *jobs)
    assert len(api.asked) == 2
    assert len(findings.troubles) == AT_ONCE + 1
