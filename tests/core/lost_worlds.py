"""Random worlds in which the store has lost some of what cells had made, and what must be made again."""

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from penstock_spec.digest import unpacked
from tests.core.fake_cluster import FakeCluster, Object, leaf_of, task_of
from tests.core.fake_losses import Losses
from tests.core.simulation import BrokenPromise, Simulation, pipeline

OUTPUTS = ("files", "more")
IMAGE = "ghcr.io/acme/step:1"
TAKERS: Mapping[str, Mapping[str, str]] = {
    "pick": {"files": "fit.files"},
    "rank": {"more": "fit.more"},
    "both": {"files": "fit.files", "more": "fit.more"},
    "grid": {"files": "fit.files"},
}
NEEDS = {"fit": ["a"], **{name: ["fit"] for name in TAKERS}}


@dataclass(frozen=True)
class Loss:
    """All has run once. Then some of it is lost, and programs that gather what cells of `fit` gave change."""

    cells: int = 3
    lost: Mapping[str, Collection[int]] | None = None  # by output of `fit`, the cells of which it is lost
    source: bool = False  # what `fit` itself reads is lost as well
    takers: Collection[str] = ("pick",)
    silent: Collection[str] = ()  # inputs of which fetch does not tell the cells
    adds: int = 0  # a cell that fetch tells beside those that are lost
    most: int = 0  # maxParallel of the run
    fates: Mapping[str, list[str]] = field(default_factory=dict)  # of attempts in the second run
    kills: float = 0.0
    lags: float = 0.0
    drops: float = 0.0
    holds: float = 0.0
    seed: int = 0


@st.composite
def losses(draw: st.DrawFn) -> Loss:
    cells = draw(st.integers(1, 6))
    some = st.sets(st.integers(1, cells))
    source = draw(st.booleans())
    fated = [f"fit#{number}" for number in range(1, cells + 1)]
    bad = st.sampled_from([["late"], ["evicted"], ["oom"], ["store"]])
    return Loss(
        cells=cells,
        lost={name: sorted(draw(some)) for name in OUTPUTS},
        source=source,
        takers=sorted(draw(st.sets(st.sampled_from(list(TAKERS)), min_size=1))),
        silent=sorted(draw(st.sets(st.sampled_from(OUTPUTS), max_size=1))) if draw(st.booleans()) else (),
        adds=draw(st.sampled_from([0, 0, 0, 99])),
        most=draw(st.sampled_from([0, 0, 1, 3])),
        fates=draw(st.dictionaries(st.sampled_from(fated), bad, max_size=2)),
        kills=draw(st.sampled_from([0.0, 0.05, 0.2])),
        lags=draw(st.sampled_from([0.0, 0.3])),
        drops=draw(st.sampled_from([0.0, 0.3])),
        holds=draw(st.sampled_from([0.0, 0.9])),
        seed=draw(st.integers(0, 2**16)),
    )


def program(name: str, inputs: Mapping[str, str], **fields: Any) -> Any:
    outputs = [{"name": one} for one in OUTPUTS]
    return {"name": name, "run": {"image": IMAGE, "inputs": dict(inputs), "outputs": outputs, **fields}}


def spec_of(loss: Loss, how: str) -> Any:
    """The pipeline; its takers do their work in this way."""
    fit = program("fit", {"raw": "a.files"}, argumentsFrom={"n": {"cell": "n"}})
    fit["matrix"] = {"axes": {"n": list(range(loss.cells))}}
    takers = [program(name, TAKERS[name], arguments={"how": how}) for name in loss.takers]
    for one in takers:
        if one["name"] == "grid":
            one["matrix"] = {"axes": {"m": [1, 2]}}
            one["run"]["argumentsFrom"] = {"m": {"cell": "m"}}
    policy = {"policy": {"maxParallel": loss.most}} if loss.most else {}
    return {"steps": [program("a", {}), fit, *takers], **policy}


def digests_of(simulation: Simulation, output: str, run: str = "p-g1") -> Mapping[int, str]:
    """What each cell of `fit` gave, by number."""
    entry = simulation.steps(run)["fit"]
    at = entry["cellOutputs"].index(output)
    return {one["number"]: unpacked(one["outputs"][at]) for one in entry["cells"]}


def lose(simulation: Simulation, cells: Mapping[str, Collection[int]], run: str = "p-g1") -> None:
    """Take these outputs of cells of `fit` out of the store."""
    for output, numbers in cells.items():
        made = digests_of(simulation, output, run)
        simulation.cluster.losses.gone |= {made[one] for one in numbers}


def lived(loss: Loss) -> Simulation:
    """The first run, without any fault; then the loss, and the faults."""
    adds = [loss.adds] if loss.adds else []
    told = Losses(tells=lambda name, lost: () if name in loss.silent else [*lost, *adds])
    simulation = Simulation(FakeCluster(losses=told), NEEDS)
    simulation.cluster.create(pipeline("p", spec_of(loss, "so")))
    simulation.wake()
    simulation.run_to_rest()
    simulation.cluster.fates = loss.fates
    lose(simulation, loss.lost or {})
    if loss.source:
        simulation.cluster.losses.gone.add(simulation.steps("p-g1")["a"]["outputs"]["files"])
    chance = random.Random(loss.seed)  # noqa: S311 - faults, not secrets
    simulation.lag = lambda: chance.randrange(1, 25) if chance.random() < loss.lags else 0
    simulation.fate_of_write = lambda: (
        chance.choice(["before", "after"]) if chance.random() < loss.kills else ""
    )
    simulation.drop_event = lambda: chance.random() < loss.drops
    simulation.hold = lambda: chance.random() < loss.holds
    simulation.shell = simulation._born()
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "p", spec_of(loss, "else")))
    return simulation


def simulate(loss: Loss) -> Simulation:
    """The life of it, to rest. Raises BrokenPromise where a promise does not hold."""
    simulation = lived(loss)
    simulation.run_to_rest()
    return simulation


def jobs(simulation: Simulation, run: str = "p-g2") -> dict[str, Object]:
    """The Jobs of a run by step or cell and attempt."""
    found = [(task_of(one), one) for one in simulation.cluster.find("Job")]
    return {f"{leaf_of(task)}/{task['attempt']}": one for task, one in found if task["run"] == run}


def executed(simulation: Simulation, run: str = "p-g2") -> set[str]:
    """The steps and cells that the run has executed itself, in however many attempts."""
    return {one.partition("/")[0] for one in jobs(simulation, run)}


def wanted(loss: Loss) -> tuple[set[str], set[str]]:
    """What has to be executed, and what may be: whoever gathers, and what one of them finds lost, or all
    cells where it does not say which.
    """
    takers = {leaf for one in loss.takers for leaf in (("grid#1", "grid#2") if one == "grid" else (one,))}
    lost, every = loss.lost or {}, set(range(1, loss.cells + 1))
    least: set[int] = set()
    unsure = []
    for name in loss.takers:
        missing = [output for output in TAKERS[name] if lost.get(output)]
        least |= {one for output in missing for one in lost[output]}
        unsure += [bool(loss.adds) or any(one in loss.silent for one in missing)] if missing else []
    # One that begins when others have had it made again misses nothing, and so cannot be unsure.
    least = every if unsure and all(unsure) else least
    most = every if any(unsure) else least
    source = {"a"} if least and loss.source else set()
    least_, most_ = ({f"fit#{one}" for one in made} for made in (least, most))
    return takers | source | least_, takers | source | most_


def check(loss: Loss) -> None:
    """All promises: safety while it lives, then that just what was lost has been made again, at rest."""
    simulation = simulate(loss)
    run = simulation.cluster.objects[("PipelineRun", "p-g2")]
    if run["status"]["status"] != "Succeeded":
        raise BrokenPromise(f"it has not succeeded: {run['status']}")
    least, most = wanted(loss)
    if not least <= (found := executed(simulation)) <= most:
        raise BrokenPromise(f"(at least, at most, found): {least}, {most}, {found}")
    simulation.drop_event = lambda: False
    simulation.assert_at_rest()
