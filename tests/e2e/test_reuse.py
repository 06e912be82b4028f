"""docs/reuse.md on a real cluster: what is made again, models of the registry, a plan of a rerun."""

import copy
import time
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from tests.support import ROOT, pipeline, steps_of, wait_for

pytestmark = pytest.mark.e2e

AGE = 5  # seconds
WRITE = "open('/penstock/out/files/x', 'w').write('x')"
PRODUCTION = {"registered": {"model": "tumour", "lifecycle": "Production"}}


def start(runs, kubectl, namespace: str, name: str, **spec: Any) -> dict[str, dict[str, Any]]:
    """A run that a person makes, to its end; its entries by step."""
    run = {"apiVersion": "penstock.dev/v1alpha1", "kind": "PipelineRun"}
    kubectl.apply({**run, "metadata": {"name": name, "namespace": namespace}, "spec": spec})
    return steps_of(runs.finished(name))


def whys(steps: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    return {name: (one["state"], one["why"]) for name, one in steps.items()}


def test_what_is_forced_or_too_old_is_made_again_and_the_rest_is_not(
    runs, kubectl, namespace, images
) -> None:
    body = {"image": images["server"], "command": ["python3", "-c", WRITE], "outputs": [{"name": "files"}]}
    join = {**body, "inputs": {"old": "old.files", "never": "never.files"}}
    steps = [
        {"name": "never", "reuse": {"policy": "Never"}, "run": body},
        {"name": "old", "reuse": {"maxAge": f"{AGE}s"}, "run": body},
        {"name": "join", "run": join},
    ]
    first = runs.execute(pipeline("p", namespace, {"steps": steps}))
    assert first["status"]["status"] == "Succeeded", first["status"]
    time.sleep(AGE + 1)
    again = start(runs, kubectl, namespace, "again", pipeline="p")
    assert whys(again)["never"] == ("Succeeded", "forced: reuse is Never")
    assert whys(again)["join"] == ("Reused", "output reused from run p-g1")
    assert again["join"]["madeAt"] == steps_of(first)["join"]["finishedAt"]
    state, why = whys(again)["old"]
    assert state == "Succeeded"
    assert why.startswith("expired: made ")
    assert why.endswith(f" ago, maxAge is {AGE}s")
    afresh = start(runs, kubectl, namespace, "afresh", pipeline="p", reuse="Never")
    assert whys(afresh)["join"] == ("Succeeded", "forced: the run asks for it")
    change = ("patch", "pipelinerun", "afresh", "-n", namespace, "--type=merge", "-p")
    refused = kubectl.run(*change, '{"spec":{"reuse":"ByStep"}}', check=False)
    assert "cannot change" in refused.stderr


def test_a_rerun_does_again_what_is_asked_for_and_what_another_parameter_changes(
    runs, kubectl, namespace, images
) -> None:
    body = {"image": images["server"], "command": ["python3", "-c", WRITE], "outputs": [{"name": "files"}]}
    steps = [
        {"name": "data", "run": body},
        {
            "name": "fit",
            "run": {**body, "argumentsFrom": {"n": {"parameter": "n"}}, "inputs": {"d": "data.files"}},
        },
        {"name": "report", "run": {**body, "inputs": {"m": "fit.files"}}},
        {"name": "aside", "run": {**body, "inputs": {"d": "data.files"}}},
    ]
    parameters = [{"name": "n", "type": "Integer", "default": 1}]
    first = runs.execute(pipeline("p", namespace, {"parameters": parameters, "steps": steps}))
    assert first["status"]["status"] == "Succeeded", first["status"]
    kept, done = "taken over from run p-g1", "done again: run p-g1 is repeated from here"
    rerun = {"run": "p-g1", "from": ["report"]}

    same = start(runs, kubectl, namespace, "same", pipeline="p", rerun=rerun)
    assert {name: one["why"] for name, one in same.items()} == {
        "data": kept,
        "fit": kept,
        "report": done,
        "aside": kept,
    }
    assert {name for name, one in same.items() if one["state"] == "Succeeded"} == {"report"}

    other = start(runs, kubectl, namespace, "other", pipeline="p", rerun=rerun, parameters={"n": 2})
    assert {name for name, one in other.items() if one["state"] == "Succeeded"} == {"fit", "report"}
    assert "parameters.n 1 -> 2" in other["fit"]["why"]
    assert {other[one]["why"] for one in ("data", "aside")} == {kept}


@pytest.fixture
def tumour(runs, namespace, lake, data_folder) -> dict[str, Any]:
    """The example up to its gate, which has made tumour-1 and approved it."""
    lake("tumour.csv", (data_folder / "tumour.csv").read_bytes())
    found: dict[str, Any] = yaml.safe_load((ROOT / "examples/tumour/pipeline.yaml").read_text())
    found["metadata"]["namespace"] = namespace
    found["spec"].pop("triggers", None)
    wanted = {"data", "split", "fit", "gate"}
    found["spec"]["steps"] = [one for one in found["spec"]["steps"] if one["name"] in wanted]
    run = runs.execute(found)
    assert run["status"]["status"] == "Succeeded", run["status"]
    return found


def test_a_registered_version_is_deployed_by_name_judged_by_lifecycle_and_outlives_its_run(
    runs, kubectl, namespace, tumour
) -> None:
    # A plan of a rerun says what that would do, and makes nothing.
    jobs = len(kubectl.list("jobs", namespace))
    plan = start(
        runs,
        kubectl,
        namespace,
        "look",
        pipeline="tumour",
        mode="Plan",
        rerun={"run": "tumour-g1", "from": ["gate"]},
    )
    assert {name: one["reason"] for name, one in plan.items()} == {
        "data": "WouldReuse",
        "split": "WouldReuse",
        "fit": "WouldReuse",
        "gate": "WouldRun",
    }
    assert plan["gate"]["why"] == "done again: run tumour-g1 is repeated from here"
    assert len(kubectl.list("jobs", namespace)) == jobs

    # Nothing is in production yet, and the step says so.
    gate = copy.deepcopy(tumour["spec"]["steps"][3])
    del gate["validate"]["model"]
    gate["validate"]["modelFrom"] = PRODUCTION
    check = {
        "parameters": tumour["spec"].get("parameters", []),
        "steps": [*tumour["spec"]["steps"][:2], gate],
    }
    missing = steps_of(runs.execute(pipeline("check", namespace, check)))["gate"]
    assert (missing["state"], missing["reason"]) == ("Failed", "ModelVersionNotFound")
    assert "no version of model tumour was in Production" in missing["message"]

    # By name, without any training in the pipeline.
    deploy = {"modelFrom": {"registered": {"version": "tumour-1"}}, "endpoint": "scores"}
    promote = {"steps": [{"name": "serve", "deploy": deploy}]}
    promoted = runs.execute(pipeline("promote", namespace, promote))
    assert promoted["status"]["status"] == "Succeeded", promoted["status"]
    assert promoted["status"]["pinned"][0]["version"] == "tumour-1"
    endpoint = kubectl.get("modelendpoint", "scores", namespace)
    assert endpoint["status"]["stable"] == "tumour-1"

    def in_production() -> bool:
        found = kubectl.get("modelversion", "tumour-1", namespace)
        return bool(found["status"]["lifecycle"] == "Production")

    wait_for("the registry to know", in_production)

    # By lifecycle: the verdict stands in the record of what serves.
    judged = start(runs, kubectl, namespace, "judge", pipeline="check")
    assert (judged["gate"]["state"], judged["gate"]["modelVersion"]) == ("Succeeded", "tumour-1")
    record = kubectl.get("modelversion", "tumour-1", namespace)
    assert record["status"]["lifecycle"] == "Production"
    assert record["status"]["decisions"][-1]["run"] == "judge"

    # The registry knows the training though its run is gone.
    kubectl.run("delete", "pipelinerun", "tumour-g1", "look", "-n", namespace)
    later = start(runs, kubectl, namespace, "later", pipeline="tumour")
    assert whys(later)["fit"] == ("Reused", "output reused from ModelVersion tumour-1 of run tumour-g1")
