"""Gangs as JobSets, made by JobSet's own controller."""

import json
from typing import Any

import pytest

from tests.e2e.test_gangs import GREEDY, gang, placed, services, workers_of
from tests.gates import HEARS, WAITS, open_gates
from tests.support import Kubectl, Runs, steps_of, wait_for

# All tests of the controllers are on one worker, which has one cluster for them.
pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("controllers")]

# Until they are told to end, and then at once.
SLEEPS = f"{HEARS}import time; time.sleep(3600)"


def sets(kubectl: Kubectl, namespace: str) -> list[str]:
    return [one["metadata"]["name"] for one in kubectl.list("jobsets", namespace)]


def ended(kubectl: Kubectl, namespace: str, name: str) -> Any:
    """How a JobSet has ended, in its controller's word."""
    return kubectl.get("jobset", name, namespace).get("status", {}).get("terminalState")


def running(runs: Runs, kubectl: Kubectl, namespace: str, image: str, program: str = SLEEPS) -> str:
    """The name of a run whose gang runs."""
    kubectl.apply(gang(namespace, image, program))
    name = runs.started("p", 1)
    wait_for("the gang to run", lambda: steps_of(runs.get(name)).get("it", {}).get("state") == "Running")
    return name


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
    assert wait_for("JobSet's word", lambda: ended(kubectl, namespace, name)) == "Completed"
    kubectl.run("delete", "pipelinerun", run["metadata"]["name"], "-n", namespace)
    wait_for("all of it to go with the run", lambda: not sets(kubectl, namespace))
    wait_for("its pods too", lambda: not workers_of(kubectl, namespace, "add"))
    wait_for("and the names", lambda: not services(kubectl, namespace))


def test_a_worker_that_fails_is_named_and_ends_the_set(runs, kubectl, namespace, images) -> None:
    program = f"import os, sys; os.environ['RANK'] == '1' and sys.exit(3)\n{SLEEPS}"
    run = runs.execute(gang(namespace, images["server"], program))
    (entry,) = run["status"]["steps"]
    assert (entry["state"], entry["failureClass"], entry["attempt"]) == ("Failed", "UserError", 1)
    assert entry["message"].startswith("worker 1: the program ended with exit code 3")
    selector = entry["message"].partition(" -l ")[2].split()[0]
    assert len(kubectl.list("pods", namespace, selector)) == 1, "the command shows the log of one pod"
    (name,) = sets(kubectl, namespace)
    assert wait_for("JobSet's word", lambda: ended(kubectl, namespace, name)) == "Failed"


def test_each_attempt_is_a_set_of_its_own_that_jobset_does_not_restart(
    runs, kubectl, namespace, images
) -> None:
    run = runs.execute(gang(namespace, images["server"], GREEDY, workers=2))
    (entry,) = run["status"]["steps"]
    assert (entry["state"], set(entry["retries"])) == ("Succeeded", {"OutOfMemory"}), entry
    found = kubectl.list("jobsets", namespace)
    wait_for(
        "JobSet's word about each",
        lambda: (
            sorted(str(ended(kubectl, namespace, one["metadata"]["name"])) for one in found)
            == ["Completed", *["Failed"] * (entry["attempt"] - 1)]
        ),
    )
    assert {one["status"].get("restarts", 0) for one in found} == {0}


def test_a_cancelled_gang_leaves_no_jobset_and_no_pods(runs, kubectl, namespace, images) -> None:
    name = running(runs, kubectl, namespace, images["server"])
    kubectl.run("patch", "plr", name, "-n", namespace, "--type=merge", "-p", '{"spec":{"cancel":true}}')
    assert runs.finished(name)["status"]["status"] == "Cancelled"
    wait_for("the JobSet to go", lambda: not sets(kubectl, namespace))
    wait_for("the pods to go", lambda: not kubectl.list("pods", namespace))
    wait_for("the Service to go", lambda: not services(kubectl, namespace))


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


def test_a_gang_that_is_suspended_while_it_runs_goes_on_as_the_same_attempt(
    runs, kubectl, namespace, images
) -> None:
    name = running(runs, kubectl, namespace, images["server"], HEARS + WAITS)
    (one,) = sets(kubectl, namespace)

    def suspend(held: bool) -> None:
        patch = json.dumps({"spec": {"suspend": held}})
        kubectl.run("patch", "jobset", one, "-n", namespace, "--type=merge", "-p", patch)

    suspend(True)
    wait_for("it to be held", lambda: steps_of(runs.get(name))["it"]["state"] == "Queued")
    wait_for("the pods to go", lambda: not kubectl.list("pods", namespace))
    assert steps_of(runs.get(name))["it"]["reason"] == "Suspended"
    suspend(False)
    wait_for("the gang to run again", lambda: steps_of(runs.get(name))["it"]["state"] == "Running")
    open_gates(kubectl, namespace, run=name)
    (entry,) = runs.finished(name)["status"]["steps"]
    assert (entry["state"], entry["attempt"], entry.get("retries", {})) == ("Succeeded", 1, {}), entry
    assert sets(kubectl, namespace) == [one]
