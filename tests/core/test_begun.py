"""A step that has begun goes on, though nobody has written down that it began."""

from typing import Any

import pytest

from tests.core.fake_cluster import FakeCluster
from tests.core.fake_shell import Killed
from tests.core.pipelines import TUMOUR_NEEDS, tumour
from tests.core.simulation import Simulation, pipeline


def test_the_model_that_a_step_has_made_itself_is_not_one_to_be_reused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS, hold=lambda: True)
    cluster, deaths = simulation.cluster, []
    create = cluster.create

    def deadly(manifest: Any) -> None:
        create(manifest)
        if manifest["kind"] == "ModelVersion" and not deaths:
            deaths.append(manifest["metadata"]["name"])
            raise Killed

    monkeypatch.setattr(cluster, "create", deadly)
    simulation.person(lambda: create(pipeline("tumour", tumour())))
    simulation.run_to_rest()
    assert deaths == ["tumour-1"], "the operator died when the model was registered"
    fit = simulation.steps("tumour-g1")["fit"]
    assert (fit["state"], fit["attempt"], fit["why"]) == ("Succeeded", 1, "first run")
