"""Triggers on an endpoint's drift: an episode starts one run at most, and noise cannot make a storm."""

import random
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from penstock_spec.object_names import episode_name
from penstock_spec.pipeline_status import PipelineStatus
from tests.core.fake_cluster import FakeCluster
from tests.core.pipelines import TUMOUR_NEEDS, programs, tumour
from tests.core.schedule_world import TriggerLife
from tests.core.simulation import Simulation, pipeline

LOST = [{"name": "gate", "kind": "validate", "state": "Failed", "reason": "ThresholdNotMet"}]


def endpoint(life: TriggerLife, name: str = "e", **status: Any) -> None:
    spec = {"model": {"version": "m-1", "digest": "sha256:1"}}
    life.cluster.create({"kind": "ModelEndpoint", "metadata": {"name": name}, "spec": spec, "status": status})
    life.look()


def drifts(life: TriggerLife, *, yes: bool = True, name: str = "e") -> None:
    found = life.cluster.objects[("ModelEndpoint", name)]
    status = found.get("status", {})
    begins = yes and not status.get("drifting")
    episodes = status.get("episodes", 0) + begins
    life.cluster.change(found, "status", status={**status, "episodes": episodes, "drifting": yes})
    life.look()


def again(life: TriggerLife) -> None:
    """The drift ends, and another episode of it begins."""
    drifts(life, yes=False)
    drifts(life)


def watched(policy: Any = None, **damping: Any) -> TriggerLife:
    """A Pipeline with the trigger `drift` on the endpoint e, which does not drift yet."""
    condition = {"endpoint": "e", "type": "Drifted"}
    triggers = [{"name": "drift", "endpointCondition": condition, **damping}]
    policy = policy or {"keepRuns": 100}
    life = TriggerLife(programs({"a": []}, triggers=triggers, policy=policy))
    endpoint(life)
    return life


def told(life: TriggerLife, reason: str) -> list[str]:
    """Messages of the Events of this reason."""
    return [message for found, message in life.told if found == reason]


def message(life: TriggerLife) -> str:
    """What it says, and still says when the operator has seen what it has written."""
    life.look()
    return str(life.entry("drift")["message"])


def test_an_episode_starts_one_run_that_says_what_for() -> None:
    life = watched()
    assert message(life) == "starts a run when endpoint e is Drifted anew"
    drifts(life)
    run = life.run("p-drifted-1")
    assert run["spec"]["trigger"] == "drift"
    uid = life.cluster.objects[("ModelEndpoint", "e")]["metadata"]["uid"]
    assert run["spec"]["episode"] == {"endpoint": "e", "uid": uid, "condition": "Drifted", "number": 1}
    life.finish_all()
    assert message(life) == "starts a run when endpoint e is Drifted anew; the last was p-drifted-1"
    life.go(days=3)
    assert life.runs() == ["p-g1", "p-drifted-1"], "it drifts on: that is the same episode"
    again(life)
    assert life.runs()[2:] == ["p-drifted-2"]
    PipelineStatus.model_validate(life.status, by_alias=True, by_name=False)


def test_a_trigger_that_only_suggests_makes_a_plan_for_each_episode_and_executes_nothing() -> None:
    life = watched(suggest=True)
    assert message(life) == "suggests a run when endpoint e is Drifted anew"
    drifts(life)
    run = life.run("p-drifted-1")
    assert (run["spec"]["mode"], run["spec"]["trigger"]) == ("Plan", "drift")
    hint = "p-drifted-1 says what the last would do, create a run to have it done"
    assert message(life) == f"suggests a run when endpoint e is Drifted anew; {hint}"
    event = "run p-drifted-1 says what a run would do, create one to have it done: e is Drifted"
    assert told(life, "RunSuggested") == [f"trigger drift: {event}"]
    life.go(days=3)
    assert life.runs() == ["p-g1", "p-drifted-1"], "one for an episode"
    again(life)
    assert life.run("p-drifted-2")["spec"]["mode"] == "Plan"


def test_an_episode_from_before_the_trigger_was_armed_starts_nothing() -> None:
    triggers = [{"name": "drift", "endpointCondition": {"endpoint": "e", "type": "Drifted"}}]
    life = TriggerLife(programs({"a": []}, triggers=triggers))
    assert message(life) == "there is no ModelEndpoint e yet"
    endpoint(life, episodes=4, drifting=True)
    assert life.runs() == ["p-g1"]
    again(life)
    assert life.runs()[1:] == ["p-drifted-5"]


def test_during_the_cool_down_an_episode_waits_and_is_dropped_when_it_ends() -> None:
    life = watched(cooldown="6h")
    drifts(life)
    life.finish_all()
    life.go(hours=1)
    again(life)
    assert "episode 2 waits: cooling down until 2026-11-21T16:00:00Z" in message(life)
    drifts(life, yes=False)
    assert "episode 2 was over before a run could start" in message(life)
    assert told(life, "RunSkipped") == ["trigger drift: episode 2 was over before a run could start"]
    life.go(hours=1)
    drifts(life)
    life.go(hours=5)
    assert life.runs()[1:] == ["p-drifted-1", "p-drifted-3"]
    assert "over" not in message(life)


def test_no_more_than_so_many_in_a_week() -> None:
    life = watched(cooldown="1m", maxPerWeek=2)
    for _ in range(4):
        life.go(hours=1)
        again(life)
        life.finish_all()
    assert life.runs()[1:] == ["p-drifted-1", "p-drifted-2"]
    assert "episode 4 waits: maxPerWeek 2 is reached until 2026-11-28T11:00:00Z" in message(life)
    life.go(days=7)
    assert life.runs()[3:] == ["p-drifted-4"]


def test_the_time_until_which_a_start_is_held_is_that_of_the_rule_that_holds_longest() -> None:
    life = watched(cooldown="24h", maxPerWeek=2)
    for _ in range(2):
        again(life)
        life.finish_all()
        life.go(days=2)
    life.go(hours=-47)
    again(life)
    assert "episode 3 waits: maxPerWeek 2 is reached until 2026-11-28T10:00:00Z" in message(life)


def test_while_its_run_is_under_way_another_episode_waits() -> None:
    life = watched(cooldown="1m")
    drifts(life)
    life.go(hours=1)
    again(life)
    assert "run p-drifted-1 of this trigger is under way" in message(life)
    life.finish_all()
    assert life.runs()[1:] == ["p-drifted-1", "p-drifted-2"]


def lose(life: TriggerLife, times: int) -> None:
    for _ in range(times):
        life.go(days=2)
        again(life)
        for name in life.unfinished():
            life.finish(name, "Failed", "ThresholdNotMet", steps=LOST)


def test_after_so_many_lost_challengers_it_gives_up_and_says_so() -> None:
    life = watched(giveUpAfter=3, maxPerWeek=50)
    lose(life, 5)
    assert life.runs()[1:] == ["p-drifted-1", "p-drifted-2", "p-drifted-3"]
    lost = "3 models in a row did not pass their gate, the last in run p-drifted-3"
    assert f"given up: {lost}" in message(life)
    assert told(life, "TriggerGaveUp") == [f"trigger drift gives up: {lost}"]


def test_the_first_lost_challenger_may_be_the_last() -> None:
    life = watched(giveUpAfter=1, maxPerWeek=50)
    lose(life, 2)
    assert "given up: a model did not pass its gate, in run p-drifted-1; it goes on once" in message(life)


@pytest.mark.parametrize("how", ["a run that succeeds", "suspend and resume"])
def test_what_makes_it_go_on(how: str) -> None:
    life = watched(giveUpAfter=2, maxPerWeek=50)
    lose(life, 3)
    assert len(life.runs()) == 3
    life.go(minutes=1)
    if how == "suspend and resume":
        life.edit(suspend=True)
        life.edit(suspend=False)
        assert len(life.runs()) == 3, "the episode under way is not made up for"
        again(life)
    else:
        life.edit(steps=programs({"a": [], "b": []})["steps"])
        life.finish_all()
    wanted = "p-drifted-4" if how == "suspend and resume" else "p-drifted-3"
    assert wanted in life.runs()


@pytest.mark.parametrize(
    ("end", "lost"),
    [
        ({"status": "Failed", "reason": "StoreUnavailable"}, 1),
        ({"status": "Succeeded", "reason": "NoNewData"}, 1),
        ({"status": "Succeeded"}, 0),
        ({"status": "Failed", "reason": "ThresholdNotMet", "steps": LOST}, 2),
    ],
    ids=["a fault outside", "no new data", "a winner", "a loser"],
)
def test_what_counts_as_a_lost_challenger(end: dict[str, Any], lost: int) -> None:
    life = watched(maxPerWeek=50)
    lose(life, 1)
    life.go(days=2)
    again(life)
    life.finish("p-drifted-2", **end)
    assert life.entry("drift").get("lost", 0) == lost


def test_a_loss_is_remembered_though_its_run_was_tidied_away() -> None:
    life = watched(policy={"keepRuns": 1, "archive": "Never"}, giveUpAfter=3, maxPerWeek=50)
    lose(life, 5)
    assert life.runs() == ["p-drifted-3"]
    assert life.entry("drift")["lost"] == 3


def test_a_run_that_cannot_be_made_is_spoken_of_until_the_next_episode() -> None:
    life = watched()
    uid = life.cluster.objects[("ModelEndpoint", "e")]["metadata"]["uid"]
    held = [episode_name("p", "Drifted", 1), episode_name("p", "Drifted", 1, uid)]
    for name in held:
        life.cluster.create({"kind": "PipelineRun", "metadata": {"name": name}, "spec": {"pipeline": "q"}})
    drifts(life)
    trouble = f"no run could be started for episode 1: {held[1]} is somebody else's"
    assert message(life) == f"starts a run when endpoint e is Drifted anew; {trouble}"
    assert life.entry("drift")["trouble"] == trouble
    again(life)
    assert message(life).endswith("anew; the last was p-drifted-2")


def test_an_endpoint_that_is_made_anew_counts_from_one_under_another_name() -> None:
    life = watched(cooldown="1m")
    drifts(life)
    life.finish_all()
    life.cluster.delete("ModelEndpoint", "e")
    life.go(hours=1)
    endpoint(life)
    drifts(life)
    (other,) = life.runs()[2:]
    assert other.startswith("p-drifted-1-")


def test_where_two_runs_are_forbidden_the_episode_waits_and_is_not_lost() -> None:
    life = watched(policy={"concurrency": "Forbid"})
    life.edit(steps=programs({"a": [], "b": []})["steps"])
    drifts(life)
    assert "policy.concurrency is Forbid" in message(life)
    life.finish_all()
    assert "p-drifted-1" in life.runs()


def test_a_change_that_waits_is_overtaken_by_an_episode() -> None:
    life = watched()
    drifts(life)
    life.begin("p-drifted-1")
    life.edit(steps=programs({"a": [], "b": []})["steps"])
    assert "waits for run p-drifted-1" in life.status["message"]


@pytest.mark.parametrize("seed", range(4))
def test_g6_noisy_drift_under_kills_starts_no_episode_twice_and_no_storm(
    seed: int,
) -> None:
    chance = random.Random(seed)  # noqa: S311 - faults, not secrets
    life = watched(policy={"keepRuns": 2}, cooldown="6h", maxPerWeek=5)
    life.fate_of_write = lambda: chance.choice(["before", "after"]) if chance.random() < 0.2 else ""
    for _ in range(300):
        life.go(minutes=chance.choice([10, 60, 60, 240, -30]))
        drifts(life, yes=chance.random() < 0.5)
        for name in life.unfinished():
            if chance.random() < 0.7:
                life.finish(name, *chance.choice([("Succeeded",), ("Failed", "UserError")]))
    made = Counter(life.events())
    assert life.kills > 10
    assert max(made.values()) == 1
    assert len(made) > 5
    weeks = (life.cluster.now - FakeCluster().now) / timedelta(days=7)
    assert len(made) - 1 <= 5 * (weeks + 1)


def test_a_run_of_a_trigger_in_which_nothing_is_new_says_so() -> None:
    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS)
    cluster = simulation.cluster
    triggers = [{"name": "often", "schedule": {"cron": "*/10 * * * *"}}]
    cluster.create(pipeline("tumour", tumour(triggers=triggers)))
    simulation.wake()
    name = ("PipelineRun", "tumour-202611211010")
    while not cluster.objects.get(name, {}).get("status", {}).get("finishedAt"):
        simulation._work()
        cluster.advance(0.5)
    found = cluster.objects[name]["status"]
    assert (found["status"], found["reason"]) == ("Succeeded", "NoNewData")
    assert simulation.steps("tumour-202611211010")["serve"]["state"] == "Succeeded"
