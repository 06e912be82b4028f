"""Triggers on data, branches and images: a small Job looks, and another revision starts one run."""

import random
from collections import Counter
from typing import Any

import pytest

from penstock_operator.core import looks, probed
from penstock_spec import trigger_names
from penstock_spec.contract import Failure, encode
from penstock_spec.names import FailureClass
from penstock_spec.pipeline_status import PipelineStatus
from tests.core.fake_cluster import FakeCluster, Object
from tests.core.fake_shell import NotSettled
from tests.core.pipelines import programs
from tests.core.schedule_world import TriggerLife
from tests.core.test_seeded_bugs import sow

KINDS: dict[str, Any] = {
    "newData": {"source": {"object": {"connection": "lake", "key": "sales.csv"}}},
    "git": {"url": "https://git.example.com/ml/churn.git", "secret": "robot"},
    "image": {"image": "ghcr.io/acme/base:stable"},
}


class Lab(FakeCluster):
    """A cluster in which looks may fail."""

    failure: Failure | None = None

    def fate(self, job: Object) -> str:
        return "probe_fails" if self.failure is not None else super().fate(job)

    def _end(self, job: Object, fate: str) -> Object:
        if self.failure is None:
            return super()._end(job, fate)
        return {"phase": "Failed", "container": "main", "code": 1, "message": encode(self.failure)}


class ProbeLife(TriggerLife):
    """The Pipeline `p` with the trigger `watch`, whose looks take a few seconds."""

    def go(self, **time: float) -> None:
        super().go(**time)
        self.rest()

    def rest(self) -> None:
        """Whatever has been asked of the cluster is done, and the operator sees it."""
        for _ in range(6):
            self.cluster.advance(1)
            self.look()

    def becomes(self, revision: str) -> None:
        self.cluster.revisions["watch"] = revision

    @property
    def causes(self) -> list[str]:
        """The revisions for which runs were started, the oldest first."""
        found = [one["spec"].get("triggeredBy", {}) for one in self.made_objects]
        return [one["revision"] for one in found if one]

    def jobs(self) -> list[str]:
        return [one["metadata"]["name"] for one in self.cluster.find("Job")]

    def looked(self) -> list[str]:
        return [one for verb, kind, one in self.cluster.log if (verb, kind) == ("create", "Job")]


def watching(kind: str = "newData", revision: str = "v1", policy: Any = None, **fields: Any) -> ProbeLife:
    triggers = [{"name": "watch", kind: {**KINDS[kind], "every": "15m"}, **fields}]
    spec = programs({"a": []}, triggers=triggers, policy=policy or {"keepRuns": 100})
    life = ProbeLife(spec, Lab(revisions={"watch": revision}))
    life.rest()
    return life


def message(life: TriggerLife) -> str:
    return str(life.entry("watch")["message"])


@pytest.mark.parametrize("kind", KINDS)
def test_another_revision_starts_one_run_that_names_it(kind: str) -> None:
    life = watching(kind)
    assert (life.entry("watch")["seen"], life.causes, len(life.looked())) == ("v1", [], 1)
    life.go(minutes=16)
    assert life.causes == []
    life.becomes("v2")
    life.go(minutes=16)
    assert life.causes == ["v2"]
    run = life.run(life.runs()[1])
    assert run["spec"]["trigger"] == "watch"
    assert run["spec"]["triggeredBy"] == {"revision": "v2", "change": 1}
    life.finish_all()
    life.go(hours=1)
    assert life.causes == ["v2"]
    assert message(life).startswith("starts a run when ")
    PipelineStatus.model_validate(life.status, by_alias=True, by_name=False)


def test_a_job_that_has_looked_is_deleted_and_looks_keep_their_pace() -> None:
    life = watching()
    for _ in range(8):
        life.go(minutes=15)
    assert life.jobs() == []
    assert len(life.looked()) == len(set(life.looked())) == 9


def test_a_revision_that_comes_back_is_another_change() -> None:
    life = watching()
    for revision in ("v2", "v1", "v2"):
        life.becomes(revision)
        life.go(minutes=16)
        life.finish_all()
    assert life.causes == ["v2", "v1", "v2"]
    assert len(set(life.runs())) == 4


def test_what_is_not_there_yet_starts_a_run_when_it_comes_and_none_when_it_goes() -> None:
    life = watching(revision="absent")
    assert "is not there yet" in message(life)
    life.becomes("v1")
    life.go(minutes=16)
    life.finish_all()
    life.becomes("absent")
    life.go(minutes=16)
    assert "is not there any more" in message(life)
    life.becomes("v1")
    life.go(minutes=16)
    assert life.causes == ["v1"]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (Failure(FailureClass.STORE_UNAVAILABLE, "it does not answer"), "SourceUnreachable"),
        (Failure(FailureClass.USER_ERROR, "it refused the credentials"), "SourceRefused"),
    ],
)
def test_a_look_that_fails_says_why_and_waits_longer_each_time(failure: Failure, reason: str) -> None:
    life = watching()
    life.becomes("v2")
    life.cluster.failure = failure
    life.go(minutes=16)
    entry = life.entry("watch")
    assert (entry["reason"], entry["failures"], life.causes) == (reason, 1, [])
    assert message(life).startswith(f"cannot look: {failure.message}; looks again at ")
    assert "kubectl" not in entry["trouble"], "its Job is gone by then"
    before = len(life.looked())
    for _ in range(60):
        life.go(minutes=1)
    assert 4 <= len(life.looked()) - before <= 6, "after 1, 2, 4, 8, 16 and 32 minutes"
    life.cluster.failure = None
    life.go(hours=2)
    assert life.causes == ["v2"]
    assert {"reason", "trouble", "failures"}.isdisjoint(life.entry("watch"))


def test_a_suspended_pipeline_does_not_look_and_makes_up_for_nothing() -> None:
    life = watching()
    life.edit(suspend=True)
    before = len(life.looked())
    life.becomes("v2")
    life.go(hours=3)
    assert (len(life.looked()), life.jobs()) == (before, [])
    life.edit(suspend=False)
    life.rest()
    assert (life.entry("watch")["seen"], life.causes) == ("v2", [])


def test_a_trigger_that_is_removed_leaves_no_job() -> None:
    life = watching()
    life.cluster.now = life.cluster.now.replace(hour=12)
    life.look()
    assert len(life.jobs()) == 1
    life.edit(triggers=[])
    assert life.jobs() == []


def test_while_the_spec_is_refused_nothing_looks() -> None:
    life = watching()
    life.cluster.now = life.cluster.now.replace(hour=12)
    life.look()
    steps = programs({"a": []})["steps"]
    life.edit(steps=[{**steps[0], "dependsOn": ["nobody"]}])
    assert (life.status["status"], life.jobs()) == ("Refused", [])
    life.becomes("v2")
    life.edit(steps=steps)
    life.rest()
    assert (life.entry("watch")["seen"], life.causes) == ("v2", [])


def test_watching_something_else_learns_anew_but_looking_more_often_does_not() -> None:
    life = watching()
    life.becomes("v2")
    other = {**KINDS["newData"], "every": "1m"}
    life.edit(triggers=[{"name": "watch", "newData": other}])
    life.go(minutes=16)
    assert life.causes == ["v2"]
    life.becomes("v3")
    source = {"object": {"connection": "lake", "prefix": "sales/"}}
    life.edit(triggers=[{"name": "watch", "newData": {"source": source}}])
    life.rest()
    assert (life.causes, life.entry("watch")["seen"]) == (["v2"], "v3")


def test_while_its_run_is_under_way_the_newest_revision_waits_and_is_not_lost() -> None:
    life = watching()
    for revision in ("v2", "v3", "v4"):
        life.becomes(revision)
        life.go(minutes=16)
    assert life.causes == ["v2"]
    assert "is at v4, and waits: run " in message(life)
    life.finish_all()
    assert life.causes == ["v2", "v4"]


def test_a_cool_down_and_a_cap_hold_starts_back() -> None:
    life = watching(cooldown="2h", maxPerWeek=2)
    said = []
    for number in range(2, 6):
        life.becomes(f"v{number}")
        life.go(hours=1)
        said.append(message(life))
        life.finish_all()
    assert life.causes == ["v2", "v3"]
    assert "is at v3, and waits: cooling down until 2026-11-21T13:00:10Z" in said[1]
    assert "is at v5, and waits: maxPerWeek 2 is reached until 2026-11-28T11:00:10Z" in message(life)


def test_where_two_runs_are_forbidden_the_revision_waits() -> None:
    life = watching(policy={"concurrency": "Forbid"})
    life.edit(steps=programs({"a": [], "b": []})["steps"])
    life.becomes("v2")
    life.go(minutes=16)
    assert life.causes == []
    life.finish_all()
    assert life.causes == ["v2"]


def test_a_clock_that_was_ahead_does_not_stop_the_looking() -> None:
    life = watching()
    life.go(days=4000)
    life.cluster.now = life.cluster.now.replace(year=2026)
    life.becomes("v2")
    life.go(minutes=1)
    life.rest()
    assert life.causes == ["v2"]


def test_a_job_that_gets_no_room_is_given_up_and_another_is_tried() -> None:
    life = watching()
    life.cluster.fates = {"watch": ["unschedulable"]}
    life.becomes("v2")
    for _ in range(16):
        life.go(minutes=2)
    assert life.entry("watch")["reason"] == "Unschedulable"
    life.cluster.fates = {}
    for _ in range(10):
        life.go(minutes=5)
    assert life.causes == ["v2"]


def test_a_look_runs_where_the_namespace_has_its_pods_run() -> None:
    life = watching()
    data = {"scheduling": "nodeSelector: {pool: ml}"}
    life.cluster.create({"kind": "ConfigMap", "metadata": {"name": "penstock-defaults"}, "data": data})
    life.cluster.now = life.cluster.now.replace(hour=12)
    life.look()
    (job,) = life.cluster.find("Job")
    assert job["spec"]["template"]["spec"]["nodeSelector"] == {"pool": "ml"}


def check(ticks: int, seed: int = 0, kills: float = 0.2) -> ProbeLife:
    """Revisions that come and go under kills: each change starts one run at most, each look is one Job."""
    chance = random.Random(seed)  # noqa: S311 - faults, not secrets
    life = watching(policy={"keepRuns": 2, "concurrency": "Allow"})
    lab: Any = life.cluster
    life.fate_of_write = lambda: chance.choice(["before", "after"]) if chance.random() < kills else ""
    revision, made = 1, Counter(life.looked())
    for _ in range(ticks):
        if chance.random() < 0.5:
            revision += 1
            life.becomes(f"v{revision}")
        lab.failure = Failure(FailureClass.STORE_UNAVAILABLE, "away") if chance.random() < 0.1 else None
        life.cluster.advance(chance.choice([60, 600, 900, 3600]))
        life.look()
        for _ in range(3):
            life.cluster.advance(2)
            life.look()
        for name in life.unfinished():
            if chance.random() < 0.8:
                life.finish(name)
        assert len(life.jobs()) <= 1
    made = Counter(life.looked())
    assert max(Counter(life.causes).values()) == 1, "a revision has started two runs"
    assert max(made.values()) == 1, "one look was two Jobs"
    return life


@pytest.mark.parametrize("ticks", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_no_revision_starts_a_run_twice_and_no_look_is_two_jobs_under_kills(ticks: int) -> None:
    life = check(ticks)
    assert life.kills > ticks / 20
    assert len(life.causes) > ticks / 6


@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        pytest.param(
            trigger_names.cause_name,
            "*cause)",
            "*cause, __import__('secrets').token_hex(4))",
            id="random run name",
        ),
        pytest.param(
            trigger_names.probe_job,
            "trigger, stamp)",
            "trigger, __import__('secrets').token_hex(4))",
            id="random Job name",
        ),
        pytest.param(
            probed._settled, "seen=memory.sight.found", "seen=memory.sight.seen", id="nothing learned"
        ),
        pytest.param(
            looks._learned, "looks_at=_next(world, target)", "looks_at=sight.looks_at", id="no next look"
        ),
    ],
)
def test_a_seeded_bug_is_caught(monkeypatch: pytest.MonkeyPatch, function: Any, old: str, new: str) -> None:
    sow(monkeypatch, function, old, new)
    with pytest.raises((AssertionError, NotSettled)):
        check(60)
