"""A watched endpoint, its window Jobs and a kubelet that follows a script. The operator may die at any write.

It knows Kubernetes' rules and the form of a Watch, not how windows are chosen.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock_operator.core.actions import Action, Create, Delete, EventNote
from penstock_operator.core.conditions import merged
from penstock_operator.core.monitoring import Watch, watch
from penstock_operator.core.observed import ContainerView, JobView, Meta, PodView, Ref, Refusal
from penstock_operator.core.observed_endpoint import ObservedEndpoint
from penstock_operator.core.settings import Settings
from penstock_spec import names
from penstock_spec.contract import Failure, Result, Task, encode
from penstock_spec.endpoint_status import ModelEndpointStatus
from penstock_spec.monitoring import Monitoring
from penstock_spec.names import FailureClass

START = datetime(2026, 11, 21, 10, 0, 20, tzinfo=UTC)
DIGEST = {"m-1": "sha256:" + "1" * 64, "m-2": "sha256:" + "2" * 64}
REPORT = "sha256:" + "e" * 64
UID = "e-uid"


class Killed(Exception):  # noqa: N818 - the name says what happened
    """The operator died at a write."""


def result(verdict: str = "NotDrifted", drifted: tuple[str, ...] = (), **fields: Any) -> Result:
    """What a window's program says."""
    told: dict[str, Any] = {
        "verdict": verdict,
        "metrics": {"rows": 300, "lost": 0, "psi_max": 0.5 if drifted else 0.01},
        "results": {"drifted": list(drifted), "driftedCount": len(drifted)},
        "outputs": {"report": REPORT},
        "columns": 30,
    }
    return Result(**{**told, **fields})


@dataclass
class WindowWorld:
    """`fates` says how the attempts of the n-th judged window go: a Result, or a word (see `_pod`)."""

    monitoring: Monitoring | None = field(default_factory=lambda: Monitoring(every="1m"))
    fates: Mapping[int, list[Result | str]] = field(default_factory=dict)
    fate_of_write: Callable[[], str] = lambda: ""
    version: str = "m-1"
    logs: bool = True
    image: str = ""
    now: datetime = START
    watched_since: datetime | None = None  # when the operator came back
    settings: Settings = field(default_factory=Settings)
    status: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[str, JobView] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    memory: dict[str, str] = field(default_factory=dict)
    refusals: dict[str, Refusal] = field(default_factory=dict)  # of Jobs, by name; "" for all
    created: list[str] = field(default_factory=list)  # every Job that was ever created
    writes: list[str] = field(default_factory=list)
    events: list[EventNote] = field(default_factory=list)
    passes: int = 0
    ends: list[str] = field(default_factory=list)  # windows in the order in which they came up

    # The operator

    def plan(
        self, live: frozenset[Ref] = frozenset(), refusals: Mapping[str, Refusal] | None = None
    ) -> Watch:
        """What is to be done now."""
        observed = ObservedEndpoint(
            meta=Meta("ml", "e", UID, START),
            spec={},
            status=self.status,
            jobs=dict(self.jobs),
            live=live,
            refusals=dict(refusals or {}),
            watched_since=self.watched_since,
        )
        serving = {"stable": self.version, "stableDigest": DIGEST[self.version], "history": self.history}
        return watch(
            observed, self.monitoring, serving, self.now, self.settings, logs=self.logs, image=self.image
        )

    def run_pass(self) -> Watch:
        """One pass, as the shell does it. Killed where fate says so."""
        self.passes += 1
        live: frozenset[Ref] = frozenset()
        refusals: dict[str, Refusal] = {}
        for _ in range(10):
            found = self.plan(live, refusals)
            if found.confirm:
                assert not set(found.confirm) <= live, "asks again for what was read live"
                live |= set(found.confirm)
                continue
            if self._carry_out(found.actions, refusals):
                continue
            self._write_status(found)
            self._carry_out(found.after, {})
            return found
        raise AssertionError("a pass goes round and round")

    def _carry_out(self, actions: Any, refusals: dict[str, Refusal]) -> bool:
        for action in actions:
            refusal = self._one(action)
            if refusal is not None:
                refusals[action.manifest["metadata"]["name"]] = refusal
                return True
        return False

    def _one(self, action: Action) -> Refusal | None:
        if isinstance(action, Delete):
            self._write(f"delete {action.name}", lambda: self.jobs.pop(action.name, None))
            return None
        assert isinstance(action, Create)
        name = action.manifest["metadata"]["name"]
        refusal = self.refusals.get(name) or self.refusals.get("")
        if refusal is not None:
            return refusal
        self._write(f"create {name}", lambda: self._create(action.manifest))
        return None

    def _write_status(self, found: Watch) -> None:
        conditions = merged(self.status.get("conditions", ()), found.conditions, 1, stamp(self.now))
        status = {"conditions": conditions, "drifted": found.drifted, "monitoring": found.status}
        status = json.loads(json.dumps({key: one for key, one in status.items() if one}))
        ModelEndpointStatus.model_validate(status, by_alias=True, by_name=False)
        if status != self.status:
            self._write("status", lambda: setattr(self, "status", status))
            self.events += found.events

    def _write(self, what: str, do: Callable[[], Any]) -> None:
        fate = self.fate_of_write()
        if fate == "before":
            raise Killed
        do()
        self.writes.append(what)
        if fate == "after":
            raise Killed

    # The cluster

    def _create(self, manifest: Mapping[str, Any]) -> None:
        name, template = manifest["metadata"]["name"], manifest["spec"]["template"]
        assert name not in self.jobs
        (main,) = template["spec"]["containers"]
        env = {one["name"]: one.get("value", "") for one in main["env"]}
        self.tasks[name] = Task.from_json(env["PENSTOCK_TASK"].replace("$$", "$"))
        self.memory[name] = main["resources"]["limits"]["memory"]
        version = template["metadata"]["labels"][names.LABEL_WINDOW_VERSION]
        self.jobs[name] = JobView(Meta("ml", name, f"uid-{name}", self.now, owner_uid=UID), version=version)
        self.created.append(name)
        end = self.tasks[name].arguments["end"]
        if end not in self.ends:
            self.ends.append(end)

    def advance(self, seconds: float) -> None:
        """Time goes by; pods go their way."""
        self.now += timedelta(seconds=seconds)
        for name, job in self.jobs.items():
            pod = self._pod(name, job)
            over = pod.phase in ("Succeeded", "Failed")
            self.jobs[name] = replace(
                job,
                pods=(pod,),
                complete=pod.phase == "Succeeded",
                failed_reason="BackoffLimitExceeded" if over and pod.phase == "Failed" else "",
            )

    def fate(self, name: str) -> Result | str:
        """How this attempt goes."""
        task = self.tasks[name]
        fates = self.fates.get(self.ends.index(task.arguments["end"]), [])
        return fates[task.attempt - 1] if task.attempt <= len(fates) else result()

    def _pod(self, name: str, job: JobView) -> PodView:
        fate, age = self.fate(name), (self.now - job.meta.created).total_seconds()
        meta = Meta("ml", f"{name}-pod", f"{name}-pod-uid", job.meta.created, owner_uid=job.meta.uid)
        main = ContainerView("main", init=False, running=True)
        lasting = {
            "image": ContainerView("main", False, "ErrImagePull", "pull access denied"),
            "config": ContainerView(
                "main",
                False,
                "CreateContainerConfigError",
                'secret "penstock-store" not found',
            ),
        }
        if isinstance(fate, str) and fate in lasting:
            return PodView(meta, "Pending", scheduled_at=job.meta.created, containers=(lasting[fate],))
        if age < 2:
            return PodView(meta, "Running", containers=(main,))
        if isinstance(fate, Result):
            done = replace(main, running=False, exit_code=0, message=encode(fate))
            return PodView(meta, "Succeeded", containers=(done,))
        ends = {
            "store": replace(main, exit_code=1, message=encode(STORE_DOWN)),
            "oom": replace(main, exit_code=137, terminated_reason="OOMKilled"),
            "evicted": replace(main, exit_code=137),
            "crash": replace(main, exit_code=1, message="Traceback: boom"),
        }
        disrupted = "EvictionByEvictionAPI" if fate == "evicted" else ""
        ended = replace(ends[fate], running=False)
        return PodView(meta, "Failed", disrupted=disrupted, containers=(ended,))

    # A life

    def live(self, seconds: float) -> None:
        """The operator runs for so long, woken by its timers and by Jobs that end; killed, it starts anew."""
        until = self.now + timedelta(seconds=seconds)
        wake: datetime | None = self.now
        while self.now < until:
            if wake is not None and self.now >= wake:
                try:
                    wake = self.run_pass().look_again
                except Killed:
                    wake = self.now
                    continue
            before = {name: job.pods for name, job in self.jobs.items()}
            following = self.now + timedelta(seconds=1)
            self.advance(
                min(1.0, (wake - self.now).total_seconds()) if wake and self.now < wake < following else 1.0
            )
            if {name: job.pods for name, job in self.jobs.items()} != before:
                wake = self.now

    @property
    def windows(self) -> list[dict[str, Any]]:
        """The recorded windows, newest last."""
        found: list[dict[str, Any]] = self.status.get("monitoring", {}).get("windows", [])
        return found

    def condition(self, type_: str = "Drifted") -> dict[str, Any]:
        """One condition; empty where there is none."""
        return next((one for one in self.status.get("conditions", ()) if one["type"] == type_), {})


STORE_DOWN = Failure(FailureClass.STORE_UNAVAILABLE, "the store does not answer")


def stamp(moment: datetime) -> str:
    """As the API writes times."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
