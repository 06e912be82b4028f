"""Stories of the rules beside a plain run: a Pipeline, what people do to its runs, and how it ends."""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support import Kubectl, condition, pipeline, steps_of

SMALL = {"resources": {"cpu": "10m", "memory": "32Mi"}}
WELL = ("Succeeded", "Succeeded")


@dataclass(frozen=True)
class Scene:
    """Where a story is played, and what there is now."""

    kubectl: Kubectl
    namespace: str
    image: str  # of every step

    def runs(self) -> dict[str, Any]:
        """By name."""
        return {one["metadata"]["name"]: one for one in self.kubectl.list("pipelineruns", self.namespace)}

    def state(self, run: str, step: str) -> str:
        """The state of a step as written; empty where there is none yet."""
        return str(steps_of(self.runs().get(run, {})).get(step, {}).get("state", ""))

    def told(self) -> dict[str, Any]:
        """The status of the Pipeline that the story is about."""
        status: dict[str, Any] = self.kubectl.get("pipeline", "p", self.namespace).get("status", {})
        return status

    def over(self, *names: str) -> bool:
        """Whether these runs have ended, the Pipeline tells of its last one, and no Job goes on."""
        runs = self.runs()
        if any(condition(runs.get(one, {}), "Finished").get("status") != "True" for one in names):
            return False
        jobs = self.kubectl.list("jobs", self.namespace)
        going = [one for one in jobs if not one["status"].get("conditions")]
        return not going and self.told().get("status") not in {"Waiting", "Running"}

    def place(self, name: str, spec: Mapping[str, Any]) -> None:
        """Somebody applies a Pipeline."""
        found = copy.deepcopy(dict(spec))
        for step in found["steps"]:
            if "run" in step:
                step["run"]["image"] = self.image
        self.kubectl.apply(pipeline(name, self.namespace, found))


@dataclass(frozen=True)
class Act:
    """What a person does, and when the time for it has come."""

    when: Callable[[Scene], Any]
    do: Callable[[Scene], None]


@dataclass(frozen=True)
class Story:
    """The Pipeline `p`, what people do to it, and how its runs end."""

    spec: Mapping[str, Any]
    ends: Mapping[str, tuple[str, str]]  # run -> STATUS and REASON
    acts: Sequence[Act] = ()
    others: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # Pipelines that are there before


def program(name: str, *command: str, run: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A step; the image is put in when it is placed."""
    return {"name": name, "run": {"command": list(command or ["true"]), **(run or {})}, **SMALL, **more}


def once(*names: str) -> Callable[[Scene], bool]:
    """When these runs are over."""
    return lambda scene: scene.over(*names)


def works(count: int) -> Callable[[Scene], bool]:
    """When the steps `long` of so many runs are at work."""
    return lambda scene: [scene.state(one, "long") for one in scene.runs()].count("Running") == count


def change(run: str, **spec: Any) -> Callable[[Scene], None]:
    """Somebody changes the spec of a run."""

    def do(scene: Scene) -> None:
        words = ("patch", "pipelinerun", run, "-n", scene.namespace, "--type=merge", "-p")
        scene.kubectl.run(*words, json.dumps({"spec": spec}))

    return do


def new(run: str, **spec: Any) -> Callable[[Scene], None]:
    """Somebody makes a run."""

    def do(scene: Scene) -> None:
        meta = {"name": run, "namespace": scene.namespace}
        about = {"apiVersion": "penstock.dev/v1alpha1", "kind": "PipelineRun", "metadata": meta}
        scene.kubectl.apply({**about, "spec": {"pipeline": "p", **spec}})

    return do


def endpoint(scene: Scene) -> None:
    """An endpoint of a server that is not ours: what was seen of its drift stays as it is."""
    meta = {"name": "e", "namespace": scene.namespace}
    spec = {"model": {"version": "m-1"}, "server": {"image": scene.image}, "monitoring": {"every": "1h"}}
    about = {"apiVersion": "penstock.dev/v1alpha1", "kind": "ModelEndpoint", "metadata": meta}
    scene.kubectl.apply({**about, "spec": spec})


def drifts(scene: Scene) -> None:
    """Its first episode begins."""
    told = json.dumps({"status": {"monitoring": {"episodes": 1, "drifting": True}}})
    words = ("--subresource=status", "--type=merge", "-p", told)
    scene.kubectl.run("patch", "modelendpoint", "e", "-n", scene.namespace, *words)


def armed(scene: Scene) -> bool:
    """Whether the trigger waits for the endpoint's next episode."""
    return "endpointUid" in scene.told().get("triggers", [{}])[0]


LONG = program("long", "sleep", "3600")
HANGING = {"steps": [LONG, program("later", dependsOn=["long"])]}
MAKES = program("first", run={"outputs": [{"name": "files"}]})
GOES_ON = program("more", run={"inputs": {"x": "first.files"}, "outputs": [{"name": "files"}]})
TAKES = program("lacking", run={"inputs": {"x": "first.files"}})
FAILS = program("broken", "python3", "-c", "import sys; sys.exit(3)", dependsOn=["first"])
GRID = program(
    "each",
    matrix={"axes": {"month": [1, 2, 3]}},
    maxParallel=2,
    run={"argumentsFrom": {"month": {"cell": "month"}}, "outputs": [{"name": "files"}]},
)
BEST = program("best", run={"inputs": {"all": "each.files"}})
SUB = {"name": "sub", "pipeline": {"name": "c"}}
LEAP = {  # the schedule itself starts nothing while a story is played
    "steps": [program("work", run={"argumentsFrom": {"hour": {"parameter": "scheduledTime"}}})],
    "triggers": [{"name": "tick", "schedule": {"cron": "0 * 29 2 *", "missed": "Skip"}}],
    "policy": {"onChange": "Wait"},
}
RANGE = {"trigger": "tick", "from": "2024-02-29T00:00:00Z", "to": "2024-02-29T02:59:00Z"}
HOURS = [f"p-20240229{hour:02}00" for hour in range(3)]
DRIFT = {"name": "drift", "endpointCondition": {"endpoint": "e", "type": "Drifted"}}

STORIES: Mapping[str, Story] = {
    "the deadline of a run passes": Story(
        {"steps": [*HANGING["steps"], program("tell", always=True)], "policy": {"deadline": "60s"}},
        {"p-g1": ("Expired", "RunExpired")},
    ),
    "what a reused step had made is gone": Story(
        {"steps": [MAKES]},
        {"p-g1": WELL, "p-g2": WELL},
        [Act(once("p-g1"), lambda scene: scene.place("p", {"steps": [MAKES, TAKES]}))],
    ),
    "a run is repeated from a step on": Story(
        {"steps": [MAKES, FAILS]},
        {"p-g1": ("Failed", "UserError"), "again": ("Failed", "UserError")},
        [Act(once("p-g1"), new("again", rerun={"run": "p-g1", "failed": True}))],
    ),
    "times of the past are made up for": Story(
        LEAP, dict.fromkeys(("fill", *HOURS), WELL), [Act(Scene.told, new("fill", backfill=RANGE))]
    ),
    "a backfill is cancelled": Story(
        {**LEAP, "steps": [LONG]},
        dict.fromkeys(("fill", *HOURS[:2]), ("Cancelled", "RunCancelled")),
        [
            Act(Scene.told, new("fill", backfill={**RANGE, "parallelism": 2})),
            Act(works(2), change("fill", cancel=True)),
        ],
    ),
    "steps follow each other": Story(
        {"steps": [MAKES, GOES_ON, program("last", run={"inputs": {"x": "more.files"}})]}, {"p-g1": WELL}
    ),
    "cells are gathered": Story({"steps": [GRID, BEST]}, {"p-g1": WELL}),
    "a step is a run of another pipeline": Story(
        {"steps": [SUB, program("later", dependsOn=["sub"])]},
        {"p-g1": WELL},
        others={"c": {"steps": [MAKES], "policy": {"onChange": "Wait"}}},
    ),
    "a run is cancelled with its child": Story(
        {"steps": [SUB, LONG]},
        {"p-g1": ("Cancelled", "RunCancelled")},
        [Act(works(2), change("p-g1", cancel=True))],
        others={"c": {"steps": [LONG], "policy": {"onChange": "Wait"}}},
    ),
    "an endpoint drifts": Story(
        {"steps": [program("work")], "triggers": [DRIFT], "policy": {"onChange": "Wait"}},
        {"p-drifted-1": WELL},
        [Act(lambda _: True, endpoint), Act(armed, drifts)],
    ),
    "a run is cancelled": Story(
        HANGING,
        {"p-g1": ("Cancelled", "RunCancelled")},
        [Act(works(1), change("p-g1", cancel=True))],
    ),
}
