"""Schedules: each time starts one run or none, and what was missed is made up for as the user asked."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from penstock_operator.core.settings import Settings
from penstock_spec.pipeline_status import PipelineStatus
from penstock_spec.ticks import ticks_after
from tests.core.fake_cluster import EPOCH, FakeCluster
from tests.core.fake_shell import FakeShell
from tests.core.pipelines import programs
from tests.core.schedule_world import TriggerLife, scheduled
from tests.core.simulation import Simulation, pipeline


def test_a_tick_starts_a_run_that_is_named_by_its_minute_and_knows_its_time() -> None:
    life = TriggerLife(scheduled())
    assert life.runs() == ["p-g1"]
    assert life.status["next"] == "2026-11-21T11:00:00Z"
    assert life.entry("tick")["message"] == "starts a run next at 2026-11-21 11:00 in Etc/UTC"
    life.at("2026-11-21T11:00:00+00:00")
    run = life.run("p-202611211100")
    assert run["spec"]["trigger"] == "tick"
    assert run["spec"]["scheduledTime"] == "2026-11-21T11:00:00Z"
    assert run["metadata"]["ownerReferences"][0]["kind"] == "Pipeline"
    assert life.status["lastRun"] == "p-202611211100"
    assert life.entry("tick")["lastRun"] == "p-202611211100"
    PipelineStatus.model_validate(life.status, by_alias=True, by_name=False)


def test_a_schedule_is_armed_when_it_is_seen_and_makes_up_for_nothing_before() -> None:
    life = TriggerLife(scheduled(missed="RunAll", maxMissed=100))
    life.go(seconds=30)
    life.edit(triggers=[{"name": "tick", "schedule": {"cron": "* * * * *", "missed": "RunAll"}}])
    assert life.runs() == ["p-g1"]
    assert life.status["lastStarted"]["generation"] == 1, "changing triggers starts no run"


def test_a_changed_schedule_is_armed_from_the_change_on() -> None:
    life = TriggerLife(scheduled("0 11 * * *", missed="RunAll"))
    life.at("2026-11-21T11:30:00+00:00")
    life.finish_all()
    life.edit(triggers=[{"name": "tick", "schedule": {"cron": "15 11 * * *", "missed": "RunAll"}}])
    assert life.runs() == ["p-g1", "p-202611211100"]
    assert life.status["next"] == "2026-11-22T11:15:00Z"


@pytest.mark.parametrize(
    ("schedule", "made"),
    [
        ({"missed": "Skip"}, []),
        ({"missed": "RunLatest"}, ["p-202611211500"]),
        ({}, ["p-202611211500"]),
        ({"missed": "RunAll", "maxMissed": 3}, ["p-202611211300", "p-202611211400", "p-202611211500"]),
        ({"missed": "RunAll"}, [f"p-2026112{1}{hour}00" for hour in range(11, 16)]),
    ],
    ids=["skip", "latest", "default", "the newest three", "all"],
)
def test_after_an_absence_of_the_operator(schedule: dict[str, object], made: list[str]) -> None:
    life = TriggerLife(scheduled(**schedule))
    life.at("2026-11-21T15:20:00+00:00")
    life.finish_all()
    assert life.runs()[1:] == made
    assert life.entry("tick")["decidedUntil"] == "2026-11-21T15:00:00Z"
    if made != [f"p-2026112{1}{hour}00" for hour in range(11, 16)]:
        assert life.entry("tick")["lastSkipped"] >= "2026-11-21T12:00:00Z"


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ({"missed": "Skip"}, "up to 2026-11-21 15:00 in Etc/UTC was missed and is left out (missed: Skip)"),
        ({}, "up to 2026-11-21 14:00 in Etc/UTC was missed and is left out (missed: RunLatest)"),
        (
            {"missed": "RunAll", "maxMissed": 3},
            "up to 2026-11-21 12:00 in Etc/UTC was missed and is left out (missed: RunAll, maxMissed: 3)",
        ),
    ],
    ids=["skip", "latest", "the newest three"],
)
def test_an_event_tells_once_what_is_left_out(schedule: dict[str, object], words: str) -> None:
    life = TriggerLife(scheduled(**schedule))
    life.at("2026-11-21T15:20:00+00:00")
    life.finish_all()
    told = [message for reason, message in life.told if reason == "RunSkipped"]
    assert told == [f"trigger tick: what should have started {words}"]


def test_where_two_runs_are_forbidden_only_the_latest_is_made_up_for() -> None:
    policy = {"keepRuns": 100, "concurrency": "Forbid"}
    life = TriggerLife(scheduled(policy=policy, missed="RunAll"))
    life.at("2026-11-21T15:20:00+00:00")
    life.finish_all()
    assert life.runs()[1:] == ["p-202611211500"]
    left_out = "what should have started up to 2026-11-21 14:00 in Etc/UTC was missed and is left out"
    assert ("RunSkipped", f"trigger tick: {left_out} (missed: RunAll, concurrency: Forbid)") in life.told


def test_a_start_within_five_minutes_is_not_skipped_but_those_before_it_are() -> None:
    life = TriggerLife(scheduled(missed="Skip"))
    life.at("2026-11-21T13:04:59+00:00")
    assert life.runs()[1:] == ["p-202611211300"]
    assert life.entry("tick")["lastSkipped"] == "2026-11-21T12:00:00Z"


def test_one_start_waits_for_its_turn_and_those_behind_it_count_as_missed() -> None:
    life = TriggerLife(scheduled(missed="RunLatest"))
    life.at("2026-11-21T11:00:00+00:00")
    for hour in (12, 13, 14):
        life.at(f"2026-11-21T{hour}:00:00+00:00")
    assert life.unfinished() == ["p-202611211100"]
    assert "waits: run p-202611211100 has not begun" in life.entry("tick")["message"]
    life.begin("p-202611211100")
    assert life.unfinished() == ["p-202611211100", "p-202611211400"]


def test_a_suspended_pipeline_starts_nothing_and_makes_up_for_nothing() -> None:
    life = TriggerLife(scheduled(missed="RunAll"))
    life.edit(suspend=True)
    assert "next" not in life.status
    assert life.entry("tick")["message"].startswith("suspended")
    life.at("2026-11-21T13:30:00+00:00")
    life.edit(suspend=False)
    assert life.runs() == ["p-g1"]
    life.at("2026-11-21T14:00:00+00:00")
    assert life.runs()[1:] == ["p-202611211400"]


def test_a_change_of_a_suspended_pipeline_waits_until_it_is_resumed() -> None:
    life = TriggerLife(scheduled())
    life.edit(suspend=True, steps=programs({"a": [], "b": []})["steps"])
    assert life.runs() == ["p-g1"]
    assert "suspended: the last change waits" in life.status["message"]
    life.edit(suspend=False)
    assert life.runs() == ["p-g1", "p-g3"]


def test_a_refused_spec_disarms_and_a_mended_one_arms_anew() -> None:
    life = TriggerLife(scheduled(missed="RunAll"))
    good = life.spec["steps"]
    life.edit(steps=[{"name": "a"}])
    life.at("2026-11-21T13:30:00+00:00")
    assert life.entry("tick")["suspended"] is True
    life.edit(steps=good)
    life.at("2026-11-21T14:00:00+00:00")
    assert life.runs()[1:] == ["p-202611211400"]


def test_two_schedules_that_meet_start_one_run() -> None:
    spec = scheduled()
    spec["triggers"].append({"name": "other", "schedule": {"cron": "0 12,13 * * *"}})
    life = TriggerLife(spec)
    life.at("2026-11-21T12:00:00+00:00")
    assert life.made["2026-11-21T12:00:00Z"] == 1
    assert {life.entry(one)["lastRun"] for one in ("tick", "other")} == {"p-202611211200"}


def test_a_run_of_somebody_else_that_holds_the_name_is_evaded() -> None:
    life = TriggerLife(scheduled())
    life.cluster.create(
        {"kind": "PipelineRun", "metadata": {"name": "p-202611211100"}, "spec": {"pipeline": "q"}}
    )
    life.at("2026-11-21T11:00:00+00:00")
    (made,) = [one for one in life.runs() if one.startswith("p-202611211100-")]
    assert life.entry("tick")["lastRun"] == made


def test_a_change_that_waits_for_a_run_is_overtaken_by_a_tick() -> None:
    life = TriggerLife(scheduled())
    life.at("2026-11-21T11:00:00+00:00")
    life.begin("p-202611211100")
    life.edit(steps=programs({"a": [], "b": []})["steps"])
    assert "waits for run p-202611211100" in life.status["message"]
    life.at("2026-11-21T12:00:00+00:00")
    assert life.status["lastStarted"]["run"] == "p-202611211200"
    life.finish_all()
    assert life.runs() == ["p-g1", "p-202611211100", "p-202611211200"], "the change has no run of its own"


def test_an_overtaking_that_was_not_recorded_is_not_repeated() -> None:
    life = TriggerLife(scheduled())
    life.at("2026-11-21T11:00:00+00:00")
    life.begin("p-202611211100")
    life.edit(steps=programs({"a": [], "b": []})["steps"])
    before = life.status
    life.at("2026-11-21T12:00:00+00:00")
    life.cluster.change(life.cluster.objects[("Pipeline", "p")], status=before)
    life.finish_all()
    assert life.runs() == ["p-g1", "p-202611211100", "p-202611211200"]


def test_a_clock_that_was_ahead_is_spoken_of() -> None:
    life = TriggerLife(scheduled())
    life.at("2027-05-05T11:00:00+00:00")
    life.finish_all()
    life.at("2026-11-21T12:00:00+00:00")
    assert "the clock was ahead" in life.entry("tick")["message"]
    life.edit(triggers=[{"name": "anew", "schedule": {"cron": "0 * * * *"}}])
    life.at("2026-11-21T13:00:00+00:00")
    assert life.made["2026-11-21T13:00:00Z"] == 1


def test_a_pipeline_without_a_due_tick_is_at_rest() -> None:
    simulation = Simulation(FakeCluster())
    simulation.cluster.create(pipeline("p", scheduled("0 0 1 1 *")))
    simulation.wake()
    simulation._work()
    for _ in range(40):
        simulation.cluster.advance(0.5)
        simulation._work()
    simulation.assert_at_rest()


def test_what_a_step_takes_from_the_time_of_the_run_is_part_of_its_digest() -> None:
    spec = scheduled("*/10 * * * *")
    spec["steps"][0]["run"]["argumentsFrom"] = {"day": {"parameter": "scheduledTime"}}
    simulation = Simulation(FakeCluster())
    simulation.cluster.create(pipeline("p", spec))
    simulation.wake()
    while len(list(simulation.cluster.find("PipelineRun"))) < 3:
        simulation._work()
        simulation.cluster.advance(1)
    simulation._work()
    step = simulation.steps("p-202611211010")["a"]
    assert (step["state"], step["why"]) == (
        "Succeeded",
        'changed: parameters.scheduledTime "2026-11-21T10:00:00Z" -> "2026-11-21T10:10:00Z"',
    )


def test_a_condition_that_names_a_trigger_is_frozen_with_it() -> None:
    spec = scheduled("*/10 * * * *")
    spec["steps"][0]["when"] = {"all": [{"trigger": {"in": ["tick"]}}]}
    simulation = Simulation(FakeCluster())
    simulation.cluster.create(pipeline("p", spec))
    simulation.wake()
    while len(list(simulation.cluster.find("PipelineRun"))) < 3:
        simulation._work()
        simulation.cluster.advance(1)
    assert simulation.steps("p-g1")["a"]["state"] == "Skipped"
    assert simulation.steps("p-202611211010")["a"]["state"] == "Succeeded"


def thousand(seed: int, missed: str, back: bool) -> tuple[TriggerLife, datetime]:
    """A thousand quarters of an hour under kills; with `back` the clock jumps to and fro as well."""
    chance = random.Random(seed)  # noqa: S311 - faults, not secrets
    schedule: dict[str, Any] = {"timeZone": "Europe/Paris", "missed": missed}
    if missed == "RunAll":
        schedule["maxMissed"] = 100
    spec = scheduled("*/15 * * * *", policy={"keepRuns": 3}, **schedule)
    cluster = FakeCluster(now=datetime(2026, 10, 20, 8, 0, 20, tzinfo=UTC))
    life = TriggerLife(spec, cluster)
    life.fate_of_write = lambda: chance.choice(["before", "after"]) if chance.random() < 0.2 else ""
    begin = cluster.now
    while cluster.now < begin + timedelta(minutes=15 * 1000):
        jump = chance.random()
        if back and jump < 0.05:
            life.go(minutes=-chance.randrange(1, 200))
        elif jump < 0.1:
            life.go(minutes=chance.randrange(15, 150))
        else:
            life.go(minutes=5)
        while life.unfinished() and chance.random() < 0.8:
            life.finish(life.unfinished()[0])
    life.finish_all()
    return life, begin


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("missed", ["Skip", "RunLatest", "RunAll"])
def test_s4_of_a_thousand_ticks_none_starts_two_runs(seed: int, missed: str) -> None:
    life, begin = thousand(seed, missed, back=True)
    assert life.kills > 50
    del life.made[""]
    assert max(life.made.values()) == 1, life.made.most_common(3)
    real = set()
    for tick in ticks_after("*/15 * * * *", "Europe/Paris", begin):
        if tick > life.cluster.now + timedelta(days=1):
            break
        real.add(f"{tick:%Y-%m-%dT%H:%M:%SZ}")
    assert set(life.made) <= real
    assert len(life.made) > 300


def test_s4_with_kills_alone_every_tick_of_a_thousand_starts_exactly_one() -> None:
    life, begin = thousand(7, "RunAll", back=False)
    del life.made[""]
    expected = []
    for tick in ticks_after("*/15 * * * *", "Europe/Paris", begin):
        if tick > life.cluster.now:
            break
        expected.append(f"{tick:%Y-%m-%dT%H:%M:%SZ}")
    assert sorted(life.made) == expected
    assert set(life.made.values()) == {1}


def test_a_stale_status_starts_nothing_twice() -> None:
    life = TriggerLife(scheduled(policy={"keepRuns": 1}))
    shell = FakeShell(life.cluster)
    life.cluster.now = EPOCH + timedelta(hours=1)
    shell.pipeline_pass("p")
    (plan,) = [one for one in shell.plans if one.confirm][:1]
    assert {(one.kind, one.name) for one in plan.confirm} == {("PipelineRun", ""), ("Pipeline", "p")}


def test_the_grace_of_a_late_start_is_a_setting() -> None:
    assert Settings.from_mapping({"lateStart": 60}).late_start == 60.0
