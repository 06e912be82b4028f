"""What the shell reads of an endpoint's objects: who wrote which field, whose pods, words of Events."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from penstock_operator import field_managers, views_endpoint
from penstock_operator.caches import Caches
from penstock_operator.core.actions import Apply
from penstock_operator.core.observed_endpoint import Unit
from penstock_operator.reads import Findings, Reads
from penstock_operator.store import Store
from tests.shell.fake_api import FakeApi, served

# As Kubernetes 1.35 wrote them, shortened.
DEPLOYED = {
    "manager": "penstock-deploy",
    "operation": "Apply",
    "time": "2026-11-25T10:00:00Z",
    "fieldsV1": {"f:spec": {"f:model": {"f:version": {}, "f:digest": {}}, "f:scale": {"f:replicas": {}}}},
}
SCALED = {
    "manager": "kube-controller-manager",
    "operation": "Update",
    "subresource": "scale",
    "time": "2026-11-25T11:00:00Z",
    "fieldsV1": {"f:spec": {"f:scale": {"f:replicas": {}}}},
}
EDITED = {
    "manager": "kubectl-edit",
    "operation": "Update",
    "time": "2026-11-25T12:00:00Z",
    "fieldsV1": {"f:spec": {"f:model": {"f:version": {}}, "f:rollbackTo": {}}},
}
STATUS = {
    "manager": "penstock",
    "operation": "Update",
    "subresource": "status",
    "time": "2026-11-25T12:00:01Z",
    "fieldsV1": {"f:status": {"f:conditions": {}}},
}


def test_managers_are_named_by_field_the_last_writer_last() -> None:
    found = field_managers.managers_of([EDITED, SCALED, DEPLOYED, STATUS])
    assert found == {
        "spec.model.version": ["penstock-deploy", "kubectl-edit"],
        "spec.scale.replicas": ["penstock-deploy", "kube-controller-manager"],
        "spec.rollbackTo": ["kubectl-edit"],
    }


def test_the_time_of_a_monitor_steps_change_is_known() -> None:
    watched = {**SCALED, "manager": "penstock-monitor", "time": "2026-11-25T11:00:00Z"}
    assert field_managers.monitored_at([DEPLOYED, watched, STATUS]) == "2026-11-25T11:00:00Z"
    assert field_managers.monitored_at([DEPLOYED]) == ""
    store = Store("ModelEndpoint")
    store.put(endpoint(managedFields=[watched]))
    kept = store.get("ml", "e")
    assert kept is not None
    assert views_endpoint.endpoint(kept).monitored_at == datetime(2026, 11, 25, 11, tzinfo=UTC)


def endpoint(version: str = "1", **metadata: Any) -> dict[str, Any]:
    meta = {"namespace": "ml", "name": "e", "uid": "e-uid", "resourceVersion": version, **metadata}
    spec = {"model": {"version": "m-1"}, "scale": {"replicas": 2}, "rollbackTo": 3}
    status = {"rollout": {"refused": "too late"}}
    return {"kind": "ModelEndpoint", "metadata": meta, "spec": spec, "status": status}


def test_a_store_keeps_of_the_managers_what_is_asked_for_and_nothing_of_other_kinds() -> None:
    store = Store("ModelEndpoint")
    store.put(endpoint(managedFields=[DEPLOYED, EDITED]))
    kept = store.get("ml", "e")
    assert kept is not None
    assert "managedFields" not in kept["metadata"]
    view = views_endpoint.endpoint(kept)
    assert view.managers["spec.model.version"] == ["penstock-deploy", "kubectl-edit"]
    assert (view.pinned, view.refused, view.scale) == (3, True, {"replicas": 2})
    jobs = Store("Job")
    jobs.put({**endpoint(managedFields=[DEPLOYED]), "kind": "Job"})
    job = jobs.get("ml", "e")
    assert job is not None
    assert not {"managedFields", field_managers.KEY} & job["metadata"].keys()


def test_whoever_asks_for_a_person_may_say_so() -> None:
    named = endpoint(annotations={"penstock.dev/requested-by": "ada@example.org"})
    assert views_endpoint.requested_by(named) == "ada@example.org"
    assert views_endpoint.requested_by(endpoint()) == ""


def test_a_new_endpoint_may_say_that_its_monitoring_follows() -> None:
    assert views_endpoint.monitoring_follows(
        endpoint(annotations={"penstock.dev/monitoring-follows": "true"})
    )
    assert not views_endpoint.monitoring_follows(endpoint())


def deployment(**status: Any) -> dict[str, Any]:
    labels = {"penstock.dev/model-version": "m-1", "penstock.dev/model-digest": "0123456789abcdef"}
    env = [
        {"name": "PENSTOCK_MODEL_DIGEST", "value": "sha256:01"},
        {"name": "PENSTOCK_MODEL_NAME", "value": "m"},
    ]
    containers = [{"name": "serve", "env": [*env, {"name": "PENSTOCK_POD", "valueFrom": {}}]}]
    return {
        "kind": "Deployment",
        "metadata": {"namespace": "ml", "name": "e-0123456789", "uid": "d-uid", "resourceVersion": "1"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"spec": {"containers": containers}},
        },
        "status": status,
    }


def test_a_deployment_tells_its_bytes_its_figures_and_what_hinders_it() -> None:
    conditions = [
        {"type": "Available", "status": "True", "lastTransitionTime": "2026-11-25T10:00:00Z"},
        {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"},
        {"type": "Progressing", "status": "False", "message": "timed out"},
    ]
    view = views_endpoint.deployment(deployment(replicas=3, availableReplicas=2, conditions=conditions), ())
    assert view.unit == Unit("m-1", "0123456789abcdef")
    assert (view.model, view.digest, view.existing, view.available) == ("m", "sha256:01", 3, 2)
    assert (view.replica_failure, view.progress_failed) == ("exceeded quota", "timed out")
    assert view.available_since is not None
    assert not view.logged
    late = views_endpoint.deployment(deployment(conditions=[{"type": "Available", "status": "False"}]), ())
    assert late.available_since is None


def test_a_deployment_tells_by_which_settings_it_serves_and_whether_it_keeps_a_log() -> None:
    found = deployment()
    found["spec"]["selector"]["matchLabels"]["penstock.dev/server-settings"] = "00ff"
    found["spec"]["template"]["spec"]["initContainers"] = [{"name": "fetch"}, {"name": "ship"}]
    view = views_endpoint.deployment(found, ())
    assert view.unit == Unit("m-1", "0123456789abcdef", "00ff")
    assert view.logged


def pod(name: str, replica_set: str) -> dict[str, Any]:
    owner = {"kind": "ReplicaSet", "name": replica_set, "uid": f"uid-{replica_set}", "controller": True}
    meta = {"namespace": "ml", "name": name, "uid": f"uid-{name}", "resourceVersion": "1"}
    labels = {"penstock.dev/endpoint": "e"}
    return {"kind": "Pod", "metadata": {**meta, "labels": labels, "ownerReferences": [owner]}}


def test_pods_belong_to_the_deployment_after_which_their_replica_set_is_called() -> None:
    pods = [pod("a", "e-0123456789-5d9"), pod("b", "e-9876543210-5d9"), pod("c", "e-0123456789-77f")]
    found = views_endpoint.pods_of_deployment(deployment(), pods)
    assert [one["metadata"]["name"] for one in found] == ["a", "c"]


@pytest.mark.parametrize(
    ("kind", "key"),
    [("Deployment", "e"), ("Service", "e"), ("PodDisruptionBudget", "PodDisruptionBudget e")],
)
def test_a_refusal_of_a_companion_is_not_taken_for_one_of_the_service(kind: str, key: str) -> None:
    assert Apply({"kind": kind, "metadata": {"name": "e"}}, "penstock").key == key


async def test_the_newest_warning_about_a_deployments_pods_is_its_trouble(tmp_path: Path) -> None:
    api, caches, findings = FakeApi(), Caches(lambda _: None), Findings()
    caches.learn("Deployment", deployment())
    caches.learn("Pod", pod("a", "e-0123456789-5d9"))
    caches.learn("Pod", pod("b", "e-9876543210-5d9"))
    asked: list[str] = []

    def note(request: web.Request) -> None:
        asked.append(request.query.get("fieldSelector", ""))

    api.refuse = note
    for number, word in enumerate(("FailedScheduling", "FailedMount")):
        event = {"metadata": {"name": word}, "reason": word, "message": f"no {word}", "type": "Warning"}
        await api.put(
            "/api/v1/namespaces/ml/events", {**event, "lastTimestamp": f"2026-11-25T10:00:0{number}Z"}
        )
    async with served(api, tmp_path) as cluster:
        await Reads(cluster, caches).inquire(["e-0123456789", "gone"], "ml", findings)
    assert asked == [f"involvedObject.uid={uid},type=Warning" for uid in ("d-uid", "uid-a")]
    assert findings.troubles["e-0123456789"].reason == "FailedMount"
    assert findings.asked == {"e-0123456789", "gone"}
