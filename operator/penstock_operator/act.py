"""Carries out what a plan asks for, in its order.

Says when the planner should look again at what came of it.
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from penstock_operator.caches import Caches
from penstock_operator.cluster import Cluster
from penstock_operator.core.actions import (
    Action,
    Apply,
    Cancel,
    Create,
    Delete,
    PatchStatus,
    RegisterModel,
    SetOwner,
)
from penstock_operator.core.observed import Refusal
from penstock_operator.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Invalid,
    LacksRight,
    NotFound,
    QuotaExceeded,
)
from penstock_operator.manifests.identity import may_adopt
from penstock_operator.model_numbers import ModelNumbers
from penstock_operator.reads import Findings, Reads
from penstock_operator.resources import CONTROLLER_REVISION, OPTIONAL_KINDS
from penstock_operator.statuses import status_patch
from penstock_operator.store import Object, controller_of
from penstock_spec import names
from penstock_spec.names import Reason

_OWNED = "Apply failed with"  # so begins the API server's answer about fields that others own


class Actor:
    """Every write but the status of the planned object and Events."""

    def __init__(self, cluster: Cluster, caches: Caches, reads: Reads) -> None:
        self._cluster = cluster
        self._caches = caches
        self._reads = reads
        self._numbers = ModelNumbers(cluster, caches, reads)

    async def carry_out(
        self, actions: Sequence[Action], findings: Findings, overtaken: Callable[[], bool] = lambda: False
    ) -> bool:
        """Do all of `actions`; True when the planner has to look again before anything else is done.

        A refusal stops, goes into `findings` and asks for another plan; so does it when something has
        `overtaken` this one: a run of a thousand cells is cancelled before all their Jobs are made. Raises
        ClusterError for what is to be tried again later from a new observation.
        """
        again = False
        for action in actions:
            if isinstance(action, Create) and overtaken():
                return True
            refused = await self._one(action, findings)
            if refused:
                return True
            again = again or isinstance(action, RegisterModel | Apply | SetOwner | PatchStatus)
        return again

    async def _one(self, action: Action, findings: Findings) -> bool:
        """True where the API server refused."""
        match action:
            case Create():
                return await self._guarded(
                    action.manifest["metadata"]["name"], self._create, action, findings
                )
            case Apply():
                return await self._guarded(action.key, self._apply, action, findings)
            case RegisterModel():
                return await self._guarded(action.model, self._numbers.register, action, findings)
            case Delete():
                await self._delete(action)
            case Cancel():
                await self._cancel(action)
            case SetOwner():
                await self._set_owner(action)
            case PatchStatus():
                await self._patch_status(action)
        return False

    async def _guarded(
        self, name: str, do: Callable[[Any], Coroutine[Any, Any, Any]], action: Action, findings: Findings
    ) -> bool:
        try:
            await do(action)
        except LacksRight:
            raise  # nothing is wrong with the object: it is tried again when the right is there
        except QuotaExceeded as error:
            findings.refusals[name] = Refusal(Reason.QUOTA_EXCEEDED, str(error))
        except (Forbidden, Invalid) as error:
            findings.refusals[name] = Refusal(Reason.REJECTED_BY_CLUSTER, str(error))
        except _Collision as error:
            findings.refusals[name] = Refusal(Reason.NAME_COLLISION, str(error))
        except _Owned as error:
            findings.refusals[name] = Refusal(Reason.FIELD_OWNED, str(error))
        else:
            return False
        return True

    async def _create(self, action: Create) -> None:
        kind, meta = action.manifest["kind"], action.manifest["metadata"]
        try:
            item = await self._cluster.create(action.manifest)
        except NotFound as error:
            if kind not in OPTIONAL_KINDS:
                raise
            gone = f"this run's gangs are {kind}s, which the cluster has no longer; start another run"
            raise Invalid(gone, error.code) from error
        except AlreadyExists:
            item = await self._cluster.get(kind, meta["namespace"], meta["name"])
            if item["metadata"].get("deletionTimestamp"):
                raise Conflict(f"{kind} {meta['name']} is still being deleted") from None
            if not may_adopt(action.manifest, item):
                raise _Collision(
                    f"{kind} {meta['name']} exists and is not ours; delete it, or rename it: "
                    f"kubectl -n {meta['namespace']} get {kind.lower()} {meta['name']} -o yaml"
                ) from None
        if kind != CONTROLLER_REVISION:
            self._caches.learn(kind, item)

    async def _apply(self, action: Apply) -> None:
        try:
            item = await self._cluster.apply(action.manifest, action.manager, force=action.force)
        except Conflict as error:
            if _OWNED not in str(error):
                raise  # the object, or a quota, changed meanwhile
            raise _Owned(str(error)) from error
        self._caches.learn(action.manifest["kind"], item)

    async def _delete(self, action: Delete) -> None:
        try:
            await self._cluster.delete(action.kind, action.namespace, action.name, action.uid)
        except (NotFound, Conflict):
            # Gone, or another object has the name: this one does not exist either way.
            self._forget(action.kind, action.namespace, action.name, action.uid)
        if action.kind == CONTROLLER_REVISION:
            self._reads.drop_revision(action.namespace, action.name)

    async def _cancel(self, action: Cancel) -> None:
        where = (names.PIPELINE_RUN, action.namespace, action.name)
        operations: list[Object] = [
            {"op": "test", "path": "/metadata/uid", "value": action.uid},
            {"op": "add", "path": "/spec/cancel", "value": True},
        ]
        try:
            item = await self._cluster.patch(*where, operations)
        except NotFound:
            self._forget(names.PIPELINE_RUN, action.namespace, action.name, action.uid)
            return
        except Conflict:
            known = await self._reads.fresh(*where)
            if known is not None and known["metadata"]["uid"] == action.uid:
                raise
            return  # another run has the name: this one does not exist
        self._caches.learn(names.PIPELINE_RUN, item)

    def _forget(self, kind: str, namespace: str, name: str, uid: str) -> None:
        if kind == CONTROLLER_REVISION:
            return
        known = self._caches[kind].get(namespace, name)
        if known is not None and known["metadata"]["uid"] == uid:
            self._caches.forget(kind, known)

    async def _set_owner(self, action: SetOwner) -> None:
        where = (action.kind, action.namespace, action.name)
        item = await self._reads.fresh(*where)
        if item is None or item["metadata"]["uid"] != action.uid or controller_of(item) is not None:
            return
        owners = [*(item["metadata"].get("ownerReferences") or ()), dict(action.owner)]
        version = item["metadata"]["resourceVersion"]
        operations: list[Object] = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": version},
            {"op": "add", "path": "/metadata/ownerReferences", "value": owners},
        ]
        self._caches.learn(action.kind, await self._cluster.patch(*where, operations))

    async def _patch_status(self, action: PatchStatus) -> None:
        where = (action.kind, action.namespace, action.name)
        known = self._caches[action.kind].get(action.namespace, action.name)
        current = known is not None and known["metadata"]["resourceVersion"] == action.resource_version
        before = (known or {}).get("status") or {} if current else {}
        operations = status_patch(before, action.status)
        if not operations:
            return
        try:
            item = await self._cluster.patch_status(*where, action.resource_version, operations)
        except (Conflict, NotFound):
            # Somebody was faster: read what they wrote and let the planner decide on that.
            await self._reads.fresh(*where)
            return
        self._caches.learn(action.kind, item)


class _Collision(Exception):  # noqa: N818 - the name says what happened
    """The name is held by an object that is not ours."""


class _Owned(Exception):  # noqa: N818 - the same
    """Another field manager owns what we would set."""
