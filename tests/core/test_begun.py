"""A step that has begun goes on, though nobody has written down that it began."""

from tests.core.fake_cluster import FakeCluster
from tests.core.fake_shell import FakeShell, Killed
from tests.core.pipelines import TUMOUR_NEEDS, tumour
from tests.core.simulation import Simulation, pipeline


def test_the_model_that_a_step_has_made_itself_is_not_one_to_be_reused() -> None:
    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS, hold=lambda: True)
    cluster = simulation.cluster
    create = cluster.create

    def deadly(manifest: object) -> None:
        create(manifest)  # type: ignore[arg-type]
        if manifest["kind"] == "ModelVersion":  # type: ignore[index]
            cluster.create = create  # type: ignore[method-assign]
            raise Killed

    cluster.create = deadly  # type: ignore[method-assign, assignment]
    simulation.person(lambda: create(pipeline("tumour", tumour())))
    simulation.run_to_rest()
    assert cluster.create == create, "the operator died when the model was registered"
    assert isinstance(simulation.shell, FakeShell)
    fit = simulation.steps("tumour-g1")["fit"]
    assert (fit["state"], fit["attempt"], fit["why"]) == ("Succeeded", 1, "first run")
