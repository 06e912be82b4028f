"""The operator is away while starts of schedules come due: what becomes of them when it is back."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock_operator import clock
from penstock_operator.core.times import stamp
from tests.shell.operator_process import OperatorProcess
from tests.shell.stories import program
from tests.support import Kubectl, Runs, pipeline, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.own_operator]

MINUTE = timedelta(minutes=1)
LATE = 10  # seconds; five minutes by default
POLICIES: dict[str, Any] = {
    "skip": {"missed": "Skip"},
    "latest": {"missed": "RunLatest"},
    "all": {"missed": "RunAll"},
    "few": {"missed": "RunAll", "maxMissed": 2},
    "one": {"missed": "RunAll"},  # for its runs are forbidden to be two
}


def every_minute(name: str, namespace: str, image: str) -> dict[str, Any]:
    """A pipeline of one small step, which only its schedule starts."""
    step = program("work", run={"image": image})
    triggers = [{"name": "minute", "schedule": {"cron": "* * * * *", **POLICIES[name]}}]
    policy = {"onChange": "Wait", "concurrency": "Forbid" if name == "one" else "Queue"}
    spec = {"policy": policy, "triggers": triggers, "steps": [step]}
    return pipeline(name, namespace, spec)


@pytest.fixture
def impatient(settings: Path, tmp_path: Path) -> Path:
    """Settings under which a start is missed when it is LATE."""
    file = tmp_path / "impatient.json"
    file.write_text(json.dumps({**json.loads(settings.read_text()), "lateStart": LATE}))
    return file


def test_what_came_due_while_the_operator_was_away_is_made_up_for_as_the_schedule_says(
    kubectl: Kubectl,
    arena: str,
    operators: Callable[..., OperatorProcess],
    impatient: Path,
    standin: str,
) -> None:
    kubectl.apply(*(every_minute(name, arena, standin) for name in POLICIES))
    operator = operators(arena)
    operator.settings = impatient
    first = armed_and_killed(kubectl, arena, operator)
    second, third = first + MINUTE, first + 2 * MINUTE
    wait_for("three starts to be missed", lambda: clock.now() > third + timedelta(seconds=LATE + 1))
    runs = Runs(kubectl, arena)
    assert runs.names() == []

    operator.start()
    wait_for("the first of all to be made up for", lambda: runs.names("all"))
    operator.kill()  # what is behind it is still to be decided, by another life
    operator.start()
    left_out = {
        "skip": stamp(third),
        "latest": stamp(second),
        "one": stamp(second),
        "few": stamp(first),
        "all": None,
    }
    # Before the next minute, whose run of "one" is forbidden while the one that is made up for goes on.
    wait_for("what is left out to be told", lambda: skipped(kubectl, arena) == left_out)
    wanted = {
        "skip": [],
        "latest": [third],
        "one": [third],
        "all": [first, second, third],
        "few": [second, third],
    }
    made = [f"{name}-{tick:%Y%m%d%H%M}" for name, ticks in wanted.items() for tick in ticks]
    wait_for("all that is made up for", lambda: {*made} <= {*runs.names()})
    for name in made:
        run = runs.finished(name)
        assert run["status"]["status"] == "Succeeded", run["status"]
        assert run["spec"]["scheduledTime"] == stamp(datetime.strptime(name[-12:] + "+0000", "%Y%m%d%H%M%z"))
    # The next minute may have come meanwhile.
    began = [one["metadata"]["name"] for one in sorted(kubectl.list("pipelineruns", arena), key=begin)]
    for name, ticks in wanted.items():
        missed = [one for one in began if one.startswith(name) and one[-12:] <= f"{third:%Y%m%d%H%M}"]
        assert missed == [f"{name}-{tick:%Y%m%d%H%M}" for tick in ticks], "the oldest first, each once"
    assert {**skipped(kubectl, arena), "one": left_out["one"]} == left_out


def skipped(kubectl: Kubectl, namespace: str) -> dict[str, Any]:
    """The last start that each schedule has left out."""
    return {name: entry(kubectl, namespace, name).get("lastSkipped") for name in POLICIES}


def armed_and_killed(kubectl: Kubectl, namespace: str, operator: OperatorProcess) -> datetime:
    """Lets it see the schedules and dies before any comes due; gives the next minute."""
    wait_for("a minute that is young enough", lambda: clock.now().second < 35)
    operator.start()
    for name in POLICIES:
        wait_for(f"{name} to be armed", lambda name=name: entry(kubectl, namespace, name))
    operator.kill()
    coming = {entry(kubectl, namespace, name)["next"] for name in POLICIES}
    assert len(coming) == 1, "a minute has begun meanwhile"
    return datetime.fromisoformat(coming.pop())


def entry(kubectl: Kubectl, namespace: str, name: str) -> dict[str, Any]:
    """What the schedule of a pipeline says of itself; empty before it is armed."""
    found = kubectl.get("pipeline", name, namespace).get("status", {}).get("triggers")
    return dict(found[0]) if found else {}


def begin(run: dict[str, Any]) -> str:
    """When its turn came."""
    return str(run["status"].get("startedAt", "9"))
