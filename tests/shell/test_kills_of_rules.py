"""S7 for the rules beside a plain run: every write costs the operator its life, and the end is the same.

Each life gets one write done, never hears that it was, and the next one goes on from what it finds. What
comes of it is compared with the same story under an operator that lives.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from penstock_operator.pace import NEWS_INTERVAL
from tests.shell.fault_proxy import FaultProxy, fault_proxy
from tests.shell.nursery import Nursery, nursery
from tests.shell.operator_process import OperatorProcess
from tests.shell.stories import STORIES, Scene, Story
from tests.shell.worlds import counted, differences, end_state, new_namespace
from tests.support import ROOT, Kubectl, keep_evidence, wait_for

# All on one worker: each story is played once, by the first that asks.
pytestmark = [pytest.mark.e2e, pytest.mark.own_operator, pytest.mark.xdist_group("kills-of-rules")]

AT_ONCE = 4  # one or two of them only wait
SILENCE = NEWS_INTERVAL + 1  # seconds for which one that is ready writes nothing more, no news either
PATIENCE = 300  # seconds for what a story waits for, on a machine with other work as well


@dataclass(frozen=True)
class Outcome:
    """What a story came to."""

    kills: int
    ends: Mapping[str, tuple[str, str]]
    state: Mapping[str, Any]
    created: Mapping[str, int]  # by name without its accidental part: attempts of one step count together
    twice: Sequence[str]  # objects that were made more than once


class Stage:
    """Plays stories, each in a namespace with an operator of its own."""

    def __init__(self, kubectl: Kubectl, image: str, settings: Path, upstream: Path, lives: Nursery) -> None:
        self.kubectl = kubectl
        self.image = image
        self.settings = settings
        self.upstream = upstream
        self.lives = lives

    def play(self, story: Story, folder: Path, *, deadly: bool) -> Outcome:
        """Tell the story to its end, under an operator that dies after every write or never."""
        with (
            new_namespace(self.kubectl) as namespace,
            ExitStack() as last,
            fault_proxy(self.upstream, folder) as proxy,
        ):
            log = folder / "operator.log"
            operator = OperatorProcess(namespace, proxy.kubeconfig, self.settings, log, nursery=self.lives)
            last.callback(operator.kill)  # when the proxy is gone, which starts it anew
            proxy.relentless, proxy.victim = deadly, lambda: _revive(operator)
            operator.start()
            scene = Scene(self.kubectl, namespace, self.image)
            try:
                _tell(story, scene)
                _wait_for_silence(operator, proxy)
            except AssertionError:
                keep_evidence(self.kubectl, namespace, ROOT / ".artifacts/e2e" / f"{folder.name}-{namespace}")
                raise
            finally:
                proxy.relentless = False
            runs = scene.runs().items()
            made = Counter(one for one in proxy.created() if not one.startswith("events/"))
            return Outcome(
                proxy.kills,
                {name: (one["status"]["status"], one["status"]["reason"]) for name, one in runs},
                end_state(self.kubectl, namespace),
                counted(made.elements()),
                sorted(one for one, times in made.items() if times > 1),
            )


def _revive(operator: OperatorProcess) -> None:
    operator.kill()
    operator.start()


def _tell(story: Story, scene: Scene) -> None:
    """All that people do, each at its time, until every run has ended."""
    for name, spec in story.others.items():
        scene.place(name, spec)
    scene.place("p", story.spec)
    for act in story.acts:
        wait_for("the time of the next act", partial(act.when, scene), PATIENCE, every=0.5)
        act.do(scene)
    wait_for("the story to end", lambda: scene.over(*story.ends), PATIENCE, every=0.5)


def _wait_for_silence(operator: OperatorProcess, proxy: FaultProxy) -> None:
    """Until whoever came last has seen everything and has nothing left to write."""
    since, seen = time.monotonic(), (0, 0)

    def rests() -> bool:
        nonlocal since, seen
        now = (operator.starts, len(proxy.writes))
        if not operator.is_ready() or now != seen:
            since, seen = time.monotonic(), now
        return time.monotonic() - since >= SILENCE

    wait_for("the operator to be silent", rests, PATIENCE)


@pytest.fixture(scope="module")
def plays(
    kubectl: Kubectl,
    no_other_operator: None,
    standin: str,
    settings: Path,
    upstream: Path,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Mapping[tuple[str, bool], Future[Outcome]]]:
    """The stories that are asked for, with and without the kills, a few at a time."""
    functions = [one for one in request.session.items if isinstance(one, pytest.Function)]
    chosen = {one.callspec.params["name"] for one in functions if one.path == request.path}
    with nursery() as lives, ThreadPoolExecutor(AT_ONCE) as pool:
        stage = Stage(kubectl, standin, settings, upstream, lives)
        yield {
            (name, deadly): pool.submit(
                stage.play, STORIES[name], tmp_path_factory.mktemp("story"), deadly=deadly
            )
            for name in STORIES
            for deadly in (True, False)
            if name in chosen
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", STORIES)
def test_killed_after_every_write_when(name: str, plays: Mapping[tuple[str, bool], Future[Outcome]]) -> None:
    calm, deadly = (plays[name, way].result() for way in (False, True))
    assert {one: calm.ends.get(one) for one in STORIES[name].ends} == STORIES[name].ends
    assert deadly.kills >= 6
    assert (calm.twice, deadly.twice) == ([], [])
    assert deadly.created == calm.created
    assert differences(calm.state, deadly.state) == []
