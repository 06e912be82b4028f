"""The sweeper: who has it done, when, what its Job is told, and what the status says of it."""

import base64
import copy
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from penstock_operator.core import references, sweep, triggers
from penstock_operator.core.actions import Create, Plan
from penstock_operator.core.observed import Meta, PipelineObject, Ref
from penstock_operator.core.observed_pipeline import ObservedPipeline
from penstock_operator.core.references import HOLDERS, REFERENCES, referred_by
from penstock_operator.core.settings import Settings
from penstock_operator.core.sweep import first_of, with_sweep
from penstock_spec.contract import Result
from penstock_spec.defaults import read_defaults
from penstock_spec.object_names import sweep_job
from penstock_spec.sweep import WIDTH, unpack
from tests.core.fake_cluster import EPOCH, FakeCluster, Object, environment_of, task_of
from tests.core.fake_shell import FakeShell
from tests.core.pipelines import programs, tumour
from tests.core.simulation import Simulation, pipeline
from tests.core.test_defaults import change, config_map
from tests.core.test_pipelines import status
from tests.core.test_seeded_bugs import sow

NIGHTLY = "keep: 30d\nmode: Delete"  # at three o'clock
AFTER = {"blobs": 9, "bytes": 900, "found": 4, "found_bytes": 400, "deleted": 3, "deleted_bytes": 300}


EVENTS = ("ArtifactsSwept", "ArtifactsFound", "SweepFailed")


@dataclass
class Nights:
    """A namespace over several nights."""

    simulation: Simulation
    events: list[tuple[str, str]] = field(default_factory=list)
    told: list[Object] = field(default_factory=list)  # Jobs that swept

    @classmethod
    def of(cls, artifacts: str | None = NIGHTLY, spec: Any = None, **how: Any) -> "Nights":
        cluster = FakeCluster(fates=how.pop("fates", {}))
        nights = cls(Simulation(cluster, **how))
        cluster.sweeper = nights._swept
        cluster.watchers.append(nights._watch)
        if artifacts is not None:
            cluster.create(config_map(artifacts=artifacts))
        nights.simulation.person(lambda: cluster.create(pipeline("p", spec or programs({"a": []}))))
        return nights

    result: Result = field(default_factory=lambda: Result(results=AFTER, message="swept"))

    def _swept(self, _job: Object) -> Result:
        return self.result

    def _watch(self, verb: str, item: Object) -> None:
        if (verb, item["kind"]) == ("create", "Job") and task_of(item)["kind"] == "sweep":
            self.told.append(item)

    def go(self, hours: float) -> "Nights":
        """So much time passes."""
        simulation = self.simulation
        until = simulation.cluster.now + timedelta(hours=hours)
        while simulation.cluster.now < until:
            simulation.cluster.settle()
            simulation._work()
            step = simulation._next() or 3600.0
            left = (until - simulation.cluster.now).total_seconds()
            simulation.cluster.advance(max(0.001, min(step, left)))
        simulation.cluster.settle()
        simulation._work()
        return self

    def entry(self, name: str = "p") -> Any:
        return status(self.simulation, "Pipeline", name).get("sweep")

    def jobs(self) -> list[Object]:
        return [one for one in self.simulation.cluster.find("Job") if task_of(one)["kind"] == "sweep"]

    def notes(self) -> list[tuple[str, bool]]:
        told = [one for plan in self.simulation.shell.plans for one in plan.events]
        return [(str(one.reason), one.warning) for one in told if one.reason in EVENTS]


def test_without_being_asked_nothing_is_swept_and_nothing_speaks_of_it() -> None:
    nights = Nights.of(None).go(48)
    assert (nights.entry(), nights.told) == (None, [])


@pytest.mark.parametrize("wrong", ["mode: Delete", "keep: 1h", "keep: soon\nmode: Delete"])
def test_without_a_sound_age_nothing_is_swept(wrong: str) -> None:
    nights = Nights.of(wrong).go(24)
    assert (nights.entry(), nights.told) == (None, [])


def test_each_night_one_job_sweeps_and_the_status_says_what_came_of_it() -> None:
    nights = Nights.of().go(1)
    assert nights.entry() == {"schedule": "0 3 * * *", "next": "2026-11-22T03:00:00Z"}
    nights.go(18)
    entry = nights.entry()
    assert entry.pop("endedAt").startswith("2026-11-22T03:00:0")
    assert entry == {
        "schedule": "0 3 * * *",
        "next": "2026-11-23T03:00:00Z",
        "mode": "Delete",
        "blobs": 9,
        "bytes": 900,
        "found": 4,
        "foundBytes": 400,
        "deleted": 3,
        "deletedBytes": 300,
        "reason": "ArtifactsSwept",
        "message": "swept",
    }
    assert nights.jobs() == [], "what it said is on record"
    nights.go(48)
    assert len(nights.told) == 3
    assert nights.notes() == [("ArtifactsSwept", False)] * 3
    nights.simulation.assert_at_rest()


@pytest.mark.parametrize(
    ("counts", "reason", "told"),
    [
        ({"deleted": 0, "deleted_bytes": 0}, "ArtifactsFound", [("ArtifactsFound", False)]),
        ({"deleted": 0, "found": 0}, "NothingToSweep", []),
    ],
)
def test_what_is_not_worth_an_event_makes_none(counts: Any, reason: str, told: Any) -> None:
    nights = Nights.of("keep: 1d")
    nights.result = Result(results={**AFTER, **counts}, message="looked")
    nights.go(24)
    assert task_of(nights.told[0])["arguments"]["mode"] == "Report"
    assert (nights.entry()["reason"], nights.notes()) == (reason, told)


def test_the_job_is_told_how_old_what_and_when() -> None:
    nights = Nights.of(
        "keep: 2d\nsweep: 30 10 * * *\nmode: Delete", spec=tumour(), settings=Settings(sweep_day=60.0)
    )
    nights.go(1)
    (job,) = nights.told
    said = task_of(job)["arguments"]
    assert said.pop("references") > 5
    assert said == {
        "mode": "Delete",
        "keepSeconds": 120.0,
        "graceSeconds": 60.0,
        "readAt": "2026-11-21T10:30:00Z",
    }
    assert job["metadata"]["ownerReferences"][0]["kind"] == "Pipeline"


def test_the_oldest_pipeline_has_it_done_and_the_next_one_takes_over() -> None:
    nights = Nights.of().go(1)
    cluster = nights.simulation.cluster
    nights.simulation.person(lambda: cluster.create(pipeline("a", programs({"a": []}))))
    nights.go(18)
    assert (nights.entry("a"), len(nights.told)) == (None, 1)
    uid = cluster.objects[("Pipeline", "p")]["metadata"]["uid"]
    nights.simulation.person(lambda: cluster.delete("Pipeline", "p", uid))
    nights.go(1)
    assert nights.entry("a") == {"schedule": "0 3 * * *", "next": "2026-11-23T03:00:00Z"}
    nights.go(24)
    assert [task_of(one)["pipeline"] for one in nights.told] == ["p", "a"]


def test_the_first_is_the_oldest_that_stays() -> None:
    def one(name: str, hour: int, **more: Any) -> Meta:
        return Meta("ml", name, f"uid-{name}", EPOCH + timedelta(hours=hour), **more)

    assert first_of([]) == ""
    assert first_of([one("b", 0), one("a", 1)]) == "uid-b"
    assert first_of([one("b", 0), one("a", 0)]) == "uid-a"
    assert first_of([one("b", 0, deleting=True), one("a", 1)]) == "uid-a"


def test_a_pipeline_that_is_refused_or_suspended_has_it_done_all_the_same() -> None:
    for spec in ({"steps": []}, programs({"a": []}, suspend=True)):
        nights = Nights.of(spec=spec).go(24)
        assert len(nights.told) == 1
        assert nights.entry()["reason"] == "ArtifactsSwept"
        nights.simulation.assert_at_rest()


def test_when_it_is_not_wanted_any_more_its_job_goes_and_nothing_speaks_of_it() -> None:
    nights = Nights.of(fates={"sweep": ["hangs"]}).go(18)
    assert len(nights.jobs()) == 1
    change(nights.simulation, policy="keepRuns: 3")
    nights.go(1)
    assert (nights.jobs(), nights.entry()) == ([], None)


def test_a_changed_schedule_is_armed_from_the_change_on_and_keeps_what_is_known() -> None:
    nights = Nights.of().go(18)
    change(nights.simulation, artifacts="keep: 30d\nsweep: 0 12 * * *")
    nights.go(1)
    assert nights.entry()["next"] == "2026-11-22T12:00:00Z"
    assert nights.entry()["found"] == 4
    nights.go(12)
    assert [task_of(one)["arguments"]["mode"] for one in nights.told] == ["Delete", "Report"]


def test_nights_that_were_missed_are_made_up_for_by_one_sweep() -> None:
    nights = Nights.of().go(1)
    nights.simulation.cluster.now += timedelta(days=5)
    nights.simulation.wake()
    nights.go(1)
    assert len(nights.told) == 1
    assert nights.entry()["next"] == "2026-11-27T03:00:00Z"


def test_a_clock_that_was_ahead_does_not_put_it_off() -> None:
    nights = Nights.of().go(1)
    nights.simulation.cluster.now += timedelta(days=400)
    nights.simulation.wake()
    nights.go(1)
    nights.simulation.cluster.now -= timedelta(days=400)
    nights.simulation.wake()
    nights.go(1)
    assert nights.entry()["next"] == "2026-11-22T03:00:00Z"


@pytest.mark.parametrize(
    ("fate", "reason"),
    [
        ("store", "StoreUnavailable"),
        ("hangs", "DeadlineExceeded"),
        ("unschedulable", "Unschedulable"),
        ("pod_deleted", "Disruption"),
    ],
)
def test_what_fails_is_told_once_and_tried_again_the_next_night(fate: str, reason: str) -> None:
    nights = Nights.of(fates={"sweep": [fate]}).go(24)
    assert nights.entry()["reason"] == reason
    assert nights.entry()["message"]
    assert "found" not in nights.entry()
    assert nights.entry()["next"] == "2026-11-23T03:00:00Z"
    nights.go(24)
    assert len(nights.told) == 2
    assert nights.notes() == [("SweepFailed", True)]


def test_a_job_that_is_refused_is_tried_again_the_next_night() -> None:
    nights = Nights.of().go(1)
    cluster = nights.simulation.cluster
    meta = cluster.objects[("Pipeline", "p")]["metadata"]
    name = sweep_job("p", meta["uid"], datetime.fromisoformat("2026-11-22T03:00:00+00:00"))
    other = copy.deepcopy(Nights.of().go(18).told[0])
    other["metadata"] |= {"name": name, "ownerReferences": [{"uid": "x", "kind": "Pipeline", "name": "x"}]}
    cluster.create({**other, "status": {"conditions": ["Complete"]}})
    nights.go(18)
    assert nights.entry()["reason"] == "NameCollision"
    assert nights.notes() == [("SweepFailed", True)]


# References


def digests_in(value: Any) -> Iterator[str]:
    """Every digest in an object, reckoned by the names of fields, not by their form."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            if name == "outputs" and isinstance(one, Mapping):
                yield from one.values()
            if name == "cells":
                for cell in one:
                    for packed in cell.get("outputs", ()):
                        yield f"sha256:{base64.urlsafe_b64decode(packed + '=').hex()}"
            yield from digests_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from digests_in(one)
    elif isinstance(value, str) and value.startswith("sha256:") and len(value) == 71:
        yield value


def short(digest: str) -> bytes:
    return bytes.fromhex(digest.removeprefix("sha256:"))[:WIDTH]


def whole_cluster() -> FakeCluster:
    """Runs with cells and lists, models, an endpoint, reuse, all made by the planner."""
    simulation = Simulation(FakeCluster(items=3))
    simulation.person(lambda: simulation.cluster.create(pipeline("t", tumour())))
    simulation.run_to_rest()
    spec = programs({"a": [], "b": ["a"]}, more={"a": {"matrix": {"axes": {"x": [1, 2, 3]}}}})
    simulation.person(lambda: simulation.cluster.create(pipeline("c", spec)))
    simulation.run_to_rest()
    again = {
        "kind": "PipelineRun",
        "metadata": {"name": "again", "namespace": "ml"},
        "spec": {"pipeline": "t"},
    }
    simulation.person(lambda: simulation.cluster.create(again))
    simulation.run_to_rest()
    return simulation.cluster


def test_every_digest_in_every_object_is_among_the_references() -> None:
    cluster = whole_cluster()
    found = FakeShell(cluster).references()
    wanted = {
        kind: {one for item in cluster.find(kind) for one in digests_in(item)}
        for kind in ("PipelineRun", "ModelVersion", "ModelEndpoint", "Pipeline")
    }
    assert len(wanted["PipelineRun"]) >= 15
    assert wanted["ModelVersion"]
    assert wanted["ModelEndpoint"]
    cells = [
        one
        for run in cluster.find("PipelineRun")
        for step in run["status"]["steps"]
        for one in step.get("cells", ())
    ]
    assert len(cells) == 3
    assert all(one["outputs"] for one in cells)
    for kind, digests in wanted.items():
        own = {one for item in cluster.find(kind) for one in referred_by(item)}
        assert {short(one) for one in digests} <= own <= found, kind


HEX = "0123456789abcdef" * 4
PACKED = base64.urlsafe_b64encode(bytes.fromhex(HEX)).decode().rstrip("=")


@pytest.mark.parametrize(
    "item",
    [
        {"status": {"steps": [{"outputs": {"data": f"sha256:{HEX}"}}]}},
        {"status": {"steps": [{"cells": [{"outputs": (PACKED,)}]}]}},
        {"spec": {"env": [{"value": f'{{"inputs":{{"a":{{"digest":"sha256:{HEX}"}}}}}}'}]}},
        {"spec": {"env": [{"value": f'{{"digests":["{HEX}","{"f" * 64}"]}}'}]}},
        {"status": {"message": f"run it again, sha256:{HEX}."}},
        {"metadata": {"labels": {f"x/{HEX}": ""}}},
        [[f"{PACKED}"]],
    ],
    ids=["output", "cell", "task of a Job", "gathered cells", "in words", "as a name", "alone"],
)
def test_wherever_a_digest_stands_it_is_a_reference(item: Any) -> None:
    assert bytes.fromhex(HEX)[:WIDTH] in referred_by(item)


def test_what_is_no_digest_is_no_reference() -> None:
    for text in (HEX[:63], HEX + "0", f"g{HEX}", PACKED[:42], PACKED + "A", "", "x" * 500):
        assert referred_by({"x": [text, 1, None, True, 1.5]}) == set()


def test_the_job_carries_every_reference_of_its_moment() -> None:
    nights = Nights.of("keep: 1d\nsweep: 0 * * * *", spec=tumour())
    cluster = nights.simulation.cluster
    held: list[frozenset[bytes]] = []

    def watch(verb: str, item: Object) -> None:
        if (verb, item["kind"]) == ("create", "Job") and task_of(item)["kind"] == "sweep":
            held.append(FakeShell(cluster).references() - referred_by(item))

    cluster.watchers.append(watch)
    nights.go(2)
    nights.simulation.person(lambda: cluster.create(pipeline("c", programs({"a": [], "b": ["a"]}))))
    nights.go(2)
    told = [unpack(environment_of(one), task_of(one)["arguments"]["references"]) for one in nights.told]
    assert told == held
    assert len(told) == 4
    assert len(told[0]) < len(told[3])


def test_what_one_job_cannot_be_told_is_not_swept_in_part() -> None:
    noise = random.Random(1)  # noqa: S311 - digests, not secrets
    many = frozenset(noise.randbytes(WIDTH) for _ in range(90_000))
    about = PipelineObject(
        Meta("ml", "p", "u", EPOCH), {}, {"sweep": {"schedule": "0 3 * * *", "next": "2026-11-21T03:00:00Z"}}
    )
    world = ObservedPipeline(
        about,
        defaults=read_defaults({"artifacts": NIGHTLY}),
        first=True,
        live=frozenset({Ref("Job"), Ref(REFERENCES)}),
        references=many,
    )
    plan = with_sweep(Plan(), world, EPOCH, Settings())
    assert plan.actions == ()
    assert plan.status is not None
    assert plan.status["sweep"]["reason"] == "TooManyReferences"
    assert "90000 digests are referred to" in plan.status["sweep"]["message"]
    (note,) = plan.events
    assert note.warning
    (made,) = with_sweep(
        Plan(), replace(world, references=frozenset(list(many)[:50_000])), EPOCH, Settings()
    ).actions
    assert isinstance(made, Create)
    assert len(str(made.manifest)) < 1024 * 1024


def test_no_job_is_made_by_what_a_cache_says() -> None:
    about = PipelineObject(
        Meta("ml", "p", "u", EPOCH), {}, {"sweep": {"schedule": "0 3 * * *", "next": "2026-11-21T03:00:00Z"}}
    )
    world = ObservedPipeline(about, defaults=read_defaults({"artifacts": NIGHTLY}), first=True)
    for live in (frozenset(), frozenset({Ref("Job")}), frozenset({Ref(REFERENCES)})):
        plan = with_sweep(Plan(), replace(world, live=live), EPOCH, Settings())
        assert plan == Plan(confirm=(Ref("Job"), Ref(REFERENCES)))


def test_what_moves_is_read_where_it_comes_from_before_where_it_goes_to() -> None:
    assert HOLDERS.index("Pod") < HOLDERS.index("PipelineRun") < HOLDERS.index("ModelVersion")
    assert HOLDERS.index("Job") < HOLDERS.index("PipelineRun")
    assert HOLDERS.index("ModelVersion") < HOLDERS.index("ModelEndpoint")


# Kills


def test_whoever_is_killed_whenever_each_night_is_swept_by_one_job() -> None:
    for seed in range(6):
        chance = random.Random(seed)  # noqa: S311 - faults, not secrets
        trouble = [0.3]

        def fate(chance: random.Random = chance, trouble: list[float] = trouble) -> str:
            return chance.choice(["before", "after"]) if chance.random() < trouble[0] else ""

        def lag(chance: random.Random = chance, trouble: list[float] = trouble) -> int:
            return chance.randrange(1, 20) if chance.random() < trouble[0] else 0

        nights = Nights.of(fate_of_write=fate, lag=lag).go(18)
        assert nights.simulation.kills
        assert len(nights.told) == 1
        assert nights.entry()["reason"] == "ArtifactsSwept"
        trouble[0] = 0.0
        nights.simulation.wake()
        nights.go(0.1)
        assert nights.jobs() == []


# Mistakes

_UNPACKED = 'found.update(base64.urlsafe_b64decode(f"{one}=")[:WIDTH] for one in _PACKED.findall(text))'
BUGS: list[tuple[Callable[..., Any], str, str]] = [
    (sweep._begun, "not observed.live.issuperset(_NEEDED)", "False"),
    (sweep._begun, "> batch.LIMIT", "> 9 * batch.LIMIT"),
    (sweep.sweeping, "not observed.first or ", ""),
    (sweep.sweeping, ' or (job is None and due > (read(desk.armed().get("next", "")) or due))', ""),
    (sweep.first_of, "if not one.deleting", ""),
    (references.referred_by, _UNPACKED, "pass"),
    (triggers.looked, " or job.sweeps", ""),
]


@pytest.mark.parametrize(
    ("function", "old", "new"), BUGS, ids=[f"{one.__name__}: {old}" for one, old, _ in BUGS]
)
def test_a_mistake_is_noticed(
    function: Callable[..., Any], old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sow(monkeypatch, function, old, new)
    with pytest.raises((AssertionError, ValueError)):  # noqa: PT012 - whichever test notices first
        test_no_job_is_made_by_what_a_cache_says()
        test_what_one_job_cannot_be_told_is_not_swept_in_part()
        test_the_first_is_the_oldest_that_stays()
        test_every_digest_in_every_object_is_among_the_references()
        test_each_night_one_job_sweeps_and_the_status_says_what_came_of_it()
        test_the_oldest_pipeline_has_it_done_and_the_next_one_takes_over()
        test_a_clock_that_was_ahead_does_not_put_it_off()
