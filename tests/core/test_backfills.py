"""backfill: each time of a schedule in a range has one run, a few at once, whatever befalls the operator."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from penstock_spec.run_status import PipelineRunStatus
from tests.core.fake_cluster import NAMESPACE, FakeCluster, Object
from tests.core.fake_shell import FakeShell, Killed
from tests.core.pipelines import programs
from tests.core.simulation import Simulation, pipeline
from tests.core.test_pipelines import condition, status

HOURS = [f"p-20261120{hour:02}00" for hour in range(6)]
RANGE = {"trigger": "tick", "from": "2026-11-20T00:00:00Z", "to": "2026-11-20T05:59:00Z"}


def spec_of(policy: Any = None) -> Any:
    spec = programs({"a": []}, policy=policy or {"keepRuns": 100, "onChange": "Wait"})
    spec["steps"][0]["run"]["argumentsFrom"] = {"day": {"parameter": "scheduledTime"}}
    return {**spec, "triggers": [{"name": "tick", "schedule": {"cron": "0 * * * *"}}]}


def backfill(name: str = "fill", **fields: Any) -> Object:
    asked = {**RANGE, **fields}
    meta = {"name": name, "namespace": NAMESPACE}
    return {"kind": "PipelineRun", "metadata": meta, "spec": {"pipeline": "p", "backfill": asked}}


class Life:
    """A Pipeline and its runs, whose children a test ends by hand."""

    def __init__(self, spec: Any = None, fate: Callable[[], str] = lambda: "") -> None:
        self.cluster, self.fate, self.kills = FakeCluster(), fate, 0
        self.most = 0  # children that were unfinished at once
        self.made: Counter[str] = Counter()
        self.cluster.watchers.append(self._watch)
        self.cluster.create(pipeline("p", spec or spec_of()))
        self._pass("pipeline_pass", "p")

    def _watch(self, verb: str, item: Object) -> None:
        if verb == "create" and item["kind"] == "PipelineRun":
            self.made[item["metadata"]["name"]] += 1
            self.most = max(self.most, len(self.children(going=True)))

    def _pass(self, what: str, name: str) -> None:
        while True:
            try:
                again = getattr(FakeShell(self.cluster, fate_of_write=self.fate), what)(name)
            except Killed:
                self.kills += 1
                continue
            if again is None or again > self.cluster.now:
                return

    def start(self, item: Object) -> None:
        self.cluster.create(item)
        self.look()

    def look(self, name: str = "fill") -> None:
        self._pass("run_pass", name)
        self._pass("pipeline_pass", "p")

    def children(self, *, going: bool = False) -> list[str]:
        found = [one for one in self.cluster.find("PipelineRun") if one["spec"].get("partOf")]
        ended = [one for one in found if one.get("status", {}).get("finishedAt")]
        return [one["metadata"]["name"] for one in found if not going or one not in ended]

    def finish(self, name: str, *, ok: bool = True) -> None:
        ended = {
            "finishedAt": "2026-11-21T10:00:00Z",
            "conditions": [{"type": "Finished", "status": "True"}, {"type": "Succeeded", "status": str(ok)}],
        }
        self.cluster.change(self.cluster.objects[("PipelineRun", name)], "status", status=ended)
        self.look()

    @property
    def status(self) -> Any:
        found = self.cluster.objects[("PipelineRun", "fill")]["status"]
        PipelineRunStatus.model_validate(found, by_alias=True, by_name=False)
        return found


def test_each_time_of_the_range_has_a_run_so_many_at_once() -> None:
    life = Life()
    life.start(backfill(parallelism=2))
    assert life.children() == HOURS[:2]
    run = life.cluster.objects[("PipelineRun", HOURS[0])]
    assert run["spec"]["scheduledTime"] == "2026-11-20T00:00:00Z"
    assert (run["spec"]["trigger"], run["spec"]["partOf"]) == ("tick", "fill")
    assert life.status["progress"] == "0/6"
    while life.children(going=True):
        life.finish(life.children(going=True)[0])
    assert life.children() == HOURS
    assert life.most == 2
    assert (life.status["status"], life.status["progress"]) == ("Succeeded", "6/6")
    assert {life.made[one] for one in HOURS} == {1}


def test_what_a_backfill_says_of_reuse_holds_for_each_of_its_runs() -> None:
    asked = backfill(parallelism=2)
    asked["spec"]["reuse"] = "Never"
    life = Life()
    life.start(asked)
    assert [life.cluster.objects[("PipelineRun", one)]["spec"]["reuse"] for one in HOURS[:2]] == ["Never"] * 2
    other = Life()
    other.start(backfill())
    assert "reuse" not in other.cluster.objects[("PipelineRun", HOURS[0])]["spec"]


def spec_with(default: Any = None) -> Any:
    """A pipeline with a parameter n, which has this default or none."""
    declared = {"name": "n", "type": "Integer", **({} if default is None else {"default": default})}
    spec = {**spec_of(), "parameters": [declared]}
    spec["steps"][0]["run"]["argumentsFrom"]["n"] = {"parameter": "n"}
    return spec


def test_the_parameters_of_a_backfill_hold_for_each_of_its_runs() -> None:
    asked = backfill(parallelism=2)
    asked["spec"]["parameters"] = {"n": 7}
    life = Life(spec_with())
    life.start(asked)
    assert [life.cluster.objects[("PipelineRun", one)]["spec"]["parameters"] for one in HOURS[:2]] == [
        {"n": 7},
        {"n": 7},
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [({"m": 7}, "the pipeline has no such parameter"), ({"n": "much"}, "is a text"), ({}, "n")],
    ids=["unknown", "of another type", "left out"],
)
def test_wrong_parameters_of_a_backfill_are_said_once_and_make_no_runs(given: Any, words: str) -> None:
    asked = backfill()
    asked["spec"]["parameters"] = given
    life = Life(spec_with())
    life.start(asked)
    assert (life.status["status"], life.status["reason"]) == ("Failed", "InvalidParameters")
    assert words in life.status["message"]
    assert life.children() == []


def suspend(life: Life, *, value: bool = True) -> None:
    run = life.cluster.objects[("PipelineRun", "fill")]
    life.cluster.edit("PipelineRun", "fill", {**run["spec"], "suspend": value})
    life.look()


def test_a_suspended_backfill_has_no_more_runs_made_and_goes_on_where_it_was() -> None:
    life = Life()
    life.start(backfill(parallelism=2))
    suspend(life)
    life.finish(HOURS[0])
    assert life.children() == HOURS[:2]
    assert (life.status["status"], life.status["reason"]) == ("Suspended", "RunSuspended")
    assert life.status["progress"] == "1/6"
    assert "kubectl patch plr -n ml fill" in life.status["message"]
    suspend(life, value=False)
    while life.children(going=True):
        life.finish(life.children(going=True)[0])
    assert (life.status["status"], life.status["progress"]) == ("Succeeded", "6/6")


def test_a_backfill_that_is_suspended_from_the_start_has_no_run_made() -> None:
    asked = backfill()
    asked["spec"]["suspend"] = True
    life = Life()
    life.start(asked)
    assert (life.status["status"], life.children()) == ("Suspended", [])
    suspend(life, value=False)
    assert life.children() == HOURS[:1]


def test_times_that_have_a_run_already_are_left_alone() -> None:
    life = Life()
    life.start(backfill(to="2026-11-20T02:00:00Z"))
    while life.children(going=True):
        life.finish(life.children(going=True)[0])
    life.start(backfill("more", parallelism=9))
    life.look("more")
    more = life.cluster.objects[("PipelineRun", "more")]["status"]
    assert more["backfill"]["found"] == 3
    assert more["backfill"]["active"] == HOURS[3:]


def test_a_schedule_does_not_start_what_a_backfill_has() -> None:
    life = Life()
    life.start(backfill(**{"from": "2026-11-21T09:30:00Z"}, to="2026-11-21T12:00:00Z"))
    assert life.children() == ["p-202611211000"], "what has not come yet is left to the schedule"
    assert life.status["backfill"]["until"] == "2026-11-21T10:00:00Z"


def test_a_failed_time_fails_the_backfill_and_the_others_go_on() -> None:
    life = Life()
    life.start(backfill())
    life.finish(HOURS[0], ok=False)
    while life.children(going=True):
        life.finish(life.children(going=True)[0])
    assert (life.status["status"], life.status["reason"]) == ("Failed", "BackfillFailed")
    assert life.status["message"].startswith(f"1 of 6 runs failed, first {HOURS[0]}")


def test_a_run_that_somebody_deleted_counts_as_failed() -> None:
    life = Life()
    life.start(backfill())
    life.cluster.delete("PipelineRun", HOURS[0])
    life.look()
    assert life.status["backfill"]["failed"] == 1
    assert life.children() == [HOURS[1]]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"trigger": "tok"}, 'no trigger "tok"'),
        ({"from": "2026-11-20T00:10:00Z", "to": "2026-11-20T00:50:00Z"}, "in Etc/UTC, has no times"),
        ({"to": "2026-11-19T00:00:00Z"}, "lies before from, 2026-11-20T00:00:00Z: exchange them"),
        ({"from": "2027-11-20T00:00:00Z", "to": "2027-11-21T00:00:00Z"}, "is still to come"),
        ({"from": "2026-01-01T00:00:00Z"}, "more than 1000 times"),
        ({"from": "2026-02-30T00:00:00Z"}, "no times"),
    ],
    ids=["no such trigger", "empty", "reversed", "to come", "too many", "no such day"],
)
def test_what_cannot_be_backfilled_is_said(fields: dict[str, str], words: str) -> None:
    life = Life()
    life.start(backfill(**fields))
    assert (life.status["status"], life.status["reason"]) == ("Failed", "InvalidBackfill")
    assert words in life.status["message"]
    assert life.children() == []


def test_a_changed_schedule_and_pipeline_do_not_touch_a_backfill_under_way() -> None:
    life = Life()
    life.start(backfill())
    spec = spec_of()
    spec["triggers"][0]["schedule"]["cron"] = "30 * * * *"
    spec["steps"][0]["run"]["image"] = "ghcr.io/acme/step:2"
    life.cluster.edit("Pipeline", "p", spec)
    life.finish(HOURS[0])
    first, second = (life.cluster.objects[("PipelineRun", one)]["spec"]["revision"] for one in HOURS[:2])
    assert first == second


@pytest.mark.parametrize("seed", range(8))
def test_under_kills_and_tidying_no_time_is_run_twice_and_none_is_left_out(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - faults, not secrets
    fate = lambda: chance.choice(["before", "after"]) if chance.random() < 0.3 else ""  # noqa: E731 - of this life
    life = Life(spec_of({"keepRuns": 1, "onChange": "Wait"}), fate)
    life.start(backfill(parallelism=3))
    while life.children(going=True):
        life.finish(chance.choice(life.children(going=True)))
    assert life.kills > 0
    assert {one: life.made[one] for one in HOURS} == dict.fromkeys(HOURS, 1)
    assert life.status["backfill"]["done"] == 6
    assert life.most <= 3


def test_a_backfill_neither_waits_nor_is_waited_for_and_tells_of_no_outcome() -> None:
    simulation = Simulation(FakeCluster())
    cluster = simulation.cluster
    spec = {**spec_of(), "policy": {"keepRuns": 100}}
    spec["triggers"][0]["schedule"]["cron"] = "0 0 1 1 *"
    cluster.create(pipeline("p", spec))
    asked = {
        "trigger": "tick",
        "from": "2020-01-01T00:00:00Z",
        "to": "2026-02-01T00:00:00Z",
        "parallelism": 4,
    }
    cluster.create(backfill(**asked))
    simulation.wake()
    for _ in range(120):
        simulation._work()
        cluster.advance(0.5)
    simulation._work()
    found = status(simulation, "PipelineRun", "fill")
    assert (found["status"], found["progress"]) == ("Succeeded", "7/7")
    assert status(simulation, "Pipeline", "p")["lastRun"] == "p-g1"
    assert condition(simulation, "Pipeline", "p", "LastRunSucceeded")["message"] == "run p-g1"
    assert simulation.steps("p-202001010000")["a"]["state"] == "Succeeded"
    simulation.assert_at_rest()


def cancelled(life: Life, name: str = "fill") -> None:
    """Somebody cancels it, and everything is looked at until nothing changes."""
    found = life.cluster.objects[("PipelineRun", name)]
    life.cluster.edit("PipelineRun", name, {**found["spec"], "cancel": True})
    for one in (name, *life.children()):
        life.look(one)


def test_a_cancelled_backfill_takes_the_runs_with_it_that_it_has_had_made() -> None:
    life = Life()
    life.start(backfill(parallelism=2))
    life.finish(HOURS[0])
    cancelled(life)
    assert life.children() == HOURS[:3]
    ends = [life.cluster.objects[("PipelineRun", one)]["status"]["status"] for one in HOURS[1:3]]
    assert ends == ["Cancelled", "Cancelled"]
    assert (life.status["status"], life.status["progress"]) == ("Cancelled", "1/6")
    assert life.status["backfill"]["active"] == HOURS[1:3]
    assert life.status["message"] == (
        f"somebody cancelled it; runs {HOURS[1]}, {HOURS[2]} are cancelled with it; 1 of 6 were done"
    )


def test_a_backfill_after_a_cancelled_one_says_that_not_all_that_it_found_ended_well() -> None:
    life = Life()
    life.start(backfill(parallelism=2))
    life.finish(HOURS[0])
    cancelled(life)
    life.start(backfill("more", parallelism=9))
    life.look("more")
    for one in HOURS[3:]:
        life.finish(one)
    life.look("more")
    more = life.cluster.objects[("PipelineRun", "more")]["status"]
    assert (more["status"], more["backfill"]["firstFailed"]) == ("Succeeded", HOURS[1])
    assert more["message"] == (
        f"3 done; 0 failed; 3 had a run already; of these not all ended well, first {HOURS[1]}; "
        "rerun such, or delete them and create another backfill"
    )


def test_a_run_that_was_made_and_never_written_down_is_cancelled_with_its_backfill() -> None:
    life = Life()
    life.start(backfill())
    before = life.status
    life.finish(HOURS[0])
    life.cluster.change(life.cluster.objects[("PipelineRun", "fill")], status=before)
    cancelled(life)
    found = life.cluster.objects[("PipelineRun", HOURS[1])]["status"]
    assert found["status"] == "Cancelled"
    assert found["message"].startswith("backfill fill, which had it made, was cancelled")


def test_a_run_of_the_schedule_itself_is_not_touched_by_the_cancel() -> None:
    life = Life()
    life.start(backfill(to="2026-11-20T00:30:00Z"))
    life.start(backfill("more", parallelism=2))
    life.look("more")
    cancelled(life, "more")
    first = life.cluster.objects[("PipelineRun", HOURS[0])]
    assert first.get("status", {}).get("status") != "Cancelled", "it belongs to another backfill"
    assert life.cluster.objects[("PipelineRun", HOURS[1])]["status"]["status"] == "Cancelled"


@pytest.mark.parametrize("seed", range(6))
def test_a_cancel_under_kills_leaves_no_run_going_and_starts_none(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - faults, not secrets
    fate = lambda: chance.choice(["before", "after"]) if chance.random() < 0.4 else ""  # noqa: E731 - of this life
    life = Life(fate=fate)
    life.start(backfill(parallelism=3))
    life.finish(HOURS[0])
    cancelled(life)
    made = dict(life.made)
    for name in ("fill", *life.children()):
        life.look(name)
    assert life.made == made
    assert life.children(going=True) == []
    assert life.status["status"] == "Cancelled"
