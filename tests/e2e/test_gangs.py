"""Gangs on a real cluster: workers that meet by name; attempts that fail, grow and are cancelled as one."""

import copy
import re
from typing import Any

import pytest
import yaml

from tests.core.flow_page import GANGS
from tests.support import ROOT, pipeline, steps_of, wait_for

pytestmark = pytest.mark.e2e

NUMBER = "batch.kubernetes.io/job-completion-index"
# Worker 1 needs more memory than it has. The other waits for it, as programs that meet do, and fails when it
# is gone.
GREEDY = """
import os, socket, time
rank, address = os.environ["RANK"], (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
if rank == "0":
    server = socket.create_server(("", address[1]))
    peer = server.accept()[0]
    assert peer.recv(8) == b"done", "the other worker is gone"
else:
    while True:
        try:
            peer = socket.create_connection(address, timeout=60)
            break
        except OSError:
            time.sleep(1)
    held = b"x" * (80 * 2**20)
    peer.sendall(b"done")
"""


def placed(namespace: str, image: str) -> dict[str, Any]:
    """The example of docs/gangs.md in the test's namespace, in an image that the cluster has."""
    found: dict[str, Any] = copy.deepcopy(GANGS["together"][0])
    found["metadata"]["namespace"] = namespace
    for step in found["spec"]["steps"]:
        step["run"]["image"] = image
    return found


def gang(namespace: str, image: str, program: str, workers: int = 3, **step: Any) -> dict[str, Any]:
    """A pipeline of one step that so many workers do."""
    run = {"image": image, "command": ["python3", "-c", program]}
    small = {"cpu": "50m", "memory": "64Mi"}
    one = {"name": "it", "gang": {"workers": workers}, "resources": small, "run": run, **step}
    return pipeline("p", namespace, {"steps": [one]})


def workers_of(kubectl: Any, namespace: str, step: str, attempt: int = 1) -> dict[str, Any]:
    """The pods of a step's attempt by the numbers of their workers."""
    selector = f"penstock.dev/step={step},penstock.dev/attempt={attempt}"
    pods = kubectl.list("pods", namespace, selector)
    return {one["metadata"]["annotations"][NUMBER]: one for one in pods}


def services(kubectl: Any, namespace: str) -> list[str]:
    return [one["metadata"]["name"] for one in kubectl.list("services", namespace)]


def test_workers_meet_by_name_and_worker_0_gives_the_output(runs, kubectl, namespace, images) -> None:
    run = runs.execute(placed(namespace, images["server"]))
    found = steps_of(run)
    assert {name: one["state"] for name, one in found.items()} == dict.fromkeys(
        ("base", "add", "check"), "Succeeded"
    )
    pods = workers_of(kubectl, namespace, "add")
    assert set(pods) == {"0", "1", "2"}
    assert {one["status"]["phase"] for one in pods.values()} == {"Succeeded"}
    log = kubectl.run("logs", "-n", namespace, pods["2"]["metadata"]["name"], "-c", "main").stdout
    assert log == "worker 2 of 3 knows 303\n"
    wait_for("the Service to go", lambda: not services(kubectl, namespace))


def test_processes_of_pytorch_train_one_model_by_an_all_reduce_over_gloo(
    runs, kubectl, namespace, lake, data_folder, images
) -> None:
    lake("digits.csv", (data_folder / "digits.csv").read_bytes())
    manifest = yaml.safe_load((ROOT / "examples/torch/pipeline.yaml").read_text())
    manifest["metadata"]["namespace"] = namespace
    fit = next(one for one in manifest["spec"]["steps"] if one["name"] == "fit")
    fit["train"]["container"]["image"] = images["torch"]
    run = runs.execute(manifest)
    found = steps_of(run)
    assert run["status"]["status"] == "Succeeded", found
    assert found["fit"]["metrics"]["processes"] == 4, found["fit"]

    said = []
    for pod in workers_of(kubectl, namespace, "fit").values():
        log = kubectl.run("logs", "-n", namespace, pod["metadata"]["name"], "-c", "main").stdout
        said += re.findall(r"rank (\d) of 4: (\d+) of (\d+) rows, the same network as the others", log)
    assert sorted(rank for rank, _, _ in said) == ["0", "1", "2", "3"], said
    (rows,) = {int(rows) for _, _, rows in said}
    assert sum(int(own) for _, own, _ in said) == rows > 1200, "what the sum is, told by each of them"
    (endpoint,) = kubectl.list("modelendpoints", namespace)
    assert endpoint["status"]["stable"] == found["fit"]["modelVersion"] == "torch-1"


def test_a_worker_that_fails_ends_the_gang_and_is_named(runs, kubectl, namespace, images) -> None:
    program = "import os, sys, time; os.environ['RANK'] == '1' and sys.exit(3); time.sleep(3600)"
    run = runs.execute(gang(namespace, images["server"], program))
    (entry,) = run["status"]["steps"]
    assert (entry["state"], entry["failureClass"], entry["attempt"]) == ("Failed", "UserError", 1)
    assert entry["message"].startswith("worker 1: the program ended with exit code 3")
    selector = entry["message"].partition(" -l ")[2].split()[0]
    assert len(kubectl.list("pods", namespace, selector)) == 1, "the command shows the log of one pod"

    def alive() -> list[str]:
        pods = workers_of(kubectl, namespace, "it").values()
        return [one["metadata"]["name"] for one in pods if one["status"]["phase"] in ("Pending", "Running")]

    wait_for("the others to end", lambda: not alive())
    wait_for("the Service to go", lambda: not services(kubectl, namespace))


def test_a_worker_that_needs_more_memory_gets_more_for_all(runs, kubectl, namespace, images) -> None:
    run = runs.execute(gang(namespace, images["server"], GREEDY, workers=2))
    (entry,) = run["status"]["steps"]
    assert entry["state"] == "Succeeded", entry
    assert set(entry["retries"]) == {"OutOfMemory"}
    pods = workers_of(kubectl, namespace, "it", entry["attempt"])
    limits = {
        one["resources"]["limits"]["memory"]
        for pod in pods.values()
        for one in pod["spec"]["initContainers"]
        if one["name"] == "main"
    }
    assert limits == {entry["memory"]}


def test_a_cancelled_gang_leaves_neither_pods_nor_names(runs, kubectl, namespace, images) -> None:
    kubectl.apply(gang(namespace, images["server"], "import time; time.sleep(3600)"))
    name = runs.started("p", 1)
    wait_for("the gang to run", lambda: steps_of(runs.get(name)).get("it", {}).get("state") == "Running")
    assert len(services(kubectl, namespace)) == 1
    kubectl.run("patch", "plr", name, "-n", namespace, "--type=merge", "-p", '{"spec":{"cancel":true}}')
    assert runs.finished(name)["status"]["status"] == "Cancelled"
    wait_for("the pods to go", lambda: not kubectl.list("pods", namespace))
    wait_for("the Service to go", lambda: not services(kubectl, namespace))
