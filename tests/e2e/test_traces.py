"""S9: what the operator leaves on objects; no pod of its is refused under restricted Pod Security."""

import json
from base64 import b64decode
from typing import Any

import pytest
import yaml

from penstock_spec import names
from tests.support import ROOT, wait_for

pytestmark = pytest.mark.e2e

# Finalizers of Kubernetes itself: the Job controller's on pods, garbage collection's, those of claims.
KUBERNETES_OWN = ("batch.kubernetes.io/", "foregroundDeletion", "orphan", "kubernetes.io/")
OURS = ("penstock.dev", "kopf", "zalando")
# Written with the object, and never added: of an endpoint that a deploy step makes, that its monitoring comes
# in a moment; of the pod of a step, the ends upon which it began.
MEANT = {
    "ModelEndpoint": {names.ANNOTATION_MONITORING_FOLLOWS},
    "Pod": {names.ANNOTATION_RESTS_ON},
}


def objects_of(kubectl, namespace: str) -> list[dict[str, Any]]:
    """Every object of every kind in the namespace."""
    words = ("api-resources", "--namespaced", "--verbs=list", "-o", "name")
    kinds = [kind for kind in kubectl.run(*words).stdout.split() if not kind.startswith("events")]
    return kubectl.list(",".join(kinds), namespace)


def test_a_whole_run_leaves_no_finalizer_and_no_annotation_of_ours_and_no_pod_is_refused(
    runs, kubectl, namespace, lake, data_folder
) -> None:
    lake("tumour.csv", (data_folder / "tumour.csv").read_bytes())
    tumour = yaml.safe_load((ROOT / "examples/tumour/pipeline.yaml").read_text())
    tumour["metadata"]["namespace"] = namespace
    assert runs.execute(tumour)["status"]["status"] == "Succeeded"
    found = objects_of(kubectl, namespace)
    kinds = {one["kind"] for one in found}
    assert kinds >= {"Pipeline", "PipelineRun", "ModelVersion", "ModelEndpoint", "Job", "Pod", "Deployment"}
    for one in found:
        name = f"{one['kind']}/{one['metadata']['name']}"
        for finalizer in one["metadata"].get("finalizers", ()):
            assert finalizer.startswith(KUBERNETES_OWN), name
        for annotation in set(one["metadata"].get("annotations", {})) - MEANT.get(one["kind"], set()):
            assert not any(word in annotation for word in OURS), f"{name}: {annotation}"
        for owner in one["metadata"].get("ownerReferences", ()):
            if one["kind"] in {"PipelineRun", "Job", "Deployment", "Service", "ControllerRevision"}:
                assert not owner.get("blockOwnerDeletion") or owner["kind"] == "ReplicaSet", name
    events = kubectl.list("events", namespace)
    refused = [one["message"] for one in events if "PodSecurity" in one.get("message", "")]
    assert refused == []


def test_no_secret_stands_in_any_object_event_or_log(runs, kubectl, namespace, images) -> None:
    canary = "canary-8f1e2d3c4b"
    kubectl.run("create", "secret", "generic", "token", "-n", namespace, f"--from-literal=value={canary}")
    store = kubectl.get("secret", "penstock-store", namespace)["data"]
    env = [{"name": "TOKEN", "secret": {"name": "token", "key": "value"}}]
    run = {
        "image": images["server"],
        "command": ["python3", "-c", "import os; os.environ['TOKEN']"],
        "env": env,
    }
    spec = {"secrets": [{"name": "token", "secret": "token"}], "steps": [{"name": "work", "run": run}]}
    body = {"apiVersion": "penstock.dev/v1alpha1", "kind": "Pipeline", "spec": spec}
    finished = runs.execute({**body, "metadata": {"name": "p", "namespace": namespace}})
    assert finished["status"]["status"] == "Succeeded"
    texts = [json.dumps(one) for one in objects_of(kubectl, namespace) if one["kind"] != "Secret"]
    texts += [json.dumps(one) for one in kubectl.list("events", namespace)]
    words = ("logs", "-n", "penstock-system", "deployment/penstock", "--tail=-1")
    # Another test may just have replaced the operator.
    texts.append(wait_for("its log", lambda: kubectl.run(*words, check=False).stdout))
    for secret in (canary, b64decode(store["secretAccessKey"]).decode()):
        assert not any(secret in text for text in texts)
