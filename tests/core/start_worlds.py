"""Random lives of a Pipeline with triggers, and what may never happen in them, without the planner's help."""

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock_spec.ticks import ticks_after
from tests.core.fake_cluster import FakeCluster, Object
from tests.core.pipelines import programs
from tests.core.schedule_world import NAME, TriggerLife
from tests.core.simulation import BrokenPromise

LINE, COOLDOWN, WEEKLY = "*/15 * * * *", timedelta(hours=3), 4
BEGIN = datetime(2026, 11, 21, 10, 0, 20, tzinfo=UTC)


@dataclass(frozen=True)
class StartWorld:
    """Which rules are in force, how often the operator dies at a write, and what chance makes of the rest."""

    concurrency: str = "Queue"
    missed: str = "RunLatest"
    kills: float = 0.2
    turns: int = 150
    suspends: bool = True  # whether somebody suspends the Pipeline now and then
    seed: int = 0


def spec_of(world: StartWorld, steps: int = 1) -> Any:
    """The Pipeline: a schedule, a condition of an endpoint, and so many steps."""
    most = {"maxMissed": 100} if world.missed == "RunAll" else {}
    triggers = [
        {"name": "tick", "schedule": {"cron": LINE, "missed": world.missed, **most}},
        {
            "name": "drift",
            "endpointCondition": {"endpoint": "e", "type": "Drifted"},
            "cooldown": f"{COOLDOWN // timedelta(hours=1)}h",
            "maxPerWeek": WEEKLY,
        },
    ]
    policy = {"keepRuns": 2, "concurrency": world.concurrency}
    needs: dict[str, list[str]] = {f"s{n}": [] for n in range(steps)}
    return programs(needs, triggers=triggers, policy=policy)


@dataclass
class Watch:
    """Looks at every run at the moment at which it is made."""

    world: StartWorld
    cluster: FakeCluster
    ticks: Counter[str] = field(default_factory=Counter)
    episodes: Counter[int] = field(default_factory=Counter)
    episode_starts: list[datetime] = field(default_factory=list)
    names: Counter[str] = field(default_factory=Counter)
    changes: int = 0
    suspended: bool = False

    def __call__(self, verb: str, item: Object) -> None:
        if verb == "create" and item["kind"] == "PipelineRun":
            self._made(item)

    def _made(self, run: Object) -> None:
        spec, name, now = run["spec"], run["metadata"]["name"], self.cluster.now
        self.names[name] += 1
        self._never(self.names[name] > 1, f"{name} was made twice")
        self._never(self.suspended, f"{name} was made while the Pipeline is suspended")
        others = [one for one in self._unfinished() if one["metadata"]["name"] != name]
        self._never(
            self.world.concurrency == "Forbid" and bool(others), f"{name} was made beside another run"
        )
        if tick := spec.get("scheduledTime"):
            self.ticks[tick] += 1
            self._never(self.ticks[tick] > 1, f"{tick} has two runs")
            self._never(datetime.fromisoformat(tick) > now, f"{tick} has a run before its time")
            waiting = [one for one in others if one["spec"].get("trigger") == "tick" and not _begun(one)]
            self._never(self.world.concurrency == "Queue" and bool(waiting), f"{tick} came before its turn")
        elif episode := spec.get("episode"):
            self._episode(episode["number"], now)
        else:
            self.changes += 1

    def _episode(self, number: int, now: datetime) -> None:
        self.episodes[number] += 1
        self._never(self.episodes[number] > 1, f"episode {number} has two runs")
        recent = [one for one in self.episode_starts if now - timedelta(days=7) < one]
        self._never(len(recent) >= WEEKLY, f"episode {number} is one too many in a week")
        young = [one for one in self.episode_starts if now - COOLDOWN < one - timedelta(seconds=1)]
        self._never(bool(young), f"episode {number} did not wait for the cool-down")
        self.episode_starts.append(now)

    def _unfinished(self) -> list[Object]:
        return [
            one for one in self.cluster.find("PipelineRun") if not one.get("status", {}).get("finishedAt")
        ]

    def _never(self, happened: bool, what: str) -> None:
        if happened:
            raise BrokenPromise(what)


def _begun(run: Object) -> bool:
    return bool(run.get("status", {}).get("startedAt"))


class StartLife(TriggerLife):
    """A Pipeline's life in such a world."""

    def __init__(self, world: StartWorld) -> None:
        self.world, self.chance = world, random.Random(world.seed)  # noqa: S311 - faults, not secrets
        cluster = FakeCluster(now=BEGIN)
        self.watch = Watch(world, cluster)
        cluster.watchers.append(self.watch)
        super().__init__(spec_of(world), cluster)
        about = {"kind": "ModelEndpoint", "metadata": {"name": "e"}, "status": {}}
        self.cluster.create({**about, "spec": {"model": {"version": "m-1", "digest": "sha256:1"}}})
        self.look()
        self.edits, self.steps, self.gaps = 1, 1, 0
        self.fate_of_write = self._fate

    def _fate(self) -> str:
        return self.chance.choice(["before", "after"]) if self.chance.random() < self.world.kills else ""

    def live(self) -> None:
        """So many turns of whatever comes."""
        for _ in range(self.world.turns):
            self.go(minutes=self.chance.choice([1, 5, 5, 14, 15, 15, 16, 40, 180]))
            act = self.chance.random()
            if act < 0.1:
                self._edit_steps()
            elif act < 0.16 and self.world.suspends:
                self._suspend(yes=not self.watch.suspended)
            elif act < 0.5:
                self._drift()
            for name in self.unfinished():
                self._progress(name)
        self._suspend(yes=False)
        self.finish_all()
        self.go(minutes=1)
        self.finish_all()

    def _edit_steps(self) -> None:
        self.steps = self.steps % 3 + 1
        self.edits += 1
        self.edit(steps=spec_of(self.world, self.steps)["steps"])

    def _suspend(self, *, yes: bool) -> None:
        if yes == self.watch.suspended:
            return
        # Said before it is seen: from then on nothing may start.
        self.watch.suspended = yes
        self.gaps += yes
        self.edit(suspend=yes)

    def _drift(self) -> None:
        found = self.cluster.objects[("ModelEndpoint", "e")]
        status = found.get("status", {})
        drifting = not status.get("drifting", False)
        told = {**status, "episodes": status.get("episodes", 0) + drifting, "drifting": drifting}
        self.cluster.change(found, "status", status=told)
        self.look()

    def _progress(self, name: str) -> None:
        if ("PipelineRun", name) not in self.cluster.objects:
            return  # another one's end has tidied it away
        if not _begun(self.run(name)) and self.chance.random() < 0.7:
            self.begin(name)
        elif self.chance.random() < 0.5:
            self.finish(name, *self.chance.choice([("Succeeded",), ("Failed", "UserError")]))


def check(world: StartWorld) -> StartLife:
    """Lives through it; raises BrokenPromise where something happened that may not."""
    life = StartLife(world)
    life.live()
    watch = life.watch
    real = set()
    for tick in ticks_after(LINE, "Etc/UTC", BEGIN):
        if tick > life.cluster.now:
            break
        real.add(f"{tick:%Y-%m-%dT%H:%M:%SZ}")
    if not set(watch.ticks) <= real:
        raise BrokenPromise(f"these are no times of the schedule: {set(watch.ticks) - real}")
    if (
        world.missed == "RunAll"
        and world.concurrency != "Forbid"
        and not life.gaps
        and set(watch.ticks) != real
    ):
        raise BrokenPromise(f"left out: {real - set(watch.ticks)}")
    if watch.changes > life.edits:
        raise BrokenPromise(f"{watch.changes} starts for {life.edits} changes")
    started = life.status["lastStarted"]
    digest = _digest_of(life)
    if started["digest"] != digest:
        raise BrokenPromise("the newest change was never started")
    before = len(life.cluster.log)
    life.look()
    if len(life.cluster.log) != before:
        raise BrokenPromise(f"not at rest: {life.cluster.log[before:]}")
    return life


def _digest_of(life: StartLife) -> str:
    """The digest of a Pipeline that has just been made from the spec as it is."""
    fresh = FakeCluster(now=life.cluster.now)
    spec = {**spec_of(life.world, life.steps), "triggers": []}
    other = TriggerLife(spec, fresh)
    found: str = other.status["lastStarted"]["digest"]
    assert other.cluster.objects[("Pipeline", NAME)]
    return found
