"""The archive: no finished run goes before its record is written, whatever fails and whoever is killed."""

import copy
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from penstock_operator.core import archive, archive_records, retention
from penstock_operator.core.archive_records import MOST, batch_of, record_of
from penstock_operator.core.observed import Meta, RunObject
from penstock_operator.core.settings import Settings
from penstock_operator.manifests import archive as manifests
from penstock_spec import batch
from penstock_spec.archive import is_sound, key_of
from penstock_spec.run_status import PipelineRunStatus
from tests.core.fake_cluster import EPOCH, NAMESPACE, FakeCluster, Object, task_of
from tests.core.pipelines import programs
from tests.core.simulation import BrokenPromise, Simulation, pipeline
from tests.core.test_pipelines import condition, runs, status
from tests.core.test_seeded_bugs import sow

# records


def finished(number: int, size: int = 0) -> RunObject:
    uid = f"00000000-0000-4000-8000-{number:012d}"
    noise = random.Random(number)  # noqa: S311 - what cannot be made smaller, not a secret
    status = {
        "conditions": [{"type": "Finished", "status": "True"}],
        "message": noise.randbytes(size // 2).hex(),
    }
    return RunObject(Meta("ml", f"r{number}", uid, EPOCH), "p", status=status, spec={"pipeline": "p"})


def unpacked(texts: Sequence[str]) -> list[Any]:
    return batch.unpack(batch.variables(texts))


def test_a_batch_takes_what_one_job_can_carry_and_always_one() -> None:
    many = batch_of([finished(number) for number in range(MOST + 5)], "u", ())
    assert len(many.runs) == MOST
    large = batch_of([finished(number, 200_000) for number in range(8)], "u", ())
    assert 1 < len(large.runs) < 8
    assert sum(map(len, large.texts)) <= batch.LIMIT
    one = batch_of([finished(1, 900_000), finished(2, 900_000)], "u", ())
    assert len(one.runs) == 1
    for found in (many, large, one):
        assert {record["uid"]: record["digest"] for record in unpacked(found.texts)} == dict(found.runs)
        assert all(len(text) < 128 * 1024 - 64 for text in found.texts), "the kernel bounds a variable"


def test_the_record_of_a_finished_run_does_not_depend_on_what_can_still_change() -> None:
    run = finished(1)
    marked = RunObject(
        run.meta,
        "p",
        status={**run.status, "archived": {"key": "k", "digest": "d"}},
        spec={"pipeline": "p", "cancel": True, "suspend": False},
    )
    assert record_of(run, "u", {}) == record_of(marked, "u", {})
    assert is_sound(record_of(run, "u", {}))
    assert not is_sound({**record_of(run, "u", {}), "run": "another"})


def test_what_is_too_large_for_a_run_leaves_a_smaller_record() -> None:
    run = finished(1)
    huge = RunObject(
        run.meta, "p", status=run.status, spec={"pipeline": "p", "parameters": {"x": "y" * 1_200_000}}
    )
    record = record_of(huge, "u", {})
    assert (record["spec"], is_sound(record)) == ({"pipeline": "p"}, True)


def test_a_batch_that_is_cut_short_is_noticed() -> None:
    texts = batch.pack([{"x": "y" * 100}])
    for broken in ([texts[0][:-8]], ["!" + texts[0]], [""]):
        with pytest.raises(ValueError, match="is not whole"):
            unpacked(broken)


def test_a_job_carries_its_batch_within_what_a_cluster_takes() -> None:
    found = batch_of([finished(number, 20_000) for number in range(MOST)], "u", ())
    one = manifests.ArchiveJob("ml", "p" * 40, "u", "p-archive-0123456789", found.runs, found.texts, 1)
    manifest = manifests.job(one, Settings().pods)
    assert len(json.dumps(manifest)) < 1024 * 1024
    env = {
        one["name"]: one.get("value") for one in manifest["spec"]["template"]["spec"]["containers"][0]["env"]
    }
    assert task_of(manifest)["kind"] == "archive"
    assert manifests.records_of(manifest) == found.runs
    other = {"metadata": {"labels": {"app.kubernetes.io/component": "archive"}}, "spec": {"containers": []}}
    assert manifests.records_of({"kind": "Job", "spec": {"template": other}}) == {}
    assert len(batch.unpack({name: value for name, value in env.items() if value})) == len(found.runs)


# whole lives


@dataclass
class Life:
    """A pipeline of which runs are made again and again, and what was deleted without a record."""

    simulation: Simulation
    lost: list[str] = field(default_factory=list)
    made: int = 0
    failures: int = 0  # the most that were ever told

    @classmethod
    def of(
        cls, policy: dict[str, Any], kills: float = 0.0, lags: float = 0.0, seed: int = 0, **cluster: Any
    ) -> "Life":
        chance = random.Random(seed)  # noqa: S311 - faults, not secrets
        simulation = Simulation(
            FakeCluster(**cluster),
            lag=lambda: chance.randrange(1, 25) if chance.random() < lags else 0,
            fate_of_write=lambda: chance.choice(["before", "after"]) if chance.random() < kills else "",
        )
        life = cls(simulation)
        simulation.cluster.watchers.append(life._watch)
        simulation.person(
            lambda: simulation.cluster.create(pipeline("p", programs({"a": []}, policy=policy)))
        )
        simulation.run_to_rest()
        return life

    def run(self, count: int, **spec: Any) -> "Life":
        for _ in range(count):
            self.made += 1
            manifest = {
                "kind": "PipelineRun",
                "metadata": {"name": f"r{self.made:02d}", "namespace": NAMESPACE},
                "spec": {"pipeline": "p", **spec},
            }
            self.simulation.cluster.advance(10)
            self.simulation.person(lambda manifest=manifest: self.simulation.cluster.create(manifest))
            self.simulation.run_to_rest()
        return self

    def _watch(self, verb: str, item: Object) -> None:
        if item["kind"] == "Pipeline":
            self.failures = max(self.failures, item.get("status", {}).get("archive", {}).get("failures", 0))
        if (verb, item["kind"]) != ("delete", "PipelineRun"):
            return
        record = self.simulation.cluster.archive.get(item["metadata"]["uid"])
        kept = {name: value for name, value in item["status"].items() if name != "archived"}
        if record is None:
            self.lost.append(item["metadata"]["name"])
        elif record["status"] != kept or record["run"] != item["metadata"]["name"]:
            raise BrokenPromise(f"the record of {item['metadata']['name']} is not of what was deleted")

    @property
    def jobs(self) -> int:
        return len([one for one in self.simulation.jobs_created() if "-archive-" in one])


@pytest.mark.parametrize(
    ("kills", "lags"), [(0.0, 0.0), (0.3, 0.0), (0.1, 0.5)], ids=["calm", "killed", "late"]
)
def test_no_run_goes_before_its_record_is_written(kills: float, lags: float) -> None:
    for seed in range(3 if kills else 1):
        life = Life.of({"keepRuns": 3}, kills, lags, seed).run(9)
        cluster = life.simulation.cluster
        assert life.lost == []
        assert len(runs(life.simulation)) == 3
        assert len(cluster.archive) >= 7
        assert [one for one in cluster.find("Job") if task_of(one)["kind"] == "archive"] == []
        assert status(life.simulation, "Pipeline", "p").get("archive") is None
        for uid, record in cluster.archive.items():
            assert is_sound(record)
            assert record["uid"] == uid
            assert record["definition"]["spec"]["steps"][0]["name"] == "a"
            PipelineRunStatus.model_validate(record["status"], by_alias=True, by_name=False)
        if not kills and not lags:
            assert life.jobs == 2, "one Job for every keepRuns runs, and one for the first"
        life.simulation.assert_at_rest()


def test_a_run_says_where_its_record_lies() -> None:
    life = Life.of({"keepRuns": 2}).run(2)
    cluster = life.simulation.cluster
    found = [one for one in cluster.find("PipelineRun") if one["status"].get("archived")]
    assert len(found) == 2
    for one in found:
        uid, owner = one["metadata"]["uid"], cluster.objects[("Pipeline", "p")]["metadata"]["uid"]
        assert one["status"]["archived"] == {
            "key": key_of(owner, uid),
            "digest": cluster.archive[uid]["digest"],
        }


def test_without_an_archive_runs_go_as_they_are() -> None:
    life = Life.of({"keepRuns": 2, "archive": "Never"}).run(3)
    assert (life.lost, life.jobs, life.simulation.cluster.archive) == (["p-g1", "r01"], 0, {})


def test_plans_leave_no_record() -> None:
    life = Life.of({"keepRuns": 1}).run(2, mode="Plan")
    assert (life.lost, life.jobs) == (["r01"], 0)


FAILS = ["store", "oom", "no_result", "exit3", "pod_deleted", "config", "quota", "evicted"]


@pytest.mark.parametrize("fate", FAILS)
def test_whatever_fails_it_is_tried_again_and_no_run_is_lost(fate: str) -> None:
    for seed in range(6 if fate == "store" else 2):
        life = Life.of({"keepRuns": 1}, 0.3 if seed else 0.0, seed=seed, fates={"archive": [fate]}).run(1)
        assert life.lost == []
        assert life.failures <= 1, "a failure was counted twice"
        assert len(runs(life.simulation)) == 1
        assert status(life.simulation, "Pipeline", "p").get("archive") is None
        life.simulation.assert_at_rest()


def test_lasting_trouble_is_said_and_stretches_the_limits_to_twice() -> None:
    # Attempts for ever: the worlds of this test end by their own clock.
    life = Life.of({"keepRuns": 2}, fates={"archive": ["store"] * 60})
    simulation = life.simulation
    said: list[Any] = []
    for number in range(8):
        manifest = {
            "kind": "PipelineRun",
            "metadata": {"name": f"x{number}", "namespace": NAMESPACE},
            "spec": {"pipeline": "p"},
        }
        simulation.acts = [
            (0.5, lambda manifest=manifest: simulation.cluster.create(manifest)),
            (
                1800.0,
                lambda: said.append(copy.deepcopy(simulation.cluster.objects[("Pipeline", "p")]["status"])),
            ),
        ]
        for_half_an_hour(simulation)
    wrong = condition(simulation, "Pipeline", "p", "ArchiveFailing")
    assert (wrong["status"], wrong["reason"]) == ("True", "StoreUnavailable")
    assert "the store does not answer" in wrong["message"]
    assert "kubectl" not in wrong["message"], "the Job that wrote is gone by then"
    assert condition(simulation, "Pipeline", "p", "Ready")["status"] == "True"
    assert len(runs(simulation)) == 4, "twice keepRuns"
    assert life.lost
    notes = [
        note for plan in simulation.shell.plans for note in plan.events if note.reason == "ArchiveFailed"
    ]
    assert len(notes) == 1
    pauses = [one["archive"]["failures"] for one in said if one.get("archive")]
    assert pauses[-1] < 20, "the pauses grow"
    simulation.cluster.fates = {}
    simulation.acts = []
    simulation.run_to_rest()
    assert status(simulation, "Pipeline", "p").get("archive") is None
    assert len(runs(simulation)) == 2
    types = {one["type"] for one in status(simulation, "Pipeline", "p")["conditions"]}
    assert "ArchiveFailing" not in types


def for_half_an_hour(simulation: Simulation) -> None:
    """As run_to_rest, but no longer."""
    end = simulation.cluster.now + timedelta(seconds=1800)
    acts = sorted(simulation.acts, key=lambda act: act[0])
    start = simulation.cluster.now
    while simulation.cluster.now < end:
        while acts and (simulation.cluster.now - start).total_seconds() >= acts[0][0]:
            simulation.person(acts.pop(0)[1])
        simulation.cluster.settle()
        simulation._work()
        left = (end - simulation.cluster.now).total_seconds()
        simulation.cluster.advance(
            max(0.5, min(simulation._next() or left, left, *(one[0] for one in acts[:1])))
        )
    for _, act in acts:
        act()


def test_while_archiving_fails_and_it_is_turned_off_runs_go_and_nothing_is_left() -> None:
    life = Life.of({"keepRuns": 1}, fates={"archive": ["hangs"]})
    simulation = life.simulation
    manifest = {
        "kind": "PipelineRun",
        "metadata": {"name": "x", "namespace": NAMESPACE},
        "spec": {"pipeline": "p"},
    }
    spec = programs({"a": []}, policy={"keepRuns": 1, "archive": "Never"})
    simulation.acts = [
        (0.5, lambda: simulation.cluster.create(manifest)),
        (60.0, lambda: simulation.cluster.edit("Pipeline", "p", spec)),
    ]
    simulation.run_to_rest()
    assert runs(simulation) == ["x"]
    assert [one for one in simulation.cluster.find("Job") if task_of(one)["kind"] == "archive"] == []


def test_a_job_that_a_cache_does_not_show_yet_is_not_doubled() -> None:
    life = Life.of({"keepRuns": 1}, fates={"archive": ["hangs"]})
    simulation = life.simulation
    for name in ("x", "y"):
        made = {"kind": "PipelineRun", "metadata": {"name": name, "namespace": NAMESPACE}}
        simulation.person(lambda made=made: simulation.cluster.create({**made, "spec": {"pipeline": "p"}}))
        for_half_a_minute(simulation)
    assert life.jobs == 1
    simulation.shell.lag = lambda: 10_000
    simulation.shell.pipeline_pass("p")
    assert life.jobs == 1


def for_half_a_minute(simulation: Simulation) -> None:
    for _ in range(60):
        simulation.cluster.advance(0.5)
        simulation._work()


@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        pytest.param(
            retention.tidy, "if one not in due or one in given_up", "", id="deletes before the record"
        ),
        pytest.param(
            archive.archiving, "*(one for one in all_ if one not in due)", "", id="a Job for every run"
        ),
        pytest.param(
            archive._watched,
            "isinstance(end, Done)",
            "not isinstance(end, Failed)",
            id="believes too early",
        ),
        pytest.param(
            archive._watched, "0 < job.attempt <= desk.trouble.failures", "False", id="counts a failure twice"
        ),
        pytest.param(archive_records.record_of, 'if name != "archived"', "", id="a record that changes"),
        pytest.param(archive.archiving, "issuperset((JOBS, REVISIONS))", "issuperset(())", id="no live look"),
    ],
)
def test_a_seeded_bug_is_caught(
    monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], old: str, new: str
) -> None:
    sow(monkeypatch, function, old, new)
    with pytest.raises(AssertionError):
        _everything()


def _everything() -> None:
    test_the_record_of_a_finished_run_does_not_depend_on_what_can_still_change()
    test_a_job_that_a_cache_does_not_show_yet_is_not_doubled()
    test_no_run_goes_before_its_record_is_written(0.0, 0.0)
    test_no_run_goes_before_its_record_is_written(0.3, 0.0)
    test_whatever_fails_it_is_tried_again_and_no_run_is_lost("store")
