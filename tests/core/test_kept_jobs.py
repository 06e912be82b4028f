"""policy.keepPods: which finished Jobs go, when, and that nothing is lost by it."""

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from penstock_operator.core import kept_jobs
from penstock_operator.core.kept_jobs import AT_ONCE, clearing
from penstock_operator.core.observed import JobView, Meta, PodView, RunObject
from penstock_operator.core.times import stamp
from penstock_spec.policy import KeepPods
from tests.core.fake_cluster import EPOCH, FakeCluster, Object, task_of
from tests.core.fake_shell import FakeShell
from tests.core.pipelines import programs, tumour
from tests.core.simulation import BrokenPromise, Simulation, pipeline
from tests.core.test_seeded_bugs import sow

HOUR = timedelta(hours=1)


def entry(name: str, state: str, ended: datetime | None = EPOCH) -> dict[str, Any]:
    """A step of a status. What has ended has a time, and only that."""
    assert (ended is None) == (state in ("Running", "Retrying", "Starting")), (
        "an end and its time go together"
    )
    return {"name": name, "kind": "run", "state": state, **({"finishedAt": stamp(ended)} if ended else {})}


def job(step: str, number: int = 1, phase: str = "Succeeded", **fields: Any) -> JobView:
    """A Job of a step whose one pod is in this phase; the Job controller has seen its end."""
    name, owner = f"p-{step}-{number}", fields.pop("owner", "run-uid")
    pod = PodView(Meta("ml", f"{name}-x", f"{name}-pod", EPOCH, owner_uid=name), phase)
    over = phase in ("Succeeded", "Failed")
    return JobView(
        Meta("ml", name, name, EPOCH, owner_uid=owner, deleting=fields.pop("deleting", False)),
        step=step,
        complete=phase == "Succeeded",
        failed_reason="BackoffLimitExceeded" if over and phase == "Failed" else "",
        pods=(pod,),
        **fields,
    )


def run(*steps: dict[str, Any]) -> RunObject:
    return RunObject(Meta("ml", "p-g1", "run-uid", EPOCH), "p", status={"steps": list(steps)})


WORLDS: Sequence[tuple[str, dict[str, Any], JobView, timedelta | None]] = (
    ("a good step's Job goes after an hour", entry("a", "Succeeded"), job("a"), HOUR),
    ("a reused ingest's too", entry("a", "Reused"), job("a"), HOUR),
    ("a failed step's after a day", entry("a", "Failed"), job("a", phase="Failed"), 24 * HOUR),
    ("a gate's that said no as well, though its pod went well", entry("a", "Failed"), job("a"), 24 * HOUR),
    (
        "a failed attempt's of a good step as well",
        entry("a", "Succeeded"),
        job("a", phase="Failed"),
        24 * HOUR,
    ),
    ("a cancelled step's as well", entry("a", "Cancelled"), job("a", phase="Failed"), 24 * HOUR),
    ("one whose end is not written stays", entry("a", "Running", None), job("a"), None),
    ("one that a retry still looks at stays", entry("a", "Retrying", None), job("a", phase="Failed"), None),
    ("one that would go on is left to others", entry("a", "Cancelled"), job("a", phase="Running"), None),
    ("one that is being deleted is left alone", entry("a", "Succeeded"), job("a", deleting=True), None),
    ("somebody else's is left alone", entry("a", "Succeeded"), job("a", owner="another"), None),
    ("one of an unknown step is left alone", entry("a", "Succeeded"), job("b"), None),
)


@pytest.mark.parametrize(
    ("step", "one", "after"), [row[1:] for row in WORLDS], ids=[row[0] for row in WORLDS]
)
def test_when_a_job_goes(step: dict[str, Any], one: JobView, after: timedelta | None) -> None:
    def ask(moment: datetime) -> kept_jobs.Clearing:
        return clearing(run(step), [one], KeepPods(), moment)

    if after is None:
        assert ask(EPOCH + timedelta(days=365)) == kept_jobs.Clearing()
        return
    early = ask(EPOCH + after - timedelta(seconds=1))
    assert early == kept_jobs.Clearing(look_again=EPOCH + after)
    (gone,) = ask(EPOCH + after).after
    assert (gone.name, gone.uid) == (one.meta.name, one.meta.uid)


def test_the_periods_are_the_pipelines_and_may_be_nothing() -> None:
    keep = KeepPods(succeeded="0s", failed="2d")
    steps, jobs = [entry("a", "Succeeded"), entry("b", "Failed")], [job("a"), job("b", phase="Failed")]
    found = clearing(run(*steps), jobs, keep, EPOCH)
    assert [one.name for one in found.after] == ["p-a-1"]
    assert found.look_again == EPOCH + timedelta(days=2)


def test_no_pass_deletes_more_than_its_share() -> None:
    jobs = [job("a", number) for number in range(AT_ONCE + 3)]
    found = clearing(run(entry("a", "Succeeded")), jobs, KeepPods(), EPOCH + 2 * HOUR)
    assert len(found.after) == AT_ONCE
    assert found.look_again == EPOCH + 2 * HOUR + timedelta(seconds=1)
    left = [one for one in jobs if one.meta.name not in {gone.name for gone in found.after}]
    assert len(clearing(run(entry("a", "Succeeded")), left, KeepPods(), EPOCH + 2 * HOUR).after) == 3


# Whole lives


def life(
    spec: Any, kills: float = 0.0, seed: int = 0, **cluster: Any
) -> tuple[Simulation, dict[str, datetime]]:
    """A pipeline's life until nothing is due any more, and when each Job was deleted."""
    chance = random.Random(seed)  # noqa: S311 - faults, not secrets
    simulation = Simulation(
        FakeCluster(**cluster),
        tidies=True,
        fate_of_write=lambda: chance.choice(["before", "after"]) if chance.random() < kills else "",
    )
    gone: dict[str, datetime] = {}

    def watch(verb: str, item: Object) -> None:
        if item["kind"] == "Job" and verb == "delete":
            gone[item["metadata"]["name"]] = simulation.cluster.now
            _promised(simulation.cluster, item)

    simulation.cluster.watchers.append(watch)
    simulation.person(lambda: simulation.cluster.create(pipeline("p", spec)))
    simulation.run_to_rest()
    return simulation, gone


def _promised(cluster: FakeCluster, item: Object) -> None:
    """What holds when a Job with a result is deleted, reckoned without the planner."""
    task = task_of(item)
    found = cluster.objects[("PipelineRun", task["run"])]["status"]
    step = next(one for one in found["steps"] if one["name"] == task["step"])
    if "finishedAt" not in step:
        raise BrokenPromise(f"{task['step']} loses a Job before its end is written")
    keep = found["snapshot"].get("policy", {}).get("keepPods", {})
    ended_well = any(one["status"]["phase"] == "Succeeded" for one in cluster.pods_of(item))
    well = ended_well and step["state"] in ("Succeeded", "Reused")
    hours = {"1h": 1, "24h": 24, "0s": 0}[keep.get("succeeded", "1h") if well else keep.get("failed", "24h")]
    if cluster.now < datetime.fromisoformat(step["finishedAt"]) + hours * HOUR:
        raise BrokenPromise(f"{task['step']} loses a Job too early")


FATES = {"a": ["oom"], "b": ["store"], "c": ["exit3"]}
CHAIN = {"a": [], "b": ["a"], "c": ["a"], "d": ["b"]}


@pytest.mark.parametrize("policy", [{}, {"keepPods": {"succeeded": "0s"}}, {"keepPods": {"failed": "0s"}}])
def test_every_job_goes_in_its_time_whenever_the_operator_is_killed(policy: dict[str, Any]) -> None:
    for seed in range(4):
        kills = 0.3 if seed else 0.0
        simulation, gone = life(programs(CHAIN, policy=policy), kills, seed, fates=FATES)
        assert list(simulation.cluster.find("Job")) == []
        assert list(simulation.cluster.find("Pod")) == []
        assert sorted(gone) == sorted(set(simulation.jobs_created()))
        assert simulation.steps("p-g1")["c"]["log"] == "Traceback\nboom", "the words of the failure are lost"
        simulation.assert_at_rest()


def test_a_run_without_its_jobs_is_reused_from_and_repeated() -> None:
    simulation, _ = life(tumour(policy={"keepPods": {"succeeded": "0s"}}))
    changed = tumour(policy={"keepPods": {"succeeded": "0s"}})
    changed["steps"][3]["validate"]["thresholds"][0]["minimum"] = 0.9
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "p", changed))
    simulation.run_to_rest()
    states = {name: one["state"] for name, one in simulation.steps("p-g2").items()}
    assert (states["data"], states["fit"], states["gate"]) == ("Reused", "Reused", "Succeeded")
    again = {"pipeline": "p", "rerun": {"run": "p-g1", "from": ["split"]}}
    made = {"kind": "PipelineRun", "metadata": {"name": "again", "namespace": "ml"}, "spec": again}
    simulation.person(lambda: simulation.cluster.create(made))
    simulation.run_to_rest()
    states = {name: one["state"] for name, one in simulation.steps("again").items()}
    assert states == {"data": "Reused", **dict.fromkeys(["split", "fit", "gate", "serve"], "Succeeded")}


def test_the_jobs_of_what_has_ended_go_while_the_run_goes_on() -> None:
    spec = programs({"a": [], "b": []}, policy={"keepPods": {"succeeded": "0s"}})
    simulation = Simulation(FakeCluster(fates={"b": ["hangs"]}))
    simulation.person(lambda: simulation.cluster.create(pipeline("p", spec)))
    simulation.acts = [(30.0, lambda: simulation.say("p-g1", cancel=True))]
    seen: list[list[str]] = []
    simulation.acts = [
        (29.0, lambda: seen.append([task_of(one)["step"] for one in simulation.cluster.find("Job")])),
        *simulation.acts,
    ]
    simulation.run_to_rest()
    assert seen == [["b"]]


def test_a_world_at_rest_with_many_finished_runs_makes_no_write() -> None:
    simulation, _ = life(programs({"a": []}, policy={"keepPods": {"succeeded": "0s"}, "keepRuns": 50}))
    for number in range(20):
        made = {
            "kind": "PipelineRun",
            "metadata": {"name": f"r{number}", "namespace": "ml"},
            "spec": {"pipeline": "p"},
        }
        simulation.cluster.create(made)
    simulation.wake()
    simulation.run_to_rest()
    simulation.assert_at_rest()
    shell = FakeShell(simulation.cluster)
    looks = [shell.run_pass(one["metadata"]["name"]) for one in simulation.cluster.find("PipelineRun")]
    assert looks == [None] * 21


@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        pytest.param(kept_jobs._rests, " and not is_stuck(job)", "", id="one that goes on"),
        pytest.param(
            kept_jobs.clearing, 'entry["state"] in TERMINAL and entry.get', "entry.get", id="no end"
        ),
        pytest.param(kept_jobs._due, ' and entry["state"] in SATISFYING', "", id="a gate's evidence"),
        pytest.param(kept_jobs.clearing, "moment <= now", "True", id="too early"),
        pytest.param(kept_jobs._rests, "job.meta.owner_uid == run.meta.uid and ", "", id="another's"),
    ],
)
def test_a_seeded_bug_in_the_rules_is_caught(
    monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], old: str, new: str
) -> None:
    sow(monkeypatch, function, old, new)
    # An end from before it was begun again: of a step whose lost output is being made anew.
    again = {"name": "a", "kind": "run", "state": "Retrying", "finishedAt": stamp(EPOCH)}
    with pytest.raises((AssertionError, ValueError)):
        _all_rows([*(row[1:] for row in WORLDS), (again, job("a"), None)])


def _all_rows(rows: Sequence[tuple[dict[str, Any], JobView, timedelta | None]]) -> None:
    for row in rows:
        test_when_a_job_goes(*row)
