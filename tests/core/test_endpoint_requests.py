"""Who asks an endpoint for what: spec.model, roll-backs, deadlines, and what the status says of them."""

from dataclasses import replace
from typing import Any

import pytest

from penstock_operator.core.conditions import find
from penstock_operator.core.observed import Trouble
from penstock_operator.core.observed_endpoint import DeploymentView
from penstock_operator.core.times import stamp
from penstock_spec.endpoint_status import HISTORY_LENGTH
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
from tests.core.pods import NOW, ago, container, pod


def stalled(planned: Any) -> tuple[str, str]:
    """Reason and message of the condition Stalled, which is True."""
    found = find(status(planned), "Stalled")
    assert found is not None
    assert found["status"] == "True"
    return found["reason"], found["message"]


def moved(**fields: Any) -> Any:
    """The Service has moved from m-1 to m-2; nothing of that is written yet."""
    return world("m-2", [made("m-1"), made("m-2")], facade("m-2"), stable="m-1", **fields)


ACTORS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a deploy step": ({}, "run m-g2, step serve", "Deployed"),
    "a person with kubectl edit": (
        {"managers": {"spec.model.version": ["kubectl-edit"]}},
        "kubectl-edit",
        "ReplacedByHand",
    ),
    "whoever wrote last, of several": (
        {"managers": {"spec.model.version": ["helm", "kubectl-patch"]}},
        "kubectl-patch",
        "ReplacedByHand",
    ),
    "a deploy step, though kubectl applied the same": (
        {"managers": {"spec.model.version": ["penstock-deploy", "kubectl"]}},
        "run m-g2, step serve",
        "Deployed",
    ),
    "a tool that says for whom": (
        {"managers": {"spec.model.version": ["portal"]}, "requested_by": "ada@example.org"},
        "ada@example.org",
        "ReplacedByHand",
    ),
    "a deploy step, where nobody knows the managers": ({"managers": {}}, "run m-g2, step serve", "Deployed"),
}


@pytest.mark.parametrize("name", ACTORS)
def test_the_history_names_who_asked(name: str) -> None:
    fields, actor, reason = ACTORS[name]
    planned = plan(moved(**fields))
    first, second = status(planned)["history"]
    assert (second["revision"], second["version"], second["digest"]) == (2, "m-2", digest("m-2"))
    assert (second["actor"], second["reason"], second["model"]) == (actor, reason, "m")
    assert first["until"] == second["from"] == stamp(NOW)
    assert status(planned)["revision"] == 2
    (note,) = planned.events
    assert note.reason == reason
    assert note.message == f"revision 2: m-2 serves in place of m-1, asked for by {actor}"


def test_who_asked_is_known_though_the_spec_has_moved_on_before_it_was_written() -> None:
    before = {
        **status_on("m-1"),
        "rollout": status(plan(world("m-2", [made("m-1")], facade("m-1"), "m-1")))["rollout"],
    }
    versions = [version(name) for name in ("m-1", "m-2", "m-3")]
    late = replace(
        world("m-3", [made("m-1"), made("m-2")], facade("m-2"), versions=versions),
        status=before,
        managers={"spec.model.version": ["kubectl-edit"]},
    )
    planned = plan(late)
    assert status(planned)["history"][-1]["version"] == "m-2"
    assert status(planned)["history"][-1]["actor"] == "run m-g2, step serve"
    assert ("Service", "m-1") not in applied(planned), "what has taken over is not left for what it replaced"


def test_of_a_history_that_is_full_the_oldest_goes_and_numbers_go_on() -> None:
    entries = [entry(number, "m-1" if number % 2 else "m-2") for number in range(8, 8 + HISTORY_LENGTH)]
    assert entries[-1]["version"] == "m-1"
    planned = plan(replace(moved(), status=status_on("m-1", *entries)))
    found = [one["revision"] for one in status(planned)["history"]]
    assert found == list(range(9, 9 + HISTORY_LENGTH))


def test_a_revision_is_not_given_twice_though_the_history_is_lost() -> None:
    before = {**status_on("m-1"), "history": [], "revision": 7}
    planned = plan(replace(moved(), status=before))
    assert [one["revision"] for one in status(planned)["history"]] == [8]


# Roll-backs


def rolled_back(revision: int, **fields: Any) -> Any:
    history = [entry(1, "m-1"), entry(2, "m-2")]
    found = world("m-2", [made("m-2")], facade("m-2"), spec={"rollbackTo": revision}, **fields)
    return replace(found, status=status_on("m-2", *history))


def test_a_roll_back_starts_the_revisions_bytes_though_its_record_is_gone() -> None:
    planned = plan(rolled_back(1, versions=[version("m-2")]))
    assert applied(planned) == [("Deployment", "m-1")]
    (action,) = planned.actions
    env = action.manifest["spec"]["template"]["spec"]["containers"][0]["env"]  # type: ignore[union-attr]  # an Apply
    assert {"name": "PENSTOCK_MODEL_DIGEST", "value": digest("m-1")} in env
    assert status(planned)["next"] == "m-1"
    assert status(planned)["rollout"]["reason"] == "RolledBack"


def test_a_roll_back_to_the_bytes_of_a_name_that_was_given_again_serves_the_old_bytes() -> None:
    again = replace(version("m-1"), digest="sha256:" + "e" * 64)
    planned = plan(rolled_back(1, versions=[again, version("m-2")]))
    assert status(planned)["rollout"]["digest"] == digest("m-1")


@pytest.mark.parametrize(
    ("revision", "history", "known"), [(7, (1, 2), "1 to 2"), (3, (1, 2, 4, 6), "1 to 2, 4, 6")]
)
def test_a_roll_back_to_a_revision_that_there_is_not_names_those_that_there_are(
    revision: int, history: tuple[int, ...], known: str
) -> None:
    entries = [entry(number, "m-2") for number in history]
    planned = plan(replace(rolled_back(revision), status=status_on("m-2", *entries)))
    reason, message = stalled(planned)
    assert reason == "RevisionUnknown"
    assert f"no revision {revision} in status.history; known: {known}" in message
    assert "m-2 goes on serving" in message
    assert not planned.actions


def test_a_version_that_a_gate_has_rejected_meanwhile_is_not_gone_back_to() -> None:
    planned = plan(rolled_back(1, versions=[version("m-1", "Rejected"), version("m-2")]))
    assert stalled(planned)[0] == "ModelNotApproved"
    assert not planned.actions


def test_while_it_is_pinned_the_words_say_so() -> None:
    planned = plan(rolled_back(2))
    assert status(planned)["message"] == "m-2 serves, pinned by spec.rollbackTo"
    reasons = {one["type"]: one["reason"] for one in status(planned)["conditions"]}
    assert (reasons["Reconciling"], reasons["Ready"]) == ("Pinned", "Serving")
    on_its_way = plan(rolled_back(1))
    reasons = {one["type"]: one["reason"] for one in status(on_its_way)["conditions"]}
    assert reasons["Reconciling"] == "RollingOut"


def test_what_serves_is_kept_going_though_its_record_was_deleted() -> None:
    alone = world("m-1", [made("m-1")], facade("m-1"), stable="m-1", versions=(), scale=3)
    assert applied(plan(alone)) == [("Deployment", "m-1")]


# Deadlines


def trying(new: DeploymentView | None, seconds: float, **fields: Any) -> Any:
    """m-2 was asked for so many seconds ago, by the default deadline of ten minutes; m-1 serves."""
    deployments = [made("m-1"), *([new] if new is not None else [])]
    asked = world("m-2", deployments, facade("m-1"), stable="m-1", **fields)
    begun = status(plan(asked, ago(seconds)))
    return replace(asked, status={**asked.status, "rollout": begun["rollout"]})


CRASHED = pod(
    container(
        "serve",
        waiting_reason="CrashLoopBackOff",
        waiting_message="back-off 40s restarting failed container",
        last_reason="Error",
        last_exit_code=1,
        last_message="loading\nmodel.onnx: digest differs",
    )
)
LATE: dict[str, tuple[dict[str, Any], str]] = {
    "a program that crashes": (
        {"pods": (CRASHED,)},
        "serve: CrashLoopBackOff, Error with exit code 1: model.onnx: digest differs",
    ),
    "a model that cannot be fetched": (
        {
            "pods": (
                pod(container("fetch", init=True, waiting_reason="CrashLoopBackOff", waiting_message="x")),
            )
        },
        "fetch: CrashLoopBackOff x",
    ),
    "no room": ({"pods": (pod(unschedulable="0/3 nodes are available: Insufficient memory"),)}, "0/3 nodes"),
    "an image that cannot be had": (
        {"pods": (pod(container("serve", waiting_reason="ImagePullBackOff", waiting_message="not found")),)},
        "serve: ImagePullBackOff not found",
    ),
    "a quota": ({"replica_failure": 'pods "x" is forbidden: exceeded quota'}, "exceeded quota"),
    "silence": (
        {"pods": (pod(container("serve", running=True), phase="Running"),)},
        "0 of 1 pods became ready",
    ),
}


@pytest.mark.parametrize("name", LATE)
def test_a_version_that_is_not_ready_in_time_is_refused_in_its_own_words(name: str) -> None:
    fields, words = LATE[name]
    late = made("m-2", 0, **fields)
    before = plan(trying(late, 590))
    assert not deleted(before)
    assert "refused" not in status(before)["rollout"]
    planned = plan(trying(late, 600))
    reason, message = stalled(planned)
    assert reason == "DeadlineExceeded"
    assert message.startswith("m-2 did not get ready within 10m")
    assert words in message
    assert "m-1 goes on serving" in message
    assert deleted(planned) == ["d-m-2"]
    assert [(one.reason, one.warning) for one in planned.events] == [("DeadlineExceeded", True)]
    assert "next" not in status(planned)


def test_a_refusal_holds_though_the_version_gets_ready_and_nothing_else_answers() -> None:
    refused = status(plan(trying(made("m-2", 0), 600)))
    still = world("m-2", [made("m-1", 0), made("m-2")], facade("m-1"), stable="m-1")
    planned = plan(replace(still, status=refused))
    assert ("Service", "m-2") not in applied(planned)
    assert deleted(planned) == ["d-m-2"]
    assert not [one for one in planned.events if one.warning], "it is told once"


AGAIN: dict[str, dict[str, Any]] = {
    "another version": {"model": {"version": "m-3", "digest": digest("m-3")}},
    "another run": {"model": {"version": "m-2", "digest": digest("m-2"), "askedBy": "run m-g9, step serve"}},
    "more time": {"rollout": {"deadline": "20m"}},
    "another image": {"server": {"image": "mended:2"}},
    "more memory": {"resources": {"memory": "4Gi"}},
    "another Secret": {"authentication": {"secret": "tokens"}},
}


@pytest.mark.parametrize("name", AGAIN)
def test_another_request_is_tried(name: str) -> None:
    versions = [version(one) for one in ("m-1", "m-2", "m-3")]
    refused = status(plan(trying(None, 600)))
    asked = replace(
        world("m-2", [made("m-1")], facade("m-1"), versions=versions, spec=AGAIN[name]), status=refused
    )
    planned = plan(asked)
    assert [kind for kind, _ in applied(planned)] == ["Deployment"]
    assert status(planned)["rollout"]["startedAt"] == stamp(NOW)


@pytest.mark.parametrize("scale", [3, {"replicas": 1, "maxReplicas": 4}])
def test_another_number_of_pods_is_no_other_request(scale: Any) -> None:
    refused = status(plan(trying(None, 600)))
    planned = plan(replace(world("m-2", [made("m-1")], facade("m-1"), scale=scale), status=refused))
    assert ("Deployment", "m-2") not in applied(planned)
    assert (planned.status or refused)["rollout"]["refused"]


def test_a_stuck_pod_that_says_nothing_is_asked_about_and_its_events_are_the_words() -> None:
    silent = pod(container("serve", waiting_reason="ContainerCreating"), age=30)
    waits = trying(made("m-2", 0, pods=(silent,)), 40)
    name = server("m-2").name
    assert plan(waits).inquire == (name,)
    young = replace(made("m-2", 0), pods=(replace(silent, meta=replace(silent.meta, created=ago(2))),))
    assert not plan(trying(young, 40)).inquire
    told = replace(waits, troubles={name: Trouble("FailedMount", 'secret "nope" not found')})
    assert 'FailedMount: secret "nope" not found' in status(plan(told))["message"]
    assert "m-2 starts: 0 of 1 pods ready" in status(plan(told))["message"]


def test_what_answers_is_not_left_for_what_it_has_replaced() -> None:
    versions = [version(one) for one in ("m-1", "m-2", "m-3")]
    planned = plan(world("m-3", [made("m-1"), made("m-2")], facade("m-2"), "m-1", versions=versions))
    assert applied(planned) == [("Deployment", "m-3")]


def test_a_switch_whose_pods_are_gone_before_it_was_written_is_taken_back() -> None:
    planned = plan(world("m-2", [made("m-1"), made("m-2", 0)], facade("m-2"), "m-1", live=LIVE))
    assert applied(planned) == [("Service", "m-1")]
    assert not deleted(planned)


def test_where_nothing_serves_another_request_has_its_own_time_though_the_pods_are_stuck_already() -> None:
    stuck = made("m-1", 0, progress_failed="ReplicaSet has timed out progressing.")
    waits = world("m-1", [stuck], facade("m-1"))
    begun = status(plan(waits))
    assert find(begun, "Stalled")["status"] == "False"  # type: ignore[index]  # it is there
    late = plan(replace(waits, status=begun), ago(-600))
    assert stalled(late)[0] == "DeadlineExceeded"
    assert not deleted(late), "nothing else serves, so it goes on trying"
    again = {"model": {"version": "m-1", "digest": digest("m-1"), "askedBy": "run m-g2, step serve, again"}}
    asked = plan(replace(world("m-1", [stuck], facade("m-1"), spec=again), status=status(late)), ago(-700))
    assert find(status(asked), "Stalled")["status"] == "False"  # type: ignore[index]  # it is there


def test_settings_that_a_version_does_not_get_ready_with_are_named_while_its_old_pods_go_on() -> None:
    pods = (pod(container("serve", waiting_reason="ImagePullBackOff", waiting_message="not found")),)
    rolling = made("m-1", 1, existing=2, progress_failed="timed out progressing", pods=pods)
    planned = plan(world("m-1", [rolling], facade("m-1"), stable="m-1"))
    reason, message = stalled(planned)
    assert reason == "DeadlineExceeded"
    assert "m-1 did not get ready in time: serve: ImagePullBackOff not found" in message
    assert "m-1 goes on serving" in message
    assert not deleted(planned)
