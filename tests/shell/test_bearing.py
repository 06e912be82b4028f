"""A process dies between the Job of a step and the end that the Job bears, and nothing else tells of it."""

import json
from pathlib import Path

import pytest

from penstock_spec import names
from tests.shell.fault_proxy import Cut, Moment, fault_proxy
from tests.shell.operator_process import OperatorProcess
from tests.shell.stories import GOES_ON, MAKES, Scene, program
from tests.support import Kubectl, condition, steps_of, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.own_operator]

LAST = program("last", "sleep", "5", run={"inputs": {"x": "more.files"}})


def test_an_end_that_only_the_next_job_tells_of_is_not_done_again(
    kubectl: Kubectl,
    arena: str,
    no_other_operator: None,
    upstream: Path,
    settings: Path,
    standin: str,
    tmp_path: Path,
) -> None:
    with fault_proxy(upstream, tmp_path / "proxy") as proxy:
        operator = OperatorProcess(arena, proxy.kubeconfig, settings, tmp_path / "operator.log")
        proxy.cut = Cut("create", "jobs", Moment.AFTER_COMMIT, name="-more-")
        proxy.victim = operator.kill
        operator.start()
        operator.ready()
        scene = Scene(kubectl, arena, standin)
        scene.place("p", {"steps": [MAKES, GOES_ON, LAST]})
        wait_for("the operator to die", lambda: proxy.hit is not None and operator.dead(), 120)
        assert scene.state("p-g1", "first") != "Succeeded", "it died too late"
        first, more = (job(kubectl, arena, step) for step in ("first", "more"))
        text = more["spec"]["template"]["metadata"]["annotations"][names.ANNOTATION_RESTS_ON]
        borne = {one["name"]: one for one in json.loads(text)}
        assert borne["first"]["state"] == "Succeeded"
        kubectl.run("delete", "job", first["metadata"]["name"], "-n", arena, "--cascade=foreground")
        operator.start()
        wait_for("the run to end", lambda: scene.over("p-g1"), 240)
        run = scene.runs()["p-g1"]
        operator.stop()
    assert condition(run, "Succeeded")["status"] == "True"
    assert steps_of(run)["first"] == borne["first"]
    made = [one.partition("/")[2].rpartition("-")[0] for one in proxy.created() if one.startswith("jobs/")]
    assert made == ["p-g1-first", "p-g1-more", "p-g1-last"]


def job(kubectl: Kubectl, namespace: str, step: str) -> dict:
    """The one Job of a step."""
    selected = kubectl.list("jobs", namespace, f"{names.LABEL_STEP}={step}")
    (found,) = selected
    return found
