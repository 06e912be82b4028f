"""How many pods serve, and what stands beside the Service: autoscaler and disruption budget."""

from dataclasses import replace
from typing import Any

import pytest

from penstock_operator.core.actions import Apply, Delete, Plan
from penstock_operator.core.conditions import find
from penstock_operator.core.observed import Ref, Refusal
from penstock_operator.core.observed_endpoint import CompanionView
from penstock_operator.core.scaling import holds, replicas_of
from penstock_operator.manifests import facade as facades
from penstock_spec.endpoint import EndpointScale
from tests.core.endpoint_worlds import FACADE, LIVE, applied, budget, facade, made, plan, status, world
from tests.core.pods import meta

HPA, PDB = "HorizontalPodAutoscaler", "PodDisruptionBudget"
SCALED = {"replicas": 1, "minReplicas": 2, "maxReplicas": 5, "targetCPUUtilization": 60}


def scaler(least: int = 2, most: int = 5, utilization: int = 60, owner: str = "e-uid") -> CompanionView:
    """The autoscaler, with what the API server adds."""
    spec = facades.autoscaler(FACADE, least, most, utilization)["spec"]
    behaviour = {"scaleUp": {"selectPolicy": "Max"}}
    return CompanionView(meta("e", "h-uid", 60, owner=owner), {**spec, "behavior": behaviour})


def companions(planned: Plan, kind: str) -> list[Apply]:
    return [one for one in planned.actions if isinstance(one, Apply) and one.manifest["kind"] == kind]


def serving(replicas: int, scale: Any, **fields: Any) -> Any:
    """m-1 serves with so many pods."""
    return world("m-1", [made("m-1", replicas, replicas)], facade("m-1"), "m-1", scale=scale, **fields)


@pytest.mark.parametrize(
    ("scale", "pods"),
    [
        ({}, 1),
        ({"replicas": 7}, 7),
        ({"replicas": 1, "maxReplicas": 5}, 1),
        ({"replicas": 1, "minReplicas": 2, "maxReplicas": 5}, 2),
        ({"replicas": 4, "minReplicas": 2, "maxReplicas": 5}, 4),
        ({"replicas": 9, "minReplicas": 2, "maxReplicas": 5}, 5),
    ],
)
def test_the_number_of_pods_stays_within_the_autoscalers_bounds(scale: dict[str, int], pods: int) -> None:
    assert replicas_of(EndpointScale.model_validate(scale)) == pods


def test_the_autoscaler_scales_the_endpoint_and_not_one_version_of_it() -> None:
    (action,) = companions(plan(serving(2, SCALED)), HPA)
    spec = action.manifest["spec"]
    assert spec["scaleTargetRef"] == {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "ModelEndpoint",
        "name": "e",
    }
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 5)
    (metric,) = spec["metrics"]
    assert metric["containerResource"]["target"]["averageUtilization"] == 60
    assert metric["containerResource"]["container"] == "serve"


def test_an_autoscaler_that_says_all_that_is_wanted_is_left_alone() -> None:
    assert not companions(plan(serving(2, SCALED, autoscaler=scaler())), HPA)


@pytest.mark.parametrize(
    "found", [scaler(least=1), scaler(most=50), scaler(utilization=10)], ids=["least", "most", "target"]
)
def test_an_autoscaler_that_somebody_changed_is_put_right(found: CompanionView) -> None:
    (action,) = companions(plan(serving(2, SCALED, autoscaler=found)), HPA)
    assert action.force, "whoever changed it owns the field now"


def test_an_autoscaler_that_somebody_deleted_comes_back_after_a_live_look() -> None:
    gone = serving(2, SCALED, live=LIVE - {Ref(HPA, "e")})
    assert plan(gone).confirm == (Ref(HPA, "e"),)
    (action,) = companions(plan(replace(gone, live=LIVE)), HPA)
    assert not action.force


def test_without_a_maximum_the_autoscaler_goes_and_its_last_number_stays() -> None:
    planned = plan(serving(4, {"replicas": 4}, autoscaler=scaler()))
    assert [one.uid for one in planned.actions if isinstance(one, Delete)] == ["h-uid"]
    assert not applied(planned)


@pytest.mark.parametrize("kind", [HPA, PDB])
def test_somebody_elses_object_of_the_name_is_left_alone_and_named_and_the_rest_goes_on(kind: str) -> None:
    fields: dict[str, Any] = (
        {"autoscaler": scaler(owner="x")} if kind == HPA else {"budget": budget("m-1", "x")}
    )
    found = world("m-2", [made("m-1", 2, 2), made("m-2", 2, 2)], facade("m-1"), "m-1", scale=SCALED, **fields)
    planned = plan(found)
    assert applied(planned) == [("Service", "m-2")]
    assert not companions(planned, kind)
    stalled = find(status(planned), "Stalled")
    assert stalled is not None
    assert stalled["reason"] == "NameCollision"
    assert f"a {kind} e that is not this endpoint's" in stalled["message"]
    assert find(status(planned), "Ready")["status"] == "True"  # type: ignore[index]  # it is there


def test_somebodys_own_autoscaler_of_the_name_is_nobodys_business_where_none_is_asked_for() -> None:
    planned = plan(serving(1, 1, autoscaler=scaler(owner="x")))
    assert not [one for one in planned.actions if isinstance(one, Delete)]
    assert find(status(planned), "Stalled")["status"] == "False"  # type: ignore[index]  # it is there


def test_what_the_api_server_refuses_is_not_asked_again_in_the_same_pass() -> None:
    refused = serving(2, SCALED, refusals={f"{HPA} e": Refusal("RejectedByCluster", "no autoscaling here")})
    planned = plan(refused)
    assert not companions(planned, HPA)
    assert "no autoscaling here" in status(planned)["message"]


def test_the_budget_follows_the_switch() -> None:
    before = world("m-2", [made("m-1"), made("m-2")], facade("m-1"), "m-1")
    (action,) = companions(plan(before), PDB)
    selector = action.manifest["spec"]["selector"]["matchLabels"]
    assert selector["penstock.dev/model-version"] == "m-2"
    assert action.manifest["spec"]["maxUnavailable"] == 1
    assert action.manifest["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    kinds = [one.manifest["kind"] for one in plan(before).actions if isinstance(one, Apply)]
    assert kinds == ["Service", PDB], "the Service first"


def test_a_new_version_starts_with_as_many_pods_as_the_autoscaler_has_brought_the_old_to() -> None:
    scale = {**SCALED, "replicas": 5}
    planned = plan(world("m-2", [made("m-1", 5, 5)], facade("m-1"), "m-1", scale=scale, autoscaler=scaler()))
    (action,) = (one for one in planned.actions if isinstance(one, Apply))
    assert action.manifest["spec"]["replicas"] == 5


def test_what_serves_is_scaled_alone_while_another_version_is_wanted() -> None:
    planned = plan(world("m-2", [made("m-1", 1, 1), made("m-2", 0, 3)], facade("m-1"), "m-1", scale=3))
    (action,) = (one for one in planned.actions if isinstance(one, Apply))
    assert action.manager == "penstock-scale"
    assert action.manifest["spec"] == {"replicas": 3}
    assert action.manifest["metadata"]["uid"] == "d-m-1"


def test_the_scale_subresource_finds_the_pods_that_serve() -> None:
    planned = plan(world("m-2", [made("m-1", 1, 2), made("m-2", 0)], facade("m-1"), "m-1", scale=2))
    pods = status(planned)["pods"]
    assert pods["replicas"] == 2
    assert "penstock.dev/model-version=m-1" in pods["selector"]
    assert "penstock.dev/endpoint=e" in pods["selector"]
    assert status(planned)["replicas"] == "1/2"


def test_what_is_said_is_compared_and_what_is_added_is_not() -> None:
    assert holds({"a": 1, "b": [{"c": 2, "d": 3}]}, {"b": [{"c": 2}]})
    assert not holds({"b": [{"c": 2}, {"c": 3}]}, {"b": [{"c": 2}]})
    assert not holds({}, {"a": 1})
