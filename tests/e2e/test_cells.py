"""Steps with cells on a real cluster: what fails and is done again, what is reused, what waits for room.

The examples of docs/cells.md, with gathering, a list and a result as argument, run in test_flow.py.
"""

from typing import Any

import pytest

from tests.support import pipeline, steps_of, wait_for

pytestmark = pytest.mark.e2e

PROGRAM = """
import os, sys
number, broken = os.environ["PENSTOCK_ARG_N"], os.environ["PENSTOCK_ARG_BROKEN"]
sys.exit(3) if number == broken else open("/penstock/out/files/n.txt", "w").write(number)
"""
GATHER = """
import json
cells = json.load(open("/penstock/in/parts/index.json"))
found = [open(f"/penstock/in/parts/{one['number']}/n.txt").read() for one in cells]
assert found == [str(one["values"]["n"]) for one in cells], found
json.dump({"sum": sum(map(int, found))}, open("/penstock/out/results.json", "w"))
"""


def gridded(namespace: str, image: str, values: list[int], broken: str, **policy: Any) -> dict[str, Any]:
    """A cell for each value, one of which may be broken, and a step that gathers them."""
    part = {
        "image": image,
        "command": ["python3", "-c", PROGRAM],
        "argumentsFrom": {"n": {"cell": "n"}, "broken": {"parameter": "broken"}},
        "outputs": [{"name": "files"}],
    }
    gather = {
        "image": image,
        "command": ["python3", "-c", GATHER],
        "inputs": {"parts": "part.files"},
        "results": [{"name": "sum", "type": "Integer"}],
    }
    steps = [
        {"name": "part", "matrix": {"axes": {"n": values}}, "run": part},
        {"name": "gather", "run": gather},
    ]
    parameters = [{"name": "broken", "default": broken}]
    return pipeline("p", namespace, {"steps": steps, "parameters": parameters, "policy": policy})


def cells_of(run: dict[str, Any], step: str = "part") -> list[str]:
    """The states of a step's cells in their order."""
    return [one["state"] for one in steps_of(run)[step]["cells"]]


def test_a_failed_cell_is_named_and_done_again_alone(runs, kubectl, namespace, images) -> None:
    run = runs.execute(gridded(namespace, images["server"], [1, 2, 3], "2"))
    assert run["status"]["status"] == "Failed"
    assert cells_of(run) == ["Succeeded", "Failed", "Succeeded"]
    assert steps_of(run)["part"]["message"].startswith("2 of 3 cells done, 1 failed: n=2: the program ended")
    again = {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "PipelineRun",
        "metadata": {"name": "again", "namespace": namespace},
        "spec": {
            "pipeline": "p",
            "rerun": {"run": run["metadata"]["name"], "failed": True},
        },
    }
    kubectl.apply(again)
    found = runs.finished("again")
    assert cells_of(found) == ["Reused", "Failed", "Reused"]
    jobs = [
        one
        for one in kubectl.list("jobs", namespace)
        if one["metadata"]["labels"]["penstock.dev/run"] == "again"
    ]
    assert [one["metadata"]["labels"]["penstock.dev/cell"] for one in jobs] == ["2"]


def test_another_value_runs_one_more_cell_and_reuses_the_others(runs, kubectl, namespace, images) -> None:
    first = runs.execute(gridded(namespace, images["server"], [1, 2], ""))
    assert first["status"]["status"] == "Succeeded"
    assert steps_of(first)["gather"]["results"] == {"sum": "3"}
    kubectl.apply(gridded(namespace, images["server"], [7, 1, 2], ""))
    second = runs.finished(runs.started("p", 2))
    assert cells_of(second) == ["Succeeded", "Reused", "Reused"]
    assert steps_of(second)["gather"]["results"] == {"sum": "10"}


def test_cells_wait_for_room_and_say_so(runs, kubectl, namespace, images) -> None:
    found = gridded(namespace, images["server"], [1, 2, 3], "", maxParallel=1)
    # That a cell waits is news, which comes up to five seconds late.
    found["spec"]["steps"][0]["run"]["command"][-1] = f"import time; time.sleep(5)\n{PROGRAM}"
    kubectl.apply(found)
    name = runs.started("p", 1)
    words = "policy.maxParallel of 1 is reached"
    wait_for("the words", lambda: words in steps_of(runs.get(name)).get("part", {}).get("message", ""))
    assert runs.finished(name)["status"]["status"] == "Succeeded"


SQUARE = """
import os
number = int(open("/penstock/in/own/n.txt").read())
assert number == int(os.environ["PENSTOCK_ARG_N"]), number
open("/penstock/out/files/n.txt", "w").write(str(number * number))
"""


def lined(namespace: str, image: str, values: list[int], broken: str) -> dict[str, Any]:
    """The same, and between the two a step that is done for the same cells; who gathers, gathers that."""
    made = gridded(namespace, image, values, broken)
    square = {
        "image": image,
        "command": ["python3", "-c", SQUARE],
        "inputs": {"own": "part.files"},
        "argumentsFrom": {"n": {"cell": "n"}},
        "outputs": [{"name": "files"}],
    }
    part, gather = made["spec"]["steps"]
    gather["run"] = {
        **gather["run"],
        "command": [
            "python3",
            "-c",
            GATHER.replace('str(one["values"]["n"])', 'str(one["values"]["n"] ** 2)'),
        ],
        "inputs": {"parts": "square.files"},
    }
    made["spec"]["steps"] = [part, {"name": "square", "matrix": {"sameAs": "part"}, "run": square}, gather]
    return made


def test_a_failed_cell_blocks_its_line_and_only_that_is_done_again(runs, kubectl, namespace, images) -> None:
    run = runs.execute(lined(namespace, images["server"], [1, 2, 3], "2"))
    assert run["status"]["status"] == "Failed"
    assert cells_of(run, "square") == ["Succeeded", "Blocked", "Succeeded"]
    words = "2 of 3 cells done, 1 blocked: n=2: step part failed: UserError"
    assert (steps_of(run)["square"]["state"], steps_of(run)["square"]["message"]) == ("Blocked", words)
    again = {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "PipelineRun",
        "metadata": {"name": "again", "namespace": namespace},
        "spec": {
            "pipeline": "p",
            "rerun": {"run": run["metadata"]["name"], "failed": True},
        },
    }
    kubectl.apply(again)
    found = runs.finished("again")
    assert cells_of(found, "part") == ["Reused", "Failed", "Reused"]
    assert cells_of(found, "square") == ["Reused", "Blocked", "Reused"]


def test_a_changed_value_runs_its_line_and_reuses_the_others(runs, kubectl, namespace, images) -> None:
    first = runs.execute(lined(namespace, images["server"], [1, 2], ""))
    assert steps_of(first)["gather"]["results"] == {"sum": "5"}
    kubectl.apply(lined(namespace, images["server"], [7, 1, 2], ""))
    second = runs.finished(runs.started("p", 2))
    assert cells_of(second, "square") == ["Succeeded", "Reused", "Reused"]
    assert steps_of(second)["gather"]["results"] == {"sum": "54"}
