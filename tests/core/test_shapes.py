"""The shapes for people who come from Argo Workflows and Tekton compile, live, and end as the page says."""

import re
from typing import Any

import pytest

from penstock_spec.graph import compile_pipeline
from tests.core.fake_cluster import FakeCluster
from tests.core.flow_page import fate_of, items_of, left_by
from tests.core.shapes import PAGE, SHAPES, Shape
from tests.core.simulation import Simulation
from tests.support import ROOT


def lived(shape: Shape) -> Simulation:
    """The Pipeline is applied; when it rests somebody makes the run, and whatever is held is let go."""
    steps = shape.manifest["spec"]["steps"]
    cluster = FakeCluster(
        results={one["name"]: left_by(one) for one in steps},
        items=items_of(steps),
        fates={one["name"]: [fate] * 9 for one in steps if (fate := fate_of(one))},
    )
    simulation = Simulation(cluster)
    for item in filter(None, (shape.manifest, shape.run)):
        placed = {**item, "metadata": {**item["metadata"], "namespace": "ml"}}
        simulation.person(lambda one=placed: cluster.create(one))
        rest(simulation)
    if shape.run and shape.run["spec"].get("suspend"):
        assert "startedAt" not in cluster.objects[("PipelineRun", shape.told_of)]["status"]
        simulation.person(lambda: simulation.say(shape.told_of, suspend=False))
        rest(simulation)
    return simulation


def rest(simulation: Simulation) -> None:
    """Half a minute: longer than anything here takes. A Pipeline with a schedule never rests for good."""
    for _ in range(60):
        simulation.cluster.settle()
        simulation._work()
        simulation.cluster.advance(0.5)


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_compiles_and_ends_as_the_page_says(name: str) -> None:
    shape = SHAPES[name]
    compile_pipeline(shape.manifest["spec"])
    simulation = lived(shape)
    steps = simulation.steps(shape.told_of)
    assert {step: one["state"] for step, one in steps.items()} == shape.ends
    if name != "cron":
        simulation.assert_at_rest()


def test_retries_take_the_attempts_that_the_shape_allows() -> None:
    steps = lived(SHAPES["retries"]).steps("retries-g1")
    assert (steps["flaky"]["attempt"], steps["flaky"]["reason"]) == (2, "UserError")


def test_each_item_of_a_loop_is_a_job_of_its_own() -> None:
    jobs = [one["metadata"]["labels"] for one in lived(SHAPES["loops"]).cluster.find("Job")]
    cells = sorted((one["penstock.dev/step"], one.get("penstock.dev/cell", "")) for one in jobs)
    squares = [("square", str(number)) for number in (1, 2, 3)]
    assert cells == [("add", ""), ("find", ""), ("greet", "1"), ("greet", "2"), *squares]


def test_the_schedule_of_the_shape_says_when_it_starts_next() -> None:
    simulation = lived(SHAPES["cron"])
    assert simulation.cluster.objects[("Pipeline", "cron")]["status"]["next"] == "2026-11-22T00:30:00Z"


def test_a_value_of_a_run_stands_in_its_step_and_nowhere_else() -> None:
    cluster = lived(SHAPES["parameters"]).cluster
    jobs: dict[str, Any] = {one["metadata"]["name"].split("-say-")[0]: one for one in cluster.find("Job")}
    values = {
        run: next(
            env["value"]
            for one in job["spec"]["template"]["spec"]["initContainers"]
            for env in one.get("env", ())
            if env["name"] == "MESSAGE"
        )
        for run, job in jobs.items()
    }
    assert values == {"parameters-g1": "hello world", "parameters-louder": "HELLO"}


def test_links_of_the_page_lead_somewhere() -> None:
    for path, anchor in re.findall(r"\]\(([^)#:]+\.(?:md|yaml))(?:#([-a-z0-9]+))?\)", PAGE):
        file = ROOT / "docs" / path
        assert file.exists(), path
        if anchor:
            heads = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^-a-z0-9 ]", "", one.lower()).replace(" ", "-") for one in heads}
            assert anchor in slugs, f"{path}#{anchor}"
