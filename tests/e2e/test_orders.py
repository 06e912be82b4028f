"""S5: in whatever order release, namespace and definitions are deleted, nothing sticks and nothing is left.

Each order begins with a run in flight. Those that leave the definitions alone happen beside each other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.chart.rendering import CHART
from tests.e2e.releases import CRDS, Trial, trial
from tests.support import SYSTEM_NAMESPACE, Kubectl, OperatorSwitch, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

Order = Sequence[Callable[[Trial], None]]
ORDERS: Mapping[str, Order] = {
    "uninstall, then the namespace": [Trial.uninstall, Trial.delete_namespace],
    "the namespace, then uninstall": [Trial.delete_namespace, Trial.uninstall],
    "the operator dies, the namespace, uninstall": [
        Trial.kill_operator,
        Trial.delete_namespace,
        Trial.uninstall,
    ],
}
WITH_DEFINITIONS: Mapping[str, Order] = {
    "the definitions first, while the operator lives": [
        Trial.delete_definitions,
        Trial.uninstall,
        Trial.delete_namespace,
    ],
    "the definitions last, the operator dead": [
        Trial.kill_operator,
        Trial.uninstall,
        Trial.delete_namespace,
        Trial.delete_definitions,
    ],
}
WITHIN = 90  # seconds


def carried_out(kubectl: Kubectl, helm: Any, images: Mapping[str, str], order: Order) -> list[str]:
    """Do it with a run in flight, and wait for the end; gives what is left."""
    with trial(kubectl, helm, images) as found:
        found.start_a_run()
        for act in order:
            act(found)
        wait_for("the namespace to go", found.gone, WITHIN, every=1)
        return left(kubectl, found.namespace)


def left(kubectl: Kubectl, namespace: str) -> list[str]:
    """Objects of the whole cluster that name the namespace in their own name or as a subject."""
    found = kubectl.list("clusterroles,clusterrolebindings", "default")
    return [
        f"{one['kind']}/{one['metadata']['name']}"
        for one in found
        if namespace in one["metadata"]["name"]
        or any(subject.get("namespace") == namespace for subject in one.get("subjects") or ())
    ]


@pytest.fixture(scope="module")
def quiet(kubectl: Kubectl) -> Iterator[None]:
    """The cluster's operator works in every namespace; here it would finish what another one left."""
    switch = OperatorSwitch(kubectl)
    switch.scale(0)
    yield
    switch.scale(1)


@pytest.fixture(scope="module")
def outcomes(
    kubectl: Kubectl, quiet: None, helm: Any, images: Mapping[str, str]
) -> Iterator[Mapping[str, Future[list[str]]]]:
    """All orders that leave the definitions alone."""
    with ThreadPoolExecutor(len(ORDERS)) as pool:
        yield {name: pool.submit(carried_out, kubectl, helm, images, order) for name, order in ORDERS.items()}


@pytest.mark.parametrize("name", ORDERS)
def test_nothing_sticks_and_nothing_is_left_of(name: str, outcomes: Mapping[str, Future[list[str]]]) -> None:
    assert outcomes[name].result(400) == []


@pytest.fixture
def definitions(kubectl: Kubectl, helm: Any) -> Iterator[None]:
    """They belong to the cluster's release, which brings them back."""
    yield
    wait_for("the definitions to be gone or there", lambda: not going(kubectl), WITHIN)
    release = helm("list", "-n", SYSTEM_NAMESPACE, "-q").stdout.split()[0]
    chart = str(CHART)
    helm("upgrade", release, chart, "-n", SYSTEM_NAMESPACE, "--reset-then-reuse-values", "--force-conflicts")
    for name in CRDS:
        kubectl.run("wait", "--for=condition=Established", f"crd/{name}", "--timeout=30s")
    OperatorSwitch(kubectl).scale(0)  # the release has brought it back as well


def going(kubectl: Kubectl) -> list[str]:
    """Definitions that are being deleted and do not go."""
    found = kubectl.list("crds", "default")
    return [one["metadata"]["name"] for one in found if "deletionTimestamp" in one["metadata"]]


@pytest.mark.parametrize("name", WITH_DEFINITIONS)
def test_nothing_sticks_and_nothing_is_left_with_the_definitions_gone(
    kubectl: Kubectl, quiet: None, definitions: None, helm: Any, images: Mapping[str, str], name: str
) -> None:
    assert carried_out(kubectl, helm, images, WITH_DEFINITIONS[name]) == []
    wait_for("the definitions to go", lambda: not set(CRDS) & names_of(kubectl), WITHIN)


def names_of(kubectl: Kubectl) -> set[str]:
    """Names of all definitions."""
    return {one["metadata"]["name"] for one in kubectl.list("crds", "default")}
