"""From the API server's objects and answers to what the planner sees."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from penstock_operator import clock, errors, views
from penstock_operator.caches import Caches
from penstock_operator.observe import LAST_APPLIED, Observer, applied_spec
from penstock_operator.reads import Findings, Reads
from penstock_operator.routes import affected, unfinished
from penstock_operator.store import Change
from penstock_operator.workqueue import Key


def item(
    kind: str, name: str, version: int = 1, owner: tuple[str, str] | None = None, **rest: Any
) -> dict[str, Any]:
    owners = (
        [{"kind": owner[0], "name": owner[1], "uid": f"uid-{owner[1]}", "controller": True}] if owner else []
    )
    meta = {"namespace": "ml", "name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"kind": kind, "metadata": {**meta, "ownerReferences": owners}, **rest}


# errors


@pytest.mark.parametrize(
    ("code", "reason", "message", "kind"),
    [
        (404, "NotFound", "", errors.NotFound),
        (409, "AlreadyExists", "", errors.AlreadyExists),
        (409, "Conflict", "", errors.Conflict),
        (410, "Expired", "", errors.Gone),
        (422, "Invalid", "is invalid", errors.Invalid),
        (400, "BadRequest", "", errors.Invalid),
        (413, "RequestEntityTooLarge", "", errors.Invalid),
        (403, "Forbidden", "violates PodSecurity", errors.Forbidden),
        (403, "Forbidden", "exceeded quota: q", errors.QuotaExceeded),
        (403, "Forbidden", 'jobs is forbidden: User "x" cannot create resource "jobs"', errors.LacksRight),
        (403, "Forbidden", "because it is being terminated", errors.Unavailable),
        (401, "Unauthorized", "", errors.Unavailable),
        (429, "TooManyRequests", "", errors.Unavailable),
        (500, "InternalError", "", errors.Unavailable),
        (504, "Timeout", "", errors.Unavailable),
    ],
)
def test_an_answer_becomes_the_error_that_says_what_to_do(
    code: int, reason: str, message: str, kind: type[errors.ClusterError]
) -> None:
    error = errors.from_answer(code, reason, message)
    assert type(error) is kind
    assert error.code == code


# defaults of a namespace


def test_a_change_of_the_namespaces_defaults_concerns_its_pipelines_and_what_has_not_ended() -> None:
    changes: list[Change] = []
    caches = Caches(changes.append)
    caches.learn("Pipeline", item("Pipeline", "p"))
    caches.learn("PipelineRun", item("PipelineRun", "r", spec={"pipeline": "p"}))
    ended = {"conditions": [{"type": "Finished", "status": "True"}]}
    caches.learn("PipelineRun", item("PipelineRun", "old", spec={"pipeline": "p"}, status=ended))
    caches.learn("ConfigMap", item("ConfigMap", "penstock-defaults", data={"policy": "keepRuns: 3"}))
    assert list(affected(changes[-1], caches)) == [Key("Pipeline", "ml", "p"), Key("PipelineRun", "ml", "r")]
    observed = Observer(caches, Reads(None, caches)).pipeline(caches["Pipeline"].get("ml", "p"), Findings())  # type: ignore[arg-type]  # nothing is read
    assert observed.defaults.values.policy.keep_runs == 3


# views


def test_a_version_and_a_run_are_seen_with_all_that_reuse_asks_of_them() -> None:
    lineage = {"run": "m-g1", "step": "fit", "stepDigest": "sha256:1"}
    spec = {"model": "m", "number": 2, "digest": "sha256:2", "metrics": {"loss": 0.5}, "lineage": lineage}
    found = views.version(item("ModelVersion", "m-2", spec=spec, status={"lifecycle": "Approved"}))
    assert (found.lineage, found.metrics, found.lifecycle) == (lineage, {"loss": 0.5}, "Approved")
    runs = [item("PipelineRun", "r", spec={"pipeline": "p", **more}) for more in ({}, {"reuse": "Never"})]
    assert [views.run(one).reuse for one in runs] == ["ByStep", "Never"]


def test_a_pod_whose_program_runs_as_an_init_container_is_seen_to_run() -> None:
    running = {
        "name": "main",
        "state": {"running": {"startedAt": "2026-01-01T00:00:05Z"}},
        "imageID": "sha256:1",
    }
    waiting = {"name": "publish", "state": {"waiting": {"reason": "PodInitializing"}}}
    status = {"phase": "Pending", "initContainerStatuses": [running], "containerStatuses": [waiting]}
    seen = views.pod(item("Pod", "p", status=status))
    main = seen.container("main")
    assert main is not None
    assert (main.init, main.running, main.image) == (True, True, "sha256:1")
    assert main.started_at == datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)


def test_the_scheduler_s_words_are_kept_only_while_it_refuses() -> None:
    refused = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    assert views.pod(item("Pod", "p", status={"conditions": [refused]})).unschedulable == "0/1 nodes"
    placed = {**refused, "status": "True"}
    assert views.pod(item("Pod", "p", status={"conditions": [placed]})).unschedulable == ""


def test_a_pod_without_any_status_is_pending() -> None:
    assert views.pod(item("Pod", "p")).phase == "Pending"


# what the user wrote


def written(spec: Any, stored: Any) -> Any:
    annotation = {LAST_APPLIED: json.dumps({"spec": spec})}
    found = item("Pipeline", "p", spec=stored)
    found["metadata"]["annotations"] = annotation
    return applied_spec(found)


def test_a_field_that_the_api_server_dropped_is_found_in_what_was_applied() -> None:
    spec = {"steps": [{"name": "a", "trian": {}}]}
    assert written(spec, {"steps": [{"name": "a"}]}) == spec


def test_what_was_applied_says_nothing_once_the_object_was_changed_by_other_means() -> None:
    assert written({"steps": [{"name": "a", "trian": {}}]}, {"steps": [{"name": "b"}]}) is None


def test_nothing_is_reported_where_nothing_was_dropped() -> None:
    assert written({"steps": []}, {"steps": []}) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"spec": 3}'])
def test_an_annotation_that_is_no_object_is_ignored(text: str) -> None:
    found = item("Pipeline", "p", spec={})
    found["metadata"]["annotations"] = {LAST_APPLIED: text}
    assert applied_spec(found) is None


# who has to look again

FINISHED = {"conditions": [{"type": "Finished", "status": "True"}]}


def world() -> Caches:
    caches = Caches(lambda _change: None)
    for one in (
        item("Pipeline", "pipe"),
        item("PipelineRun", "done", spec={"pipeline": "pipe"}, status=FINISHED),
        item("PipelineRun", "live", spec={"pipeline": "pipe"}),
        item("PipelineRun", "stranger", spec={"pipeline": "other"}),
        item("Job", "job", owner=("PipelineRun", "live")),
        item("ModelEndpoint", "end", spec={"model": {"version": "m-1"}}),
        item("ModelEndpoint", "far", spec={"model": {"version": "x-1"}}),
    ):
        caches.learn(one["kind"], one)
    return caches


def woken(change: Change) -> set[str]:
    return {f"{key.kind}/{key.name}" for key in affected(change, world())}


def test_a_pod_wakes_the_run_of_its_job_and_nothing_else() -> None:
    pod = item("Pod", "pod", owner=("Job", "job"))
    assert woken(Change("Pod", None, pod)) == {"PipelineRun/live"}


def test_a_run_wakes_itself_and_its_pipeline() -> None:
    run = item("PipelineRun", "live", spec={"pipeline": "pipe"})
    assert woken(Change("PipelineRun", run, run)) == {"PipelineRun/live", "Pipeline/pipe"}


def test_a_run_that_ends_or_goes_wakes_those_behind_it() -> None:
    run = item("PipelineRun", "done", spec={"pipeline": "pipe"}, status=FINISHED)
    assert "PipelineRun/live" in woken(Change("PipelineRun", run, run))
    assert "PipelineRun/live" in woken(Change("PipelineRun", run, None))


def test_a_model_version_wakes_runs_that_live_and_the_endpoints_that_name_it() -> None:
    version = item("ModelVersion", "m-1", spec={"lineage": {"pipeline": "pipe"}})
    assert woken(Change("ModelVersion", None, version)) == {
        "PipelineRun/live",
        "PipelineRun/stranger",
        "ModelEndpoint/end",
        "Pipeline/pipe",
    }


def test_an_endpoint_s_pod_and_deployment_wake_the_endpoint() -> None:
    pod = item("Pod", "p", owner=("ReplicaSet", "end-1-abc"))
    pod["metadata"]["labels"] = {"penstock.dev/endpoint": "end"}
    assert woken(Change("Pod", None, pod)) == {"ModelEndpoint/end"}
    deployment = item("Deployment", "end-1", owner=("ModelEndpoint", "end"))
    assert woken(Change("Deployment", deployment, deployment)) == {"ModelEndpoint/end"}


def test_a_pipeline_made_again_wakes_its_runs_that_live_and_an_edit_does_not() -> None:
    pipeline = item("Pipeline", "pipe")
    assert woken(Change("Pipeline", None, pipeline)) == {"Pipeline/pipe", "PipelineRun/live"}
    assert woken(Change("Pipeline", pipeline, pipeline)) == {"Pipeline/pipe"}


def test_another_concurrency_wakes_the_runs_whose_turn_it_may_be() -> None:
    before, after = (
        item("Pipeline", "pipe", spec={"policy": {"concurrency": one}}) for one in ("Queue", "Allow")
    )
    assert woken(Change("Pipeline", before, after)) == {"Pipeline/pipe", "PipelineRun/live"}


@pytest.mark.parametrize(
    ("spec", "wakes"),
    [
        ({}, True),
        ({"mode": "Plan"}, False),
        ({"step": "a", "partOf": "above"}, False),
        ({"partOf": "fill"}, False),
    ],
    ids=["a run", "a plan", "a step of another run", "a part of a backfill"],
)
def test_a_new_run_wakes_the_one_under_way_that_it_may_replace(spec: dict[str, Any], wakes: bool) -> None:
    caches = world()
    under_way = item(
        "PipelineRun", "going", spec={"pipeline": "pipe"}, status={"startedAt": "2026-01-01T00:00:00Z"}
    )
    caches.learn("PipelineRun", under_way)
    new = item("PipelineRun", "new", spec={"pipeline": "pipe", **spec})
    found = {key.name for key in affected(Change("PipelineRun", None, new), caches)}
    assert ("going" in found) == wakes
    assert "live" not in found, "it waits, and nothing has changed for it"


def test_finished_runs_are_not_looked_at_again_by_the_clock() -> None:
    assert Key("PipelineRun", "ml", "done") not in set(unfinished(world()))
    assert Key("PipelineRun", "ml", "live") in set(unfinished(world()))


def test_an_endpoint_that_went_while_nobody_watched_is_looked_at_as_long_as_the_registry_names_it() -> None:
    caches = world()
    caches.learn("ModelVersion", item("ModelVersion", "m-9", status={"endpoints": ["gone"]}))
    assert Key("ModelEndpoint", "ml", "gone") in set(unfinished(caches))


# Windows of watched endpoints


def window_job() -> dict[str, Any]:
    labels = {"penstock.dev/window-version": "tumour-3"}
    return item(
        "Job",
        "tumour-w20261121120000-abcdef",
        owner=("ModelEndpoint", "tumour"),
        spec={"template": {"metadata": {"labels": labels}}},
    )


def test_a_change_of_a_windows_job_or_pod_concerns_its_endpoint() -> None:
    caches = Caches(lambda _: None)
    job = window_job()
    pod = item("Pod", "p", owner=("Job", job["metadata"]["name"]))
    for kind, one in (("ModelEndpoint", item("ModelEndpoint", "tumour")), ("Job", job), ("Pod", pod)):
        caches.learn(kind, one)
    for kind, one in (("Job", job), ("Pod", pod)):
        assert list(affected(Change(kind, None, one), caches)) == [Key("ModelEndpoint", "ml", "tumour")]


def test_a_windows_job_tells_which_version_it_judges() -> None:
    assert views.job(window_job(), ()).version == "tumour-3"
    assert views.job(item("Job", "j", spec={"template": {}}), ()).version == ""


def test_an_endpoint_is_observed_with_its_windows_and_their_pods() -> None:
    caches = Caches(lambda _: None)
    job = window_job()
    pod = item("Pod", "p", owner=("Job", job["metadata"]["name"]), status={"phase": "Failed"})
    endpoint = item("ModelEndpoint", "tumour", spec={})
    for kind, one in (("ModelEndpoint", endpoint), ("Job", job), ("Pod", pod)):
        caches.learn(kind, one)
    cluster: Any = None  # nothing is read live
    observed = Observer(caches, Reads(cluster, caches)).endpoint(endpoint, Findings())
    (seen,) = observed.jobs.values()
    assert (seen.meta.owner_uid, seen.version) == ("uid-tumour", "tumour-3")
    assert [one.phase for one in seen.pods] == ["Failed"]


# pods without a Job


async def test_a_run_is_told_of_pods_that_go_on_without_their_job() -> None:
    caches = Caches(lambda _: None)
    run = item("PipelineRun", "r", spec={"pipeline": "p"})
    caches.learn("PipelineRun", run)
    caches.learn("Job", item("Job", "there"))
    caches.learn("Job", item("Job", "lost-workers-0"))
    caches.learn("JobSet", item("JobSet", "kept"))
    pods = {"gone": "Running", "there": "Running", "over": "Failed"}
    pods |= {"kept-workers-0": "Running", "lost-workers-0": "Running"}
    for name, phase in pods.items():
        pod = item("Pod", name, status={"phase": phase})
        pod["metadata"]["labels"] = {"penstock.dev/run": "r", "batch.kubernetes.io/job-name": name}
        caches.learn("Pod", pod)
    cluster: Any = None  # nothing is read live
    observed = await Observer(caches, Reads(cluster, caches)).run(run, Findings())
    assert observed.ending == {"gone", "kept-workers-0", "lost"}


# gangs


@pytest.mark.parametrize(("text", "worker"), [("3", 3), ("0", 0), ("", 0), ("-1", 0), ("x", 0), ("²", 0)])
def test_a_worker_is_known_by_the_number_that_its_job_gave_it(text: str, worker: int) -> None:
    made = item("Pod", "p")
    made["metadata"]["annotations"] = {"batch.kubernetes.io/job-completion-index": text}
    assert views.pod(made).worker == worker


@pytest.mark.parametrize(
    ("spec", "workers"),
    [
        ({"completions": 4, "completionMode": "Indexed"}, 4),
        ({"completions": 1, "completionMode": "NonIndexed"}, 1),
        ({"completions": 4}, 1),
        ({"completionMode": "Indexed"}, 1),
    ],
)
def test_only_an_indexed_job_has_workers(spec: dict[str, Any], workers: int) -> None:
    assert views.job(item("Job", "j", spec={"template": {}, **spec}), ()).workers == workers


async def test_a_run_is_observed_with_the_services_of_its_gangs_and_is_woken_by_them() -> None:
    caches = Caches(lambda _: None)
    run = item("PipelineRun", "p-g1", spec={"pipeline": "p"})
    mine, other = item("Service", "mine", owner=("PipelineRun", "p-g1")), item("Service", "tumour")
    for kind, one in (("PipelineRun", run), ("Service", mine), ("Service", other)):
        caches.learn(kind, one)
    cluster: Any = None  # nothing is read live
    observed = await Observer(caches, Reads(cluster, caches)).run(run, Findings())
    assert [one.name for one in observed.services] == ["mine"]
    assert list(affected(Change("Service", mine, None), caches)) == [Key("PipelineRun", "ml", "p-g1")]


async def test_the_run_that_is_to_be_repeated_is_found_whatever_pipeline_it_is_of() -> None:
    caches = Caches(lambda _: None)
    run = item("PipelineRun", "again", spec={"pipeline": "p", "rerun": {"run": "q-g1", "failed": True}})
    other = item("PipelineRun", "q-g1", spec={"pipeline": "q"})
    for one in (run, other):
        caches.learn("PipelineRun", one)
    cluster: Any = None  # nothing is read live
    observed = await Observer(caches, Reads(cluster, caches)).run(run, Findings())
    assert observed.origin is not None
    assert observed.origin.pipeline == "q"


async def test_an_operator_knows_since_when_it_looks_and_its_successor_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hours = iter(datetime(2026, 11, 21, hour, tzinfo=UTC) for hour in range(24))
    monkeypatch.setattr(clock, "now", lambda: next(hours))
    caches = Caches(lambda _: None)
    run = item("PipelineRun", "p-g1", spec={"pipeline": "p"})
    cluster: Any = None  # nothing is read live
    lives = [Observer(caches, Reads(cluster, caches)) for _ in range(2)]
    since = [(await life.run(run, Findings())).watched_since for life in lives for _ in range(2)]
    assert [one and one.hour for one in since] == [0, 0, 1, 1]
