"""The examples of docs/flow.md and docs/cells.md on a real cluster: each step ends as its page says."""

import copy
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.core.flow_page import EXAMPLES, parts_of
from tests.support import pipeline, steps_of, wait_for

pytestmark = pytest.mark.e2e


def placed(manifest: dict[str, Any], namespace: str, image: str) -> dict[str, Any]:
    """An example in the test's namespace, its programs in an image that the cluster has."""
    found = copy.deepcopy(manifest)
    found["metadata"]["namespace"] = namespace
    for step in found["spec"]["steps"]:
        if "run" in step:
            step["run"]["image"] = image
    return dict(found)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_steps_of_an_example_end_as_the_page_says(runs, kubectl, namespace, images, name: str) -> None:
    whole = EXAMPLES[name][0]
    for part in parts_of(whole):
        kubectl.apply(placed(part, namespace, images["server"]))
    run = runs.execute(placed(whole, namespace, images["server"]))
    ends = EXAMPLES[name][1]
    found = steps_of(run)
    assert {step: one["state"] for step, one in found.items()} == {step: one[0] for step, one in ends.items()}
    for step, (state, why) in ends.items():
        if state not in {"Succeeded", "Failed"}:
            assert found[step]["message"] == why


def sleeping(namespace: str, image: str, **fields: Any) -> dict[str, Any]:
    """A pipeline whose first step sleeps for an hour; `later` waits for it."""
    steps = [
        {"name": "long", "run": {"image": image, "command": ["sleep", "3600"]}},
        {"name": "later", "dependsOn": ["long"], "run": {"image": image, "command": ["true"]}},
    ]
    return pipeline("p", namespace, {"steps": steps, **fields})


def running(runs, kubectl, manifest: dict[str, Any]) -> str:
    """The name of the run that the pipeline starts, once its first step runs."""
    kubectl.apply(manifest)
    name = runs.started("p", 1)
    wait_for("the step to run", lambda: steps_of(runs.get(name)).get("long", {}).get("state") == "Running")
    return str(name)


def change(kubectl, namespace: str, run: str, field: str, value: str, *, check: bool = True) -> str:
    """Set a field of the run's spec; what kubectl says on standard error."""
    words = ("patch", "pipelinerun", run, "-n", namespace, "--type=merge", "-p")
    return str(kubectl.run(*words, f'{{"spec":{{"{field}":{value}}}}}', check=check).stderr)


def status_of(found: dict[str, Any]) -> str:
    """The STATUS column."""
    return str(found.get("status", {}).get("status", ""))


def told_to_end(kubectl, namespace: str) -> list[datetime]:
    """When those pods were told to end that have not: the program does not hear it, and gets its grace."""
    going = [one["metadata"] for one in kubectl.list("pods", namespace)]
    return [
        datetime.fromisoformat(one["deletionTimestamp"])
        - timedelta(seconds=one["deletionGracePeriodSeconds"])
        for one in going
        if "deletionTimestamp" in one
    ]


def test_a_cancelled_run_is_shown_so_loses_its_pods_and_stays_cancelled(
    runs, kubectl, namespace, images
) -> None:
    name = running(runs, kubectl, sleeping(namespace, images["server"]))
    change(kubectl, namespace, name, "cancel", "true")
    run = runs.finished(name)
    assert (run["status"]["status"], run["status"]["reason"]) == ("Cancelled", "RunCancelled")
    assert {one["state"] for one in run["status"]["steps"]} == {"Cancelled"}
    ended = datetime.fromisoformat(run["status"]["finishedAt"])
    assert all(ended <= told for told in told_to_end(kubectl, namespace)), "the end is written first"
    wait_for(
        "the pods to go", lambda: not kubectl.list("pods", namespace) and not kubectl.list("jobs", namespace)
    )
    assert "stays cancelled" in change(kubectl, namespace, name, "cancel", "false", check=False)
    assert "cannot change" in change(kubectl, namespace, name, "parameters", '{"a": 1}', check=False)


def test_a_suspended_run_holds_its_steps_and_can_be_cancelled(runs, kubectl, namespace, images) -> None:
    name = running(runs, kubectl, sleeping(namespace, images["server"]))
    change(kubectl, namespace, name, "suspend", "true")
    wait_for("the word", lambda: runs.get(name)["status"]["status"] == "Suspended")
    assert steps_of(runs.get(name))["long"]["state"] == "Running"
    change(kubectl, namespace, name, "cancel", "true")
    assert runs.finished(name)["status"]["status"] == "Cancelled"


def test_a_suspended_pipeline_starts_nothing_until_that_is_lifted(runs, kubectl, namespace, images) -> None:
    steps = [{"name": "work", "run": {"image": images["server"], "command": ["true"]}}]
    kubectl.apply(pipeline("p", namespace, {"steps": steps, "suspend": True}))
    wait_for(
        "the word",
        lambda: kubectl.get("pipeline", "p", namespace).get("status", {}).get("status") == "Suspended",
    )
    assert runs.names("p") == []
    kubectl.apply(pipeline("p", namespace, {"steps": steps, "suspend": False}))
    assert runs.finished(runs.started("p", 2))["status"]["status"] == "Succeeded"
