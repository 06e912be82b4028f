"""Gates and the registry: what a model's record says follows from the newest verdict of every gate."""

import copy
from typing import Any

from penstock_spec.contract import Result
from tests.core.fake_cluster import FakeCluster
from tests.core.pipelines import TUMOUR_NEEDS, tumour
from tests.core.simulation import Simulation, pipeline

FAILS = Result(verdict="Fail", reason="ThresholdNotMet", message="roc_auc 0.91 < 0.95")
PASSES = Result(verdict="Pass", message="roc_auc 0.97")


def without_deploy(*gates: str, minimum: float = 0.95) -> Any:
    """The tumour pipeline up to its gates, all of which judge the one model."""
    spec = tumour()
    gate = spec["steps"][3]
    gate["validate"]["thresholds"][0]["minimum"] = minimum
    spec["steps"] = [*spec["steps"][:3], *({**copy.deepcopy(gate), "name": name} for name in gates)]
    return spec


def living(spec: Any, **verdicts: Result) -> Simulation:
    simulation = Simulation(FakeCluster(verdicts=verdicts), TUMOUR_NEEDS)
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", spec)))
    simulation.run_to_rest()
    return simulation


def apply(simulation: Simulation, spec: Any, **verdicts: Result) -> None:
    simulation.cluster.verdicts = verdicts
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "tumour", spec))
    simulation.run_to_rest()


def record(simulation: Simulation) -> tuple[str, list[tuple[str, str, str]]]:
    """The model's lifecycle, and run, step and verdict of each decision."""
    status = simulation.cluster.objects[("ModelVersion", "tumour-1")]["status"]
    return status["lifecycle"], [(one["run"], one["step"], one["verdict"]) for one in status["decisions"]]


def test_a_reused_verdict_counts_again_after_another_one_in_between() -> None:
    simulation = living(without_deploy("gate"))
    apply(simulation, without_deploy("gate", minimum=0.99), gate=FAILS)
    assert record(simulation)[0] == "Rejected"
    apply(simulation, without_deploy("gate"))
    assert simulation.steps("tumour-g3")["gate"]["state"] == "Reused"
    lifecycle, decisions = record(simulation)
    assert lifecycle == "Approved"
    assert decisions[-1] == ("tumour-g3", "gate", "Pass")
    simulation.assert_at_rest()


def test_a_reused_verdict_leaves_the_figures_that_are_shown() -> None:
    simulation = living(without_deploy("gate"), gate=PASSES)

    def message() -> str:
        found: str = simulation.cluster.objects[("ModelVersion", "tumour-1")]["status"]["message"]
        return found

    assert message() == "step gate of run tumour-g1: roc_auc 0.97"
    spec = without_deploy("gate")
    other = {"name": "other", "run": {"image": "ghcr.io/acme/other:1", "command": ["true"]}}
    simulation.needs = {**TUMOUR_NEEDS, "other": []}
    apply(simulation, {**spec, "steps": [*spec["steps"], other]})
    assert simulation.steps("tumour-g2")["gate"]["state"] == "Reused"
    assert record(simulation)[1][-1] == ("tumour-g2", "gate", "Pass")
    assert message() == "step gate of run tumour-g1: roc_auc 0.97"


def test_a_model_that_one_of_two_gates_refuses_is_rejected_whichever_ends_last() -> None:
    for refusing, passing in (("early", "late"), ("late", "early")):
        simulation = living(without_deploy("early", "late"), **{refusing: FAILS, passing: PASSES})
        assert record(simulation)[0] == "Rejected"
        simulation.assert_at_rest()


def test_a_model_is_approved_only_once_every_gate_has_passed() -> None:
    simulation = living(without_deploy("early", "late"), early=PASSES, late=PASSES)
    lifecycles = [
        one["status"].get("lifecycle")
        for state in simulation.cluster.past
        if (one := state.get(("ModelVersion", "tumour-1"))) is not None and "status" in one
        if len(one["status"].get("decisions", ())) == 1
    ]
    assert set(lifecycles) == {"Candidate"}
    assert record(simulation)[0] == "Approved"


def test_a_run_that_has_the_name_of_an_earlier_one_has_verdicts_of_its_own() -> None:
    cluster = living(without_deploy("gate")).cluster
    cluster.watchers.clear()
    cluster.delete("Pipeline", "tumour")
    again = Simulation(cluster, TUMOUR_NEEDS)
    cluster.verdicts = {"gate": FAILS}
    again.person(lambda: cluster.create(pipeline("tumour", without_deploy("gate"))))
    again.run_to_rest()
    assert again.steps("tumour-g1")["gate"]["state"] == "Failed"
    lifecycle, decisions = record(again)
    assert lifecycle == "Rejected"
    assert [one[2] for one in decisions] == ["Pass", "Fail"]


def test_a_schema_that_drops_the_uid_of_a_decisions_run_stops_nobody() -> None:
    class Older(FakeCluster):
        def put_status(self, kind: str, name: str, version: str, status: Any) -> None:
            kept = {**status}
            if kind == "ModelVersion" and "decisions" in kept:
                kept["decisions"] = [
                    {key: value for key, value in one.items() if key != "runUid"} for one in kept["decisions"]
                ]
            super().put_status(kind, name, version, kept)

    simulation = Simulation(Older(), TUMOUR_NEEDS)
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", without_deploy("gate"))))
    simulation.run_to_rest()
    assert record(simulation) == ("Approved", [("tumour-g1", "gate", "Pass")])
