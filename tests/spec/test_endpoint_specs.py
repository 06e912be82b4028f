"""Specs of ModelEndpoints and of deploy steps that contradict themselves: refused by the schema, in words."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from penstock_spec.base import seconds_of
from penstock_spec.crds import render
from penstock_spec.endpoint import ModelEndpointSpec
from penstock_spec.errors import SpecError
from penstock_spec.graph import compile_pipeline
from penstock_spec.shapes import object_shape
from penstock_spec.structure import structure_problems
from tests.spec.good_spec import spoiled
from tests.support import ROOT, Kubectl

MODEL = {"version": "m-1"}
# Name -> fields beside spec.model, and what the refusal says; None: it is taken.
CASES: dict[str, tuple[dict[str, Any], str | None]] = {
    "nothing": ({}, None),
    "a number and its bounds, for the autoscaler writes the number": (
        {"scale": {"replicas": 3, "minReplicas": 2, "maxReplicas": 4, "targetCPUUtilization": 70}},
        None,
    ),
    "a least number alone": ({"scale": {"minReplicas": 2}}, "maxReplicas turns on"),
    "a target alone": ({"scale": {"targetCPUUtilization": 70}}, "maxReplicas turns on"),
    "more at least than at most": (
        {"scale": {"minReplicas": 5, "maxReplicas": 4}},
        "minReplicas may not be greater",
    ),
    "no pods": ({"scale": {"replicas": 0}}, "greater than or equal to 1"),
    "a deadline": ({"rollout": {"deadline": "90s"}}, None),
    "a deadline without a unit": ({"rollout": {"deadline": "90"}}, "should match"),
    "revision nought": ({"rollbackTo": 0}, "greater than or equal to 1"),
    "tokens": ({"authentication": {"secret": "callers"}}, None),
    "settings of our server": (
        {"server": {"workers": 2, "batching": {}, "requestSeconds": 5}},
        None,
    ),
    "an image of one's own": (
        {"server": {"image": "a/b:1", "command": ["x"], "args": ["y"], "port": 9000, "grpcPort": 9001}},
        None,
    ),
    "a command without an image": ({"server": {"command": ["x"]}}, "belong to an image of your own"),
    "our settings beside an image": ({"server": {"image": "a/b:1", "workers": 2}}, "Penstock's own server"),
    "a setting of ours by its variable": (
        {"server": {"env": [{"name": "PENSTOCK_SERVE_ROWS", "value": "9"}]}},
        None,
    ),
    "a variable of the contract": (
        {"server": {"env": [{"name": "PENSTOCK_MODEL_DIGEST", "value": "9"}]}},
        "names that start with PENSTOCK_ are ours",
    ),
    "one port for both protocols": (
        {"server": {"image": "a/b:1", "port": 9000, "grpcPort": 9000}},
        "grpcPort must be another port than port",
    ),
    "the port of HTTP, which is left out, for gRPC": (
        {"server": {"image": "a/b:1", "grpcPort": 8080}},
        "grpcPort must be another port than port",
    ),
    "gRPC alone at a port of its own": ({"server": {"image": "a/b:1", "grpcPort": 8081}}, None),
    "a variable without a value": ({"server": {"env": [{"name": "A"}]}}, "set exactly one of value, secret"),
    "a port that needs root": ({"server": {"image": "a/b:1", "port": 80}}, "greater than or equal to 1024"),
}


@pytest.mark.parametrize("name", CASES)
def test_our_own_check_agrees_with_what_the_schema_says(name: str) -> None:
    fields, words = CASES[name]
    problems = structure_problems(object_shape(ModelEndpointSpec), {"model": MODEL, **fields}, ("spec",))
    assert bool(problems) == (words is not None)


@pytest.fixture(scope="module")
def space(kubectl: Kubectl) -> Iterator[str]:
    """A namespace for objects that start nothing."""
    name = f"spec-{time.monotonic_ns() % 10**9}"
    kubectl.run("create", "namespace", name)
    yield name
    kubectl.run("delete", "namespace", name, "--wait=false")


@pytest.mark.e2e
@pytest.mark.parametrize("name", CASES)
def test_the_api_server_takes_what_holds_and_says_what_does_not(
    kubectl: Kubectl, space: str, name: str
) -> None:
    fields, words = CASES[name]
    found = {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "ModelEndpoint",
        "metadata": {"name": "e", "namespace": space},
        "spec": {"model": MODEL, **fields},
    }
    done = kubectl.run("create", "--dry-run=server", "-f", "-", input=json.dumps(found), check=False)
    if words is None:
        assert (done.returncode, done.stderr) == (0, "")
    else:
        assert words in done.stderr


@pytest.mark.e2e
def test_kubectl_scale_finds_a_number_though_nobody_has_set_one(kubectl: Kubectl, space: str) -> None:
    manifest = {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "ModelEndpoint",
        "metadata": {"name": "scaled", "namespace": space},
        "spec": {"model": MODEL},
    }
    kubectl.apply(manifest)
    assert kubectl.get("me", "scaled", space)["spec"]["scale"] == {"replicas": 1}
    kubectl.run("scale", "me", "scaled", "-n", space, "--replicas=3")
    assert kubectl.get("me", "scaled", space)["spec"]["scale"] == {"replicas": 3}
    generation = kubectl.get("me", "scaled", space)["metadata"]["generation"]
    kubectl.apply(manifest)
    after = kubectl.get("me", "scaled", space)
    assert (after["spec"]["scale"], after["metadata"]["generation"]) == ({"replicas": 3}, generation)


DEPLOYS: dict[str, tuple[dict[str, Any], str | None]] = {
    "a number": ({"scale": {"replicas": 3}, "rollout": {"deadline": "5m"}}, None),
    "bounds": ({"scale": {"minReplicas": 1, "maxReplicas": 3, "targetCPUUtilization": 50}}, None),
    "a number and bounds": (
        {"scale": {"replicas": 3, "maxReplicas": 4}},
        "replicas and maxReplicas together",
    ),
    "a target alone": ({"scale": {"targetCPUUtilization": 50}}, "does not fit the fields beside it"),
    "a strange deadline": ({"rollout": {"deadline": "soon"}}, "soon"),
}


@pytest.mark.parametrize("name", DEPLOYS)
def test_a_deploy_step_asks_for_a_number_of_pods_or_for_bounds(name: str) -> None:
    fields, words = DEPLOYS[name]
    edits = [(f"steps.serve.deploy.{part}", value) for part, value in fields.items()]
    if words is None:
        compile_pipeline(spoiled(*edits))
        return
    with pytest.raises(SpecError) as refused:
        compile_pipeline(spoiled(*edits))
    assert words in str(refused.value)


@pytest.mark.parametrize(("text", "seconds"), [("15s", 15), ("10m", 600), ("2h", 7200), ("7d", 604800)])
def test_a_duration_is_so_many_seconds(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


def test_the_examples_of_endpoints_in_the_docs_are_specs() -> None:
    page = (ROOT / "docs/endpoints.md").read_text()
    blocks = [one.split("```")[0] for one in page.split("```yaml\n")[1:]]
    documents = [one for block in blocks for one in yaml.safe_load_all(block)]
    assert len(documents) == 4
    for one in documents:
        spec = {"model": MODEL, **one["spec"]}
        assert structure_problems(object_shape(ModelEndpointSpec), spec, ("spec",)) == []


def test_the_status_keeps_numbers_growing() -> None:
    crd = yaml.safe_load(render()["penstock.dev_modelendpoints.yaml"])
    status = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    assert [one["message"] for one in status["x-kubernetes-validations"]] == ["revisions only grow"]
