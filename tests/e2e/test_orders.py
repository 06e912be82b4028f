"""S5: in whatever order release, namespace and definitions are deleted, nothing sticks and nothing is left.

Each order begins with a run in flight, in a namespace with a release of its own. All happen beside each
other; the definitions, which are the cluster's, are deleted once for all those in whose order they come.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest

from tests.e2e.releases import Ground, Trial, evidence, new_namespace, state
from tests.support import Runs, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("orders")]

Acts = Sequence[Callable[[Trial], None]]
WITHIN = 90  # seconds


def at_once(found: Trial) -> None:
    """The release and its namespace, in the same moment."""
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(found.delete_namespace), pool.submit(found.uninstall)]:
            done.result()


def lose_another(found: Trial) -> None:
    """A second namespace that the release serves goes with a run in flight; the first one's goes on."""
    ground, other = found.ground, new_namespace(found.ground, "another")
    found.install(scope={"namespaces": [found.namespace, other]})
    found.start_a_run(other)
    ground.kubectl.run("delete", "namespace", other, "--wait=false")
    wait_for("the other namespace to go", lambda: not ground.has(other), WITHIN, every=1)
    assert state(Runs(ground.kubectl, found.namespace), "p-g1", "long") == "Running"


KEPT: Mapping[str, Acts] = {
    "uninstall, namespace": [Trial.uninstall, Trial.delete_namespace],
    "namespace, uninstall": [Trial.delete_namespace, Trial.uninstall],
    "operator killed, namespace, uninstall": [Trial.kill_operator, Trial.delete_namespace, Trial.uninstall],
    "uninstall and namespace at once": [at_once],
    "another served namespace, uninstall, namespace": [
        lose_another,
        Trial.uninstall,
        Trial.delete_namespace,
    ],
}
# What is done before the definitions are deleted, and what afterwards.
DELETED: Mapping[str, tuple[Acts, Acts]] = {
    "uninstall, definitions, namespace": ([Trial.uninstall], [Trial.delete_namespace]),
    "namespace, definitions, uninstall": ([Trial.delete_namespace], [Trial.uninstall]),
    "operator killed, definitions, namespace, uninstall": (
        [Trial.kill_operator],
        [Trial.delete_namespace, Trial.uninstall],
    ),
    "definitions, uninstall, namespace": ([], [Trial.uninstall, Trial.delete_namespace]),
    "definitions, namespace, uninstall": ([], [Trial.delete_namespace, Trial.uninstall]),
}


def start(found: Trial) -> None:
    """A release with a run in flight."""
    found.install()
    found.start_a_run()


def carry_out(found: Trial, acts: Acts) -> None:
    """Do all of it, one after the other."""
    for act in acts:
        act(found)


def assert_nothing_left(found: Trial) -> None:
    """The namespace goes, and with it everything that was in it; outside nothing names it."""
    ground, name = found.ground, found.namespace
    wait_for(f"the namespace {name} to go", lambda: not ground.has(name), WITHIN, every=1)
    for one in ground.kubectl.list("clusterroles,clusterrolebindings", "default"):
        subjects = {subject.get("namespace") for subject in one.get("subjects") or ()}
        assert name not in {one["metadata"]["name"], *subjects}


class Scene:
    """All trials beside each other, act by act. One that fails takes no further part; its Future says why."""

    def __init__(self, ground: Ground, pool: ThreadPoolExecutor) -> None:
        self.ground, self.pool = ground, pool
        names = (*KEPT, *DELETED)
        self.trials = {name: Trial(ground, new_namespace(ground, "order")) for name in names}
        self.last: dict[str, Future[None]] = {}

    def play(self) -> None:
        """From the beginning to the end."""
        self.act(dict.fromkeys(self.trials, start))
        self.act({name: partial(carry_out, acts=acts) for name, acts in KEPT.items()})
        self.act(dict.fromkeys(KEPT, assert_nothing_left))
        self.act({name: partial(carry_out, acts=before) for name, (before, _) in DELETED.items()})
        self.ground.delete_definitions()
        self.act({name: partial(carry_out, acts=after) for name, (_, after) in DELETED.items()})
        self.act(dict.fromkeys(DELETED, assert_nothing_left))

    def act(self, acts: Mapping[str, Callable[[Trial], None]]) -> None:
        """The next act of some trials, of each whose earlier ones went well; until all are through."""
        for name, act in acts.items():
            if name not in self.last or self.last[name].exception() is None:
                self.last[name] = self.pool.submit(self._watched, self.trials[name], act)
        for one in self.last.values():
            one.exception()  # waits

    @staticmethod
    def _watched(found: Trial, act: Callable[[Trial], None]) -> None:
        with evidence(found.ground, found.namespace):
            act(found)


@pytest.fixture(scope="module")
def scene(ground: Ground) -> Iterator[Scene]:
    """All orders, carried out."""
    ground.bring_definitions()
    with ThreadPoolExecutor(len(KEPT) + len(DELETED)) as pool:
        found = Scene(ground, pool)
        found.play()
    yield found
    for one in found.trials.values():
        one.delete_namespace()


@pytest.mark.parametrize("name", [*KEPT, *DELETED])
def test_nothing_sticks_and_nothing_is_left_of(scene: Scene, name: str) -> None:
    scene.last[name].result()


def test_the_definitions_go_too(scene: Scene) -> None:
    wait_for("the definitions to go", lambda: not scene.ground.definitions(), WITHIN)
