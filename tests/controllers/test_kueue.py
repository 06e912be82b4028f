"""Runs in queues that Kueue itself keeps: what waits, in its words; what is admitted, and taken back."""

from typing import Any

import pytest

from tests.e2e.test_gangs import gang
from tests.e2e.test_queues import placed
from tests.gates import WAITS, open_gates
from tests.support import Kubectl, Runs, pipeline, steps_of, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("controllers")]

API = "kueue.x-k8s.io/v1beta2"


def kueues(kind: str, name: str, namespace: str = "", **fields: Any) -> dict[str, Any]:
    """An object of Kueue's."""
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name, **where}, **fields}


def queues(kubectl: Kubectl, namespace: str, pods: int, *names: str) -> None:
    """LocalQueues of the namespace, with room for so many pods in all of them together."""
    quotas = {"cpu": "100", "memory": "1Ti", "ephemeral-storage": "1Ti", "pods": pods}
    flavor = {
        "name": namespace,
        "resources": [{"name": name, "nominalQuota": value} for name, value in quotas.items()],
    }
    room = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "preemption": {"withinClusterQueue": "LowerPriority"},
        "resourceGroups": [{"coveredResources": list(quotas), "flavors": [flavor]}],
    }
    kubectl.apply(
        # Kueue writes these into the pod template of what it admits.
        kueues("ResourceFlavor", namespace, spec={"nodeLabels": {"kubernetes.io/os": "linux"}}),
        kueues("ClusterQueue", namespace, spec=room),
        *(kueues("LocalQueue", name, namespace, spec={"clusterQueue": namespace}) for name in names),
    )


def one_step(name: str, namespace: str, image: str, program: str, **queue: str) -> dict[str, Any]:
    """A pipeline of one step that waits in a queue."""
    run = {"image": image, "command": ["python3", "-c", program]}
    steps = [{"name": "it", "queue": queue or {"localQueue": "small"}, "run": run}]
    return pipeline(name, namespace, {"steps": steps})


def entry_of(runs: Runs, name: str) -> dict[str, Any]:
    return steps_of(runs.get(name)).get("it", {})


def is_running(runs: Runs, name: str) -> Any:
    return wait_for(f"{name} to run", lambda: entry_of(runs, name).get("state") == "Running")


def told(runs: Runs, name: str, *words: str) -> str:
    """The message of the step that waits, once it has these words."""

    def look() -> str:
        entry = entry_of(runs, name)
        message = str(entry.get("message", ""))
        return message if entry.get("state") == "Queued" and all(one in message for one in words) else ""

    return str(wait_for(f"{name} to say {words}", look))


def let_go(kubectl: Kubectl, namespace: str, name: str) -> None:
    """End the program of a run that waits for it."""
    open_gates(kubectl, namespace, run=name)


def cancel(kubectl: Kubectl, namespace: str, name: str) -> None:
    kubectl.run("patch", "plr", name, "-n", namespace, "--type=merge", "-p", '{"spec":{"cancel":true}}')


def workloads(kubectl: Kubectl, namespace: str) -> list[dict[str, Any]]:
    return kubectl.list("workloads.kueue.x-k8s.io", namespace)


def test_the_example_of_the_page_runs_through_its_queues(runs, kubectl, namespace, images) -> None:
    queues(kubectl, namespace, 1, "small", "gpus")
    kubectl.apply(kueues("WorkloadPriorityClass", "low", value=10))
    run = runs.execute(placed(namespace, images["server"]))
    assert {one["name"]: (one["state"], one["attempt"]) for one in run["status"]["steps"]} == dict.fromkeys(
        ("prepare", "learn"), ("Succeeded", 1)
    )
    assert sorted(one["spec"]["queueName"] for one in workloads(kubectl, namespace)) == ["gpus", "small"]


def test_a_run_waits_in_kueues_words_while_another_has_the_room(runs, kubectl, namespace, images) -> None:
    queues(kubectl, namespace, 1, "small")
    image = images["server"]
    kubectl.apply(one_step("first", namespace, image, WAITS))
    first = runs.started("first", 1)
    is_running(runs, first)
    kubectl.apply(
        one_step("second", namespace, image, "print(2)"), one_step("third", namespace, image, WAITS)
    )
    second, third = runs.started("second", 1), runs.started("third", 1)
    for name in (second, third):
        said = told(runs, name, "insufficient unused quota for pods")
        assert said.startswith("waits in queue small for Kueue to admit it: Pending: ")
    cancel(kubectl, namespace, third)
    assert runs.finished(third)["status"]["status"] == "Cancelled"
    wait_for("its Workload to go", lambda: len(workloads(kubectl, namespace)) == 2)
    let_go(kubectl, namespace, first)
    for name in (first, second):
        (entry,) = runs.finished(name)["status"]["steps"]
        assert (entry["state"], entry["attempt"], entry.get("retries", {})) == ("Succeeded", 1, {}), entry
    # What Kueue writes into a Job makes it no other Job.
    selectors = [
        job["spec"]["template"]["spec"].get("nodeSelector", {}) for job in kubectl.list("jobs", namespace)
    ]
    assert selectors == [{"kubernetes.io/os": "linux"}] * 2


def test_a_run_that_is_preempted_goes_on_as_the_same_attempt(runs, kubectl, namespace, images) -> None:
    queues(kubectl, namespace, 1, "small")
    for name, value in (("low", 10), ("high", 100)):
        kubectl.apply(kueues("WorkloadPriorityClass", name, value=value))
    image = images["server"]
    kubectl.apply(one_step("weak", namespace, image, WAITS, localQueue="small", priorityClass="low"))
    weak = runs.started("weak", 1)
    is_running(runs, weak)
    kubectl.apply(one_step("strong", namespace, image, WAITS, localQueue="small", priorityClass="high"))
    strong = runs.started("strong", 1)
    is_running(runs, strong)
    told(runs, weak, "taken back, Preempted")
    let_go(kubectl, namespace, strong)
    assert runs.finished(strong)["status"]["status"] == "Succeeded"
    is_running(runs, weak)
    let_go(kubectl, namespace, weak)
    (entry,) = runs.finished(weak)["status"]["steps"]
    assert (entry["state"], entry["attempt"], entry.get("retries", {})) == ("Succeeded", 1, {}), entry


def test_a_gang_is_admitted_as_a_whole_and_as_a_jobset(runs, kubectl, namespace, images) -> None:
    queues(kubectl, namespace, 2, "small")
    kubectl.apply(gang(namespace, images["server"], "print(1)", queue={"localQueue": "small"}))
    name = runs.started("p", 1)
    said = told(runs, name, "insufficient quota for pods", "(3) > maximum capacity (2)")
    assert said.startswith("waits in queue small for Kueue to admit it: ")
    assert kubectl.list("pods", namespace) == []
    (workload,) = workloads(kubectl, namespace)
    assert workload["metadata"]["ownerReferences"][0]["kind"] == "JobSet", "and none of the Job in it"
    queues(kubectl, namespace, 3, "small")
    (entry,) = runs.finished(name)["status"]["steps"]
    assert (entry["state"], entry["attempt"]) == ("Succeeded", 1)


def test_a_queue_that_is_not_there_is_named_and_waited_for(runs, kubectl, namespace, images) -> None:
    kubectl.apply(one_step("p", namespace, images["server"], "print(1)", localQueue="later"))
    name = runs.started("p", 1)
    told(runs, name, "LocalQueue later doesn't exist")
    queues(kubectl, namespace, 1, "later")
    (entry,) = runs.finished(name)["status"]["steps"]
    assert (entry["state"], entry["attempt"]) == ("Succeeded", 1)


def test_a_priority_that_is_not_there_is_named_and_waited_for(runs, kubectl, namespace, images) -> None:
    queues(kubectl, namespace, 1, "small")
    # Such a class is the cluster's: with the test's own name no other test makes it.
    step = one_step("p", namespace, images["server"], "print(1)", localQueue="small", priorityClass=namespace)
    kubectl.apply(step)
    name = runs.started("p", 1)
    told(runs, name, f"kubectl get workloadpriorityclass {namespace}")
    kubectl.apply(kueues("WorkloadPriorityClass", namespace, value=1))
    (entry,) = runs.finished(name)["status"]["steps"]
    assert (entry["state"], entry["attempt"]) == ("Succeeded", 1)
