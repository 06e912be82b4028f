"""Queues of Kueue on a real API server.

Kueue is played by the test: its kind, a Workload's words, and the admission of a Job.
"""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.core.flow_page import QUEUES
from tests.support import Kubectl, steps_of, wait_for

pytestmark = pytest.mark.e2e

CRD = "workloads.kueue.x-k8s.io"
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
WORKLOADS: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": CRD,
        "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/kueue"},
    },
    "spec": {
        "group": "kueue.x-k8s.io",
        "scope": "Namespaced",
        "names": {
            "kind": "Workload",
            "plural": "workloads",
            "singular": "workload",
            "listKind": "WorkloadList",
        },
        "versions": [
            {"name": "v1beta1", "served": True, "storage": True, "schema": {"openAPIV3Schema": OPEN}},
        ],
    },
}
NO_ROOM = "couldn't assign flavors to pod set main: insufficient unused quota for cpu in flavor default"


@pytest.fixture
def kueue(kubectl: Kubectl) -> Iterator[None]:
    """The kind Workload, while the test lasts."""
    kubectl.apply(WORKLOADS)
    kubectl.run("wait", "--for=condition=Established", f"crd/{CRD}", "--timeout=60s")
    yield
    kubectl.run("delete", "crd", CRD, "--wait=true", check=False)


def placed(namespace: str, image: str) -> dict[str, Any]:
    """The example of docs/queues.md in the test's namespace, in an image that the cluster has."""
    found: dict[str, Any] = copy.deepcopy(QUEUES["queued"][0])
    found["metadata"]["namespace"] = namespace
    for step in found["spec"]["steps"]:
        step["run"]["image"] = image
    return found


def job_of(kubectl: Kubectl, namespace: str, step: str) -> Any:
    """The step's Job, once it is there."""
    found = wait_for(
        f"the Job of {step}", lambda: kubectl.list("jobs", namespace, "-l", f"penstock.dev/step={step}")
    )
    return found[0]


def says(kubectl: Kubectl, job: Any, *conditions: dict[str, str]) -> None:
    """Kueue's word about a Job."""
    meta = job["metadata"]
    kubectl.apply(
        {
            "apiVersion": "kueue.x-k8s.io/v1beta1",
            "kind": "Workload",
            "metadata": {
                "name": f"job-{meta['name']}",
                "namespace": meta["namespace"],
                "labels": {"kueue.x-k8s.io/job-uid": meta["uid"]},
            },
            "spec": {"queueName": meta["labels"]["kueue.x-k8s.io/queue-name"]},
            "status": {"conditions": [*conditions]},
        }
    )


def suspend(kubectl: Kubectl, job: Any, *, held: bool) -> None:
    """Admit a Job, or take it back, as Kueue does."""
    meta = job["metadata"]
    patch = json.dumps({"spec": {"suspend": held}})
    kubectl.run("patch", "job", meta["name"], "-n", meta["namespace"], "--type=merge", "-p", patch)


def test_without_kueue_a_step_says_what_it_waits_for(runs, kubectl, namespace, images) -> None:
    kubectl.apply(placed(namespace, images["server"]))
    name = runs.started("queued", 1)
    entry = wait_for(
        "the reason",
        lambda: (
            found
            if (found := steps_of(runs.get(name)).get("prepare", {})).get("reason") == "QueueUnavailable"
            else None
        ),
    )
    assert entry["state"] == "Queued"
    assert "this cluster has no Kueue" in entry["message"]
    assert job_of(kubectl, namespace, "prepare")["spec"]["suspend"] is True
    kubectl.run("patch", "plr", name, "-n", namespace, "--type=merge", "-p", '{"spec":{"cancel":true}}')
    assert runs.finished(name, 20)["status"]["status"] == "Cancelled"
    wait_for("the Job to go", lambda: not kubectl.list("jobs", namespace))


@pytest.mark.usefixtures("kueue")
def test_a_job_waits_in_its_queue_in_kueues_words_and_runs_when_it_is_admitted(
    runs, kubectl, namespace, images
) -> None:
    kubectl.apply(placed(namespace, images["server"]))
    name = runs.started("queued", 1)
    first = job_of(kubectl, namespace, "prepare")
    assert first["metadata"]["labels"]["kueue.x-k8s.io/priority-class"] == "low"
    says(
        kubectl, first, {"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": NO_ROOM}
    )
    wait_for("Kueue's words", lambda: NO_ROOM in steps_of(runs.get(name))["prepare"].get("message", ""))
    assert steps_of(runs.get(name))["prepare"]["state"] == "Queued"
    assert kubectl.list("pods", namespace) == []
    suspend(kubectl, first, held=False)
    second = job_of(kubectl, namespace, "learn")
    assert second["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    suspend(kubectl, second, held=False)
    run = runs.finished(name)
    assert {one["state"] for one in run["status"]["steps"]} == {"Succeeded"}
    assert {one["attempt"] for one in run["status"]["steps"]} == {1}


@pytest.mark.usefixtures("kueue")
def test_a_job_that_is_taken_back_goes_on_as_the_same_attempt(runs, kubectl, namespace, images) -> None:
    manifest = placed(namespace, images["server"])
    del manifest["spec"]["steps"][1]
    manifest["spec"]["steps"][0]["run"] = {"image": images["server"], "command": ["sleep", "20"]}
    kubectl.apply(manifest)
    name = runs.started("queued", 1)
    made = job_of(kubectl, namespace, "prepare")
    suspend(kubectl, made, held=False)
    wait_for("it to run", lambda: steps_of(runs.get(name))["prepare"]["state"] == "Running")
    suspend(kubectl, made, held=True)
    says(kubectl, made, {"type": "Evicted", "status": "True", "reason": "Preempted", "message": "for others"})
    wait_for("it to be queued again", lambda: steps_of(runs.get(name))["prepare"]["state"] == "Queued")
    wait_for("the word", lambda: "taken back, Preempted" in steps_of(runs.get(name))["prepare"]["message"])
    suspend(kubectl, made, held=False)
    (entry,) = runs.finished(name)["status"]["steps"]
    assert (entry["state"], entry["attempt"], entry.get("retries", {})) == ("Succeeded", 1, {})
    assert job_of(kubectl, namespace, "prepare")["metadata"]["uid"] == made["metadata"]["uid"]
