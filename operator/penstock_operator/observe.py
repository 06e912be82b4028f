"""Gathers the world of one decision from the caches, and from what the pass has read live."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from penstock_operator import clock, field_managers, views, views_endpoint
from penstock_operator.caches import Caches
from penstock_operator.core import history, room
from penstock_operator.core.ahead import held_ahead, runs_ahead, runs_behind
from penstock_operator.core.bearing import Entry
from penstock_operator.core.earlier import Previous
from penstock_operator.core.observed import EndpointView, JobView, Revision, RunObject, VersionView
from penstock_operator.core.observed_endpoint import DeploymentView, ObservedEndpoint
from penstock_operator.core.observed_pipeline import ObservedPipeline
from penstock_operator.core.observed_run import ChildView, ObservedRun
from penstock_operator.core.settings import Settings
from penstock_operator.core.sweep import first_of
from penstock_operator.manifests.job_sets import job_name, set_of
from penstock_operator.reads import Findings, Reads
from penstock_operator.resources import AUTOSCALER, BUDGET, CONFIG_MAP, JOB, JOB_SET, SERVICE
from penstock_operator.store import Object, controller_of
from penstock_spec import names
from penstock_spec.defaults import Defaults, read_defaults
from penstock_spec.kinds.child import MAX_DEPTH

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Observer:
    """Builds observations; all but frozen revisions comes from memory."""

    def __init__(self, caches: Caches, reads: Reads, settings: Settings | None = None) -> None:
        self._caches = caches
        self._reads = reads
        self._settings = settings or Settings()

    @cached_property
    def _watched_since(self) -> datetime:
        """When anything was looked at first."""
        return clock.now()

    def pipeline(self, item: Object, findings: Findings) -> ObservedPipeline:
        """The world of plan_pipeline."""
        about = views.pipeline(item, applied_spec(item))
        namespace = about.meta.namespace
        defaults = self._defaults(namespace)
        return ObservedPipeline(
            pipeline=about,
            runs=self._runs_of(namespace, about.meta.name),
            revisions=tuple(findings.revisions),
            versions=self.versions(namespace),
            endpoints=self._endpoints(namespace),
            jobs=self._jobs(about.meta.uid),
            troubles=dict(findings.troubles),
            live=frozenset(findings.live),
            refusals=dict(findings.refusals),
            defaults=defaults,
            first=defaults.values.artifacts.keep is not None and self._first(namespace) == about.meta.uid,
            references=findings.references,
        )

    async def run(self, item: Object, findings: Findings, unwritten: Sequence[Entry] = ()) -> ObservedRun:
        """The world of plan_run."""
        run = replace(views.run(item), unwritten=unwritten)
        namespace = run.meta.namespace
        runs = self._runs_of(namespace, run.pipeline)
        pipeline = self._caches[names.PIPELINE].get(namespace, run.pipeline)
        versions = self.versions(namespace)
        # Of whatever Pipeline it is: the planner says so where that is another one.
        repeated = self._caches[names.PIPELINE_RUN].get(namespace, run.rerun.get("run", ""))
        origin = None if repeated is None else views.run(repeated)
        ahead = runs_ahead(run, runs)
        return ObservedRun(
            run=run,
            pipeline=None if pipeline is None else views.pipeline(pipeline, applied_spec(pipeline)),
            revision=None if run.finished else await self._revision_of(run, origin),
            origin=origin,
            repeated=() if origin is None else self._steps_of(origin),
            siblings=runs if run.backfill else (),
            made_by=next((one for one in runs if one.backfill and one.meta.name == run.part_of), None),
            jobs=self._jobs(run.meta.uid),
            job_sets=JOB_SET in self._caches.watched,
            ending=self._ending(namespace, run.meta.name),
            services=tuple(views.meta(one) for one in self._caches[SERVICE].find("owner", run.meta.uid)),
            live=frozenset(findings.live),
            troubles=dict(findings.troubles),
            refusals=dict(findings.refusals),
            versions=versions,
            endpoints=self._endpoints(namespace),
            earlier=() if run.finished else history.earlier_steps(run, runs),
            previous=() if run.finished else await self._previous(run, runs),
            children=await self._children(run),
            parents=self._parents(run),
            ahead=ahead,
            held_ahead=held_ahead(ahead, runs),
            behind=runs_behind(run, runs),
            live_jobs=self._live_jobs(namespace),
            older_claims=self._older_claims(run),
            watched_since=self._watched_since,
            defaults=self._defaults(namespace),
        )

    def endpoint(self, item: Object, findings: Findings) -> ObservedEndpoint:
        """The world of plan_endpoint."""
        about = views.meta(item)
        named = {
            kind: self._caches[kind].get(about.namespace, about.name)
            for kind in (SERVICE, AUTOSCALER, BUDGET)
        }
        return ObservedEndpoint(
            meta=about,
            spec=item.get("spec") or {},
            status=item.get("status") or {},
            versions=self.versions(about.namespace),
            deployments=tuple(
                self._deployment(one, about.name)
                for one in self._caches["Deployment"].find("owner", about.uid)
            ),
            service=views_endpoint.service(named[SERVICE]),
            autoscaler=views_endpoint.companion(named[AUTOSCALER]),
            budget=views_endpoint.companion(named[BUDGET]),
            managers=item["metadata"].get(field_managers.KEY) or {},
            requested_by=views_endpoint.requested_by(item),
            monitoring_follows=views_endpoint.monitoring_follows(item),
            jobs=self._jobs(about.uid),
            troubles=dict(findings.troubles),
            live=frozenset(findings.live),
            refusals=dict(findings.refusals),
            watched_since=self._watched_since,
        )

    def is_bounded(self, namespace: str) -> bool:
        """Whether only so many Jobs may live in the namespace at a time."""
        return room.limit_of(self._defaults(namespace), self._settings) > 0

    def _live_jobs(self, namespace: str) -> frozenset[str]:
        if not self.is_bounded(namespace):
            return frozenset()
        found = (one for kind in (JOB, JOB_SET) for one in self._caches[kind].find("live", namespace))
        return frozenset(one["metadata"]["name"] for one in found)

    def _older_claims(self, run: RunObject) -> int:
        namespace = run.meta.namespace
        found = self._caches[names.PIPELINE_RUN].find("waits", namespace)
        return room.older_claims(run, map(views.run, found)) if self.is_bounded(namespace) else 0

    def _defaults(self, namespace: str) -> Defaults:
        """Those of the namespace as they are now."""
        item = self._caches[CONFIG_MAP].get(namespace, names.DEFAULTS)
        return Defaults() if item is None else read_defaults(item.get("data") or {})

    def _first(self, namespace: str) -> str:
        return first_of(map(views.meta, self._caches[names.PIPELINE].find("namespace", namespace)))

    def _runs_of(self, namespace: str, pipeline: str) -> tuple[RunObject, ...]:
        found = self._caches[names.PIPELINE_RUN].find("pipeline", f"{namespace}/{pipeline}")
        return tuple(views.run(one) for one in found)

    def _endpoints(self, namespace: str) -> Mapping[str, EndpointView]:
        return {
            one["metadata"]["name"]: views_endpoint.endpoint(one)
            for one in self._caches[names.MODEL_ENDPOINT].find("namespace", namespace)
        }

    def versions(self, namespace: str) -> tuple[VersionView, ...]:
        """The namespace's registry of models."""
        return tuple(
            views.version(one) for one in self._caches[names.MODEL_VERSION].find("namespace", namespace)
        )

    def _jobs(self, uid: str) -> Mapping[str, JobView]:
        found = {}
        for one in self._caches[JOB].find("owner", uid):
            pods = self._caches["Pod"].find("owner", one["metadata"]["uid"])
            found[one["metadata"]["name"]] = views.job(one, (views.pod(pod) for pod in pods))
        for one in self._caches[JOB_SET].find("owner", uid):
            found[one["metadata"]["name"]] = self._job_set(one)
        return found

    def _job_set(self, item: Object) -> JobView:
        meta = item["metadata"]
        made = self._caches[JOB].get(meta["namespace"], job_name(meta["name"]))
        if made is None or (controller_of(made) or {}).get("uid") != meta["uid"]:
            return views.job_set(item, None, ())
        pods = self._caches["Pod"].find("owner", made["metadata"]["uid"])
        return views.job_set(item, made, (views.pod(pod) for pod in pods))

    def _ending(self, namespace: str, run: str) -> frozenset[str]:
        """The Jobs and JobSets of the run whose pods go on, and that no cache knows.

        Nobody waits for ever for a pod whose node does not answer.
        """
        pods = self._caches["Pod"].find("run", f"{namespace}/{run}")
        pods = [one for one in pods if views.goes_on(one)]
        if not pods:
            return frozenset()
        since = clock.now() - timedelta(seconds=self._settings.finish_grace)
        live = (one for one in pods if not views.should_be_gone(one, since))
        jobs = {name for one in live if (name := views.job_of(one))}
        gone = {one for one in jobs if self._caches[JOB].get(namespace, one) is None}
        sets = {name for one in jobs if (name := set_of(one))}
        return frozenset(gone | {one for one in sets if self._caches[JOB_SET].get(namespace, one) is None})

    def _deployment(self, item: Object, endpoint: str) -> DeploymentView:
        namespace = item["metadata"]["namespace"]
        pods = self._caches["Pod"].find("endpoint", f"{namespace}/{endpoint}")
        return views_endpoint.deployment(item, map(views.pod, views_endpoint.pods_of_deployment(item, pods)))

    async def _children(self, run: RunObject) -> Mapping[str, ChildView]:
        """The runs that are steps of this one, each with what it executes."""
        found = {}
        for child in self._steps_of(run):
            frozen = None if run.finished else await self._revision_of(child)
            found[child.meta.name] = ChildView(child, None if frozen is None else frozen.pipeline)
        return found

    def _steps_of(self, run: RunObject) -> tuple[RunObject, ...]:
        found = self._caches[names.PIPELINE_RUN].find("owner", run.meta.uid)
        return tuple(views.run(one) for one in found)

    def _parents(self, run: RunObject) -> tuple[RunObject, ...]:
        """The run that this one is a step of, then that one's: so far as they are who they were."""
        chain: list[RunObject] = []
        while run.step and len(chain) < MAX_DEPTH:
            above = self._caches[names.PIPELINE_RUN].get(run.meta.namespace, run.part_of)
            if above is None or above["metadata"]["uid"] != run.meta.owner_uid:
                break
            run = views.run(above)
            chain.append(run)
        return tuple(chain)

    async def _previous(self, run: RunObject, runs: Iterable[RunObject]) -> Sequence[Previous]:
        """Those of whose frozen steps nothing is left are passed over."""
        found = []
        for one in history.previous_runs(run, runs):
            revision = await self._revision_of(one)
            if revision is None or revision.pipeline is None:
                continue
            steps, pinned = one.status.get("steps") or (), one.status.get("pinned") or ()
            name, time, cause = one.meta.name, one.logical_time, one.cause
            found.append(Previous(name, revision.pipeline, one.given, time, steps, pinned, cause))
        return found

    async def _revision_of(self, run: RunObject, origin: RunObject | None = None) -> Revision | None:
        """What the run executes: frozen at its start, named by it, or that of the run that it repeats."""
        snapshot: Mapping[str, Any] = run.status.get("snapshot") or {}
        name = snapshot.get("revision") or run.revision
        if not name and origin is not None:
            name = (origin.status.get("snapshot") or {}).get("revision")
        if not name:
            return None
        return await self._reads.revision(run.meta.namespace, name)


def applied_spec(item: Object) -> Mapping[str, Any] | None:
    """What the user wrote below `spec`, where the API server dropped some of it.

    Only where the rest is what is stored: after an edit by other means the annotation tells of the past.
    """
    text = (item["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    if not text:
        return None
    try:
        written = json.loads(text)["spec"]
    except (ValueError, KeyError, TypeError):
        return None
    stored = item.get("spec") or {}
    return written if isinstance(written, dict) and written != stored and _contains(written, stored) else None


def _contains(whole: Any, part: Any) -> bool:
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(key in whole and _contains(whole[key], value) for key, value in part.items())
    if isinstance(whole, list) and isinstance(part, list):
        return len(whole) == len(part) and all(map(_contains, whole, part))
    return bool(whole == part)
