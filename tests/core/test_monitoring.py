"""Monitoring: which window is judged when, by which Job, what happens when that fails, and what is said."""

import json
import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock_operator.core.actions import Create
from penstock_operator.core.observed import Ref, Refusal
from penstock_operator.core.settings import Settings
from penstock_spec import object_names
from penstock_spec.contract import Result
from penstock_spec.monitoring import WINDOWS_KEPT, DriftWindows, Monitoring
from tests.core.window_world import START, UID, WindowWorld, result, stamp

FEW = result(
    "Unknown", reason="InsufficientSamples", message="150 rows, fewer than 200", metrics={"rows": 150}
)
WORSE = ("mean_radius", "mean_texture")
FIRST_END = START.replace(minute=2, second=0)  # of the first whole minute that begins at or after START


def judged(fates: list[Result | str], seconds: float = 0, **fields: Any) -> WindowWorld:
    """A world in which so many windows have been judged."""
    world = WindowWorld(fates={index: [one] for index, one in enumerate(fates)}, **fields)
    world.live(seconds or 60 * len(fates) + 62)
    assert len(world.ends) >= len(fates)
    return world


def test_before_the_pods_log_nothing_happens_and_the_condition_says_what_is_waited_for() -> None:
    world = WindowWorld(logs=False)
    world.live(600)
    assert world.created == []
    assert world.writes == ["status"]
    assert world.condition()["reason"] == "NoWindowYet"
    assert world.condition()["message"] == "windows begin when every pod of m-1 logs"


def test_the_first_window_is_the_first_whole_one_after_the_pods_log() -> None:
    world = WindowWorld()
    found = world.run_pass()
    assert world.status["monitoring"] == {"since": stamp(START)}
    assert found.look_again == FIRST_END + timedelta(seconds=2 * 6 + 3)
    assert "the first window ends at 2026-11-21T10:02:00Z" in world.condition()["message"]
    world.live(120)
    (name,) = world.created
    assert name == object_names.window_job("e", UID, FIRST_END)
    assert name.startswith("e-w20261121100200-")


def test_a_windows_job_is_told_the_version_its_time_and_all_limits() -> None:
    world = judged([result()])
    task = world.tasks[world.created[0]]
    assert (task.kind, task.step, task.run, task.attempt) == ("monitor", "e", world.created[0], 1)
    assert task.inputs["model"].digest == task.arguments["digest"] == "sha256:" + "1" * 64
    assert task.arguments == {
        "endpoint": "e",
        "version": "m-1",
        "digest": "sha256:" + "1" * 64,
        "start": "2026-11-21T10:01:00Z",
        "end": "2026-11-21T10:02:00Z",
        "drift": [
            {"method": "Psi", "maximum": 0.2},
            {"method": "KolmogorovSmirnov", "maximum": 0.15},
            {"method": "ChiSquared", "maximum": 0.2},
        ],
        "significance": 0.01,
        "minimumSamples": 200,
        "nullsMaximumIncrease": 0.05,
        "unseenMaximumRatio": 0.01,
        "redact": [],
        "retentionDays": 180,
    }


def test_a_window_costs_one_creation_one_status_and_one_deletion_and_nothing_in_between() -> None:
    world = WindowWorld()
    world.live(60 * 7)
    begin = next(index for index, one in enumerate(world.writes) if one.startswith("create"))
    names_ = world.created
    wanted = ["create " + names_[0], "status"]
    for before, name in pairwise(names_):
        wanted += ["create " + name, "status", "delete " + before]
    assert world.writes[begin:] == wanted
    assert list(world.jobs) == [names_[-1]], "the newest window's Job stays for its logs"
    # Two for each window (its time, its pod's end and start), and the first.
    assert world.passes <= 1 + 4 * len(names_)


def test_drift_needs_two_of_three_windows_and_names_what_did_or_does_in_the_newest() -> None:
    world = judged([result("Drifted", ("mean_radius", "area"))])
    assert (world.condition()["status"], world.condition()["reason"]) == ("False", "NoDrift")
    assert world.condition()["message"] == (
        "mean_radius, area drifted in fewer than the 2 of 3 windows that make a drift"
    )
    # Once: area, before there was an episode. mean_texture comes with the window that makes it one.
    world = judged([result(), result("Drifted", ("mean_radius", "area")), result("Drifted", WORSE)])
    found = world.condition()
    assert (found["status"], found["reason"]) == ("True", "DriftFound")
    assert found["message"] == (
        "2 of 30 columns drifted, confirmed by 2 of the last 3 windows: mean_radius, mean_texture; "
        "Psi up to 0.5 (limit 0.2); "
        f"report {'sha256:' + 'e' * 64}; kubectl describe me -n ml e"
    )
    assert world.status["drifted"] == "True"


def test_columns_are_named_the_worst_first() -> None:
    world = judged([result("Drifted", WORSE[::-1]), result("Drifted", WORSE)])
    assert (
        "2 of 30 columns drifted, confirmed by 2 of the last 2 windows: mean_radius, mean_texture"
        in (world.condition()["message"])
    )


def test_each_episode_is_told_once_at_its_begin_and_once_at_its_end() -> None:
    bad, good = result("Drifted", WORSE), result()
    world = judged([good, bad, bad, bad, FEW, bad, good, good, good, bad, bad])
    reasons = [one.reason for one in world.events]
    assert reasons == ["Drifted", "DriftEnded", "Drifted"]
    assert world.status["monitoring"]["episodes"] == 2
    assert world.events[0].warning


def test_too_few_rows_are_unknown_with_their_number() -> None:
    world = judged([FEW])
    found = world.condition()
    assert (world.status["drifted"], found["reason"]) == ("Unknown", "InsufficientSamples")
    assert "150 rows, fewer than 200" in found["message"]
    assert world.condition("NullBurst")["status"] == "Unknown"
    assert world.events == []
    assert world.windows[0]["rows"] == 150


def test_windows_without_a_verdict_are_not_counted() -> None:
    world = judged([result("Drifted", WORSE), FEW, FEW, result("Drifted", WORSE)])
    assert world.condition()["status"] == "True"
    assert "2 of the last 2 windows" in world.condition()["message"]


def test_a_new_version_begins_a_new_count() -> None:
    bad = result("Drifted", WORSE)
    world = WindowWorld(fates={index: [bad] for index in range(9)})
    world.live(60 * 4)
    assert world.condition()["status"] == "True"
    world.version = "m-2"
    world.run_pass()
    assert (world.condition()["status"], world.condition()["reason"]) == ("Unknown", "NoWindowYet")
    world.live(70)
    assert world.windows[-1]["version"] == "m-2"
    assert (world.condition()["status"], world.condition()["reason"]) == ("False", "NoDrift")
    world.live(70)
    assert world.condition()["status"] == "True"
    assert world.status["monitoring"]["episodes"] == 2


def test_a_window_is_judged_for_the_version_that_served_at_its_end() -> None:
    world = WindowWorld(version="m-2")
    change = stamp(FIRST_END + timedelta(seconds=5))
    world.history = [
        {
            "revision": 1,
            "version": "m-1",
            "digest": "sha256:" + "1" * 64,
            "from": stamp(START),
            "until": change,
        },
        {"revision": 2, "version": "m-2", "digest": "sha256:" + "2" * 64, "from": change},
    ]
    world.live(190)
    assert [world.tasks[one].arguments["version"] for one in world.created] == ["m-1", "m-2"]
    assert [one["version"] for one in world.windows] == ["m-1", "m-2"]


QUALITY: dict[str, tuple[dict[str, Any], str, str]] = {
    "texts that training never saw": (
        {"unseen": ["city"]},
        "UnseenCategories",
        "more than 1 % of the values were never seen in training: city",
    ),
    "missing values": (
        {"nulls": ["age", "city"]},
        "NullBurst",
        "missing values are more than 5 points above training: age, city",
    ),
    "another unit": (
        {
            "units": [
                {"column": "height", "factor": 2.54},
                {"column": "fever", "factor": 1.8, "offset": 32.0},
                {"column": "oven", "factor": 1.8, "offset": -459.67},
                {"column": "mass", "factor": 1000.0},
                {"column": "dose", "factor": 0.00001},
                {"column": "time", "factor": 1e12},
            ]
        },
        "UnitChanged",
        (
            "the unit seems to be another than in training: height (about 2.54 times), "
            "fever (about 1.8 times and +32), oven (about 1.8 times and -459.67), "
            "mass (about 1,000 times), dose (about 0.00001 times), time (about 1e+12 times)"
        ),
    ),
}


@pytest.mark.parametrize("name", QUALITY)
def test_a_problem_of_the_data_is_a_condition_of_its_own_told_once(name: str) -> None:
    results, type_, words = QUALITY[name]
    bad = result(results=results)
    world = judged([result(), bad, bad, result()])
    assert [one.reason for one in world.events] == [type_, "DataQualityRestored"]
    assert world.events[0].message == words
    assert world.condition(type_)["status"] == "False"
    assert world.condition()["status"] == "False", "the data's quality is no drift"


@pytest.mark.parametrize(
    ("fate", "reason", "words"),
    [
        ("image", "ImageUnavailable", "pull access denied"),
        ("config", "StoreNotConfigured", "penstock-store"),
        ("crash", "InvalidResult", "boom"),
        (result(""), "InvalidResult", "no verdict"),
    ],
    ids=["a missing image", "no store", "a program that crashes", "a result without a verdict"],
)
def test_what_no_retry_would_mend_is_unknown_at_once_in_words(
    fate: Result | str, reason: str, words: str
) -> None:
    world = WindowWorld(fates={0: [fate], 1: [fate]})
    while not world.windows:
        world.live(1)
    assert (world.condition()["status"], world.windows[0]["reason"]) == ("Unknown", reason)
    told = [one for one in world.events if one.reason == "WindowUnknown"]
    assert len(told) == 1
    assert words in told[0].message
    while len(world.windows) < 2:
        world.live(1)
    assert [world.tasks[one].attempt for one in world.created[:2]] == [1, 1]
    assert len([one for one in world.events if one.reason == "WindowUnknown"]) == 1, "the same is told once"
    world.live(300)
    assert world.condition()["status"] == "False", "the windows after them had their turn"


def test_what_a_window_lacked_while_nobody_looked_is_given_its_grace_from_the_first_look() -> None:
    world = WindowWorld(fates={0: ["config"]})
    while not world.created:
        world.live(1)
    world.now += timedelta(seconds=300)
    world.watched_since = world.now
    world.live(30)
    assert world.windows == []
    world.fates = {0: [result("NotDrifted")]}
    world.live(30)
    assert world.windows[0]["verdict"] == "NotDrifted"


def test_a_failure_that_passes_is_tried_again_under_another_name() -> None:
    world = WindowWorld(fates={0: ["store", "evicted", result("Drifted", WORSE)]})
    world.live(150)
    first = [one for one in world.created if world.tasks[one].arguments["end"] == stamp(FIRST_END)]
    assert first == [object_names.window_job("e", UID, FIRST_END, number) for number in (1, 2, 3)]
    assert [world.tasks[one].attempt for one in first] == [1, 2, 3]
    assert world.windows[0]["verdict"] == "Drifted"
    assert world.events == []


def test_after_three_attempts_the_window_is_unknown_with_class_and_message() -> None:
    world = WindowWorld(fates={0: ["store"] * 9})
    world.live(150)
    assert len([one for one in world.created if world.tasks[one].arguments["end"] == stamp(FIRST_END)]) == 3
    assert world.windows[0] == {
        "end": stamp(FIRST_END),
        "verdict": "Unknown",
        "reason": "StoreUnavailable",
        "version": "m-1",
        "rows": 0,
        "lost": 0,
    }
    assert "the store does not answer" in world.condition()["message"]
    assert "after 3 attempts" in world.condition()["message"]
    assert "attempt" not in world.status["monitoring"]


def test_memory_grows_after_a_window_ran_out_of_it() -> None:
    world = WindowWorld(fates={0: ["oom"]})
    world.live(140)
    assert [world.memory[one] for one in world.created[:2]] == ["1Gi", "1536Mi"]
    assert world.windows[0]["verdict"] == "NotDrifted"


def test_a_window_in_hand_is_not_passed_over_however_long_it_takes() -> None:
    world = WindowWorld(
        monitoring=Monitoring(every="15s"),
        fates={0: ["image"]},
        settings=replace(Settings(), image_grace=900.0),
    )
    world.live(890)
    assert len(world.created) == 1
    while not world.windows:
        world.live(1)
    assert world.windows[0]["end"] == world.ends[0]
    world.live(30)
    assert world.status["monitoring"]["skipped"] > 12


def test_another_attempt_begins_only_after_a_live_look_for_the_job_before_it() -> None:
    world = WindowWorld(fates={0: ["evicted"]})
    while "attempt" not in world.status.get("monitoring", {}):
        world.live(1)
    world.advance(5)
    world.jobs.clear()
    (ref,) = world.plan().confirm
    assert ref == Ref("Job", object_names.window_job("e", UID, FIRST_END))
    (created,) = world.plan(live=frozenset({ref})).actions
    assert isinstance(created, Create)
    assert created.manifest["metadata"]["name"] == object_names.window_job("e", UID, FIRST_END, 2)


def test_a_quota_is_waited_for_and_then_the_window_is_unknown() -> None:
    patience = replace(Settings(), start_deadline=30.0)
    full = Refusal("QuotaExceeded", "exceeded quota: jobs")
    world = WindowWorld(refusals={"": full}, settings=patience)
    world.live(125)
    assert world.condition()["reason"] == "NoWindowYet"
    world.live(30)
    assert (world.condition()["reason"], world.windows[0]["verdict"]) == ("QuotaExceeded", "Unknown")


def test_somebody_elses_job_under_the_name_is_told_and_left_alone() -> None:
    name = object_names.window_job("e", UID, FIRST_END)
    world = WindowWorld(refusals={name: Refusal("NameCollision", f"Job {name} is not ours")})
    world.live(130)
    assert world.windows[0]["reason"] == "NameCollision"
    assert world.created == []


def test_windows_that_were_missed_are_judged_oldest_first_but_no_more_than_twelve() -> None:
    world = WindowWorld()
    world.live(130)
    assert len(world.created) == 1
    world.advance(60 * 20)
    world.live(59)
    done = [datetime.fromisoformat(one) for one in world.ends]
    assert done == sorted(done)
    assert len(world.ends) == 1 + 12 + 1 or len(world.ends) == 1 + 12
    assert done[1] - done[0] == timedelta(minutes=9)
    assert world.status["monitoring"]["skipped"] == 8
    notes = [one for one in world.events if one.reason == "WindowsSkipped"]
    assert [one.message for one in notes] == [
        "8 windows were not judged: they ended too long ago when their turn came"
    ]
    assert world.status["monitoring"]["counts"]["NotDrifted"] == len(world.ends)


def test_another_length_of_windows_goes_on_behind_the_last_one() -> None:
    world = WindowWorld()
    world.live(130)
    world.monitoring = Monitoring(every="5m")
    world.run_pass()
    world.live(60 * 14)
    assert world.ends[:2] == ["2026-11-21T10:02:00Z", "2026-11-21T10:10:00Z"]
    assert world.tasks[world.created[1]].arguments["start"] == "2026-11-21T10:05:00Z"


def test_without_monitoring_conditions_status_and_jobs_go() -> None:
    world = judged([result("Drifted", WORSE)] * 2)
    world.monitoring = None
    world.run_pass()
    assert world.status == {}
    assert world.jobs == {}


def test_another_server_is_told_to_be_unable_and_nothing_is_begun() -> None:
    world = WindowWorld(image="acme/server:1")
    world.live(300)
    assert world.created == []
    assert (world.status["drifted"], world.condition()["reason"]) == ("Unknown", "MonitoringUnsupported")
    assert "only Penstock's own server logs" in world.condition()["message"]
    assert "monitoring" not in world.status


def test_the_status_stays_small_whatever_the_windows_find() -> None:
    wide = tuple(f"{index} ".ljust(128, "x") for index in range(8))
    bad = result(
        "Drifted",
        wide,
        results={
            "drifted": list(wide)[:3],
            "driftedCount": 1000,
            "unseen": list(wide)[:3],
            "nulls": list(wide)[:3],
        },
    )
    world = judged([bad] * 20)
    assert len(world.windows) == WINDOWS_KEPT
    assert len(json.dumps(world.status)) < 8192
    typical = judged([result("Drifted", WORSE)] * 20)
    assert len(json.dumps(typical.status)) < 6000


def test_old_verdicts_that_still_count_outlive_windows_without_one() -> None:
    world = judged([result("Drifted", WORSE), *([FEW] * 15), result("Drifted", WORSE)])
    assert len(world.windows) == WINDOWS_KEPT
    assert world.condition()["status"] == "True"


@dataclass(frozen=True)
class Course:
    """What befalls the windows of an endpoint, and whoever has them judged."""

    fates: list[list[Result | str]]
    kills: float
    seed: int
    every: str


COURSES = st.builds(
    Course,
    fates=st.lists(
        st.lists(
            st.sampled_from(["store", "oom", "evicted", "crash", result(), FEW, result("Drifted", WORSE)]),
            min_size=1,
            max_size=4,
        ),
        max_size=6,
    ),
    kills=st.sampled_from([0.0, 0.1, 0.4]),
    seed=st.integers(0, 2**16),
    every=st.sampled_from(["15s", "1m"]),
)
ANY: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True}


@settings(max_examples=15, **ANY)
@given(COURSES)
def test_whatever_fails_and_whenever_the_operator_dies_each_window_is_judged_once_in_order(
    course: Course,
) -> None:
    check(course)


@pytest.mark.slow
@settings(max_examples=120, **ANY)
@given(COURSES)
def test_the_same_through_very_many_courses(course: Course) -> None:
    check(course)


def check(course: Course) -> None:
    chance = random.Random(course.seed)  # noqa: S311 - faults, not secrets
    world = WindowWorld(
        monitoring=Monitoring(every=course.every, windows=DriftWindows(drifted=1, of=1)),
        fates=dict(enumerate(course.fates)),
        fate_of_write=lambda: chance.choice(["before", "after"]) if chance.random() < course.kills else "",
    )
    world.live(60 * 10)
    world.fate_of_write = lambda: ""
    world.live(60 * 3)
    attempts = [(world.tasks[one].arguments["end"], world.tasks[one].attempt) for one in world.created]
    assert len(attempts) == len(set(attempts)), "two Jobs for one attempt"
    ends = [datetime.fromisoformat(one) for one in world.ends]
    assert ends == sorted(ends)
    part = world.status["monitoring"]
    assert sum(part["counts"].values()) in (len(ends), len(ends) - 1), (
        "a window was counted twice or not at all"
    )
    recorded = [one["end"] for one in world.windows]
    assert recorded == world.ends[: sum(part["counts"].values())][-len(recorded) :]
    steps = {after - before for before, after in pairwise(ends)}
    assert steps <= {timedelta(seconds=world.monitoring.seconds)} or part.get("skipped")  # type: ignore[union-attr]  # set above
    assert len({world.tasks[name].arguments["end"] for name in world.jobs}) <= 2
