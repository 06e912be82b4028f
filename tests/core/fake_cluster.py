"""A small cluster of its own making: an API server's store, a Job controller, a kubelet that follows a
script.

It shares no code with the planner: it knows Kubernetes' rules, not ours. Objects are never changed in place,
so that any
earlier state can be shown again to whoever reads from a stale cache.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from penstock_spec.batch import unpack
from penstock_spec.contract import Failure, Result, encode
from penstock_spec.names import FailureClass
from tests.core import fake_job_sets
from tests.core.fake_losses import Losses

Object = dict[str, Any]
Key = tuple[str, str]
EPOCH = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
NAMESPACE = "ml"


class Refused(Exception):  # noqa: N818 - the name says what happened
    """The API server does not take a write. `reason` as in HTTP: AlreadyExists, Conflict, NotFound,
    Forbidden.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def digest_of(*parts: Any) -> str:
    return "sha256:" + hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Store(dict[Key, Object]):
    """All objects, and lists of them that are made anew only when one of their kind has changed."""

    def __init__(self) -> None:
        super().__init__()
        self._found: dict[str, Sequence[Object]] = {}
        self._owned: dict[str, Mapping[str, Sequence[Object]]] = {}

    def __setitem__(self, key: Key, value: Object) -> None:
        self._forget(key[0])
        super().__setitem__(key, value)

    def __delitem__(self, key: Key) -> None:
        self._forget(key[0])
        super().__delitem__(key)

    def _forget(self, kind: str) -> None:
        self._found.pop(kind, None)
        self._owned.pop(kind, None)

    def find(self, kind: str) -> Sequence[Object]:
        """Those of a kind, by name."""
        if kind not in self._found:
            self._found[kind] = [self[key] for key in sorted(key for key in self if key[0] == kind)]
        return self._found[kind]

    def owned(self, kind: str, uid: str) -> Sequence[Object]:
        """Those of a kind whose controller has this uid."""
        if kind not in self._owned:
            owned: dict[str, list[Object]] = {}
            for one in self.find(kind):
                owned.setdefault(one["metadata"]["ownerReferences"][0]["uid"], []).append(one)
            self._owned[kind] = owned
        return self._owned[kind].get(uid, ())


def nothing_swept() -> Result:
    counts = ("blobs", "bytes", "found", "found_bytes", "deleted", "deleted_bytes")
    return Result(results=dict.fromkeys(counts, 0), message="nothing to sweep")


@dataclass
class FakeCluster:
    """The store and what happens in it by itself. `fates` says how the attempts of a step or cell go, from
    the first on.
    """

    fates: Mapping[str, list[str]] = field(default_factory=dict)
    verdicts: Mapping[str, Result] = field(default_factory=dict)  # of gates, by step or cell
    results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # of programs, by step or cell
    items: int = 0  # in each list that a program makes
    source_revision: str = "etag-1"
    revisions: dict[str, str] = field(default_factory=dict)  # of what triggers look at, by trigger
    endpoint_trouble: str = ""  # makes endpoints stall
    job_sets: bool = False  # whether the kind JobSet is installed
    admits_after: float = 30.0  # seconds for which Kueue leaves a Job in its queue
    now: datetime = EPOCH
    objects: Store = field(default_factory=Store)
    log: list[tuple[str, str, str]] = field(default_factory=list)  # verb, kind, name
    watchers: list[Callable[[str, Object], None]] = field(default_factory=list)
    losses: Losses = field(default_factory=Losses)
    archive: dict[str, Object] = field(default_factory=dict)  # what lies in the store, by uid of the run
    sweeper: Callable[[Object], Result] = lambda _job: nothing_swept()  # what a Job that sweeps comes to

    def __post_init__(self) -> None:
        self._version = 0
        self.past: list[dict[Key, Object]] = [{}]

    # The API server

    def find(self, kind: str) -> Iterator[Object]:
        return iter(self.objects.find(kind))

    def get(self, kind: str, name: str) -> Object | None:
        return self.objects.get((kind, name))

    def create(self, manifest: Mapping[str, Any]) -> Object:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        assert kind != "JobSet" or self.job_sets, "the cluster has no JobSets"
        if (kind, name) in self.objects:
            raise Refused("AlreadyExists")
        made = json.loads(json.dumps(manifest))
        made["metadata"] |= {
            "uid": f"uid-{self._version + 1}",
            "creationTimestamp": written(self.now),
            "generation": 1,
        }
        self._store("create", made)
        return made

    def delete(self, kind: str, name: str, uid: str | None = None) -> None:
        found = self.get(kind, name)
        if found is None or (uid is not None and found["metadata"]["uid"] != uid):
            return
        del self.objects[(kind, name)]
        self._note("delete", found)
        for child in list(self.objects.values()):
            owners = child["metadata"].get("ownerReferences", ())
            if any(one["uid"] == found["metadata"]["uid"] for one in owners):
                self._collect(child)

    def _collect(self, child: Object) -> None:
        """The garbage collector deletes what has lost its owner; a pod that runs is given time to end."""
        if child["kind"] == "Pod" and child["status"]["phase"] == "Pending":
            self.change(child, status={"since": written(self.now), **child["status"]})
        else:
            self.delete(child["kind"], child["metadata"]["name"])

    def put_status(self, kind: str, name: str, version: str, status: Mapping[str, Any]) -> None:
        found = self.get(kind, name)
        if found is None:
            raise Refused("NotFound")
        if found["metadata"]["resourceVersion"] != version:
            raise Refused("Conflict")
        self.change(found, "status", status=json.loads(json.dumps(status)))

    def apply(self, manifest: Mapping[str, Any]) -> None:
        """Server-side apply: what the manifest does not name stays as somebody else set it."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        found = self.get(kind, name)
        if found is None:
            self.create(manifest)
        elif found["spec"] != {**found["spec"], **manifest["spec"]}:
            self.edit(kind, name, {**found["spec"], **manifest["spec"]})
            if "monitoring" in manifest["spec"]:
                now = self.objects[(kind, name)]
                self.objects[(kind, name)] = {
                    **now,
                    "metadata": {**now["metadata"], "monitored": written(self.now)},
                }

    def edit(self, kind: str, name: str, spec: Mapping[str, Any]) -> None:
        """A person's change of a spec: the generation rises."""
        found = self.objects[(kind, name)]
        meta = {**found["metadata"], "generation": found["metadata"]["generation"] + 1}
        self.change(found, "edit", spec=json.loads(json.dumps(spec)), metadata=meta)

    def change(self, found: Object, verb: str = "update", **parts: Any) -> None:
        self._store(verb, {**found, **parts})

    def _store(self, verb: str, made: Object) -> None:
        self._version += 1
        made = {**made, "metadata": {**made["metadata"], "resourceVersion": str(self._version)}}
        self.objects[(made["kind"], made["metadata"]["name"])] = made
        self._note(verb, made)

    def _note(self, verb: str, made: Object) -> None:
        self.log.append((verb, made["kind"], made["metadata"]["name"]))
        self.past.append(dict(self.objects))
        for watcher in self.watchers:
            watcher(verb, made)

    # Time, controllers and the kubelet

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.settle()

    def settle(self) -> None:
        """Everything that the cluster does by itself up to now."""
        fake_job_sets.control(self)
        for job in list(self.find("Job")):
            self._job_controller(job)
        for pod in list(self.find("Pod")):
            if pod["status"]["phase"] not in ("Succeeded", "Failed"):
                self._kubelet(pod)
        for job in list(self.find("Job")):
            self._job_outcome(job)
        for endpoint in list(self.find("ModelEndpoint")):
            self._serve(endpoint)

    def pods_of(self, job: Object) -> Sequence[Object]:
        return self.objects.owned("Pod", job["metadata"]["uid"])

    def _job_controller(self, job: Object) -> None:
        if job["spec"].get("suspend"):
            if not fake_job_sets.is_inner(job) and self._age(job) >= self.admits_after:
                admitted = {**job["spec"], "suspend": False}
                self.change(job, spec=admitted, status={"startTime": written(self.now)})
            return
        if job.get("status", {}).get("suspended"):
            since = datetime.fromisoformat(job["status"]["since"])
            if (self.now - since).total_seconds() >= 700:  # longer than any start deadline
                self.change(job, status={"resumed": True, "startTime": written(self.now)})
            return
        if job.get("status", {}).get("conditions") or job.get("status", {}).get("podMade"):
            return
        fate = self.fate(job)
        name = job["metadata"]["name"]
        if fate == "quota" and self._age(job) < 90:
            return
        owner = {"kind": "Job", "name": name, "uid": job["metadata"]["uid"], "controller": True}
        pods = [
            {
                "kind": "Pod",
                "metadata": {
                    "name": f"{name}-pod{index or ''}",
                    "labels": {"job-name": name},
                    "ownerReferences": [owner],
                    "worker": index,
                },
                "status": {"phase": "Pending"},
            }
            for index in range(job["spec"]["completions"])
        ]
        if fate == "imposter" and ("Pod", f"{name}-old") not in self.objects:
            old = {**owner, "uid": "uid-of-a-job-that-is-gone"}
            self.create(
                {
                    "kind": "Pod",
                    "metadata": {
                        "name": f"{name}-old",
                        "labels": {"job-name": name},
                        "ownerReferences": [old],
                    },
                    "status": ended(self._success(job)),
                }
            )
        for pod in pods:
            self.create(pod)
        made = {**self.objects[("Job", name)].get("status", {}), "podMade": True}
        self.change(self.objects[("Job", name)], status=made)

    def _job_outcome(self, job: Object) -> None:
        """The Job controller is a second behind the pods."""
        if job.get("status", {}).get("suspended"):
            return
        if not job.get("status", {}).get("podMade") or job["status"].get("conditions"):
            return
        pods, workers = self.pods_of(job), job["spec"]["completions"]
        over = [one for one in pods if one["status"]["phase"] in ("Succeeded", "Failed")]
        failed = [one for one in over if one["status"]["phase"] == "Failed"]
        if len(pods) == workers and len(over) < workers and not failed:
            return
        over = failed or over if len(pods) == workers else failed
        since = (
            datetime.fromisoformat(over[0]["status"]["ended"]) if over else self.now - timedelta(seconds=2)
        )
        if (self.now - since).total_seconds() < 1:
            return
        kind = "Complete" if over and over[0]["status"]["phase"] == "Succeeded" else "Failed"
        for one in pods:
            if one["status"]["phase"] == "Pending":  # the others of a gang that has failed
                self.change(one, status={**one["status"], "since": written(self.now)})
        self.change(job, status={**job["status"], "conditions": [kind]})

    def fate(self, job: Object) -> str:
        task = task_of(job)
        fates = self.fates.get(leaf_of(task), self.fates.get(task["step"], []))
        return fates[task["attempt"] - 1] if task["attempt"] <= len(fates) else "success"

    def fate_of_worker(self, job: Object, worker: int) -> str:
        """Of a gang one worker meets the attempt's fate; the others wait for it, as programs do that meet."""
        fate, workers = self.fate(job), job["spec"]["completions"]
        if workers == 1 or fate in ("late", "quota", "success", "hangs", "preempted"):
            return fate
        fated = 0 if fate == "no_result" else workers - 1
        return fate if worker == fated else "success" if fate == "no_result" else "hangs"

    def _age(self, item: Object) -> float:
        return (self.now - datetime.fromisoformat(item["metadata"]["creationTimestamp"])).total_seconds()

    def _kubelet(self, pod: Object) -> None:
        owner = pod["metadata"]["ownerReferences"][0]
        if "since" in pod["status"]:
            since = datetime.fromisoformat(pod["status"]["since"])
            if (self.now - since).total_seconds() >= 2:  # what it takes its program to stop
                self.delete("Pod", pod["metadata"]["name"])
            return
        job = self.get("Job", owner["name"])
        if job is None:
            return
        age, fate = self._age(pod), self.fate_of_worker(job, pod["metadata"].get("worker", 0))
        status = self._status(job, fate, age)
        if status is None:
            if fate != "job_deleted":
                self.delete("Pod", pod["metadata"]["name"])
                return
            # Somebody deletes what the attempt is.
            attempt = job["metadata"]["ownerReferences"][0] if fake_job_sets.is_inner(job) else owner
            self.delete(attempt["kind"], attempt["name"])
        elif status != pod["status"]:
            self.change(pod, status=status)

    def _status(self, job: Object, fate: str, age: float) -> Object | None:
        """The pod's status at this age; None when it is deleted then."""
        lasting = {
            "image": waits("ErrImagePull", "pull access denied"),
            "config": waits("CreateContainerConfigError", 'secret "penstock-store" not found'),
            "unschedulable": {
                "phase": "Pending",
                "unschedulable": "0/3 nodes are available: Insufficient cpu.",
            },
        }
        if fate in lasting:
            return lasting[fate]
        if fate == "late" and age < 40:
            return waits("CreateContainerConfigError", 'secret "token" not found')
        if age < 1:
            return waits("PodInitializing", "")
        if age < 3:
            return {"phase": "Pending", "main": "running"}
        if fate in ("pod_deleted", "job_deleted"):
            return None
        if fate == "preempted" and "resumed" not in job.get("status", {}):
            # A queueing system takes the room away again: the Job is suspended, and its pods go.
            for other in self.pods_of(job):
                self.delete("Pod", other["metadata"]["name"])
            meta = {"suspended": True, "since": written(self.now)}
            self.change(self.objects[("Job", job["metadata"]["name"])], status={**job["status"], **meta})
            return None
        limit = job["spec"]["template"]["spec"].get("activeDeadlineSeconds")
        if limit is not None and age >= limit:
            killed = {"phase": "Failed", "reason": "DeadlineExceeded", "container": "main", "code": 137}
            return {**killed, "ended": written(self.now)}
        if fate == "hangs":
            return {"phase": "Pending", "main": "running", "hangs": True}
        status = self._end(job, fate)
        return {**status, "ended": written(self.now)}

    def _end(self, job: Object, fate: str) -> Object:
        ours = {"container": "publish", "code": 1}
        ends: dict[str, Object] = {
            "exit3": {"phase": "Failed", "container": "main", "code": 3, "message": "Traceback\nboom"},
            "imposter": {"phase": "Failed", "container": "main", "code": 3, "message": "boom"},
            "oom": {"phase": "Failed", "container": "main", "code": 1, "cause": "OOMKilled"},
            "evicted": {
                "phase": "Failed",
                "disrupted": "EvictionByEvictionAPI",
                "container": "main",
                "code": 137,
            },
            "store": {
                "phase": "Failed",
                **ours,
                "message": encode(Failure(FailureClass.STORE_UNAVAILABLE, "the store does not answer")),
            },
            "disk": {
                "phase": "Failed",
                "reason": "Evicted",
                "message": 'Usage of EmptyDir volume "tmp" exceeds the limit "1Gi".',
                "container": "main",
                "code": 137,
            },
            "lost": {
                "phase": "Failed",
                "container": "fetch",
                "code": 1,
                "message": encode(
                    Failure(FailureClass.INPUT_MISSING, "gone", inputs=tuple(task_of(job)["inputs"]))
                ),
            },
            "no_result": {"phase": "Succeeded", "message": ""},
            "start_error": {"phase": "Failed", "container": "main", "code": 128, "cause": "StartError"},
        }
        if fate in ends:
            return ends[fate]
        missing = self.losses.found(task_of(job), environment_of(job))
        if missing is not None:
            return {"phase": "Failed", "container": "fetch", "code": 1, "message": encode(missing)}
        return ended(self._success(job))

    def _success(self, job: Object) -> Result:
        task = task_of(job)
        if task["kind"] == "archive":
            for record in unpack(environment_of(job)):
                self.archive.setdefault(record["uid"], record)
            return Result(message="archived")
        if task["kind"] == "sweep":
            return self.sweeper(job)
        if task["kind"] == "probe":
            return Result(source_revision=self.revisions.get(task["step"], "absent"))
        known = task.get("known")
        if known and known["sourceRevision"] == self.source_revision:
            return Result(unchanged=True, source_revision=self.source_revision, outputs=known["outputs"])
        made = {name: self._digest(task, name) for name in task["outputs"]}
        self.losses.made(made.values())
        usual = Result(verdict="Pass" if task["kind"] == "validate" else "")
        told = self.verdicts.get(leaf_of(task), self.verdicts.get(task["step"], usual))
        source = self.source_revision if task["kind"] == "ingest" else ""
        return Result(
            outputs=made,
            metrics=told.metrics,
            results=self.results.get(leaf_of(task), self.results.get(task["step"], {})),
            counts={name: self.items for name, type_ in task["outputs"].items() if type_ == "List"},
            verdict=told.verdict,
            reason=told.reason,
            message=told.message,
            source_revision=source,
            columns=30 if task["kind"] == "train" else 0,
        )

    def _digest(self, task: Object, output: str) -> str:
        source = self.source_revision if task["kind"] == "ingest" else ""
        inputs = {name: one["digest"] for name, one in task["inputs"].items()}
        item = task["cell"] if "forEach" in inputs else 0
        lists = self.items if task["outputs"][output] == "List" else 0
        return digest_of(task["kind"], task["arguments"], inputs, source, output, item, lists)

    def _serve(self, endpoint: Object) -> None:
        """Stands for the endpoint's own reconciliation: serves what is asked for two seconds later."""
        meta, model = endpoint["metadata"], endpoint["spec"]["model"]
        status = endpoint.get("status", {})
        if status.get("observedGeneration") == meta["generation"]:
            return
        asked = status.get("asked", {})
        if asked.get("generation") != meta["generation"]:
            note = {"generation": meta["generation"], "at": written(self.now)}
            self.change(endpoint, status={**status, "asked": note})
            return
        if (self.now - datetime.fromisoformat(asked["at"])).total_seconds() < 2:
            return
        done: Object = {"observedGeneration": meta["generation"], "ready": not self.endpoint_trouble}
        if self.endpoint_trouble:
            done |= {"stalled": self.endpoint_trouble, "refused": self.endpoint_trouble == "DeadlineExceeded"}
        else:
            done |= {"stable": model["version"], "stableDigest": model["digest"]}
        self.change(endpoint, status=done)


def waits(reason: str, message: str) -> Object:
    return {"phase": "Pending", "waiting": reason, "words": message}


def ended(result: Result) -> Object:
    return {"phase": "Succeeded", "message": encode(result), "ended": written(EPOCH)}


def leaf_of(task: Object) -> str:
    """The step that the task is of; of one with cells the cell: `fit#3`."""
    cell = task.get("cell")
    return f"{task['step']}#{cell}" if cell else str(task["step"])


def attempt_of(job: Object) -> tuple[str, str, int]:
    """Run, step or cell, and number of the attempt that a run's Job is."""
    task = task_of(job)
    return task["run"], leaf_of(task), task["attempt"]


def borne_of(job: Object) -> str:
    """The entries of the run's status that the Job bears, as JSON; empty where it bears none."""
    annotations = job["spec"]["template"]["metadata"].get("annotations", {})
    return str(annotations.get("penstock.dev/rests-on", ""))


def task_of(job: Object) -> Any:
    """The Task that the Job's own containers find in their environment."""
    pod = job["spec"]["template"]["spec"]
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        for one in container["env"]:
            if one["name"] == "PENSTOCK_TASK":
                return _task(one["value"])
    raise AssertionError("none of its containers is ours")


@lru_cache(maxsize=4096)
def _task(text: str) -> Any:
    return json.loads(text.replace("$$", "$"))


def environment_of(job: Object) -> dict[str, str]:
    """The plain variables of the Job's containers."""
    pod = job["spec"]["template"]["spec"]
    containers = [*pod.get("initContainers", ()), *pod["containers"]]
    env = {one["name"]: one.get("value") for container in containers for one in container["env"]}
    return {name: value.replace("$$", "$") for name, value in env.items() if value is not None}
