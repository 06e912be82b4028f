"""Endpoints over time, with an operator that dies at any write: somebody answers at every moment, the history
only grows, and it ends where the spec says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock_operator.core.conditions import find
from penstock_operator.core.settings import Settings
from tests.core.endpoint_life import DEADLINE, EndpointLife


def served(life: EndpointLife) -> list[tuple[int, str, str]]:
    """The history in short."""
    return [(one["revision"], one["version"], one["reason"]) for one in life.status.get("history", ())]


def begun(**fields: Any) -> EndpointLife:
    """An endpoint that serves m-1 at rest."""
    life = EndpointLife(**fields)
    life.ask("m-1")
    life.live(20)
    assert life.answering == "m-1"
    return life


def test_a_version_replaces_another_and_the_old_pods_go_after_their_clients_have_noticed() -> None:
    life = begun()
    life.ask("m-2", "run m-g2, step serve")
    life.live(30)
    assert life.answering == "m-2"
    assert [one.unit.version for one in life.cluster.deployments.values()] == ["m-2"]
    assert served(life) == [(1, "m-1", "Deployed"), (2, "m-2", "Deployed")]
    assert life.status["history"][0]["until"] == life.status["history"][1]["from"]
    assert "rollout" not in life.status
    writes = len(life.writes)
    life.live(600)
    assert len(life.writes) == writes, "at rest nothing is written"


def test_a_version_that_misses_its_deadline_is_removed_and_never_takes_traffic() -> None:
    for fate in ("slow", "hanging", "crashing"):
        life = begun(fates={"m-2": fate})
        life.ask("m-2", "run m-g2, step serve")
        life.live(3 * DEADLINE)
        assert life.answering == "m-1", fate
        assert [one.unit.version for one in life.cluster.deployments.values()] == ["m-1"]
        stalled = find(life.status, "Stalled")
        assert stalled is not None
        assert (stalled["status"], stalled["reason"]) == ("True", "DeadlineExceeded")
        assert served(life) == [(1, "m-1", "Deployed")]
        assert [one.reason for one in life.events if one.warning] == ["DeadlineExceeded"]
        life.ask("m-2", "run m-g3, step serve")
        life.live(5)
        assert "m-2" in {one.unit.version for one in life.cluster.deployments.values()}, "it is tried again"


def test_a_deadline_that_passes_while_nobody_looks_counts_all_the_same() -> None:
    life = begun(fates={"m-2": "slow"})
    life.ask("m-2")
    life.live(5)
    life.unwatched(100)
    life.live(10)
    assert life.answering == "m-1"
    assert "only after that" in life.status["rollout"]["refused"]
    quick = begun()
    quick.ask("m-2")
    quick.live(1)
    quick.unwatched(100)
    quick.live(10)
    assert quick.answering == "m-2", "it was ready in time, though nobody saw it"


def test_where_nothing_serves_yet_a_late_version_is_waited_for() -> None:
    life = EndpointLife(fates={"m-1": "slow"})
    life.ask("m-1")
    life.live(DEADLINE + 5)
    stalled = find(life.status, "Stalled")
    assert stalled is not None
    assert stalled["reason"] == "DeadlineExceeded"
    life.live(30)
    assert life.answering == "m-1"
    assert served(life) == [(1, "m-1", "Deployed")]


def test_a_roll_back_needs_no_record_of_the_version_and_holds_until_it_is_cleared() -> None:
    life = begun()
    life.ask("m-2", "run m-g2, step serve")
    life.live(30)
    del life.registry["m-1"]
    life.managers["spec.rollbackTo"] = ["kubectl-patch"]
    life.edit(rollbackTo=1)
    life.live(30)
    assert life.answering == "m-1"
    life.edit(rollbackTo=None)
    life.live(30)
    assert life.answering == "m-2"
    assert served(life) == [
        (1, "m-1", "Deployed"),
        (2, "m-2", "Deployed"),
        (3, "m-1", "RolledBack"),
        (4, "m-2", "RollbackCleared"),
    ]
    assert [one["actor"] for one in life.status["history"]] == [
        "run m-g1, step serve",
        "run m-g2, step serve",
        "kubectl-patch",
        "run m-g2, step serve",
    ]


def test_production_moves_with_roll_backs() -> None:
    life = begun()
    life.ask("m-2")
    life.live(30)
    life.edit(rollbackTo=1)
    life.live(30)
    assert {name: one.lifecycle for name, one in life.registry.items()} == {
        "m-1": "Production",
        "m-2": "Archived",
    }


def test_what_serves_is_scaled_while_another_version_does_not_get_ready() -> None:
    life = begun(fates={"m-2": "hanging"})
    life.ask("m-2")
    life.live(5)
    life.edit(scale={"replicas": 4})
    life.live(10)
    assert {one.unit.version: one.replicas for one in life.cluster.deployments.values()} == {
        "m-1": 4,
        "m-2": 4,
    }


OURS = Settings().pods.server_image
EVENTS = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(["m-1", "m-2", "m-3"])),
    st.tuples(st.just("roll back"), st.integers(1, 5)),
    st.tuples(st.just("clear"), st.just(0)),
    st.tuples(st.just("serve with"), st.sampled_from(["", "acme:1", "acme:2"])),
    st.tuples(st.just("scale"), st.integers(1, 3)),
    st.tuples(st.just("autoscale"), st.integers(2, 4)),
)
FATES = st.sampled_from(["good", "good", "slow", "hanging", "crashing"])
SCRIPT = st.lists(st.tuples(EVENTS, st.integers(0, 80)), min_size=1, max_size=6)


def happen(life: EndpointLife, event: tuple[str, Any], number: int) -> None:
    match event:
        case ("ask", name):
            life.ask(name, f"request {number}")
        case ("roll back", revision):
            life.edit(rollbackTo=revision)
        case ("clear", _):
            life.edit(rollbackTo=None)
        case ("serve with", image):
            life.edit(server={"image": image} if image else None)
        case ("scale", replicas):
            life.edit(scale={"replicas": replicas})
        case ("autoscale", most):
            life.edit(scale={"replicas": 1, "minReplicas": 2, "maxReplicas": most})


@dataclass(frozen=True)
class Course:
    """What befalls an endpoint, and whoever cares for it."""

    script: list[tuple[tuple[str, Any], int]]
    fates: dict[str, str]
    deaths: list[str]
    lags: list[int]


COURSES = st.builds(
    Course,
    script=SCRIPT,
    fates=st.fixed_dictionaries(dict.fromkeys(("m-2", "m-3", "acme:1", "acme:2"), FATES)),
    deaths=st.lists(st.sampled_from(["", "", "", "before", "after"]), max_size=60),
    lags=st.lists(st.integers(0, 3), max_size=60),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(COURSES)
def test_whatever_people_do_and_wherever_the_operator_dies_somebody_answers_and_it_comes_to_rest(
    course: Course,
) -> None:
    check(course)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(COURSES)
def test_the_same_through_very_many_courses(course: Course) -> None:
    check(course)


def check(course: Course) -> None:
    write, look = iter(course.deaths), iter(course.lags)
    life = EndpointLife(fates=course.fates, fate_of_write=lambda: next(write, ""), lag=lambda: next(look, 0))
    life.ask("m-1")
    life.live(20)
    for number, (event, pause) in enumerate(course.script):
        happen(life, event, number)
        life.live(pause)
    life.live(3 * DEADLINE)
    expect_rest(life)


def expect_rest(life: EndpointLife) -> None:
    """What holds when nothing has happened for long."""
    entries = life.status["history"]
    assert [one["revision"] for one in entries] == list(range(1, len(entries) + 1))
    assert all(one.get("until") for one in entries[:-1])
    assert "until" not in entries[-1]
    assert (entries[-1]["version"], entries[-1]["digest"]) == (
        life.status["stable"],
        life.status["stableDigest"],
    )
    assert life.answering == life.status["stable"]
    wanted = asked_for(life)
    image = life.spec.get("server", {}).get("image", OURS)
    good = wanted is not None and {life.fates.get(one, "good") for one in (wanted, image)} == {"good"}
    if good:
        assert (life.answering, life.image) == (wanted, image)
    else:
        stalled = find(life.status, "Stalled")
        assert stalled is not None
        done = (life.answering, life.image) == (wanted, image)
        assert stalled["reason"] in {"DeadlineExceeded", "RevisionUnknown"} or done
    assert {one.unit.version for one in life.cluster.deployments.values()} >= {life.answering}
    if wanted is not None:
        assert len(life.cluster.deployments) == 1
    (serving,) = (one for one in life.cluster.deployments.values() if one.unit == life.selected)
    scale = life.spec.get("scale", {"replicas": 1})
    assert serving.replicas == max(scale["replicas"], scale.get("minReplicas", 1))
    assert (life.cluster.autoscaler is not None) == ("maxReplicas" in scale)
    assert life.cluster.budget is not None
    chosen = life.cluster.budget.spec["selector"]["matchLabels"]
    assert chosen["penstock.dev/model-version"] == life.answering
    writes = len(life.writes)
    life.live(300)
    assert len(life.writes) == writes, "at rest nothing is written"


def asked_for(life: EndpointLife) -> str | None:
    """The version that the spec asks for; None where it names a revision that there is not."""
    revision = life.spec.get("rollbackTo")
    if revision is None:
        return str(life.spec["model"]["version"])
    found: Iterator[str] = (one["version"] for one in life.status["history"] if one["revision"] == revision)
    return next(found, None)
