"""docs/reuse.md says what the planner does: its pipelines live, and end as the page says."""

import re
from typing import Any

import pytest
import yaml

from penstock_spec.graph import compile_pipeline
from penstock_spec.run import PipelineRunSpec
from tests.core.fake_cluster import FakeCluster, task_of
from tests.core.simulation import Simulation
from tests.core.test_registered import known
from tests.support import ROOT

PAGE = (ROOT / "docs/reuse.md").read_text()
EXAMPLES = [
    one for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) for one in yaml.safe_load_all(block)
]
PIPELINES: dict[str, Any] = {one["metadata"]["name"]: one for one in EXAMPLES if one["kind"] == "Pipeline"}
RUNS: dict[str, Any] = {one["metadata"]["name"]: one for one in EXAMPLES if one["kind"] == "PipelineRun"}
_ROW = re.compile(r"^\| (\w+) \| (\w+) \| (.*?) ?\|$", re.MULTILINE)


def told(name: str) -> dict[str, tuple[str, str]]:
    """The table of ends behind a pipeline: step -> (state, why)."""
    behind = PAGE[PAGE.index(f"metadata: {{name: {name}}}") :]
    table = behind[behind.index("| step | ends | why |") :].split("\n\n", 1)[0]
    steps = {one["name"] for one in PIPELINES[name]["spec"]["steps"]}
    return {step: (state, why) for step, state, why in _ROW.findall(table) if step in steps}


def test_a_second_run_ends_as_the_page_says() -> None:
    simulation = Simulation(FakeCluster())
    simulation.person(lambda: simulation.cluster.create(PIPELINES["forecast"]))
    simulation.run_to_rest()
    simulation.cluster.advance(9 * 86400)
    again = {**RUNS["forecast-afresh"], "metadata": {"name": "again"}, "spec": {"pipeline": "forecast"}}
    for run in (again, RUNS["forecast-afresh"]):
        simulation.person(lambda run=run: simulation.cluster.create(run))
        simulation.run_to_rest()
    found = {name: (one["state"], one["why"]) for name, one in simulation.steps("again").items()}
    assert found == told("forecast")
    afresh = simulation.steps("forecast-afresh").values()
    assert {(one["state"], one["why"]) for one in afresh} == {("Succeeded", "forced: the run asks for it")}


@pytest.mark.parametrize(("champion", "read"), [(None, ["tumour-3"]), (2, ["tumour-3", "tumour-2"])])
def test_a_version_is_promoted_as_the_page_says(champion: int | None, read: list[str]) -> None:
    simulation = Simulation(FakeCluster())
    simulation.cluster.create(known(3, "Candidate"))
    if champion is not None:
        simulation.cluster.create(known(champion, "Production"))
    for one in (PIPELINES["promote"], RUNS["promote-tumour-3"]):
        simulation.person(lambda one=one: simulation.cluster.create(one))
        simulation.run_to_rest()
    run = simulation.cluster.objects[("PipelineRun", "promote-tumour-3")]["status"]
    assert [one["version"] for one in run["pinned"] if "version" in one] == read
    assert {one["state"] for one in run["steps"]} == {"Succeeded"}
    (task,) = [one for one in map(task_of, simulation.cluster.find("Job")) if one["step"] == "compare"]
    assert ("champion" in task["inputs"]) == (champion is not None)
    served = simulation.cluster.objects[("ModelEndpoint", "tumour")]["spec"]["model"]
    assert served["version"] == "tumour-3"


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_on_the_page_compiles(name: str) -> None:
    assert compile_pipeline(PIPELINES[name]["spec"]).order


@pytest.mark.parametrize("name", RUNS)
def test_a_run_on_the_page_is_one_of_a_pipeline_on_the_page(name: str) -> None:
    spec = PipelineRunSpec.model_validate(RUNS[name]["spec"], by_alias=True, by_name=False)
    assert spec.pipeline in PIPELINES
