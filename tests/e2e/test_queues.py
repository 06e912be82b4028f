"""Queues where there is no Kueue; tests/controllers has Kueue itself."""

import copy
from typing import Any

import pytest

from tests.core.flow_page import QUEUES
from tests.support import steps_of, wait_for

pytestmark = pytest.mark.e2e


def placed(namespace: str, image: str) -> dict[str, Any]:
    """The example of docs/queues.md in the test's namespace, in an image that the cluster has."""
    found: dict[str, Any] = copy.deepcopy(QUEUES["queued"][0])
    found["metadata"]["namespace"] = namespace
    for step in found["spec"]["steps"]:
        step["run"]["image"] = image
    return found


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
    (job,) = kubectl.list("jobs", namespace, "penstock.dev/step=prepare")
    assert job["spec"]["suspend"] is True
    kubectl.run("patch", "plr", name, "-n", namespace, "--type=merge", "-p", '{"spec":{"cancel":true}}')
    assert runs.finished(name)["status"]["status"] == "Cancelled"
    wait_for("the Job to go", lambda: not kubectl.list("jobs", namespace))
