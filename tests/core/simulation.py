"""A whole life of pipelines on the fake cluster: events, timers, kills, until nothing happens any more."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from penstock_operator.core.settings import Settings
from penstock_spec.base import SpecModel
from penstock_spec.digest import unpacked
from penstock_spec.model_version import ModelVersionStatus
from penstock_spec.pipeline_status import PipelineStatus
from penstock_spec.run_status import PipelineRunStatus
from penstock_spec.status import TRANSITIONS, StepState
from tests.core import fake_job_sets
from tests.core.fake_cluster import NAMESPACE, FakeCluster, Object, attempt_of, borne_of, leaf_of, task_of
from tests.core.fake_shell import FakeShell, Killed

# Every status that is written must be one that the schema allows.
STATUSES: Mapping[str, type[SpecModel]] = {
    "Pipeline": PipelineStatus,
    "PipelineRun": PipelineRunStatus,
    "ModelVersion": ModelVersionStatus,
}
ENDED = {"Succeeded", "Reused", "Skipped", "Failed", "Blocked", "Cancelled"}


OVER = (StepState.SUCCEEDED, StepState.FAILED, StepState.BLOCKED)


def _after(state: StepState) -> frozenset[StepState]:
    """What may follow; what has ended is over, but where `_may_be_lost`."""
    return frozenset() if state in OVER else TRANSITIONS[state]


def _may_be_lost(entry: Object, state: str) -> bool:
    """Whether something that a step in this state gives may be an earlier run's though it was not reused: of
    one that is a pipeline, and of one with cells, where not all of them need to have ended well.
    """
    celled = bool(entry.get("cells")) and state in OVER
    return celled or (entry.get("kind") == "pipeline" and state == StepState.SUCCEEDED)


def _following(state: StepState) -> set[StepState]:
    """Every state that one may be in later, by any way: not each on the way needs to be written."""
    reached = {state}
    while more := {after for one in reached for after in _after(one)} - reached:
        reached |= more
    return reached


FOLLOWING: Mapping[str, set[StepState]] = {str(one): _following(one) for one in StepState}
LIMIT = timedelta(hours=6)  # of simulated time: whatever has not ended then never will


class BrokenPromise(AssertionError):  # noqa: N818 - the name says what happened
    """Something happened that must never happen."""


@dataclass
class Simulation:
    """Drives shells over a cluster and watches the promises. Faults are drawn by the caller's functions."""

    cluster: FakeCluster
    needs: Mapping[str, Iterable[str]] = field(default_factory=dict)  # of steps, as the test knows them
    ends: Mapping[str, Iterable[str]] = field(default_factory=dict)  # steps that must have ended, in any way
    pairs: Mapping[str, Iterable[str]] = field(
        default_factory=dict
    )  # steps that are done for the cells of others: each cell needs its own
    always: frozenset[str] = frozenset()  # steps that run after all others
    most: Mapping[str, int] = field(default_factory=dict)  # maxParallel of steps
    repeated: frozenset[str] = frozenset()  # steps of which one iteration comes after the other
    settings: Settings = field(default_factory=Settings)
    lag: Callable[[], int] = lambda: 0
    blind: bool = False  # caches show no pods
    fate_of_write: Callable[[], str] = lambda: ""
    away: Callable[[], float] = lambda: 0.0  # for how many seconds nobody is there after a kill
    sweeps: Callable[[], bool] = lambda: False  # whether after a kill pods go whose ends are known
    drop_event: Callable[[], bool] = lambda: False
    hold: Callable[[], bool] = lambda: False  # whether a status that is only news is written later
    acts: Sequence[tuple[float, Callable[[], Any]]] = ()  # what a person does, after so many seconds
    keeps: bool = False  # no policy or person takes away a Job that has ended well
    tidies: bool = False  # rest is also waited for where only the Jobs of finished runs are due to go

    def __post_init__(self) -> None:
        self.cluster.watchers.append(self._watch)
        self._states: dict[tuple[str, str], str] = {}
        self._borne: set[tuple[str, str]] = set()  # run, step: Jobs bear something of it
        self._ends: dict[tuple[str, str], Any] = {}  # of those that had ended: attempt, outputs, results
        self._attempts: set[tuple[str, str, int]] = set()  # run, step, number
        self._recorded: set[tuple[str, str, int]] = set()  # those that a status has told of
        self._children: set[str] = set()
        self._pinned: dict[str, Any] = {}  # by run
        self._attempt_of: dict[str, tuple[str, str, int]] = {}  # by uid of the Job
        self._due: dict[tuple[str, str], datetime] = {}
        self.kills = 0
        self.shell = self._born()
        self.second: FakeShell | None = None  # another operator that takes every second pass

    def _born(self) -> FakeShell:
        return FakeShell(
            self.cluster,
            self.settings,
            self.lag,
            self.blind,
            self.fate_of_write,
            self.hold,
            self._status_planned,
        )

    # Promises

    def _watch(self, verb: str, item: Object) -> None:
        if item["kind"] == "Job" and verb == "create":
            if fake_job_sets.is_inner(item):
                self._alone(item, attempt_of(item))
            else:
                self._job_created(item)
        if item["kind"] == "JobSet" and verb == "create":
            job = fake_job_sets.made_by(item)
            self._job_created({**job, "metadata": {**job["metadata"], "uid": item["metadata"]["uid"]}})
        if item["kind"] == "Job" and verb == "delete" and self.keeps:
            self._job_deleted(item)
        if item["kind"] == "PipelineRun" and verb == "create" and item["spec"].get("step"):
            self._child_created(item)
        if verb == "status" and item["kind"] in STATUSES:
            STATUSES[item["kind"]].model_validate(item["status"], by_alias=True, by_name=False)
        if item["kind"] == "PipelineRun" and verb == "status":
            self._run_changed(item)
        if item["kind"] in (
            "Job",
            "JobSet",
            "Pod",
            "ModelEndpoint",
            "PipelineRun",
            "Pipeline",
            "ModelVersion",
            "ConfigMap",
        ):
            self._event(item)

    def _job_created(self, job: Object) -> None:
        task = task_of(job)
        if task["kind"] == "sweep":
            self._sweep_begun(job)
            return
        if task["kind"] == "archive":
            self._archive_begun(job, task)
            return
        attempt = attempt_of(job)
        # What somebody deletes before its start was written is made again: nobody can know of it.
        if attempt in self._attempts and (
            attempt in self._recorded or self.cluster.fate(job) != "job_deleted"
        ):
            raise BrokenPromise(f"attempt {attempt} was started twice")
        self._attempts.add(attempt)
        run = self.cluster.get("PipelineRun", task["run"])
        if run is None:
            raise BrokenPromise(f"a Job for {task['run']}, which does not exist")
        states = {one["name"]: one["state"] for one in run["status"].get("steps", ())}
        states |= self._borne_by(job, run)
        self._may_start(task["step"], run, states)
        early = [
            one for one in self.needs.get(task["step"], ()) if states.get(one) not in ("Succeeded", "Reused")
        ]
        early += [one for one in self.ends.get(task["step"], ()) if states.get(one) not in ENDED]
        early += [one for one in self.pairs.get(task["step"], ()) if not self._made(run, one, task)]
        if early:
            raise BrokenPromise(f"{leaf_of(task)} started before {early}")
        self._not_too_many(run, task["step"])
        if task["step"] in self.repeated and task["cell"] > 1:
            self._after_the_one_before(run, task)
        self._alone(job, attempt)
        named = fake_job_sets.is_inner(job) or self.cluster.get("Service", job["metadata"]["name"])
        if job["spec"]["completions"] > 1 and not named:
            raise BrokenPromise(f"the gang {attempt} was started without its Service")
        live = [one for one in fake_job_sets.attempts(self.cluster) if self._takes_a_place(one)]
        if self.settings.max_parallel and len(live) > self.settings.max_parallel:
            raise BrokenPromise(f"{len(live)} Jobs live at a time")

    def _borne_by(self, job: Object, run: Object) -> dict[str, str]:
        """The states that the Job bears of steps whose ends are not written yet; they hold from now on."""
        entries = {one["name"]: one for one in json.loads(borne_of(job) or "[]")}
        own = entries.pop(task_of(job)["step"], None)
        self._borne |= {(run["metadata"]["name"], one) for one in (*entries, *([own["name"]] if own else []))}
        ended = {name: one for name, one in entries.items() if one["state"] in ENDED}
        for name, entry in ended.items():
            if entry["state"] != "Succeeded":
                raise BrokenPromise(f"{name} is borne though it is {entry['state']}")
            self._held_to(run, entry)
        return {name: one["state"] for name, one in ended.items()}

    def _held_to(self, run: Object, entry: Object) -> None:
        """What a Job has borne of an end, or a status has said, is what every other says of it."""
        said = (entry["attempt"], entry.get("outputs", {}), entry.get("results", {}))
        if self._ends.setdefault((run["metadata"]["name"], entry["name"]), said) != said:
            raise BrokenPromise(f"{entry['name']} has ended in two ways: {said}")

    def _takes_a_place(self, job: Object) -> bool:
        """Whether it may still have pods that run. The Job controller is a second behind what pods say."""
        well = [one for one in self.cluster.pods_of(job) if one["status"]["phase"] == "Succeeded"]
        return not self._over(job) and len(well) < job["spec"]["completions"]

    def _made(self, run: Object, step: str, task: Mapping[str, Any]) -> bool:
        """Whether it is written that the same cell of a step has ended well; what it made is given."""
        entry = next(one for one in run["status"]["steps"] if one["name"] == step)
        if entry["state"] == "Skipped":
            return True  # only possible where nothing is taken of it: else whoever takes is skipped too
        cell = {one["number"]: one for one in entry.get("cells", ())}.get(task["cell"], {})
        if cell.get("state") not in ("Succeeded", "Reused"):
            return False
        given = {task["inputs"][one]["digest"] for one in (f"from_{step}", "own") if one in task["inputs"]}
        made = set(map(unpacked, cell.get("outputs", ())))
        if not given <= made:
            raise BrokenPromise(f"{leaf_of(task)} is given {given}, not what its own cell of {step} has made")
        return True

    def _sweep_begun(self, job: Object) -> None:
        for other in self.cluster.find("Job"):
            same = other["metadata"]["uid"] == job["metadata"]["uid"]
            if task_of(other)["kind"] == "sweep" and not same and not self._over(other):
                raise BrokenPromise("two Jobs sweep side by side")

    def _job_deleted(self, job: Object) -> None:
        """Nobody takes a Job, and its pod's log, for one that goes on when it has just ended well."""
        task, run = task_of(job), self.cluster.get("PipelineRun", task_of(job).get("run", ""))
        ended = [one["status"]["phase"] == "Succeeded" for one in self.cluster.pods_of(job)]
        if run is None or self._over(job) or len(ended) < job["spec"]["completions"] or not all(ended):
            return
        if self._states.get((task["run"], leaf_of(task))) != "Cancelled":
            raise BrokenPromise(f"a Job of {task['step']} was deleted that had ended well")

    def _alone(self, job: Object, attempt: tuple[str, str, int]) -> None:
        """Nothing of another attempt goes on, be it a pod whose Job is gone."""
        for other in fake_job_sets.attempts(self.cluster):
            if task_of(other)["kind"] in ("archive", "sweep"):
                continue
            same = attempt_of(other)[:2] == attempt[:2]
            if same and other["metadata"]["uid"] != job["metadata"]["uid"] and self._lives(other):
                raise BrokenPromise(f"two attempts of {attempt[1]} side by side")
        self._attempt_of[job["metadata"]["uid"]] = attempt
        for pod in self.cluster.find("Pod"):
            theirs = self._attempt_of.get(pod["metadata"]["ownerReferences"][0]["uid"], ("", "", 0))
            if pod["status"]["phase"] == "Pending" and theirs[:2] == attempt[:2] and theirs != attempt:
                raise BrokenPromise(f"{attempt} was started beside a pod of {theirs}")

    def _archive_begun(self, job: Object, task: Mapping[str, Any]) -> None:
        for other in self.cluster.find("Job"):
            theirs = task_of(other)
            same = (theirs["kind"], theirs["pipeline"]) == ("archive", task["pipeline"])
            if same and other["metadata"]["uid"] != job["metadata"]["uid"] and not self._over(other):
                raise BrokenPromise(f"two Jobs archive the runs of {task['pipeline']} side by side")

    def _after_the_one_before(self, run: Object, task: Mapping[str, Any]) -> None:
        """An iteration begins when the one before has ended well and that is written, with what it made."""
        entry = next(one for one in run["status"]["steps"] if one["name"] == task["step"])
        before = {one["number"]: one for one in entry.get("cells", ())}.get(task["cell"] - 1, {})
        if before.get("state") not in ("Succeeded", "Reused"):
            raise BrokenPromise(f"{leaf_of(task)} started before {before}")
        given = {name: one["digest"] for name, one in task["inputs"].items() if name.startswith("previous/")}
        made = zip(entry["cellOutputs"], map(unpacked, before.get("outputs", ())), strict=True)
        if given != {f"previous/{name}": digest for name, digest in made}:
            raise BrokenPromise(f"{leaf_of(task)} is given {given}, not what the one before has made")

    def _not_too_many(self, run: Object, step: str) -> None:
        """No more Jobs at a time than policy and step allow. One whose pod has ended is under way no more."""
        jobs = fake_job_sets.attempts(self.cluster)
        tasks = [task_of(one) for one in jobs if not self._ended(one) and not self._over(one)]
        mine = [one for one in tasks if one.get("run") == run["metadata"]["name"]]
        most = run["status"]["snapshot"].get("policy", {}).get("maxParallel")
        if most is not None and len(mine) > most:
            raise BrokenPromise(f"{len(mine)} Jobs at a time, more than {most}")
        own = self.most.get(step)
        cells = [one for one in mine if one["step"] == step]
        if own is not None and len(cells) > own:
            raise BrokenPromise(f"{len(cells)} cells of {step} at a time, more than {own}")

    def _child_created(self, run: Object) -> None:
        name, step, parent = run["metadata"]["name"], run["spec"]["step"], run["spec"]["partOf"]
        if name in self._children:
            raise BrokenPromise(f"the child {name} was made twice")
        self._children.add(name)
        above = self.cluster.objects[("PipelineRun", parent)]
        if self.finished(above):
            raise BrokenPromise(f"a child was made in {parent}, which is over")
        leaf = (step, run["spec"].get("cell", 0))
        beside = [
            one
            for one in self._children_of(above)
            if (one["spec"]["step"], one["spec"].get("cell", 0)) == leaf
        ]
        own = [one for one in self._children_of(above) if one["spec"]["step"] == step]
        if len(own) > self.most.get(step, len(own)):
            raise BrokenPromise(f"{len(own)} children of {step} at a time")
        if len(beside) > 1:
            raise BrokenPromise(f"two children of {step} side by side")

    def _children_of(self, run: Object) -> list[Object]:
        """Its children that have not ended."""
        uid = run["metadata"]["uid"]
        owned = [one for one in self.cluster.find("PipelineRun") if one["spec"].get("step")]
        mine = [one for one in owned if one["metadata"]["ownerReferences"][0]["uid"] == uid]
        return [one for one in mine if not self.finished(one)]

    def finished(self, run: Object) -> bool:
        """Whether the run's status says that it is over."""
        conditions = run.get("status", {}).get("conditions", ())
        return any(one["type"] == "Finished" and one["status"] == "True" for one in conditions)

    def _suspended(self, run: Object) -> bool:
        """Whether the run, or one above it, is suspended and says so, and no newer run lifts that."""
        if run["spec"].get("suspend") and run["status"].get("suspendedAt") and not self._replaced(run):
            return True
        above = self.cluster.get("PipelineRun", run["spec"].get("partOf", ""))
        return bool(run["spec"].get("step") and above is not None and self._suspended(above))

    def _replaced(self, run: Object) -> bool:
        """Whether a newer run waits for the end of this one, and ends it."""
        name = run["spec"]["pipeline"]
        whole = self.cluster.get("Pipeline", name) or {"spec": {}}
        others = [one for one in self.cluster.find("PipelineRun") if one["spec"]["pipeline"] == name]
        waits = [one for one in others if one is not run and not self.finished(one)]
        return whole["spec"].get("policy", {}).get("concurrency") == "Replace" and bool(waits)

    def _may_start(self, step: str, run: Object, states: Mapping[str, str]) -> None:
        if self.finished(run):
            raise BrokenPromise(f"{step} started in a run that is over")
        if self._suspended(run):
            raise BrokenPromise(f"{step} started in a suspended run")
        stops = run["status"]["snapshot"].get("policy", {}).get("onFailure") == "Stop"
        if (
            stops
            and step not in self.always
            and "Failed" in [state for name, state in states.items() if name not in self.always]
        ):
            raise BrokenPromise(f"{step} started after a failure that stops the run")

    def _lives(self, job: Object) -> bool:
        return not self._over(job) or any(
            one["status"]["phase"] == "Pending" for one in self.cluster.pods_of(job)
        )

    def _over(self, job: Object) -> bool:
        return bool(job.get("status", {}).get("conditions"))

    def _status_planned(self, before: Object, after: Mapping[str, Any]) -> None:
        """A status may be held back, but each follows from the one before it by the table.

        What Jobs bear may be read only when much has come of it.
        """
        states = {one["name"]: one["state"] for one in before.get("status", {}).get("steps", ())}
        for entry in after.get("steps", ()) if before["kind"] == "PipelineRun" else ():
            was = StepState(states.get(entry["name"], "Waiting"))
            able = TRANSITIONS[was] if _may_be_lost(entry, was) else _after(was)
            if (before["metadata"]["name"], entry["name"]) in self._borne:
                able |= {StepState(one) for one in FOLLOWING[str(was)]}
            if entry["state"] != was and StepState(entry["state"]) not in able:
                raise BrokenPromise(f"{entry['name']} went from {was} to {entry['state']}")

    def _run_changed(self, run: Object) -> None:
        if self.finished(run) and (left := self._children_of(run)):
            raise BrokenPromise(f"{run['metadata']['name']} ended before {left[0]['metadata']['name']}")
        name, pinned = run["metadata"]["name"], run["status"].get("pinned")
        if self._pinned.setdefault(name, pinned) not in (None, pinned):
            raise BrokenPromise(f"{name} reads other versions than it had pinned")
        self._pinned[name] = pinned
        for entry in run["status"].get("steps", ()):
            self._leaf_changed(run, entry["name"], entry)
            if (name, entry["name"]) in self._ends and entry["state"] in ENDED:
                self._held_to(run, {"attempt": 0, **entry})
            for one in entry.get("cells", ()):
                cell = {"attempt": 1, "kind": entry["kind"], **one}
                self._leaf_changed(run, f"{entry['name']}#{one['number']}", cell)

    def _leaf_changed(self, run: Object, leaf: str, entry: Object) -> None:
        key, state = (run["metadata"]["name"], leaf), entry["state"]
        before = self._states.get(key, "Waiting")
        # A step of which some cells were reused is done again in part, like a reused one; and so is a child.
        again = state == "Retrying" and _may_be_lost(entry, before)
        if not again and state not in FOLLOWING[before]:
            raise BrokenPromise(f"{key} went from {before} to {state}")
        self._states[key] = state
        self._recorded |= {(*key, number) for number in range(1, entry.get("attempt", 0) + 1)}

    # Events and timers

    def _event(self, item: Object) -> None:
        """Whoever may be concerned looks again at once, unless the event gets lost."""
        if item["kind"] not in ("Pipeline", "PipelineRun") and self.drop_event():
            return
        for kind in ("PipelineRun", "Pipeline"):
            for one in self.cluster.find(kind):
                self._due[(kind, one["metadata"]["name"])] = self.cluster.now

    def say(self, run: str, **spec: Any) -> None:
        """A person changes the spec of a run, if there is such a run by now."""
        found = self.cluster.get("PipelineRun", run)
        if found is not None:
            self.cluster.edit("PipelineRun", run, {**found["spec"], **spec})

    def person(self, do: Callable[[], Any]) -> None:
        """A person's act is seen: what it concerns is looked at, as by the resync that every operator has."""
        do()
        self.wake()

    def wake(self) -> None:
        for kind in ("Pipeline", "PipelineRun"):
            for one in self.cluster.find(kind):
                self._due[(kind, one["metadata"]["name"])] = self.cluster.now

    def run_to_rest(self) -> None:
        """Until no timer is set and the cluster itself is quiet. Fails when that takes simulated hours."""
        start = self.cluster.now
        acts = sorted(self.acts, key=lambda act: act[0])
        while True:
            while acts and (self.cluster.now - start).total_seconds() >= acts[0][0]:
                self.person(acts.pop(0)[1])
            self.cluster.settle()
            self._work()
            step = self._next()
            if acts:
                until = max(0.001, acts[0][0] - (self.cluster.now - start).total_seconds())
                step = until if step is None else min(step, until)
            if step is None:
                return
            self.cluster.advance(step)
            if self.cluster.now - start > (LIMIT + timedelta(days=8) if self.tidies else LIMIT):
                raise BrokenPromise("does not come to rest")

    def _work(self) -> None:
        for _ in range(200):
            due = [key for key, moment in sorted(self._due.items()) if moment <= self.cluster.now]
            if not due:
                return
            for key in due:
                self._due.pop(key, None)
                self._one(key)
        raise BrokenPromise(f"busy without end: {due}")

    def _one(self, key: tuple[str, str]) -> None:
        kind, name = key
        try:
            if self.second is not None:
                self.shell, self.second = self.second, self.shell
            work = self.shell.run_pass if kind == "PipelineRun" else self.shell.pipeline_pass
            again = work(name)
        except Killed:
            self.kills += 1
            if self.sweeps():
                self._sweep_pods()
            if away := self.away():
                self.cluster.advance(away)
            self.shell = self._born()
            self.wake()  # a new operator lists everything
            return
        if again is not None:
            before = self._due.get(key)
            self._due[key] = again if before is None else min(before, again)

    def _sweep_pods(self) -> None:
        """The pods of Jobs go that have ended well, where that is written or borne: nobody needs them."""
        for job in [one for one in self.cluster.find("Job") if self._over(one) and self._is_known(one)]:
            for pod in list(self.cluster.pods_of(job)):
                self.cluster.delete("Pod", pod["metadata"]["name"])

    def _is_known(self, job: Object) -> bool:
        task = task_of(job)
        name = (task.get("run", ""), task.get("step", ""))
        return not task.get("cell") and (name in self._ends or self._states.get(name) == "Succeeded")

    def _next(self) -> float | None:
        """Seconds until something may happen: a timer, or the cluster's own half second while it is not
        quiet.
        """
        if self._busy():
            return 0.5
        future = [
            moment
            for key, moment in self._due.items()
            if moment > self.cluster.now and (self.tidies or not self._run_is_over(key))
        ]
        return (min(future) - self.cluster.now).total_seconds() if future else None

    def _run_is_over(self, key: tuple[str, str]) -> bool:
        found = self.cluster.objects.get(key)
        return found is not None and key[0] == "PipelineRun" and self.finished(found)

    def _busy(self) -> bool:
        waiting = {"waiting", "unschedulable", "hangs"}
        live = [one for one in self.cluster.find("Pod") if one["status"]["phase"] == "Pending"]
        moving = [
            one
            for one in live
            if not waiting & set(one["status"])
            or "since" in one["status"]
            or self._young(one)
            or self._timed(one)
        ]
        open_ = [
            one for one in self.cluster.find("Job") if not self._over(one) and not self.cluster.pods_of(one)
        ]
        over = [one for one in self.cluster.find("Job") if not self._over(one) and self._ended(one)]
        asked = [one for one in self.cluster.find("ModelEndpoint") if not self._served(one)]
        controlled = [one for one in self.cluster.find("JobSet") if self._is_due(one)]
        return bool(moving or open_ or over or asked or controlled)

    def _is_due(self, job_set: Object) -> bool:
        """Whether JobSet's controller has something to do."""
        job = self.cluster.get("Job", fake_job_sets.name_of_job(job_set))
        return not self._over(job_set) and (job is None or self._over(job))

    def _young(self, pod: Object) -> bool:
        return (
            self.cluster.now - datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
        ).total_seconds() < 1.5

    def _timed(self, pod: Object) -> bool:
        """Whether the kubelet is to end the pod at a deadline."""
        job = self.cluster.get("Job", pod["metadata"]["ownerReferences"][0]["name"])
        return job is not None and "activeDeadlineSeconds" in job["spec"]["template"]["spec"]

    def _ended(self, job: Object) -> bool:
        return any(one["status"]["phase"] != "Pending" for one in self.cluster.pods_of(job))

    def _served(self, endpoint: Object) -> bool:
        seen: int = endpoint.get("status", {}).get("observedGeneration", 0)
        return bool(seen == endpoint["metadata"]["generation"])

    def assert_at_rest(self) -> None:
        """Looking again changes nothing and asks for nothing."""
        shell = FakeShell(self.cluster, self.settings)
        before = len(self.cluster.log)
        for kind, do in (("Pipeline", shell.pipeline_pass), ("PipelineRun", shell.run_pass)):
            for one in list(self.cluster.find(kind)):
                do(one["metadata"]["name"])
        if len(self.cluster.log) != before:
            raise BrokenPromise(f"not at rest: {self.cluster.log[before:]}")

    # What came of it

    def steps(self, run: str) -> dict[str, Object]:
        """The run's entries by step."""
        found = self.cluster.objects[("PipelineRun", run)]
        return {one["name"]: one for one in found["status"]["steps"]}

    def jobs_created(self) -> list[str]:
        """Names of all Jobs that were ever created."""
        return [name for verb, kind, name in self.cluster.log if verb == "create" and kind == "Job"]


def pipeline(name: str, spec: Mapping[str, Any]) -> Object:
    """A Pipeline's manifest."""
    return {"kind": "Pipeline", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": dict(spec)}
