"""mode: Plan says what a run would do and does nothing; policy.onChange says what a change does."""

import copy
import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from tests.core.fake_cluster import FakeCluster
from tests.core.fake_shell import FakeShell
from tests.core.pipelines import TUMOUR_NEEDS, programs, tumour
from tests.core.schedule_world import TriggerLife, scheduled
from tests.core.simulation import Simulation, pipeline
from tests.core.test_pipelines import apply, condition, new_run, runs, states, status
from tests.core.test_registered import known

WAIT = {"onChange": "Wait", "keepRuns": 1000}


def living(spec: Any, needs: Any = TUMOUR_NEEDS, **cluster: Any) -> Simulation:
    """A Pipeline whose changes wait, with one run that a person made."""
    simulation = Simulation(FakeCluster(**cluster), needs)
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", spec)))
    run(simulation, "first")
    return simulation


def run(simulation: Simulation, name: str, **spec: Any) -> None:
    simulation.cluster.advance(1)
    simulation.person(lambda: simulation.cluster.create(new_run(name, **spec)))
    simulation.run_to_rest()


def foreseen(simulation: Simulation, name: str = "plan", **spec: Any) -> dict[str, tuple[str, str]]:
    run(simulation, name, mode="Plan", **spec)
    steps = simulation.steps(name)
    assert {one["state"] for one in steps.values()} == {"Planned"}
    return {step: (one["reason"], one["why"]) for step, one in steps.items()}


def loosened() -> Any:
    spec = tumour(policy=WAIT)
    spec["steps"][3]["validate"]["thresholds"][0]["minimum"] = 0.9
    return spec


def test_a_plan_says_what_each_step_would_do_and_creates_nothing() -> None:
    simulation = living(tumour(policy=WAIT))
    apply(simulation, loosened())
    before = len(simulation.cluster.log)
    found = foreseen(simulation)
    created = [one for one in simulation.cluster.log[before:] if one[0] == "create"]
    assert created == [("create", "PipelineRun", "plan")]
    looked = "reused from run first, if its source has not changed: that is looked at first"
    assert found == {
        "data": ("WouldReuse", looked),
        "split": ("WouldReuse", "output reused from run first"),
        "fit": ("WouldReuse", "output reused from run first"),
        "gate": ("WouldRun", "changed: steps.gate.validate.thresholds[0].minimum 0.95 -> 0.9"),
        "serve": ("WouldRun", "endpoint tumour already serves tumour-1: nothing to do"),
    }
    told = status(simulation, "PipelineRun", "plan")
    assert (told["status"], told["reason"]) == ("Planned", "Planned")
    assert told["message"] == "2 would run: gate, serve; 3 would be reused: data, split, fit"
    simulation.assert_at_rest()


def test_what_depends_on_a_step_that_would_run_is_unknown_until_it_has() -> None:
    simulation = living(tumour(policy=WAIT))
    found = foreseen(simulation, parameters={"trees": 7})
    assert found["fit"][0] == "WouldRun"
    assert "200 -> 7" in found["fit"][1]
    assert found["gate"] == found["serve"] == ("UnknownYet", "unknown until step fit has run")


def test_a_plan_of_a_pipeline_that_never_ran_is_all_first_runs() -> None:
    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS)
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", tumour(policy=WAIT))))
    found = foreseen(simulation)
    assert found["data"] == ("WouldRun", "first run")
    assert {one for one, _ in found.values()} == {"WouldRun", "UnknownYet"}
    assert runs(simulation) == ["plan"]


def test_a_step_that_its_condition_leaves_out_would_be_skipped_and_what_it_feeds_with_it() -> None:
    spec = programs({"a": [], "b": ["a"], "c": ["b"]}, policy=WAIT)
    spec["steps"][1]["when"] = {"all": [{"trigger": {"in": ["change"]}}]}
    simulation = living(spec, {})
    found = foreseen(simulation)
    assert [found[one][0] for one in "abc"] == ["WouldReuse", "WouldSkip", "WouldSkip"]
    assert "asked for change" in found["b"][1]


def test_a_condition_on_a_step_that_would_run_is_unknown_until_it_has() -> None:
    spec = programs({"a": [], "b": [], "c": ["b"]}, policy=WAIT, parameters=[{"name": "n", "default": "0"}])
    spec["steps"][0]["run"]["argumentsFrom"] = {"n": {"parameter": "n"}}
    spec["steps"][1]["when"] = {"all": [{"step": "a", "states": ["Reused"]}]}
    simulation = living(spec, {})
    found = foreseen(simulation, parameters={"n": "1"})
    assert [found[one] for one in "bc"] == [("UnknownYet", "unknown until step a has run")] * 2
    assert foreseen(simulation, "other")["b"][0] == "WouldRun"


def test_wrong_parameters_end_a_plan_in_words() -> None:
    simulation = living(tumour(policy=WAIT))
    run(simulation, "plan", mode="Plan", parameters={"tree": 3})
    assert status(simulation, "PipelineRun", "plan")["reason"] == "InvalidParameters"


def test_a_plan_neither_waits_nor_is_waited_for_nor_counts_as_an_outcome() -> None:
    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS)
    cluster = simulation.cluster
    simulation.person(lambda: cluster.create(pipeline("tumour", tumour())))
    simulation._work()
    simulation.person(lambda: cluster.create(new_run("plan", mode="Plan")))
    simulation._work()
    assert status(simulation, "PipelineRun", "plan")["status"] == "Planned"
    assert status(simulation, "Pipeline", "tumour")["lastRun"] == "tumour-g1"
    simulation.run_to_rest()
    assert condition(simulation, "Pipeline", "tumour", "LastRunSucceeded")["message"] == "run tumour-g1"


def test_plans_beyond_the_limit_go_and_take_no_run_with_them() -> None:
    simulation = living(tumour(policy={"onChange": "Wait", "keepRuns": 2}))
    for number in range(4):
        foreseen(simulation, f"plan-{number}")
    assert runs(simulation) == ["first", "plan-2", "plan-3"]


def gridded(*values: int) -> Any:
    """A step with a cell for each value, and one that gathers them."""
    spec = programs({"a": [], "b": ["a"]}, policy=WAIT)
    spec["steps"][0]["matrix"] = {"axes": {"n": list(values)}}
    spec["steps"][0]["run"]["argumentsFrom"] = {"n": {"cell": "n"}}
    return spec


def test_a_plan_asks_cell_by_cell_and_counts() -> None:
    simulation = living(gridded(1, 2, 3), {})
    assert {one for one, _ in foreseen(simulation).values()} == {"WouldReuse"}
    apply(simulation, gridded(1, 2, 3, 7))
    found = foreseen(simulation, "other")
    assert found["a"] == ("WouldRun", "1 of 4 cells would run, 3 be reused; n=7: first run")
    assert found["b"] == ("UnknownYet", "unknown until step a has run")


def checked(*values: int) -> Any:
    """The same with a step between that is done for the same cells."""
    spec = gridded(*values)
    more = programs({"check": ["a"], "last": ["check"]})["steps"]
    for step, other in zip(more, ("a", "check"), strict=True):
        step["matrix"] = {"sameAs": other}
    return {**spec, "steps": [*spec["steps"], *more]}


def test_a_plan_follows_each_line_of_cells_as_far_as_it_is_known() -> None:
    simulation = living(checked(1, 2, 3), {})
    assert {one for one, _ in foreseen(simulation).values()} == {"WouldReuse"}
    apply(simulation, checked(1, 2, 3, 7))
    found = foreseen(simulation, "other")
    words = "1 of 4 cells unknown until step a has run, 3 would be reused"
    assert found["check"] == found["last"] == ("UnknownYet", words)
    between = checked(1, 2, 3)
    between["steps"][2]["run"]["arguments"] = {"how": "else"}
    apply(simulation, between)
    found = foreseen(simulation, "third")
    assert found["check"][1].startswith("3 of 3 cells would run, 0 be reused; n=1: changed: ")
    words = "3 of 3 cells unknown until step check has run, 0 would be reused"
    assert found["last"] == ("UnknownYet", words)


def test_a_plan_of_a_rerun_of_what_failed_knows_which_lines_are_taken_over() -> None:
    simulation = living(checked(1, 2, 3), {}, fates={"check#2": ["exit3"]})
    found = foreseen(simulation, rerun={"run": "first", "failed": True})
    assert found["check"] == (
        "WouldRun",
        "1 of 3 cells would run, 2 be reused; n=2: done again: run first is repeated from here",
    )
    assert found["last"][1].startswith("1 of 3 cells would run, 2 be reused; n=2: done again")


def test_a_plan_with_a_list_knows_its_cells_when_the_list_would_be_reused() -> None:
    spec = programs({"a": [], "b": []}, policy=WAIT)
    spec["steps"][0]["run"]["outputs"] = [{"name": "found", "type": "List"}]
    spec["steps"][1]["forEach"] = {"list": "a.found"}
    simulation = living(spec, {}, items=3)
    assert foreseen(simulation)["b"] == ("WouldReuse", "all 3 cells: output reused from run first")
    again = copy.deepcopy(spec)
    again["steps"][0]["run"]["args"] = ["anew"]
    apply(simulation, again)
    assert foreseen(simulation, "other")["b"] == ("UnknownYet", "unknown until step a has run")


# policy.onChange


def test_a_change_that_waits_is_taken_note_of_and_run_by_whoever_comes_next() -> None:
    life = TriggerLife(programs({"a": []}, policy={"onChange": "Wait"}))
    assert life.runs() == []
    assert life.status["message"].startswith("the change of generation 1 waits (policy.onChange)")
    life.edit(policy={"onChange": "Run"})
    assert life.runs() == [], "changing the policy starts nothing"


def test_a_change_that_waits_is_not_spoken_of_once_a_trigger_starts_it() -> None:
    life = TriggerLife(scheduled(policy={"onChange": "Wait"}))
    assert life.status["message"].startswith("the change of generation 1 waits")
    life.go(hours=1)
    (run,) = life.runs()
    assert "create a run" not in life.status.get("message", "")
    life.look()
    assert "create a run" not in life.status.get("message", ""), f"{run} has not begun, and will execute it"


def test_a_planned_change_says_at_once_what_is_to_be_done() -> None:
    cluster = FakeCluster()
    cluster.create(pipeline("p", programs({"a": []}, policy={"onChange": "Plan"})))
    FakeShell(cluster).pipeline_pass("p")
    words = "the change of generation 1 is planned in run p-g1: create a run to execute it"
    assert cluster.objects[("Pipeline", "p")]["status"]["message"] == words


def test_a_change_may_start_a_plan_instead_of_a_run() -> None:
    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS)
    policy = {"onChange": "Plan"}
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", tumour(policy=policy))))
    simulation.run_to_rest()
    assert status(simulation, "PipelineRun", "tumour-g1")["status"] == "Planned"
    words = "the change of generation 1 is planned in run tumour-g1: create a run to execute it"
    assert status(simulation, "Pipeline", "tumour")["message"] == words
    assert list(simulation.cluster.find("Job")) == []
    run(simulation, "mine")
    assert set(states(simulation, "mine").values()) == {"Succeeded"}
    assert words not in status(simulation, "Pipeline", "tumour").get("message", "")
    apply(simulation, {**loosened(), "policy": policy})
    simulation.run_to_rest()
    assert simulation.steps("tumour-g2")["gate"]["reason"] == "WouldRun"
    simulation.assert_at_rest()


# Predictions come true


def random_pipeline(chance: random.Random) -> Any:
    names = [f"s{number}" for number in range(chance.randrange(3, 6))]
    needs = {
        name: chance.sample(names[:index], chance.randrange(0, min(index, 2) + 1))
        for index, name in enumerate(names)
    }
    spec = programs(needs, policy=WAIT)
    for step in spec["steps"]:
        if chance.random() < 0.4:
            step["matrix"] = {"axes": {"n": list(range(chance.randrange(1, 4)))}}
            step["run"]["argumentsFrom"] = {"n": {"cell": "n"}}
    for index, step in enumerate(spec["steps"]):
        others = [one["name"] for one in spec["steps"][:index] if "matrix" in one]
        if others and chance.random() < 0.4:
            step["matrix"] = {"sameAs": chance.choice(others)}
            step["run"].pop("argumentsFrom", None)
    plain = [one for one in spec["steps"][:-1] if "matrix" not in one]
    if plain:
        source, taker = chance.choice(plain), spec["steps"][-1]
        source["run"]["results"] = [{"name": "value", "type": "Integer"}]
        taken = taker["run"].setdefault("argumentsFrom", {})
        taken["taken"] = {"result": f"{source['name']}.value"}
    return spec


def edited(spec: Any, chance: random.Random, number: int) -> Any:
    """One edit as people make them."""
    spec = copy.deepcopy(spec)
    step = chance.choice(spec["steps"])
    match chance.randrange(11):
        case 0 | 1:
            step["run"].setdefault("arguments", {})["step"] = f"v{number}"
        case 2:
            step["run"]["image"] = chance.choice(["ghcr.io/acme/step:1", "ghcr.io/acme/step:2"])
        case 3:
            step["run"]["image"] = chance.choice(["ghcr.io/acme/step", "ghcr.io/acme/step:1"])
        case 4:
            spec["steps"].append(
                {
                    "name": f"n{number}",
                    "run": {
                        "image": "ghcr.io/acme/step:1",
                        "inputs": {"x": f"{step['name']}.files"},
                        "outputs": [{"name": "files"}],
                    },
                }
            )
        case 9 if "axes" in step.get("matrix", {}):
            step["matrix"]["axes"]["n"] = chance.sample(range(6), chance.randrange(1, 5))
        case 5:
            step.setdefault("when", {"all": [{"trigger": {"in": ["change"]}}]})
        case 6:
            step["reuse"] = chance.choice([{"policy": "Never"}, {"policy": "Always"}, {"maxAge": "1h"}])
        case 7:
            standing = {"model": "tumour", "lifecycle": chance.choice(["Production", "Approved"])}
            step["run"]["inputsFrom"] = {
                "champion": {"registered": standing, "optional": chance.random() < 0.7}
            }
        case 8:
            step.pop("reuse", None)
            step["run"].pop("inputsFrom", None)
        case _:
            step.pop("when", None)
            step["resources"] = {"cpu": str(number % 3 + 1)}
    return spec


def named(found: Iterable[tuple[str, str]], *words: str) -> set[str]:
    return {step for step, word in found if word in words}


def meanwhile(simulation: Simulation, chance: random.Random, number: int) -> None:
    """What goes on in the namespace between two runs: time passes, the registry changes."""
    cluster = simulation.cluster
    if chance.random() < 0.2:
        cluster.advance(2 * 3600)
    if chance.random() < 0.3:
        cluster.create(known(number + 1, chance.choice(["Production", "Approved", "Candidate"])))
    elif chance.random() < 0.2:
        for one in list(cluster.find("ModelVersion")):
            cluster.change(one, "status", status={"lifecycle": "Archived"})


def wishes(simulation: Simulation, chance: random.Random, spec: Any, number: int) -> dict[str, Any]:
    """What else a run asks for: nothing, everything afresh, or a part of an earlier run once more."""
    if chance.random() < 0.15:
        return {"reuse": "Never"}
    earlier = [f"run{one}" for one in range(number)]
    if not earlier or chance.random() < 0.6:
        return {}
    repeated = chance.choice(earlier)
    begin = chance.choice(sorted(simulation.steps(repeated)))
    return {"rerun": {"run": repeated, "from": [begin]}}


def unsure(spec: Any, wish: Any) -> bool:
    """Whether a program may run that gives what it gave before: what reads it is not known then."""
    moving = any(one["run"]["image"] == "ghcr.io/acme/step" or "reuse" in one for one in spec["steps"])
    return moving or bool(wish)


# Ten edits for each seed.
SEEDS = [*range(4), *(pytest.param(one, marks=pytest.mark.slow) for one in range(4, 20))]


@pytest.mark.parametrize("seed", SEEDS)
def test_s1_what_is_foreseen_of_two_hundred_random_edits_is_what_then_happens(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - pipelines, not secrets
    spec = random_pipeline(chance)
    simulation = living(spec, {}, results={one["name"]: {"value": 7} for one in spec["steps"]})
    older, counts = [spec], Counter[str]()
    for number in range(10):
        # Going back to what was is an edit too.
        spec = chance.choice(older) if chance.random() < 0.2 else edited(spec, chance, number)
        older.append(spec)
        apply(simulation, spec)
        meanwhile(simulation, chance, number)
        wish = wishes(simulation, chance, spec, number)
        found = foreseen(simulation, f"plan{number}", **wish)
        plan = [(step, one) for step, (one, _) in found.items()]
        run(simulation, f"run{number}", **wish)
        ended = list(states(simulation, f"run{number}").items())
        assert named(plan, "WouldReuse") <= named(ended, "Reused"), (plan, ended)
        assert named(plan, "WouldSkip") <= named(ended, "Skipped"), (plan, ended)
        assert named(plan, "WouldRun") <= named(ended, "Succeeded"), (plan, ended)
        assert named(plan, "WouldFail") == named(ended, "Failed", "Blocked"), (plan, ended)
        # Whether a result will be another value is not known either.
        takers = {one["name"] for one in spec["steps"] if "taken" in one["run"].get("argumentsFrom", {})}
        if not unsure(spec, wish) and not takers & named(plan, "UnknownYet"):
            assert named(plan, "WouldRun", "UnknownYet") == named(ended, "Succeeded"), (plan, ended)
        # Where its inputs are known, what runs says the same as was foreseen.
        foretold, said = simulation.steps(f"plan{number}"), simulation.steps(f"run{number}")
        for step in named(plan, "WouldRun"):
            if "digest" in foretold[step]:
                assert foretold[step]["why"] == said[step]["why"]
                assert foretold[step]["digest"] == said[step]["digest"]
        counts.update(one for _, one in plan)
    assert counts["WouldRun"]
    assert counts["WouldReuse"]


def test_a_plan_of_a_rerun_says_what_that_would_do_and_creates_nothing() -> None:
    simulation = living(tumour(policy=WAIT))
    before = len(simulation.cluster.log)
    wish = {"rerun": {"run": "first", "from": ["fit"]}}
    found = foreseen(simulation, **wish)
    created = [one for one in simulation.cluster.log[before:] if one[0] == "create"]
    assert created == [("create", "PipelineRun", "plan")]
    taken, again = "taken over from run first", "done again: run first is repeated from here"
    assert found == {
        "data": ("WouldReuse", taken),
        "split": ("WouldReuse", taken),
        "fit": ("WouldRun", again),
        "gate": ("WouldRun", again),
        "serve": ("WouldRun", again),
    }
    told = status(simulation, "PipelineRun", "plan")
    assert told["message"] == "3 would run: fit, gate, serve; 2 would be reused: data, split"
    assert "snapshot" not in told
    run(simulation, "again", **wish)
    assert states(simulation, "again")["data"] == "Reused"
    simulation.assert_at_rest()


def test_a_plan_of_a_rerun_with_another_parameter_says_what_that_changes() -> None:
    simulation = living(tumour(policy=WAIT))
    found = foreseen(simulation, rerun={"run": "first", "from": ["serve"]}, parameters={"trees": 7})
    assert found["fit"] == ("WouldRun", "changed: parameters.trees 200 -> 7")
    assert found["gate"][0] == "WouldRun"
    assert found["split"][0] == "WouldReuse"


@pytest.mark.parametrize(
    ("rerun", "reason"),
    [
        ({"run": "gone", "failed": True}, "RunNotFound"),
        ({"run": "first", "failed": True}, "InvalidRerun"),
        ({"run": "first", "from": ["nothing"]}, "InvalidRerun"),
    ],
    ids=["a run that there is not", "nothing has failed", "a step that there is not"],
)
def test_what_cannot_be_repeated_cannot_be_planned(rerun: Any, reason: str) -> None:
    simulation = living(tumour(policy=WAIT))
    run(simulation, "plan", mode="Plan", rerun=rerun)
    assert status(simulation, "PipelineRun", "plan")["reason"] == reason
