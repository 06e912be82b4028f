"""Random worlds of a pipeline that is a step of another one, and what must come of each of them."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.core.fake_cluster import FakeCluster
from tests.core.pipelines import programs
from tests.core.property_worlds import BUDGETS, CLASS
from tests.core.simulation import BrokenPromise, Simulation, pipeline

CHILD = ("c0", "c1")
GOOD = ("Succeeded", "Reused")
Span = tuple[float, float]


@dataclass(frozen=True)
class Family:
    """How the steps of both pipelines go, what people do, and the faults around it. Times are in seconds."""

    fates: Mapping[str, list[str]] = field(default_factory=dict)
    again: bool = False  # all has run before; only `use` is another program, and may find its inputs lost
    forced: bool = False  # the step that is the child says `reuse: Never`
    stops: bool = False  # policy.onFailure: Stop, of the parent
    deadline: str = ""  # policy.deadline of the parent
    step_deadline: str = ""  # deadline of the step that is the child
    retries: int = 0  # retry.userError of it
    cells: int = 0  # of the step: each is a child of its own; 0: it has none
    tells: bool = True  # a step of the parent runs after all others
    cancel_at: float | None = None
    suspended: Span | None = None
    child_cancelled_at: float | None = None
    child_deleted_at: float | None = None
    child_suspended: Span | None = None
    kills: float = 0.0
    lags: float = 0.0
    drops: float = 0.0
    holds: float = 0.0  # share of news that is written later
    stale: int = 1  # changes that an old state lacks at least
    seed: int = 0

    @property
    def run(self) -> str:
        """The run of the parent that meets all this."""
        return "p-g2" if self.again else "p-g1"

    @property
    def executes(self) -> bool:
        """Whether the run of the child takes nothing over from an earlier one."""
        return self.forced or not self.again

    @property
    def undisturbed(self) -> bool:
        """Whether nothing but the fates says how it ends."""
        acts = (self.cancel_at, self.child_cancelled_at, self.child_deleted_at)
        return not (self.deadline or self.step_deadline or self.stops) and acts == (None, None, None)


@st.composite
def families(draw: st.DrawFn) -> Family:
    cut = draw(st.booleans())
    kinds = ["success", "exit3", "oom", "store", "evicted", "job_deleted", "no_result"]
    again, forced = draw(st.booleans()), draw(st.booleans())
    fates = st.lists(st.sampled_from([*kinds, "hangs"] if cut else kinds), min_size=1, max_size=3)
    moment = st.one_of(st.none(), st.floats(0, 30))
    span = st.one_of(st.none(), st.none(), st.tuples(st.floats(0, 15), st.floats(16, 300)))
    # Nothing bounds a step that always runs: one that hangs would hang for ever.
    fated = draw(st.dictionaries(st.sampled_from(["a", "use", *CHILD]), fates, max_size=3))
    if again and not forced and draw(st.booleans()):
        fated["use"] = ["lost", *fated.get("use", ())]
    return Family(
        fates=fated,
        again=again,
        forced=forced,
        stops=draw(st.integers(0, 3)) == 0,
        deadline="90s" if cut else "",
        step_deadline=draw(st.sampled_from(["", "20s"])) if cut else "",
        retries=draw(st.integers(0, 2)),
        cells=draw(st.sampled_from([0, 0, 1, 3])),
        tells=draw(st.booleans()),
        cancel_at=draw(moment) if cut else None,
        suspended=draw(span),
        child_cancelled_at=draw(moment) if draw(st.integers(0, 3)) == 0 else None,
        child_deleted_at=draw(moment) if draw(st.integers(0, 3)) == 0 else None,
        child_suspended=draw(span),
        kills=draw(st.sampled_from([0.0, 0.05, 0.2])),
        lags=draw(st.sampled_from([0.0, 0.3])),
        drops=draw(st.sampled_from([0.0, 0.3])),
        holds=draw(st.sampled_from([0.0, 0.9])),
        seed=draw(st.integers(0, 2**16)),
    )


def specs_of(family: Family) -> tuple[Any, Any]:
    """The pipeline, and the one that is a step of it."""
    inner = programs({"c0": [], "c1": ["c0"]}, policy={"onChange": "Wait", "keepRuns": 1})
    policy = {
        **({"onFailure": "Stop"} if family.stops else {}),
        **({"deadline": family.deadline} if family.deadline else {}),
    }
    needs = {"a": [], "use": ["a"], **({"tell": []} if family.tells else {})}
    outer = programs(needs, None, {"tell": {"always": True}}, policy=policy)
    outer["steps"][1]["run"]["inputs"]["made"] = "sub.files"
    sub = {
        "name": "sub",
        "pipeline": {"name": "c", "outputs": [{"name": "files", "from": "c1.files"}]},
        "retry": {"userError": {"limit": family.retries, "backoff": {"first": "1s"}}},
        **({"deadline": family.step_deadline} if family.step_deadline else {}),
        **({"reuse": {"policy": "Never"}} if family.forced else {}),
        **({"matrix": {"axes": {"n": list(range(family.cells))}}} if family.cells else {}),
    }
    return {**outer, "steps": [sub, *outer["steps"]]}, inner


def live_child(simulation: Simulation) -> str:
    """The name of the child that goes on; empty where none does."""
    found = [one for one in simulation.cluster.find("PipelineRun") if one["spec"].get("step")]
    return next((one["metadata"]["name"] for one in found if not simulation.finished(one)), "")


def acts_of(family: Family, simulation: Simulation) -> Sequence[tuple[float, Callable[[], None]]]:
    """What people do meanwhile."""

    def to_child(**spec: Any) -> None:
        if name := live_child(simulation):
            simulation.say(name, **spec)

    def delete() -> None:
        if name := live_child(simulation):
            simulation.cluster.delete("PipelineRun", name)

    acts: list[tuple[float, Callable[[], None]]] = []
    if family.cancel_at is not None:
        acts.append((family.cancel_at, lambda: simulation.say(family.run, cancel=True)))
    if family.child_cancelled_at is not None:
        acts.append((family.child_cancelled_at, lambda: to_child(cancel=True)))
    if family.child_deleted_at is not None:
        acts.append((family.child_deleted_at, delete))
    if family.suspended is not None:
        acts.append((family.suspended[0], lambda: simulation.say(family.run, suspend=True)))
        acts.append((family.suspended[1], lambda: simulation.say(family.run, suspend=False)))
    if family.child_suspended is not None:
        acts.append((family.child_suspended[0], lambda: to_child(suspend=True)))
        acts.append((family.child_suspended[1], lambda: to_child(suspend=False)))
    return acts


def simulate(family: Family) -> Simulation:
    """The family's life, to rest. Raises BrokenPromise where a promise does not hold."""
    chance = random.Random(family.seed)  # noqa: S311 - faults, not secrets
    # What was begun, was not written yet, and went together with the operator, is begun again under its name.
    deleted = family.child_deleted_at is not None or any(
        "job_deleted" in one for one in family.fates.values()
    )
    forgets = family.kills and deleted
    simulation = Simulation(
        FakeCluster(fates=family.fates),
        {"c1": ["c0"], "use": ["a", "sub"]},
        ends={"tell": ["a", "sub", "use"]},
        always=frozenset({"tell"}),
        lag=lambda: chance.randrange(family.stale, 25) if chance.random() < family.lags else 0,
        fate_of_write=lambda: chance.choice(["before", "after"]) if chance.random() < family.kills else "",
        drop_event=lambda: chance.random() < family.drops,
        hold=lambda: chance.random() < family.holds and not forgets,
    )
    outer, inner = specs_of(family)
    if family.again:
        _lived_before(outer, inner, simulation)
    else:
        simulation.cluster.create(pipeline("c", inner))
        simulation.cluster.create(pipeline("p", outer))
    simulation.acts = acts_of(family, simulation)
    simulation.wake()
    simulation.run_to_rest()
    return simulation


def _lived_before(outer: Any, inner: Any, simulation: Simulation) -> None:
    """A first run without any fault; then `use` is another program."""
    fates, simulation.cluster.fates = simulation.cluster.fates, {}
    faults = simulation.lag, simulation.fate_of_write, simulation.drop_event, simulation.hold
    simulation.lag, simulation.fate_of_write = lambda: 0, lambda: ""
    simulation.drop_event, simulation.hold = lambda: False, lambda: False
    simulation.shell = simulation._born()
    simulation.cluster.create(pipeline("c", inner))
    simulation.cluster.create(pipeline("p", outer))
    simulation.wake()
    simulation.run_to_rest()
    simulation.lag, simulation.fate_of_write, simulation.drop_event, simulation.hold = faults
    simulation.shell = simulation._born()
    simulation.cluster.fates = fates
    steps = [
        {**one, "run": {**one["run"], "arguments": {"step": "other"}}} if one["name"] == "use" else one
        for one in outer["steps"]
    ]
    simulation.cluster.edit("Pipeline", "p", {**outer, "steps": steps})


def goes_well(family: Family, step: str) -> bool:
    """Whether a program comes to a good end by its fates alone."""
    used: dict[str, int] = {}
    for fate in [*family.fates.get(step, ()), "success"]:
        # What an earlier run had made, if through a child, is made again once.
        budget = 1 if fate == "lost" and family.again else BUDGETS.get(fate, 0)
        if budget is None:
            return True
        class_ = CLASS.get(fate, fate)
        used[class_] = used.get(class_, 0) + 1
        if used[class_] > budget:
            return False
    return True


def check(family: Family) -> None:
    """All promises: safety while it lives, then an end that fits what has happened, at rest."""
    simulation = simulate(family)
    run = simulation.cluster.objects[("PipelineRun", family.run)]
    if not simulation.finished(run):
        raise BrokenPromise(f"rests unfinished: {run['status']}")
    if name := live_child(simulation):
        raise BrokenPromise(f"{name} goes on after its parent")
    if any(not one.get("status", {}).get("conditions") for one in simulation.cluster.find("Job")):
        raise BrokenPromise("a Job goes on after its run")
    found = simulation.steps(family.run)
    states = {name: one["state"] for name, one in found.items()}
    if family.undisturbed:
        _check_fates(family, found)
        _check_child(family, simulation, found["sub"])
    elif family.executes and states["sub"] in GOOD and not all(goes_well(family, one) for one in CHILD):
        raise BrokenPromise("the step succeeded, and its child cannot have")
    if states["use"] in GOOD and not {states["a"], states["sub"]} <= set(GOOD):
        raise BrokenPromise(f"use ran without its inputs: {states}")
    simulation.drop_event = lambda: False
    simulation.assert_at_rest()


def _is_lost(family: Family) -> bool:
    return family.again and "lost" in family.fates.get("use", ())


def _check_child(family: Family, simulation: Simulation, sub: Any) -> None:
    """The child that made something again has executed that, and nothing else."""
    if _is_lost(family) and sub["state"] in GOOD and goes_well(family, "c1"):
        again = [one for one in simulation.cluster.find("PipelineRun") if one["spec"].get("rerun")]
        names = [one["metadata"]["name"] for one in again] if family.cells else [sub["child"]["run"]]
        for name in names:
            found = {step: one["state"] for step, one in simulation.steps(name).items()}
            if found != {"c0": "Reused", "c1": "Succeeded"}:
                raise BrokenPromise(f"the child that makes c1 again: {found}")


def _check_fates(family: Family, found: Mapping[str, Any]) -> None:
    # Of a second run nothing is executed but what is found lost, and of the child only what gives that.
    lost = _is_lost(family)
    executed = CHILD if family.executes else ("c1",) if lost else ()
    well = all(goes_well(family, one) for one in executed)
    before = 1 if lost else 0
    wanted = ("Succeeded", 1 + before) if well else ("Failed", 1 + before + family.retries)
    entry = found["sub"]
    leaves = entry["cells"] if family.cells else [entry]
    sub = [(one["state"], one.get("attempt", 1)) for one in leaves]
    if sub != [wanted] * max(1, family.cells) or entry["state"] != wanted[0]:
        raise BrokenPromise(f"(wanted, found) of sub: {wanted}, {entry['state']}: {sub}")
    whole = well and ((family.again and not lost) or goes_well(family, "a"))
    unmade = "Failed" if lost else "Blocked"
    use = unmade if not whole else "Succeeded" if goes_well(family, "use") else "Failed"
    if found["use"]["state"] != use:
        raise BrokenPromise(f"use is {found['use']['state']}, not {use}")
