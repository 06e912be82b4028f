"""Random worlds for the property test, and what must come of each of them, reckoned without the planner."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from penstock_operator.core.settings import Settings
from tests.core import fake_job_sets
from tests.core.fake_cluster import FakeCluster
from tests.core.pipelines import programs
from tests.core.simulation import BrokenPromise, Simulation, pipeline

# How an attempt may go, and how often its class is retried. None: it goes well in the end.
BUDGETS: Mapping[str, int | None] = {
    "success": None,
    "late": None,
    "quota": None,
    "preempted": None,
    "exit3": 0,
    "imposter": 0,
    "no_result": 0,
    "start_error": 0,
    "image": 0,
    "config": 0,
    "unschedulable": 0,
    "oom": 2,
    "disk": 0,
    "lost": 0,  # what a step of this run has made is not made again
    "store": 5,
    "evicted": 20,
    "pod_deleted": 20,
    "job_deleted": 20,
}
READS: Mapping[str, Any] = {
    "there": {"registered": {"model": "m", "lifecycle": "Approved"}},
    "optional": {"registered": {"model": "m", "lifecycle": "Production"}, "optional": True},
    "missing": {"registered": {"version": "m-2"}},
}
CLASS = {"evicted": "disruption", "pod_deleted": "disruption", "job_deleted": "disruption"}


@dataclass(frozen=True)
class World:
    """A graph, how each attempt goes, and the faults around it."""

    needs: Mapping[str, Sequence[str]]
    after: Mapping[str, Sequence[str]] = field(default_factory=dict)  # dependsOn
    flags: Mapping[str, bool] = field(default_factory=dict)  # a `when` on a parameter, and whether it holds
    asks: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # a `when` on the end of another step
    cells: Mapping[str, int] = field(default_factory=dict)  # steps with a matrix, and its size
    pairs: Mapping[str, str] = field(default_factory=dict)  # steps that are done for the cells of another
    items: int | None = None  # a step `each`, beside the graph, with a cell for each item of a list
    loops: Mapping[str, tuple[int, int]] = field(
        default_factory=dict
    )  # steps that are repeated: the iteration that is good enough, and how many there may be
    values: Mapping[str, str] = field(default_factory=dict)  # steps that take a result of another one
    most: Mapping[str, int] = field(default_factory=dict)  # maxParallel of steps
    parallel: int = 0  # policy.maxParallel; 0: any number
    reads: Mapping[str, str] = field(default_factory=dict)  # a registered model: there, optional or missing
    always: Sequence[str] = ()  # steps beside the graph that run after it
    stops: bool = False  # policy.onFailure: Stop
    deadline: str = ""  # policy.deadline
    gangs: Sequence[str] = ()  # steps that three workers do
    job_sets: float | None = None  # the second from which the cluster has JobSets; None: it has none
    room: int = 0  # for so many Jobs at a time; 0: for any number
    queued: float = 0.0  # for so many seconds each Job waits in a queue; 0: there is none
    cancel_at: float | None = None  # seconds
    suspended: tuple[float, float] | None = None  # from and to, in seconds
    fates: Mapping[str, list[str]] = field(default_factory=dict)
    kills: float = 0.0  # share of writes at which the operator dies
    away: float = 0.0  # for at most so many seconds nobody is there then; 0: the next one is there at once
    lags: float = 0.0  # share of passes that see an old state
    blind: bool = False  # caches show no pods: all is seen by live reads
    drops: float = 0.0  # share of events that get lost
    holds: float = 0.0  # share of news that is written later, if at all
    sweeps: float = 0.0  # share of kills after which all pods are gone of which a status or a Job tells
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
    after = {
        name: sorted(draw(st.sets(st.sampled_from(names[:index]), max_size=2)) - set(needs[name]))
        for index, name in enumerate(names)
        if index and draw(st.booleans())
    }
    asking = [one for one in names[1:] if draw(st.integers(0, 4)) == 0]
    asks = {
        name: (
            draw(st.sampled_from(names[: names.index(name)])),
            draw(st.sampled_from(["Succeeded", "Failed", "Skipped"])),
        )
        for name in asking
    }
    always = ["z0", "z1"][: draw(st.integers(0, 2))]
    cells = draw(st.dictionaries(st.sampled_from(names), st.integers(1, 5), max_size=2))
    pairs = drawn_pairs(draw, names, cells)
    rest = [one for one in names if one not in cells and one not in pairs]
    often = st.tuples(st.integers(1, 4), st.integers(1, 4))
    loops = draw(st.dictionaries(st.sampled_from(rest), often, max_size=2)) if rest else {}
    items = draw(st.sampled_from([None, None, 0, 2, 4]))
    sizes = {name: cells[origin_in(pairs, name)] for name in (*cells, *pairs)}
    leaves = [f"{name}#{number}" for name, count in sizes.items() for number in range(1, count + 1)]
    leaves += [f"{name}#{number}" for name, (_, limit) in loops.items() for number in range(1, limit + 1)]
    leaves += [f"{name}#{at}" for name in ("each", "twin") for at in range(1, (items or 0) + 1)]
    some = st.dictionaries(
        st.sampled_from([*names, *always, *leaves]), st.lists(kinds, min_size=1, max_size=4), max_size=5
    )
    # Who gives a result gives it once: a step with cells has one for each that has the same.
    values = {
        name: draw(st.sampled_from(giving))
        for index, name in enumerate(names)
        if (
            giving := [
                one
                for one in names[:index]
                if one not in sizes or (name in pairs and origin_in(pairs, one) == origin_in(pairs, name))
            ]
        )
        and draw(st.integers(0, 3)) == 0
    }
    asks = {name: one for name, one in asks.items() if may_ask(name, one, needs, after, values, pairs)}
    return World(
        needs=needs,
        after=after,
        flags=draw(st.dictionaries(st.sampled_from(names), st.booleans(), max_size=3)),
        asks=asks,
        cells=cells,
        pairs=pairs,
        loops=loops,
        items=items,
        values=values,
        most={name: draw(st.integers(1, 3)) for name in sizes if draw(st.booleans())},
        parallel=draw(st.sampled_from([0, 0, 1, 2, 4])),
        reads=draw(
            st.dictionaries(
                st.sampled_from(names), st.sampled_from(["there", "optional", "missing"]), max_size=2
            )
        ),
        always=always,
        stops=draw(st.integers(0, 3)) == 0,
        deadline=draw(st.sampled_from(["", "", "", "10s", "2m"])),
        gangs=sorted(draw(st.sets(st.sampled_from([*names, *always]), max_size=3)) - set(loops)),
        job_sets=draw(st.sampled_from([None, 0.0, 0.0, 3.0])),
        room=draw(st.sampled_from([0, 0, 0, 1, 2])),
        queued=draw(st.sampled_from([0.0, 0.0, 0.0, 5.0, 30.0])),
        cancel_at=draw(st.one_of(st.none(), st.none(), st.floats(0, 40))),
        suspended=draw(st.one_of(st.none(), st.tuples(st.floats(0, 20), st.floats(21, 900)))),
        fates=draw(some),
        kills=draw(st.sampled_from([0.0, 0.05, 0.2])),
        away=draw(st.sampled_from([0.0, 20.0])),
        lags=draw(st.sampled_from([0.0, 0.3])),
        blind=draw(st.integers(0, 7)) == 7,
        drops=draw(st.sampled_from([0.0, 0.3, 1.0])),
        holds=draw(st.sampled_from([0.0, 0.5, 0.9])),
        sweeps=draw(st.sampled_from([0.0, 0.5])),
        seed=draw(st.integers(0, 2**16)),
    )


def drawn_pairs(draw: st.DrawFn, names: Sequence[str], cells: dict[str, int]) -> dict[str, str]:
    """Some steps that are done for the cells of an earlier one; they have none of their own."""
    pairs: dict[str, str] = {}
    for index, name in enumerate(names):
        others = [one for one in names[:index] if one in cells or one in pairs]
        if others and draw(st.integers(0, 2)) == 0:
            pairs[name] = draw(st.sampled_from(others))
            cells.pop(name, None)
    return pairs


def may_ask(
    name: str,
    asks: tuple[str, str],
    needs: Mapping[str, Sequence[str]],
    after: Mapping[str, Sequence[str]],
    values: Mapping[str, str],
    pairs: Mapping[str, str],
) -> bool:
    """Whether a step may ask how another one ended: not whether it ended ill, where it also needs it to have
    ended well.
    """
    asked, state = asks
    by_cell = name in pairs and origin_in(pairs, name) == origin_in(pairs, asked)
    taken = () if by_cell else (*needs[name], values.get(name))
    if state == "Failed":
        return asked not in (*taken, *after.get(name, ()))
    return state != "Skipped" or asked not in taken


def origin_in(pairs: Mapping[str, str], name: str) -> str:
    """The step whose own cells a step has."""
    while name in pairs:
        name = pairs[name]
    return name


def shared(world: World, name: str) -> list[str]:
    """The steps with the same cells of which each cell of this one needs its own."""
    pairs = {**world.pairs, "twin": "each"}
    if name not in pairs:
        return []
    taken = [*every(world).get(name, ()), *([world.values[name]] if name in world.values else [])]
    found = [one for one in taken if origin_in(pairs, one) == origin_in(pairs, name)]
    return list(dict.fromkeys([pairs[name], *found]))


def expected(world: World) -> dict[str, tuple[str, int]]:
    """The end of every step: its state, and the number of its attempts."""
    ends: dict[str, tuple[str, int]] = {}
    left_out: set[str] = set()  # by their own `when`
    for name, inputs in {**every(world), **dict.fromkeys(world.always, ())}.items():
        before = [*inputs, *([world.values[name]] if name in world.values else [])]
        also = list(world.after.get(name, ()))
        # What a step needs of each cell of another, its own cells ask for; where that has none, it does.
        celled = [one for one in shared(world, name) if f"{one}#1" in ends]
        also += [one for one in shared(world, name) if one not in celled and one not in before]
        before = [one for one in before if one not in celled]
        if any(ends[one][0] == "Cancelled" for one in (*before, *also)):
            ends[name] = ("Cancelled", 0)
            continue
        if any(ends[one][0] in ("Failed", "Blocked") for one in (*before, *also)):
            ends[name] = ("Blocked", 0)
            continue
        missed = [one for one in also if ends[one][0] == "Skipped" and one not in left_out]
        if missed or any(ends[one][0] == "Skipped" for one in before):
            ends[name] = ("Skipped", 0)
            continue
        asked, state = world.asks.get(name, ("", ""))
        if not world.flags.get(name, True) or (asked and ends[asked][0] != state):
            left_out.add(name)
            ends[name] = ("Skipped", 0)
            continue
        if world.reads.get(name) == "missing":
            ends[name] = ("Failed", 0)
            continue
        if name in world.loops:
            ends |= repeated(world, name)
            continue
        leaves = leaves_of(world, name)
        if leaves == [name]:
            ends[name] = gone_through(world, name, name)
            continue
        found = {leaf: fated(world, name, leaf, [ends[one] for one in own(celled, leaf)]) for leaf in leaves}
        ends |= found
        states = {state for state, _ in found.values()}
        ill = next((one for one in ("Failed", "Cancelled", "Blocked") if one in states), "Succeeded")
        ends[name] = (ill, 0)
    return ends


def own(steps: Sequence[str], leaf: str) -> list[str]:
    """The same cell of other steps."""
    return [f"{one}#{leaf.partition('#')[2]}" for one in steps]


def fated(world: World, name: str, leaf: str, before: Sequence[tuple[str, int]]) -> tuple[str, int]:
    """The end of a cell after those of the same cells of other steps."""
    for ill, end in (("Cancelled", "Cancelled"), ("Failed", "Blocked"), ("Blocked", "Blocked")):
        if any(state == ill for state, _ in before):
            return (end, 0)
    return gone_through(world, leaf, name)


def repeated(world: World, name: str) -> dict[str, tuple[str, int]]:
    """The ends of a step that is done until it is good enough, and of its iterations."""
    good, limit = world.loops[name]
    found: dict[str, tuple[str, int]] = {}
    for number in range(1, min(good, limit) + 1):
        leaf = f"{name}#{number}"
        found[leaf] = gone_through(world, leaf, name)
        if found[leaf][0] != "Succeeded":
            return {**found, name: (found[leaf][0], 0)}
    return {**found, name: ("Succeeded" if good <= limit else "Failed", 0)}


def every(world: World) -> dict[str, Sequence[str]]:
    """All steps of the graph with their inputs, also those around a list."""
    beside = {"list": (), "each": ("list",), "twin": ("each",), "sum": ("each", "twin")}
    lists = {} if world.items is None else beside
    return {**world.needs, **lists}


def leaves_of(world: World, name: str) -> list[str]:
    """What has attempts: the step, or each of its cells."""
    origin = origin_in({**world.pairs, "twin": "each"}, name)
    count = world.items if origin == "each" else world.cells.get(origin)
    return [name] if count is None else [f"{name}#{number}" for number in range(1, count + 1)]


def gone_through(world: World, leaf: str, step: str) -> tuple[str, int]:
    """The end of a leaf that may run: its state, and the number of its attempts."""
    used: dict[str, int] = {}
    fates = [*world.fates.get(leaf, world.fates.get(step, [])), "success"]
    for attempt, fate in enumerate(fates, start=1):
        if fate == "hangs":
            return ("Cancelled", attempt)
        budget = BUDGETS[fate]
        if budget is None:
            return ("Succeeded", attempt)
        class_ = CLASS.get(fate, fate)
        used[class_] = used.get(class_, 0) + 1
        if used[class_] > budget:
            return ("Failed", attempt)
    raise AssertionError("the last fate is success")


def cut_short(
    world: World, wanted: Mapping[str, tuple[str, int]], found: Mapping[str, tuple[str, int]]
) -> dict[str, tuple[str, int]]:
    """What may have come of a world that was ended before its time: chance says how far a step had come."""
    failed = any(one[0] == "Failed" for name, one in wanted.items() if name not in world.always)
    if not (world.cancel_at is not None or world.deadline or (world.stops and failed)):
        return dict(wanted)
    cut = {name: one for name, one in found.items() if one[0] == "Cancelled"}
    if world.cancel_at is None and set(cut) & set(world.always):
        raise BrokenPromise("what always runs was cancelled")
    late = {name: one for name, one in cut.items() if name in wanted and one[1] > wanted[name][1]}
    if late:
        raise BrokenPromise(f"more attempts than there are: {late}")
    # Cells that a cut step never came to are none; a step of cells that failed before the cut has failed.
    unborn = {name for name in wanted if "#" in name and name not in found}
    folded = {
        name: found[name]
        for name in wanted
        if f"{name}#1" in wanted and set(cut) & set(leaves_in(found, name))
    }
    return {**{name: one for name, one in wanted.items() if name not in unborn}, **cut, **folded}


def leaves_in(found: Mapping[str, Any], name: str) -> list[str]:
    """The cells of a step among what was found."""
    return [one for one in found if one.startswith(f"{name}#")]


def registered_model(number: int) -> Any:
    """An approved version of the one model that there is."""
    return {
        "kind": "ModelVersion",
        "metadata": {"name": f"m-{number}", "namespace": "ml"},
        "spec": {"model": "m", "number": number, "digest": f"sha256:{number:064}"},
        "status": {"lifecycle": "Approved"},
    }


def spec_of(world: World) -> Any:
    """The pipeline of the world."""
    more: dict[str, Any] = {}
    for name in world.needs:
        tests: list[Any] = []
        if name in world.flags:
            tests.append({"parameter": "mode", "equals": "full" if world.flags[name] else "quick"})
        if name in world.asks:
            step, state = world.asks[name]
            tests.append({"step": step, "states": [state]})
        if tests:
            more[name] = {"when": {"all": tests}}
    more |= {name: {"always": True} for name in world.always}
    for name, count in world.cells.items():
        more[name] = {**more.get(name, {}), "matrix": {"axes": {"n": list(range(count))}}}
    for name, other in world.pairs.items():
        more[name] = {**more.get(name, {}), "matrix": {"sameAs": other}}
    for name, most in world.most.items():
        more[name] = {**more[name], "maxParallel": most}
    for name, (good, limit) in world.loops.items():
        until = {"all": [{"result": f"{name}.round", "atLeast": good}]}
        more[name] = {**more.get(name, {}), "repeat": {"until": until, "limit": limit}}
    for name in world.gangs:
        more[name] = {**more.get(name, {}), "gang": {"workers": 3}}
    spec = programs(
        {**every(world), **dict.fromkeys(world.always, ())},
        world.after,
        more,
        parameters=[{"name": "mode", "default": "full"}],
        policy={
            **({"onFailure": "Stop"} if world.stops else {}),
            **({"deadline": world.deadline} if world.deadline else {}),
            **({"queue": {"localQueue": "small"}} if world.queued else {}),
            **({"maxParallel": world.parallel} if world.parallel else {}),
        },
    )
    return with_values(world, spec)


def with_values(world: World, spec: Any) -> Any:
    """The pipeline with what goes from step to step beside files: values, and a list."""
    steps = {one["name"]: one for one in spec["steps"]}
    for name in world.loops:
        steps[name]["run"]["results"] = [{"name": "round", "type": "Integer"}]
    for name, source in world.values.items():
        steps[name]["run"]["argumentsFrom"] = {"taken": {"result": f"{source}.value"}}
        others = [{"name": "round", "type": "Integer"}] if source in world.loops else []
        steps[source]["run"]["results"] = [{"name": "value", "type": "Integer"}, *others]
    if world.items is not None:
        steps["list"]["run"]["outputs"] = [{"name": "files", "type": "List"}]
        del steps["each"]["run"]["inputs"]
        steps["each"]["forEach"] = {"list": "list.files"}
        steps["twin"]["matrix"] = {"sameAs": "each"}
    for name in world.cells:  # else all cells would make the same
        steps[name]["run"].setdefault("argumentsFrom", {})["n"] = {"cell": "n"}
    for step in spec["steps"]:
        if step["name"] in world.reads:
            step["run"]["inputsFrom"] = {"champion": READS[world.reads[step["name"]]]}
    return spec


def acts_of(world: World, simulation: Simulation) -> list[tuple[float, Callable[[], Any]]]:
    """What people do meanwhile."""
    acts: list[tuple[float, Callable[[], Any]]] = []
    if world.reads:  # the registry goes on while the run does
        acts.append((4.0, lambda: simulation.cluster.create(registered_model(2))))
    if world.job_sets:
        acts.append((world.job_sets, lambda: setattr(simulation.cluster, "job_sets", True)))
    if world.cancel_at is not None:
        acts.append((world.cancel_at, lambda: simulation.say("p-g1", cancel=True)))
    if world.suspended is not None:
        begin, end = world.suspended
        acts.append((begin, lambda: simulation.say("p-g1", suspend=True)))
        acts.append((end, lambda: simulation.say("p-g1", suspend=False)))
    return acts


def simulate(world: World) -> Simulation:
    """The world's life, to rest. Raises BrokenPromise where a promise does not hold."""
    chance = random.Random(world.seed)  # noqa: S311 - faults, not secrets
    results = {source: {"value": 7} for source in world.values.values()}
    for name, (_, limit) in world.loops.items():
        results |= {f"{name}#{at}": {"round": at, "value": 7} for at in range(1, limit + 1)}
    cluster = FakeCluster(
        fates=world.fates,
        results=results,
        items=world.items or 0,
        admits_after=world.queued,
        job_sets=world.job_sets == 0,
    )
    needs = every(world)
    taken = {name: [*needs[name], world.values[name]] for name in world.values}
    pairs = {name: shared(world, name) for name in (*world.pairs, "twin")}
    simulation = Simulation(
        cluster,
        {
            name: [one for one in before if one not in pairs.get(name, ())]
            for name, before in {**needs, **taken}.items()
        },
        pairs=pairs,
        ends={
            name: [*world.after.get(name, ()), *([world.asks[name][0]] if name in world.asks else [])]
            for name in world.needs
        }
        | {name: list(needs) for name in world.always},
        always=frozenset(world.always),
        most=world.most,
        repeated=frozenset(world.loops),
        settings=Settings(max_parallel=world.room),
        lag=lambda: chance.randrange(1, 25) if chance.random() < world.lags else 0,
        blind=world.blind,
        keeps=True,
        fate_of_write=lambda: chance.choice(["before", "after"]) if chance.random() < world.kills else "",
        away=lambda: chance.uniform(0, world.away) if world.away else 0.0,
        drop_event=lambda: chance.random() < world.drops,
        hold=lambda: chance.random() < world.holds,
        sweeps=lambda: bool(world.sweeps) and chance.random() < world.sweeps,
    )
    simulation.acts = acts_of(world, simulation)
    cluster.create(registered_model(1))
    cluster.create(pipeline("p", spec_of(world)))
    simulation.wake()
    simulation.run_to_rest()
    return simulation


def ends_in(simulation: Simulation) -> dict[str, tuple[str, int]]:
    """State and attempts of every step and every cell. What ended well at once does not say its attempt."""
    found: dict[str, tuple[str, int]] = {}
    for name, entry in simulation.steps("p-g1").items():
        found[name] = (entry["state"], entry.get("attempt", 0))
        for one in entry.get("cells", ()):
            once = 1 if one["state"] == "Succeeded" else 0
            found[f"{name}#{one['number']}"] = (one["state"], one.get("attempt", once))
    return found


def check(world: World) -> None:
    """All promises: safety while it runs, then the right end, at rest."""
    simulation = simulate(world)
    run = simulation.cluster.objects[("PipelineRun", "p-g1")]
    if run["status"]["conditions"][3]["status"] != "True":
        raise BrokenPromise(f"rests unfinished: {run['status']}")
    found = ends_in(simulation)
    if run["status"]["status"] == "Succeeded" and any(state == "Failed" for state, _ in found.values()):
        raise BrokenPromise("a run in which something failed has succeeded")
    made = [one for kind in ("Job", "JobSet") for one in simulation.cluster.find(kind)]
    if any(not one.get("status", {}).get("conditions") for one in made):
        raise BrokenPromise("a Job goes on after its run")
    gangs = [one for one in made if one["kind"] == "Job" and one["spec"]["completions"] > 1]
    if any(fake_job_sets.is_inner(one) is not (world.job_sets == 0) for one in gangs):
        raise BrokenPromise("a gang is of another kind than those that its run began with")
    if list(simulation.cluster.find("Service")):
        raise BrokenPromise("a gang's Service outlives it")
    wanted = expected(world)
    wanted = cut_short(world, wanted, found)
    if found != wanted:
        names = {*wanted, *found}
        odd = {one: (wanted.get(one), found.get(one)) for one in names if wanted.get(one) != found.get(one)}
        raise BrokenPromise(f"(wanted, found): {odd}")
    simulation.drop_event = lambda: False
    simulation.assert_at_rest()
