"""Live reads on behalf of one decision: what a cache may not answer.

Whatever is read goes into the caches as well.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from penstock_operator import views, views_endpoint
from penstock_operator.caches import Caches
from penstock_operator.cluster import Cluster
from penstock_operator.core import frozen, queued
from penstock_operator.core.observed import Ref, Refusal, Revision, Trouble
from penstock_operator.core.references import HOLDERS, REFERENCES, referred_by
from penstock_operator.errors import Forbidden, NotFound
from penstock_operator.resources import (
    CONTROLLER_REVISION,
    CUSTOM_KINDS,
    DEPLOYMENT,
    EVENT,
    JOB,
    JOB_SET,
    MANAGED_SELECTOR,
    OPTIONAL_KINDS,
    POD,
    WATCHED_KINDS,
    WORKLOADS,
    fields_of,
    labels_of,
)
from penstock_operator.store import Object, controller_of
from penstock_spec.names import LABEL_MANAGED_BY, LABEL_WORKLOAD_JOB, MANAGED_BY

REVISIONS_KEPT = 512
AT_ONCE = 64  # Jobs that one question about Workloads names
JOB_UID_LABEL = "batch.kubernetes.io/controller-uid"  # the Job controller's own, on every pod that it makes


@dataclass
class Findings:
    """What one pass has learned beside the caches; it dies with the pass."""

    live: set[Ref] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)  # Jobs whose Events were read, whatever they said
    troubles: dict[str, Trouble] = field(default_factory=dict)
    refusals: dict[str, Refusal] = field(default_factory=dict)
    revisions: list[Revision] = field(default_factory=list)
    references: frozenset[bytes] = frozenset()  # to the store, of the whole namespace


class Reads:
    """Reads objects, lists and Events from the API server itself."""

    def __init__(self, cluster: Cluster, caches: Caches) -> None:
        self._cluster = cluster
        self._caches = caches
        self._revisions: dict[tuple[str, str], Revision] = {}

    async def fresh(self, kind: str, namespace: str, name: str) -> Object | None:
        """The object as it is now, or None. The caches know either afterwards."""
        # What a stream tells of while the answer is on its way may have been made after it.
        known = self._caches[kind].get(namespace, name)
        try:
            item = await self._cluster.get(kind, namespace, name)
        except NotFound:
            if known is not None:
                self._caches.forget(kind, known)
            return None
        self._caches.learn(kind, item, live=True)
        return item

    async def confirm(self, refs: Iterable[Ref], namespace: str, uid: str, findings: Findings) -> None:
        """Read each of `refs`; children are those whose controller has `uid`."""
        for ref in refs:
            if ref.kind == CONTROLLER_REVISION:
                findings.revisions = await self._owned_revisions(namespace, uid)
            elif ref.kind == REFERENCES:
                findings.references = await self._references(namespace)
            elif ref.name:
                await self.fresh(ref.kind, namespace, ref.name)
            elif ref.kind == POD:
                await self._pods_of_jobs(namespace)
            else:
                await self.compare(ref.kind, namespace)
            findings.live.add(ref)

    async def _references(self, namespace: str) -> frozenset[bytes]:
        """All that anything refers to, as it is now: no cache is asked, and what cannot be read ends it."""
        found: set[bytes] = set()
        for kind in HOLDERS:
            items, _ = await self._cluster.list(kind, namespace, labels_of(kind))
            for item in items:
                found |= referred_by(item)
                await asyncio.sleep(0)  # others have their turn: there may be hundreds of large statuses
        return frozenset(found)

    async def _pods_of_jobs(self, namespace: str) -> None:
        """Every pod of our Jobs, whatever has become of the label by which it is watched, or of its Job."""
        items, _ = await self._cluster.list(POD, namespace, JOB_UID_LABEL)
        for item in items:
            ours = (item["metadata"].get("labels") or {}).get(LABEL_MANAGED_BY) == MANAGED_BY
            if ours or self._caches[JOB].find("uid", (controller_of(item) or {}).get("uid", "")):
                self._caches.learn(POD, item, live=True)

    async def compare(self, kind: str, namespace: str | None) -> int:
        """List a kind and put the cache right; gives how many differences there were."""
        if kind not in (*CUSTOM_KINDS, *WATCHED_KINDS, *OPTIONAL_KINDS):
            raise ValueError(f"there is no cache of {kind}")
        try:
            items, version = await self._cluster.list(kind, namespace, labels_of(kind), fields_of(kind))
        except NotFound:
            if kind not in OPTIONAL_KINDS:
                raise
            # The kind itself is gone, and all of it.
            known = self._caches[kind].all()
            return sum(self._caches.forget(kind, one) for one in known)
        return self._caches.compare(kind, namespace, items, version)

    async def revision(self, namespace: str, name: str) -> Revision | None:
        """A ControllerRevision.

        It cannot change, so one that was read is remembered until it is removed by us.
        """
        key = (namespace, name)
        if key not in self._revisions:
            try:
                item = await self._cluster.get(CONTROLLER_REVISION, namespace, name)
            except NotFound:
                return None
            if len(self._revisions) >= REVISIONS_KEPT:
                del self._revisions[next(iter(self._revisions))]
            self._revisions[key] = _loaded(item)
        return self._revisions[key]

    def drop_revision(self, namespace: str, name: str) -> None:
        """Read this one anew when it is asked for again."""
        self._revisions.pop((namespace, name), None)

    async def inquire(self, stuck: Iterable[str], namespace: str, findings: Findings) -> None:
        """Read the Events of these Jobs or Deployments and their pods; the newest warning is the trouble.

        Of a Job that is suspended Kueue tells more than any Event.
        """
        names = list(stuck)
        findings.asked.update(names)
        held = [name for name in names if self._is_suspended(namespace, name)]
        findings.troubles.update(await self._held(namespace, held))
        for name in names:
            if name in held:
                continue
            uids = self._uids(namespace, name)
            warnings: list[Object] = []
            for one in uids:
                events, _ = await self._cluster.list(
                    EVENT, namespace, fields=f"involvedObject.uid={one},type=Warning"
                )
                warnings += events
            if warnings:
                newest = max(warnings, key=_when)
                findings.troubles[name] = Trouble(newest.get("reason", ""), newest.get("message", ""))

    def _is_suspended(self, namespace: str, name: str) -> bool:
        job = self._attempt(namespace, name)
        return job is not None and (job.get("spec") or {}).get("suspend") is True

    def _attempt(self, namespace: str, name: str) -> Object | None:
        """The Job or JobSet of this name."""
        return self._caches[JOB].get(namespace, name) or self._caches[JOB_SET].get(namespace, name)

    async def _held(self, namespace: str, names: Sequence[str]) -> Mapping[str, Trouble]:
        """What Kueue's Workloads say about these suspended Jobs."""
        uids = {name: job["metadata"]["uid"] for name in names if (job := self._attempt(namespace, name))}
        found: dict[str, list[Object]] = {uid: [] for uid in uids.values()}
        wanted = list(found)
        for start in range(0, len(wanted), AT_ONCE):
            some = wanted[start : start + AT_ONCE]
            try:
                workloads = await self._workloads(namespace, f"{LABEL_WORKLOAD_JOB} in ({','.join(some)})")
            except Forbidden:
                return dict.fromkeys(uids, Trouble(queued.NOT_ALLOWED, ""))
            if workloads is None:
                return dict.fromkeys(uids, Trouble(queued.NO_KUEUE, ""))
            for one in workloads:
                found.setdefault(one["metadata"]["labels"][LABEL_WORKLOAD_JOB], []).append(one)
        return {name: queued.trouble_of(found[uid]) for name, uid in uids.items()}

    async def _workloads(self, namespace: str, labels: str) -> list[Object] | None:
        """None where no version of the kind is served."""
        for kind in WORKLOADS:
            try:
                items, _ = await self._cluster.list(kind, namespace, labels)
            except NotFound:
                continue
            return items
        return None

    def _uids(self, namespace: str, name: str) -> list[str]:
        """The uids of a Job, JobSet or Deployment of this name, and of what it has made."""
        job = self._attempt(namespace, name)
        if job is not None:
            uid = job["metadata"]["uid"]
            below = [one["metadata"]["uid"] for one in self._caches[JOB].find("owner", uid)]
            pods = [pod for one in (uid, *below) for pod in self._caches[POD].find("owner", one)]
            return [uid, *below, *(pod["metadata"]["uid"] for pod in pods)]
        deployment = self._caches[DEPLOYMENT].get(namespace, name)
        if deployment is None:
            return []
        made = views_endpoint.pods_of_deployment(deployment, self._caches[POD].find("namespace", namespace))
        return [deployment["metadata"]["uid"], *(one["metadata"]["uid"] for one in made)]

    async def _owned_revisions(self, namespace: str, uid: str) -> list[Revision]:
        items, _ = await self._cluster.list(CONTROLLER_REVISION, namespace, MANAGED_SELECTOR)
        return [_loaded(one) for one in items if (controller_of(one) or {}).get("uid") == uid]


def _loaded(item: Object) -> Revision:
    return frozen.load(views.meta(item), item.get("data"))


def _when(event: Object) -> str:
    """When an Event was last seen. RFC 3339 in UTC: texts sort like the times they mean."""
    series: Object = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")
