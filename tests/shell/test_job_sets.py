"""JobSets at the rim: whether there are any, what is seen of them, who is woken, what is refused."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from penstock_operator import views
from penstock_operator.act import Actor
from penstock_operator.caches import Caches
from penstock_operator.core.actions import Create
from penstock_operator.observe import Observer
from penstock_operator.reads import Findings, Reads
from penstock_operator.resources import JOB_SET, WATCHED_KINDS
from penstock_operator.routes import affected
from penstock_operator.service import served_kinds
from penstock_operator.store import Change
from penstock_operator.workqueue import Key
from tests.shell.fake_api import FakeApi, answer, served
from tests.shell.test_gathering import item

DISCOVERY = "/apis/jobset.x-k8s.io/v1alpha2"
SETS = f"{DISCOVERY}/namespaces/ml/jobsets"
RUN = ("PipelineRun", "p-g1")
TEMPLATE = {"metadata": {"labels": {"penstock.dev/step": "a", "penstock.dev/attempt": "2"}}}
INDEXED = {"completions": 3, "completionMode": "Indexed", "template": TEMPLATE}


def job_set(version: int = 1, *conditions: str, suspend: bool = False) -> Any:
    spec = {"suspend": suspend, "replicatedJobs": [{"name": "workers", "template": {"spec": INDEXED}}]}
    status = {"conditions": [{"type": one, "status": "True", "reason": "Said"} for one in conditions]}
    return item(JOB_SET, "s", version, RUN, spec=spec, status=status)


def inner(owner: tuple[str, str] = (JOB_SET, "s"), *conditions: str, suspend: bool = False) -> Any:
    status = {"conditions": [{"type": one, "status": "True", "reason": "Said"} for one in conditions]}
    return item("Job", "s-workers-0", 1, owner, spec={**INDEXED, "suspend": suspend}, status=status)


def known(*objects: Any, optional: tuple[str, ...] = (JOB_SET,)) -> Caches:
    caches = Caches(lambda _: None, optional)
    for one in (item("PipelineRun", "p-g1", spec={"pipeline": "p"}), *objects):
        caches.learn(one["kind"], one)
    return caches


async def observed(caches: Caches) -> Any:
    run = caches["PipelineRun"].get("ml", "p-g1")
    assert run is not None
    return await Observer(caches, Reads(None, caches)).run(run, Findings())  # type: ignore[arg-type]  # nothing is read


# whether there are any


def discovering(told: web.Response) -> FakeApi:
    api = FakeApi()
    groups = web.json_response({"groups": [{"name": "apps"}, {"name": "jobset.x-k8s.io"}]})
    api.refuse = lambda request: {"/apis": groups, DISCOVERY: told}.get(request.path)
    return api


@pytest.mark.parametrize(
    ("told", "kinds"),
    [
        ({"resources": [{"name": "jobsets"}, {"name": "jobsets/status"}]}, (JOB_SET,)),
        ({"resources": [{"name": "others"}]}, ()),
        ({}, ()),
    ],
)
async def test_the_kinds_that_are_watched_are_those_that_are_served(
    tmp_path: Path, told: Any, kinds: tuple[str, ...]
) -> None:
    async with served(discovering(web.json_response(told)), tmp_path) as cluster:
        assert await served_kinds(cluster) == kinds


@pytest.mark.parametrize(("code", "reason"), [(404, "NotFound"), (403, "Forbidden")])
async def test_without_the_kind_or_the_right_to_ask_there_is_none(
    tmp_path: Path, code: int, reason: str
) -> None:
    async with served(discovering(answer(code, reason, reason)), tmp_path) as cluster:
        assert await served_kinds(cluster) == ()


async def test_a_run_may_have_jobsets_only_where_they_are_watched() -> None:
    assert (await observed(known())).job_sets is True
    assert (await observed(known(optional=()))).job_sets is False
    assert known(optional=()).watched == WATCHED_KINDS


# what is seen


async def test_a_jobset_is_seen_as_the_attempt_with_the_pods_of_its_job() -> None:
    pod = item("Pod", "w", 1, ("Job", "s-workers-0"), status={"phase": "Running"})
    (seen,) = (await observed(known(job_set(), inner(), pod))).jobs.values()
    assert (seen.kind, seen.meta.uid, seen.meta.owner_uid) == (JOB_SET, "uid-s", "uid-p-g1")
    assert (seen.child.uid, seen.child.owner_uid) == ("uid-s-workers-0", "uid-s")
    assert (seen.step, seen.attempt, seen.workers) == ("a", 2, 3)
    assert [one.phase for one in seen.pods] == ["Running"]


async def test_before_its_job_is_there_a_jobset_has_no_pods() -> None:
    (seen,) = (await observed(known(job_set()))).jobs.values()
    assert (seen.child, seen.pods, seen.step, seen.attempt, seen.workers) == (None, (), "a", 2, 3)


async def test_a_job_of_that_name_with_another_owner_is_none_of_it() -> None:
    pod = item("Pod", "w", 1, ("Job", "s-workers-0"), status={"phase": "Running"})
    (seen,) = (await observed(known(job_set(), inner((JOB_SET, "old")), pod))).jobs.values()
    assert (seen.child, seen.pods) == (None, ())


@pytest.mark.parametrize(
    ("item_", "job", "over"),
    [
        (job_set(), inner(), (False, "")),
        (job_set(), inner((JOB_SET, "s"), "SuccessCriteriaMet"), (True, "")),
        (job_set(1, "Completed"), None, (True, "")),
        (job_set(), inner((JOB_SET, "s"), "FailureTarget"), (False, "Said")),
        (job_set(1, "Failed"), None, (False, "Said")),
    ],
)
def test_the_word_of_either_is_as_good(item_: Any, job: Any, over: tuple[bool, str]) -> None:
    seen = views.job_set(item_, job, ())
    assert (seen.complete, seen.failed_reason) == over


@pytest.mark.parametrize(
    ("above", "below", "suspended"),
    [(True, True, True), (False, True, True), (True, False, True), (False, False, False)],
)
def test_it_is_suspended_until_both_are_resumed(above: bool, below: bool, suspended: bool) -> None:
    assert views.job_set(job_set(suspend=above), inner(suspend=below), ()).suspended is suspended


def test_a_resumed_job_has_begun_again_when_the_job_controller_says_when() -> None:
    resumed = inner((JOB_SET, "s"), "Suspended")
    assert views.job(resumed, ()).suspended, "its old age would count against the start deadline"
    begun = {"conditions": [{"type": "Suspended", "status": "False"}], "startTime": "2026-01-01T00:00:00Z"}
    seen = views.job({**resumed, "status": begun}, ())
    assert (seen.suspended, seen.started) == (False, views.moment("2026-01-01T00:00:00Z"))


# who is woken


def test_the_run_is_woken_by_the_jobset_its_job_and_their_pods() -> None:
    caches = known(job_set(), inner())
    pod = item("Pod", "w", 1, ("Job", "s-workers-0"))
    for kind, one in ((JOB_SET, job_set()), ("Job", inner()), ("Pod", pod)):
        assert list(affected(Change(kind, None, one), caches)) == [Key("PipelineRun", "ml", "p-g1")]


def test_a_jobset_has_one_place_and_leaves_it_when_it_is_over() -> None:
    caches = known(job_set(), inner())
    found = [one["metadata"]["name"] for kind in ("Job", JOB_SET) for one in caches[kind].find("live", "ml")]
    assert found == ["s"], "its Job takes no second one"
    caches.learn(JOB_SET, job_set(2, "Completed"))
    assert caches[JOB_SET].find("live", "ml") == []
    waiting = {"steps": [{"name": "a", "state": "Queued", "reason": "NamespaceFull"}]}
    caches.learn("PipelineRun", item("PipelineRun", "next", spec={"pipeline": "q"}, status=waiting))
    over = Change(JOB_SET, job_set(), job_set(2, "Completed"))
    assert Key("PipelineRun", "ml", "next") in list(affected(over, caches))


# what is read and refused


async def test_when_the_kind_has_gone_nothing_is_left_of_it(tmp_path: Path) -> None:
    caches, api = known(job_set()), FakeApi()
    api.refuse = lambda request: answer(404, "NotFound", "no") if request.path == SETS else None
    async with served(api, tmp_path) as cluster:
        assert await Reads(cluster, caches).compare(JOB_SET, "ml") == 1
    assert caches[JOB_SET].all() == []


async def test_a_jobset_that_the_cluster_no_longer_knows_is_refused_for_good(tmp_path: Path) -> None:
    caches, api, findings = known(), FakeApi(), Findings()
    api.refuse = lambda request: answer(404, "NotFound", "no") if request.method == "POST" else None
    async with served(api, tmp_path) as cluster:
        again = await Actor(cluster, caches, Reads(cluster, caches)).carry_out([Create(job_set())], findings)
    assert again
    assert findings.refusals["s"].reason == "RejectedByCluster"
    assert "the cluster has no longer; start another run" in findings.refusals["s"].message


async def test_events_are_asked_of_the_jobset_its_job_and_their_pods(tmp_path: Path) -> None:
    asked: list[str] = []
    api = FakeApi()

    def note(request: web.Request) -> None:
        asked.append(request.query.get("fieldSelector", ""))

    api.refuse = note
    caches = known(job_set(), inner(), item("Pod", "w", 1, ("Job", "s-workers-0")))
    async with served(api, tmp_path) as cluster:
        await Reads(cluster, caches).inquire(["s"], "ml", Findings())
    uids = [one.partition(",")[0].removeprefix("involvedObject.uid=") for one in asked]
    assert uids == ["uid-s", "uid-s-workers-0", "uid-w"]


async def test_kueue_is_asked_about_the_jobset_that_it_holds(tmp_path: Path) -> None:
    asked: list[str] = []
    api = FakeApi()
    api.refuse = lambda request: asked.append(request.query.get("labelSelector", "")) and None
    async with served(api, tmp_path) as cluster:
        held = known(job_set(suspend=True), inner(suspend=True))
        await Reads(cluster, held).inquire(["s"], "ml", Findings())
    assert asked == ["kueue.x-k8s.io/job-uid in (uid-s)"]
