"""Cells of a step that is another pipeline: a run of that for each, gathered, held and ended together."""

from typing import Any

from penstock_spec.digest import packed
from penstock_spec.object_names import child_name
from tests.core.fake_cluster import FakeCluster, Object, task_of
from tests.core.simulation import Simulation, pipeline
from tests.core.test_cancel import states, status, until
from tests.core.test_children import inner
from tests.core.test_pipelines import apply, new_run

IMAGE = "ghcr.io/acme/step:1"


def parted(*sizes: int, **step: Any) -> Any:
    """A pipeline with a run of another for each size, and a step that gathers what they give."""
    body = {
        "name": "c",
        "parametersFrom": {"size": {"cell": "size"}},
        "outputs": [{"name": "files", "from": "c1.files"}],
        "results": [{"name": "rows", "from": "c1.rows", "type": "Integer"}],
    }
    sub = {"name": "sub", "matrix": {"axes": {"size": list(sizes)}}, "pipeline": body, **step}
    use = {"name": "use", "run": {"image": IMAGE, "inputs": {"parts": "sub.files"}}}
    return {"steps": [sub, use]}


def started(spec: Any, **cluster: Any) -> Simulation:
    """Both pipelines have been applied."""
    most = {one["name"]: one["maxParallel"] for one in spec["steps"] if "maxParallel" in one}
    simulation = Simulation(FakeCluster(**{"results": {"c1": {"rows": 3}}, **cluster}), most=most)
    simulation.person(lambda: simulation.cluster.create(pipeline("c", inner())))
    until(simulation, 1)
    simulation.person(lambda: simulation.cluster.create(pipeline("p", spec)))
    return simulation


def lived(spec: Any, **cluster: Any) -> Simulation:
    simulation = started(spec, **cluster)
    simulation.run_to_rest()
    simulation.assert_at_rest()
    return simulation


def children(simulation: Simulation, of: str = "p-g1") -> dict[int, Object]:
    """The child runs of a run by the number of the cell."""
    found = [one for one in simulation.cluster.find("PipelineRun") if one["spec"].get("partOf") == of]
    return {one["spec"]["cell"]: one for one in found}


def cells(simulation: Simulation, run: str = "p-g1") -> dict[int, str]:
    return {one["number"]: one["state"] for one in simulation.steps(run)["sub"]["cells"]}


def fails_for(simulation: Simulation, size: int) -> None:
    """The program of the child whose parameter is that fails."""
    usual = simulation.cluster.fate

    def fate(job: Object) -> str:
        given = task_of(job)["arguments"].get("arguments", {})
        return "exit3" if given.get("size") == size else usual(job)

    simulation.cluster.fate = fate  # type: ignore[method-assign]  # another fate


def test_each_cell_is_a_run_of_its_own_with_its_values_and_its_number() -> None:
    simulation = lived(parted(5, 7))
    found = children(simulation)
    assert {number: one["spec"]["parameters"] for number, one in found.items()} == {
        1: {"size": 5},
        2: {"size": 7},
    }
    parent = simulation.cluster.objects[("PipelineRun", "p-g1")]["metadata"]["uid"]
    names = {number: child_name("p-g1", parent, "sub", 1, number) for number in (1, 2)}
    assert {number: one["metadata"]["name"] for number, one in found.items()} == names
    assert found[2]["metadata"]["labels"]["penstock.dev/cell"] == "2"
    assert states(simulation) == {"sub": "Succeeded", "use": "Succeeded"}
    entry = simulation.steps("p-g1")["sub"]
    assert entry["message"] == "2 of 2 cells done"
    gives = [simulation.steps(names[number])["c1"]["outputs"]["files"] for number in (1, 2)]
    assert [one["outputs"] for one in entry["cells"]] == [[packed(one)] for one in gives]
    assert [one["results"] for one in entry["cells"]] == [{"rows": "3"}, {"rows": "3"}]


def test_a_failed_child_is_named_with_its_cell_and_the_others_go_on() -> None:
    simulation = started(parted(5, 7, 9))
    fails_for(simulation, 7)
    simulation.run_to_rest()
    name = children(simulation)[2]["metadata"]["name"]
    assert cells(simulation) == {1: "Succeeded", 2: "Failed", 3: "Succeeded"}
    message = simulation.steps("p-g1")["sub"]["message"]
    assert message.startswith(f"2 of 3 cells done, 1 failed: size=7: child run {name} failed: step c1: ")
    assert states(simulation) == {"sub": "Failed", "use": "Blocked"}


def test_a_rerun_of_what_failed_repeats_the_child_that_failed_and_no_other() -> None:
    simulation = started(parted(5, 7, 9))
    usual = simulation.cluster.fate
    fails_for(simulation, 7)
    simulation.run_to_rest()
    failed = children(simulation)[2]["metadata"]["name"]
    simulation.cluster.fate = usual  # type: ignore[method-assign]  # another fate
    simulation.cluster.advance(1)
    for name, of in (("again", "p-g1"), ("third", "again")):
        rerun = {"run": of, **({"failed": True} if name == "again" else {"from": ["use"]})}
        simulation.person(
            lambda name=name, rerun=rerun: simulation.cluster.create(new_run(name, pipeline="p", rerun=rerun))
        )
        simulation.run_to_rest()
    again = children(simulation, "again")
    assert set(again) == {2}
    assert again[2]["spec"]["rerun"] == {"run": failed, "failed": True}
    assert cells(simulation, "again") == {1: "Reused", 2: "Succeeded", 3: "Reused"}
    assert simulation.steps("again")["use"]["state"] == "Succeeded"
    # What was taken over before is taken over once more.
    assert children(simulation, "third") == {}
    assert set(cells(simulation, "third").values()) == {"Reused"}


def test_a_second_run_asks_every_child_again_and_nothing_is_executed() -> None:
    simulation = lived(parted(5, 7))
    jobs = len(simulation.jobs_created())
    simulation.cluster.advance(1)
    simulation.person(lambda: simulation.cluster.create(new_run("again", pipeline="p")))
    simulation.run_to_rest()
    assert len(simulation.jobs_created()) == jobs
    assert set(children(simulation, "again")) == {1, 2}
    assert simulation.steps("again")["use"]["state"] == "Reused"


def test_no_more_children_go_on_than_the_step_says() -> None:
    simulation = started(parted(1, 2, 3, 4, maxParallel=2))
    until(simulation, 1)
    words = "0 of 4 cells done, 2 under way, 2 to come: the step's maxParallel of 2 is reached"
    assert simulation.steps("p-g1")["sub"]["message"] == words
    simulation.run_to_rest()
    assert set(cells(simulation).values()) == {"Succeeded"}


def test_children_take_no_room_of_the_runs_own_jobs() -> None:
    spec = {**parted(1, 2), "policy": {"maxParallel": 1}}
    simulation = started(spec)
    until(simulation, 1)
    assert len(children(simulation)) == 2
    simulation.run_to_rest()
    assert states(simulation) == {"sub": "Succeeded", "use": "Succeeded"}


def test_a_cancelled_parent_ends_when_all_of_its_children_have() -> None:
    simulation = started(parted(5, 7), fates={"c1": ["hangs"]})
    simulation.acts = [(20.0, lambda: simulation.say("p-g1", cancel=True))]
    simulation.run_to_rest()
    assert status(simulation, "p-g1")["status"] == "Cancelled"
    assert cells(simulation) == {1: "Cancelled", 2: "Cancelled"}
    assert {one["status"]["status"] for one in children(simulation).values()} == {"Cancelled"}


def test_a_parent_whose_time_is_over_ends_all_of_its_children_and_expires() -> None:
    spec = {**parted(5, 7), "policy": {"deadline": "30s"}}
    simulation = lived(spec, fates={"c1": ["hangs"]})
    assert status(simulation, "p-g1")["status"] == "Expired"
    assert cells(simulation) == {1: "Cancelled", 2: "Cancelled"}


def test_a_child_that_takes_too_long_is_ended_alone() -> None:
    simulation = started(parted(5, 7, deadline="60s"))
    usual = simulation.cluster.fate

    def fate(job: Object) -> str:
        given = task_of(job)["arguments"].get("arguments", {})
        return "hangs" if given.get("size") == 5 else usual(job)

    simulation.cluster.fate = fate  # type: ignore[method-assign]  # another fate
    simulation.run_to_rest()
    assert cells(simulation) == {1: "Failed", 2: "Succeeded"}
    assert simulation.steps("p-g1")["sub"]["reason"] == "DeadlineExceeded"


def test_a_child_that_somebody_deletes_is_made_again_for_its_cell() -> None:
    simulation = started(parted(5, 7))
    until(simulation, 5)
    name = children(simulation)[2]["metadata"]["name"]
    simulation.person(lambda: simulation.cluster.delete("PipelineRun", name))
    simulation.run_to_rest()
    parent = simulation.cluster.objects[("PipelineRun", "p-g1")]["metadata"]["uid"]
    assert children(simulation)[2]["metadata"]["name"] == child_name("p-g1", parent, "sub", 2, 2)
    assert set(cells(simulation).values()) == {"Succeeded"}


def test_a_child_for_each_line_takes_a_result_of_its_own_cell() -> None:
    """The item of a list reaches a child as a result of the step between."""
    find = {"name": "find", "run": {"image": IMAGE, "outputs": [{"name": "found", "type": "List"}]}}
    results = [{"name": "size", "type": "Integer"}]
    read = {"name": "read", "forEach": {"list": "find.found"}, "run": {"image": IMAGE, "results": results}}
    body = {**parted()["steps"][0]["pipeline"], "parametersFrom": {"size": {"result": "read.size"}}}
    sub = {"name": "sub", "matrix": {"sameAs": "read"}, "pipeline": body}
    given = {"c1": {"rows": 3}, "read#1": {"size": 10}, "read#2": {"size": 20}}
    simulation = lived({"steps": [find, read, sub]}, results=given, items=2)
    found = children(simulation)
    assert [found[number]["spec"]["parameters"] for number in (1, 2)] == [{"size": 10}, {"size": 20}]


def test_a_child_for_each_item_knows_its_number() -> None:
    find = {"name": "find", "run": {"image": IMAGE, "outputs": [{"name": "found", "type": "List"}]}}
    body = {"name": "c", "parametersFrom": {"size": {"cell": "number"}}}
    sub = {"name": "sub", "forEach": {"list": "find.found"}, "pipeline": body}
    simulation = lived({"steps": [find, sub]}, items=3)
    found = children(simulation)
    assert [found[number]["spec"]["parameters"]["size"] for number in (1, 2, 3)] == [1, 2, 3]


def test_a_run_that_plans_says_that_the_children_would_run_and_makes_none() -> None:
    simulation = lived(parted(5, 7))
    simulation.cluster.advance(1)
    simulation.person(lambda: simulation.cluster.create(new_run("plan", pipeline="p", mode="Plan")))
    simulation.run_to_rest()
    entry = simulation.steps("plan")["sub"]
    assert (entry["reason"], entry["why"][:38]) == ("WouldRun", "each of 2 cells: child pipeline c woul")
    assert children(simulation, "plan") == {}


def test_children_of_cells_are_held_with_their_parent() -> None:
    simulation = started(parted(5, 7, 9, maxParallel=2))
    simulation.acts = [
        (2.0, lambda: simulation.say("p-g1", suspend=True)),
        (90.0, lambda: simulation.say("p-g1", suspend=False)),
    ]
    simulation.run_to_rest()
    assert set(cells(simulation).values()) == {"Succeeded"}


def test_a_lost_output_of_one_child_is_made_again_by_a_child_of_that_cell_alone() -> None:
    spec = parted(5, 7)
    use = {
        "name": "use",
        "matrix": {"sameAs": "sub"},
        "run": {"image": IMAGE, "inputs": {"own": "sub.files"}},
    }
    simulation = lived({"steps": [spec["steps"][0], use]})
    simulation.cluster.fates = {"use#2": ["lost"]}
    other = {**use, "run": {**use["run"], "arguments": {"how": "else"}}}
    apply(simulation, {"steps": [spec["steps"][0], other]}, "p")
    simulation.run_to_rest()
    assert {name: one["state"] for name, one in simulation.steps("p-g2").items()} == {
        "sub": "Succeeded",
        "use": "Succeeded",
    }
    found = [one for one in simulation.cluster.find("PipelineRun") if one["spec"].get("partOf") == "p-g2"]
    again = [one["spec"]["cell"] for one in found if "rerun" in one["spec"]]
    assert (len(found), again) == (3, [2])
    simulation.assert_at_rest()
