"""Endpoints: a new version takes over only when it is ready, and what serves goes on serving whatever
happens.
"""

from dataclasses import replace

import pytest

from penstock_operator.core.actions import Delete, PatchStatus, Plan
from penstock_operator.core.conditions import find
from penstock_operator.core.lifecycles import abandoned
from penstock_operator.core.observed import Ref, Refusal
from penstock_operator.core.observed_endpoint import DeploymentView, ObservedEndpoint
from tests.core.endpoint_worlds import (
    LIVE,
    applied,
    deleted,
    digest,
    entry,
    facade,
    made,
    plan,
    server,
    status,
    status_on,
    version,
    world,
)
from tests.core.pods import ago


def test_the_first_version_gets_a_deployment_and_the_service() -> None:
    planned = plan(world("m-1"))
    assert applied(planned) == [("Deployment", "m-1"), ("Service", "m-1")]
    assert "stable" not in status(planned)
    assert status(planned)["next"] == "m-1"


def test_a_service_is_made_only_after_a_live_look_for_one() -> None:
    asked = plan(world("m-1", live=frozenset())).confirm
    assert asked == (Ref("Service", "e"), Ref("PodDisruptionBudget", "e"))


def test_the_first_version_is_stable_once_it_is_ready() -> None:
    planned = plan(world("m-1", [made("m-1")], facade("m-1")))
    assert status(planned)["stable"] == "m-1"
    assert status(planned)["stableDigest"] == digest("m-1")
    assert status(planned)["replicas"] == "1/1"
    assert status(planned)["url"] == "http://e.ml.svc"
    assert find(status(planned), "Ready")["status"] == "True"  # type: ignore[index]  # it is there


def test_a_new_version_starts_beside_the_one_that_serves() -> None:
    planned = plan(world("m-2", [made("m-1")], facade("m-1"), stable="m-1"))
    assert applied(planned) == [("Deployment", "m-2")]
    assert not planned.after
    assert (status(planned)["stable"], status(planned)["next"]) == ("m-1", "m-2")
    assert find(status(planned), "Ready")["status"] == "True"  # type: ignore[index]  # it is there


@pytest.mark.parametrize(
    "new",
    [
        made("m-2", ready=1, replicas=2),
        made("m-2", ready=2, replicas=2, observed_generation=0),
        made("m-2", ready=2, replicas=2, updated=1),
        made("m-2", ready=2, replicas=2, available=1),
        made("m-2", ready=2, replicas=2, existing=3),
    ],
    ids=[
        "one of two pods",
        "figures of an older spec",
        "one pod of an older template",
        "ready but not available",
        "ready, but an old pod may be among them",
    ],
)
def test_the_service_stays_until_every_pod_of_the_new_version_is_ready(new: DeploymentView) -> None:
    planned = plan(world("m-2", [made("m-1", 2, 2), new], facade("m-1"), stable="m-1", scale=2))
    assert ("Service", "m-2") not in applied(planned)
    assert not planned.after
    assert status(planned)["stable"] == "m-1"


def test_the_service_moves_when_every_pod_is_ready_and_the_old_version_stays_until_then() -> None:
    planned = plan(world("m-2", [made("m-1"), made("m-2")], facade("m-1"), stable="m-1"))
    assert applied(planned) == [("Service", "m-2")]
    assert not [one for one in planned.after if isinstance(one, Delete)]


def test_the_old_version_goes_when_every_node_has_heard_that_the_service_has_moved() -> None:
    moved = world("m-2", [made("m-1"), made("m-2")], facade("m-2"), stable="m-1")
    planned = plan(moved)
    assert status(planned)["stable"] == "m-2"
    assert [one.reason for one in planned.events] == ["Deployed"]
    assert not deleted(planned)
    assert planned.look_again is not None
    recorded = replace(moved, status=status(planned))
    assert not deleted(plan(recorded, ago(-4)))
    assert deleted(plan(recorded, planned.look_again)) == ["d-m-1"]


def test_nothing_is_deleted_on_the_word_of_a_cache() -> None:
    moved = world("m-2", [made("m-1"), made("m-2")], facade("m-2"), stable="m-1", live=frozenset())
    assert plan(moved).confirm == (Ref("Service", "e"),)


def test_going_back_before_the_new_version_was_ready_removes_it_again() -> None:
    planned = plan(world("m-1", [made("m-1"), made("m-2", 0)], facade("m-1"), stable="m-1"))
    assert [one.uid for one in planned.after if isinstance(one, Delete)] == ["d-m-2"]
    assert not planned.actions


def test_a_lost_service_comes_back_on_the_version_that_served() -> None:
    planned = plan(world("m-2", [made("m-1"), made("m-2", 0)], None, stable="m-1"))
    assert applied(planned) == [("Service", "m-1")]
    assert not planned.after


def test_more_pods_change_the_deployment_only() -> None:
    planned = plan(world("m-1", [made("m-1")], facade("m-1"), stable="m-1", scale=3))
    assert applied(planned) == [("Deployment", "m-1")]


def test_a_scaled_deployment_is_put_right() -> None:
    scaled = replace(made("m-1", 1, 1), replicas=4)
    assert applied(plan(world("m-1", [scaled], facade("m-1"), stable="m-1"))) == [("Deployment", "m-1")]


def test_at_rest_nothing_is_asked_for() -> None:
    versions = (version("m-1", "Archived"), version("m-2", "Production", ["e"]))
    rest = world("m-2", [made("m-2")], facade("m-2"), stable="m-2", versions=versions)
    settled = replace(rest, status=status(plan(rest)))
    assert plan(settled) == Plan()


def test_production_follows_what_serves() -> None:
    versions = (version("m-1", "Production", ["e"]), version("m-2"))
    planned = plan(world("m-2", [made("m-2")], facade("m-2"), stable="m-1", versions=versions))
    moves = {one.name: one.status for one in planned.after if isinstance(one, PatchStatus)}
    assert (moves["m-1"]["lifecycle"], "endpoints" in moves["m-1"]) == ("Archived", False)
    assert (moves["m-2"]["lifecycle"], moves["m-2"]["endpoints"]) == ("Production", ["e"])


def test_a_version_that_another_endpoint_serves_stays_in_production() -> None:
    versions = (version("m-1", "Production", ["e", "f"]), version("m-2"))
    planned = plan(world("m-2", [made("m-2")], facade("m-2"), stable="m-1", versions=versions))
    moves = {one.name: one.status for one in planned.after if isinstance(one, PatchStatus)}
    assert (moves["m-1"]["lifecycle"], moves["m-1"]["endpoints"]) == ("Production", ["f"])


def test_a_deleted_endpoint_is_taken_out_of_the_registry() -> None:
    versions = (version("m-1", "Production", ["e", "f"]), version("m-2", "Production", ["e"]))
    moves = {one.name: one.status for one in abandoned("e", versions) if isinstance(one, PatchStatus)}
    assert (moves["m-1"]["lifecycle"], moves["m-1"]["endpoints"]) == ("Production", ["f"])
    assert (moves["m-2"]["lifecycle"], moves["m-2"]["message"]) == ("Archived", "endpoint e was deleted")
    assert abandoned("g", versions) == ()


PROBLEMS: dict[str, tuple[ObservedEndpoint, str, str]] = {
    "a version that does not exist": (
        world("m-2", [made("m-1")], facade("m-1"), stable="m-1", versions=(version("m-1"),)),
        "ModelVersionNotFound",
        "no ModelVersion m-2",
    ),
    "a version with other bytes": (
        world(
            "m-2",
            [made("m-1")],
            facade("m-1"),
            stable="m-1",
            versions=(version("m-1"), replace(version("m-2"), digest=digest("m-1"))),
        ),
        "DigestMismatch",
        "has digest sha256:",
    ),
    "a version that its gate rejected": (
        world(
            "m-2",
            [made("m-1")],
            facade("m-1"),
            stable="m-1",
            versions=(version("m-1"), version("m-2", "Rejected")),
        ),
        "ModelNotApproved",
        "rejected by its gate",
    ),
    "a Service of somebody else": (
        world("m-1", [made("m-1")], facade("m-1", owner="x")),
        "NameCollision",
        "a Service e that is not this endpoint's",
    ),
    "a field that somebody else owns": (
        world("m-1", refusals={"e": Refusal("FieldOwned", "conflict with kubectl")}),
        "FieldOwned",
        "conflict with kubectl",
    ),
    "a setting of the server that there is not": (
        world(
            "m-1",
            [made("m-1")],
            facade("m-1"),
            stable="m-1",
            spec={"server": {"env": [{"name": "PENSTOCK_SERVE_ROWSS", "value": "9"}]}},
        ),
        "InvalidSpec",
        'PENSTOCK_SERVE_ROWSS is no setting of Penstock\'s server. Did you mean "PENSTOCK_SERVE_ROWS"?',
    ),
    "memory without a unit": (
        world("m-1", [made("m-1")], facade("m-1"), stable="m-1", spec={"resources": {"memory": "512"}}),
        "InvalidSpec",
        "spec.resources.memory is 512 bytes, less than the 16Mi without which no container starts; write",
    ),
    "one port for two protocols": (
        world(
            "m-1",
            [made("m-1")],
            facade("m-1"),
            stable="m-1",
            spec={"server": {"image": "acme/server:1", "grpcPort": 8080}},
        ),
        "InvalidSpec",
        "spec.server.grpcPort is 8080, where HTTP is answered",
    ),
    "a spec that cannot be read": (
        world("m-1", [made("m-1")], facade("m-1"), stable="m-1", spec={"model": {}}),
        "InvalidSpec",
        "spec.model.version",
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_stalls_the_endpoint_in_words_and_touches_nothing_that_serves(name: str) -> None:
    observed, reason, words = PROBLEMS[name]
    planned = plan(observed)
    stalled = find(status(planned), "Stalled")
    assert stalled is not None
    assert (stalled["status"], stalled["reason"]) == ("True", reason)
    assert words in stalled["message"]
    assert not [one for one in planned.after if isinstance(one, Delete)]
    assert not planned.actions
    if observed.status.get("stable"):
        assert find(status(planned), "Ready")["status"] == "True"  # type: ignore[index]  # it is there
        assert status(planned)["stable"] == "m-1"


def test_what_serves_goes_on_serving_after_a_rejection() -> None:
    versions = (version("m-1", "Rejected"),)
    planned = plan(world("m-1", [made("m-1")], facade("m-1"), stable="m-1", versions=versions))
    assert find(status(planned), "Stalled")["status"] == "False"  # type: ignore[index]  # it is there


def test_an_endpoint_that_is_being_deleted_is_left_alone() -> None:
    observed = world("m-1")
    assert plan(replace(observed, meta=replace(observed.meta, deleting=True))) == Plan()


def test_the_service_does_not_leave_what_serves_on_the_word_of_a_cache() -> None:
    unseen = world("m-2", [made("m-2", 0)], facade("m-1"), stable="m-1")
    ref = Ref("Deployment", server("m-1").name)
    assert plan(unseen).confirm == (ref,)
    gone = replace(unseen, live=LIVE | {ref})
    assert applied(plan(gone)) == [("Service", "m-2")]


def test_other_bytes_under_the_name_of_what_serves_take_over_like_any_other_version() -> None:
    other = replace(server("m-2"), digest="sha256:" + "c" * 64)
    earlier = made("m-2", server=other)
    served = facade("m-2", program=other)
    before = {**status_on("m-2", entry(1, "m-2", digest=earlier.digest)), "stableDigest": earlier.digest}
    stands = replace(world("m-2"), status=before, service=served)
    begun = plan(replace(stands, deployments=[earlier]))
    assert applied(begun) == [("Deployment", "m-2")]
    assert not deleted(begun)
    ready = plan(replace(stands, deployments=[earlier, made("m-2")]))
    assert applied(ready) == [("Service", "m-2")]
    moved = plan(replace(stands, deployments=[earlier, made("m-2")], service=facade("m-2")))
    assert status(moved)["stableDigest"] == digest("m-2") != earlier.digest
    assert [one["revision"] for one in status(moved)["history"]] == [1, 2]


def test_more_endpoints_than_a_version_can_list_are_no_reason_to_write_again_and_again() -> None:
    served = version("m-2", "Production", [f"a{number:02}" for number in range(32)])
    rest = world("m-2", [made("m-2")], facade("m-2"), stable="m-2", versions=(served,))
    assert not plan(replace(rest, status=status(plan(rest)))).after


def test_while_its_pods_are_replaced_one_by_one_a_version_serves_and_is_not_at_rest() -> None:
    rolling = made("m-1", ready=2, replicas=2, existing=3, updated=1)
    planned = plan(world("m-1", [rolling], facade("m-1"), stable="m-1", scale=2))
    assert status(planned)["message"] == "m-1 serves: its pods are being replaced one by one"
    assert status(planned)["replicas"] == "2/2"
    assert find(status(planned), "Reconciling")["status"] == "True"  # type: ignore[index]  # it is there
    assert find(status(planned), "Ready")["status"] == "True"  # type: ignore[index]  # the same
    assert not planned.actions


PROMISED: dict[str, tuple[ObservedEndpoint, bool]] = {
    "a moment after it was made": (world("m-1", monitoring_follows=True), True),
    "once it is there": (world("m-1", monitoring_follows=True, spec={"monitoring": {"every": "1m"}}), False),
    "where nobody has promised it": (world("m-1"), False),
    "where pods have been made": (world("m-1", [made("m-1", 0)], monitoring_follows=True), False),
}


@pytest.mark.parametrize("name", PROMISED)
def test_a_new_endpoint_waits_a_moment_for_the_monitoring_that_its_maker_has_promised(name: str) -> None:
    observed, waits = PROMISED[name]
    young = replace(observed, meta=replace(observed.meta, created=ago(2)))
    planned = plan(young)
    assert (("Deployment", "m-1") not in applied(planned)) == (waits or bool(observed.deployments))
    if waits:
        assert planned.look_again == ago(-8)
        assert ("Deployment", "m-1") in applied(plan(young, ago(-8))), (
            "a promise that is not kept holds up nothing"
        )
