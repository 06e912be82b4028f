"""A change of how a model is served, in place: tried beside what serves, taken back when it cannot start."""

from dataclasses import replace
from typing import Any

import pytest

from penstock_operator.core.conditions import find
from penstock_operator.core.observed_endpoint import DeploymentView, ObservedEndpoint
from penstock_operator.core.times import stamp
from penstock_spec.server_spec import ServerSpec
from tests.core.endpoint_life import DEADLINE, EndpointLife
from tests.core.endpoint_worlds import (
    LIVE,
    SETTINGS,
    applied,
    deleted,
    entry,
    facade,
    made,
    plan,
    server,
    status,
    status_on,
    world,
)
from tests.core.pods import NOW, ago, container, pod
from tests.support import ROOT

THEIRS = server("m-1", program=ServerSpec(image="acme/server:2"))
ASKED = {"server": {"image": "acme/server:2"}}
NO_IMAGE = pod(container("serve", waiting_reason="ImagePullBackOff", waiting_message="not found"))


def changed(*more: DeploymentView, spec: Any = None, selects: Any = None, **fields: Any) -> ObservedEndpoint:
    """m-1 serves; its settings were changed."""
    deployments = [made("m-1"), *more]
    return world("m-1", deployments, selects or facade("m-1"), "m-1", spec=spec or ASKED, **fields)


def theirs(ready: int = 1, **fields: Any) -> DeploymentView:
    """The Deployment of m-1 with changed settings."""
    return replace(made("m-1", ready, server=THEIRS), **fields)


def condition(observed: Any, type_: str) -> dict[str, Any]:
    found = find(observed, type_)
    assert found is not None
    return dict(found)


CHANGES: dict[str, dict[str, Any]] = {
    "an image": ASKED,
    "a variable": {"server": {"env": [{"name": "PENSTOCK_SERVE_ROWS", "value": "9"}]}},
    "workers": {"server": {"workers": 2}},
    "memory": {"resources": {"memory": "100Ti"}},
    "processor time": {"resources": {"cpu": "2"}},
    "tokens": {"authentication": {"secret": "callers"}},
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_settings_are_tried_beside_what_serves(name: str) -> None:
    planned = plan(changed(spec=CHANGES[name]))
    (action,) = planned.actions
    manifest = action.manifest  # type: ignore[union-attr]  # an Apply
    assert manifest["kind"] == "Deployment"
    assert manifest["metadata"]["name"] != server("m-1").name
    own = manifest["spec"]["selector"]["matchLabels"]
    assert own.items() - facade("m-1").selector.items(), "the Service would find its pods"
    assert not deleted(planned)
    assert (status(planned)["stable"], status(planned)["next"]) == ("m-1", "m-1")
    assert status(planned)["message"] == "m-1 with changed settings starts: being created"
    assert condition(status(planned), "Ready")["status"] == "True"


SAME: dict[str, dict[str, Any]] = {
    "defaults that are written out": {"resources": {"cpu": "100m", "memory": "512Mi"}, "server": {}},
    "more pods": {"scale": {"replicas": 3}},
    "more time": {"rollout": {"deadline": "20m"}},
    "a look at the traffic": {"monitoring": {"every": "5m"}},
}


@pytest.mark.parametrize("name", SAME)
def test_what_is_no_setting_of_the_server_replaces_no_deployment(name: str) -> None:
    planned = plan(changed(spec=SAME[name]))
    names = {one.manifest["metadata"]["name"] for one in planned.actions}  # type: ignore[union-attr]  # Applies
    assert names <= {server("m-1").name}
    assert "rollout" not in status(planned)
    assert not deleted(planned)


def test_an_upgrade_of_penstock_changes_the_pods_of_the_deployment_that_serves() -> None:
    upgraded = replace(SETTINGS, pods=replace(SETTINGS.pods, server_image="penstock/server:9"))
    planned = plan(changed(spec={"server": {}}), settings=upgraded)
    (action,) = planned.actions
    assert action.manifest["metadata"]["name"] == server("m-1").name  # type: ignore[union-attr]  # an Apply


def test_the_service_moves_when_every_pod_with_the_changed_settings_is_ready() -> None:
    assert applied(plan(changed(theirs(0)))) == []
    assert applied(plan(changed(theirs()))) == [("Service", "m-1")]


def test_the_pods_with_the_old_settings_go_when_every_node_has_heard_of_it() -> None:
    moved = changed(theirs(), selects=facade("m-1", program=THEIRS))
    planned = plan(moved)
    assert status(planned)["stableSettings"] == THEIRS.settings != server("m-1").settings
    assert status(planned)["switchedAt"] == stamp(NOW)
    assert [(one.reason, one.warning) for one in planned.events] == [("SettingsReplaced", False)]
    assert [one["revision"] for one in status(planned)["history"]] == [1], "a revision is a model"
    assert not deleted(planned)
    recorded = replace(moved, status=status(planned))
    assert not deleted(plan(recorded, ago(-4)))
    assert planned.look_again is not None
    assert deleted(plan(recorded, planned.look_again)) == ["d-m-1"]
    assert not plan(recorded, planned.look_again).events


def late(seconds: float = 600, **fields: Any) -> ObservedEndpoint:
    """The changed settings were asked for so long ago; their pod has no image."""
    stuck = theirs(0, pods=(NO_IMAGE,), meta=replace(theirs().meta, uid="d-new"))
    asked = changed(stuck, **fields)
    begun = status(plan(asked, ago(seconds)))
    return replace(asked, status=begun)


def test_settings_with_which_no_pod_starts_in_time_are_taken_back_in_words() -> None:
    assert not deleted(plan(late(590)))
    planned = plan(late())
    told = status(planned)
    assert deleted(planned) == ["d-new"]
    assert not planned.actions
    assert condition(told, "Stalled")["reason"] == "DeadlineExceeded"
    message = condition(told, "Stalled")["message"]
    assert message.startswith(
        "m-1 with changed settings did not get ready within 10m; serve: ImagePullBackOff"
    )
    assert (
        "set spec.server, spec.resources, spec.authentication to what can start, or to what they" in message
    )
    assert message.endswith("m-1 goes on serving as before")
    assert (condition(told, "Ready")["status"], condition(told, "Ready")["reason"]) == ("True", "Serving")
    assert condition(told, "Reconciling")["status"] == "False"
    assert [(one.reason, one.warning) for one in planned.events] == [("DeadlineExceeded", True)]
    assert (told["stableSettings"], told.get("next")) == (server("m-1").settings, None)


def refused(**fields: Any) -> ObservedEndpoint:
    """The changed settings were refused, and their Deployment is gone."""
    return replace(changed(**fields), status=status(plan(late())))


def test_a_refusal_of_settings_holds_whoever_looks_and_is_told_once() -> None:
    later = plan(refused(), ago(-86400))
    assert not later.actions
    assert not later.events
    assert later.status is None


def test_settings_as_they_were_end_the_refusal_without_a_write_to_what_serves() -> None:
    planned = plan(refused(spec={"server": {}}))
    assert not planned.actions
    assert condition(status(planned), "Stalled")["status"] == "False"
    assert "rollout" not in status(planned)
    assert status(planned)["message"] == "m-1 serves"


@pytest.mark.parametrize("name", ["a variable", "memory", "tokens"])
def test_other_settings_are_tried_after_a_refusal_with_their_own_time(name: str) -> None:
    planned = plan(refused(spec=CHANGES[name]))
    assert applied(planned) == [("Deployment", "m-1")]
    assert status(planned)["rollout"]["startedAt"] == stamp(NOW)
    assert condition(status(planned), "Stalled")["status"] == "False"


def test_settings_that_are_taken_back_before_they_were_ready_go_at_once() -> None:
    planned = plan(replace(late(10), spec=changed(spec={"server": {}}).spec))
    assert deleted(planned) == ["d-new"]
    assert not planned.actions


def test_a_pinned_revision_is_served_by_changed_settings_like_any_other() -> None:
    pinned = {**ASKED, "rollbackTo": 1}
    history = [entry(1, "m-1"), entry(2, "m-2"), entry(3, "m-1", reason="RolledBack")]
    before = replace(changed(spec=pinned), status=status_on("m-1", *history))
    assert applied(plan(before)) == [("Deployment", "m-1")]
    done = world("m-2", [theirs()], facade("m-1", program=THEIRS), spec=pinned)
    settled = plan(replace(done, status=status_on("m-1", *history, program=THEIRS)))
    assert status(settled)["message"] == "m-1 serves, pinned by spec.rollbackTo"
    assert len(status(settled)["history"]) == 3


def test_a_lost_service_comes_back_on_the_settings_that_served() -> None:
    found = world("m-1", [made("m-1"), theirs(0)], None, "m-1", spec=ASKED)
    (action,) = (one for one in plan(found).actions if one.manifest["kind"] == "Service")  # type: ignore[union-attr]  # Applies
    assert action.manifest["spec"]["selector"] == server("m-1").selector  # type: ignore[union-attr]  # the same


def test_what_an_earlier_penstock_made_serves_until_its_labelled_successor_is_ready() -> None:
    view = made("m-1")
    older = replace(
        view,
        meta=replace(view.meta, name="e-0000000000", uid="d-old"),
        unit=replace(view.unit, settings=""),
        spec_hash="older",
    )
    labels = {one: value for one, value in facade("m-1").selector.items() if not one.endswith("-settings")}
    selects = replace(facade("m-1"), selector=labels, spec_hash="older")
    known = status_on("m-1")
    del known["stableSettings"], known["switchedAt"]
    begun = replace(world("m-1", [older], selects), status=known)
    first = plan(begun)
    assert [one for one in applied(first) if one[0] == "Deployment"] == [("Deployment", "m-1")]
    assert not deleted(first)
    assert status(first)["message"].startswith("m-1 starts")
    ready = plan(replace(begun, deployments=[older, view]))
    assert ("Service", "m-1") in applied(ready)
    moved = plan(replace(begun, deployments=[older, view], service=facade("m-1"), live=LIVE))
    assert not deleted(moved)
    assert not moved.events, "nobody has changed a setting"
    recorded = replace(begun, deployments=[older, view], service=facade("m-1"), status=status(moved))
    assert deleted(plan(recorded, ago(-60))) == ["d-old"]


# Over time


def serving(**fields: Any) -> EndpointLife:
    """m-1 serves at rest with our server."""
    life = EndpointLife(**fields)
    life.ask("m-1")
    life.live(20)
    return life


@pytest.mark.parametrize("fate", ["slow", "hanging", "crashing"])
def test_only_pods_of_one_kind_stay_whatever_becomes_of_a_change_in_place(fate: str) -> None:
    life = serving(fates={"acme:1": fate})
    ours = life.image
    life.edit(server={"image": "acme:1"})
    life.live(5)
    assert len(life.cluster.deployments) == 2
    life.live(3 * DEADLINE)
    assert (life.answering, life.image) == ("m-1", ours)
    assert len(life.cluster.deployments) == 1
    assert [one.reason for one in life.events if one.warning] == ["DeadlineExceeded"]
    writes = len(life.writes)
    life.live(3600)
    assert len(life.writes) == writes, "a refusal holds"
    life.edit(server={"image": "acme:2"})
    life.live(30)
    assert (life.answering, life.image) == ("m-1", "acme:2")
    assert len(life.cluster.deployments) == 1
    assert [one.reason for one in life.events] == ["Deployed", "DeadlineExceeded", "SettingsReplaced"]


def test_a_version_that_comes_with_the_settings_that_were_refused_is_refused_too() -> None:
    life = serving(fates={"acme:1": "crashing"})
    life.edit(server={"image": "acme:1"})
    life.live(2 * DEADLINE)
    life.ask("m-2", "run m-g2, step serve")
    life.live(2 * DEADLINE)
    assert (life.answering, len(life.cluster.deployments)) == ("m-1", 1)
    life.edit(server=None)
    life.live(30)
    assert (life.answering, len(life.cluster.deployments)) == ("m-2", 1)


@pytest.mark.parametrize(
    "change", [{"server": {"image": "acme:2"}}, {"model": "m-2"}], ids=["settings", "version"]
)
def test_what_has_never_served_makes_room_at_once_for_what_is_asked_for_next(change: dict[str, Any]) -> None:
    life = EndpointLife(fates={"acme:1": "crashing", "m-1": "good"})
    life.ask("m-1")
    life.edit(server={"image": "acme:1"})
    life.live(10)
    if "model" in change:
        life.edit(server=None)
        life.ask("m-2", "run m-g2, step serve")
    else:
        life.edit(**change)
    life.live(1)
    assert len(life.cluster.deployments) == 1, "nothing is kept that nobody can use"
    life.live(30)
    assert life.answering == ("m-2" if "model" in change else "m-1")
    assert [one["revision"] for one in life.status["history"]] == [1]


def test_the_page_shows_the_words_of_a_change_in_place_that_was_taken_back() -> None:
    full = pod(unschedulable="0/3 nodes are available: 3 Insufficient memory.")
    program = server("m-1", memory="100Ti")
    stuck = made("m-1", 0, server=program, pods=(full,), meta=replace(made("m-1").meta, uid="d-new"))
    asked = changed(stuck, spec=CHANGES["memory"])
    planned = plan(replace(asked, status=status(plan(asked, ago(600)))))
    page = " ".join((ROOT / "docs/endpoints.md").read_text().split())
    assert status(planned)["message"].replace("m-1", "tumour-2") in page
