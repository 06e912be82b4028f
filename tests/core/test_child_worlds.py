"""Tables of children: what stands in their status, and what the step in the parent says of it."""

from typing import Any

import pytest

from penstock_operator.core.actions import Action, Create
from penstock_operator.core.observed import Refusal
from penstock_operator.core.room import claims
from tests.core.fake_cluster import NAMESPACE, FakeCluster, Object
from tests.core.fake_shell import FakeShell, run_of
from tests.core.pipelines import tumour
from tests.core.simulation import Simulation, pipeline
from tests.core.test_cancel import states, status, until
from tests.core.test_children import child, children, entry, inner, lived, outer, started


def told(simulation: Simulation, **changes: Any) -> Object:
    """The entry of the step when the status of its child is changed like this and only the parent looks."""
    found = simulation.cluster.objects[("PipelineRun", child(simulation))]
    simulation.cluster.change(found, "status", status={**found["status"], **changes})
    FakeShell(simulation.cluster).run_pass("p-g1")
    return entry(simulation)


def ended(word: str, reason: str, message: str, **more: Any) -> dict[str, Any]:
    """The status of a run that did not end well."""
    at = "2026-11-21T10:00:09Z"
    facts = {"reason": reason, "lastTransitionTime": at}
    conditions = [
        {"type": "Finished", "status": "True", **facts},
        {"type": "Succeeded", "status": "False", **facts},
    ]
    told = {"status": word, "reason": reason, "message": message}
    return {**told, "finishedAt": at, "conditions": conditions, **more}


BEGUN = {"startedAt": "2026-11-21T10:00:02Z"}


HELD = {"suspendedAt": "2026-11-21T10:00:05Z"}


def going(word: str, reason: str, message: str, **more: Any) -> dict[str, Any]:
    """The status of a run that has begun."""
    return {**BEGUN, "status": word, "reason": reason, "message": message, **more}


TABLE = {
    "running without words": (going("Running", "Training", "", step="c0"), "Running", "Training", "step c0"),
    "running": (going("Running", "Fetching", "step c0: its inputs"), "Running", "Fetching", "c0: its inputs"),
    "held by a person": (
        going("Suspended", "RunSuspended", "nothing new starts", **HELD),
        *("Running", "RunSuspended", "nothing new starts"),
    ),
    "in a queue": (
        going("Running", "Suspended", "step c0: waits in queue gpu", **HELD),
        *("Queued", "Suspended", "waits in queue gpu"),
    ),
    "failed": (
        ended("Failed", "OutOfMemory", "step c0: it needed more"),
        *("Failed", "OutOfMemory", "failed: step c0: it needed more"),
    ),
    "a gate": (
        ended("Failed", "ThresholdNotMet", "step gate: roc_auc"),
        *("Failed", "ThresholdNotMet", "step gate: roc_auc"),
    ),
    "expired": (
        ended("Expired", "RunExpired", "it took long"),
        *("Failed", "ChildExpired", "took too long: it took long"),
    ),
    "cancelled": (
        ended("Cancelled", "RunCancelled", "somebody cancelled it"),
        *("Failed", "ChildCancelled", "was cancelled by somebody"),
    ),
    "without its steps": (
        ended("Failed", "RevisionNotFound", "it is gone"),
        *("Failed", "RevisionNotFound", "failed: it is gone"),
    ),
}


@pytest.mark.parametrize(("changes", "state", "reason", "words"), TABLE.values(), ids=TABLE)
def test_the_step_says_what_its_child_says(
    changes: dict[str, Any], state: str, reason: str, words: str
) -> None:
    simulation = started(fates={"c0": ["hangs"]})
    until(simulation, 6)
    simulation.say(child(simulation), suspend=changes["status"] == "Suspended")
    found = told(simulation, **changes)
    assert (found["state"], found["reason"]) == (state, reason)
    assert found["message"].startswith(f"child run {child(simulation)}")
    assert words in found["message"]


def test_the_time_of_a_parent_stands_still_while_its_child_waits_in_a_queue() -> None:
    simulation = started(outer(policy={"deadline": "30s"}), fates={"c0": ["hangs"]})
    until(simulation, 6)
    told(simulation, **BEGUN, reason="Suspended", suspendedAt="2026-11-21T10:00:05Z")
    assert "suspendedAt" in status(simulation)


@pytest.mark.parametrize("reason", ["ThresholdNotMet", "Inconclusive"])
def test_the_answer_of_a_gate_in_the_child_is_not_asked_for_again(reason: str) -> None:
    simulation = started(outer(step={"retry": {"userError": {"limit": 3}}}), fates={"c0": ["hangs"]})
    until(simulation, 6)
    found = told(simulation, **ended("Failed", reason, "step gate: no"))
    assert (found["state"], found["attempt"]) == ("Failed", 1)


class Refusing(FakeShell):
    """An operator whose child runs the API server does not take."""

    reason = ""

    def _one(self, action: Action, refusals: dict[str, Refusal]) -> bool:
        if self.reason and isinstance(action, Create) and action.manifest.get("spec", {}).get("step"):
            refusals[action.manifest["metadata"]["name"]] = Refusal(self.reason, "it is refused")
            return True
        return super()._one(action, refusals)


@pytest.mark.parametrize(
    ("reason", "state"),
    [("QuotaExceeded", "Queued"), ("NameCollision", "Failed"), ("RejectedByCluster", "Failed")],
)
def test_a_child_that_is_refused_waits_for_room_or_fails_its_step(reason: str, state: str) -> None:
    simulation = Simulation(FakeCluster(results={"c1": {"rows": 3}}))
    shell = Refusing(simulation.cluster)
    shell.reason = reason
    simulation.shell = shell
    simulation.person(lambda: simulation.cluster.create(pipeline("c", inner())))
    simulation.person(lambda: simulation.cluster.create(pipeline("p", outer())))
    until(simulation, 3)
    assert (entry(simulation)["state"], entry(simulation)["reason"]) == (state, reason)
    shell.reason = ""
    simulation.run_to_rest()
    assert entry(simulation)["state"] == ("Succeeded" if state == "Queued" else "Failed")


@pytest.mark.parametrize(("word", "places"), [("Running", 1), ("Suspended", 0)])
def test_a_child_of_a_suspended_run_claims_no_place_in_a_full_namespace(word: str, places: int) -> None:
    simulation = started(fates={"c0": ["hangs"]})
    until(simulation, 6)
    waiting = {"name": "c0", "kind": "run", "state": "Retrying", "reason": "NamespaceFull"}
    told(simulation, status=word, steps=[waiting])
    assert claims(run_of(simulation.cluster.objects[("PipelineRun", child(simulation))])) == places


def test_a_suspended_pipeline_holds_its_children_back_like_all_its_runs() -> None:
    simulation = started(other=inner(suspend=True))
    until(simulation, 20)
    assert (entry(simulation)["state"], entry(simulation)["reason"]) == ("Queued", "PipelineSuspended")
    assert "kubectl patch pl -n ml c" in entry(simulation)["message"]
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "c", inner()))
    simulation.run_to_rest()
    assert set(states(simulation).values()) == {"Succeeded"}


def test_a_child_is_for_the_time_that_its_parent_is_for() -> None:
    simulation = lived()
    meta = {"name": "w", "namespace": NAMESPACE}
    spec = {"pipeline": "p", "scheduledTime": "2026-01-01T00:00:00Z"}
    simulation.person(
        lambda: simulation.cluster.create({"kind": "PipelineRun", "metadata": meta, "spec": spec})
    )
    simulation.run_to_rest()
    newest = simulation.steps("w")["sub"]["child"]["run"]
    made = simulation.cluster.objects[("PipelineRun", newest)]
    assert made["spec"]["scheduledTime"] == "2026-01-01T00:00:00Z"


def test_a_child_whose_pipeline_is_deleted_fails_and_its_parent_says_so() -> None:
    simulation = started(fates={"c0": ["hangs"]})
    until(simulation, 6)
    simulation.person(lambda: simulation.cluster.delete("Pipeline", "c"))
    until(simulation, 3)
    assert (entry(simulation)["state"], entry(simulation)["reason"]) == ("Failed", "RevisionNotFound")


def test_deleting_the_pipeline_takes_its_runs_and_their_children_with_it() -> None:
    simulation = started(fates={"c0": ["hangs"]})
    until(simulation, 6)
    simulation.person(lambda: simulation.cluster.delete("Pipeline", "p"))
    assert children(simulation) == []
    assert list(simulation.cluster.find("Job")) == []


def test_a_newer_run_replaces_one_whose_child_runs_but_not_one_whose_child_rolls_out() -> None:
    simulation = started(outer(policy={"concurrency": "Replace"}), fates={"c0": ["hangs"]})
    until(simulation, 6)
    told(simulation, **BEGUN, status="Running", reason="Deploying", message="step serve: endpoint e")
    meta = {"name": "w", "namespace": NAMESPACE}
    newer = {"kind": "PipelineRun", "metadata": meta, "spec": {"pipeline": "p"}}
    simulation.cluster.create(newer)
    FakeShell(simulation.cluster).run_pass("p-g1")
    assert entry(simulation)["state"] == "Running"
    told(simulation, reason="Running", message="step c0")
    FakeShell(simulation.cluster).run_pass("p-g1")
    assert entry(simulation)["reason"] == "RunReplaced"
    assert simulation.cluster.objects[("PipelineRun", child(simulation))]["spec"]["cancel"] is True


def test_a_trigger_hears_of_no_new_data_through_a_child() -> None:
    other = tumour(policy={"onChange": "Wait"})
    other["steps"] = other["steps"][:3]
    gives = [{"name": "model", "from": "fit.model", "type": "Model"}]
    simulation = lived({"steps": [{"name": "sub", "pipeline": {"name": "c", "outputs": gives}}]}, other)
    meta = {"name": "w", "namespace": NAMESPACE}
    spec = {"pipeline": "p", "trigger": "nightly"}
    simulation.person(
        lambda: simulation.cluster.create({"kind": "PipelineRun", "metadata": meta, "spec": spec})
    )
    simulation.run_to_rest()
    assert (status(simulation)["reason"], status(simulation, "w")["reason"]) == ("Succeeded", "NoNewData")
