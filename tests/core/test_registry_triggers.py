"""Triggers on the registry: a version that has come so far starts one run at most."""

import contextlib
import random
from collections import Counter
from typing import Any

import pytest

from penstock_operator.core import promoted
from penstock_spec.graph import compile_pipeline
from penstock_spec.pipeline_status import PipelineStatus
from penstock_spec.resolve import run_values
from penstock_spec.run_status import PipelineRunStatus
from tests.core.fake_cluster import FakeCluster, task_of
from tests.core.fake_shell import NotSettled, run_of
from tests.core.pipelines import programs
from tests.core.schedule_world import TriggerLife
from tests.core.simulation import Simulation, pipeline
from tests.core.test_pipelines import new_run
from tests.core.test_seeded_bugs import sow

PASSED = {"decisions": [{"step": "gate", "run": "t-g1", "verdict": "Pass", "time": "2026-11-21T10:00:00Z"}]}


def life(policy: Any = None, lifecycle: str = "Approved", **fields: Any) -> TriggerLife:
    """A Pipeline with the trigger `promoted` on the model m, of which m-1 is approved already."""
    registry = {"model": "m", "lifecycle": lifecycle}
    found = TriggerLife(programs({"a": []}, policy=policy or {"keepRuns": 100}))
    version(found, 1, "Approved")
    found.edit(triggers=[{"name": "promoted", "registry": registry, **fields}])
    return found


def version(found: TriggerLife, number: int, lifecycle: str, model: str = "m", **lineage: Any) -> None:
    spec = {"model": model, "number": number, "digest": f"sha256:{number}", "lineage": lineage}
    meta = {"name": f"{model}-{number}"}
    status = {"lifecycle": lifecycle}
    found.cluster.create({"kind": "ModelVersion", "metadata": meta, "spec": spec, "status": status})
    found.look()


def becomes(found: TriggerLife, number: int, lifecycle: str, **status: Any) -> None:
    one = found.cluster.objects[("ModelVersion", f"m-{number}")]
    found.cluster.change(one, "status", status={**one["status"], "lifecycle": lifecycle, **status})
    found.look()


def message(found: TriggerLife) -> str:
    return str(found.entry("promoted")["message"])


def causes(found: TriggerLife) -> list[str]:
    """What the runs that exist were started for, the oldest first."""
    all_of_them = [found.run(name)["spec"].get("triggeredBy", {}) for name in found.runs()]
    return [one["modelVersion"] for one in all_of_them if one]


def test_a_version_that_is_approved_starts_one_run_that_names_it() -> None:
    found = life()
    assert message(found) == "starts a run when another version of model m is Approved"
    version(found, 2, "Candidate")
    assert causes(found) == []
    becomes(found, 2, "Approved")
    (name,) = found.runs()[1:]
    run = found.run(name)
    assert (run["spec"]["trigger"], run["spec"]["triggeredBy"]) == ("promoted", {"modelVersion": "m-2"})
    assert run_of(run).cause == "m-2"
    assert found.entry("promoted")["lastRun"] == name
    found.finish_all()
    becomes(found, 2, "Production")
    becomes(found, 2, "Archived")
    found.go(days=3)
    assert causes(found) == ["m-2"]
    PipelineStatus.model_validate(found.status, by_alias=True, by_name=False)


def test_versions_that_were_there_when_it_was_armed_start_nothing_whatever_becomes_of_them() -> None:
    found = TriggerLife(programs({"a": []}))
    version(found, 1, "Candidate")
    found.edit(triggers=[{"name": "promoted", "registry": {"model": "m"}}])
    becomes(found, 1, "Approved")
    assert causes(found) == []


@pytest.mark.parametrize(
    ("wanted", "at", "status", "starts"),
    [
        ("Candidate", "Candidate", {}, True),
        ("Candidate", "", {}, True),
        ("Candidate", "Rejected", {}, True),
        ("Approved", "Candidate", {}, False),
        ("Approved", "Rejected", {}, False),
        ("Approved", "Production", {}, False),
        ("Approved", "Production", PASSED, True),
        ("Approved", "Archived", PASSED, True),
        ("Production", "Approved", PASSED, False),
        ("Production", "Archived", {}, True),
        ("Rejected", "Rejected", {}, True),
        ("Rejected", "Archived", {}, False),
        ("Archived", "Production", {}, False),
    ],
)
def test_how_far_a_version_has_come(wanted: str, at: str, status: dict[str, Any], *, starts: bool) -> None:
    found = life(lifecycle=wanted)
    version(found, 2, "Candidate" if wanted != "Candidate" else at)
    becomes(found, 2, at, **status)
    assert causes(found) == (["m-2"] if starts else [])


def test_another_models_versions_are_nothing_to_it() -> None:
    found = life()
    version(found, 2, "Approved", model="n")
    assert causes(found) == []


def test_several_at_once_run_one_after_the_other_in_their_order() -> None:
    found = life()
    for number in (2, 3, 4):
        version(found, number, "Candidate")
    for number in (4, 2, 3):
        becomes(found, number, "Approved")
    assert causes(found) == ["m-4"]
    assert "waits for m-2, m-3: run " in message(found)
    for _ in range(3):
        found.finish_all()
        found.go(minutes=6)
    assert causes(found) == ["m-4", "m-2", "m-3"]


@pytest.mark.parametrize(
    ("damping", "words"),
    [({}, "cooling down until 2026-11-21T10:05:00Z"), ({"cooldown": "2h"}, "until 2026-11-21T12:00:00Z")],
)
def test_two_starts_are_held_apart(damping: dict[str, Any], words: str) -> None:
    found = life(**damping)
    version(found, 2, "Approved")
    found.finish_all()
    version(found, 3, "Approved")
    assert words in message(found)
    assert causes(found) == ["m-2"]


def test_no_more_than_so_many_in_a_week() -> None:
    found = life(cooldown="1m", maxPerWeek=2)
    for number in (2, 3, 4):
        found.go(hours=1)
        version(found, number, "Approved")
        found.finish_all()
    assert causes(found) == ["m-2", "m-3"]
    assert "maxPerWeek 2 is reached until 2026-11-2" in message(found)
    found.go(days=7)
    assert causes(found) == ["m-2", "m-3", "m-4"]


def test_a_version_that_a_run_of_this_trigger_has_trained_starts_none() -> None:
    found = life()
    version(found, 2, "Approved")
    (name,) = found.runs()[1:]
    found.finish_all()
    found.go(hours=1)
    uid = found.cluster.objects[("Pipeline", "p")]["metadata"]["uid"]
    version(found, 3, "Approved", pipeline="p", pipelineUid=uid, run=name)
    assert causes(found) == ["m-2"]
    assert "m-3 was trained by a run that this trigger had started" in message(found)


def test_a_version_that_another_run_of_the_pipeline_has_trained_starts_one() -> None:
    found = life()
    uid = found.cluster.objects[("Pipeline", "p")]["metadata"]["uid"]
    version(found, 2, "Approved", pipeline="p", pipelineUid=uid, run="p-g1")
    assert causes(found) == ["m-2"]


def test_what_comes_while_it_is_suspended_is_not_made_up_for() -> None:
    found = life()
    found.edit(suspend=True)
    version(found, 2, "Approved")
    found.edit(suspend=False)
    version(found, 3, "Approved")
    assert causes(found) == ["m-3"]


def test_where_two_runs_are_forbidden_the_version_waits_and_is_not_lost() -> None:
    found = life(policy={"concurrency": "Forbid"})
    found.edit(steps=programs({"a": [], "b": []})["steps"])
    version(found, 2, "Approved")
    assert "policy.concurrency is Forbid" in message(found)
    found.finish_all()
    assert causes(found) == ["m-2"]


def test_its_memory_is_bounded_and_keeps_the_newest() -> None:
    found = life(cooldown="1m", policy={"keepRuns": 1, "concurrency": "Allow"})
    for number in range(2, 102):
        if number % 2:
            version(found, number, "Rejected")
        else:
            found.go(hours=4)
            version(found, number, "Approved")
            found.finish_all()
    entry = found.entry("promoted")
    assert len(entry["decidedNumbers"]) <= 64
    PipelineStatus.model_validate(found.status, by_alias=True, by_name=False)


def test_the_version_is_a_value_that_steps_may_take() -> None:
    found = life()
    version(found, 2, "Approved")
    run = run_of(found.run(found.runs()[1]))
    spec = compile_pipeline(programs({"a": []})).spec
    assert run_values(spec, run.given, run.logical_time, run.cause)["triggeredBy"] == "m-2"


def test_a_step_is_given_what_was_seen_and_a_repetition_keeps_it() -> None:
    spec = programs({"a": []})
    spec["steps"][0]["run"]["argumentsFrom"] = {"seen": {"parameter": "triggeredBy"}}
    simulation = Simulation(FakeCluster(), {})
    cluster = simulation.cluster
    simulation.person(lambda: cluster.create(pipeline("tumour", spec)))
    simulation.run_to_rest()
    simulation.person(lambda: cluster.create(new_run("by-hand", triggeredBy={"modelVersion": "m-2"})))
    simulation.run_to_rest()
    simulation.person(lambda: cluster.create(new_run("again", rerun={"run": "by-hand", "from": ["a"]})))
    simulation.run_to_rest()
    again = cluster.objects[("PipelineRun", "again")]
    assert again["status"]["snapshot"]["triggeredBy"] == {"modelVersion": "m-2"}
    PipelineRunStatus.model_validate(again["status"], by_alias=True, by_name=False)
    given = {task_of(one)["run"]: task_of(one)["arguments"] for one in cluster.find("Job")}
    seen = {run: arguments["arguments"]["seen"] for run, arguments in given.items()}
    assert seen == {"tumour-g1": "", "by-hand": "m-2", "again": "m-2"}


def churn(count: int) -> TriggerLife:
    """Hundreds of versions that come and go on, under kills, with clocks that jump."""
    chance = random.Random(count)  # noqa: S311 - faults, not secrets
    found = life(policy={"keepRuns": 2}, cooldown="1m", maxPerWeek=50)
    found.fate_of_write = lambda: chance.choice(["before", "after"]) if chance.random() < 0.2 else ""
    waiting: list[int] = []
    for number in range(2, count + 2):
        found.go(minutes=chance.choice([1, 10, 60, 240, -30]))
        version(found, number, "Candidate")
        waiting.append(number)
        if chance.random() < 0.7:
            becomes(
                found, waiting.pop(chance.randrange(len(waiting))), chance.choice(["Approved", "Rejected"])
            )
        for name in found.unfinished():
            if chance.random() < 0.7:
                found.finish(name)
    return found


@pytest.mark.parametrize("count", [80, pytest.param(400, marks=pytest.mark.slow)])
def test_no_version_starts_a_run_twice_under_kills(count: int) -> None:
    made: Counter[str] = Counter()
    found = churn(count)
    made.update(name for verb, kind, name in found.cluster.log if (verb, kind) == ("create", "PipelineRun"))
    assert found.kills > 10
    assert max(made.values()) == 1
    assert len(made) > count / 5


@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        pytest.param(
            promoted._is_due, "or version.number in memory.numbers", "", id="forgets what it decided"
        ),
        pytest.param(
            promoted._outcome, '"decidedNumber": memory.base', '"decidedNumber": 0', id="forgets the base"
        ),
    ],
)
def test_a_seeded_bug_is_caught(monkeypatch: pytest.MonkeyPatch, function: Any, old: str, new: str) -> None:
    assert three() == ["m-2", "m-3", "m-4"]
    sow(monkeypatch, function, old, new)
    with contextlib.suppress(NotSettled):
        assert three() != ["m-2", "m-3", "m-4"]


def three() -> list[str]:
    """What is started for three versions, of which no run is kept."""
    found = life(policy={"keepRuns": 1}, cooldown="1m")
    for number in (2, 3, 4):
        version(found, number, "Approved")
        found.finish_all()
        found.go(hours=1)
        found.finish_all()
    return [
        one["spec"]["triggeredBy"]["modelVersion"]
        for one in found.made_objects
        if "triggeredBy" in one["spec"]
    ]
