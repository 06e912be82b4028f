"""Random graphs with random failures, kills at any write, stale caches and lost events come to the right
rest.
"""

from hypothesis import HealthCheck, given, settings

from tests.core.property_worlds import World, check, worlds


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(worlds())
def test_every_world_comes_to_the_right_rest(world: World) -> None:
    check(world)
