"""A cluster in which JobSet's and Kueue's own controllers work, and Penstock beside them.

A cluster of its own: both are the same for all namespaces, and Penstock works in another way where they are.
"""

import os
from collections.abc import Iterator

import pytest

from hack.cluster import provider
from hack.cluster.cluster import Cluster, load
from hack.cluster.paths import Paths, beside
from hack.controllers import install_jobset, install_kueue
from hack.project import build_images, install
from tests.support import Kubectl


@pytest.fixture(scope="session")
def controlled() -> Iterator[tuple[Cluster, dict[str, str]]]:
    """The cluster and the images that it has. It is kept where the suite's own cluster is."""
    suites = load(os.environ["PENSTOCK_CLUSTER"])
    if suites.provider == "current":
        pytest.skip("JobSet and Kueue are not installed into a cluster that is somebody's own")
    name = beside(suites.name, "controllers")
    try:
        cluster = provider.up(name, suites.provider)
        install_jobset(cluster)
        install_kueue(cluster)
        images = build_images(cluster)
        install(cluster, images, {"scope": {"clusterWide": True}})
        yield cluster, images
    finally:
        if os.environ.get("PENSTOCK_KEEP") != "1" and Paths(name).record.exists():
            provider.down(name)


@pytest.fixture(scope="session")
def kubectl(controlled: tuple[Cluster, dict[str, str]]) -> Kubectl:
    """kubectl on this cluster, in place of the one that other tests share."""
    cluster, _ = controlled
    return Kubectl(cluster.kubectl, cluster.kubeconfig)


@pytest.fixture(scope="session")
def images(controlled: tuple[Cluster, dict[str, str]]) -> dict[str, str]:
    """Full references of the images of this cluster."""
    return controlled[1]
