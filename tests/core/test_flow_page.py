"""docs/flow.md and pages like it say what the planner does: each pipeline lives, and its steps end so."""

from pathlib import Path

import pytest

from tests.core.fake_cluster import FakeCluster
from tests.core.flow_page import EXAMPLES, GANGS, QUEUES, fate_of, items_of, parts_of, results_of
from tests.core.simulation import Simulation

PAGES = {**EXAMPLES, **QUEUES, **GANGS}


@pytest.mark.parametrize("name", PAGES)
def test_the_steps_of_an_example_end_as_the_page_says(name: str, tmp_path: Path) -> None:
    manifest, ends = PAGES[name]
    parts = parts_of(manifest)
    steps = [step for one in (manifest, *parts) for step in one["spec"]["steps"]]
    simulation = Simulation(
        FakeCluster(
            results={leaf: left for one in steps for leaf, left in results_of(one, tmp_path).items()},
            fates={one["name"]: [fate] for one in steps if (fate := fate_of(one))},
            items=items_of(steps),
        )
    )
    for one in (*parts, manifest):
        meta = {**one["metadata"], "namespace": "ml"}
        simulation.person(lambda one=one, meta=meta: simulation.cluster.create({**one, "metadata": meta}))
    simulation.run_to_rest()
    simulation.assert_at_rest()
    found = simulation.steps(f"{name}-g1")
    assert {step: one["state"] for step, one in found.items()} == {step: one[0] for step, one in ends.items()}
    for step, (state, why) in ends.items():
        if state not in {"Succeeded", "Failed"}:
            assert found[step]["message"] == why
