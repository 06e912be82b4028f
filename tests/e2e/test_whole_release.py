"""S5: a release that owns the definitions and works in all namespaces loses them, or itself, and comes back.

Each test begins with a run in flight in a namespace that is not the release's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.releases import CRDS, RELEASE, Ground, Trial, evidence, new_namespace, open_gate, state
from tests.support import Runs, steps_of, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("orders")]


@dataclass(frozen=True)
class Scene:
    """The release, and where a run waits at its gate."""

    release: Trial
    runs: Runs

    @property
    def work(self) -> str:
        """The namespace of the run."""
        return self.runs.namespace

    def jobs(self) -> dict[str, str]:
        """Uids of the Jobs by their names."""
        found = self.release.ground.kubectl.list("jobs", self.work)
        return {one["metadata"]["name"]: one["metadata"]["uid"] for one in found}


@pytest.fixture
def scene(ground: Ground) -> Iterator[Scene]:
    """A release with everything that belongs to a cluster, and a run in flight elsewhere."""
    ground.bring_definitions()
    own, work = new_namespace(ground, "release"), new_namespace(ground, "work")
    whole: dict[str, Any] = {
        "crds": {"install": True},
        "rbac": {"userRoles": {"create": True}},
        "scope": {"clusterWide": True},
        "store": {"namespaces": [own, work]},
    }
    release = Trial(ground, own, whole)
    with evidence(ground, work, own):
        release.install()
        yield Scene(release, release.start_a_run(work))
    release.uninstall()
    for name in (own, work):
        ground.kubectl.run("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def test_the_definitions_come_back_and_the_operator_goes_on_by_itself(scene: Scene) -> None:
    release, ground = scene.release, scene.release.ground
    before = release.operator()["metadata"]["uid"]
    ground.delete_definitions()
    wait_for("the definitions to go", lambda: not ground.definitions())
    wait_for("what the runs had to go", lambda: not scene.jobs())
    wait_for("the operator to wait for them", lambda: waits(release))
    release.install()  # waits until the operator is ready
    assert ground.definitions() == set(CRDS)
    found = release.operator()
    assert found["metadata"]["uid"] == before, "nobody has started it anew"
    release.start_a_run(scene.work)


def waits(release: Trial) -> bool:
    """Whether the operator runs, is not ready, and says what it waits for."""
    (status,) = release.operator()["status"]["containerStatuses"]
    if "running" not in status["state"] or status["ready"]:
        return False
    said = release.ground.kubectl.run("logs", f"deployment/{RELEASE}", "-n", release.namespace).stdout
    return "the API server lacks kinds of ours" in said


def test_a_run_goes_on_after_the_releases_namespace_was_deleted_and_it_was_installed_again(
    scene: Scene,
) -> None:
    release, ground, jobs = scene.release, scene.release.ground, scene.jobs()
    release.delete_namespace()
    wait_for("the namespace to go", lambda: not ground.has(release.namespace), 90, every=1)
    release.uninstall()  # helm finds nothing
    assert ground.definitions() == set(CRDS)
    assert scene.jobs() == jobs
    ground.kubectl.run("create", "namespace", release.namespace)
    release.install()
    open_gate(ground, scene.work, "long")
    run = scene.runs.finished("p-g1")
    assert {one["state"] for one in steps_of(run).values()} == {"Succeeded"}
    assert {one["attempt"] for one in steps_of(run).values()} == {1}
    assert jobs.items() <= scene.jobs().items()
    assert scene.runs.names() == ["p-g1"]


def test_an_uninstallation_that_is_to_keep_no_definitions_takes_everything(scene: Scene) -> None:
    release, ground = scene.release, scene.release.ground
    release.install(crds={"install": True, "keep": False})
    assert state(scene.runs, "p-g1", "long") == "Running"
    release.uninstall()
    wait_for("the definitions to go", lambda: not ground.definitions())
    wait_for("what the runs had to go", lambda: not scene.jobs())
    ours = "app.kubernetes.io/part-of=penstock"
    assert not ground.kubectl.list("clusterroles,clusterrolebindings", "default", ours)
    assert not ground.kubectl.list("secrets", scene.work)
    # What the definitions' objects owned goes by garbage collection, in no order.
    wait_for("the revisions to go", lambda: not ground.kubectl.list("controllerrevisions", scene.work))
    wait_for("the pods to go", lambda: not ground.kubectl.list("pods", scene.work))
    release.delete_namespace()
    wait_for("the namespace to go", lambda: not ground.has(release.namespace), 90, every=1)
