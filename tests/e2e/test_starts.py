"""Schedules on the real cluster: a minute starts one run, also when the operator is killed at it."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from penstock_operator import clock
from tests.support import pipeline, wait_for

pytestmark = pytest.mark.e2e

COPY = "import shutil; shutil.copy('/penstock/arguments.json', '/penstock/out/said/arguments.json')"
# Hours and quarters of them before and behind UTC; in some of them it is another day than here.
ZONES = {
    "nepal": "Asia/Kathmandu",
    "chatham": "Pacific/Chatham",
    "newfoundland": "America/St_Johns",
    "lord-howe": "Australia/Lord_Howe",
    "marquesas": "Pacific/Marquesas",
    "line-islands": "Pacific/Kiritimati",
}


def beating(name: str, namespace: str, image: str, schedule: Any, **fields: Any) -> dict[str, Any]:
    """A pipeline whose one step keeps the time that its run is for."""
    step = {
        "name": "say",
        "run": {
            "image": image,
            "command": ["python3", "-c", COPY],
            "argumentsFrom": {"time": {"parameter": "scheduledTime"}},
            "outputs": [{"name": "said"}],
        },
    }
    triggers = [{"name": "minute", "schedule": schedule}]
    return pipeline(name, namespace, {"triggers": triggers, "steps": [step], **fields})


def every_minute(namespace: str, image: str, **fields: Any) -> dict[str, Any]:
    """The pipeline `beat`."""
    return beating("beat", namespace, image, {"cron": "* * * * *", "timeZone": "Europe/Paris"}, **fields)


@pytest.mark.xdist_group("operator")  # never beside tests that look at what it takes down
def test_each_minute_starts_one_run_for_its_time(runs, kubectl, namespace, images) -> None:
    kubectl.apply(every_minute(namespace, images["server"]))
    wait_for("the trigger to be armed", lambda: _status(kubectl, namespace).get("next"))
    kubectl.run("delete", "pods", "-n", "penstock-system", "-l", "app.kubernetes.io/component=operator")
    ticks = wait_for("two ticks", lambda: _ticks(runs) if len(_ticks(runs)) >= 2 else None, 300)
    for name in ticks[:2]:
        run = runs.finished(name)
        assert run["status"]["status"] == "Succeeded", run["status"]
        moment = datetime.strptime(name.removeprefix("beat-"), "%Y%m%d%H%M").replace(tzinfo=UTC)
        assert run["spec"]["scheduledTime"] == _stamp(moment)
        assert run["spec"]["trigger"] == "minute"
    assert len(set(ticks)) == len(ticks)


def test_a_local_time_of_any_zone_starts_one_run_at_its_instant(runs, kubectl, namespace, images) -> None:
    # Far enough ahead for all of them to be armed before it.
    tick = (clock.now() + timedelta(seconds=120)).replace(second=0, microsecond=0)
    local = {name: tick.astimezone(ZoneInfo(zone)) for name, zone in ZONES.items()}
    # What clocks repeat runs the first time, and that is over. No two of these zones do so together.
    local = {name: moment for name, moment in local.items() if not moment.fold}
    assert len(local) >= len(ZONES) - 1

    def armed(name: str, zone: str, cron: str) -> dict[str, Any]:
        schedule = {"cron": cron, "timeZone": zone}
        return beating(name, namespace, images["server"], schedule, policy={"onChange": "Wait"})

    def following(name: str) -> str:
        return str(_status(kubectl, namespace, name).get("next", ""))

    lines = {name: f"{at.minute} {at.hour} {at.day} {at.month} *" for name, at in local.items()}
    over = (tick - timedelta(minutes=4)).astimezone(ZoneInfo("Asia/Kathmandu"))
    kubectl.apply(
        *(armed(name, ZONES[name], line) for name, line in lines.items()),
        armed("over", "Asia/Kathmandu", f"{over.minute} {over.hour} * * *"),
    )
    for name in local:
        assert wait_for(f"{name} to be armed", lambda name=name: following(name)) == _stamp(tick)
    assert wait_for("the last one to be armed", lambda: following("over")) == _stamp(over + timedelta(days=1))
    for name, at in local.items():
        (entry,) = _status(kubectl, namespace, name)["triggers"]
        assert entry["message"] == f"starts a run next at {at:%Y-%m-%d %H:%M} in {ZONES[name]}"
    wait_for("a run of each", lambda: len(runs.names()) >= len(local), 360)
    for name in local:
        run = runs.finished(f"{name}-{tick:%Y%m%d%H%M}")
        assert run["status"]["status"] == "Succeeded", run["status"]
        assert run["spec"]["scheduledTime"] == _stamp(tick)
        assert datetime.fromisoformat(run["metadata"]["creationTimestamp"]) >= tick
    assert sorted(runs.names()) == sorted(f"{name}-{tick:%Y%m%d%H%M}" for name in local)


def test_a_suspended_pipeline_starts_nothing(runs, kubectl, namespace, images) -> None:
    kubectl.apply(every_minute(namespace, images["server"], suspend=True))
    wait_for("its status", lambda: _status(kubectl, namespace).get("triggers"))
    time.sleep(70)
    assert runs.names() == []
    assert "suspended" in _status(kubectl, namespace)["triggers"][0]["message"]


def test_a_plan_says_what_would_run_and_creates_nothing(runs, kubectl, namespace, images) -> None:
    obj = every_minute(namespace, images["server"])
    del obj["spec"]["triggers"]
    runs.execute(obj)
    before = len(kubectl.list("jobs", namespace))
    look = {**obj, "kind": "PipelineRun", "metadata": {"name": "look", "namespace": namespace}}
    kubectl.apply({**look, "spec": {"pipeline": "beat", "mode": "Plan"}})
    found = runs.finished("look")
    assert found["status"]["status"] == "Planned"
    (step,) = found["status"]["steps"]
    assert (step["state"], step["reason"]) == ("Planned", "WouldRun")
    assert "parameters.scheduledTime" in step["why"], "the time of the run is another one"
    assert len(kubectl.list("jobs", namespace)) == before


def test_a_rerun_does_again_what_failed_on_the_same_data(runs, kubectl, namespace, images) -> None:
    write = "open('/penstock/out/said/x', 'w').write('x')"
    steps = [
        {"name": "first", "run": _program(images["server"], write)},
        {"name": "second", "dependsOn": ["first"], "run": _program(images["server"], "raise SystemExit(3)")},
    ]
    failed = runs.execute(pipeline("beat", namespace, {"steps": steps}))
    assert failed["status"]["status"] == "Failed"
    again = {"apiVersion": "penstock.dev/v1alpha1", "kind": "PipelineRun"}
    spec = {"pipeline": "beat", "rerun": {"run": failed["metadata"]["name"], "failed": True}}
    kubectl.apply({**again, "metadata": {"name": "again", "namespace": namespace}, "spec": spec})
    steps_of_it = {one["name"]: one for one in runs.finished("again")["status"]["steps"]}
    assert steps_of_it["first"]["why"] == f"taken over from run {failed['metadata']['name']}"
    assert (steps_of_it["second"]["state"], steps_of_it["second"]["attempt"]) == ("Failed", 1)


def test_a_backfill_runs_each_time_once(runs, kubectl, namespace, images) -> None:
    obj = every_minute(namespace, images["server"], policy={"onChange": "Wait"})
    obj["spec"]["triggers"][0]["schedule"] = {"cron": "0 0 1 * *"}
    kubectl.apply(obj)
    asked = {"trigger": "minute", "from": "2026-01-01T00:00:00Z", "to": "2026-03-31T00:00:00Z"}
    fill = {"apiVersion": "penstock.dev/v1alpha1", "kind": "PipelineRun"}
    meta = {"name": "fill", "namespace": namespace}
    spec = {"pipeline": "beat", "backfill": {**asked, "parallelism": 2}}
    kubectl.apply({**fill, "metadata": meta, "spec": spec})
    found = runs.finished("fill")
    assert (found["status"]["status"], found["status"]["progress"]) == ("Succeeded", "3/3")
    assert sorted(set(runs.names("beat")) - {"fill"}) == [f"beat-20260{month}010000" for month in (1, 2, 3)]


def _program(image: str, code: str) -> dict[str, Any]:
    return {"image": image, "command": ["python3", "-c", code], "outputs": [{"name": "said"}]}


def _ticks(runs: Any) -> list[str]:
    return [one for one in runs.names("beat") if "-g" not in one]


def _status(kubectl: Any, namespace: str, name: str = "beat") -> Any:
    return kubectl.get("pipeline", name, namespace).get("status", {})


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
