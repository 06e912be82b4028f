"""Room in a namespace: never more Jobs than the installation allows, older runs first, nobody forgotten."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from penstock_operator.core import room
from penstock_operator.core.observed import Meta, RunObject
from penstock_operator.core.settings import Settings
from penstock_spec.defaults import read_defaults
from tests.core.fake_cluster import FakeCluster, Object
from tests.core.pipelines import programs
from tests.core.pods import NOW
from tests.core.simulation import Simulation, pipeline

ONE = Settings(max_parallel=1)
WORDS = "waits for a place: 1 Job of runs may live in namespace ml at a time, older runs first"


def run(name: str, age: float, *reasons: str, why: str = "", **fields: Any) -> RunObject:
    """A run of this age; each reason is that of a step that is Queued, `why` its own."""
    steps = [
        {"name": f"s{index}", "state": "Queued", "reason": reason} for index, reason in enumerate(reasons)
    ]
    meta = Meta("ml", name, f"uid-{name}", NOW - timedelta(seconds=age))
    return RunObject(meta, "p", status={"reason": why, "steps": steps}, **fields)


FULL = "NamespaceFull"


@pytest.mark.parametrize(
    ("claiming", "number"),
    [
        pytest.param(run("r", 1), 0, id="it waits for nothing"),
        pytest.param(run("r", 1, FULL, "QuotaExceeded", FULL), 2, id="each attempt claims one place"),
        pytest.param(run("r", 1, FULL, suspend=True), 0, id="a suspended run starts nothing"),
        pytest.param(
            run("r", 1, FULL, suspend=True, why="RunReplaced"), 1, id="but one that is released does"
        ),
        pytest.param(run("r", 1, FULL, cancel=True), 0, id="nor does a cancelled one"),
    ],
)
def test_who_waits_for_a_place_claims_one(claiming: RunObject, number: int) -> None:
    assert room.claims(claiming) == number


def test_only_older_runs_come_first_and_of_equal_age_the_smaller_name() -> None:
    mine = run("m", 50, FULL)
    others = [mine, run("a", 50, FULL), run("z", 50, FULL), run("old", 99, FULL, FULL), run("new", 1, FULL)]
    assert room.older_claims(mine, others) == 3


@pytest.mark.parametrize(
    ("data", "limit"),
    [({}, 7), ({"jobs": "maxParallel: 3"}, 3), ({"jobs": "maxParallel: 0"}, 7), ({"jobs": "{}"}, 7)],
)
def test_a_namespace_may_have_a_bound_of_its_own(data: dict[str, str], limit: int) -> None:
    assert room.limit_of(read_defaults(data), Settings(max_parallel=7)) == limit


def applied(cluster: FakeCluster, name: str, spec: Any) -> Callable[[], Any]:
    """A person's act."""
    return lambda: cluster.create(pipeline(name, spec))


def lives(cluster: FakeCluster, settings: Settings, *pipelines: str, **more: Any) -> Simulation:
    """Pipelines that are applied a second after each other, two steps each that need not wait for another."""
    simulation = Simulation(cluster, settings=settings)
    spec = programs({"a": [], "b": []}, **more)
    simulation.acts = [(float(when), applied(cluster, name, spec)) for when, name in enumerate(pipelines)]
    return simulation


def test_what_waits_is_queued_and_says_for_what() -> None:
    simulation = lives(FakeCluster(fates={"a": ["hangs"]}), ONE, "p")
    for _ in range(20):
        while simulation.acts:
            simulation.person(simulation.acts[0][1])
            simulation.acts = simulation.acts[1:]
        simulation.cluster.settle()
        simulation._work()
        simulation.cluster.advance(0.5)
    entry = simulation.steps("p-g1")["b"]
    assert (entry["state"], entry["reason"], entry["message"]) == ("Queued", FULL, WORDS)
    assert "startedAt" not in entry
    simulation.person(lambda: simulation.say("p-g1", cancel=True))
    simulation.run_to_rest()


def writes_of(settings: Settings) -> tuple[int, set[str]]:
    """How often the status of a run of three steps is written, and which reasons its steps ever have."""
    said: list[Object] = []
    simulation = Simulation(FakeCluster(), settings=settings, hold=lambda: False)
    simulation.cluster.watchers.append(
        lambda verb, item: said.append(item) if (verb, item["kind"]) == ("status", "PipelineRun") else None
    )
    simulation.person(applied(simulation.cluster, "p", programs({"a": [], "b": ["a"], "c": ["b"]})))
    simulation.run_to_rest()
    steps = [step for one in said for step in one["status"].get("steps", ())]
    return len(said), {step.get("reason", "") for step in steps}


def test_a_step_takes_the_place_of_the_one_that_it_follows_without_a_word() -> None:
    """Also while the Job controller has not said yet that the Job before is over."""
    writes, reasons = writes_of(ONE)
    assert FULL not in reasons
    assert writes == writes_of(Settings())[0]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_older_runs_end_first_and_all_end(limit: int) -> None:
    simulation = lives(FakeCluster(), Settings(max_parallel=limit), "p", "q", "r")
    simulation.run_to_rest()  # which watches that there are never more Jobs
    ends = []
    for name in ("p-g1", "q-g1", "r-g1"):
        assert {one["state"] for one in simulation.steps(name).values()} == {"Succeeded"}
        ends.append(simulation.cluster.objects[("PipelineRun", name)]["status"]["finishedAt"])
    assert ends == sorted(ends)
    created = [name[0] for name in simulation.jobs_created()]
    assert created == sorted(created), "a younger run's Job came before an older one's"


def test_a_retry_waits_for_its_place_too_and_is_not_overtaken() -> None:
    simulation = lives(FakeCluster(fates={"a": ["evicted", "success"]}), ONE, "p", "q")
    simulation.run_to_rest()
    created = [name.rsplit("-", 1)[0] for name in simulation.jobs_created()]
    assert {one["state"] for one in simulation.steps("q-g1").values()} == {"Succeeded"}
    assert created.count("p-g1-a") == 2


def test_without_a_bound_all_start_at_once() -> None:
    simulation = lives(FakeCluster(), Settings(), "p")
    simulation.run_to_rest()
    starts = [one["metadata"]["creationTimestamp"] for one in simulation.cluster.find("Job")]
    assert len(set(starts)) == 1


def test_an_old_run_that_is_suspended_holds_up_nobody() -> None:
    simulation = lives(FakeCluster(fates={"a": ["evicted"] * 3}), ONE, "p", "q")
    suspended = [(4.0, True), (400.0, False)]
    simulation.acts = [
        *simulation.acts,
        *((when, partial(simulation.say, "p-g1", suspend=held)) for when, held in suspended),
    ]
    simulation.run_to_rest()
    ends = []
    for name in ("q-g1", "p-g1"):
        assert {one["state"] for one in simulation.steps(name).values()} == {"Succeeded"}
        ends.append(simulation.cluster.objects[("PipelineRun", name)]["status"]["finishedAt"])
    begun = simulation.cluster.objects[("Pipeline", "p")]["metadata"]["creationTimestamp"]
    took = datetime.fromisoformat(ends[0]) - datetime.fromisoformat(begun)
    assert took.total_seconds() < 400
    assert ends == sorted(ends)


def test_cells_that_claim_a_place_now_and_then_share_the_writes_of_that() -> None:
    """Each end of a cell may move its step from the namespace's bound to its own, and back."""
    cells = {"a": {"matrix": {"axes": {"n": list(range(16))}}, "maxParallel": 4}}
    writes: Counter[str] = Counter()

    def watch(verb: str, item: Object) -> None:
        if (verb, item["kind"]) == ("status", "PipelineRun"):
            writes[item["metadata"]["name"]] += 1

    simulation = Simulation(FakeCluster(), settings=Settings(max_parallel=4), hold=lambda: True)
    simulation.cluster.watchers.append(watch)
    for name in "pqr":
        simulation.person(applied(simulation.cluster, name, programs({"a": []}, more=cells)))
    simulation.run_to_rest()
    # The snapshot, that it waits for its first place and has got it, and the end.
    assert max(writes.values()) <= 4
    assert {one["state"] for run in writes for one in simulation.steps(run).values()} == {"Succeeded"}
