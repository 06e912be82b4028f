"""Random lives with reuse policies come as reckoned; and bugs that are sown into the rules are noticed."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

from penstock_operator.core import history, reuse
from tests.core.reuse_worlds import ReuseWorld, check, reuse_worlds
from tests.core.simulation import BrokenPromise
from tests.core.test_seeded_bugs import sow

CHAIN = {"s0": [], "s1": ["s0"], "s2": ["s1"]}
AGED = ReuseWorld(CHAIN, ages={"s1": 5}, runs=[(3, False), (3, False), (3, False)])
FORCED = ReuseWorld(CHAIN, policies={"s1": "Never"}, runs=[(1, False), (1, True)])
MOVING = ReuseWorld(
    CHAIN, policies={"s2": "Always"}, moving=frozenset({"s1", "s2"}), runs=[(1, False), (1, False)], kills=0.1
)
WORLDS = (AGED, FORCED, MOVING)


@given(reuse_worlds())
@settings(max_examples=15, deadline=None)
def test_every_run_executes_what_it_must_and_nothing_else(world: ReuseWorld) -> None:
    check(world)


def test_without_a_bug_these_worlds_come_as_reckoned() -> None:
    for world in WORLDS:
        check(world)


BUGS: dict[str, tuple[Callable[..., Any], str, str]] = {
    "young again": (history.made, 'entry.get("madeAt", own)', 'entry.get("finishedAt", own)'),
    "never too old": (reuse._too_old, "return made is None or", "return made is None and"),
    "nothing is forced": (reuse.find_earlier, " or forced(context, record)", ""),
    "the run's wish": (reuse.forced, "context.observed.run.reuse == RunReuse.NEVER", "False"),
    "no tag, no reuse": (reuse.find_earlier, " and policy.policy is not ReusePolicy.ALWAYS", ""),
    "any tag will do": (reuse.find_earlier, "not reusable_image(work.resolved.image)", "False"),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_seeded_bug_in_reuse_is_caught(monkeypatch: pytest.MonkeyPatch, bug: str) -> None:
    sow(monkeypatch, *BUGS[bug])
    with pytest.raises(BrokenPromise):
        test_without_a_bug_these_worlds_come_as_reckoned()
