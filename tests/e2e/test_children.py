"""Pipelines as steps on a real cluster: outputs come up, failures are named, ends pass down."""

from typing import Any

import pytest

from tests.support import pipeline, steps_of, wait_for

pytestmark = pytest.mark.e2e

WRITES = """
import json, pathlib
arguments = json.loads(pathlib.Path("/penstock/arguments.json").read_text())
pathlib.Path("/penstock/out/files/size.txt").write_text(str(arguments["size"]))
json.dump({"rows": arguments["size"]}, open("/penstock/out/results.json", "w"))
"""
READS = """
import pathlib
assert pathlib.Path("/penstock/in/files/size.txt").read_text() == "7"
"""


GATHERS = """
import json, pathlib
parts = pathlib.Path("/penstock/in/parts")
cells = json.loads((parts / "index.json").read_text())
found = [int((parts / str(one["number"]) / "size.txt").read_text()) for one in cells]
assert found == [one["values"]["size"] for one in cells], found
"""
PICKY = WRITES.replace(
    'pathlib.Path("/penstock/out', 'assert arguments["size"] != 4\npathlib.Path("/penstock/out'
)


def inner(namespace: str, image: str, command: list[str] | None = None) -> dict[str, Any]:
    """The pipeline that is a step: it waits until it is asked."""
    make = {
        "image": image,
        "command": command or ["python3", "-c", WRITES],
        "argumentsFrom": {"size": {"parameter": "size"}},
        "outputs": [{"name": "files"}],
        "results": [{"name": "rows", "type": "Integer"}],
    }
    parameters = [{"name": "size", "type": "Integer", "default": 1}]
    steps = [{"name": "make", "run": make}]
    policy = {"onChange": "Wait"}
    return pipeline("inner", namespace, {"parameters": parameters, "policy": policy, "steps": steps})


def outer(namespace: str, image: str, step: Any = None, **fields: Any) -> dict[str, Any]:
    """The pipeline that has it as a step, and another step that reads what comes of it."""
    sub = {
        "name": "inner",
        "parameters": {"size": 7},
        "outputs": [{"name": "files", "from": "make.files"}],
        "results": [{"name": "count", "from": "make.rows", "type": "Integer"}],
    }
    use = {"image": image, "command": ["python3", "-c", READS], "inputs": {"files": "sub.files"}}
    when = {"all": [{"result": "sub.count", "atLeast": 7}]}
    steps = [{"name": "sub", "pipeline": sub, **(step or {})}, {"name": "use", "when": when, "run": use}]
    return pipeline("outer", namespace, {"steps": steps, **fields})


def parted(namespace: str, image: str, sizes: list[int]) -> dict[str, Any]:
    """A pipeline with a run of the other for each size, and a step that gathers what they make."""
    sub = {
        "name": "inner",
        "parametersFrom": {"size": {"cell": "size"}},
        "outputs": [{"name": "files", "from": "make.files"}],
    }
    use = {"image": image, "command": ["python3", "-c", GATHERS], "inputs": {"parts": "sub.files"}}
    steps = [
        {"name": "sub", "matrix": {"axes": {"size": sizes}}, "pipeline": sub},
        {"name": "use", "run": use},
    ]
    return pipeline("outer", namespace, {"steps": steps})


def children_of(kubectl, namespace: str, parent: str) -> dict[int, dict[str, Any]]:
    """The child runs of a run by the number of their cell."""
    found = [one for one in kubectl.list("pipelineruns", namespace) if one["spec"].get("partOf") == parent]
    return {one["spec"]["cell"]: one for one in found}


def child_of(runs, name: str) -> str:
    """The name of the child run of the step `sub`, once there is one."""
    return str(steps_of(runs.get(name)).get("sub", {}).get("child", {}).get("run", ""))


def asleep(
    runs, kubectl, namespace: str, image: str, states: tuple[str, ...] = ("Running",), **fields: Any
) -> tuple[str, str]:
    """The names of a run and of its child, whose program sleeps, or has come so far."""
    kubectl.apply(inner(namespace, image, ["sleep", "3600"]), outer(namespace, image, **fields))
    name = runs.started("outer", 1)

    def far_enough() -> bool:
        child = child_of(runs, name)
        return bool(child) and steps_of(runs.get(child)).get("make", {}).get("state") in states

    wait_for(f"the child's program to be one of {states}", far_enough)
    return name, child_of(runs, name)


def nothing_left(kubectl, namespace: str) -> bool:
    return not kubectl.list("pods", namespace) and not kubectl.list("jobs", namespace)


def test_what_a_child_makes_is_used_by_its_parent_and_reused_the_next_time(
    runs, kubectl, namespace, images
) -> None:
    kubectl.apply(inner(namespace, images["server"]))
    run = runs.execute(outer(namespace, images["server"]))
    assert {name: one["state"] for name, one in steps_of(run).items()} == {
        "sub": "Succeeded",
        "use": "Succeeded",
    }
    child = runs.get(steps_of(run)["sub"]["child"]["run"])
    (owner,) = child["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["controller"]) == (run["metadata"]["uid"], True)
    assert runs.names("inner") == [child["metadata"]["name"]], "it starts by nothing but its parent"
    again = {"pipeline": "outer"}
    meta = {"name": "again", "namespace": namespace}
    kubectl.apply(
        {"apiVersion": "penstock.dev/v1alpha1", "kind": "PipelineRun", "metadata": meta, "spec": again}
    )
    second = runs.finished("again")
    assert {name: one["state"] for name, one in steps_of(second).items()} == {
        "sub": "Succeeded",
        "use": "Reused",
    }
    asked = runs.get(steps_of(second)["sub"]["child"]["run"])
    assert steps_of(asked)["make"]["state"] == "Reused"
    kubectl.run("delete", "pipelinerun", "again", "-n", namespace)
    wait_for("the child to go with its parent", lambda: asked["metadata"]["name"] not in runs.names("inner"))


def test_a_failed_child_is_named_by_its_parent(runs, kubectl, namespace, images) -> None:
    kubectl.apply(inner(namespace, images["server"], ["python3", "-c", "raise SystemExit(3)"]))
    run = runs.execute(outer(namespace, images["server"]))
    sub = steps_of(run)["sub"]
    assert (run["status"]["status"], sub["reason"]) == ("Failed", "UserError")
    assert sub["message"].startswith(f"child run {sub['child']['run']} failed: step make: ")
    assert steps_of(run)["use"]["state"] == "Blocked"


def test_a_cancelled_parent_takes_its_child_with_it(runs, kubectl, namespace, images) -> None:
    name, child = asleep(runs, kubectl, namespace, images["server"])
    patch = ("patch", "pipelinerun", name, "-n", namespace, "--type=merge", "-p", '{"spec":{"cancel":true}}')
    kubectl.run(*patch)
    assert runs.finished(name)["status"]["status"] == "Cancelled"
    assert runs.get(child)["status"]["status"] == "Cancelled", "it has ended before its parent"
    wait_for("the pods to go", lambda: nothing_left(kubectl, namespace))


def test_a_parent_whose_time_is_over_takes_its_child_with_it(runs, kubectl, namespace, images) -> None:
    # On a slow machine the time may be over before the program runs, but not before there is a Job.
    states = ("Starting", "Running")
    name, child = asleep(runs, kubectl, namespace, images["server"], states, policy={"deadline": "40s"})
    assert runs.finished(name)["status"]["status"] == "Expired"
    assert runs.get(child)["status"]["status"] == "Cancelled"
    wait_for("the pods to go", lambda: nothing_left(kubectl, namespace))


def test_a_suspended_parent_holds_its_child_and_leaves_its_spec_alone(
    runs, kubectl, namespace, images
) -> None:
    name, child = asleep(runs, kubectl, namespace, images["server"])

    def suspend(value: str) -> None:
        words = ("patch", "pipelinerun", name, "-n", namespace, "--type=merge", "-p")
        kubectl.run(*words, f'{{"spec":{{"suspend":{value}}}}}')

    suspend("true")
    wait_for("the word", lambda: runs.get(child)["status"]["status"] == "Suspended")
    assert "suspend" not in runs.get(child)["spec"]
    suspend("false")
    wait_for("the word to go", lambda: runs.get(child)["status"]["status"] == "Running")


def test_a_pipeline_that_names_itself_is_refused_by_the_api_server(kubectl, namespace) -> None:
    steps = [
        {"name": "other", "pipeline": {"name": "lake"}},
        {"name": "again", "pipeline": {"name": "loop"}},
    ]
    manifest = pipeline("loop", namespace, {"steps": steps})
    with pytest.raises(
        AssertionError, match=r"spec\.steps: .*: a pipeline cannot be a step of itself: pipeline\.name of"
    ):
        kubectl.apply(manifest)


def test_a_step_with_cells_has_a_child_for_each_and_gathers_what_they_make(
    runs, kubectl, namespace, images
) -> None:
    kubectl.apply(inner(namespace, images["server"]))
    run = runs.execute(parted(namespace, images["server"], [3, 7]))
    assert {name: one["state"] for name, one in steps_of(run).items()} == {
        "sub": "Succeeded",
        "use": "Succeeded",
    }
    children = children_of(kubectl, namespace, run["metadata"]["name"])
    assert [children[number]["spec"]["parameters"]["size"] for number in (1, 2)] == [3, 7]
    assert children[2]["metadata"]["labels"]["penstock.dev/cell"] == "2"


def test_a_failed_child_of_a_cell_is_named_and_repeated_alone(runs, kubectl, namespace, images) -> None:
    kubectl.apply(inner(namespace, images["server"], ["python3", "-c", PICKY]))
    run = runs.execute(parted(namespace, images["server"], [3, 4]))
    failed = children_of(kubectl, namespace, run["metadata"]["name"])[2]["metadata"]["name"]
    words = f"1 of 2 cells done, 1 failed: size=4: child run {failed} failed: step make: "
    assert steps_of(run)["sub"]["message"].startswith(words)
    assert steps_of(run)["use"]["state"] == "Blocked"
    again = {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "PipelineRun",
        "metadata": {"name": "again", "namespace": namespace},
        "spec": {"pipeline": "outer", "rerun": {"run": run["metadata"]["name"], "failed": True}},
    }
    kubectl.apply(again)
    second = runs.finished("again")
    assert [one["state"] for one in steps_of(second)["sub"]["cells"]] == ["Reused", "Failed"]
    repeated = children_of(kubectl, namespace, "again")
    assert set(repeated) == {2}
    assert repeated[2]["spec"]["rerun"] == {"run": failed, "failed": True}


def test_a_cancelled_parent_ends_the_children_of_all_cells(runs, kubectl, namespace, images) -> None:
    kubectl.apply(inner(namespace, images["server"], ["sleep", "3600"]))
    kubectl.apply(parted(namespace, images["server"], [3, 7]))
    name = runs.started("outer", 1)

    def all_run() -> bool:
        children = children_of(kubectl, namespace, name).values()
        states = [(one.get("status", {}).get("steps") or [{}])[0].get("state") for one in children]
        return states == ["Running", "Running"]

    wait_for("the programs of both children to run", all_run)
    patch = ("patch", "pipelinerun", name, "-n", namespace, "--type=merge", "-p", '{"spec":{"cancel":true}}')
    kubectl.run(*patch)
    assert runs.finished(name)["status"]["status"] == "Cancelled"
    ended = children_of(kubectl, namespace, name).values()
    assert {one["status"]["status"] for one in ended} == {"Cancelled"}
    wait_for("the pods to go", lambda: nothing_left(kubectl, namespace))
