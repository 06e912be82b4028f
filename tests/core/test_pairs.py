"""Steps that are done for the cells of another: each cell takes what its own cell of that gave, and waits
for no other one.
"""

from typing import Any

from penstock_spec.contract import Result
from tests.core.fake_cluster import FakeCluster, task_of
from tests.core.simulation import Simulation, pipeline
from tests.core.test_cells import GRID, IMAGE, arguments, cells, fit, jobs, listing
from tests.core.test_pipelines import apply, new_run, states, status


def check(name: str = "check", of: str = "fit", **fields: Any) -> Any:
    """A step that is done for the cells of another one."""
    run = {
        "image": IMAGE,
        "inputs": {"own": f"{of}.files"},
        "outputs": [{"name": "files"}],
        "argumentsFrom": {"month": {"cell": "month"}},
    }
    return {"name": name, "matrix": {"sameAs": of}, "run": run, **fields}


ALL = {
    "name": "all",
    "run": {"image": IMAGE, "inputs": {"parts": "check.files"}, "outputs": [{"name": "files"}]},
}


def living(*steps: Any, cluster: FakeCluster | None = None, **fields: Any) -> Simulation:
    """A Pipeline of these steps, lived to its rest."""
    simulation = Simulation(
        cluster or FakeCluster(), {"all": ["check"]}, pairs={"check": ["fit"], "last": ["check"]}
    )
    spec = {"steps": list(steps), **fields}
    simulation.person(lambda: simulation.cluster.create(pipeline("p", spec)))
    simulation.run_to_rest()
    simulation.assert_at_rest()
    return simulation


def again(simulation: Simulation, **fields: Any) -> None:
    """Another run of the same pipeline."""
    simulation.cluster.advance(1)
    simulation.person(lambda: simulation.cluster.create(new_run("again", pipeline="p", **fields)))
    simulation.run_to_rest()


def outputs(simulation: Simulation, step: str, run: str = "p-g1") -> list[str]:
    """The packed digest of the output of each cell of a step."""
    return [one["outputs"][0] for one in simulation.steps(run)[step]["cells"]]


def test_each_cell_is_given_what_its_own_cell_made_and_its_values() -> None:
    simulation = living(fit(), check(), ALL)
    found = jobs(simulation)
    made = [task_of(found[f"fit#{number}/1"]) for number in range(1, 6)]
    assert [one["arguments"]["arguments"]["month"] for one in made] == [1, 2, 3, 1, 2]
    given = [task_of(found[f"check#{number}/1"])["inputs"]["own"] for number in range(1, 6)]
    assert len({one["digest"] for one in given}) == 5
    assert not any(one.get("gathered") for one in given)
    assert [arguments(found[f"check#{number}/1"]) for number in (3, 4)] == [{"month": 3}, {"month": 1}]
    assert set(states(simulation, "p-g1").values()) == {"Succeeded"}


def test_who_gathers_gets_the_axes_of_the_step_that_has_them() -> None:
    simulation = living(fit(), check(), ALL)
    job = jobs(simulation)["all/1"]
    env = job["spec"]["template"]["spec"]["initContainers"][0]["env"]
    told = next(one["value"] for one in env if one["name"] == "PENSTOCK_CELLS_PARTS")
    assert '"exclude":[{"model":"b","month":3}]' in told
    assert GRID["exclude"] == [{"month": 3, "model": "b"}]


def test_a_cell_begins_when_its_own_is_done_though_others_of_that_step_still_run() -> None:
    simulation = Simulation(FakeCluster(fates={"fit#1": ["late"]}), pairs={"check": ["fit"]})
    spec = {"steps": [fit(), check()]}
    simulation.person(lambda: simulation.cluster.create(pipeline("p", spec)))
    seen: list[tuple[str, dict[int, str]]] = []
    simulation.acts = [
        (
            20.0,
            lambda: seen.append((simulation.steps("p-g1")["check"]["message"], cells(simulation, "check"))),
        )
    ]
    simulation.run_to_rest()
    words, found = seen[0]
    assert found == dict.fromkeys((2, 3, 4, 5), "Succeeded")
    assert words == "4 of 5 cells done, 1 to come: each waits for the same cell of fit"
    assert set(cells(simulation, "check").values()) == {"Succeeded"}


def test_a_cell_whose_own_failed_is_blocked_and_the_others_go_on() -> None:
    cluster = FakeCluster(fates={"fit#2": ["exit3"]})
    simulation = living(fit(), check(), check("last", "check"), ALL, cluster=cluster)
    assert cells(simulation, "check")[2] == cells(simulation, "last")[2] == "Blocked"
    assert sorted(cells(simulation, "last").values()) == ["Blocked", *["Succeeded"] * 4]
    found = simulation.steps("p-g1")
    for step in ("check", "last"):
        assert (found[step]["state"], found[step]["reason"]) == ("Blocked", "StepFailed")
        words = "4 of 5 cells done, 1 blocked: model=a, month=2: step fit failed: UserError"
        assert found[step]["message"] == words
    assert found["all"]["state"] == "Blocked"
    assert found["last"]["cells"][1] == {"number": 2, "state": "Blocked"}
    assert status(simulation, "PipelineRun", "p-g1")["step"] == "fit"


def test_one_changed_cell_runs_its_line_only() -> None:
    simulation = living(fit(), check(), check("last", "check"))
    wider = {"axes": {**GRID["axes"], "month": [1, 2, 3, 4]}, "exclude": GRID["exclude"]}
    apply(simulation, {"steps": [fit(matrix=wider), check(), check("last", "check")]}, "p")
    simulation.run_to_rest()
    assert set(jobs(simulation, "p-g2")) == {
        f"{step}#{number}/1" for step in ("fit", "check", "last") for number in (4, 7)
    }
    assert simulation.steps("p-g2")["last"]["message"] == "7 of 7 cells done (5 reused)"


def test_a_rerun_of_what_failed_does_one_line_again_and_takes_the_others_over() -> None:
    cluster = FakeCluster(fates={"fit#2": ["exit3"], "check#4": ["exit3"]})
    simulation = living(fit(), check(), check("last", "check"), cluster=cluster)
    simulation.cluster.fates = {}
    again(simulation, rerun={"run": "p-g1", "failed": True})
    assert set(jobs(simulation, "again")) == {
        *("fit#2/1", "check#2/1", "last#2/1"),
        *("check#4/1", "last#4/1"),
    }
    assert set(states(simulation, "again").values()) <= {"Succeeded", "Reused"}
    simulation.assert_at_rest()


def test_a_rerun_from_the_first_step_does_all_again() -> None:
    simulation = living(fit(), check())
    again(simulation, rerun={"run": "p-g1", "from": ["fit"]})
    assert len(jobs(simulation, "again")) == 10


def test_a_rerun_from_the_second_step_takes_the_first_over() -> None:
    simulation = living(fit(), check())
    again(simulation, rerun={"run": "p-g1", "from": ["check"]})
    assert set(jobs(simulation, "again")) == {f"check#{number}/1" for number in range(1, 6)}


def test_what_was_made_is_reused_line_by_line() -> None:
    simulation = living(fit(), check(), ALL)
    again(simulation)
    assert set(states(simulation, "again").values()) == {"Reused"}
    assert jobs(simulation, "again") == {}


def test_a_cell_whose_input_is_lost_has_its_own_cell_made_again_and_no_other() -> None:
    simulation = living(fit(), check())
    simulation.cluster.fates = {"check#3": ["lost"]}
    other = check()
    other["run"] = {**other["run"], "arguments": {"how": "else"}}
    apply(simulation, {"steps": [fit(), other]}, "p")
    simulation.run_to_rest()
    assert states(simulation, "p-g2") == {"fit": "Succeeded", "check": "Succeeded"}
    fits = {one for one in jobs(simulation, "p-g2") if one.startswith("fit")}
    assert fits == {"fit#3/1"}
    simulation.assert_at_rest()


def test_a_step_that_has_failed_in_another_cell_makes_again_what_a_line_misses() -> None:
    simulation = living(fit(), check())
    simulation.cluster.fates = {"fit#4": ["exit3"], "check#1": ["lost"]}
    wider = {"axes": {**GRID["axes"], "month": [1, 2, 3, 4]}, "exclude": GRID["exclude"]}
    other = check()
    other["run"] = {**other["run"], "arguments": {"how": "else"}}
    apply(simulation, {"steps": [fit(matrix=wider), other]}, "p")
    simulation.run_to_rest()
    assert states(simulation, "p-g2") == {"fit": "Failed", "check": "Blocked"}
    assert {1: "Succeeded", 2: "Reused", 4: "Failed"}.items() <= cells(simulation, "fit", "p-g2").items()
    assert {1: "Succeeded", 2: "Succeeded", 4: "Blocked"}.items() <= cells(
        simulation, "check", "p-g2"
    ).items()
    simulation.assert_at_rest()


def test_an_input_that_this_run_has_made_is_not_made_again_though_cells_beside_were_reused() -> None:
    simulation = living(fit(), check())
    simulation.cluster.fates = {"check#4": ["lost"]}
    wider = {"axes": {**GRID["axes"], "month": [1, 2, 3, 4]}, "exclude": GRID["exclude"]}
    apply(simulation, {"steps": [fit(matrix=wider), check()]}, "p")
    simulation.run_to_rest()
    assert "it was made in this run" in simulation.steps("p-g2")["check"]["message"]
    assert set(cells(simulation, "check", "p-g2").values()) == {"Reused", "Succeeded", "Failed"}


def test_the_cells_of_a_list_are_shared_too_and_an_empty_one_makes_none() -> None:
    find, each, _ = listing()
    run = {**check()["run"], "argumentsFrom": {"number": {"cell": "number"}}}
    for items in (3, 0):
        simulation = living(find, each, check(run=run), ALL, cluster=FakeCluster(items=items))
        found = jobs(simulation)
        for number in range(1, items + 1):
            assert set(task_of(found[f"check#{number}/1"])["inputs"]) == {"own"}
            assert arguments(found[f"check#{number}/1"]) == {"number": number}
        assert len(found) == 2 + 2 * items
        assert set(states(simulation, "p-g1").values()) == {"Succeeded"}


def test_what_a_step_needs_as_a_whole_is_waited_for_as_a_whole() -> None:
    cluster = FakeCluster(fates={"fit#2": ["exit3"]})
    after = check(dependsOn=["fit"])
    simulation = living(fit(), after, cluster=cluster)
    assert simulation.steps("p-g1")["check"]["message"] == "step fit failed: UserError"
    assert "cells" not in simulation.steps("p-g1")["check"]


def test_a_step_that_is_skipped_skips_who_takes_from_its_cells_and_not_who_only_shares_them() -> None:
    never = {"when": {"all": [{"trigger": {"in": ["manual"]}}]}}
    alone = check("alone")
    del alone["run"]["inputs"]
    simulation = living(fit(**never), check(), alone)
    assert states(simulation, "p-g1") == {"fit": "Skipped", "check": "Skipped", "alone": "Succeeded"}
    assert simulation.steps("p-g1")["check"]["message"] == "takes the output of step fit, which was skipped"


def test_who_only_shares_the_cells_comes_after_them_one_by_one() -> None:
    alone = check("alone")
    del alone["run"]["inputs"]
    simulation = living(fit(), alone, cluster=FakeCluster(fates={"fit#5": ["exit3"]}))
    assert cells(simulation, "alone") == {**dict.fromkeys(range(1, 5), "Succeeded"), 5: "Blocked"}


def test_another_input_that_was_skipped_skips_the_whole_step() -> None:
    other = {
        "name": "other",
        "when": {"all": [{"trigger": {"in": ["manual"]}}]},
        "run": {"image": IMAGE, "outputs": [{"name": "files"}]},
    }
    both = check()
    both["run"]["inputs"] = {"own": "fit.files", "other": "other.files"}
    simulation = living(fit(), other, both)
    assert states(simulation, "p-g1")["check"] == "Skipped"


def test_a_result_of_the_own_cell_is_a_value() -> None:
    first = fit()
    first["run"] = {**first["run"], "results": [{"name": "rows", "type": "Integer"}]}
    taker = check()
    taker["run"] = {**taker["run"], "argumentsFrom": {"rows": {"result": "fit.rows"}}}
    rows = {f"fit#{number}": {"rows": number * 10} for number in range(1, 6)}
    simulation = living(first, taker, cluster=FakeCluster(results=rows))
    found = jobs(simulation)
    assert [arguments(found[f"check#{number}/1"]) for number in (1, 5)] == [{"rows": 10}, {"rows": 50}]


def test_no_more_cells_are_under_way_than_may_be() -> None:
    simulation = Simulation(FakeCluster(), pairs={"check": ["fit"]}, most={"check": 1})
    spec = {"steps": [fit(), check(maxParallel=1)], "policy": {"maxParallel": 3}}
    simulation.person(lambda: simulation.cluster.create(pipeline("p", spec)))
    simulation.run_to_rest()
    assert set(states(simulation, "p-g1").values()) == {"Succeeded"}


def test_a_cancelled_run_ends_the_cells_that_wait_for_their_own() -> None:
    simulation = Simulation(FakeCluster(fates={"fit#2": ["hangs"]}), pairs={"check": ["fit"]})
    simulation.person(lambda: simulation.cluster.create(pipeline("p", {"steps": [fit(), check()]})))
    simulation.acts = [(30.0, lambda: simulation.say("p-g1", cancel=True))]
    simulation.run_to_rest()
    assert states(simulation, "p-g1") == {"fit": "Cancelled", "check": "Cancelled"}
    assert cells(simulation, "check")[2] == "Cancelled"
    assert cells(simulation, "check")[3] == "Succeeded"


def test_the_end_of_a_cell_is_written_at_once_for_the_cell_that_follows_it() -> None:
    simulation = Simulation(FakeCluster(), pairs={"check": ["fit"]}, hold=lambda: True)
    simulation.person(lambda: simulation.cluster.create(pipeline("p", {"steps": [fit(), check()]})))
    simulation.run_to_rest()
    assert set(states(simulation, "p-g1").values()) == {"Succeeded"}


TABLES: Any = [
    {
        "name": "data",
        "ingest": {
            "source": {"configMap": {"name": "tumour", "key": "t.csv"}},
            "schema": {"columns": [{"name": "malignant", "type": "Boolean", "role": "Target"}]},
        },
    },
    {
        "name": "parts",
        "split": {"table": "data.table", "fractions": {"train": 0.5, "test": 0.5}, "salt": "1"},
    },
    {
        "name": "fit",
        "matrix": {"axes": {"trees": [10, 20, 30]}},
        "train": {
            "model": "tumour",
            "train": "parts.train",
            "estimator": {
                "class": "sklearn.ensemble.RandomForestClassifier",
                "parametersFrom": {"n_estimators": {"cell": "trees"}},
            },
        },
    },
    {
        "name": "check",
        "matrix": {"sameAs": "fit"},
        "validate": {
            "model": "fit.model",
            "test": "parts.test",
            "thresholds": [{"metric": "roc_auc", "minimum": 0.9}],
        },
    },
]


def test_a_gate_of_each_cell_judges_the_model_of_its_own() -> None:
    verdicts = {"check#2": Result(verdict="Fail", reason="ThresholdNotMet", message="roc_auc is 0.5")}
    simulation = living(*TABLES, cluster=FakeCluster(verdicts=verdicts))
    assert cells(simulation, "check") == {1: "Succeeded", 2: "Failed", 3: "Succeeded"}
    models = {one["metadata"]["name"]: one for one in simulation.cluster.find("ModelVersion")}
    trained = [one["modelVersion"] for one in simulation.steps("p-g1")["fit"]["cells"]]
    lifecycles = [models[name]["status"]["lifecycle"] for name in trained]
    assert lifecycles == ["Approved", "Rejected", "Approved"]
    judged = [[one["cell"] for one in models[name]["status"]["decisions"]] for name in trained]
    assert judged == [[1], [2], [3]]


def test_two_gates_of_one_model_must_both_pass_and_those_of_other_cells_have_no_say() -> None:
    verdicts = {"other#3": Result(verdict="Fail", reason="ThresholdNotMet", message="too slow")}
    other = {**TABLES[3], "name": "other"}
    simulation = living(*TABLES, other, cluster=FakeCluster(verdicts=verdicts))
    models = {one["metadata"]["name"]: one for one in simulation.cluster.find("ModelVersion")}
    trained = [one["modelVersion"] for one in simulation.steps("p-g1")["fit"]["cells"]]
    assert [models[name]["status"]["lifecycle"] for name in trained] == ["Approved", "Approved", "Rejected"]
