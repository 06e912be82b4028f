"""Starts of runs in random lives, under kills at any write; and seeded bugs that these lives must notice."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from penstock_operator.core import changes, conditioned, damping, missed, schedules, triggers
from tests.core.fake_shell import NotSettled
from tests.core.simulation import BrokenPromise
from tests.core.start_worlds import StartWorld, check
from tests.core.test_seeded_bugs import sow


def lives(concurrency: str, missed_: str, count: int = 3, **more: Any) -> Sequence[StartWorld]:
    return [StartWorld(concurrency, missed_, seed=seed, **more) for seed in range(count)]


QUEUED, FORBIDDEN = lives("Queue", "RunLatest", turns=100), lives("Forbid", "Skip", kills=0.4)
ALLOWED = [
    *lives("Allow", "RunAll", 2, turns=40),
    *lives("Allow", "RunAll", 1, turns=60, suspends=False),
]
DEADLY = lives("Queue", "Skip", 16, kills=0.5, turns=60, suspends=False)


def check_all(some: Sequence[StartWorld]) -> None:
    for world in some:
        check(world)


@pytest.mark.parametrize("some", [QUEUED, ALLOWED, FORBIDDEN], ids=["queue", "allow", "forbid"])
def test_nothing_starts_twice_too_early_or_against_the_rules(some: Sequence[StartWorld]) -> None:
    found = [check(world) for world in some]
    assert sum(life.kills for life in found) > 100
    assert sum(len(life.watch.ticks) for life in found) > 20
    assert sum(len(life.watch.episodes) for life in found) > 3
    assert sum(life.watch.changes for life in found) > 6


@pytest.mark.parametrize(
    ("function", "old", "new", "some"),
    [
        pytest.param(
            schedules._made, "one.meta.name in possible", "False", QUEUED, id="a run made before is not known"
        ),
        pytest.param(
            schedules.scheduled,
            "if waiting is not None and",
            "if False and",
            QUEUED,
            id="no turn is waited for",
        ),
        pytest.param(
            schedules.scheduled, "if _forbids(world) and", "if False and", FORBIDDEN, id="forbidden ticks"
        ),
        pytest.param(
            schedules._started, "decided=tick, last_run=made", "last_run=made", QUEUED, id="decided for ever"
        ),
        pytest.param(missed.due, "tick > decided", "tick >= decided", ALLOWED, id="the last tick once more"),
        pytest.param(missed.due, "reversed(found[:wanted])", "found[:1]", ALLOWED, id="the newest first"),
        pytest.param(triggers.triggered, "if spec.suspend:", "if False:", QUEUED, id="suspended triggers"),
        pytest.param(
            changes.wanted_change,
            "if observed.pipeline.suspended:",
            "if False:",
            QUEUED,
            id="suspended change",
        ),
        pytest.param(
            changes._started, 'recorded.get("digest") == digest', "False", QUEUED, id="a change for ever new"
        ),
        pytest.param(damping.cooling, "until > world.now", "False", ALLOWED, id="no cool-down"),
        pytest.param(
            damping.capped, "limit is None or len(starts) < limit", "True", ALLOWED, id="no weekly cap"
        ),
        pytest.param(
            conditioned._made,
            "one.meta.name in possible",
            "False",
            DEADLY,
            id="an episode's run is not known",
        ),
        pytest.param(
            damping.forbidden,
            "policy.concurrency is not Concurrency.FORBID",
            "True",
            FORBIDDEN,
            id="a forbidden episode",
        ),
    ],
)
def test_a_seeded_bug_is_caught(
    monkeypatch: pytest.MonkeyPatch,
    function: Callable[..., Any],
    old: str,
    new: str,
    some: Sequence[StartWorld],
) -> None:
    sow(monkeypatch, function, old, new)
    with pytest.raises((BrokenPromise, NotSettled)):
        check_all(some)
