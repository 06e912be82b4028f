"""Random lives of one pipeline whose steps say when they are reused, and what must run in each of its runs,
reckoned without the planner.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.core.fake_cluster import FakeCluster, task_of
from tests.core.pipelines import programs
from tests.core.simulation import BrokenPromise, Simulation, pipeline
from tests.core.test_pipelines import new_run

HOUR = 3600
LATEST = "ghcr.io/acme/step:latest"


@dataclass(frozen=True)
class ReuseWorld:
    """A graph of programs that do what they do for ever, and when its runs are made."""

    needs: Mapping[str, Sequence[str]]
    policies: Mapping[str, str] = field(default_factory=dict)
    ages: Mapping[str, int] = field(default_factory=dict)  # maxAge in hours
    moving: frozenset[str] = frozenset()  # steps whose image has no fixed tag
    runs: Sequence[tuple[int, bool]] = ()  # after so many hours another run; whether it wants all afresh
    kills: float = 0.0
    seed: int = 0


@st.composite
def reuse_worlds(draw: st.DrawFn) -> ReuseWorld:
    names = [f"s{index}" for index in range(draw(st.integers(1, 4)))]
    some = st.sampled_from(names)
    return ReuseWorld(
        needs={
            name: sorted(draw(st.sets(st.sampled_from(names[:index]), max_size=2))) if index else []
            for index, name in enumerate(names)
        },
        policies=draw(st.dictionaries(some, st.sampled_from(["Never", "Always", "WhenUnchanged"]))),
        ages=draw(st.dictionaries(some, st.integers(1, 9))),
        moving=draw(st.frozensets(some, max_size=2)),
        runs=draw(st.lists(st.tuples(st.integers(1, 5), st.sampled_from([False, False, True])), max_size=4)),
        kills=draw(st.sampled_from([0.0, 0.1])),
        seed=draw(st.integers(0, 2**16)),
    )


def spec_of(world: ReuseWorld) -> Any:
    spec = programs(world.needs, policy={"keepRuns": 1000})
    for step in spec["steps"]:
        name = step["name"]
        policy, age = world.policies.get(name), world.ages.get(name)
        reuse = {"policy": policy} if policy else {}
        if age is not None and policy != "Never":
            reuse["maxAge"] = f"{age}h"
        if reuse:
            step["reuse"] = reuse
        if name in world.moving:
            step["run"]["image"] = LATEST
    return spec


def must_run(world: ReuseWorld, step: str, hours: int | None, *, afresh: bool) -> bool:
    """Whether the step is executed in a run that is made so many hours after its result was; None: never was.

    The programs give what they gave before, so what they read never changes.
    """
    policy = world.policies.get(step, "WhenUnchanged")
    moves = step in world.moving and policy != "Always"
    old = hours is not None and hours >= world.ages.get(step, 10**6)  # and some seconds
    return hours is None or afresh or policy == "Never" or moves or old


def check(world: ReuseWorld) -> None:
    """Each run executes what it must and nothing else, and says of the rest when that was really made."""
    chance = random.Random(world.seed)  # noqa: S311 - faults, not secrets
    simulation = Simulation(
        FakeCluster(),
        world.needs,
        fate_of_write=lambda: chance.choice(["before", "after"]) if chance.random() < world.kills else "",
    )
    cluster = simulation.cluster
    cluster.create(pipeline("tumour", spec_of(world)))
    simulation.wake()
    simulation.run_to_rest()
    now, made = 0, dict.fromkeys(world.needs, 0)
    times = {name: one["finishedAt"] for name, one in simulation.steps("tumour-g1").items()}
    for number, (later, afresh) in enumerate(world.runs):
        now += later
        name = f"run{number}"
        cluster.advance(later * HOUR)
        simulation.person(lambda one=name, afresh=afresh: cluster.create(new_run(one, **wish(afresh))))
        simulation.run_to_rest()
        wanted = {one for one in made if must_run(world, one, now - made[one], afresh=afresh)}
        found = {task["step"] for task in map(task_of, cluster.find("Job")) if task["run"] == name}
        if found != wanted:
            raise BrokenPromise(f"{name} executed {sorted(found)} instead of {sorted(wanted)}")
        steps = simulation.steps(name)
        made |= dict.fromkeys(wanted, now)
        times |= {one: steps[one]["finishedAt"] for one in wanted}
        told = {one: entry.get("madeAt") for one, entry in steps.items() if entry["state"] == "Reused"}
        if told != {one: times[one] for one in made if one not in wanted}:
            raise BrokenPromise(f"{name} says {told} of {times}")
    simulation.fate_of_write = lambda: ""
    simulation.assert_at_rest()


def wish(afresh: bool) -> dict[str, str]:
    return {"reuse": "Never"} if afresh else {}
