"""Deploy steps and those who write to the same endpoint: what a step sets, leaves alone, and waits for."""

from typing import Any

import pytest

from penstock_operator.core.deploy_fields import asked_fields, differs, left_to_others
from penstock_operator.core.observed import EndpointView
from penstock_spec.kinds.deploy import Deploy
from tests.core.fake_cluster import FakeCluster
from tests.core.pipelines import TUMOUR_NEEDS, tumour
from tests.core.pods import meta
from tests.core.simulation import Simulation, pipeline
from tests.core.test_pipelines import living, new_run, states

STEP = "penstock-deploy"


def step(**fields: Any) -> Deploy:
    return Deploy.model_validate({"model": "fit.model", "endpoint": "e", **fields})


def live(managers: dict[str, list[str]] | None = None, **fields: Any) -> EndpointView:
    return EndpointView(
        meta("e", "e-uid", 60), "m-1", "sha256:" + "a" * 64, managers=managers or {}, **fields
    )


FIELDS: dict[str, tuple[Deploy, EndpointView | None, dict[str, Any]]] = {
    "a new endpoint gets all": (
        step(scale={"replicas": 3}, rollout={"deadline": "5m"}),
        None,
        {"scale": {"replicas": 3}, "rollout": {"deadline": "5m"}},
    ),
    "nothing said, nothing set": (step(), live(), {}),
    "nothing said, and what an earlier run has set stays": (
        step(),
        live({"spec.scale.replicas": [STEP]}, scale={"replicas": 3}),
        {"scale": {"replicas": 3}},
    ),
    "its own fields are set again": (
        step(scale={"replicas": 3}),
        live({"spec.scale.replicas": [STEP]}, scale={"replicas": 2}),
        {"scale": {"replicas": 3}},
    ),
    "somebody scaled by hand": (
        step(scale={"replicas": 3}, rollout={"deadline": "5m"}),
        live({"spec.scale.replicas": [STEP, "kubectl"]}),
        {"rollout": {"deadline": "5m"}},
    ),
    "somebody scaled an endpoint whose number nobody had set": (
        step(scale={"replicas": 3}),
        live(scale={"replicas": 2}),
        {},
    ),
    "a number that nobody has set": (
        step(scale={"replicas": 3}),
        live(scale={"replicas": 1}),
        {"scale": {"replicas": 3}},
    ),
    "autoscaling, which writes the replicas": (
        step(scale={"minReplicas": 2, "maxReplicas": 6, "targetCPUUtilization": 70}),
        live({"spec.scale.replicas": ["kube-controller-manager"]}),
        {"scale": {"minReplicas": 2, "maxReplicas": 6, "targetCPUUtilization": 70}},
    ),
    "somebody has turned autoscaling on": (
        step(scale={"replicas": 3}),
        live(scale={"replicas": 1, "maxReplicas": 4}),
        {},
    ),
    "the deadline is somebody else's": (
        step(rollout={"deadline": "5m"}),
        live({"spec.rollout.deadline": ["kubectl-edit"]}),
        {},
    ),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_step_sets_what_is_nobody_elses(name: str) -> None:
    body, endpoint, wanted = FIELDS[name]
    assert asked_fields(body, endpoint) == wanted


def test_what_is_left_to_others_is_said() -> None:
    body = step(scale={"replicas": 3})
    assert (
        left_to_others(body, live({"spec.scale.replicas": ["kubectl"]}))
        == "scale.replicas is left to kubectl"
    )
    assert left_to_others(body, live({"spec.scale.replicas": [STEP]})) == ""


def test_a_difference_is_one_of_the_fields_that_are_set() -> None:
    endpoint = live(scale={"replicas": 2, "maxReplicas": 4})
    assert differs({"scale": {"maxReplicas": 5}}, endpoint)
    assert not differs({"scale": {"maxReplicas": 4}}, endpoint)
    assert differs({"rollout": {"deadline": "5m"}}, endpoint)


def test_a_step_says_who_asks() -> None:
    spec = living(tumour()).cluster.objects[("ModelEndpoint", "tumour")]["spec"]
    assert spec["model"]["askedBy"] == "run tumour-g1, step serve"


def edited(cluster: FakeCluster, **fields: Any) -> None:
    spec = cluster.objects[("ModelEndpoint", "tumour")]["spec"]
    cluster.edit("ModelEndpoint", "tumour", {**spec, **fields})


def test_a_pinned_endpoint_fails_the_step_with_the_way_out_and_nothing_is_written_to_it() -> None:
    simulation = living(tumour())
    cluster = simulation.cluster
    simulation.person(lambda: edited(cluster, rollbackTo=1))
    before = cluster.objects[("ModelEndpoint", "tumour")]["spec"]
    simulation.person(lambda: cluster.create(new_run("mine", parameters={"trees": 9})))
    simulation.run_to_rest()
    serve = simulation.steps("mine")["serve"]
    assert (serve["state"], serve["reason"]) == ("Failed", "EndpointPinned")
    assert "pinned to revision 1 by spec.rollbackTo" in serve["message"]
    assert "rollbackTo; to let it go: kubectl patch me -n ml tumour --type=json" in serve["message"]
    assert cluster.objects[("ModelEndpoint", "tumour")]["spec"] == before


def test_a_run_that_asks_for_what_serves_already_leaves_the_name_of_who_asked_first() -> None:
    simulation = living(tumour())
    simulation.person(lambda: simulation.cluster.create(new_run("mine")))
    simulation.run_to_rest()
    assert states(simulation, "mine")["serve"] == "Succeeded"
    spec = simulation.cluster.objects[("ModelEndpoint", "tumour")]["spec"]
    assert spec["model"]["askedBy"] == "run tumour-g1, step serve"


def test_a_run_asks_again_for_a_version_that_came_too_late_for_another() -> None:
    simulation = living(tumour(), endpoint_trouble="DeadlineExceeded")
    cluster = simulation.cluster
    cluster.endpoint_trouble = ""
    simulation.person(lambda: cluster.create(new_run("mine")))
    simulation.run_to_rest()
    assert states(simulation, "mine")["serve"] == "Succeeded"
    spec = cluster.objects[("ModelEndpoint", "tumour")]["spec"]
    assert spec["model"]["askedBy"] == "run mine, step serve"


def test_a_run_leaves_a_version_that_serves_though_other_settings_of_its_server_were_refused() -> None:
    simulation = living(tumour())
    cluster = simulation.cluster
    endpoint = cluster.objects[("ModelEndpoint", "tumour")]
    cluster.change(endpoint, status={**endpoint["status"], "refused": True})
    before = cluster.objects[("ModelEndpoint", "tumour")]["spec"]
    simulation.person(lambda: cluster.create(new_run("mine")))
    simulation.run_to_rest()
    assert states(simulation, "mine")["serve"] == "Succeeded"
    assert cluster.objects[("ModelEndpoint", "tumour")]["spec"] == before


def test_a_step_whose_asking_was_never_written_down_does_not_say_that_it_was_there_already() -> None:
    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS)

    def dying() -> str:
        """Killed once, when the endpoint has been asked, and it serves before the next operator looks."""
        if simulation.kills or ("ModelEndpoint", "tumour") not in simulation.cluster.objects:
            return ""
        for _ in range(20):
            simulation.cluster.advance(0.5)
        return "before"

    simulation.fate_of_write = dying
    simulation.shell.fate_of_write = dying
    simulation.cluster.create(pipeline("tumour", tumour()))
    simulation.wake()
    simulation.run_to_rest()
    assert simulation.kills == 1
    serve = simulation.steps("tumour-g1")["serve"]
    assert (serve["state"], serve.get("why", "")) == ("Succeeded", "")
