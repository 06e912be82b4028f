"""S8: what is deleted goes, with or without the operator; what is served stays; a name is free at once."""

from typing import Any

import pytest
import yaml

from tests.support import ROOT, condition, pipeline, wait_for

pytestmark = pytest.mark.e2e


def sleeper(namespace: str, image: str, seconds: int = 120) -> dict[str, Any]:
    """A pipeline whose only step sleeps."""
    run = {"image": image, "command": ["python3", "-c", f"import time; time.sleep({seconds})"]}
    return pipeline("p", namespace, {"steps": [{"name": "work", "run": run}]})


def running(runs, name: str) -> bool:
    """Whether the sleeper's program runs."""
    steps = runs.get(name).get("status", {}).get("steps", ())
    return any(step["state"] == "Running" for step in steps)


def left(kubectl, namespace: str) -> list[str]:
    """What a deleted pipeline should have taken with it."""
    found = kubectl.list("pipelines,pipelineruns,jobs,pods,controllerrevisions", namespace)
    return [f"{one['kind']}/{one['metadata']['name']}" for one in found]


def test_deleting_a_pipeline_ends_its_run_and_leaves_nothing(runs, kubectl, namespace, images) -> None:
    kubectl.apply(sleeper(namespace, images["server"]))
    name = runs.started("p", 1)
    wait_for("the program to run", lambda: running(runs, name))
    kubectl.run("delete", "pipeline", "p", "-n", namespace)
    wait_for("everything to go", lambda: not left(kubectl, namespace), 60)


def test_what_is_served_stays_served_when_only_the_pipeline_goes(
    runs, kubectl, namespace, lake, data_folder
) -> None:
    lake("tumour.csv", (data_folder / "tumour.csv").read_bytes())
    tumour = yaml.safe_load((ROOT / "examples/tumour/pipeline.yaml").read_text())
    tumour["metadata"]["namespace"] = namespace
    (watch,) = [step for step in tumour["spec"]["steps"] if step["name"] == "watch"]
    watch["monitor"]["every"] = "7d"  # so that no Job of a window, which is the endpoint's, comes meanwhile
    assert runs.execute(tumour)["status"]["status"] == "Succeeded"
    before = {one["metadata"]["uid"] for one in kubectl.list("deployments,services,modelversions", namespace)}
    kubectl.run("delete", "pipeline", "tumour", "-n", namespace)
    wait_for("the pipeline's own things to go", lambda: not kubectl.list("pipelineruns,jobs", namespace), 60)
    assert condition(kubectl.get("modelendpoint", "tumour", namespace), "Ready")["status"] == "True"
    assert {
        one["metadata"]["uid"] for one in kubectl.list("deployments,services,modelversions", namespace)
    } == before


def test_a_pipeline_made_again_under_its_name_mid_run_starts_anew(runs, kubectl, namespace, images) -> None:
    kubectl.apply(sleeper(namespace, images["server"]))
    old = runs.started("p", 1)
    wait_for("the program to run", lambda: running(runs, old))
    old_uid = runs.get(old)["metadata"]["uid"]
    kubectl.run("delete", "pipeline", "p", "-n", namespace, "--wait=false")
    run = {"image": images["server"], "command": ["python3", "-c", "print('new')"]}
    kubectl.apply(pipeline("p", namespace, {"steps": [{"name": "work", "run": run}]}))

    def new_run_succeeded() -> bool:
        found = kubectl.list("pipelineruns", namespace)
        return any(
            one["metadata"]["uid"] != old_uid and one.get("status", {}).get("status") == "Succeeded"
            for one in found
        )

    wait_for("the new pipeline's run to succeed", new_run_succeeded)
    assert old_uid not in {one["metadata"]["uid"] for one in kubectl.list("pipelineruns", namespace)}


def assert_namespace_goes(kubectl, namespace) -> None:
    """Deletes the namespace and waits a minute at most until it is gone."""
    kubectl.run("delete", "namespace", namespace, "--wait=false")
    wait_for(
        "the namespace to go",
        lambda: kubectl.run("get", "namespace", namespace, check=False).returncode != 0,
        60,
    )


def test_a_namespace_with_a_run_in_flight_goes_within_a_minute(runs, kubectl, namespace, images) -> None:
    kubectl.apply(sleeper(namespace, images["server"]))
    name = runs.started("p", 1)
    wait_for("the program to run", lambda: running(runs, name))
    assert_namespace_goes(kubectl, namespace)


@pytest.mark.alone
def test_it_goes_within_a_minute_with_the_operator_down_too(
    runs, kubectl, namespace, images, operator_down
) -> None:
    with operator_down.up():
        kubectl.apply(sleeper(namespace, images["server"]))
        name = runs.started("p", 1)
        wait_for("the program to run", lambda: running(runs, name))
    assert_namespace_goes(kubectl, namespace)


@pytest.mark.alone
def test_a_deleted_pipeline_goes_within_a_minute_with_the_operator_down(
    runs, kubectl, namespace, images, operator_down
) -> None:
    with operator_down.up():
        kubectl.apply(sleeper(namespace, images["server"]))
        name = runs.started("p", 1)
        wait_for("the program to run", lambda: running(runs, name))
    kubectl.run("delete", "pipeline", "p", "-n", namespace)
    wait_for("everything to go", lambda: not left(kubectl, namespace), 60)
