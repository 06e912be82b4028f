"""What several end-to-end tests share because it takes time to make."""

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hack.cluster import provider
from hack.cluster.cluster import load
from hack.cluster.paths import Paths, beside
from hack.project import bucket, build_images
from tests.e2e.endpoints import Stage
from tests.e2e.releases import Ground
from tests.support import ROOT, Helm, Kubectl, Runs, made_namespace


def trained(runs: Runs) -> dict[str, str]:
    """Digests of tumour-1 and tumour-2, which two trainings have just registered."""
    tumour = yaml.safe_load((ROOT / "examples/tumour/pipeline.yaml").read_text())
    tumour["metadata"]["namespace"] = runs.namespace
    tumour["spec"]["steps"] = [
        one for one in tumour["spec"]["steps"] if one["name"] in {"data", "split", "fit"}
    ]
    other = copy.deepcopy(tumour)
    tumour["spec"]["steps"][2]["train"]["seed"] = 1
    other["spec"]["steps"][2]["train"]["seed"] = 2
    for one in (tumour, other):
        run = runs.execute(one)
        assert run["status"]["status"] == "Succeeded", run["status"]
    versions = runs.kubectl.list("modelversions", runs.namespace)
    found = {one["metadata"]["name"]: one["spec"]["digest"] for one in versions}
    assert set(found) == {"tumour-1", "tumour-2"}
    return found


@pytest.fixture(scope="session")
def versions(kubectl: Kubectl, images: dict[str, str], data_folder: Path) -> Iterator[Stage]:
    """Two versions, trained once for all tests that replace one by the other."""
    namespace = made_namespace(kubectl)
    with bucket(load(os.environ["PENSTOCK_CLUSTER"]), namespace) as store:
        store.put(f"lake/{namespace}/tumour.csv", (data_folder / "tumour.csv").read_bytes())
    digests = trained(Runs(kubectl, namespace))
    body = json.dumps(json.loads((ROOT / "examples/tumour/request.json").read_text()))
    yield Stage(kubectl, namespace, images["server"], body, digests)
    kubectl.run("delete", "namespace", namespace, "--wait=false", "--ignore-not-found", check=False)


@pytest.fixture
def stage(versions: Stage) -> Iterator[Stage]:
    """The two versions, and no endpoint of another test."""
    yield versions
    versions.clear()


@pytest.fixture(scope="session")
def ground() -> Iterator[Ground]:
    """A cluster of its own, beside the suite's: its definitions and releases come and go."""
    suite = load(os.environ["PENSTOCK_CLUSTER"])
    if suite.provider == "current":
        pytest.skip("these tests delete definitions: they want a cluster of ours, not somebody else's")
    name = beside(suite.name, "orders")
    if Paths(name).record.exists():
        provider.down(name)  # what a killed suite has left
    cluster = provider.up(name, suite.provider)
    try:
        images = build_images(cluster)
        kubectl = Kubectl(cluster.kubectl, cluster.kubeconfig)
        found = Ground(cluster, kubectl, Helm(cluster.helm, cluster.kubeconfig), images)
        found.bring_definitions()
        yield found
    finally:
        provider.down(name)
