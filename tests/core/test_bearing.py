"""Ends that are not written when a step begins upon them: its Job bears them, whoever comes next reads it."""

import json
from typing import Any

import pytest

from penstock_operator.core import bearing
from penstock_operator.core.record import StepRecord
from penstock_spec.status import StepState
from tests.core.fake_cluster import FakeCluster, Object, borne_of, task_of
from tests.core.fake_shell import FakeShell, Killed
from tests.core.pipelines import programs
from tests.core.simulation import Simulation, pipeline
from tests.core.test_cancel import until

CHAIN = {"a": [], "b": ["a"], "c": ["b"]}


def lived(spec: Any, seconds: float, **cluster: Any) -> Simulation:
    """A run of this pipeline so long after it was made, of which nothing is written that can wait."""
    simulation = Simulation(FakeCluster(**cluster), hold=lambda: True)
    simulation.person(lambda: simulation.cluster.create(pipeline("p", spec)))
    until(simulation, seconds)
    return simulation


def job(simulation: Simulation, step: str) -> Object:
    """The one Job of a step."""
    (found,) = [one for one in simulation.cluster.find("Job") if task_of(one)["step"] == step]
    return found


def borne(simulation: Simulation, step: str) -> dict[str, Object]:
    """What the step's Job bears, by step."""
    return {one["name"]: one for one in json.loads(borne_of(job(simulation, step)) or "[]")}


def lose(simulation: Simulation, step: str) -> None:
    """Nothing tells any more how the step's Job has ended: neither it nor its pod is there."""
    simulation.cluster.delete("Job", job(simulation, step)["metadata"]["name"])


def reborn(simulation: Simulation) -> None:
    """Another process takes over, that knows what it finds."""
    simulation.shell = FakeShell(simulation.cluster)
    simulation.wake()


def test_a_step_begins_upon_an_end_that_is_not_written_and_its_job_bears_it() -> None:
    simulation = lived(programs(CHAIN), 20, fates={"c": ["hangs"]})
    written = simulation.steps("p-g1")
    assert {written[one].get("state") for one in CHAIN} == {"Waiting"}
    said = {name: one["state"] for name, one in borne(simulation, "c").items()}
    assert said == {"a": "Succeeded", "b": "Succeeded", "c": "Starting"}


def test_what_is_borne_holds_when_the_process_and_all_that_told_of_it_are_gone() -> None:
    simulation = lived(programs(CHAIN), 20, fates={"c": ["hangs"]})
    ends = borne(simulation, "c")
    lose(simulation, "a")
    lose(simulation, "b")
    reborn(simulation)
    until(simulation, 5)
    steps = simulation.steps("p-g1")
    assert {name: steps[name] for name in ("a", "b")} == {name: ends[name] for name in ("a", "b")}
    assert steps["c"]["state"] == "Running"
    assert [one.rpartition("-")[0] for one in simulation.jobs_created()] == ["p-g1-a", "p-g1-b", "p-g1-c"]


def test_a_cancel_that_is_found_first_leaves_borne_ends_as_they_are() -> None:
    simulation = lived(programs(CHAIN), 20, fates={"c": ["hangs"]})
    lose(simulation, "a")
    simulation.say("p-g1", cancel=True)
    reborn(simulation)
    until(simulation, 5)
    states = {name: one["state"] for name, one in simulation.steps("p-g1").items()}
    assert states == {"a": "Succeeded", "b": "Succeeded", "c": "Cancelled"}


@pytest.mark.parametrize(
    ("why", "more"),
    [
        ("cells have no place in it", {"b": {"matrix": {"axes": {"n": [1, 2]}}}}),
        ("a gang has a Service", {"b": {"gang": {"workers": 2}}}),
    ],
)
def test_what_is_more_than_a_job_begins_when_the_end_is_written(why: str, more: Any) -> None:
    simulation = lived(programs({"a": [], "b": ["a"]}, more=more), 20, fates={"b": ["hangs"]})
    assert simulation.steps("p-g1")["a"]["state"] == "Succeeded", why
    assert not any(borne_of(one) for one in simulation.cluster.find("Job"))


def test_a_step_that_is_another_pipeline_begins_when_the_end_is_written() -> None:
    spec = programs({"a": [], "c": []})
    sub = {"name": "sub", "pipeline": {"name": "q"}, "dependsOn": ["a"]}
    simulation = Simulation(FakeCluster(fates={"w": ["hangs"]}), hold=lambda: True)
    inner = programs({"w": []}, policy={"onChange": "Wait"})
    simulation.person(lambda: simulation.cluster.create(pipeline("q", inner)))
    spec["steps"].append(sub)
    simulation.person(lambda: simulation.cluster.create(pipeline("p", spec)))
    until(simulation, 20)
    assert any(one["spec"].get("step") == "sub" for one in simulation.cluster.find("PipelineRun"))
    assert simulation.steps("p-g1")["a"]["state"] == "Succeeded"


def test_an_end_that_is_none_is_written_at_once() -> None:
    simulation = lived(programs({"a": [], "b": ["a"], "c": []}), 4, fates={"c": ["exit3"], "b": ["hangs"]})
    written = {name: one["state"] for name, one in simulation.steps("p-g1").items()}
    assert written["c"] == "Failed"


def test_ends_that_are_too_much_for_a_job_are_written_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bearing, "MOST_BYTES", 600)  # one entry, and not two
    simulation = lived(programs({**CHAIN, "d": ["c"]}), 20, fates={"d": ["hangs"]})
    assert {name: one["state"] for name, one in borne(simulation, "b").items()}["a"] == "Succeeded"
    assert borne(simulation, "c") == {}
    assert simulation.steps("p-g1")["b"]["state"] == "Succeeded"


@pytest.mark.parametrize(("count", "bear"), [(4, 4), (5, 0)])
def test_an_end_upon_which_many_begin_at_once_is_written_first(count: int, bear: int) -> None:
    names = [f"b{number}" for number in range(count)]
    spec = programs({"a": [], **{name: ["a"] for name in names}})
    simulation = lived(spec, 20, fates={name: ["hangs"] for name in names})
    assert sum("a" in borne(simulation, name) for name in names) == bear
    assert simulation.steps("p-g1")["a"]["state"] == ("Waiting" if bear else "Succeeded")


def view(simulation: Simulation, text: str, attempt: int = 1) -> Any:
    """The world of the run, with what the Job of b bears replaced."""
    found = job(simulation, "b")
    meta = found["spec"]["template"]["metadata"]
    meta = {**meta, "annotations": {**meta["annotations"], "penstock.dev/rests-on": text}}
    meta["labels"] = {**meta["labels"], "penstock.dev/attempt": str(attempt)}
    simulation.cluster.change(
        found, spec={**found["spec"], "template": {**found["spec"]["template"], "metadata": meta}}
    )
    shell = FakeShell(simulation.cluster)
    run = simulation.cluster.objects[("PipelineRun", "p-g1")]
    return shell._observe_run(run, shell._view(), set(), {})


def records(**states: tuple[StepState, int]) -> dict[str, StepRecord]:
    found = {"a": (StepState.RUNNING, 1), "b": (StepState.WAITING, 0), **states}
    return {name: StepRecord(name, "run", state=one, attempt=number) for name, (one, number) in found.items()}


A_ENDED = {"name": "a", "kind": "run", "state": "Succeeded", "attempt": 1, "job": "j"}
B_BEGUN = {"name": "b", "kind": "run", "state": "Starting", "attempt": 1, "job": "k"}


@pytest.mark.parametrize(
    ("why", "known", "told"),
    [
        ("its end is news", {}, {"a", "b"}),
        ("it may not even be written to have begun", {"a": (StepState.WAITING, 0)}, {"a", "b"}),
        ("it has been written as it is borne", {"a": (StepState.SUCCEEDED, 1)}, {"b"}),
        ("it has been written to begin again", {"a": (StepState.RETRYING, 1)}, set()),
        ("another attempt has begun", {"a": (StepState.RUNNING, 2)}, set()),
        ("another attempt has ended well", {"a": (StepState.SUCCEEDED, 2)}, set()),
        ("it was cancelled", {"a": (StepState.CANCELLED, 1)}, set()),
        ("what it bears was written with its beginning", {"b": (StepState.RUNNING, 1)}, set()),
        ("it has ended itself", {"b": (StepState.SUCCEEDED, 1)}, set()),
    ],
)
def test_what_jobs_bear_is_told_where_no_status_does(why: str, known: Any, told: set[str]) -> None:
    simulation = lived(programs({"a": [], "b": ["a"]}), 20, fates={"b": ["hangs"]})
    world = view(simulation, json.dumps([A_ENDED, B_BEGUN]))
    assert set(bearing.told_by_jobs(world, records(**known))) == told, why


def test_an_end_that_came_after_a_retry_which_was_written_is_told() -> None:
    simulation = lived(programs({"a": [], "b": ["a"]}), 20, fates={"b": ["hangs"]})
    world = view(simulation, json.dumps([{**A_ENDED, "attempt": 2}, B_BEGUN]))
    told = bearing.told_by_jobs(world, records(a=(StepState.RETRYING, 1)))
    assert told["a"].attempt == 2


ODD = [
    "",
    "nonsense",
    "3",
    "[3]",
    "[" * 5000,
    json.dumps([{"name": "a"}]),
    *(
        json.dumps([{**A_ENDED, **odd}, B_BEGUN])
        for odd in ({"state": "Odd"}, {"attempt": "x"}, {"name": ["a"]})
    ),
]


@pytest.mark.parametrize("text", ODD)
def test_what_nobody_of_ours_has_written_is_passed_over(text: str) -> None:
    simulation = lived(programs({"a": [], "b": ["a"]}), 20, fates={"b": ["hangs"]})
    assert bearing.told_by_jobs(view(simulation, text), records()) == {}


def test_what_a_newer_release_says_besides_is_no_hindrance() -> None:
    simulation = lived(programs({"a": [], "b": ["a"]}), 20, fates={"b": ["hangs"]})
    world = view(simulation, json.dumps([{**A_ENDED, "colour": "red"}, B_BEGUN]))
    assert set(bearing.told_by_jobs(world, records())) == {"a", "b"}


def test_a_job_that_was_made_upon_another_end_is_deleted_and_made_anew() -> None:
    simulation = lived(programs({"a": [], "b": ["a"]}), 20, fates={"b": ["hangs"]})
    old, end = job(simulation, "b"), borne(simulation, "a") or borne(simulation, "b")["a"]
    # An operator of an earlier release did the first step again, and did not know of the second one's Job.
    run = simulation.cluster.objects[("PipelineRun", "p-g1")]
    other = {**end, "attempt": 2, "outputs": {"files": "sha256:" + "f" * 64}}
    waits = next(one for one in run["status"]["steps"] if one["name"] == "b")
    simulation._ends.clear()
    simulation._attempts.clear()
    simulation.cluster.change(run, status={**run["status"], "steps": [other, waits]})
    reborn(simulation)
    until(simulation, 60)
    new = job(simulation, "b")
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert task_of(new)["inputs"]["from_a"]["digest"] == other["outputs"]["files"]
    assert simulation.steps("p-g1")["b"]["state"] == "Running"


def test_a_pod_of_a_job_that_nobody_knew_of_is_waited_for_in_words() -> None:
    simulation = Simulation(FakeCluster(fates={"a": ["job_deleted"]}))
    simulation.cluster.create(pipeline("p", programs({"a": []})))
    simulation.shell.pipeline_pass("p")
    fates = iter(["", "after"])  # of the snapshot, and of the Job
    simulation.shell.fate_of_write = lambda: next(fates)
    simulation.shell.run_pass("p-g1")
    with pytest.raises(Killed):
        simulation.shell.run_pass("p-g1")
    while list(simulation.cluster.find("Job")) or not list(simulation.cluster.find("Pod")):
        simulation.cluster.advance(0.5)
    reborn(simulation)
    simulation._work()
    entry = simulation.steps("p-g1")["a"]
    assert (entry["state"], entry["reason"]) == ("Waiting", "PodEnding")
    assert "which somebody deleted, has not ended" in entry["message"]
    simulation.run_to_rest()
    assert simulation.steps("p-g1")["a"]["state"] == "Succeeded"
