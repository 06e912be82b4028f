"""What a cache or an older status says is not taken for what is: specs, stalls, sources."""

from typing import Any

from penstock_operator.core.observed import Ref
from tests.core.fake_cluster import FakeCluster, Object
from tests.core.fake_shell import FakeShell
from tests.core.pipelines import TUMOUR_NEEDS, tumour
from tests.core.simulation import Simulation, pipeline


def living(**cluster: Any) -> Simulation:
    simulation = Simulation(FakeCluster(**cluster), TUMOUR_NEEDS)
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", tumour())))
    simulation.run_to_rest()
    return simulation


def new_run(name: str) -> Object:
    return {
        "kind": "PipelineRun",
        "metadata": {"name": name, "namespace": "ml"},
        "spec": {"pipeline": "tumour"},
    }


def test_a_persons_run_freezes_the_pipeline_as_it_is_and_not_as_a_cache_has_it() -> None:
    simulation = living()
    simulation.cluster.create(new_run("mine"))
    shell = FakeShell(simulation.cluster)
    shell.run_pass("mine")
    assert shell.plans[0].confirm == (Ref("Pipeline", "tumour"), Ref("ConfigMap", "penstock-defaults"))


def test_an_unchanged_source_gives_what_was_compared_and_not_what_an_older_run_had_read() -> None:
    simulation = living(source_revision="etag-1")
    cluster = simulation.cluster
    cluster.source_revision = "etag-2"
    simulation.person(lambda: cluster.create(new_run("second")))
    simulation.run_to_rest()
    read = simulation.steps("second")["data"]["outputs"]
    assert read != simulation.steps("tumour-g1")["data"]["outputs"]
    cluster.now = cluster.now.replace(minute=cluster.now.minute + 5)
    simulation.person(lambda: cluster.create(new_run("third")))
    while not any("third-data" in one["metadata"]["name"] for one in cluster.find("Job")):
        simulation._work()
        cluster.advance(0.5)
    cluster.delete("PipelineRun", "second")
    simulation.run_to_rest()
    third = simulation.steps("third")["data"]
    assert (third["state"], third["outputs"]) == ("Reused", read)


def test_a_stall_from_before_the_gates_verdict_does_not_fail_the_deploy() -> None:
    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS)
    cluster = simulation.cluster
    simulation.person(lambda: cluster.create(pipeline("tumour", tumour())))
    while cluster.get("ModelEndpoint", "tumour") is None:
        simulation._work()
        cluster.advance(0.5)
    endpoint = cluster.objects[("ModelEndpoint", "tumour")]
    stalled = {"observedGeneration": 1, "ready": False, "stalled": "ModelNotApproved"}
    cluster.change(endpoint, status=stalled)
    FakeShell(cluster).run_pass("tumour-g1")
    assert simulation.steps("tumour-g1")["serve"]["state"] == "Running"
