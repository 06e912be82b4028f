"""Fixtures for tests on the real cluster, which `make e2e` brings up and describes in the environment."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from hack.cluster.cluster import load
from hack.project import bucket
from tests.support import ROOT, Helm, Kubectl, OperatorSwitch, Runs, keep_evidence, made_namespace

# How long an example takes, or its making, tells only what else the machine does. The rest stays as in CI.
_ANY = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("any machine", settings(), **_ANY)
settings.load_profile("any machine")


def _needed(variable: str) -> str:
    value = os.environ.get(variable)
    assert value, f"{variable} is not set: these tests are started by `make e2e`"
    return value


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --update-golden."""
    parser.addoption("--update-golden", action="store_true", help="write golden files instead of comparing")


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written anew."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session")
def kubectl() -> Kubectl:
    """kubectl on the test cluster."""
    return Kubectl(_needed("PENSTOCK_KUBECTL"), _needed("PENSTOCK_KUBECONFIG"))


@pytest.fixture(scope="session")
def helm() -> Helm:
    """helm on the test cluster."""
    return Helm(_needed("PENSTOCK_HELM"), _needed("PENSTOCK_KUBECONFIG"))


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    """Full references of the project's images by name: operator, steps, server, digits, wine."""
    found: dict[str, str] = json.loads(_needed("PENSTOCK_IMAGES"))
    return found


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Let fixtures know whether the test failed."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]  # pluggy's result has no type here
    setattr(item, f"report_{report.when}", report)


@pytest.fixture
def namespace(kubectl: Kubectl, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace for one test; what is in it is kept as evidence when the test fails."""
    name = made_namespace(kubectl)
    yield name
    report = getattr(request.node, "report_call", None)
    if report is not None and report.failed:
        keep_evidence(kubectl, name, ROOT / ".artifacts/e2e" / request.node.name.replace("/", "-")[:80])
    kubectl.run("delete", "namespace", name, "--wait=false", "--ignore-not-found", check=False)


@pytest.fixture
def runs(kubectl: Kubectl, namespace: str) -> Runs:
    """The runs of this test's namespace."""
    return Runs(kubectl, namespace)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples' CSV files."""
    folder = tmp_path_factory.mktemp("data")
    subprocess.run([sys.executable, str(ROOT / "examples/data.py"), str(folder)], check=True, timeout=600)
    return folder


@pytest.fixture
def lake(kubectl: Kubectl, namespace: str) -> Iterator[Callable[[str, bytes], None]]:
    """Puts an object where the connection `lake` of this test's namespace finds it."""
    with bucket(load(_needed("PENSTOCK_CLUSTER")), namespace) as store:
        yield lambda key, content: store.put(f"lake/{namespace}/{key}", content) and None


@pytest.fixture
def operator_down(kubectl: Kubectl) -> Iterator[OperatorSwitch]:
    """No operator runs in the cluster while the test does; for tests marked `alone`."""
    switch = OperatorSwitch(kubectl)
    switch.scale(0)
    yield switch
    switch.scale(1)
