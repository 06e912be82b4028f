"""S2 and the examples: each runs to a served model; what it serves is what was trained, bit for bit."""

import csv
import json
import os
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import yaml

from hack.cluster.cluster import load
from hack.project import bucket, forwarded
from tests.support import ROOT, Kubectl, condition, steps_of, wait_for

pytestmark = pytest.mark.e2e

EXAMPLES = ["tumour", "diabetes", "wine", "churn"]


def example(name: str, namespace: str, images: dict[str, str]) -> dict[str, Any]:
    """The example's pipeline; an image of its own is the one that was built here."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "examples" / name / "pipeline.yaml").read_text())
    found["metadata"]["namespace"] = namespace
    for step in found["spec"]["steps"]:
        container = step.get("run") or step.get("train", {}).get("container")
        if container:
            container["image"] = images[name]
    return found


def artifact(store: Any, namespace: str, prefix: str, digest: str, folder: Path) -> Path:
    """The files of an artifact, read without any code of the product."""

    def blob(one: str) -> bytes:
        return bytes(store.get(f"{prefix}{namespace}/blobs/sha256/{one.removeprefix('sha256:')}").bytes())

    folder.mkdir(parents=True)
    for file in json.loads(blob(digest))["files"]:
        (folder / file["path"]).write_bytes(blob(file["sha256"]))
    return folder


def lifecycles(kubectl: Kubectl, namespace: str) -> dict[str, str]:
    """How far each version has come."""
    found = kubectl.list("modelversions", namespace)
    return {one["metadata"]["name"]: one["status"]["lifecycle"] for one in found}


def ask(port: int, model: str, columns: dict[str, list[Any]]) -> dict[str, Any]:
    """The endpoint's answer for these rows."""
    kinds = {bool: "BOOL", int: "INT64", float: "FP64", str: "BYTES"}

    def datatype(values: list[Any]) -> str:
        found = {kinds[type(value)] for value in values if value is not None}
        return "FP64" if found in ({"FP64", "INT64"}, set()) else found.pop()

    inputs = [
        {"name": name, "shape": [len(values), 1], "datatype": datatype(values), "data": values}
        for name, values in columns.items()
    ]
    body = json.dumps({"inputs": inputs}).encode()
    url = f"http://127.0.0.1:{port}/v2/models/{model}/infer"
    request = urllib.request.Request(url, data=body, headers={"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return {one["name"]: one for one in found["outputs"]}


def feed(signature: dict[str, Any], columns: dict[str, list[Any]], session: Any) -> dict[str, Any]:
    """What ONNX Runtime is fed, written here a second time on purpose."""
    if signature["layout"] == "Matrix":
        matrix = np.array([columns[one["name"]] for one in signature["inputs"]], dtype=float).T
        (only,) = session.get_inputs()
        return {only.name: matrix.astype(np.float32 if "float" in only.type else np.float64)}
    found = {}
    for one in signature["inputs"]:
        values = columns[one["name"]]
        if one["type"] == "String":
            column = np.array(
                [signature["nullToken"] if value is None else value for value in values], dtype=object
            )
        else:
            column = np.array(
                [np.nan if value is None else float(value) for value in values], dtype=np.float64
            )
        found[one["name"]] = column.reshape(-1, 1)
    return found


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_ends_in_a_served_model_that_answers_as_it_was_trained(
    name, runs, kubectl, namespace, lake, data_folder, images, tmp_path
) -> None:
    import polars

    lake(f"{name}.csv", (data_folder / f"{name}.csv").read_bytes())
    run = runs.execute(example(name, namespace, images))
    assert run["status"]["status"] == "Succeeded", json.dumps(run["status"], indent=1)
    steps = steps_of(run)
    fit = next(one for one in steps.values() if one["kind"] == "train")
    split = next(one for one in steps.values() if one["kind"] == "split")

    # The registry is told a moment after the endpoint.
    wait_for("production", lambda: "Production" in lifecycles(kubectl, namespace).values())
    (version,) = kubectl.list("modelversions", namespace)
    assert version["spec"]["digest"] == fit["outputs"]["model"]
    assert version["status"]["lifecycle"] == "Production"
    assert version["spec"]["lineage"]["run"] == run["metadata"]["name"]
    assert version["spec"]["lineage"]["datasets"]["train"] == split["outputs"]["train"]
    assert version["spec"]["lineage"]["images"]

    (endpoint,) = kubectl.list("modelendpoints", namespace)
    assert condition(endpoint, "Ready")["status"] == "True"
    assert endpoint["status"]["stable"] == version["metadata"]["name"]
    (served_by,) = kubectl.list("deployments", namespace, "app.kubernetes.io/component=server")
    template = served_by["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    assert template == "1", "with or without a monitor step, its pods were started once"

    cluster = load(os.environ["PENSTOCK_CLUSTER"])
    secret = kubectl.get("secret", "penstock-store", namespace)["data"]
    import base64

    url = base64.b64decode(secret["url"]).decode().removeprefix("s3://")
    prefix = url.partition("/")[2].rstrip("/")
    prefix = f"{prefix}/" if prefix else ""
    with bucket(cluster, namespace) as store:
        model = artifact(store, namespace, prefix, fit["outputs"]["model"], tmp_path / "model")
        test = artifact(store, namespace, prefix, split["outputs"]["test"], tmp_path / "test")
    signature = json.loads((model / "signature.json").read_text())
    table = polars.read_parquet(test / "data.parquet")
    columns = {one["name"]: table[one["name"]].to_list() for one in signature["inputs"]}
    if name == "churn":
        assert any(None in values for values in columns.values()), "the example is there for its nulls"
        assert any(one["type"] == "String" for one in signature["inputs"])

    with forwarded(cluster, namespace, f"svc/{endpoint['metadata']['name']}", 80) as port:
        answer = ask(port, version["spec"]["model"], columns)

    session = onnxruntime.InferenceSession(str(model / "model.onnx"), providers=["CPUExecutionProvider"])
    wanted = session.run(None, feed(signature, columns, session))
    figures = "probabilities" if signature["task"] == "Classification" else "prediction"
    served = np.array(answer[figures]["data"], dtype=np.float64).reshape(table.height, -1)
    in_process = wanted[1] if signature["task"] == "Classification" else wanted[0]
    in_process = np.asarray(in_process, dtype=np.float64).reshape(table.height, -1)
    assert (served == in_process).all(), "served figures are bit-equal to ONNX Runtime in this process"

    native = model / "model.skops"
    if native.exists():
        assert_equals_the_trained_pipeline(native, signature, table, answer, served)


def test_a_search_serves_the_best_of_its_trials_and_trains_only_what_is_new(
    runs, kubectl, namespace, lake, data_folder, images
) -> None:
    lake("digits.csv", (data_folder / "digits.csv").read_bytes())
    found = example("digits", namespace, images)
    run = runs.execute(found, 900)
    assert run["status"]["status"] == "Succeeded", json.dumps(run["status"], indent=1)
    steps = steps_of(run)
    assert [one["state"] for one in steps["trial"]["cells"]] == ["Succeeded"] * 4
    results = steps["choose"]["results"]
    assert (results["depth"], results["trees"]) == ("9", "30"), results
    (endpoint,) = kubectl.list("modelendpoints", namespace)
    assert endpoint["status"]["stable"] == steps["best"]["modelVersion"] == "digits-1"
    wait_for("production", lambda: lifecycles(kubectl, namespace)["digits-1"] == "Production")
    cycle = lifecycles(kubectl, namespace)
    del cycle["digits-1"]
    assert set(cycle.values()) == {"Candidate"}
    assert set(cycle) == {f"digits-trial-{number}" for number in range(1, 5)}

    trial = next(one for one in found["spec"]["steps"] if one["name"] == "trial")
    trial["matrix"]["axes"]["depth"] = [1, 3, 9]
    kubectl.apply(found)
    second = runs.finished(runs.started("digits", 2), 900)
    assert second["status"]["status"] == "Succeeded", json.dumps(second["status"], indent=1)
    steps = steps_of(second)
    assert [one["state"] for one in steps["trial"]["cells"]] == ["Succeeded"] * 2 + ["Reused"] * 4
    assert steps["choose"]["state"] == "Succeeded"
    assert (steps["best"]["state"], steps["gate"]["state"]) == ("Reused", "Reused")


def assert_equals_the_trained_pipeline(
    native: Path, signature: dict[str, Any], table: Any, answer: Any, served: Any
) -> None:
    """Within 1e-6 of the scikit-learn pipeline that was trained, and not one label differs."""
    from tests.steps.trained import predict_trained

    labels, figures = predict_trained(native, signature, table)
    assert np.abs(served - np.asarray(figures, dtype=float).reshape(served.shape)).max() <= 1e-6
    if labels is not None:
        flips = sum(a != b for a, b in zip(answer["label"]["data"], labels, strict=True))
        assert flips == 0


def test_the_request_of_the_demo_is_one_row_of_its_data(data_folder) -> None:
    request = json.loads((ROOT / "examples/tumour/request.json").read_text())
    with (data_folder / "tumour.csv").open() as file:
        header = next(csv.reader(file))
    assert {one["name"] for one in request["inputs"]} == set(header) - {"malignant"}
