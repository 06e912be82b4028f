"""S7: the operator dies at a named write of a run, and the end is the same, each object made once."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.shell.fault_proxy import Cut, Moment, Write, fault_proxy
from tests.shell.operator_process import OperatorProcess
from tests.shell.worlds import at_rest, counted, end_state, new_namespace, tumour
from tests.support import Kubectl, wait_for

# All on one worker: what they compare is played once for all of them.
pytestmark = [pytest.mark.e2e, pytest.mark.own_operator, pytest.mark.xdist_group("kills")]

RUN_STATUS = "pipelineruns/status"
CUTS: Mapping[str, Cut] = {
    "the run is made, the pipeline's status does not say so yet": Cut(
        "create", "pipelineruns", Moment.AFTER_COMMIT
    ),
    "the pipeline's status is about to say which run it started": Cut(
        "patch", "pipelines/status", Moment.BEFORE_SEND, body="lastStarted"
    ),
    "the run's snapshot is written, nothing else is": Cut(
        "patch", RUN_STATUS, Moment.AFTER_ACK, body="snapshot"
    ),
    "the Job of data is made": Cut("create", "jobs", Moment.AFTER_COMMIT, name="-data-"),
    "the Job of fit is made": Cut("create", "jobs", Moment.AFTER_COMMIT, name="-fit-"),
    "the status that records the Job of fit is about to be written": Cut(
        "patch", RUN_STATUS, Moment.BEFORE_SEND, body=r'"job": ?"[^"]*-fit-'
    ),
    "a number for the model is claimed": Cut(
        "create", "configmaps", Moment.AFTER_COMMIT, name="penstock-model-numbers"
    ),
    "the model version is made, its run does not say so yet": Cut(
        "create", "modelversions", Moment.AFTER_COMMIT
    ),
    "the gate's verdict stands in the model version only": Cut(
        "patch", "modelversions/status", Moment.AFTER_COMMIT, body="Approved"
    ),
    "the endpoint is asked for": Cut("patch", "modelendpoints", Moment.AFTER_COMMIT),
    "the Deployment is made": Cut("patch", "deployments", Moment.AFTER_ACK),
    "the Service is made": Cut("patch", "services", Moment.AFTER_COMMIT),
    "the disruption budget is made": Cut("patch", "poddisruptionbudgets", Moment.AFTER_COMMIT),
    "the endpoint's first revision is about to be written": Cut(
        "patch", "modelendpoints/status", Moment.BEFORE_SEND, body="history"
    ),
    "the run's last status is about to be written": Cut(
        "patch", RUN_STATUS, Moment.BEFORE_SEND, body="/status/finishedAt"
    ),
}
AT_ONCE = 3  # whole runs beside each other on two cores


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    hit: Write | None
    starts: int
    state: Mapping[str, Any]
    created: Mapping[str, int]


class Stage:
    """Runs whole pipelines, each in a namespace with operators of its own."""

    def __init__(self, kubectl: Kubectl, settings: Path, upstream: Path, folder: Path) -> None:
        self.kubectl = kubectl
        self.settings = settings
        self.upstream = upstream
        self.folder = folder

    def play(self, cut: Cut | None, operators: int = 1) -> Outcome:
        """Apply the pipeline, die at `cut`, start again, and wait until everything rests."""
        folder = self.folder / str(time.monotonic_ns())
        with new_namespace(self.kubectl) as namespace, fault_proxy(self.upstream, folder) as proxy:
            running = [
                OperatorProcess(namespace, proxy.kubeconfig, self.settings, folder / f"operator-{number}.log")
                for number in range(operators)
            ]
            proxy.cut, proxy.victim = cut, running[0].kill
            try:
                for one in running:
                    one.start()
                for one in running:
                    one.ready()
                self.kubectl.apply(tumour(namespace))
                wait_for("the run to end", lambda: self._at_rest(namespace, running), 300, every=0.5)
                state = end_state(self.kubectl, namespace)
            finally:
                for one in running:
                    if not one.dead():
                        one.kill()
        return Outcome(proxy.hit, running[0].starts, state, counted(proxy.created()))

    def _at_rest(self, namespace: str, running: list[OperatorProcess]) -> bool:
        for one in running:
            if one.dead():
                one.start()
        return at_rest(self.kubectl, namespace)


@pytest.fixture(scope="module")
def stage(
    kubectl: Kubectl,
    no_other_operator: None,
    settings: Path,
    upstream: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Stage:
    return Stage(kubectl, settings, upstream, tmp_path_factory.mktemp("kills"))


@pytest.fixture(scope="module")
def undisturbed(stage: Stage) -> Outcome:
    """A run in which nothing happens."""
    return stage.play(None)


@pytest.fixture(scope="module")
def outcomes(stage: Stage, undisturbed: Outcome) -> Iterator[Mapping[str, Future[Outcome]]]:
    """All cuts, a few at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(stage.play, cut) for name, cut in CUTS.items()}


def test_an_undisturbed_run_makes_each_object_once(undisturbed: Outcome) -> None:
    assert set(undisturbed.created.values()) == {1}
    assert undisturbed.starts == 1
    (run,) = undisturbed.state["PipelineRun/tumour-g1"]
    assert run["status"]["progress"] == "5/5"


@pytest.mark.parametrize("name", CUTS)
def test_killed_when(name: str, outcomes: Mapping[str, Future[Outcome]], undisturbed: Outcome) -> None:
    outcome = outcomes[name].result(700)
    assert outcome.hit is not None, "the write was never seen"
    assert outcome.starts == 2
    assert outcome.state == undisturbed.state
    assert outcome.created == undisturbed.created


def test_two_operators_for_a_whole_run_come_to_the_same(stage: Stage, undisturbed: Outcome) -> None:
    outcome = stage.play(None, operators=2)
    assert outcome.state == undisturbed.state
    assert outcome.created == undisturbed.created
