"""What is tidied away on a real cluster, when, and what stays: docs/housekeeping.md."""

import copy
import hashlib
import json
import os
from typing import Any

import pytest

from hack.cluster.cluster import load
from hack.project import bucket
from penstock_spec.archive import is_sound
from tests.core.housekeeping_page import EXAMPLES
from tests.e2e.conftest import trained
from tests.e2e.endpoints import Stage
from tests.support import condition, pipeline, steps_of, wait_for

pytestmark = pytest.mark.e2e


def placed(name: str, namespace: str, image: str) -> dict[str, Any]:
    """An example in the test's namespace, its programs in an image that the cluster has."""
    found = copy.deepcopy(EXAMPLES[name][0])
    found["metadata"]["namespace"] = namespace
    for step in found["spec"]["steps"]:
        step["run"]["image"] = image
    return dict(found)


def jobs(kubectl, namespace: str) -> set[str]:
    """The steps whose Jobs are there."""
    found = kubectl.list("jobs", namespace, "penstock.dev/step")
    return {one["metadata"]["labels"]["penstock.dev/step"] for one in found}


def test_the_job_of_a_good_step_goes_at_once_and_that_of_a_bad_one_stays(
    runs, kubectl, namespace, images
) -> None:
    run = runs.execute(placed("tidy", namespace, images["server"]))
    wait_for("the good step's Job to go", lambda: jobs(kubectl, namespace) == {"bad"})
    wait_for("its pod to go", lambda: len(kubectl.list("pods", namespace)) == 1)
    found = steps_of(runs.get(run["metadata"]["name"]))
    assert {name: one["state"] for name, one in found.items()} == {"good": "Succeeded", "bad": "Failed"}
    assert kubectl.run("logs", "-n", namespace, f"job/{found['bad']['job']}", "-c", "main").returncode == 0


def config_map(namespace: str, **data: str) -> dict[str, Any]:
    """The defaults of the namespace."""
    about = {"name": "penstock-defaults", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": data}


def program(image: str, **fields: Any) -> dict[str, Any]:
    """A pipeline of one step that does nothing."""
    return {"steps": [{"name": "work", "run": {"image": image, "command": ["true"]}}], **fields}


def test_a_run_freezes_the_defaults_of_its_namespace(runs, kubectl, namespace, images) -> None:
    kubectl.apply(config_map(namespace, policy="{deadline: 1h, keepRun: 3}", resources="memory: 96Mi"))
    run = runs.execute(pipeline("p", namespace, program(images["server"])))
    snapshot = run["status"]["snapshot"]
    assert snapshot["policy"] == {"deadline": "1h"}
    assert snapshot["defaults"]["resources"] == {"memory": "96Mi"}
    (job,) = kubectl.list("jobs", namespace, "penstock.dev/step=work")
    (main,) = [one for one in job["spec"]["template"]["spec"]["initContainers"] if one["name"] == "main"]
    assert main["resources"]["requests"]["memory"] == "96Mi"
    said = condition(kubectl.get("pipeline", "p", namespace), "DefaultsAccepted")
    assert (said["status"], said["reason"]) == ("False", "InvalidDefaults")
    assert "data.policy.keepRun" in said["message"]
    kubectl.apply(config_map(namespace, policy="{deadline: 2h}", resources="memory: 80Mi"))
    wait_for(
        "the mistake to be gone",
        lambda: condition(kubectl.get("pipeline", "p", namespace), "DefaultsAccepted")["status"] == "True",
    )
    assert runs.names("p") == [run["metadata"]["name"]], "a change of the defaults started a run"
    assert runs.get(run["metadata"]["name"])["status"]["snapshot"] == snapshot


def test_a_record_lies_in_the_store_before_retention_deletes_the_run(
    runs, kubectl, namespace, images
) -> None:
    manifest = placed("remembered", namespace, images["server"])
    first = runs.execute(manifest)
    for number in range(2):
        about = {"name": f"again-{number}", "namespace": namespace}
        made = {"apiVersion": "penstock.dev/v1alpha1", "kind": "PipelineRun", "metadata": about}
        kubectl.apply({**made, "spec": {"pipeline": "remembered"}})
        runs.finished(about["name"])
    gone = first["metadata"]["name"]
    wait_for("the first run to go", lambda: gone not in runs.names("remembered"), 400)
    wait_for("the archive's Job to go", lambda: not kubectl.list("jobs", namespace, ARCHIVE))
    left = [runs.get(one) for one in runs.names("remembered")]
    assert len(left) == 2
    assert all(one["status"]["archived"]["digest"] for one in left)
    with bucket(load(os.environ["PENSTOCK_CLUSTER"]), namespace) as store:
        listed = [one["path"] for page in store.list() for one in page]
        keys = [one for one in listed if f"{namespace}/archive/" in one]
        records = [json.loads(bytes(store.get(key).bytes())) for key in keys]
    assert all(is_sound(one) for one in records)
    found = {one["run"]: one for one in records}
    assert set(found) == {gone, "again-0", "again-1"}
    kept = {name: value for name, value in first["status"].items() if name != "archived"}
    assert found[gone]["status"] == kept
    assert found[gone]["definition"]["spec"]["steps"][0]["name"] == "work"


SWEEP = "app.kubernetes.io/component=sweep"
ARCHIVE = "app.kubernetes.io/component=archive"


# Artifacts. The operator of the tests counts 20 seconds as a day.

ORPHAN = b"nothing refers to this"
WRITE = "open('/penstock/out/files/x', 'w').write('kept')"


def blobs(store: Any, namespace: str) -> dict[str, str]:
    """Name of each file and manifest of the namespace -> its key in the bucket."""
    listed = (one["path"] for page in store.list() for one in page)
    return {key.rpartition("/")[2]: key for key in listed if f"{namespace}/blobs/sha256/" in key}


def swept(kubectl, namespace: str, reason: str, seconds: float = 400, pipeline: str = "p") -> dict[str, Any]:
    """What the status says of the sweeper, once it says this."""

    def look() -> dict[str, Any] | None:
        said = (kubectl.get("pipeline", pipeline, namespace).get("status") or {}).get("sweep") or {}
        return said if said.get("reason") == reason else None

    found: dict[str, Any] = wait_for(f"the sweeper to say {reason}", look, seconds)
    return found


@pytest.mark.patient
def test_the_sweeper_tells_then_deletes_what_nothing_refers_to_and_nothing_else(
    runs, kubectl, namespace, images
) -> None:
    body = {"image": images["server"], "command": ["python3", "-c", WRITE], "outputs": [{"name": "files"}]}
    run = runs.execute(pipeline("p", namespace, {"steps": [{"name": "work", "run": body}]}))
    kept = steps_of(run)["work"]["outputs"]["files"].removeprefix("sha256:")
    orphan = hashlib.sha256(ORPHAN).hexdigest()
    with bucket(load(os.environ["PENSTOCK_CLUSTER"]), namespace) as store:
        before = blobs(store, namespace)
        assert len(before) == 2
        store.put(before[kept].replace(kept, orphan), ORPHAN)
        kubectl.apply(config_map(namespace, artifacts='{keep: 1d, sweep: "* * * * *"}'))
        told = swept(kubectl, namespace, "ArtifactsFound")
        assert (told["blobs"], told["found"], told["foundBytes"]) == (3, 1, len(ORPHAN))
        assert f"sha256:{orphan[:12]}" in told["message"]
        assert set(blobs(store, namespace)) == {*before, orphan}, "a report deletes nothing"
        kubectl.apply(config_map(namespace, artifacts='{keep: 1d, sweep: "* * * * *", mode: Delete}'))
        done = swept(kubectl, namespace, "ArtifactsSwept")
        assert (done["deleted"], done["deletedBytes"]) == (1, len(ORPHAN))
        assert blobs(store, namespace) == before
        rest = swept(kubectl, namespace, "NothingToSweep")
        assert rest["blobs"] == len(before)
        # Its Job goes after the status tells of it, and the next one comes with the next minute.
        wait_for("no Job to be left", lambda: not kubectl.list("jobs", namespace, SWEEP))


@pytest.mark.patient
def test_the_sweeper_keeps_what_an_endpoint_serves_when_the_runs_have_gone(
    runs, kubectl, namespace, images, data_folder
) -> None:
    with bucket(load(os.environ["PENSTOCK_CLUSTER"]), namespace) as store:
        store.put(f"lake/{namespace}/tumour.csv", (data_folder / "tumour.csv").read_bytes())
    digests = trained(runs)
    served = Stage(kubectl, namespace, images["server"], "", digests).endpoint("swept")
    kubectl.run("delete", "pipelineruns", "-n", namespace, "--all", "--wait=true")
    kubectl.apply(config_map(namespace, artifacts='{keep: 1d, sweep: "* * * * *", mode: Delete}'))
    model, orphan = digests["tumour-1"].removeprefix("sha256:"), hashlib.sha256(ORPHAN).hexdigest()
    with bucket(load(os.environ["PENSTOCK_CLUSTER"]), namespace) as store:
        store.put(blobs(store, namespace)[model].replace(model, orphan), ORPHAN)
        (first,) = kubectl.list("pipelines", namespace)
        wait_for("the orphan to go", lambda: orphan not in blobs(store, namespace), 500)
        said = swept(kubectl, namespace, "ArtifactsSwept", pipeline=first["metadata"]["name"])
        assert said["deleted"] >= 1
        assert {one.removeprefix("sha256:") for one in digests.values()} <= set(blobs(store, namespace))
    served.patch({"scale": {"replicas": 2}})
    # Another pod fetches the model, every byte of it checked.
    served.wait("a second pod to serve", lambda me: me.get("status", {}).get("replicas") == "2/2")
