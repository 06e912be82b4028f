"""Budgets that steps set, what grows between attempts, suspended Jobs, and inputs that are lost and made
again.
"""

import random
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from penstock_operator.core.settings import DEFAULT_BUDGETS
from penstock_spec.names import FailureClass
from penstock_spec.retry import Retry, attribute_of
from tests.core.fake_cluster import FakeCluster, Object
from tests.core.pipelines import programs, tumour
from tests.core.simulation import BrokenPromise, Simulation, pipeline


def lived(found: Any, **cluster: Any) -> Simulation:
    simulation = Simulation(FakeCluster(**cluster))
    simulation.person(lambda: simulation.cluster.create(pipeline("p", found)))
    simulation.run_to_rest()
    simulation.assert_at_rest()
    return simulation


def one(**fields: Any) -> Any:
    """A pipeline of one program."""
    return programs({"a": []}, None, {"a": fields})


def step(simulation: Simulation, name: str = "a", run: str = "p-g1") -> Object:
    return simulation.steps(run)[name]


def main_of(job: Object) -> Object:
    containers = job["spec"]["template"]["spec"]["initContainers"]
    found: Object = next(one for one in containers if one["name"] == "main")
    return found


@pytest.mark.parametrize("failure_class", FailureClass)
def test_every_class_has_a_default_budget_and_a_field_for_ones_own(failure_class: FailureClass) -> None:
    assert failure_class in DEFAULT_BUDGETS
    assert attribute_of(failure_class) in Retry.model_fields
    assert Retry().budget(failure_class) is None


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_a_step_says_itself_how_often_a_class_is_retried(limit: int) -> None:
    simulation = lived(one(retry={"userError": {"limit": limit}}), fates={"a": ["exit3"] * 3})
    found = step(simulation)
    assert found["state"] == ("Succeeded" if limit == 3 else "Failed")
    assert found["attempt"] == limit + 1
    assert found.get("retries", {}) == ({"UserError": limit} if limit else {})
    spent = {0: "-c main", 1: "; after 1 retry", 3: ""}
    assert found.get("message", "").endswith(spent[limit])


def test_a_limit_of_nought_takes_the_installations_retries_away() -> None:
    simulation = lived(one(retry={"disruption": {"limit": 0}}), fates={"a": ["evicted"]})
    assert (step(simulation)["state"], step(simulation)["attempt"]) == ("Failed", 1)


def test_pauses_grow_as_the_step_says() -> None:
    backoff = {"first": "10s", "factor": 3, "maximum": "1m"}
    simulation = lived(one(retry={"userError": {"limit": 3, "backoff": backoff}}), fates={"a": ["exit3"] * 4})
    made = sorted(one["metadata"]["creationTimestamp"] for one in simulation.cluster.find("Job"))
    assert len(made) == 4
    gaps = [seconds_between(first, second) for first, second in pairwise(made)]
    assert [round(gap - gaps[0]) for gap in gaps] == [0, 20, 50]


def seconds_between(first: str, second: str) -> float:

    return (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds()


def test_memory_grows_by_the_steps_factor_and_never_beyond_its_maximum() -> None:
    retry = {"outOfMemory": {"limit": 5, "factor": 2, "maximum": "3Gi"}}
    simulation = lived(one(retry=retry), fates={"a": ["oom"] * 6})
    found = step(simulation)
    assert (found["state"], found["attempt"], found["memory"]) == ("Failed", 3, "3Gi")
    assert found["message"].endswith(
        "it has had the most memory that its retries may get, 3Gi; give the step more with resources.memory"
    )
    limits = [main_of(job)["resources"]["limits"]["memory"] for job in simulation.cluster.find("Job")]
    assert sorted(limits) == ["1Gi", "2048Mi", "3Gi"]


def test_scratch_space_is_bounded_and_grows_where_the_step_lets_it() -> None:
    retry = {"outOfDisk": {"limit": 2, "factor": 2, "maximum": "3Gi"}}
    simulation = lived(one(resources={"scratch": "1Gi"}, retry=retry), fates={"a": ["disk", "disk"]})
    found = step(simulation)
    assert (found["state"], found["attempt"], found["scratch"]) == ("Succeeded", 3, "3Gi")
    assert found["retries"] == {"OutOfDisk": 2}
    jobs = list(simulation.cluster.find("Job"))
    sizes = {job["spec"]["template"]["spec"]["volumes"][0]["emptyDir"]["sizeLimit"] for job in jobs}
    assert sizes == {"1Gi", "2048Mi", "3Gi"}
    assert {main_of(job)["resources"]["requests"]["ephemeral-storage"] for job in jobs} == sizes


def test_a_full_disk_is_not_retried_by_itself() -> None:
    found = step(lived(one(), fates={"a": ["disk"]}))
    assert (found["state"], found["failureClass"], found["reason"]) == ("Failed", "OutOfDisk", "Evicted")


# Suspended Jobs


def test_a_suspended_job_is_the_same_attempt_shown_queued_and_costs_nothing() -> None:
    simulation = Simulation(FakeCluster(fates={"a": ["preempted"]}))
    simulation.person(lambda: simulation.cluster.create(pipeline("p", one(startDeadline="1m"))))
    seen = []
    for _ in range(1600):
        simulation.cluster.settle()
        simulation._work()
        simulation.cluster.advance(0.5)
        seen += [(step(simulation)["state"], step(simulation).get("reason", ""))]
    order = [word for index, word in enumerate(seen) if index == 0 or seen[index - 1] != word]
    assert ("Running", "Running") in order
    assert order.index(("Queued", "Suspended")) > order.index(("Running", "Running"))
    assert (step(simulation)["state"], step(simulation)["attempt"]) == ("Succeeded", 1)
    assert "retries" not in step(simulation)


# Inputs that are lost


def after_a_run(needs: dict[str, list[str]], changed: str, **fates: list[str]) -> Simulation:
    """Everything has run once; then the step `changed` is another one, and attempts go as `fates` says."""
    found = programs(needs)
    simulation = lived(found)
    simulation.cluster.fates = fates
    simulation.needs = needs
    for entry in found["steps"]:
        if entry["name"] == changed:
            entry["run"]["arguments"] = {"step": "other"}
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "p", found))
    return simulation


def states(simulation: Simulation, run: str = "p-g2") -> dict[str, tuple[str, int]]:
    return {name: (entry["state"], entry.get("attempt", 0)) for name, entry in simulation.steps(run).items()}


CHAIN: dict[str, list[str]] = {"a": [], "b": ["a"], "c": ["b"]}


def test_a_lost_input_is_made_again_by_its_step_and_then_the_attempt_follows() -> None:
    simulation = after_a_run(CHAIN, "c", c=["lost"])
    simulation.run_to_rest()
    simulation.assert_at_rest()
    assert states(simulation) == {"a": ("Reused", 0), "b": ("Succeeded", 1), "c": ("Succeeded", 2)}
    assert step(simulation, "b", "p-g2")["why"] == "output lost"
    assert step(simulation, "c", "p-g2")["retries"] == {"InputMissing": 1}


def test_what_is_needed_for_that_and_lost_as_well_is_made_again_too() -> None:
    simulation = after_a_run(CHAIN, "c", b=["lost"], c=["lost"])
    simulation.run_to_rest()
    assert states(simulation) == {"a": ("Succeeded", 1), "b": ("Succeeded", 2), "c": ("Succeeded", 2)}


def test_two_steps_that_miss_the_same_input_have_it_made_once() -> None:
    needs: dict[str, list[str]] = {"a": [], "b": ["a"], "c": ["a"]}
    found = programs(needs)
    simulation = lived(found)
    simulation.cluster.fates = {"b": ["lost"], "c": ["lost"]}
    for entry in found["steps"][1:]:
        entry["run"]["arguments"] = {"step": "other " + entry["name"]}
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "p", found))
    simulation.run_to_rest()
    assert states(simulation) == {"a": ("Succeeded", 1), "b": ("Succeeded", 2), "c": ("Succeeded", 2)}


def test_a_step_fails_with_the_one_that_cannot_make_its_input_again() -> None:
    simulation = after_a_run(CHAIN, "c", b=["exit3"], c=["lost"])
    simulation.run_to_rest()
    assert states(simulation) == {"a": ("Reused", 0), "b": ("Failed", 1), "c": ("Failed", 1)}
    message = step(simulation, "c", "p-g2")["message"]
    assert message == "its input could not be made again: step b failed: UserError"


def test_what_this_very_run_has_made_is_not_made_again() -> None:
    simulation = lived(programs(CHAIN), fates={"b": ["lost"]})
    found = step(simulation, "b")
    assert (found["state"], found["reason"]) == ("Failed", "InputMissing")
    assert "made in this run" in found["message"]


def test_an_input_that_is_lost_again_and_again_uses_its_budget_up() -> None:
    simulation = after_a_run(CHAIN, "c", c=["lost", "lost"])
    simulation.run_to_rest()
    assert states(simulation)["c"] == ("Failed", 2)


def test_a_lost_table_is_read_from_its_source_again_though_an_attempt_at_that_is_disrupted() -> None:
    found = tumour()
    simulation = lived(found)
    found["steps"][1]["split"]["salt"] = "8"
    simulation.cluster.fates = {"data": ["success", "evicted"], "split": ["lost"]}
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "p", found))
    simulation.run_to_rest()
    assert (states(simulation)["data"], states(simulation)["split"]) == (("Succeeded", 3), ("Succeeded", 2))


@pytest.mark.parametrize("seed", range(12))
def test_an_operator_that_dies_at_any_write_makes_it_again_once(seed: int) -> None:
    simulation = after_a_run(CHAIN, "c", b=["lost"], c=["lost"])
    chance = random.Random(seed)  # noqa: S311 - faults, not secrets
    simulation.fate_of_write = lambda: chance.choice(["before", "after"]) if chance.random() < 0.25 else ""
    simulation.lag = lambda: chance.randrange(1, 20) if chance.random() < 0.3 else 0
    simulation.shell = simulation._born()
    simulation.wake()
    simulation.run_to_rest()
    if states(simulation) != {"a": ("Succeeded", 1), "b": ("Succeeded", 2), "c": ("Succeeded", 2)}:
        raise BrokenPromise(f"{states(simulation)}")
