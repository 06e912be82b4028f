"""What holds a trigger on drift back, and what lets it go on: one endpoint, two episodes of real traffic, and
pipelines that differ only in their limits.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from examples import traffic
from tests.e2e.watched import ENDPOINT, Watch, sending, serve, watched_tumour
from tests.support import Kubectl, Runs, condition, pipeline, wait_for

pytestmark = pytest.mark.e2e

SHIFT = {"mean_texture": 1.0, "worst_symmetry": 1.0}  # seen in the first window that is all of it
SHORTEST = {"cooldown": "1m"}
LIMITS: Mapping[str, Mapping[str, Any]] = {
    "free": SHORTEST,
    "cool": {"cooldown": "24h"},
    "weekly": {**SHORTEST, "maxPerWeek": 1},
    "asks": {**SHORTEST, "suggest": True},
    "quits": {**SHORTEST, "giveUpAfter": 1},
    "resumed": {**SHORTEST, "giveUpAfter": 1},
}
LOSERS, HELD = ("quits", "resumed"), ("cool", "weekly", "quits")
ANEW = f"a run when endpoint {ENDPOINT} is Drifted anew"
GIVEN_UP = (
    "given up: a model did not pass its gate, in run {}-drifted-1; "
    "it goes on once a run of the pipeline succeeds, or after suspend and resume"
)


def gate(bound: float) -> list[dict[str, Any]]:
    """Steps that judge the model in production."""
    columns = [{"name": "malignant", "type": "Boolean", "role": "Target"}]
    source = {"object": {"connection": "lake", "key": "tumour.csv"}}
    judge = {
        "modelFrom": {"registered": {"model": "tumour", "lifecycle": "Production"}},
        "test": "data.table",
        "thresholds": [{"metric": "log_loss", "maximum": bound}],
    }
    return [
        {"name": "data", "ingest": {"source": source, "schema": {"columns": columns}}},
        {"name": "gate", "validate": judge},
    ]


class Ears:
    """Pipelines that listen to one endpoint."""

    def __init__(self, kubectl: Kubectl, namespace: str, image: str) -> None:
        self._kubectl = kubectl
        self._namespace = namespace
        program = {"image": image, "command": ["python3", "-c", "print('done')"]}
        self._steps = [{"name": "work", "run": program}]
        self.runs = Runs(kubectl, namespace)

    def apply(self, name: str, bound: float = 0.0, **fields: Any) -> None:
        """A Pipeline that only its trigger starts; no model is as good as the lowest bound."""
        watch = {"endpoint": ENDPOINT, "type": "Drifted"}
        triggers = [{"name": "drift", "endpointCondition": watch, **LIMITS[name]}]
        steps = gate(bound) if name in LOSERS else self._steps
        spec = {"policy": {"onChange": "Wait"}, "triggers": triggers, "steps": steps, **fields}
        self._kubectl.apply(pipeline(name, self._namespace, spec))

    def message(self, name: str) -> str:
        """What its trigger says; empty before it is armed."""
        (entry, *_) = self._kubectl.get("pipeline", name, self._namespace).get("status", {}).get(
            "triggers"
        ) or [{}]
        return str(entry.get("message", ""))

    def says(self, name: str, words: str) -> str:
        """The trigger's message once it holds these words."""

        def look() -> str:
            found = self.message(name)
            return found if words in found else ""

        return str(wait_for(f"{name} to say: {words}", look))

    def started(self, name: str, number: int) -> str:
        """Its run for this episode, once there is one: within a minute more than the shortest cool-down."""
        run = f"{name}-drifted-{number}"
        wait_for(f"run {run}", lambda: run in self.runs.names(name), 400, every=0.5)
        return run

    def finished(self, name: str, number: int) -> dict[str, Any]:
        """The same, once it has ended."""
        found = self.runs.finished(self.started(name, number))
        assert (found["spec"]["episode"]["number"], found["spec"]["trigger"]) == (number, "drift")
        return found

    def told(self, reason: str) -> dict[str, list[str]]:
        """Messages of the Events of this reason, by the Pipeline that they are about."""
        found: dict[str, list[str]] = {}
        for one in self._kubectl.list("events", self._namespace, fields=f"reason={reason}"):
            found.setdefault(one["involvedObject"]["name"], []).append(one["message"])
        return found

    def suspend(self, name: str, *, yes: bool) -> None:
        """Suspend or resume."""
        patch = json.dumps({"spec": {"suspend": yes}})
        self._kubectl.run("patch", "pl", name, "-n", self._namespace, "--type=merge", "-p", patch)


@pytest.fixture
def ears(kubectl, namespace, images) -> Ears:
    return Ears(kubectl, namespace, images["server"])


@pytest.fixture
def served(runs, namespace, lake, data_folder) -> tuple[Watch, traffic.Table]:
    """An endpoint that a single window brings to drift, or ends it."""
    lake("tumour.csv", (data_folder / "tumour.csv").read_bytes())
    manifest = watched_tumour(namespace)
    manifest["spec"]["steps"][-1]["monitor"]["windows"] = {"drifted": 1, "of": 1}
    return serve(runs, manifest), traffic.read(data_folder / "tumour.csv")


def test_what_holds_a_start_back_says_so_and_what_lifts_it(served, namespace, kubectl, ears) -> None:
    watch, table = served
    for name in LIMITS:
        ears.apply(name)
    for name in LIMITS:
        ears.says(name, f"{'suggests' if name == 'asks' else 'starts'} {ANEW}")

    with sending(namespace, table, shift=SHIFT):
        watch.wait_drifted("True")
    for name in LIMITS:
        ears.started(name, 1)
    with sending(namespace, table):
        first = {name: ears.finished(name, 1) for name in LIMITS}
        losers_give_up_and_a_plan_is_suggested(ears, first)
        ears.suspend("resumed", yes=True)
        ears.says("resumed", "suspended")
        ears.suspend("resumed", yes=False)
        ears.says("resumed", f"starts {ANEW}")
        watch.wait_drifted("False")

    with sending(namespace, table, shift=SHIFT):
        endpoint = watch.wait_drifted("True")
    assert endpoint["status"]["monitoring"]["episodes"] == 2
    second = {name: ears.finished(name, 2)["status"] for name in ("free", "asks", "resumed")}
    assert {name: one["reason"] for name, one in second.items()} == {
        "free": "Succeeded",
        "asks": "Planned",
        "resumed": "ThresholdNotMet",
    }
    jobs = " ".join(one["metadata"]["name"] for one in kubectl.list("jobs", namespace))
    assert ("free-drifted-" in jobs, "asks-drifted-" in jobs) == (True, False), "a plan executes nothing"
    the_others_say_why_and_until_when(ears, first)
    mended(kubectl, namespace, ears)
    ears.started("quits", 2)
    assert ears.told("RunSkipped") == {}
    with sending(namespace, table):
        assert ears.finished("quits", 2)["status"]["status"] == "Succeeded"
        watch.wait_drifted("False")

    for name in ("cool", "weekly"):
        ears.says(name, "episode 2 was over before a run could start")
        wait_for("the Event", lambda name=name: ears.told("RunSkipped").get(name))
        assert ears.runs.names(name) == [f"{name}-drifted-1"]
    assert len(ears.told("TriggerGaveUp")["quits"]) == 1


def losers_give_up_and_a_plan_is_suggested(ears: Ears, first: Mapping[str, Any]) -> None:
    """What the first runs have come to."""
    ends = {name: (run["status"]["status"], run["status"]["reason"]) for name, run in first.items()}
    lost, well = ("Failed", "ThresholdNotMet"), ("Succeeded", "Succeeded")
    assert ends == {
        "free": well,
        "cool": well,
        "weekly": well,
        "asks": ("Planned", "Planned"),
        **dict.fromkeys(LOSERS, lost),
    }
    for name in LOSERS:
        ears.says(name, GIVEN_UP.format(name))
        (told,) = wait_for("the Event", lambda name=name: ears.told("TriggerGaveUp").get(name))
        assert told == f"trigger drift gives up: a model did not pass its gate, in run {name}-drifted-1"
    (told,) = ears.told("RunSuggested")["asks"]
    assert "run asks-drifted-1 says what a run would do, create one to have it done" in told
    assert first["asks"]["spec"]["mode"] == "Plan"
    ears.says("asks", "asks-drifted-1 says what the last would do, create a run to have it done")


def the_others_say_why_and_until_when(ears: Ears, first: Mapping[str, Any]) -> None:
    """Those with limits have started nothing more."""
    said = {name: ears.says(name, "episode 2 waits: ") for name in HELD}
    print(said)
    assert said["quits"] == "episode 2 waits: " + GIVEN_UP.format("quits")
    until(said["cool"], "cooling down until ", first["cool"], timedelta(days=1))
    until(said["weekly"], "maxPerWeek 1 is reached until ", first["weekly"], timedelta(days=7))
    assert {name: ears.runs.names(name) for name in HELD} == {name: [f"{name}-drifted-1"] for name in HELD}


def until(message: str, words: str, run: Mapping[str, Any], length: timedelta) -> None:
    """The message names the time that lies so long behind the start of the run."""
    before, _, moment = message.partition(words)
    assert before == "episode 2 waits: "
    created = datetime.fromisoformat(run["metadata"]["creationTimestamp"])
    assert timedelta(0) <= created + length - datetime.fromisoformat(moment) < timedelta(seconds=10)


def mended(kubectl: Kubectl, namespace: str, ears: Ears) -> None:
    """Somebody has put right what was wrong, and a run succeeds."""
    ears.apply("quits", bound=5.0)
    run = {"apiVersion": "penstock.dev/v1alpha1", "kind": "PipelineRun"}
    kubectl.apply(
        {**run, "metadata": {"name": "mended", "namespace": namespace}, "spec": {"pipeline": "quits"}}
    )
    found = ears.runs.finished("mended")
    assert condition(found, "Succeeded")["status"] == "True", found["status"]
