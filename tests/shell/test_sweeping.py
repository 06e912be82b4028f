"""The sweeper in the shell: whose turn it is, and that references are read live, all or none."""

from pathlib import Path
from typing import Any

import pytest

from penstock_operator import views
from penstock_operator.caches import Caches
from penstock_operator.core.observed import Ref
from penstock_operator.core.references import HOLDERS, REFERENCES
from penstock_operator.errors import ClusterError, Unavailable
from penstock_operator.manifests.settings import PodSettings
from penstock_operator.manifests.sweep import SweepJob, job
from penstock_operator.observe import Observer
from penstock_operator.reads import Findings, Reads
from penstock_operator.resources import CUSTOM_KINDS, WATCHED_KINDS
from penstock_operator.routes import affected
from penstock_operator.store import Change
from penstock_operator.workqueue import Key
from penstock_spec.sweep import WIDTH, pack, unpack
from tests.core.fake_cluster import environment_of, task_of
from tests.core.pipelines import programs
from tests.shell.desk import NAMESPACE, desk
from tests.shell.test_gathering import item
from tests.shell.test_pinning import version


class Lists:
    """An API server that only lists: one object of each kind, each with a digest of its own."""

    def __init__(self, broken: str = "") -> None:
        self.asked: list[tuple[str, str]] = []
        self.broken = broken

    async def list(self, kind: str, namespace: str, labels: str = "") -> tuple[list[Any], str]:
        self.asked.append((kind, labels))
        if kind == self.broken:
            raise Unavailable(500, "etcd")
        return [item(kind, "x", status={"digest": f"sha256:{self.digest(kind).hex()}"})], "9"

    @staticmethod
    def digest(kind: str) -> bytes:
        return kind.encode().ljust(32, b"x")


async def test_references_are_read_live_from_every_kind_that_may_hold_one() -> None:
    cluster, findings = Lists(), Findings()
    caches = Caches(lambda _change: None)
    await Reads(cluster, caches).confirm([Ref(REFERENCES)], "ml", "uid-p", findings)  # type: ignore[arg-type]  # only lists
    assert findings.references == {cluster.digest(kind)[:WIDTH] for kind in HOLDERS}
    assert findings.live == {Ref(REFERENCES)}
    assert [kind for kind, _ in cluster.asked] == list(HOLDERS)
    caches.learn("Pipeline", item("Pipeline", "p"))
    found = Observer(caches, Reads(None, caches)).pipeline(caches["Pipeline"].get("ml", "p"), findings)  # type: ignore[arg-type]  # nothing is read
    assert found.references == findings.references


@pytest.mark.parametrize("kind", HOLDERS)
async def test_a_kind_that_cannot_be_read_leaves_no_references_at_all(kind: str) -> None:
    findings = Findings()
    reads = Reads(Lists(kind), Caches(lambda _change: None))  # type: ignore[arg-type]  # only lists
    with pytest.raises(ClusterError):
        await reads.confirm([Ref(REFERENCES)], "ml", "uid-p", findings)
    assert (findings.references, findings.live) == (frozenset(), set())


def test_the_oldest_pipeline_of_a_namespace_with_such_defaults_is_the_first() -> None:
    changes: list[Change] = []
    caches = Caches(changes.append)
    for name in ("b", "a"):
        caches.learn("Pipeline", item("Pipeline", name))
    observer = Observer(caches, Reads(None, caches))  # type: ignore[arg-type]  # nothing is read

    def first() -> list[str]:
        found = (observer.pipeline(one, Findings()) for one in caches["Pipeline"].all())
        return [one.pipeline.meta.name for one in found if one.first]

    assert first() == []
    caches.learn("ConfigMap", item("ConfigMap", "penstock-defaults", data={"artifacts": "keep: 30d"}))
    assert first() == ["a"]
    caches.forget("Pipeline", caches["Pipeline"].get("ml", "a"))  # type: ignore[arg-type]  # it is there
    assert first() == ["b"]
    assert Key("Pipeline", "ml", "b") in affected(changes[-1], caches), "it hears that its turn has come"


def test_who_follows_hears_of_it_already_when_the_first_begins_to_go() -> None:
    changes: list[Change] = []
    caches = Caches(changes.append)
    for name in ("a", "b"):
        caches.learn("Pipeline", item("Pipeline", name))
    going = item("Pipeline", "a", 2)
    going["metadata"]["deletionTimestamp"] = "2026-11-21T10:00:00Z"
    caches.learn("Pipeline", going)
    assert Key("Pipeline", "ml", "b") in affected(changes[-1], caches)


def test_a_job_that_sweeps_is_known_by_its_pod_template() -> None:
    texts = pack(frozenset())
    made = job(SweepJob("ml", "p", "u", "p-sweep-1", "Report", 1.0, 1.0, "t", 0, texts), PodSettings())
    stored = {**made, "metadata": {**made["metadata"], "uid": "x", "labels": {}}}
    assert views.job(stored, ()).sweeps
    assert views.job(stored, ()).archives == {}
    template = {**made["spec"]["template"], "metadata": {}}
    assert not views.job({**stored, "spec": {**made["spec"], "template": template}}, ()).sweeps


async def test_the_job_is_told_of_what_no_stream_has_told_yet(tmp_path: Path) -> None:
    memory = {"schedule": "0 3 * * *", "next": "2026-01-01T03:00:00Z"}
    about = {"apiVersion": "penstock.dev/v1alpha1", "kind": "Pipeline", "metadata": {"name": "p"}}
    defaults = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "penstock-defaults"}}
    async with desk(tmp_path) as seen:
        await seen.api.add({**defaults, "data": {"artifacts": "keep: 30d"}})
        await seen.api.add({**about, "spec": programs({"a": []}), "status": {"sweep": memory}})
        for one in (*WATCHED_KINDS, *CUSTOM_KINDS):
            await seen.reads.compare(one, NAMESPACE)
        await seen.api.add(version())
        seen.queue.add(Key("Pipeline", NAMESPACE, "p"))

        def sweeps() -> list[Any]:
            made = (one for (path, _), one in seen.api.objects.items() if path.endswith("/jobs"))
            return [one for one in made if task_of(one)["kind"] == "sweep"]

        await seen.until(lambda: len(sweeps()) == 1)
        (made,) = sweeps()
        told = unpack(environment_of(made), task_of(made)["arguments"]["references"])
        assert bytes.fromhex("a" * 64)[:WIDTH] in told
        assert seen.api.held("Pipeline", "p")["status"]["sweep"] == memory, (
            "it counts until the Job has ended"
        )
