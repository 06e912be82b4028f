"""A pipeline that is a step of another, through all that may befall them: it comes to rest, and no child
outlives its parent. Random failures, kills at any write, stale caches, and people who cancel, hold, delete.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from penstock_operator.core import (
    cancels,
    child_ends,
    child_remakes,
    child_runs,
    child_starts,
    children,
    plan_cells,
    remakes,
)
from penstock_spec import object_names
from tests.core.fake_shell import NotSettled
from tests.core.family_worlds import Family, check, families, simulate
from tests.core.simulation import BrokenPromise
from tests.core.test_seeded_bugs import sow

ANY: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True}


@settings(max_examples=10, **ANY)
@given(families())
def test_every_family_comes_to_the_right_rest(family: Family) -> None:
    check(family)


@pytest.mark.slow
@settings(max_examples=300, **ANY)
@given(families())
def test_very_many_families_come_to_the_right_rest(family: Family) -> None:
    check(family)


KILLED = [Family(fates={"c0": ["oom"]}, kills=0.3, seed=seed) for seed in (4, 5)]
CUT = [Family(fates={"c1": ["hangs"]}, deadline="12s", tells=False)]
# The parent ends when caches may not show yet that it has a child.
UNSEEN = [
    Family(fates={"c0": ["hangs"]}, deadline="1s", tells=False, lags=0.9, stale=18, drops=1.0, seed=seed)
    for seed in range(2)
]
CANCELLED = [
    Family(fates={"c1": ["hangs"]}, cancel_at=6.0 + seed / 2, lags=0.9, seed=seed) for seed in range(2)
]
LATE = [Family(lags=0.8, seed=seed) for seed in range(3)]
HELD = [Family(suspended=(2.0, 40.0))]
CELLED = [Family(cells=3, fates={"c0": ["oom"]}, kills=0.2, seed=seed) for seed in (3, 5)]
DELETED_CELLS = [Family(cells=2, child_deleted_at=4.0)]
FAILING = [Family(fates={"c1": ["exit3"]}, retries=1)]
FORCED = [Family(again=True, forced=True, fates={"c1": ["exit3"]}, retries=1)]
FORCED_DELETED = [
    Family(again=True, forced=True, fates={"c1": ["exit3"]}, child_deleted_at=at) for at in (4, 7)
]
FORCED_CELLS = [
    Family(again=True, forced=True, fates={"c1": ["exit3"]}, retries=1, cells=2, kills=0.2, seed=seed)
    for seed in range(2)
]
LOST = [Family(again=True, fates={"use": ["lost"]})]
LOST_CELLS = [Family(again=True, cells=2, fates={"use": ["lost"]})]
LOST_UNSEEN = [Family(again=True, fates={"use": ["lost"]}, lags=0.9, seed=1)]


def test_a_cell_that_fails_at_being_made_again_keeps_to_its_budget() -> None:
    simulation = simulate(Family(again=True, cells=1, retries=1, fates={"use": ["lost"], "c1": ["exit3"]}))
    (cell,) = simulation.steps("p-g2")["sub"]["cells"]
    assert (cell["state"], cell["attempt"], cell["remade"]) == ("Failed", 3, True)


def check_all(some: Sequence[Family]) -> None:
    for family in some:
        check(family)


@pytest.mark.parametrize(
    ("owner", "function", "old", "new", "some"),
    [
        pytest.param(
            object_names,
            object_names.job_name,
            "str(attempt), *which)",
            "str(attempt), *which, __import__('secrets').token_hex(4))",
            KILLED,
            id="random name of the child",
        ),
        pytest.param(
            object_names,
            object_names.child_name,
            "attempt, cell)",
            "attempt)",
            CELLED,
            id="one child for all cells",
        ),
        pytest.param(
            plan_cells,
            plan_cells._concerned,
            "cell.kind == KIND and",
            "False and",
            LOST_CELLS,
            id="what the child of a cell had taken over is not made again",
        ),
        pytest.param(
            plan_cells,
            plan_cells._named,
            "cell, cell.attempt)}",
            "cell, 1)}",
            DELETED_CELLS,
            id="a cell looks at its first child for ever",
        ),
        pytest.param(
            children, children._create, "actions=(Create(", "after=(Create(", KILLED, id="status before child"
        ),
        pytest.param(
            children,
            children._watch,
            "if not context.is_live(ref):",
            "if False:",
            LATE,
            id="absence by a cache",
        ),
        pytest.param(
            children, children.winds_down, "not context.is_live(RUNS)", "False", UNSEEN, id="ended by a cache"
        ),
        pytest.param(
            children,
            children.winds_down,
            "if not children:",
            "if True:",
            CUT,
            id="the parent does not wait for the end",
        ),
        pytest.param(
            child_runs,
            child_runs.going,
            "if not one.run.finished",
            "if False",
            CANCELLED,
            id="a cancel leaves children behind",
        ),
        pytest.param(
            cancels,
            cancels._cut_short,
            "_waiting_for(children, halt) if children else ended(records)",
            "ended(records)",
            CANCELLED,
            id="a cancelled parent ends before its child",
        ),
        pytest.param(
            cancels, cancels.held_from_above, "if one.holds", "if False", HELD, id="suspension stays above"
        ),
        pytest.param(
            child_ends,
            child_ends.child_ended,
            "if is_true(status, Condition.SUCCEEDED):",
            "if True:",
            FAILING,
            id="a failed child counts as a good one",
        ),
        pytest.param(
            remakes, remakes._to_make, "bool(taken_over(", "not bool(taken_over(", LOST, id="never made again"
        ),
        pytest.param(
            child_starts,
            child_starts._repeated,
            "if record.attempt and is_apart(context, record):",
            "if False:",
            LOST,
            id="all of the child is executed again",
        ),
        *(
            pytest.param(
                child_starts,
                child_starts.is_apart,
                "bool(forced(context, record) or context.observed.run.rerun)",
                "bool((forced(context, record) or context.observed.run.rerun) and not record.attempt)",
                some,
                id=f"a second child takes over what an earlier run has made: {what}",
            )
            for what, some in (
                ("it failed", FORCED),
                ("it was deleted", FORCED_DELETED),
                ("of cells", FORCED_CELLS),
            )
        ),
        pytest.param(
            child_remakes,
            child_remakes.is_settled,
            "child is not None and child.run.finished",
            "True",
            LOST_UNSEEN,
            id="what a child has made by a cache",
        ),
    ],
)
def test_a_seeded_bug_in_families_is_caught(
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    function: Callable[..., Any],
    old: str,
    new: str,
    some: Sequence[Family],
) -> None:
    check_all(some)
    sow(monkeypatch, function, old, new)
    assert getattr(owner, function.__name__) is not function
    with pytest.raises((BrokenPromise, NotSettled)):
        check_all(some)
