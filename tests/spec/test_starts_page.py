"""docs/starts.md shows what the API takes."""

import re
from typing import Any

import pytest
import yaml

from penstock_spec.graph import compile_pipeline
from penstock_spec.run import PipelineRunSpec
from penstock_spec.triggers import TRIGGER_KINDS
from tests.support import ROOT

PAGE = (ROOT / "docs/starts.md").read_text()
EXAMPLES = [
    one for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) for one in yaml.safe_load_all(block)
]
PIPELINES = {one["metadata"]["name"]: one["spec"] for one in EXAMPLES if one["kind"] == "Pipeline"}


@pytest.mark.parametrize("name", PIPELINES)
def test_an_example_compiles(name: str) -> None:
    assert compile_pipeline(PIPELINES[name]).order


@pytest.mark.parametrize(
    "run", [one for one in EXAMPLES if one["kind"] == "PipelineRun"], ids=lambda one: one["metadata"]["name"]
)
def test_a_run_on_the_page_names_a_pipeline_on_the_page(run: Any) -> None:
    spec = PipelineRunSpec.model_validate(run["spec"], by_alias=True, by_name=False)
    assert spec.pipeline in PIPELINES


def test_every_kind_of_trigger_has_an_example() -> None:
    used = {key for spec in PIPELINES.values() for one in spec.get("triggers", ()) for key in one}
    assert set(TRIGGER_KINDS) <= used
