"""S5: the next version of the chart comes and goes mid-run, while a model is served; nobody notices.

The same programs under another tag and with other settings, in a chart of a higher version whose definitions
have more fields: nothing is lost, no digest is another one, no run starts, no step runs again, and what
serves is left alone.
"""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.cluster.images import tag
from hack.project import bucket, connect
from tests.e2e.releases import (
    NEW_FIELD,
    RELEASE,
    Ground,
    Trial,
    evidence,
    gated,
    new_namespace,
    next_chart,
    next_definitions,
    open_gate,
    state,
    step,
)
from tests.support import ROOT, Runs, condition, pipeline, steps_of, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("orders")]

GRACE = 25  # seconds; more than the kubelet's pauses between two tries of a container


@dataclass(frozen=True)
class Stage:
    """A release whose namespace has an endpoint that serves."""

    release: Trial
    runs: Runs

    def list(self, kinds: str, selector: str = "") -> list[dict[str, Any]]:
        """Objects of the namespace."""
        return self.release.ground.kubectl.list(kinds, self.release.namespace, selector)

    def endpoint(self) -> dict[str, Any]:
        """What must stay of the endpoint and of what serves it."""
        found = self.release.ground.kubectl.get("modelendpoint", "tumour", self.release.namespace)
        assert condition(found, "Ready")["status"] == "True"
        return {
            "generation": found["metadata"]["generation"],
            "history": found["status"]["history"],
            "parts": {
                (one["kind"], one["metadata"]["uid"]): one["metadata"].get("generation")
                for one in self.list("deployments,pods,services", "penstock.dev/endpoint=tumour")
            },
        }

    def run(self, name: str) -> dict[str, Any]:
        """What must stay of a run whose step "during" has not ended: what it executes, ended steps, Jobs."""
        found = self.runs.get(name)
        steps = {one: entry for one, entry in steps_of(found).items() if one != "after"}
        assert state(self.runs, name, "during") == "Running"
        return {
            "runs": self.runs.names(),
            "snapshot": found["status"]["snapshot"],
            "steps": {one: (entry["digest"], entry["attempt"], entry["job"]) for one, entry in steps.items()},
            "before": steps["before"],
            "jobs": {one["metadata"]["name"]: one["metadata"]["uid"] for one in self.list("jobs")},
            "revisions": {
                one["metadata"]["name"]: one["metadata"]["uid"] for one in self.list("controllerrevisions")
            },
            "endpoint": self.endpoint(),
        }

    def begin(self, name: str) -> dict[str, Any]:
        """A pipeline with a step that is over, one that waits at its gate, and one that comes after it."""
        image = self.release.ground.images["server"]
        steps = [
            step("before", image),
            gated("during", image, "before"),
            step("after", image, "during"),
        ]
        manifest = pipeline(name, self.release.namespace, {"steps": steps})
        self.release.ground.kubectl.apply(manifest)
        run = self.runs.started(name, 1)
        wait_for("the program to run", lambda: state(self.runs, run, "during") == "Running")
        return manifest


@pytest.fixture(scope="module")
def stage(ground: Ground, data_folder: Path) -> Iterator[Stage]:
    """A release that has trained a model and serves it."""
    ground.bring_definitions()
    name = new_namespace(ground, "upgrade")
    found = Stage(Trial(ground, name, {"settings": {"containerGrace": GRACE}}), Runs(ground.kubectl, name))
    with evidence(ground, name):
        found.release.install()
        connect(ground.cluster, name)
        with bucket(ground.cluster, name) as store:
            store.put("lake/tumour.csv", (data_folder / "tumour.csv").read_bytes())
        run = found.runs.execute(served(name))
        assert run["status"]["status"] == "Succeeded", run["status"]
    yield found
    found.release.delete_namespace()


def served(namespace: str) -> dict[str, Any]:
    """The example, up to what serves, with fewer trees."""
    about: dict[str, Any] = yaml.safe_load((ROOT / "examples/tumour/pipeline.yaml").read_text())
    about["metadata"]["namespace"] = namespace
    about["spec"]["parameters"][0]["default"] = 20
    about["spec"]["steps"] = [one for one in about["spec"]["steps"] if one["name"] != "watch"]
    return about


@pytest.fixture(scope="module")
def again(ground: Ground) -> dict[str, str]:
    """The operator and the steps once more, under other tags."""
    next_tag = f"next-{os.getpid()}"
    return {name: tag(ground.cluster, ground.images[name], next_tag) for name in ("operator", "steps")}


def operators_image(stage: Stage) -> str:
    """The image of the operator that runs."""
    return str(stage.release.operator()["spec"]["containers"][0]["image"])


def wait_for_definitions(stage: Stage, *, new: bool) -> None:
    """Until the API server has heard of the definitions that it was given: it shows their columns of runs."""
    wait_for("the definitions to be served", lambda: knows_what_is_new(stage) is new, 60)


def knows_what_is_new(stage: Stage) -> bool:
    """Whether the API server shows the next version's column of runs."""
    shown = stage.release.ground.kubectl.run("get", "pipelineruns", "-n", stage.release.namespace).stdout
    return NEW_FIELD.upper() in shown.splitlines()[0]


def test_the_next_version_comes_and_goes_mid_run(
    stage: Stage, again: Mapping[str, str], tmp_path: Path
) -> None:
    release, ground = stage.release, stage.release.ground
    with evidence(ground, release.namespace):
        manifest = stage.begin("p")
        before = stage.run("p-g1")

        definitions = next_definitions(tmp_path / "definitions")
        ground.bring_definitions(definitions)
        release.install(next_chart(tmp_path / "next"), again)
        assert operators_image(stage) == again["operator"]
        wait_for_definitions(stage, new=True)
        assert stage.run("p-g1") == before
        ground.helm("rollback", RELEASE, "-n", release.namespace, "--wait", "--timeout", "6m")
        ground.bring_definitions()
        assert operators_image(stage) == ground.images["operator"]
        wait_for_definitions(stage, new=False)
        assert stage.run("p-g1") == before
        ground.bring_definitions(definitions)
        release.install(next_chart(tmp_path / "once-more"), again)
        assert stage.run("p-g1") == before

        open_gate(ground, release.namespace, "during")
        steps = steps_of(stage.runs.finished("p-g1"))
        assert {(one["state"], one["attempt"]) for one in steps.values()} == {("Succeeded", 1)}
        after = ground.kubectl.get("job", steps["after"]["job"], release.namespace)
        assert again["steps"] in str(after["spec"]["template"]), "the next version has made it"
        ground.kubectl.apply(manifest, served(release.namespace))
        assert {one["metadata"]["generation"] for one in stage.list("pipelines")} == {1}
        reused(stage, steps)
        assert stage.endpoint() == before["endpoint"]
        release.install()
        ground.bring_definitions()


def reused(stage: Stage, steps: Mapping[str, dict[str, Any]]) -> None:
    """A run that a person makes under the new version finds all of it made, under the same digests."""
    runs = [*stage.runs.names(), "mine"]
    meta = {"name": "mine", "namespace": stage.release.namespace}
    about = {"apiVersion": "penstock.dev/v1alpha1", "kind": "PipelineRun", "metadata": meta}
    stage.release.ground.kubectl.apply({**about, "spec": {"pipeline": "p"}})
    mine = steps_of(stage.runs.finished("mine"))
    assert {one["state"] for one in mine.values()} == {"Reused"}
    assert {name: one["digest"] for name, one in mine.items()} == {
        name: one["digest"] for name, one in steps.items()
    }
    assert stage.runs.names() == runs, "neither the upgrades nor the same files started one"


def lacks_a_secret(stage: Stage) -> bool:
    """Whether the program has ended and its outputs cannot be stored, for want of the store's Secret."""
    (pod,) = stage.list("pods", "penstock.dev/run=q-g1,penstock.dev/step=during")
    states = [one["state"] for one in pod["status"]["containerStatuses"]]
    return any(one.get("waiting", {}).get("reason") == "CreateContainerConfigError" for one in states)


def test_a_release_is_uninstalled_and_installed_again_mid_run(stage: Stage) -> None:
    release, ground = stage.release, stage.release.ground
    with evidence(ground, release.namespace):
        stage.begin("q")
        before = stage.run("q-g1")
        release.uninstall()
        assert stage.run("q-g1") == before
        open_gate(ground, release.namespace, "during")
        # Its outputs want the store's Secret, which has gone with the release, for longer than a grace.
        wait_for("the pod to lack the Secret", lambda: lacks_a_secret(stage))
        time.sleep(GRACE)
        assert lacks_a_secret(stage)
        release.install()
        steps = steps_of(stage.runs.finished("q-g1"))
        assert {(one["state"], one["attempt"]) for one in steps.values()} == {("Succeeded", 1)}
        assert (
            before["jobs"].items()
            <= {one["metadata"]["name"]: one["metadata"]["uid"] for one in stage.list("jobs")}.items()
        )
        assert stage.runs.names() == before["runs"]
        assert stage.endpoint() == before["endpoint"]
