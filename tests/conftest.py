"""Fixtures for tests on the real cluster, which `make e2e` brings up and describes in the environment."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SYSTEM_NAMESPACE = "penstock-system"


@dataclass(frozen=True)
class Kubectl:
    """kubectl on the test cluster, as its administrator."""

    program: str
    kubeconfig: str

    def run(self, *words: str, input: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run kubectl; with `check` a failure is an error with kubectl's words."""
        done = subprocess.run(
            [self.program, "--kubeconfig", self.kubeconfig, *words],
            input=input,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert not check or done.returncode == 0, f"kubectl {' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        """One object."""
        found: dict[str, Any] = json.loads(self.run("get", kind, name, "-n", namespace, "-o", "json").stdout)
        return found

    def list(self, kind: str, namespace: str, *words: str) -> list[dict[str, Any]]:
        """All objects of a kind in a namespace."""
        found = json.loads(self.run("get", kind, "-n", namespace, "-o", "json", *words).stdout)
        items: list[dict[str, Any]] = found["items"]
        return items

    def apply(self, *objects: Mapping[str, Any], server_side: bool = True) -> str:
        """Apply the objects."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        words = ["--server-side"] if server_side else []
        return self.run("apply", *words, "-f", "-", input=text).stdout


def _needed(variable: str) -> str:
    value = os.environ.get(variable)
    assert value, f"{variable} is not set: these tests are started by `make e2e`"
    return value


@pytest.fixture(scope="session")
def kubectl() -> Kubectl:
    """kubectl on the test cluster."""
    return Kubectl(_needed("PENSTOCK_KUBECTL"), _needed("PENSTOCK_KUBECONFIG"))


@pytest.fixture(scope="session")
def helm() -> Callable[..., subprocess.CompletedProcess[str]]:
    """helm on the test cluster."""
    program, kubeconfig = _needed("PENSTOCK_HELM"), _needed("PENSTOCK_KUBECONFIG")

    def run(*words: str, input: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [program, "--kubeconfig", kubeconfig, *words],
            input=input,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert not check or done.returncode == 0, f"helm {' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    """Full references of the project's images by name: operator, steps, server, wine."""
    found: dict[str, str] = json.loads(_needed("PENSTOCK_IMAGES"))
    return found


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 120, every: float = 0.25) -> Any:
    """The first true value of `condition`. Fails after `seconds`, saying what was waited for and what was seen last."""
    deadline = time.monotonic() + seconds
    while True:
        seen = condition()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}; last seen: {seen!r}"
        time.sleep(every)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Let fixtures know whether the test failed."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]  # pluggy's result has no type here
    setattr(item, f"report_{report.when}", report)


@pytest.fixture
def namespace(kubectl: Kubectl, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of its own under the strictest Pod Security level, with the store and the connection `lake`."""
    name = f"t-{os.getpid()}-{time.monotonic_ns() % 10**9}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "penstock.dev/test": "true"}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    secret = kubectl.get("secret", "penstock-store", SYSTEM_NAMESPACE)
    data = secret["data"]
    from base64 import b64decode

    plain = {key: b64decode(value).decode() for key, value in data.items()}
    kubectl.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "penstock-store", "namespace": name}, "data": data},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "lake", "namespace": name, "labels": {"penstock.dev/connection": "s3"}},
            "data": {
                "type": "S3",
                "endpoint": plain["endpoint"],
                "region": plain.get("region", "us-east-1"),
                "bucket": plain["url"].removeprefix("s3://").split("/")[0],
                "prefix": f"lake/{name}",
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "lake", "namespace": name},
            "data": {key: data[key] for key in ("accessKeyId", "secretAccessKey")},
        },
    )
    yield name
    report = getattr(request.node, "report_call", None)
    if report is not None and report.failed:
        keep_evidence(kubectl, name, ROOT / ".artifacts/e2e" / request.node.name.replace("/", "-")[:80])
    kubectl.run("delete", "namespace", name, "--wait=false", "--ignore-not-found", check=False)


def keep_evidence(kubectl: Kubectl, namespace: str, folder: Path) -> None:
    """Write what a person would look at first: objects, events, the operator's log."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = "pipelines,pipelineruns,modelversions,modelendpoints,jobs,pods,deployments,services,configmaps"
    looks = {
        "objects.yaml": ("get", kinds, "-n", namespace, "-o", "yaml"),
        "table.txt": ("get", kinds, "-n", namespace, "-o", "wide"),
        "events.txt": ("get", "events", "-n", namespace, "--sort-by=.lastTimestamp"),
        "operator.log": ("logs", "-n", SYSTEM_NAMESPACE, "deployment/penstock", "--tail=400"),
    }
    for name, words in looks.items():
        done = kubectl.run(*words, check=False)
        (folder / name).write_text(done.stdout + done.stderr)
