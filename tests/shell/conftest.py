"""For the operator's tests on the real API server: they bring their own operators and allow no other."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hack.cluster.cluster import load
from hack.cluster.images import build_and_load
from tests.shell.operator_process import OperatorProcess
from tests.shell.worlds import new_namespace
from tests.standin import STANDIN, standin_modules
from tests.support import ROOT, SYSTEM_NAMESPACE, Kubectl, OperatorSwitch, keep_evidence


@pytest.fixture(scope="session")
def standin() -> str:
    """The image that stands in for steps and server."""
    cluster = load(os.environ["PENSTOCK_CLUSTER"])
    inputs = [ROOT / "tests/images/standin", *standin_modules()]
    return build_and_load(cluster, STANDIN, "penstock/test-standin", inputs)


@pytest.fixture(scope="session")
def settings(standin: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings of an operator whose pods run the stand-in."""
    file = tmp_path_factory.mktemp("settings") / "settings.json"
    file.write_text(json.dumps({"pods": {"stepsImage": standin, "serverImage": standin}}))
    return file


@pytest.fixture(scope="module")
def no_other_operator(kubectl: Kubectl) -> Iterator[None]:
    """Takes an installed operator down for the time being, unless that is done for the whole suite."""
    wanted = ("-o", "jsonpath={.spec.replicas}", "--ignore-not-found")
    if kubectl.run("get", "deployment", "penstock", "-n", SYSTEM_NAMESPACE, *wanted).stdout in ("", "0"):
        yield
        return
    switch = OperatorSwitch(kubectl)
    switch.scale(0)
    yield
    switch.scale(1)


@pytest.fixture(scope="session")
def upstream() -> Path:
    """The kubeconfig of the real API server."""
    return Path(os.environ["PENSTOCK_KUBECONFIG"])


@pytest.fixture
def arena(kubectl: Kubectl, no_other_operator: None, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace with what pods of steps need, and nobody who works in it."""
    with new_namespace(kubectl) as name:
        yield name
        report = getattr(request.node, "report_call", None)
        if report is not None and report.failed:
            keep_evidence(kubectl, name, ROOT / ".artifacts/e2e" / request.node.name.replace("/", "-")[:80])


@pytest.fixture
def operators(settings: Path, upstream: Path, tmp_path: Path) -> Iterator[Callable[..., OperatorProcess]]:
    """Makes operators (not started) that end with the test."""
    made: list[OperatorProcess] = []

    def make(namespace: str, kubeconfig: Path = upstream) -> OperatorProcess:
        made.append(OperatorProcess(namespace, kubeconfig, settings, tmp_path / f"operator-{len(made)}.log"))
        return made[-1]

    yield make
    for one in made:
        if one.process is not None and not one.dead():
            one.kill()
