"""What is tidied away on a real cluster, when, and what stays: docs/housekeeping.md."""

import copy
from typing import Any

import pytest

from tests.core.housekeeping_page import EXAMPLES
from tests.support import steps_of, wait_for

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
    found = kubectl.list("jobs", namespace, "-l", "penstock.dev/step")
    return {one["metadata"]["labels"]["penstock.dev/step"] for one in found}


def test_the_job_of_a_good_step_goes_at_once_and_that_of_a_bad_one_stays(
    runs, kubectl, namespace, images
) -> None:
    run = runs.execute(placed("tidy", namespace, images["server"]))
    wait_for("the good step's Job to go", lambda: jobs(kubectl, namespace) == {"bad"}, 30)
    wait_for("its pod to go", lambda: len(kubectl.list("pods", namespace)) == 1, 60)
    found = steps_of(runs.get(run["metadata"]["name"]))
    assert {name: one["state"] for name, one in found.items()} == {"good": "Succeeded", "bad": "Failed"}
    assert kubectl.run("logs", "-n", namespace, f"job/{found['bad']['job']}", "-c", "main").returncode == 0
