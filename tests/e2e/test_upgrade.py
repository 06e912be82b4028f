"""S5: the next version of the chart comes and goes while a run is under way; nobody but the reader notices.

The same programs under another tag, in a chart of a higher version: nothing is lost, no digest is another
one, no run starts, and no step runs again.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hack.cluster.cluster import load
from hack.cluster.images import build_and_load
from hack.project import IMAGES
from tests.e2e.releases import OPERATOR, RELEASE, SMALL, Trial, next_chart, state, trial
from tests.support import ROOT, Kubectl, Runs, pipeline, steps_of, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


def spec(image: str) -> dict[str, Any]:
    """A step that is over before the upgrade, one during which it comes and goes, one afterwards."""

    def step(name: str, seconds: int, *needs: str) -> dict[str, Any]:
        words = f"import time; time.sleep({seconds}); open('/penstock/out/files/a', 'w').write('{name}')"
        run = {"image": image, "command": ["python3", "-c", words], "outputs": [{"name": "files"}]}
        return {"name": name, "run": run, **SMALL, **({"dependsOn": list(needs)} if needs else {})}

    return {"steps": [step("before", 0), step("during", 60, "before"), step("after", 0, "during")]}


@pytest.fixture
def again(images: Mapping[str, str]) -> dict[str, str]:
    """The operator and the steps once more, under other tags."""
    cluster = load(os.environ["PENSTOCK_CLUSTER"])
    return {
        one.name: build_and_load(
            cluster,
            ROOT / one.dockerfile,
            f"penstock/{one.name}",
            [ROOT / path for path in one.inputs],
            build_args={"TAGGED": "next"},
        )
        for one in IMAGES
        if one.name in ("operator", "steps")
    }


def running_image(kubectl: Kubectl, namespace: str) -> str:
    """The image that the operator's Deployment asks for."""
    found = kubectl.get("deployment", OPERATOR, namespace)
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def seen(found: Trial, runs: Runs) -> dict[str, Any]:
    """What must be the same before and after: runs, what they execute, ended steps, Jobs."""
    steps = steps_of(runs.get("p-g1"))
    jobs = found.kubectl.list("jobs", found.namespace)
    return {
        "runs": runs.names(),
        "snapshot": runs.get("p-g1")["status"]["snapshot"],
        "digests": {name: one.get("digest", "") for name, one in steps.items() if name != "after"},
        "attempts": {name: one.get("attempt", 0) for name, one in steps.items() if name != "after"},
        "before": steps["before"],
        "jobs": {
            one["metadata"]["name"]: one["metadata"]["uid"]
            for one in jobs
            if "-after-" not in one["metadata"]["name"]
        },
        "revisions": sorted(
            one["metadata"]["uid"] for one in found.kubectl.list("controllerrevisions", found.namespace)
        ),
    }


def test_the_next_version_comes_and_goes_mid_run(
    kubectl: Kubectl,
    operator_down: Any,
    helm: Any,
    images: Mapping[str, str],
    again: Mapping[str, str],
    tmp_path: Path,
) -> None:
    assert not set(again.values()) & set(images.values()), "it is the same tag"
    with trial(kubectl, helm, images) as found:
        runs = Runs(kubectl, found.namespace)
        manifest = pipeline("p", found.namespace, spec(images["server"]))
        kubectl.apply(manifest)
        runs.started("p", 1)
        wait_for("the step to run", lambda: state(runs, "p-g1", "during") == "Running", 90)
        before = seen(found, runs)

        found.install(next_chart(tmp_path), **again)
        assert running_image(kubectl, found.namespace) == again["operator"]
        assert seen(found, runs) == before
        helm("rollback", RELEASE, "1", "-n", found.namespace, "--wait", "--timeout", "2m")
        assert running_image(kubectl, found.namespace) == images["operator"]
        assert seen(found, runs) == before
        found.install(next_chart(tmp_path / "once-more"), **again)

        run = runs.finished("p-g1", 120)
        assert {one["state"] for one in steps_of(run).values()} == {"Succeeded"}
        assert {one["attempt"] for one in steps_of(run).values()} == {1}
        kubectl.apply(manifest)
        assert kubectl.get("pipeline", "p", found.namespace)["metadata"]["generation"] == 1
        reused(found, runs, steps_of(run))


def reused(found: Trial, runs: Runs, steps: Mapping[str, dict[str, Any]]) -> None:
    """A run that a person makes under the new version finds all of it made, under the same digests."""
    meta = {"name": "mine", "namespace": found.namespace}
    about = {"apiVersion": "penstock.dev/v1alpha1", "kind": "PipelineRun", "metadata": meta}
    found.kubectl.apply({**about, "spec": {"pipeline": "p"}})
    mine = steps_of(runs.finished("mine", 60))
    assert {one["state"] for one in mine.values()} == {"Reused"}
    assert {name: one["digest"] for name, one in mine.items()} == {
        name: one["digest"] for name, one in steps.items()
    }
    assert set(runs.names()) == {"p-g1", "mine"}, "the upgrade alone starts no run"
