"""What becomes of a run that comes while another is unfinished, and of a change: docs/starts.md."""

import itertools
from typing import Any

import pytest

from tests.gates import WAITS, open_gates
from tests.support import pipeline, steps_of, wait_for

pytestmark = pytest.mark.e2e


def busy(namespace: str, image: str, **policy: str) -> dict[str, Any]:
    """A pipeline whose one step works until it is let go, and is never reused."""
    step = {
        "name": "work",
        "reuse": {"policy": "Never"},
        "run": {"image": image, "command": ["python3", "-c", WAITS]},
    }
    return pipeline("busy", namespace, {"policy": {"onChange": "Wait", **policy}, "steps": [step]})


def begin(runs: Any, name: str, **spec: Any) -> None:
    """Start a run by hand."""
    about = {"name": name, "namespace": runs.namespace}
    run = {"apiVersion": "penstock.dev/v1alpha1", "kind": "PipelineRun", "metadata": about}
    runs.kubectl.apply({**run, "spec": {"pipeline": "busy", **spec}})


def suspend(kubectl: Any, namespace: str, name: str, value: str) -> None:
    words = ("patch", "pipelinerun", name, "-n", namespace, "--type=merge", "-p")
    kubectl.run(*words, f'{{"spec":{{"suspend":{value}}}}}')


def is_at_work(runs: Any, name: str) -> bool:
    return bool(steps_of(runs.get(name)).get("work", {}).get("state") == "Running")


def two(runs: Any, image: str, concurrency: str) -> None:
    """One run that is at work, and another one after it."""
    runs.kubectl.apply(busy(runs.namespace, image, concurrency=concurrency))
    begin(runs, "one")
    wait_for("the first run to be at work", lambda: is_at_work(runs, "one"))
    begin(runs, "two")


def _reason(run: Any) -> tuple[str, str]:
    status = run.get("status", {})
    return status.get("reason", ""), status.get("message", "")


def test_allow_both_run_at_the_same_time(runs, images) -> None:
    two(runs, images["server"], "Allow")
    wait_for("the second to be at work", lambda: is_at_work(runs, "two"))
    assert is_at_work(runs, "one")


def test_queue_the_second_waits_for_the_first_and_says_so(runs, kubectl, images) -> None:
    two(runs, images["server"], "Queue")
    said = ("WaitingForRun", "waits for run one")
    wait_for("the second to wait", lambda: said == _reason(runs.get("two")))
    assert is_at_work(runs, "one")
    suspend(kubectl, runs.namespace, "one", "true")
    held = ("WaitingForRun", "waits for run one, which is suspended")
    wait_for("the second to say that the first is suspended", lambda: held == _reason(runs.get("two")))
    suspend(kubectl, runs.namespace, "one", "false")
    wait_for("the second to say so no longer", lambda: said == _reason(runs.get("two")))
    open_gates(kubectl, runs.namespace, run="one")
    first = runs.finished("one")["status"]
    wait_for("the second to be at work", lambda: is_at_work(runs, "two"))
    open_gates(kubectl, runs.namespace, run="two")
    second = runs.finished("two")["status"]
    assert (first["status"], second["status"]) == ("Succeeded", "Succeeded")
    assert second["startedAt"] >= first["finishedAt"]
    assert len(kubectl.list("jobs", runs.namespace, "penstock.dev/step=work")) == 2


def test_replace_the_first_is_cancelled_for_the_second(runs, images) -> None:
    two(runs, images["server"], "Replace")
    first = runs.finished("one")["status"]
    assert (first["status"], first["reason"]) == ("Cancelled", "RunReplaced")
    wait_for("the second to be at work", lambda: is_at_work(runs, "two"))


def test_forbid_the_second_does_not_run(runs, kubectl, images) -> None:
    two(runs, images["server"], "Forbid")
    second = runs.finished("two")["status"]
    assert (second["status"], second["reason"]) == ("Failed", "RunForbidden")
    assert "run one is unfinished" in second["message"]
    assert is_at_work(runs, "one")
    assert len(kubectl.list("jobs", runs.namespace, "penstock.dev/step=work")) == 1


def test_a_change_that_is_only_planned_says_what_would_run_and_makes_no_job(runs, kubectl, images) -> None:
    found = runs.execute(busy(runs.namespace, images["server"], onChange="Plan"))
    assert (found["spec"]["mode"], found["status"]["status"]) == ("Plan", "Planned")
    (step,) = found["status"]["steps"]
    assert (step["state"], step["reason"]) == ("Planned", "WouldRun")
    assert kubectl.list("jobs", runs.namespace) == []


def test_only_so_many_jobs_of_a_run_are_under_way(runs, kubectl, images) -> None:
    run = {"image": images["server"], "command": ["sleep", "8"]}
    steps = [{"name": name, "run": run} for name in ("a", "b", "c")]
    kubectl.apply(pipeline("busy", runs.namespace, {"policy": {"maxParallel": 1}, "steps": steps}))
    name = runs.started("busy", 1)

    def held() -> set[str]:
        found = steps_of(runs.get(name)).items()
        return {step for step, one in found if (one["state"], one.get("reason")) == ("Queued", "MaxParallel")}

    wait_for("two steps to wait for room", lambda: held() == {"b", "c"})
    found = runs.finished(name)["status"]
    assert found["status"] == "Succeeded", found
    spans = sorted((one["startedAt"], one["finishedAt"]) for one in found["steps"])
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
