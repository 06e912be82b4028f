"""What is said first: of a run that has just come, and of the step that begins upon an end.

These words stand for seconds, until the next news is due; so they have to be right when they are written.
"""

from typing import Any

from penstock_operator.core.waiting import NO_POD
from tests.core.fake_cluster import FakeCluster, Object
from tests.core.fake_shell import FakeShell
from tests.core.pipelines import programs
from tests.core.simulation import Simulation, pipeline


class Telling(FakeCluster):
    """A cluster that keeps every status that is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[Object] = []

    def put_status(self, kind: str, name: str, version: str, status: Any) -> None:
        super().put_status(kind, name, version, status)
        self.written.append({"kind": kind, "name": name, **status})


def living(needs: dict[str, list[str]], more: Any = None, **policy: Any) -> tuple[Simulation, list[Object]]:
    """A pipeline that is applied, and all statuses that are written from then on."""
    cluster = Telling()
    simulation, spec = Simulation(cluster), programs(needs, more=more or {}, policy=policy)
    simulation.person(lambda: cluster.create(pipeline("p", spec)))
    return simulation, cluster.written


def run(name: str, **spec: Any) -> Object:
    meta = {"name": name, "namespace": "ml"}
    return {"kind": "PipelineRun", "metadata": meta, "spec": {"pipeline": "p", **spec}}


def told(written: list[Object], progress: str) -> list[tuple[str, str]]:
    """Step and message of the first status of the run that says so much is done."""
    first = next(one for one in written if one["kind"] == "PipelineRun" and one.get("progress") == progress)
    return first.get("step", ""), first.get("message", "").partition(";")[0]


def test_an_end_names_the_step_that_begins_upon_it() -> None:
    simulation, written = living({"a": [], "b": ["a"]})
    simulation.run_to_rest()
    assert told(written, "1/2") == ("b", f"step b: {NO_POD}")


def test_an_end_that_frees_a_place_names_the_step_that_takes_it() -> None:
    simulation, written = living({"a": [], "b": [], "c": ["a"]}, maxParallel=1)
    simulation.run_to_rest()
    assert told(written, "1/3") == ("b", f"step b: {NO_POD}")
    assert told(written, "2/3") == ("c", f"step c: {NO_POD}")


def test_an_end_upon_which_no_job_begins_names_the_step_that_does() -> None:
    simulation, written = living({"a": [], "b": ["a"]}, more={"b": {"matrix": {"axes": {"n": [1, 2]}}}})
    simulation.run_to_rest()
    assert told(written, "1/2") == ("b", "step b starts")


def test_a_run_that_has_its_turn_begins_with_its_snapshot_and_another_says_at_once_whom_it_waits_for() -> (
    None
):
    simulation, written = living({"a": []})
    simulation._work()
    simulation.person(lambda: simulation.cluster.create(run("second")))
    simulation._work()
    first, second = ([one for one in written if one["name"] == name] for name in ("p-g1", "second"))
    assert (first[0]["status"], first[0]["message"]) == ("Running", "its steps are about to start")
    assert first[0]["startedAt"]
    assert "snapshot" in second[0]
    assert (second[0]["status"], second[0]["message"]) == ("Waiting", "waits for run p-g1")
    assert "startedAt" not in second[0]


def test_a_pipeline_says_of_a_run_that_has_just_come_that_it_starts() -> None:
    simulation, _ = living({"a": []}, onChange="Wait")
    simulation.run_to_rest()
    assert "create a run to execute it" in simulation.cluster.get("Pipeline", "p")["status"]["message"]
    simulation.cluster.create(run("mine"))
    FakeShell(simulation.cluster).pipeline_pass("p")
    found = simulation.cluster.get("Pipeline", "p")["status"]
    assert (found["status"], found["message"], found["lastRun"]) == ("Running", "run mine starts", "mine")


def test_a_pipeline_of_which_a_run_goes_on_stays_running_when_another_is_started() -> None:
    simulation, written = living({"a": []})
    simulation._work()
    simulation.person(lambda: simulation.cluster.create(run("second")))
    simulation.run_to_rest()
    words = [one["status"] for one in written if one["kind"] == "Pipeline"]
    assert set(words) == {"Running", "Succeeded"}, words


def test_a_pipeline_that_is_suspended_does_not_say_that_a_run_starts() -> None:
    simulation, _ = living({"a": []}, onChange="Wait")
    simulation.run_to_rest()
    cluster = simulation.cluster
    spec = cluster.get("Pipeline", "p")["spec"]
    simulation.person(lambda: cluster.edit("Pipeline", "p", {**spec, "suspend": True}))
    cluster.create(run("mine"))
    FakeShell(cluster).pipeline_pass("p")
    assert cluster.get("Pipeline", "p")["status"]["status"] == "Suspended"
