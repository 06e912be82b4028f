"""Carries plans out against the fake cluster, one write at a time, and can be killed at any of them.

Reads Jobs and pods from a cache that may lag behind; everything else as the API server has it. An executor
of its own:
what it knows of plans is the description in core/actions.py.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from penstock_operator.core import ahead, bearing, frozen, history, room
from penstock_operator.core.actions import (
    Action,
    Apply,
    Cancel,
    Create,
    Delete,
    PatchStatus,
    Plan,
    RegisterModel,
    SetOwner,
)
from penstock_operator.core.earlier import Previous
from penstock_operator.core.observed import (
    ContainerView,
    EndpointView,
    JobView,
    Meta,
    PipelineObject,
    PodView,
    Ref,
    Refusal,
    Revision,
    RunObject,
    VersionView,
)
from penstock_operator.core.observed_pipeline import ObservedPipeline
from penstock_operator.core.observed_run import ChildView, ObservedRun
from penstock_operator.core.plan_pipeline import plan_pipeline
from penstock_operator.core.plan_run import plan_run
from penstock_operator.core.references import HOLDERS, REFERENCES, referred_by
from penstock_operator.core.settings import Settings
from penstock_operator.core.sweep import first_of
from penstock_spec.defaults import Defaults, read_defaults
from tests.core import fake_job_sets
from tests.core.fake_cluster import NAMESPACE, FakeCluster, Key, Object, Refused, borne_of, task_of


class Killed(Exception):  # noqa: N818 - the name says what happened
    """The operator was killed at a write."""


class NotSettled(AssertionError):  # noqa: N818 - the same
    """A pass went round and round."""


@dataclass
class FakeShell:
    """One life of an operator."""

    cluster: FakeCluster
    settings: Settings = field(default_factory=Settings)
    # How many changes the cache is behind, asked anew at every pass; never further back than its first list.
    lag: Callable[[], int] = lambda: 0
    blind: bool = False  # no cache shows any pod, as if each had lost the label by which they are watched
    # What happens at the n-th write: nothing, or death before or after it is committed.
    fate_of_write: Callable[[], str] = lambda: ""
    # Whether a status that is news, and nothing else, is held back for now; it is planned from all the same.
    # Ends that let nothing begin wait as well, and are planned for anew.
    hold: Callable[[], bool] = lambda: False
    # Is told of the status that was planned from, and of what is to follow it.
    planned: Callable[[Object, Mapping[str, Any]], None] = lambda _before, _after: None
    plans: list[Plan] = field(default_factory=list)
    held: dict[str, tuple[Object, Mapping[str, Any]]] = field(default_factory=dict)
    began: datetime = field(init=False)
    listed: int = field(init=False)  # how many changes there had been when this life listed everything

    def __post_init__(self) -> None:
        """This life begins now: with lists of all that there is, which no plan comes before."""
        self.began = self.cluster.now
        self.listed = len(self.cluster.past) - 1

    def run_pass(self, name: str) -> datetime | None:
        return self._pass("PipelineRun", name, self._observe_run, plan_run)

    def pipeline_pass(self, name: str) -> datetime | None:
        return self._pass("Pipeline", name, self._observe_pipeline, plan_pipeline)

    def _pass(self, kind: str, name: str, observe: Any, planner: Any) -> datetime | None:
        live: set[Ref] = set()
        refusals: dict[str, Refusal] = {}
        view = self._view()
        for _ in range(40):
            item = self.cluster.get(kind, name)
            if item is None:
                return None
            seen = self._with_held(item)
            upon = bearing.unwritten(item.get("status", {}), seen.get("status", {}))
            world = knowing(observe(seen, view, live, refusals), upon)
            plan: Plan = planner(world, self.cluster.now, self.settings)
            self.plans.append(plan)
            if plan.confirm:
                assert not set(plan.confirm) <= live, f"asks again for what was read live: {plan.confirm}"
                live |= set(plan.confirm)
                for ref in plan.confirm:
                    self._refresh(view, ref)
                continue
            jobs = [one for one in plan.actions if makes_job(one)]
            if upon and not (len(jobs) == len(plan.actions) and bearing.may_bear(len(jobs), upon)):
                self._put(item, seen["status"])  # nothing but a Job bears ends that are not written
                continue
            if self._carry_out(plan.actions, refusals):
                continue
            wanted = plan.status if plan.status is not None or seen is item else seen["status"]
            if wanted is not None:
                self.planned(seen, wanted)
            if wanted is not None and self._waits(item, plan, wanted):
                if plan.bearable:
                    continue
                soon = self.cluster.now + timedelta(seconds=1)
                return soon if plan.look_again is None else min(soon, plan.look_again)
            if wanted == item.get("status"):
                self.held.pop(item["metadata"]["uid"], None)  # news that was taken back
            elif wanted is not None and not self._put(item, wanted):
                continue
            self._carry_out(plan.after, {})
            return plan.look_again
        raise NotSettled(f"{kind} {name}: {plan}")

    def _waits(self, item: Object, plan: Plan, wanted: Mapping[str, Any]) -> bool:
        """Whether this status is not written now, and held where it is planned from all the same."""
        if wanted == item.get("status") or finished(wanted) or not self._only_tells(item, wanted):
            return False
        news = not (plan.steps_ended or plan.pressing or plan.events or plan.after)
        waits = plan.bearable or ((news or plan.unhurried) and self.hold())
        if plan.bearable or (news and waits):
            self.held[item["metadata"]["uid"]] = (item["status"], wanted)
        return waits

    def _put(self, item: Object, status: Mapping[str, Any]) -> bool:
        meta = item["metadata"]
        try:
            self._write(self.cluster.put_status, item["kind"], meta["name"], meta["resourceVersion"], status)
        except Refused:
            return False
        self.held.pop(meta["uid"], None)  # the status may be as it was then again
        return True

    def _with_held(self, item: Object) -> Object:
        written, status = self.held.get(item["metadata"]["uid"], (None, {}))
        return {**item, "status": dict(status)} if written == item.get("status") and status else item

    def _only_tells(self, before: Object, wanted: Mapping[str, Any]) -> bool:
        """Whether no field changes that others go by. It is news where nothing ends, or follows, as well."""
        known = before.get("status", {})
        changed = {name for name in {*known, *wanted} if known.get(name) != wanted.get(name)}
        telling = {"conditions", "reason", "message", "step", "progress", "steps"}
        return changed <= telling

    # Carrying out

    def _write(self, do: Callable[..., Any], *arguments: Any) -> None:
        fate = self.fate_of_write()
        if fate == "before":
            raise Killed
        do(*arguments)
        if fate == "after":
            raise Killed

    def _carry_out(self, actions: Any, refusals: dict[str, Refusal]) -> bool:
        again = False
        for action in actions:
            if self._one(action, refusals):
                return True
            again = again or isinstance(action, RegisterModel | Apply | SetOwner | PatchStatus)
        return again

    def _one(self, action: Action, refusals: dict[str, Refusal]) -> bool:
        match action:
            case Create(manifest):
                return self._create(manifest, refusals)
            case Delete(kind, _, name, uid):
                self._write(self.cluster.delete, kind, name, uid)
            case Cancel(_, name, uid):
                self._write(self._cancel, name, uid)
            case Apply(manifest, _):
                self._write(self.cluster.apply, manifest)
            case SetOwner(kind, _, name, _, owner):
                found = self.cluster.objects[(kind, name)]
                meta = {**found["metadata"], "ownerReferences": [dict(owner)]}
                self._write(lambda: self.cluster.change(found, metadata=meta))
            case PatchStatus(kind, _, name, version, status):
                try:
                    self._write(self.cluster.put_status, kind, name, version, status)
                except Refused:
                    return False
            case RegisterModel(model, digest, manifest):
                self._register(model, digest, manifest)
        return False

    def _cancel(self, name: str, uid: str) -> None:
        found = self.cluster.get("PipelineRun", name)
        if found is not None and found["metadata"]["uid"] == uid and not found["spec"].get("cancel"):
            self.cluster.edit("PipelineRun", name, {**found["spec"], "cancel": True})

    def _create(self, manifest: Mapping[str, Any], refusals: dict[str, Refusal]) -> bool:
        name = manifest["metadata"]["name"]
        try:
            self._write(self.cluster.create, manifest)
        except Refused:
            live = self.cluster.get(manifest["kind"], name)
            assert live is not None
            ours = live["metadata"].get("ownerReferences") == manifest["metadata"]["ownerReferences"]
            same = live["metadata"].get("labels") == manifest["metadata"].get("labels")
            if not (ours and same):
                refusals[name] = Refusal("NameCollision", f"{name} is somebody else's")
                return True
        return False

    def _register(self, model: str, digest: str, manifest: Mapping[str, Any]) -> None:
        versions = [one for one in self.cluster.find("ModelVersion") if one["spec"]["model"] == model]
        if any(one["spec"]["digest"] == digest for one in versions):
            return
        number = 1 + max((one["spec"]["number"] for one in versions), default=0)
        made = {
            **manifest,
            "metadata": {**manifest["metadata"], "name": f"{model}-{number}"},
            "spec": {**manifest["spec"], "number": number},
        }
        self._write(self.cluster.create, made)

    # Observing

    def _view(self) -> dict[Key, Object]:
        """Jobs, pods and child runs as caches show them: each kind comes on a stream of its own, perhaps a
        few changes late.
        """
        past = self.cluster.past
        families = any(one["spec"].get("step") for one in self.cluster.find("PipelineRun"))
        more = [*(["PipelineRun"] if families else []), *(["JobSet"] if self.cluster.job_sets else [])]
        return {
            key: one
            for kind in ("Job", "Pod", *more)
            for key, one in past[max(self.listed, len(past) - 1 - self.lag())].items()
            if key[0] == kind and not (self.blind and kind == "Pod")
        }

    def _refresh(self, view: dict[Key, Object], ref: Ref) -> None:
        if ref.kind == "Pod":
            for key in [one for one in view if one[0] == "Pod"]:
                del view[key]
            view.update({key: one for key, one in self.cluster.objects.items() if key[0] == "Pod"})
        if ref.kind not in ("Job", "JobSet", "PipelineRun"):
            return
        if not ref.name:
            for key in [one for one in view if one[0] == ref.kind]:
                del view[key]
            view.update({key: one for key, one in self.cluster.objects.items() if key[0] == ref.kind})
            return
        view.pop((ref.kind, ref.name), None)
        found = self.cluster.get(ref.kind, ref.name)
        if found is not None:
            view[(ref.kind, ref.name)] = found

    def _observe_run(
        self, item: Object, view: dict[Key, Object], live: set[Ref], refusals: dict[str, Refusal]
    ) -> ObservedRun:
        run = run_of(item)
        runs = [run_of(one) for one in self.cluster.find("PipelineRun")]
        pipeline = self.cluster.get("Pipeline", run.pipeline)
        previous = [self._previous(one) for one in history.previous_runs(run, runs)]
        origin = next((one for one in runs if one.meta.name == run.rerun.get("run")), None)
        return ObservedRun(
            run=run,
            pipeline=None if pipeline is None else pipeline_of(pipeline),
            revision=self._revision(run, origin),
            origin=origin,
            repeated=[] if origin is None else [one for one in runs if one.meta.owner_uid == origin.meta.uid],
            siblings=[one for one in runs if one.pipeline == run.pipeline] if run.backfill else (),
            made_by=next((one for one in runs if one.backfill and one.meta.name == run.part_of), None),
            jobs={**jobs_of(view, run.meta.uid), **job_sets_of(view, run.meta.uid)},
            job_sets=self.cluster.job_sets,
            ending=self._ending(view),
            services=[
                meta
                for one in self.cluster.find("Service")
                if (meta := meta_of(one)).owner_uid == run.meta.uid
            ],
            live=frozenset(live),
            refusals=dict(refusals),
            versions=[version_of(one) for one in self.cluster.find("ModelVersion")],
            endpoints={
                one["metadata"]["name"]: endpoint_of(one) for one in self.cluster.find("ModelEndpoint")
            },
            earlier=history.earlier_steps(run, runs),
            previous=[one for one in previous if one is not None],
            children=self._children(view, run),
            parents=self._parents(run),
            ahead=ahead.runs_ahead(run, runs),
            held_ahead=ahead.held_ahead(ahead.runs_ahead(run, runs), runs),
            behind=ahead.runs_behind(run, runs),
            live_jobs=frozenset(
                one["metadata"]["name"]
                for kind in ("Job", "JobSet")
                for one in self.cluster.find(kind)
                if not fake_job_sets.over(one) and not fake_job_sets.is_inner(one)
            ),
            older_claims=room.older_claims(run, runs),
            watched_since=self.began,
            defaults=self._defaults(),
        )

    def _ending(self, view: Mapping[Key, Object]) -> frozenset[str]:
        pods = [
            one for (kind, _), one in view.items() if kind == "Pod" and one["status"]["phase"] == "Pending"
        ]
        jobs = {one["metadata"]["labels"]["job-name"] for one in pods}
        sets = {one.removesuffix("-workers-0") for one in jobs if one.endswith("-workers-0")}
        gone = {one for one in jobs if ("Job", one) not in view}
        return frozenset(gone | {one for one in sets if ("JobSet", one) not in view})

    def _children(self, view: Mapping[Key, Object], run: RunObject) -> dict[str, ChildView]:
        found = {}
        for (kind, name), item in view.items():
            if kind == "PipelineRun" and meta_of(item).owner_uid == run.meta.uid:
                revision = self._revision(run_of(item))
                found[name] = ChildView(run_of(item), None if revision is None else revision.pipeline)
        return found

    def _parents(self, run: RunObject) -> list[RunObject]:
        chain: list[RunObject] = []
        while run.step:
            item = self.cluster.get("PipelineRun", run.part_of)
            if item is None or item["metadata"]["uid"] != run.meta.owner_uid:
                break
            run = run_of(item)
            chain.append(run)
        return chain

    def _observe_pipeline(
        self, item: Object, view: dict[Key, Object], live: set[Ref], refusals: dict[str, Refusal]
    ) -> ObservedPipeline:
        name, uid = item["metadata"]["name"], item["metadata"]["uid"]
        runs = [run_of(one) for one in self.cluster.find("PipelineRun")]
        revisions = [loaded(one) for one in self.cluster.find("ControllerRevision")]
        return ObservedPipeline(
            pipeline=pipeline_of(item),
            runs=[one for one in runs if one.pipeline == name],
            revisions=[one for one in revisions if one.meta.owner_uid == uid],
            versions=[version_of(one) for one in self.cluster.find("ModelVersion")],
            endpoints={
                one["metadata"]["name"]: endpoint_of(one) for one in self.cluster.find("ModelEndpoint")
            },
            jobs=jobs_of(view, uid),
            refusals=dict(refusals),
            live=frozenset(live),
            defaults=self._defaults(),
            first=first_of(map(meta_of, self.cluster.find("Pipeline"))) == uid,
            references=self.references() if Ref(REFERENCES) in live else frozenset(),
        )

    def references(self) -> frozenset[bytes]:
        """What anything refers to now, never from a cache."""
        return frozenset(
            one for kind in HOLDERS for item in self.cluster.find(kind) for one in referred_by(item)
        )

    def _defaults(self) -> Defaults:
        found = self.cluster.get("ConfigMap", "penstock-defaults")
        return Defaults() if found is None else read_defaults(found["data"])

    def _revision(self, run: RunObject, origin: RunObject | None = None) -> Revision | None:
        name = (run.status.get("snapshot") or {}).get("revision") or run.revision
        if not name and origin is not None:
            name = (origin.status.get("snapshot") or {}).get("revision")
        found = self.cluster.get("ControllerRevision", name) if name else None
        return None if found is None else loaded(found)

    def _previous(self, run: RunObject) -> Previous | None:
        revision = self._revision(run)
        if revision is None or revision.pipeline is None:
            return None
        steps, pinned = run.status["steps"], run.status.get("pinned", ())
        return Previous(
            run.meta.name, revision.pipeline, run.given, run.logical_time, steps, pinned, run.cause
        )


def finished(status: Mapping[str, Any]) -> bool:
    return any(one["type"] == "Finished" and one["status"] == "True" for one in status.get("conditions", ()))


def meta_of(item: Object) -> Meta:
    data = item["metadata"]
    owners = data.get("ownerReferences") or [{"uid": ""}]
    return Meta(
        namespace=NAMESPACE,
        name=data["name"],
        uid=data["uid"],
        created=datetime.fromisoformat(data["creationTimestamp"]),
        generation=data["generation"],
        resource_version=data["resourceVersion"],
        owner_uid=owners[0]["uid"],
    )


_LOADED: dict[str, Revision] = {}


def loaded(item: Object) -> Revision:
    """The frozen pipeline; compiled once, as every shell should: the data of a revision cannot change."""
    meta, digest = item["metadata"], item["data"]["digest"]
    key = f"{meta['name']} {meta['uid']} {meta['resourceVersion']} {digest}"
    if key not in _LOADED:
        _LOADED[key] = frozen.load(meta_of(item), item["data"])
    return _LOADED[key]


def run_of(item: Object) -> RunObject:
    spec = item["spec"]
    return RunObject(
        meta_of(item),
        spec["pipeline"],
        spec.get("parameters", {}),
        spec.get("revision", ""),
        spec.get("generation", 0),
        spec.get("trigger", ""),
        spec.get("suspend", False),
        spec.get("cancel", False),
        item.get("status", {}),
        spec.get("scheduledTime", ""),
        spec.get("episode", {}),
        spec.get("triggeredBy", {}),
        spec.get("mode", "Run"),
        spec.get("rerun", {}),
        spec.get("backfill", {}),
        spec.get("partOf", ""),
        spec.get("step", ""),
        reuse=spec.get("reuse", "ByStep"),
        spec=spec,
        cell=spec.get("cell", 0),
    )


def pipeline_of(item: Object) -> PipelineObject:
    return PipelineObject(meta_of(item), item["spec"], item.get("status", {}))


def version_of(item: Object) -> VersionView:
    spec, status = item["spec"], item.get("status", {})
    return VersionView(
        meta_of(item),
        spec["model"],
        spec["number"],
        spec["digest"],
        status.get("lifecycle", ""),
        status,
        spec.get("lineage", {}),
        spec.get("metrics", {}),
    )


def endpoint_of(item: Object) -> EndpointView:
    model, status = item["spec"]["model"], item.get("status", {})
    return EndpointView(
        meta=meta_of(item),
        version=model["version"],
        digest=model["digest"],
        asked_by=model.get("askedBy", ""),
        scale=item["spec"].get("scale", {}),
        rollout=item["spec"].get("rollout", {}),
        pinned=item["spec"].get("rollbackTo"),
        refused=status.get("refused", False),
        stable=status.get("stable", ""),
        stable_digest=status.get("stableDigest", ""),
        observed_generation=status.get("observedGeneration", 0),
        ready=status.get("ready", False),
        stalled_reason=status.get("stalled", ""),
        stalled_message="it does not get ready" if status.get("stalled") else "",
        monitoring=item["spec"].get("monitoring"),
        monitored_at=datetime.fromisoformat(at) if (at := item["metadata"].get("monitored")) else None,
        # The pods of this cluster log as soon as they serve.
        watched_since="2026-11-21T10:00:00Z" if status.get("ready") and "monitoring" in item["spec"] else "",
        drifted_reason=status.get("drifted", ""),
        drifted_message="another server" if status.get("drifted") else "",
        episodes=status.get("episodes", 0),
        drifting=status.get("drifting", False),
    )


def moment_of(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def knowing(world: Any, unwritten: Sequence[Mapping[str, Any]]) -> Any:
    """The world of a run of which these entries are not written."""
    return replace(world, run=replace(world.run, unwritten=unwritten)) if unwritten else world


def makes_job(action: Action) -> bool:
    return isinstance(action, Create) and action.manifest["kind"] in ("Job", "JobSet")


def jobs_of(view: Mapping[Key, Object], owner: str) -> dict[str, JobView]:
    """The run's Jobs. Pods are found by their label, as a careless reader would: who owns them is for the
    planner.
    """
    found = {}
    pods: dict[str, list[Object]] = {}
    for (kind, _), one in view.items():
        if kind == "Pod":
            pods.setdefault(one["metadata"]["labels"]["job-name"], []).append(one)
    for (kind, name), job in view.items():
        if kind != "Job" or meta_of(job).owner_uid != owner:
            continue
        conditions = job.get("status", {}).get("conditions", ())
        found[name] = JobView(
            meta=meta_of(job),
            step=job["spec"]["template"]["metadata"]["labels"].get("penstock.dev/step", ""),
            archives=archives_of(job),
            sweeps=task_of(job)["kind"] == "sweep",
            attempt=int(job["spec"]["template"]["metadata"]["labels"].get("penstock.dev/attempt", "0")),
            bears=borne_of(job),
            suspended=job["spec"].get("suspend", False) or job.get("status", {}).get("suspended", False),
            workers=job["spec"]["completions"],
            started=moment_of(job.get("status", {}).get("startTime")),
            complete="Complete" in conditions,
            failed_reason="BackoffLimitExceeded" if "Failed" in conditions else "",
            pods=tuple(pod_of(one, job) for one in pods.get(name, ())),
        )
    return found


def job_sets_of(view: Mapping[Key, Object], owner: str) -> dict[str, JobView]:
    """The run's JobSets, each with the Job that it has made as far as the view shows one."""
    found = {}
    for (kind, name), item in view.items():
        meta, job = meta_of(item), fake_job_sets.name_of_job(item) if kind == "JobSet" else ""
        if not job or meta.owner_uid != owner:
            continue
        inner = jobs_of(view, meta.uid).get(job)
        held = item["spec"].get("suspend", False)
        conditions = item.get("status", {}).get("conditions", ())
        template = {**fake_job_sets.made_by(item), "status": {}}
        about = {**template["metadata"], "uid": "", "resourceVersion": "", "generation": 1}
        about["creationTimestamp"] = item["metadata"]["creationTimestamp"]
        absent = jobs_of({("Job", job): {**template, "metadata": about}}, meta.uid)[job]
        seen = inner or absent
        found[name] = replace(
            seen,
            meta=meta,
            kind="JobSet",
            child=None if inner is None else inner.meta,
            suspended=held or (inner is not None and inner.suspended),
            complete=seen.complete or "Completed" in conditions,
            failed_reason=seen.failed_reason or ("FailedJobs" if "Failed" in conditions else ""),
        )
    return found


def archives_of(job: Object) -> dict[str, str]:
    return dict(task_of(job)["arguments"]["records"]) if task_of(job)["kind"] == "archive" else {}


def pod_of(item: Object, job: Object) -> PodView:
    status = item["status"]
    pod = job["spec"]["template"]["spec"]
    init = [one["name"] for one in pod.get("initContainers", ())]
    order = [*init, *(one["name"] for one in pod["containers"])]
    return PodView(
        meta=meta_of(item),
        phase=status["phase"],
        reason=status.get("reason", ""),
        message=status.get("message", "") if "reason" in status else "",
        unschedulable=status.get("unschedulable", ""),
        disrupted=status.get("disrupted", ""),
        worker=item["metadata"].get("worker", 0),
        containers=() if "unschedulable" in status else _containers(status, order, init),
    )


def _containers(status: Object, order: list[str], init: list[str]) -> tuple[ContainerView, ...]:
    """The containers as the status tells: those before the one it speaks of have ended well, those after
    wait.
    """
    spoken = status.get("container") or (order[0] if "waiting" in status else "main")
    if spoken not in order:
        spoken = "main"
    if status["phase"] == "Succeeded":
        last = order[-1]
        return tuple(
            ContainerView(one, one in init, exit_code=0, message=status["message"] if one == last else "")
            for one in order
        )
    before, after = order[: order.index(spoken)], order[order.index(spoken) + 1 :]
    return (
        *(ContainerView(one, one in init, exit_code=0) for one in before),
        ContainerView(
            spoken,
            spoken in init,
            waiting_reason=status.get("waiting", ""),
            waiting_message=status.get("words", ""),
            running=status.get("main") == "running",
            terminated_reason=status.get("cause", "Error" if "code" in status else ""),
            exit_code=status.get("code"),
            message=status.get("message", ""),
        ),
        *(ContainerView(one, one in init, waiting_reason="PodInitializing") for one in after),
    )
