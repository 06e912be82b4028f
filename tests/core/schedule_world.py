"""A Pipeline with triggers whose runs a test ends by hand: many ticks in little time."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.core.fake_cluster import FakeCluster, Object, written
from tests.core.fake_shell import FakeShell, Killed, NotSettled
from tests.core.pipelines import programs
from tests.core.simulation import pipeline

NAME = "p"


@dataclass
class TriggerLife:
    """The Pipeline `p`, of one step, under an operator that may be killed at any write."""

    spec: Any
    cluster: FakeCluster = field(default_factory=FakeCluster)
    fate_of_write: Callable[[], str] = lambda: ""

    def __post_init__(self) -> None:
        self.made: Counter[str] = Counter()  # runs ever created, by logical time; "" for those of a change
        self.made_objects: list[Object] = []  # these runs, the oldest first
        self.told: list[tuple[str, str]] = []  # Events about the Pipeline: reason and message
        self.cluster.watchers.append(self._watch)
        self.cluster.create(pipeline(NAME, self.spec))
        self.kills = 0
        self.look()
        self.finish_all()

    def _watch(self, verb: str, item: Object) -> None:
        if verb == "create" and item["kind"] == "PipelineRun":
            self.made[item["spec"].get("scheduledTime", "")] += 1
            self.made_objects.append(item)

    def look(self) -> datetime | None:
        """The operator looks at the Pipeline until it neither dies nor wants to look again at once."""
        for _ in range(300):
            shell = FakeShell(self.cluster, fate_of_write=self.fate_of_write)
            try:
                again = shell.pipeline_pass(NAME)
            except Killed:
                self.kills += 1
                continue
            self.told += [(one.reason, one.message) for one in shell.plans[-1].events]
            if again is None or again > self.cluster.now:
                return again
        raise NotSettled(f"it wants to look again at once for ever: {self.status}")

    def at(self, text: str) -> None:
        """The clock says so, and the operator looks."""
        self.cluster.now = datetime.fromisoformat(text)
        self.look()

    def go(self, **time: float) -> None:
        """The clock moves, and the operator looks."""
        self.cluster.now += timedelta(**time)
        self.look()

    def edit(self, **fields: Any) -> None:
        self.spec = {**self.spec, **fields}
        self.cluster.edit("Pipeline", NAME, self.spec)
        self.look()

    # Runs

    def run(self, name: str) -> Object:
        return self.cluster.objects[("PipelineRun", name)]

    def runs(self) -> list[str]:
        """Those that exist, the oldest first."""
        found = sorted(self.cluster.find("PipelineRun"), key=lambda one: int(one["metadata"]["uid"][4:]))
        return [one["metadata"]["name"] for one in found]

    def unfinished(self) -> list[str]:
        return [one for one in self.runs() if not self.run(one).get("status", {}).get("finishedAt")]

    def begin(self, name: str) -> None:
        """Its turn has come."""
        self.cluster.change(self.run(name), "status", status={"startedAt": written(self.cluster.now)})
        self.look()

    def finish(self, name: str, status: str = "Succeeded", reason: str = "", **more: Any) -> None:
        ok = str(status == "Succeeded")
        ended = {
            "startedAt": written(self.cluster.now),
            "finishedAt": written(self.cluster.now),
            "status": status,
            "reason": reason or status,
            "conditions": [{"type": "Finished", "status": "True"}, {"type": "Succeeded", "status": ok}],
            **more,
        }
        self.cluster.change(self.run(name), "status", status=ended)
        self.look()

    def finish_all(self) -> None:
        while self.unfinished():
            self.finish(self.unfinished()[0])

    # What is said

    @property
    def status(self) -> Any:
        return self.cluster.objects[("Pipeline", NAME)]["status"]

    def entry(self, name: str) -> Any:
        return next(one for one in self.status["triggers"] if one["name"] == name)

    def events(self) -> list[str]:
        return [one for verb, kind, one in self.cluster.log if verb == "create" and kind == "PipelineRun"]


def scheduled(cron: str = "0 * * * *", policy: Any = None, **schedule: Any) -> Any:
    """A pipeline of one step with the trigger `tick`."""
    triggers = [{"name": "tick", "schedule": {"cron": cron, **schedule}}]
    return programs({"a": []}, triggers=triggers, policy=policy or {"keepRuns": 100})
