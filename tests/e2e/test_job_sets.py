"""Gangs as JobSets on a real cluster, with JobSet's controller played by the test.

Whether the kind is there is the same for all namespaces, and the operator looks when it starts: alone.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.test_gangs import gang, placed, services, workers_of
from tests.job_sets import CRD, JOB_SETS, controlled
from tests.support import Kubectl, Runs, steps_of, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

SLEEPS = "import time; time.sleep(3600)"


@pytest.fixture
def job_sets(kubectl: Kubectl, namespace: str, operator_down: Any) -> Iterator[None]:
    """The kind, an operator that has started with it, and JobSet's controller in the test's namespace."""
    kubectl.apply(JOB_SETS)
    kubectl.run("wait", "--for=condition=Established", f"crd/{CRD}", "--timeout=60s")
    try:
        with operator_down.up(), controlled(kubectl, namespace):
            yield
    finally:
        kubectl.run("delete", "crd", CRD, "--wait=true", check=False)


def sets(kubectl: Kubectl, namespace: str) -> list[str]:
    return [one["metadata"]["name"] for one in kubectl.list("jobsets", namespace)]


@pytest.mark.usefixtures("job_sets")
def test_workers_meet_by_the_names_that_jobset_gives(runs, kubectl, namespace, images) -> None:
    run = runs.execute(placed(namespace, images["server"]))
    assert {one["state"] for one in run["status"]["steps"]} == {"Succeeded"}, run["status"]["steps"]
    assert run["status"]["snapshot"]["gangs"] == "JobSet"
    (name,) = sets(kubectl, namespace)
    assert services(kubectl, namespace) == [name], "JobSet's, and none of ours"
    pods = workers_of(kubectl, namespace, "add")
    assert set(pods) == {"0", "1", "2"}
    log = kubectl.run("logs", "-n", namespace, pods["2"]["metadata"]["name"], "-c", "main").stdout
    assert log == "worker 2 of 3 knows 303\n"
    kubectl.run("delete", "pipelinerun", run["metadata"]["name"], "-n", namespace)
    wait_for("all of it to go with the run", lambda: not sets(kubectl, namespace))
    wait_for("its pods too", lambda: not workers_of(kubectl, namespace, "add"))


@pytest.mark.usefixtures("job_sets")
def test_a_worker_that_fails_is_named_and_its_log_is_found(runs, kubectl, namespace, images) -> None:
    program = "import os, sys, time; os.environ['RANK'] == '1' and sys.exit(3); time.sleep(3600)"
    run = runs.execute(gang(namespace, images["server"], program))
    (entry,) = run["status"]["steps"]
    assert (entry["state"], entry["failureClass"], entry["attempt"]) == ("Failed", "UserError", 1)
    assert entry["message"].startswith("worker 1: the program ended with exit code 3")
    selector = entry["message"].partition(" -l ")[2].split()[0]
    assert len(kubectl.list("pods", namespace, "-l", selector)) == 1, "the command shows the log of one pod"


def running(runs: Runs, kubectl: Kubectl, namespace: str, image: str) -> str:
    """The name of a run whose gang sleeps."""
    kubectl.apply(gang(namespace, image, SLEEPS))
    name = runs.started("p", 1)
    wait_for("the gang to run", lambda: steps_of(runs.get(name)).get("it", {}).get("state") == "Running")
    return name


@pytest.mark.usefixtures("job_sets")
def test_a_cancelled_gang_leaves_no_jobset_and_no_pods(runs, kubectl, namespace, images) -> None:
    name = running(runs, kubectl, namespace, images["server"])
    kubectl.run("patch", "plr", name, "-n", namespace, "--type=merge", "-p", '{"spec":{"cancel":true}}')
    assert runs.finished(name, 20)["status"]["status"] == "Cancelled"
    wait_for("the JobSet to go", lambda: not sets(kubectl, namespace))
    wait_for("the pods to go", lambda: not kubectl.list("pods", namespace))
    wait_for("the Service to go", lambda: not services(kubectl, namespace))


@pytest.mark.usefixtures("job_sets")
def test_a_jobset_that_somebody_deletes_costs_an_attempt(runs, kubectl, namespace, images) -> None:
    name = running(runs, kubectl, namespace, images["server"])
    (first,) = sets(kubectl, namespace)
    kubectl.run("delete", "jobset", first, "-n", namespace)

    def again() -> bool:
        entry = steps_of(runs.get(name))["it"]
        return bool(entry["attempt"] == 2 and entry["state"] == "Running")

    wait_for("the next attempt", again)
    assert steps_of(runs.get(name))["it"]["retries"] == {"Disruption": 1}
    (second,) = sets(kubectl, namespace)
    assert second != first


@pytest.mark.usefixtures("job_sets")
def test_a_jobset_waits_in_its_queue_and_runs_when_it_is_admitted(runs, kubectl, namespace, images) -> None:
    manifest = gang(namespace, images["server"], "print(1)", queue={"localQueue": "small"})
    kubectl.apply(manifest)
    name = runs.started("p", 1)
    (held,) = wait_for("the JobSet", lambda: kubectl.list("jobsets", namespace))
    assert held["spec"]["suspend"] is True
    assert held["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "small"
    (job,) = wait_for("its Job", lambda: kubectl.list("jobs", namespace))
    assert job["spec"]["suspend"] is True
    assert "kueue.x-k8s.io/queue-name" not in job["metadata"]["labels"]
    assert steps_of(runs.get(name))["it"]["state"] == "Queued"
    assert kubectl.list("pods", namespace) == []
    where = ("-n", namespace, "--type=merge", "-p", '{"spec":{"suspend":false}}')
    kubectl.run("patch", "jobset", held["metadata"]["name"], *where)
    (entry,) = runs.finished(name)["status"]["steps"]
    assert (entry["state"], entry["attempt"]) == ("Succeeded", 1)
