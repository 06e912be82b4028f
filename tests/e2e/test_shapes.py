"""The shapes for people who come from Argo Workflows and Tekton, on a real cluster, all at once."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from tests.core.shapes import SHAPES, Shape
from tests.support import Runs, made_namespace, steps_of, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("shapes")]
SMALL = {"resources": {"cpu": "20m", "memory": "48Mi"}}


def placed(shape: Shape, namespace: str, image: str) -> dict[str, Any]:
    """The Pipeline in the tests' namespace, its programs in an image that the cluster has."""
    found: dict[str, Any] = copy.deepcopy(shape.manifest)
    found["metadata"]["namespace"] = namespace
    for step in found["spec"]["steps"]:
        step.update(SMALL)
        step["run"]["image"] = image
    return found


@pytest.fixture(scope="module")
def applied(kubectl, images: Mapping[str, str]):
    """All Pipelines are applied at once, and each is followed by its own test."""
    runs = Runs(kubectl, made_namespace(kubectl))
    kubectl.apply(*(placed(one, runs.namespace, images["server"]) for one in SHAPES.values()))
    yield runs
    kubectl.run("delete", "namespace", runs.namespace, "--wait=false", "--ignore-not-found", check=False)


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_ends_as_the_page_says(applied: Runs, name: str) -> None:
    shape = SHAPES[name]
    if shape.manifest["spec"].get("policy", {}).get("onChange") != "Wait":
        applied.finished(applied.started(name, 1))
    if shape.run is not None:
        item = copy.deepcopy(shape.run)
        item["metadata"]["namespace"] = applied.namespace
        applied.kubectl.apply(item)
        if item["spec"].get("suspend"):
            let_go(applied, item["metadata"]["name"])
    run = applied.finished(shape.told_of)
    assert {step: one["state"] for step, one in steps_of(run).items()} == shape.ends


def let_go(runs: Runs, name: str) -> None:
    """A suspended run has not begun; then the suspension is lifted."""
    wait_for("the word", lambda: runs.get(name).get("status", {}).get("status") == "Suspended")
    assert "startedAt" not in runs.get(name)["status"]
    words = ("patch", "pipelinerun", name, "-n", runs.namespace, "--type=merge")
    runs.kubectl.run(*words, "-p", '{"spec":{"suspend":false}}')
