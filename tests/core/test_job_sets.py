"""Gangs where the cluster has JobSets: whose word counts, and what is left of an attempt."""

from dataclasses import replace
from typing import Any

import pytest

from penstock_operator.core.classify import classify, is_at_rest, is_stuck, lacks_job
from penstock_operator.core.findings import Done, Underway
from penstock_operator.core.observed import JobView, PodView
from penstock_operator.core.settings import Settings
from penstock_spec.object_names import job_set_name
from tests.core.fake_cluster import FakeCluster
from tests.core.flow_page import GANGS
from tests.core.pipelines import programs
from tests.core.pods import JOB, NOW, PROGRAM, meta
from tests.core.simulation import Simulation, pipeline
from tests.core.test_gangs import done, failed, gang, runs

IN_SET = replace(PROGRAM, job=f"{JOB}-workers-0", job_set=JOB, workers=3)
DONE = (done(0), done(1), done(2))


def job_set(*pods: PodView, made: bool = True, maker: str = "set-uid", **fields: Any) -> JobView:
    """The JobSet of three workers, with its Job, whose controller is `maker`, or without one."""
    assert made or not pods, "pods of a Job that is not there"
    inner = gang(*pods, **fields)
    child = replace(inner.meta, name=f"{JOB}-workers-0", owner_uid=maker)
    about = meta(JOB, "set-uid", (NOW - inner.meta.created).total_seconds(), "run-uid")
    return replace(inner, meta=about, kind="JobSet", child=child if made else None)


def found(view: JobView) -> Any:
    return classify(view, IN_SET, None, NOW, Settings())


def test_the_pods_of_the_job_of_the_jobset_are_the_workers() -> None:
    assert isinstance(found(job_set(*DONE)), Done)
    assert isinstance(found(job_set(done(0), complete=True)), Done)
    failure = found(job_set(runs(0), failed(1, 9, 3), runs(2)))
    assert failure.message.startswith("worker 1: the program ended with exit code 3; kubectl logs -n ml -l ")
    assert f"batch.kubernetes.io/job-name={JOB}-workers-0," in failure.message


def test_a_job_that_the_jobset_does_not_control_has_no_say() -> None:
    finding = found(job_set(*DONE, maker="another"))
    assert (finding.state, finding.message) == ("Starting", "its Job has no pod yet")


@pytest.mark.parametrize("owner", ["set-uid", "another"])
def test_pods_of_anything_but_that_job_are_no_workers(owner: str) -> None:
    strangers = [replace(one, meta=replace(one.meta, owner_uid=owner)) for one in DONE]
    assert isinstance(found(job_set(*strangers)), Underway)


def test_a_jobset_without_a_job_waits_for_jobsets_controller_until_the_start_deadline() -> None:
    finding = found(job_set(made=False))
    assert (finding.state, finding.reason) == ("Starting", "Created")
    late = found(job_set(made=False, age=601))
    assert (str(late.failure_class), late.reason) == ("Unschedulable", "DeadlineExceeded")
    assert late.message == (
        "JobSet's controller has made no Job in time; "
        "see that it runs, or do without: settings.gangs: IndexedJob; "
        f"kubectl describe jobset -n ml {JOB}"
    )


def test_a_job_without_pods_is_waited_for_as_ever() -> None:
    late = found(job_set(age=601))
    assert late.message == f"no pod was made for its Job in time; kubectl describe jobset -n ml {JOB}"


def test_a_jobset_that_is_over_without_its_job_was_disrupted() -> None:
    finding = found(job_set(made=False, failed="FailedJobs"))
    assert (str(finding.failure_class), finding.message) == (
        "Disruption",
        "its pods are gone; they were deleted, or their nodes are gone",
    )


def test_who_is_over_at_rest_or_in_the_way() -> None:
    assert is_stuck(job_set(made=False))
    assert not is_stuck(job_set(runs(0), failed(1, 9), runs(2)))
    assert not is_at_rest(job_set(runs(0), failed(1, 9), failed="BackoffLimitExceeded"))
    assert is_at_rest(job_set(failed(1, 9), failed="BackoffLimitExceeded"))
    assert lacks_job(job_set(made=False))
    assert not lacks_job(job_set(made=False, failed="FailedJobs"))
    assert not lacks_job(gang())


def test_the_name_leaves_room_for_all_that_is_hung_on_it() -> None:
    name = job_set_name("r" * 63, "uid", "s" * 40, 1)
    assert len(f"{name}-workers-0-63-abcde") <= 63
    assert name != job_set_name("r" * 63, "uid", "s" * 40, 2)


# Lives


def lived(fates: dict[str, list[str]], settings: Settings | None = None, **cluster: Any) -> Simulation:
    world = FakeCluster(fates=fates, **{"job_sets": True, **cluster})
    simulation = Simulation(world, {"b": ["a"]}, settings=settings or Settings())
    spec = programs({"a": [], "b": ["a"]}, None, {"a": {"gang": {"workers": 3}}})
    simulation.person(lambda: world.create(pipeline("p", spec)))
    return simulation


def rested(simulation: Simulation) -> Simulation:
    simulation.run_to_rest()
    simulation.assert_at_rest()
    return simulation


def made(simulation: Simulation, kind: str) -> list[str]:
    """What was ever created of a kind, once for each time."""
    return [name for verb, of, name in simulation.cluster.log if (verb, of) == ("create", kind)]


def snapshot(simulation: Simulation) -> Any:
    return simulation.cluster.objects[("PipelineRun", "p-g1")]["status"]["snapshot"]


def test_an_attempt_is_one_jobset_and_the_service_is_not_ours() -> None:
    simulation = rested(lived({"a": ["oom"]}))
    sets = made(simulation, "JobSet")
    assert len(sets) == 2, "one for each attempt"
    assert [one for one in made(simulation, "Job") if "-a-" in one] == [f"{one}-workers-0" for one in sets]
    assert made(simulation, "Service") == []
    assert snapshot(simulation)["gangs"] == "JobSet"
    entry = simulation.steps("p-g1")["a"]
    assert (entry["state"], entry["attempt"], entry["memory"]) == ("Succeeded", 2, "1536Mi")


def test_the_example_of_the_page_ends_the_same_way_where_the_cluster_has_jobsets() -> None:
    manifest, ends = GANGS["together"]
    world = FakeCluster(job_sets=True)
    simulation = Simulation(world)
    placed = {**manifest, "metadata": {**manifest["metadata"], "namespace": "ml"}}
    simulation.person(lambda: world.create(placed))
    rested(simulation)
    found = {name: one["state"] for name, one in simulation.steps("together-g1").items()}
    assert found == {name: state for name, (state, _) in ends.items()}
    (gang_,) = made(simulation, "JobSet")
    assert gang_.startswith("together-g1-add-")


def test_a_run_whose_steps_are_no_gangs_says_nothing_of_them() -> None:
    world = FakeCluster(job_sets=True)
    simulation = Simulation(world)
    simulation.person(lambda: world.create(pipeline("p", programs({"a": []}))))
    rested(simulation)
    assert "gangs" not in snapshot(simulation)


@pytest.mark.parametrize(
    ("job_sets", "settings"), [(False, Settings()), (True, Settings(gangs="IndexedJob"))]
)
def test_without_jobsets_or_by_the_setting_a_gang_is_a_job(job_sets: bool, settings: Settings) -> None:
    simulation = rested(lived({}, settings, job_sets=job_sets))
    assert made(simulation, "JobSet") == []
    assert len(made(simulation, "Service")) == 1
    assert "gangs" not in snapshot(simulation)


def on(simulation: Simulation, seconds: float) -> None:
    for _ in range(int(seconds * 2)):
        simulation.cluster.settle()
        simulation._work()
        simulation.cluster.advance(0.5)


def test_a_run_goes_on_with_what_it_began_with_when_the_setting_or_the_cluster_changes() -> None:
    simulation = lived({"a": ["evicted", "evicted"]}, job_sets=False)
    on(simulation, 2)
    simulation.cluster.job_sets = True
    rested(simulation)
    assert made(simulation, "JobSet") == []
    other = lived({"a": ["evicted", "evicted"]})
    on(other, 2)
    other.shell.settings = Settings(gangs="IndexedJob")
    rested(other)
    assert len(made(other, "JobSet")) == 3
    assert made(other, "Service") == []


def test_a_job_that_somebody_deletes_under_its_jobset_costs_the_attempt() -> None:
    simulation = lived({"a": ["hangs"]})
    on(simulation, 6)
    assert simulation.steps("p-g1")["a"]["state"] == "Running"
    (job,) = (one for one in simulation.cluster.find("Job") if "-a-" in one["metadata"]["name"])
    first = made(simulation, "JobSet")
    simulation.person(lambda: simulation.cluster.delete("Job", job["metadata"]["name"]))
    simulation._work()  # before JobSet's controller makes it again
    rested(simulation)
    entry = simulation.steps("p-g1")["a"]
    assert (entry["state"], entry["attempt"], entry["retries"]) == ("Succeeded", 2, {"Disruption": 1})
    assert [one["metadata"]["name"] for one in simulation.cluster.find("JobSet")] != first


def test_a_cancelled_run_leaves_no_jobset() -> None:
    simulation = lived({"a": ["hangs"]})
    on(simulation, 6)
    simulation.person(lambda: simulation.say("p-g1", cancel=True))
    rested(simulation)
    assert list(simulation.cluster.find("JobSet")) == []
    assert list(simulation.cluster.find("Pod")) == []


def test_a_jobset_waits_in_a_queue_as_a_job_does() -> None:
    spec = programs({"a": []}, None, {"a": {"gang": {"workers": 3}}})
    spec["policy"] = {"queue": {"localQueue": "small"}}
    world = FakeCluster(job_sets=True, admits_after=700)
    simulation = Simulation(world)
    simulation.person(lambda: world.create(pipeline("p", spec)))
    on(simulation, 30)
    (entry,) = simulation.steps("p-g1").values()
    assert (entry["state"], entry["reason"]) == ("Queued", "Suspended")
    (held,) = world.find("JobSet")
    assert held["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "small"
    (job,) = world.find("Job")
    assert "kueue.x-k8s.io/queue-name" not in job["metadata"]["labels"], "it would be queued once more"
    rested(simulation)
    assert simulation.steps("p-g1")["a"]["state"] == "Succeeded", "the start deadline did not count that time"
