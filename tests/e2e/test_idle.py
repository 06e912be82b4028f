"""S6: at rest nothing is written: not in five minutes, not by a new process, with 200 finished runs.

Two operators look at the namespace: the cluster's, whose writes would show in the objects' versions, and one
of the test's own behind a proxy that sees every request. There is no Lease; whatever is written is ours.
"""

import copy
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.shell.fault_proxy import FaultProxy, fault_proxy
from tests.shell.operator_process import OperatorProcess
from tests.shell.test_operator import metric
from tests.support import ROOT, SYSTEM_NAMESPACE, Kubectl, Runs, condition, pipeline, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.patient]

SECONDS = 300
SMALL, RUNS = 5, 40  # so many pipelines, so many runs of each
# Kinds of which no other controller writes while nothing happens.
WATCHED = (
    "pipelines,pipelineruns,modelversions,modelendpoints,jobs,configmaps,controllerrevisions,services,"
    "deployments,poddisruptionbudgets"
)


def trained(name: str, seed: int, namespace: str) -> dict[str, Any]:
    """The example with its data in a ConfigMap, without the monitor, which works while others rest."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "examples/tumour/pipeline.yaml").read_text())
    found["metadata"] = {"name": name, "namespace": namespace}
    steps = {one["name"]: one for one in found["spec"]["steps"] if "monitor" not in one}
    steps["data"]["ingest"]["source"] = {"configMap": {"name": "tumour", "key": "tumour.csv"}}
    steps["fit"]["train"] |= {"model": name, "seed": seed}
    steps["serve"]["deploy"]["endpoint"] = name
    return {**found, "spec": {**found["spec"], "steps": list(steps.values())}}


def small(name: str, namespace: str, image: str) -> dict[str, Any]:
    """A pipeline of two steps, of which all runs after the first take over what that has made."""
    run = {"image": image, "command": ["python3", "-c", "print('done')"]}
    steps = [{"name": "one", "run": run}, {"name": "two", "dependsOn": ["one"], "run": copy.deepcopy(run)}]
    return pipeline(name, namespace, {"steps": steps, "policy": {"keepRuns": 100}})


def another(name: str, of: str, namespace: str) -> dict[str, Any]:
    """A run of a pipeline."""
    meta = {"name": name, "namespace": namespace}
    return {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "PipelineRun",
        "metadata": meta,
        "spec": {"pipeline": of},
    }


def versions(kubectl: Kubectl, namespace: str) -> dict[str, str]:
    """The version of every object that the operator makes or writes, by kind and name."""
    found = kubectl.list(WATCHED, namespace)
    return {f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["resourceVersion"] for one in found}


def told(kubectl: Kubectl, namespace: str) -> int:
    """How many Events are ours."""
    events = kubectl.list("events", namespace)
    return sum(one.get("source", {}).get("component") == "penstock" for one in events)


def settled(kubectl: Kubectl, namespace: str) -> bool:
    """Whether ten seconds pass in which nothing changes."""
    before = versions(kubectl, namespace)
    time.sleep(10)
    return versions(kubectl, namespace) == before


@pytest.fixture
def full(kubectl: Kubectl, namespace: str, images: Mapping[str, str], data_folder: Path) -> str:
    """A namespace in which much has happened, and nothing does any more."""
    meta = {"name": "tumour", "namespace": namespace}
    table = (data_folder / "tumour.csv").read_text()
    kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"tumour.csv": table}})
    runs = Runs(kubectl, namespace)
    kubectl.apply(trained("tumour", 1, namespace), trained("other", 2, namespace))
    kubectl.apply(*(small(f"p{n}", namespace, images["server"]) for n in range(SMALL)))
    for n in range(SMALL):
        runs.finished(runs.started(f"p{n}", 1))
    made = [another(f"p{n}-r{i}", f"p{n}", namespace) for n in range(SMALL) for i in range(1, RUNS)]
    kubectl.apply(*made)
    for name in ("tumour", "other"):
        assert runs.finished(runs.started(name, 1))["status"]["status"] == "Succeeded"

    def all_over() -> bool:
        found = kubectl.list("pipelineruns", namespace)
        over = [one for one in found if condition(one, "Succeeded").get("status") == "True"]
        return len(over) == len(found) == SMALL * RUNS + 2

    wait_for("200 runs to end", all_over, 480, every=3)
    wait_for("the endpoints", lambda: _serving(kubectl, namespace) == 2)
    wait_for("the last writes", lambda: settled(kubectl, namespace))
    return namespace


def _serving(kubectl: Kubectl, namespace: str) -> int:
    found = kubectl.list("modelendpoints", namespace)
    return sum(condition(one, "Ready").get("status") == "True" for one in found)


@pytest.fixture
def beside(kubectl: Kubectl, full: str, tmp_path: Path) -> Iterator[tuple[FaultProxy, OperatorProcess]]:
    """An operator with the settings of the cluster's, whose requests are seen."""
    found = kubectl.get("configmap", "penstock-settings", SYSTEM_NAMESPACE)
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({**json.loads(found["data"]["settings.json"]), "resync": 20}))
    with fault_proxy(Path(kubectl.kubeconfig), tmp_path / "proxy") as proxy:
        operator = OperatorProcess(full, proxy.kubeconfig, settings, tmp_path / "operator.log")
        yield proxy, operator
        if operator.process is not None and not operator.dead():
            operator.kill()


def test_at_rest_nothing_is_written_in_five_minutes_nor_after_a_restart(
    kubectl: Kubectl, full: str, beside: tuple[FaultProxy, OperatorProcess]
) -> None:
    proxy, operator = beside
    before, events = versions(kubectl, full), told(kubectl, full)
    passes = 0.0
    for _ in range(2):  # the first start is that of a new process too
        operator.start()
        operator.ready()
        time.sleep(SECONDS / 2)
        passes += metric(operator.get("/metrics")[1], "penstock_reconciles_total")
        operator.kill()
    kinds = [name.split("/")[0] for name in before]
    print(
        f"\n{kinds.count('PipelineRun')} finished runs, {kinds.count('ModelEndpoint')} endpoints, "
        f"{kinds.count('ModelVersion')} model versions: {len(proxy.writes)} writes in {SECONDS} s "
        f"and {passes:.0f} reconciles of two processes"
    )
    assert passes > SECONDS / 20, "it did not look at anything"
    assert proxy.writes == []
    assert versions(kubectl, full) == before
    assert told(kubectl, full) <= events, "an Event of ours is new"
