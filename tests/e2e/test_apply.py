"""S3: applying the same file changes nothing; applying a change runs only what the change affects."""

import copy
import json
import time
from typing import Any

import pytest
import yaml

from penstock_operator.pace import NEWS_INTERVAL
from tests.support import ROOT, pipeline, steps_of, wait_for

pytestmark = pytest.mark.e2e

SECONDS_OF_APPLYING = 120
SECONDS_BETWEEN = 5


@pytest.fixture
def tumour(namespace, lake, data_folder) -> dict[str, Any]:
    """The example, its data in place."""
    lake("tumour.csv", (data_folder / "tumour.csv").read_bytes())
    found: dict[str, Any] = yaml.safe_load((ROOT / "examples/tumour/pipeline.yaml").read_text())
    found["metadata"]["namespace"] = namespace
    (watch,) = [step for step in found["spec"]["steps"] if step["name"] == "watch"]
    watch["monitor"]["every"] = "7d"  # so that no window ends while a test counts writes
    return found


def writes(kubectl, namespace: str) -> dict[str, str]:
    """resourceVersion of each object of ours in the namespace."""
    kinds = (
        "pipelines,pipelineruns,modelversions,modelendpoints,jobs,deployments,services,controllerrevisions"
    )
    found = kubectl.list(kinds, namespace)
    return {f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["resourceVersion"] for one in found}


def settled(kubectl, namespace: str) -> bool:
    """Whether nothing changes for longer than any news waits."""
    before = writes(kubectl, namespace)
    time.sleep(NEWS_INTERVAL + 1)
    return writes(kubectl, namespace) == before


@pytest.mark.patient
def test_applying_the_same_file_for_two_minutes_writes_nothing(runs, kubectl, namespace, tumour) -> None:
    runs.execute(tumour)
    kubectl.run("apply", "-f", "-", input=json.dumps(tumour))  # takes the field managers over once
    wait_for("the last writes", lambda: settled(kubectl, namespace))
    before = kubectl.get("pipeline", "tumour", namespace)
    others = {
        name: version for name, version in writes(kubectl, namespace).items() if "Pipeline/" not in name
    }
    for count in range(SECONDS_OF_APPLYING // SECONDS_BETWEEN):
        words = ["--server-side", "--force-conflicts"] if count % 2 else []
        kubectl.run("apply", *words, "-f", "-", input=json.dumps(tumour))
        time.sleep(SECONDS_BETWEEN)
    after = kubectl.get("pipeline", "tumour", namespace)
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["status"] == before["status"]
    assert runs.names("tumour") == ["tumour-g1"]
    now = {name: version for name, version in writes(kubectl, namespace).items() if "Pipeline/" not in name}
    assert now == others, "an idle pipeline causes no write"


def test_a_changed_threshold_reuses_everything_before_the_gate_and_says_so(
    runs, kubectl, namespace, tumour
) -> None:
    first = runs.execute(tumour)
    assert first["status"]["status"] == "Succeeded", first["status"]
    changed = copy.deepcopy(tumour)
    (gate,) = [step for step in changed["spec"]["steps"] if step["name"] == "gate"]
    gate["validate"]["thresholds"][0]["minimum"] = 0.9
    second = runs.execute(changed)
    assert second["status"]["status"] == "Succeeded", second["status"]
    steps = steps_of(second)
    assert {name: one["state"] for name, one in steps.items()} == {
        "data": "Reused",
        "split": "Reused",
        "fit": "Reused",
        "gate": "Succeeded",
        "serve": "Succeeded",
        "watch": "Succeeded",
    }
    for name in ("data", "split", "fit"):
        assert "tumour-g1" in steps[name]["why"], "a reused step names the run that it comes from"
    assert "threshold" in steps["gate"]["why"]
    jobs = [job["metadata"]["labels"]["penstock.dev/step"] for job in kubectl.list("jobs", namespace)]
    assert sorted(jobs).count("fit") == 1
    assert sorted(jobs).count("split") == 1
    versions = kubectl.list("modelversions", namespace)
    assert [one["metadata"]["name"] for one in versions] == ["tumour-1"], (
        "the same bytes are the same version"
    )


def test_changed_outside_data_is_ingested_again(runs, namespace, tumour, lake, data_folder) -> None:
    runs.execute(tumour)
    lines = (data_folder / "tumour.csv").read_text().splitlines()
    lake("tumour.csv", ("\n".join(lines[:-20]) + "\n").encode())
    changed = copy.deepcopy(tumour)
    (gate,) = [step for step in changed["spec"]["steps"] if step["name"] == "gate"]
    gate["validate"]["thresholds"][0]["minimum"] = 0.9
    steps = steps_of(runs.execute(changed))
    assert [steps[name]["state"] for name in ("data", "split", "fit")] == ["Succeeded"] * 3


def test_words_about_the_pipeline_start_no_run(runs, kubectl, namespace, images) -> None:
    step = {"name": "work", "run": {"image": images["server"], "command": ["python3", "-c", "pass"]}}
    spec: dict[str, Any] = {"steps": [step]}
    runs.execute(pipeline("p", namespace, spec))
    for change in (
        {"description": "What it is for."},
        {"owner": "somebody"},
        {"policy": {"keepRuns": 3}},
        {"steps": [{**step, "dependsOn": []}]},
    ):
        spec = {**spec, **change}
        kubectl.apply(pipeline("p", namespace, spec, annotations={"note": str(change)}))
        generation = kubectl.get("pipeline", "p", namespace)["metadata"]["generation"]
        wait_for(
            "the change to be seen",
            lambda wanted=generation: (
                kubectl.get("pipeline", "p", namespace)["status"]["observedGeneration"] == wanted
            ),
        )
    time.sleep(3)
    assert runs.names() == ["p-g1"]


def test_a_change_during_a_run_waits_and_only_the_newest_spec_runs(runs, kubectl, namespace, images) -> None:
    def spec(code: str) -> dict[str, Any]:
        run = {"image": images["server"], "command": ["python3", "-c", code]}
        return pipeline("p", namespace, {"steps": [{"name": "work", "run": run}]})

    kubectl.apply(spec("import time; time.sleep(12)"))
    runs.started("p", 1)
    kubectl.apply(spec("print(2)"))
    kubectl.apply(spec("print(3)"))
    run = runs.finished(runs.started("p", 3))
    assert run["status"]["status"] == "Succeeded"
    first = runs.get("p-g1")
    assert first["status"]["status"] == "Succeeded"
    assert first["status"]["finishedAt"] <= run["status"]["startedAt"]
    assert runs.names("p") == ["p-g1", "p-g3"]
