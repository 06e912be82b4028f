"""Random worlds for the property test, and what must come of each of them, reckoned without the planner."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

from tests.core.fake_cluster import FakeCluster
from tests.core.pipelines import programs
from tests.core.simulation import BrokenPromise, Simulation, pipeline

# How an attempt may go, and how often its class is retried. None: it goes well in the end.
BUDGETS: Mapping[str, int | None] = {
    "success": None,
    "late": None,
    "quota": None,
    "exit3": 0,
    "imposter": 0,
    "no_result": 0,
    "start_error": 0,
    "image": 0,
    "config": 0,
    "unschedulable": 0,
    "oom": 2,
    "store": 5,
    "evicted": 20,
    "pod_deleted": 20,
    "job_deleted": 20,
}
CLASS = {"evicted": "disruption", "pod_deleted": "disruption", "job_deleted": "disruption"}


@dataclass(frozen=True)
class World:
    """A graph, how each attempt goes, and the faults around it."""

    needs: Mapping[str, Sequence[str]]
    fates: Mapping[str, list[str]] = field(default_factory=dict)
    kills: float = 0.0  # share of writes at which the operator dies
    lags: float = 0.0  # share of passes that see an old state
    drops: float = 0.0  # share of events that get lost
    seed: int = 0


@st.composite
def worlds(draw: st.DrawFn) -> World:
    count = draw(st.integers(3, 12))
    names = [f"s{index}" for index in range(count)]
    needs = {
        name: sorted(draw(st.sets(st.sampled_from(names[:index]), max_size=3))) if index else []
        for index, name in enumerate(names)
    }
    kinds = st.sampled_from([*BUDGETS, "oom", "oom", "oom", "store", "evicted", "job_deleted"])
    some = st.dictionaries(st.sampled_from(names), st.lists(kinds, min_size=1, max_size=4), max_size=5)
    return World(
        needs=needs,
        fates=draw(some),
        kills=draw(st.sampled_from([0.0, 0.05, 0.2])),
        lags=draw(st.sampled_from([0.0, 0.3])),
        drops=draw(st.sampled_from([0.0, 0.3, 1.0])),
        seed=draw(st.integers(0, 2**16)),
    )


def expected(world: World) -> dict[str, tuple[str, int]]:
    """The end of every step: its state, and the number of its attempts."""
    ends: dict[str, tuple[str, int]] = {}
    for name, before in world.needs.items():
        if any(ends[one][0] != "Succeeded" for one in before):
            ends[name] = ("Blocked", 0)
            continue
        used: dict[str, int] = {}
        fates = [*world.fates.get(name, []), "success"]
        for attempt, fate in enumerate(fates, start=1):
            budget = BUDGETS[fate]
            if budget is None:
                ends[name] = ("Succeeded", attempt)
                break
            class_ = CLASS.get(fate, fate)
            used[class_] = used.get(class_, 0) + 1
            if used[class_] > budget:
                ends[name] = ("Failed", attempt)
                break
    return ends


def simulate(world: World) -> Simulation:
    """The world's life, to rest. Raises BrokenPromise where a promise does not hold."""
    chance = random.Random(world.seed)  # noqa: S311 - faults, not secrets
    cluster = FakeCluster(fates=world.fates)
    simulation = Simulation(
        cluster,
        world.needs,
        lag=lambda: chance.randrange(1, 25) if chance.random() < world.lags else 0,
        fate_of_write=lambda: chance.choice(["before", "after"]) if chance.random() < world.kills else "",
        drop_event=lambda: chance.random() < world.drops,
    )
    cluster.create(pipeline("p", programs(world.needs)))
    simulation.wake()
    simulation.run_to_rest()
    return simulation


def check(world: World) -> None:
    """All promises: safety while it runs, then the right end, at rest."""
    simulation = simulate(world)
    run = simulation.cluster.objects[("PipelineRun", "p-g1")]
    if run["status"]["conditions"][3]["status"] != "True":
        raise BrokenPromise(f"rests unfinished: {run['status']}")
    found = {
        name: (entry["state"], entry.get("attempt", 0)) for name, entry in simulation.steps("p-g1").items()
    }
    wanted = expected(world)
    if found != wanted:
        odd = {name: (wanted[name], found[name]) for name in wanted if wanted[name] != found[name]}
        raise BrokenPromise(f"(wanted, found): {odd}")
    simulation.drop_event = lambda: False
    simulation.assert_at_rest()
