"""S7 for the rules beside a plain run: every write costs the operator its life, and the end is the same.

Each life gets one write done, never hears that it was, and the next one goes on from what it finds. What
comes of it is compared with the same story under an operator that lives.
"""

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.shell.fault_proxy import fault_proxy
from tests.shell.operator_process import OperatorProcess
from tests.shell.worlds import counted, end_state, new_namespace
from tests.support import Kubectl, condition, pipeline, steps_of, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

SMALL = {"resources": {"cpu": "10m", "memory": "32Mi"}}
HOURS = [f"p-20261120{hour:02}00" for hour in range(3)]


@dataclass(frozen=True)
class Seen:
    """What there is in the story's namespace now."""

    kubectl: Kubectl
    namespace: str

    def runs(self) -> dict[str, Any]:
        """By name."""
        return {one["metadata"]["name"]: one for one in self.kubectl.list("pipelineruns", self.namespace)}

    def state(self, run: str, step: str) -> str:
        """The state of a step as written; empty where there is none yet."""
        return str(steps_of(self.runs().get(run, {})).get(step, {}).get("state", ""))

    def over(self, *names: str) -> bool:
        """Whether these runs have ended, the Pipeline tells of its last one, and no Job goes on."""
        runs = self.runs()
        if any(condition(runs.get(one, {}), "Finished").get("status") != "True" for one in names):
            return False
        going = [
            one for one in self.kubectl.list("jobs", self.namespace) if not one["status"].get("conditions")
        ]
        (found,) = self.kubectl.list("pipelines", self.namespace)
        return not going and found.get("status", {}).get("status") not in {"Waiting", "Running"}


Act = tuple[Callable[[Seen], bool], Callable[[Seen], Any]]  # when it is time, and what a person does then


@dataclass(frozen=True)
class Story:
    """A Pipeline, what people do to its runs, and when it has come to its end."""

    spec: Mapping[str, Any]
    over: Callable[[Seen], bool]
    acts: Sequence[Act] = ()
    ends: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # run -> STATUS and REASON


def program(name: str, *command: str, **more: Any) -> dict[str, Any]:
    """A step; the image is put in when it is played."""
    return {"name": name, "run": {"image": "", "command": list(command or ["true"])}, **SMALL, **more}


def change(run: str, **spec: Any) -> Callable[[Seen], None]:
    """Somebody changes the spec of a run."""

    def do(seen: Seen) -> None:
        words = ("patch", "pipelinerun", run, "-n", seen.namespace, "--type=merge", "-p")
        seen.kubectl.run(*words, json.dumps({"spec": spec}))

    return do


def new(run: str, **spec: Any) -> Callable[[Seen], None]:
    """Somebody makes a run."""

    def do(seen: Seen) -> None:
        meta = {"name": run, "namespace": seen.namespace}
        about = {"apiVersion": "penstock.dev/v1alpha1", "kind": "PipelineRun", "metadata": meta}
        seen.kubectl.apply({**about, "spec": {"pipeline": "p", **spec}})

    return do


def replaced(spec: Mapping[str, Any]) -> Callable[[Seen], None]:
    """Somebody applies another spec."""
    return lambda seen: seen.kubectl.apply(_placed(spec, seen))


def endpoint(seen: Seen) -> None:
    """An endpoint of a server that is not ours: what was seen of its drift stays as it is."""
    meta = {"name": "e", "namespace": seen.namespace}
    spec = {"model": {"version": "m-1"}, "server": {"image": IMAGE["standin"]}, "monitoring": {"every": "1h"}}
    about = {"apiVersion": "penstock.dev/v1alpha1", "kind": "ModelEndpoint", "metadata": meta}
    seen.kubectl.apply({**about, "spec": spec})


def drifts(seen: Seen) -> None:
    """Its first episode begins."""
    told = {"status": {"monitoring": {"episodes": 1, "drifting": True}}}
    words = (
        "patch",
        "modelendpoint",
        "e",
        "-n",
        seen.namespace,
        "--subresource=status",
        "--type=merge",
        "-p",
    )
    seen.kubectl.run(*words, json.dumps(told))


def armed(seen: Seen) -> bool:
    """Whether the trigger waits for the endpoint's next episode."""
    found = seen.kubectl.get("pipeline", "p", seen.namespace).get("status", {}).get("triggers", [{}])
    return "endpointUid" in found[0]


LONG = program("long", "sleep", "3600")
HANGING = {"steps": [LONG, program("later", dependsOn=["long"])]}
MAKES = {"name": "first", "run": {"image": "", "command": ["true"], "outputs": [{"name": "files"}]}, **SMALL}
TAKES = {
    "name": "lacking",
    "run": {"image": "", "command": ["true"], "inputs": {"x": "first.files"}},
    **SMALL,
}
DAILY = {
    "steps": [program("work")],
    "triggers": [{"name": "tick", "schedule": {"cron": "0 * * * *", "missed": "Skip"}}],
    "policy": {"keepRuns": 100, "onChange": "Wait"},
}
RANGE = {"trigger": "tick", "from": "2026-11-20T00:00:00Z", "to": "2026-11-20T02:59:00Z", "parallelism": 2}
FIRST_OVER = lambda seen: seen.over("p-g1")  # noqa: E731 - a condition with a name
STORIES: Mapping[str, Story] = {
    "a run is cancelled": Story(
        HANGING,
        lambda seen: seen.over("p-g1"),
        [(lambda seen: seen.state("p-g1", "long") == "Running", change("p-g1", cancel=True))],
        {"p-g1": ("Cancelled", "RunCancelled")},
    ),
    "the deadline of a run passes": Story(
        {"steps": [*HANGING["steps"], program("tell", always=True)], "policy": {"deadline": "15s"}},
        lambda seen: seen.over("p-g1"),
        ends={"p-g1": ("Expired", "RunExpired")},
    ),
    "what a reused step had made is gone": Story(
        {"steps": [MAKES]},
        lambda seen: seen.over("p-g1", "p-g2"),
        [(FIRST_OVER, replaced({"steps": [MAKES, TAKES]}))],
        {"p-g2": ("Succeeded", "Succeeded")},
    ),
    "a run is repeated from a step on": Story(
        {
            "steps": [
                MAKES,
                program("broken", "python3", "-c", "import sys; sys.exit(3)", dependsOn=["first"]),
            ]
        },
        lambda seen: seen.over("p-g1", "again"),
        [(FIRST_OVER, new("again", rerun={"run": "p-g1", "failed": True}))],
        {"again": ("Failed", "UserError")},
    ),
    "times of the past are made up for": Story(
        DAILY,
        lambda seen: seen.over("fill", *HOURS),
        [
            (
                lambda seen: "status" in seen.kubectl.get("pipeline", "p", seen.namespace),
                new("fill", backfill=RANGE),
            )
        ],
        {"fill": ("Succeeded", "Succeeded"), **dict.fromkeys(HOURS, ("Succeeded", "Succeeded"))},
    ),
    "an endpoint drifts": Story(
        {**DAILY, "triggers": [{"name": "drift", "endpointCondition": {"endpoint": "e", "type": "Drifted"}}]},
        lambda seen: seen.over("p-drifted-1"),
        [(lambda _: True, endpoint), (armed, drifts)],
        {"p-drifted-1": ("Succeeded", "Succeeded")},
    ),
    "a backfill is cancelled": Story(
        {**DAILY, "steps": [LONG]},
        lambda seen: seen.over("fill", *HOURS[:2]),
        [
            (
                lambda seen: "status" in seen.kubectl.get("pipeline", "p", seen.namespace),
                new("fill", backfill=RANGE),
            ),
            (
                lambda seen: {seen.state(one, "long") for one in HOURS[:2]} == {"Running"},
                change("fill", cancel=True),
            ),
        ],
        dict.fromkeys(("fill", *HOURS[:2]), ("Cancelled", "RunCancelled")),
    ),
}
AT_ONCE = 3


@dataclass(frozen=True)
class Outcome:
    """What a story came to."""

    kills: int
    ends: Mapping[str, tuple[str, str]]
    state: Mapping[str, Any]
    created: Mapping[str, int]


def _placed(spec: Mapping[str, Any], seen: Seen) -> dict[str, Any]:
    found = copy.deepcopy(dict(spec))
    for step in found["steps"]:
        step["run"]["image"] = IMAGE["standin"]
    return pipeline("p", seen.namespace, found)


IMAGE: dict[str, str] = {}


def play(
    kubectl: Kubectl, story: Story, settings: Path, upstream: Path, folder: Path, *, deadly: bool
) -> Outcome:
    """Tell the story to its end, under an operator that dies after every write or never."""
    with new_namespace(kubectl) as namespace, fault_proxy(upstream, folder) as proxy:
        operator = OperatorProcess(namespace, proxy.kubeconfig, settings, folder / "operator.log")
        proxy.relentless, proxy.victim = deadly, lambda: operator.kill() or operator.start()
        seen, acts = Seen(kubectl, namespace), list(story.acts)

        def told() -> bool:
            if acts:
                if acts[0][0](seen):
                    acts.pop(0)[1](seen)
                return False
            return story.over(seen)

        operator.start()
        kubectl.apply(_placed(story.spec, seen))
        try:
            wait_for("the story to end", told, 480, every=0.3)
            runs = {
                name: (one["status"]["status"], one["status"]["reason"]) for name, one in seen.runs().items()
            }
            return Outcome(proxy.kills, runs, end_state(kubectl, namespace), counted(proxy.created()))
        finally:
            proxy.relentless = False
            operator.kill()


@pytest.fixture(scope="module")
def plays(
    kubectl: Kubectl,
    no_other_operator: None,
    standin: str,
    settings: Path,
    upstream: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[tuple[str, bool], Future[Outcome]]]:
    """All stories, with and without the kills, a few at a time."""
    IMAGE["standin"] = standin
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            (name, deadly): pool.submit(
                play, kubectl, story, settings, upstream, tmp_path_factory.mktemp("story"), deadly=deadly
            )
            for name, story in STORIES.items()
            for deadly in (False, True)
        }


@pytest.mark.parametrize("name", STORIES)
def test_killed_after_every_write_when(name: str, plays: Mapping[tuple[str, bool], Future[Outcome]]) -> None:
    calm, deadly = (plays[name, way].result(1200) for way in (False, True))
    print(f"\n{name}: {deadly.kills} kills")
    assert calm.ends | STORIES[name].ends == calm.ends
    assert deadly.kills >= 6
    assert set(calm.created.values()) == {1}
    assert deadly.created == calm.created
    assert deadly.state == calm.state
