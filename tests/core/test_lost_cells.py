"""Outputs of cells that the store has lost: who gathers them has just those cells made again, and no other
where it is certain which they are.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from penstock_operator.core import lost_cells, remakes
from tests.core.fake_cluster import Object
from tests.core.fake_shell import NotSettled
from tests.core.lost_worlds import TAKERS, Loss, check, executed, jobs, lived, lose, losses, simulate, spec_of
from tests.core.simulation import BrokenPromise, Simulation
from tests.core.test_cancel import until
from tests.core.test_cells import cells
from tests.core.test_child_cells import children, parted
from tests.core.test_child_cells import lived as lived_family
from tests.core.test_pipelines import apply
from tests.core.test_seeded_bugs import sow

ANY: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True}


@settings(max_examples=6, **ANY)
@given(losses())
def test_whatever_is_lost_just_that_is_made_again(loss: Loss) -> None:
    check(loss)


@pytest.mark.slow
@settings(max_examples=400, **ANY)
@given(losses())
def test_whatever_is_lost_in_very_many_worlds_just_that_is_made_again(loss: Loss) -> None:
    check(loss)


ONE = Loss(cells=5, lost={"files": [3]})


def waiting(loss: Loss, step: str = "pick") -> tuple[Simulation, Object]:
    """The life of it until the step waits for its input, with its entry."""
    simulation = lived(loss)
    for _ in range(60):
        until(simulation, 0.5)
        run = simulation.cluster.get("PipelineRun", "p-g2")
        entry: Object = simulation.steps("p-g2").get(step, {}) if run and "status" in run else {}
        if entry.get("state") == "Retrying":
            return simulation, entry
    raise AssertionError("it never waits")


def test_one_lost_cell_is_made_again_and_the_others_keep_their_results() -> None:
    simulation = simulate(ONE)
    assert set(jobs(simulation)) == {"pick/1", "fit#3/1", "pick/2"}
    assert cells(simulation, "fit", "p-g2") == {
        number: "Succeeded" if number == 3 else "Reused" for number in range(1, 6)
    }
    pick = simulation.steps("p-g2")["pick"]
    assert (pick["state"], pick["retries"]) == ("Succeeded", {"InputMissing": 1})
    simulation.assert_at_rest()


def test_the_message_says_how_many_cells_are_made_again_and_which() -> None:
    _, entry = waiting(Loss(cells=6, lost={"files": [2, 4, 5]}))
    assert (entry["reason"], entry["remakes"], entry["remakeCells"]) == (
        "InputMissing",
        ["fit"],
        {"fit": "2,4-5"},
    )
    assert entry["message"].endswith("; made again first: fit (3 of 6 cells: 2,4-5); attempt 2 follows")


WHOLE = {
    "fetch of an earlier release does not say which": Loss(cells=3, lost={"files": [2]}, silent=["files"]),
    "one of two inputs does not say which": Loss(
        cells=3, lost={"files": [2], "more": [1]}, takers=["both"], silent=["more"]
    ),
    "it tells of a cell that there is not": Loss(cells=3, lost={"files": [2]}, adds=4),
    "all of them are lost": Loss(cells=3, lost={"files": [1, 2, 3]}),
}


@pytest.mark.parametrize("name", WHOLE)
def test_all_cells_are_made_again_where(name: str) -> None:
    simulation, entry = waiting(WHOLE[name], next(iter(WHOLE[name].takers)))
    assert "remakeCells" not in entry
    assert "made again first: fit; attempt 2 follows" in entry["message"]
    simulation.run_to_rest()
    assert {"fit#1", "fit#2", "fit#3"} <= executed(simulation)


def test_a_status_in_which_an_operator_of_an_earlier_release_wrote_no_cells_means_all_of_them() -> None:
    simulation, _ = waiting(ONE)
    run = simulation.cluster.objects[("PipelineRun", "p-g2")]
    steps = [
        {key: value for key, value in one.items() if key != "remakeCells"} for one in run["status"]["steps"]
    ]
    simulation.cluster.change(run, status={**run["status"], "steps": steps})
    simulation.wake()
    simulation.run_to_rest()
    assert {f"fit#{number}" for number in range(1, 6)} <= executed(simulation)
    assert simulation.steps("p-g2")["pick"]["state"] == "Succeeded"


def test_what_two_inputs_of_a_step_lack_is_made_again_together() -> None:
    simulation = simulate(Loss(cells=4, lost={"files": [1], "more": [4]}, takers=["both"]))
    assert set(jobs(simulation)) == {"both/1", "fit#1/1", "fit#4/1", "both/2"}


def test_steps_that_miss_different_cells_wait_for_each_others_too() -> None:
    simulation = simulate(Loss(cells=4, lost={"files": [1], "more": [4]}, takers=["pick", "rank"]))
    assert set(jobs(simulation)) == {"pick/1", "rank/1", "fit#1/1", "fit#4/1", "pick/2", "rank/2"}


def test_a_cell_that_is_lost_when_others_have_been_made_again_is_made_again_too() -> None:
    simulation = simulate(Loss(cells=4))
    spec = spec_of(Loss(cells=4, takers=["pick", "rank"]), "third")
    spec["steps"][-1]["dependsOn"] = ["pick"]
    lose(simulation, {"files": [1]})
    apply(simulation, spec, "p")
    while "pick/2" not in jobs(simulation, "p-g3"):
        until(simulation, 0.5)
    lose(simulation, {"more": [2]})
    simulation.run_to_rest()
    assert simulation.steps("p-g3")["rank"]["state"] == "Succeeded"
    assert set(jobs(simulation, "p-g3")) == {"pick/1", "fit#1/1", "pick/2", "rank/1", "fit#2/1", "rank/2"}


def test_each_cell_that_gathers_says_which_it_lacks() -> None:
    simulation = simulate(Loss(cells=4, lost={"files": [2]}, takers=["grid"], source=True))
    assert executed(simulation) == {"a", "fit#2", "grid#1", "grid#2"}


def wider(lost: Sequence[int]) -> Simulation:
    """A run that makes cell 4 of 4, and the store loses files of these before anybody has read them."""
    simulation = simulate(Loss(cells=3))
    apply(simulation, spec_of(Loss(cells=4), "else"), "p")
    while not simulation.cluster.get("PipelineRun", "p-g3") or not is_ended(simulation, "fit", "p-g3"):
        until(simulation, 0.5)
    lose(simulation, {"files": lost}, "p-g3")
    simulation.run_to_rest()
    return simulation


def is_ended(simulation: Simulation, step: str, run: str) -> bool:
    found = simulation.cluster.objects[("PipelineRun", run)].get("status", {}).get("steps", ())
    return any((one["name"], one["state"]) == (step, "Succeeded") for one in found)


def test_a_lost_cell_that_this_run_has_made_is_not_made_again_though_others_were_reused() -> None:
    simulation = wider([1, 4])
    pick = simulation.steps("p-g3")["pick"]
    assert (pick["state"], pick["attempt"]) == ("Failed", 1)
    assert "it was made in this run" in pick["message"]
    assert set(jobs(simulation, "p-g3")) == {"fit#4/1", "pick/1"}


def test_a_lost_cell_that_was_reused_is_made_again_beside_one_that_this_run_has_made() -> None:
    simulation = wider([1])
    assert simulation.steps("p-g3")["pick"]["state"] == "Succeeded"
    assert set(jobs(simulation, "p-g3")) == {"fit#4/1", "pick/1", "fit#1/1", "pick/2"}


def test_a_lost_output_of_one_child_is_made_again_by_a_child_of_that_cell_for_who_gathers_them() -> None:
    spec = parted(5, 7, 9)
    simulation = lived_family(spec)
    digest = children(simulation)[2]["status"]["steps"][1]["outputs"]["files"]
    simulation.cluster.losses.gone = {digest}
    use = spec["steps"][1]
    other = {**use, "run": {**use["run"], "arguments": {"how": "else"}}}
    apply(simulation, {"steps": [spec["steps"][0], other]}, "p")
    simulation.run_to_rest()
    assert simulation.steps("p-g2")["use"]["state"] == "Succeeded"
    found = [one for one in simulation.cluster.find("PipelineRun") if one["spec"].get("partOf") == "p-g2"]
    assert [one["spec"]["cell"] for one in found if "rerun" in one["spec"]] == [2]
    simulation.assert_at_rest()


def check_all(some: Sequence[Loss]) -> None:
    for one in some:
        check(one)


BOTH = [Loss(cells=3, lost={"files": [2], "more": [1]}, takers=["both"], silent=["more"])]
SLOW = {"fit#4": ["late"]}
TWO = [Loss(cells=4, lost={"files": [1], "more": [4]}, takers=["pick", "rank"], fates=SLOW)]
STRANGE = [Loss(cells=3, lost={"files": [2]}, adds=9)]
KILLED = [Loss(cells=4, lost={"files": [2, 3]}, source=True, kills=0.3, seed=seed) for seed in range(3)]

# Something else befalls who takes what is being made again, and only others have found it gone.
LATER = [
    Loss(
        cells=2,
        lost={"files": [1, 2]},
        source=True,
        takers=["grid", "rank"],
        adds=99,
        most=1,
        fates={"fit#1": ["store"], "fit#2": ["evicted"]},
        kills=0.2,
        drops=0.3,
        seed=469,
    )
]
# Its other cells have begun, with what they took there.
NEXT = [
    Loss(cells=3, lost={"files": [1, 3]}, source=True, takers=["grid", "rank"], most=1, holds=0.9, seed=1367),
    Loss(cells=6, lost={"files": range(1, 7)}, source=True, takers=list(TAKERS), most=1, seed=18406),
]


def test_an_operator_that_dies_at_any_write_makes_the_lost_cells_again_and_no_other() -> None:
    check_all(KILLED)


@pytest.mark.parametrize(
    ("function", "old", "new", "some"),
    [
        pytest.param(remakes.wanted, "or (0,)", "and (0,)", [ONE], id="all cells for one"),
        pytest.param(
            remakes._is_made, "lost and leaf.cell not in lost", "False", [ONE], id="waits for the others"
        ),
        pytest.param(remakes._is_made, "return leaf.ended", "return True", TWO, id="too early"),
        pytest.param(remakes._joined, "if not more", "if True", LATER, id="its own attempt comes too early"),
        pytest.param(remakes.awaits, "if again else None", "if False else None", NEXT, id="begins in vain"),
        pytest.param(lost_cells._told, "if all(told)", "if any(told)", BOTH, id="guesses"),
        pytest.param(
            lost_cells._are_some, "numbers < every and", "True and", STRANGE, id="believes what cannot be"
        ),
    ],
)
def test_a_mistake_in_the_rules_is_caught(
    monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], old: str, new: str, some: Sequence[Loss]
) -> None:
    check_all(some)
    sow(monkeypatch, function, old, new)
    with pytest.raises((BrokenPromise, NotSettled)):
        check_all(some)
