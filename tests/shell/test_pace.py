"""When a status is written: at once where something rests on it, seldom where it only tells how it goes."""

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from penstock_operator import reconcile
from penstock_operator.core.actions import Delete, EventNote, Plan
from penstock_operator.core.observed_run import ObservedRun
from penstock_operator.core.plan_run import plan_run
from penstock_operator.core.settings import Settings
from penstock_operator.pace import (
    CREDIT,
    CREDIT_PER_END,
    IN_LINE,
    NEWS_INTERVAL,
    PRESSING,
    REPEATED,
    SHARED,
    UNHURRIED,
    Pace,
)
from penstock_operator.workqueue import Key
from penstock_spec import names
from tests.core.pipelines import programs
from tests.shell.desk import Desk, desk
from tests.shell.test_refusals import a_run, entries, refusing
from tests.shell.test_unseen import job_of, pod_of

RUN, PIPELINE = Key(names.PIPELINE_RUN, "ml", "p-g1"), Key(names.PIPELINE, "ml", "p")
STATUS = {"status": "Running", "reason": "Created", "snapshot": {"revision": "p-1"}, "startedAt": "t"}
NEWS = {**STATUS, "reason": "Training", "steps": [{"name": "fit", "state": "Running"}]}
FINISHED = {"conditions": [{"type": "Finished", "status": "True"}]}


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def item(status: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"uid": "u", "resourceVersion": "1", **metadata}, "status": status}


def just_written(key: Key = RUN) -> tuple[Pace, Clock]:
    clock = Clock()
    pace = Pace(clock)
    pace.wrote(key)
    return pace, clock


def test_the_first_status_is_written_at_once() -> None:
    assert Pace(Clock()).pause(RUN, item({}), Plan(), STATUS) == 0


@pytest.mark.parametrize(
    ("why", "before", "after", "plan"),
    [
        ("nothing is executed before this is written", {"status": "Waiting"}, STATUS, Plan()),
        ("others wait for a run until it has begun", {**STATUS, "startedAt": ""}, STATUS, Plan()),
        ("what it asked for is shown", STATUS, {**STATUS, "observedGeneration": 2}, Plan()),
        ("the word in the column changes", STATUS, {**STATUS, "status": "Suspended"}, Plan()),
        ("other steps wait for the end of this one", STATUS, NEWS, Plan(steps_ended={"fit": "Succeeded"})),
        ("an Event tells of it", STATUS, NEWS, Plan(events=(EventNote("StepRetrying", "again"),))),
        ("a deletion follows it", STATUS, NEWS, Plan(after=(Delete("Job", "ml", "j", "u"),))),
        ("runs of a backfill are counted by it", STATUS, {**STATUS, "backfill": {"started": 2}}, Plan()),
    ],
)
def test_it_is_pressing_when(why: str, before: dict[str, Any], after: dict[str, Any], plan: Plan) -> None:
    pace, clock = just_written()
    assert pace.pause(RUN, item(before), plan, after) == pytest.approx(PRESSING)
    assert pace.seen(RUN, item(before)) == item(before), "it is planned for anew"
    clock.now += PRESSING + 0.01
    assert pace.pause(RUN, item(before), plan, after) == 0


def test_an_end_that_lets_nothing_begin_waits_for_others_to_share_its_write() -> None:
    pace, clock = just_written()
    plan = Plan(steps_ended={"fit": "Succeeded"}, unhurried=True)
    assert pace.pause(RUN, item(STATUS), plan, NEWS) == UNHURRIED
    assert pace.seen(RUN, item(STATUS)) == item(STATUS), "it is planned for anew"
    clock.now += UNHURRIED + 0.01
    assert pace.pause(RUN, item(STATUS), plan, NEWS) == 0


@pytest.mark.parametrize(
    ("why", "before", "after"),
    [
        ("others wait for a run until it has begun", {**STATUS, "startedAt": ""}, NEWS),
        ("the word in the column changes", STATUS, {**NEWS, "status": "Suspended"}),
    ],
)
def test_such_an_end_does_not_keep_back_what_is_pressing(
    why: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    pace, _ = just_written()
    plan = Plan(steps_ended={"fit": "Succeeded"}, unhurried=True)
    assert pace.pause(RUN, item(before), plan, after) == pytest.approx(PRESSING), why


ENDED = {**STATUS, "steps": [{"name": "fit", "state": "Succeeded"}]}
BEGUN = {**STATUS, "steps": [*ENDED["steps"], {"name": "use", "state": "Starting", "attempt": 1}]}
NOTE = EventNote("StepSucceeded", "step fit succeeded")


def bearing(status: dict[str, Any] = ENDED) -> tuple[Pace, Clock]:
    """Just written, and since then an end has come that Jobs may bear."""
    pace, clock = just_written()
    plan = Plan(steps_ended={"fit": "Succeeded"}, events=(NOTE,), bearable=True)
    assert pace.bears(RUN, item(STATUS), plan, status)
    return pace, clock


def test_an_end_that_jobs_may_bear_is_planned_from_and_told_of_when_it_is_written() -> None:
    pace, clock = bearing()
    assert pace.seen(RUN, item(STATUS))["status"] == ENDED
    assert pace.unwritten(RUN) == tuple(ENDED["steps"])
    clock.now += 0.05
    assert pace.pause(RUN, item(STATUS), Plan(), BEGUN) == pytest.approx(PRESSING - 0.05)
    assert pace.unwritten(RUN) == tuple(BEGUN["steps"])
    told = pace.told(RUN, Plan(events=(EventNote("StepRetrying", "again"),), steps_ended={"x": "Failed"}))
    assert [one.reason for one in told.events] == ["StepSucceeded", "StepRetrying"]
    assert told.steps_ended == {"fit": "Succeeded", "x": "Failed"}
    pace.wrote(RUN)
    assert (pace.unwritten(RUN), pace.told(RUN, Plan())) == ((), Plan())


@pytest.mark.parametrize(
    ("why", "before", "after"),
    [
        ("others wait for a run until it has begun", {**STATUS, "startedAt": ""}, ENDED),
        ("the word in the column changes", STATUS, {**ENDED, "status": "Suspended"}),
    ],
)
def test_an_end_that_comes_with_what_is_pressing_is_not_borne(
    why: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    pace, _ = just_written()
    plan = Plan(steps_ended={"fit": "Succeeded"}, bearable=True)
    assert not pace.bears(RUN, item(before), plan, after), why


def test_such_ends_are_written_soon_until_they_have_used_up_the_credit_of_the_run() -> None:
    clock = Clock()
    pace = Pace(clock)
    writes: list[int] = []
    for second in range(100):  # an end each second
        clock.now = float(second)
        steps = [{"name": f"s{n}", "state": "Succeeded"} for n in range(second + 1)]
        before = item({**STATUS, "steps": steps[: writes[-1] + 1 if writes else 0]})
        wanted = {**STATUS, "steps": steps}
        pace.bears(RUN, before, Plan(steps_ended={"s": "Succeeded"}, bearable=True), wanted)
        if not pace.pause(RUN, before, Plan(), wanted):
            pace.wrote(RUN)
            writes.append(second)
    assert writes[:3] == [0, 1, 2]
    assert len(writes) <= CREDIT + CREDIT_PER_END * 100
    assert max(late - early for early, late in pairwise(writes)) <= SHARED


def test_ends_that_come_slowly_are_written_at_once_whatever_they_cost() -> None:
    pace, clock = bearing()
    for _ in range(50):
        pace.wrote(RUN)
    clock.now += SHARED
    pace.bears(RUN, item(STATUS), Plan(steps_ended={"fit": "Succeeded"}, bearable=True), ENDED)
    assert pace.pause(RUN, item(STATUS), Plan(), ENDED) == 0


def test_a_pipeline_repeats_what_its_run_says_soon_at_first_and_then_seldom() -> None:
    pace, _ = just_written(PIPELINE)
    before, after = {"status": "Running", "step": "a"}, {"status": "Running", "step": "b"}
    pauses = []
    for _ in range(4):
        pauses.append(pace.pause(PIPELINE, item(before), Plan(), after))
        pace.wrote(PIPELINE, news=True)
    assert pauses == [NEWS_INTERVAL, NEWS_INTERVAL, REPEATED, REPEATED]
    pace.wrote(PIPELINE)
    assert pace.pause(PIPELINE, item(before), Plan(), after) == NEWS_INTERVAL, "another run has begun"


def test_the_end_of_a_run_never_waits() -> None:
    pace, _ = just_written()
    assert pace.pause(RUN, item(STATUS), Plan(), {**STATUS, **FINISHED}) == 0


def test_news_waits_and_is_planned_from_meanwhile() -> None:
    pace, clock = just_written()
    assert pace.pause(RUN, item(STATUS), Plan(), NEWS) == NEWS_INTERVAL
    assert pace.seen(RUN, item(STATUS))["status"] == NEWS
    clock.now += NEWS_INTERVAL + 0.01
    assert pace.pause(RUN, item(STATUS), Plan(), NEWS) == 0
    pace.wrote(RUN)
    assert pace.seen(RUN, item(NEWS)) == item(NEWS)


def test_a_long_queue_is_not_told_of_each_end() -> None:
    pace, clock = just_written()
    first = {"status": "Waiting", "reason": "WaitingForRun", "message": "waits for runs p-g1, p-g2"}
    clock.now += NEWS_INTERVAL + 1
    assert pace.pause(RUN, item(first), Plan(), {**first, "message": "waits for run p-g2"}) > 20
    begun = {**first, "status": "Running", "startedAt": "t"}
    assert pace.pause(RUN, item(first), Plan(), begun) == 0


def test_news_stays_when_a_person_changes_the_spec_and_goes_when_the_status_is_another() -> None:
    pace, _ = just_written()
    pace.pause(RUN, item(STATUS), Plan(), NEWS)
    assert pace.seen(RUN, item(STATUS, resourceVersion="2", generation=2))["status"] == NEWS
    other = item({**STATUS, "reason": "another operator wrote this"})
    assert pace.seen(RUN, other) == other
    assert pace.seen(RUN, item(STATUS)) == item(STATUS), "it is not held any more"


def test_news_that_is_taken_back_is_not_planned_from_any_more() -> None:
    pace, clock = just_written()
    pace.pause(RUN, item(STATUS), Plan(), NEWS)
    pace.took_back(RUN)
    assert pace.seen(RUN, item(STATUS)) == item(STATUS)
    clock.now += 1
    assert pace.pause(RUN, item(STATUS), Plan(), NEWS) == pytest.approx(NEWS_INTERVAL - 1), (
        "no write was made"
    )


def test_news_of_an_object_that_is_gone_is_not_told_of_another_one_of_its_name() -> None:
    pace, _ = just_written()
    pace.pause(RUN, item(STATUS), Plan(), NEWS)
    assert pace.seen(RUN, item(STATUS, uid="v")) == item(STATUS, uid="v")


def test_a_pipeline_repeats_its_run_seldom_but_says_at_once_what_it_has_started() -> None:
    pace, _ = just_written(PIPELINE)
    waiting = {"status": "Waiting", "lastRun": "p-g1", "lastStarted": {"run": "p-g1"}}
    repeated = {**waiting, "step": "fit", "progress": "1/3"}
    assert pace.pause(PIPELINE, item(waiting), Plan(), repeated) == NEWS_INTERVAL
    for word in ("Running", "Suspended"):
        begun = {**repeated, "status": word}
        assert pace.pause(PIPELINE, item(waiting), Plan(), begun) == pytest.approx(PRESSING), word
    started = {**waiting, "lastStarted": {"run": "p-g2"}}
    assert pace.pause(PIPELINE, item(waiting), Plan(), started) == pytest.approx(PRESSING)
    ended = {**waiting, "status": "Succeeded"}
    assert pace.pause(PIPELINE, item(waiting), Plan(), ended) == pytest.approx(PRESSING)


def test_a_run_says_soon_that_it_waits_in_line_and_seldom_who_is_before_it() -> None:
    pace, _ = just_written()
    begins = {"status": "Waiting", "reason": "StepsWaiting", "message": "its steps are about to start"}
    waits = {**begins, "reason": "WaitingForRun", "message": "waits for runs a, b"}
    assert pace.pause(RUN, item(begins), Plan(), waits) == NEWS_INTERVAL
    assert pace.pause(RUN, item(waits), Plan(), {**waits, "message": "waits for run b"}) == IN_LINE


async def test_a_step_that_begins_and_ends_between_two_writes_is_written_once(tmp_path: Path) -> None:
    async with desk(tmp_path, Settings()) as seen:

        async def made(job: dict[str, Any]) -> None:
            await seen.api.add(pod_of(job, "Pending", {"running": {}}))

        seen.api.created = made
        await a_run(seen)
        await seen.until(lambda: any("jobs" in one for one in seen.api.writes))
        job = await job_of(seen)
        over = {"conditions": [{"type": "Complete", "status": "True"}]}
        await seen.api.add(pod_of(job, "Succeeded", {"terminated": {"exitCode": 0}}))
        await seen.api.add({**job, "status": over})
        await seen.look("PipelineRun", "r")
        await seen.until(lambda: {one["state"] for one in entries(seen.api)} == {"Succeeded"})
        # The snapshot, which says that it has begun, and the end.
        assert seen.api.writes.count("PATCH pipelineruns/r/status") == 2


async def test_an_end_that_waits_is_not_planned_for_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[Plan] = []

    def planned(observed: ObservedRun, now: datetime, settings: Settings) -> Plan:
        plan = plan_run(observed, now, settings)
        plans.append(replace(plan, look_again=now) if plan.unhurried else plan)
        return plans[-1]

    monkeypatch.setattr(reconcile, "plan_run", planned)
    async with desk(tmp_path, Settings()) as seen:
        jobs: list[dict[str, Any]] = []

        async def made(job: dict[str, Any]) -> None:
            jobs.append(job)
            await seen.api.add(pod_of(job, "Pending", {"running": {}}))

        seen.api.created = made
        await a_run(seen, steps=2)
        await seen.until(lambda: len(jobs) == 2)
        over = {"conditions": [{"type": "Complete", "status": "True"}]}
        await seen.api.add(pod_of(jobs[0], "Succeeded", {"terminated": {"exitCode": 0}}))
        await seen.api.add({**jobs[0], "status": over})
        await seen.look("PipelineRun", "r")
        await seen.until(lambda: "Succeeded" in {one["state"] for one in entries(seen.api)})
    waiting = [one for one in plans if one.unhurried]
    assert waiting
    assert len(waiting) <= 5, "when it is seen, and when its time has come"


async def chained(seen: Desk, between: dict[str, Any] | None = None, refuse: Any = None) -> None:
    """A run of two steps: the first ends well, and the second, in which `between` stands, needs it. From then
    on `refuse` answers for the API server.
    """
    spec = programs({"a": [], "b": ["a"]}, more={"b": between or {}})
    made = await seen.api.add({**ABOUT, "kind": "Pipeline", "metadata": {"name": "p"}, "spec": spec})
    owner = {"kind": "Pipeline", "name": "p", "uid": made["metadata"]["uid"], "controller": True}
    meta = {"name": "r", "ownerReferences": [owner]}
    await seen.api.add({**ABOUT, "kind": "PipelineRun", "metadata": meta, "spec": {"pipeline": "p"}})
    await seen.look("PipelineRun", "r")
    await seen.until(lambda: "POST jobs" in seen.api.writes)
    job = await job_of(seen)
    seen.api.refuse = refuse or seen.api.refuse
    await seen.api.add(pod_of(job, "Succeeded", {"terminated": {"exitCode": 0}}))
    await seen.api.add({**job, "status": {"conditions": [{"type": "Complete", "status": "True"}]}})
    await seen.look("PipelineRun", "r")
    await seen.until(lambda: any("events" in one for one in seen.api.writes[2:]))


ABOUT = {"apiVersion": "penstock.dev/v1alpha1"}
STATUS_WRITE, JOB_WRITE = "PATCH pipelineruns/r/status", "POST jobs"


def order(seen: Desk) -> list[str]:
    """The writes, Events left out."""
    return [one for one in seen.api.writes if one in (STATUS_WRITE, JOB_WRITE, "POST services")]


async def test_a_step_begins_before_the_end_that_it_follows_from_is_written(tmp_path: Path) -> None:
    async with desk(tmp_path, Settings()) as seen:
        await chained(seen)
        assert order(seen) == [STATUS_WRITE, JOB_WRITE, JOB_WRITE, STATUS_WRITE]
        assert [one["state"] for one in entries(seen.api)] == ["Succeeded", "Starting"]
        assert told(seen).count("StepSucceeded") == 1


async def test_what_is_more_than_a_job_follows_the_write(tmp_path: Path) -> None:
    async with desk(tmp_path, Settings()) as seen:
        await chained(seen, {"gang": {"workers": 2}})
        await seen.until(lambda: seen.api.writes.count(JOB_WRITE) == 2)
        assert order(seen) == [STATUS_WRITE, JOB_WRITE, STATUS_WRITE, "POST services", JOB_WRITE]
        assert told(seen).count("StepSucceeded") == 1


def told(seen: Desk) -> list[str]:
    """The reasons of all Events."""
    return [one["reason"] for (path, _), one in seen.api.objects.items() if path.endswith("/events")]


async def test_an_end_is_written_where_no_job_can_be_made_to_bear_it(tmp_path: Path) -> None:
    async with desk(tmp_path, Settings()) as seen:
        await chained(seen, refuse=refusing("POST", "/jobs", "a webhook does not answer", 500))
        assert [one["state"] for one in entries(seen.api)] == ["Succeeded", "Waiting"]
        assert told(seen).count("StepSucceeded") == 1


async def test_an_end_is_told_of_once_when_the_answer_to_its_write_is_lost(tmp_path: Path) -> None:
    async with desk(tmp_path, Settings()) as seen:
        seen.api.loses_answer = lambda item: "Succeeded" in str(item.get("status", {}).get("steps"))
        await chained(seen)
        assert [one["state"] for one in entries(seen.api)] == ["Succeeded", "Starting"]
        await seen.look("PipelineRun", "r")
        assert told(seen).count("StepSucceeded") == 1
