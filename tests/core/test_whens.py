"""Conditions of steps: what holds, what is said where it does not, and how far a skip goes."""

from typing import Any

import pytest

from penstock_spec.contract import Result
from tests.core.fake_cluster import FakeCluster, Object
from tests.core.pipelines import programs, tumour
from tests.core.simulation import Simulation, pipeline

PARAMETERS = [
    {"name": "region", "default": "eu"},
    {"name": "trees", "type": "Integer", "default": 200},
    {"name": "fresh", "type": "Boolean", "default": True},
]
RESULTS = [
    {"name": "rows", "type": "Integer"},
    {"name": "ratio", "type": "Number"},
    {"name": "new", "type": "Boolean"},
    {"name": "zone"},
]
GIVEN = {"rows": 0, "ratio": 0.5, "new": True, "zone": "eu", "undeclared": [1]}


def spec(when: Any, **more: Any) -> Any:
    """probe gives results; work has the condition, reader its output, follower only comes after it."""
    needs: dict[str, list[str]] = {"probe": [], "work": [], "reader": ["work"], "follower": []}
    found = programs(needs, {"follower": ["work"]}, {"work": {"when": when}, **more}, parameters=PARAMETERS)
    found["steps"][0]["run"]["results"] = RESULTS
    return found


def living(found: Any, **cluster: Any) -> Simulation:
    simulation = Simulation(FakeCluster(**{"results": {"probe": GIVEN}, **cluster}))
    simulation.person(lambda: simulation.cluster.create(pipeline("p", found)))
    simulation.run_to_rest()
    simulation.assert_at_rest()
    return simulation


def states(simulation: Simulation, run: str = "p-g1") -> dict[str, str]:
    return {name: entry["state"] for name, entry in simulation.steps(run).items()}


def new_run(name: str, **more: Any) -> Object:
    return {
        "kind": "PipelineRun",
        "metadata": {"name": name, "namespace": "ml"},
        "spec": {"pipeline": "p", **more},
    }


HOLD: dict[str, Any] = {
    "a result is at least what is asked for": {"all": [{"result": "probe.rows", "atLeast": 0}]},
    "a number is smaller": {"all": [{"result": "probe.ratio", "lessThan": 0.6}]},
    "a truth value is as written": {"all": [{"result": "probe.new", "equals": "true"}]},
    "a whole number is as written": {"all": [{"parameter": "trees", "equals": "200"}]},
    "a text is among those named": {"all": [{"result": "probe.zone", "in": ["us", "eu"]}]},
    "one of several tests is enough in any": {
        "any": [{"parameter": "region", "equals": "us"}, {"parameter": "fresh", "notEquals": "false"}]
    },
    "nothing of what is ruled out is there": {"none": [{"parameter": "region", "notIn": ["eu"]}]},
    "the run was started by a change": {"all": [{"trigger": {"in": ["change"]}}]},
    "a step that succeeded is asked for": {"all": [{"step": "probe", "states": ["Succeeded"]}]},
}


@pytest.mark.parametrize("when", HOLD.values(), ids=HOLD)
def test_a_step_runs_when_its_condition_holds(when: Any) -> None:
    assert set(states(living(spec(when))).values()) == {"Succeeded"}


OBJECT: dict[str, tuple[Any, str]] = {
    "a number is not great enough": (
        {"all": [{"result": "probe.rows", "greaterThan": 0}]},
        "result probe.rows is 0; asked for greater than 0",
    ),
    "a text is another one": (
        {"all": [{"parameter": "region", "equals": "us"}]},
        "parameter region is eu; asked for us",
    ),
    "a text has two lines": (
        {"all": [{"parameter": "region", "equals": "us\n\u001b[1mtwo"}]},
        "parameter region is eu; asked for us two",
    ),
    "a text is not empty": (
        {"all": [{"parameter": "region", "equals": ""}]},
        'parameter region is eu; asked for ""',
    ),
    "a text is ruled out": (
        {"none": [{"parameter": "region", "in": ["eu", "us"]}]},
        "parameter region is eu; asked for one of eu, us, which rules it out",
    ),
    "none of several tests holds": (
        {"any": [{"parameter": "fresh", "equals": "false"}, {"result": "probe.zone", "equals": "us"}]},
        "parameter fresh is true; asked for false (nor does the other test hold)",
    ),
    "the run was started otherwise": (
        {"all": [{"trigger": {"notIn": ["change"]}}]},
        "started by change; asked for none of change",
    ),
    "a step ended otherwise": (
        {"all": [{"step": "probe", "states": ["Failed"]}]},
        "step probe is Succeeded; asked for Failed",
    ),
}


@pytest.mark.parametrize(("when", "words"), OBJECT.values(), ids=OBJECT)
def test_a_step_is_skipped_in_words_when_its_condition_does_not_hold(when: Any, words: str) -> None:
    simulation = living(spec(when))
    work = simulation.steps("p-g1")["work"]
    assert (work["state"], work["reason"], work["message"]) == ("Skipped", "WhenNotMet", words)
    assert "job" not in work


def test_a_skip_spreads_along_inputs_and_not_along_depends_on() -> None:
    simulation = living(spec({"all": [{"parameter": "region", "equals": "us"}]}))
    assert states(simulation) == {
        "probe": "Succeeded",
        "work": "Skipped",
        "reader": "Skipped",
        "follower": "Succeeded",
    }
    reader = simulation.steps("p-g1")["reader"]
    assert (reader["reason"], reader["message"]) == (
        "InputSkipped",
        "takes the output of step work, which was skipped",
    )
    status = simulation.cluster.objects[("PipelineRun", "p-g1")]["status"]
    assert (status["status"], status["progress"]) == ("Succeeded", "4/4")


def test_what_comes_after_a_step_that_missed_its_input_is_skipped_too() -> None:
    needs: dict[str, list[str]] = {"a": [], "b": ["a"], "c": []}
    off = {"all": [{"parameter": "region", "equals": "us"}]}
    simulation = living(programs(needs, {"c": ["b"]}, {"a": {"when": off}}, parameters=PARAMETERS))
    assert states(simulation) == {"a": "Skipped", "b": "Skipped", "c": "Skipped"}
    assert (
        simulation.steps("p-g1")["c"]["message"]
        == "comes after step b, which was skipped for want of an input"
    )


def test_a_step_may_run_only_because_another_one_has_failed() -> None:
    when = {"all": [{"step": "probe", "states": ["Failed"]}]}
    simulation = living(spec(when), fates={"probe": ["exit3"]})
    assert states(simulation)["work"] == "Succeeded"
    assert simulation.cluster.objects[("PipelineRun", "p-g1")]["status"]["status"] == "Failed"


def test_a_result_that_a_failed_step_did_not_give_blocks() -> None:
    simulation = living(spec({"all": [{"result": "probe.rows", "atLeast": 0}]}), fates={"probe": ["exit3"]})
    assert states(simulation)["work"] == "Blocked"


def test_a_test_on_the_result_of_a_skipped_step_does_not_hold() -> None:
    off = {"when": {"all": [{"parameter": "region", "equals": "us"}]}}
    asked = {"result": "probe.rows", "atLeast": 0}
    work = living(spec({"all": [asked]}, probe=off)).steps("p-g1")["work"]
    assert work["state"] == "Skipped"
    assert work["message"] == "step probe is Skipped, so there is no result probe.rows"
    assert states(living(spec({"none": [asked]}, probe=off)))["work"] == "Succeeded"


def test_a_reused_step_gives_its_results_and_counts_as_succeeded() -> None:
    when = {"all": [{"result": "probe.rows", "equals": "0"}, {"step": "probe", "states": ["Succeeded"]}]}
    simulation = living(spec(when))
    simulation.person(lambda: simulation.cluster.create(new_run("mine")))
    simulation.run_to_rest()
    assert set(states(simulation, "mine").values()) == {"Reused"}
    assert simulation.steps("mine")["probe"]["results"]["rows"] == "0"


def test_each_run_is_asked_by_its_own_values() -> None:
    simulation = living(
        spec({"all": [{"parameter": "region", "equals": "us"}, {"trigger": {"in": ["manual"]}}]})
    )
    simulation.person(lambda: simulation.cluster.create(new_run("mine", parameters={"region": "us"})))
    simulation.run_to_rest()
    assert states(simulation, "mine")["work"] == "Succeeded"


WRONG_RESULTS: dict[str, tuple[dict[str, Any], str]] = {
    "it is missing": ({**GIVEN, "rows": None}, "lacks the declared result rows"),
    "it is of another type": ({**GIVEN, "rows": "many"}, "is a text, not of type Integer"),
    "it is a whole number beyond 64 bits": ({**GIVEN, "rows": 2**63}, "the result rows does not fit 64 bits"),
    "it is a number beyond all floats": ({**GIVEN, "ratio": 10**400}, "result ratio is not a finite number"),
    "it is too long": ({**GIVEN, "zone": "z" * 300}, "has 300 characters, more than 256"),
}


@pytest.mark.parametrize(("given", "words"), WRONG_RESULTS.values(), ids=WRONG_RESULTS)
def test_a_declared_result_that_is_not_there_as_declared_fails_the_step(given: Any, words: str) -> None:
    left = {name: value for name, value in given.items() if value is not None}
    simulation = living(spec({"all": [{"parameter": "fresh", "equals": "true"}]}), results={"probe": left})
    probe = simulation.steps("p-g1")["probe"]
    assert (probe["state"], probe["reason"]) == ("Failed", "InvalidResult")
    assert words in probe["message"]


# Gates and deploys


def gated(*conditional: str) -> Any:
    """The tumour pipeline with two gates; those named are left out of the run."""
    found = tumour()
    gate = found["steps"][3]
    found["steps"].insert(4, {**gate, "name": "second"})
    for one in found["steps"]:
        if one["name"] in conditional:
            one["when"] = {"all": [{"parameter": "trees", "greaterThan": 1000}]}
    return found


def test_a_model_is_served_when_the_gate_that_took_place_has_passed() -> None:
    simulation = living(gated("second"))
    assert states(simulation)["serve"] == "Succeeded"


def test_a_model_that_nobody_judged_is_not_served() -> None:
    simulation = living(gated("gate", "second"))
    serve = simulation.steps("p-g1")["serve"]
    assert (serve["state"], serve["message"]) == (
        "Skipped",
        "step gate was skipped, so nobody judged its model",
    )
    assert not list(simulation.cluster.find("ModelEndpoint"))


def test_a_gate_that_fails_is_not_outvoted_by_one_that_was_left_out() -> None:
    refused = Result(verdict="Fail", reason="ThresholdNotMet", message="roc_auc 0.91 < 0.95")
    simulation = living(gated("second"), verdicts={"gate": refused})
    assert states(simulation)["serve"] == "Blocked"
