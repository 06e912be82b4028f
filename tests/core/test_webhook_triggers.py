"""Runs of messages, which another program has made: they are kept long enough, and queue like others."""

from datetime import timedelta
from typing import Any

import pytest

from penstock_operator.core import retention
from penstock_operator.webhook.admission import run_for
from penstock_operator.webhook.messages import Address
from tests.core.fake_shell import run_of
from tests.core.pipelines import programs
from tests.core.schedule_world import TriggerLife
from tests.core.test_seeded_bugs import sow


def receiving(**policy: Any) -> TriggerLife:
    """A Pipeline with the trigger `hook`."""
    triggers = [{"name": "hook", "webhook": {}}]
    return TriggerLife(
        programs({"a": []}, triggers=triggers, policy={"keepRuns": 1, "archive": "Never", **policy})
    )


def message(life: TriggerLife, delivery: str) -> str:
    """A message comes; gives the run that the receiver makes."""
    pipeline = life.cluster.objects[("Pipeline", "p")]
    run = run_for(Address("ml", "p", "hook"), pipeline, None, delivery, {}, life.cluster.now)
    life.cluster.create(run)
    life.look()
    return str(run["metadata"]["name"])


def test_the_trigger_says_where_messages_go_and_what_came_of_the_last() -> None:
    life = receiving()
    path = "/v1/namespaces/ml/pipelines/p/triggers/hook"
    assert life.entry("hook")["message"] == f"starts a run for each signed message to {path}"
    name = message(life, "m1")
    assert life.entry("hook")["lastRun"] == name
    assert run_of(life.run(name)).cause == "m1"
    assert run_of(life.run(name)).started_by == "hook"


def test_a_run_is_kept_while_its_message_could_come_again() -> None:
    assert kept_after(timedelta(minutes=14)) == ["first", "second", "third"]
    assert kept_after(timedelta(minutes=16)) == ["third"]


def kept_after(time: timedelta) -> list[str]:
    """Which of three finished runs are there after this time, of which one is to be kept."""
    life = receiving()
    names = {message(life, word): word for word in ("first", "second", "third")}
    life.finish_all()
    life.cluster.now += time
    life.look()
    return [names[one] for one in life.runs() if one in names]


def test_a_seeded_bug_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    sow(monkeypatch, retention._may_be_repeated, "now < after", "now > after")
    assert kept_after(timedelta(minutes=14)) != ["first", "second", "third"]


def test_a_change_that_comes_after_a_message_still_runs() -> None:
    life = receiving()
    message(life, "m1")
    life.finish_all()
    life.edit(steps=programs({"a": [], "b": []})["steps"])
    assert "p-g2" in life.runs()
