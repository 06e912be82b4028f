"""S4: a model that misses its threshold goes nowhere, and the one before it never stops answering."""

import copy
import json
from typing import Any

import pytest
import yaml

from tests.support import ROOT, condition, steps_of, wait_for

pytestmark = pytest.mark.e2e

REQUESTS = 1000
PER_SECOND = 20

# Sends the request REQUESTS times at a steady rate, and prints what came back. It goes on through any error.
CLIENT = """
import json, sys, time, urllib.request
url, count, rate, body = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4].encode()
answers, versions, started = {}, {}, time.monotonic()
for n in range(count):
    wait = started + n / rate - time.monotonic()
    if wait > 0:
        time.sleep(wait)
    request = urllib.request.Request(url, data=body, headers={"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            version = json.load(answer)["model_version"]
            versions[version] = versions.get(version, 0) + 1
            word = str(answer.status)
    except Exception as error:
        word = type(error).__name__ + " " + str(error)[:80]
    answers[word] = answers.get(word, 0) + 1
print(json.dumps({"answers": answers, "versions": versions, "seconds": time.monotonic() - started}))
"""


def client_pod(namespace: str, image: str, url: str, body: str) -> dict[str, Any]:
    """A pod that asks the endpoint through its Service."""
    words = ["python3", "-c", CLIENT, url, str(REQUESTS), str(PER_SECOND), body]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "client", "namespace": namespace},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "client",
                    "image": image,
                    "command": words,
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }


def test_a_failed_gate_deploys_nothing_and_the_model_before_keeps_answering(
    runs, kubectl, namespace, lake, data_folder, images
) -> None:
    lake("tumour.csv", (data_folder / "tumour.csv").read_bytes())
    tumour = yaml.safe_load((ROOT / "examples/tumour/pipeline.yaml").read_text())
    tumour["metadata"]["namespace"] = namespace
    first = runs.execute(tumour)
    assert first["status"]["status"] == "Succeeded", first["status"]

    body = (ROOT / "examples/tumour/request.json").read_text()
    url = f"http://tumour.{namespace}.svc/v2/models/tumour/infer"
    kubectl.apply(client_pod(namespace, images["server"], url, json.dumps(json.loads(body))))
    wait_for(
        "the client to run", lambda: kubectl.get("pod", "client", namespace)["status"]["phase"] == "Running"
    )

    worse = copy.deepcopy(tumour)
    for step in worse["spec"]["steps"]:
        if step["name"] == "gate":
            step["validate"]["thresholds"] = [{"metric": "roc_auc", "minimum": 0.99999}]
        if step["name"] == "fit":
            step["train"]["seed"] = 12345
    run = runs.execute(worse)
    assert (run["status"]["status"], run["status"]["reason"]) == ("Failed", "ThresholdNotMet")
    steps = steps_of(run)
    assert steps["gate"]["state"] == "Failed"
    assert "roc_auc" in steps["gate"]["message"]
    assert "0.99999" in steps["gate"]["message"]
    assert steps["serve"]["state"] == "Blocked"
    assert steps["gate"].get("retries", {}) == {}
    versions = {
        one["metadata"]["name"]: one["status"]["lifecycle"]
        for one in kubectl.list("modelversions", namespace)
    }
    assert versions == {"tumour-1": "Production", "tumour-2": "Rejected"}
    endpoint = kubectl.get("modelendpoint", "tumour", namespace)
    assert endpoint["spec"]["model"]["version"] == "tumour-1"
    assert condition(endpoint, "Ready")["status"] == "True"

    def ended() -> bool:
        return kubectl.get("pod", "client", namespace)["status"]["phase"] in {"Succeeded", "Failed"}

    wait_for("the client to end", ended, 400, every=1)
    seen = json.loads(kubectl.run("logs", "client", "-n", namespace).stdout)
    print(seen)
    assert seen["answers"] == {"200": REQUESTS}
    assert seen["versions"] == {"tumour-1": REQUESTS}
    assert seen["seconds"] >= REQUESTS / PER_SECOND - 1
