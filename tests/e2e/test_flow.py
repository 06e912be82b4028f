"""The examples of docs/flow.md on a real cluster: each step ends as the page says, with the page's words."""

import copy
from typing import Any

import pytest

from tests.core.flow_page import EXAMPLES
from tests.support import steps_of

pytestmark = pytest.mark.e2e


def placed(name: str, namespace: str, image: str) -> dict[str, Any]:
    """An example in the test's namespace, its programs in an image that the cluster has."""
    found = copy.deepcopy(EXAMPLES[name][0])
    found["metadata"]["namespace"] = namespace
    for step in found["spec"]["steps"]:
        step["run"]["image"] = image
    return dict(found)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_steps_of_an_example_end_as_the_page_says(runs, namespace, images, name: str) -> None:
    run = runs.execute(placed(name, namespace, images["server"]))
    ends = EXAMPLES[name][1]
    found = steps_of(run)
    assert {step: one["state"] for step, one in found.items()} == {step: one[0] for step, one in ends.items()}
    for step, (state, why) in ends.items():
        if state not in {"Succeeded", "Failed"}:
            assert found[step]["message"] == why
