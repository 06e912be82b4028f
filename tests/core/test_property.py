"""Random graphs with random failures, kills at any write, stale caches and lost events come to the right
rest.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.core.property_worlds import World, check, worlds

ANY: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True}


@settings(max_examples=25, **ANY)
@given(worlds())
def test_every_world_comes_to_the_right_rest(world: World) -> None:
    check(world)


@pytest.mark.slow
@settings(max_examples=400, **ANY)
@given(worlds())
def test_very_many_worlds_come_to_the_right_rest(world: World) -> None:
    check(world)
